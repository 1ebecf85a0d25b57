"""A question as a user puts it: each check just inside and just outside, and what is filled in."""

import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agency_node.asking.question import CheckedQuestion, QuestionDocument, check_question, years_before
from federation import limits
from federation.canonical import to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.policy.catalogue import Catalogue
from federation.policy.evaluator import PolicyPoint
from federation.query import Approval
from federation.vocabulary import Tier, Urgency

TODAY = date(2026, 11, 22)
CHILD = "999 000 0018"


@pytest.fixture
def catalogue(policy: PolicyPoint) -> Catalogue:
    return policy.catalogue


def checked(catalogue: Catalogue, **changes: Any) -> CheckedQuestion:
    document = QuestionDocument(**{"user": "a.khan", "purpose": "S47_ENQ", "child": CHILD, **changes})
    return check_question(
        document, approvals=(), catalogue=catalogue, home_area="testshire", today=TODAY, test_numbers=True
    )


def refusal(catalogue: Catalogue, **changes: Any) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        checked(catalogue, **changes)
    assert str(changes.get("child", "?")) not in f"{caught.value} {caught.value.detail} {caught.value.__cause__}"
    return caught.value.code


@pytest.mark.parametrize("child", ["9990000018", "999 000 0018", "999-000-0018"])
def test_a_number_is_taken_as_it_is_printed(catalogue: Catalogue, child: str) -> None:
    assert checked(catalogue, child=child).child.canonical() == "9990000018"


@pytest.mark.parametrize("child", ["9990000019", "999000001", "99900000180", "99900000I8", "x", "٩٩٩٠٠٠٠٠١٨"])
def test_a_mistyped_number_is_refused_and_not_repeated(catalogue: Catalogue, child: str) -> None:
    assert refusal(catalogue, child=child) is ErrorCode.NHS_NUMBER_INVALID


@pytest.mark.parametrize("child", ["9876543210", "1234567881", "800 000 0016"])
def test_a_number_that_nobody_can_have_is_refused_and_not_repeated(catalogue: Catalogue, child: str) -> None:
    assert refusal(catalogue, child=child) is ErrorCode.NHS_NUMBER_INVALID


def test_a_number_kept_for_tests_is_refused_where_the_node_takes_none(catalogue: Catalogue) -> None:
    def asked(child: str) -> CheckedQuestion:
        document = QuestionDocument(user="a.khan", purpose="S47_ENQ", child=child)
        return check_question(document, approvals=(), catalogue=catalogue, home_area="x", today=TODAY)

    assert asked("400 000 0004").child.canonical() == "4000000004"
    with pytest.raises(WardgateError) as caught:
        asked(CHILD)
    assert caught.value.code is ErrorCode.NHS_NUMBER_INVALID
    assert "test_numbers = true" in caught.value.spec.remedy


def test_a_purpose_must_be_a_word_of_the_bundle(catalogue: Catalogue) -> None:
    for purpose in [*catalogue.purposes, *catalogue.never_permitted]:
        assert checked(catalogue, purpose=purpose).purpose == purpose
    for purpose in ("s47_enq", "S47_ENQ ", "NOSINESS"):
        assert refusal(catalogue, purpose=purpose) is ErrorCode.PURPOSE_UNKNOWN


def test_without_categories_a_purpose_asks_for_its_own_defaults(catalogue: Catalogue) -> None:
    for purpose, row in catalogue.purposes.items():
        found = {item.name: item.tier.value for item in checked(catalogue, purpose=purpose).categories}
        assert found == {name: asked["default_tier"] for name, asked in row["categories"].items()}


def test_a_purpose_that_is_never_permitted_still_makes_a_whole_question(catalogue: Catalogue) -> None:
    """Policy must see it to refuse it, and to raise its alarm."""
    for purpose in catalogue.never_permitted:
        assert [item.tier for item in checked(catalogue, purpose=purpose).categories] == [Tier.T0]


def test_categories_are_sorted_and_the_highest_tier_counts(catalogue: Catalogue) -> None:
    asked = ["police_known:T0", "attendance:T1", "police_known:T2", "police_known:T1"]
    found = checked(catalogue, categories=asked).categories
    assert [(item.name, item.tier.value) for item in found] == [("attendance", "T1"), ("police_known", "T2")]


