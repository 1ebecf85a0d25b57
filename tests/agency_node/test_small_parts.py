"""Parts too small for a file of their own: departure, progress, locks, records, vault."""

import asyncio
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agency_node.answering.departure import Departure, departure_s
from agency_node.caseload.progress import Phase, Progress, ProgressMeter
from agency_node.caseload.records import HeldRecord, decode_flags, encode_flags, encode_record, in_order
from agency_node.locks import KeyedLock
from agency_node.sources.record import SourceRecord, Unreadable
from agency_node.vault import Kind, Vault
from federation.errors import ErrorCode, WardgateError
from keys.pseudonym import Pseudonym
from keys.secret import Secret
from tests.support.node_house import log_entry, number
from tests.support.two_agencies import Clock

# -- departure --------------------------------------------------------------------------------------------------------


@given(passed=st.floats(0, 10), quantum=st.floats(0.001, 1))
def test_answers_leave_on_multiples_of_the_interval_and_not_before_the_first(passed: float, quantum: float) -> None:
    left = departure_s(100.0, 100.0 + passed, quantum) - 100.0

    assert left >= passed - 1e-9
    assert left >= quantum - 1e-9
    assert left - passed <= quantum + 1e-9
    assert abs(left / quantum - round(left / quantum)) < 1e-6


async def test_quick_and_slow_work_leave_at_the_same_moment() -> None:
    clock = Clock(0.0)

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    departure = Departure(quantum_ms=50, monotonic=clock, sleep=sleep)
    moments = []
    for work_s in (0.001, 0.02, 0.049, 0.051):
        clock.now = 10.0
        arrived = departure.now()
        clock.now += work_s
        await departure.wait(arrived)
        moments.append(round(clock.now - 10.0, 6))

    assert moments == [0.05, 0.05, 0.05, 0.1]


async def test_without_an_interval_nothing_waits() -> None:
    async def sleep(_: float) -> None:
        raise AssertionError

    await Departure(quantum_ms=0, monotonic=Clock(5.0), sleep=sleep).wait(0.0)


# -- progress ---------------------------------------------------------------------------------------------------------


def test_progress_has_a_rate_and_an_end() -> None:
    clock, told = Clock(0.0), list[Progress]()
    meter = ProgressMeter(Phase.INDEX, "a", 100, told.append, clock)

    clock.now = 2.0
    meter.at(20)
    clock.now = 2.1
    meter.at(21)
    clock.now = 3.0
    meter.add(29)

    assert [(item.done, item.rate, item.seconds_left) for item in told] == [(20, 10, 8), (50, 17, 3)]
    assert told[0].as_json()["phase"] == "index"


def test_a_total_that_was_passed_is_no_total() -> None:
    told = list[Progress]()
    clock = Clock(0.0)
    meter = ProgressMeter(Phase.READ, "a", 10, told.append, clock)
    clock.now = 1.0

    meter.at(11)

    assert (told[-1].total, told[-1].seconds_left) == (0, None)


# -- locks ------------------------------------------------------------------------------------------------------------


async def test_one_at_a_time_for_each_key_and_nothing_is_left_behind() -> None:
    lock, inside, most = KeyedLock(), 0, 0

    async def work(key: str) -> None:
        nonlocal inside, most
        async with lock.holding(key):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work("one") for _ in range(5)))
    assert most == 1
    await asyncio.gather(*(work(str(n)) for n in range(5)))
    assert most == 5
    assert len(lock) == 0


# -- records ----------------------------------------------------------------------------------------------------------


def decoded(record: SourceRecord, child_flags: frozenset[str] = frozenset()) -> HeldRecord:
    return HeldRecord.decode(encode_record(record), ref="r1", source_id="a", child_flags=child_flags)


def test_a_record_comes_back_as_it_went_with_the_flags_of_the_child() -> None:
    record = log_entry(number(1), flags=frozenset({"DISPUTED"}), handling_code="P")

    found = decoded(record, frozenset({"SENSITIVE_ADDRESS"}))

    assert (found.category, found.date, dict(found.fields)) == (record.category, record.date, dict(record.fields))
    assert found.flags == ("DISPUTED", "SENSITIVE_ADDRESS")
    assert "Bruise" not in repr(found)


def test_policy_sees_names_and_never_a_value() -> None:
    described = decoded(log_entry(number(1))).descriptor()

    assert described["fields"] == ["entry_category", "entry_text", "last_entry_date"]
    assert "Bruise" not in repr(described)
    assert "log:1" not in repr(described)


