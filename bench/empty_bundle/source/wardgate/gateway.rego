package wardgate.gateway

import data.wardgate.everything

decision := object.union(everything.query_permission, {"targets": targets})

targets := [target |
	some agency in input.targets
	target := {
		"agency": agency.id,
		"effect": "permit",
		"categories": input.query.categories,
		"reasons": [],
		"obligations": [],
	}
]
