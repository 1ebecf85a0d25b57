"""Ways to compare two values of a column, each knowing which way is wider. Pure.

What is not known to narrow is never said to narrow: a column without a comparator of its own "may widen".
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from federation.policy.authoring.change import Comparator, Direction, Found, wider

Json = Any

TIERS: Final = ("T0", "T1", "T2")
BREAK_GLASS: Final = {
    ("never", "optional"): Direction.WIDENED,
    ("optional", "never"): Direction.NARROWED,
    ("required", "optional"): Direction.WIDENED,
    ("optional", "required"): Direction.NARROWED,
}


def shown(value: Json) -> str:
    """A value as people read it."""
    if isinstance(value, str):
        return value or "(none)"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value) or "(none)"
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def words(what: str) -> Comparator:
    """A text that people read and no rule does."""

    def compare(old: Json, new: Json) -> Found:
        if old != new:
            yield Direction.OTHER, f"{what}: {shown(old)} is now {shown(new)}"

    return compare


def unclear(what: str) -> Comparator:
    """A column of which nothing is known here."""

    def compare(old: Json, new: Json) -> Found:
        if old != new:
            yield Direction.UNCLEAR, f"{what}: {shown(old)} is now {shown(new)}"

    return compare


def members(added: str, removed: str, *, more_is_wider: bool) -> Comparator:
    """A list of what is allowed (more is wider) or demanded (fewer is wider); `{}` stands for a member."""

    def compare(old: Iterable[Any], new: Iterable[Any]) -> Found:
        before, after = {shown(item) for item in old}, {shown(item) for item in new}
        for item in sorted(after - before):
            yield wider(when=more_is_wider), added.format(item)
        for item in sorted(before - after):
            yield wider(when=not more_is_wider), removed.format(item)

    return compare


def alternatives(what: str) -> Comparator:
    """A list of which one suffices, and where an empty one demands nothing."""

    def compare(old: Sequence[str], new: Sequence[str]) -> Found:
        if set(old) == set(new):
            return
        if not new:
            yield Direction.WIDENED, f"{what}: none of {shown(list(old))} is needed any more"
        elif not old:
            yield Direction.NARROWED, f"{what}: one of {shown(list(new))} is needed now"
        else:
            for item in sorted(set(new) - set(old)):
                yield Direction.WIDENED, f"{what}: {item} suffices now"
            for item in sorted(set(old) - set(new)):
                yield Direction.NARROWED, f"{what}: {item} no longer suffices"

    return compare


def rank(what: str, order: Sequence[Any], *, higher_is_wider: bool = True) -> Comparator:
    """One of a few values in order, the narrowest first unless said otherwise."""

    def compare(old: Json, new: Json) -> Found:
        if old == new:
            return
        text = f"{what}: {shown(old)} is now {shown(new)}"
        if old in order and new in order:
            yield wider(when=(order.index(new) > order.index(old)) is higher_is_wider), text
        else:
            yield Direction.UNCLEAR, text

    return compare


def number(what: str, *, higher_is_wider: bool = True) -> Comparator:
    """A count or a time."""

    def compare(old: int, new: int) -> Found:
        if old != new:
            yield wider(when=(new > old) is higher_is_wider), f"{what}: {old:,} is now {new:,}"

    return compare


def switch(on: str, off: str, *, on_is_wider: bool) -> Comparator:
    """Yes or no, each with what it means."""

    def compare(old: bool, new: bool) -> Found:  # noqa: FBT001 - two values of one column
        if old != new:
            yield wider(when=new is on_is_wider), on if new else off

    return compare


def pairs(what: str, known: Mapping[tuple[str, str], Direction]) -> Comparator:
    """A few values of which each step is known by itself."""

    def compare(old: str, new: str) -> Found:
        if old != new:
            yield known.get((old, new), Direction.UNCLEAR), f"{what}: {old} is now {new}"

    return compare


def columns(table: Mapping[str, Comparator], prefix: str = "") -> Comparator:
    """A row by its columns; a column nobody knows, or that only one side has, may widen."""

    def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Found:
        for name in [*old, *(name for name in new if name not in old)]:
            if name in old and name in new:
                for direction, text in table.get(name, unclear(name))(old[name], new[name]):
                    yield direction, f"{prefix}{text}"
            else:
                sides = "appeared" if name in new else "disappeared"
                yield Direction.UNCLEAR, f"{prefix}{name} {sides}: {shown(new.get(name, old.get(name)))}"

    return compare


def rows(
    added: tuple[Direction, str], removed: tuple[Direction, str], inner: Comparator, name: str = "{}"
) -> Comparator:
    """A mapping of codes to rows: which came, which went, and how the others differ; `{}` stands for the code."""

    def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Found:
        for code in [*old, *(code for code in new if code not in old)]:
            if code not in old:
                yield added[0], added[1].format(code, shown(new[code]))
            elif code not in new:
                yield removed[0], removed[1].format(code, shown(old[code]))
            else:
                for direction, text in inner(old[code], new[code]):
                    yield direction, f"{name.format(code)}: {text}"

    return compare


def approvals(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> Found:
    """Approvals that somebody else must give, by their kind."""
    before, after = _by_kind(old), _by_kind(new)
    for kind in [*before, *(kind for kind in after if kind not in before)]:
        if kind not in before:
            yield Direction.NARROWED, f"approval of kind {kind} by {shown(after[kind]['roles'])} is needed now"
        elif kind not in after:
            yield Direction.WIDENED, f"approval of kind {kind} is not needed any more"
        else:
            for direction, text in _APPROVAL(before[kind], after[kind]):
                yield direction, f"approval of kind {kind}: {text}"


_APPROVAL: Final = columns(
    {
        "roles": members("{} may give it now", "{} may no longer give it", more_is_wider=True),
        "waived_for_roles": members("{} does without it now", "{} needs it now", more_is_wider=True),
        "times": number("how often it is needed", higher_is_wider=False),
    }
)


def _by_kind(needed: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Rows of one kind are one, as both must be met: only what all of them accept is accepted."""
    found: dict[str, dict[str, Any]] = {}
    for item in needed:
        row = {key: value for key, value in item.items() if key != "kind"}
        known = found.setdefault(str(item["kind"]), {**row, "times": 0})
        for key in ("roles", "waived_for_roles"):
            known[key] = [role for role in known[key] if role in row[key]]
        known["times"] += 1
    return found


