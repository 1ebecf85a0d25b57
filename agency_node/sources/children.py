"""Whose row it is: keys of a source's own resolved to NHS numbers. Pure."""

from dataclasses import dataclass, field

from agency_node.sources.mapping_values import ChildSpec
from agency_node.sources.rows import Row
from agency_node.sources.source import RejectionReason
from agency_node.sources.values import RowRejected, Values
from keys.errors import NhsNumberRejected
from keys.nhs_number import NhsNumber


def read_number(text: str, column: str) -> NhsNumber:
    """A valid NHS number.

    Raises:
        RowRejected: It is missing or not valid.
    """
    if not text:
        raise RowRejected(RejectionReason.NHS_NUMBER_MISSING, column)
    try:
        return NhsNumber.parse(text)
    except NhsNumberRejected:
        raise RowRejected(RejectionReason.NHS_NUMBER_INVALID, column) from None


@dataclass(slots=True)
class ChildIndex:
    """The children of one reading, by the source's own keys.

    A key that stood with two different numbers names nobody: which child a record belongs to must never be a guess.
    """

    _by_key: dict[str, NhsNumber] = field(default_factory=dict)
    _ambiguous: set[str] = field(default_factory=set)

    def add(self, key: str, child: NhsNumber) -> None:
        """Learn a key."""
        if self._by_key.setdefault(key, child) != child:
            self._ambiguous.add(key)

    def ambiguous(self) -> int:
        """How many keys name nobody."""
        return len(self._ambiguous)

    def identify(self, spec: ChildSpec, row: Row, values: Values) -> tuple[NhsNumber, ...]:
        """The children a row belongs to: by key, or else by its own NHS number.

        Several only where a JSON row names several (an appointment of two siblings).

        Raises:
            RowRejected: The child cannot be told.
        """
        keys = tuple(values.texts(row, spec.key)) if spec.key else ()
        if any(key in self._ambiguous for key in keys):
            raise RowRejected(RejectionReason.CHILD_AMBIGUOUS, spec.key or "")
        known = tuple(dict.fromkeys(self._by_key[key] for key in keys if key in self._by_key))
        if known:
            return known
        if spec.nhs_number is not None:
            return (read_number(values.text(row, spec.nhs_number), spec.nhs_number),)
        reason = RejectionReason.CHILD_UNKNOWN if keys else RejectionReason.CHILD_KEY_MISSING
        raise RowRejected(reason, spec.key or "")
