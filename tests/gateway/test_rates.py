"""How fast one agency may put queries, and what a refused one may cost the gateway."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import limits
from federation.correlation_id import CorrelationId
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.query import QueryHeader
from federation.vocabulary import Urgency
from gateway.rates import QueryRates
from keys.digest import sha256
from tests.support.gateway_world import CSC, OTHER_CSC, SCHOOL, World, resigned
from tests.support.node_house import number
from tests.support.two_agencies import NOW, Clock, Federation

_HEADER = Federation().ask(number(1)).composed.header


def a_header(urgency: Urgency = Urgency.ROUTINE, *, break_glass: str = "", requester: str = CSC) -> QueryHeader:
    return _HEADER.model_copy(update={"urgency": urgency, "break_glass": break_glass, "requester": requester})


def taken(rates: QueryRates, header: QueryHeader, tries: int) -> int:
    """How many of so many are let in."""
    return sum(not refusal(rates, header) for _ in range(tries))


def refusal(rates: QueryRates, header: QueryHeader) -> str:
    try:
        rates.take(header)
    except WardgateError as error:
        return error.told if error.code is ErrorCode.QUERIES_EXCEEDED else str(error.code)
    return ""


def test_so_many_at_once_and_then_so_many_a_minute() -> None:
    clock = Clock()
    rates = QueryRates(per_minute=60, at_once=8, clock=clock)
    assert taken(rates, a_header(), 20) == 6
    clock.now += 0.9
    assert taken(rates, a_header(), 20) == 0
    clock.now += 0.1
    assert taken(rates, a_header(), 20) == 1
    clock.now += 1_000
    assert taken(rates, a_header(), 20) == 6


@pytest.mark.parametrize(
    "urgent", [a_header(Urgency.URGENT), a_header(Urgency.EMERGENCY), a_header(break_glass="LIFE_AT_RISK")]
)
def test_the_last_quarter_is_kept_for_what_is_urgent(urgent: QueryHeader) -> None:
    rates = QueryRates(per_minute=60, at_once=8, clock=Clock())
    assert taken(rates, a_header(), 20) == 6
    assert taken(rates, urgent, 20) == 2


def test_one_agencys_flood_costs_another_nothing() -> None:
    rates = QueryRates(per_minute=60, at_once=8, clock=Clock())
    taken(rates, a_header(Urgency.EMERGENCY), 20)
    assert taken(rates, a_header(requester=SCHOOL), 20) == 6


def test_whoever_is_refused_reads_when_to_come_again_and_is_taken_then() -> None:
    clock = Clock()
    rates = QueryRates(per_minute=30, at_once=4, clock=clock)
    taken(rates, a_header(), 20)
    assert refusal(rates, a_header()) == "taken again in 2 s"
    clock.now += 2
    assert refusal(rates, a_header()) == ""


@given(st.lists(st.tuples(st.floats(-5, 30), st.sampled_from(list(Urgency))), max_size=120))
def test_never_more_than_the_bucket_and_what_flowed_into_it(steps: list[tuple[float, Urgency]]) -> None:
    clock = Clock()
    rates, let_in, latest = QueryRates(per_minute=60, at_once=10, clock=clock), 0, float(NOW)
    for pause, urgency in steps:
        clock.now += pause
        latest = max(latest, clock.now)
        let_in += not refusal(rates, a_header(urgency))
        assert let_in <= 10 + (latest - NOW) + 1e-6


async def test_what_is_denied_costs_too_and_policy_is_not_asked_beyond(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.exchange, "_rates", QueryRates(per_minute=60, at_once=4, clock=world.clock))
    denied = [world.composed(targets=[SCHOOL], purpose="EH_ASSESS") for _ in range(4)]
    for composed in denied[:3]:
        assert (await world.put(composed)).effect == "deny"
    monkeypatch.setattr(world.exchange, "_admitting", None)  # whoever goes on would find nobody
    assert await world.refusal(denied[3].request) is ErrorCode.QUERIES_EXCEEDED
    assert await world.count("query") == 3
    assert (await world.put(denied[0])).effect == "deny"  # known: it costs nothing again


async def test_another_agency_is_let_in_beside_a_flood(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.enrol(OTHER_CSC)
    monkeypatch.setattr(world.exchange, "_rates", QueryRates(per_minute=60, at_once=4, clock=world.clock))
    for _ in range(3):
        await world.put(world.composed(targets=[SCHOOL]))
    assert await world.refusal(world.composed(targets=[SCHOOL]).request) is ErrorCode.QUERIES_EXCEEDED
    composed = world.composed(requester=OTHER_CSC, targets=[SCHOOL])
    stream = world.stream(composed, requester=OTHER_CSC)
    assert (await stream.opening()).effect == "permit"
    await stream.aclose()


@pytest.mark.parametrize(
    ("purpose", "size", "kept"),
    [
        ("EH_ASSESS", limits.MAX_REFUSED_ENVELOPE_BYTES, True),
        ("EH_ASSESS", limits.MAX_REFUSED_ENVELOPE_BYTES + 1, False),
        ("S47_ENQ", limits.MAX_REFUSED_ENVELOPE_BYTES + 1, True),
    ],
    ids=["refused", "refused and longer", "admitted"],
)
async def test_of_a_refused_query_no_more_than_a_small_envelope_is_kept_and_always_its_digest(
    world: World,
    purpose: str,
    size: int,
    kept: bool,  # noqa: FBT001 - a row
) -> None:
    composed, envelope = world.composed(targets=[SCHOOL], purpose=purpose), bytes(size)
    request = resigned(composed, world.secrets.parties[CSC].signing, audit_sha256=sha256(envelope))
    request.audit_envelope = envelope
    await anext(world.exchange.ask(CSC, request, CorrelationId.mint()))
    assert await world.column("query", "audit_envelope") == [envelope if kept else b""]
    (entry,) = await world.entries(EntryKind.QUERY_ADMITTED, EntryKind.QUERY_REFUSED)
    assert entry.body["audit_sha256"] == sha256(envelope).hex()
