"""The joined picture: whole only when everybody permitted has answered, and what is missing is said."""

from dataclasses import replace
from io import StringIO
from itertools import product
from typing import Any

import pytest
from rich.console import Console

from agency_node.asking.picture import (
    FALSE_REASSURANCE,
    NOTHING_HELD,
    QueryView,
    TargetView,
    build_picture,
    completeness_of,
    unread_by,
)
from agency_node.asking.reference import spoken_reference
from agency_node.asking.showing import show_picture
from federation.admission import ObligationGiven, ReasonGiven
from federation.answer import Answer, DatasetReading, DisclosedRecord
from federation.policy.evaluator import PolicyPoint
from federation.policy.results import Audience, Severity
from federation.query import Period
from federation.vocabulary import Completeness, IdentifierState, Outcome, ReadingState, Share, TargetState, Tier
from tests.support.catalogues import small_catalogue
from tests.support.node_house import number
from tests.support.two_agencies import NOW, Federation

QUERY_ID = "0b0e5f0c-3a53-4b57-9b43-3d2f9a1c7e11"
STATES = [state for state in TargetState if state is not TargetState.NOT_PERMITTED]


def an_answer(outcome: Outcome, *records: DisclosedRecord) -> Answer:
    return Answer(
        query_id=QUERY_ID,
        outcome=outcome,
        records=list(records),
        reasons=[],
        obligations=[],
        processing=[],
        reading=[],
        contact=None,
        period_covered=Period(start="2021-11-22", end="2026-11-22"),
        older=False,
        undecided=outcome is Outcome.UNDECIDED,
        context_note="",
        identifier_state=IdentifierState.PRESENT,
        answered_at=NOW,
    )


def a_target(agency: str, state: TargetState, answer: Answer | None = None, **changes: Any) -> TargetView:
    return TargetView(agency=agency, name=agency, kind="school", state=state, settled=False, answer=answer, **changes)


def a_query(**changes: Any) -> QueryView:
    values: dict[str, Any] = {
        "query_id": QUERY_ID, "purpose": "S47_ENQ", "effect": "permit", "asked_at": NOW, "deadline_at": NOW + 10,
        "expires_at": NOW + 3_600, "closed": False, "reasons": [], "obligations": [], "header": None,
    }  # fmt: skip
    return QueryView(**{**values, **changes})


ANSWERED = [(TargetState.ANSWERED, outcome) for outcome in Outcome]
UNANSWERED: list[tuple[TargetState, Outcome | None]] = [(state, None) for state in TargetState]
ONE: list[tuple[TargetState, Outcome | None]] = [*ANSWERED, *UNANSWERED]


def expected(cases: tuple[tuple[TargetState, Outcome | None], ...]) -> Completeness:
    permitted = [case for case in cases if case[0] is not TargetState.NOT_PERMITTED]
    if not permitted:
        return Completeness.NOTHING_PERMITTED
    good = {Outcome.RECORDS, Outcome.NOTHING_HELD, Outcome.REFUSED}
    return Completeness.COMPLETE if all(outcome in good for _, outcome in permitted) else Completeness.INCOMPLETE


@pytest.mark.parametrize("cases", [*product(ONE, repeat=1), *product(ONE, repeat=2)])
def test_complete_means_that_every_permitted_target_answered_and_none_failed(
    policy: PolicyPoint, cases: tuple[tuple[TargetState, Outcome | None], ...]
) -> None:
    targets = [
        a_target(f"agency-{position}", state, an_answer(outcome) if outcome else None)
        for position, (state, outcome) in enumerate(cases)
    ]
    assert completeness_of(targets, {}) is expected(cases)
    picture = build_picture(a_query(), targets, policy.catalogue)
    missing = [
        f"agency-{position}"
        for position, (state, outcome) in enumerate(cases)
        if state is not TargetState.NOT_PERMITTED and outcome in {None, Outcome.ERROR, Outcome.UNDECIDED}
    ]
    assert (picture["missing"] == []) == (picture["completeness"] != "incomplete")
    assert picture["missing"] == missing
    assert (FALSE_REASSURANCE in picture["warnings"]) == bool(missing)


