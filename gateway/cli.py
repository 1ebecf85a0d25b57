"""`wardgate gateway …`: run a gateway and do what its operators do."""

import time
from pathlib import Path
from typing import Annotated

import typer

from federation.canonical import to_canonical
from federation.command import done, emit, fail_with_code, read_json_file
from federation.directory import AgencyDescriptor
from federation.keyfiles import write_public, write_verify_key
from federation.person_key import introduced
from federation.serving import run
from federation.telemetry import configure_logging
from federation.wire.v1 import admin_pb2, admin_pb2_grpc
from gateway.description_words import description_digest, waiting
from gateway.epoch_words import shown, turned
from gateway.operating import ROOTS, SETTINGS, as_operator, set_up_operator
from gateway.operators import LEAST
from gateway.settings import GatewaySettings
from keys.keyring import Keyring

gateway_app = typer.Typer(no_args_is_help=True, help="The centre: routes sealed questions, holds no child's data.")

Config = Annotated[Path, typer.Option("--config", exists=True, dir_okay=False, help="The gateway's settings (TOML).")]
Acting = Annotated[
    Path,
    typer.Option("--as", exists=True, dir_okay=False, help="The operator's own settings: `operator-key` writes them."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@gateway_app.command()
@fail_with_code
def serve(config: Config) -> None:
    """Run the gateway until it is asked to stop."""
    from gateway.app import serve as serve_gateway

    settings = GatewaySettings.load(config)
    configure_logging(service="gateway", destination=settings.log_file)
    run(lambda supervisor: serve_gateway(settings, supervisor), service="gateway")


@gateway_app.command("keys-init")
@fail_with_code
def keys_init(
    config: Config,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it nothing is written.")] = False,
) -> None:
    """Make all keys of a new gateway, its certificate authority included."""
    from gateway.keychain import create_keychain, load_keychain

    settings = GatewaySettings.load(config)
    if not yes:
        done(f"would make the keys of {settings.party} in {settings.keys_dir}; add --yes")
        return
    keyring = Keyring(settings.keys_dir)
    create_keychain(keyring)
    keychain = load_keychain(keyring)
    write_verify_key(settings.data_dir / "gateway.pub", keychain.verify_key)
    write_public(settings.data_dir / "roots.pem", keychain.authority.pem)
    done(f"{settings.party}: verify key {keychain.verify_key.hex}")


@gateway_app.command("check-config")
@fail_with_code
def check_config(config: Config) -> None:
    """Read settings and keys and say whether they can be used, and until when; starts nothing."""
    from gateway.keychain import load_keychain

    settings = GatewaySettings.load(config)
    done(f"{settings.party}: settings are valid")
    if settings.keys_dir.is_dir():
        done(load_keychain(Keyring(settings.keys_dir)).authority_sentence(time.time()))
    else:
        done("certificate authority: none yet; `keys-init` makes it")
    for line in introduced(settings.operators):
        done(f"operator {line}")
    if len(settings.operators) < LEAST:
        done("warning: fewer than two operators: nobody can be enrolled, for whoever invites does not approve")


@gateway_app.command("certify-trustee")
@fail_with_code
def certify_trustee(
    config: Config,
    request: Annotated[Path, typer.Option("--request", exists=True, help="The trustee's certificate request (PEM).")],
    out: Annotated[Path, typer.Option("--out", help="Where to write the certificate.")],
) -> None:
    """Issue the trustee's first certificate; it renews the following ones itself."""
    from gateway.keychain import load_keychain

    settings = GatewaySettings.load(config)
    certificate = load_keychain(Keyring(settings.keys_dir)).certify(
        request.read_bytes(),
        settings.trustee.party,
        life=settings.certificate_life,
        addresses=[],  # it is known by the name that its identity spells, wherever it listens
        now=time.time(),
    )
    write_public(out, certificate)
    done(f"{settings.trustee.party}: certificate written")


@gateway_app.command("operator-key")
@fail_with_code
def operator_key(
    name: Annotated[str, typer.Argument(help="Your short name as an operator.")],
    folder: Annotated[Path, typer.Option("--folder", help="Where to keep the key: on your own machine.")],
    gateway: Annotated[str, typer.Option("--gateway", help="host or host:port of the gateway; port 8443 by default.")],
    enrolment: Annotated[
        str, typer.Option("--enrolment", help="host:port of its enrolment port; port 8442 of the same host by default.")
    ] = "",
    gateway_id: Annotated[str, typer.Option("--gateway-id", help="Id in the gateway's certificate.")] = "main",
    as_json: Json = False,
) -> None:
    """Make your own key as an operator of a gateway, and the settings file that `--as` takes.

    The key stays on your machine. Send `line` to whoever writes the gateway's settings, and read the fingerprint out to
    them by another way. Put the gateway's roots.pem where `roots_file` says. A key that exists is never replaced.
    """
    home = folder.absolute()
    key = set_up_operator(home, name, gateway, enrolment=enrolment, gateway_id=gateway_id)
    shown = {"name": name, "fingerprint": key.fingerprint, "line": f"{name} = '{key.hex}'"}
    emit({**shown, "settings": str(home / SETTINGS), "roots_file": str(home / ROOTS)}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def invite(
    acting: Acting,
    agency: Annotated[Path, typer.Option("--agency", exists=True, help="The agency's description (JSON).")],
    valid_hours: Annotated[int, typer.Option("--valid-hours", min=1, max=720, help="Life of the token.")] = 72,
    reset: Annotated[
        bool, typer.Option("--reset", help="The agency is enrolled and has lost its keys: it is to bring new ones.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Invite an agency: prints a one-time token, of which only a hash is kept.

    For a reset also `replaces`, which the agency's `keys-init` takes.
    """
    descriptor = AgencyDescriptor.parse(to_canonical(read_json_file(agency)))

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.InviteResponse:
        return await stub.Invite(
            admin_pb2.InviteRequest(agency=descriptor.canonical(), valid_s=valid_hours * 3600, reset=reset)
        )

    response = as_operator(acting, call)
    replaces = {"replaces": response.replaces} if reset else {}
    emit({"agency": descriptor.id, "token": response.token, **replaces}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def enrolments(acting: Acting, as_json: Json = False) -> None:
    """List every enrolment with the fingerprint to compare over the phone."""

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.ListEnrolmentsResponse:
        return await stub.ListEnrolments(admin_pb2.ListEnrolmentsRequest())

    rows = [
        {
            "agency": row.agency,
            "progress": admin_pb2.EnrolmentProgress.Name(row.progress).removeprefix("ENROLMENT_PROGRESS_").lower(),
            "key_fingerprint": row.key_fingerprint,
            "reset": row.reset,
        }
        for row in as_operator(acting, call).enrolments
    ]
    emit({"enrolments": rows}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def approve(
    acting: Acting,
    agency: Annotated[str, typer.Option("--agency", help="Agency id.")],
    fingerprint: Annotated[str, typer.Option("--fingerprint", help="The fingerprint the agency read out.")],
    as_json: Json = False,
) -> None:
    """Approve the key an agency presented; of one that lost its keys the old ones are refused from that moment."""

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.ApproveResponse:
        return await stub.Approve(admin_pb2.ApproveRequest(agency=agency, key_fingerprint=fingerprint))

    response = as_operator(acting, call)
    emit({"agency": agency, "directory_version": response.directory_version}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def reject(
    acting: Acting,
    agency: Annotated[str, typer.Option("--agency", help="Agency id.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in words; the ledger commits to them.")],
    as_json: Json = False,
) -> None:
    """Refuse an application, or withdraw an invitation. The agency can be invited anew."""

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> None:
        await stub.Reject(admin_pb2.RejectRequest(agency=agency, reason=reason))

    as_operator(acting, call)
    emit({"agency": agency, "progress": "rejected"}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def revoke(
    acting: Acting,
    agency: Annotated[str, typer.Option("--agency", help="Agency id.")],
    reason: Annotated[str, typer.Option("--reason", help="A reason code, such as KEY_COMPROMISE.")],
    as_json: Json = False,
) -> None:
    """Revoke an agency at once."""

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.RevokeResponse:
        return await stub.Revoke(admin_pb2.RevokeRequest(agency=agency, reason=reason))

    response = as_operator(acting, call)
    emit({"agency": agency, "deny_list_version": response.deny_list_version}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def links(acting: Acting, as_json: Json = False) -> None:
    """Which agencies are attached now, and how much of their people's misuse was refused in the last seven days."""

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.GetLinksResponse:
        return await stub.GetLinks(admin_pb2.GetLinksRequest())

    rows = [
        {
            "agency": row.agency,
            "attached": row.attached,
            "in_flight": row.in_flight,
            "absent_until": row.absent_until,
            "misuse_week": row.misuse_week,
        }
        for row in as_operator(acting, call).links
    ]
    emit({"links": rows}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def descriptions(acting: Acting, as_json: Json = False) -> None:
    """List descriptions that agencies signed anew, with what they would change; `description-accept` publishes one."""

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.ListDescriptionsResponse:
        return await stub.ListDescriptions(admin_pb2.ListDescriptionsRequest())

    rows = [waiting(row) for row in as_operator(acting, call).descriptions]
    emit({"descriptions": rows}, as_json=as_json)


@gateway_app.command("description-accept")
@fail_with_code
def description_accept(
    acting: Acting,
    agency: Annotated[str, typer.Option("--agency", help="Agency id.")],
    description: Annotated[str, typer.Option("--description", help="Its description_sha256, as `descriptions` shows.")],
    as_json: Json = False,
) -> None:
    """Publish the description that an agency signed anew.

    Nobody believes the agency from then on until two of the trustee's people have approved it as it is described now.
    """
    digest = description_digest(description)

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.AcceptDescriptionResponse:
        return await stub.AcceptDescription(
            admin_pb2.AcceptDescriptionRequest(agency=agency, description_sha256=digest)
        )

    response = as_operator(acting, call)
    emit({"agency": agency, "directory_version": response.directory_version}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def epochs(
    acting: Acting,
    agency: Annotated[str, typer.Option("--agency", help="One agency's alone.")] = "",
    as_json: Json = False,
) -> None:
    """Show in which epochs of its pseudonym key each agency is, at both holders and at its node, and what is next."""

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.GetEpochsResponse:
        return await stub.GetEpochs(admin_pb2.GetEpochsRequest(agency=agency))

    rows = [shown(row) for row in as_operator(acting, call).agencies]
    emit({"epochs": rows}, as_json=as_json)


@gateway_app.command("epoch-open")
@fail_with_code
def epoch_open(
    acting: Acting,
    agency: Annotated[str, typer.Option("--agency", help="Agency id.")],
    as_json: Json = False,
) -> None:
    """Open the gateway's half of an epoch that the trustee has opened, and publish both."""

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.OpenEpochResponse:
        return await stub.OpenEpoch(admin_pb2.OpenEpochRequest(agency=agency))

    emit(turned(as_operator(acting, call)), as_json=as_json)


@gateway_app.command("epoch-retire")
@fail_with_code
def epoch_retire(
    acting: Acting,
    agency: Annotated[str, typer.Option("--agency", help="Agency id.")],
    force: Annotated[
        bool, typer.Option("--force", help="Although the agency's node has not said that its caseload has moved.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take an agency's oldest epoch out of the directory; the trustee retires its half after that.

    Refused while the agency's node has not said that its caseload has left the epoch. Forced, the agency answers
    `error` until its node has moved, and the ledger says that it was forced.
    """

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.RetireEpochResponse:
        return await stub.RetireEpoch(admin_pb2.RetireEpochRequest(agency=agency, force=force))

    emit(turned(as_operator(acting, call)), as_json=as_json)
