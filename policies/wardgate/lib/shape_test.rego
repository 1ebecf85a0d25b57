package wardgate.lib.shape_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.lib.shape

# One document with every part that any entry point reads.
_whole := object.union_n([
	fixtures.requester,
	fixtures.gateway,
	fixtures.police_node,
	{
		"case_grant": fixtures.case_grant,
		"order": object.union(fixtures.team_order.order, {"member": {"agency": fixtures.police, "profession": "police"}}),
		"look": object.union(fixtures.audit.look, {"approvals": [fixtures.approval("audit", "dpo")]}),
		"overlay": {"tier_caps": [{"category": "s47", "tier": "T1"}]},
		"gateway": {"obligations": [{"id": "no_tip_off", "type": "handling", "mandatory": true, "params": {}}]},
		"review": [fixtures.review("r1", "release")],
	},
])

_complete if {
	shape.question
	shape.user
	shape.targets
	shape.agency(input.responder)
	shape.permission
	shape.overlay
	shape.records
	shape.child_flags
	shape.review
	shape.look
	shape.order
}

_pointer(path) := concat("/", array.concat([""], [_step(step) | some step in path]))

_step(step) := step if is_string(step)

_step(step) := format_int(step, 10) if is_number(step)

# Every value of the document but the members of free parameters and of arrays that may be shorter.
_paths contains path if {
	walk(_whole, [path, _])
	count(path) > 0
	is_string(path[count(path) - 1])
}

test_the_whole_document_is_well_formed if _complete with input as _whole

test_no_field_may_be_missing if {
	count(_paths) > 90
	every path in _paths {
		not _complete with input as fixtures.without(_whole, _pointer(path))
	}
}

test_no_field_may_be_of_another_kind if {
	every path in _paths {
		not _complete with input as fixtures.mistyped(_whole, _pointer(path), 7.5)
		not _complete with input as fixtures.mistyped(_whole, _pointer(path), [7.5])
	}
}

test_no_number_may_be_negative_or_a_text if {
	every path in ["/time/epoch_s", "/query/issued_at", "/counters/break_glass_day", "/look/looks_day", "/order/expires_at"] {
		not _complete with input as fixtures.mistyped(_whole, path, -1)
		not _complete with input as fixtures.mistyped(_whole, path, "1")
		_complete with input as fixtures.mistyped(_whole, path, 0)
	}
}

test_closed_sets_take_their_members_only if {
	every path in [
		"/query/direction", "/query/urgency", "/query/family_informed", "/query/identifier_state", "/query/categories/0/tier",
		"/records/0/assertion", "/records/0/relation", "/records/0/contact_level", "/review/0/decision",
		"/overlay/tier_caps/0/tier", "/gateway/categories/0/tier", "/order/action",
	] {
		not _complete with input as fixtures.mistyped(_whole, path, "elsewhere")
	}
}

test_names_stand_once if {
	every path in ["/query/categories", "/gateway/categories", "/targets", "/records"] {
		items := object.get(_whole, split(trim_left(path, "/"), "/"), [])
		not _complete with input as fixtures.mistyped(_whole, path, array.concat(items, items))
	}
}

test_optional_dates_are_null_or_valid if {
	_complete with input as fixtures.mistyped(_whole, "/user/employment_ends", null)
	not _complete with input as fixtures.mistyped(_whole, "/user/employment_ends", fixtures.day(2026, 2, 29))
	_complete with input as fixtures.mistyped(_whole, "/responder/contract_to", fixtures.day(2026, 2, 28))
	not _complete with input as fixtures.mistyped(_whole, "/responder/contract_to", fixtures.day(2026, 2, 29))
}

_told(member, value, unreadable) := object.union(fixtures.police_node, {"records": [object.union(
	fixtures.police_node.records[0],
	{member: value, "unreadable": unreadable},
)]})

test_what_a_record_lacks_is_said_to_be_unreadable if {
	lacking := {"date": null, "assertion": "", "relation": "", "contact_level": ""}
	every member, value in lacking {
		shape.records with input as _told(member, value, [member])
		shape.records with input as _told(member, value, ["row"])
		not shape.records with input as _told(member, value, [])
		not shape.records with input as _told(member, value, ["child", "ended_on"])
	}
}

test_what_is_said_to_be_unreadable_is_of_its_kind_or_not_there if {
	every member in ["assertion", "relation", "contact_level"] {
		not shape.records with input as _told(member, "elsewhere", [member])
	}
	not shape.records with input as _told("date", fixtures.day(2026, 2, 29), ["date"])
	shape.records with input as _told("date", fixtures.day(2026, 2, 28), ["date"])
}

test_start_and_end_of_a_record_may_be_none if {
	every member in ["started_on", "ended_on"] {
		shape.records with input as _told(member, null, [])
		shape.records with input as _told(member, fixtures.day(2026, 2, 28), [])
		not shape.records with input as _told(member, fixtures.day(2026, 2, 29), [])
	}
}

test_only_what_a_descriptor_has_can_be_unreadable if {
	shape.records with input as _told("started_on", null, ["row", "child", "type", "handling_code"])
	not shape.records with input as _told("started_on", null, ["fields"])
	not shape.records with input as _told("started_on", null, [1])
}

test_a_case_grant_and_a_member_may_be_none if {
	_complete with input as fixtures.mistyped(_whole, "/case_grant", null)
	_complete with input as fixtures.mistyped(_whole, "/order/member", null)
}

test_the_user_is_the_one_the_query_names if {
	not _complete with input as fixtures.mistyped(_whole, "/user/ref", "somebody")
	not _complete with input as fixtures.mistyped(_whole, "/user/role", "dsl")
}

test_arrays_of_texts_hold_texts_only if {
	shape.strings([])
	shape.strings(["one"])
	not shape.strings(["one", 1])
	not shape.strings("one")
	not shape.strings({"one": "one"})
}

# An object with the same members can be iterated like the array: only its kind tells.
test_no_object_stands_for_an_array if {
	paths := [path | some path in _paths; is_array(object.get(_whole, path, null))]
	count(paths) > 20
	every path in paths {
		items := {format_int(index, 10): item | some index, item in object.get(_whole, path, [])}
		not _complete with input as fixtures.mistyped(_whole, _pointer(path), items)
	}
}

test_the_requesters_user_is_named_by_texts if {
	shape.requester with input as _whole
	not shape.requester with input as fixtures.mistyped(_whole, "/requester/user/ref", 7)
	not shape.requester with input as fixtures.mistyped(_whole, "/requester/user/role", 7)
}
