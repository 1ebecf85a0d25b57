# Records: what withholds, refers or lowers a record for reasons other than its handling flags, and which fields remain.
package wardgate.node

import data.wardgate.lib.purpose
import data.wardgate.lib.scope
import data.wardgate.lib.tiers

_categories := data.reference.categories

_handling := data.reference.handling_codes

_gateway_ranks := {category.name: tiers.rank[category.tier] | some category in input.gateway.categories}

_overlay_ranks[name] := min({tiers.rank[cap.tier] | some cap in input.overlay.tier_caps; cap.category == name}) if {
	some name in {cap.category | some cap in input.overlay.tier_caps}
}

# METADATA
# title: Permitted ranks
# description: >-
#   Category to the rank of the highest tier - the least of what the gateway permitted, what this node grants when it
#   decides afresh, and the overlay's cap. A category missing on either side is not permitted.
# custom:
#   legal_basis: Children Act 2004 s.16LA ("if and only so far as")
#   reason_code: NONE
permitted := {name: rank |
	some name, gateway_rank in _gateway_ranks
	input.responder.kind in _categories[name].agency_kinds
	not _never_locally(name)
	rank := min({gateway_rank, scope.granted[name], object.get(_overlay_ranks, name, tiers.rank.T2)})
}

# METADATA
# title: Category not permitted
# description: The record's category was not asked for, not permitted, or not kept by agencies of this kind.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c)
#   reason_code: CATEGORY_NOT_PERMITTED
withheld[record.ref] contains "CATEGORY_NOT_PERMITTED" if {
	some record in input.records
	not _permitted_record(record)
}

# METADATA
# title: Person outside the purpose
# description: >-
#   The record is about a person whom the purpose does not reach. Where that could not be read a person decides.
# custom:
#   legal_basis: Children Act 2004 s.16LA(1) (another individual, relating to the child)
#   reason_code: RELATION_NOT_COVERED
withheld[record.ref] contains "RELATION_NOT_COVERED" if {
	some record in input.records
	not _relation_covered(record)
}

# METADATA
# title: Type never shared
# description: Output of national police systems and the like is never federated, whatever the purpose, however it is spelt.
# custom:
#   legal_basis: Code of Practice on the Police National Database (2010)
#   reason_code: TYPE_NEVER_SHARED
withheld[record.ref] contains "TYPE_NEVER_SHARED" if {
	some record in input.records
	some word in _categories[record.category].never_types
	contains(_letters(record.type), word)
}

# METADATA
# title: Type may be one never shared
# description: Of a category that may hold such output, what type the record is of could not be read.
# custom:
#   legal_basis: Code of Practice on the Police National Database (2010)
#   reason_code: TYPE_NEVER_SHARED
withheld[record.ref] contains "TYPE_NEVER_SHARED" if {
	some record in input.records
	_unreadable(record, "type")
	_categories[record.category].intelligence
	count(_categories[record.category].never_types) > 0
}

# METADATA
# title: Type not on the list
# description: >-
#   The category's types are a closed list, and the record's is none of them; a person finds out what it is.
# custom:
#   legal_basis: Design rule, unknown is never released by policy alone; Code of Practice on the Police National Database
#   reason_code: TYPE_NOT_LISTED
referred[record.ref] contains "TYPE_NOT_LISTED" if {
	some record in input.records
	not _released(record)
	not _type_listed(record)
}

# METADATA
# title: Withheld by the agency's own rule
# description: The agency's overlay releases no records of this type.
# custom:
#   legal_basis: UK GDPR Art 24 (the holder is the controller)
#   reason_code: LOCAL_RULE_WITHHOLDS
withheld[record.ref] contains "LOCAL_RULE_WITHHOLDS" if {
	some record in input.records
	record.type in input.overlay.types_never
}

# METADATA
# title: Type may be one the agency withholds
# description: The agency's overlay names types that it never releases, and the record's could not be read.
# custom:
#   legal_basis: UK GDPR Art 24 (the holder is the controller)
#   reason_code: LOCAL_RULE_WITHHOLDS
withheld[record.ref] contains "LOCAL_RULE_WITHHOLDS" if {
	count(input.overlay.types_never) > 0
	some record in input.records
	_unreadable(record, "type")
}

