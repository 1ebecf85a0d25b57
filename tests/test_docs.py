"""The documentation is held to the code: nothing closed is missing from it, and nothing it names is made up."""

import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from agency_node.settings import NodeSettings
from federation import limits
from federation.errors import ErrorCode
from federation.events import Event
from federation.exit_codes import MEANINGS, ExitCode
from federation.ledger.entry import EntryKind
from federation.settings import ServiceSettings, describe
from federation.transport.methods import CALLERS
from gateway.operating import OperatorSettings
from gateway.settings import GatewaySettings
from tools.docs_reference import COMING, EARLIER, ENTRIES, PACKAGES, WRITERS, modules_of, written_kinds
from tools.generate_docs import DOCS, pages, stale
from trustee.settings import TrusteeSettings
from wardgate.cli import SUB_COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), ROOT / "policies" / "README.md"])
HAND_WRITTEN = [path for path in PAGES if "<!-- Generated" not in path.read_text(encoding="utf-8")]


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def first_cells(text: str) -> list[str]:
    """What stands in the first column of every table, in backquotes."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


# -- what is generated is current and complete -------------------------------------------------------------------------


def test_generated_pages_are_current() -> None:
    assert stale() == []


def test_a_stale_a_missing_and_a_surplus_page_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in pages().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr("tools.generate_docs.DOCS", tmp_path)
    assert stale() == []

    (tmp_path / "events.md").write_text("changed", encoding="utf-8")
    (tmp_path / "errors" / "REPLAYED.md").unlink()
    (tmp_path / "errors" / "NO_SUCH_CODE.md").write_text("surplus", encoding="utf-8")

    assert stale() == ["errors/NO_SUCH_CODE.md", "errors/REPLAYED.md", "events.md"]


def test_every_error_has_a_page_and_every_page_an_error() -> None:
    assert {path.stem for path in (DOCS / "errors").glob("*.md")} == {*ErrorCode.__members__, "README"}
    assert set(re.findall(r"\[([A-Z_]+)\]\(\1\.md\)", text_of("errors/README.md"))) == set(ErrorCode.__members__)


def test_every_exit_code_is_explained() -> None:
    rows = re.findall(r"^\| (\d+) \| `([A-Z_]+)` \| (.+?) \|", text_of("exit-codes.md"), re.MULTILINE)

    assert {(int(code), name) for code, name, _ in rows} == {(code.value, code.name) for code in ExitCode}
    assert {text for _, _, text in rows} == set(MEANINGS.values())


def test_every_event_has_a_row() -> None:
    assert sorted(first_cells(text_of("events.md"))) == sorted(event.value for event in Event)


def test_every_kind_of_ledger_entry_has_a_row_and_a_text() -> None:
    assert first_cells(text_of("ledger-entries.md")) == [kind.value for kind in EntryKind]
    assert set(ENTRIES) == set(EntryKind)


def test_who_writes_an_entry_is_read_from_the_code() -> None:
    written = written_kinds(ROOT)

    assert EntryKind.QUERY_ADMITTED in written["gateway"]
    assert EntryKind.QUERY_ADMITTED not in written["agency_node"]
    assert EntryKind.DIRECTORY_PUBLISHED not in written["trustee"], "comparing with a kind is not writing one"


def test_every_kind_is_written_by_some_code_or_named_as_coming() -> None:
    written = set().union(*(kinds for package, kinds in written_kinds(ROOT).items() if package in WRITERS))

    assert written | set(COMING) | EARLIER == set(EntryKind)
    assert written & (set(COMING) | EARLIER) == set()


@pytest.mark.parametrize("settings", [GatewaySettings, TrusteeSettings, NodeSettings, OperatorSettings])
def test_every_setting_has_a_row(settings: type[ServiceSettings]) -> None:
    rows = re.findall(r"^\| `([^`]+)` \| `(WARDGATE_[A-Z_]+)` \|", text_of("configuration.md"), re.MULTILINE)
    prefix = str(settings.model_config.get("env_prefix"))
    found = {key for key, variable in rows if variable.startswith(prefix)}

    assert found == {row.key for row in describe(settings)}


def test_every_limit_has_a_row_with_its_reason() -> None:
    rows = re.findall(r"^\| `(MAX_[A-Z_]+)` \| ([\d,]+) \| (\S.*) \|$", text_of("configuration.md"), re.MULTILINE)

    assert {name: int(value.replace(",", "")) for name, value, _ in rows} == {
        name: value for name, value in vars(limits).items() if name.startswith("MAX_")
    }


def test_every_method_has_a_row() -> None:
    assert set(first_cells(text_of("methods.md"))) == {method for table in CALLERS.values() for method in table}


def test_every_module_has_a_row_with_what_it_is() -> None:
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.*) \|$", text_of("modules.md"), re.MULTILINE))

    assert set(rows) == {name for package in PACKAGES for name, _ in modules_of(ROOT, package)}
    assert [name for name, text in rows.items() if not text] == []


def test_every_package_stands_in_the_architecture() -> None:
    table = text_of("architecture.md").partition("## Packages and layers")[2].partition("\n## ")[0]

    assert set(first_cells(table)) == {*PACKAGES, "policies"}


# -- what is written by hand names what exists -------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def documents_named_by_code() -> Iterator[str]:
    for package in (*PACKAGES, "tools", "policies"):
        for path in (ROOT / package).rglob("*.py"):
            yield from re.findall(r"\bdocs/[\w./-]+\.md\b", path.read_text(encoding="utf-8"))


def test_pages_that_the_code_points_to_exist() -> None:
    assert sorted(name for name in set(documents_named_by_code()) if not (ROOT / name).is_file()) == []


PYTHON = "keys|federation|trustee|gateway|agency_node|sandbox|bench"
SYMBOL = re.compile(rf"`((?:{PYTHON})(?:\.(?!(?:pub|pem|db|toml)`)\w+)+)`")


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_symbols_exist(path: Path) -> None:
    for name in SYMBOL.findall(path.read_text(encoding="utf-8")):
        assert resolves(name), name


@cache
def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or something inside one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if is_module(".".join(parts[:length])):
            found: object = importlib.import_module(".".join(parts[:length]))
            for part in parts[length:]:
                if not hasattr(found, part):
                    return False
                found = getattr(found, part)
            return True
    return False


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_a_symbol_that_is_not_there_does_not_resolve() -> None:
    assert resolves("gateway.exchange.Exchange.ask")
    assert resolves("federation.limits")
    assert not resolves("gateway.exchange.Exchange.tell")
    assert not resolves("gateway.exchanges")


def test_the_way_of_a_query_is_told_through_many_symbols() -> None:
    assert len(set(SYMBOL.findall(text_of("request-flow.md")))) > 40


def named_tests() -> list[str]:
    pattern = re.compile(r"`(tests/[\w/]+\.py(?:::\w+)?)`")
    return sorted({name for path in HAND_WRITTEN for name in pattern.findall(path.read_text(encoding="utf-8"))})


@pytest.mark.parametrize("name", named_tests())
def test_tests_that_are_named_exist(name: str) -> None:
    file, _, function = name.partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")

    assert not function or re.search(rf"def {function}\(", text)


def test_every_promise_names_a_test_or_stands_among_those_not_yet_attacked() -> None:
    text = text_of("threat-model.md")
    promises = text.partition("## Promises")[2].partition("### Not yet attacked")[0]
    rows = [row for row in promises.splitlines() if row.startswith("| **")]

    assert {int(number) for row in rows for number in re.findall(r"^\| \*\*(\d+)", row)} == set(range(1, 17))
    assert [row[:60] for row in rows if "`tests/" not in row] == []


# -- commands ----------------------------------------------------------------------------------------------------------


def commands_shown() -> Iterator[tuple[str, str]]:
    """Every `wardgate` command of the hand-written pages, with the page it stands on."""
    for path in HAND_WRITTEN:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        lines = [line.strip().partition("  #")[0] for block in blocks for line in block.splitlines()]
        inline = re.findall(r"`(wardgate [a-z][^`]*)`", text)
        for line in [*lines, *inline]:
            found = re.match(r"(?:\.venv/bin/)?wardgate ((?:[a-z]\S*) .*|[a-z]\S*)$", line.strip())
            if found:
                yield str(path.relative_to(ROOT)), found[1]


@cache
def command_tree(name: str) -> Any:
    module, attribute = SUB_COMMANDS[name]
    return typer.main.get_command(getattr(importlib.import_module(module), attribute))


def check(line: str) -> None:
    """Refuse a command line whose sub-commands or options do not exist."""
    words = re.findall(r'"[^"]*"|\S+', line)
    assert words[0] in SUB_COMMANDS, line
    command = command_tree(words.pop(0))
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        word = words.pop(0)
        if "…" in word or "|" in word:
            return
        assert word in command.commands, line
        command = command.commands[word]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    given = {word for word in words if word.startswith("--")}
    assert given <= options, f"{line}: {sorted(given - options)}"


@pytest.mark.parametrize("line", sorted({line for _, line in commands_shown()}))
def test_commands_and_options_exist(line: str) -> None:
    services, _, rest = line.partition(" ")
    for service in services.split("|"):
        check(f"{service} {rest}")


def test_a_command_that_is_not_there_is_noticed() -> None:
    check('node ask --user m.example --child "999 000 0018"')
    for wrong in ("node asks", "node ask --users m.example", "nodes ask"):
        with pytest.raises(AssertionError):
            check(wrong)


def test_many_commands_are_shown() -> None:
    assert len(set(commands_shown())) > 25


def test_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    texts = [path.read_text(encoding="utf-8") for path in HAND_WRITTEN]
    named = {name for text in texts for name in re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", text, re.MULTILINE)}
    named = {one or other for one, other in named}

    assert named <= targets
    assert {"check", "test", "demo", "policies", "bench", "docs", "clean"} <= set(
        re.findall(r"^([a-z-]+):[^\n]*## ", makefile, re.MULTILINE)
    )


def test_what_ci_runs_is_what_contributors_run() -> None:
    assert "exec make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
