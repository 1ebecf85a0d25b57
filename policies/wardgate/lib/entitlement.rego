# METADATA
# title: Entitlement
# description: Whether this agency, and this role within it, may invoke the purpose, and up to which tier.
# custom:
#   legal_basis: Children Act 2004 s.16LA(4); Children Act 1989 s.47; the statute of each purpose
#   reason_code: NONE
package wardgate.lib.entitlement

import data.wardgate.lib.agency
import data.wardgate.lib.purpose
import data.wardgate.lib.tiers

_agency := input.requester.agency

_role := input.requester.user.role

_invokers := [invoker |
	some invoker in purpose.row.invokers
	_kind_matches(invoker.agency_kinds)
	_agency.legal_class in invoker.legal_classes
]

_ranks := {tiers.rank[invoker.roles[_role]] | some invoker in _invokers}

# METADATA
# title: Rank of the role
# description: The highest tier this role may be given under this purpose; undefined when it may not invoke it.
# custom:
#   legal_basis: Working Together to Safeguard Children (lead child protection practitioner)
#   reason_code: NONE
role_rank := max(_ranks)

# METADATA
# title: Agency not entitled
# description: Kind and legal class of the requester are not among those the law lets invoke this purpose.
# custom:
#   legal_basis: Children Act 2004 s.16LA(4) and the statute of each purpose
#   reason_code: AGENCY_NOT_ENTITLED
denials contains "AGENCY_NOT_ENTITLED" if {
	purpose.usable
	not _agency_entitled
}

# METADATA
# title: Role not entitled
# description: The user's role may not invoke this purpose at this agency.
# custom:
#   legal_basis: Caldicott principle 4 (need to know); the statute of each purpose
#   reason_code: ROLE_NOT_ENTITLED
denials contains "ROLE_NOT_ENTITLED" if {
	purpose.usable
	_agency_entitled
	not _role_entitled
}

# METADATA
# title: Arrangement not current
# description: An arranged provider may ask only while its arrangement runs and names the body that made it.
# custom:
#   legal_basis: Children Act 2004 s.16LA(4)(c)
#   reason_code: ARRANGEMENT_NOT_CURRENT
denials contains "ARRANGEMENT_NOT_CURRENT" if not agency.class_holds(_agency)

# METADATA
# title: Outside the requester's area
# description: The purpose may be invoked only for an area the requester serves.
# custom:
#   legal_basis: Children Act 1989 ss.17 and 47 ("within their area"); Children Act 2004 s.10
#   reason_code: AREA_NOT_OWN
denials contains "AREA_NOT_OWN" if {
	purpose.usable
	not _area_open
}

# METADATA
# title: Agreement missing
# description: The purpose presumes membership of an arrangement, and the requester is party to none that is in force.
# custom:
#   legal_basis: Children Act 2004 s.16E; Data Protection Act 2018 s.121 code
#   reason_code: AGREEMENT_MISSING
denials contains "AGREEMENT_MISSING" if {
	purpose.usable
	not _agreement_held
}

_kind_matches(kinds) if "*" in kinds

_kind_matches(kinds) if _agency.kind in kinds

_agency_entitled if count(_invokers) > 0

_role_entitled if {
	role_rank >= 0
	_role_known
}

_role_known if "*" in data.reference.roles[_role].agency_kinds

_role_known if _agency.kind in data.reference.roles[_role].agency_kinds

_agreement_held if agency.agreement_held(_agency, purpose.row.agreements_any)

_area_open if purpose.row.area_rule == "any"

_area_open if agency.serves_area(_agency)
