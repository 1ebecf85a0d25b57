# Review: what people of the responder have decided, and where policy leaves the decision to them. No other party overrides
# a person who withholds; what a person once withheld is never released by the passing of time.
package wardgate.node

import data.wardgate.lib.conditions
import data.wardgate.lib.purpose
import data.wardgate.lib.scope
import data.wardgate.lib.tiers

# METADATA
# title: Released by people
# description: >-
#   As many people at the responder as must agree, none of them the user who asks, considered the record and released it for
#   a known reason, and their decisions have not ended. An empty reference is the question as a whole.
# custom:
#   legal_basis: Children Act 2004 s.16LA (the holder considers)
#   reason_code: NONE
released := {ref |
	some ref, reviewers in _releasing
	count(reviewers) >= _people
}

_releasing[entry.ref] contains entry.reviewer if {
	some entry in input.review
	entry.decision == "release"
	"release" in data.reference.review_reasons[entry.reason].decisions
	entry.reviewer != input.requester.user.ref
	_stands(entry)
}

# METADATA
# title: Withheld by a person
# description: >-
#   Somebody at the responder considered that disclosure would be more detrimental to the child than not disclosing. No
#   other party can override it.
# custom:
#   legal_basis: Children Act 2004 s.16LA (more detrimental to the child than not disclosing)
#   reason_code: DETRIMENT_WITHHELD
withheld[entry.ref] contains "DETRIMENT_WITHHELD" if {
	some entry in _holds
	_detrimental(entry)
}

# METADATA
# title: Withheld by a person for another reason
# description: Somebody at the responder withheld the record for any other reason, or for one that the bundle does not know.
# custom:
#   legal_basis: Children Act 2004 s.16LA(1) (the holder considers it relevant)
#   reason_code: HUMAN_WITHHELD
withheld[entry.ref] contains "HUMAN_WITHHELD" if {
	some entry in _holds
	not _detrimental(entry)
}

# METADATA
# title: A hold that has ended
# description: What a person once withheld is never released by the passing of time; a person decides again.
# custom:
#   legal_basis: Children Act 2004 s.16LA (the holder considers)
#   reason_code: HOLD_EXPIRED
referred[entry.ref] contains "HOLD_EXPIRED" if {
	some entry in input.review
	entry.decision == "withhold"
	not _stands(entry)
	not _released(entry)
}

# METADATA
# title: A hold is accounted for
# description: The reason and the end of a person's decision to withhold, for the responder's own ledger.
# custom:
#   legal_basis: Children Act 2004 s.16LA; statutory guidance on recording decisions
#   reason_code: NONE
owed[entry.ref] contains ["detriment_hold", {"reason": entry.reason, "until_s": entry.expires_at}] if {
	some entry in _holds
}

# METADATA
# title: Purpose asks for a human decision
# description: >-
#   Under this purpose a person at the holder considers relevance and detriment when this tier or more is asked and
#   granted. Whatever else lowers the tier of a record does not spare it the person: a flag must never open a record.
# custom:
#   legal_basis: Children Act 2004 s.16LA (holder considers; detriment)
#   reason_code: HUMAN_DECISION
referred[record.ref] contains "HUMAN_DECISION" if {
	some record in input.records
	not _released(record)
	_person_decides(record)
}

# METADATA
# title: Disclosure of one's own motion
# description: >-
#   Where nobody asked, a person at the holder has considered every record that leaves - both limbs of the duty and
#   detriment - whatever the purpose says of requests.
# custom:
#   legal_basis: Children Act 2004 s.16LA(1) and (2)
#   reason_code: HUMAN_DECISION
referred[record.ref] contains "HUMAN_DECISION" if {
	not conditions.asked_for
	some record in input.records
	not _released(record)
}

# METADATA
# title: Existence shielded by purpose
# description: While a person decides under such a purpose, the answer shows nothing of the record.
# custom:
#   legal_basis: Data Protection Act 2018 Sch 2 para 2; UK GDPR Art 5(1)(c)
#   reason_code: NONE
shielded contains record.ref if {
	purpose.row.human_decision_shields
	not purpose.compelled
	some record in input.records
	not _released(record)
}

# Where a person answers a question, what was said of single records counts once it is answered.
_released(record) if {
	record.ref in released
	not purpose.compelled
}

_released(record) if {
	record.ref in released
	_answered
}

_stands(entry) if entry.expires_at > input.time.epoch_s

_holds := [entry |
	some entry in input.review
	entry.decision == "withhold"
	_stands(entry)
	not _beaten(entry)
]

# A ground that does not stand against an order or a duty to comply withholds nothing; the record still waits for a person.
_beaten(entry) if {
	purpose.compelled
	not _stands_under_compulsion(entry)
}

_stands_under_compulsion(entry) if data.reference.review_reasons[entry.reason].under_compulsion

_detrimental(entry) if entry.reason == "more_detrimental"

_person_decides(record) if scope.granted[record.category] >= tiers.rank[purpose.row.human_decision_from]
