"""What is the auditors', or is not to be told, never leaves a decision: for each reason and obligation there is."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agency_node.answering.disclosure import Occasion, disclose
from agency_node.answering.duties import Contacts
from agency_node.asking.picture import QueryView, TargetView, build_picture
from agency_node.caseload.records import HeldRecord
from federation.admission import (
    AdmissionRecord,
    ObligationGiven,
    ReasonGiven,
    TargetDecision,
    obligations_given,
    reasons_given,
    reasons_kept,
)
from federation.answer import Answer
from federation.canonical import to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.policy.catalogue import FAILURE_CODES, Catalogue
from federation.policy.decision import GatewayDecision, NodeDecision
from federation.policy.results import (
    ANYBODY,
    NOBODY,
    Audience,
    Existence,
    Granted,
    Obligation,
    Reason,
    RecordDecision,
    Severity,
)
from federation.policy.results import TargetDecision as TargetDecided
from federation.query import VerifiedQuery
from federation.vocabulary import Effect, EnquiryOutcome, TargetState, Tier
from gateway.admission import Admitted, admit
from keys.digest import sha256
from keys.signing import SigningKey
from tests.support.catalogues import small_catalogue
from tests.support.node_house import number
from tests.support.two_agencies import NOW, RESPONDER, Federation

DATA = Path(__file__).parents[2] / "policies" / "dist" / "data.json"
SHIPPED = Catalogue.model_validate(json.loads(DATA.read_text(encoding="utf-8"))["reference"])
REASONS = {
    code: Reason(code=code, audience=row.audience, severity=row.severity)
    for code, row in SHIPPED.reasons.items()
    if code not in FAILURE_CODES
}
"""Every reason that a policy can give."""
OBLIGATIONS = {
    name: Obligation(id=name, type=row.type, mandatory=row.mandatory, params={"to": ["auditor"]})
    for name, row in SHIPPED.obligations.items()
}
COMPOSED = Federation().ask(number(0)).composed
QUERY = VerifiedQuery(COMPOSED.header, COMPOSED.request.header, sha256(COMPOSED.request.header), {})
KEY = SigningKey.generate()


def admitted(
    reasons: tuple[Reason, ...], obligations: tuple[Obligation, ...]
) -> tuple[AdmissionRecord, TargetDecision]:
    """What the gateway signs of a decision that says this of the query and of its one target."""
    target = TargetDecided(
        agency=RESPONDER,
        effect=Effect.PERMIT,
        categories=(Granted("safeguarding_log", Tier.T2),),
        reasons=reasons,
        obligations=obligations,
    )
    decision = GatewayDecision(Effect.PERMIT, reasons, obligations, 60, (), NOBODY, targets=(target,))
    found: Admitted = admit(
        QUERY,
        decision,
        decision_id=COMPOSED.header.decision_id,
        bundle_digest=b"b" * 32,
        now=NOW,
        key=KEY,
        case_grant=None,
        catalogue=SHIPPED,
    )
    return AdmissionRecord.parse(found.content), TargetDecision.parse(found.decisions[0][1])


def answered(reasons: tuple[Reason, ...], obligations: tuple[Obligation, ...]) -> Answer:
    """What a node answers of one record, where policy says this of the query and of the record."""
    record = HeldRecord(
        ref="r1",
        source_id="register",
        source_ref="log:1",
        category="safeguarding_log",
        type="safeguarding_log",
        date=dt.date(2026, 5, 1),
        fields={},
        flags=(),
        assertion="fact",
        relation="subject",
        contact_level="unknown",
        handling_code="",
    )
    released = RecordDecision(
        ref="r1",
        effect=Effect.PERMIT,
        tier=Tier.T1,
        fields=(),
        grounds=(),
        redactions=(),
        shown_as="",
        enquiry=EnquiryOutcome.NEVER,
        reasons=reasons,
        obligations=obligations,
    )
    decision = NodeDecision(
        Effect.PERMIT,
        reasons,
        obligations,
        60,
        (),
        NOBODY,
        records=(released,),
        existence=Existence.VISIBLE,
        older=False,
        person=ANYBODY,
        absence_confirmed=False,
    )
    return disclose([record], decision, occasion=Occasion(COMPOSED.header, NOW), contacts=Contacts(), catalogue=SHIPPED)


def shown(
    reasons: tuple[Reason, ...], obligations: tuple[Obligation, ...]
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Codes of reasons, and ids of obligations, wherever a person could read them, by place."""
    record, target = admitted(reasons, obligations)
    answer = answered(reasons, obligations)
    query = QueryView(
        query_id=COMPOSED.header.query_id,
        purpose=COMPOSED.header.purpose,
        effect="permit",
        asked_at=NOW,
        deadline_at=NOW,
        expires_at=NOW,
        closed=False,
        header=None,
        reasons=reasons_given(reasons),
        obligations=obligations_given(obligations, SHIPPED),
    )
    view = TargetView(
        agency=RESPONDER,
        name="School",
        kind="school",
        state=TargetState.ANSWERED,
        settled=True,
        reasons=tuple(target.reasons),
        obligations=tuple(target.obligations),
        answer=answer,
    )
    picture = build_picture(query, [view], SHIPPED)
    (of_target,) = picture["targets"]
    said, owed = {}, {}
    for place, document in (("admission", record), ("decision", target), ("answer", answer)):
        said[place] = {item.code for item in document.reasons}
        owed[place] = {item.id for item in document.obligations}
    said["record"] = {item.code for item in answer.records[0].reasons}
    for place, part in (("query", picture), ("target", of_target), ("what it says", of_target["answer"])):
        said[f"picture, {place}"] = {item["code"] for item in part["reasons"]}
        owed[f"picture, {place}"] = {item["id"] for item in part["obligations"]}
    said["picture, record"] = {item["code"] for item in of_target["answer"]["records"][0]["reasons"]}
    return said, owed


