"""What goes wrong with exports, and what is honestly edited in them: drawn by hypothesis, applied to an `Export`.

A `Fault` can be noticed by whoever reads the export, an `Edit` cannot: it is what its agency now says.
"""

import csv
import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from tests.support.exports import Export, Row, Shipped, cell, set_cell, steps
from tests.support.field import STRANGER

GARBLED: Final = {
    "number": "9.99E+09",
    "date": "in the autumn",
    "date?": "in the autumn",
    "amount": "excellent",
}
_SHARES: Final = ("one", "one", "two", "half", "all")


@dataclass(frozen=True)
class CellFault:
    """Cells of one column hold something else."""

    table: str
    role: str
    damage: str
    share: str
    at: float

    def apply(self, export: Export) -> None:
        """Do it."""
        rows, path = export.rows(self.table), steps(export.source.columns[self.table][self.role])
        before = [cell(row, path) for row in rows]
        for place in chosen(len(rows), self.share, self.at):
            value: object = None if export.form != "files" or not self.table.endswith(".csv") else ""
            match self.damage:
                case "garbled":
                    value = GARBLED.get(self.role, "??")
                case "copied":
                    value = before[(place + 1) % len(rows)]
                case "null":
                    value = "NULL"
            set_cell(rows[place], path, value)
        export.put(self.table, rows)


@dataclass(frozen=True)
class RowFault:
    """Rows are emptied, or have a cell too few or too many."""

    table: str
    damage: str
    share: str
    at: float

    def apply(self, export: Export) -> None:
        """Do it."""
        rows = export.rows(self.table)
        # Empty rows at the end of a CSV file are what spreadsheets leave there.
        places = [place for place in chosen(len(rows), self.share, self.at) if place != len(rows) - 1] or [0]
        if not self.table.endswith(".csv"):
            for place in places:
                rows[place] = dict.fromkeys(rows[place]) if export.form == "database" else _emptied(rows[place])
            export.put(self.table, rows)
            return
        path, encoding = export.path(self.table), export.encoding(self.table)
        lines = path.read_bytes().decode(encoding).split("\r\n")
        for place in places:
            line = lines[place + 1]
            lines[place + 1] = {
                "emptied": "," * (len(rows[0]) - 1),
                "short": line.rpartition(",")[0],
                "long": f"{line},",
            }[self.damage]
        path.write_bytes("\r\n".join(lines).encode(encoding))


def _emptied(row: Row) -> Row:
    resource = row.get("resource")
    if resource is None:
        return {"resourceType": row["resourceType"]} if "resourceType" in row else {}
    return {"fullUrl": row["fullUrl"], "resource": {"resourceType": resource["resourceType"], "id": "emptied"}}


@dataclass(frozen=True)
class FileFault:
    """A file, table or column is broken as a whole."""

    table: str
    damage: str
    at: float

    def apply(self, export: Export) -> None:
        """Do it."""
        _FILE_FAULTS[self.damage](export, self.table, self.at)


Fault = CellFault | RowFault | FileFault


