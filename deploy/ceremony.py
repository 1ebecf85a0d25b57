"""Makes the two keys that belong to no service: the policy authority's, which signs bundles, and the auditors'.

Run each where that key is to live, which is on no machine of the federation: a laptop that is otherwise off, with two
people present. What the services need are the public halves and the signed bundle.

    ceremony.py policy --keyring DIR --public authority.pub --bundle DIR [--source policies/dist]
    ceremony.py audit  --keyring DIR --public audit.pub

Keys that exist are used and never replaced, so that the first command also signs every later bundle.
"""
# ruff: noqa: INP001 - a script that is run by its path, part of no package

import argparse
import base64
from pathlib import Path

import typer

from federation.command import done
from federation.errors import WardgateError
from federation.keyfiles import write_public
from federation.policy.bundle import install_bundle
from keys.envelope import SealingKey
from keys.errors import KeysError
from keys.keyring import Keyring
from keys.signing import SigningKey

AUTHORITY = "authority"
AUDIT = "audit"
SOURCE = Path(__file__).resolve().parent.parent / "policies" / "dist"


def sign_bundle(keyring: Keyring, *, public: Path, source: Path, bundle: Path) -> str:
    """Sign a copy of a built bundle with the authority's key, which is made if there is none; returns what was done."""
    if not keyring.exists(AUTHORITY):
        keyring.create(AUTHORITY, SigningKey.generate().secret)
    authority = SigningKey.from_secret(keyring.load(AUTHORITY))
    installed = install_bundle(source, bundle, authority)
    write_public(public, authority.verify_key.hex.encode())
    return f"policy authority {authority.verify_key.fingerprint}: signed {installed.id}"


def make_audit_key(keyring: Keyring, *, public: Path) -> str:
    """Make the auditors' key if there is none; returns what was done."""
    if not keyring.exists(AUDIT):
        keyring.create(AUDIT, SealingKey.generate().secret)
    write_public(public, base64.b64encode(SealingKey.from_secret(keyring.load(AUDIT)).public))
    return "audit key: public half written"


def main() -> int:
    """Hold one ceremony; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ceremonies = parser.add_subparsers(dest="ceremony", required=True)
    for name in ("policy", "audit"):
        chosen = ceremonies.add_parser(name)
        chosen.add_argument("--keyring", type=Path, required=True, help="folder of the secret half")
        chosen.add_argument("--public", type=Path, required=True, help="file for the public half")
        if name == "policy":
            chosen.add_argument("--bundle", type=Path, required=True, help="folder for the signed bundle")
            chosen.add_argument("--source", type=Path, default=SOURCE, help="the built bundle")
    options = parser.parse_args()
    try:
        keyring = Keyring(options.keyring)
        if options.ceremony == "policy":
            done(sign_bundle(keyring, public=options.public, source=options.source, bundle=options.bundle))
        else:
            done(make_audit_key(keyring, public=options.public))
    except (WardgateError, KeysError) as error:
        typer.echo(str(error), err=True)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
