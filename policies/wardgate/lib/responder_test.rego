package wardgate.lib.responder_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.lib.responder

_duty := fixtures.changed(fixtures.question, {"query": {"purpose": "ISD_16LA"}})

test_a_purpose_without_classes_binds_everybody if {
	responder.bound(fixtures.gp) with input as fixtures.question
	not responder.bound(fixtures.gp) with input as _duty
}

test_the_duty_to_share_binds_its_three_classes if {
	responder.bound(fixtures.csc) with input as _duty
	responder.bound(fixtures.school) with input as _duty
	responder.bound(fixtures.hub) with input as _duty
}

test_an_arranged_provider_is_bound_while_its_arrangement_runs if {
	after := fixtures.changed(_duty, {"time": {"date": fixtures.day(2027, 4, 1)}})
	not responder.bound(fixtures.hub) with input as after
}

test_a_responder_works_in_the_area_asked_about if {
	responder.in_area(fixtures.police) with input as fixtures.question
	not responder.in_area(object.union(fixtures.police, {"areas": ["neighbourshire"]})) with input as fixtures.question
}

test_a_responder_is_party_to_the_agreement_demanded if {
	responder.agreed(fixtures.police) with input as fixtures.question
	not responder.agreed(fixtures.police) with input as fixtures.question
		with data.reference.purposes.S47_ENQ.responder_agreements_any as ["mappa"]
	party := object.union(fixtures.police, {"agreements": ["mappa"]})
	responder.agreed(party) with input as fixtures.question
		with data.reference.purposes.S47_ENQ.responder_agreements_any as ["mappa"]
}

test_nobody_is_asked_by_itself if {
	responder.another(fixtures.police) with input as fixtures.question
	not responder.another(fixtures.csc) with input as fixtures.question
}
