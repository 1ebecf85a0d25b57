package wardgate.node_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.node

# The period asked about is 22 November 2024 to 22 November 2026, which is today.
_today := fixtures.day(2026, 11, 22)

_from := fixtures.day(2024, 11, 22)

_effect_of(document, change) := effect if {
	decision := node.decision with input as fixtures.with_record(document, change)
	effect := decision.records[0].effect
}

_codes_of(document, change) := codes if {
	decision := node.decision with input as fixtures.with_record(document, change)
	codes := [reason.code | some reason in decision.records[0].reasons]
}

# An enquiry lasts, an incident does not.
_enquiry(change) := _codes_of(fixtures.node, change)

_incident(change) := _codes_of(fixtures.police_node, change)

test_an_event_is_within_the_period_on_both_its_days if {
	every date in [_from, _today] {
		_effect_of(fixtures.police_node, {"date": date}) == "permit"
	}
	every date in [fixtures.day(2024, 11, 21), fixtures.day(2026, 11, 23)] {
		_incident({"date": date}) == ["OUTSIDE_PERIOD"]
	}
}

test_outside_the_period_looks_like_nothing_held if {
	nothing := node.decision with input as fixtures.changed(fixtures.police_node, {"records": []})
	outside := node.decision with input as fixtures.with_record(fixtures.police_node, {"date": fixtures.day(2024, 11, 21)})
	object.remove(outside, ["records"]) == object.remove(nothing, ["records"])
}

test_what_lasts_is_within_the_period_if_any_of_it_is if {
	old := {"date": fixtures.day(2020, 1, 1)}
	_enquiry(old) == []
	_enquiry(object.union(old, {"ended_on": _from})) == []
	_enquiry(object.union(old, {"ended_on": fixtures.day(2026, 10, 22)})) == []
	_enquiry(object.union(old, {"ended_on": fixtures.day(2027, 3, 31)})) == []
	_enquiry(object.union(old, {"ended_on": fixtures.day(2024, 11, 21)})) == ["OUTSIDE_PERIOD"]
}

test_what_begins_after_the_period_is_outside_it if {
	_enquiry({"date": _today}) == []
	_enquiry({"date": fixtures.day(2026, 11, 23)}) == ["OUTSIDE_PERIOD"]
}

test_the_start_counts_before_the_date if {
	seen := {"date": fixtures.day(2026, 5, 1)}
	_incident(object.union(seen, {"started_on": fixtures.day(2024, 11, 21)})) == ["OUTSIDE_PERIOD"]
	_incident({"date": fixtures.day(2024, 11, 21), "started_on": _from}) == []
	_enquiry(object.union(seen, {"started_on": fixtures.day(2026, 11, 23)})) == ["OUTSIDE_PERIOD"]
}

test_an_event_with_an_end_lasts_until_then if {
	began := {"date": fixtures.day(2024, 1, 1)}
	_incident(object.union(began, {"ended_on": _from})) == []
	_incident(object.union(began, {"ended_on": fixtures.day(2024, 11, 21)})) == ["OUTSIDE_PERIOD"]
}

test_an_end_before_the_beginning_is_not_believed if {
	_enquiry({"ended_on": fixtures.day(1900, 1, 1)}) == []
	_incident({"date": fixtures.day(2024, 1, 1), "ended_on": fixtures.day(2023, 12, 31)}) == []
	_incident({"date": fixtures.day(2024, 1, 1), "ended_on": fixtures.day(2024, 1, 1)}) == ["OUTSIDE_PERIOD"]
}

test_what_began_nobody_knows_when_may_lie_in_the_period if {
	every unreadable in [{"date": null, "unreadable": ["date"]}, {"unreadable": ["started_on"]}] {
		_effect_of(fixtures.node, unreadable) == "permit"
		_effect_of(fixtures.police_node, unreadable) == "permit"
		ended := object.union(unreadable, {"ended_on": fixtures.day(2024, 11, 21)})
		_enquiry(ended) == ["OUTSIDE_PERIOD"]
		_incident(ended) == ["OUTSIDE_PERIOD"]
		_effect_of(fixtures.node, object.union(unreadable, {"ended_on": _from})) == "permit"
	}
}

test_what_could_not_be_read_says_nothing_whatever_stands_there if {
	later := fixtures.day(2026, 11, 23)
	_effect_of(fixtures.node, {"started_on": later, "unreadable": ["started_on"]}) == "permit"
	_effect_of(fixtures.node, {"date": later, "unreadable": ["date"]}) == "permit"
	past := {"date": fixtures.day(2019, 1, 1), "ended_on": fixtures.day(2020, 1, 1)}
	_effect_of(fixtures.node, object.union(past, {"unreadable": ["ended_on"]})) == "permit"
}

test_what_ended_nobody_knows_when_goes_on if {
	began := {"date": fixtures.day(2010, 1, 1), "unreadable": ["ended_on"]}
	_effect_of(fixtures.node, began) == "permit"
	_effect_of(fixtures.police_node, began) == "permit"
	_enquiry(object.union(began, {"date": fixtures.day(2026, 11, 23)})) == ["OUTSIDE_PERIOD"]
}

test_what_ends_today_goes_on_today if {
	_effect_of(_consent, {"ended_on": _today}) == "permit"
	_codes_of(_consent, {"ended_on": fixtures.day(2026, 11, 21)}) == ["LIMB_NOT_MET"]
}

test_what_is_to_end_later_goes_on if _effect_of(_consent, {"ended_on": fixtures.day(2027, 3, 31)}) == "permit"

test_what_may_have_ended_goes_on if _effect_of(_consent, {"unreadable": ["ended_on"]}) == "permit"