def together(catalogue: Catalogue) -> list[tuple[str, str, dict[str, str]]]:
    """Each category that a purpose shows under another name, with all that it shows under it and their tiers."""
    return [
        (purpose, name, {other: item["default_tier"] for other, item in rows.items() if item["shown_as"] == name_shown})
        for purpose, row in catalogue.purposes.items()
        for rows in [row["categories"]]
        for name, cell in rows.items()
        if (name_shown := cell["shown_as"])
    ]


def test_what_is_shown_under_one_name_is_asked_about_as_one(catalogue: Catalogue) -> None:
    cases = together(catalogue)
    assert any(len(group) > 1 for _, _, group in cases)
    for purpose, name, group in cases:
        asked = checked(catalogue, purpose=purpose, categories=[f"{name}:{group[name]}"]).categories
        assert {item.name: item.tier.value for item in asked} == group
        assert asked == tuple(sorted(asked, key=lambda item: item.name))


def test_one_limb_of_home_education_asks_all_three(catalogue: Catalogue) -> None:
    asked = checked(catalogue, purpose="EHE_CONSENT_434A", categories=["s47:T0"]).categories
    assert [(item.name, item.tier) for item in asked] == [
        ("cp_plan", Tier.T0),
        ("s47", Tier.T0),
        ("special_school_placement", Tier.T0),
    ]


def test_what_is_shown_under_its_own_name_is_asked_alone_and_a_tier_that_was_named_stays(catalogue: Catalogue) -> None:
    for purpose, category in [
        ("S47_ENQ", "s47:T0"),
        ("CNIS_436B", "cp_plan:T0"),
        ("EHE_CONSENT_434A", "attendance:T0"),
    ]:
        asked = checked(catalogue, purpose=purpose, categories=[category]).categories
        assert [f"{item.name}:{item.tier.value}" for item in asked] == [category]
    wider = checked(catalogue, purpose="EHE_CONSENT_434A", categories=["s47:T2"]).categories
    assert {item.name: item.tier for item in wider}["s47"] is Tier.T2  # which is for policy to judge


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("gossip:T1", ErrorCode.CATEGORY_UNKNOWN),
        (":T1", ErrorCode.CATEGORY_UNKNOWN),
        ("attendance", ErrorCode.TIER_UNKNOWN),
        ("attendance:", ErrorCode.TIER_UNKNOWN),
        ("attendance:T3", ErrorCode.TIER_UNKNOWN),
        ("attendance:t1", ErrorCode.TIER_UNKNOWN),
        ("attendance:T1:T2", ErrorCode.TIER_UNKNOWN),
    ],
)
def test_an_unknown_category_or_tier_is_refused(catalogue: Catalogue, asked: str, code: ErrorCode) -> None:
    assert refusal(catalogue, categories=["attendance:T1", asked]) is code


def test_without_dates_a_question_looks_five_years_back(catalogue: Catalogue) -> None:
    period = checked(catalogue).period
    assert (period.start, period.end) == ("2021-11-22", "2026-11-22")


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-11-22", "2026-11-22", ("2026-11-22", "2026-11-22")),
        ("2026-11-23", "2026-11-22", None),
        ("2026-11-23", "", None),
        ("", "2030-01-01", ("2021-11-22", "2030-01-01")),
        ("2026-02-29", "", None),
        ("2024-02-29", "", ("2024-02-29", "2026-11-22")),
        ("22/11/2020", "", None),
        ("yesterday", "", None),
        ("1000-01-01", "", ("1000-01-01", "2026-11-22")),
        ("0999-12-31", "", None),
        ("", "2999-12-31", ("2021-11-22", "2999-12-31")),
        ("", "3000-01-01", None),
    ],
)
def test_a_period_is_two_dates_in_order(
    catalogue: Catalogue, start: str, end: str, expected: tuple[str, str] | None
) -> None:
    if expected is None:
        assert refusal(catalogue, start=start, end=end) is ErrorCode.PERIOD_INVALID
        return
    period = checked(catalogue, start=start, end=end).period
    assert (period.start, period.end) == expected


@pytest.mark.parametrize(
    ("start", "end", "named"),
    [
        ("2026-11-23", "", ["2026-11-23", "2026-11-22"]),
        ("2027-06-01", "2027-12-31", ["2027-06-01", "2026-11-22"]),
        ("2026-11-22", "2026-11-21", ["2026-11-22", "2026-11-21"]),
    ],
)
def test_whoever_asks_is_told_which_dates_are_wrong(
    catalogue: Catalogue, start: str, end: str, named: list[str]
) -> None:
    with pytest.raises(WardgateError) as caught:
        checked(catalogue, start=start, end=end)
    assert caught.value.code is ErrorCode.PERIOD_INVALID
    assert re.findall(r"[0-9-]{10}", caught.value.told) == named


