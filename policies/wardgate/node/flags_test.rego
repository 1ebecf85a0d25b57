package wardgate.node_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.node

# One invented flag with no effect of its own; each test gives it one.
_inert := {
	"reason_code": "FLAG_STALE",
	"reach": "record",
	"withhold": {
		"applies": false,
		"except_purposes": [],
		"except_agreements": [],
		"responder_kinds": ["*"],
		"elsewhere": false,
		"yields_to_compulsion": false,
	},
	"refer": {"applies": false, "except_purposes": [], "shields": false, "open_purposes": [], "lifted_by": []},
	"decided_by": {"people": 1, "roles": []},
	"cap": {"tier": "T2", "except_purposes": []},
	"redact": {"tags": [], "fields": [], "shows": true},
	"needs": {
		"handling_code": false,
		"context": false,
		"attestations_any": [],
	},
	"users": "",
	"enquiry": "notify",
	"obligations": [],
	"areas": ["*"],
	"effective_from": "2000-01-01",
	"effective_to": null,
}

_flags(change) := {"INVENTED": object.union(_inert, change)}

_flagged := fixtures.with_record(fixtures.node, {"flags": ["INVENTED"]})

_first(document, flags) := record if {
	decision := node.decision with input as document with data.reference.flags as flags
	record := decision.records[0]
}

_second := object.union(fixtures.node.records[0], {"ref": "r2"})

# One record with the flag and one without.
_pair(first, second) := fixtures.changed(_flagged, {"records": [
	object.union(_flagged.records[0], first),
	object.union(_second, second),
]})

test_a_flag_without_effect_changes_nothing if {
	plain := node.decision with input as fixtures.node
	_first(_flagged, _flags({})) == plain.records[0]
}

test_a_flag_the_bundle_does_not_know_withholds if {
	record := _first(_flagged, {})
	record.effect == "withhold"
	_codes(record) == ["FLAG_UNKNOWN"]
}

test_a_flag_the_bundle_does_not_know_reaches_every_record_of_the_child if {
	every flags in [{}, _flags({"reach": "child", "effective_to": "2026-11-21"})] {
		two := node.decision with input as _pair({}, {}) with data.reference.flags as flags
		_effects(two) == ["withhold", "withhold"]
		[_codes(record) | some record in two.records] == [["FLAG_UNKNOWN"], ["FLAG_UNKNOWN"]]
		two.existence == "hidden"
	}
}

test_a_flag_out_of_force_that_reaches_its_record_leaves_the_others if {
	two := node.decision with input as _pair({}, {}) with data.reference.flags as _flags({"effective_to": "2026-11-21"})
	_effects(two) == ["withhold", "permit"]
}

test_a_flag_out_of_force_withholds if {
	_first(_flagged, _flags({"effective_to": "2026-11-22"})).effect == "permit"
	_first(_flagged, _flags({"effective_to": "2026-11-21"})).effect == "withhold"
	_codes(_first(_flagged, _flags({"areas": ["neighbourshire"]}))) == ["FLAG_UNKNOWN"]
}

test_a_withholding_flag_withholds_with_its_own_reason if {
	record := _first(_flagged, _flags({"withhold": {"applies": true}}))
	record.effect == "withhold"
	_codes(record) == ["FLAG_STALE"]
	record.fields == []
}

test_a_withholding_flag_may_spare_a_purpose if {
	_first(_flagged, _flags({"withhold": {"applies": true, "except_purposes": ["S47_ENQ"]}})).effect == "permit"
	_first(_flagged, _flags({"withhold": {"applies": true, "except_purposes": ["S47_EMERG"]}})).effect == "withhold"
}

test_a_withholding_flag_may_spare_members_of_an_agreement if {
	flags := _flags({"withhold": {"applies": true, "except_agreements": ["mappa"]}})
	member := fixtures.changed(_flagged, {"requester": {"agency": {"agreements": ["mappa"]}}})
	_first(member, flags).effect == "permit"
	_first(_flagged, flags).effect == "withhold"
}