# METADATA
# title: Handling code withholds
# description: >-
#   The intelligence handling code forbids sharing, the bundle does not know it, or it could not be read. Where the whole row
#   could not be read, that is so in the categories that may hold intelligence.
# custom:
#   legal_basis: College of Policing APP, intelligence report 3x5x2 and 5x5x5
#   reason_code: HANDLING_CODE_WITHHOLDS
withheld[record.ref] contains "HANDLING_CODE_WITHHOLDS" if {
	some record in input.records
	not _handling_open(record)
}

# METADATA
# title: Category asks for a human decision
# description: Records of this category are released by a person of the responder, never by policy alone.
# custom:
#   legal_basis: Common law duty of confidence; the pattern of the 2007 Regulations reg.11(3)
#   reason_code: HUMAN_RELEASE
referred[record.ref] contains "HUMAN_RELEASE" if {
	some record in input.records
	not _released(record)
	_categories[record.category].human_release
}

# METADATA
# title: The agency's own rule asks for a human decision
# description: The agency's overlay refers this purpose or category to a person.
# custom:
#   legal_basis: UK GDPR Art 24 (the holder is the controller)
#   reason_code: LOCAL_RULE_REFERS
referred[record.ref] contains "LOCAL_RULE_REFERS" if {
	some record in input.records
	not _released(record)
	_referred_locally(record)
}

# METADATA
# title: Handling code asks for a human decision
# description: >-
#   The intelligence handling code allows sharing under conditions that a person must set, or to other authorities than the
#   one that asks.
# custom:
#   legal_basis: College of Policing APP, intelligence report 3x5x2 (handling code C)
#   reason_code: HANDLING_CODE_CONDITIONS
referred[record.ref] contains "HANDLING_CODE_CONDITIONS" if {
	some record in input.records
	not _released(record)
	not _permitted_by_code(record)
}

# METADATA
# title: Adult's record without context
# description: A category about adults is released only with the adult's relation to, and contact with, the child.
# custom:
#   legal_basis: Children Act 2004 s.16LA(1) (another individual, relating to the child)
#   reason_code: THIRD_PARTY_WITHOUT_CONTEXT
referred[record.ref] contains "THIRD_PARTY_WITHOUT_CONTEXT" if {
	some record in input.records
	not _released(record)
	_categories[record.category].third_party
	not _context_given(record)
}

# METADATA
# title: Somebody else's record without their contact
# description: >-
#   In any category, what is about somebody other than the child travels only with that person's contact with the child. It
#   may be about somebody else where that could not be read.
# custom:
#   legal_basis: Children Act 2004 s.16LA(1) (another individual, relating to the child)
#   reason_code: THIRD_PARTY_WITHOUT_CONTEXT
referred[record.ref] contains "THIRD_PARTY_WITHOUT_CONTEXT" if {
	some record in input.records
	_may_be_another(record)
	not _released(record)
	not _context_given(record)
}

# METADATA
# title: Existence shielded by category
# description: >-
#   Until a person releases a record of this category, the answer shows nothing of it, unless to a purpose that must know
#   that somebody here knows the child.
# custom:
#   legal_basis: The pattern of the Children Act 2004 Information Database (England) Regulations 2007 reg.6(5)
#   reason_code: NONE
shielded contains record.ref if {
	not purpose.compelled
	some record in input.records
	_categories[record.category].shields
	not _category_shown_all_the_same(record)
	not _released(record)
}

# METADATA
# title: Existence shielded by handling code
# description: >-
#   While a person decides on what such a code keeps with its originator, the answer shows nothing of it, unless to a purpose
#   that must know that somebody here knows the child.
# custom:
#   legal_basis: College of Policing APP, intelligence report 5x5x5 (legacy codes 4 and 5)
#   reason_code: NONE
shielded contains record.ref if {
	not purpose.compelled
	some record in input.records
	_handling[record.handling_code].shields
	not _code_shown_all_the_same(record)
	not _released(record)
}

