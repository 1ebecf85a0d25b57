# METADATA
# title: Justification
# description: >-
#   When a question needs a reason in words. The words are sealed to the auditors; whether there are any is known to every
#   party.
# custom:
#   legal_basis: UK GDPR Art 5(2); Caldicott principle 1 (justify the purpose)
#   reason_code: NONE
package wardgate.lib.justification

import data.wardgate.lib.conditions
import data.wardgate.lib.purpose
import data.wardgate.lib.supervision

# METADATA
# title: Wanted
# description: >-
#   The purpose always wants one; otherwise detail does, an emergency reason, and whatever lifts a shield - consent or cause
#   for a sensitive service, and a second person.
# custom:
#   legal_basis: UK GDPR Art 5(2); Caldicott principle 1 (justify the purpose)
#   reason_code: NONE
wanted if purpose.row.justification == "always"

wanted if supervision.detail_granted

wanted if input.query.break_glass != ""

wanted if conditions.second_person

wanted if {
	some code in input.query.attestations
	data.reference.attestations[code].lifts_shield
}

# METADATA
# title: Justification missing
# description: A reason in words is wanted and none was given.
# custom:
#   legal_basis: UK GDPR Art 5(2); Caldicott principle 1 (justify the purpose)
#   reason_code: JUSTIFICATION_MISSING
denials contains "JUSTIFICATION_MISSING" if {
	purpose.usable
	wanted
	not _given
}

_given if input.query.justified == true
