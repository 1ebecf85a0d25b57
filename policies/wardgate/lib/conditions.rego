# METADATA
# title: Conditions
# description: What must be attested, approved, known to the family and in time before a purpose can be used.
# custom:
#   legal_basis: The threshold in the statute of each purpose; UK GDPR Art 5(1) and (2)
#   reason_code: NONE
package wardgate.lib.conditions

import data.wardgate.lib.calendar
import data.wardgate.lib.purpose

# Two machines under NTP are within a second of each other.
_clock_skew_s := 30

_query := input.query

_limits := data.reference.limits

# METADATA
# title: Requirement met
# description: Attestations (all of, any of), approvals and the family's knowledge that one requirement names.
# custom:
#   legal_basis: The threshold in the statute of each purpose
#   reason_code: NONE
met(requirement) if {
	attested(requirement)
	approved(requirement)
	family_position(requirement)
}

# METADATA
# title: Attested
# description: Every attestation of the all-of list is given, and one of the any-of list unless that is empty.
# custom:
#   legal_basis: Children Act 2004 s.16LA(1) and (2); the threshold in the statute of each purpose
#   reason_code: NONE
attested(requirement) if {
	count(missing_attestations(requirement)) == 0
	_any_attested(requirement.attestations_any)
}

# METADATA
# title: Missing attestations
# description: Those of the all-of list that were not given, in the list's order.
# custom:
#   legal_basis: none, look-up
#   reason_code: NONE
missing_attestations(requirement) := [code |
	some code in requirement.attestations_all
	not _given(code)
]

# METADATA
# title: Approved
# description: >-
#   Each approval asked for was given by another person in one of the roles named, or the user's own role stands above it.
# custom:
#   legal_basis: Working Together to Safeguard Children (management oversight)
#   reason_code: NONE
approved(requirement) if count(missing_approvals(requirement)) == 0

# METADATA
# title: Missing approvals
# description: The approvals asked for and not given, in the list's order.
# custom:
#   legal_basis: none, look-up
#   reason_code: NONE
missing_approvals(requirement) := [needed |
	some needed in requirement.approvals
	not _approval_given(needed)
]

# METADATA
# title: Family's knowledge
# description: What is recorded of the family's knowledge is among the positions the requirement accepts.
# custom:
#   legal_basis: Working Together to Safeguard Children; never consent as the basis (Children Act 2004 s.16LA)
#   reason_code: NONE
family_position(requirement) if _query.family_informed in requirement.family_informed

# METADATA
# title: Second person
# description: Somebody other than the user, who decides on referrals in their own agency, approved as a second person.
# custom:
#   legal_basis: Design rule for records about staff and public figures
#   reason_code: NONE
second_person if {
	some approval in _query.approvals
	approval.kind == "second_person"
	approval.user_ref != input.requester.user.ref
	data.reference.roles[approval.role].decides
}

# METADATA
# title: Cause shown
# description: No cause is asked for, or one of those named is attested - the consent or suspicion a sensitive service needs.
# custom:
#   legal_basis: The pattern of the Children Act 2004 Information Database (England) Regulations 2007 reg.11(3)
#   reason_code: NONE
cause_shown(codes) if _any_attested(codes)

# METADATA
# title: Asked for
# description: Somebody asks; nothing is pushed to them by a holder of its own motion.
# custom:
#   legal_basis: Children Act 2004 s.16LA(5)
#   reason_code: NONE
asked_for if _query.direction == "request"

# METADATA
# title: Attestation unknown
# description: An attestation the bundle does not hold attests nothing.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: ATTESTATION_UNKNOWN
denials contains "ATTESTATION_UNKNOWN" if not _attestations_known

# METADATA
# title: Attestation missing
# description: The threshold of the purpose has not been attested.
# custom:
#   legal_basis: Children Act 2004 s.16LA(1) and (2); the threshold in the statute of each purpose
#   reason_code: ATTESTATION_MISSING
denials contains "ATTESTATION_MISSING" if {
	purpose.usable
	not _purpose_attested
}

# METADATA
# title: Approval missing
# description: A second person's approval that the purpose asks for is missing, or came from the user.
# custom:
#   legal_basis: Working Together to Safeguard Children (management oversight)
#   reason_code: APPROVAL_MISSING
denials contains "APPROVAL_MISSING" if {
	purpose.usable
	not _purpose_approved
}

# METADATA
# title: Family not informed
# description: What is recorded of the family's knowledge does not suffice for this purpose.
# custom:
#   legal_basis: Working Together to Safeguard Children; Children Act 2004 ss.10 and 11
#   reason_code: FAMILY_NOT_INFORMED
denials contains "FAMILY_NOT_INFORMED" if {
	purpose.usable
	not _purpose_family_position
}

