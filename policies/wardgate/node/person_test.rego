package wardgate.node_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.node

# The invented enquiry, but as one that compels; by how many people it is answered is each test's own.
_compelling(people) := object.union(data.reference.purposes.S47_ENQ, {"compelled": {"applies": true, "people": people}})

_compelled(document, people) := decision if {
	decision := node.decision with input as document with data.reference.purposes.S47_ENQ as _compelling(people)
}

_nothing := fixtures.changed(fixtures.node, {"records": []})

_hidden := fixtures.with_record(fixtures.node, {"flags": ["WITNESS_PROT"]})

_said(ref, decision, reviewer) := object.union(fixtures.review(ref, decision), {"reviewer": reviewer})

# What people decided: of each pair, of whom it is and what it says.
_answered(document, review) := fixtures.changed(document, {"review": review})

_gone := {"awaited": false, "people": 1, "roles": []}

test_a_person_answers_whatever_is_held if {
	every document in [fixtures.node, _nothing] {
		decision := _compelled(document, 1)
		decision.person == {"awaited": true, "people": 1, "roles": []}
		decision.absence_confirmed == false
		{record.effect | some record in decision.records} - {"refer"} == set()
	}
	_compelled(_hidden, 1).person.awaited
}

test_without_compulsion_nobody_is_awaited if {
	decision := node.decision with input as _nothing
	decision.person == _gone
	decision.absence_confirmed == false
}

test_absence_is_a_persons_word if {
	said := _compelled(_answered(_nothing, [_said("", "release", "reviewer")]), 1)
	said.person.awaited == false
	said.absence_confirmed == true
}

test_where_two_answer_one_is_not_enough if {
	one := _compelled(_answered(_nothing, [_said("", "release", "reviewer")]), 2)
	one.person == {"awaited": true, "people": 2, "roles": []}
	one.absence_confirmed == false
	both := _compelled(_answered(_nothing, [_said("", "release", "reviewer"), _said("", "release", "another")]), 2)
	both.person.awaited == false
	both.absence_confirmed == true
}

test_the_asker_does_not_answer if _compelled(_answered(_nothing, [_said("", "release", "user")]), 1).person.awaited

test_what_a_person_releases_is_given_and_nothing_is_called_absent if {
	review := [_said("", "release", "reviewer"), _said("r1", "release", "reviewer")]
	decision := _compelled(_answered(fixtures.node, review), 1)
	decision.records[0].effect == "permit"
	decision.absence_confirmed == false
}

test_a_record_that_nobody_released_stays_and_is_not_called_absent if {
	decision := _compelled(_answered(fixtures.node, [_said("", "release", "reviewer")]), 1)
	decision.records[0].effect == "refer"
	decision.absence_confirmed == false
}

test_what_stays_shut_is_not_called_absent if {
	decision := _compelled(_answered(_hidden, [_said("", "release", "reviewer")]), 1)
	decision.records[0].effect == "withhold"
	decision.absence_confirmed == false
}

test_what_nobody_asked_about_is_no_answer_to_the_question if {
	other := fixtures.with_record(fixtures.node, {"category": "cin", "fields": []})
	_compelled(_answered(other, [_said("", "release", "reviewer")]), 1).absence_confirmed == true
	earlier := fixtures.with_record(fixtures.node, {"ended_on": fixtures.day(2020, 1, 1), "date": fixtures.day(2019, 1, 1)})
	_compelled(_answered(earlier, [_said("", "release", "reviewer")]), 1).absence_confirmed == true
	stranger := fixtures.with_record(fixtures.node, {"relation": "other", "category": "s47"})
	_compelled(_answered(stranger, [_said("", "release", "reviewer")]), 1).absence_confirmed == false
}

