package wardgate.lib.calendar_test

import data.wardgate.lib.calendar
import data.wardgate.lib.fixtures_test as fixtures

test_key_orders_dates_across_months_and_years if {
	calendar.key(fixtures.day(2026, 12, 31)) < calendar.key(fixtures.day(2027, 1, 1))
	calendar.key(fixtures.day(2026, 9, 30)) < calendar.key(fixtures.day(2026, 10, 1))
}

test_today_is_the_date_of_the_input if {
	calendar.today == 20261122 with input as fixtures.question
	calendar.today == 20261123 with input.time.date as fixtures.day(2026, 11, 23)
}

test_today_as_text_has_two_digits_for_day_and_month if {
	calendar.today_text == "2026-11-22" with input as fixtures.question
	calendar.today_text == "2026-02-03" with input.time.date as fixtures.day(2026, 2, 3)
}

test_whole_takes_numbers_without_fraction_only if {
	calendar.whole(7)
	not calendar.whole(7.5)
	not calendar.whole("7")
}

test_valid_takes_the_last_day_of_a_month_and_not_the_next if {
	calendar.valid(fixtures.day(2026, 4, 30))
	not calendar.valid(fixtures.day(2026, 4, 31))
	calendar.valid(fixtures.day(2026, 12, 31))
	not calendar.valid(fixtures.day(2026, 12, 32))
	not calendar.valid(fixtures.day(2026, 12, 0))
}

test_valid_knows_leap_years if {
	calendar.valid(fixtures.day(2028, 2, 29))
	not calendar.valid(fixtures.day(2027, 2, 29))
	calendar.valid(fixtures.day(2027, 2, 28))
	not calendar.valid(fixtures.day(2100, 2, 29))
	calendar.valid(fixtures.day(2000, 2, 29))
}

test_valid_takes_months_and_years_within_bounds_only if {
	calendar.valid(fixtures.day(1900, 1, 1))
	not calendar.valid(fixtures.day(1899, 1, 1))
	calendar.valid(fixtures.day(2199, 12, 31))
	not calendar.valid(fixtures.day(2200, 1, 1))
	not calendar.valid(fixtures.day(2026, 0, 1))
	not calendar.valid(fixtures.day(2026, 13, 1))
}

test_valid_takes_whole_numbers_in_an_object_only if {
	not calendar.valid("2026-11-22")
	not calendar.valid({"year": 2026, "month": 11})
	not calendar.valid(fixtures.day(2026, 11, 2.5))
	not calendar.valid(fixtures.day(2026, 11.5, 2))
	not calendar.valid(fixtures.day(2026, "11", 2))
	not calendar.valid(fixtures.day(2026.5, 11, 2))
	not calendar.valid(fixtures.day("2026", 11, 2))
}

_row := {"areas": ["*"], "effective_from": "2026-09-01", "effective_to": "2026-09-30"}

test_in_force_from_the_first_day if {
	calendar.in_force(_row, "anywhere") with input.time.date as fixtures.day(2026, 9, 1)
	not calendar.in_force(_row, "anywhere") with input.time.date as fixtures.day(2026, 8, 31)
}

test_in_force_to_the_last_day if {
	calendar.in_force(_row, "anywhere") with input.time.date as fixtures.day(2026, 9, 30)
	not calendar.in_force(_row, "anywhere") with input.time.date as fixtures.day(2026, 10, 1)
}

test_in_force_without_end if {
	row := object.union(_row, {"effective_to": null})
	calendar.in_force(row, "anywhere") with input.time.date as fixtures.day(2199, 1, 1)
}

test_in_force_in_the_areas_named_only if {
	row := object.union(_row, {"areas": ["testshire"]})
	calendar.in_force(row, "testshire") with input.time.date as fixtures.day(2026, 9, 1)
	not calendar.in_force(row, "neighbourshire") with input.time.date as fixtures.day(2026, 9, 1)
}

test_today_as_text_counts_from_ten if {
	calendar.today_text == "2026-10-10" with input.time.date as fixtures.day(2026, 10, 10)
	calendar.today_text == "2026-09-09" with input.time.date as fixtures.day(2026, 9, 9)
}

test_years_ago_is_the_same_day if {
	calendar.years_ago(5) == 20211122 with input as {"time": {"date": {"year": 2026, "month": 11, "day": 22}}}
	calendar.years_ago(0) == 20261122 with input as {"time": {"date": {"year": 2026, "month": 11, "day": 22}}}
}

test_years_ago_of_a_leap_day_is_the_last_of_february if {
	calendar.years_ago(5) == 20230228 with input as {"time": {"date": {"year": 2028, "month": 2, "day": 29}}}
	calendar.years_ago(4) == 20240229 with input as {"time": {"date": {"year": 2028, "month": 2, "day": 29}}}
}
