"""The matrix is what the engine decides, no more and no less; its picture can be read without seeing it."""

import json
from collections.abc import Iterator
from datetime import date
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any

import pytest
from opapywasm import OpaWasmPolicy
from typer.testing import CliRunner, Result

from federation.policy.authoring.askers import Asker, Setting, askers, questions
from federation.policy.authoring.cli import SHIPPED
from federation.policy.authoring.matrix import Cell, Matrix, Wanted, matrix, shown_area
from federation.policy.authoring.matrix_page import page, words
from federation.policy.authoring.matrix_text import grouped, lines, short
from federation.policy.authoring.opened import OpenedBundle
from federation.policy.engine import EntryPoint
from tests.policies.inputs import DIST, REFERENCE, TIERS, golden_input, permitted_golden
from wardgate.cli import build

DAY = date(2026, 11, 22)
PATTERN = golden_input(next(name for name in permitted_golden() if name.startswith("gateway_")))


@cache
def opened() -> OpenedBundle:
    return OpenedBundle.read(SHIPPED)


def setting(area: str = "") -> Setting:
    return Setting(area or shown_area(opened()), DAY)


@cache
def whole() -> Matrix:
    return matrix(opened(), setting(), Wanted())


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build(["policy"]), ["policy", "matrix", *(str(item) for item in arguments)])


@pytest.fixture(scope="module")
def policy() -> Iterator[OpaWasmPolicy]:
    """The committed module over the committed data, without anything of Wardgate between."""
    with OpaWasmPolicy.from_wasm_file(DIST / "policy.wasm") as compiled:
        compiled.set_data((DIST / "data.json").read_bytes())
        yield compiled


def decided_directly(policy: OpaWasmPolicy, asker: Asker, *, further: bool) -> tuple[dict[str, str], set[str]]:
    """Tiers and refusals."""
    tiers: dict[str, str] = {}
    refused: set[str] = set()
    for document in questions(REFERENCE, PATTERN, asker, setting(), further=further):
        result: Any = policy.evaluate(document, EntryPoint.GATEWAY.value)
        refused |= {reason["code"] for reason in result["reasons"] if reason["severity"] == "denial"}
        for target in result["targets"]:
            for item in target["categories"]:
                tiers[item["name"]] = max(tiers.get(item["name"], ""), item["tier"])
    return tiers, refused


def test_a_sample_is_what_the_policy_decides_when_asked_directly(policy: OpaWasmPolicy) -> None:
    for row in Random(20261122).sample(whole().rows, 20):
        usual, _ = decided_directly(policy, row.asker, further=False)
        most, _ = decided_directly(policy, row.asker, further=True)

        assert {name: cell.usual for name, cell in row.cells.items() if cell.usual} == usual
        assert {name: cell.most for name, cell in row.cells.items() if cell.most} == most


def test_who_is_not_in_the_matrix_is_refused_by_the_policy(policy: OpaWasmPolicy) -> None:
    named = {(asker.purpose, asker.kind, asker.role) for asker in askers(REFERENCE)}
    everybody = [
        Asker(purpose, kind, role, "S11_1")
        for purpose in REFERENCE["purposes"]
        for kind in REFERENCE["agency_kinds"]
        for role in REFERENCE["roles"]
        if (purpose, kind, role) not in named
    ]

    for asker in Random(20261122).sample(everybody, 40):
        tiers, refused = decided_directly(policy, asker, further=True)
        assert (tiers, bool(refused & {"AGENCY_NOT_ENTITLED", "ROLE_NOT_ENTITLED"})) == ({}, True), asker


def test_every_purpose_has_askers_and_nobody_is_left_out() -> None:
    assert {row.asker.purpose for row in whole().rows} == set(REFERENCE["purposes"])
    assert [row.asker for row in whole().rows] == askers(REFERENCE)
    assert all(row.cells or row.refused for row in whole().rows)


def test_no_cell_is_above_what_the_purpose_ever_gives() -> None:
    for row in whole().rows:
        cells = REFERENCE["purposes"][row.asker.purpose]["categories"]
        for name, cell in row.cells.items():
            assert cell.usual <= cell.most <= cells[name]["highest_tier"]


