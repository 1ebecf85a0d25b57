# METADATA
# title: Team
# description: What makes a multi-agency child protection team whole, and whether there is law for teams here today.
# custom:
#   legal_basis: Children Act 2004 s.16EA
#   reason_code: NONE
package wardgate.lib.team

import data.wardgate.lib.calendar

# METADATA
# title: Rules in force
# description: Every rule about teams that applies in an area today, in the order of the data.
# custom:
#   legal_basis: Children's Wellbeing and Schools Act 2026 s.78
#   reason_code: NONE
rules(area) := [row |
	some entry in data.reference.team_rules
	some row in entry.rows
	calendar.in_force(row, area)
]

# METADATA
# title: Law for teams
# description: At least one rule about teams applies in the area today.
# custom:
#   legal_basis: Children's Wellbeing and Schools Act 2026 s.78
#   reason_code: NONE
ruled(area) if count(rules(area)) > 0

# METADATA
# title: Complete
# description: Each profession that any rule in force demands is that of a current member.
# custom:
#   legal_basis: Children Act 2004 s.16EA(4)
#   reason_code: NONE
complete(professions, area) if {
	every row in rules(area) {
		every profession in row.professions {
			profession in professions
		}
	}
}