test_a_withholding_flag_may_mean_some_kinds_of_responder if {
	_first(_flagged, _flags({"withhold": {"applies": true, "responder_kinds": ["childrens_services"]}})).effect == "withhold"
	_first(_flagged, _flags({"withhold": {"applies": true, "responder_kinds": ["refuge"]}})).effect == "permit"
}

_seconded(role, user) := {"approvals": [
	fixtures.approval("manager", "team_manager"),
	{"role": role, "kind": "second_person", "user_ref": user},
]}

test_a_referral_may_be_lifted_by_what_its_flag_says_and_by_all_of_it_only if {
	flags := _flags({"refer": {"applies": true, "lifted_by": ["break_glass", "second_person"]}})
	glass := {"break_glass": "shielded_person"}
	_first(_flagged, flags).effect == "refer"
	_first(fixtures.changed(_flagged, {"query": glass}), flags).effect == "refer"
	_first(fixtures.changed(_flagged, {"query": _seconded("lcpp", "second")}), flags).effect == "refer"
	both := fixtures.changed(_flagged, {"query": object.union(glass, _seconded("lcpp", "second"))})
	_first(both, flags).effect == "permit"
	themselves := fixtures.changed(_flagged, {"query": object.union(glass, _seconded("lcpp", "user"))})
	_first(themselves, flags).effect == "refer"
	nobody_who_decides := fixtures.changed(_flagged, {"query": object.union(glass, _seconded("social_worker", "second"))})
	_first(nobody_who_decides, flags).effect == "refer"
}

test_a_referral_that_nothing_lifts_is_not_lifted_by_break_glass if {
	flags := _flags({"refer": {"applies": true}})
	both := fixtures.changed(_flagged, {"query": object.union({"break_glass": "shielded_person"}, _seconded("lcpp", "second"))})
	_first(both, flags).effect == "refer"
}

test_a_shield_may_be_open_to_a_purpose_and_the_referral_shows_there if {
	flags := _flags({"refer": {"applies": true, "shields": true, "open_purposes": ["S47_ENQ"]}})
	open := node.decision with input as _flagged with data.reference.flags as flags
	open.existence == "visible"
	open.records[0].effect == "refer"
	other := _flags({"refer": {"applies": true, "shields": true, "open_purposes": ["S47_EMERG"]}})
	hidden := node.decision with input as _flagged with data.reference.flags as other
	hidden.existence == "hidden"
}

test_where_two_people_decide_one_does_not_release if {
	flags := _flags({"refer": {"applies": true}, "decided_by": {"people": 2}})
	asked := node.decision with input as _flagged with data.reference.flags as flags
	asked.person == {"awaited": false, "people": 2, "roles": []}
	one := fixtures.changed(_flagged, {"review": [fixtures.review("r1", "release")]})
	_first(one, flags).effect == "refer"
	twice := fixtures.changed(one, {"review": [fixtures.review("r1", "release"), fixtures.review("r1", "release")]})
	_first(twice, flags).effect == "refer"
	other := object.union(fixtures.review("r1", "release"), {"reviewer": "another"})
	both := fixtures.changed(_flagged, {"review": [fixtures.review("r1", "release"), other]})
	_first(both, flags).effect == "permit"
	asker := object.union(other, {"reviewer": "user"})
	_first(fixtures.changed(_flagged, {"review": [fixtures.review("r1", "release"), asker]}), flags).effect == "refer"
	held := object.union(fixtures.review("r1", "withhold"), {"reviewer": "another"})
	_first(fixtures.changed(_flagged, {"review": [fixtures.review("r1", "release"), held]}), flags).effect == "withhold"
}

test_a_flag_that_does_not_refer_asks_for_no_second_person if {
	decision := node.decision with input as _flagged with data.reference.flags as _flags({"decided_by": {"people": 2}})
	decision.person.people == 1
}

