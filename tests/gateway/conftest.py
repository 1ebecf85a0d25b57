from tests.support.gateway_world import policy, store_url, stored_world, world
from tests.support.losing_proxy import gives_up, socket_folder
from tests.support.postgres import postgres_server, postgres_url

__all__ = [
    "gives_up",
    "policy",
    "postgres_server",
    "postgres_url",
    "socket_folder",
    "store_url",
    "stored_world",
    "world",
]
