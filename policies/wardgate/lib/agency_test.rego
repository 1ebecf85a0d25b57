package wardgate.lib.agency_test

import data.wardgate.lib.agency
import data.wardgate.lib.fixtures_test as fixtures

_on(date) := {"time": {"epoch_s": 0, "date": date}, "query": {"area": "testshire"}}

test_a_standing_class_holds_without_a_contract if {
	agency.class_holds(fixtures.csc) with input as fixtures.question
	agency.class_holds(fixtures.gp) with input as fixtures.question
}

test_an_arrangement_holds_from_its_first_to_its_last_day if {
	agency.class_holds(fixtures.hub) with input as _on(fixtures.day(2026, 4, 1))
	not agency.class_holds(fixtures.hub) with input as _on(fixtures.day(2026, 3, 31))
	agency.class_holds(fixtures.hub) with input as _on(fixtures.day(2027, 3, 31))
	not agency.class_holds(fixtures.hub) with input as _on(fixtures.day(2027, 4, 1))
}

test_an_arrangement_names_its_maker_and_both_dates if {
	agency.class_holds(fixtures.hub) with input as fixtures.question
	not agency.class_holds(object.union(fixtures.hub, {"arranged_by": ""})) with input as fixtures.question
	not agency.class_holds(object.union(fixtures.hub, {"contract_from": null})) with input as fixtures.question
	not agency.class_holds(object.union(fixtures.hub, {"contract_to": null})) with input as fixtures.question
}

test_an_agency_serves_the_areas_it_lists if {
	agency.serves_area(fixtures.csc) with input as fixtures.question
	elsewhere := object.union(fixtures.csc, {"areas": ["neighbourshire"]})
	not agency.serves_area(elsewhere) with input as fixtures.question
}

test_no_agreement_is_needed_where_none_is_named if {
	agency.agreement_held(fixtures.csc, []) with input as fixtures.question
}

test_one_of_the_agreements_named_suffices if {
	member := object.union(fixtures.csc, {"agreements": ["mash"]})
	agency.agreement_held(member, ["mappa", "mash"]) with input as fixtures.question
	not agency.agreement_held(member, ["mappa"]) with input as fixtures.question
	not agency.agreement_held(fixtures.csc, ["mash"]) with input as fixtures.question
}

test_an_agreement_counts_while_it_is_in_force if {
	member := object.union(fixtures.csc, {"agreements": ["mash"]})
	agency.agreement_held(member, ["mash"]) with input as _on(fixtures.day(2020, 1, 1))
	not agency.agreement_held(member, ["mash"]) with input as _on(fixtures.day(2019, 12, 31))
}
