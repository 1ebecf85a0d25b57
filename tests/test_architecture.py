"""The house's own rules, held by the code itself: purity, sizes, suppressions, package files, no machine's traces."""

import ast
import json
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("agency_node", "bench", "federation", "gateway", "keys", "sandbox", "trustee", "wardgate")

FOREIGN = ("grpc", "grpc_health", "sqlalchemy", "sqlmodel", "aiohttp", "aiosqlite", "asyncpg", "requests", "alembic")
"""Libraries that reach a network or a database. `keys` has a stricter test of its own."""

PURE_WITHOUT_SAYING_SO = {
    "agency_node.answering.departure",
    "agency_node.asking.reference",
    "federation.admission",
    "federation.answer",
    "federation.canonical",
    "federation.document",
    "federation.errors",
    "federation.events",
    "federation.exit_codes",
    "federation.ledger.entry",
    "federation.limits",
    "federation.query",
    "federation.vocabulary",
    "trustee.epochs",
}
"""Modules that others rely on to be free of I/O though their first lines are about something else."""

NAME_STORE_TYPES = {
    "agency_node.answering.evidence",
    "agency_node.inbox.opinion",
    "agency_node.inbox.referral",
    "agency_node.inbox.shown",
}
"""Pure functions over row types of the store: they load its library and call nothing of it."""

CLAIM = re.compile(r"\bPure(?=[.:;])|\b[Nn]o I/O[.;]|\bwithout I/O\b")


def modules(*packages: str) -> Iterator[Path]:
    """Hand-written modules: not generated code, not migrations."""
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            if not {"wire", "migrations"} & set(path.parts):
                yield path


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def claimed_pure() -> set[str]:
    """Modules that say so; measuring needs no such promise, and `keys` has a stricter one."""
    packages = [package for package in PACKAGES if package not in {"bench", "keys"}]
    return {dotted(path) for path in modules(*packages) if CLAIM.search(docstring(path))}


def loaded_by(names: list[str]) -> dict[str, list[str]]:
    """The foreign libraries that each module is the first to load, in one fresh interpreter."""
    program = (
        "import importlib, json, sys\n"
        f"foreign, found = set({FOREIGN!r}), {{}}\n"
        f"for name in {names!r}:\n"
        "    before = foreign & sys.modules.keys()\n"
        "    importlib.import_module(name)\n"
        "    found[name] = sorted((foreign & sys.modules.keys()) - before)\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, list[str]] = json.loads(done.stdout)
    return result


def test_pure_modules_load_neither_network_nor_database() -> None:
    names = sorted((claimed_pure() | PURE_WITHOUT_SAYING_SO) - NAME_STORE_TYPES)

    assert {name: loaded for name, loaded in loaded_by(names).items() if loaded} == {}


def test_the_look_at_what_is_loaded_sees_what_is_loaded() -> None:
    assert loaded_by(["federation.store"])["federation.store"] != []


@pytest.mark.parametrize("name", sorted(NAME_STORE_TYPES))
def test_an_exception_to_purity_is_still_needed(name: str) -> None:
    assert loaded_by([name])[name] != []


def test_modules_that_must_be_pure_are_among_those_looked_at() -> None:
    assert {
        "agency_node.asking.composing",
        "agency_node.answering.disclosure",
        "agency_node.asking.picture",
        "agency_node.asking.question",
        "agency_node.caseload.records",
        "agency_node.answering.task",
        "federation.batch",
        "federation.directory",
        "federation.following.follower",
        "federation.register",
        "federation.seen",
        "federation.ledger.checkpoint",
        "federation.ledger.tree",
        "federation.ledger.witness",
        "gateway.admission",
        "trustee.quotas",
    } <= claimed_pure()


def test_a_package_file_holds_a_docstring_and_nothing_else() -> None:
    for path in (path for package in PACKAGES for path in sorted((ROOT / package).rglob("__init__.py"))):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert len(body) == 1, path
        assert ast.get_docstring(ast.Module(body=body, type_ignores=[])), path


def test_modules_are_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules(*PACKAGES)}
    long = {dotted(path): length for path, length in lengths.items() if length > 500}

    assert median(lengths.values()) < 200
    assert long == {}


