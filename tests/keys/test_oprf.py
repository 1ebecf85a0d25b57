import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import group, oprf
from keys.errors import EncodingRejected, ProofRejected
from keys.expand import Expander
from keys.oprf import Mode
from keys.secret import Secret

SUITES = json.loads((Path(__file__).parent / "vectors" / "rfc9497.json").read_text())["suites"]
CASES = [(suite, vector) for suite in SUITES for vector in suite["vectors"]]
CASE_NAMES = [
    f"mode {suite['mode']} vector {index}" for suite in SUITES for index in range(1, 1 + len(suite["vectors"]))
]
KEY, PUBLIC = oprf.derive_key_pair(Secret(bytes(32)), b"tests")


def listed(text: str) -> list[bytes]:
    return [bytes.fromhex(part) for part in text.split(",")]


def joined(text: str) -> bytes:
    return b"".join(listed(text))


def batch(size: int) -> tuple[bytes, bytes, bytes]:
    inputs = b"".join(oprf.blind(bytes([index]))[1] for index in range(size))
    outputs = oprf.blind_evaluate(KEY, inputs)
    return inputs, outputs, oprf.generate_proof(KEY, PUBLIC, inputs, outputs)


def flipped(data: bytes, bit: int) -> bytes:
    altered = bytearray(data)
    altered[bit // 8] ^= 1 << bit % 8
    return bytes(altered)


BATCH = batch(3)


def test_both_modes_and_every_batch_size_of_the_rfc_are_here() -> None:
    assert [suite["mode"] for suite in SUITES] == [0, 1]
    assert [vector["Batch"] for suite in SUITES for vector in suite["vectors"]] == [1, 1, 1, 1, 2]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: f"mode {suite['mode']}")
def test_key_pair_is_that_of_the_rfc(suite: dict[str, Any]) -> None:
    seed, info = Secret(bytes.fromhex(suite["seed"])), bytes.fromhex(suite["keyInfo"])
    key, public = oprf.derive_key_pair(seed, info, Mode(suite["mode"]))
    assert key.reveal().hex() == suite["skSm"]
    assert public.hex() == suite.get("pkSm", public.hex())
    assert b"HashToGroup-" + oprf.context_string(Mode(suite["mode"])) == bytes.fromhex(suite["groupDST"])


@pytest.mark.parametrize(("suite", "vector"), CASES, ids=CASE_NAMES)
def test_vector_of_the_rfc(suite: dict[str, Any], vector: dict[str, Any]) -> None:
    mode, key = Mode(suite["mode"]), Secret(bytes.fromhex(suite["skSm"]))
    values = listed(vector["Input"])
    factors = [Secret(factor) for factor in listed(vector["Blind"])]
    blinded = [oprf.blind(value, mode, factor=factor)[1] for value, factor in zip(values, factors, strict=True)]
    assert b"".join(blinded) == joined(vector["BlindedElement"])
    evaluated = oprf.blind_evaluate(key, b"".join(blinded))
    assert evaluated == joined(vector["EvaluationElement"])
    outputs = [
        oprf.finalize(value, factor, element)
        for value, factor, element in zip(values, factors, group.split(evaluated), strict=True)
    ]
    assert outputs == listed(vector["Output"])


@pytest.mark.parametrize(("suite", "vector"), [case for case in CASES if "Proof" in case[1]])
def test_proof_of_the_rfc(suite: dict[str, Any], vector: dict[str, Any]) -> None:
    key, public = Secret(bytes.fromhex(suite["skSm"])), bytes.fromhex(suite["pkSm"])
    inputs, outputs = joined(vector["BlindedElement"]), joined(vector["EvaluationElement"])
    nonce = Secret(bytes.fromhex(vector["Proof"]["r"]))
    proof = oprf.generate_proof(key, public, inputs, outputs, nonce=nonce)
    assert proof.hex() == vector["Proof"]["proof"]
    oprf.verify_proof(public, inputs, outputs, proof)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_evaluation_does_not_depend_on_the_blind(values: list[bytes]) -> None:
    direct = oprf.blind_evaluate(KEY, oprf.hash_inputs(values))
    factors, blinded = zip(*(oprf.blind(value) for value in values), strict=True)
    evaluated = oprf.blind_evaluate(KEY, b"".join(blinded))
    assert group.divide_each(evaluated, factors) == direct
    oprf.verify_proof(
        PUBLIC, b"".join(blinded), evaluated, oprf.generate_proof(KEY, PUBLIC, b"".join(blinded), evaluated)
    )


