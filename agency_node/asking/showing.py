"""A picture for a person at a terminal: what is known, by whom, and what is missing."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from federation.canonical import JsonObject
from federation.errors import ErrorCode

_WORDS: Final[Mapping[str, str]] = {
    "records": "holds records",
    "nothing_held": "nothing held",
    "refused": "refused",
    "undecided": "nobody decided in time: ring",
    "error": "source failed",
}
_STATES: Final[Mapping[str, str]] = {
    "not_permitted": "not permitted to be asked",
    "waiting": "not answered yet",
    "delivered": "working on it",
    "referred": "referred to a human",
    "expired": "did not answer in time",
    "unreachable": "unreachable",
    "cancelled": "cancelled",
    "answered": "answered",
    "rejected": "could not use the question: ring",
    "undecided": "nobody decided in time: ring",
}


def show_picture(picture: JsonObject, console: Console | None = None) -> None:
    """Print a picture.

    Args:
        picture: As `agency_node.asking.picture.build_picture` made it.
        console: Where to; standard output when it is left out.
    """
    out = console or Console()
    out.print(Panel(_headline(picture), title=f"query {picture['reference']}", expand=False))
    for reason in picture["reasons"]:
        out.print(f"  {escape(reason['code'])}: {escape(reason['text'])}")
    for obligation in picture["obligations"]:
        out.print(f"  [bold]to do[/bold] {escape(obligation['id'])}")
    if picture["targets"]:
        out.print(_targets(picture))
    _show_cautions(picture, out)
    if picture["chronology"]:
        _show_chronology(picture, out)
    for target in picture["targets"]:
        for line in ((target["answer"] or {}).get("context_note") or "").splitlines():
            out.print(f"[dim]{escape(target['name'])}: {escape(line)}[/dim]")
    for warning in picture["warnings"]:
        out.print(f"[bold yellow]{escape(warning)}[/bold yellow]")


def _headline(picture: JsonObject) -> str:
    asked = datetime.fromtimestamp(picture["asked_at"], UTC).astimezone().strftime("%d %b %Y %H:%M:%S")
    missing = ", ".join(picture["missing"])
    lines = [
        f"purpose {picture['purpose']}   asked {asked}",
        f"effect  {picture['effect']}",
        f"picture {picture['completeness'].replace('_', ' ')}" + (f": no answer from {missing}" if missing else ""),
    ]
    return escape("\n".join(lines))


def _targets(picture: JsonObject) -> Table:
    table = Table("agency", "state", "what it says", "why", title="who was asked")
    for target in picture["targets"]:
        answer = target["answer"] or {}
        said = _WORDS.get(target["outcome"] or "", "")
        if answer.get("records"):
            said = "; ".join(_pointer(record) for record in answer["records"])
            if answer["undecided"]:
                said += "; more that a person there has not decided: ring, and ask again"
        reasons = [*target["reasons"], *answer.get("reasons", [])]
        state = _STATES.get(target["state"], target["state"]) + (" (late)" if target["late"] else "")
        if target["fault"] == ErrorCode.CLOCK_DIFFERS:
            state += ", its clock is wrong"
        elif target["fault"]:
            state, said = f"answer rejected: {target['fault']}", ""
        table.add_row(
            escape(target["name"]), escape(state), escape(said), escape(", ".join(item["code"] for item in reasons))
        )
    return table


def _show_cautions(picture: JsonObject, out: Console) -> None:
    """What to do at once, by whose word, and what the picture does not mean."""
    for target in picture["targets"]:
        for line in _notices(target):
            out.print(f"[bold red]{escape(line)}[/bold red]")
    for caution in picture["cautions"]:
        out.print(escape(caution))


def _notices(target: Mapping[str, Any]) -> Iterator[str]:
    """What an agency's answer tells the reader to do at once, and whom to ring there."""
    answer = target["answer"] or {}
    contact = answer.get("contact")
    ring = f" {contact['name']}: {contact['phone']}" if contact else ""
    for obligation in answer.get("obligations", []):
        if obligation["type"] == "notice":
            yield f"{target['name']}: {obligation['text'] or obligation['id'] + '.'}{ring}"


def _pointer(record: Mapping[str, Any]) -> str:
    if record["tier"] == "T0":
        return f"{record['title'] or record['category']}: known"
    return f"{record['category']}: {record['type']} {record['date']}"


def _show_chronology(picture: JsonObject, out: Console) -> None:
    out.print("[bold]chronology[/bold], oldest first; each line says who says so and what kind of claim it is")
    for event in picture["chronology"]:
        code = f", handling code {event['handling_code']}" if event["handling_code"] else ""
        claim = event["assertion"].replace("_", " ")
        out.print(
            f"  {event['date']}  [bold]{escape(event['category'])}[/bold]  {escape(event['agency'])}  ({claim}{code})"
        )
        for name, value in sorted(event["fields"].items()):
            out.print(f"      {escape(name)}: {escape(str(value))}")