test_the_weightiest_flag_says_who_decides if {
	flags := {
		"ONE": object.union(_inert, {"precedence": 2, "refer": {"applies": true}, "decided_by": {"roles": ["dpo"]}}),
		"TWO": object.union(_inert, {"precedence": 1, "refer": {"applies": true}, "decided_by": {"roles": ["designated_officer"]}}),
		"THREE": object.union(_inert, {"precedence": 0, "refer": {"applies": true}}),
		"FOUR": object.union(_inert, {"precedence": 0, "decided_by": {"roles": ["auditor"]}}),
	}
	decision := node.decision with input as fixtures.with_record(fixtures.node, {"flags": ["ONE", "TWO", "THREE", "FOUR"]})
		with data.reference.flags as flags
	decision.person.roles == ["designated_officer"]
}

test_a_redaction_that_would_tell_what_it_hides_is_not_told_of if {
	silent := _first(_flagged, _flags({"redact": {"fields": ["s47e_s47_end_date"], "shows": false}}))
	silent.redactions == []
	not "s47e_s47_end_date" in silent.fields
	told := _first(_flagged, _flags({"redact": {"fields": ["s47e_s47_end_date"]}}))
	told.redactions == ["s47e_s47_end_date"]
	told.fields == silent.fields
}

test_what_another_rule_takes_out_as_well_is_told_of if {
	overlay := fixtures.changed(_flagged, {"overlay": {"fields_never": ["s47e_s47_end_date"]}})
	record := _first(overlay, _flags({"redact": {"fields": ["s47e_s47_end_date"], "shows": false}}))
	record.redactions == ["s47e_s47_end_date"]
}

test_a_flag_of_the_child_reaches_records_that_do_not_carry_it if {
	document := fixtures.changed(fixtures.node, {"child_flags": ["INVENTED"]})
	_first(document, _flags({"withhold": {"applies": true}})).effect == "withhold"
}

test_a_flag_of_a_child_without_records_alerts_and_shows_nothing if {
	none := fixtures.changed(fixtures.node, {"records": []})
	flagged := fixtures.changed(none, {"child_flags": ["WITNESS_PROT", "SENSITIVE_ADDRESS"]})
	decision := node.decision with input as flagged
	decision.existence == "hidden"
	[obligation.id | some obligation in decision.obligations; obligation.type == "alert"] == ["silent_alert"]
	nothing := node.decision with input as none
	[obligation | some obligation in decision.obligations; obligation.type != "alert"] == nothing.obligations
}

test_a_flag_of_a_child_that_is_not_in_force_alerts_nobody if {
	flagged := fixtures.changed(fixtures.node, {"records": [], "child_flags": ["INVENTED"]})
	ended := _flags({"obligations": ["silent_alert"], "effective_to": "2020-01-01"})
	decision := node.decision with input as flagged with data.reference.flags as ended
	[obligation.id | some obligation in decision.obligations; obligation.type == "alert"] == []
}

test_what_is_owed_on_a_withheld_record_is_alerts_shields_and_holds if {
	owing := {"obligations": ["no_onward_share", "alert_shielded_person"], "withhold": {"applies": true}}
	withheld := _first(_flagged, _flags(owing))
	[obligation.id | some obligation in withheld.obligations] == ["alert_shielded_person"]
	released := _first(_flagged, _flags(object.union(owing, {"withhold": {"applies": false}})))
	[obligation.id | some obligation in released.obligations] == ["alert_shielded_person", "no_onward_share"]
}

test_a_flag_may_need_a_handling_code if {
	flags := _flags({"needs": {"handling_code": true}})
	_codes(_first(_flagged, flags)) == ["HANDLING_CODE_MISSING"]
	coded := fixtures.with_record(_flagged, {"handling_code": "P"})
	_first(coded, flags).effect == "permit"
	_first(fixtures.node, flags).effect == "permit"
}

