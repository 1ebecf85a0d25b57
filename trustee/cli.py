"""`wardgate trustee …`: run a trustee, and do what its operators do."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from federation.command import done, emit, fail_with_code
from trustee.settings import TrusteeSettings

trustee_app = typer.Typer(
    no_args_is_help=True, help="The independent holder of half of every pseudonym key; sees no child's data."
)

Config = Annotated[Path, typer.Option("--config", exists=True, dir_okay=False, help="The trustee's settings (TOML).")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it nothing is written.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Scope = Annotated[str, typer.Argument(help="Agency id.")]


@trustee_app.command()
@fail_with_code
def serve(config: Config) -> None:
    """Run the trustee until it is asked to stop."""
    from federation.serving import run
    from federation.telemetry import configure_logging
    from trustee.app import serve as serve_trustee

    settings = TrusteeSettings.load(config)
    configure_logging(service="trustee", destination=settings.log_file)
    run(lambda supervisor: serve_trustee(settings, supervisor), service="trustee")


@trustee_app.command("keys-init")
@fail_with_code
def keys_init(config: Config, yes: Yes = False, as_json: Json = False) -> None:
    """Make the keys of a new trustee: seed, signing key, TLS key and the request for its certificate.

    What exists is never replaced. Hand trustee.pub and trustee-request.pem to the gateway's operator.
    """
    from trustee.introduction import introduce
    from trustee.key_material import create_keys, missing_keys

    settings = TrusteeSettings.load(config)
    if not yes:
        missing = missing_keys(settings.keyring)
        emit({"keyring": str(settings.keyring), "would_make": missing, "done": False}, as_json=as_json)
        return
    made = create_keys(settings.keyring)
    emit({"keyring": str(settings.keyring), "made": made, "done": True, **introduce(settings)}, as_json=as_json)


@trustee_app.command("certificate-install")
@fail_with_code
def certificate_install(
    config: Config,
    chain: Annotated[Path, typer.Option("--chain", exists=True, dir_okay=False, help="The certificate (PEM).")],
    roots: Annotated[Path, typer.Option("--roots", exists=True, dir_okay=False, help="Authorities trusted (PEM).")],
    yes: Yes = False,
) -> None:
    """Put the first certificate in place; the trustee renews the following ones itself."""
    from federation.renewal import Issued, install
    from trustee.key_material import open_keyring

    settings = TrusteeSettings.load(config)
    if not yes:
        done(f"would install {chain.name} and {roots.name} in {settings.keyring}; add --yes")
        return
    issued = Issued(chain.read_bytes(), roots.read_bytes())
    install(open_keyring(settings.keyring), issued, settings.party, now=time.time(), known_roots=None)
    done(f"{settings.party}: certificate installed")


@trustee_app.command("check-config")
@fail_with_code
def check_config(config: Config) -> None:
    """Read settings, keys and certificate and say whether they can be used; starts nothing.

    A certificate that ran out is a warning: the trustee that is started claims a new one.
    """
    from federation.keyfiles import read_verify_key
    from federation.person_key import introduced
    from federation.renewal import check_installed
    from trustee.key_material import load_keys, open_existing_keyring

    settings = TrusteeSettings.load(config)
    read_verify_key(settings.gateway.verify_key_file)
    keyring = open_existing_keyring(settings.keyring)
    load_keys(keyring)
    certificate = check_installed(keyring, settings.party, now=time.time())
    done(f"{settings.party}: settings and keys are valid")
    done(certificate)
    for line in introduced(settings.approvers):
        done(f"approver {line}")


@trustee_app.command()
@fail_with_code
def status(config: Config, as_json: Json = False) -> None:
    """Show keys, directory, ledger, epochs and this hour's counters, whether the trustee runs or not."""
    from trustee.status import read_status

    emit(asyncio.run(read_status(TrusteeSettings.load(config))), as_json=as_json)


