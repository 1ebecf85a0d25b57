"""Children's social care: a Standard Safeguarding Dataset in SQLite, for `standard-safeguarding-dataset.toml`."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agency_node.sources.record import FieldValue
from agency_node.sources.source import RejectionReason
from sandbox.generator.drafts import Holding, Target, Written
from sandbox.generator.identifiers import wrong_number
from sandbox.generator.people import Person
from sandbox.generator.shapes import table as of
from sandbox.generator.shapes.csv_files import Placed, expected, placed
from sandbox.generator.shapes.ssd_schema import SCHEMA
from sandbox.generator.shapes.table import Column, Table

MAPPING: Final = "standard-safeguarding-dataset"
DATABASE: Final = "ssd.db"
_STAMP: Final = "%Y-%m-%d 00:00:00"

Row = Mapping[str, str]
Rows = Callable[[Row, str, str], Sequence[tuple[str, Row]]]
"""From a record's columns, its id and its child's id to rows of the dataset's tables."""


def _table(
    dataset: str, category: str, kind: str, date_field: str, fields: str, *, settings: Mapping[str, str] | None = None
) -> Table:
    """A dataset whose fields are columns; a name ending in `_date` or `_due` is a date."""
    columns = tuple(
        Column(name, name, "date" if name.endswith(("_date", "_due")) else "text") for name in fields.split()
    )
    return Table(
        dataset=dataset,
        holds=((category, kind),),
        columns=(*columns, Column("@flags", of.FLAGS)),
        date_field=date_field,
        settings=settings or {},
        fixed={of.ASSERTION: "professional_opinion"} if category == "assessment" else {},
    )


TABLES: Final = (
    _table(
        "involvements",
        "involvement",
        "involvement",
        "invo_involvement_start_date",
        "invo_professional_role_id invo_professional_team dept_team_name prof_professional_name"
        " invo_involvement_start_date invo_involvement_end_date invo_worker_change_reason",
        settings={"duty_contact": "duty_contact"},
    ),
    _table(
        "contacts",
        "contacts",
        "contact",
        "cont_contact_date",
        "cont_contact_date cont_contact_source_code cont_contact_source_desc cont_contact_outcome_json",
    ),
    _table(
        "episodes",
        "cin",
        "cin_episode",
        "cine_referral_date",
        "cine_referral_date cine_cin_primary_need_code cine_close_date cine_referral_nfa cine_referral_source_code"
        " cine_referral_outcome_json cine_close_reason",
    ),
    _table(
        "assessments",
        "assessment",
        "assessment",
        "cina_assessment_start_date",
        "cina_assessment_start_date cina_assessment_auth_date cina_assessment_outcome_json"
        " cinf_assessment_factors_json",
    ),
    _table(
        "enquiries",
        "s47",
        "s47_enquiry",
        "s47e_s47_start_date",
        "s47e_s47_start_date s47e_s47_end_date s47e_s47_nfa s47e_s47_outcome_json icpc_icpc_target_date"
        " icpc_icpc_date icpc_icpc_outcome_cp_flag icpc_icpc_outcome_json",
    ),
    _table(
        "plans",
        "cp_plan",
        "cp_plan",
        "cppl_cp_plan_start_date",
        "cppl_cp_plan_start_date cppl_cp_plan_end_date cppl_cp_plan_initial_category cppl_cp_plan_latest_category"
        " cppr_cp_review_due cppv_cp_visit_date cppv_cp_visit_seen cppv_cp_visit_seen_alone",
    ),
    _table(
        "care",
        "looked_after",
        "cla_episode",
        "clae_cla_episode_start_date",
        "clae_cla_episode_start_date clae_cla_episode_ceased_date clap_cla_placement_type"
        " clap_cla_placement_postcode lega_legal_status",
    ),
    _table(
        "missing",
        "missing",
        "missing_episode",
        "miss_missing_episode_start_date",
        "miss_missing_episode_start_date miss_missing_episode_end_date miss_missing_episode_type"
        " miss_missing_rhi_offered miss_missing_rhi_accepted",
    ),
    _table(
        "early_help",
        "early_help",
        "early_help_episode",
        "earl_episode_start_date",
        "earl_episode_start_date earl_episode_end_date earl_episode_reason earl_episode_end_reason"
        " earl_episode_organisation",
    ),
    _table(
        "pre_proceedings",
        "pre_proceedings",
        "pre_proceedings",
        "prep_pre_pro_decision_date",
        "prep_pre_pro_decision_date prep_pre_pro_outcome prep_court_reference",
    ),
    _table(
        "ehc_plans",
        "send",
        "ehc_plan",
        "ehcn_named_plan_start_date",
        "ehcn_named_plan_start_date ehcn_named_plan_ceased_date ehca_ehcp_assessment_outcome"
        " senn_active_ehcp_need_type",
    ),
    _table(
        "addresses",
        "address",
        "address",
        "addr_address_start_date",
        "addr_address_start_date addr_address_end_date addr_address_postcode addr_address_json",
        settings={"addr_local_authority": "local_authority"},
    ),
    _table(
        "immigration",
        "immigration",
        "immigration_status",
        "immi_immigration_status_start_date",
        "immi_immigration_status_start_date immi_immigration_status_end_date immi_immigration_status",
    ),
    _table(
        "permanence",
        "permanence",
        "permanence",
        "perm_adm_decision_date",
        "perm_adm_decision_date perm_part_of_sibling_group perm_permanence_order_type",
    ),
)