test_a_flag_may_need_the_persons_context if {
	flags := _flags({"needs": {"context": true}})
	parent := fixtures.with_record(_flagged, {"relation": "parent", "contact_level": "none"})
	_first(parent, flags).effect == "permit"
	unknown := fixtures.with_record(_flagged, {"relation": "parent", "contact_level": "unknown"})
	_codes(_first(unknown, flags)) == ["THIRD_PARTY_WITHOUT_CONTEXT"]
	_first(unknown, flags).effect == "refer"
	_first(_flagged, flags).effect == "refer"
	released := fixtures.changed(unknown, {"review": [fixtures.review("r1", "release")]})
	_first(released, flags).effect == "permit"
}

test_a_referring_flag_waits_for_a_person if {
	flags := _flags({"refer": {"applies": true}})
	_first(_flagged, flags).effect == "refer"
	_codes(_first(_flagged, flags)) == ["FLAG_STALE"]
	released := fixtures.changed(_flagged, {"review": [fixtures.review("r1", "release")]})
	_first(released, flags).effect == "permit"
}

test_a_referring_flag_may_spare_a_purpose if {
	_first(_flagged, _flags({"refer": {"applies": true, "except_purposes": ["S47_ENQ"]}})).effect == "permit"
	_first(_flagged, _flags({"refer": {"applies": true, "except_purposes": ["S47_EMERG"]}})).effect == "refer"
}

test_a_shielding_flag_hides_existence_until_a_person_releases if {
	flags := _flags({"refer": {"applies": true, "shields": true}})
	hidden := node.decision with input as _flagged with data.reference.flags as flags
	hidden.existence == "hidden"
	[obligation.id | some obligation in hidden.records[0].obligations] == ["shield_existence"]
	released := fixtures.changed(_flagged, {"review": [fixtures.review("r1", "release")]})
	shown := node.decision with input as released with data.reference.flags as flags
	shown.existence == "visible"
	shown.records[0].obligations == []
}

test_a_flag_that_does_not_refer_shields_nothing if {
	flags := _flags({"refer": {"applies": true, "except_purposes": ["S47_ENQ"], "shields": true}})
	shown := node.decision with input as _flagged with data.reference.flags as flags
	shown.existence == "visible"
	shown.records[0].obligations == []
}

test_a_referring_flag_that_does_not_shield_shows_existence if {
	shown := node.decision with input as _flagged with data.reference.flags as _flags({"refer": {"applies": true}})
	_effects(shown) == ["refer"]
	shown.existence == "visible"
	shown.records[0].obligations == []
}

test_a_capping_flag_lowers_the_tier_and_says_so if {
	capped := _first(_flagged, _flags({"cap": {"tier": "T1"}}))
	capped.tier == "T1"
	capped.fields == ["s47e_s47_start_date", "s47e_s47_end_date"]
	_codes(capped) == ["FLAG_STALE"]
}

test_a_capping_flag_may_spare_a_purpose if {
	_first(_flagged, _flags({"cap": {"tier": "T1", "except_purposes": ["S47_ENQ"]}})).tier == "T2"
	_first(_flagged, _flags({"cap": {"tier": "T1", "except_purposes": ["S47_EMERG"]}})).tier == "T1"
}

test_a_redacting_flag_takes_out_fields_by_name_and_says_so if {
	redacted := _first(_flagged, _flags({"redact": {"fields": ["s47e_s47_outcome_json", "unheard_of"]}}))
	redacted.fields == ["s47e_s47_start_date", "s47e_s47_end_date"]
	redacted.redactions == ["s47e_s47_outcome_json"]
	_codes(redacted) == ["FLAG_STALE"]
}

test_a_redacting_flag_takes_out_fields_by_tag if {
	address := fixtures.changed(fixtures.node, {
		"query": {"categories": [{"name": "address", "tier": "T2"}]},
		"gateway": {"categories": [{"name": "address", "tier": "T2"}]},
		"records": [object.union(
			fixtures.record("r1", "address", ["addr_address_start_date", "addr_address_postcode"]),
			{"flags": ["INVENTED"]},
		)],
	})
	redacted := _first(address, _flags({"redact": {"tags": ["location"]}}))
	redacted.fields == ["addr_address_start_date"]
	redacted.redactions == ["addr_address_postcode"]
}