@trustee_app.command("person-key")
@fail_with_code
def person_key(
    keyring: Annotated[Path, typer.Option("--keyring", help="Folder for the key: on the person's own machine.")],
    as_json: Json = False,
) -> None:
    """Make the key with which one person approves members; its verify key goes into the trustee's settings.

    It is made on the person's own machine and stays there: whoever runs the trustee must not have it. A key that exists
    is shown and never replaced.
    """
    from federation.person_key import make_person_key

    key = make_person_key(keyring)
    emit({"verify_key": key.hex, "fingerprint": key.fingerprint}, as_json=as_json)


@trustee_app.command()
@fail_with_code
def pending(
    config: Config,
    out: Annotated[Path | None, typer.Option("--out", help="File to take to the people who approve.")] = None,
    as_json: Json = False,
) -> None:
    """Show agencies that the directory lists and that nobody is to believe before two people approved them."""
    from trustee.approving import read_pending

    found = asyncio.run(read_pending(TrusteeSettings.load(config)))
    if out is not None:
        out.write_bytes(found.canonical())
    emit(found.model_dump(mode="json"), as_json=as_json)


@trustee_app.command("approval-sign")
@fail_with_code
def approval_sign(
    agency: Scope,
    pending_file: Annotated[Path, typer.Option("--pending", exists=True, dir_okay=False, help="What `pending` wrote.")],
    keyring: Annotated[Path, typer.Option("--keyring", exists=True, file_okay=False, help="The person's own key.")],
    approver: Annotated[str, typer.Option("--as", help="The person's short name in the trustee's settings.")],
    fingerprint: Annotated[str, typer.Option(help="As the agency read it out, not as the pending file shows it.")],
    caseload: Annotated[int, typer.Option(help="Children that count for its quotas.")],
    compared: Annotated[
        str,
        typer.Option(
            help="How: by which way the fingerprint came, and the public register that it was checked against."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="File for the signed approval.")],
    reset: Annotated[
        bool, typer.Option("--reset", help="The agency has lost its keys, and said so itself: `resets` of `pending`.")
    ] = False,
) -> None:
    """Approve one agency, on the person's own machine, with the person's own key."""
    from federation.person_key import load_person_key
    from trustee.approving import PendingFile, sign_approval

    signed = sign_approval(
        PendingFile.parse(pending_file.read_bytes()),
        agency,
        fingerprint=fingerprint,
        caseload=caseload,
        compared=compared,
        approver=approver,
        key=load_person_key(keyring),
        at=int(time.time()),
        is_reset=reset,
    )
    out.write_bytes(signed.canonical())
    done(f"{agency}: approved by {approver}; bring {out.name} to the trustee")


@trustee_app.command("approval-add")
@fail_with_code
def approval_add(
    approval: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A signed approval.")], config: Config
) -> None:
    """Add a person's signed approval. The second one makes the member; the running trustee takes it up by itself."""
    from federation.register import SignedApproval
    from trustee.approving import add

    found = asyncio.run(add(TrusteeSettings.load(config), SignedApproval.parse(approval.read_bytes())))
    done(f"{found.agency}: approval of {found.approver} added")


@trustee_app.command("epoch-open")
@fail_with_code
def epoch_open(scope: Scope, config: Config, yes: Yes = False, as_json: Json = False) -> None:
    """Open the next epoch of an agency's scope; the one before stays valid until it is retired."""
    _rotate(TrusteeSettings.load(config), scope, opening=True, yes=yes, as_json=as_json)


@trustee_app.command("epoch-retire")
@fail_with_code
def epoch_retire(scope: Scope, config: Config, yes: Yes = False, as_json: Json = False) -> None:
    """Take the oldest epoch of an agency's scope out of use: pseudonyms of it are refused from then on."""
    _rotate(TrusteeSettings.load(config), scope, opening=False, yes=yes, as_json=as_json)


def _rotate(settings: TrusteeSettings, scope: str, *, opening: bool, yes: bool, as_json: bool) -> None:
    from trustee.epoch_command import next_step, plan_rotation, rotate_scope

    act = rotate_scope if yes else plan_rotation
    found = asyncio.run(act(settings, scope, opening=opening))
    said = next_step(scope, found, opening=opening, done=yes)
    emit({"scope": scope, "oldest": found.oldest, "newest": found.newest, "done": yes, "next": said}, as_json=as_json)
