"""`wardgate gateway …`: run a gateway and do what its operators do."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from federation.canonical import to_canonical
from federation.command import done, emit, fail_with_code, read_json_file
from federation.directory import AgencyDescriptor
from federation.keyfiles import write_public, write_verify_key
from federation.serving import run
from federation.telemetry import configure_logging
from federation.transport.certificates import HeldCertificates
from federation.transport.channel import RotatingChannel
from federation.transport.failures import call_errors
from federation.wire.v1 import admin_pb2, admin_pb2_grpc
from gateway.description_words import description_digest, waiting
from gateway.epoch_words import shown, turned
from gateway.settings import GatewaySettings
from keys.keyring import Keyring

gateway_app = typer.Typer(no_args_is_help=True, help="The centre: routes sealed questions, holds no child's data.")

Config = Annotated[Path, typer.Option("--config", exists=True, dir_okay=False, help="The gateway's settings (TOML).")]
Operator = Annotated[str, typer.Option("--operator", help="Short name of the operator who acts.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
T = TypeVar("T")


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
    if not settings.keys_dir.is_dir():
        done("certificate authority: none yet; `keys-init` makes it")
        return
    done(load_keychain(Keyring(settings.keys_dir)).authority_sentence(time.time()))


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


@gateway_app.command()
@fail_with_code
def invite(
    config: Config,
    operator: Operator,
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

    response = _as_operator(config, operator, call)
    replaces = {"replaces": response.replaces} if reset else {}
    emit({"agency": descriptor.id, "token": response.token, **replaces}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def enrolments(config: Config, operator: Operator, as_json: Json = False) -> None:
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
        for row in _as_operator(config, operator, call).enrolments
    ]
    emit({"enrolments": rows}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def approve(
    config: Config,
    operator: Operator,
    agency: Annotated[str, typer.Option("--agency", help="Agency id.")],
    fingerprint: Annotated[str, typer.Option("--fingerprint", help="The fingerprint the agency read out.")],
    as_json: Json = False,
) -> None:
    """Approve the key an agency presented; of one that lost its keys the old ones are refused from that moment."""

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.ApproveResponse:
        return await stub.Approve(admin_pb2.ApproveRequest(agency=agency, key_fingerprint=fingerprint))

    response = _as_operator(config, operator, call)
    emit({"agency": agency, "directory_version": response.directory_version}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def reject(
    config: Config,
    operator: Operator,
    agency: Annotated[str, typer.Option("--agency", help="Agency id.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in words; the ledger commits to them.")],
    as_json: Json = False,
) -> None:
    """Refuse an application, or withdraw an invitation. The agency can be invited anew."""

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> None:
        await stub.Reject(admin_pb2.RejectRequest(agency=agency, reason=reason))

    _as_operator(config, operator, call)
    emit({"agency": agency, "progress": "rejected"}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def revoke(
    config: Config,
    operator: Operator,
    agency: Annotated[str, typer.Option("--agency", help="Agency id.")],
    reason: Annotated[str, typer.Option("--reason", help="A reason code, such as KEY_COMPROMISE.")],
    as_json: Json = False,
) -> None:
    """Revoke an agency at once."""

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.RevokeResponse:
        return await stub.Revoke(admin_pb2.RevokeRequest(agency=agency, reason=reason))

    response = _as_operator(config, operator, call)
    emit({"agency": agency, "deny_list_version": response.deny_list_version}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def links(config: Config, operator: Operator, as_json: Json = False) -> None:
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
        for row in _as_operator(config, operator, call).links
    ]
    emit({"links": rows}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def descriptions(config: Config, operator: Operator, as_json: Json = False) -> None:
    """List descriptions that agencies signed anew, with what they would change; `description-accept` publishes one."""

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.ListDescriptionsResponse:
        return await stub.ListDescriptions(admin_pb2.ListDescriptionsRequest())

    rows = [waiting(row) for row in _as_operator(config, operator, call).descriptions]
    emit({"descriptions": rows}, as_json=as_json)


@gateway_app.command("description-accept")
@fail_with_code
def description_accept(
    config: Config,
    operator: Operator,
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

    response = _as_operator(config, operator, call)
    emit({"agency": agency, "directory_version": response.directory_version}, as_json=as_json)


@gateway_app.command()
@fail_with_code
def epochs(
    config: Config,
    operator: Operator,
    agency: Annotated[str, typer.Option("--agency", help="One agency's alone.")] = "",
    as_json: Json = False,
) -> None:
    """Show in which epochs of its pseudonym key each agency is, at both holders and at its node, and what is next."""

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.GetEpochsResponse:
        return await stub.GetEpochs(admin_pb2.GetEpochsRequest(agency=agency))

    rows = [shown(row) for row in _as_operator(config, operator, call).agencies]
    emit({"epochs": rows}, as_json=as_json)


@gateway_app.command("epoch-open")
@fail_with_code
def epoch_open(
    config: Config,
    operator: Operator,
    agency: Annotated[str, typer.Option("--agency", help="Agency id.")],
    as_json: Json = False,
) -> None:
    """Open the gateway's half of an epoch that the trustee has opened, and publish both."""

    async def call(stub: "admin_pb2_grpc.AdminServiceAsyncStub") -> admin_pb2.OpenEpochResponse:
        return await stub.OpenEpoch(admin_pb2.OpenEpochRequest(agency=agency))

    emit(turned(_as_operator(config, operator, call)), as_json=as_json)


@gateway_app.command("epoch-retire")
@fail_with_code
def epoch_retire(
    config: Config,
    operator: Operator,
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

    emit(turned(_as_operator(config, operator, call)), as_json=as_json)


def _as_operator(
    config: Path, operator: str, call: "Callable[[admin_pb2_grpc.AdminServiceAsyncStub], Awaitable[T]]"
) -> T:
    from gateway.keychain import load_keychain

    settings = GatewaySettings.load(config)
    keychain = load_keychain(Keyring(settings.keys_dir))

    async def connect() -> T:
        certificates = HeldCertificates(keychain.operator_credentials(operator, now=time.time()))
        channel = RotatingChannel(f"127.0.0.1:{settings.listen.port}", settings.party, certificates)
        try:
            async with call_errors(settings.party):
                return await call(admin_pb2_grpc.AdminServiceStub(channel))
        finally:
            await channel.close(None)

    return asyncio.run(connect())