test_a_redacting_flag_takes_out_its_own_tags_only if {
	involved := fixtures.changed(fixtures.node, {
		"query": {"categories": [{"name": "involvement", "tier": "T2"}]},
		"gateway": {"categories": [{"name": "involvement", "tier": "T2"}]},
		"records": [object.union(
			fixtures.record("r1", "involvement", ["prof_professional_name"]),
			{"flags": ["INVENTED"]},
		)],
	})
	_first(involved, _flags({"redact": {"tags": ["location"]}})).fields == ["prof_professional_name"]
	_first(involved, _flags({"redact": {"tags": ["worker"]}})).fields == []
}

test_a_redacting_flag_takes_nothing_out_of_another_record if {
	contact := object.union(
		fixtures.record("r1", "contacts", ["cont_contact_date", "cont_contact_source_desc"]),
		{"flags": ["INVENTED"]},
	)
	two := fixtures.changed(fixtures.node, {
		"query": {"categories": [{"name": "contacts", "tier": "T2"}]},
		"gateway": {"categories": [{"name": "contacts", "tier": "T2"}]},
		"records": [contact, object.union(contact, {"ref": "r2", "flags": []})],
	})
	every redact in [{"tags": ["source_identity"]}, {"fields": ["cont_contact_source_desc"]}] {
		decision := node.decision with input as two with data.reference.flags as _flags({"redact": redact})
		[record.redactions | some record in decision.records] == [["cont_contact_source_desc"], []]
		[record.fields | some record in decision.records] == [["cont_contact_date"], ["cont_contact_date", "cont_contact_source_desc"]]
	}
}

test_a_field_beyond_the_tier_is_no_redaction if {
	both := _first(_flagged, _flags({"cap": {"tier": "T1"}, "redact": {"fields": ["s47e_s47_outcome_json"]}}))
	both.redactions == []
}

test_a_flag_of_the_child_reaches_every_record if {
	two := _pair({}, {})
	child := node.decision with input as two with data.reference.flags as _flags({"reach": "child", "withhold": {"applies": true}})
	_effects(child) == ["withhold", "withhold"]
	record := node.decision with input as two with data.reference.flags as _flags({"withhold": {"applies": true}})
	_effects(record) == ["withhold", "permit"]
}

test_a_flag_lays_its_obligations_on_what_it_reaches if {
	owing := _first(_flagged, _flags({"obligations": ["no_tip_off"]}))
	[obligation.id | some obligation in owing.obligations] == ["no_tip_off"]
	_first(fixtures.node, _flags({"obligations": ["no_tip_off"]})).obligations == []
}

test_the_overlay_withholds_by_flag if {
	strict := fixtures.changed(_flagged, {"overlay": {"flags_never": ["INVENTED"]}})
	_first(strict, _flags({})).effect == "withhold"
	other := fixtures.changed(_flagged, {"overlay": {"flags_never": ["STALE"]}})
	_first(other, _flags({})).effect == "permit"
}

test_reasons_stand_in_the_order_of_precedence if {
	flagged := fixtures.with_record(fixtures.node, {"flags": ["LEGAL_PRIV", "WITNESS_PROT", "UNHEARD_OF"]})
	_codes(_first(flagged, data.reference.flags)) == ["FLAG_UNKNOWN", "FLAG_WITNESS_PROT", "FLAG_LEGAL_PRIV"]
}

test_a_protected_identity_hides_the_child_and_tells_one_officer if {
	two := fixtures.changed(fixtures.node, {"records": [
		object.union(fixtures.node.records[0], {"flags": ["WITNESS_PROT"]}),
		_second,
	]})
	decision := node.decision with input as two
	_effects(decision) == ["withhold", "withhold"]
	decision.existence == "hidden"
	decision.obligations == []
	[obligation.id | some obligation in decision.records[0].obligations] == ["silent_alert"]
}

