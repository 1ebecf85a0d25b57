package wardgate.lib.supervision_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.lib.supervision

_trainee := fixtures.changed(fixtures.question, {
	"query": {
		"purpose": "S17_CIN",
		"categories": [{"name": "cin", "tier": "T2"}],
		"attestations": ["child_in_need", "assessment_needs_detail"],
	},
	"requester": {"user": {"role": "trainee_social_worker"}},
})

_approvals(more) := array.concat([fixtures.approval("manager", "team_manager")], more)

test_a_trainee_needs_a_signature_for_detail if {
	supervision.denials == {"COSIGNATURE_MISSING"} with input as _trainee
}

test_a_signature_of_somebody_else_opens_detail if {
	signed := fixtures.changed(_trainee, {"query": {"approvals": _approvals([fixtures.approval("co_signature", "social_worker")])}})
	supervision.denials == set() with input as signed
}

test_ones_own_signature_opens_nothing if {
	own := {"role": "trainee_social_worker", "kind": "co_signature", "user_ref": "user"}
	signed := fixtures.changed(_trainee, {"query": {"approvals": _approvals([own])}})
	supervision.denials == {"COSIGNATURE_MISSING"} with input as signed
}

test_a_summary_needs_no_signature if {
	summary := fixtures.changed(_trainee, {"query": {"categories": [{"name": "cin", "tier": "T1"}]}})
	supervision.denials == set() with input as summary
}

test_other_roles_need_no_signature if {
	qualified := fixtures.changed(_trainee, {"requester": {"user": {"role": "social_worker"}}})
	supervision.denials == set() with input as qualified
}