def test_records_are_no_complete_answer_while_others_were_never_decided(policy: PolicyPoint) -> None:
    answer = an_answer(Outcome.RECORDS, record("2026-05-01")).model_copy(update={"undecided": True})
    whole = a_target("b", TargetState.ANSWERED, an_answer(Outcome.NOTHING_HELD))

    picture = build_picture(a_query(), [a_target("a", TargetState.ANSWERED, answer), whole], policy.catalogue)

    assert (picture["completeness"], picture["missing"]) == ("incomplete", ["a"])
    assert [target["answer"]["undecided"] for target in picture["targets"]] == [True, False]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (an_answer(Outcome.UNDECIDED), "nobody decided in time: ring"),
        (an_answer(Outcome.NOTHING_HELD), "nothing held"),
    ],
)
def test_a_person_reads_that_nobody_decided_and_not_that_nothing_is_held(
    policy: PolicyPoint, answer: Answer, words: str
) -> None:
    picture = build_picture(a_query(), [a_target("a", TargetState.ANSWERED, answer)], policy.catalogue)
    out = Console(record=True, width=200, file=StringIO())

    show_picture(picture, out)

    shown = out.export_text()
    assert words in shown
    assert ("nothing held" in shown) == (answer.outcome is Outcome.NOTHING_HELD)


def test_a_person_reads_that_records_are_not_all(policy: PolicyPoint) -> None:
    answer = an_answer(Outcome.RECORDS, record("2026-05-01")).model_copy(update={"undecided": True})
    picture = build_picture(a_query(), [a_target("a", TargetState.ANSWERED, answer)], policy.catalogue)
    out = Console(record=True, width=200, file=StringIO())

    show_picture(picture, out)

    assert "more that a person there has not decided: ring" in out.export_text()


def test_nobody_asked_is_nothing_permitted_and_no_empty_success(policy: PolicyPoint) -> None:
    picture = build_picture(a_query(effect="deny"), [], policy.catalogue)
    assert picture["completeness"] == "nothing_permitted"
    assert picture["targets"] == picture["chronology"] == []


@pytest.mark.parametrize("state", STATES)
def test_a_state_alone_never_stands_for_an_answer(state: TargetState) -> None:
    """Not even "answered": what the gateway says counts for nothing until an answer has been opened."""
    assert completeness_of([a_target("a", state)], {}) is Completeness.INCOMPLETE


def record(date: str, category: str = "attendance") -> DisclosedRecord:
    return DisclosedRecord(
        category=category, type=category, tier=Tier.T1 if date else Tier.T0, date=date, fields={},
        fields_unreadable=[], assertion="fact",
        relation="subject", contact_level="none", handling_code="", flags=[], redactions=[], reasons=[],
    )  # fmt: skip


def test_the_chronology_is_every_dated_record_oldest_first_with_its_source(policy: PolicyPoint) -> None:
    targets = [
        a_target("b", TargetState.ANSWERED, an_answer(Outcome.RECORDS, record("2026-01-02"), record(""))),
        a_target("a", TargetState.ANSWERED, an_answer(Outcome.RECORDS, record("2026-01-02"), record("2020-05-05"))),
        a_target("c", TargetState.WAITING),
    ]
    found = build_picture(a_query(), targets, policy.catalogue)["chronology"]
    assert [(item["date"], item["agency"]) for item in found] == [
        ("2020-05-05", "a"),
        ("2026-01-02", "a"),
        ("2026-01-02", "b"),
    ]
    assert all(item["assertion"] == "fact" for item in found)


def test_targets_stand_in_order_with_what_is_known_of_each(policy: PolicyPoint) -> None:
    targets = [
        a_target("z", TargetState.REFERRED, absent_until=NOW + 5),
        a_target("m", TargetState.WAITING, fault="SIGNATURE_REJECTED"),
        a_target("a", TargetState.ANSWERED, an_answer(Outcome.NOTHING_HELD), late=True),
    ]
    found = build_picture(a_query(), targets, policy.catalogue)["targets"]
    assert [item["agency"] for item in found] == ["a", "m", "z"]
    assert [item["outcome"] for item in found] == ["nothing_held", None, None]
    assert (found[0]["late"], found[1]["fault"], found[2]["absent_until"]) == (True, "SIGNATURE_REJECTED", NOW + 5)


