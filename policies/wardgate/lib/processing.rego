# METADATA
# title: Processing
# description: Which conditions of data protection law a decision relies on; every decision names them.
# custom:
#   legal_basis: UK GDPR Arts 6, 9 and 10; Data Protection Act 2018 Sch 1 and Pt 3
#   reason_code: NONE
package wardgate.lib.processing

import data.wardgate.lib.purpose

# METADATA
# title: Relied on
# description: >-
#   The conditions on which an agency relies when it processes under this purpose, in the order of the data. A
#   competent authority may stand on Part 3, a voluntary body on another limb of Article 6 than a public one.
# custom:
#   legal_basis: UK GDPR Arts 6, 9 and 10; Data Protection Act 2018 Sch 1 and Pt 3
#   reason_code: NONE
relied_on(agency) := object.get(purpose.row.processing.by_kind, agency.kind, purpose.row.processing.by_default)
