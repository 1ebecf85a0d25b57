"""The whole way of a pseudonym: caseload, query, rotation. And what must not work."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import group
from keys.errors import EncodingRejected, ProofRejected
from keys.group import ORDER
from keys.holder import HolderKey, verify_evaluation
from keys.nhs_number import NhsNumber
from keys.oprf import hash_inputs
from keys.pseudonym import (
    Pseudonym,
    batches,
    blind_identifiers,
    blind_pseudonym,
    combine_tokens,
    lookup_key,
    rotate,
    rotate_all,
    translation,
    unblind,
    unblind_element,
)
from keys.secret import Secret


@dataclass(frozen=True)
class Scope:
    """Both holders' keys for one agency in one epoch."""

    trustee: HolderKey
    gateway: HolderKey

    def index(self, identifiers: list[bytes]) -> list[Pseudonym]:
        """The caseload, as a node gets it: trustee first, both proofs verified."""
        blinds, blinded = blind_identifiers(identifiers)
        halfway, first_proof = self.trustee.evaluate(blinded)
        verify_evaluation(self.trustee.public, blinded, halfway, first_proof)
        evaluated, second_proof = self.gateway.evaluate(halfway)
        verify_evaluation(self.gateway.public, halfway, evaluated, second_proof)
        return unblind(blinds, evaluated)


TRUSTEE_SEED, GATEWAY_SEED = Secret(b"t" * 32), Secret(b"g" * 32)


def scope(name: str, epoch: int = 1) -> Scope:
    return Scope(HolderKey(TRUSTEE_SEED, "trustee", name, epoch), HolderKey(GATEWAY_SEED, "gateway", name, epoch))


CAMDEN, POLICE = scope("camden-csc"), scope("met-police")
CHILD = NhsNumber("9434765919").identifier_input()
SIBLING = NhsNumber("9434765870").identifier_input()

identifiers = st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=5, unique=True)


@settings(max_examples=25)
@given(identifiers)
def test_pseudonym_is_the_product_of_both_keys_whatever_the_blinds(values: list[bytes]) -> None:
    expected = CAMDEN.gateway.multiply(CAMDEN.trustee.multiply(hash_inputs(values)))
    found = CAMDEN.index(values)
    assert [pseudonym.reveal() for pseudonym in found] == group.split(expected)
    assert found == CAMDEN.index(values)


@settings(max_examples=25)
@given(st.binary(max_size=30))
def test_translated_query_reaches_the_targets_own_pseudonym(value: bytes) -> None:
    own = CAMDEN.index([value])[0]
    blind, element = blind_pseudonym(own)
    halfway = translation(CAMDEN.trustee, POLICE.trustee).apply(element)
    delivered = translation(CAMDEN.gateway, POLICE.gateway).apply(halfway)
    assert unblind_element(blind, delivered) == POLICE.index([value])[0]


def test_two_agencies_pseudonyms_of_one_child_are_unrelated() -> None:
    assert CAMDEN.index([CHILD]) != POLICE.index([CHILD])
    assert CAMDEN.index([CHILD]) != CAMDEN.index([SIBLING])


def test_neither_holder_alone_makes_the_pseudonym() -> None:
    whole, hashed = CAMDEN.index([CHILD])[0].reveal(), hash_inputs([CHILD])
    assert CAMDEN.gateway.multiply(hashed) != whole
    assert CAMDEN.trustee.multiply(hashed) != whole


def test_a_translation_by_one_holder_alone_reaches_nobody() -> None:
    blind, element = blind_pseudonym(CAMDEN.index([CHILD])[0])
    halfway = translation(CAMDEN.trustee, POLICE.trustee).apply(element)
    assert unblind_element(blind, halfway) not in (POLICE.index([CHILD])[0], CAMDEN.index([CHILD])[0])


def test_one_child_looks_different_in_every_query_and_batch() -> None:
    own = CAMDEN.index([CHILD])[0]
    elements = {blind_pseudonym(own)[1] for _ in range(20)} | {blind_identifiers([CHILD])[1] for _ in range(20)}
    assert len(elements) == 40
    blinds, twice = blind_identifiers([CHILD, CHILD])
    assert twice[:32] != twice[32:]
    assert blinds[0] != blinds[1]


def test_the_wrong_blind_gives_another_pseudonym() -> None:
    own = CAMDEN.index([CHILD])[0]
    blind, element = blind_pseudonym(own)
    other, _ = blind_pseudonym(own)
    assert unblind_element(blind, element) == own
    assert unblind_element(other, element) != own


@settings(max_examples=25)
@given(identifiers)
def test_rotation_leads_to_what_the_new_epoch_would_give(values: list[bytes]) -> None:
    new = scope("camden-csc", 2)
    tokens = CAMDEN.trustee.rotation_token(new.trustee), CAMDEN.gateway.rotation_token(new.gateway)
    old = CAMDEN.index(values)
    assert rotate_all(old, combine_tokens(*tokens)) == new.index(values)
    assert rotate(rotate(old[0], tokens[0]), tokens[1]) == new.index(values)[0]
    assert rotate(old[0], tokens[0]) != new.index(values)[0]


