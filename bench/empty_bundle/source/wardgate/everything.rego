# What every decision of the empty policy has in common.
package wardgate.everything

permission := {"effect": "permit", "reasons": [], "obligations": [], "expires_in_s": 60}
