package wardgate.lib.processing_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.lib.processing

_conditions := {"by_default": ["UKGDPR_6_1_E"], "by_kind": {"police": ["DPA2018_PART3_S35"]}}

_relied_on(agency) := conditions if {
	conditions := processing.relied_on(agency) with input as fixtures.question
		with data.reference.purposes.S47_ENQ.processing as _conditions
}

test_a_kind_that_is_named_stands_on_its_own_conditions if _relied_on(fixtures.police) == ["DPA2018_PART3_S35"]

test_every_other_kind_stands_on_the_purposes_conditions if _relied_on(fixtures.csc) == ["UKGDPR_6_1_E"]

test_an_unknown_purpose_stands_on_nothing if {
	unknown := fixtures.changed(fixtures.question, {"query": {"purpose": "UNHEARD_OF"}})
	not processing.relied_on(fixtures.csc) with input as unknown
}
