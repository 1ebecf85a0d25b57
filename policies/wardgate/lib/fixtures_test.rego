# METADATA
# title: Fixtures
# description: Valid inputs that the tests start from, one change away from each case. Holds no test of its own.
package wardgate.lib.fixtures_test

# 22 November 2026, 10:00 in England.
now := 1795341600

day(year, month, number) := {"year": year, "month": month, "day": number}

agency(id, kind, class) := {
	"id": id,
	"kind": kind,
	"legal_class": class,
	"areas": ["testshire"],
	"arranged_by": "",
	"contract_from": null,
	"contract_to": null,
	"agreements": [],
}

csc := agency("testshire-csc", "childrens_services", "S11_1")

neighbour := agency("neighbour-csc", "childrens_services", "S11_1")

police := agency("testshire-police", "police", "S11_1")

school := agency("testshire-school", "school", "S16E_EDU")

gp := agency("testshire-gp", "gp", "NONE")

# An arranged provider inside its contract.
hub := object.union(agency("testshire-hub", "family_hub", "ARRANGED_PROVIDER"), {
	"arranged_by": "testshire-csc",
	"contract_from": day(2026, 4, 1),
	"contract_to": day(2027, 3, 31),
})

approval(kind, role) := {"role": role, "kind": kind, "user_ref": "manager"}

# A section 47 query by a lead child protection practitioner, against which nothing stands.
question := {
	"time": {"epoch_s": now, "date": day(2026, 11, 22)},
	"query": {
		"id": "query",
		"purpose": "S47_ENQ",
		"direction": "request",
		"urgency": "urgent",
		"area": "testshire",
		"categories": [{"name": "s47", "tier": "T2"}, {"name": "police_incident", "tier": "T2"}],
		"period": {"from": day(2024, 11, 22), "to": day(2026, 11, 22)},
		"attestations": ["strategy_discussion_held", "reasonable_cause_significant_harm"],
		"approvals": [approval("manager", "team_manager")],
		"family_informed": "yes",
		"break_glass": "",
		"justified": true,
		"issued_at": now - 5,
		"expires_at": now + 3600,
		"identifier_state": "present",
	},
	"requester": {"agency": csc, "user": {"ref": "user", "role": "lcpp"}},
	"counters": {"user_queries_day": 0, "agency_queries_hour": 0, "break_glass_day": 0},
	"case_grant": null,
}

professions := ["education", "health", "police", "social_work"]

# A case grant that holds for the question's user.
case_grant := {
	"id": "grant",
	"area": "testshire",
	"professions": professions,
	"member": true,
	"closed": false,
	"expires_at": now + 3600,
}

user := {
	"ref": "user",
	"role": "lcpp",
	"grants": ["S47_ENQ"],
	"training_expires": day(2026, 11, 22),
	"employment_ends": day(2026, 11, 22),
	"conflicted": false,
	"supervised": false,
	"case_role": "lead_practitioner",
}

requester := object.union(question, {"user": user})

gateway := object.union(question, {"targets": [police, neighbour, gp]})

overlay := {
	"purposes_never": [],
	"purposes_refer": [],
	"roles_never": [],
	"categories_never": [],
	"categories_refer": [],
	"flags_never": [],
	"types_never": [],
	"fields_never": [],
	"tier_caps": [],
}

record(ref, category, fields) := {
	"ref": ref,
	"category": category,
	"type": object.get({"police_incident": "concern_for_child"}, category, category),
	"date": day(2026, 5, 1),
	"started_on": null,
	"ended_on": null,
	"unreadable": [],
	"flags": [],
	"fields": fields,
	"assertion": "fact",
	"relation": "subject",
	"contact_level": "lives_with",
	"handling_code": "",
	"barred_users": [],
	"permitted_users": [],
}

# A person's decision of an hour ago that stands for another.
review(ref, decision) := {
	"ref": ref,
	"decision": decision,
	"reason": {"release": "considered", "withhold": "more_detrimental"}[decision],
	"reviewer": "reviewer",
	"expires_at": now + 3600,
}

s47_fields := ["s47e_s47_start_date", "s47e_s47_end_date", "s47e_s47_outcome_json"]

node := object.union(question, {
	"responder": neighbour,
	"gateway": {"categories": [{"name": "s47", "tier": "T2"}], "obligations": []},
	"overlay": overlay,
	"records": [record("r1", "s47", s47_fields)],
	"child_flags": [],
	"review": [],
})

police_node := object.union(node, {
	"responder": police,
	"gateway": {"categories": [{"name": "police_incident", "tier": "T2"}], "obligations": []},
	"records": [record("r1", "police_incident", ["incident_date", "incident_line"])],
})

# A lead opens a team.
team_order := {
	"time": question.time,
	"requester": question.requester,
	"user": user,
	"order": {
		"action": "open_team",
		"team": {"agency": "testshire-csc", "area": "testshire", "professions": [], "closed": false},
		"member": null,
		"expires_at": 0,
	},
}

audit := {
	"time": question.time,
	"requester": {"agency": csc, "user": {"ref": "user", "role": "auditor"}},
	"user": object.union(user, {"role": "auditor", "grants": ["AUDIT"], "case_role": ""}),
	"look": {
		"action": "explain",
		"reason": "complaint",
		"ledger": "node",
		"owner": "testshire-csc",
		"concerns_viewer": false,
		"approvals": [],
		"looks_day": 0,
	},
}

# METADATA
# title: Changed
# description: The document with some of its fields replaced; objects are merged, everything else is exchanged.
changed(document, change) := object.union(document, change)

# METADATA
# title: With records
# description: A node's input with its only record changed.
with_record(document, change) := object.union(document, {"records": [object.union(document.records[0], change)]})

# METADATA
# title: Without
# description: The document without the value at a path.
without(document, path) := json.patch(document, [{"op": "remove", "path": path}])

# METADATA
# title: Mistyped
# description: The document with another kind of value at a path.
mistyped(document, path, value) := json.patch(document, [{"op": "replace", "path": path, "value": value}])
