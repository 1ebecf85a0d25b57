"""What every service's settings have in common.

A service's settings are one frozen object, read once at its start from a TOML file and from the environment, which
wins: `[listen] port = 8443` may be overridden by `WARDGATE_GATEWAY_LISTEN__PORT`. Unknown keys are errors in both.
Every setting says what it is for; `docs/configuration.md` is generated from that. A secret is never a value here, only
the path of a file that holds it; that is checked when the class is made.
"""

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from federation.errors import ErrorCode, WardgateError
from keys.digest import sha256

MAX_FILE_BYTES: Final = 256 * 1024

_SECRET_NAME: Final = re.compile(r"(^|_)(secret|password|passphrase|token|seed|private_key)(_|$)")
_URL_WITH_PASSWORD: Final = re.compile(r"://[^/@\s]*:[^/@\s]+@")
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class UnfitSettingError(ValueError):
    """Why a value is refused, in words for whoever wrote the settings. They are shown, so they hold no value."""


def _check_fields(name: str, fields: Mapping[str, FieldInfo]) -> None:
    for field, info in fields.items():
        if not info.description:
            raise TypeError(f"{name}.{field} has no description")
        if _SECRET_NAME.search(field) and info.annotation not in (Path, Path | None):
            raise TypeError(f"{name}.{field} looks like a secret: settings hold the path of its file (type Path)")


def _refuse_password(value: object) -> object:
    if isinstance(value, str) and _URL_WITH_PASSWORD.search(value):
        raise ValueError("a password in a URL; keep it in a file that only the service can read")
    return value


def _refuse_nul(value: object) -> object:
    """No path and no text holds a NUL: the first who opened such a path would meet a `ValueError`."""
    if isinstance(value, str | Path) and "\0" in str(value):
        raise ValueError("a NUL character")
    return value


class Section(BaseModel):
    """A table of settings inside a service's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401 - pydantic's own signature
        super().__pydantic_init_subclass__(**kwargs)
        _check_fields(cls.__name__, cls.model_fields)

    _no_password = field_validator("*")(_refuse_password)
    _no_nul = field_validator("*")(_refuse_nul)


class ServiceSettings(BaseSettings):
    """Base of a service's settings: `class GatewaySettings(ServiceSettings, env_prefix="WARDGATE_GATEWAY_")`."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_nested_delimiter="__")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401 - pydantic's own signature
        super().__pydantic_init_subclass__(**kwargs)
        _check_fields(cls.__name__, cls.model_fields)

    _no_password = field_validator("*")(_refuse_password)
    _no_nul = field_validator("*")(_refuse_nul)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's own signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's own signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's own signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what was given (the file's content); nothing else is read."""
        return env_settings, init_settings

    @property
    def digest(self) -> str:
        """SHA-256 over all settings as they are in force, defaults and environment included, hex."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return sha256(content.encode()).hex()

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read the settings.

        Args:
            path: TOML file; None for the environment and defaults alone.

        Raises:
            WardgateError: `SETTINGS_INVALID`, naming the first bad key and what is wrong with it, never a value.
        """
        content = {} if path is None else _read(path)
        _refuse_unknown_variables(cls)
        return cls.checked(content)

    @classmethod
    def checked(cls, content: Mapping[str, Any]) -> Self:
        """The settings of this content, the environment besides.

        Raises:
            WardgateError: `SETTINGS_INVALID`, as `load`.
        """
        try:
            return cls(**content)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            why = first.get("ctx", {}).get("error")
            what = str(why) if isinstance(why, UnfitSettingError) else first["type"]
            raise _invalid(f"{_place(first['loc'])}: {what}") from None
        except SettingsError:
            raise _invalid(f"a variable {cls.model_config.get('env_prefix')}... is not valid JSON") from None


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting, for the documentation."""

    key: str
    variable: str
    type: str
    default: str
    description: str


def describe(settings: type[ServiceSettings]) -> list[SettingRow]:
    """Every setting of a service, in the order of the class."""
    prefix = str(settings.model_config.get("env_prefix") or "")
    return [
        SettingRow(
            key=".".join(path),
            variable=prefix + "__".join(path).upper(),
            type=_type_name(info.annotation),
            default=default,
            description=str(info.description),
        )
        for path, info, default in _leaves((), settings.model_fields, None)
    ]


def _leaves(
    path: tuple[str, ...], fields: Mapping[str, FieldInfo], within: Section | None
) -> Iterator[tuple[tuple[str, ...], FieldInfo, str]]:
    for name, info in fields.items():
        kind = info.annotation
        value = _default(info) if within is None else getattr(within, name)
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from _leaves((*path, name), kind.model_fields, value if isinstance(value, Section) else None)
        else:
            yield (*path, name), info, "(none)" if value is None else str(value)


def _type_name(kind: object) -> str:
    """A type as people read it: constraints left out, names without their modules."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _type_name(inner[0])
    if origin is Literal:
        return " | ".join(str(choice) for choice in inner)
    names = [_type_name(part) for part in inner]
    if origin in (Union, UnionType):
        return " | ".join(names)
    if kind is NoneType:
        return "None"
    name = getattr(kind, "__name__", str(kind))
    return f"{name}[{', '.join(names)}]" if names else name


def _default(info: FieldInfo) -> object:
    return "(required)" if info.is_required() else info.get_default(call_default_factory=True, validated_data={})


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _invalid(f"file: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise _invalid("file is too long")
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise _invalid("file is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise _invalid(f"file is not TOML{f', line {line[1]}' if line else ''}") from None


def _refuse_unknown_variables(settings: type[ServiceSettings]) -> None:
    prefix = str(settings.model_config.get("env_prefix") or "").upper()
    known = {prefix + name.upper() for name in settings.model_fields} | {row.variable for row in describe(settings)}
    for name in sorted(os.environ):
        if prefix and name.upper().startswith(prefix) and name.upper() not in known:
            raise _invalid(f"{name}: no such setting")


def _place(steps: tuple[int | str, ...]) -> str:
    return ".".join(str(step) if _KEY.fullmatch(str(step)) else "?" for step in steps) or "?"


def _invalid(what: str) -> WardgateError:
    return WardgateError(ErrorCode.SETTINGS_INVALID, what)
