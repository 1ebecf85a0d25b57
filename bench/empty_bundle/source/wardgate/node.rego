package wardgate.node

import data.wardgate.everything

decision := object.union(everything.permission, {"records": records, "existence": "visible"})

records := [record |
	some held in input.records
	record := {
		"ref": held.ref,
		"effect": "permit",
		"tier": "T1",
		"fields": held.fields,
		"redactions": [],
		"reasons": [],
		"obligations": [],
	}
]
