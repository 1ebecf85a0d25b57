"""Nothing that a party may sign and send ends otherwise than in an error of the catalogue.

`make test` tries 20,000 mutations, the same every time, in at most twenty seconds of one core; `make nightly` tries a
million, which are others each time. What once ended otherwise lies in `corpus`, by target, and is tried first. What
fails is left under `build/fuzz`, to be put there.
"""

import os
from pathlib import Path
from random import Random

import pytest

from federation.errors import WardgateError
from keys.digest import sha256
from tests.fuzz.targets import TARGETS, Target
from tests.support.mutating import mutated, mutated_bytes

BY_DAY, BY_NIGHT = 20_000, 1_000_000
CORPUS = Path(__file__).parent / "corpus"
FOUND = Path(__file__).parents[2] / "build" / "fuzz"
IDS = [target.name for target in TARGETS]


def enter(target: Target, content: bytes) -> bool:
    """Whether the input was taken; fails where anything but a refusal comes back."""
    try:
        target.enter(content)
    except WardgateError:
        return False
    except Exception as error:  # noqa: BLE001 - that is the question
        kept = FOUND / target.name.replace(" ", "-") / sha256(content).hex()[:16]
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(content)
        pytest.fail(f"{target.name}: {type(error).__name__}: {str(error)[:500]}\n{kept}: {content[:500]!r}")
    return True


def tried(target: Target, count: int, seed: str) -> int:
    """Mutate so often; returns how many got as far as to be taken."""
    random = Random(f"{seed} {target.name}")
    way = mutated if target.is_json else mutated_bytes
    return sum(enter(target, way(target.seed, random)) for _ in range(count))


@pytest.mark.parametrize("target", TARGETS, ids=IDS)
def test_a_valid_input_is_taken(target: Target) -> None:
    assert enter(target, target.seed)


@pytest.mark.parametrize("target", TARGETS, ids=IDS)
def test_a_mutated_input_is_taken_or_refused(target: Target) -> None:
    for kept in sorted((CORPUS / target.name.replace(" ", "-")).glob("*")):
        enter(target, kept.read_bytes())
    tried(target, BY_DAY // len(TARGETS) + 1, "by day")


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("target", TARGETS, ids=IDS)
def test_a_million_mutated_inputs_are_taken_or_refused(target: Target) -> None:
    tried(target, BY_NIGHT // len(TARGETS) + 1, os.urandom(8).hex())


def test_every_part_of_the_corpus_is_of_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} <= {name.replace(" ", "-") for name in IDS}
