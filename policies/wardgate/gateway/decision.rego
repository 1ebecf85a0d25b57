# METADATA
# title: Gateway
# description: At the centre - which responders may be asked, for which categories, up to which tier.
# custom:
#   legal_basis: Children Act 2004 s.16LA; Children Act 1989 s.47(9) to (11)
#   reason_code: NONE
package wardgate.gateway

import data.wardgate.lib.conditions
import data.wardgate.lib.enquiry
import data.wardgate.lib.obligations
import data.wardgate.lib.processing
import data.wardgate.lib.purpose
import data.wardgate.lib.query
import data.wardgate.lib.reasons
import data.wardgate.lib.responder
import data.wardgate.lib.scope
import data.wardgate.lib.shape
import data.wardgate.lib.tiers

# METADATA
# title: Which responders may be asked for what
# description: >-
#   Permits when nothing stands against the query and at least one target may be asked. Targets are listed in the order
#   of the input, each with its own effect, categories and reasons.
# entrypoint: true
# custom:
#   legal_basis: Children Act 2004 s.16LA; the statute of each purpose
#   reason_code: INPUT_MALFORMED
default decision := {
	"effect": "deny",
	"reasons": [{"code": "INPUT_MALFORMED", "audience": "both", "severity": "denial"}],
	"obligations": [],
	"expires_in_s": 0,
	"processing": [],
	"enquiry": {"outcome": "never", "after_s": 0, "audience": []},
	"targets": [],
}

decision := {
	"effect": "permit",
	"reasons": reasons.list(query.notes),
	"obligations": obligations.list(query.obligations, "gateway"),
	"expires_in_s": query.expires_in_s,
	"processing": processing.relied_on(input.requester.agency),
	"enquiry": enquiry.of_query,
	"targets": _targets,
} if {
	well_formed
	count(denials) == 0
}

decision := {
	"effect": "deny",
	"reasons": reasons.list(denials),
	"obligations": obligations.list(query.refusal_obligations, "gateway"),
	"expires_in_s": 0,
	"processing": [],
	"enquiry": enquiry.of_query,
	"targets": _refused_targets,
} if {
	well_formed
	count(denials) > 0
}

# METADATA
# title: Well formed
# description: Every field that any rule of this entry point reads is there and of its kind.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
default well_formed := false

well_formed if {
	shape.question
	shape.targets
}

# METADATA
# title: Denials
# description: What stands against the query as a whole.
# custom:
#   legal_basis: Design rule, deny is the only default
#   reason_code: NONE
denials contains code if some code in _query_denials

# METADATA
# title: Disclosure of one's own motion
# description: Nothing carries it yet, so none is admitted; see the README of the policies.
# custom:
#   legal_basis: Children Act 2004 s.16LA
#   reason_code: DIRECTION_NOT_ALLOWED
_query_denials contains "DIRECTION_NOT_ALLOWED" if not conditions.asked_for

_query_denials contains code if some code in query.denials

# METADATA
# title: No target permitted
# description: Nothing stands against the query, but none of those to be asked may be asked.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c)
#   reason_code: NO_TARGET_PERMITTED
denials contains "NO_TARGET_PERMITTED" if {
	count(_query_denials) == 0
	not _somebody_may_be_asked
}

# METADATA
# title: Target outside the area
# description: The agency does not work in the area the query names.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c)
#   reason_code: TARGET_OUTSIDE_AREA
target_denials[target.id] contains "TARGET_OUTSIDE_AREA" if {
	some target in input.targets
	not responder.in_area(target)
}

# METADATA
# title: Target not bound
# description: The agency is not in a class this purpose binds, or its arrangement has ended.
# custom:
#   legal_basis: Children Act 2004 s.16LA(4)
#   reason_code: TARGET_NOT_BOUND
target_denials[target.id] contains "TARGET_NOT_BOUND" if {
	some target in input.targets
	not responder.bound(target)
}

# METADATA
# title: Target without agreement
# description: The agency is party to no arrangement that this purpose demands of responders.
# custom:
#   legal_basis: Data Protection Act 2018 s.121 code
#   reason_code: TARGET_WITHOUT_AGREEMENT
target_denials[target.id] contains "TARGET_WITHOUT_AGREEMENT" if {
	some target in input.targets
	not responder.agreed(target)
}

