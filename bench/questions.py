"""The questions that are put, and what must come back."""

from agency_node.asking.question import QuestionDocument
from bench.region import QUESTION, area_of, children, user
from federation.canonical import JsonObject, to_canonical
from federation.vocabulary import Completeness


def next_question(serial: int, targets: int) -> QuestionDocument:
    """The question of this number."""
    known = children()
    return QuestionDocument.parse(
        to_canonical({**QUESTION, "user": user(serial), "child": known[serial % len(known)], "area": area_of(targets)})
    )


def check_picture(picture: JsonObject, targets: int) -> None:
    """See that every agency answered.

    Raises:
        AssertionError: One did not.
    """
    found = (picture["completeness"], len(picture["targets"]))
    if found != (Completeness.COMPLETE.value, targets):
        raise AssertionError(f"{found[0]} with {found[1]} targets; missing {_missing(picture)}")


def _missing(picture: JsonObject) -> dict[str, str]:
    """What is known of every agency that did not answer."""
    return {
        target["agency"]: f"{target['state']}, {target['outcome']}, {target['fault']}"
        for target in picture["targets"]
        if target["agency"] in picture["missing"]
    }
