"""Tables of the Standard Safeguarding Dataset that the sandbox fills, with the columns and sizes of release 1.4.

The names are the dataset's own (data-to-insight/ssd-data-model). `local_handling_flags` is not part of it: it is the
table that `agency_node/mappings/standard-safeguarding-dataset.toml` asks an authority to keep beside it.
"""

from typing import Final

_ID: Final = "NVARCHAR(48)"
_DATE: Final = "DATETIME"
_FLAG: Final = "NCHAR(1)"
_TEXT: Final = "NVARCHAR(100)"
_LONG: Final = "NVARCHAR(1000)"


def _table(*columns: str | tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Columns by name; the type follows from the name where it is not given."""
    return tuple((column, _kind(column)) if isinstance(column, str) else column for column in columns)


def _kind(column: str) -> str:
    if column.endswith(("_id", "_team", "_urn")):
        return _ID
    if column.endswith(("_date", "_due", "_dob")):
        return _DATE
    if column.endswith("_json"):
        return _LONG
    if column.endswith(("_nfa", "_flag", "_seen", "_seen_alone", "_bedroom", "_ola", "_transfer_in")):
        return _FLAG
    return _TEXT


SCHEMA: Final = {
    "ssd_person": _table(
        "pers_legacy_id", "pers_person_id", ("pers_upn", "NVARCHAR(13)"), "pers_forename",
        ("pers_surname", "NVARCHAR(255)"), ("pers_sex", "NVARCHAR(20)"), ("pers_gender", "NVARCHAR(10)"),
        ("pers_ethnicity", "NVARCHAR(48)"), "pers_dob", "pers_single_unique_id", ("pers_upn_unknown", "NVARCHAR(6)"),
        ("pers_send_flag", "NCHAR(5)"), "pers_expected_dob", "pers_death_date", ("pers_is_mother", _FLAG),
        ("pers_nationality", "NVARCHAR(48)"),
    ),
    "ssd_linked_identifiers": _table(
        "link_table_id", "link_person_id", "link_identifier_type", "link_identifier_value", "link_valid_from_date",
        "link_valid_to_date",
    ),
    "ssd_family": _table("fami_table_id", "fami_family_id", "fami_person_id"),
    "ssd_address": _table(
        "addr_table_id", "addr_person_id", ("addr_address_type", "NVARCHAR(48)"), "addr_address_start_date",
        "addr_address_end_date", ("addr_address_postcode", "NVARCHAR(15)"), "addr_address_json",
    ),
    "ssd_contacts": _table(
        "cont_contact_id", "cont_person_id", "cont_contact_date", ("cont_contact_source_code", "NVARCHAR(48)"),
        ("cont_contact_source_desc", "NVARCHAR(255)"), ("cont_contact_outcome_json", "NVARCHAR(4000)"),
    ),
    "ssd_early_help_episodes": _table(
        "earl_episode_id", "earl_person_id", "earl_episode_start_date", "earl_episode_end_date", "earl_episode_reason",
        "earl_episode_end_reason", "earl_episode_organisation", "earl_episode_worker_id",
    ),
    "ssd_cin_episodes": _table(
        "cine_referral_id", "cine_person_id", "cine_referral_date", ("cine_cin_primary_need_code", "NVARCHAR(3)"),
        ("cine_referral_source_code", "NVARCHAR(48)"), ("cine_referral_source_desc", "NVARCHAR(255)"),
        ("cine_referral_outcome_json", "NVARCHAR(4000)"), "cine_referral_nfa", "cine_close_reason", "cine_close_date",
        "cine_referral_team", "cine_referral_worker_id",
    ),
    "ssd_cin_assessments": _table(
        "cina_assessment_id", "cina_person_id", "cina_referral_id", "cina_assessment_start_date",
        ("cina_assessment_child_seen", _FLAG), "cina_assessment_auth_date", "cina_assessment_outcome_json",
        "cina_assessment_outcome_nfa", "cina_assessment_team", "cina_assessment_worker_id",
    ),
    "ssd_assessment_factors": _table(
        "cinf_table_id", "cinf_assessment_id", ("cinf_assessment_factors_json", "TEXT"),
    ),
    "ssd_s47_enquiry": _table(
        "s47e_s47_enquiry_id", "s47e_referral_id", "s47e_person_id", "s47e_s47_start_date", "s47e_s47_end_date",
        "s47e_s47_nfa", "s47e_s47_outcome_json", "s47e_s47_completed_by_team", "s47e_s47_completed_by_worker_id",
    ),
    "ssd_initial_cp_conference": _table(
        "icpc_icpc_id", "icpc_icpc_meeting_id", "icpc_s47_enquiry_id", "icpc_person_id", "icpc_cp_plan_id",
        "icpc_referral_id", "icpc_icpc_transfer_in", "icpc_icpc_target_date", "icpc_icpc_date",
        "icpc_icpc_outcome_cp_flag", "icpc_icpc_outcome_json", "icpc_icpc_team", "icpc_icpc_worker_id",
    ),
    "ssd_cp_plans": _table(
        "cppl_cp_plan_id", "cppl_referral_id", "cppl_icpc_id", "cppl_person_id", "cppl_cp_plan_start_date",
        "cppl_cp_plan_end_date", "cppl_cp_plan_ola", "cppl_cp_plan_initial_category", "cppl_cp_plan_latest_category",
    ),
    "ssd_cp_reviews": _table(
        "cppr_cp_review_id", "cppr_person_id", "cppr_cp_plan_id", "cppr_cp_review_due", "cppr_cp_review_date",
        "cppr_cp_review_meeting_id", ("cppr_cp_review_outcome_continue_cp", _FLAG), "cppr_cp_review_quorate",
        "cppr_cp_review_participation",
    ),
    "ssd_cp_visits": _table(
        "cppv_cp_visit_id", "cppv_person_id", "cppv_cp_plan_id", "cppv_cp_visit_date", "cppv_cp_visit_seen",
        "cppv_cp_visit_seen_alone", "cppv_cp_visit_bedroom",
    ),
    "ssd_cla_episodes": _table(
        "clae_cla_episode_id", "clae_person_id", "clae_cla_placement_id", "clae_cla_episode_start_date",
        "clae_cla_episode_start_reason", ("clae_cla_primary_need_code", "NVARCHAR(3)"), "clae_cla_episode_ceased_date",
        "clae_cla_episode_ceased_reason", "clae_cla_id", "clae_referral_id", "clae_cla_last_iro_contact_date",
        "clae_entered_care_date",
    ),
    "ssd_cla_placement": _table(
        "clap_cla_placement_id", "clap_cla_id", "clap_person_id", "clap_cla_placement_start_date",
        "clap_cla_placement_type", "clap_cla_placement_urn", ("clap_cla_placement_distance", "FLOAT"),
        "clap_cla_placement_provider", ("clap_cla_placement_postcode", "NVARCHAR(8)"), "clap_cla_placement_end_date",
        "clap_cla_placement_change_reason",
    ),
    "ssd_legal_status": _table(
        "lega_legal_status_id", "lega_person_id", "lega_legal_status", "lega_legal_status_start_date",
        "lega_legal_status_end_date",
    ),
    "ssd_missing": _table(
        "miss_table_id", "miss_person_id", "miss_missing_episode_start_date", "miss_missing_episode_type",
        "miss_missing_episode_end_date", ("miss_missing_rhi_offered", "NVARCHAR(2)"),
        ("miss_missing_rhi_accepted", "NVARCHAR(2)"),
    ),
    "ssd_pre_proceedings": _table(
        "prep_table_id", "prep_person_id", "prep_plo_family_id", "prep_pre_pro_decision_date",
        "prep_initial_pre_pro_meeting_date", "prep_pre_pro_outcome", "prep_agree_stepdown_issue_date",
        "prep_legal_gateway_outcome", "prep_pre_pro_letter_date", "prep_care_pro_letter_date", "prep_court_reference",
    ),
    "ssd_send": _table("send_table_id", "send_person_id", "send_upn", "send_uln", ("send_upn_unknown", "NVARCHAR(6)")),
    "ssd_ehcp_requests": _table(
        "ehcr_ehcp_request_id", "ehcr_send_table_id", "ehcr_ehcp_req_date", "ehcr_ehcp_req_outcome_date",
        "ehcr_ehcp_req_outcome",
    ),
    "ssd_ehcp_assessment": _table(
        "ehca_ehcp_assessment_id", "ehca_ehcp_request_id", "ehca_ehcp_assessment_outcome_date",
        "ehca_ehcp_assessment_outcome", "ehca_ehcp_assessment_exceptions",
    ),
    "ssd_ehcp_named_plan": _table(
        "ehcn_named_plan_id", "ehcn_ehcp_asmt_id", "ehcn_named_plan_start_date", "ehcn_named_plan_ceased_date",
        "ehcn_named_plan_ceased_reason",
    ),
    "ssd_ehcp_active_plans": _table(
        "ehcp_active_ehcp_id", "ehcp_ehcp_request_id", "ehcp_active_ehcp_last_review_date"
    ),
    "ssd_sen_need": _table(
        "senn_table_id", "senn_active_ehcp_id", "senn_active_ehcp_need_type", ("senn_active_ehcp_need_rank", _FLAG)
    ),
    "ssd_immigration_status": _table(
        "immi_immigration_status_id", "immi_person_id", "immi_immigration_status_start_date",
        "immi_immigration_status_end_date", "immi_immigration_status",
    ),
    "ssd_permanence": _table(
        "perm_table_id", "perm_person_id", "perm_cla_id", "perm_adm_decision_date",
        ("perm_part_of_sibling_group", _FLAG), ("perm_siblings_placed_together", "INT"),
        ("perm_siblings_placed_apart", "INT"), "perm_permanence_order_date", "perm_permanence_order_type",
    ),
    "ssd_professionals": _table(
        "prof_professional_id", "prof_staff_id", ("prof_professional_name", "NVARCHAR(300)"),
        ("prof_social_worker_registration_no", "NVARCHAR(48)"), "prof_agency_worker_flag",
        ("prof_professional_job_title", "NVARCHAR(500)"), ("prof_professional_caseload", "INT"),
        "prof_professional_department", ("prof_full_time_equivalency", "FLOAT"),
    ),
    "ssd_department": _table(
        "dept_team_id", ("dept_team_name", "NVARCHAR(255)"), "dept_team_parent_id",
        ("dept_team_parent_name", "NVARCHAR(255)"),
    ),
    "ssd_involvements": _table(
        "invo_involvements_id", "invo_professional_id", ("invo_professional_role_id", "NVARCHAR(200)"),
        "invo_professional_team", "invo_person_id", "invo_involvement_start_date", "invo_involvement_end_date",
        ("invo_worker_change_reason", "NVARCHAR(200)"), "invo_referral_id",
    ),
    "local_handling_flags": _table(
        "hand_person_id", ("hand_dataset", "NVARCHAR(48)"), "hand_record_id", ("hand_flag", "NVARCHAR(64)"),
        "hand_end_date",
    ),
}  # fmt: skip
