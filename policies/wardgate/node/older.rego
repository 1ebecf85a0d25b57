# Older: whether something may be told that lies before the period which a question of this purpose covers by itself.
package wardgate.node

import data.wardgate.lib.calendar
import data.wardgate.lib.purpose

# METADATA
# title: Something older
# description: >-
#   True only if a record that lies wholly before the purpose's default period would be released, as a pointer at least, were
#   it inside - nothing else withholds it, no person need decide, nothing shields it. The period that was asked about does
#   not count, so that nobody finds a record's dates by asking again.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c) and (d); Children Act 2004 s.16LA (relevant to welfare)
#   reason_code: NONE
default older := false

older if {
	some record in input.records
	_wholly_before(record)
	_tellable_but_for_its_dates(record)
}

_wholly_before(record) if _last_day(record) < calendar.years_ago(purpose.row.default_period_years)

_tellable_but_for_its_dates(record) if {
	count(_withheld_codes(record.ref) - {"OUTSIDE_PERIOD"}) == 0
	count(_referred_codes(record.ref)) == 0
	not _is_shielded(record)
}
