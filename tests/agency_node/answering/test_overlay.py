import pytest

from agency_node.answering.overlay import Overlay
from federation.errors import ErrorCode, WardgateError
from federation.policy.evaluator import PolicyPoint

TOML = b"""
categories_never = ["exclusion"]
categories_refer = ["safeguarding_log"]
purposes_refer = ["FAMILY_HELP"]
fields_never = ["entry_text"]

[[tier_caps]]
category = "attendance"
tier = "T1"
"""


def test_an_overlay_is_data_that_policy_reads() -> None:
    overlay = Overlay.parse(TOML, name="overlay.toml")

    assert overlay.policy_input() == {
        "purposes_never": [],
        "purposes_refer": ["FAMILY_HELP"],
        "roles_never": [],
        "categories_never": ["exclusion"],
        "categories_refer": ["safeguarding_log"],
        "flags_never": [],
        "types_never": [],
        "fields_never": ["entry_text"],
        "tier_caps": [{"category": "attendance", "tier": "T1"}],
    }


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'categories_always = ["cp_plan"]', "categories_always"),
        (b'[[tier_caps]]\ncategory = "attendance"\ntier = "T3"', "tier_caps.0.tier"),
        (b'[[tier_caps]]\ncategory = "attendance"\ntier = "T1"\npurpose = "X"', "tier_caps.0.purpose"),
        (b'categories_never = "cp_plan"', "categories_never"),
        (b"categories_never = [", "not TOML"),
    ],
)
def test_a_word_that_could_widen_does_not_exist(content: bytes, place: str) -> None:
    with pytest.raises(WardgateError) as caught:
        Overlay.parse(content, name="overlay.toml")
    assert caught.value.code is ErrorCode.SETTINGS_INVALID
    assert place in caught.value.detail


@pytest.mark.parametrize(
    "overlay",
    [
        Overlay(categories_never=("cp_pan",)),
        Overlay(categories_refer=("cp_pan",)),
        Overlay(purposes_never=("S47",)),
        Overlay.parse(b'[[tier_caps]]\ncategory = "cp_pan"\ntier = "T0"', name="x.toml"),
    ],
)
def test_a_word_that_the_bundle_does_not_know_narrows_nothing_and_is_refused(
    overlay: Overlay, policy: PolicyPoint
) -> None:
    with pytest.raises(WardgateError, match="SETTINGS_INVALID"):
        overlay.verify_words(policy.catalogue)
    Overlay.parse(TOML, name="overlay.toml").verify_words(policy.catalogue)
