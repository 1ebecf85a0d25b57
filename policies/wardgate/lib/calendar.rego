# METADATA
# title: Calendar
# description: >-
#   Calendar dates as numbers that can be compared, and whether a row of law or policy is in force on the day and in the
#   area of the query. The day is always `input.time.date`: a policy has no clock.
# custom:
#   legal_basis: Children's Wellbeing and Schools Act 2026 s.78 (different days for different areas)
#   reason_code: NONE
package wardgate.lib.calendar

_month_days := [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

# METADATA
# title: Key of a date
# description: A date as one integer, YYYYMMDD, so that dates are compared and never divided.
# custom:
#   legal_basis: none, arithmetic
#   reason_code: NONE
key(date) := ((date.year * 10000) + (date.month * 100)) + date.day

# METADATA
# title: Today
# description: The day of the decision, YYYYMMDD.
# custom:
#   legal_basis: none, arithmetic
#   reason_code: NONE
today := key(input.time.date)

# METADATA
# title: Years ago
# description: The day of the decision so many years earlier, YYYYMMDD; 28 February for a leap day.
# custom:
#   legal_basis: none, arithmetic
#   reason_code: NONE
years_ago(years) := key({"year": year, "month": month, "day": day}) if {
	year := input.time.date.year - years
	month := input.time.date.month
	day := min({input.time.date.day, _days_in(year, month)})
}

# METADATA
# title: Today as text
# description: The day of the decision as reference data writes dates, YYYY-MM-DD; such texts order as the dates do.
# custom:
#   legal_basis: none, arithmetic
#   reason_code: NONE
today_text := concat("-", [
	format_int(input.time.date.year, 10),
	_two_digits(input.time.date.month),
	_two_digits(input.time.date.day),
])

# METADATA
# title: Whole number
# description: The value is a number without a fraction.
# custom:
#   legal_basis: none, arithmetic
#   reason_code: NONE
whole(value) if {
	is_number(value)
	floor(value) == value
}

# METADATA
# title: Valid date
# description: The value is a real calendar date from 1900 to 2199.
# custom:
#   legal_basis: none, arithmetic
#   reason_code: NONE
valid(date) if {
	whole(date.year)
	whole(date.month)
	whole(date.day)
	date.year >= 1900
	date.year <= 2199
	date.day >= 1
	date.day <= _days_in(date.year, date.month)
}

# METADATA
# title: In force
# description: A row of reference data applies in an area today. Both end days count.
# custom:
#   legal_basis: Children's Wellbeing and Schools Act 2026 s.78 (different days for different areas)
#   reason_code: NONE
in_force(row, area) if {
	_covers(row.areas, area)
	row.effective_from <= today_text
	_not_ended(row)
}

_covers(areas, _) if "*" in areas

_covers(areas, area) if area in areas

_not_ended(row) if row.effective_to == null

_not_ended(row) if row.effective_to >= today_text

_two_digits(number) := concat("", ["0", format_int(number, 10)]) if number < 10

_two_digits(number) := format_int(number, 10) if number >= 10

# Only the months from 1 to 12 have a length.
_days_in(_, month) := _month_days[month - 1] if month != 2

_days_in(year, 2) := 29 if _leap(year)

_days_in(year, 2) := 28 if not _leap(year)

_leap(year) if {
	year % 4 == 0
	year % 100 != 0
}

_leap(year) if year % 400 == 0
