package wardgate.lib.purpose_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.lib.purpose

_consent := fixtures.changed(fixtures.question, {
	"time": {"date": fixtures.day(2026, 9, 1)},
	"query": {"purpose": "EHE_CONSENT_434A"},
})

test_a_known_purpose_in_force_is_usable if {
	purpose.usable with input as fixtures.question
	count(purpose.denials) == 0 with input as fixtures.question
}

test_an_unknown_purpose_is_denied if {
	unknown := fixtures.changed(fixtures.question, {"query": {"purpose": "S48_ENQ"}})
	purpose.denials == {"PURPOSE_UNKNOWN"} with input as unknown
	not purpose.usable with input as unknown
	not purpose.row with input as unknown
}

test_every_never_permitted_purpose_is_denied_as_such if {
	count(data.reference.never_permitted) == 7
	every code, _ in data.reference.never_permitted {
		never := fixtures.changed(fixtures.question, {"query": {"purpose": code}})
		purpose.never with input as never
		purpose.denials == {"PURPOSE_NEVER_PERMITTED"} with input as never
	}
}

test_a_permitted_purpose_is_not_on_the_list if not purpose.never with input as fixtures.question

test_a_purpose_on_both_lists_is_never_permitted if {
	purpose.denials == {"PURPOSE_NEVER_PERMITTED"} with input as fixtures.question
		with data.reference.never_permitted as {"S47_ENQ": {}}
	not purpose.usable with input as fixtures.question
		with data.reference.never_permitted as {"S47_ENQ": {}}
	purpose.denials == {"PURPOSE_NEVER_PERMITTED"} with input as fixtures.question
		with data.reference.never_permitted as {"S47_ENQ": {}}
		with data.reference.provisions as {}
}

test_consent_to_home_education_begins_on_its_first_day if {
	purpose.usable with input as _consent
	eve := fixtures.changed(_consent, {"time": {"date": fixtures.day(2026, 8, 31)}})
	purpose.denials == {"PURPOSE_NOT_IN_FORCE"} with input as eve
}

test_consent_to_home_education_is_law_in_one_area_only if {
	elsewhere := fixtures.changed(_consent, {"query": {"area": "neighbourshire"}})
	purpose.denials == {"PURPOSE_NOT_IN_FORCE"} with input as elsewhere
	not purpose.usable with input as elsewhere
}

test_all_provisions_must_be_in_force if {
	purpose.provisions_in_force(["CA1989_S47"]) with input as fixtures.question
	not purpose.provisions_in_force(["CA1989_S47", "EA1996_S434A_LOOK_BACK"]) with input as fixtures.question
	purpose.provisions_in_force([]) with input as fixtures.question
}

test_an_unknown_provision_is_not_in_force if {
	not purpose.provisions_in_force(["CA1989_S470"]) with input as fixtures.question
}
