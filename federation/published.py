"""The points that key holders publish: how they are stated, and whether a holder's secrets give them.

A point says which key makes the pseudonyms of a scope in an epoch. It may never become another (`federation.seen`): new
keys come with a new epoch.

Gateway and trustee ask whether their own seeds give the published points when they start and before each act. With
another key (a seed restored from the wrong backup) every child would look unknown, and nobody would notice. Keys are
derived once and kept (`keys.holder`), so that a check costs a look-up and a comparison, and holds for the very point
that the directory shows at that moment. No I/O.
"""

from collections.abc import Sequence

from federation.directory import Agency, PointsStatement, PublicPoint, SignedPoints, TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from keys import domains
from keys.errors import EncodingRejected
from keys.holder import HolderKey, HolderKeys
from keys.signing import SigningKey


def state_points(
    keys: HolderKeys, signing_key: SigningKey, *, scope: str, epochs: Sequence[int], issued_at: int
) -> SignedPoints:
    """A holder's signed statement of its public points of a scope.

    Args:
        keys: The holder's, from whose seeds alone the points follow.
        signing_key: The holder's, whose public half every party pins.
        scope: An agency, enrolled or about to be.
        epochs: Those to state, oldest first; at least one.
        issued_at: Seconds since the epoch.

    Raises:
        WardgateError: `EPOCH_UNKNOWN`: there is none; `MESSAGE_MALFORMED`: the scope is not an agency id.
    """
    if not epochs:
        raise WardgateError(ErrorCode.EPOCH_UNKNOWN, f"the {keys.role} has no epoch of {scope} to state")
    try:
        points = [PublicPoint(epoch=epoch, public=keys.key(scope, epoch).public) for epoch in epochs]
    except EncodingRejected as error:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "the scope is not an agency id") from error
    statement = PointsStatement(holder=keys.role, scope=scope, epochs=points, issued_at=issued_at).canonical()
    return SignedPoints(statement=statement, signature=signing_key.sign(domains.POINTS, statement))


def check_published(agency: Agency, epoch: int, keys: HolderKeys) -> HolderKey:
    """The holder's key of one scope and epoch, after making sure that its point is the published one.

    Args:
        agency: The scope, as the directory shows it.
        epoch: The epoch to act in.
        keys: The holder's.

    Raises:
        WardgateError: `EPOCH_UNKNOWN`: the epoch is not published yet; `KEYRING_REJECTED`: it is, and the holder has no
            seed of it or one that gives another point.
    """
    scope, published = agency.descriptor.id, agency.points(keys.role).get(epoch)
    if published is None:
        raise WardgateError(ErrorCode.EPOCH_UNKNOWN, f"{scope} epoch {epoch} is not published")
    if epoch not in keys.epochs:
        raise WardgateError(ErrorCode.KEYRING_REJECTED, f"{scope}: there is no {keys.role} seed of epoch {epoch}")
    key = keys.key(scope, epoch)
    if key.public != published:
        detail = f"{scope}: the {keys.role} seed of epoch {epoch} does not give the published point"
        raise WardgateError(ErrorCode.KEYRING_REJECTED, detail)
    return key


def check_in_use(agency: Agency, epoch: int, keys: HolderKeys) -> HolderKey:
    """The holder's key as `check_published` gives it, of an epoch that both holders publish.

    One that a single holder publishes is not in use: it is not open at the other yet, or retired there.

    Raises:
        WardgateError: As `check_published`.
    """
    if epoch not in agency.epochs:
        scope = agency.descriptor.id
        raise WardgateError(ErrorCode.EPOCH_UNKNOWN, f"{scope} epoch {epoch} is not published by both holders")
    return check_published(agency, epoch, keys)


def check_all_published(directory: TrustedDirectory, keys: HolderKeys) -> None:
    """Check every agency in every published epoch whose seed is there, and in its newest epoch in any case.

    A seed of an older epoch may have been destroyed on purpose: nothing is done in that epoch any more.

    Raises:
        WardgateError: `KEYRING_REJECTED`, naming the first scope and epoch that do not fit.
    """
    for _, agency in sorted(directory.agencies.items()):
        held = agency.points(keys.role).keys() & set(keys.epochs)
        for epoch in sorted(held | {agency.epoch}):
            check_published(agency, epoch, keys)
