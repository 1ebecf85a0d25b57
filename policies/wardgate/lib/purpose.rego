# METADATA
# title: Purpose
# description: The coded legal ground of a query - whether it exists, may ever be used, and is law here and today.
# custom:
#   legal_basis: Children Act 2004 s.16LA; Children Act 1989 Parts 3 to 5; Education Act 1996 s.434A
#   reason_code: NONE
package wardgate.lib.purpose

import data.wardgate.lib.calendar

# METADATA
# title: Row
# description: What the bundle's data says of the purpose asked for; undefined when it says nothing.
# custom:
#   legal_basis: none, look-up
#   reason_code: NONE
row := data.reference.purposes[input.query.purpose]

# METADATA
# title: Never permitted
# description: The purpose is on the list of those for which no query is ever put.
# custom:
#   legal_basis: UK GDPR Art 5(1)(b); Children Act 2004 s.16LC (no use beyond safeguarding and welfare)
#   reason_code: NONE
never if data.reference.never_permitted[input.query.purpose]

# METADATA
# title: Usable
# description: The purpose is known and its law is in force; every other rule about the purpose presumes this.
# custom:
#   legal_basis: Children's Wellbeing and Schools Act 2026 s.78
#   reason_code: NONE
usable if {
	not never
	_in_force
}

# METADATA
# title: Provisions in force
# description: Every provision named is in force in the query's area on the day of the decision.
# custom:
#   legal_basis: Children's Wellbeing and Schools Act 2026 s.78
#   reason_code: NONE
provisions_in_force(provisions) if {
	every provision in provisions {
		_provision_in_force(provision)
	}
}

# METADATA
# title: Category in force
# description: >-
#   The law under which the purpose reaches a category is in force, and where the statute is written in limbs, one of them
#   is.
# custom:
#   legal_basis: Children's Wellbeing and Schools Act 2026 s.78
#   reason_code: NONE
cell_in_force(cell) if {
	provisions_in_force(cell.provisions)
	count(cell.limbs) == 0
}

cell_in_force(cell) if {
	provisions_in_force(cell.provisions)
	count(limbs_in_force(cell)) > 0
}

# METADATA
# title: Limbs in force
# description: Of a category's limbs those that are law here and today, in their order.
# custom:
#   legal_basis: Children's Wellbeing and Schools Act 2026 s.78
#   reason_code: NONE
limbs_in_force(cell) := [limb |
	some limb in cell.limbs
	provisions_in_force(limb.provisions)
]

# METADATA
# title: Compelled
# description: >-
#   Disclosure is compelled - by a court's order, by a request that must be complied with, or by somebody's right of access.
#   A person answers, whatever is held.
# custom:
#   legal_basis: Children Act 1989 s.48; Children Act 2004 s.16H; UK GDPR Art 15
#   reason_code: NONE
compelled if row.compelled.applies

# METADATA
# title: Purpose never permitted
# description: Immigration enforcement, benefit or fraud matching, curiosity, commerce, research or scoring, bulk listing.
# custom:
#   legal_basis: UK GDPR Art 5(1)(b); Children Act 2004 s.16LC(6)
#   reason_code: PURPOSE_NEVER_PERMITTED
denials contains "PURPOSE_NEVER_PERMITTED" if never

# METADATA
# title: Purpose unknown
# description: A purpose that the bundle does not hold is no ground for anything.
# custom:
#   legal_basis: UK GDPR Art 5(1)(a) and (b)
#   reason_code: PURPOSE_UNKNOWN
denials contains "PURPOSE_UNKNOWN" if {
	not row
	not never
}

# METADATA
# title: Purpose not in force
# description: The provision behind the purpose is not commenced, or no longer law, on this day in this area.
# custom:
#   legal_basis: Children's Wellbeing and Schools Act 2026 s.78
#   reason_code: PURPOSE_NOT_IN_FORCE
denials contains "PURPOSE_NOT_IN_FORCE" if {
	row
	not never
	not _in_force
}

_in_force if provisions_in_force(row.provisions)

_provision_in_force(provision) if {
	some entry in data.reference.provisions[provision].rows
	calendar.in_force(entry, input.query.area)
}