def test_rotation_token_of_one_scope_is_worth_nothing_in_another() -> None:
    new = scope("camden-csc", 2)
    token = combine_tokens(CAMDEN.trustee.rotation_token(new.trustee), CAMDEN.gateway.rotation_token(new.gateway))
    assert rotate(POLICE.index([CHILD])[0], token) != scope("met-police", 2).index([CHILD])[0]


def test_chunks_on_a_thread_pool_agree_with_one_pass() -> None:
    values = [b"child-%d" % number for number in range(60)]
    with ThreadPoolExecutor(4) as pool:
        chunks = list(pool.map(CAMDEN.index, map(list, batches(values, 7))))
    assert [len(chunk) for chunk in chunks] == [7] * 8 + [4]
    assert sum(chunks, []) == CAMDEN.index(values)  # noqa: RUF017 - nine short lists


def test_batches_of_nothing_are_nothing() -> None:
    assert list(batches([])) == []
    assert [len(chunk) for chunk in batches(range(4097))] == [4096, 1]


def test_a_holder_that_swaps_two_children_is_caught() -> None:
    _, blinded = blind_identifiers([CHILD, SIBLING])
    outputs, proof = CAMDEN.trustee.evaluate(blinded)
    with pytest.raises(ProofRejected):
        verify_evaluation(CAMDEN.trustee.public, blinded, outputs[32:] + outputs[:32], proof)


def test_a_holder_that_uses_another_scopes_key_is_caught() -> None:
    _, blinded = blind_identifiers([CHILD])
    outputs, proof = POLICE.trustee.evaluate(blinded)
    with pytest.raises(ProofRejected):
        verify_evaluation(CAMDEN.trustee.public, blinded, outputs, proof)


@pytest.mark.parametrize("wrong", [bytes(32), b"\xff" * 32, b"", b"\1" * 31, group.GENERATOR + b"\0"])
def test_what_is_no_element_becomes_no_pseudonym(wrong: bytes) -> None:
    blind, _ = blind_pseudonym(Pseudonym(group.GENERATOR))
    with pytest.raises(EncodingRejected):
        Pseudonym(wrong)
    with pytest.raises(EncodingRejected):
        unblind_element(blind, wrong)
    with pytest.raises(EncodingRejected):
        unblind([blind], wrong)


def test_as_many_elements_as_blinds_are_needed() -> None:
    blinds, blinded = blind_identifiers([CHILD, SIBLING])
    for elements in (blinded[:32], blinded + blinded[:32], b""):
        with pytest.raises(EncodingRejected):
            unblind(blinds, elements)
    with pytest.raises(EncodingRejected):
        unblind_element(blinds[0], blinded)


@pytest.mark.parametrize("wrong", [bytes(32), ORDER.to_bytes(32, "little"), b"short"])
def test_bad_blinds_and_tokens_are_refused(wrong: bytes) -> None:
    pseudonym = Pseudonym(group.GENERATOR)
    with pytest.raises(EncodingRejected):
        unblind_element(Secret(wrong), group.GENERATOR)
    with pytest.raises(EncodingRejected):
        rotate(pseudonym, Secret(wrong))
    with pytest.raises(EncodingRejected):
        combine_tokens(Secret(wrong), Secret(b"\1" + bytes(31)))


def test_nothing_to_blind_is_refused() -> None:
    with pytest.raises(EncodingRejected):
        blind_identifiers([])


def test_look_up_key_depends_on_data_key_and_pseudonym() -> None:
    own, other = CAMDEN.index([CHILD, SIBLING])
    key = Secret(b"k" * 32)
    assert lookup_key(key, own) == lookup_key(Secret(b"k" * 32), Pseudonym(own.reveal()))
    assert len({lookup_key(key, own), lookup_key(key, other), lookup_key(Secret.random(), own), own.reveal()}) == 4
    assert len(lookup_key(key, own)) == 32


@settings(max_examples=25)
@given(st.integers(1, ORDER - 1))
def test_text_forms_never_hold_the_pseudonym(number: int) -> None:
    value = group.multiply_base(Secret(number.to_bytes(32, "little")))
    pseudonym = Pseudonym(value)
    for text in (repr(pseudonym), str(pseudonym), repr([pseudonym]), f"{pseudonym}"):
        assert "Pseudonym(**)" in text
        assert value.hex() not in text
        assert repr(value) not in text


def test_pseudonyms_compare_by_value() -> None:
    same, other = Pseudonym(group.GENERATOR), Pseudonym(group.add(group.GENERATOR, group.GENERATOR))
    assert same == Pseudonym(group.GENERATOR)
    assert len({same, Pseudonym(group.GENERATOR), other}) == 2
    assert same != group.GENERATOR