def _beginning(row: Row, *prefixes: str) -> dict[str, str]:
    return {name: value for name, value in row.items() if name.startswith(prefixes) and value}


def _simple(table: str, identity: str, person: str) -> Rows:
    return lambda row, ref, key: [(table, {identity: ref, person: key, **row})]


def _involvement(row: Row, ref: str, key: str) -> Sequence[tuple[str, Row]]:
    team = row["invo_professional_team"]
    name = row["prof_professional_name"]
    worker = f"W-{name.replace(' ', '-').lower()}" if name else ""
    rows: list[tuple[str, Row]] = [
        (
            "ssd_involvements",
            {
                "invo_involvements_id": ref,
                "invo_person_id": key,
                "invo_professional_id": worker,
                **_beginning(row, "invo_"),
            },
        )
    ]
    if worker:
        rows.append(("ssd_professionals", {"prof_professional_id": worker, "prof_professional_name": name}))
    if team:
        rows.append(("ssd_department", {"dept_team_id": team, "dept_team_name": row["dept_team_name"]}))
    return rows


def _assessment(row: Row, ref: str, key: str) -> Sequence[tuple[str, Row]]:
    rows: list[tuple[str, Row]] = [
        ("ssd_cin_assessments", {"cina_assessment_id": ref, "cina_person_id": key, **_beginning(row, "cina_")})
    ]
    if factors := _beginning(row, "cinf_"):
        rows.append(("ssd_assessment_factors", {"cinf_table_id": ref, "cinf_assessment_id": ref, **factors}))
    return rows


def _enquiry(row: Row, ref: str, key: str) -> Sequence[tuple[str, Row]]:
    rows: list[tuple[str, Row]] = [
        ("ssd_s47_enquiry", {"s47e_s47_enquiry_id": ref, "s47e_person_id": key, **_beginning(row, "s47e_")})
    ]
    if conference := _beginning(row, "icpc_"):
        own = {"icpc_icpc_id": ref, "icpc_s47_enquiry_id": ref, "icpc_person_id": key}
        rows.append(("ssd_initial_cp_conference", {**own, **conference}))
    return rows


def _plan(row: Row, ref: str, key: str) -> Sequence[tuple[str, Row]]:
    rows: list[tuple[str, Row]] = [
        ("ssd_cp_plans", {"cppl_cp_plan_id": ref, "cppl_person_id": key, **_beginning(row, "cppl_")})
    ]
    if review := _beginning(row, "cppr_"):
        own = {"cppr_cp_review_id": f"{ref}-2", "cppr_person_id": key, "cppr_cp_plan_id": ref}
        rows.append(("ssd_cp_reviews", {**own, **review}))
        # The review before, held when it was due: the mapping must look past it.
        held = {
            "cppr_cp_review_due": row["cppl_cp_plan_start_date"],
            "cppr_cp_review_date": row["cppl_cp_plan_start_date"],
        }
        rows.append(("ssd_cp_reviews", {**own, **held, "cppr_cp_review_id": f"{ref}-1"}))
    if visit := _beginning(row, "cppv_"):
        own = {"cppv_person_id": key, "cppv_cp_plan_id": ref}
        rows.append(("ssd_cp_visits", {**own, "cppv_cp_visit_id": f"{ref}-2", **visit}))
        first = {"cppv_cp_visit_date": row["cppl_cp_plan_start_date"], "cppv_cp_visit_seen": "Y"}
        rows.append(("ssd_cp_visits", {**own, "cppv_cp_visit_id": f"{ref}-1", **first}))
    return rows


