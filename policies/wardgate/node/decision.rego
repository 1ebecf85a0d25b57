# METADATA
# title: Node
# description: >-
#   At the responder - what each record may reveal. It has the last word: everything here narrows what the gateway
#   permitted, and nothing widens it.
# custom:
#   legal_basis: Children Act 2004 s.16LA ("if and only so far as"; more detrimental than not disclosing)
#   reason_code: NONE
package wardgate.node

import data.wardgate.lib.enquiry
import data.wardgate.lib.obligations
import data.wardgate.lib.processing
import data.wardgate.lib.purpose
import data.wardgate.lib.query
import data.wardgate.lib.reasons
import data.wardgate.lib.responder
import data.wardgate.lib.shape
import data.wardgate.lib.tiers

# METADATA
# title: What each record may reveal
# description: >-
#   Per record, in the order of the input, its effect, tier, fields and redactions, and whether the answer may show that
#   anything is held. Where existence is hidden the answer must be exactly that of an agency that holds nothing; with no
#   records at all it is hidden too. Whether something older may be told of is said apart. A refusal of the query as a whole (`deny`) is decided without a look at the records
#   and may be told as what it is: silence would read as "nothing known". One evaluation decides on all records of one child, because some handling flags
#   reach beyond the record that carries them.
# entrypoint: true
# custom:
#   legal_basis: Children Act 2004 s.16LA; the statute of each purpose; each handling flag's own law
#   reason_code: INPUT_MALFORMED
default decision := {
	"effect": "deny",
	"reasons": [{"code": "INPUT_MALFORMED", "audience": "both", "severity": "denial"}],
	"obligations": [],
	"expires_in_s": 0,
	"processing": [],
	"enquiry": {"outcome": "never", "after_s": 0, "audience": []},
	"records": [],
	"existence": "hidden",
	"older": false,
	"person": {"awaited": false, "people": 1, "roles": []},
	"absence_confirmed": false,
}

decision := {
	"effect": "permit",
	"reasons": reasons.list(query.notes),
	"obligations": obligations.list(query.obligations | owed_for_child, "responder"),
	"expires_in_s": query.expires_in_s,
	"processing": processing.relied_on(input.responder),
	"enquiry": _enquiry,
	"records": _results,
	"existence": _existence,
	"older": older,
	"person": person,
	"absence_confirmed": absence_confirmed,
} if {
	well_formed
	count(denials) == 0
	count(_results) == count(input.records)
}

decision := {
	"effect": "deny",
	"reasons": reasons.list(denials),
	"obligations": obligations.list(query.refusal_obligations, "responder"),
	"expires_in_s": 0,
	"processing": [],
	"enquiry": enquiry.of_query,
	"records": [_refused_result(record.ref) | some record in input.records],
	"existence": "hidden",
	"older": false,
	"person": {"awaited": false, "people": 1, "roles": []},
	"absence_confirmed": false,
} if {
	well_formed
	count(denials) > 0
}

# METADATA
# title: Well formed
# description: Every field that any rule of this entry point reads is there and of its kind.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: NONE
default well_formed := false

well_formed if {
	shape.question
	shape.agency(input.responder)
	shape.permission
	shape.overlay
	shape.records
	shape.child_flags
	shape.review
}

# METADATA
# title: Denials
# description: What stands against the query as a whole; the node asks again all that the gateway asked.
# custom:
#   legal_basis: Design rule, deny is the only default
#   reason_code: NONE
denials contains code if some code in query.denials

# METADATA
# title: Responder outside the area
# description: This agency does not work in the area the query names.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c)
#   reason_code: TARGET_OUTSIDE_AREA
denials contains "TARGET_OUTSIDE_AREA" if not _in_area

# METADATA
# title: Responder not bound
# description: This agency is not in a class the purpose binds, or its arrangement has ended.
# custom:
#   legal_basis: Children Act 2004 s.16LA(4)
#   reason_code: TARGET_NOT_BOUND
denials contains "TARGET_NOT_BOUND" if {
	purpose.usable
	not _bound
}

# METADATA
# title: Responder without agreement
# description: This agency is party to no arrangement that the purpose demands of responders.
# custom:
#   legal_basis: Data Protection Act 2018 s.121 code
#   reason_code: TARGET_WITHOUT_AGREEMENT
denials contains "TARGET_WITHOUT_AGREEMENT" if {
	purpose.usable
	not _agreed
}

# METADATA
# title: Responder is the requester
# description: Nobody is asked through the gateway by itself.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c)
#   reason_code: TARGET_IS_REQUESTER
denials contains "TARGET_IS_REQUESTER" if not _another

# METADATA
# title: Gateway's obligation unknown
# description: The gateway attached an obligation that this bundle does not know, so it could not be met.
# custom:
#   legal_basis: Design rule, unknown is deny
#   reason_code: OBLIGATION_UNKNOWN
denials contains "OBLIGATION_UNKNOWN" if not _obligations_known

