"""`wardgate node …`: run a node, and what an agency's people do with it."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from agency_node.accounting.order import AccountOrder
from agency_node.asking.question import QuestionDocument
from agency_node.caseload.cli import sources_app
from agency_node.local_calls import Agency, Config, Dir, Json, User, call_node, find_settings
from agency_node.settings import NodeSettings
from agency_node.teams.cli import grant_app, team_app
from federation.canonical import JsonObject, to_canonical
from federation.command import ExitCode, done, emit, fail_with_code
from federation.serving import run
from federation.telemetry import configure_logging
from federation.vocabulary import FamilyInformed, Urgency
from federation.wire.v1 import local_pb2, local_pb2_grpc
from keys.keyring import Keyring

node_app = typer.Typer(no_args_is_help=True, help="The edge: an agency's node beside its own systems.")
inbox_app = typer.Typer(no_args_is_help=True, help="Decisions that policy refers to a human.")
node_app.add_typer(inbox_app, name="inbox")
alerts_app = typer.Typer(no_args_is_help=True, help="What policy obliges this agency to tell its own people.")
node_app.add_typer(alerts_app, name="alerts")
members_app = typer.Typer(no_args_is_help=True, help="Members of this agency's areas that are new or have changed.")
node_app.add_typer(members_app, name="members")
node_app.add_typer(team_app, name="team")
node_app.add_typer(grant_app, name="grant")
node_app.add_typer(sources_app, name="sources")

CALL_GRACE_S = 20.0
"""Beyond the query's own deadline: what the node needs to answer its tool."""
LONGEST_DEADLINE_S = 300


@node_app.command()
@fail_with_code
def serve(config: Annotated[Path, typer.Option("--config", exists=True, dir_okay=False)]) -> None:
    """Run the node until it is asked to stop."""
    from agency_node.app import serve as serve_node

    settings = NodeSettings.load(config)
    configure_logging(service=f"node/{settings.agency}", destination=settings.log_file)
    run(lambda supervisor: serve_node(settings, supervisor), service=f"node/{settings.agency}")


@node_app.command("keys-init")
@fail_with_code
def keys_init(
    config: Annotated[Path, typer.Option("--config", exists=True, dir_okay=False)],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it nothing is written.")] = False,
    replaces: Annotated[
        str,
        typer.Option(
            "--replaces",
            help="For an agency that lost its keys: VERSION:KEY, as `invite --reset` printed it.",
        ),
    ] = "",
) -> None:
    """Make all keys of a new node; prints the fingerprint to read out to the gateway's operator."""
    from agency_node.keychain import Replaced, create_keychain, load_keychain

    settings = NodeSettings.load(config)
    lost = Replaced.parse(replaces) if replaces else None
    if not yes:
        done(f"would make the keys of {settings.party} in {settings.keys_dir}; add --yes")
        return
    keyring = Keyring(settings.keys_dir)
    create_keychain(keyring, agency=settings.agency, now=int(time.time()), replaces=lost)
    done(f"fingerprint {load_keychain(keyring).signing_key.verify_key.fingerprint}")


@node_app.command()
@fail_with_code
def enrol(
    config: Annotated[Path, typer.Option("--config", exists=True, dir_okay=False)],
    token_file: Annotated[
        Path, typer.Option("--token-file", exists=True, dir_okay=False, help="File with the one-time token.")
    ],
    description: Annotated[
        Path,
        typer.Option(
            "--description",
            exists=True,
            dir_okay=False,
            help="This agency's description (JSON), as it was agreed with the gateway's operator; this node signs it.",
        ),
    ],
    wait_s: Annotated[int, typer.Option("--wait", help="How long to wait for the approval, seconds.")] = 0,
    as_json: Json = False,
) -> None:
    """Enrol with the gateway: present the token, this node's keys and its signed description; wait for the approval."""
    from agency_node.description import read_description
    from agency_node.enrolment import enrol as enrol_node
    from agency_node.keychain import load_keychain

    settings = NodeSettings.load(config)
    keyring = Keyring(settings.keys_dir)
    keychain = load_keychain(keyring)
    token = token_file.read_text().strip()
    enrolled = asyncio.run(enrol_node(settings, keyring, token, read_description(description), wait_s=wait_s))
    fingerprint = keychain.signing_key.verify_key.fingerprint
    emit({"agency": settings.agency, "enrolled": enrolled, "key_fingerprint": fingerprint}, as_json=as_json)