test_a_protected_address_leaks_no_location if {
	placed := fixtures.changed(fixtures.node, {
		"query": {"categories": [{"name": "looked_after", "tier": "T2"}]},
		"gateway": {"categories": [{"name": "looked_after", "tier": "T2"}]},
		"records": [object.union(
			fixtures.record("r1", "looked_after", ["lega_legal_status", "clap_cla_placement_postcode"]),
			{"flags": ["SENSITIVE_ADDRESS"]},
		)],
	})
	record := _first(placed, data.reference.flags)
	record.fields == ["lega_legal_status"]
	record.redactions == ["clap_cla_placement_postcode"]
	[obligation.id | some obligation in record.obligations] == ["relay_contact"]
	unflagged := fixtures.with_record(placed, {"flags": []})
	_first(unflagged, data.reference.flags).fields == ["lega_legal_status", "clap_cla_placement_postcode"]
}

test_staff_are_put_before_two_people_unless_break_glass_and_a_second_person_were_given if {
	staff := fixtures.with_record(fixtures.node, {"flags": ["STAFF_SUBJECT"]})
	asked := node.decision with input as staff
	asked.existence == "visible"
	asked.records[0].effect == "refer"
	asked.person.people == 2
	"alert_shielded_person" in {obligation.id | some obligation in asked.records[0].obligations}
	broken := fixtures.changed(staff, {"query": {"break_glass": "shielded_person"}})
	_first(broken, data.reference.flags).effect == "refer"
	seconded := fixtures.changed(broken, {"query": _seconded("lcpp", "second")})
	record := _first(seconded, data.reference.flags)
	record.effect == "permit"
	[obligation.id | some obligation in record.obligations] == ["alert_shielded_person"]
}

test_a_withholding_flag_may_mean_responders_elsewhere if {
	elsewhere := _flags({"withhold": {"applies": true, "responder_kinds": ["refuge"], "elsewhere": true}})
	_first(_flagged, elsewhere).effect == "permit"
	away := fixtures.changed(_flagged, {"requester": {"agency": {"areas": ["neighbourshire"]}}})
	_first(away, elsewhere).effect == "withhold"
	_first(away, _flags({"withhold": {"applies": true, "responder_kinds": ["refuge"]}})).effect == "permit"
}

test_a_flag_may_need_consent_or_cause if {
	_first(_flagged, _flags({"needs": {"attestations_any": ["sensitive_consent"]}})).effect == "withhold"
	shown := _flags({"needs": {"attestations_any": ["sensitive_consent", "reasonable_cause_significant_harm"]}})
	_first(_flagged, shown).effect == "permit"
}

_conflicted(first, second) := fixtures.changed(fixtures.node, {"records": [
	object.union(fixtures.node.records[0], {"flags": ["INVENTED"], "barred_users": first}),
	object.union(_second, {"flags": ["INVENTED"], "barred_users": second}),
	object.union(_second, {"ref": "r3"}),
]})

_conflict := _flags({"reach": "child", "users": "barred", "refer": {"applies": true, "shields": true}})

_conflict_effects(first, second) := effects if {
	decision := node.decision with input as _conflicted(first, second) with data.reference.flags as _conflict
	effects := _effects(decision)
}

test_a_user_named_in_one_record_is_refused_all if {
	_conflict_effects(["user"], ["somebody"]) == ["withhold", "withhold", "withhold"]
}

test_a_colleague_of_a_user_named_is_not_refused if {
	_conflict_effects(["somebody"], ["somebody-else"]) == ["permit", "permit", "permit"]
}

test_who_is_named_where_the_flag_is_not_is_not_barred if {
	two := _pair({"barred_users": ["somebody"]}, {"barred_users": ["user"]})
	decision := node.decision with input as two with data.reference.flags as _conflict
	_effects(decision) == ["permit", "permit"]
}