def _care(row: Row, ref: str, key: str) -> Sequence[tuple[str, Row]]:
    own = {"clae_cla_episode_id": ref, "clae_person_id": key, "clae_cla_placement_id": ref}
    rows: list[tuple[str, Row]] = [("ssd_cla_episodes", {**own, **_beginning(row, "clae_")})]
    if placement := _beginning(row, "clap_"):
        rows.append(("ssd_cla_placement", {"clap_cla_placement_id": ref, "clap_person_id": key, **placement}))
    if status := row["lega_legal_status"]:
        start = row["clae_cla_episode_start_date"]
        rows.append(
            (
                "ssd_legal_status",
                {
                    "lega_legal_status_id": ref,
                    "lega_person_id": key,
                    "lega_legal_status": status,
                    "lega_legal_status_start_date": start,
                    "lega_legal_status_end_date": row["clae_cla_episode_ceased_date"],
                },
            )
        )
    return rows


def _ehc_plan(row: Row, ref: str, key: str) -> Sequence[tuple[str, Row]]:
    need = row["senn_active_ehcp_need_type"]
    rows: list[tuple[str, Row]] = [
        ("ssd_send", {"send_table_id": ref, "send_person_id": key}),
        ("ssd_ehcp_requests", {"ehcr_ehcp_request_id": ref, "ehcr_send_table_id": ref}),
        (
            "ssd_ehcp_assessment",
            {"ehca_ehcp_assessment_id": ref, "ehca_ehcp_request_id": ref, **_beginning(row, "ehca_")},
        ),
        (
            "ssd_ehcp_named_plan",
            {"ehcn_named_plan_id": ref, "ehcn_ehcp_asmt_id": ref, **_beginning(row, "ehcn_")},
        ),
        ("ssd_ehcp_active_plans", {"ehcp_active_ehcp_id": ref, "ehcp_ehcp_request_id": ref}),
    ]
    if need:
        own = {"senn_table_id": ref, "senn_active_ehcp_id": ref, "senn_active_ehcp_need_rank": "1"}
        rows.append(("ssd_sen_need", {**own, "senn_active_ehcp_need_type": need}))
    return rows


ROWS: Final[Mapping[str, Rows]] = {
    "involvements": _involvement,
    "contacts": _simple("ssd_contacts", "cont_contact_id", "cont_person_id"),
    "episodes": _simple("ssd_cin_episodes", "cine_referral_id", "cine_person_id"),
    "assessments": _assessment,
    "enquiries": _enquiry,
    "plans": _plan,
    "care": _care,
    "missing": _simple("ssd_missing", "miss_table_id", "miss_person_id"),
    "early_help": _simple("ssd_early_help_episodes", "earl_episode_id", "earl_person_id"),
    "pre_proceedings": _simple("ssd_pre_proceedings", "prep_table_id", "prep_person_id"),
    "ehc_plans": _ehc_plan,
    "addresses": _simple("ssd_address", "addr_table_id", "addr_person_id"),
    "immigration": _simple("ssd_immigration_status", "immi_immigration_status_id", "immi_person_id"),
    "permanence": _simple("ssd_permanence", "perm_table_id", "perm_person_id"),
}


