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
# title: No limb of the statute met
# description: >-
#   The statute asks in limbs, and the record meets none that is in force - it is of another kind, has ended or not begun, or
#   ended before the look-back.
# custom:
#   legal_basis: Education Act 1996 s.434A (conditions A and B)
#   reason_code: LIMB_NOT_MET
withheld[record.ref] contains "LIMB_NOT_MET" if {
	some record in input.records
	_asked_in_limbs(record)
	not _some_limb_met(record)
}

# METADATA
# title: Limbs met
# description: >-
#   The reason of each limb that is in force and that the record meets. What could not be read of it does not keep it from
#   being met. The day on which something ends belongs to it, as the law takes no account of parts of a day; an end that is
#   planned is still to come.
# custom:
#   legal_basis: Education Act 1996 s.434A (conditions A and B)
#   reason_code: LIMB_*
limbs_met[record.ref] contains limb.reason_code if {
	some record in input.records
	some limb in _limbs[record.category]
	_of_limb(record, limb)
	_begun_by(record, calendar.today)
	_last_day(record) >= _first_day_of(limb)
}

# METADATA
# title: On which limb it rests
# description: Told to auditors alone - whoever asks learns that there is a hold, and not why.
# custom:
#   legal_basis: Education Act 1996 s.434A (conditions A and B)
#   reason_code: LIMB_*
noted[ref] contains code if {
	some ref, codes in limbs_met
	some code in codes
}

# Where a statute says when, what the asker typed does not.
_in_period(record) if _asked_in_limbs(record)

_in_period(record) if {
	_begun_by(record, calendar.key(input.query.period.to))
	_last_day(record) >= calendar.key(input.query.period.from)
}

_limbs := {name: purpose.limbs_in_force(cell) |
	some name in {record.category | some record in input.records}
	cell := purpose.row.categories[name]
	count(cell.limbs) > 0
}

_asked_in_limbs(record) if _limbs[record.category]

_some_limb_met(record) if limbs_met[record.ref]

_of_limb(_, limb) if count(limb.types) == 0

_of_limb(record, limb) if record.type in limb.types

# What may be of any kind may be of this one: that is for a person to find out, and no ground for a "no".
_of_limb(record, _) if not _type_listed(record)

_of_limb(record, _) if _unreadable(record, "type")

# No years back is today.
_first_day_of(limb) := calendar.years_ago(limb.look_back_years)

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
