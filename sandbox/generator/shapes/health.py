"""A shared care record: the FHIR R4 Bundle that `agency_node/mappings/health-fhir-r4.toml` reads."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from agency_node.sources.source import RejectionReason
from sandbox.generator.drafts import Draft, Held, Holding, Target, Written
from sandbox.generator.identifiers import resource_id, wrong_number
from sandbox.generator.people import Person
from sandbox.generator.shapes import table as of
from sandbox.generator.shapes.csv_files import Placed, expected, placed
from sandbox.generator.shapes.table import Column, Table

MAPPING: Final = "health-fhir-r4"
BUNDLE: Final = "bundle.json"
NHS_NUMBER: Final = "https://fhir.nhs.uk/Id/nhs-number"
_CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_SENSITIVITY: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_HANDLING: Final = "urn:wardgate:handling-flag"
_ACT: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_SNOMED: Final = "http://snomed.info/sct"
_LABELS: Final = {"HIV_STI": "HIV", "SEX_HEALTH": "SEX"}
"""Flags that FHIR has a sensitivity of its own for."""

INJURIES: Final = {
    "Bruising": "125667009",
    "Burn": "125666000",
    "Fracture": "125605004",
    "Head injury": "82271004",
    "Injury": "417163006",
}
"""First words of an injury's description, with their SNOMED CT codes."""
_RELATIONS: Final = {"parent": "PRN", "household": "STPFTH", "other": "GRPRN"}

Resource = dict[str, Any]


_PRACTICE: Final = "Z99999"
"""ODS code of every practice: one that is nobody's."""
_KINDS: Final = {
    "patients": "Patient",
    "encounters": "Encounter",
    "conditions": "Condition",
    "appointments": "Appointment",
    "episodes": "EpisodeOfCare",
    "family_histories": "FamilyMemberHistory",
}
"""The type of each dataset's resources."""


def _table(dataset: str, category: str, *kinds: str, date_field: str = "", fields: str = "", **more: Any) -> Table:  # noqa: ANN401 - further attributes of a table
    columns = [Column(name, name) for name in fields.split()]
    columns.append(Column("@flags", of.FLAGS))
    if dataset == "conditions":
        columns.append(Column("@basis", of.ASSERTION))
    if dataset == "family_histories":
        columns += [Column("@relation", of.RELATION), Column("@contact", of.CONTACT)]
    holds = tuple((category, kind) for kind in kinds)
    return Table(dataset=dataset, holds=holds, columns=tuple(columns), date_field=date_field, **more)


REGISTRATION: Final = Table(
    dataset="patients",
    holds=(("gp_registration", "registration"),),
    columns=tuple(
        Column(name, name)
        for name in (
            "practice_name",
            "registration_end_date",
            "last_seen_date",
            "immunisation_behind",
            "safeguarding_code_present",
            "wnb_count_12m",
        )
    ),
    constants={"practice_code": _PRACTICE},
    settings={"safeguarding_lead_contact": "safeguarding_lead_contact"},
)
TABLES: Final = (
    REGISTRATION,
    _table(
        "encounters",
        "attendance_health",
        "emergency",
        "urgent_care",
        date_field="attendance_date",
        fields="setting presenting_complaint left_before_seen injury_coded cp_is_checked safeguarding_form",
    ),
    _table("encounters", "sexual_health", "clinic_attendance", always=frozenset({"SEX_HEALTH"})),
    _table(
        "conditions",
        "injury",
        "injury",
        date_field="injury_date",
        fields="injury_description explanation_given body_map_ref",
        constants={"injury_coded": True},
    ),
    _table(
        "appointments",
        "appointment",
        "was_not_brought",
        "attended",
        "booked",
        "cancelled",
        date_field="appointment_date",
        fields="appointment_setting was_not_brought letter",
    ),
    _table(
        "episodes",
        "health_visiting",
        "caseload",
        fields="caseload_end_date service_level antenatal_contact new_birth_visit six_week_review one_year_review"
        " two_year_review observations worker_name",
        settings={"worker_contact": "duty_contact"},
    ),
    _table(
        "episodes",
        "camhs",
        "episode",
        fields="camhs_status camhs_closed_date lead_contact crisis_in_90_days care_plan risk_summary",
        needs=frozenset({"camhs_status"}),
    ),
    _table(
        "family_histories",
        "adult_mental_health",
        "adult_in_treatment",
        fields="service_contact children_recorded",
        always=frozenset({"MENTAL_HEALTH_ADULT"}),
    ),
    _table(
        "family_histories",
        "substance_misuse",
        "adult_in_treatment",
        fields="service_contact children_recorded",
        always=frozenset({"SUBST_MISUSE"}),
    ),
)


