import json
from pathlib import Path

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.policy.bundle import VerifiedBundle
from federation.policy.engine import EntryPoint
from federation.policy.schema import SCHEMAS, InputSchemas
from keys.signing import SigningKey
from tests.support.policy import INPUTS, fixture_bundle, gateway_input, requester_input


@pytest.fixture(scope="module")
def schemas(bundle: VerifiedBundle) -> InputSchemas:
    return InputSchemas.read(bundle)


@pytest.mark.parametrize("entry_point", EntryPoint)
def test_a_good_input_has_no_fault(schemas: InputSchemas, entry_point: EntryPoint) -> None:
    assert schemas.fault(entry_point, INPUTS[entry_point]()) is None


def test_a_fault_names_the_place_and_the_rule_and_no_value(schemas: InputSchemas) -> None:
    document = gateway_input()
    document["targets"][1]["id"] = "9434765919"
    assert schemas.fault(EntryPoint.GATEWAY, document) == "targets.1.id: pattern"


def test_a_surplus_name_is_a_fault_and_is_not_repeated(schemas: InputSchemas) -> None:
    document = requester_input()
    document["query"]["9434765919"] = 1
    assert schemas.fault(EntryPoint.REQUESTER, document) == "query: additionalProperties"


def test_a_missing_part_is_a_fault_of_the_whole(schemas: InputSchemas) -> None:
    assert schemas.fault(EntryPoint.NODE, {}) == "input: required"


def test_each_entry_point_has_its_own_schema(schemas: InputSchemas) -> None:
    assert schemas.fault(EntryPoint.GATEWAY, requester_input()) is not None
    assert schemas.fault(EntryPoint.REQUESTER, gateway_input()) is not None


@pytest.mark.parametrize("content", [b"", b"[", b"7", json.dumps({"type": "thing"}).encode(), None])
def test_a_bundle_without_usable_schemas_is_refused(scratch: Path, key: SigningKey, content: bytes | None) -> None:
    broken = fixture_bundle(scratch, key, changes={SCHEMAS[EntryPoint.NODE]: content})
    with pytest.raises(WardgateError) as caught:
        InputSchemas.read(broken)
    assert caught.value.code is ErrorCode.BUNDLE_REJECTED