def comments(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.string


def test_no_service_takes_a_decision_that_nobody_made_for_a_denial() -> None:
    """Whoever asks policy asks whether it decided at all."""
    asks = re.compile(r"\.decide\(\s*EntryPoint\.")
    sources = {dotted(path): path.read_text(encoding="utf-8") for path in modules("gateway", "agency_node", "trustee")}
    asking = {name for name, text in sources.items() if asks.search(text)}

    assert "gateway.admitting" in asking
    assert sorted(name for name in asking if ".decided()" not in sources[name]) == []


NOQA = re.compile(r"noqa: [A-Z]+[0-9]+(?:, ?[A-Z]+[0-9]+)*(?: - | +# )\S")
IGNORE = re.compile(r"type: ignore\[[a-z-]+(?:, ?[a-z-]+)*\] +(?:# |- )\S")


def test_every_suppression_names_its_rule_and_its_reason() -> None:
    bare = [
        f"{dotted(path)}: {comment}"
        for path in modules(*PACKAGES, "tools")
        for comment in comments(path)
        if ("noqa" in comment and not NOQA.search(comment))
        or ("type: ignore" in comment and not IGNORE.search(comment))
    ]

    assert bare == []


def test_no_function_is_let_off_the_limit_on_its_paths() -> None:
    looked_at = modules(*PACKAGES, "tools", "tests")

    assert [dotted(path) for path in looked_at if re.search(r"C90[1]", path.read_text(encoding="utf-8"))] == []


UNTRACKED = {".git", "node_modules", "__pycache__", "dist", "build"}


def ignored() -> set[str]:
    """Folders that `.gitignore` names, at any depth."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    return UNTRACKED | {line.strip("/") for line in lines if line.endswith("/") and "*" not in line and "!" not in line}


def text_files() -> Iterator[tuple[Path, str]]:
    skipped = ignored() - {"dist"}
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT).parts
        if skipped.isdisjoint(inside) and not any(part.endswith(".egg-info") for part in inside) and path.is_file():
            try:
                yield path, path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


MACHINE_PATH = re.compile(r"(?<![\w.$}{/-])/(?:work|root|Users|home)/[A-Za-z]")
REGISTRY = re.compile(r"py" + r"pi\.org|pythonhosted|npm" + r"js\.(?:org|com)|proxy\.golang|index-url|\"resolved\"")


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    found = [str(path.relative_to(ROOT)) for path, text in text_files() if MACHINE_PATH.search(text)]

    assert found == []


def test_locked_requirements_name_no_registry_and_every_hash() -> None:
    locks = [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "tools/buf/package-lock.json"]

    assert len(locks) == 4
    assert [path.name for path in locks if REGISTRY.search(path.read_text(encoding="utf-8"))] == []
    for path in locks[:-1]:
        wanted = re.findall(r"^[a-z][\w.-]*(?:\[[\w,-]+\])?==\S+.*\\$", path.read_text(encoding="utf-8"), re.MULTILINE)
        hashed = re.findall(r"\\\n    --hash=sha256:[0-9a-f]{64}", path.read_text(encoding="utf-8"))
        assert len(wanted) > 5
        assert len(hashed) >= len(wanted)


def _reads_outside(path: Path) -> list[int]:
    """Lines at which a service opens a connection to its store with nothing around it that names the failure."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.AsyncWith):
            calls = [ast.unparse(item.context_expr) for item in node.items]
            opens = any(re.search(r"(engine|reading|reader)\)?\.connect\(\)$", call) for call in calls)
            if opens and not any(call.startswith("store_errors(") for call in calls):
                found.append(node.lineno)
    return found


@pytest.mark.parametrize("package", ["agency_node", "federation", "gateway", "trustee"])
def test_every_read_of_a_store_names_its_failure(package: str) -> None:
    outside = {dotted(path): lines for path in modules(package) if (lines := _reads_outside(path))}
    assert outside == {}


def test_a_read_outside_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "async def f(self):\n    async with self._engine.connect() as c:\n        pass\n"
        "    async with store_errors('x'), reading(engine).connect() as c:\n        pass\n"
        "    async with reading(engine).connect() as c:\n        pass\n"
    )
    assert _reads_outside(path) == [2, 6]


def test_what_the_person_who_asked_is_told_is_made_in_one_place() -> None:
    """Next to the types, whose constructors nobody else calls: what is meant for auditors is left out there."""
    made = {"ReasonGiven", "ObligationGiven"}
    calls = {
        dotted(path)
        for path in modules(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in made
    }
    assert calls == {"federation.admission"}