# METADATA
# title: Refused by the agency's own rule
# description: The agency's overlay takes no queries for this purpose or from this role, whatever it holds.
# custom:
#   legal_basis: UK GDPR Art 24 (the holder is the controller)
#   reason_code: LOCAL_RULE_REFUSES
denials contains "LOCAL_RULE_REFUSES" if not _locally_acceptable

_in_area if responder.in_area(input.responder)

_bound if responder.bound(input.responder)

_agreed if responder.agreed(input.responder)

_another if responder.another(input.responder)

_obligations_known if {
	every obligation in input.gateway.obligations {
		data.reference.obligations[obligation.id].type == obligation.type
	}
}

_locally_acceptable if {
	not _purpose_barred
	not _role_barred
}

_purpose_barred if input.query.purpose in input.overlay.purposes_never

_role_barred if input.requester.user.role in input.overlay.roles_never

# Look-up tables: a rule asked for by a bound key would be evaluated once for each record.
_withheld := withheld

_referred := referred

_noted := noted

_owed := owed

_shielded := shielded

_withheld_codes(ref) := object.get(_withheld, ref, set())

_referred_codes(ref) := object.get(_referred, ref, set())

_noted_codes(ref) := object.get(_noted, ref, set())

_results := [_result(record) | some record in input.records]

# METADATA
# title: Effect on one record
# description: Withholding outweighs referral to a human, which outweighs release. Nothing is released by default.
# custom:
#   legal_basis: Children Act 2004 s.16LA
#   reason_code: NONE
default effect_on(_) := "withhold"

effect_on(ref) := "refer" if {
	_open(ref)
	count(_referred_codes(ref)) > 0
}

effect_on(ref) := "permit" if {
	_open(ref)
	count(_referred_codes(ref)) == 0
}

_open(ref) if {
	tier_rank[ref] >= tiers.rank.T0
	count(_withheld_codes(ref)) == 0
}

_result(record) := _withheld_result(record.ref, _withheld_codes(record.ref), _outcome(record)) if {
	effect_on(record.ref) == "withhold"
}

_result(record) := {
	"ref": record.ref,
	"effect": effect_on(record.ref),
	"tier": tiers.name[tier_rank[record.ref]],
	"fields": fields,
	"grounds": [{"field": field, "column": reasons_for[field]} | some field in fields],
	"redactions": [field | some field in within; field in _taken_openly(record, within)],
	"enquiry": _outcome(record),
	"reasons": reasons.list(_referred_codes(record.ref) | _noted_codes(record.ref)),
	"obligations": obligations.list(object.get(_owed, record.ref, set()), "responder"),
	"shown_as": purpose.row.categories[record.category].shown_as,
} if {
	effect_on(record.ref) != "withhold"
	reasons_for := _admitted_of(record)
	within := [field | some field in record.fields; reasons_for[field]]
	kept := {field | some field in within} - _taken(record, within)
	fields := [field | some field in within; field in kept]
}

_outcome(record) := data.reference.enquiry.outcomes[_enquiry_ranks[record.ref]]

_refused_result(ref) := _withheld_result(ref, {"QUERY_REFUSED"}, enquiry.of_query.outcome)

_withheld_result(ref, codes, outcome) := {
	"ref": ref,
	"effect": "withhold",
	"tier": "T0",
	"fields": [],
	"grounds": [],
	"redactions": [],
	"enquiry": outcome,
	"reasons": reasons.list(codes),
	"obligations": obligations.list(_standing_though_withheld(ref), "responder"),
	"shown_as": "",
}

# Whoever reads that something must be done for a record that nobody was given would believe that it was given.
_standing_though_withheld(ref) := {pair |
	some pair in object.get(_owed, ref, set())
	data.reference.obligations[pair[0]].when_withheld
}

# METADATA
# title: Enquiry
# description: >-
#   The strictest of what the query says and of the flags of records that show. What is hidden does not speak here: it
#   would tell that something is held. Each record's own outcome, hidden or not, stands with the record.
# custom:
#   legal_basis: UK GDPR Arts 12 to 15 and 23; Data Protection Act 2018 Sch 2 para 2 and Sch 3 Pt 5
#   reason_code: NONE
_enquiry := enquiry.at(max({enquiry.rank_of_query} | {_enquiry_ranks[record.ref] |
	some record in input.records
	_shows(record)
}))

# METADATA
# title: Existence
# description: >-
#   Visible only when something is released, or referred to a human by a rule that does not itself shield existence.
# custom:
#   legal_basis: Design rule, "withheld" looks like "nothing held"; the pattern of the 2007 Regulations reg.6(5)
#   reason_code: NONE
default _existence := "hidden"

_existence := "visible" if {
	some record in input.records
	_shows(record)
}

_shows(record) if effect_on(record.ref) == "permit"

_shows(record) if {
	effect_on(record.ref) == "refer"
	not _is_shielded(record)
}

_is_shielded(record) if record.ref in _shielded