def test_reasons_carry_the_bundles_text_and_law_stand_once_and_are_not_shown_without_a_text(
    policy: PolicyPoint,
) -> None:
    reason = ReasonGiven(code="TARGET_OUTSIDE_AREA", audience=Audience.BOTH, severity=Severity.DENIAL)
    unknown = ReasonGiven(code="NOT_IN_THE_BUNDLE", audience=Audience.BOTH, severity=Severity.INFO)
    picture = build_picture(a_query(reasons=[reason, reason, unknown]), [], policy.catalogue)
    assert [item["code"] for item in picture["reasons"]] == ["TARGET_OUTSIDE_AREA"]
    row = policy.catalogue.reasons["TARGET_OUTSIDE_AREA"]
    assert (picture["reasons"][0]["text"], picture["reasons"][0]["legal_basis"]) == (row.user, row.legal_basis)


def an_obligation(name: str) -> ObligationGiven:
    return ObligationGiven(id=name, type="handling", mandatory=True, params={})


def test_of_obligations_the_told_stand_once_with_their_text_and_those_of_a_newer_bundle_without() -> None:
    given = [an_obligation(name) for name in ("keep", "watch", "keep", "newer")]
    answer = an_answer(Outcome.NOTHING_HELD).model_copy(update={"obligations": given})
    target = a_target("a", TargetState.ANSWERED, answer, obligations=tuple(given))
    picture = build_picture(a_query(obligations=given), [target], small_catalogue(told=["keep"], kept=["watch"]))
    (shown,) = picture["targets"]
    for found in (picture["obligations"], shown["obligations"], shown["answer"]["obligations"]):
        assert [(item["id"], item["text"]) for item in found] == [("keep", "Text of keep."), ("newer", "")]


@pytest.mark.parametrize("answered", [None, *Outcome])
def test_every_picture_says_what_nothing_held_means_and_what_its_purpose_does_not(answered: Outcome | None) -> None:
    targets = [a_target("a", TargetState.ANSWERED, an_answer(answered))] if answered else []
    catalogue = small_catalogue(purposes={"WITH": {"caution": "Clear is not safe."}, "WITHOUT": {}})

    def said(purpose: str) -> Any:
        return build_picture(a_query(purpose=purpose), targets, catalogue)["cautions"]

    assert said("WITH") == [NOTHING_HELD, "Clear is not safe."]
    assert said("WITHOUT") == said("NEVER_PERMITTED") == [NOTHING_HELD]


def test_a_record_carries_the_title_of_its_category() -> None:
    records = [record("", "hold"), record("", "untitled"), record("", "unknown")]
    targets = [a_target("a", TargetState.ANSWERED, an_answer(Outcome.RECORDS, *records))]
    catalogue = small_catalogue(categories={"hold": {"title": "Hold"}, "untitled": {}})
    (target,) = build_picture(a_query(), targets, catalogue)["targets"]
    assert [item["title"] for item in target["answer"]["records"]] == ["Hold", "", ""]


def test_what_was_asked_and_the_spoken_reference_are_shown(policy: PolicyPoint) -> None:
    header = Federation().ask(number(0)).composed.header
    picture = build_picture(a_query(header=header, warnings=["silent"], receipt={"index": 1}), [], policy.catalogue)
    assert {item["name"] for item in picture["categories"]} == {item.name for item in header.categories}
    assert picture["period"] == {"from": header.period.start, "to": header.period.end}
    assert picture["reference"] == spoken_reference(QUERY_ID)
    assert (picture["warnings"], picture["receipt"]) == (["silent"], {"index": 1})
    bare = build_picture(a_query(), [], policy.catalogue)
    assert (bare["categories"], bare["period"], bare["receipt"]) == ([], None, None)


def a_reading(state: ReadingState, *categories: str) -> DatasetReading:
    return DatasetReading(
        dataset="mis/log",
        categories=list(categories),
        state=state,
        unreadable=Share.NONE,
        unidentified=Share.NONE,
        as_at=NOW,
    )


@pytest.mark.parametrize(
    ("state", "completeness"),
    [
        (ReadingState.SOUND, Completeness.COMPLETE),
        (ReadingState.PARTIAL, Completeness.COMPLETE),
        (ReadingState.ABSENT, Completeness.COMPLETE),
        (ReadingState.FAILING, Completeness.INCOMPLETE),
    ],
)
def test_a_picture_that_rests_on_a_failing_dataset_is_not_complete(
    state: ReadingState, completeness: Completeness
) -> None:
    reading = a_reading(state, "safeguarding_log")
    answer = an_answer(Outcome.NOTHING_HELD).model_copy(update={"reading": [reading]})
    target = a_target("testshire-school", TargetState.ANSWERED, answer)

    assert completeness_of([target], {}) is completeness


