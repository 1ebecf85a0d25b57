"""Actors and correlation ids: one vocabulary each."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.actor import Actor, ActorKind
from federation.correlation_id import CorrelationId
from federation.errors import ErrorCode, WardgateError
from federation.transport.identity import ANONYMOUS, Party, PartyKind

ROOT = Path(__file__).parents[2]
REF = "0123456789abcdef" * 2


def test_each_maker_gives_a_text_of_the_vocabulary() -> None:
    assert Actor.party(Party(PartyKind.TRUSTEE, "main")) == "wardgate://trustee/main"
    assert Actor.agency("camden-csc") == "wardgate://node/camden-csc"
    assert Actor.operator("sam") == "wardgate://operator/sam"
    assert Actor.keeper("wardgate/gateway/main") == "wardgate://gateway/main"
    assert Actor.user(REF) == f"user:{REF}"
    assert Actor.agency("camden-csc").kind is ActorKind.PARTY
    assert Actor.user(REF).kind is ActorKind.USER


@pytest.mark.parametrize(
    "text",
    ["", "node", "gateway/main", "wardgate://local/x1", "wardgate://node/", f"user:{REF}0", f"user:{REF[1:]}", REF],
)
def test_nothing_else_is_an_actor(text: str) -> None:
    with pytest.raises(WardgateError) as caught:
        Actor(text)
    assert caught.value.code is ErrorCode.INTERNAL
    assert not text or text not in caught.value.detail


def test_nobody_acts_as_an_anonymous_caller() -> None:
    with pytest.raises(WardgateError):
        Actor.party(ANONYMOUS)


@pytest.mark.parametrize("text", [REF, "2c6d8a1e-3d43-4b6e-9a53-0f0c3f7b8c11"])
def test_a_correlation_id_is_a_uuid_or_32_digits(text: str) -> None:
    assert CorrelationId(text) == CorrelationId.adopted(text) == text


@pytest.mark.parametrize("text", ["", "standing", REF.upper(), REF[1:], REF + "0", "9434765919", "directory-4"])
def test_nothing_else_is_a_correlation_id(text: str) -> None:
    with pytest.raises(ValueError, match="correlation id"):
        CorrelationId(text)
    assert CorrelationId.adopted(text) != text


@given(st.text(max_size=60))
def test_whatever_another_party_sends_becomes_one(text: str) -> None:
    CorrelationId(CorrelationId.adopted(text))


def test_only_the_reader_of_entries_makes_what_earlier_versions_wrote() -> None:
    made = re.compile(r"\b(?:Actor|CorrelationId)\.recorded\(")
    found = {
        str(path.relative_to(ROOT))
        for package in ("agency_node", "federation", "gateway", "trustee", "sandbox", "bench")
        for path in (ROOT / package).rglob("*.py")
        if made.search(path.read_text())
    }
    assert found == {"federation/ledger/entry.py"}
