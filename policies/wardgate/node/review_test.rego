package wardgate.node_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.node

test_a_person_releases_what_was_referred if {
	coded := fixtures.with_record(fixtures.police_node, {"handling_code": "C"})
	released := fixtures.changed(coded, {"review": [fixtures.review("r1", "release")]})
	record := _record_decision(released)
	record.effect == "permit"
	[obligation.id | some obligation in record.obligations] == ["no_onward_share", "originator_consult"]
	another := fixtures.changed(coded, {"review": [fixtures.review("r2", "release")]})
	_record_decision(another).effect == "refer"
}

test_a_person_withholds_whatever_policy_says if {
	withheld := _node({"review": [fixtures.review("r1", "withhold")]})
	_codes(_record_decision(withheld)) == ["DETRIMENT_WITHHELD"]
	both := _node({"review": [fixtures.review("r1", "release"), fixtures.review("r1", "withhold")]})
	_record_decision(both).effect == "withhold"
}

test_a_person_does_not_release_what_policy_withholds if {
	private := fixtures.with_record(_node({"review": [fixtures.review("r1", "release")]}), {"flags": ["LEGAL_PRIV"]})
	_record_decision(private).effect == "withhold"
}

test_the_duty_to_share_asks_a_person_from_summary_upwards if {
	summary := _duty
	record := _record_decision(summary)
	record.effect == "refer"
	_codes(record) == ["HUMAN_DECISION"]
	existence := fixtures.changed(_duty, {"query": {"categories": [{"name": "s47", "tier": "T0"}]}})
	_record_decision(existence).effect == "permit"
	considered := fixtures.changed(_duty, {"review": [fixtures.review("r1", "release")]})
	_record_decision(considered).effect == "permit"
	_record_decision(fixtures.node).effect == "permit"
}

test_what_lowers_the_tier_does_not_spare_the_person if {
	lowered := fixtures.changed(_duty, {"gateway": {"categories": [{"name": "s47", "tier": "T0"}]}})
	_record_decision(lowered).effect == "refer"
	_record_decision(lowered).tier == "T0"
	protected := fixtures.with_record(_duty, {"flags": ["SENSITIVE_ADDRESS"]})
	_record_decision(protected).effect == "refer"
	_record_decision(protected).tier == "T0"
}

test_detriment_under_the_duty_is_a_persons_decision if {
	detrimental := fixtures.changed(_duty, {"review": [fixtures.review("r1", "withhold")]})
	decision := node.decision with input as detrimental
	_codes(decision.records[0]) == ["DETRIMENT_WITHHELD"]
	decision.existence == "hidden"
}

_reviewed(change) := fixtures.changed(_duty, {"review": [object.union(fixtures.review("r1", "release"), change)]})

_held(change) := fixtures.changed(fixtures.node, {"review": [object.union(fixtures.review("r1", "withhold"), change)]})

test_a_release_counts_until_it_ends if {
	_record_decision(_reviewed({"expires_at": fixtures.now + 1})).effect == "permit"
	_record_decision(_reviewed({"expires_at": fixtures.now})).effect == "refer"
}

test_a_release_counts_for_a_known_reason_of_its_kind if {
	every reason in ["more_detrimental", "unheard_of"] {
		_record_decision(_reviewed({"reason": reason})).effect == "refer"
	}
}

test_nobody_releases_to_themselves if {
	_record_decision(_reviewed({"reviewer": "user"})).effect == "refer"
}

test_a_hold_says_why_it_stands_and_until_when if {
	record := _record_decision(_held({}))
	[obligation.params | some obligation in record.obligations] == [{
		"reason": "more_detrimental",
		"until_s": fixtures.now + 3600,
	}]
}

test_a_hold_for_another_reason_is_not_called_detriment if {
	_codes(_record_decision(_held({"reason": "not_relevant"}))) == ["HUMAN_WITHHELD"]
	_codes(_record_decision(_held({"reason": "unheard_of"}))) == ["HUMAN_WITHHELD"]
}

test_a_hold_releases_nothing_whatever_its_reason if {
	odd := {"reason": "considered"}
	_record_decision(_held(odd)).effect == "withhold"
	node.released == set() with input as _held(odd)
	node.released == {"r1"} with input as _reviewed({})
}

test_a_hold_that_stands_is_not_called_ended if {
	node.referred == {"r1": {"HOLD_EXPIRED"}} with input as _held({"expires_at": fixtures.now})
	node.referred == {} with input as _held({"expires_at": fixtures.now + 1})
}

test_a_release_that_has_ended_is_no_hold if {
	ended := {"decision": "release", "reason": "considered", "expires_at": fixtures.now}
	_record_decision(_held(ended)).effect == "permit"
}

test_a_hold_that_has_ended_is_decided_again if {
	ended := _held({"expires_at": fixtures.now})
	record := _record_decision(ended)
	record.effect == "refer"
	_codes(record) == ["HOLD_EXPIRED"]
	again := fixtures.changed(ended, {"review": array.concat(ended.review, [fixtures.review("r1", "release")])})
	_record_decision(again).effect == "permit"
}

test_a_purpose_may_hide_that_a_person_decides if {
	open := node.decision with input as _duty
	open.existence == "visible"
	silent := node.decision with input as _duty with data.reference.purposes.ISD_16LA.human_decision_shields as true
	silent.existence == "hidden"
	[obligation.id | some obligation in silent.records[0].obligations] == ["shield_existence"]
	released := node.decision with input as _reviewed({}) with data.reference.purposes.ISD_16LA.human_decision_shields as true
	released.existence == "visible"
	released.records[0].obligations == []
}

test_a_disclosure_of_ones_own_motion_waits_for_a_person if {
	purposes := {"S47_ENQ": object.union(data.reference.purposes.S47_ENQ, {"directions": ["request", "proactive"]})}
	pushed := fixtures.changed(fixtures.node, {"query": {"direction": "proactive"}})
	waiting := node.decision with input as pushed with data.reference.purposes as purposes
	waiting.records[0].effect == "refer"
	_codes(waiting.records[0]) == ["HUMAN_DECISION"]
	considered := fixtures.changed(pushed, {"review": [fixtures.review("r1", "release")]})
	released := node.decision with input as considered with data.reference.purposes as purposes
	released.records[0].effect == "permit"
	barred := node.decision with input as considered
	_codes(barred) == ["DIRECTION_NOT_ALLOWED"]
}
