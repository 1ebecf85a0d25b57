package wardgate.node_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.node

_decided(document, change) := decision.records[0] if {
	decision := node.decision with input as fixtures.with_record(document, change)
}

_told(record) := [reason.code | some reason in record.reasons; reason.audience != "auditor"]

_obliged(record) := {obligation.id | some obligation in record.obligations}

_row := {
	"type": "", "date": null, "fields": [], "assertion": "", "relation": "", "contact_level": "", "unreadable": ["row"],
}

test_what_could_not_be_read_is_a_pointer_with_a_call_to_make if {
	every name in ["child", "type", "date", "started_on", "ended_on", "assertion", "contact_level"] {
		record := _decided(fixtures.node, {"unreadable": [name]})
		record.effect == "permit"
		record.tier == "T0"
		record.fields == []
		_told(record) == ["UNREADABLE"]
		"ring_duty_desk" in _obliged(record)
	}
}

test_a_sound_record_says_nothing_of_the_kind if {
	record := _decided(fixtures.node, {})
	record.tier == "T2"
	_told(record) == []
	not "ring_duty_desk" in _obliged(record)
}

test_what_is_withheld_anyway_tells_nobody if {
	nothing := node.decision with input as fixtures.changed(fixtures.node, {"records": []})
	every change in [{"flags": ["WITNESS_PROT"]}, {"ended_on": fixtures.day(2023, 1, 1), "date": fixtures.day(2022, 1, 1)}] {
		hidden := node.decision with input as fixtures.with_record(fixtures.node, object.union(change, {"unreadable": ["child"]}))
		object.remove(hidden, ["records"]) == object.remove(nothing, ["records"])
		_told(hidden.records[0]) == []
		not "ring_duty_desk" in _obliged(hidden.records[0])
	}
}

test_a_refused_question_tells_nobody if {
	refused := fixtures.changed(fixtures.node, {"overlay": {"roles_never": ["lcpp"]}})
	record := _decided(refused, {"unreadable": ["child"]})
	_told(record) == []
	not "ring_duty_desk" in _obliged(record)
}

test_what_waits_for_a_person_tells_nobody_until_it_is_released if {
	lost := fixtures.with_record(fixtures.node, {"relation": "parent", "contact_level": "", "unreadable": ["contact_level"]})
	waiting := _decided(lost, {})
	waiting.effect == "refer"
	_told(waiting) == []
	not "ring_duty_desk" in _obliged(waiting)
	released := _decided(fixtures.changed(lost, {"review": [fixtures.review("r1", "release")]}), {})
	released.effect == "permit"
	released.tier == "T0"
	_told(released) == ["UNREADABLE"]
	"ring_duty_desk" in _obliged(released)
}

test_whom_it_is_about_is_for_a_person_to_find_out if {
	lost := {"relation": "", "contact_level": "regular", "unreadable": ["relation"]}
	every document in [fixtures.node, _consent] {
		record := _decided(document, lost)
		record.effect == "refer"
		"THIRD_PARTY_WITHOUT_CONTEXT" in [reason.code | some reason in record.reasons]
	}
	_decided(fixtures.node, {"unreadable": ["relation"]}).effect == "refer"
	_decided(fixtures.node, {"relation": "parent", "contact_level": "regular"}).effect == "permit"
	_decided(fixtures.node, {"relation": "parent", "contact_level": "regular", "unreadable": ["relation"]}).effect == "refer"
	unknown := {"relation": "parent", "contact_level": "regular", "unreadable": ["contact_level"]}
	_decided(fixtures.node, unknown).effect == "refer"
	_decided(fixtures.node, object.union(unknown, {"unreadable": ["type"]})).effect == "permit"
}

test_what_may_have_been_alleged_is_marked if {
	"mark_allegation" in _obliged(_decided(fixtures.node, {"assertion": "", "unreadable": ["assertion"]}))
	not "mark_allegation" in _obliged(_decided(fixtures.node, {"unreadable": ["type"]}))
}

test_a_type_that_cannot_be_read_may_be_one_never_shared if {
	intelligence := _decided(fixtures.police_node, {"type": "", "unreadable": ["type"]})
	[reason.code | some reason in intelligence.reasons] == ["TYPE_NEVER_SHARED"]
	_decided(fixtures.node, {"type": "", "unreadable": ["type"]}).effect == "permit"
	decision := node.decision with input as fixtures.with_record(fixtures.police_node, {"type": "", "unreadable": ["type"]})
		with data.reference.categories.police_incident.never_types as []
	decision.records[0].effect == "permit"
}

test_a_type_that_cannot_be_read_may_be_one_the_agency_withholds if {
	strict := fixtures.changed(fixtures.node, {"overlay": {"types_never": ["duty_log"]}})
	lost := _decided(strict, {"type": "", "unreadable": ["type"]})
	[reason.code | some reason in lost.reasons] == ["LOCAL_RULE_WITHHOLDS"]
	_decided(strict, {}).effect == "permit"
}

test_a_handling_code_that_cannot_be_read_withholds if {
	every document in [fixtures.node, fixtures.police_node] {
		record := _decided(document, {"unreadable": ["handling_code"]})
		[reason.code | some reason in record.reasons] == ["HANDLING_CODE_WITHHOLDS"]
	}
}

test_of_a_row_that_cannot_be_read_a_person_finds_out_whom_it_is_about if {
	record := _decided(fixtures.node, _row)
	record.effect == "refer"
	record.tier == "T0"
	[reason.code | some reason in record.reasons] == ["THIRD_PARTY_WITHOUT_CONTEXT"]
	released := _decided(fixtures.changed(fixtures.node, {"review": [fixtures.review("r1", "release")]}), _row)
	released.effect == "permit"
	_told(released) == ["UNREADABLE"]
	_obliged(released) == {"mark_allegation", "ring_duty_desk"}
}

test_a_row_that_may_be_intelligence_is_withheld if {
	record := _decided(fixtures.police_node, _row)
	record.effect == "withhold"
	[reason.code | some reason in record.reasons] == ["TYPE_NEVER_SHARED", "HANDLING_CODE_WITHHOLDS"]
}