# METADATA
# title: Shield while a person decides
# description: Whoever carries out the decision must not let the referral itself show that something is held.
# custom:
#   legal_basis: Design rule, "withheld" looks like "nothing held"
#   reason_code: NONE
owed[ref] contains ["shield_existence", {}] if some ref in shielded

# METADATA
# title: An allegation stays an allegation
# description: What a third party alleged is shown as that, never as fact; so is what may have been alleged.
# custom:
#   legal_basis: UK GDPR Art 5(1)(d); Children Act 2004 s.16LA guidance (fact apart from opinion)
#   reason_code: NONE
owed[record.ref] contains ["mark_allegation", {}] if {
	some record in input.records
	_may_be_alleged(record)
}

# METADATA
# title: Obligations of handling codes
# description: What the intelligence handling code demands of whoever handles the record.
# custom:
#   legal_basis: College of Policing APP, intelligence report 3x5x2
#   reason_code: NONE
owed[record.ref] contains [obligation, {}] if {
	some record in input.records
	some obligation in _handling[record.handling_code].obligations
}

# METADATA
# title: Obligations of the purpose for a category
# description: What the purpose demands of the requester once something of this category is known to be held.
# custom:
#   legal_basis: Education Act 1996 s.434A (the name stays on the roll until the authority has decided)
#   reason_code: NONE
owed[record.ref] contains [obligation, {}] if {
	some record in input.records
	some obligation in purpose.row.categories[record.category].obligations
}

# METADATA
# title: Tier of a record
# description: >-
#   The least of what is permitted for its category, what the purpose gives about this person, and every flag's cap. Of a
#   record that could not be read whole, no more than that it is held.
# custom:
#   legal_basis: Children Act 2004 s.16LA ("if and only so far as")
#   reason_code: NONE
tier_rank := {record.ref: rank |
	some record in input.records
	caps := {capping_flags[flag] | some flag in flags_of[record.ref]} | {tiers.rank.T0 | _in_doubt(record)}
	rank := min(caps | {
		permitted[record.category],
		tiers.rank[_categories[record.category].highest_tier],
		_relation_rank(record),
	})
}

# As it would be read out: what stands between the letters does not count.
_letters(text) := strings.replace_n({" ": "", ".": "", "-": "", "_": "", "/": "", "'": ""}, lower(text))

_type_listed(record) if count(_categories[record.category].types) == 0

_type_listed(record) if record.type in _categories[record.category].types

# What could not be read is told of as a pointer at most, whatever it is.
_type_listed(record) if _unreadable(record, "type")

_permitted_by_code(record) if {
	row := _handling[record.handling_code]
	row.effect == "permit"
	_to_kind(row.permit_kinds)
}

_to_kind(kinds) if "*" in kinds

_to_kind(kinds) if input.requester.agency.kind in kinds

_code_shown_all_the_same(record) if input.query.purpose in _handling[record.handling_code].open_purposes

_category_shown_all_the_same(record) if input.query.purpose in _categories[record.category].open_purposes

_never_locally(name) if name in input.overlay.categories_never

_permitted_record(record) if permitted[record.category] >= 0

_relation_covered(record) if purpose.row.relations[record.relation]

_relation_covered(record) if _relation_lost(record)

_relation_rank(record) := tiers.rank[purpose.row.relations[record.relation]] if not _relation_lost(record)

_relation_rank(record) := tiers.rank.T0 if _relation_lost(record)

_may_be_another(record) if record.relation != "subject"

_may_be_another(record) if _relation_lost(record)

_may_be_alleged(record) if record.assertion == "third_party_allegation"

_may_be_alleged(record) if _unreadable(record, "assertion")

_handling_open(record) if {
	_handling[record.handling_code].effect in {"permit", "refer"}
	not _handling_lost(record)
}

_handling_lost(record) if "handling_code" in record.unreadable

_handling_lost(record) if {
	_unreadable(record, "handling_code")
	_categories[record.category].intelligence
}

_referred_locally(_) if input.query.purpose in input.overlay.purposes_refer

_referred_locally(record) if record.category in input.overlay.categories_refer
