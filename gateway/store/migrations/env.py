from alembic import context

from federation.store import run_migrations
from gateway.store.tables import metadata

run_migrations(context, metadata)