test_what_ended_is_hidden_from_who_asks_what_goes_on if {
	ended := node.decision with input as fixtures.with_record(_consent, {"ended_on": fixtures.day(2026, 11, 21)})
	ended.existence == "hidden"
	nothing := node.decision with input as fixtures.changed(_consent, {"records": []})
	object.remove(ended, ["records"]) == object.remove(nothing, ["records"])
}

_look_back := [{"areas": ["*"], "effective_from": "2026-01-01", "effective_to": null}]

# A plan that began long ago, asked about over all its years.
_plan(change) := fixtures.changed(
	fixtures.with_record(_consent, object.union(
		{"category": "cp_plan", "date": fixtures.day(2015, 1, 1), "fields": ["cppl_cp_plan_start_date"]},
		change,
	)),
	{"query": {"period": {"from": fixtures.day(2010, 1, 1)}}},
)

_looked_back(change) := decision.records[0] if {
	decision := node.decision with input as _plan(change)
		with data.reference.provisions.EA1996_S434A_LOOK_BACK.rows as _look_back
}

test_the_look_back_reaches_its_years_and_no_further if {
	_looked_back({"ended_on": fixtures.day(2021, 11, 22)}).effect == "permit"
	before := _looked_back({"ended_on": fixtures.day(2021, 11, 21)})
	[reason.code | some reason in before.reasons] == ["LIMB_NOT_MET"]
}

test_a_look_back_that_is_not_law_reaches_nothing if {
	uncommenced := node.decision with input as _plan({"ended_on": fixtures.day(2021, 11, 22)})
	[reason.code | some reason in uncommenced.records[0].reasons] == ["LIMB_NOT_MET"]
}

test_the_look_back_does_not_miss_what_goes_on if _looked_back({}).effect == "permit"

test_an_end_that_cannot_be_read_counts_under_a_look_back_as_a_pointer if {
	record := _looked_back({"unreadable": ["ended_on"]})
	record.effect == "permit"
	record.tier == "T0"
	"ring_duty_desk" in [obligation.id | some obligation in record.obligations]
}

test_a_look_back_sees_nothing_to_come if {
	later := fixtures.changed(
		_plan({"date": fixtures.day(2026, 11, 23)}),
		{"query": {"period": {"to": fixtures.day(2026, 12, 31)}}},
	)
	decision := node.decision with input as later
		with data.reference.provisions.EA1996_S434A_LOOK_BACK.rows as _look_back
	[reason.code | some reason in decision.records[0].reasons] == ["LIMB_NOT_MET"]
}

_hold(record) := decision if {
	decision := node.decision with input as fixtures.with_record(_consent, record)
}

_reasons(decision) := [reason.code | some reason in decision.records[0].reasons]

test_a_plan_that_is_open_is_a_hold_although_the_enquiry_ended if {
	plan := _hold({"category": "cp_plan", "date": fixtures.day(2026, 9, 1), "fields": []})
	_reasons(plan) == ["LIMB_434A_B_B"]
	plan.records[0].effect == "permit"
	plan.records[0].shown_as == "roll_hold"
	enquiry := _hold({"date": fixtures.day(2026, 6, 1), "ended_on": fixtures.day(2026, 9, 1)})
	_reasons(enquiry) == ["LIMB_NOT_MET"]
	enquiry.records[0].shown_as == ""
}

test_an_enquiry_that_is_open_is_a_hold if _reasons(_hold({})) == ["LIMB_434A_B_A"]

test_the_period_that_was_typed_does_not_decide_what_the_statute_decides if {
	short := fixtures.changed(_consent, {"query": {"period": {"from": fixtures.day(2025, 1, 1), "to": fixtures.day(2025, 1, 2)}}})
	decision := node.decision with input as short
	decision.records[0].effect == "permit"
}

test_a_place_at_a_special_school_is_a_hold_and_a_place_of_nobodys_list_is_for_a_person if {
	place := {"category": "special_school_placement", "type": "special_school", "date": fixtures.day(2024, 9, 1), "fields": []}
	_reasons(_hold(place)) == ["LIMB_434A_A"]
	_reasons(_hold(object.union(place, {"type": "independent_sen_school"}))) == ["LIMB_434A_A"]
	unknown := _hold(object.union(place, {"type": "Special School"}))
	unknown.records[0].effect == "refer"
	unknown.existence == "visible"
	known := _hold(object.union(place, {"type": "mainstream"}))
		with data.reference.categories.special_school_placement.types as ["special_school", "independent_sen_school", "mainstream"]
	_reasons(known) == ["LIMB_NOT_MET"]
	_reasons(_hold(object.union(place, {"ended_on": fixtures.day(2026, 7, 20)}))) == ["LIMB_NOT_MET"]
}

test_a_place_of_a_kind_that_could_not_be_read_is_a_hold if {
	lost := {"category": "special_school_placement", "type": "", "unreadable": ["type"], "fields": []}
	decision := _hold(lost)
	decision.records[0].effect == "permit"
	"LIMB_434A_A" in _reasons(decision)
}

test_what_is_to_begin_later_meets_no_limb if {
	_reasons(_hold({"date": fixtures.day(2026, 11, 23)})) == ["LIMB_NOT_MET"]
	_reasons(_hold({"date": fixtures.day(2026, 11, 22)})) == ["LIMB_434A_B_A"]
}

test_a_limb_is_told_to_auditors_alone if {
	every reason in _hold({}).records[0].reasons {
		reason.audience == "auditor"
	}
}

test_a_hold_demands_that_the_child_stays_on_the_roll_and_what_is_none_does_not if {
	[obligation.id | some obligation in _hold({}).records[0].obligations] == ["do_not_remove_from_roll"]
	[obligation.id | some obligation in _hold({"ended_on": fixtures.day(2026, 9, 1)}).records[0].obligations] == []
}