@node_app.command()
@fail_with_code
def describe(
    file: Annotated[Path, typer.Option("--file", exists=True, dir_okay=False, help="The new description (JSON).")],
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    as_json: Json = False,
) -> None:
    """Sign a new description of this agency and hand it to the gateway, whose operator accepts it.

    Nothing changes before that. Repeat the same call to learn whether the directory shows it (`listed`); from then on
    nobody believes this agency until two of the trustee's people have approved it as it is described now.
    """
    from agency_node.description import read_description

    settings = find_settings(config, directory, agency)
    description = read_description(file)

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> bool:
        response: local_pb2.DescribeResponse = await stub.Describe(
            local_pb2.DescribeRequest(description=description.canonical())
        )
        return response.listed

    emit({"agency": settings.agency, "listed": call_node(settings, call)}, as_json=as_json)


@node_app.command("check-config")
@fail_with_code
def check_config(config: Config = None, directory: Dir = None, agency: Agency = "") -> None:
    """Read settings, users, overlay and every source's mapping; starts nothing."""
    from agency_node.checking import check_node

    settings = find_settings(config, directory, agency)
    for line in check_node(settings):
        done(line)


@node_app.command()
@fail_with_code
def ask(
    user: User,
    purpose: Annotated[str, typer.Option("--purpose", help="Purpose code, such as S47_ENQ.")],
    child: Annotated[
        str, typer.Option("--child", help="The child's NHS number; - reads it from standard input, unseen by others.")
    ],
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    category: Annotated[
        list[str] | None, typer.Option("--category", help="NAME:T0, NAME:T1 or NAME:T2; default: the purpose's own.")
    ] = None,
    start: Annotated[str, typer.Option("--from", help="First day asked about, YYYY-MM-DD.")] = "",
    end: Annotated[str, typer.Option("--to", help="Last day asked about, YYYY-MM-DD.")] = "",
    attest: Annotated[list[str] | None, typer.Option("--attest", help="A threshold attestation's code.")] = None,
    justification: Annotated[
        str,
        typer.Option(
            "--justification",
            help="Why; sealed to the audit key. Policy wants it for tier T2, break-glass, section 47 and what lifts "
            "a shield; one without a letter or digit counts as none.",
        ),
    ] = "",
    family_informed: Annotated[
        FamilyInformed, typer.Option("--family-informed", help="Whether the family knows of the question.")
    ] = FamilyInformed.NO,
    urgency: Annotated[Urgency | None, typer.Option("--urgency", help="Default routine.")] = None,
    break_glass: Annotated[str, typer.Option("--break-glass", help="Reason code of a break-glass request.")] = "",
    approval: Annotated[
        list[str] | None,
        typer.Option("--approval", help="USER:KIND of a colleague's approval, such as p.sayle:manager."),
    ] = None,
    area: Annotated[str, typer.Option("--area", help="Area asked in; default: the agency's first.")] = "",
    grant: Annotated[str, typer.Option("--grant", help="Id of the case grant under which a team member asks.")] = "",
    as_json: Json = False,
) -> None:
    """Ask one question about one child; prints one picture."""
    settings = find_settings(config, directory, agency)
    question = QuestionDocument.parse(
        to_canonical(
            {
                "user": user,
                "purpose": purpose,
                "child": sys.stdin.readline().strip() if child == "-" else child,
                "categories": category or [],
                "start": start,
                "end": end,
                "attestations": attest or [],
                "approvals": [_approval(text) for text in approval or []],
                "justification": justification,
                "family_informed": family_informed.value,
                "urgency": urgency.value if urgency else None,
                "break_glass": break_glass,
                "area": area,
                "case_grant": grant,
            }
        )
    )

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> bytes:
        response: local_pb2.PutQueryResponse = await stub.PutQuery(
            local_pb2.PutQueryRequest(question=question.canonical()), timeout=LONGEST_DEADLINE_S + CALL_GRACE_S
        )
        return response.picture

    _show(json.loads(call_node(settings, call)), as_json=as_json)


