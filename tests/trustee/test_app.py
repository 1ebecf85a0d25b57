"""A whole trustee behind a real port: mutual TLS, its own view of the directory, its own ledger verified offline."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from federation.directory import PointsStatement, verify_points
from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import NoteKey
from federation.ledger.verify import verify_export
from federation.query import CategoryAsked, Period, QueryHeader, Ticket
from federation.telemetry import configure_logging
from federation.translation import Statement
from federation.transport.denylist import DenyEntry
from federation.transport.failures import call_errors
from federation.transport.identity import Party
from federation.vocabulary import FamilyInformed, IdentifierState, Tier, Urgency
from federation.wire.v1 import pseudonym_pb2 as wire
from federation.wire.v1 import pseudonym_pb2_grpc
from keys import domains, group
from keys.certificates import serial_of
from keys.digest import sha256
from keys.keyring import Keyring
from keys.pseudonym import ScopeEpoch, verify_evaluation, verify_translation
from keys.secret import Secret
from tests.support.pki import ALICE, CAMDEN, GATEWAY, TRUSTEE
from tests.support.region import Region
from tests.support.signers import SignedBatch, SignedTicket, some_elements
from tests.support.trustee_service import Site, open_site
from tests.support.waiting import until
from trustee.app import build
from trustee.epoch_command import next_step, plan_rotation, rotate_scope
from trustee.epochs import EpochRange
from trustee.quotas import Quotas
from trustee.status import read_status

AGENCIES = ("camden-csc", "met-police", "st-marys-school", "uclh")
TARGETS = ["met-police", "st-marys-school", "uclh"]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path, *AGENCIES) as found:
        yield found


def batch_of(site: Site, elements: bytes, **changes: Any) -> SignedBatch:
    now = int(time.time())
    return site.region.signer("camden-csc").batch(elements, issued_at=now, expires_at=now + 600, **changes)


def ticket_of(site: Site, targets: list[str] = TARGETS, **changes: Any) -> SignedTicket:
    now = int(time.time())
    return site.region.signer("camden-csc").ticket(targets, issued_at=now, expires_at=now + 600, **changes)


@dataclass
class Caller:
    """Calls the trustee as somebody."""

    stub: Any
    region: Region

    async def evaluate(self, shown: SignedBatch) -> wire.EvaluatedBatch:
        batch = wire.BlindedBatch(header=shown.header, signature=shown.signature, elements=shown.elements)
        async with call_errors(TRUSTEE):
            found: wire.EvaluateBatchResponse = await self.stub.EvaluateBatch(wire.EvaluateBatchRequest(batch=batch))
        return found.batch

    async def whole(self, shown: SignedTicket, targets: list[str] = TARGETS) -> list[wire.Translation]:
        halves = [
            wire.HalfTranslation(responder=half.responder, element=half.step.element, proof=half.step.proof)
            for half in self.region.halves(shown, targets)
        ]
        request = wire.TranslateRequest(ticket=shown.ticket, signature=shown.signature, halves=halves)
        async with call_errors(TRUSTEE):
            return list((await self.stub.Translate(request)).translations)

    async def translate(self, shown: SignedTicket, targets: list[str] = TARGETS) -> list[bytes]:
        return [item.element for item in await self.whole(shown, targets)]

    async def points(self, scope: str, epochs: Sequence[int] = ()) -> wire.GetPointsResponse:
        async with call_errors(TRUSTEE):
            request = wire.GetPointsRequest(scope=scope, epochs=epochs)
            found: wire.GetPointsResponse = await self.stub.GetPoints(request)
        return found


async def counters(site: Site) -> dict[tuple[str, str], int]:
    """What the trustee's store has counted in this hour, as its operator reads it."""
    return {(item["agency"], item["kind"]): item["count"] for item in (await read_status(site.settings))["counters"]}


@asynccontextmanager
async def calling(site: Site, port: int, party: Party = GATEWAY) -> AsyncIterator[Caller]:
    async with site.stub(port, party) as stub:
        yield Caller(stub, site.region)


async def refusal(call: Any) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        await call
    return caught.value.code


async def settle(site: Site, *, version: int) -> None:
    """Wait until the trustee has asked for the directory while it holds `version`, deny list included."""
    await until(lambda: bool(site.gateway.asked) and site.gateway.asked[-1][0] == version)


