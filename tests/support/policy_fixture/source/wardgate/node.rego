package wardgate.node

import data.wardgate.fixture

decision := object.union(fixture.permission, {"records": records, "existence": "visible"}) if {
	fixture.ordinary
	count(input.records) > 0
}

decision := object.union(fixture.permission, {"records": [], "existence": "hidden"}) if {
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
		"redactions": [],
		"reasons": [],
		"obligations": [],
	}
]
