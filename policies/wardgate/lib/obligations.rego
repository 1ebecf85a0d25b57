# METADATA
# title: Obligations
# description: From obligation ids to what a decision demands; type and weight come from the catalogue alone.
# custom:
#   legal_basis: Design rule, an obligation is part of the decision and an unknown one is a refusal
#   reason_code: NONE
package wardgate.lib.obligations

# METADATA
# title: Obligations in order
# description: >-
#   Pairs of id and parameters as an array ordered by id. A party is given only what it can carry out itself: the
#   catalogue names the bearers.
# custom:
#   legal_basis: none, presentation
#   reason_code: NONE
list(pairs, bearer) := [obligation |
	some pair in sort({pair | some pair in pairs})
	row := data.reference.obligations[pair[0]]
	bearer in row.bearers
	obligation := {
		"id": pair[0],
		"type": row.type,
		"mandatory": row.mandatory,
		"params": object.union(row.params, pair[1]),
	}
]
