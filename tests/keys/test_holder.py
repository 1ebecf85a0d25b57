import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import dleq, group, oprf, scalars
from keys.errors import EncodingRejected, ProofRejected
from keys.holder import (
    HolderKey,
    HolderKeys,
    Role,
    ScopeEpoch,
    translation,
    verify_evaluation,
    verify_rotation_token,
    verify_translation,
)
from keys.secret import Secret

SEED = Secret(b"s" * 32)
A, B, C = (HolderKey(SEED, "trustee", name, 1) for name in ("agency-a", "agency-b", "agency-c"))
ELEMENT = oprf.blind(b"child")[1]
A_TO_B = translation(A, B)
RESULT = A_TO_B.apply(ELEMENT)
PROOF = A_TO_B.prove(ELEMENT, RESULT)


def flipped(data: bytes, bit: int) -> bytes:
    altered = bytearray(data)
    altered[bit // 8] ^= 1 << bit % 8
    return bytes(altered)


def test_key_is_derived_from_seed_role_scope_and_epoch() -> None:
    publics = {
        HolderKey(seed, role, scope, epoch).public
        for seed in (SEED, Secret(b"z" * 32))
        for role in ("trustee", "gateway")
        for scope in ("agency-a", "agency-b")
        for epoch in (1, 2, 12)
    }
    assert len(publics) == 24
    assert HolderKey(SEED, "trustee", "agency-a", 1).public == A.public


def test_scope_and_epoch_cannot_slide_into_each_other() -> None:
    assert HolderKey(SEED, "trustee", "agency1", 2).public != HolderKey(SEED, "trustee", "agency", 12).public


@pytest.mark.parametrize(
    ("role", "scope", "epoch"),
    [
        ("auditor", "agency-a", 1),
        ("", "agency-a", 1),
        ("trustee", "", 1),
        ("trustee", "a", 1),
        ("trustee", "Agency", 1),
        ("trustee", "a" * 64, 1),
        ("trustee", "agency\0", 1),
        ("trustee", "agency-a\n", 1),
        ("trustee", "agency-a", -1),
    ],
)
def test_malformed_role_scope_or_epoch_is_refused(role: Role, scope: str, epoch: int) -> None:
    with pytest.raises(EncodingRejected):
        HolderKey(SEED, role, scope, epoch)


@pytest.mark.parametrize(("scope", "epoch"), [("ab", 0), ("a" * 63, 1), ("a-1", 2**62)])
def test_edges_of_scope_and_epoch_are_accepted(scope: str, epoch: int) -> None:
    assert HolderKey(SEED, "gateway", scope, epoch).scope == scope


@pytest.mark.parametrize("length", [0, 31, 33])
def test_seed_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(EncodingRejected):
        HolderKey(Secret(bytes(length)), "trustee", "agency-a", 1)


def test_evaluation_is_proved_against_the_published_point() -> None:
    elements = ELEMENT + RESULT
    outputs, proof = A.evaluate(elements)
    verify_evaluation(A.public, elements, outputs, proof)
    assert outputs == A.multiply(elements)
    with pytest.raises(ProofRejected):
        verify_evaluation(B.public, elements, outputs, proof)


@pytest.mark.parametrize("elements", [b"", bytes(32), ELEMENT + bytes(32), ELEMENT[:31], ELEMENT + b"\xff" * 32])
def test_bad_elements_are_not_evaluated_or_translated(elements: bytes) -> None:
    with pytest.raises(EncodingRejected):
        A.evaluate(elements)
    with pytest.raises(EncodingRejected):
        A_TO_B.apply(elements)
    with pytest.raises(EncodingRejected):
        A_TO_B.prove(elements, ELEMENT)


def test_translation_there_and_back_is_nothing() -> None:
    assert translation(B, A).apply(RESULT) == ELEMENT
    assert translation(B, C).apply(RESULT) == translation(A, C).apply(ELEMENT)


@settings(max_examples=40)
@given(seed=st.binary(min_size=32, max_size=32), child=st.binary(max_size=64))
def test_a_translation_by_any_keys_of_any_point_is_proved_and_by_no_others(seed: bytes, child: bytes) -> None:
    source, target, other = (
        HolderKey(Secret(seed), "gateway", name, 1) for name in ("agency-a", "agency-b", "agency-c")
    )
    moved, element = translation(source, target), oprf.blind(child)[1]
    result = moved.apply(element)
    proof = moved.prove(element, result)
    verify_translation(source.public, target.public, element, result, proof)
    assert proof != moved.prove(element, result), "each proof has a nonce of its own"
    for fields in (
        (source.public, other.public, element, result, proof),
        (other.public, target.public, element, result, proof),
        (source.public, target.public, element, translation(source, other).apply(element), proof),
        (source.public, target.public, oprf.blind(child)[1], result, proof),
    ):
        with pytest.raises(ProofRejected):
            verify_translation(*fields)


@settings(max_examples=40)
@given(proof=st.binary(min_size=64, max_size=64))
def test_random_bytes_prove_nothing(proof: bytes) -> None:
    with pytest.raises(ProofRejected):
        verify_translation(A.public, B.public, ELEMENT, RESULT, proof)


def test_a_proof_is_of_one_element() -> None:
    two = ELEMENT + oprf.blind(b"sibling")[1]
    results = A_TO_B.apply(two)
    with pytest.raises(EncodingRejected):
        A_TO_B.prove(two, results)
    with pytest.raises(ProofRejected):
        verify_translation(A.public, B.public, two, results, PROOF)


def test_proofs_of_one_element_and_of_a_batch_do_not_mix() -> None:
    """Whoever holds the key could make both: what keeps them apart is the label of the challenge."""
    statement, key = dleq.Statement(b"context-" + A.public, B.public, A.public), A_TO_B._ratio
    nonce = Secret(b"\5" + bytes(31))
    of_one = dleq.prove_one(statement, key, ELEMENT, RESULT, nonce=nonce)
    of_batch = dleq.prove(statement, key, ELEMENT, RESULT, nonce=nonce)
    dleq.verify_one(statement, ELEMENT, RESULT, of_one)
    dleq.verify(statement, ELEMENT, RESULT, of_batch)
    weights = dleq._weights(statement, ELEMENT, RESULT)
    composite, image = group.weighted_sum(weights, ELEMENT), group.weighted_sum(weights, RESULT)
    with pytest.raises(ProofRejected, match="published key"):
        dleq.verify_one(statement, composite, image, of_batch)
    with pytest.raises(ProofRejected, match="published key"):
        dleq.verify(statement, ELEMENT, RESULT, of_one)


@settings(max_examples=60)
@given(field=st.integers(0, 4), bit=st.integers(0, 511))
def test_one_flipped_bit_anywhere_in_a_translation_is_refused(field: int, bit: int) -> None:
    fields = [A.public, B.public, ELEMENT, RESULT, PROOF]
    verify_translation(*fields)
    fields[field] = flipped(fields[field], bit % (8 * len(fields[field])))
    with pytest.raises(ProofRejected):
        verify_translation(*fields)


def test_translation_between_other_scopes_is_refused() -> None:
    for public_from, public_to in (
        (B.public, A.public),
        (A.public, C.public),
        (C.public, B.public),
        (A.public, A.public),
    ):
        with pytest.raises(ProofRejected):
            verify_translation(public_from, public_to, ELEMENT, RESULT, PROOF)


def test_proof_for_one_element_says_nothing_of_another() -> None:
    other = oprf.blind(b"other")[1]
    with pytest.raises(ProofRejected):
        verify_translation(A.public, B.public, other, A_TO_B.apply(other), PROOF)


def test_misrouted_translation_cannot_be_proved() -> None:
    misrouted = translation(A, C)
    result = misrouted.apply(ELEMENT)
    for proof in (misrouted.prove(ELEMENT, result), A_TO_B.prove(ELEMENT, result)):
        with pytest.raises(ProofRejected):
            verify_translation(A.public, B.public, ELEMENT, result, proof)


def test_evaluation_and_translation_proofs_do_not_mix() -> None:
    outputs, proof = A.evaluate(ELEMENT)
    with pytest.raises(ProofRejected):
        verify_translation(group.GENERATOR, A.public, ELEMENT, outputs, proof)
    with pytest.raises(ProofRejected):
        verify_evaluation(B.public, ELEMENT, RESULT, PROOF)


def forged(context: bytes, public: bytes, factor: Secret) -> tuple[bytes, bytes, bytes]:
    """A base, a false result and a proof that fit, made by whoever may choose the base last.

    The proof's second equation is honest for `factor`; the first is solved for the base.
    """
    result = group.multiply(factor, ELEMENT)
    nonce, first = group.random_scalar(), group.multiply_base(group.random_scalar())
    statement, second = dleq.Statement(context, public), group.multiply(nonce, ELEMENT)
    challenge = dleq._challenge(statement, ELEMENT, result, first, second, label=dleq._SINGLE)
    response = scalars.subtract(nonce, scalars.multiply(challenge, factor))
    minus = scalars.subtract(Secret(b"\1" + bytes(31)), scalars.add(challenge, Secret(b"\1" + bytes(31))))
    base = group.divide_each(group.add(first, group.multiply(minus, public)), [response])
    return base, result, challenge.reveal() + response.reveal()


def test_base_of_a_translation_proof_cannot_be_chosen_last() -> None:
    factor = group.random_scalar()
    base, result, proof = forged(b"without the base", B.public, factor)
    # Where the context does not hold the base, the forgery goes through: this is why it must.
    dleq.verify_one(dleq.Statement(b"without the base", B.public, base), ELEMENT, result, proof)
    for context in (b"WardgateTranslationV2-", b"WardgateTranslationV2-" + A.public):
        base, result, proof = forged(context, B.public, factor)
        with pytest.raises(ProofRejected, match="published key"):
            verify_translation(base, B.public, ELEMENT, result, proof)


@pytest.mark.parametrize("wrong", [bytes(32), b"\xff" * 32, b"", A.public + b"\0", bytes(70_000)])
def test_malformed_points_are_refused(wrong: bytes) -> None:
    with pytest.raises(ProofRejected):
        verify_translation(wrong, B.public, ELEMENT, RESULT, PROOF)
    with pytest.raises(ProofRejected):
        verify_translation(A.public, wrong, ELEMENT, RESULT, PROOF)
    with pytest.raises(ProofRejected):
        verify_evaluation(wrong, ELEMENT, RESULT, PROOF)


def test_a_translation_stays_with_its_holder() -> None:
    with pytest.raises(EncodingRejected, match="its holder"):
        translation(A, HolderKey(SEED, "gateway", "agency-b", 1))


def test_rotation_token_leads_from_point_to_point() -> None:
    new = HolderKey(Secret(b"n" * 32), "trustee", "agency-a", 2)
    token = A.rotation_token(new)
    verify_rotation_token(token, A.public, new.public)
    for old_public, new_public in ((new.public, A.public), (A.public, B.public), (B.public, new.public)):
        with pytest.raises(ProofRejected):
            verify_rotation_token(token, old_public, new_public)
    with pytest.raises(ProofRejected):
        verify_rotation_token(Secret(bytes(32)), A.public, new.public)
    with pytest.raises(ProofRejected):
        verify_rotation_token(token, bytes(32), new.public)


@pytest.mark.parametrize(("role", "scope"), [("trustee", "agency-b"), ("gateway", "agency-a")])
def test_rotation_stays_with_its_holder_and_scope(role: Role, scope: str) -> None:
    with pytest.raises(EncodingRejected, match="rotation"):
        A.rotation_token(HolderKey(SEED, role, scope, 2))


def test_holder_keeps_keys_and_translations() -> None:
    keys = HolderKeys("trustee", {1: SEED})
    assert keys.key("agency-a", 1).public == A.public
    assert keys.key("agency-a", 1) is keys.key("agency-a", 1)
    source, target = ScopeEpoch("agency-a", 1), ScopeEpoch("agency-b", 1)
    assert keys.translation(source, target).apply(ELEMENT) == RESULT
    assert keys.translation(source, target) is keys.translation(source, target)


def test_translation_across_epochs_needs_both_seeds() -> None:
    keys = HolderKeys("trustee", {1: SEED})
    source, target = ScopeEpoch("agency-a", 1), ScopeEpoch("agency-b", 2)
    with pytest.raises(EncodingRejected, match="epoch 2 is not in use"):
        keys.translation(source, target)
    keys.add(2, Secret(b"n" * 32))
    result = keys.translation(source, target).apply(ELEMENT)
    assert result == translation(A, HolderKey(Secret(b"n" * 32), "trustee", "agency-b", 2)).apply(ELEMENT)
    assert keys.epochs == (1, 2)


def test_forgotten_epoch_is_gone_and_the_others_stay() -> None:
    keys = HolderKeys("trustee", {1: SEED, 2: Secret(b"n" * 32)})
    pair = ScopeEpoch("agency-a", 1), ScopeEpoch("agency-b", 1)
    keys.translation(*pair)
    keys.forget(1)
    keys.forget(7)
    with pytest.raises(EncodingRejected, match="not in use"):
        keys.key("agency-a", 1)
    with pytest.raises(EncodingRejected, match="not in use"):
        keys.translation(*pair)
    assert keys.key("agency-a", 2).epoch == 2


def test_epoch_has_one_seed() -> None:
    keys = HolderKeys("gateway", {1: SEED})
    keys.add(1, Secret(SEED.reveal()))
    with pytest.raises(EncodingRejected, match="another seed"):
        keys.add(1, Secret.random())


def test_text_forms_show_public_parts_alone() -> None:
    keys = HolderKeys("trustee", {1: SEED})
    assert repr(keys) == "HolderKeys(role=trustee, epochs=[1])"
    assert repr(A_TO_B) == "Translation(**)"
    assert A.public.hex() in repr(A)
    assert A._scalar.reveal().hex() not in repr(A)
