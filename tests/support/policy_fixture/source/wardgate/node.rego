package wardgate.node

import data.wardgate.fixture

said := {
	"older": false,
	"person": {"awaited": false, "people": 1, "roles": []},
	"absence_confirmed": false,
}

decision := object.union_n([fixture.query_permission, said, {"records": records, "existence": "visible"}]) if {
	fixture.ordinary
	count(input.records) > 0
}

decision := object.union_n([fixture.query_permission, said, {"records": [], "existence": "hidden"}]) if {
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
		"shown_as": "",
	}
]
