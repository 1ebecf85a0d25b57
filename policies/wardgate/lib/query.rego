# METADATA
# title: Query
# description: All that is decided of a query before anybody's records are looked at; the same at every party.
# custom:
#   legal_basis: Children Act 2004 s.16LA; the statute of each purpose
#   reason_code: NONE
package wardgate.lib.query

import data.wardgate.lib.case_grant
import data.wardgate.lib.conditions
import data.wardgate.lib.entitlement
import data.wardgate.lib.justification
import data.wardgate.lib.purpose
import data.wardgate.lib.scope
import data.wardgate.lib.supervision

# METADATA
# title: Denials
# description: Every reason against the query; none means that it may be put.
# custom:
#   legal_basis: Design rule, deny is the only default
#   reason_code: NONE
denials := union({
	purpose.denials,
	entitlement.denials,
	conditions.denials,
	scope.denials,
	supervision.denials,
	case_grant.denials,
	justification.denials,
})

# METADATA
# title: Notes
# description: What was lowered, left out or looks unusual, without standing against the query.
# custom:
#   legal_basis: Design rule, what is trimmed is said
#   reason_code: NONE
notes := conditions.notes | scope.notes

# METADATA
# title: Life of the decision
# description: Seconds for which a permission holds - the purpose's grant, and never longer than the query itself.
# custom:
#   legal_basis: Each purpose's clock; UK GDPR Art 5(1)(e)
#   reason_code: NONE
expires_in_s := min({purpose.row.ttl_s, input.query.expires_at - input.time.epoch_s})

# METADATA
# title: The purpose's own obligations
# description: What the purpose always demands, and when the grant must be justified again.
# custom:
#   legal_basis: Each purpose's clock and guidance
#   reason_code: NONE
obligations contains [obligation.id, obligation.params] if some obligation in purpose.row.obligations

obligations contains ["rejustify_after", {"after_s": purpose.row.ttl_s}]

# METADATA
# title: Statutory clock
# description: The time limit the statute or guidance sets for the work the query serves.
# custom:
#   legal_basis: The statute of each purpose
#   reason_code: NONE
obligations contains ["statutory_clock", purpose.row.clock] if purpose.row.clock.name != ""

# METADATA
# title: Break-glass is reviewed
# description: Every use is reviewed after the event and reported at once.
# custom:
#   legal_basis: Children Act 1989 ss.44 and 46; design rule for break-glass
#   reason_code: NONE
obligations contains ["post_hoc_review", data.reference.break_glass[input.query.break_glass].review]

obligations contains ["alert_break_glass", {"code": input.query.break_glass}] if input.query.break_glass != ""

# METADATA
# title: Do not tip off
# description: Telling the family was judged unsafe, so nothing family-facing may show the query.
# custom:
#   legal_basis: Data Protection Act 2018 Sch 3 Pt 5; Working Together to Safeguard Children
#   reason_code: NONE
obligations contains ["no_tip_off", {}] if input.query.family_informed == "unsafe"

# METADATA
# title: Identifier to follow
# description: The consistent identifier was not known in time; it is supplied when it is.
# custom:
#   legal_basis: Children Act 2004 s.16LC(8)
#   reason_code: NONE
obligations contains ["identifier_follow_up", {}] if input.query.identifier_state == "unknown_delay"

# METADATA
# title: Identifier left out
# description: Including the consistent identifier was judged more detrimental to the child; the reason is recorded.
# custom:
#   legal_basis: Children Act 2004 s.16LC(7)
#   reason_code: NONE
obligations contains ["identifier_withheld", {}] if input.query.identifier_state == "withheld_detriment"

# METADATA
# title: Unusual volume is reported
# description: Somebody looks at an unusual number of queries while it is happening.
# custom:
#   legal_basis: UK GDPR Art 32
#   reason_code: NONE
obligations contains ["alert_volume", {}] if not conditions.volume_usual

# METADATA
# title: Refusals that are reported
# description: >-
#   An attempt at a never-permitted purpose, or beyond every bearable volume, is reported at once - to the agency's own
#   people, and by its node to those who run the scheme.
# custom:
#   legal_basis: Data Protection Act 2018 s.170; UK GDPR Art 33
#   reason_code: NONE
refusal_obligations contains [obligation, {"code": code}] if {
	some code in (denials & {"PURPOSE_NEVER_PERMITTED", "VOLUME_REFUSED"})
	some obligation in ["alert_misuse", "report_misuse"]
}
