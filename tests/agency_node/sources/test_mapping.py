import contextlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agency_node.sources.mapping import FilesMapping, parse_mapping
from federation.errors import ErrorCode, WardgateError

GOOD = """
format = 1
title = "Pupils"
kind = "files"

[datasets.pupils]
file = "pupils.csv"

[[children]]
dataset = "pupils"
key = "UPN"
nhs_number = "NHS Number"

[[records]]
dataset = "pupils"
category = "enrolment"
type = "on_roll"
child = { key = "UPN" }
ref = "UPN"
date = { column = "Start", formats = ["%d/%m/%Y"] }
texts = ["year_group"]
flags = ["SENSITIVE_ADDRESS", { column = "Marks", split = ";", values = { S = "SENSITIVE_ADDRESS" } }]
[records.fields]
start_date = { column = "Start", type = "date", formats = ["%d/%m/%Y"] }
"""

SQL = """
format = 1
title = "A database"
kind = "sql"

[datasets.persons]
query = "SELECT 1"

[[children]]
dataset = "persons"
nhs_number = "nhs"
"""


def refusal(text: str) -> str:
    with pytest.raises(WardgateError) as refused:
        parse_mapping(text.encode(), name="m.toml")
    assert refused.value.code is ErrorCode.MAPPING_INVALID
    return refused.value.detail


def test_a_good_mapping_is_read() -> None:
    found = parse_mapping(GOOD.encode(), name="m.toml")
    assert isinstance(found, FilesMapping)
    assert found.columns_of("pupils") == {"UPN", "NHS Number", "Start", "year_group", "Marks"}


def test_a_column_that_stands_in_for_a_date_must_be_there_too() -> None:
    changed = GOOD.replace('date = { column = "Start",', 'date = { column = "Start", fallback = ["Seen"],')
    assert "Seen" in parse_mapping(changed.encode(), name="m.toml").columns_of("pupils")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('ref = "UPN"\n', 'ref = "UPN"\nflag = ["X"]\n', "records[0] (enrolment) flag"),
        ('ref = "UPN"\n', "", "records[0] (enrolment) ref"),
        ('ref = "UPN"\n', "ref = []\n", "records[0] (enrolment) ref"),
        ('type = "on_roll"', 'type = "on roll"', "type is up to 64"),
        ('"%d/%m/%Y"] }\ntexts', '"%d/%m"] }\ntexts', "records[0] (enrolment) date.formats"),
        ('"%d/%m/%Y"] }\ntexts', '"%Q"] }\ntexts', "records[0] (enrolment) date.formats"),
        ('file = "pupils.csv"', 'file = "../pupils.csv"', "datasets.pupils file"),
        ('file = "pupils.csv"', 'fill = "pupils.csv"', "datasets.pupils"),
        ('dataset = "pupils"\nkey', 'dataset = "others"\nkey', "dataset others is used and not defined"),
        ('kind = "files"', 'kind = "oracle"', "m.toml"),
        ("format = 1", "format = 2", "format"),
        ('S = "SENSITIVE_ADDRESS"', 'S = "sensitive"', "records[0] (enrolment) flags"),
        ('"SENSITIVE_ADDRESS", {', '"sensitive", {', "records[0] (enrolment) flags"),
        ('texts = ["year_group"]', 'texts = ["start_date"]', "field start_date is given twice"),
        ('texts = ["year_group"]', 'texts = ["Year Group"]', "records[0] (enrolment) texts"),
        ('texts = ["year_group"]', 'assertion = "rumour"', "assertion has no value rumour"),
        ('ref = "UPN"', 'ref = "NHS Number"', "ok"),
        ('child = { key = "UPN" }', 'child = { nhs_number = "UPN" }', "ref must not hold the NHS number"),
        ('child = { key = "UPN" }', "child = {}", "records[0] (enrolment) child"),
        ('key = "UPN"\nnhs', "nhs", "no children section has one"),
        ('file = "pupils.csv"', 'file = "pupils-*.csv"', "datasets.pupils: Value error, a file with * or ? has pick"),
        ('file = "pupils.csv"', 'file = "pupils-?.csv"', "datasets.pupils: Value error, a file with * or ? has pick"),
        ('file = "pupils.csv"', 'file = "pupils.csv"\npick = "all"', "and no other file has"),
        ('file = "pupils.csv"', 'file = "p*.csv"\npick = "latest"', "datasets.pupils pick"),
        ('file = "pupils.csv"', 'file = "p*.csv"\npick = "newest"', "newest_by goes with"),
        ('file = "pupils.csv"', 'file = "p*.csv"\npick = "all"\nnewest_by = "%Y%m%d"', "newest_by goes with"),
        ('file = "pupils.csv"', 'file = "p*.*"\npick = "newest"\nnewest_by = "%Y%m%d"', "the file has one *"),
        ('file = "pupils.csv"', 'file = "p?*.csv"\npick = "newest"\nnewest_by = "%Y%m%d"', "the file has one *"),
        ('file = "pupils.csv"', 'file = "p*.csv"\npick = "newest"\nnewest_by = "%m%d"', "datasets.pupils newest_by"),
        ('file = "pupils.csv"', 'file = "p*.csv"\npick = "newest"\nnewest_by = "%Y%m%d"', "ok"),
        ('file = "pupils.csv"', 'file = "p*.csv"\npick = "all"', "ok"),
        ('file = "pupils.csv"', 'file = "p.csv"\noptional = true\nmay_be_empty = true', "ok"),
        ('file = "pupils.csv"', 'file = "p.csv"\noptional = "yes"', "datasets.pupils optional"),
        ('file = "pupils.csv"', 'file = "p.csv"\nmay_be_empty = true\nminimum_rows = 1', "exclude each other"),
        ('type = "date", formats', 'type = "date", fallback = ["Seen"], formats', "ok"),
        ('type = "date", formats', 'type = "date", fallback = [""], formats', "fields.start_date.fallback"),
        ('type = "date", formats = ["%d/%m/%Y"]', 'type = "text", fallback = ["Seen"]', "belong to a date"),
        ('type = "date", formats = ["%d/%m/%Y"]', 'type = "percent"', "ok"),
        ('type = "date", formats', 'type = "text", formats', "formats, partial and fallback belong to a date"),
        ('{ column = "Start", type', '{ column = "Start", constant = "x", type', "exactly one of"),
    ],
)
def test_a_mistake_is_named_by_section_category_and_key(old: str, new: str, named: str) -> None:
    assert old in GOOD
    changed = GOOD.replace(old, new, 1)
    if named == "ok":
        parse_mapping(changed.encode(), name="m.toml")
        return
    detail = refusal(changed)
    assert detail.startswith("m.toml: ")
    assert named in detail


