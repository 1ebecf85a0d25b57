# Dates: whether a record lies in the period asked about, is going on today, or lies within a look-back. Calendar dates in
# England; both end days count.
package wardgate.node

import data.wardgate.lib.calendar
import data.wardgate.lib.purpose

# After every day that a date can name.
_no_end := 99991231

# METADATA
# title: Outside the period
# description: >-
#   Nothing of the record falls within the period asked about - it begins after the period, or its last day is before it. A
#   plan that began earlier and ended within the period, or goes on, is within it. What cannot be told is not outside.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c)
#   reason_code: OUTSIDE_PERIOD
withheld[record.ref] contains "OUTSIDE_PERIOD" if {
	some record in input.records
	not _in_period(record)
}

# METADATA
# title: Not current
# description: >-
#   The purpose asks only whether something is going on now, and the last day of this is past. The day on which something
#   ends belongs to it, as the law takes no account of parts of a day; an end that is planned is still to come.
# custom:
#   legal_basis: Education Act 1996 s.434A (enquiries being conducted, action being taken)
#   reason_code: NOT_CURRENT
withheld[record.ref] contains "NOT_CURRENT" if {
	some record in input.records
	purpose.row.categories[record.category].current_only
	not _open_today(record)
}

# METADATA
# title: Before the look-back
# description: >-
#   The purpose looks back a number of years, and the record ended before that. An end that could not be read cannot be said
#   to be before it, so that the record counts.
# custom:
#   legal_basis: Education Act 1996 s.434A (look-back as tabled in January 2026)
#   reason_code: BEFORE_LOOK_BACK
withheld[record.ref] contains "BEFORE_LOOK_BACK" if {
	some record in input.records
	not _within_look_back(record)
}

_in_period(record) if {
	_begun_by(record, calendar.key(input.query.period.to))
	_last_day(record) >= calendar.key(input.query.period.from)
}

_open_today(record) if _last_day(record) >= calendar.today

_within_look_back(record) if purpose.row.categories[record.category].look_back_years == 0

_within_look_back(record) if {
	years := purpose.row.categories[record.category].look_back_years
	_begun_by(record, calendar.today)
	_last_day(record) >= calendar.years_ago(years)
}

_begun_by(record, day) if _first_day(record) <= day

_begun_by(record, _) if not _beginning_known(record)

_beginning_known(record) if _first_day(record)

# Undefined where it could not be read.
_first_day(record) := calendar.key(record.started_on) if not _start_lost(record)

_first_day(record) := calendar.key(record.date) if {
	record.started_on == null
	not _start_lost(record)
	not _date_lost(record)
}

_last_day(record) := calendar.key(record.ended_on) if _end_known(record)

_last_day(record) := _first_day(record) if _of_one_day(record)

_last_day(record) := _no_end if {
	not _end_known(record)
	not _of_one_day(record)
}

# An end before the beginning is no end that can be believed.
_end_known(record) if {
	not _end_lost(record)
	_begun_by(record, calendar.key(record.ended_on))
}

# An event, of a category that does not last.
_of_one_day(record) if {
	record.ended_on == null
	not _end_lost(record)
	not _categories[record.category].lasts
	_beginning_known(record)
}