def chosen(count: int, share: str, at: float) -> list[int]:
    """Places of the rows of one share."""
    many = {"one": 1, "two": 2, "half": (count + 1) // 2, "all": count}[share]
    start = int(at * count)
    return sorted({(start + step) % count for step in range(min(many, count))})


def _cut(export: Export, table: str, at: float) -> None:
    """The file ends within a row, or within a document."""
    path = export.path(table)
    content = path.read_bytes()
    if not table.endswith(".csv"):
        line_ends = {place for place, byte in enumerate(content) if byte == ord("\n")}
        place = 1 + int(at * (len(content) - 3))
        # Behind a line's end, or behind its whole object, a JSON lines file is whole.
        while {place, place - 1, place - 2} & line_ends:
            place += 1
        path.write_bytes(content[: min(place, len(content) - 3)])
        return
    encoding = export.encoding(table)
    lines = content.decode(encoding).split("\r\n")[:-1]
    place = 1 + int(at * (len(lines) - 1))
    cells = next(csv.reader([lines[place]]))
    kept = ",".join(cells[: 1 + int(at * 97) % (len(cells) - 1)]).replace('"', "")
    path.write_bytes("\r\n".join([*lines[:place], kept]).encode(encoding))


def _quote(export: Export, table: str, at: float) -> None:
    """A quotation begins that nobody ends."""
    path, encoding = export.path(table), export.encoding(table)
    lines = path.read_bytes().decode(encoding).split("\r\n")
    rows = len(lines) - 2
    place = 1 + int(at * rows)
    cells = lines[place].split(",")
    which = next(
        (
            number
            for number, text in enumerate(cells)
            if text and not text.startswith('"') and number % 3 == int(at * 3)
        ),
        0,
    )
    cells[which] = f'"{cells[which]}'
    lines[place] = ",".join(cells)
    path.write_bytes("\r\n".join(lines).encode(encoding))


def _reencode(export: Export, table: str, at: float) -> None:
    path, encoding = export.path(table), export.encoding(table)
    others = ["utf-16", "utf-8" if encoding == "cp1252" else "cp1252"]
    text = path.read_bytes().decode(encoding)
    path.write_bytes(text.encode(others[int(at * 2)] if not text.isascii() else "utf-16"))


def _rename_column(export: Export, table: str, at: float) -> None:
    _change_header(export, table, at, lambda name: f"{name} (new)")


def _drop_column(export: Export, table: str, at: float) -> None:
    _change_header(export, table, at, None)


def _change_header(export: Export, table: str, at: float, rename: Callable[[str], str] | None) -> None:
    columns = export.source.columns[table]
    path = [*columns.values()][int(at * len(columns))]
    if export.form == "database":
        with sqlite3.connect(export.path(table)) as connection:
            if rename is None:
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {path}")
            else:
                connection.execute(f"ALTER TABLE {table} RENAME COLUMN {path} TO {path}_new")
        connection.close()
        return
    rows = export.rows(table)
    if not table.endswith(".csv"):
        for row in rows:
            *before, last = steps(path)
            holder: Any = cell(row, tuple(before))
            if isinstance(holder, dict) and last in holder:
                value = holder.pop(last)
                if rename is not None:
                    holder[rename(str(last))] = value
        export.put(table, rows)
        return
    names = {name: rename(name) if rename else "" for name in export.header(table) if name == path}
    header = [names.get(name, name) for name in export.header(table)]
    kept = [name for name in header if name]
    with export.path(table).open("w", encoding=export.encoding(table), newline="") as opened:
        writer = csv.writer(opened, lineterminator="\r\n")
        writer.writerow(kept)
        old = {new: name for name, new in names.items()}
        writer.writerows([row[old.get(name, name)] for name in kept] for row in rows)


def _no_rows(export: Export, table: str, _: float) -> None:
    export.put(table, [])


def _zero_bytes(export: Export, table: str, _: float) -> None:
    export.path(table).write_bytes(b"")


def _removed(export: Export, table: str, _: float) -> None:
    if export.form == "database":
        with sqlite3.connect(export.path(table)) as connection:
            connection.execute(f"DROP TABLE {table}")
        connection.close()
    else:
        export.path(table).unlink()


def _unfinished(export: Export, table: str, _: float) -> None:
    path = export.path(table)
    path.rename(path.with_name(f"{path.name}.part"))


def _paged(export: Export, table: str, at: float) -> None:
    path = export.path(table)
    bundle = json.loads(path.read_text())
    entries = bundle["entry"]
    page = entries[: 1 + int(at * (len(entries) - 1))]
    more: list[dict[str, Any]] = [
        {"link": [{"relation": "next", "url": "https://x/?page=2"}]},
        {"total": len(page) + 1},
    ]
    path.write_text(json.dumps({**bundle, "type": "searchset", **more[int(at * 2)], "entry": page}))


def _outcome(export: Export, table: str, at: float) -> None:
    issue = {"severity": ["error", "fatal"][int(at * 2)], "code": "timeout"}
    failed = {"resourceType": "OperationOutcome", "issue": [issue]}
    path = export.path(table)
    if export.form == "files":
        path.write_text(path.read_text() + json.dumps(failed) + "\n")
        return
    bundle = json.loads(path.read_text())
    entries = bundle["entry"][: int(at * len(bundle["entry"]))]
    path.write_text(json.dumps({**bundle, "entry": [*entries, {"resource": failed}]}))


def _no_object(export: Export, table: str, at: float) -> None:
    """A row is no object, or no JSON."""
    path = export.path(table)
    if export.form == "files" and not table.endswith(".json"):
        lines = path.read_text().splitlines(keepends=True)
        place = int(at * len(lines))
        lines[place] = lines[place][: len(lines[place]) // 2] + "\n"
        path.write_text("".join(lines))
        return
    rows: list[Any] = list(export.rows(table))
    rows[int(at * len(rows))] = {"resource": None} if export.form == "bundle" else "see paper file"
    if export.form == "bundle":
        bundle = json.loads(path.read_text())
        others = [item for item in bundle["entry"] if item["resource"]["resourceType"] != table]
        path.write_text(json.dumps({**bundle, "entry": [*others, *rows]}))
    else:
        path.write_text(json.dumps({"incidents": rows}))


def _garbage(export: Export, table: str, at: float) -> None:
    """The middle of a file is overwritten."""
    path = export.path(table)
    content = path.read_bytes()
    start = int(at * len(content) / 2)
    path.write_bytes(content[:start] + bytes(len(content) - start))


_FILE_FAULTS: Final[dict[str, Callable[[Export, str, float], None]]] = {
    "cut": _cut,
    "quote": _quote,
    "reencode": _reencode,
    "rename column": _rename_column,
    "drop column": _drop_column,
    "no rows": _no_rows,
    "zero bytes": _zero_bytes,
    "removed": _removed,
    "unfinished": _unfinished,
    "paged": _paged,
    "outcome": _outcome,
    "no object": _no_object,
    "garbage": _garbage,
}


def _file_damages(source: Shipped, table: str) -> list[str]:
    if table.startswith(("ssd_", "local_")):
        return ["rename column", "drop column", "no rows", "removed", "garbage", "zero bytes"]
    common = ["cut", "zero bytes", "removed", "garbage", "rename column", "drop column", "no rows", "no object"]
    if table.endswith(".csv"):
        return [*common[:-1], "quote", "reencode", "unfinished"]
    if source.mapping != "health-fhir-r4":
        return [*common, "unfinished", "reencode"]
    return [*common, "outcome", "unfinished" if table.endswith(".ndjson") else "paged"]


def _cell_damages(source: Shipped, table: str, role: str) -> list[str]:
    if role == "text":
        return []
    if role.endswith("?") or role in {"handling", "amount"}:
        return ["garbled"]
    # Where a row of children names another number or key, two children stand under one. A record's is the record's.
    copied = table in source.children and role in {"key", "number"} and source.columns[table].keys() >= {"key"}
    return ["garbled", "emptied", "null", *(["copied"] if copied else [])]


@dataclass(frozen=True)
class Edit:
    """What an agency now says otherwise. Nobody can tell by the export that it ever said anything else.

    Attributes:
        change: As `Change` names it.
    """

    table: str
    what: str
    at: float

    def apply(self, export: Export) -> str:
        """Do it; whom it is about, empty where there was nothing to do."""
        return _EDITS[self.what](export, self.table, self.at)


def _row_gone(export: Export, table: str, at: float) -> str:
    rows = export.rows(table)
    gone = rows.pop(int(at * len(rows)))
    export.put(table, rows)
    return export.owner(table, gone)


def _row_added(export: Export, table: str, at: float) -> str:
    rows, ref = export.rows(table), steps(export.source.columns[table]["ref"])
    new = json.loads(json.dumps(rows[int(at * len(rows))]))
    set_cell(new, ref, f"{cell(new, ref)}-9")
    if "fullUrl" in new:
        new["fullUrl"] += "-9"
    export.put(table, [*rows, new])
    return export.owner(table, new)


def _date_moved(export: Export, table: str, at: float) -> str:
    """To an earlier date of another row, so that nothing ends before it begins; nothing to do for the earliest."""
    rows, path = export.rows(table), steps(export.source.columns[table]["date"])
    row = rows[int(at * len(rows))]
    own = _day(cell(row, path))
    other = next((date for date in (cell(each, path) for each in rows) if date and own and _day(date) < own), None)
    if other is None:
        return ""
    set_cell(row, path, other)
    export.put(table, rows)
    return export.owner(table, row)


def _day(text: Any) -> str:
    """A date as an export writes it, in an order that can be compared; empty for none."""
    written = re.match(r"(\d{2})/(\d{2})/(\d{4})", str(text or ""))
    return "-".join(reversed(written.groups())) if written else str(text or "")[:10]


def _flag_blanked(export: Export, table: str, at: float) -> str:
    rows, path = export.rows(table), steps(export.source.columns[table]["flags"])
    flagged = [place for place, row in enumerate(rows) if cell(row, path)]
    place = flagged[int(at * len(flagged))]
    about = export.owner(table, rows[place])
    if table in export.source.children:
        set_cell(rows[place], path, [] if isinstance(cell(rows[place], path), list) else "")
    else:
        del rows[place]
    export.put(table, rows)
    return about


def _child_gone(export: Export, table: str, at: float) -> str:
    columns = export.source.columns[table]
    rows = export.rows(table)
    row = rows[int(at * len(rows))]
    about = export.owner(table, row)
    export.drop_child(str(cell(row, steps(columns.get("key") or columns["number"]))))
    return about


def _child_added(export: Export, table: str, at: float) -> str:
    columns, rows = export.source.columns[table], export.rows(table)
    new = json.loads(json.dumps(rows[int(at * len(rows))]))
    for role, value in (("key", "new"), ("ref", "new"), ("number", STRANGER)):
        if role in columns:
            set_cell(new, steps(columns[role]), value)
    if "fullUrl" in new:
        new["fullUrl"] = new["fullUrl"].rpartition("/")[0] + "/new"
    export.put(table, [*rows, new])
    return STRANGER


def _most_gone(export: Export, table: str, at: float) -> str:
    rows = export.rows(table)
    gone = set(chosen(len(rows), "half", at)) | set(chosen(len(rows), "two", (at + 0.5) % 1))
    export.put(table, [row for place, row in enumerate(rows) if place not in gone])
    return ""


_EDITS: Final[dict[str, Callable[[Export, str, float], str]]] = {
    "row gone": _row_gone,
    "row added": _row_added,
    "date moved": _date_moved,
    "flag blanked": _flag_blanked,
    "child gone": _child_gone,
    "child added": _child_added,
    "most gone": _most_gone,
}


def edits(source: Shipped) -> st.SearchStrategy[Edit]:
    """Everything that is honestly edited."""
    at = st.floats(0, 1, exclude_max=True)
    found = []
    for table, roles in source.columns.items():
        if table in source.children[:1]:
            found += [(table, what) for what in ("child gone", "child added", "most gone")]
        elif "ref" in roles:
            found += [(table, what) for what in ("row gone", "row added", "most gone")]
            found += [(table, "date moved")] if "date" in roles else []
        if "flags" in roles and (table in source.children or "ref" not in roles):
            found.append((table, "flag blanked"))
    return st.one_of([st.builds(Edit, st.just(table), st.just(what), at) for table, what in found])


@st.composite
def faults(draw: st.DrawFn, source: Shipped) -> Fault:
    """Everything that can be noticed, half of it in cells, most of that in a row or two."""
    kind, at = draw(st.sampled_from(["cell", "cell", "row", "file"])), draw(st.floats(0, 1, exclude_max=True))
    if kind == "file":
        return FileFault(*draw(st.sampled_from(_broken_files(source))), at)
    share = draw(st.sampled_from(_SHARES))
    if kind == "row":
        return RowFault(*draw(st.sampled_from(_broken_rows(source))), share, at)
    return CellFault(*draw(st.sampled_from(_broken_cells(source))), share, at)


def _broken_cells(source: Shipped) -> list[tuple[str, str, str]]:
    return [
        (table, role, damage)
        for table, roles in source.columns.items()
        for role in roles
        for damage in _cell_damages(source, table, role)
    ]


def _broken_rows(source: Shipped) -> list[tuple[str, str]]:
    kinds = {
        table: ("emptied", "short", "long") if table.endswith(".csv") else ("emptied",) for table in source.columns
    }
    return [(table, damage) for table, damages in kinds.items() for damage in damages]


def _broken_files(source: Shipped) -> list[tuple[str, str]]:
    return [(table, damage) for table in source.columns for damage in _file_damages(source, table)]
