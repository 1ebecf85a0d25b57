package wardgate.lib.tiers_test

import data.wardgate.lib.tiers

test_rank_and_name_are_each_others_inverse if {
	every name, rank in tiers.rank {
		tiers.name[rank] == name
	}
	count(tiers.name) == count(tiers.rank)
}

test_detail_reveals_more_than_summary_and_summary_more_than_existence if {
	tiers.rank.T0 < tiers.rank.T1
	tiers.rank.T1 < tiers.rank.T2
}
