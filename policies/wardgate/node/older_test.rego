package wardgate.node_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.node

# Five years before today: 22 November 2021.
_older_of(document, change) := decision.older if {
	decision := node.decision with input as fixtures.with_record(document, change)
}

_past := {"date": fixtures.day(2021, 11, 21)}

test_what_lies_before_the_purposes_own_period_is_older if {
	_older_of(fixtures.police_node, _past)
	not _older_of(fixtures.police_node, {"date": fixtures.day(2021, 11, 22)})
}

test_what_reaches_into_it_is_not if {
	_older_of(fixtures.node, {"date": fixtures.day(2015, 1, 1), "ended_on": fixtures.day(2021, 11, 21)})
	not _older_of(fixtures.node, {"date": fixtures.day(2015, 1, 1), "ended_on": fixtures.day(2021, 11, 22)})
	not _older_of(fixtures.node, {"date": fixtures.day(2015, 1, 1)})
}

test_the_period_asked_about_does_not_count if {
	every from in [fixtures.day(2026, 11, 22), fixtures.day(2010, 1, 1)] {
		asked := fixtures.changed(fixtures.police_node, {"query": {"period": {"from": from}}})
		_older_of(asked, _past)
		not _older_of(asked, {"date": fixtures.day(2021, 11, 22)})
	}
}

test_the_purposes_years_count if {
	decision := node.decision with input as fixtures.with_record(fixtures.police_node, _past)
		with data.reference.purposes.S47_ENQ.default_period_years as 6
	decision.older == false
	earlier := node.decision with input as fixtures.with_record(fixtures.police_node, {"date": fixtures.day(2020, 11, 21)})
		with data.reference.purposes.S47_ENQ.default_period_years as 6
	earlier.older
}

test_what_would_be_kept_back_is_never_told_of if {
	every change in [
		{"flags": ["WITNESS_PROT"]}, {"flags": ["UNHEARD_OF"]}, {"type": "pnd"}, {"handling_code": "4"},
		{"handling_code": "C"}, {"relation": "parent", "contact_level": "unknown"}, {"flags": ["CPS_LIVE"]},
	] {
		not _older_of(fixtures.police_node, object.union(_past, change))
	}
}

test_another_records_flag_keeps_it_back_too if {
	both := fixtures.changed(fixtures.police_node, {"records": [
		object.union(fixtures.police_node.records[0], _past),
		object.union(fixtures.police_node.records[0], {"ref": "r2", "category": "s47", "flags": ["WITNESS_PROT"]}),
	]})
	decision := node.decision with input as both
	decision.older == false
}

test_what_a_category_shields_is_never_told_of if {
	hidden := node.decision with input as fixtures.with_record(fixtures.police_node, _past)
		with data.reference.categories.police_incident.shields as true
	hidden.older == false
}

test_what_a_person_released_is_told_of if {
	referred := fixtures.with_record(fixtures.police_node, object.union(_past, {"handling_code": "C"}))
	decision := node.decision with input as fixtures.changed(referred, {"review": [fixtures.review("r1", "release")]})
	decision.older
}

test_what_a_purpose_does_not_look_back_on_is_never_told_of if {
	ended := {"date": fixtures.day(2015, 1, 1), "ended_on": fixtures.day(2021, 11, 21)}
	not _older_of(_consent, ended)
}

test_what_may_lie_anywhere_is_not_older if {
	not _older_of(fixtures.police_node, {"date": null, "unreadable": ["date"]})
	not _older_of(fixtures.node, {"date": fixtures.day(2015, 1, 1), "unreadable": ["ended_on"]})
	_older_of(fixtures.node, {"date": null, "unreadable": ["date"], "ended_on": fixtures.day(2021, 11, 21)})
}

test_of_nothing_held_nothing_is_older if {
	decision := node.decision with input as fixtures.changed(fixtures.police_node, {"records": []})
	decision.older == false
}

test_a_refused_question_learns_of_nothing_older if {
	refused := fixtures.changed(fixtures.with_record(fixtures.police_node, _past), {"query": {"purpose": "UNHEARD_OF"}})
	decision := node.decision with input as refused
	decision.effect == "deny"
	decision.older == false
}
