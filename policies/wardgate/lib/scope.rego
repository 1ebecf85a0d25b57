# METADATA
# title: Scope
# description: Which of the categories asked for may be asked at all, and up to which tier - the smallest that suffices.
# custom:
#   legal_basis: Children Act 2004 s.16LA ("if and only so far as"); UK GDPR Art 5(1)(c)
#   reason_code: NONE
package wardgate.lib.scope

import data.wardgate.lib.conditions
import data.wardgate.lib.entitlement
import data.wardgate.lib.purpose
import data.wardgate.lib.tiers

_categories := data.reference.categories

_open := {asked.name: cell |
	some asked in input.query.categories
	cell := purpose.row.categories[asked.name]
	purpose.cell_in_force(cell)
	_cause_shown(asked)
}

# METADATA
# title: Reached but for cause
# description: Categories asked for that the purpose reaches here and today, and that want consent or cause first.
# custom:
#   legal_basis: The pattern of the Children Act 2004 Information Database (England) Regulations 2007 reg.11(3)
#   reason_code: NONE
wanting_cause contains asked.name if {
	some asked in input.query.categories
	_reached(asked)
	not _cause_shown(asked)
}

# METADATA
# title: Granted ranks
# description: >-
#   Category to the rank of the highest tier: the least of what was asked, what the purpose gives (its default, or its
#   highest when the conditions for more are met) and what the role may see.
# custom:
#   legal_basis: Children Act 2004 s.16LA ("if and only so far as"); UK GDPR Art 5(1)(c)
#   reason_code: NONE
granted := {asked.name: rank |
	some asked in input.query.categories
	cell := _open[asked.name]
	rank := min({tiers.rank[asked.tier], tiers.rank[_ceiling(cell)], entitlement.role_rank})
}

# METADATA
# title: Category unknown
# description: A category the bundle does not hold was asked for.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: CATEGORY_UNKNOWN
denials contains "CATEGORY_UNKNOWN" if not _categories_known

# METADATA
# title: No category permitted
# description: None of the categories asked for may be asked under this purpose.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c)
#   reason_code: NO_CATEGORY_PERMITTED
denials contains "NO_CATEGORY_PERMITTED" if {
	purpose.usable
	not _something_granted
}

# METADATA
# title: Category not for this purpose
# description: A category was left out because the purpose, or its law here and today, does not reach it.
# custom:
#   legal_basis: UK GDPR Art 5(1)(b) and (c)
#   reason_code: CATEGORY_NOT_FOR_PURPOSE
notes contains "CATEGORY_NOT_FOR_PURPOSE" if {
	some asked in input.query.categories
	not _reached(asked)
}

# METADATA
# title: Sensitive service without cause
# description: A sensitive service was left out because neither consent nor cause to suspect significant harm is attested.
# custom:
#   legal_basis: The pattern of the Children Act 2004 Information Database (England) Regulations 2007 reg.11(3)
#   reason_code: CATEGORY_NEEDS_CAUSE
notes contains "CATEGORY_NEEDS_CAUSE" if {
	some asked in input.query.categories
	not _cause_shown(asked)
}

# METADATA
# title: Tier above the purpose
# description: More was asked than the purpose ever gives; the tier was lowered.
# custom:
#   legal_basis: Children Act 2004 s.16LA ("if and only so far as")
#   reason_code: TIER_ABOVE_PURPOSE
notes contains "TIER_ABOVE_PURPOSE" if {
	some asked in input.query.categories
	tiers.rank[asked.tier] > tiers.rank[_open[asked.name].highest_tier]
}

# METADATA
# title: Tier needs more
# description: The purpose would give more if its further conditions were met; the tier was lowered to the default.
# custom:
#   legal_basis: The threshold in the statute of each purpose
#   reason_code: TIER_NEEDS_CONDITIONS
notes contains "TIER_NEEDS_CONDITIONS" if {
	some asked in input.query.categories
	cell := _open[asked.name]
	tiers.rank[asked.tier] > tiers.rank[cell.default_tier]
	tiers.rank[cell.highest_tier] > tiers.rank[cell.default_tier]
	not beyond_default
}

# METADATA
# title: Tier above the role
# description: The user's role may not be given the tier that was asked for; the tier was lowered.
# custom:
#   legal_basis: Caldicott principle 4; Working Together to Safeguard Children (lead child protection practitioner)
#   reason_code: TIER_ABOVE_ROLE
notes contains "TIER_ABOVE_ROLE" if {
	some asked in input.query.categories
	min({tiers.rank[asked.tier], tiers.rank[_open[asked.name].highest_tier]}) > entitlement.role_rank
}

# METADATA
# title: Beyond the default
# description: The further conditions for more than the purpose's default tier are met.
# custom:
#   legal_basis: The threshold in the statute of each purpose
#   reason_code: NONE
beyond_default if conditions.met(purpose.row.beyond_default)

_ceiling(cell) := cell.highest_tier if beyond_default

_ceiling(cell) := cell.default_tier if not beyond_default

_categories_known if {
	every asked in input.query.categories {
		_categories[asked.name]
	}
}

_reached(asked) if purpose.cell_in_force(purpose.row.categories[asked.name])

_cause_shown(asked) if conditions.cause_shown(_categories[asked.name].needs_any_attestation)

_something_granted if count(granted) > 0