async def test_the_gateway_gets_evaluations_translations_proofs_points_and_counters(site: Site) -> None:
    async with site.running() as (trustee, port), calling(site, port) as gateway:
        await settle(site, version=1)
        agencies = trustee.members.directory.agencies

        shown = batch_of(site, some_elements(4))
        evaluated = await gateway.evaluate(shown)
        public = agencies["camden-csc"].trustee_points[1]
        verify_evaluation(public, shown.elements, evaluated.elements, evaluated.proof)

        keys = site.region.trustee_holder
        own = site.region.gateway_holder.key("camden-csc", 1).multiply(evaluated.elements[:96])
        ticket = ticket_of(site, elements=own)
        translated = await gateway.whole(ticket)
        hidden = zip(TARGETS, group.split(shown.elements)[:3], strict=True)
        halfway = [(name, site.region.gateway_holder.key(name, 1).multiply(element)) for name, element in hidden]
        assert [item.element for item in translated] == [keys.key(name, 1).multiply(half) for name, half in halfway]
        for half, item in zip(site.region.halves(ticket, TARGETS), translated, strict=True):
            target = agencies[half.responder].trustee_points[1]
            verify_translation(public, target, half.step.element, item.element, item.proof)
            query = Ticket.parse(ticket.ticket).query_sha256
            said = Statement(query, "camden-csc", half.responder, 1, item.element)
            said.verify(site.region.trustee_key.verify_key, item.signature)

        stated = await gateway.points("newcomer-agency")
        found = verify_points(
            stated.statement,
            stated.signature,
            holder="trustee",
            scope="newcomer-agency",
            key=site.region.trustee_key.verify_key,
        )
        assert found.epochs[0].public == keys.key("newcomer-agency", 1).public
        assert await counters(site) == {
            ("camden-csc", "evaluate_caseload"): 4,
            ("camden-csc", "ticket"): 1,
            ("camden-csc", "translate"): 3,
        }


async def test_nobody_but_the_gateway_may_call(site: Site) -> None:
    async with site.running() as (_, port):
        await settle(site, version=1)
        for party in (CAMDEN, ALICE, TRUSTEE):
            async with calling(site, port, party) as caller:
                for call in (
                    caller.evaluate(batch_of(site, some_elements(1))),
                    caller.translate(ticket_of(site)),
                    caller.points("uclh"),
                ):
                    assert await refusal(call) is ErrorCode.NOT_AUTHORISED


async def test_a_certificate_of_another_authority_reaches_nothing(site: Site) -> None:
    async with site.running() as (_, port):
        site.pki = type(site.pki)()
        async with calling(site, port) as stranger:
            assert await refusal(stranger.points("uclh")) is ErrorCode.PEER_UNAVAILABLE


async def test_a_denied_gateway_certificate_is_refused(site: Site) -> None:
    async with site.running() as (trustee, port), site.channel(port) as channel:
        await settle(site, version=1)
        caller = Caller(pseudonym_pb2_grpc.TrusteeServiceStub(channel), site.region)
        await caller.points("uclh")
        stolen = serial_of(channel._credentials.chain)
        site.gateway.deny(2, [DenyEntry(identity=GATEWAY.uri, serial=stolen, reason_code="KEY_COMPROMISE")])
        await until(lambda: _refused(caller))
        assert await refusal(caller.points("uclh")) is ErrorCode.CERTIFICATE_REVOKED
        assert trustee.members.directory.version == 1


async def _refused(caller: Caller) -> bool:
    try:
        await caller.points("uclh")
    except WardgateError:
        return True
    return False


async def test_guesses_are_refused_over_the_wire_with_their_own_codes(site: Site) -> None:
    async with site.running() as (_, port), calling(site, port) as gateway:
        await settle(site, version=1)
        signed, guess = batch_of(site, some_elements(1)), some_elements(1)
        unsigned = SignedBatch(signed.header, signed.signature, guess)
        assert await refusal(gateway.evaluate(unsigned)) is ErrorCode.SIGNATURE_REJECTED
        by_gateway = site.region.gateway_key.sign(domains.BATCH, signed.header)
        forged = SignedBatch(signed.header, by_gateway, signed.elements)
        assert await refusal(gateway.evaluate(forged)) is ErrorCode.SIGNATURE_REJECTED
        assert await refusal(gateway.evaluate(batch_of(site, some_elements(1), epoch=2))) is ErrorCode.EPOCH_UNKNOWN
        ticket = ticket_of(site)
        await gateway.translate(ticket)
        again = ticket_of(site, query=b"same")
        await gateway.translate(again)
        assert await refusal(gateway.translate(ticket_of(site, query=b"same"))) is ErrorCode.REPLAYED
        assert await refusal(gateway.points("Not a scope")) is ErrorCode.MESSAGE_MALFORMED