def test_a_payload_of_another_version_is_refused() -> None:
    payload = encode_record(log_entry(number(1))).replace(b'"v":2', b'"v":1')
    with pytest.raises(WardgateError) as caught:
        HeldRecord.decode(payload, ref="r1", source_id="a", child_flags=frozenset())
    assert caught.value.code is ErrorCode.STORE_UNAVAILABLE
    with pytest.raises(WardgateError):
        decode_flags(b'{"v":2,"flags":[]}')
    assert decode_flags(encode_flags(frozenset({"A"}))) == {"A"}


def test_records_stand_newest_first_and_those_without_a_date_last() -> None:
    records = [decoded(log_entry(number(1), date=dt.date(2026, month, 1))) for month in (3, 5, 1)]
    undated = decoded(log_entry(number(1), date=None, unreadable=frozenset({Unreadable.DATE})))

    ordered = in_order([undated, *records])

    assert [record.date and record.date.month for record in ordered] == [5, 3, 1, None]


def test_start_and_end_and_what_could_not_be_read_come_back_and_stand_before_policy() -> None:
    record = log_entry(
        number(1),
        started_on=dt.date(2020, 5, 1),
        ended_on=dt.date(2027, 3, 31),
        unreadable=frozenset({Unreadable.RELATION, Unreadable.CHILD}),
        fields_unreadable=frozenset({"body_map"}),
    )

    found = decoded(record)
    described = found.descriptor()

    assert (found.started_on, found.ended_on) == (record.started_on, record.ended_on)
    assert (found.unreadable, found.fields_unreadable) == (record.unreadable, record.fields_unreadable)
    assert described["started_on"] == {"year": 2020, "month": 5, "day": 1}
    assert described["ended_on"] == {"year": 2027, "month": 3, "day": 31}
    assert described["unreadable"] == ["child", "relation"]
    assert described["fields"] == ["body_map", "entry_category", "entry_text", "last_entry_date"]
    assert (described["relation"], described["assertion"]) == ("", "fact")


def test_of_an_unreadable_row_nothing_but_category_and_flags_is_told() -> None:
    record = log_entry(
        number(1), handling_code="P", unreadable=frozenset({Unreadable.ROW}), flags=frozenset({"DISPUTED"})
    )

    described = decoded(record).descriptor()

    assert [described[name] for name in ("type", "assertion", "relation", "contact_level", "handling_code")] == [""] * 5
    assert [described[name] for name in ("date", "started_on", "ended_on")] == [None] * 3
    assert (described["category"], described["flags"], described["unreadable"]) == (
        "safeguarding_log",
        ["DISPUTED"],
        ["row"],
    )


@pytest.mark.parametrize("unreadable", [set(), {Unreadable.CHILD}, {Unreadable.STARTED_ON}])
def test_a_record_without_a_date_says_that_it_could_not_be_read(unreadable: set[Unreadable]) -> None:
    with pytest.raises(ValueError, match="could not be read"):
        log_entry(number(1), date=None, unreadable=frozenset(unreadable))


# -- vault ------------------------------------------------------------------------------------------------------------


def test_a_row_cannot_be_read_in_anothers_place() -> None:
    vault = Vault(Secret.random())
    sealed = vault.seal(Kind.RECORD, "row-1", b"content")

    assert vault.open(Kind.RECORD, "row-1", sealed) == b"content"
    for kind, row in ((Kind.RECORD, "row-2"), (Kind.REASON, "row-1")):
        with pytest.raises(WardgateError) as caught:
            vault.open(kind, row, sealed)
        assert caught.value.code is ErrorCode.STORE_UNAVAILABLE


def test_references_need_the_data_key_and_tell_kinds_apart() -> None:
    one, same, other = Vault(Secret(bytes(32))), Vault(Secret(bytes(32))), Vault(Secret(b"1" * 32))
    child = number(1)

    assert one.child_key(child) == same.child_key(child) != other.child_key(child)
    assert one.record_ref("a", "1") != one.record_ref("b", "1")
    assert one.user_ref("x") != one.content_digest(b"x")


def test_what_the_database_indexes_is_not_the_pseudonym() -> None:
    from keys.group import multiply_base, random_scalar

    pseudonym = Pseudonym(multiply_base(random_scalar()))
    one, other = Vault(Secret(bytes(32))), Vault(Secret(b"1" * 32))

    assert one.lookup_key(pseudonym) == one.lookup_key(Pseudonym(pseudonym.reveal()))
    assert one.lookup_key(pseudonym) not in {pseudonym.reveal(), other.lookup_key(pseudonym)}
