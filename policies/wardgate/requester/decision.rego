# METADATA
# title: Requester
# description: At the requester's own node - may this user put this query at all, and what is missing.
# custom:
#   legal_basis: Children Act 2004 s.16LA; UK GDPR Arts 5(1)(f) and 32(4)
#   reason_code: NONE
package wardgate.requester

import data.wardgate.lib.conditions
import data.wardgate.lib.enquiry
import data.wardgate.lib.obligations
import data.wardgate.lib.processing
import data.wardgate.lib.purpose
import data.wardgate.lib.query
import data.wardgate.lib.reasons
import data.wardgate.lib.shape
import data.wardgate.lib.supervision
import data.wardgate.lib.user

# METADATA
# title: May this user put this query
# description: Permits only a well-formed query against which nothing stands; what can be mended is listed as obligations.
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
}

decision := {
	"effect": "permit",
	"reasons": reasons.list(query.notes | _beforehand),
	"obligations": obligations.list(query.obligations, "requester"),
	"expires_in_s": query.expires_in_s,
	"processing": processing.relied_on(input.requester.agency),
	"enquiry": enquiry.of_query,
} if {
	well_formed
	count(denials) == 0
}

decision := {
	"effect": "deny",
	"reasons": reasons.list(denials),
	"obligations": obligations.list(_refusal_obligations, "requester"),
	"expires_in_s": 0,
	"processing": [],
	"enquiry": enquiry.of_query,
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
	shape.user
}

# METADATA
# title: Denials
# description: What stands against the query everywhere, and what only the user's own agency can know.
# custom:
#   legal_basis: UK GDPR Arts 5(1)(f) and 32(4)
#   reason_code: NONE
denials contains code if some code in query.denials

# METADATA
# title: Training expired
# description: The user's safeguarding and information-sharing training no longer counts.
# custom:
#   legal_basis: UK GDPR Art 32(4); Working Together to Safeguard Children (training)
#   reason_code: TRAINING_EXPIRED
denials contains "TRAINING_EXPIRED" if not user.trained

# METADATA
# title: Employment ended
# description: The user no longer works for the agency; agency and temporary staff end with their contract.
# custom:
#   legal_basis: UK GDPR Art 32(4)
#   reason_code: EMPLOYMENT_ENDED
denials contains "EMPLOYMENT_ENDED" if not user.employed

# METADATA
# title: End of employment missing
# description: Whoever is supplied for a time asks only while the date of its end is known.
# custom:
#   legal_basis: UK GDPR Art 32(4)
#   reason_code: EMPLOYMENT_END_MISSING
denials contains "EMPLOYMENT_END_MISSING" if not user.end_known

# METADATA
# title: Disclosure of one's own motion
# description: Nothing carries it yet, so nobody puts such a query; see the README of the policies.
# custom:
#   legal_basis: Children Act 2004 s.16LA
#   reason_code: DIRECTION_NOT_ALLOWED
denials contains "DIRECTION_NOT_ALLOWED" if not conditions.asked_for

# METADATA
# title: Conflict of interest
# description: The user has declared an interest that bars them from asking; a colleague may.
# custom:
#   legal_basis: Data Protection Act 2018 s.170; Caldicott principle 4
#   reason_code: USER_CONFLICTED
denials contains "USER_CONFLICTED" if not user.unconflicted

# METADATA
# title: Grant missing
# description: The agency has not given this user the purpose.
# custom:
#   legal_basis: Caldicott principle 4; UK GDPR Art 25(2)
#   reason_code: GRANT_MISSING
denials contains "GRANT_MISSING" if {
	purpose.usable
	not _granted
}

# METADATA
# title: No part in the case
# description: The purpose may be invoked only by those who have one of the parts named in the child's case.
# custom:
#   legal_basis: Caldicott principle 4; Working Together to Safeguard Children (lead practitioner)
#   reason_code: CASE_ROLE_MISSING
denials contains "CASE_ROLE_MISSING" if {
	purpose.usable
	not _in_the_case
}

# METADATA
# title: Detail under supervision
# description: A supervised user asks for detail only when somebody else signs beside them.
# custom:
#   legal_basis: Working Together to Safeguard Children (supervision)
#   reason_code: COSIGNATURE_MISSING
denials contains "COSIGNATURE_MISSING" if {
	input.user.supervised
	supervision.detail_granted
	not supervision.cosigned
}

_refusal_obligations := query.refusal_obligations | _remedies

_remedies contains ["obtain_attestation", {
	"all_of": conditions.missing_attestations(purpose.row.requires),
	"any_of": purpose.row.requires.attestations_any,
}] if {
	"ATTESTATION_MISSING" in denials
}

_remedies contains ["obtain_approval", {"kind": needed.kind, "roles": needed.roles}] if {
	"APPROVAL_MISSING" in denials
	some needed in conditions.missing_approvals(purpose.row.requires)
}

_remedies contains ["obtain_approval", {"kind": "co_signature", "roles": []}] if "COSIGNATURE_MISSING" in denials

# METADATA
# title: A second person may be wanted
# description: >-
#   Said of every question that names no second person, whoever it is about, so that it tells nothing of anybody.
# custom:
#   legal_basis: Design rule for records about staff and public figures
#   reason_code: SECOND_PERSON_MAY_BE_WANTED
_beforehand contains "SECOND_PERSON_MAY_BE_WANTED" if not conditions.second_person

_granted if input.query.purpose in input.user.grants

_in_the_case if input.user.case_role in purpose.row.case_roles