def test_without_a_start_a_question_covers_the_purposes_own_years(catalogue: Catalogue) -> None:
    for purpose, row in catalogue.purposes.items():
        start = checked(catalogue, purpose=purpose).period.start
        assert start == years_before(TODAY, row["default_period_years"]).isoformat()
    longer = {**catalogue.purposes["S47_ENQ"], "default_period_years": 18}
    changed = catalogue.model_copy(update={"purposes": {**catalogue.purposes, "S47_ENQ": longer}})
    assert checked(changed).period.start == "2008-11-22"
    for purpose in catalogue.never_permitted:
        assert checked(catalogue, purpose=purpose).period.start == TODAY.isoformat()


@given(start=st.text(max_size=10), end=st.text(max_size=10))
def test_any_text_for_a_date_is_a_period_or_its_own_error(policy: PolicyPoint, start: str, end: str) -> None:
    try:
        period = checked(policy.catalogue, start=start, end=end).period
    except WardgateError as error:
        assert error.code is ErrorCode.PERIOD_INVALID  # noqa: PT017 - or it is a period
    else:
        assert period.start <= min(period.end, TODAY.isoformat())


@pytest.mark.parametrize(
    ("changes", "urgency"),
    [
        ({}, Urgency.ROUTINE),
        ({"break_glass": "immediate_danger"}, Urgency.EMERGENCY),
        ({"break_glass": "immediate_danger", "urgency": Urgency.URGENT}, Urgency.URGENT),
        ({"urgency": Urgency.EMERGENCY}, Urgency.EMERGENCY),
    ],
)
def test_breaking_glass_is_an_emergency_unless_said_otherwise(
    catalogue: Catalogue, changes: dict[str, Any], urgency: Urgency
) -> None:
    assert checked(catalogue, **changes).urgency is urgency


def test_the_home_area_is_asked_unless_another_is_named(catalogue: Catalogue) -> None:
    assert checked(catalogue).area == "testshire"
    assert checked(catalogue, area="farshire").area == "farshire"


def test_approvals_are_those_that_were_looked_up(catalogue: Catalogue) -> None:
    approval = Approval(role="team_manager", kind="manager", user_ref="b" * 32)
    document = QuestionDocument(user="a.khan", purpose="S47_ENQ", child=CHILD)
    found = check_question(
        document, approvals=[approval], catalogue=catalogue, home_area="x", today=TODAY, test_numbers=True
    )
    assert found.approvals == (approval,)


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("user", "a" * 200, "a" * 201),
        ("justification", "a" * limits.MAX_JUSTIFICATION_CHARS, "a" * (limits.MAX_JUSTIFICATION_CHARS + 1)),
        ("break_glass", "a" * limits.MAX_CODE_CHARS, "a" * (limits.MAX_CODE_CHARS + 1)),
        ("area", "a" * limits.MAX_CODE_CHARS, "a b"),
        ("attestations", ["a"] * limits.MAX_ATTESTATIONS, ["a"] * (limits.MAX_ATTESTATIONS + 1)),
        ("categories", ["a"] * limits.MAX_CATEGORIES, ["a"] * (limits.MAX_CATEGORIES + 1)),
        (
            "approvals",
            [{"user": "u", "kind": "k"}] * limits.MAX_APPROVALS,
            [{"user": "u", "kind": "k"}] * (limits.MAX_APPROVALS + 1),
        ),
    ],
)
def test_a_questions_fields_have_their_limits(name: str, inside: object, outside: object) -> None:
    plain = {"user": "a.khan", "purpose": "S47_ENQ", "child": CHILD}
    QuestionDocument.parse(to_canonical({**plain, name: inside}))
    with pytest.raises(WardgateError) as caught:
        QuestionDocument.parse(to_canonical({**plain, name: outside}))
    assert caught.value.code is ErrorCode.MESSAGE_MALFORMED


def test_neither_child_nor_justification_is_in_a_questions_repr() -> None:
    document = QuestionDocument(user="a.khan", purpose="S47_ENQ", child=CHILD, justification="Bruises.")
    assert CHILD not in repr(document)
    assert "Bruises" not in repr(document)


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)), st.integers(0, 100))
def test_years_before_keeps_the_day_but_for_a_leap_day(day: date, years: int) -> None:
    found = years_before(day, years)
    assert found.year == day.year - years
    assert found.month == day.month
    assert found.day == day.day or (day.day, found.day) == (29, 28)
