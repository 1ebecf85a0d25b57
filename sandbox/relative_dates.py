"""Dates in region and family files: calendar dates, or `today-30d`, resolved on the day the file is read. Pure."""

import datetime as dt
import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ValidationInfo

from agency_node.sources.dates import resolve_date
from agency_node.sources.mapping_values import FieldName

_RELATIVE: Final = re.compile(r"today([+-][0-9]+[dwmy])?")


def _resolved(value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - raw TOML
    if isinstance(value, str) or type(value) is dt.date:
        return resolve_date(value, _today(info))
    return value


def _resolved_fields(value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - raw TOML
    if not isinstance(value, dict):
        return value
    return {name: _resolved_text(member, _today(info)) for name, member in value.items()}


def _resolved_text(value: Any, today: dt.date) -> Any:  # noqa: ANN401 - raw TOML
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, str) and _RELATIVE.fullmatch(value):
        return resolve_date(value, today).isoformat()
    return value


def _today(info: ValidationInfo) -> dt.date:
    today = (info.context or {}).get("today")
    if not isinstance(today, dt.date):
        raise AssertionError("validated without saying what day it is")  # noqa: TRY004 - a mistake of the program
    return today


RegionDate = Annotated[dt.date, BeforeValidator(_resolved)]
"""A date, relative ones resolved."""

FieldValues = Annotated[dict[FieldName, bool | int | str], BeforeValidator(_resolved_fields)]
"""A record's fields, relative dates among them resolved to `YYYY-MM-DD`."""
