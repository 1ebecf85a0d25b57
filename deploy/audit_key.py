"""Makes the auditors' key, which belongs to no service: why a query was put is sealed to it.

Run it where the key is to live, which is on no machine of the federation, with two people present. The gateway is given
the public half. A key that exists is never replaced: its public half is written again.

    audit_key.py --keyring DIR --public audit.pub
"""
# ruff: noqa: INP001 - a script that is run by its path, part of no package

import argparse
import base64
from pathlib import Path

import typer

from federation.command import done
from federation.keyfiles import write_public
from keys.envelope import SealingKey
from keys.errors import KeysError
from keys.keyring import Keyring

AUDIT = "audit"


def make_audit_key(keyring: Keyring, public: Path) -> None:
    """Make the key if there is none, and write its public half."""
    if not keyring.exists(AUDIT):
        keyring.create(AUDIT, SealingKey.generate().secret)
    write_public(public, base64.b64encode(SealingKey.from_secret(keyring.load(AUDIT)).public))


def main() -> int:
    """Make the key; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keyring", type=Path, required=True, help="folder of the secret half")
    parser.add_argument("--public", type=Path, required=True, help="file for the public half")
    options = parser.parse_args()
    try:
        make_audit_key(Keyring(options.keyring), options.public)
    except KeysError as error:
        typer.echo(str(error), err=True)
        return 1
    done(f"audit key: public half in {options.public}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
