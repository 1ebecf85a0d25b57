"""What a node follows: the gateway's directory and ledger, the trustee's register and ledger, and who is believed."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.description import signed_descriptions
from agency_node.gateway_client import GrpcDirectory
from agency_node.keychain import NodeKeychain
from agency_node.membership import Neighbours
from agency_node.points import PinnedPoints
from agency_node.settings import NodeSettings
from federation.directory import Anchors, Own
from federation.following.follower import View
from federation.following.gateway import FollowedGateway, Follower
from federation.following.register import FollowedRegister
from federation.following.views import PeerViews
from federation.keyfiles import read_verify_key
from federation.ledger.checkpoint import NoteKey
from federation.ledger.journal import Journal
from federation.ledger.witness import Witness
from federation.ledger.witnessing import WatchedLedger
from federation.register import Believed
from federation.store import reading
from federation.transport.channel import RotatingChannel
from keys.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Following:
    """A node's view of the centre.

    Attributes:
        gateway: The directory that the gateway shows, and its ledger.
        register: The register that the trustee signs, and its ledger.
        members: Those whom both show: the only ones this node acts on.
        points: The points that its own pseudonyms were made under.
        neighbours: Who is new in this agency's areas.
        views: What other members have seen of the centre, compared with what this one has.
    """

    gateway: FollowedGateway
    register: FollowedRegister
    members: Believed
    points: PinnedPoints
    neighbours: Neighbours
    views: PeerViews


def read_anchors(settings: NodeSettings) -> Anchors:
    """The keys that were given out of band.

    Raises:
        WardgateError: `SETTINGS_INVALID`.
    """
    return Anchors(
        gateway_key=read_verify_key(settings.gateway.verify_key_file),
        trustee_key=read_verify_key(settings.gateway.trustee_verify_key_file),
        audit_key=read_verify_key(settings.gateway.audit_verify_key_file),
    )


async def begin_following(
    settings: NodeSettings,
    keychain: NodeKeychain,
    *,
    engine: AsyncEngine,
    journal: Journal,
    channel: RotatingChannel,
    keyring: Keyring,
    clock: Callable[[], float],
) -> Following:
    """Take up what was verified and kept before.

    Args:
        settings: The node's.
        keychain: Its keys.
        engine: Its store.
        journal: The only way to write to it.
        channel: To the gateway.
        keyring: Where what it signed of itself is kept, which no directory may contradict.
        clock: Seconds since the epoch.

    Raises:
        WardgateError: `SETTINGS_INVALID`, `STORE_UNAVAILABLE`; or, when the store was tampered with, what verifying it
            raised.
    """
    store, source, anchors = reading(engine), GrpcDirectory(channel), read_anchors(settings)
    witness = Witness(str(settings.party), keychain.signing_key, clock)
    view = View.first(
        anchors, settings.gateway.party.ledger, lambda: Own(keychain.statement, signed_descriptions(keyring))
    )
    followed = FollowedGateway(
        Follower(view, WatchedLedger(journal, witness, view.key), store, journal), source, clock=clock
    )
    register = FollowedRegister(
        source,
        watched=WatchedLedger(journal, witness, NoteKey(settings.gateway.trustee.ledger, anchors.trustee_key)),
        engine=store,
        journal=journal,
        clock=clock,
    )
    followed.also(register.refresh)
    members = Believed(followed.directory, register.register, clock=clock)
    neighbours = Neighbours(
        settings.agency, members.directory, followed.directory, engine=store, journal=journal, clock=clock
    )
    followed.also(neighbours.refresh)
    views = PeerViews(
        view.key,
        head=lambda: followed.head,
        register_version=lambda: register.register().version,
        gateway=source,
        journal=journal,
        clock=clock,
    )
    followed.also(views.refresh)
    points = PinnedPoints(
        agency=settings.agency, directory=followed.directory, refused=followed.refused_points, engine=store
    )
    for part in (followed, register, neighbours):
        await part.load()
    return Following(followed, register, members, points, neighbours, views)
