"""Who is who in one reading: keys of a source's own resolved to NHS numbers. Pure.

Which child a record belongs to must never be a guess. Where a key stands with two numbers, a number with two keys, or a
key that named a child before has lost its number, the children are *uncertain*: flags of all rows are united, and every
record found by that key or number is treated as one that could not be read.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from agency_node.sources.mapping_values import ChildSpec
from agency_node.sources.rows import Row
from agency_node.sources.source import Memory, RejectionReason
from agency_node.sources.values import RowRejected, Values
from keys.nhs_number import NhsNumber

_NO_FLAGS: frozenset[str] = frozenset()

MAX_MIXED: Final = 100
"""Numbers under one key, keys under one number, or children under one record's id. Twins are two, and a typing error
joins a few more. A column that says the same in every row names nobody, and would make each row everybody's."""


class TooManyMixed(Exception):  # noqa: N818 - a finding about an export, which the reading makes an error of
    """A key, or a number, of more children than can be mixed up with each other."""


@dataclass(frozen=True, slots=True)
class Named:
    """The children that a row names.

    Attributes:
        children: At least one; several only where a JSON row names several, or it cannot be told which it is.
        is_certain: Whether it can be told.
        flags: Flags of rows under the same key that name no child, or another one.
    """

    children: tuple[NhsNumber, ...]
    is_certain: bool
    flags: frozenset[str] = _NO_FLAGS