async def test_a_key_changed_a_moment_ago_needs_no_waiting(site: Site) -> None:
    site.settings = site.settings.model_copy(update={"directory_interval_s": 60.0})
    async with site.running() as (_, port), calling(site, port) as gateway:
        await until(lambda: bool(site.gateway.cosigned))  # the last thing of a first look at the directory
        site.region.members["camden-csc"].change_key()
        await site.gateway.publish()
        await gateway.translate(ticket_of(site))


async def test_a_restart_keeps_what_was_seen_counted_and_verified(site: Site) -> None:
    ticket = ticket_of(site, query=b"same")
    async with site.running() as (_, port), calling(site, port) as gateway:
        await settle(site, version=1)
        before = await gateway.translate(ticket)
    site.gateway.unreachable = True
    async with site.running() as (trustee, port), calling(site, port) as gateway:
        assert trustee.members.directory.version == 1
        assert await gateway.translate(ticket) == before
        assert await refusal(gateway.translate(ticket_of(site, query=b"same"))) is ErrorCode.REPLAYED
        assert await counters(site) == {("camden-csc", "ticket"): 1, ("camden-csc", "translate"): 3}


@pytest.mark.parametrize(("later_s", "usable"), [(0, True), (2 * 3600, False)])
async def test_a_certificate_that_ran_out_is_in_health_and_in_status(site: Site, later_s: int, *, usable: bool) -> None:
    def clock() -> float:
        return time.time() + later_s

    async with build(site.settings, clock=clock) as trustee:
        assert (await trustee.health.report())["certificate"] is usable
    status = await read_status(site.settings, clock)
    assert status["certificate"].startswith("warning: the certificate ran out") is not usable
    assert 0 < status["certificate_expires_at"] < time.time() + 3601


