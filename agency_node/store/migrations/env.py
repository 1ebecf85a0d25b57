from alembic import context

from agency_node.store.tables import metadata
from federation.store import run_migrations

run_migrations(context, metadata)