test_a_flag_that_reaches_one_record_bars_from_that_record_alone if {
	conflict := _flags({"users": "barred"})
	decision := node.decision with input as _conflicted(["user"], []) with data.reference.flags as conflict
	_effects(decision) == ["withhold", "withhold", "permit"]
}

test_where_everybody_is_named_nothing_of_a_conflict_is_shielded if {
	decision := node.decision with input as _conflicted(["somebody"], ["somebody"]) with data.reference.flags as _conflict
	[record.obligations | some record in decision.records] == [[], [], []]
}

test_a_flag_without_users_neither_bars_nor_settles_by_name if {
	barred := fixtures.with_record(_flagged, {"barred_users": ["user"]})
	_first(barred, _flags({})).effect == "permit"
	unlisted := fixtures.with_record(_flagged, {"permitted_users": ["somebody"]})
	_first(unlisted, _flags({})).effect == "permit"
	refer := _flags({"refer": {"applies": true}})
	every change in [{"barred_users": ["somebody"]}, {"permitted_users": ["user"]}] {
		_first(fixtures.with_record(_flagged, change), refer).effect == "refer"
	}
}

test_where_one_record_names_nobody_a_person_finds_out if {
	_conflict_effects(["somebody"], []) == ["refer", "refer", "refer"]
	decision := node.decision with input as _conflicted([], []) with data.reference.flags as _conflict
	decision.existence == "hidden"
}

test_an_order_lets_only_those_it_names_read if {
	order := _flags({"users": "permitted", "refer": {"applies": true, "shields": true}})
	_first(fixtures.with_record(_flagged, {"permitted_users": ["user"]}), order).effect == "permit"
	_first(fixtures.with_record(_flagged, {"permitted_users": ["somebody"]}), order).effect == "withhold"
	_first(_flagged, order).effect == "refer"
	_first(fixtures.with_record(_flagged, {"permitted_users": ["user"]}), order).obligations == []
}

test_where_the_referral_shows_a_person_still_cannot_let_others_read_what_an_order_keeps if {
	order := _flags({"users": "permitted", "refer": {"applies": true, "shields": true, "open_purposes": ["S47_ENQ"]}})
	other := fixtures.with_record(_flagged, {"permitted_users": ["somebody"]})
	asked := node.decision with input as other with data.reference.flags as order
	asked.records[0].effect == "refer"
	asked.existence == "visible"
	_first(fixtures.changed(other, {"review": [fixtures.review("r1", "release")]}), order).effect == "withhold"
	named := fixtures.with_record(_flagged, {"permitted_users": ["user"]})
	_first(named, order).effect == "permit"
}

test_a_conflict_of_the_child_as_such_names_nobody if {
	document := fixtures.changed(fixtures.node, {"child_flags": ["INVENTED"]})
	_first(document, _conflict).effect == "refer"
}

test_an_order_speaks_of_its_own_record_alone if {
	two := _pair({"permitted_users": ["user"]}, {"permitted_users": ["somebody"]})
	decision := node.decision with input as two with data.reference.flags as _flags({"users": "permitted"})
	_effects(decision) == ["permit", "permit"]
}

test_a_dead_child_is_open_to_reviews_of_the_death_only if {
	row := data.reference.flags.DECEASED
	sort(row.withhold.except_purposes) == ["CDR", "CRIME_DPA_S2P2", "CSPR_16H"]
	_first(fixtures.with_record(fixtures.node, {"flags": ["DECEASED"]}), data.reference.flags).effect == "withhold"
}

test_a_flag_that_refers_one_record_leaves_the_others_open if {
	decision := node.decision with input as _pair({}, {}) with data.reference.flags as _flags({"refer": {"applies": true}})
	_effects(decision) == ["refer", "permit"]
}

test_a_flag_that_needs_context_asks_it_of_its_own_record_alone if {
	two := _pair({"relation": "parent", "contact_level": "regular"}, {"relation": "subject", "contact_level": "unknown"})
	decision := node.decision with input as two with data.reference.flags as _flags({"needs": {"context": true}})
	_effects(decision) == ["permit", "permit"]
}