async def test_health_tells_by_name_what_cannot_be_used(site: Site) -> None:
    site.gateway.unreachable = True
    async with site.running() as (trustee, port), site.channel(port, ALICE) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        report = {"ledger": True, "certificate": True, "directory": False, "keys": True}
        assert await trustee.health.report() == report
        # No deny list was ever verified, so nobody is served: not even with an answer about health.
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(health_pb2.HealthCheckRequest())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        site.gateway.unreachable = False
        await until(trustee.health.is_serving)
        assert (await stub.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING


async def test_a_trustee_with_the_seed_of_another_backup_does_not_start(site: Site) -> None:
    async with site.running():
        await settle(site, version=1)
    keyring = Keyring(site.settings.keyring)
    keyring.replace("pseudonym-seed-1", Secret.random())
    with pytest.raises(WardgateError) as caught:
        async with site.running():
            pass
    assert caught.value.code is ErrorCode.KEYRING_REJECTED
    assert caught.value.detail == "camden-csc: the trustee seed of epoch 1 does not give the published point"


async def test_a_trustee_that_lost_its_store_and_its_seed_does_nothing_once_it_sees_the_directory(site: Site) -> None:
    Keyring(site.settings.keyring).replace("pseudonym-seed-1", Secret.random())
    async with site.running() as (trustee, port), calling(site, port) as gateway:
        await settle(site, version=1)
        assert await refusal(gateway.translate(ticket_of(site))) is ErrorCode.KEYRING_REJECTED
        assert await refusal(gateway.evaluate(batch_of(site, some_elements(1)))) is ErrorCode.KEYRING_REJECTED
        assert await refusal(gateway.points("newcomer-agency")) is ErrorCode.KEYRING_REJECTED
        assert not (await trustee.health.report())["keys"]


async def test_commands_beside_the_running_trustee_see_and_change_its_store(site: Site) -> None:
    async with site.running() as (_, port), calling(site, port) as gateway:
        await settle(site, version=1)
        await gateway.translate(ticket_of(site))
        found = await read_status(site.settings)
        assert found["directory_version"] == 1
        assert {"agency": "camden-csc", "kind": "translate", "count": 3} in found["counters"]
        assert found["verify_key"] == site.region.trustee_key.verify_key.hex

        assert await plan_rotation(site.settings, "uclh", opening=True) == EpochRange(1, 2)
        assert await _epochs(gateway, "uclh") == [1]
        await rotate_scope(site.settings, "uclh", opening=True)

        async def both() -> bool:
            return await _epochs(gateway, "uclh") == [1, 2]

        await until(both)
        site.region.trustee_holder.add(2, Keyring(site.settings.keyring).load("pseudonym-seed-2"))
        site.region.members["uclh"].epochs = (1, 2)
        await site.gateway.publish()
        await settle(site, version=2)
        await gateway.translate(ticket_of(site, ["uclh"], responder_epoch=2), ["uclh"])
        assert await _epochs(gateway, "camden-csc") == [1]
        with pytest.raises(WardgateError) as caught:
            await rotate_scope(site.settings, "invented-agency", opening=True)
        assert caught.value.code is ErrorCode.AGENCY_UNKNOWN


async def test_an_epoch_that_the_directory_names_is_not_retired_by_anybody(site: Site) -> None:
    async with site.running() as (_, port), calling(site, port) as gateway:
        await settle(site, version=1)
        await rotate_scope(site.settings, "uclh", opening=True)
        site.region.trustee_holder.add(2, Keyring(site.settings.keyring).load("pseudonym-seed-2"))
        site.region.members["uclh"].epochs = (1, 2)
        await site.gateway.publish()
        await settle(site, version=2)
        for act in (plan_rotation, rotate_scope):
            with pytest.raises(WardgateError) as caught:
                await act(site.settings, "uclh", opening=False)
            assert caught.value.code is ErrorCode.EPOCH_IN_USE
        site.region.members["uclh"].epochs = (2,)
        await site.gateway.publish()
        await settle(site, version=3)

        async def taken_up() -> bool:
            return await _epochs(gateway, "uclh") == [1, 2]

        await until(taken_up)
        assert await _epochs(gateway, "uclh", 2) == [2]
        assert await refusal(gateway.points("uclh", (3,))) is ErrorCode.EPOCH_UNKNOWN
        assert await rotate_scope(site.settings, "uclh", opening=False) == EpochRange(2, 2)


@pytest.mark.parametrize(
    ("opening", "done", "words"),
    [
        (True, True, "wardgate gateway epoch-open --agency uclh"),
        (False, True, "both holders have retired epoch 1"),
        (True, False, "add --yes"),
        (False, False, "add --yes"),
    ],
)
def test_each_step_says_what_is_next_and_who_does_it(*, opening: bool, done: bool, words: str) -> None:
    assert words in next_step("uclh", EpochRange(1 if opening else 2, 2), opening=opening, done=done)


async def _epochs(gateway: Caller, scope: str, *asked: int) -> list[int]:
    stated = await gateway.points(scope, asked)
    return [point.epoch for point in PointsStatement.parse(stated.statement).epochs]


async def test_the_trustee_cosigns_what_it_has_verified(site: Site) -> None:
    async with site.running():
        await until(lambda: bool(site.gateway.cosigned))
    assert list(site.gateway.cosigned_by("trustee/main")[0]) == ["trustee/main"]


async def test_quotas_and_members_in_force_stand_in_the_ledger(site: Site) -> None:
    site.settings = site.settings.model_copy(update={"quotas": Quotas(tickets_per_hour=7)})
    async with site.running() as (trustee, _):
        await settle(site, version=1)
        assert trustee.members.caseloads["uclh"] == 1_000
        entries = [stored.entry for stored in await trustee.journal.entries(0, 100)]
    started = next(entry for entry in entries if entry.kind == "service_started")
    assert started.body["quotas"]["tickets_per_hour"] == 7
    (published,) = [entry.body for entry in entries if entry.kind == "register_published"]
    assert published["added"] == sorted(site.region.members)
    async with site.running() as (trustee, _):
        again = [stored.entry for stored in await trustee.journal.entries(0, 100)]
    assert sum(entry.kind == "register_published" for entry in again) == 1, "nothing changed, so nothing is signed"


def _header() -> QueryHeader:
    """A query whose every field is something the trustee must never learn."""
    now = int(time.time())
    return QueryHeader(
        query_id=str(uuid4()),
        requester="camden-csc",
        requester_key_version=1,
        user_ref="f0e1d2c3b4a5968778695a4b3c2d1e0f",
        role="designated_lead",
        purpose="S47_ENQUIRY_SECRET",
        urgency=Urgency.EMERGENCY,
        area="secret-area",
        categories=[CategoryAsked(name="secret_category", tier=Tier.T2)],
        period=Period(start="2019-03-01", end="2026-11-01"),
        attestations=["secret_attestation"],
        approvals=[],
        family_informed=FamilyInformed.NOT_PRACTICABLE,
        break_glass="SECRET_BREAK_GLASS",
        identifier_state=IdentifierState.PRESENT,
        issued_at=now,
        deadline_at=now + 3,
        expires_at=now + 600,
        reply_key=b"secret reply key",
        directory_version=1,
        decision_id=str(uuid4()),
        audit_sha256=sha256(b"secret audit envelope"),
        targets={name: sha256(name.encode()) for name in TARGETS},
    )


async def test_the_trustee_keeps_nothing_of_a_query_but_what_its_ticket_says(site: Site, tmp_path: Path) -> None:
    """Reads every byte it leaves behind: database, write-ahead log, log file, exported ledger."""
    header = _header()
    configure_logging(service="trustee", destination=site.settings.log_file)
    async with site.running() as (trustee, port), calling(site, port) as gateway:
        await settle(site, version=1)
        shown = ticket_of(site, query=header.canonical())
        translated = await gateway.translate(shown)
        assert await refusal(gateway.translate(ticket_of(site, query=header.canonical()))) is ErrorCode.REPLAYED
        signed = await trustee.journal.export(tmp_path / "export")
    assert sha256(header.canonical()).hex() in _left_behind(tmp_path), "the test reads where the ticket's hash stands"

    key = NoteKey.parse((site.settings.data_dir / "ledger.pub").read_text())
    assert key == NoteKey("wardgate/trustee/main", site.region.trustee_key.verify_key)
    verified = verify_export(tmp_path / "export", key)
    assert verified.size == signed.size

    left = _left_behind(tmp_path)
    forbidden = [
        header.query_id,
        header.decision_id,
        header.user_ref,
        header.role,
        header.purpose,
        header.urgency,
        header.area,
        "secret",
        "SECRET",
        header.period.start,
        header.family_informed,
        header.audit_sha256.hex(),
        *(digest.hex() for digest in header.targets.values()),
    ]
    points = [*group.split(b"".join(translated)), *_points(shown)]
    assert [word for word in forbidden if str(word) in left] == []
    assert [point for point in points if point.hex() in left or point.decode("latin-1") in left] == []


def _points(shown: SignedTicket) -> list[bytes]:
    return [point.element for point in Ticket.parse(shown.ticket).points]


def _left_behind(folder: Path) -> str:
    """All files of the trustee (not the gateway's), as one text; hashes are looked for in hexadecimal."""
    files = [path for path in (folder / "trustee").rglob("*") if path.is_file() and "keyring" not in path.parts]
    files += [path for path in (folder / "export").rglob("*") if path.is_file()]
    files.append(folder / "trustee.log")
    return "\n".join(path.read_bytes().decode("latin-1") for path in files)


async def test_no_message_ever_carries_a_ratio_or_a_scalar(site: Site) -> None:
    """Everything the trustee answers is a proof, a signed statement, a count, or a multiple of a point it was shown."""
    async with site.running() as (_, port), calling(site, port) as gateway:
        await settle(site, version=1)
        shown = batch_of(site, some_elements(3))
        ticket = ticket_of(site)
        answers = [
            (await gateway.evaluate(shown)).SerializeToString(),
            b"".join(item.SerializeToString() for item in await gateway.whole(ticket)),
            (await gateway.points("uclh")).SerializeToString(),
        ]
    keys = site.region.trustee_holder
    own, other = keys.key("camden-csc", 1), keys.key("uclh", 1)
    secrets = [own._scalar.reveal(), other._scalar.reveal()]
    source = ScopeEpoch("camden-csc", 1)
    secrets += [keys.translation(source, ScopeEpoch(name, 1))._ratio.reveal() for name in TARGETS]
    for answer in answers:
        for secret in secrets:
            assert secret not in answer
            assert secret.hex().encode() not in answer
