"""Key holders that use another key for one scope under a running epoch, and publish its point with all signatures."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from federation.directory import AgencyEntry, PointsStatement, PublicPoint, SignedPoints
from keys import domains
from keys.holder import HolderKey, HolderKeys, ScopeEpoch, Translation
from keys.secret import Secret
from keys.signing import SigningKey

EPOCH = 1


def rekey(keys: HolderKeys, scope: str, *, epoch: int = EPOCH) -> HolderKey:
    """Have a holder use another key for one scope from now on; returns it."""
    other = HolderKeys(keys.role, {epoch: Secret.random()}).key(scope, epoch)
    inside: Any = keys
    derive = inside._derive
    inside._derive = lambda *asked: other if asked == (scope, epoch) else derive(*asked)
    inside._relate.cache_clear()
    return other


@contextmanager
def every_holder_uses(other: HolderKey) -> Iterator[None]:
    """Every holder of its role in this process uses this key for its scope and epoch, wherever it was made."""
    holders: Any = HolderKeys
    key, translation = holders.key, holders.translation

    def its_key(self: HolderKeys, scope: str, epoch: int) -> HolderKey:
        if (self.role, scope, epoch) == (other.role, other.scope, other.epoch):
            return other
        made: HolderKey = key(self, scope, epoch)
        return made

    def its_translation(self: HolderKeys, source: ScopeEpoch, target: ScopeEpoch) -> Translation:
        return Translation(its_key(self, source.scope, source.epoch), its_key(self, target.scope, target.epoch))

    holders.key, holders.translation = its_key, its_translation
    try:
        yield
    finally:
        holders.key, holders.translation = key, translation


def signed_points(key: HolderKey, signing_key: SigningKey, *, at: int) -> SignedPoints:
    """The holder's statement of a key's point, signed."""
    statement = PointsStatement(
        holder=key.role, scope=key.scope, epochs=[PublicPoint(epoch=key.epoch, public=key.public)], issued_at=at
    ).canonical()
    return SignedPoints(statement=statement, signature=signing_key.sign(domains.POINTS, statement))


def with_points(entry: AgencyEntry, key: HolderKey, points: SignedPoints) -> AgencyEntry:
    """The directory's entry of the key's scope with these points in place of its holder's; others as they are."""
    return entry.model_copy(update={f"{key.role}_points": points}) if entry.agency.id == key.scope else entry
