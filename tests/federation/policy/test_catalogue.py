import json
from pathlib import Path

import pytest

from federation.canonical import JsonObject
from federation.errors import ErrorCode, WardgateError
from federation.policy.bundle import DATA, VerifiedBundle
from federation.policy.catalogue import FAILURE_CODES, Catalogue
from federation.policy.engine import Failure
from federation.policy.results import Audience, Severity
from keys.signing import SigningKey
from tests.support.policy import fixture_bundle, fixture_files


def test_a_reason_has_its_audience_weight_source_and_texts(bundle: VerifiedBundle) -> None:
    row = Catalogue.read(bundle).reasons["WITHIN_PURPOSE"]
    assert (row.audience, row.severity) == (Audience.BOTH, Severity.INFO)
    assert (row.legal_basis, row.user, row.auditor) == ("none, a fixture", "A text.", "A longer text.")


def test_obligations_purposes_and_categories_are_read_by_code(bundle: VerifiedBundle) -> None:
    catalogue = Catalogue.read(bundle)
    assert catalogue.obligations["rejustify_after"].type == "deadline"
    assert catalogue.obligation_types == {"deadline"}
    assert set(catalogue.purposes) == {"S47_ENQ"}
    assert set(catalogue.never_permitted) == {"IMMIGRATION_ENFORCEMENT"}
    assert set(catalogue.categories) == {"cp_plan", "missing"}


def test_every_code_python_gives_is_in_the_catalogue_for_everybody(bundle: VerifiedBundle) -> None:
    catalogue = Catalogue.read(bundle)
    for code in FAILURE_CODES:
        assert (catalogue.reasons[code].audience, catalogue.reasons[code].severity) == (Audience.BOTH, Severity.DENIAL)


def reference() -> JsonObject:
    found: JsonObject = json.loads(fixture_files()[DATA])["reference"]
    return found


def refused(scratch: Path, key: SigningKey, content: bytes) -> str:
    with pytest.raises(WardgateError) as caught:
        Catalogue.read(fixture_bundle(scratch, key, changes={DATA: content}))
    assert caught.value.code is ErrorCode.BUNDLE_REJECTED
    return caught.value.detail


@pytest.mark.parametrize("failure", Failure)
def test_a_bundle_that_lacks_a_code_python_gives_is_refused(scratch: Path, key: SigningKey, failure: Failure) -> None:
    data = reference()
    del data["reasons"][failure.value]
    assert refused(scratch, key, json.dumps({"reference": data}).encode()) == f"no reason {failure.value}"


@pytest.mark.parametrize("part", ["reasons", "obligations", "purposes", "never_permitted", "categories"])
def test_a_bundle_that_lacks_a_catalogue_is_refused(scratch: Path, key: SigningKey, part: str) -> None:
    data = reference()
    del data[part]
    assert refused(scratch, key, json.dumps({"reference": data}).encode()) == f"catalogue {part}: missing"


def test_an_unknown_audience_is_refused(scratch: Path, key: SigningKey) -> None:
    data = reference()
    data["reasons"]["WITHIN_PURPOSE"]["audience"] = "public"
    detail = refused(scratch, key, json.dumps({"reference": data}).encode())
    assert detail == "catalogue reasons.WITHIN_PURPOSE.audience: enum"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"reference":1}'])
def test_data_of_another_shape_is_refused(scratch: Path, key: SigningKey, content: bytes) -> None:
    assert refused(scratch, key, content).startswith("catalogue")