def write(holding: Holding, target: Target) -> Written:
    """Write the bundle."""
    items = [_renamed(item) for item in placed(holding, TABLES, "H")]
    registered = {item.held.person.serial: item.draft for item in items if item.table is REGISTRATION}
    resources = [_patient(held, registered.get(held.person.serial)) for held in holding.held.values()]
    resources += [flag for held in holding.held.values() for flag in _flags(held)]
    resources += [_BUILDERS[item.table.dataset](item) for item in items if item.table is not REGISTRATION]
    rejected = _faults(resources, holding) if target.faults else Counter[RejectionReason]()
    path = target.folder / BUNDLE
    _write_bundle(resources, target, path.write_text)
    children, records = expected([_as_read(item) for item in items], holding, target)
    return Written(str(path), MAPPING, children, records, rejected)


def _write_bundle(resources: Sequence[Resource], target: Target, write_text: Callable[..., int]) -> None:
    entries = ({"fullUrl": _full_url(found["resourceType"], found["id"]), "resource": found} for found in resources)
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in entries)
    head = f'{{"resourceType":"Bundle","type":"collection","timestamp":"{target.today.isoformat()}T02:00:00+00:00"'
    write_text(f'{head},"entry":[\n{lines}\n]}}\n', encoding="utf-8")


def _full_url(kind: str, identity: str) -> str:
    return f"https://fhir.sandbox.invalid/R4/{kind}/{identity}"


def _as_read(item: Placed) -> Placed:
    """With the reference that a reading gives it."""
    return Placed(item.held, item.draft, item.table, _full_url(_KINDS[item.table.dataset], item.ref))


def _patient_id(person: Person) -> str:
    return resource_id("patient", str(person.serial))


def _renamed(item: Placed) -> Placed:
    """With the id that its resource has: a registration is part of the Patient."""
    is_patient = item.table is REGISTRATION
    ref = (
        _patient_id(item.held.person)
        if is_patient
        else resource_id(item.table.dataset, f"{item.table.holds[0][0]}/{item.ref}")
    )
    return Placed(item.held, item.draft, item.table, ref)


