# METADATA
# title: User
# description: What only the user's own agency knows of them, and what any use of the system presumes.
# custom:
#   legal_basis: UK GDPR Arts 5(1)(f) and 32(4)
#   reason_code: NONE
package wardgate.lib.user

import data.wardgate.lib.calendar

# METADATA
# title: Trained
# description: The user's training still counts; its last day is one on which it does.
# custom:
#   legal_basis: UK GDPR Art 32(4); Working Together to Safeguard Children (training)
#   reason_code: NONE
trained if calendar.key(input.user.training_expires) >= calendar.today

# METADATA
# title: Employed
# description: The user still works for the agency; the last day of a contract is one of work.
# custom:
#   legal_basis: UK GDPR Art 32(4)
#   reason_code: NONE
employed if input.user.employment_ends == null

employed if calendar.key(input.user.employment_ends) >= calendar.today

# METADATA
# title: End of employment known
# description: Who is supplied for a time has a date on which that ends.
# custom:
#   legal_basis: UK GDPR Art 32(4)
#   reason_code: NONE
end_known if data.reference.roles[input.user.role].ends == false

end_known if input.user.employment_ends != null

# METADATA
# title: Unconflicted
# description: The user has declared no interest that bars them.
# custom:
#   legal_basis: Data Protection Act 2018 s.170; Caldicott principle 4
#   reason_code: NONE
unconflicted if input.user.conflicted == false
