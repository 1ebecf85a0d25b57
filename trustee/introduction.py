"""The trustee's public files, for its operator to hand to the gateway's."""

from federation.canonical import JsonObject
from federation.keyfiles import write_public
from federation.ledger.checkpoint import NoteKey
from federation.ledger.export import KEY_FILE
from federation.renewal import certificate_request
from trustee.key_material import load_keys, open_keyring
from trustee.names import ledger_origin
from trustee.settings import TrusteeSettings


def introduce(settings: TrusteeSettings) -> JsonObject:
    """Write verify key, ledger key and certificate request into the data folder; returns what they are.

    Raises:
        WardgateError: `KEYRING_REJECTED`.
    """
    keyring = open_keyring(settings.keyring)
    verify_key = load_keys(keyring).signing_key.verify_key
    files = {
        "trustee.pub": verify_key.pem,
        KEY_FILE: NoteKey(ledger_origin(settings.party), verify_key).text().encode(),
        "trustee-request.pem": certificate_request(keyring, settings.party),
    }
    for name, content in files.items():
        write_public(settings.data_dir / name, content)
    return {
        "party": settings.party.uri,
        "verify_key": verify_key.hex,
        "fingerprint": verify_key.fingerprint,
        "files": [str(settings.data_dir / name) for name in files],
    }
