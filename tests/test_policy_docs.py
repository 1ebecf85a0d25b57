"""The pages about policy are the bundle: each purpose, flag, category, role, reason and obligation, and no other."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from federation.errors import ErrorCode
from tests.policies.inputs import REFERENCE
from tools.docs_purposes import purpose_pages
from tools.generate_docs import DOCS
from tools.policy_words import PolicyDocs, lasting, listed

ROOT = Path(__file__).parents[1]
POLICY = DOCS / "policy"
FOLDERS = ("purposes", "flags", "reasons")


def text_of(name: str) -> str:
    return (POLICY / name).read_text(encoding="utf-8")


def rows_of(text: str) -> list[str]:
    """What stands in the first column of every table: a code, linked or not."""
    return re.findall(r"^\| \[?`([^`]+)`", text, re.MULTILINE)


def section(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_row_has_a_page_and_every_page_a_row(folder: str) -> None:
    assert {path.stem for path in (POLICY / folder).iterdir()} == set(REFERENCE[folder])


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_overview_leads_to_every_page(folder: str) -> None:
    linked = re.findall(rf"\[`([^`]+)`\]\({folder}/\1\.md\)", text_of(f"{folder}.md"))

    assert sorted(linked) == sorted(REFERENCE[folder])


def test_what_is_never_permitted_is_listed_whole() -> None:
    assert set(rows_of(section(text_of("purposes.md"), "Never permitted"))) == set(REFERENCE["never_permitted"])


def test_categories_and_their_fields_are_listed_whole() -> None:
    text = text_of("categories.md")

    assert set(re.findall(r"^## (\S+)$", text, re.MULTILINE)) == set(REFERENCE["categories"])
    for name, row in REFERENCE["categories"].items():
        assert set(rows_of(section(text, name))) == set(row["fields"]), name


@pytest.mark.parametrize(
    ("title", "document"),
    [
        ("Roles", "roles"),
        ("Attestations", "attestations"),
        ("Break-glass reasons", "break_glass"),
        ("Agency kinds", "agency_kinds"),
        ("Limits on asking", "limits"),
    ],
)
def test_other_words_are_listed_whole(title: str, document: str) -> None:
    assert set(rows_of(section(text_of("words.md"), title))) == set(REFERENCE[document])


def test_obligations_are_listed_whole() -> None:
    assert set(rows_of(text_of("obligations.md"))) == set(REFERENCE["obligations"])


def test_provisions_and_agreements_are_listed_whole() -> None:
    for document in ("provisions", "agreements"):
        assert set(rows_of(section(text_of("law.md"), document.capitalize()))) == set(REFERENCE[document])


# -- what the pages say is what the rows say ---------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(REFERENCE["purposes"]))
def test_a_purpose_s_page_says_all_of_its_row(code: str) -> None:
    row, text = REFERENCE["purposes"][code], text_of(f"purposes/{code}.md")
    requirements = (row["requires"], row["beyond_default"])

    assert {name for invoker in row["invokers"] for name in invoker["roles"]} <= backquoted(
        section(text, "Who may ask")
    )
    asked = backquoted(section(text, "On what attestation, with whose approval"))
    assert {*row["requires"]["attestations_all"], *row["requires"]["attestations_any"]} <= asked
    given = section(text, "What is given")
    cells = dict(re.findall(r"^\| [^|]*\(`([^`]+)`\) \| (T\d \| T\d) \|", given, re.MULTILINE))
    expected = {name: f"{cell['default_tier']} | {cell['highest_tier']}" for name, cell in row["categories"].items()}
    assert cells == expected
    assert {code for needed in requirements for code in needed["attestations_all"]} <= backquoted(text)
    provisions = {*row["provisions"], *(name for cell in row["categories"].values() for name in cell["provisions"])}
    assert backquoted(section(text, "The law, where and since when")) >= provisions
    never = backquoted(section(text, "What is never given"))
    assert set(REFERENCE["categories"]) - set(row["categories"]) <= never
    assert ("Nobody has verified" in text) is not row["verified"]


def backquoted(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


@pytest.mark.parametrize("code", sorted(REFERENCE["flags"]))
def test_a_flag_s_page_names_all_that_it_spares_and_takes(code: str) -> None:
    row, text = REFERENCE["flags"][code], text_of(f"flags/{code}.md")
    effects = backquoted(section(text, "What it does"))

    assert {*row["redact"]["tags"], *row["redact"]["fields"]} <= effects
    if row["withhold"]["applies"]:
        assert {*row["withhold"]["except_purposes"], *row["withhold"]["except_agreements"]} <= effects
    assert set(row["obligations"]) <= backquoted(text)
    assert f"[`{row['reason_code']}`]" in text


@pytest.mark.parametrize("code", sorted(REFERENCE["reasons"]))
def test_a_reason_s_page_says_what_each_side_sees_and_what_to_do(code: str) -> None:
    row, text = REFERENCE["reasons"][code], text_of(f"reasons/{code}.md")

    assert section(text, "What the auditor sees").strip() == row["auditor"]
    shown = section(text, "What the user sees").strip()
    assert shown == (row["user"] or "Nothing: this reason is not shown to users, in any form.")
    assert section(text, "What to do").strip() == row["remedy"]
    assert section(text, "What gives it").strip().startswith("* ")


def docs_with(changes: Mapping[str, Any]) -> PolicyDocs:
    found = PolicyDocs.read(ROOT)
    return PolicyDocs({**found.data, **changes}, found.notes)


def test_a_column_that_no_sentence_tells_is_shown_all_the_same() -> None:
    rows = {**REFERENCE["purposes"]}
    row = rows["S47_ENQ"]
    cells = {**row["categories"], "s47": {**row["categories"]["s47"], "moon": "full"}}
    rows["S47_ENQ"] = {**row, "categories": cells, "tide": "high"}
    page = purpose_pages(docs_with({"purposes": rows}))["policy/purposes/S47_ENQ.md"]

    assert "| `tide` | high |" in section(page, "Further columns")
    assert "`moon`: full" in section(page, "What is given")


# -- what is written by hand names what there is -----------------------------------------------------------------------

BY_HAND = (DOCS / "policy-guide.md", DOCS / "request-flow.md", ROOT / "README.md", ROOT / "policies" / "README.md")
CODE = re.compile(r"`([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)`")


def codes_by_hand() -> Iterator[tuple[str, str]]:
    for path in BY_HAND:
        for code in CODE.findall(path.read_text(encoding="utf-8")):
            yield path.name, code


def test_codes_in_what_is_written_by_hand_exist() -> None:
    documents = ("purposes", "flags", "reasons", "never_permitted", "provisions")
    known = {code for document in documents for code in REFERENCE[document]} | set(ErrorCode.__members__)
    environment = {"WARDGATE_OPA"}

    assert [(name, code) for name, code in codes_by_hand() if code not in known | environment] == []
    assert len(set(codes_by_hand())) > 3


@pytest.mark.parametrize(
    ("seconds", "said"), [(259_200, "3 days"), (5_400, "90 minutes"), (7_200, "2 hours"), (61, "61 seconds")]
)
def test_times_are_said_in_the_largest_unit_that_fits(seconds: int, said: str) -> None:
    assert lasting(seconds) == said


def test_lists_are_said_as_sentences_say_them() -> None:
    assert (listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"], "or")) == (
        "",
        "a",
        "a and b",
        "a, b or c",
    )
