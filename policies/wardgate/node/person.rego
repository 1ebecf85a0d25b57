# Person: who of the responder's people decides what is put before them, and where a person answers whatever is held.
package wardgate.node

import data.wardgate.lib.purpose

# The reference of a decision on the question as a whole.
_question := ""

# METADATA
# title: Person
# description: >-
#   How many people must agree before anything referred leaves, who they may be, and whether a person is still to answer a
#   question that must be answered. The last does not depend on what is held, so that until then every agency looks alike.
# custom:
#   legal_basis: Children Act 1989 s.48; Children Act 2004 s.16H; UK GDPR Art 15; design rule for staff and public figures
#   reason_code: NONE
person := {"awaited": _awaited, "people": _people, "roles": _roles}

# METADATA
# title: A person answers
# description: Under a purpose that compels, every record that policy would give waits for the person who answers.
# custom:
#   legal_basis: Children Act 1989 s.48; Children Act 2004 s.16H; UK GDPR Art 15
#   reason_code: HUMAN_DECISION
referred[record.ref] contains "HUMAN_DECISION" if {
	purpose.compelled
	some record in input.records
	not _released(record)
}

# METADATA
# title: The question withheld by a person
# description: A person refused the question as a whole, on a ground that stands.
# custom:
#   legal_basis: The restriction; the order
#   reason_code: HUMAN_WITHHELD
withheld[record.ref] contains "HUMAN_WITHHELD" if {
	_refused
	some record in input.records
}

# METADATA
# title: Absence confirmed
# description: >-
#   A person has answered a question that must be answered, and nothing of what was asked about is held. Where something is
#   held that stays shut, by the agency's own overlay too, "nothing held" would be untrue, and the answer is a refusal.
# custom:
#   legal_basis: Children Act 1989 s.48; Children Act 2004 s.16H; UK GDPR Art 15
#   reason_code: NONE
default absence_confirmed := false

absence_confirmed if {
	purpose.compelled
	_answered
	not _refused
	not _something_asked_about
}

default _awaited := false

_awaited if {
	purpose.compelled
	not _answered
	not _refused
}

_answered if _question in released

_refused if {
	some entry in _holds
	entry.ref == _question
}

_something_asked_about if {
	some record in input.records
	_gateway_ranks[record.category] >= 0
	_relation_covered(record)
	_in_period(record)
}

_people := max((({1} | _people_by_purpose) | _people_by_flag))

_people_by_purpose := {purpose.row.compelled.people | purpose.compelled}

_people_by_flag := {_rows[flag].decided_by.people | some flag in _put_before_people}

# Where a flag names who may know, they alone decide; of several flags the weightiest speaks.
default _roles := []

_roles := _rows[_naming_flag].decided_by.roles

_naming_flag := min(_naming_flags)[1]

_naming_flags := {[_rows[flag].precedence, flag] |
	some flag in _put_before_people
	count(_rows[flag].decided_by.roles) > 0
}

_put_before_people := _known if purpose.compelled

_put_before_people := referring_flags if not purpose.compelled