def _approval(text: str) -> JsonObject:
    user, _, kind = text.partition(":")
    return {"user": user, "kind": kind}


def _show(picture: JsonObject, *, as_json: bool) -> None:
    if as_json:
        emit(picture, as_json=True)
        return
    from agency_node.asking.showing import show_picture

    show_picture(picture)


@node_app.command()
@fail_with_code
def picture(
    query_id: Annotated[str, typer.Argument(help="The query's id.")],
    user: User,
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    as_json: Json = False,
) -> None:
    """Show a picture as it stands now, late answers included."""
    settings = find_settings(config, directory, agency)

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> bytes:
        response: local_pb2.GetPictureResponse = await stub.GetPicture(
            local_pb2.GetPictureRequest(query_id=query_id, user=user)
        )
        return response.picture

    _show(json.loads(call_node(settings, call)), as_json=as_json)


@node_app.command()
@fail_with_code
def index(config: Config = None, directory: Dir = None, agency: Agency = "", as_json: Json = False) -> None:
    """Read the sources and bring the caseload up to date, with progress. Ends with 12 if a dataset is not believed."""
    settings = find_settings(config, directory, agency)

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> JsonObject:
        last: JsonObject = {}
        async for response in stub.Index(local_pb2.IndexRequest()):
            last = json.loads(response.progress)
            if not as_json:
                typer.echo(
                    f"{last.get('phase', '')}: {last.get('done', 0)}/{last.get('total', 0)}"
                    f"  {last.get('rate', 0)}/s  {last.get('seconds_left', 0)} s left",
                    err=True,
                )
        return last

    found = call_node(settings, call)
    emit(found, as_json=as_json)
    if not found.get("complete"):
        raise typer.Exit(int(ExitCode.OPERATOR_NEEDED))


@node_app.command()
@fail_with_code
def status(config: Config = None, directory: Dir = None, agency: Agency = "", as_json: Json = False) -> None:
    """Each component of the node by name, its sources and its caseload."""
    settings = find_settings(config, directory, agency)

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> bytes:
        response: local_pb2.GetStatusResponse = await stub.GetStatus(local_pb2.GetStatusRequest())
        return response.status

    emit(json.loads(call_node(settings, call)), as_json=as_json)


@node_app.command("user-ref")
@fail_with_code
def user_ref(
    user: Annotated[str, typer.Argument(help="Id of the user, as in the node's users file.")],
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    as_json: Json = False,
) -> None:
    """The opaque reference by which a team's lead at another agency names this user."""
    settings = find_settings(config, directory, agency)

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> str:
        response: local_pb2.GetUserRefResponse = await stub.GetUserRef(local_pb2.GetUserRefRequest(user=user))
        return response.user_ref

    emit({"agency": settings.agency, "user_ref": call_node(settings, call)}, as_json=as_json)


@node_app.command()
@fail_with_code
def account(
    user: User,
    child: Annotated[
        str, typer.Option("--child", help="The child's NHS number; - reads it from standard input, unseen by others.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Code of the reason, such as subject_access.")],
    approval: Annotated[
        list[str] | None,
        typer.Option("--approval", help="USER:KIND of a colleague who stands for it too, such as c.guardian:audit."),
    ] = None,
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    as_json: Json = False,
) -> None:
    """Account for one child: who asked this agency, what it told, who of its people asked, decided and looked.

    Policy decides who may have this and which parts; the look is in the ledger. Refused questions are in it too.
    """
    settings = find_settings(config, directory, agency)
    order = AccountOrder.parse(
        to_canonical(
            {
                "user": user,
                "child": sys.stdin.readline().strip() if child == "-" else child,
                "reason": reason,
                "approvals": [_approval(text) for text in approval or []],
            }
        )
    )

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> bytes:
        response: local_pb2.AccountForChildResponse = await stub.AccountForChild(
            local_pb2.AccountForChildRequest(order=order.canonical())
        )
        return response.account

    emit(json.loads(call_node(settings, call)), as_json=as_json)