def test_every_flipped_bit_of_a_proof_is_refused() -> None:
    inputs, outputs, proof = batch(2)
    for bit in range(8 * len(proof)):
        with pytest.raises(ProofRejected):
            oprf.verify_proof(PUBLIC, inputs, outputs, flipped(proof, bit))


@pytest.mark.parametrize("field", ["public", "inputs", "outputs"])
@given(bit=st.integers(0, 2047))
def test_a_flipped_bit_of_any_other_field_is_refused(field: str, bit: int) -> None:
    fields = dict(zip(("inputs", "outputs", "proof"), BATCH, strict=True)) | {"public": PUBLIC}
    fields[field] = flipped(fields[field], bit % (8 * len(fields[field])))
    with pytest.raises(ProofRejected):
        oprf.verify_proof(fields["public"], fields["inputs"], fields["outputs"], fields["proof"])


def test_a_batch_out_of_order_is_refused() -> None:
    inputs, outputs, proof = BATCH
    parts = group.split(outputs)
    with pytest.raises(ProofRejected):
        oprf.verify_proof(PUBLIC, inputs, parts[1] + parts[0] + parts[2], proof)
    swapped = group.split(inputs)
    with pytest.raises(ProofRejected):  # swapping both keeps every pair true, but not the order that was proved
        oprf.verify_proof(PUBLIC, swapped[1] + swapped[0] + swapped[2], parts[1] + parts[0] + parts[2], proof)


def test_a_shorter_or_longer_batch_is_refused() -> None:
    inputs, outputs, proof = BATCH
    for change in (slice(0, 64), slice(32, 96), slice(0, 0)):
        with pytest.raises(ProofRejected):
            oprf.verify_proof(PUBLIC, inputs[change], outputs[change], proof)
    with pytest.raises(ProofRejected):
        oprf.verify_proof(PUBLIC, inputs, outputs[:64], proof)
    with pytest.raises(ProofRejected):
        oprf.verify_proof(PUBLIC, inputs + inputs[:32], outputs + outputs[:32], proof)


@pytest.mark.parametrize("length", [0, 32, 63, 65, 128])
def test_a_proof_of_another_length_is_refused(length: int) -> None:
    inputs, outputs, proof = BATCH
    with pytest.raises(ProofRejected, match="64 bytes"):
        oprf.verify_proof(PUBLIC, inputs, outputs, (proof + proof)[:length])


@pytest.mark.parametrize("wrong", [bytes(32), b"\xff" * 32, b"\1" + bytes(31)], ids=["identity", "reduced", "negative"])
def test_bad_elements_and_scalars_are_refused(wrong: bytes) -> None:
    inputs, outputs, proof = BATCH
    for public, shown_inputs, shown_outputs, shown_proof in (
        (wrong, inputs, outputs, proof),
        (PUBLIC, wrong + inputs[32:], outputs, proof),
        (PUBLIC, inputs, outputs[:64] + wrong, proof),
        (PUBLIC, inputs, outputs, wrong + proof[32:]),
        (PUBLIC, inputs, outputs, proof[:32] + wrong),
    ):
        with pytest.raises(ProofRejected):
            oprf.verify_proof(public, shown_inputs, shown_outputs, shown_proof)
    with pytest.raises(EncodingRejected):
        oprf.blind_evaluate(KEY, inputs + wrong)
    with pytest.raises(EncodingRejected):
        oprf.generate_proof(KEY, PUBLIC, inputs[:64] + wrong, outputs)


