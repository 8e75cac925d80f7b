/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_fn_date.c on the system's zone files. now is 2026-01-01T00:00:00Z. */
#include "expr_test.h"

static const struct expr_case cases[] = {
	{"date_parse('2026-03-04')", "\"2026-03-04T00:00:00.000000Z\""},
	{"date_parse('2026-03-04T05:06:07+05:00')", "\"2026-03-04T00:06:07.000000Z\""},
	{"date_parse('2026-03-04 05:06', null, 'Asia/Almaty')", "\"2026-03-04T00:06:00.000000Z\""},
	{"date_parse('04.03.2026 17:30', 'dd.MM.yyyy HH:mm', 'Europe/Berlin')",
	 "\"2026-03-04T16:30:00.000000Z\""},
	{"date_parse('Mar 4, 2026 5:06 PM', 'MMM d, yyyy h:mm a')",
	 "\"2026-03-04T17:06:00.000000Z\""},
	{"date_parse('4 march 26', 'd MMMM yy')", "\"2026-03-04T00:00:00.000000Z\""},
	{"date_parse('2026-03-04T05:06:07.089-0330', \"yyyy-MM-dd'T'HH:mm:ss.SSSxx\")",
	 "\"2026-03-04T08:36:07.089000Z\""},
	{"date_parse('2026-02-30')", "!expr.argument"},
	{"date_parse('31/02/2026', 'dd/MM/yyyy')", "!expr.argument"},
	{"date_parse('x', 'yyyy')", "!expr.argument"},
	{"date_parse('2026x', 'yyyy')", "!expr.argument"},
	{"date_parse('yesterday')", "!expr.argument"},
	{"date_parse(5)", "!expr.type"},
	{"date_parse('2026-03-04', null, 'Mars/Base')", "!expr.zone"},
	{"date_parse('2026-03-04', null, '../../etc/passwd')", "!expr.zone"},
	{"date_parse('2026-03-04', null, '/etc/passwd')", "!expr.zone"},
	{"date_parse('2026-03-04', null, 'Europe')", "!expr.zone"},
	{"date_parse('2026-03-04', null, '')", "!expr.zone"},
	{"date_format(now, 'yyyy-MM-dd HH:mm:ss')", "\"2026-01-01 00:00:00\""},
	{"date_format(now, 'EEEE, d MMMM yyyy', 'America/New_York')",
	 "\"Wednesday, 31 December 2025\""},
	{"date_format(now, 'DD/MM/YYYY')", "\"01/01/2026\""},
	{"date_format(now, 'h:mm a', 'Asia/Almaty')", "\"5:00 AM\""},
	{"date_format(now, \"'o''clock' HH\")", "\"o'clock 00\""},
	{"date_format(now, 'xxx XXX xx', 'Asia/Kolkata')", "\"+05:30 +05:30 +0530\""},
	{"date_format(now, 'XXX')", "\"Z\""},
	{"date_format('2026-01-01T00:00:00.123456Z', 'SSS SSSSSS')", "\"123 123456\""},
	{"date_format('2026-12-31', 'Q w EEE')", "\"4 53 Thu\""},
	{"date_format(now, 'bad')", "!expr.argument"},
	{"date_format(now, \"'open\")", "!expr.argument"},
	{"date_format(now, '')", "\"\""},
	{"to_zone(now, 'Asia/Almaty')", "\"2026-01-01T05:00:00.000000+05:00\""},
	{"to_zone(now)", "\"2026-01-01T00:00:00.000000Z\""},
	{"to_zone('2026-07-01T00:00:00Z', 'America/St_Johns')",
	 "\"2026-06-30T21:30:00.000000-02:30\""},
	{"date_add('2026-01-31', 1, 'month')", "\"2026-02-28T00:00:00.000000Z\""},
	{"date_add('2024-02-29', 1, 'years')", "\"2025-02-28T00:00:00.000000Z\""},
	{"date_add(now, -1, 'day')", "\"2025-12-31T00:00:00.000000Z\""},
	{"date_add(now, 2, 'weeks')", "\"2026-01-15T00:00:00.000000Z\""},
	{"date_add(now, 90, 'minutes')", "\"2026-01-01T01:30:00.000000Z\""},
	{"date_add(now, 1, 'quarter')", "\"2026-04-01T00:00:00.000000Z\""},
	/* the night the clocks go forward in Berlin: 29 March 2026, 02:00 becomes 03:00 */
	{"date_add('2026-03-28T12:00:00+01:00', 1, 'day', 'Europe/Berlin')",
	 "\"2026-03-29T10:00:00.000000Z\""},
	{"date_add('2026-03-28T12:00:00+01:00', 24, 'hours', 'Europe/Berlin')",
	 "\"2026-03-29T11:00:00.000000Z\""},
	{"date_parse('2026-03-29 02:30', null, 'Europe/Berlin')",
	 "\"2026-03-29T01:30:00.000000Z\""},
	{"date_parse('2026-10-25 02:30', null, 'Europe/Berlin')",
	 "\"2026-10-25T00:30:00.000000Z\""},
	{"date_add(now, 1, 'eon')", "!expr.argument"},
	{"date_add(now, 10000, 'years')", "!expr.range"},
	{"date_add(now, -400000000000, 'hours')", "!expr.range"},
	{"date_add(now, 1e18, 'days')", "!expr.range"},
	{"date_diff('2026-03-01', '2026-01-31', 'months')", "1"},
	{"date_diff('2026-02-28', '2026-01-31', 'months')", "1"},
	{"date_diff('2026-02-27', '2026-01-31', 'months')", "0"},
	{"date_diff('2026-01-31', '2026-03-01', 'months')", "-1"},
	{"date_diff('2030-06-01', '1990-06-02', 'years')", "39"},
	{"date_diff('2026-03-30T00:00:00+02:00', '2026-03-29T00:00:00+01:00', 'days', "
	 "'Europe/Berlin')",
	 "1"},
	{"date_diff('2026-03-30T00:00:00+02:00', '2026-03-29T00:00:00+01:00', 'hours')", "23"},
	{"date_diff(now, '2025-12-24', 'weeks')", "1"},
	{"date_diff(now, now, 'milliseconds')", "0"},
	{"date_part(now, 'year', 'America/New_York')", "2025"},
	{"date_part('2026-02-01', 'weekday')", "7"},
	{"date_part('2025-12-29', 'week')", "1"},
	{"date_part('2027-01-01', 'week')", "53"},
	{"date_part('2024-12-31', 'yearday')", "366"},
	{"date_part(now, 'offset', 'Asia/Kathmandu')", "20700"},
	{"date_part(now, 'moon')", "!expr.argument"},
	{"start_of('2026-05-20T10:11:12.5Z', 'month')", "\"2026-05-01T00:00:00.000000Z\""},
	{"start_of('2026-05-20T10:11:12.5Z', 'quarter')", "\"2026-04-01T00:00:00.000000Z\""},
	{"start_of('2026-05-20T10:11:12.5Z', 'week')", "\"2026-05-18T00:00:00.000000Z\""},
	{"start_of('2026-05-20T10:11:12.5Z', 'hour', 'Asia/Kolkata')",
	 "\"2026-05-20T09:30:00.000000Z\""},
	{"start_of('2026-05-20T10:11:12.5Z', 'second')", "\"2026-05-20T10:11:12.000000Z\""},
	{"start_of(now, 'day', 'Asia/Almaty')", "\"2025-12-31T19:00:00.000000Z\""},
	{"end_of(now, 'month')", "\"2026-01-31T23:59:59.999000Z\""},
	{"end_of('2026-03-29', 'day', 'Europe/Berlin')", "\"2026-03-29T21:59:59.999000Z\""},
	{"to_unix(now)", "1767225600"},
	{"to_unix('1969-12-31T23:59:59.5Z')", "-1"},
	{"to_unix(now, 'milliseconds')", "1767225600000"},
	{"to_unix(now, 'days')", "!expr.argument"},
	{"from_unix(0)", "\"1970-01-01T00:00:00.000000Z\""},
	{"from_unix(1767225600000, 'milliseconds') == now", "true"},
	{"from_unix(1e18)", "!expr.range"},
	{"from_unix(-100000000000)", "!expr.range"},
	{"is_date('2026-01-01')", "true"},
	{"is_date('2026-13-01')", "false"},
	{"is_date(5)", "false"},
};

EXPR_TABLE_TEST(date__cases, cases)

START_TEST(date__scope_has_the_default_zone)
{
	const struct expr_case c = {"date_format('2026-01-01T00:00:00Z', 'HH')", "\"05\""};
	struct expr_scope scope = {.timezone = "Asia/Almaty"};
	struct expr_budget budget;
	pb_autofree char *got = NULL;

	expr_budget_init(&budget);
	got = expr_test_eval_scope(c.text, &scope, &budget);
	expr_test_check(&c, got);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("date");

	tcase_add_loop_test(tc, date__cases, 0, PB_ARRAY_LEN(cases));
	tcase_add_test(tc, date__scope_has_the_default_zone);
	return expr_test_main("expr_fn_date", tc);
}
