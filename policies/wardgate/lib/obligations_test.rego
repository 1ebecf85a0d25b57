package wardgate.lib.obligations_test

import data.wardgate.lib.obligations

_catalogue := {
	"watch": {"type": "alert", "mandatory": true, "bearers": ["gateway"], "params": {"to": ["auditor"], "silent": false}},
	"mind": {"type": "clock", "mandatory": false, "bearers": ["gateway", "requester"], "params": {}},
}

test_obligations_are_ordered_by_id if {
	found := obligations.list({["watch", {}], ["mind", {}]}, "gateway") with data.reference.obligations as _catalogue
	[obligation.id | some obligation in found] == ["mind", "watch"]
}

test_given_parameters_replace_those_of_the_catalogue if {
	found := obligations.list({["watch", {"silent": true}]}, "gateway") with data.reference.obligations as _catalogue
	found == [{"id": "watch", "type": "alert", "mandatory": true, "params": {"to": ["auditor"], "silent": true}}]
}

test_a_party_is_given_only_what_it_bears if {
	found := obligations.list({["watch", {}], ["mind", {}]}, "requester") with data.reference.obligations as _catalogue
	[obligation.id | some obligation in found] == ["mind"]
}

test_pairs_may_come_as_an_array if {
	found := obligations.list([["watch", {}], ["mind", {}]], "gateway") with data.reference.obligations as _catalogue
	[obligation.id | some obligation in found] == ["mind", "watch"]
}