# METADATA
# title: Direction not allowed
# description: The purpose is invoked on request only, or only by a holder of its own motion.
# custom:
#   legal_basis: Children Act 2004 s.16LA(5) (on request); the statute of each purpose
#   reason_code: DIRECTION_NOT_ALLOWED
denials contains "DIRECTION_NOT_ALLOWED" if {
	purpose.usable
	not _direction_allowed
}

# METADATA
# title: Urgency not allowed
# description: The purpose cannot be invoked with this urgency.
# custom:
#   legal_basis: Children Act 1989 ss.44 and 46 (emergencies); design rule for the others
#   reason_code: URGENCY_NOT_ALLOWED
denials contains "URGENCY_NOT_ALLOWED" if {
	purpose.usable
	not _urgency_allowed
}

# METADATA
# title: Break-glass code needed
# description: The purpose is a break-glass purpose and no accepted reason code was given.
# custom:
#   legal_basis: Children Act 1989 ss.44 and 46
#   reason_code: BREAK_GLASS_NEEDED
denials contains "BREAK_GLASS_NEEDED" if {
	purpose.usable
	purpose.row.break_glass.use == "required"
	not _break_glass_accepted
}

# METADATA
# title: Break-glass not accepted
# description: A break-glass reason code was given that this purpose does not take.
# custom:
#   legal_basis: Design rule, break-glass is an exception with its own evidence
#   reason_code: BREAK_GLASS_NOT_ACCEPTED
denials contains "BREAK_GLASS_NOT_ACCEPTED" if {
	purpose.usable
	_query.break_glass != ""
	not _break_glass_accepted
}

# METADATA
# title: Query not in its time
# description: The query is expired, dated ahead, or expires before it was issued.
# custom:
#   legal_basis: UK GDPR Art 5(1)(e); each purpose's clock
#   reason_code: QUERY_NOT_CURRENT
denials contains "QUERY_NOT_CURRENT" if not _current

# METADATA
# title: Period reversed
# description: The period asked about ends before it begins.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c)
#   reason_code: PERIOD_REVERSED
denials contains "PERIOD_REVERSED" if not _period_ordered

# METADATA
# title: Volume refused
# description: The user or the agency has put more queries than safeguarding work explains.
# custom:
#   legal_basis: UK GDPR Art 32; Data Protection Act 2018 s.170 (unlawful obtaining)
#   reason_code: VOLUME_REFUSED
denials contains "VOLUME_REFUSED" if not _volume_bearable

# METADATA
# title: Volume unusual
# description: The user or the agency has put more queries than is usual; somebody shall look.
# custom:
#   legal_basis: UK GDPR Art 32
#   reason_code: VOLUME_UNUSUAL
notes contains "VOLUME_UNUSUAL" if not volume_usual

# METADATA
# title: Volume usual
# description: The counts of queries are below those at which somebody is asked to look.
# custom:
#   legal_basis: UK GDPR Art 32
#   reason_code: NONE
volume_usual if _below("alert")

_purpose_attested if attested(purpose.row.requires)

_purpose_approved if approved(purpose.row.requires)

_purpose_family_position if family_position(purpose.row.requires)

_any_attested(codes) if count(codes) == 0

_any_attested(codes) if {
	some code in codes
	_given(code)
}

_given(code) if code in _query.attestations

_attestations_known if {
	every code in _query.attestations {
		data.reference.attestations[code]
	}
}

_approval_given(needed) if input.requester.user.role in needed.waived_for_roles

_approval_given(needed) if {
	some approval in _query.approvals
	approval.kind == needed.kind
	approval.role in needed.roles
	approval.user_ref != input.requester.user.ref
}

_direction_allowed if _query.direction in purpose.row.directions

_urgency_allowed if _query.urgency in purpose.row.urgencies

_break_glass_accepted if {
	purpose.row.break_glass.use != "never"
	_query.break_glass in purpose.row.break_glass.codes
	data.reference.break_glass[_query.break_glass]
}

_current if {
	_query.issued_at <= input.time.epoch_s + _clock_skew_s
	_query.expires_at > input.time.epoch_s
	_query.expires_at > _query.issued_at
}

_period_ordered if calendar.key(_query.period.from) <= calendar.key(_query.period.to)

_volume_bearable if _below("refuse")

_below(level) if {
	input.counters.user_queries_day < _limits.user_queries_day[level]
	input.counters.agency_queries_hour < _limits.agency_queries_hour[level]
	_break_glass_below(level)
}

_break_glass_below(_) if _query.break_glass == ""

_break_glass_below(level) if input.counters.break_glass_day < _limits.break_glass_day[level]
