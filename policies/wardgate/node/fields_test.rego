package wardgate.node_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.node

test_a_tier_gives_its_fields_and_those_below_in_the_records_order if {
	record := _record_decision(fixtures.node)
	record.fields == fixtures.s47_fields
	summary := _record_decision(_node({"gateway": {"categories": [{"name": "s47", "tier": "T1"}]}}))
	summary.fields == ["s47e_s47_start_date", "s47e_s47_end_date"]
	existence := _record_decision(_node({"gateway": {"categories": [{"name": "s47", "tier": "T0"}]}}))
	existence.fields == []
}

test_a_field_the_category_does_not_define_is_never_released if {
	odd := fixtures.with_record(fixtures.node, {"fields": ["s47e_s47_start_date", "worker_home_address"]})
	_record_decision(odd).fields == ["s47e_s47_start_date"]
}

test_a_protected_field_is_for_the_purposes_that_name_it if {
	placed := _about(fixtures.neighbour, "looked_after", ["lega_legal_status", "clap_cla_placement_postcode"])
	_record_decision(placed).fields == ["lega_legal_status", "clap_cla_placement_postcode"]
	unnamed := node.decision with input as placed with data.reference.purposes.S47_ENQ.protected_fields as []
	unnamed.records[0].fields == ["lega_legal_status"]
	unnamed.records[0].redactions == []
	cells := {"looked_after": object.union(data.reference.purposes.S47_ENQ.categories.looked_after, {"default_tier": "T1"})}
	beyond := node.decision with input as placed
		with data.reference.purposes.S47_ENQ.protected_fields as []
		with data.reference.purposes.S47_ENQ.categories as cells
	beyond.records[0].tier == "T2"
	beyond.records[0].fields == ["lega_legal_status"]
}

test_a_field_that_is_named_but_not_protected_is_admitted_by_its_tier if {
	named := node.decision with input as fixtures.node
		with data.reference.purposes.S47_ENQ.protected_fields as ["s47e_s47_start_date"]
	named.records[0].grounds[0] == {"field": "s47e_s47_start_date", "column": "default_tier"}
}

test_the_overlay_takes_out_fields_by_name if {
	record := _record_decision(_node({"overlay": {"fields_never": ["s47e_s47_end_date"]}}))
	record.fields == ["s47e_s47_start_date", "s47e_s47_outcome_json"]
	record.redactions == ["s47e_s47_end_date"]
}

test_each_field_names_the_column_that_admits_it if {
	cells := {"s47": object.union(data.reference.purposes.S47_ENQ.categories.s47, {"default_tier": "T1"})}
	record := node.decision.records[0] with input as fixtures.node with data.reference.purposes.S47_ENQ.categories as cells
	record.grounds == [
		{"field": "s47e_s47_start_date", "column": "default_tier"},
		{"field": "s47e_s47_end_date", "column": "default_tier"},
		{"field": "s47e_s47_outcome_json", "column": "highest_tier"},
	]
	placed := _about(fixtures.neighbour, "looked_after", ["lega_legal_status", "clap_cla_placement_postcode"])
	_record_decision(placed).grounds == [
		{"field": "lega_legal_status", "column": "default_tier"},
		{"field": "clap_cla_placement_postcode", "column": "protected_fields"},
	]
}

test_a_purpose_takes_out_fields_by_tag_and_says_so if {
	held := fixtures.with_record(fixtures.police_node, {"fields": ["incident_date", "incident_line"]})
	narrow := node.decision with input as held with data.reference.purposes.S47_ENQ.redact_tags as ["third_party"]
	narrow.records[0].fields == ["incident_date"]
	narrow.records[0].redactions == ["incident_line"]
	_codes(narrow.records[0]) == ["PURPOSE_REDACTS"]
	other := node.decision with input as held with data.reference.purposes.S47_ENQ.redact_tags as ["location"]
	other.records[0].redactions == []
	_codes(other.records[0]) == []
	unnamed := node.decision with input as held with data.reference.purposes.S47_ENQ.redact_tags as []
	unnamed.records[0].fields == ["incident_date", "incident_line"]
}

test_a_purpose_does_not_say_that_it_takes_out_what_the_tier_does_not_reach if {
	held := fixtures.with_record(fixtures.police_node, {"fields": ["incident_date", "incident_line"]})
	summary := fixtures.changed(held, {"gateway": {"categories": [{"name": "police_incident", "tier": "T1"}]}})
	narrow := node.decision with input as summary with data.reference.purposes.S47_ENQ.redact_tags as ["third_party"]
	narrow.records[0].fields == ["incident_date"]
	narrow.records[0].redactions == []
	_codes(narrow.records[0]) == []
}
