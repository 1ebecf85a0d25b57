package wardgate.lib.reasons_test

import data.wardgate.lib.reasons

_catalogue := {
	"LATER": {"audience": "both", "severity": "denial", "order": 2},
	"EARLIER": {"audience": "auditor", "severity": "info", "order": 1},
	"ALSO_LATER": {"audience": "user", "severity": "warning", "order": 2},
}

test_reasons_are_ordered_by_weight_then_code if {
	found := reasons.list({"LATER", "ALSO_LATER", "EARLIER"}) with data.reference.reasons as _catalogue
	[reason.code | some reason in found] == ["EARLIER", "ALSO_LATER", "LATER"]
}

test_audience_and_severity_come_from_the_catalogue if {
	found := reasons.list({"EARLIER"}) with data.reference.reasons as _catalogue
	found == [{"code": "EARLIER", "audience": "auditor", "severity": "info"}]
}

test_no_codes_give_no_reasons if reasons.list(set()) == []

test_a_code_outside_the_catalogue_is_not_spoken if {
	reasons.list({"UNHEARD_OF"}) == [] with data.reference.reasons as _catalogue
}