test_a_refusal_of_the_question_withholds_all_of_it if {
	refusal := object.union(_said("", "withhold", "reviewer"), {"reason": "legal_restriction"})
	decision := _compelled(_answered(fixtures.node, [refusal, _said("r1", "release", "another")]), 1)
	decision.records[0].effect == "withhold"
	[reason.code | some reason in decision.records[0].reasons] == ["HUMAN_WITHHELD"]
	decision.person.awaited == false
	decision.absence_confirmed == false
}

test_one_who_refuses_outweighs_those_who_answered if {
	refusal := object.union(_said("", "withhold", "another"), {"reason": "legal_restriction"})
	decision := _compelled(_answered(_nothing, [_said("", "release", "reviewer"), refusal]), 1)
	decision.absence_confirmed == false
	decision.person.awaited == false
}

test_what_the_overlay_keeps_is_not_called_absent if {
	kept := fixtures.changed(fixtures.node, {"overlay": {"categories_never": ["s47"]}})
	decision := _compelled(_answered(kept, [_said("", "release", "reviewer")]), 1)
	decision.records[0].effect == "withhold"
	decision.absence_confirmed == false
}

test_detriment_does_not_beat_an_order if {
	held := [_said("", "withhold", "reviewer"), _said("r1", "withhold", "reviewer")]
	decision := _compelled(_answered(fixtures.node, held), 1)
	decision.person.awaited == true
	decision.records[0].effect == "refer"
	other := [object.union(entry, {"reason": "outside_the_order"}) | some entry in held]
	_compelled(_answered(fixtures.node, other), 1).records[0].effect == "withhold"
}

test_a_ground_that_nobody_knows_does_not_beat_an_order if {
	odd := object.union(_said("r1", "withhold", "reviewer"), {"reason": "unheard_of"})
	_compelled(_answered(fixtures.node, [odd]), 1).records[0].effect == "refer"
}

test_a_flag_may_yield_to_compulsion_and_a_person_decides if {
	flags := {"INVENTED": object.union(_inert, {"withhold": {"applies": true, "yields_to_compulsion": true}})}
	document := fixtures.with_record(fixtures.node, {"flags": ["INVENTED"]})
	decision := node.decision with input as document
		with data.reference.purposes.S47_ENQ as _compelling(1)
		with data.reference.flags as flags
	decision.records[0].effect == "refer"
	free := node.decision with input as document with data.reference.flags as flags
	free.records[0].effect == "withhold"
	stiff := {"INVENTED": object.union(_inert, {"withhold": {"applies": true}})}
	shut := node.decision with input as document
		with data.reference.purposes.S47_ENQ as _compelling(1)
		with data.reference.flags as stiff
	shut.records[0].effect == "withhold"
}

test_want_of_cause_yields_too_where_its_flag_says_so if {
	flags := {"INVENTED": object.union(_inert, {
		"needs": {"attestations_any": ["sensitive_consent"]},
		"withhold": {"yields_to_compulsion": true},
	})}
	document := fixtures.with_record(fixtures.node, {"flags": ["INVENTED"]})
	decision := node.decision with input as document
		with data.reference.purposes.S47_ENQ as _compelling(1)
		with data.reference.flags as flags
	decision.records[0].effect == "refer"
}

test_under_compulsion_no_referral_is_shielded if {
	document := fixtures.with_record(fixtures.node, {"flags": ["CONFLICT_INTEREST"]})
	decision := node.decision with input as document
		with data.reference.purposes.S47_ENQ as _compelling(1)
		with data.reference.flags.CONFLICT_INTEREST.refer.open_purposes as []
	[obligation.id | some obligation in decision.records[0].obligations] == []
	service := fixtures.changed(
		fixtures.with_record(fixtures.node, {"category": "marac", "fields": []}),
		{"gateway": {"categories": [{"name": "marac", "tier": "T2"}]}, "query": {"categories": [{"name": "marac", "tier": "T2"}]}},
	)
	under_compulsion := node.decision with input as service
		with data.reference.purposes.S47_ENQ as _compelling(1)
		with data.reference.categories.marac.open_purposes as []
	[obligation.id | some obligation in under_compulsion.records[0].obligations] == []
}