# METADATA
# title: Target is the requester
# description: Nobody is asked through the gateway by itself.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c)
#   reason_code: TARGET_IS_REQUESTER
target_denials[target.id] contains "TARGET_IS_REQUESTER" if {
	some target in input.targets
	not responder.another(target)
}

# METADATA
# title: Cause wanted
# description: >-
#   Agencies of this kind keep something that was asked for and that the purpose reaches; it wants consent or cause first.
# custom:
#   legal_basis: The pattern of the Children Act 2004 Information Database (England) Regulations 2007 reg.11(3)
#   reason_code: TARGET_NEEDS_CAUSE
target_denials[target.id] contains "TARGET_NEEDS_CAUSE" if {
	some target in input.targets
	_wants_cause(target)
}

# METADATA
# title: Not reached by the purpose
# description: What agencies of this kind keep, and what of it was asked for, the purpose does not reach.
# custom:
#   legal_basis: UK GDPR Art 5(1)(b) and (c)
#   reason_code: TARGET_NOT_REACHED
target_denials[target.id] contains "TARGET_NOT_REACHED" if {
	some target in input.targets
	not _may_be_asked_something(target)
	not _wants_cause(target)
	not _keeps_none(target)
}

# METADATA
# title: Not kept by this kind
# description: >-
#   Agencies of this kind keep nothing of what was asked for, and the purpose reaches something else that they keep, or they
#   keep nothing at all.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c)
#   reason_code: TARGET_KEEPS_NONE
target_denials[target.id] contains "TARGET_KEEPS_NONE" if {
	some target in input.targets
	_keeps_none(target)
}

# One look-up table for all targets: a rule asked for by a bound key would be evaluated once for each.
_all_target_denials := target_denials

_denials_of(target) := object.get(_all_target_denials, target.id, set())

_categories_by_kind := {kind: categories |
	some kind in {target.kind | some target in input.targets}
	categories := [{"name": asked.name, "tier": tiers.name[scope.granted[asked.name]]} |
		some asked in input.query.categories
		kind in data.reference.categories[asked.name].agency_kinds
	]
}

_may_be_asked_something(target) if count(_categories_by_kind[target.kind]) > 0

# By kind and once, as there are far more targets than kinds; of those that may be asked something nothing else is asked.
_kinds_not_asked := {kind | some kind, categories in _categories_by_kind; count(categories) == 0}

_kinds_wanting_cause := {kind |
	some kind in _kinds_not_asked
	some name in scope.wanting_cause
	_keeps(kind, name)
}

_kinds_keeping_none contains kind if {
	some kind in _kinds_not_asked
	not _asked_for_something_kept(kind)
	_reaches_something_kept(kind)
}

_kinds_keeping_none contains kind if {
	some kind in _kinds_not_asked
	not _keeps_anything(kind)
}

_wants_cause(target) if target.kind in _kinds_wanting_cause

_keeps_none(target) if target.kind in _kinds_keeping_none

_asked_for_something_kept(kind) if {
	some asked in input.query.categories
	_keeps(kind, asked.name)
}

_reaches_something_kept(kind) if {
	some name, cell in purpose.row.categories
	_keeps(kind, name)
	purpose.cell_in_force(cell)
}

_keeps_anything(kind) if {
	some name, _ in data.reference.categories
	_keeps(kind, name)
}

_keeps(kind, name) if kind in data.reference.categories[name].agency_kinds

_somebody_may_be_asked if {
	some target in input.targets
	count(_denials_of(target)) == 0
}

_responder_obligations := obligations.list(query.obligations, "responder")

_targets := [_target(target) | some target in input.targets]

_target(target) := {
	"agency": target.id,
	"effect": "permit",
	"categories": _categories_by_kind[target.kind],
	"reasons": [],
	"obligations": _responder_obligations,
} if {
	count(_denials_of(target)) == 0
}

_target(target) := _refused(target.id, _denials_of(target)) if {
	count(_denials_of(target)) > 0
}

_refused_targets := _targets if count(_query_denials) == 0

_refused_targets := [_refused(target.id, {"QUERY_REFUSED"}) | some target in input.targets] if {
	count(_query_denials) > 0
}

_refused(id, codes) := {
	"agency": id,
	"effect": "deny",
	"categories": [],
	"reasons": reasons.list(codes),
	"obligations": [],
}
