from tests.support.gateway_world import policy, world

__all__ = ["policy", "world"]
