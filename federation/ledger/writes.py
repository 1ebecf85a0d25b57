"""Effects that are statements and nothing else: the store runs them in one go, where it also commits.

    await journal.record([entry], [Write(INSERT_ANSWER, row), Write(SET_STATE, key, must_change=True)])

An effect written as a function awaits each of its statements, through all of SQLAlchemy's layers and, on SQLite, a trip
to another thread: half a millisecond of processor time for one update. As a list of writes it is compiled once, and a
whole group of callers makes one trip, with the entries and the commit (measured: a fifth of that).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import BindParameter, Delete, Dialect, Insert, Update

Row = Mapping[str, Any]

_STATEMENTS: Final = 512
"""Compiled statements that are kept; a service has a few dozen."""


class NothingChanged(Exception):  # noqa: N818 - an outcome the caller asked to hear of
    """A write that must change something found nothing to change; nothing of its job was applied."""


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """One statement and what it runs with.

    Attributes:
        statement: Made once, with a named parameter for every value that varies.
        rows: Its parameters: once for each row, all rows with the same names.
        must_change: Whether it is a failure of the whole job, `NothingChanged`, if some row changes nothing.

    Raises:
        ValueError: There are no rows, or not all have the same names.
    """

    statement: Insert | Update | Delete
    rows: Sequence[Row]
    must_change: bool = False

    def __post_init__(self) -> None:
        if not self.rows or any(row.keys() != self.rows[0].keys() for row in self.rows):
            raise ValueError("a write needs rows, all with the same names")

    @classmethod
    def one(cls, statement: Insert | Update | Delete, row: Row, *, must_change: bool = False) -> "Write":
        """A statement that runs once."""
        return cls(statement, (row,), must_change)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement in the words of one database, with positional parameters.

    Attributes:
        sql: The text.
        names: Of the parameters, in order.
        fixed: Values that stand in the statement itself, by name.
        processors: What turns a value into what the driver takes, by name, where anything does.
    """

    sql: str
    names: tuple[str, ...]
    fixed: Mapping[str, Any]
    processors: Mapping[str, Any]

    def values(self, row: Row) -> tuple[Any, ...]:
        """A row's parameters in order."""
        return tuple(self._value(name, row) for name in self.names)

    def _value(self, name: str, row: Row) -> Any:  # noqa: ANN401 - whatever the column holds
        value = row[name] if name in row else self.fixed[name]
        processor = self.processors.get(name)
        return value if processor is None or value is None else processor(value)


def compile_write(write: Write, dialect: Dialect) -> Compiled:
    """A write's statement for one database with positional parameters.

    Raises:
        KeyError: A parameter has no value.
        sqlalchemy.exc.SQLAlchemyError: It cannot be compiled.
    """
    return _compiled(write.statement, dialect, tuple(write.rows[0]))


@lru_cache(maxsize=_STATEMENTS)
def _compiled(statement: Insert | Update | Delete, dialect: Dialect, names: tuple[str, ...]) -> Compiled:
    columns = list(names) if isinstance(statement, Insert) else None
    found = statement.compile(dialect=dialect, column_keys=columns)
    if found.insert_prefetch or found.update_prefetch:
        raise TypeError("a write names every column that has a default in Python")
    if found.post_compile_params:
        raise TypeError("a write is a statement without lists of values: use `or_` for `in_`")
    if missing := {name for name, bind in found.binds.items() if bind.required}.difference(names):
        raise KeyError(min(missing))
    processors = {name: _processor(bind, dialect) for name, bind in found.binds.items()}
    return Compiled(
        sql=str(found),
        names=tuple(found.positiontup or ()),
        fixed={name: value for name, value in found.params.items() if name not in names},
        processors={name: processor for name, processor in processors.items() if processor is not None},
    )


def _processor(bind: BindParameter[Any], dialect: Dialect) -> Any:  # noqa: ANN401 - SQLAlchemy's own
    return bind.type.dialect_impl(dialect).bind_processor(dialect)
