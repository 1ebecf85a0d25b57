# Handling flags: what the special-handling flags of one child's records demand of this query. Each flag's effect is a row
# of data; whatever a row says, it can only narrow. A flag the bundle does not know withholds the record.
package wardgate.node

import data.wardgate.lib.agency
import data.wardgate.lib.calendar
import data.wardgate.lib.conditions
import data.wardgate.lib.enquiry
import data.wardgate.lib.purpose
import data.wardgate.lib.tiers

_rows := data.reference.flags

_present := {flag | some record in input.records; some flag in record.flags} | {flag | some flag in input.child_flags}

_known := {flag |
	some flag in _present
	calendar.in_force(_rows[flag], input.query.area)
}

# What is not known to reach its own record alone reaches every record: a misspelt flag may be one that does.
_child_wide := {flag | some flag in _present; not _of_its_record(flag)}

_of_its_record(flag) if _rows[flag].reach == "record"

# METADATA
# title: Flags that reach a record
# description: >-
#   Those the record carries, and those of any record that reach every record of the child - a flag without a row among
#   them, as nobody knows how far it reaches.
# custom:
#   legal_basis: Each flag's own law, in reference/flags
#   reason_code: NONE
flags_of := {record.ref: flags |
	some record in input.records
	flags := ({flag | some flag in record.flags} | {flag | some flag in input.child_flags}) | _child_wide
}

# METADATA
# title: Flags that withhold
# description: Known flags that withhold from this query - by themselves, or for want of what they ask for.
# custom:
#   legal_basis: Serious Organised Crime and Police Act 2005 ss.82 to 86; Adoption and Children Act 2002 ss.56 to 65
#   reason_code: NONE
withholding_flags contains flag if {
	some flag in _known
	_rows[flag].withhold.applies
	_responder_meant(_rows[flag].withhold)
	not _withholding_spares(flag)
}

withholding_flags contains flag if {
	some flag in _known
	not _cause_shown(flag)
	not _yields(flag)
}

withholding_flags contains flag if {
	some flag in _present
	flag in input.overlay.flags_never
}

# METADATA
# title: Flags that refer
# description: Known flags on which a person of the responder decides.
# custom:
#   legal_basis: Children Act 2004 s.16LA (the holder considers)
#   reason_code: NONE
referring_flags contains flag if {
	some flag in _known
	_rows[flag].refer.applies
	not _referral_spares(flag)
	not _referral_lifted(flag)
}

# METADATA
# title: Flags that shield
# description: >-
#   Known flags that hide existence for as long as the record is not released. Not from a purpose that must know that
#   somebody here knows the child - there the referral shows, and a person decides while the query lives.
# custom:
#   legal_basis: The pattern of the Children Act 2004 Information Database (England) Regulations 2007 reg.6(5)
#   reason_code: NONE
shielding_flags contains flag if {
	some flag in referring_flags
	_rows[flag].refer.shields
	not _shown_all_the_same(flag)
}

# METADATA
# title: Flags that lower the tier
# description: Known flags with the rank of the highest tier they leave to this purpose.
# custom:
#   legal_basis: Each flag's own law, in reference/flags
#   reason_code: NONE
capping_flags[flag] := tiers.rank[_rows[flag].cap.tier] if {
	some flag in _known
	not _cap_spares(flag)
}

# METADATA
# title: Flags that redact
# description: Known flags that take fields out, by the fields' tags or names.
# custom:
#   legal_basis: Each flag's own law, in reference/flags
#   reason_code: NONE
redacting_flags contains flag if {
	some flag in _known
	count(_rows[flag].redact.tags) + count(_rows[flag].redact.fields) > 0
}

# METADATA
# title: Flags whose redaction may show
# description: >-
#   Redacting flags of which it may be told that fields were taken out. Where the mark would tell what it hides, the fields
#   were never there.
# custom:
#   legal_basis: Gender Recognition Act 2004 s.22; each flag's own law, in reference/flags
#   reason_code: NONE
openly_redacting_flags contains flag if {
	some flag in redacting_flags
	_rows[flag].redact.shows
}

