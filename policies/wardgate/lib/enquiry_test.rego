package wardgate.lib.enquiry_test

import data.wardgate.lib.enquiry
import data.wardgate.lib.fixtures_test as fixtures

_everybody := ["child", "parents", "lead_professional"]

_asked(row, position) := found if {
	found := enquiry.of_query with input as fixtures.changed(fixtures.question, {"query": {"family_informed": position}})
		with data.reference.purposes.S47_ENQ.enquiry as row
}

test_a_purpose_that_notifies_does_so_at_once if {
	notify := {"outcome": "notify", "after_days": 0, "audience": _everybody}
	_asked(notify, "yes") == {"outcome": "notify", "after_s": 0, "audience": _everybody}
	_asked(notify, "no").outcome == "notify"
}

test_a_purpose_that_delays_says_how_long if {
	delay := {"outcome": "delay", "after_days": 2, "audience": ["child"]}
	_asked(delay, "yes") == {"outcome": "delay", "after_s": 172800, "audience": ["child"]}
}

test_a_delay_without_a_length_takes_the_tables if {
	delay := {"outcome": "delay", "after_days": 0, "audience": ["child"]}
	_asked(delay, "yes").after_s == data.reference.enquiry.delay_days * 86400
}

test_the_stricter_of_purpose_and_family_position_wins if {
	every outcome in ["notify", "delay"] {
		_asked({"outcome": outcome, "after_days": 1, "audience": ["child"]}, "unsafe") == enquiry.nobody
	}
	_asked({"outcome": "never", "after_days": 0, "audience": []}, "yes") == enquiry.nobody
}

test_of_an_unknown_purpose_nobody_learns if {
	unknown := fixtures.changed(fixtures.question, {"query": {"purpose": "UNHEARD_OF"}})
	found := enquiry.of_query with input as unknown
	found == enquiry.nobody
}
