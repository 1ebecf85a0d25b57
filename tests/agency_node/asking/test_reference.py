"""The spoken reference: every slip of one character and every swap of neighbours is found."""

from uuid import UUID

from hypothesis import assume, given
from hypothesis import strategies as st

from agency_node.asking.reference import ALPHABET, DATA_CHARS, is_reference, spoken_reference

REFERENCES = st.uuids().map(lambda found: spoken_reference(str(found)))


@given(st.uuids())
def test_a_reference_is_eight_clear_characters_and_always_the_same(query: UUID) -> None:
    reference = spoken_reference(str(query))
    assert reference == spoken_reference(str(query))
    assert len(reference) == DATA_CHARS + 2
    assert reference[4] == "-"
    assert set(reference.replace("-", "")) <= set(ALPHABET)
    assert not set(ALPHABET) & set("ILOS015")
    assert is_reference(reference)


@given(REFERENCES)
def test_separators_and_case_do_not_matter(reference: str) -> None:
    plain = reference.replace("-", "")
    for spelling in (plain, plain.lower(), " ".join(plain), f"{plain[:2]}-{plain[2:6]}-{plain[6:]}"):
        assert is_reference(spelling)


@given(REFERENCES, st.integers(0, DATA_CHARS), st.sampled_from(ALPHABET))
def test_every_wrong_character_is_found(reference: str, place: int, wrong: str) -> None:
    plain = reference.replace("-", "")
    assume(plain[place] != wrong)
    assert not is_reference(plain[:place] + wrong + plain[place + 1 :])


@given(REFERENCES, st.integers(0, DATA_CHARS - 1))
def test_every_swap_of_neighbours_is_found(reference: str, place: int) -> None:
    plain = reference.replace("-", "")
    assume(plain[place] != plain[place + 1])
    assert not is_reference(plain[:place] + plain[place + 1] + plain[place] + plain[place + 2 :])


@given(st.text(max_size=12))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    assert is_reference(text) in {True, False}


def test_too_short_too_long_and_look_alikes_are_refused() -> None:
    plain = spoken_reference("a").replace("-", "")
    assert not is_reference(plain[:-1])
    assert not is_reference(plain + plain[0])
    assert not is_reference("")
    assert not is_reference("O" + plain[1:])


def test_a_thousand_queries_have_a_thousand_references() -> None:
    assert len({spoken_reference(str(number)) for number in range(1_000)}) == 1_000
