# METADATA
# title: Case grant
# description: >-
#   Whether a case grant is needed, and whether the one that is named holds. It opens nothing by itself: whoever asks
#   under it sees what purpose and role give, and no more.
# custom:
#   legal_basis: Children Act 2004 s.16EA
#   reason_code: NONE
package wardgate.lib.case_grant

import data.wardgate.lib.team

_grant := input.case_grant

# METADATA
# title: Grant missing
# description: This role, or this kind of agency, asks only under a case grant of its team.
# custom:
#   legal_basis: Children Act 2004 s.16EA; Caldicott principle 4
#   reason_code: CASE_GRANT_MISSING
denials contains "CASE_GRANT_MISSING" if {
	not _needless
	not _named
}

# METADATA
# title: Not a member
# description: The requester's user is no current member of the team.
# custom:
#   legal_basis: Children Act 2004 s.16EA; Caldicott principle 4
#   reason_code: CASE_GRANT_NOT_MEMBER
denials contains "CASE_GRANT_NOT_MEMBER" if {
	_named
	not _member
}

# METADATA
# title: Grant closed
# description: The grant, or its team, has been closed.
# custom:
#   legal_basis: UK GDPR Art 5(1)(e)
#   reason_code: CASE_GRANT_CLOSED
denials contains "CASE_GRANT_CLOSED" if {
	_named
	not _open
}

# METADATA
# title: Grant ended
# description: The last moment of the grant has passed.
# custom:
#   legal_basis: UK GDPR Art 5(1)(e)
#   reason_code: CASE_GRANT_EXPIRED
denials contains "CASE_GRANT_EXPIRED" if {
	_named
	not _running
}

# METADATA
# title: Grant of another area
# description: A team is one of its area, and its grants hold there alone.
# custom:
#   legal_basis: Children Act 2004 s.16EA
#   reason_code: CASE_GRANT_OTHER_AREA
denials contains "CASE_GRANT_OTHER_AREA" if {
	_named
	not _here
}

# METADATA
# title: No law for teams
# description: No rule about teams is in force in the area of the query today.
# custom:
#   legal_basis: Children's Wellbeing and Schools Act 2026 s.78
#   reason_code: TEAMS_NOT_IN_FORCE
denials contains "TEAMS_NOT_IN_FORCE" if {
	_named
	not _ruled
}

# METADATA
# title: Team incomplete
# description: No current member is of a profession that the rule in force demands.
# custom:
#   legal_basis: Children Act 2004 s.16EA(4)
#   reason_code: CASE_GRANT_TEAM_INCOMPLETE
denials contains "CASE_GRANT_TEAM_INCOMPLETE" if {
	_named
	not _complete
}

_named if _grant != null

# A role or kind that the bundle does not hold is not excused.
_needless if {
	data.reference.roles[input.requester.user.role].under_grant == false
	data.reference.agency_kinds[input.requester.agency.kind].under_grant == false
}

_member if _grant.member == true

_open if _grant.closed == false

_running if _grant.expires_at > input.time.epoch_s

_here if _grant.area == input.query.area

_ruled if team.ruled(input.query.area)

_complete if team.complete(_grant.professions, input.query.area)
