from alembic import context

from federation.store import run_migrations
from trustee.store.tables import metadata

run_migrations(context, metadata)  # type: ignore[arg-type]  # alembic's module stands for its EnvironmentContext