@dataclass(slots=True)
class ChildIndex:
    """The children of one reading."""

    _by_key: dict[str, tuple[NhsNumber, ...]] = field(default_factory=dict)
    _keys: dict[NhsNumber, tuple[str, ...]] = field(default_factory=dict)
    _persons: dict[NhsNumber, tuple[str, ...]] = field(default_factory=dict)
    _flags: dict[NhsNumber, frozenset[str]] = field(default_factory=dict)
    _key_flags: dict[str, frozenset[str]] = field(default_factory=dict)
    _uncertain: set[NhsNumber] = field(default_factory=set)
    _unread_keys: set[str] = field(default_factory=set)
    _kept_out: dict[str, RejectionReason] = field(default_factory=dict)
    _adults: set[NhsNumber] = field(default_factory=set)

    def add(
        self,
        numbers: tuple[NhsNumber, ...],
        keys: tuple[str, ...],
        flags: frozenset[str],
        person: tuple[str, ...] = (),
    ) -> None:
        """Learn what one row says of a child.

        Args:
            numbers: Every number the row gives: more than one is one too many.
            keys: Its keys; none where the mapping has no key, or the number is the key.
            flags: Its handling flags.
            person: What tells one person from another; empty where nothing does.

        Raises:
            TooManyMixed: A key or a number says nothing of who is who.
        """
        for number in numbers:
            self._flags[number] = self._flags.get(number, _NO_FLAGS) | flags
            for key in keys:
                self._join(number, key, person)
        self.flag_keys(keys, flags)
        if len(numbers) > 1:
            self._uncertain.update(numbers)

    def _join(self, number: NhsNumber, key: str, person: tuple[str, ...]) -> None:
        known = self._by_key.get(key, ())
        if max(len(known), len(self._keys.get(number, ()))) > MAX_MIXED:
            raise TooManyMixed
        if number not in known:
            self._by_key[key] = (*known, number)
            if known:
                self._uncertain.update(self._by_key[key])
        keys = self._keys.get(number, ())
        if key not in keys:
            self._keys[number] = (*keys, key)
        if not keys:
            if person:
                self._persons[number] = person
        elif keys != (key,) and (not person or not all(person) or self._persons.get(number) != person):
            self._uncertain.add(number)

    def add_unread(self, keys: tuple[str, ...], flags: frozenset[str]) -> None:
        """Learn of a row whose number could not be read: its key may have named a child before."""
        self._unread_keys.update(keys)
        self.flag_keys(keys, flags)

    def keep_out(self, keys: Iterable[str], reason: RejectionReason, adults: Iterable[NhsNumber] = ()) -> None:
        """Learn keys that rightly lead to no child, why, and the numbers that are an adult's.

        No record of such a key is joined by a number of its own; nor is one by an adult's number, unless it is also a
        child's (a plan for an unborn child stands under the mother's).
        """
        self._kept_out.update(dict.fromkeys(keys, reason))
        self._adults.update(adults)

    def flag_keys(self, keys: Iterable[str], flags: frozenset[str]) -> None:
        """Learn flags that a key has, whoever stands under it."""
        for key in keys if flags else ():
            self._key_flags[key] = self._key_flags.get(key, _NO_FLAGS) | flags

    def resolve(self, memory: Memory) -> None:
        """Recall who stood under keys of which a number cannot be read any more: nobody leaves by being rejected.

        A key that names somebody by another row is asked about too: the row may have been that of somebody else. So is
        one whose number stands under another key as well: it may have been copied over the child's own.
        """
        doubted = self._unread_keys.union(*(self._keys.get(number, ()) for number in self._uncertain))
        recalled = memory.children_of(doubted) if doubted else {}
        for key, numbers in recalled.items():
            known = self._by_key.get(key, ())
            if known and set(numbers) <= set(known):
                continue
            self._by_key[key] = tuple(dict.fromkeys((*known, *numbers)))
            self._uncertain.update(self._by_key[key])
            for number in numbers:
                self._flags.setdefault(number, _NO_FLAGS)
                self._keys[number] = tuple(dict.fromkeys((*self._keys.get(number, ()), key)))

    def children(self) -> Iterator[tuple[NhsNumber, frozenset[str], frozenset[str]]]:
        """Every child with its flags and its keys. Where it cannot be told who is who, all have the flags of all."""
        for number, flags in self._flags.items():
            keys = self._keys.get(number, ())
            united = flags.union(*(self._flags_under(key) for key in keys))
            yield number, united, frozenset(keys)

    def _flags_under(self, key: str) -> frozenset[str]:
        numbers = self._by_key.get(key, ())
        return self._key_flags.get(key, _NO_FLAGS).union(*(self._flags[number] for number in numbers))

    def knows_untraced(self, key: str) -> bool:
        """Whether a row of the children has this key and no number: somebody who is known and cannot be identified."""
        return key in self._unread_keys

    def identify(self, spec: ChildSpec, row: Row, values: Values) -> Named:
        """The children a row belongs to: by key, or else by its own NHS number.

        Where its key and its own number name different children, it belongs to either.

        Raises:
            RowRejected: It names nobody.
        """
        key_fault, keys = None, tuple[str, ...]()
        try:
            keys = tuple(values.texts(row, spec.key)) if spec.key else ()
        except RowRejected as fault:
            key_fault = fault
        known = tuple(dict.fromkeys(number for key in keys for number in self._by_key.get(key, ())))
        # Flags of keys that lead to nobody stand on the record: it must not lose them.
        lone = _NO_FLAGS.union(*(self._key_flags.get(key, _NO_FLAGS) for key in keys if key not in self._by_key))
        if not known and (kept_out := [self._kept_out[key] for key in keys if key in self._kept_out]):
            # An appointment of an adult and of a child with an untraced number is a fault of a child's record.
            are_adults = all(reason is RejectionReason.NOT_A_CHILD for reason in kept_out)
            raise RowRejected(kept_out[0] if are_adults else RejectionReason.NHS_NUMBER_UNTRACED, spec.key or "")
        try:
            own = self._own_number(spec, keys, row, values)
        except RowRejected as fault:
            if not known:
                raise key_fault or fault from None
            return Named(known, is_certain=self._uncertain.isdisjoint(known), flags=lone)
        if own in known:
            return Named(known, is_certain=self._uncertain.isdisjoint(known), flags=lone)
        flags = _NO_FLAGS.union(*(self._flags_under(key) for key in keys))
        if known:
            return Named((*known, own), is_certain=False, flags=flags | self._flags.get(own, _NO_FLAGS))
        return Named((own,), is_certain=key_fault is None and own not in self._uncertain, flags=flags)

    def _own_number(self, spec: ChildSpec, keys: tuple[str, ...], row: Row, values: Values) -> NhsNumber:
        """The NHS number that a row gives of its child."""
        text = values.text(row, spec.nhs_number) if spec.nhs_number is not None else ""
        if spec.nhs_number is None or (keys and not text):
            reason = RejectionReason.CHILD_UNKNOWN if keys else RejectionReason.CHILD_KEY_MISSING
            raise RowRejected(reason, spec.key or "")
        number = values.nhs_number(text, spec.nhs_number)
        if number in self._adults and number not in self._flags:
            raise RowRejected(RejectionReason.NOT_A_CHILD, spec.nhs_number)
        return number
