"""A matrix as a web page of its own: tables that a screen reader can read, no script, nothing fetched. Pure.

Every cell says its tier in words. Bars and shades repeat the words for those who see them, and carry nothing else.
"""

from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree as ET

from federation.policy.authoring.matrix import NOTHING, Cell, Matrix
from federation.policy.authoring.matrix_text import Group, grouped, heading, period, shown

TIERS: Final = ("T0", "T1", "T2")
MEANING: Final = {"T0": "existence", "T1": "summary", "T2": "detail"}
BAR_WIDTH: Final = 10
BAR_HEIGHT: Final = 14

STYLE: Final = """
:root { color-scheme: light; }
body { font: 1rem/1.5 Arial, Helvetica, sans-serif; color: #0b0c0c; background: #fff; margin: 1.5rem; }
h1, h2 { line-height: 1.2; }
table { border-collapse: collapse; margin: 1rem 0 2.5rem; }
caption { text-align: left; font-weight: bold; padding-bottom: .5rem; }
th, td { border: 1px solid #505a5f; padding: .3rem .6rem; text-align: left; vertical-align: top; font-weight: normal; }
thead th { font-weight: bold; background: #f3f2f1; }
td.T0 { background: #e8f1fa; } td.T1 { background: #c6dff5; } td.T2 { background: #8fc1ea; }
td.nothing { color: #505a5f; }
svg { vertical-align: middle; margin-right: .4rem; }
.wide { overflow-x: auto; }
a:focus { outline: 3px solid #ffdd00; background: #ffdd00; color: #0b0c0c; }
"""


def page(matrix: Matrix) -> str:
    """The page as HTML."""
    root = ET.Element("html", lang="en-GB")
    _head(root, matrix)
    body = ET.SubElement(root, "body")
    main = ET.SubElement(body, "main")
    _text(main, "h1", "Who may ask what, at which tier")
    _text(main, "p", f"{heading(matrix)[0].upper()}{heading(matrix)[1:]}.")
    _text(main, "p", "This is what the gateway permits to be asked of any responder; a responder may only give less.")
    _key(main)
    groups = grouped(matrix)
    contents = ET.SubElement(ET.SubElement(main, "nav", {"aria-label": "Purposes"}), "ul")
    for purpose in groups:
        link = ET.SubElement(ET.SubElement(contents, "li"), "a", href=f"#{purpose}")
        link.text = f"{purpose}: {matrix.titles['purposes'][purpose]}"
    for purpose, alike in groups.items():
        _purpose(main, matrix, purpose, alike)
    _text(main, "p", "Not legal advice.")
    return "<!DOCTYPE html>\n" + ET.tostring(root, encoding="unicode", method="html") + "\n"


def words(cell: Cell) -> str:
    """What a cell says."""
    if cell.most == NOTHING and cell.usual == NOTHING:
        return "nothing"
    if cell.usual == cell.most:
        return f"{cell.usual} {MEANING[cell.usual]}"
    if cell.usual == NOTHING:
        return f"{cell.most} {MEANING[cell.most]} on further conditions only"
    return f"{cell.usual} {MEANING[cell.usual]}; {cell.most} {MEANING[cell.most]} on further conditions"


def _head(root: ET.Element, matrix: Matrix) -> None:
    head = ET.SubElement(root, "head")
    ET.SubElement(head, "meta", charset="utf-8")
    ET.SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _text(head, "title", f"Wardgate disclosure matrix: {heading(matrix)}")
    _text(head, "style", STYLE)


def _key(main: ET.Element) -> None:
    _text(main, "h2", "Key")
    key = ET.SubElement(main, "ul")
    for cell, text in (
        (Cell("T0", "T0"), "T0: that something is held, and whom to ask"),
        (Cell("T1", "T1"), "T1: a summary"),
        (Cell("T2", "T2"), "T2: detail"),
        (Cell("T0", "T2"), "T0 at once, T2 once the purpose's further conditions are met (open bars)"),
        (Cell(NOTHING, NOTHING), "nothing is given"),
    ):
        item = ET.SubElement(key, "li")
        _bars(item, cell).tail = text


def _purpose(main: ET.Element, matrix: Matrix, purpose: str, groups: list[Group]) -> None:
    _text(main, "h2", f"{purpose}: {matrix.titles['purposes'][purpose]}").set("id", purpose)
    _text(main, "p", f"{period(matrix, purpose).capitalize()}.")
    names = shown(matrix, groups)
    for group in groups:
        if group.refused:
            _text(main, "p", f"Refused to {_askers(matrix, group)}: {', '.join(group.refused)}.")
    given = [group for group in groups if not group.refused]
    if not names or not given:
        return
    # A table wider than the screen scrolls by itself, and by keyboard too.
    region = {"class": "wide", "tabindex": "0", "role": "region", "aria-label": f"Tiers of {purpose}"}
    table = ET.SubElement(ET.SubElement(main, "div", region), "table")
    _text(table, "caption", f"{purpose}: tier of each category, by who asks")
    row = ET.SubElement(ET.SubElement(table, "thead"), "tr")
    _text(row, "th", "Category").set("scope", "col")
    for group in given:
        _text(row, "th", _askers(matrix, group)).set("scope", "col")
    body = ET.SubElement(table, "tbody")
    for name in names:
        row = ET.SubElement(body, "tr")
        _text(row, "th", f"{matrix.titles['categories'][name]} ({name})").set("scope", "row")
        for group in given:
            cell = group.cell(name)
            place = ET.SubElement(row, "td", {"class": cell.usual or "nothing"})
            _bars(place, cell).tail = words(cell)


def _askers(matrix: Matrix, group: Group) -> str:
    roles, agencies = matrix.titles["roles"], matrix.titles["agency_kinds"]
    return "; ".join(
        f"{roles.get(role, role)} ({', '.join(agencies.get(kind, kind) for kind in kinds)})"
        for role, kinds in group.roles().items()
    )


def _bars(parent: ET.Element, cell: Cell) -> ET.Element:
    """Three bars: full up to what is given at once, open up to what conditions add. The words stand beside them."""
    size = {
        "width": str(BAR_WIDTH * len(TIERS)),
        "height": str(BAR_HEIGHT),
        "aria-hidden": "true",
        "focusable": "false",
    }
    drawing = ET.SubElement(parent, "svg", size)
    for shape in _shapes(cell):
        ET.SubElement(drawing, "rect", shape)
    return drawing


def _shapes(cell: Cell) -> Iterator[dict[str, str]]:
    for number, tier in enumerate(TIERS):
        filled, opened = tier <= cell.usual, tier <= cell.most
        yield {
            "x": str(number * BAR_WIDTH + 1),
            "y": "1",
            "width": str(BAR_WIDTH - 3),
            "height": str(BAR_HEIGHT - 2),
            "fill": "#0b0c0c" if filled else "none",
            "stroke": "#0b0c0c" if filled or opened else "#b1b4b6",
            "stroke-dasharray": "none" if filled or opened else "1 2",
        }


def _text(parent: ET.Element, tag: str, text: str) -> ET.Element:
    found = ET.SubElement(parent, tag)
    found.text = text
    return found