def test_a_dataset_nobody_uses_is_a_mistake() -> None:
    assert "dataset spare" in refusal(GOOD + '\n[datasets.spare]\nfile = "spare.csv"\n')


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM ssd_person",
        "SELECT 1; DROP TABLE ssd_person",
        "WITH gone AS (DELETE FROM ssd_person RETURNING *) SELECT * FROM gone",
        "SELECT * FROM t FOR UPDATE",
        "PRAGMA journal_mode = DELETE",
        "/* SELECT */ update t set a = 1",
        "",
    ],
)
def test_a_query_that_does_more_than_read_is_refused(query: str) -> None:
    assert "datasets.persons" in refusal(SQL.replace("SELECT 1", query))


@pytest.mark.parametrize(
    "query",
    ["SELECT :since AS nhs", "SELECT a FROM t WHERE b = ':quoted' AND c > :since AND d > :until"],
)
def test_a_parameter_that_is_not_given_is_a_mistake(query: str) -> None:
    assert "parameter" in refusal(SQL.replace("SELECT 1", query))


def test_a_parameter_that_the_query_does_not_name_is_a_mistake() -> None:
    unused = SQL.replace('query = "SELECT 1"', "query = \"SELECT a::text, ':no' FROM t\"\nparameters = { no = 1 }")
    assert "parameter no" in refusal(unused)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a FROM t WHERE b = 'delete; this'",
        "with x as (select 1 as nhs) select nhs from x -- update later",
        "SELECT update_date FROM t",
        "  select\\n a from t /* drop */",
    ],
)
def test_a_query_that_only_reads_is_taken(query: str) -> None:
    parse_mapping(SQL.replace("SELECT 1", query).encode(), name="m.toml")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = [", b"a = 1", b"", b"[" * 5000, b"x" * (1024 * 1024 + 1)])
def test_what_is_no_mapping_is_refused(content: bytes) -> None:
    with pytest.raises(WardgateError) as refused:
        parse_mapping(content, name="m.toml")
    assert refused.value.code is ErrorCode.MAPPING_INVALID


_WORD = st.text(alphabet='ab[]."=;\n\\\x00é', max_size=5)
_TOML = st.recursive(
    _WORD | st.integers(-5, 5) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORD, inner, max_size=3),
    max_leaves=6,
)


def _dumped(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return '"' + "".join(f"\\U{ord(char):08x}" for char in value) + '"'
        case Mapping():
            return "{" + ", ".join(f"{_dumped(key)} = {_dumped(member)}" for key, member in value.items()) + "}"
        case list():
            return "[" + ", ".join(_dumped(member) for member in value) + "]"
    raise AssertionError


@given(st.dictionaries(st.sampled_from(["kind", "datasets", "children", "records", "marks", "format", "title"]), _TOML))
def test_any_toml_is_a_mapping_or_a_named_mistake(tables: dict[str, object]) -> None:
    content = "\n".join(f"{key} = {_dumped(value)}" for key, value in tables.items())
    for kind in ("sql", "files", "fhir"):
        with contextlib.suppress(WardgateError):
            parse_mapping(
                f"{content}\n".replace("kind = ", "title2 = ").encode() + f'kind = "{kind}"'.encode(), name="m"
            )


@given(st.sampled_from(["records", "children", "marks"]), st.lists(_TOML, max_size=3))
def test_any_section_is_a_mapping_or_a_named_mistake(section: str, members: list[object]) -> None:
    head = 'format = 1\ntitle = "x"\nkind = "files"\ndatasets = {a = {file = "a.csv"}}\n'
    content = f"{head}{section} = {_dumped(members)}"
    with contextlib.suppress(WardgateError):
        parse_mapping(content.encode(), name="m.toml")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_mapping_or_a_named_mistake(content: bytes) -> None:
    with contextlib.suppress(WardgateError):
        parse_mapping(content, name="m.toml")


SHARED = """
format = 1
title = "Labels"
kind = "files"
flags = [{ column = "Label", values = { OPEN = "" } }, { column = "Alert" }, "STALE"]
[datasets.pupils]
file = "pupils.csv"
[datasets.marks]
file = "marks.csv"
[[children]]
dataset = "pupils"
key = "UPN"
nhs_number = "NHS"
flags = [{ column = "Label", values = { OPEN = "", SHUT = "SENSITIVE_ADDRESS" } }]
[[marks]]
dataset = "marks"
child = { key = "UPN" }
flags = [{ column = "Mark" }]
[[records]]
dataset = "pupils"
category = "enrolment"
type = "on_roll"
child = { key = "UPN" }
ref = "UPN"
date = "Start"
"""


def test_flags_of_a_mapping_are_read_in_every_section_that_does_not_read_the_column_itself() -> None:
    found = parse_mapping(SHARED.encode(), name="m")
    assert found.flags == ()
    (child,), (mark,), (record,) = found.children, found.marks, found.records
    assert [(spec.column, spec.constant) for spec in child.flags] == [
        ("Label", None),
        ("Alert", None),
        (None, "STALE"),
    ]
    assert (child.flags[0].values or {})["SHUT"] == "SENSITIVE_ADDRESS"
    assert [(spec.column, spec.constant) for spec in record.flags] == [
        ("Label", None),
        ("Alert", None),
        (None, "STALE"),
    ]
    assert [spec.column for spec in mark.flags] == ["Mark"]
    assert "Alert" in found.columns_of("pupils")
    assert "Alert" not in found.columns_of("marks")


def test_a_mistake_in_flags_of_a_mapping_is_named() -> None:
    assert "flags" in refusal(SHARED.replace('"STALE"', '"stale"'))


@pytest.mark.parametrize(
    "wrong",
    [
        '{ column = "Alert", otherwise = "STALE" }',
        '{ column = "Alert", values = {}, otherwise = "stale" }',
        '{ column = "Alert", values = {}, unmapped = "ignore", otherwise = "STALE" }',
        '{ constant = "STALE", otherwise = "STALE" }',
    ],
)
def test_a_flag_for_every_other_code_needs_the_codes_that_are_known(wrong: str) -> None:
    parse_mapping(SHARED.replace('"STALE"', '{ column = "B", values = {}, otherwise = "STALE" }').encode(), name="m")
    assert "flags" in refusal(SHARED.replace('"STALE"', wrong))


def test_a_fallback_belongs_to_a_date_and_its_columns_are_read() -> None:
    dated = GOOD.replace('date = { column = "Start"', 'date = { column = "Start", fallback = ["Entered"]')
    assert "Entered" in parse_mapping(dated.encode(), name="m").columns_of("pupils")
    text = GOOD.replace("[records.fields]", '[records.fields]\nname = { column = "Name", fallback = ["Other"] }')
    assert "formats, partial and fallback belong to a date" in refusal(text)
