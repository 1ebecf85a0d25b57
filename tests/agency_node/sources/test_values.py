"""What a cell says: nothing, an amount, a number of a child, a flag."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agency_node.sources.mapping_values import FlagSpec, ValueSpec
from agency_node.sources.record import UNRECOGNISED_FLAG
from agency_node.sources.rows import FlatRow, TreeRow
from agency_node.sources.source import RejectionReason
from agency_node.sources.spellings import exported_nhs_number, read_number, read_percent
from agency_node.sources.values import RowRejected, Values
from tests.support.source_files import ADA

VALUES = Values(test_numbers=True)


def value(cell: object, **spec: Any) -> object:
    return VALUES.value(ValueSpec(column="c", **spec), FlatRow(1, {"c": cell}))


def reason(cell: object, **spec: Any) -> RejectionReason:
    with pytest.raises(RowRejected) as caught:
        value(cell, **spec)
    assert caught.value.column == "c"
    return caught.value.reason


@pytest.mark.parametrize("cell", ["NULL", "(null)", r"\N", " NULL ", "", None])
@pytest.mark.parametrize("kind", ["text", "integer", "number", "percent", "boolean", "date"])
def test_a_database_tools_word_for_nothing_is_nothing_everywhere(cell: object, kind: str) -> None:
    assert value(cell, type=kind) is None
    assert value(cell, type=kind, default="d") == "d"
    missing = RejectionReason.DATE_MISSING if kind == "date" else RejectionReason.VALUE_MISSING
    assert reason(cell, type=kind, required=True) is missing


@pytest.mark.parametrize("cell", ["null", "N/A", "none", "nil", "-", "--"])
def test_a_persons_word_for_nothing_is_nothing_where_it_can_be_nothing_else(cell: str) -> None:
    assert value(cell) == cell
    for kind in ("integer", "number", "percent", "boolean", "date"):
        assert value(cell, type=kind) is None
    assert value(cell, values={"A": "a"}) is None
    assert value(cell, values={"A": "a"}, default="d") == "d"
    assert value(cell, values={cell: "dash", "A": "a"}) == "dash"
    assert reason("x", values={"A": "a"}) is RejectionReason.VALUE_UNMAPPED


@pytest.mark.parametrize("cell", ["Null", "Mr Null", "NULL and void", "NULLABLE", "-5", "none of them"])
def test_a_text_that_only_looks_like_nothing_is_kept(cell: str) -> None:
    assert value(cell) == cell


def test_a_code_that_the_mapping_lists_keeps_its_meaning() -> None:
    assert value("NULL", values={"NULL": "none_recorded"}) == "none_recorded"
    assert value("NULL", values={"A": "a"}, otherwise="other") is None


def test_conditions_see_nothing_as_nothing_unless_they_name_it() -> None:
    row = FlatRow(1, {"c": "NULL"})
    assert VALUES.meets(row, {"c": ("",)}, {})
    assert not VALUES.meets(row, {}, {"c": ("",)})
    assert VALUES.meets(row, {"c": ("NULL",)}, {})
    assert not VALUES.meets(FlatRow(1, {"c": "x"}), {"c": ("",)}, {})


def test_of_several_values_those_that_say_something_count() -> None:
    row = TreeRow(1, {"c": ["NULL", "a", None, "b"], "d": ["NULL", "1900-01-01", "2026-03-01"]})
    assert VALUES.text(row, "c") == "a; b"
    date = VALUES.date(ValueSpec.model_validate({"column": "d", "type": "date"}), row)
    assert date is not None
    assert date.isoformat() == "2026-03-01"


@pytest.mark.parametrize(
    ("cell", "flags"),
    [
        ("NULL", set()),
        ("(null)", set()),
        ("", set()),
        ("NULL;VIP", {"VIP"}),
        ("VIP; NULL ;MAPPA", {"VIP", "MAPPA"}),
        ("-", {UNRECOGNISED_FLAG}),
        ("N/A", {UNRECOGNISED_FLAG}),
        ("null", {UNRECOGNISED_FLAG}),
        ("none", {UNRECOGNISED_FLAG}),
    ],
)
def test_only_a_database_tools_word_for_nothing_is_no_flag(cell: str, flags: set[str]) -> None:
    row = FlatRow(1, {"c": cell})
    assert VALUES.flags([FlagSpec(column="c", split=";")], row) == flags
    listed = FlagSpec(column="c", split=";", values={"VIP": "VIP", "MAPPA": "MAPPA"})
    assert VALUES.flags([listed], row) == flags


def test_a_flag_column_may_list_its_own_word_for_none() -> None:
    spec = FlagSpec(column="c", values={"-": "", "NULL": "LEGAL_PRIV"})
    assert VALUES.flags([spec], FlatRow(1, {"c": "-"})) == set()
    assert VALUES.flags([spec], FlatRow(1, {"c": "NULL"})) == {"LEGAL_PRIV"}


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        *(("93", 93), ("93.0", 93), ("93.4", "93.4"), ("93.4%", "93.4"), ("98.55 %", "98.55"), ("0.5", "0.5")),
        *(("0", 0), ("100", 100), ("100.00%", 100), ("93.40", "93.4"), (93, 93), (93.4, "93.4"), ("+7.5", "7.5")),
        (Decimal("93.40"), "93.4"),
    ],
)
def test_a_percentage_is_read_as_exports_write_it(cell: object, found: object) -> None:
    assert value(cell, type="percent") == found


@pytest.mark.parametrize("cell", ["-1", "-0.1%", "100.1", "101%", "93,4", "93.4.1", "93%%", "%", "ninety", "1e2", ".5"])
def test_what_is_no_percentage_is_a_fault_of_its_field(cell: str) -> None:
    assert reason(cell, type="percent") is RejectionReason.VALUE_INVALID


def test_numbers_may_be_negative_and_have_decimals_and_integers_may_not() -> None:
    assert [value(cell, type="number") for cell in ("-3.50", "1234", "0.125", "-0")] == ["-3.5", 1234, "0.125", 0]
    assert [value(cell, type="integer") for cell in ("93", "93.0", "-3")] == [93, 93, -3]
    assert reason("93.4", type="integer") is RejectionReason.VALUE_INVALID
    assert reason("93.4%", type="number") is RejectionReason.VALUE_INVALID


@given(st.decimals(min_value=0, max_value=100, places=6))
def test_a_percentage_keeps_its_value(amount: Decimal) -> None:
    assert Decimal(read_percent(f"{amount:f}%")) == amount == Decimal(read_number(f"{amount:f}"))


@pytest.mark.parametrize(
    "cell",
    [
        *("9990000018", "999 000 0018", "999-000-0018", "999-000 0018", "999 0000018", "  9990000018 "),
        *("'9990000018", "'999 000 0018'", '="9990000018"', '="999 000 0018"', "9990000018.0", "9990000018.000"),
        *("999\u00a0000\u00a00018", "999\u2013000\u20110018"),
        9990000018,
        9990000018.0,
        Decimal(9990000018),
    ],
)
def test_an_nhs_number_is_read_as_exports_write_it(cell: object) -> None:
    row = FlatRow(1, {"c": cell})
    assert VALUES.nhs_number(VALUES.text(row, "c"), "c").canonical() == ADA


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", RejectionReason.NHS_NUMBER_MISSING),
        *(
            (text, RejectionReason.NHS_NUMBER_INVALID)
            for text in (
                *(
                    "9.99E+09",
                    "9.990000018E+09",
                    "9990000018.5",
                    "99 9000 0018",
                    "9990000019",
                    "=9990000018",
                    '"9990000018"',
                ),
                *("999000001", "99900000180", "9990000018x", "'9990000018\"", "=\"9990000018'", "-", "n/k"),
            )
        ),
        *(
            (text, RejectionReason.NHS_NUMBER_NEVER_ISSUED)
            for text in ("9876543210", "1234567881", "8000000016", "'9876543210")
        ),
    ],
)
def test_any_other_text_is_no_nhs_number(text: str, why: RejectionReason) -> None:
    with pytest.raises(RowRejected) as caught:
        VALUES.nhs_number(text, "c")
    assert (caught.value.reason, caught.value.column) == (why, "c")


def test_a_number_kept_for_tests_is_nobodys_in_a_real_source() -> None:
    assert Values().nhs_number("4000000004", "c").canonical() == "4000000004"
    with pytest.raises(RowRejected) as caught:
        Values().nhs_number(ADA, "c")
    assert caught.value.reason is RejectionReason.NHS_NUMBER_NEVER_ISSUED


@given(st.text("0123456789'=\". -E+%", max_size=24))
def test_taking_off_what_exports_add_never_adds_or_changes_a_digit(text: str) -> None:
    found = exported_nhs_number(text)
    if found != text:
        digits = "".join(character for character in text if character.isdigit())
        assert digits.startswith(found)
        assert set(digits.removeprefix(found)) <= {"0"}


def test_a_date_falls_back_on_the_next_column_that_has_one() -> None:
    spec = ValueSpec.model_validate({"column": "a", "type": "date", "required": True, "fallback": ["b", "c"]})

    def date(**cells: str) -> str:
        found = VALUES.date(spec, FlatRow(1, cells))
        return found.isoformat() if found else ""

    assert date(a="2026-01-01", b="2025-01-01") == "2026-01-01"
    assert date(a="", b="2025-01-01", c="2024-01-01") == "2025-01-01"
    assert date(a="NULL", b="1900-01-01", c="2024-01-01") == "2024-01-01"
    for cells, why in (
        ({"a": "", "b": "-", "c": ""}, (RejectionReason.DATE_MISSING, "a")),
        ({"a": "soon", "b": "2025-01-01"}, (RejectionReason.DATE_INVALID, "a")),
        ({"a": "", "b": "soon"}, (RejectionReason.DATE_INVALID, "b")),
    ):
        faulty: Mapping[str, str] = cells
        with pytest.raises(RowRejected) as caught:
            date(**faulty)
        assert (caught.value.reason, caught.value.column) == why