def _coding(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _extensions(draft: Draft, names: Mapping[str, str]) -> list[Resource]:
    """Extensions of a record's fields: field to the extension's name and type, as `gp-last-seen Date`."""
    found = []
    for field, described in names.items():
        if field in draft.fields:
            name, kind = described.split()
            found.append({"url": f"urn:wardgate:{name}", f"value{kind}": draft.fields[field]})
    return found


def _stamp(day: dt.date, hour: int = 14) -> str:
    return f"{day.isoformat()}T{hour:02d}:20:00+00:00"


def _pruned(members: Resource) -> Resource:
    """Without empty members: FHIR has none."""
    kept = {name: _pruned_value(value) for name, value in members.items()}
    return {name: value for name, value in kept.items() if value not in (None, "", [], {})}


def _pruned_value(value: object) -> object:
    if isinstance(value, dict):
        return _pruned(value)
    return [_pruned_value(member) for member in value] if isinstance(value, list) else value


def _patient(held: Held, registered: Draft | None) -> Resource:
    person = held.person
    level = "R" if "SENSITIVE_ADDRESS" in held.flags else "U"
    return _pruned(
        {
            "resourceType": "Patient",
            "id": _patient_id(person),
            "meta": {"security": [{"system": _CONFIDENTIALITY, "code": level}]},
            "identifier": [
                {"system": "https://fhir.sandbox.invalid/Id/local", "value": f"L{person.serial}"},
                {"system": NHS_NUMBER, "value": person.nhs_number.canonical()},
            ],
            "name": [{"use": "official", "family": person.surname, "given": [person.forename]}],
            "gender": {"F": "female", "M": "male"}.get(person.sex, "unknown"),
            "birthDate": person.born.isoformat(),
            **(_registration(registered) if registered else {}),
        }
    )


def _registration(draft: Draft) -> Resource:
    names = {
        "last_seen_date": "gp-last-seen Date",
        "immunisation_behind": "gp-immunisation-behind Boolean",
        "safeguarding_code_present": "gp-safeguarding-code Boolean",
        "wnb_count_12m": "gp-wnb-12m Integer",
    }
    period = {"start": draft.date.isoformat(), "end": draft.fields.get("registration_end_date")}
    return {
        "generalPractitioner": [
            {
                "type": "Organization",
                "identifier": {
                    "system": "https://fhir.nhs.uk/Id/ods-organization-code",
                    "value": _PRACTICE,
                    "period": period,
                },
                "display": draft.fields.get("practice_name"),
            }
        ],
        "extension": _extensions(draft, names),
    }


def _flags(held: Held) -> list[Resource]:
    return [
        {
            "resourceType": "Flag",
            "id": resource_id("flag", f"{held.person.serial}/{flag}"),
            "status": "active",
            "code": _coding(_HANDLING, flag),
            "subject": {"reference": f"Patient/{_patient_id(held.person)}"},
        }
        for flag in sorted(held.flags - {"SENSITIVE_ADDRESS"})
    ]


def _resource(item: Placed, members: Resource) -> Resource:
    labels = [
        {"system": _SENSITIVITY, "code": _LABELS[flag]} if flag in _LABELS else {"system": _HANDLING, "code": flag}
        for flag in sorted(item.draft.flags)
    ]
    return _pruned(
        {"resourceType": _KINDS[item.table.dataset], "id": item.ref, "meta": {"security": labels}, **members}
    )


def _reference(item: Placed) -> Resource:
    return {"reference": f"Patient/{_patient_id(item.held.person)}"}


def _encounter(item: Placed) -> Resource:
    draft = item.draft
    fields = draft.fields
    names = {
        "injury_coded": "injury-coded Boolean",
        "cp_is_checked": "cp-is-checked Boolean",
        "safeguarding_form": "safeguarding-form String",
    }
    code = {"emergency": "EMER", "urgent_care": "ACUTE", "clinic_attendance": "AMB"}[draft.type]
    left = fields.get("left_before_seen")
    disposition = None if left is None else "left-before-seen" if left else "home"
    return _resource(
        item,
        {
            "status": "finished",
            "class": {"system": _ACT, "code": code},
            "serviceType": _treatment("360") if draft.category == "sexual_health" else None,
            "subject": _reference(item),
            "period": {"start": _stamp(draft.date), "end": _stamp(draft.date, 17)},
            "serviceProvider": {"display": fields.get("setting")},
            "reasonCode": [{"text": fields.get("presenting_complaint")}],
            "hospitalization": {
                "dischargeDisposition": _coding("urn:wardgate:disposition", disposition) if disposition else None
            },
            "extension": _extensions(draft, names),
        },
    )


def _treatment(code: str) -> Resource:
    return _coding("https://fhir.nhs.uk/CodeSystem/NHSDataModelAndDictionary-treatment-function", code)


def _condition(item: Placed) -> Resource:
    draft = item.draft
    text = str(draft.fields.get("injury_description", ""))
    code = next((code for words, code in INJURIES.items() if text.startswith(words)), INJURIES["Injury"])
    status = "confirmed" if draft.assertion == "fact" else "provisional"
    return _resource(
        item,
        {
            "verificationStatus": _coding("http://terminology.hl7.org/CodeSystem/condition-ver-status", status),
            "code": {**_coding(_SNOMED, code), "text": text},
            "subject": _reference(item),
            "onsetDateTime": draft.date.isoformat(),
            "note": [{"text": draft.fields.get("explanation_given")}],
            "extension": _extensions(draft, {"body_map_ref": "body-map String"}),
        },
    )


def _appointment(item: Placed) -> Resource:
    draft = item.draft
    status = {"was_not_brought": "noshow", "attended": "fulfilled", "booked": "booked", "cancelled": "cancelled"}
    actors = [{"reference": "Practitioner/clinic"}, _reference(item)]
    return _resource(
        item,
        {
            "status": status[draft.type],
            "serviceType": [{"text": draft.fields.get("appointment_setting")}],
            "start": _stamp(draft.date, 10),
            "comment": draft.fields.get("letter"),
            "participant": [{"actor": actor, "status": "accepted"} for actor in actors],
        },
    )


def _episode(item: Placed) -> Resource:
    draft = item.draft
    is_camhs = draft.category == "camhs"
    names = {
        "service_level": "service-level String",
        "antenatal_contact": "antenatal-contact String",
        "new_birth_visit": "new-birth-visit String",
        "six_week_review": "six-week-review String",
        "one_year_review": "one-year-review String",
        "two_year_review": "two-year-review String",
        "observations": "observations String",
        "crisis_in_90_days": "crisis-90d Boolean",
        "care_plan": "care-plan String",
        "risk_summary": "risk-summary String",
    }
    status = {"Open": "active", "Waiting": "waitlist", "Closed": "finished"}
    end = draft.fields.get("camhs_closed_date" if is_camhs else "caseload_end_date")
    return _resource(
        item,
        {
            "status": status[str(draft.fields["camhs_status"])] if is_camhs else "finished" if end else "active",
            "type": [_treatment("711") if is_camhs else _coding("urn:wardgate:service", "0-19")],
            "patient": _reference(item),
            "period": {"start": draft.date.isoformat(), "end": end},
            "careManager": {"display": draft.fields.get("lead_contact" if is_camhs else "worker_name")},
            "extension": _extensions(draft, names),
        },
    )


def _family_history(item: Placed) -> Resource:
    draft = item.draft
    code = "74732009" if draft.category == "adult_mental_health" else "66214007"
    contact: list[Resource] = []
    if draft.contact_level != "unknown":
        contact.append({"url": "urn:wardgate:contact-level", "valueCode": draft.contact_level.value})
    return _resource(
        item,
        {
            "status": "completed",
            "patient": _reference(item),
            "date": draft.date.isoformat(),
            "relationship": _coding("http://terminology.hl7.org/CodeSystem/v3-RoleCode", _relative(draft)),
            "condition": [{"code": _coding(_SNOMED, code)}],
            "note": [{"text": draft.fields.get("service_contact")}],
            "extension": contact + _extensions(draft, {"children_recorded": "children-recorded Integer"}),
        },
    )


def _relative(draft: Draft) -> str:
    if draft.relation.value not in _RELATIONS:
        raise ValueError(f"{draft.category}/{draft.type} is about a relative of the child")
    return _RELATIONS[draft.relation.value]


_BUILDERS: Final[Mapping[str, Callable[[Placed], Resource]]] = {
    "encounters": _encounter,
    "conditions": _condition,
    "appointments": _appointment,
    "episodes": _episode,
    "family_histories": _family_history,
}


def _faults(resources: list[Resource], holding: Holding) -> Counter[RejectionReason]:
    """What a shared record always has: a mistyped number, an adult, a resource of nobody, a type that nobody mapped."""
    person = next(iter(holding.held.values())).person
    mistyped: Resource = {"system": NHS_NUMBER, "value": wrong_number(person.nhs_number)}
    resources.append({"resourceType": "Patient", "id": "nobody", "identifier": [mistyped]})
    resources.append({"resourceType": "Patient", "id": "adult", "birthDate": "1980"})
    resources += [
        {
            "resourceType": "Encounter",
            "id": f"of-{whose}",
            "status": "finished",
            "class": {"system": _ACT, "code": "EMER"},
            "subject": {"reference": f"Patient/{whose}"},
            "period": {"start": "2026-01-05T10:00:00+00:00"},
        }
        for whose in ("nobody", "adult")
    ]
    resources.append({"resourceType": "Observation", "id": "height", "status": "final"})
    resources.append({"resourceType": "Practitioner", "id": "clinic"})
    return Counter(
        {
            RejectionReason.NHS_NUMBER_INVALID: 1,
            RejectionReason.CHILD_UNKNOWN: 1,
            RejectionReason.NOT_A_CHILD: 2,
            RejectionReason.ROW_UNCLAIMED: 1,
        }
    )
