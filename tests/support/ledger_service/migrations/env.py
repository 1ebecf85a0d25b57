from alembic import context

from federation.store import run_migrations
from tests.support.ledger_service import metadata

run_migrations(context, metadata)