@inbox_app.command("list")
@fail_with_code
def inbox_list(
    user: User, config: Config = None, directory: Dir = None, agency: Agency = "", as_json: Json = False
) -> None:
    """What waits for a human decision here."""
    settings = find_settings(config, directory, agency)

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> bytes:
        response: local_pb2.ListReferralsResponse = await stub.ListReferrals(local_pb2.ListReferralsRequest(user=user))
        return response.referrals

    emit(json.loads(call_node(settings, call)), as_json=as_json)


@inbox_app.command("decide")
@fail_with_code
def inbox_decide(
    referral_id: Annotated[str, typer.Argument(help="The referral's id.")],
    user: User,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in this node only.")],
    release: Annotated[bool, typer.Option("--release/--withhold", help="Release, or withhold.")],
    ground: Annotated[
        str,
        typer.Option("--ground", help="Code of the ground it rests on; a release needs none where there is only one."),
    ] = "",
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    as_json: Json = False,
) -> None:
    """Release or withhold, on one of the grounds that `inbox list` shows.

    `would_say` of `inbox list` has in words what either will say to whoever asked. Released records leave as far as
    policy lets them; a question that must be answered gets "nothing held" where nothing is, and a refusal where policy
    keeps shut all there is. Whoever withholds refuses, and it is not said why. Where two people must agree, nothing
    leaves before both have released it, and one who withholds is enough.
    """
    settings = find_settings(config, directory, agency)

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> bytes:
        response: local_pb2.DecideReferralResponse = await stub.DecideReferral(
            local_pb2.DecideReferralRequest(
                user=user,
                referral_id=referral_id,
                decision="release" if release else "withhold",
                reason=reason,
                ground=ground,
            )
        )
        return response.referral

    emit(json.loads(call_node(settings, call)), as_json=as_json)


@alerts_app.command("list")
@fail_with_code
def alerts_list(
    user: User, config: Config = None, directory: Dir = None, agency: Agency = "", as_json: Json = False
) -> None:
    """Alerts to one person that nobody has seen yet."""
    settings = find_settings(config, directory, agency)

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> bytes:
        response: local_pb2.ListAlertsResponse = await stub.ListAlerts(local_pb2.ListAlertsRequest(user=user))
        return response.alerts

    emit(json.loads(call_node(settings, call)), as_json=as_json)


@alerts_app.command("see")
@fail_with_code
def alerts_see(
    alert_id: Annotated[str, typer.Argument(help="The alert's id.")],
    user: User,
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
) -> None:
    """Say that an alert has been seen: the obligation is met, and the ledger says so."""
    settings = find_settings(config, directory, agency)

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> None:
        await stub.SeeAlert(local_pb2.SeeAlertRequest(user=user, alert_id=alert_id))

    call_node(settings, call)
    done("seen")


@members_app.command("list")
@fail_with_code
def members_list(config: Config = None, directory: Dir = None, agency: Agency = "", as_json: Json = False) -> None:
    """Agencies of this agency's areas that are new, changed or without their keys, until somebody has seen it."""
    settings = find_settings(config, directory, agency)

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> bytes:
        response: local_pb2.GetStatusResponse = await stub.GetStatus(local_pb2.GetStatusRequest())
        return response.status

    emit({"changes": json.loads(call_node(settings, call))["members"]["changes"]}, as_json=as_json)


@members_app.command("see")
@fail_with_code
def members_see(
    user: User,
    until: Annotated[int, typer.Option("--until", help="`at` of the newest change that you were shown.")],
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    as_json: Json = False,
) -> None:
    """Say that these changes have been seen; the ledger says by whom."""
    settings = find_settings(config, directory, agency)

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> int:
        response: local_pb2.SeeMembersResponse = await stub.SeeMembers(
            local_pb2.SeeMembersRequest(user=user, until=until)
        )
        return response.seen

    emit({"seen": call_node(settings, call)}, as_json=as_json)
