# METADATA
# title: Tiers
# description: The order of T0 (existence), T1 (summary) and T2 (detail).
# custom:
#   legal_basis: Children Act 2004 s.16LA ("only so far as"), UK GDPR Art 5(1)(c)
#   reason_code: NONE
package wardgate.lib.tiers

# METADATA
# title: Rank
# description: A tier as a number; a lower number reveals less.
# custom:
#   legal_basis: none, arithmetic
#   reason_code: NONE
rank := {"T0": 0, "T1": 1, "T2": 2}

# METADATA
# title: Name
# description: The tier of a rank.
# custom:
#   legal_basis: none, arithmetic
#   reason_code: NONE
name := ["T0", "T1", "T2"]