def test_outputs_of_another_key_are_refused() -> None:
    inputs, _, _ = BATCH
    other, other_public = oprf.derive_key_pair(Secret(bytes(32)), b"another")
    outputs = oprf.blind_evaluate(other, inputs)
    with pytest.raises(ProofRejected, match="published key"):
        oprf.verify_proof(PUBLIC, inputs, outputs, oprf.generate_proof(other, other_public, inputs, outputs))
    with pytest.raises(ProofRejected):
        oprf.verify_proof(PUBLIC, inputs, outputs, oprf.generate_proof(KEY, PUBLIC, inputs, outputs))


def test_one_output_of_another_key_among_many_is_refused() -> None:
    inputs, outputs, _ = BATCH
    other, _ = oprf.derive_key_pair(Secret(bytes(32)), b"another")
    mixed = outputs[:64] + oprf.blind_evaluate(other, inputs[64:])
    with pytest.raises(ProofRejected):
        oprf.verify_proof(PUBLIC, inputs, mixed, oprf.generate_proof(KEY, PUBLIC, inputs, mixed))


def test_more_elements_than_one_proof_covers_are_refused() -> None:
    many = group.GENERATOR * (oprf.MAX_BATCH_ELEMENTS + 1)
    with pytest.raises(EncodingRejected, match="65535"):
        oprf.generate_proof(KEY, PUBLIC, many, many)
    with pytest.raises(ProofRejected, match="65535"):
        oprf.verify_proof(PUBLIC, many, many, bytes([1]) * 64)


def test_two_proofs_of_one_statement_differ() -> None:
    inputs, outputs, proof = BATCH
    again = oprf.generate_proof(KEY, PUBLIC, inputs, outputs)
    assert again != proof
    oprf.verify_proof(PUBLIC, inputs, outputs, again)


def test_longest_input_is_accepted_and_a_longer_one_refused() -> None:
    longest = bytes(oprf.MAX_INPUT_BYTES)
    factor, element = oprf.blind(longest)
    assert len(oprf.finalize(longest, factor, oprf.blind_evaluate(KEY, element))) == 64
    attempts: list[Callable[[], object]] = [
        lambda: oprf.blind(longest + b"\0"),
        lambda: oprf.hash_inputs([b"fine", longest + b"\0"]),
        lambda: oprf.finalize(longest + b"\0", factor, element),
        lambda: oprf.derive_key_pair(Secret(bytes(32)), longest + b"\0"),
        lambda: oprf.derive_key_pair(Secret(bytes(31)), b""),
        lambda: oprf.derive_key_pair(Secret(bytes(33)), b""),
        lambda: oprf.hash_inputs([]),
    ]
    for refused in attempts:
        with pytest.raises(EncodingRejected):
            refused()


def test_finalize_refuses_what_is_no_element_or_blind() -> None:
    factor, element = oprf.blind(b"value")
    attempts: list[Callable[[], object]] = [
        lambda: oprf.finalize(b"value", factor, bytes(32)),
        lambda: oprf.finalize(b"value", factor, element[:-1]),
        lambda: oprf.finalize(b"value", factor, element + element),
        lambda: oprf.finalize(b"value", Secret(bytes(32)), element),
    ]
    for refused in attempts:
        with pytest.raises(EncodingRejected):
            refused()


def test_modes_are_separate() -> None:
    assert oprf.hash_inputs([b"x"], Mode.OPRF) != oprf.hash_inputs([b"x"], Mode.VOPRF)
    seed = Secret(bytes(32))
    assert oprf.derive_key_pair(seed, b"", Mode.OPRF)[1] != oprf.derive_key_pair(seed, b"", Mode.VOPRF)[1]


def test_domain_separation_tags_have_a_limit() -> None:
    assert len(Expander(b"x" * 255)(b"message")) == 64
    with pytest.raises(ValueError, match="255"):
        Expander(b"x" * 256)


def test_an_expanders_prefix_is_part_of_the_message() -> None:
    assert Expander(b"tag", prefix=b"ab")(b"c") == Expander(b"tag")(b"a", b"bc") == Expander(b"tag")(b"abc")
