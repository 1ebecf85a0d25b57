"""What the gateway begins with: its directory, and what it verified of the trustee's register before a restart."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from federation.directory import Anchors, TrustedDirectory
from federation.events import Event
from federation.following.alarm import Disbelief
from federation.following.register import FollowedRegister
from federation.keyfiles import read_auditors, read_verify_key
from federation.ledger.checkpoint import NoteKey
from federation.ledger.journal import Journal
from federation.ledger.witness import Witness
from federation.ledger.witnessing import WatchedLedger
from federation.transport.denylist import DenyList
from gateway.directory import DirectoryAuthority
from gateway.keychain import GatewayKeychain
from gateway.membership import Membership
from gateway.points import HolderPoints
from gateway.settings import GatewaySettings
from gateway.trustee_client import GrpcTrustee
from keys.keyring import Keyring
from keys.signing import SigningKey


def begin_directory(
    settings: GatewaySettings,
    keychain: GatewayKeychain,
    engine: AsyncEngine,
    journal: Journal,
    deny_list: DenyList,
    *,
    clock: Callable[[], float],
) -> DirectoryAuthority:
    """The authority for the directory, which verifies what it publishes as any follower would.

    Args:
        settings: The gateway's.
        keychain: Its keys.
        engine: Its store, for reading.
        journal: Its own.
        deny_list: The list in force.
        clock: Seconds since the epoch.

    Raises:
        WardgateError: `SETTINGS_INVALID`.
    """
    anchors = Anchors(
        gateway_key=keychain.verify_key,
        trustee_key=read_verify_key(settings.trustee.verify_key_file),
        audit_key=read_verify_key(settings.audit_verify_key_file),
    )
    return DirectoryAuthority(
        engine=engine,
        journal=journal,
        key=keychain.signing_key,
        auditors=read_auditors(settings.audit_statements_file),
        trusted=TrustedDirectory.empty(anchors),
        deny_list=deny_list,
        clock=clock,
    )


async def begin_membership(
    settings: GatewaySettings,
    key: SigningKey,
    *,
    engine: AsyncEngine,
    journal: Journal,
    trustee: GrpcTrustee,
    listed: Callable[[], TrustedDirectory],
    clock: Callable[[], float],
) -> Membership:
    """Who is a member, as it was verified and kept.

    Args:
        settings: The gateway's.
        key: Its signing key: it is a witness of the trustee's ledger.
        engine: Its store, for reading.
        journal: Its own.
        trustee: Where the register comes from.
        listed: The directory in force.
        clock: Seconds since the epoch.

    Raises:
        WardgateError: `SETTINGS_INVALID`, `STORE_UNAVAILABLE`; or, when the store was tampered with, what verifying it
            raised.
    """
    theirs = NoteKey(settings.trustee.party.ledger, read_verify_key(settings.trustee.verify_key_file))
    followed = FollowedRegister(
        trustee,
        watched=WatchedLedger(journal, Witness(str(settings.party), key, clock), theirs),
        engine=engine,
        journal=journal,
        clock=clock,
        cosign=trustee.cosign,
    )
    await followed.load()
    disbelief = Disbelief(Event.TRUSTEE_NOT_BELIEVED, journal=journal, clock=clock)
    return Membership(trustee, followed, listed=listed, disbelief=disbelief, clock=clock)


def begin_points(
    settings: GatewaySettings,
    keychain: GatewayKeychain,
    directory: DirectoryAuthority,
    trustee: GrpcTrustee,
    *,
    clock: Callable[[], float],
) -> HolderPoints:
    """What states both holders' points for the directory.

    Args:
        settings: The gateway's.
        keychain: Its keys: new seeds are added to them.
        directory: The authority for the directory.
        trustee: The other holder.
        clock: Seconds since the epoch.
    """
    return HolderPoints(
        directory=directory,
        keyring=Keyring(settings.keys_dir),
        keys=keychain.holder_keys,
        signing_key=keychain.signing_key,
        trustee=trustee,
        clock=clock,
    )
