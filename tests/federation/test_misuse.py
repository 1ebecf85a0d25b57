"""The notice of refused misuse: what it says, what it cannot say, and when it is believed."""

import json

import pytest

from federation import limits
from federation.errors import ErrorCode, WardgateError
from federation.misuse import MisuseNotice, area_told, cause_of, verify_notice
from federation.policy.results import Audience, Obligation, Reason, Severity
from keys import domains
from keys.signing import SigningKey
from tests.support.misuse import a_notice, signed
from tests.support.two_agencies import NOW, Federation

KEY = SigningKey.generate()


def test_a_notice_is_read_as_it_was_written() -> None:
    notice = a_notice()

    assert verify_notice(*signed(KEY, notice_id=notice.notice_id), key=KEY.verify_key, now=NOW).at == NOW
    assert MisuseNotice.parse(notice.canonical()) == notice


def test_a_notice_has_no_room_for_a_child_or_a_reason_in_words() -> None:
    assert set(json.loads(a_notice().canonical())) == {
        "v", "notice_id", "agency", "key_version", "user_ref", "role", "purpose", "area", "reason", "decision_id",
        "bundle_digest", "at", "count",
    }  # fmt: skip
    for name in ("child", "justification", "categories", "query_id"):
        with pytest.raises(WardgateError) as caught:
            MisuseNotice.parse(json.dumps({**json.loads(a_notice().canonical()), name: "x"}).encode())
        assert caught.value.code is ErrorCode.MESSAGE_MALFORMED


def test_nobody_else_s_signature_and_none_made_for_something_else_is_believed() -> None:
    content, _ = signed(KEY)
    for signature in (SigningKey.generate().sign(domains.MISUSE_NOTICE, content), KEY.sign(domains.QUERY, content)):
        with pytest.raises(WardgateError) as caught:
            verify_notice(content, signature, key=KEY.verify_key, now=NOW)
        assert caught.value.code is ErrorCode.SIGNATURE_REJECTED


@pytest.mark.parametrize("at", [NOW - limits.MAX_NOTICE_AGE_S, NOW + limits.MAX_CLOCK_SKEW_S])
def test_a_notice_of_a_node_that_was_off_for_weeks_is_believed(at: int) -> None:
    assert verify_notice(*signed(KEY, at=at), key=KEY.verify_key, now=NOW).at == at


@pytest.mark.parametrize("at", [NOW - limits.MAX_NOTICE_AGE_S - 1, NOW + limits.MAX_CLOCK_SKEW_S + 1])
def test_one_that_is_too_old_or_of_the_future_is_not(at: int) -> None:
    with pytest.raises(WardgateError) as caught:
        verify_notice(*signed(KEY, at=at), key=KEY.verify_key, now=NOW)
    assert caught.value.code is ErrorCode.QUERY_EXPIRED


def test_an_area_that_nobody_works_in_is_not_told() -> None:
    directory = Federation().directory

    assert area_told("testshire", directory) == "testshire"
    assert area_told("9990000018", directory) == ""


@pytest.mark.parametrize(
    ("params", "cause"),
    [({"code": "NAMED"}, "NAMED"), ({"code": ""}, "DENIED"), ({"code": 7}, "DENIED"), ({}, "DENIED")],
)
def test_the_cause_is_what_the_obligation_names_or_what_denies_and_never_a_mere_remark(
    params: dict[str, str | int], cause: str
) -> None:
    obligation = Obligation(id="X", type="alert", mandatory=True, params=params)
    remark = next(severity for severity in Severity if severity is not Severity.DENIAL)
    reasons = [
        Reason(code="REMARK", audience=Audience.USER, severity=remark),
        Reason(code="DENIED", audience=Audience.USER, severity=Severity.DENIAL),
    ]
    assert cause_of(obligation, reasons) == cause