test_under_compulsion_no_handling_code_shields if {
	coded := fixtures.with_record(fixtures.police_node, {"handling_code": "4"})
	decision := node.decision with input as coded
		with data.reference.purposes.S47_ENQ as _compelling(1)
		with data.reference.handling_codes["4"].open_purposes as []
	not "shield_existence" in [obligation.id | some obligation in decision.records[0].obligations]
}

test_a_purpose_that_compels_shields_nothing_whatever_else_it_says if {
	both := object.union(_compelling(1), {"human_decision_shields": true})
	decision := node.decision with input as fixtures.node with data.reference.purposes.S47_ENQ as both
	[obligation.id | some obligation in decision.records[0].obligations] == []
	decision.existence == "visible"
}

test_a_protected_identity_is_answered_for_by_its_officer if {
	_compelled(_hidden, 1).person.roles == ["designated_officer"]
	_compelled(fixtures.changed(_nothing, {"child_flags": ["WITNESS_PROT"]}), 1).person.roles == ["designated_officer"]
	_compelled(_nothing, 1).person.roles == []
}

test_a_question_that_is_refused_awaits_nobody if {
	document := fixtures.changed(_nothing, {"query": {"expires_at": fixtures.now}})
	decision := _compelled(document, 1)
	decision.effect == "deny"
	decision.person == _gone
}

test_what_was_released_before_the_question_was_answered_still_waits if {
	decision := _compelled(_answered(fixtures.node, [_said("r1", "release", "reviewer")]), 1)
	decision.person.awaited == true
	decision.records[0].effect == "refer"
	decision.existence == "visible"
}

test_who_alone_may_know_answers_as_many_as_anybody_else_would if {
	document := fixtures.changed(_nothing, {"child_flags": ["WITNESS_PROT"]})
	_compelled(document, 2).person == {"awaited": true, "people": 2, "roles": ["designated_officer"]}
	_compelled(_answered(document, [_said("", "release", "reviewer")]), 2).person.awaited == true
}

test_without_compulsion_nobody_confirms_absence if {
	decision := node.decision with input as _answered(_nothing, [_said("", "release", "reviewer")])
	decision.absence_confirmed == false
}

test_what_may_be_asked_about_as_a_pointer_is_asked_about if {
	pointer := {"categories": [{"name": "s47", "tier": "T0"}]}
	shut := fixtures.changed(_hidden, {"gateway": pointer, "query": pointer})
	_compelled(_answered(shut, [_said("", "release", "reviewer")]), 1).absence_confirmed == false
}

test_how_many_answer_matters_where_an_answer_is_compelled if {
	row := object.union(data.reference.purposes.S47_ENQ, {"compelled": {"applies": false, "people": 2}})
	decision := node.decision with input as _nothing with data.reference.purposes.S47_ENQ as row
	decision.person == _gone
}

test_where_a_flag_wants_two_one_does_not_confirm_absence if {
	document := fixtures.changed(_nothing, {"child_flags": ["STAFF_SUBJECT"]})
	one := _compelled(_answered(document, [_said("", "release", "reviewer")]), 1)
	one.person.awaited == true
	one.absence_confirmed == false
	two := _compelled(_answered(document, [_said("", "release", "reviewer"), _said("", "release", "another")]), 1)
	two.absence_confirmed == true
}

test_a_person_whom_the_purpose_does_not_reach_is_not_asked_about if {
	row := object.union(object.remove(_compelling(1), ["relations"]), {"relations": {"subject": "T2"}})
	stranger := fixtures.with_record(fixtures.node, {"relation": "other"})
	decision := node.decision with input as _answered(stranger, [_said("", "release", "reviewer")])
		with data.reference.purposes.S47_ENQ as row
	decision.absence_confirmed == true
}