# METADATA
# title: Unknown flag
# description: A flag that the bundle does not know, or that is not in force, withholds what it reaches.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: FLAG_UNKNOWN
withheld[record.ref] contains "FLAG_UNKNOWN" if {
	some record in input.records
	count(flags_of[record.ref] - _known) > 0
}

# METADATA
# title: Withheld by a flag
# description: The flag's own reason code, from its row.
# custom:
#   legal_basis: Each flag's own law, in reference/flags
#   reason_code: FLAG_*
withheld[record.ref] contains _rows[flag].reason_code if {
	some record in input.records
	some flag in (flags_of[record.ref] & withholding_flags)
}

# METADATA
# title: Users named as barred
# description: >-
#   A flag under which records name who is related or involved refuses those users, on every record the flag reaches. A
#   colleague of theirs is not refused.
# custom:
#   legal_basis: Data Protection Act 2018 s.170; Caldicott principle 4
#   reason_code: FLAG_*
withheld[record.ref] contains _rows[flag].reason_code if {
	some flag in _barring_flags
	input.requester.user.ref in _barred_users[flag]
	some record in input.records
	flag in flags_of[record.ref]
}

# METADATA
# title: Users not named as permitted
# description: >-
#   A flag under which a record names the only users who may read it refuses everybody else. Under a purpose that must know
#   that somebody here knows the child a person is asked first, who can say so and cannot let others read it.
# custom:
#   legal_basis: The order; Family Procedure Rules 12.73 and 12.75
#   reason_code: FLAG_*
withheld[record.ref] contains _rows[flag].reason_code if {
	some flag in _permitting_flags
	some record in input.records
	flag in flags_of[record.ref]
	count(record.permitted_users) > 0
	not _user_permitted(record)
	not _shown_to_be_asked_about(record, flag)
}

# METADATA
# title: Intelligence without a handling code
# description: A flag that demands a handling code is on a record that carries none.
# custom:
#   legal_basis: College of Policing APP, intelligence report 3x5x2
#   reason_code: HANDLING_CODE_MISSING
withheld[record.ref] contains "HANDLING_CODE_MISSING" if {
	some record in input.records
	record.handling_code == ""
	some flag in (flags_of[record.ref] & _known)
	_rows[flag].needs.handling_code
}

# METADATA
# title: Referred by a flag
# description: The flag's own reason code, from its row, unless a person has already released the record.
# custom:
#   legal_basis: Children Act 2004 s.16LA (the holder considers)
#   reason_code: FLAG_*
referred[record.ref] contains _rows[flag].reason_code if {
	some record in input.records
	not _released(record)
	some flag in (flags_of[record.ref] & referring_flags)
	not _settled(record, flag)
}

# METADATA
# title: Third party without context
# description: Information about another person travels only with how that person is related to, and in contact with, the child.
# custom:
#   legal_basis: Children Act 2004 s.16LA(1) (another individual, relating to the child)
#   reason_code: THIRD_PARTY_WITHOUT_CONTEXT
referred[record.ref] contains "THIRD_PARTY_WITHOUT_CONTEXT" if {
	some record in input.records
	not _released(record)
	some flag in (flags_of[record.ref] & _known)
	_rows[flag].needs.context
	not _context_given(record)
}

# METADATA
# title: Lowered or redacted by a flag
# description: The flag's own reason code, from its row, where it lowers the tier or takes fields out.
# custom:
#   legal_basis: Each flag's own law, in reference/flags
#   reason_code: FLAG_*
noted[record.ref] contains _rows[flag].reason_code if {
	some record in input.records
	some flag in (flags_of[record.ref] & (redacting_flags | _lowering_flags))
}

# METADATA
# title: Obligations of flags
# description: What the flags that reach a record demand of whoever handles it.
# custom:
#   legal_basis: Each flag's own law, in reference/flags
#   reason_code: NONE
owed[record.ref] contains [obligation, {}] if {
	some record in input.records
	some flag in (flags_of[record.ref] & _known)
	some obligation in _rows[flag].obligations
}

