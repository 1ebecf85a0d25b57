# METADATA
# title: Reasons
# description: From reason codes to what a decision says; audience and severity come from the catalogue alone.
# custom:
#   legal_basis: Design rule, every refusal is recorded with its reason (statutory guidance on recording decisions)
#   reason_code: NONE
package wardgate.lib.reasons

# METADATA
# title: Reasons in order
# description: A set of codes as an array, the weightiest first (the catalogue's `order`), then by code.
# custom:
#   legal_basis: none, presentation
#   reason_code: NONE
list(codes) := [reason |
	some pair in sort({[data.reference.reasons[code].order, code] | some code in codes})
	row := data.reference.reasons[pair[1]]
	reason := {"code": pair[1], "audience": row.audience, "severity": row.severity}
]
