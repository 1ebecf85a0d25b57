# METADATA
# title: Shape
# description: >-
#   Whether an input has every field that any rule reads, each of its kind. A rule that fails for want of a field is
#   indistinguishable from one that does not apply, so nothing is decided before the shape is known to be right.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
package wardgate.lib.shape

import data.wardgate.lib.calendar
import data.wardgate.lib.tiers

_urgencies := {"routine", "urgent", "emergency"}

_family_positions := {"yes", "no", "unsafe", "not_practicable"}

_identifier_states := {"present", "unknown_delay", "withheld_detriment", "not_applicable"}

_assertions := {"fact", "professional_opinion", "third_party_allegation"}

_relations := {"subject", "household", "parent", "other", "alleged_perpetrator"}

_contact_levels := {"none", "supervised", "regular", "lives_with", "unknown"}

_descriptors := {
	"row", "child", "type", "date", "started_on", "ended_on", "assertion", "relation", "contact_level", "handling_code",
}

_review_decisions := {"release", "withhold"}

_directions := {"request", "proactive"}

_actions := {"open_team", "add_member", "remove_member", "close_team", "open_grant", "close_grant"}

# METADATA
# title: Question
# description: The parts every entry point about a query reads - time, query, requester, counters, case grant.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
question if {
	time
	_query
	requester
	counters
	case_grant
}

# METADATA
# title: Time
# description: The only clock - whole seconds since the epoch and the calendar date in England.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
time if {
	_count(input.time.epoch_s)
	calendar.valid(input.time.date)
}

# METADATA
# title: Requester
# description: The agency that asks and its user.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
requester if {
	agency(input.requester.agency)
	is_string(input.requester.user.ref)
	is_string(input.requester.user.role)
}

# METADATA
# title: Counters
# description: How much was asked lately, not counting this query.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
counters if {
	_count(input.counters.user_queries_day)
	_count(input.counters.agency_queries_hour)
	_count(input.counters.break_glass_day)
}

# METADATA
# title: Case grant
# description: None, or one as the gateway keeps it.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
case_grant if input.case_grant == null

case_grant if {
	is_string(input.case_grant.id)
	is_string(input.case_grant.area)
	strings(input.case_grant.professions)
	is_boolean(input.case_grant.member)
	is_boolean(input.case_grant.closed)
	_count(input.case_grant.expires_at)
}

# METADATA
# title: Order
# description: What is to be done to which team.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
order if {
	input.order.action in _actions
	is_string(input.order.team.agency)
	is_string(input.order.team.area)
	strings(input.order.team.professions)
	is_boolean(input.order.team.closed)
	_member(input.order.member)
	_count(input.order.expires_at)
}

# METADATA
# title: User
# description: What only the requester's own node knows of its user; the same user as the query names.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
user if {
	input.user.ref == input.requester.user.ref
	input.user.role == input.requester.user.role
	strings(input.user.grants)
	calendar.valid(input.user.training_expires)
	_date_or_null(input.user.employment_ends)
	is_boolean(input.user.conflicted)
	is_boolean(input.user.supervised)
	is_string(input.user.case_role)
}

# METADATA
# title: Agency
# description: One agency as the directory describes it.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
agency(value) if {
	is_string(value.id)
	is_string(value.kind)
	is_string(value.legal_class)
	strings(value.areas)
	is_string(value.arranged_by)
	_date_or_null(value.contract_from)
	_date_or_null(value.contract_to)
	strings(value.agreements)
}

# METADATA
# title: Targets
# description: The responders to decide on, each once.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
targets if {
	is_array(input.targets)
	every target in input.targets {
		agency(target)
	}
	count({target.id | some target in input.targets}) == count(input.targets)
}

# METADATA
# title: Permission
# description: What the gateway permitted for this responder, each category once.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
permission if {
	_categories(input.gateway.categories)
	is_array(input.gateway.obligations)
	every obligation in input.gateway.obligations {
		is_string(obligation.id)
		is_string(obligation.type)
		is_boolean(obligation.mandatory)
		is_object(obligation.params)
	}
}