@dataclass(slots=True)
class _Database:
    """Rows by table, each table's own key unique."""

    rows: dict[str, dict[tuple[str, ...], Row]]

    def add(self, table: str, row: Row, *key: str) -> None:
        self.rows[table].setdefault(key or (next(iter(row.values())),), row)

    def write(self, path: str) -> None:
        connection = sqlite3.connect(path)
        try:
            connection.execute(
                "PRAGMA journal_mode = OFF"
            )  # nobody else is there, and the file must always be the same
            for table, columns in SCHEMA.items():
                definition = ", ".join(f"{name} {kind}" for name, kind in columns)
                connection.execute(f"CREATE TABLE {table} ({definition})")
                names = [name for name, _ in columns]
                marks = ", ".join("?" for _ in names)
                cells = [[row.get(name) or None for name in names] for row in self.rows[table].values()]
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", cells)  # noqa: S608 - names of our own schema
            connection.commit()
        finally:
            connection.close()


def write(holding: Holding, target: Target) -> Written:
    """Write the database."""
    database = _Database({table: {} for table in SCHEMA})
    items = placed(holding, TABLES, "C")
    for held in holding.held.values():
        _add_person(database, held.person)
        for flag in sorted(held.flags):
            _mark(database, held.person, flag)
    for item in items:
        _add_record(database, item)
    rejected = _faults(database, holding) if target.faults else Counter[RejectionReason]()
    path = target.folder / DATABASE
    database.write(str(path))
    children, records = expected(items, holding, target)
    return Written(f"sqlite:///{path}", MAPPING, children, records, rejected)


def _key(person: Person) -> str:
    return f"{500_000 + person.serial}"


def _add_person(database: _Database, person: Person) -> None:
    number = person.nhs_number.canonical()
    # Both places of the number occur in practice; an old identifier of another type must not be taken for it.
    linked = person.serial % 2 == 0
    database.add(
        "ssd_person",
        {
            "pers_person_id": _key(person),
            "pers_forename": person.forename,
            "pers_surname": person.surname,
            "pers_sex": person.sex,
            "pers_dob": person.born.strftime(_STAMP),
            "pers_single_unique_id": "" if linked else number,
        },
    )
    identifiers = [
        ("Unique Pupil Number", f"T9999999{person.serial:05d}"),
        *([("NHS Number", number)] if linked else []),
    ]
    for count, (kind, value) in enumerate(identifiers):
        database.add(
            "ssd_linked_identifiers",
            {
                "link_table_id": f"{_key(person)}-{count}",
                "link_person_id": _key(person),
                "link_identifier_type": kind,
                "link_identifier_value": value,
            },
        )
    family = {"fami_table_id": _key(person), "fami_family_id": f"F{person.household}", "fami_person_id": _key(person)}
    database.add("ssd_family", family)


def _add_record(database: _Database, item: Placed) -> None:
    cells = item.table.cells(item.draft, ref=item.ref, key="", date_format=_STAMP)
    row = {name: value for name, value in cells.items() if not name.startswith("@")}
    for table, columns in ROWS[item.table.dataset](row, item.ref, _key(item.held.person)):
        database.add(table, columns)
    for flag in sorted(item.draft.flags):
        _mark(database, item.held.person, flag, item.table.dataset, item.ref)


def _mark(database: _Database, person: Person, flag: str, dataset: FieldValue = "", record: str = "") -> None:
    row = {"hand_person_id": _key(person), "hand_dataset": str(dataset), "hand_record_id": record, "hand_flag": flag}
    database.add("local_handling_flags", row, _key(person), str(dataset), record, flag)


def _faults(database: _Database, holding: Holding) -> Counter[RejectionReason]:
    """What a case system always has: a mistyped number, a row without its date, a mark that has ended."""
    person = next(iter(holding.held.values())).person
    database.add("ssd_person", {"pers_person_id": "1", "pers_single_unique_id": wrong_number(person.nhs_number)})
    # Among the many contacts: of a small dataset one such row would be more than may be unreadable.
    database.add("ssd_contacts", {"cont_contact_id": "C0-1", "cont_person_id": _key(person)})
    database.add("ssd_contacts", {"cont_contact_id": "C0-2", "cont_person_id": "1", "cont_contact_date": "2026-01-05"})
    ended = {"hand_person_id": _key(person), "hand_flag": "WITNESS_PROT", "hand_end_date": "2020-01-01 00:00:00"}
    database.add("local_handling_flags", ended, "ended")
    return Counter(
        {
            RejectionReason.NHS_NUMBER_INVALID: 1,
            RejectionReason.DATE_MISSING: 1,
            RejectionReason.CHILD_UNKNOWN: 1,
        }
    )