# METADATA
# title: Obligations of the child's flags
# description: Alerts that flags of the child as such demand, also where there is no record to hang them on.
# custom:
#   legal_basis: Each flag's own law, in reference/flags
#   reason_code: NONE
owed_for_child contains [obligation, {}] if {
	some flag in input.child_flags
	flag in _known
	some obligation in _rows[flag].obligations
	data.reference.obligations[obligation].type == "alert"
}

# METADATA
# title: Existence shielded
# description: Until a person releases the record, the answer shows nothing of it.
# custom:
#   legal_basis: The pattern of the Children Act 2004 Information Database (England) Regulations 2007 reg.6(5)
#   reason_code: NONE
shielded contains record.ref if {
	not purpose.compelled
	some record in input.records
	not _released(record)
	some flag in (flags_of[record.ref] & shielding_flags)
	not _settled(record, flag)
}

# METADATA
# title: Enquiry by flag
# description: How strictly each flag present keeps it from others that a question was asked; an unknown flag, from everybody.
# custom:
#   legal_basis: Each flag's own law, in reference/flags
#   reason_code: NONE
enquiry_ranks[flag] := enquiry.rank[_rows[flag].enquiry] if some flag in _known

enquiry_ranks[flag] := enquiry.rank.never if some flag in (_present - _known)

_lowering_flags := {flag | some flag, rank in capping_flags; rank < tiers.rank.T2}

_responder_meant(withhold) if "*" in withhold.responder_kinds

_responder_meant(withhold) if input.responder.kind in withhold.responder_kinds

_responder_meant(withhold) if {
	withhold.elsewhere
	not _area_shared
}

_area_shared if {
	some area in input.responder.areas
	area in input.requester.agency.areas
}

_barring_flags := {flag | some flag in _known; _rows[flag].users == "barred"}

_permitting_flags := {flag | some flag in _known; _rows[flag].users == "permitted"}

_barred_users := {flag: users |
	some flag in _barring_flags
	users := {user | some record in input.records; flag in record.flags; some user in record.barred_users}
}

# Where one carrier of the flag names nobody, a person must find out who is meant; the child as such names nobody.
_unnamed_flags contains flag if {
	some flag in _barring_flags
	flag in input.child_flags
}

_unnamed_flags contains flag if {
	some flag in _barring_flags
	some record in input.records
	flag in record.flags
	count(record.barred_users) == 0
}

_user_permitted(record) if input.requester.user.ref in record.permitted_users

_settled(_, flag) if flag in (_barring_flags - _unnamed_flags)

_settled(record, flag) if {
	flag in _permitting_flags
	_user_permitted(record)
}

_cause_shown(flag) if conditions.cause_shown(_rows[flag].needs.attestations_any)

# What spares is asked of the flag, not of its row: under `not`, a column that is missing must not undo the flag.
_withholding_spares(flag) if input.query.purpose in _rows[flag].withhold.except_purposes

_withholding_spares(flag) if _yields(flag)

_withholding_spares(flag) if {
	count(_rows[flag].withhold.except_agreements) > 0
	agency.agreement_held(input.requester.agency, _rows[flag].withhold.except_agreements)
}

# Where an answer is compelled, a person decides instead.
_yields(flag) if {
	purpose.compelled
	_rows[flag].withhold.yields_to_compulsion
}

_shown_to_be_asked_about(record, flag) if {
	_shown_all_the_same(flag)
	not _released(record)
}

_shown_all_the_same(flag) if input.query.purpose in _rows[flag].refer.open_purposes

_referral_lifted(flag) if {
	count(_rows[flag].refer.lifted_by) > 0
	every what in _rows[flag].refer.lifted_by {
		_done(what)
	}
}

_done("break_glass") if _glass_broken

_done("second_person") if conditions.second_person

_referral_spares(flag) if input.query.purpose in _rows[flag].refer.except_purposes

_cap_spares(flag) if input.query.purpose in _rows[flag].cap.except_purposes

_glass_broken if input.query.break_glass != ""

_context_given(record) if {
	record.relation != "subject"
	record.contact_level != "unknown"
	not _relation_lost(record)
	not _contact_lost(record)
}
