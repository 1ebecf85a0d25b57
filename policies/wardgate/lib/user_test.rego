package wardgate.lib.user_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.lib.user

_user(change) := fixtures.changed(fixtures.requester, {"user": change})

test_training_counts_to_its_last_day if {
	user.trained with input as _user({"training_expires": fixtures.day(2026, 11, 22)})
	not user.trained with input as _user({"training_expires": fixtures.day(2026, 11, 21)})
}

test_employment_counts_to_its_last_day if {
	user.employed with input as _user({"employment_ends": fixtures.day(2026, 11, 22)})
	not user.employed with input as _user({"employment_ends": fixtures.day(2026, 11, 21)})
}

test_employment_may_have_no_end if user.employed with input as _user({"employment_ends": null})

test_a_declared_interest_conflicts if {
	user.unconflicted with input as _user({"conflicted": false})
	not user.unconflicted with input as _user({"conflicted": true})
}

test_whoever_is_supplied_for_a_time_has_an_end if {
	user.end_known with input as _user({"role": "agency_social_worker", "employment_ends": fixtures.day(2026, 12, 31)})
	not user.end_known with input as _user({"role": "agency_social_worker", "employment_ends": null})
	user.end_known with input as _user({"role": "social_worker", "employment_ends": null})
}
