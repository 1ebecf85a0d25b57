package wardgate.node

import data.wardgate.fixture

decision := object.union(fixture.query_permission, {"records": records, "existence": "visible", "older": false}) if {
	fixture.ordinary
	count(input.records) > 0
}

decision := object.union(fixture.query_permission, {"records": [], "existence": "hidden", "older": false}) if {
	fixture.ordinary
	count(input.records) == 0
}

records := [record |
	some held in input.records
	record := {
		"ref": held.ref,
		"effect": "permit",
		"tier": "T1",
		"fields": held.fields,
		"grounds": [{"field": field, "column": "default_tier"} | some field in held.fields],
		"redactions": [],
		"enquiry": "notify",
		"reasons": [],
		"obligations": [],
	}
]
