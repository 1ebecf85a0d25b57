package wardgate.node

import data.wardgate.everything

decision := object.union(everything.query_permission, {
	"records": records,
	"existence": "visible",
	"older": false,
	"person": {"awaited": false, "people": 1, "roles": []},
	"absence_confirmed": false,
})

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
