"""The node where the gateway's or the trustee's ledger is recovered: it says what it saw, and accepts by command."""

from agency_node.following import read_anchors
from agency_node.keychain import load_keychain
from agency_node.settings import NodeSettings
from federation.ledger.checkpoint import NoteKey
from federation.recovery.documents import Centre
from federation.recovery.follower import PartyAtHand
from keys.keyring import Keyring


def at_hand(settings: NodeSettings) -> PartyAtHand:
    """The node on whose machine a command runs.

    Raises:
        WardgateError: `SETTINGS_INVALID`, `KEYRING_REJECTED`.
    """
    anchors = read_anchors(settings)
    centre = Centre(
        NoteKey(settings.gateway.party.ledger, anchors.gateway_key),
        NoteKey(settings.gateway.trustee.ledger, anchors.trustee_key),
    )
    key = load_keychain(Keyring(settings.keys_dir)).signing_key
    return PartyAtHand(settings.party, key, settings.store_url, centre)
