"""A scene's question is put as its person would put it."""

import pytest

from sandbox.playing import question_of
from sandbox.region import SHIPPED_REGION, load_region
from sandbox.sources import families_of


@pytest.mark.parametrize(
    ("written", "put"),
    [("Call from the playground.", "Call from the playground."), ("", "A contact"), (" ", " ")],
)
def test_a_scene_without_a_justification_is_asked_with_its_title_and_a_blank_one_as_it_is(
    written: str, put: str
) -> None:
    region = load_region(SHIPPED_REGION)
    scene = region.scenes[0].model_copy(update={"justification": written, "title": "A contact"})
    assert question_of(region, families_of(region), scene).justification == put
