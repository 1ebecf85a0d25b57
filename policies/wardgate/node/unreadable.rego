# Unreadable: what the source has and could not be read. Whatever policy reads and could not be read counts as the most
# protective value of its category; that something is held is told where a sound record would be told of at T0.
package wardgate.node

# METADATA
# title: Held, could not be read
# description: >-
#   The record is released as a pointer alone, and whoever asks is told to ring. Nothing is said of a record that is withheld
#   or waits for a person, so that what is hidden looks like nothing held.
# custom:
#   legal_basis: UK GDPR Art 5(1)(d) (accuracy); design rule, what could not be read is never "nothing held"
#   reason_code: UNREADABLE
noted[record.ref] contains "UNREADABLE" if {
	some record in input.records
	_told_of_in_doubt(record)
}

# METADATA
# title: Ring the duty desk
# description: Whoever is told that something is held which could not be read is told to ring the agency.
# custom:
#   legal_basis: UK GDPR Art 5(1)(d) (accuracy); Working Together to Safeguard Children
#   reason_code: NONE
owed[record.ref] contains ["ring_duty_desk", {}] if {
	some record in input.records
	_told_of_in_doubt(record)
}

_told_of_in_doubt(record) if {
	_in_doubt(record)
	effect_on(record.ref) == "permit"
}

_in_doubt(record) if count(record.unreadable) > 0

_relation_lost(record) if _unreadable(record, "relation")

_contact_lost(record) if _unreadable(record, "contact_level")

_date_lost(record) if _unreadable(record, "date")

_start_lost(record) if _unreadable(record, "started_on")

_end_lost(record) if _unreadable(record, "ended_on")

# A row that could not be read as a whole tells nothing of any member.
_unreadable(record, name) if name in record.unreadable

_unreadable(record, _) if "row" in record.unreadable
