# What every decision of the empty policy has in common.
package wardgate.everything

permission := {"effect": "permit", "reasons": [], "obligations": [], "expires_in_s": 60}

query_permission := object.union(permission, {
	"processing": [],
	"enquiry": {"outcome": "notify", "after_s": 0, "audience": []},
})
