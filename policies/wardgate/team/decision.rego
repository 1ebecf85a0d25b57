# METADATA
# title: Team
# description: >-
#   At the node of whoever leads a team, and again at the gateway - may this be done to this team or case grant.
# custom:
#   legal_basis: Children Act 2004 s.16EA
#   reason_code: NONE
package wardgate.team

import data.wardgate.lib.reasons
import data.wardgate.lib.shape
import data.wardgate.lib.team
import data.wardgate.lib.user

_team := input.order.team

_member := input.order.member

_action := input.order.action

_agency := input.requester.agency

# A permission is used at once.
_life_s := 60

# METADATA
# title: May this be done to a team
# description: Permits one order about one team against which nothing stands.
# entrypoint: true
# custom:
#   legal_basis: Children Act 2004 s.16EA
#   reason_code: INPUT_MALFORMED
default decision := {
	"effect": "deny",
	"reasons": [{"code": "INPUT_MALFORMED", "audience": "both", "severity": "denial"}],
	"obligations": [],
	"expires_in_s": 0,
}

decision := {"effect": "permit", "reasons": [], "obligations": [], "expires_in_s": _life_s} if {
	well_formed
	count(denials) == 0
}

decision := {"effect": "deny", "reasons": reasons.list(denials), "obligations": [], "expires_in_s": 0} if {
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
	shape.order
	_user_shaped
}

# METADATA
# title: No law for teams
# description: No rule about teams is in force in the team's area today.
# custom:
#   legal_basis: Children's Wellbeing and Schools Act 2026 s.78
#   reason_code: TEAMS_NOT_IN_FORCE
denials contains "TEAMS_NOT_IN_FORCE" if not _ruled

# METADATA
# title: Not a lead
# description: No rule in force lets this role, at an agency of this kind and class, lead a team.
# custom:
#   legal_basis: Children Act 2004 s.16EA; Working Together to Safeguard Children (lead child protection practitioner)
#   reason_code: TEAM_LEAD_NOT_ENTITLED
denials contains "TEAM_LEAD_NOT_ENTITLED" if {
	_ruled
	not _lead
}

# METADATA
# title: Another's team
# description: A team is changed by the agency that leads it.
# custom:
#   legal_basis: Children Act 2004 s.16EA
#   reason_code: TEAM_NOT_OWN
denials contains "TEAM_NOT_OWN" if not _own

# METADATA
# title: Area not served
# description: An agency leads teams of the areas it serves.
# custom:
#   legal_basis: Children Act 2004 s.16EA
#   reason_code: TEAM_AREA_NOT_OWN
denials contains "TEAM_AREA_NOT_OWN" if not _serves

# METADATA
# title: Team closed
# description: A team that was closed is changed no more.
# custom:
#   legal_basis: UK GDPR Art 5(1)(e)
#   reason_code: TEAM_CLOSED
denials contains "TEAM_CLOSED" if not _open

# METADATA
# title: Nobody to add
# description: An order to add a member says whom.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: TEAM_MEMBER_MISSING
denials contains "TEAM_MEMBER_MISSING" if {
	_action == "add_member"
	not _member_named
}

# METADATA
# title: Member of another area
# description: The agency that nominates a member serves the area of the team.
# custom:
#   legal_basis: Children Act 2004 s.16EA
#   reason_code: TEAM_MEMBER_OUTSIDE_AREA
denials contains "TEAM_MEMBER_OUTSIDE_AREA" if {
	_member_named
	not _member_in_area
}

# METADATA
# title: Profession of another kind of agency
# description: Agencies of this kind do not nominate members of this profession, or nobody knows the profession.
# custom:
#   legal_basis: Children Act 2004 s.16EA(4)
#   reason_code: PROFESSION_NOT_OF_AGENCY
denials contains "PROFESSION_NOT_OF_AGENCY" if {
	_member_named
	not _profession_of_agency
}

# METADATA
# title: Team incomplete
# description: A case is given to a team only when it has every profession that the law demands.
# custom:
#   legal_basis: Children Act 2004 s.16EA(4)
#   reason_code: CASE_GRANT_TEAM_INCOMPLETE
denials contains "CASE_GRANT_TEAM_INCOMPLETE" if {
	_action == "open_grant"
	not _complete
}

# METADATA
# title: Grant too long
# description: A case grant ends in the future, and no later than every rule in force lets it.
# custom:
#   legal_basis: UK GDPR Art 5(1)(e)
#   reason_code: CASE_GRANT_TOO_LONG
denials contains "CASE_GRANT_TOO_LONG" if {
	_action == "open_grant"
	not _ends_in_time
}

# METADATA
# title: Training expired
# description: The lead's training no longer counts; only the lead's own node knows.
# custom:
#   legal_basis: UK GDPR Art 32(4); Working Together to Safeguard Children (training)
#   reason_code: TRAINING_EXPIRED
denials contains "TRAINING_EXPIRED" if {
	_user_known
	not user.trained
}

# METADATA
# title: Employment ended
# description: The lead no longer works for the agency.
# custom:
#   legal_basis: UK GDPR Art 32(4)
#   reason_code: EMPLOYMENT_ENDED
denials contains "EMPLOYMENT_ENDED" if {
	_user_known
	not user.employed
}

# METADATA
# title: Conflict of interest
# description: The lead has declared an interest that bars them.
# custom:
#   legal_basis: Data Protection Act 2018 s.170; Caldicott principle 4
#   reason_code: USER_CONFLICTED
denials contains "USER_CONFLICTED" if {
	_user_known
	not user.unconflicted
}

_user_shaped if input.user == null

_user_shaped if shape.user

_user_known if input.user != null

_ruled if team.ruled(_team.area)

_lead if {
	some row in team.rules(_team.area)
	some lead in row.leads
	_agency.kind in lead.agency_kinds
	_agency.legal_class in lead.legal_classes
	input.requester.user.role in lead.roles
}

_own if _team.agency == _agency.id

_serves if _team.area in _agency.areas

_open if _team.closed == false

_member_named if _member != null

_member_in_area if _team.area in _member.agency.areas

_profession_of_agency if _member.agency.kind in data.reference.professions[_member.profession].agency_kinds

_complete if team.complete(_team.professions, _team.area)

_ends_in_time if {
	input.order.expires_at > input.time.epoch_s
	every row in team.rules(_team.area) {
		input.order.expires_at <= input.time.epoch_s + row.max_grant_s
	}
}
