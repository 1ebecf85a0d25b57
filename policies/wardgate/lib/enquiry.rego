# METADATA
# title: Enquiry
# description: >-
#   Who may learn that a question was asked, and when - at once (notify), after a time (delay), or not at all (never).
#   The strictest of what purpose, family position and handling flags say wins.
# custom:
#   legal_basis: UK GDPR Arts 12 to 15 and 23; Data Protection Act 2018 Sch 2 para 2 and Sch 3 Pt 5
#   reason_code: NONE
package wardgate.lib.enquiry

import data.wardgate.lib.purpose

_day_s := 86400

_table := data.reference.enquiry

# METADATA
# title: Rank
# description: An outcome as a number; a higher number tells fewer people, or later.
# custom:
#   legal_basis: none, arithmetic
#   reason_code: NONE
rank := {outcome: number | some number, outcome in _table.outcomes}

# METADATA
# title: Nobody
# description: What holds wherever nothing else can be said.
# custom:
#   legal_basis: Design rule, unknown is the strictest
#   reason_code: NONE
nobody := {"outcome": "never", "after_s": 0, "audience": []}

# METADATA
# title: Rank of the query
# description: What the purpose says, or the family's position where that is stricter.
# custom:
#   legal_basis: Data Protection Act 2018 Sch 3 Pt 5; Working Together to Safeguard Children
#   reason_code: NONE
rank_of_query := max({rank[purpose.row.enquiry.outcome], rank[_table.family_positions[input.query.family_informed]]})

# METADATA
# title: Enquiry of the query
# description: Who may learn of the query by itself, whatever is held.
# custom:
#   legal_basis: UK GDPR Arts 12 to 15 and 23
#   reason_code: NONE
default of_query := {"outcome": "never", "after_s": 0, "audience": []}

of_query := at(rank_of_query)

# METADATA
# title: Enquiry at a rank
# description: The outcome with the audience the purpose names; the delay is the purpose's, or the table's where it has none.
# custom:
#   legal_basis: UK GDPR Arts 12 to 15 and 23
#   reason_code: NONE
at(number) := {"outcome": "notify", "after_s": 0, "audience": purpose.row.enquiry.audience} if number == rank.notify

at(number) := {"outcome": "delay", "after_s": _delay_days * _day_s, "audience": purpose.row.enquiry.audience} if {
	number == rank.delay
}

at(number) := nobody if number == rank.never

_delay_days := purpose.row.enquiry.after_days if purpose.row.enquiry.after_days > 0

_delay_days := _table.delay_days if purpose.row.enquiry.after_days == 0
