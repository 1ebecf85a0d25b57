"""Small FHIR exports for tests of `agency_node.sources`: a mapping that reads them, and resources to put in."""

import json
from pathlib import Path
from typing import Any

from agency_node.sources.source import SourceRow
from tests.support.source_files import read_source

NHS = "https://fhir.nhs.uk/Id/nhs-number"
MAPPING = f"""
format = 1
title = "FHIR"
kind = "fhir"
ignored_resources = ["Practitioner"]
[datasets.patients]
resource = "Patient"
[datasets.flags]
resource = "Flag"
[datasets.encounters]
resource = "Encounter"
[datasets.appointments]
resource = "Appointment"
[[children]]
dataset = "patients"
key = "@reference"
nhs_number = "identifier[system={NHS}].value"
flags = [{{ column = "meta.security.code", values = {{ U = "", R = "SENSITIVE_ADDRESS" }} }}]
[[marks]]
dataset = "flags"
where = {{ status = ["active"] }}
child = {{ key = "subject.reference" }}
flags = [{{ column = "code.coding.code" }}]
[[records]]
dataset = "encounters"
category = "attendance_health"
type = "emergency"
child = {{ key = "subject.reference", nhs_number = "subject.identifier[system={NHS}].value" }}
ref = "id"
date = {{ column = "period.start", partial = true }}
flags = [{{ column = "status", values = {{ "entered-in-error" = "RETRACTED" }}, unmapped = "ignore" }}]
[[records]]
dataset = "appointments"
category = "appointment"
type = {{ column = "status", values = {{ noshow = "was_not_brought" }}, otherwise = "kept" }}
child = {{ key = "participant.actor.reference" }}
ref = "id"
date = "start"
"""


def patient(identity: str, number: str, security: str = "U") -> dict[str, object]:
    return {
        "resourceType": "Patient",
        "id": identity,
        "meta": {"security": [{"code": security}]},
        "identifier": [{"system": "https://local", "value": "x"}, {"system": NHS, "value": number}],
    }


def encounter(identity: str, subject: dict[str, object], **changes: object) -> dict[str, object]:
    return {
        "resourceType": "Encounter",
        "id": identity,
        "status": "finished",
        "subject": subject,
        "period": {"start": "2026-03-01T10:00:00Z"},
        **changes,
    }


SERVER = "https://north.example/fhir"


def entry(resource: object, url: str | None = None) -> dict[str, object]:
    """An entry as a server writes it: its full URL is the server's, the type and the id."""
    if url is None and isinstance(resource, dict) and "id" in resource:
        url = f"{SERVER}/{resource.get('resourceType')}/{resource['id']}"
    return {"resource": resource} if url is None else {"fullUrl": url, "resource": resource}


def bundle(folder: Path, *resources: object, urls: dict[int, str] | None = None, **more: Any) -> list[SourceRow]:
    entries = [entry(resource, (urls or {}).get(number)) for number, resource in enumerate(resources)]
    content: object = {"resourceType": "Bundle", "type": "collection", "entry": entries, **more}
    (folder / "bundle.json").write_text(json.dumps(content), encoding="utf-8")
    return read_source(folder, MAPPING, "bundle.json")
