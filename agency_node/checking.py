"""`wardgate node check-config`: reads everything a node needs to start, and starts nothing."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

from agency_node.answering.overlay import Overlay
from agency_node.mapping_words import unknown_words
from agency_node.recipients import unheld
from agency_node.settings import NodeSettings
from agency_node.sources.mapped_source import MappedSource
from agency_node.sources.opening import open_source
from agency_node.users import UsersFile
from federation.england import ENGLAND
from federation.errors import ErrorCode, WardgateError
from federation.keyfiles import read_verify_key
from federation.policy.bundle import VerifiedBundle
from federation.policy.catalogue import Catalogue
from federation.renewal import TLS, check_installed
from keys.keyring import Keyring


def check_node(settings: NodeSettings) -> Iterator[str]:
    """Check part after part; yields a line for each that is right, and a warning for what works and cannot be meant.

    Raises:
        WardgateError: `SETTINGS_INVALID`, `KEYRING_REJECTED`, `BUNDLE_REJECTED`, `MAPPING_INVALID`,
            `SOURCE_UNREADABLE`.
    """
    yield f"{settings.party}: settings are valid"
    yield own_certificate(settings, time.time())
    users = UsersFile(settings.users_file).current()
    yield f"users: {len(users.by_id)}"
    bundle = VerifiedBundle.load(settings.policy.bundle_dir, read_verify_key(settings.policy.bundle_key_file))
    yield f"policy bundle: revision {bundle.id.revision}"
    catalogue = Catalogue.read(bundle)
    read_overlay(settings).verify_words(catalogue)
    yield "overlay: narrows only"
    for sentence in unheld(catalogue, users, today()).sentences():
        yield f"warning: {sentence}"
    for source in open_sources(settings):
        source.check()
        yield f"source {source.name}: readable"
        for sentence in unknown_words(source.mapping, catalogue):
            yield f"warning: source {source.name}: {sentence}"


def own_certificate(settings: NodeSettings, now: float) -> str:
    """What there is to say of this node's certificate in the federation.

    Raises:
        WardgateError: `KEYRING_REJECTED`: it could not be used.
    """
    if not settings.keys_dir.is_dir():
        return "certificate: none, and no keys yet; `keys-init` makes them"
    keyring = Keyring(settings.keys_dir)
    if not keyring.is_published(TLS):
        return "certificate: none yet; `enrol` fetches it"
    return check_installed(keyring, settings.party, now=now)


def open_sources(settings: NodeSettings, *, clock: Callable[[], float] = time.time) -> list[MappedSource]:
    """The node's sources, ready to be read.

    Args:
        settings: The node's.
        clock: Seconds since the epoch: as of when a database was read.

    Raises:
        WardgateError: `MAPPING_INVALID`, `SOURCE_UNREADABLE`.
    """
    return [
        open_source(choice.opened_as(), today=today, clock=clock, test_numbers=settings.test_numbers)
        for choice in settings.sources
    ]


def read_overlay(settings: NodeSettings) -> Overlay:
    """The local overlay; the empty one where none is set.

    Raises:
        WardgateError: `SETTINGS_INVALID`.
    """
    path = settings.overlay_file
    if path is None:
        return Overlay()
    try:
        return Overlay.parse(path.read_bytes(), name=path.name)
    except OSError as error:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{path.name}: {error.strerror}") from error


def today() -> date:
    """The calendar date in England."""
    return datetime.now(UTC).astimezone(ENGLAND).date()
