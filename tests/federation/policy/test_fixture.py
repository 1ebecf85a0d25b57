import pytest

from tests.support.opa import opa_command
from tests.support.policy import FIXTURE, compile_fixture, unpacked


@pytest.mark.opa
def test_the_committed_fixture_is_what_its_source_compiles_to() -> None:
    compiled = compile_fixture(opa_command())
    for name in ("policy.wasm", "data.json"):
        assert compiled[name] == (FIXTURE / name).read_bytes(), name
    assert unpacked(compiled["bundle.tar.gz"]) == unpacked((FIXTURE / "bundle.tar.gz").read_bytes())
