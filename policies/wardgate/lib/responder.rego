# METADATA
# title: Responder
# description: Whether an agency may be asked under this purpose, whatever it may hold.
# custom:
#   legal_basis: Children Act 2004 s.16LA(4); Children Act 1989 s.47(9) to (11)
#   reason_code: NONE
package wardgate.lib.responder

import data.wardgate.lib.agency
import data.wardgate.lib.purpose

# METADATA
# title: Bound
# description: The agency belongs to the classes the purpose binds, and its class holds today.
# custom:
#   legal_basis: Children Act 2004 s.16LA(4)
#   reason_code: NONE
bound(target) if {
	_class_bound(target)
	agency.class_holds(target)
}

# METADATA
# title: In the area asked about
# description: The agency works in the area the query names.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c)
#   reason_code: NONE
in_area(target) if agency.serves_area(target)

# METADATA
# title: Party to an agreement
# description: The agency is party to an arrangement the purpose demands of responders.
# custom:
#   legal_basis: Data Protection Act 2018 s.121 code
#   reason_code: NONE
agreed(target) if agency.agreement_held(target, purpose.row.responder_agreements_any)

# METADATA
# title: Another agency
# description: Nobody is asked through the gateway by itself.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c)
#   reason_code: NONE
another(target) if target.id != input.requester.agency.id

_class_bound(_) if count(purpose.row.responder_classes) == 0

_class_bound(target) if target.legal_class in purpose.row.responder_classes
