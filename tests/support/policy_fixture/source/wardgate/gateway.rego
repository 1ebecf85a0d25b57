package wardgate.gateway

import data.wardgate.fixture

decision := object.union(fixture.query_permission, {"targets": targets}) if fixture.ordinary

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
