# METADATA
# title: Supervision
# description: Detail that only a signature beside one's own opens.
# custom:
#   legal_basis: Working Together to Safeguard Children (supervision)
#   reason_code: NONE
package wardgate.lib.supervision

import data.wardgate.lib.scope
import data.wardgate.lib.tiers

# METADATA
# title: Detail granted
# description: The query would be given detail of some category.
# custom:
#   legal_basis: none, look-up
#   reason_code: NONE
detail_granted if {
	some rank in scope.granted
	rank == tiers.rank.T2
}

# METADATA
# title: Co-signed
# description: Somebody other than the user signed beside them.
# custom:
#   legal_basis: Working Together to Safeguard Children (supervision)
#   reason_code: NONE
cosigned if {
	some approval in input.query.approvals
	approval.kind == "co_signature"
	approval.user_ref != input.requester.user.ref
}

# METADATA
# title: Detail under supervision
# description: >-
#   A role that always works under supervision asks for detail only with the signature of somebody else; gateway and
#   responder demand it as the requester's own node does.
# custom:
#   legal_basis: Working Together to Safeguard Children (supervision)
#   reason_code: COSIGNATURE_MISSING
denials contains "COSIGNATURE_MISSING" if {
	data.reference.roles[input.requester.user.role].supervised
	detail_granted
	not cosigned
}
