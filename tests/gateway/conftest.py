from tests.support.gateway_world import policy, store_url, stored_world, world
from tests.support.postgres import postgres_server, postgres_url

__all__ = ["policy", "postgres_server", "postgres_url", "store_url", "stored_world", "world"]
