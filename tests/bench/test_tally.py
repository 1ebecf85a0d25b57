"""What became of every target is counted, whatever it is: nothing stops a measurement, and nothing is left out."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.busy import busy_loops
from bench.report import unanswered_tables
from bench.tally import WHOLE_QUERY, Tally, write_unanswered
from federation.errors import ErrorCode, WardgateError


def target(agency: str, outcome: str | None = "records", **changes: Any) -> dict[str, Any]:
    state = "answered" if outcome else "waiting"
    return {"agency": agency, "state": state, "outcome": outcome, "fault": "", "final": bool(outcome), **changes}


def picture(*targets: dict[str, Any], query_id: str = "q") -> dict[str, Any]:
    missing = [item["agency"] for item in targets if item["outcome"] in {None, "error"}]
    return {"query_id": query_id, "targets": list(targets), "missing": missing, "error": ""}


@pytest.fixture
def tally() -> Tally:
    """Three queries to three agencies each: one whole, one with two targets missing, one that failed."""
    tally = Tally()
    tally.picture(picture(target("a"), target("b"), target("c", "nothing_held"), query_id="whole"), 3, "u")
    error = target("b", "error", fault="PDP_TIMEOUT")
    tally.picture(picture(target("a"), error, target("c", None), query_id="partial"), 3, "u")
    tally.failed(WardgateError(ErrorCode.POLICY_UNAVAILABLE), 3)
    return tally


def test_every_target_that_was_not_answered_is_named(tally: Tally) -> None:
    named = [(item.agency, item.state, item.outcome, item.fault) for item in tally.unanswered()]
    assert named == [
        (WHOLE_QUERY, "failed", "", "POLICY_UNAVAILABLE"),
        ("b", "answered", "error", "PDP_TIMEOUT"),
        ("c", "waiting", "", ""),
    ]
    (table,) = unanswered_tables([tally])
    assert table.row_count == 3


def test_shares_add_up_to_what_was_asked(tally: Tally) -> None:
    share = tally.share(3)
    assert (share.asked, share.in_time, share.later, share.errors, share.lost) == (9, 4, 0, 1, 4)
    assert share.percent == pytest.approx(100 * 4 / 9)
    assert (tally.share(5).asked, tally.share(5).percent) == (0, 100)


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [("records", (1, 1, 3)), ("error", (0, 2, 3)), (None, (0, 1, 4))],
)
def test_what_comes_after_the_deadline_is_looked_at_again(
    tally: Tally, outcome: str | None, counts: tuple[int, int, int]
) -> None:
    shown = picture(target("a"), target("b", "error"), target("c", outcome), query_id="partial")
    assert tally.again("partial", shown) is (outcome is not None)
    share = tally.share(3)
    assert (share.asked, share.in_time, (share.later, share.errors, share.lost)) == (9, 4, counts)


def test_another_number_of_agencies_is_another_question(tally: Tally) -> None:
    with pytest.raises(AssertionError):
        tally.picture(picture(target("a")), 3, "u")


def test_the_file_is_written_even_where_there_is_nothing_to_name(tmp_path: Path, tally: Tally) -> None:
    path = write_unanswered(tmp_path / "bench.json", [])
    assert (path.name, json.loads(path.read_text())) == ("bench.unanswered.json", [])
    write_unanswered(tmp_path / "bench.json", [tally, tally])
    assert len(json.loads(path.read_text())) == 6
    assert unanswered_tables([Tally()]) == []


def test_busy_loops_run_for_as_long_as_they_are_wanted_and_are_ended_whatever_happens() -> None:
    def begin_and_break() -> None:
        with busy_loops(2) as found:
            pids.extend(found)
            assert all(Path(f"/proc/{pid}").exists() for pid in pids)
            raise RuntimeError

    pids: list[int] = []
    with pytest.raises(RuntimeError):
        begin_and_break()
    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