# METADATA
# title: Overlay
# description: The agency's own narrowing; its words cannot express anything wider.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
overlay if {
	strings(input.overlay.purposes_never)
	strings(input.overlay.purposes_refer)
	strings(input.overlay.roles_never)
	strings(input.overlay.categories_never)
	strings(input.overlay.categories_refer)
	strings(input.overlay.flags_never)
	strings(input.overlay.types_never)
	strings(input.overlay.fields_never)
	is_array(input.overlay.tier_caps)
	every cap in input.overlay.tier_caps {
		is_string(cap.category)
		_tier(cap.tier)
	}
}

# METADATA
# title: Records
# description: >-
#   The descriptors of one child's records, each reference once; never a value. What is missing of a descriptor is said to
#   be unreadable, or the input is malformed.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
records if {
	is_array(input.records)
	every record in input.records {
		_record(record)
	}
	count({record.ref | some record in input.records}) == count(input.records)
}

# METADATA
# title: Flags of the child
# description: Handling flags of the child as such, whether or not there is a record.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
child_flags if strings(input.child_flags)

# METADATA
# title: Review
# description: >-
#   What people of the responder have decided of records that were referred to them, and - with an empty reference - of the
#   question as a whole.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
review if {
	is_array(input.review)
	every entry in input.review {
		is_string(entry.ref)
		entry.decision in _review_decisions
		is_string(entry.reason)
		is_string(entry.reviewer)
		_count(entry.expires_at)
	}
}

# METADATA
# title: Look
# description: What somebody wants to do with a ledger.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
look if {
	is_string(input.look.action)
	is_string(input.look.reason)
	is_string(input.look.ledger)
	is_string(input.look.owner)
	is_boolean(input.look.concerns_viewer)
	_approvals(input.look.approvals)
	_count(input.look.looks_day)
}

# METADATA
# title: Array of texts
# description: The value is an array and holds texts only.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
strings(value) if {
	is_array(value)
	every item in value {
		is_string(item)
	}
}

_query if {
	query := input.query
	is_string(query.id)
	is_string(query.purpose)
	query.direction in _directions
	query.urgency in _urgencies
	is_string(query.area)
	_categories(query.categories)
	calendar.valid(query.period.from)
	calendar.valid(query.period.to)
	strings(query.attestations)
	_approvals(query.approvals)
	query.family_informed in _family_positions
	is_string(query.break_glass)
	is_boolean(query.justified)
	_count(query.issued_at)
	_count(query.expires_at)
	query.identifier_state in _identifier_states
}

_categories(value) if {
	is_array(value)
	every category in value {
		is_string(category.name)
		_tier(category.tier)
	}
	count({category.name | some category in value}) == count(value)
}

_approvals(value) if {
	is_array(value)
	every approval in value {
		is_string(approval.role)
		is_string(approval.kind)
		is_string(approval.user_ref)
	}
}

_record(value) if {
	is_string(value.ref)
	is_string(value.category)
	is_string(value.type)
	is_array(value.unreadable)
	every name in value.unreadable {
		name in _descriptors
	}
	_dated(value)
	_date_or_null(value.started_on)
	_date_or_null(value.ended_on)
	strings(value.flags)
	strings(value.fields)
	_worded(value, "assertion", _assertions)
	_worded(value, "relation", _relations)
	_worded(value, "contact_level", _contact_levels)
	is_string(value.handling_code)
	strings(value.barred_users)
	strings(value.permitted_users)
}

_dated(value) if calendar.valid(value.date)

_dated(value) if {
	value.date == null
	_unreadable(value, "date")
}

_worded(value, name, words) if value[name] in words

_worded(value, name, _) if {
	value[name] == ""
	_unreadable(value, name)
}

_unreadable(value, name) if name in value.unreadable

_unreadable(value, _) if "row" in value.unreadable

_member(value) if value == null

_member(value) if {
	agency(value.agency)
	is_string(value.profession)
}

_tier(value) if {
	is_string(value)
	tiers.rank[value] >= 0
}

_count(value) if {
	calendar.whole(value)
	value >= 0
}

_date_or_null(value) if value == null

_date_or_null(value) if calendar.valid(value)
