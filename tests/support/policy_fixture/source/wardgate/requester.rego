# A small policy for tests of the engines: `input.query.break_glass` names what is to happen.
package wardgate.requester

import data.wardgate.fixture

decision := fixture.query_permission if fixture.ordinary

decision := object.union(fixture.query_permission, {"expires_in_s": 1 / fixture.zero}) if {
	input.query.break_glass == "divide_by_zero"
}

decision := object.union(fixture.query_permission, {"expires_in_s": count(fixture.much_time)}) if {
	input.query.break_glass == "take_time"
}

decision := object.union(fixture.query_permission, {"expires_in_s": count(fixture.much_memory)}) if {
	input.query.break_glass == "take_memory"
}

decision := object.union(fixture.query_permission, {"surplus": true}) if {
	input.query.break_glass == "surplus"
}
