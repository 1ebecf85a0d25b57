"""The questions that are put."""

from agency_node.asking.question import QuestionDocument
from bench.region import QUESTION, area_of, children, user
from federation.canonical import to_canonical


def next_question(serial: int, targets: int) -> QuestionDocument:
    """The question of this number."""
    known = children()
    return QuestionDocument.parse(
        to_canonical({**QUESTION, "user": user(serial), "child": known[serial % len(known)], "area": area_of(targets)})
    )