LIMBED = {"limbs": [{"reason_code": "LIMB"}]}
IN_LIMBS = small_catalogue(
    purposes={"LEAVING": {"categories": {"plan": LIMBED, "place": LIMBED, "log": {"limbs": []}}}},
    categories={"plan": {"title": "Plan"}, "place": {"title": "Place"}},
)
NOT_READ = "Council has nothing to read this from: Plan. Its answer is no ground for a no: ring."


def a_council(*readings: DatasetReading, outcome: Outcome = Outcome.NOTHING_HELD) -> TargetView:
    records = [record("", "hold")] if outcome is Outcome.RECORDS else []
    answer = an_answer(outcome, *records).model_copy(update={"reading": list(readings)})
    return replace(a_target("council", TargetState.ANSWERED, answer), name="Council", kind="social_care")


def the_picture(*targets: TargetView, purpose: str = "LEAVING") -> tuple[Any, Any, Any]:
    picture = build_picture(a_query(purpose=purpose), targets, IN_LIMBS)
    return picture["completeness"], picture["missing"], picture["warnings"]


def test_what_a_statute_asks_and_nobody_reads_is_no_ground_for_a_no() -> None:
    council = a_council(a_reading(ReadingState.SOUND, "place"), a_reading(ReadingState.ABSENT, "plan"))
    assert the_picture(council) == ("incomplete", ["council"], [NOT_READ, FALSE_REASSURANCE])
    refused = a_council(a_reading(ReadingState.ABSENT, "plan"), outcome=Outcome.REFUSED)
    assert the_picture(refused)[0] == "incomplete"


@pytest.mark.parametrize(
    "target",
    [
        a_council(a_reading(ReadingState.ABSENT, "log")),
        a_council(a_reading(ReadingState.SOUND, "plan"), a_reading(ReadingState.ABSENT, "plan")),
        a_council(a_reading(ReadingState.PARTIAL, "plan")),
        a_council(a_reading(ReadingState.ABSENT, "plan"), outcome=Outcome.RECORDS),
    ],
)
def test_what_is_read_or_not_asked_in_limbs_or_answered_with_records_leaves_a_picture_whole(
    target: TargetView,
) -> None:
    assert the_picture(target) == ("complete", [], [])


def test_under_a_purpose_without_limbs_what_nobody_reads_leaves_a_picture_whole() -> None:
    assert the_picture(a_council(a_reading(ReadingState.ABSENT, "plan")), purpose="OTHER") == ("complete", [], [])


def test_a_part_of_a_statutes_test_that_agencies_of_another_kind_read_is_theirs() -> None:
    council = a_council(a_reading(ReadingState.SOUND, "plan"), a_reading(ReadingState.ABSENT, "place"))
    education = replace(a_council(a_reading(ReadingState.SOUND, "place")), agency="schools", kind="education")
    assert the_picture(council, education)[0] == "complete"
    assert the_picture(council, replace(education, kind="social_care"))[0] == "incomplete"
    silent = replace(education, state=TargetState.WAITING, answer=None)
    assert the_picture(council, silent)[1] == ["council", "schools"]


def test_the_shipped_limbs_are_asked_of_what_is_read(policy: PolicyPoint) -> None:
    limbed = {
        (purpose, name)
        for purpose, row in policy.catalogue.purposes.items()
        for name, cell in row["categories"].items()
        if cell["limbs"]
    }
    assert limbed
    for purpose, name in limbed:
        for state, found in [(ReadingState.ABSENT, {"council": (name,)}), (ReadingState.SOUND, {})]:
            assert unread_by([a_council(a_reading(state, name))], purpose, policy.catalogue) == found


def test_of_an_agency_that_could_not_use_the_question_it_is_said_and_the_picture_is_not_whole() -> None:
    answered = a_target("testshire-police", TargetState.ANSWERED, an_answer(Outcome.NOTHING_HELD))
    rejected = a_target("testshire-school", TargetState.REJECTED)
    picture = build_picture(a_query(), [answered, rejected], small_catalogue())
    assert picture["completeness"] == "incomplete"
    assert picture["missing"] == ["testshire-school"]
    (said,) = [warning for warning in picture["warnings"] if "could not use the question" in warning]
    assert said.startswith("testshire-school")
    assert "ring" in said
