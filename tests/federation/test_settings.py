from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, field_validator

from federation.errors import ErrorCode, WardgateError
from federation.settings import (
    MAX_FILE_BYTES,
    Section,
    ServiceSettings,
    SettingRow,
    UnfitSettingError,
    describe,
)


class Listen(Section):
    """Where to listen."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(8443, description="Port to listen on.")


class ExampleSettings(ServiceSettings, env_prefix="WARDGATE_EXAMPLE_"):
    """An example."""

    listen: Listen = Field(Listen(), description="Where to listen.")
    agency: str = Field(description="Id of the agency.")
    store_url: str = Field("sqlite+aiosqlite:///store.db", description="Database.")
    keyring: Path = Field(Path("keyring"), description="Directory of the keys.")
    oidc_secret: Path | None = Field(None, description="File with the client secret.")
    areas: list[str] = Field(default_factory=list, description="Areas served.")


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "example.toml"
    file.write_text(text)
    return file


def refusal(path: Path | None) -> WardgateError:
    with pytest.raises(WardgateError) as raised:
        ExampleSettings.load(path)
    assert raised.value.code is ErrorCode.SETTINGS_INVALID
    return raised.value


def test_defaults_hold_where_the_file_says_nothing(tmp_path: Path) -> None:
    settings = ExampleSettings.load(written(tmp_path, 'agency = "camden-csc"'))

    assert settings.agency == "camden-csc"
    assert settings.listen.port == 8443


def test_the_file_sets_sections_too(tmp_path: Path) -> None:
    settings = ExampleSettings.load(written(tmp_path, 'agency = "camden-csc"\nareas = ["x"]\n[listen]\nport = 1\n'))

    assert settings.listen == Listen(port=1)
    assert settings.areas == ["x"]


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDGATE_EXAMPLE_AGENCY", "barnet-csc")
    monkeypatch.setenv("WARDGATE_EXAMPLE_LISTEN__PORT", "2")

    settings = ExampleSettings.load(written(tmp_path, 'agency = "camden-csc"\n[listen]\nhost = "::1"\nport = 1\n'))

    assert settings.agency == "barnet-csc"
    assert settings.listen == Listen(host="::1", port=2)


def test_the_environment_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDGATE_EXAMPLE_AGENCY", "barnet-csc")

    assert ExampleSettings.load().agency == "barnet-csc"


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = ExampleSettings.load(written(tmp_path, 'agency = "camden-csc"'))

    with pytest.raises(ValueError, match="frozen"):
        settings.agency = "other"  # type: ignore[misc] # what the type forbids is what is tested
    with pytest.raises(ValueError, match="frozen"):
        settings.listen.port = 1  # type: ignore[misc] # what the type forbids is what is tested


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "agency: missing"),
        ('agency = "a"\ncolour = "secret-value"', "colour: extra_forbidden"),
        ('agency = "a"\n[listen]\nprot = 1', "listen.prot: extra_forbidden"),
        ('agency = "a"\n[listen]\nport = 65536', "listen.port: less_than_equal"),
        ('agency = "a"\n[listen]\nport = "secret-value"', "listen.port: int_parsing"),
        ('agency = "a"\n"sec ret-value" = 1', "?: extra_forbidden"),
        ('agency = "a"\nstore_url = "postgresql://u:secret-value@h/d"', "store_url: value_error"),
        ('agency = "a"\nagency = "secret-value"\nareas = []', "file is not TOML, line 2"),
        ("agency = secret-value", "file is not TOML, line 1"),
    ],
)
def test_what_is_wrong_is_named_by_key_and_never_by_value(tmp_path: Path, text: str, place: str) -> None:
    error = refusal(written(tmp_path, text))

    assert error.detail == place
    assert "secret-value" not in str(error)
    assert error.__cause__ is None or "secret-value" not in str(error.__cause__)


def test_the_largest_port_is_taken(tmp_path: Path) -> None:
    file = written(tmp_path, 'agency = "a"\n[listen]\nport = 65535')

    assert ExampleSettings.load(file).listen.port == 65_535


@pytest.mark.parametrize("setting", ["keyring", "oidc_secret", "store_url", "agency"])
def test_a_nul_in_a_path_or_text_is_refused_where_it_is_read(tmp_path: Path, setting: str) -> None:
    given = "" if setting == "agency" else 'agency = "camden-csc"\n'
    error = refusal(written(tmp_path, f'{given}{setting} = "a\\u0000b"'))
    assert error.detail == f"{setting}: value_error"


def test_a_refusal_that_is_written_for_people_is_shown_and_no_other(tmp_path: Path) -> None:
    class Worded(ServiceSettings, env_prefix="WARDGATE_WORDED_"):
        colour: str = Field("red", description="A colour.")
        size: str = Field("1", description="A size.")

        @field_validator("colour")
        @classmethod
        def _colour(cls, value: str) -> str:
            if value != "red":
                raise UnfitSettingError("only red is left")
            return value

        @field_validator("size")
        @classmethod
        def _size(cls, value: str) -> str:
            return str(int(value))  # its ValueError names the value

    for text, detail in (
        ('colour = "blue"', "colour: only red is left"),
        ('size = "secret-value"', "size: value_error"),
    ):
        with pytest.raises(WardgateError) as caught:
            Worded.load(written(tmp_path, text))
        assert caught.value.detail == detail


def test_a_nul_in_a_section_is_refused_too(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, 'agency = "camden-csc"\n[listen]\nhost = "a\\u0000b"'))
    assert error.detail == "listen.host: value_error"


def test_a_url_without_password_is_taken(tmp_path: Path) -> None:
    file = written(tmp_path, 'agency = "a"\nstore_url = "postgresql+asyncpg://user@host:5432/wardgate"')

    assert "user@host" in ExampleSettings.load(file).store_url


def test_an_unknown_variable_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDGATE_EXAMPLE_LISTEN_PORT", "secret-value")

    error = refusal(written(tmp_path, 'agency = "a"'))

    assert error.detail == "WARDGATE_EXAMPLE_LISTEN_PORT: no such setting"


def test_another_services_variables_are_not_its_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDGATE_OTHER_THING", "x")

    assert ExampleSettings.load(written(tmp_path, 'agency = "a"')).agency == "a"


def test_a_list_in_the_environment_is_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, 'agency = "a"')
    monkeypatch.setenv("WARDGATE_EXAMPLE_AREAS", '["x", "y"]')
    assert ExampleSettings.load(file).areas == ["x", "y"]

    monkeypatch.setenv("WARDGATE_EXAMPLE_AREAS", "secret-value")
    error = refusal(file)

    assert "WARDGATE_EXAMPLE_" in error.detail
    assert "secret-value" not in str(error)


def test_a_file_that_is_missing_too_long_or_no_text_is_an_error(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "none.toml").detail
    assert "too long" in refusal(written(tmp_path, "#" * (MAX_FILE_BYTES + 1))).detail
    (tmp_path / "example.toml").write_bytes(b"\xff")
    assert "UTF-8" in refusal(tmp_path / "example.toml").detail


def test_a_setting_without_description_cannot_be_written() -> None:
    with pytest.raises(TypeError, match="no description"):

        class Bare(Section):
            port: int = 1

    with pytest.raises(TypeError, match="no description"):

        class BareService(ServiceSettings, env_prefix="WARDGATE_BARE_"):
            port: int = 1


@pytest.mark.parametrize("name", ["password", "client_secret", "token", "admin_token", "seed", "private_key"])
def test_a_secret_can_only_be_a_path(name: str) -> None:
    field = Field("", description="x")
    with pytest.raises(TypeError, match="looks like a secret"):
        type("Leaky", (Section,), {"__annotations__": {name: str}, name: field, "__module__": __name__})

    type("Tight", (Section,), {"__annotations__": {name: Path}, name: field, "__module__": __name__})


def test_a_sections_own_default_is_the_one_described() -> None:
    class Moved(ServiceSettings, env_prefix="WARDGATE_MOVED_"):
        listen: Listen = Field(Listen(port=9), description="Where to listen.")
        required: Listen = Field(description="Where else to listen.")

    assert [row.default for row in describe(Moved)] == ["127.0.0.1", "9", "127.0.0.1", "8443"]


def test_every_setting_can_be_described() -> None:
    rows = describe(ExampleSettings)

    assert rows[1] == SettingRow("listen.port", "WARDGATE_EXAMPLE_LISTEN__PORT", "int", "8443", "Port to listen on.")
    assert [row.key for row in rows] == [
        "listen.host",
        "listen.port",
        "agency",
        "store_url",
        "keyring",
        "oidc_secret",
        "areas",
    ]
    assert {row.key: row.default for row in rows} == {
        "listen.host": "127.0.0.1",
        "listen.port": "8443",
        "agency": "(required)",
        "store_url": "sqlite+aiosqlite:///store.db",
        "keyring": "keyring",
        "oidc_secret": "(none)",
        "areas": "[]",
    }
    assert rows[5].type == "Path | None"
    assert rows[6].type == "list[str]"


def test_a_type_is_described_as_people_read_it() -> None:
    class Typed(ServiceSettings, env_prefix="WARDGATE_TYPED_"):
        mode: Literal["embedded", "server"] = Field("embedded", description="One of two.")
        names: Annotated[list[Annotated[str, Field(pattern="^[a-z]+$")]], Field(max_length=4)] = Field(
            default_factory=list, description="Constrained names in a constrained list."
        )
        by_name: dict[str, int | None] = Field(default_factory=dict, description="A table.")

    assert [row.type for row in describe(Typed)] == ["embedded | server", "list[str]", "dict[str, int | None]"]
