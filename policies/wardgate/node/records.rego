# Records: what withholds, refers or lowers a record for reasons other than its handling flags, and which fields remain.
package wardgate.node

import data.wardgate.lib.calendar
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
# title: Outside the period
# description: >-
#   The record is dated outside the period asked about. What began earlier and has not ended still falls within it: an
#   open plan is not history.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c)
#   reason_code: OUTSIDE_PERIOD
withheld[record.ref] contains "OUTSIDE_PERIOD" if {
	some record in input.records
	not _in_period(record)
}

# METADATA
# title: Not current
# description: The purpose asks only whether something is going on now, and this has ended.
# custom:
#   legal_basis: Education Act 1996 s.434A (enquiries being conducted, action being taken)
#   reason_code: NOT_CURRENT
withheld[record.ref] contains "NOT_CURRENT" if {
	some record in input.records
	purpose.row.categories[record.category].current_only
	not _ongoing(record)
}

# METADATA
# title: Before the look-back
# description: The purpose looks back a number of years, and the record ended before that.
# custom:
#   legal_basis: Education Act 1996 s.434A (look-back as tabled in January 2026)
#   reason_code: BEFORE_LOOK_BACK
withheld[record.ref] contains "BEFORE_LOOK_BACK" if {
	some record in input.records
	not _within_look_back(record)
}

# METADATA
# title: Person outside the purpose
# description: The record is about a person whom the purpose does not reach.
# custom:
#   legal_basis: Children Act 2004 s.16LA(1) (another individual, relating to the child)
#   reason_code: RELATION_NOT_COVERED
withheld[record.ref] contains "RELATION_NOT_COVERED" if {
	some record in input.records
	not _relation_covered(record)
}

# METADATA
# title: Type never shared
# description: Output of national police systems and the like is never federated, whatever the purpose.
# custom:
#   legal_basis: Code of Practice on the Police National Database (2010)
#   reason_code: TYPE_NEVER_SHARED
withheld[record.ref] contains "TYPE_NEVER_SHARED" if {
	some record in input.records
	record.type in _categories[record.category].never_types
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
# title: Handling code withholds
# description: The intelligence handling code forbids sharing, or the bundle does not know it.
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
# description: The intelligence handling code allows sharing under conditions that a person must set.
# custom:
#   legal_basis: College of Policing APP, intelligence report 3x5x2 (handling code C)
#   reason_code: HANDLING_CODE_CONDITIONS
referred[record.ref] contains "HANDLING_CODE_CONDITIONS" if {
	some record in input.records
	not _released(record)
	_handling[record.handling_code].effect == "refer"
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
# description: In any category, what is about somebody other than the child travels only with that person's contact with the child.
# custom:
#   legal_basis: Children Act 2004 s.16LA(1) (another individual, relating to the child)
#   reason_code: THIRD_PARTY_WITHOUT_CONTEXT
referred[record.ref] contains "THIRD_PARTY_WITHOUT_CONTEXT" if {
	some record in input.records
	record.relation != "subject"
	not _released(record)
	not _context_given(record)
}

# METADATA
# title: Existence shielded by category
# description: Until a person releases a record of this category, the answer shows nothing of it.
# custom:
#   legal_basis: The pattern of the Children Act 2004 Information Database (England) Regulations 2007 reg.6(5)
#   reason_code: NONE
shielded contains record.ref if {
	some record in input.records
	_categories[record.category].shields
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
# description: What a third party alleged is shown as that, never as fact.
# custom:
#   legal_basis: UK GDPR Art 5(1)(d); Children Act 2004 s.16LA guidance (fact apart from opinion)
#   reason_code: NONE
owed[record.ref] contains ["mark_allegation", {}] if {
	some record in input.records
	record.assertion == "third_party_allegation"
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
# description: The least of what is permitted for its category, what the purpose gives about this person, and every flag's cap.
# custom:
#   legal_basis: Children Act 2004 s.16LA ("if and only so far as")
#   reason_code: NONE
tier_rank := {record.ref: rank |
	some record in input.records
	rank := min({
		permitted[record.category],
		tiers.rank[_categories[record.category].highest_tier],
		tiers.rank[purpose.row.relations[record.relation]],
	} | {capping_flags[flag] | some flag in flags_of[record.ref]})
}

_never_locally(name) if name in input.overlay.categories_never

_permitted_record(record) if permitted[record.category] >= 0

_in_period(record) if {
	calendar.key(record.date) <= calendar.key(input.query.period.to)
	_not_before_period(record)
}

_not_before_period(record) if calendar.key(record.date) >= calendar.key(input.query.period.from)

_not_before_period(record) if _ongoing(record)

_ongoing(record) if {
	count(_categories[record.category].end_fields) > 0
	not _ended(record)
}

_ended(record) if {
	some field in _categories[record.category].end_fields
	field in record.fields
}

_within_look_back(record) if purpose.row.categories[record.category].look_back_years == 0

_within_look_back(record) if {
	years := purpose.row.categories[record.category].look_back_years
	calendar.key(record.date) >= calendar.today - (years * 10000)
}

_within_look_back(record) if _ongoing(record)

_relation_covered(record) if purpose.row.relations[record.relation]

_handling_open(record) if _handling[record.handling_code].effect in {"permit", "refer"}

_referred_locally(_) if input.query.purpose in input.overlay.purposes_refer

_referred_locally(record) if record.category in input.overlay.categories_refer
