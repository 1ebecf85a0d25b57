"""A text says something if a reader finds a letter or a digit in it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.words import says_something

UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202e\u3164\uffa0\u115f\u1160\u2800\u00a0\u3000\U000e0061"
MARKS = ".,-–—…!?*#/\\'\"()[]_\u0301\u20dd☐🙂"

nothing = st.text(alphabet=UNSEEN + MARKS + " \t\n")


@pytest.mark.parametrize("text", ["x", "7", ".x.", "\u200b\u200bja", "é", "ж", "안", "٧", "②", "ﬁ", "𝐚", "\u3164안"])
def test_one_letter_or_digit_says_something(text: str) -> None:
    assert says_something(text)


@pytest.mark.parametrize("text", ["", " ", ".", "\u200b", "\u3164", "\uffa0", "\u115f\u1160", "\ufeff", "…", "🙂"])
def test_blanks_marks_and_what_nobody_sees_say_nothing(text: str) -> None:
    assert not says_something(text)


@given(nothing)
def test_however_many_of_them_say_nothing(text: str) -> None:
    assert not says_something(text)


@given(nothing, st.characters(categories=["Lu", "Ll", "Nd"]), nothing)
def test_a_letter_among_them_says_something(before: str, char: str, after: str) -> None:
    assert says_something(before + char + after)


@given(st.text())
def test_the_same_text_in_another_normal_form_says_the_same(text: str) -> None:
    forms = {says_something(unicodedata.normalize(form, text)) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    assert forms == {says_something(text)}