def test_law_that_is_not_in_force_shows_as_refused() -> None:
    only = Wanted(purposes=("EHE_CONSENT_434A",))

    elsewhere = matrix(opened(), setting("elsewhere"), only)
    earlier = matrix(opened(), Setting("testshire", date(2026, 8, 31)), only)
    then = matrix(opened(), Setting("testshire", date(2026, 9, 1)), only)

    assert {row.refused for row in (*elsewhere.rows, *earlier.rows)} == {("PURPOSE_NOT_IN_FORCE",)}
    assert all(row.cells and not row.refused for row in then.rows)
    assert "refused: PURPOSE_NOT_IN_FORCE" in "\n".join(lines(elsewhere))
    assert "PURPOSE_NOT_IN_FORCE" in page(elsewhere)


def test_filters_show_what_was_asked_for_only() -> None:
    done = run("--purpose", "S47_ENQ", "--role", "lcpp", "--kind", "macpt", "--category", "s47", "--json")
    rows = json.loads(done.stdout)["rows"]

    assert [(row["purpose"], row["role"], row["kind"]) for row in rows] == [("S47_ENQ", "lcpp", "macpt")]
    assert rows[0]["categories"] == {"s47": {"usual": "T2", "most": "T2"}}


@pytest.mark.parametrize("option", ["--purpose", "--role", "--kind", "--category"])
def test_a_name_that_the_bundle_does_not_hold_is_refused(option: str) -> None:
    assert run(option, "UNHEARD_OF").exit_code == 10


def test_the_table_says_for_every_group_what_it_is_given() -> None:
    text = "\n".join(lines(whole()))

    assert f"area {setting().area}" in text
    for purpose, groups in grouped(whole()).items():
        assert f"{purpose}: {REFERENCE['purposes'][purpose]['title']}" in text
        assert sum(len(group.rows) for group in groups) == len(
            [row for row in whole().rows if row.asker.purpose == purpose]
        )
    assert short(Cell("", "")) == "-"
    assert (short(Cell("T1", "T1")), short(Cell("T0", "T2")), short(Cell("", "T1"))) == ("T1", "T0+T2", "+T1")


class Page(HTMLParser):
    """What a page holds, as far as these tests ask."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "td":
            self._in_cell = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1] += data


def test_the_page_runs_nothing_and_fetches_nothing() -> None:
    text = page(whole())
    tags = Page(text).tags

    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "embed"}
    assert not [key for _, attributes in tags for key in attributes if key.startswith("on") or key == "src"]
    assert {str(attributes["href"])[0] for _, attributes in tags if "href" in attributes} == {"#"}
    assert "http" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_every_cell_of_the_page_says_its_tier_in_words() -> None:
    cells = Page(page(whole())).cells
    expected = [
        words(group.cell(name))
        for groups in grouped(whole()).values()
        for name in whole().categories
        if any(group.cell(name) != Cell("", "") for group in groups)
        for group in groups
        if not group.refused
    ]

    assert cells == expected
    assert len(cells) > 50


def test_the_page_can_be_read_by_a_screen_reader() -> None:
    tags = Page(page(whole())).tags
    tables = [attributes for tag, attributes in tags if tag == "table"]

    assert ("html", {"lang": "en-GB"}) in tags
    assert [tag for tag, _ in tags if tag in {"title", "h1", "main"}] == ["title", "main", "h1"]
    assert len(tables) == len([tag for tag, _ in tags if tag == "caption"]) > 0
    assert {attributes.get("scope") for tag, attributes in tags if tag == "th"} == {"row", "col"}
    assert {attributes.get("aria-hidden") for tag, attributes in tags if tag == "svg"} == {"true"}
    assert len({attributes["id"] for _, attributes in tags if "id" in attributes}) == len(REFERENCE["purposes"])


def test_words_tell_every_kind_of_cell_apart() -> None:
    kinds = [Cell(usual, most) for most in ("", *TIERS) for usual in ("", *TIERS) if usual <= most]

    assert len({words(cell) for cell in kinds}) == len(kinds)


def test_a_page_that_cannot_be_written_is_an_error_with_its_code(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert run("--purpose", "EHE_CONSENT_434A", "--out", tmp_path / "file" / "matrix.html").exit_code == 12


def test_the_page_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    out = tmp_path / "new" / "matrix.html"
    done = run("--out", out, "--purpose", "FRONT_DOOR", "--date", DAY.isoformat())

    assert done.exit_code == 0
    assert out.read_text() == page(matrix(opened(), setting(), Wanted(purposes=("FRONT_DOOR",))))
