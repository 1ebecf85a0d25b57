"""What a referral holds, and which decisions of people hold for what is held now."""

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agency_node.answering.consideration import QUESTION, HumanReview
from agency_node.caseload.records import HeldRecord
from agency_node.inbox.referral import ReferralContent, holding_reviews, record_digest
from agency_node.store.referrals import HeldReview
from agency_node.vault import Vault
from federation.canonical import to_canonical
from federation.errors import WardgateError
from federation.policy.results import MAX_DECIDERS
from keys.secret import Secret

VAULT = Vault(Secret(b"k" * 32))
RECORD = HeldRecord(
    ref="r1",
    source_id="s",
    source_ref="1",
    category="cp_plan",
    type="t",
    date=dt.date(2026, 1, 1),
    fields={},
    flags=(),
    assertion="fact",
    relation="subject",
    contact_level="unknown",
    handling_code="",
)
DIGEST = record_digest(VAULT, RECORD)


def review(reviewer: str, decision: str = "release", expires_at: int = 100, **changes: str) -> HeldReview:
    ref, digest = changes.get("ref", "r1"), changes.get("digest", DIGEST)
    return HeldReview(ref, digest, decision, changes.get("ground", "considered"), reviewer, expires_at)


def test_two_people_hold_side_by_side() -> None:
    held = holding_reviews([RECORD], [review("a"), review("b")], VAULT)

    assert held == {
        "r1": (HumanReview("release", "considered", "a", 100), HumanReview("release", "considered", "b", 100))
    }
    assert held["r1"][0].policy_input("r1") == {
        "ref": "r1",
        "decision": "release",
        "reason": "considered",
        "reviewer": "a",
        "expires_at": 100,
    }


def test_of_one_person_withholding_counts_and_then_the_longer_one() -> None:
    withheld = review("a", "withhold", 50, ground="not_relevant")

    assert [item.decision for item in holding_reviews([RECORD], [review("a"), withheld], VAULT)["r1"]] == ["withhold"]
    longer = holding_reviews([RECORD], [review("a", expires_at=70), review("a", expires_at=90)], VAULT)
    assert [item.expires_at for item in longer["r1"]] == [90]


def test_a_decision_about_other_content_does_not_count_and_one_about_the_question_needs_no_record() -> None:
    question = review("a", ref=QUESTION, digest="")

    assert holding_reviews([RECORD], [review("a", digest="0" * 32), review("a", ref="r2")], VAULT) == {}
    assert list(holding_reviews([], [question, review("a")], VAULT)) == [QUESTION]


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(["release", "withhold"]), st.integers(1, 99)), max_size=12
    )
)
def test_whoever_withholds_is_before_policy_however_many_release(drawn: list[tuple[str, str, int]]) -> None:
    held = holding_reviews([RECORD], [review(*item) for item in drawn], VAULT).get("r1", ())

    assert len({item.reviewer for item in held}) == len(held) <= MAX_DECIDERS
    assert any(item.decision == "withhold" for item in held) == any(item[1] == "withhold" for item in drawn)
    ends = [end for _, decision, end in drawn if decision == "withhold"]
    assert not ends or max(item.expires_at for item in held if item.decision == "withhold") == max(ends)


def content() -> ReferralContent:
    return ReferralContent(
        query={"query_id": "q"}, number="", records=[], reasons={}, digests={}, awaited=True, withheld=[{"count": 1}]
    )


def test_content_comes_back_as_it_was_and_that_of_an_earlier_version_is_still_read() -> None:
    assert ReferralContent.decode(content().encode()) == content()
    old = {"v": 1, "query": {}, "number": "1", "records": [], "reasons": {}, "digests": {}}
    found = ReferralContent.decode(to_canonical(old))
    assert (found.number, found.awaited, list(found.withheld)) == ("1", False, [])


@pytest.mark.parametrize("version", [0, 3, None])
def test_content_of_another_version_is_not_guessed_at(version: int | None) -> None:
    other = {**json.loads(content().encode()), "v": version}
    with pytest.raises(WardgateError, match="STORE_UNAVAILABLE"):
        ReferralContent.decode(to_canonical(other))
