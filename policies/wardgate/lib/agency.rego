# METADATA
# title: Agency
# description: What makes an agency a member of a class that law names, on the side of requester and responder alike.
# custom:
#   legal_basis: Children Act 2004 s.16LA(4)
#   reason_code: NONE
package wardgate.lib.agency

import data.wardgate.lib.calendar

# METADATA
# title: Class holds
# description: >-
#   An arranged provider belongs to its class only while the arrangement runs and names the body that made it; every
#   other class is a standing fact of the directory.
# custom:
#   legal_basis: Children Act 2004 s.16LA(4)(c)
#   reason_code: NONE
class_holds(agency) if agency.legal_class != "ARRANGED_PROVIDER"

class_holds(agency) if {
	agency.arranged_by != ""
	calendar.key(agency.contract_from) <= calendar.today
	calendar.key(agency.contract_to) >= calendar.today
}

# METADATA
# title: Serves the area
# description: The agency works in the area the query names.
# custom:
#   legal_basis: Children Act 1989 s.47(1) ("in their area"); Children Act 2004 s.10
#   reason_code: NONE
serves_area(agency) if input.query.area in agency.areas

# METADATA
# title: Agreement held
# description: No agreement is asked for, or the agency is party to one of those named that is in force.
# custom:
#   legal_basis: Information Sharing Code of Practice (Data Protection Act 2018 s.121)
#   reason_code: NONE
agreement_held(_, names) if count(names) == 0

agreement_held(agency, names) if {
	some name in names
	name in agency.agreements
	some entry in data.reference.agreements[name].rows
	calendar.in_force(entry, input.query.area)
}