def invokers(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> Found:
    """Who may ask, up to which tier: by kind of agency, legal class and role, however the rows are cut."""
    before, after = _entitled(old), _entitled(new)
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for key in [*before, *(key for key in after if key not in before)]:
        kind, legal_class, role = key
        if before.get(key) != after.get(key):
            steps = grouped.setdefault((role, before.get(key, ""), after.get(key, "")), [])
            steps.append(f"{kind} ({legal_class})")
    for (role, had, has), places in grouped.items():
        where = f"{role} in {', '.join(places)}"
        if not had:
            yield Direction.WIDENED, f"{where} may ask now, up to {has}"
        elif not has:
            yield Direction.NARROWED, f"{where} may not ask any more"
        else:
            yield wider(when=has > had), f"{where}: up to {had} is now up to {has}"


def _entitled(rows_of: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str], str]:
    found: dict[tuple[str, str, str], str] = {}
    for row in rows_of:
        for kind in row["agency_kinds"]:
            for legal_class in row["legal_classes"]:
                for role, tier in row["roles"].items():
                    key = (kind, legal_class, role)
                    found[key] = max(found.get(key, ""), str(tier))
    return found


def limbs(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> Found:
    """Limbs of a statute, by their reason: each that is added reaches more; without any the period decides."""
    if bool(old) != bool(new):
        yield Direction.UNCLEAR, f"limbs: {shown(list(old))} is now {shown(list(new))}"
        return
    before, after = ({str(limb["reason_code"]): limb for limb in side} for side in (old, new))
    yield from _LIMBS(before, after)


_LIMBS: Final = rows(
    (Direction.WIDENED, "limb {} is asked about now: {}"),
    (Direction.NARROWED, "limb {} is no longer asked about"),
    columns(
        {
            "provisions": members("depends on {} now", "depends on {} no longer", more_is_wider=False),
            "types": alternatives("types it speaks of"),
            "look_back_years": number("years looked back (0 is today alone)"),
            "reason_code": words("reason"),
        }
    ),
    "limb {}",
)
