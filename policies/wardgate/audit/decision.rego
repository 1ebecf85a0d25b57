# METADATA
# title: Audit
# description: >-
#   At a ledger - what somebody who looks may see. Every look is itself an entry, and an entry that concerns the viewer
#   is shown to somebody else.
# custom:
#   legal_basis: UK GDPR Arts 5(2), 15 and 39; Data Protection Act 2018 s.62
#   reason_code: NONE
package wardgate.audit

import data.wardgate.lib.calendar
import data.wardgate.lib.obligations
import data.wardgate.lib.reasons
import data.wardgate.lib.shape
import data.wardgate.lib.user

_action := data.reference.audit.actions[input.look.action]

_role := input.requester.user.role

# METADATA
# title: What an auditor may see
# description: >-
#   Permits one action on one ledger and names the parts of entries that may be shown, in the catalogue's order.
# entrypoint: true
# custom:
#   legal_basis: UK GDPR Arts 5(2), 15 and 39
#   reason_code: INPUT_MALFORMED
default decision := {
	"effect": "deny",
	"reasons": [{"code": "INPUT_MALFORMED", "audience": "both", "severity": "denial"}],
	"obligations": [],
	"expires_in_s": 0,
	"parts": [],
}

decision := {
	"effect": "permit",
	"reasons": [],
	"obligations": obligations.list(_obligations, "auditor"),
	"expires_in_s": _action.ttl_s,
	"parts": _action.parts[_role],
} if {
	well_formed
	count(denials) == 0
}

decision := {
	"effect": "deny",
	"reasons": reasons.list(denials),
	"obligations": obligations.list(_obligations, "auditor"),
	"expires_in_s": 0,
	"parts": [],
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
	shape.time
	shape.requester
	shape.user
	shape.look
}

# METADATA
# title: Action unknown
# description: What the viewer wants to do is not among the actions the bundle knows.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: LOOK_ACTION_UNKNOWN
denials contains "LOOK_ACTION_UNKNOWN" if not _action

# METADATA
# title: Reason not accepted
# description: The action is not open for the reason the viewer gives.
# custom:
#   legal_basis: UK GDPR Art 5(1)(b)
#   reason_code: LOOK_REASON_NOT_ACCEPTED
denials contains "LOOK_REASON_NOT_ACCEPTED" if {
	_action
	not _reason_accepted
}

# METADATA
# title: Role may not look
# description: The viewer's role may not do this, or not at an agency of this kind.
# custom:
#   legal_basis: UK GDPR Art 39; Caldicott principle 4
#   reason_code: LOOK_ROLE_NOT_ENTITLED
denials contains "LOOK_ROLE_NOT_ENTITLED" if {
	_action
	not _role_entitled
}

# METADATA
# title: Another's ledger
# description: Only the gateway's auditors look beyond their own agency's ledger.
# custom:
#   legal_basis: UK GDPR Art 24 (each holder is the controller)
#   reason_code: LOOK_NOT_OWN_LEDGER
denials contains "LOOK_NOT_OWN_LEDGER" if not _ledger_open

# METADATA
# title: Viewer concerned
# description: Nobody reviews what they did themselves, or what is about them.
# custom:
#   legal_basis: Design rule, separation of duties
#   reason_code: LOOK_CONCERNS_VIEWER
denials contains "LOOK_CONCERNS_VIEWER" if not _disinterested

# METADATA
# title: Grant missing
# description: The viewer has not been given the right to look.
# custom:
#   legal_basis: Caldicott principle 4; UK GDPR Art 25(2)
#   reason_code: GRANT_MISSING
denials contains "GRANT_MISSING" if not _granted

# METADATA
# title: Training expired
# description: The viewer's training no longer counts.
# custom:
#   legal_basis: UK GDPR Art 32(4)
#   reason_code: TRAINING_EXPIRED
denials contains "TRAINING_EXPIRED" if not user.trained

# METADATA
# title: Employment ended
# description: The viewer no longer works for the agency.
# custom:
#   legal_basis: UK GDPR Art 32(4)
#   reason_code: EMPLOYMENT_ENDED
denials contains "EMPLOYMENT_ENDED" if not user.employed

# METADATA
# title: Approval missing
# description: The action reaches a child or leaves the house, and nobody else has approved it.
# custom:
#   legal_basis: Caldicott principles 4 and 7; UK GDPR Art 5(2)
#   reason_code: APPROVAL_MISSING
denials contains "APPROVAL_MISSING" if {
	_action
	not _approved
}

# METADATA
# title: Too many looks
# description: The viewer has looked more often today than reviewing explains.
# custom:
#   legal_basis: UK GDPR Art 32
#   reason_code: VOLUME_REFUSED
denials contains "VOLUME_REFUSED" if not _volume_bearable

_obligations contains ["log_look", {"action": input.look.action, "reason": input.look.reason}]

_obligations contains ["alert_misuse", {"code": "VOLUME_REFUSED"}] if "VOLUME_REFUSED" in denials

_reason_accepted if input.look.reason in _action.reasons

_role_entitled if {
	is_array(_action.parts[_role])
	_role_at_home
}

_role_at_home if "*" in data.reference.roles[_role].agency_kinds

_role_at_home if input.requester.agency.kind in data.reference.roles[_role].agency_kinds

_ledger_open if input.look.owner == input.requester.agency.id

_ledger_open if {
	input.look.ledger == "gateway"
	data.reference.audit.gateway_agreement in input.requester.agency.agreements
	some entry in data.reference.agreements[data.reference.audit.gateway_agreement].rows
	some area in input.requester.agency.areas
	calendar.in_force(entry, area)
}

_disinterested if {
	input.look.concerns_viewer == false
	user.unconflicted
}

_granted if data.reference.audit.grant in input.user.grants

_approved if count(_action.approver_roles) == 0

_approved if {
	some approval in input.look.approvals
	approval.kind == "audit"
	approval.role in _action.approver_roles
	approval.user_ref != input.user.ref
}

_volume_bearable if input.look.looks_day < data.reference.limits.looks_day.refuse
