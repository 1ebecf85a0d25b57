"""`wardgate policy …`: make the policy authority's key, sign a bundle for services to load, verify one.

The commands of those who write policy stand in `federation.policy.authoring.cli`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from federation.command import done, emit, fail_with_code
from federation.keyfiles import read_verify_key, write_verify_key
from federation.policy.authoring.cli import SHIPPED, AsJson, register
from federation.policy.bundle import VerifiedBundle, install_bundle
from federation.policy.catalogue import Catalogue
from keys.keyring import Keyring
from keys.signing import SigningKey

policy_app = typer.Typer(no_args_is_help=True, help="Write, sign and verify policy bundles.")
register(policy_app)

AUTHORITY = "authority"

KeyringDir = Annotated[Path, typer.Option("--keyring", file_okay=False, help="Folder of the policy authority's key.")]


@policy_app.command("keys-init")
@fail_with_code
def keys_init(
    keyring: KeyringDir,
    public: Annotated[Path, typer.Option("--public", help="Where to write the verify key for services.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it nothing is written.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the policy authority's key."""
    if not yes:
        would = f"would make a key in {keyring} and write its public half to {public}; add --yes"
        _say({"done": False, "would": would}, would, as_json=as_json)
        return
    key = SigningKey.generate()
    Keyring(keyring).create(AUTHORITY, key.secret)
    write_verify_key(public, key.verify_key)
    _say({"done": True, "verify_key": key.verify_key.hex}, f"verify key {key.verify_key.hex}", as_json=as_json)


@policy_app.command()
@fail_with_code
def sign(
    keyring: KeyringDir,
    out: Annotated[Path, typer.Option("--out", file_okay=False, help="Where services will load the signed bundle.")],
    dist: Annotated[Path, typer.Option("--dist", exists=True, file_okay=False, help="The built bundle.")] = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """Copy a built bundle to where services load it, and sign the copy."""
    key = SigningKey.from_secret(Keyring(keyring).load(AUTHORITY))
    bundle = install_bundle(dist, out, key)
    content = {"revision": bundle.id.revision, "digest": bundle.id.digest, "signed_at": bundle.signed_at}
    _say(content, f"signed revision {bundle.id.revision}, digest {bundle.id.digest}", as_json=as_json)


@policy_app.command()
@fail_with_code
def verify(
    bundle: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of a signed bundle.")],
    key: Annotated[Path, typer.Option("--key", exists=True, dir_okay=False, help="The authority's verify key.")],
    as_json: AsJson = False,
) -> None:
    """Verify a bundle's signature, file set and digests, and say what is in it."""
    found = VerifiedBundle.load(bundle, read_verify_key(key))
    catalogue = Catalogue.read(found)
    content = {
        "revision": found.id.revision,
        "digest": found.id.digest,
        "signed_at": found.signed_at,
        "purposes": sorted(catalogue.purposes),
        "never_permitted": sorted(catalogue.never_permitted),
        "categories": sorted(catalogue.categories),
    }
    emit(content, as_json=as_json)


def _say(content: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        emit(content, as_json=True)
    else:
        done(text)