@pytest.mark.parametrize("code", REASONS)
def test_a_reason_arrives_everywhere_if_it_is_for_users_and_nowhere_if_it_is_for_auditors(code: str) -> None:
    said, _ = shown((REASONS[code],), ())
    expected = set() if SHIPPED.reasons[code].audience is Audience.AUDITOR else {code}
    assert said == dict.fromkeys(said, expected)


@pytest.mark.parametrize("name", OBLIGATIONS)
def test_an_obligation_arrives_everywhere_if_it_is_told_and_nowhere_if_not(name: str) -> None:
    _, owed = shown((), (OBLIGATIONS[name],))
    expected = {name} if SHIPPED.obligations[name].told else set()
    assert owed == dict.fromkeys(owed, expected)


def test_of_everything_at_once_all_that_is_for_users_arrives_and_nothing_else() -> None:
    said, owed = shown(tuple(REASONS.values()), tuple(OBLIGATIONS.values()))
    for_users = {code for code, reason in REASONS.items() if reason.audience is not Audience.AUDITOR}
    told = {name for name, row in SHIPPED.obligations.items() if row.told}
    assert 0 < len(for_users) < len(REASONS)
    assert 0 < len(told) < len(OBLIGATIONS)
    assert (said, owed) == (dict.fromkeys(said, for_users), dict.fromkeys(owed, told))


def test_what_watches_or_shields_is_not_told() -> None:
    """Whom an alert goes to, or what protects somebody from whoever asks, must not be read by whoever asks."""
    assert not {name for name, row in SHIPPED.obligations.items() if row.told and row.type in {"alert", "report"}}


def test_every_reason_for_users_has_a_text_for_them() -> None:
    assert all(row.user for row in SHIPPED.reasons.values() if row.audience is not Audience.AUDITOR)


def test_an_obligation_that_the_catalogue_does_not_have_is_not_told() -> None:
    unknown = Obligation(id="newer", type="handling", mandatory=True, params={})
    assert obligations_given([unknown], small_catalogue(told=["other"])) == []


AUDITORS = {"code": "WATCHED", "audience": "auditor", "severity": "info"}


def test_a_reason_for_auditors_cannot_be_made() -> None:
    with pytest.raises(ValidationError):
        ReasonGiven(code="WATCHED", audience=Audience.AUDITOR, severity=Severity.INFO)


def test_a_gateway_or_responder_that_lies_cannot_push_one_in() -> None:
    record, target = admitted((), ())
    answer = answered((), ())
    documents: list[AdmissionRecord | TargetDecision | Answer] = [record, target, answer]
    for document in documents:
        for audience, is_refused in (("auditor", True), ("both", False), ("user", False)):
            content: Any = document.model_dump(mode="json")
            content["reasons"] = [{**AUDITORS, "audience": audience}]
            if not is_refused:
                assert type(document).parse(to_canonical(content)).reasons[0].audience == audience
                continue
            with pytest.raises(WardgateError) as caught:
                type(document).parse(to_canonical(content))
            assert caught.value.code is ErrorCode.MESSAGE_MALFORMED


def test_an_obligation_that_they_push_in_is_not_shown() -> None:
    given = ObligationGiven(id="watch", type="alert", mandatory=True, params={})
    answer = answered((), ()).model_copy(update={"obligations": [given]})
    view = TargetView("a", "A", "school", TargetState.ANSWERED, settled=True, obligations=(given,), answer=answer)
    query = QueryView(
        COMPOSED.header.query_id,
        "P",
        "permit",
        NOW,
        NOW,
        NOW,
        closed=False,
        reasons=[],
        obligations=[given],
        header=None,
    )
    picture = build_picture(query, [view], small_catalogue(kept=["watch"]))
    (target,) = picture["targets"]
    assert picture["obligations"] == target["obligations"] == target["answer"]["obligations"] == []


def test_what_an_earlier_version_kept_of_the_auditors_is_left_out_and_does_not_hinder() -> None:
    both = {**AUDITORS, "code": "SAID", "audience": "both"}
    assert [item.code for item in reasons_kept([AUDITORS, both])] == ["SAID"]
