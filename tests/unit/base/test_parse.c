/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/parse.c */
#include "base/parse.h"

#include <check.h>
#include <float.h>
#include <math.h>

#include "support/check_main.h"
#include "base/id.h"
#include "base/base.h"

#define BAD INT64_C(-424242)

static const struct {
	const char *s;
	int64_t min, max;
	bool ok;
	int64_t v;
} ints[] = {
	{"0", INT64_MIN, INT64_MAX, true, 0},
	{"7", 0, 7, true, 7},
	{"8", 0, 7, false, 0},
	{"-1", 0, 7, false, 0},
	{"-1", -1, 7, true, -1},
	{"9223372036854775807", INT64_MIN, INT64_MAX, true, INT64_MAX},
	{"-9223372036854775808", INT64_MIN, INT64_MAX, true, INT64_MIN},
	{"9223372036854775808", INT64_MIN, INT64_MAX, false, 0},
	{"-9223372036854775809", INT64_MIN, INT64_MAX, false, 0},
	{"18446744073709551616", INT64_MIN, INT64_MAX, false, 0},
	{"99999999999999999999999999", INT64_MIN, INT64_MAX, false, 0},
	{"", INT64_MIN, INT64_MAX, false, 0},
	{"-", INT64_MIN, INT64_MAX, false, 0},
	{"-0", INT64_MIN, INT64_MAX, false, 0},
	{"01", INT64_MIN, INT64_MAX, false, 0},
	{"-01", INT64_MIN, INT64_MAX, false, 0},
	{"+1", INT64_MIN, INT64_MAX, false, 0},
	{" 1", INT64_MIN, INT64_MAX, false, 0},
	{"1 ", INT64_MIN, INT64_MAX, false, 0},
	{"1.0", INT64_MIN, INT64_MAX, false, 0},
	{"0x1", INT64_MIN, INT64_MAX, false, 0},
	{"--1", INT64_MIN, INT64_MAX, false, 0},
};

START_TEST(i64__whole_input_or_nothing)
{
	int64_t v = BAD;

	ck_assert_int_eq(
		pb_parse_i64(ints[_i].s, strlen(ints[_i].s), ints[_i].min, ints[_i].max, &v),
		ints[_i].ok);
	ck_assert_int_eq(v, ints[_i].ok ? ints[_i].v : BAD);
}
END_TEST

START_TEST(u64__reaches_the_end)
{
	uint64_t v;

	ck_assert(pb_parse_u64("18446744073709551615", 20, UINT64_MAX, &v));
	ck_assert(v == UINT64_MAX);
	ck_assert(!pb_parse_u64("18446744073709551616", 20, UINT64_MAX, &v));
	ck_assert(!pb_parse_u64("99999999999999999999", 20, UINT64_MAX, &v));
	ck_assert(!pb_parse_u64("11", 2, 10, &v));
	ck_assert(!pb_parse_u64("1\0", 2, 10, &v));
	ck_assert(pb_parse_u64("12", 1, 10, &v));
	ck_assert_uint_eq(v, 1);
}
END_TEST

static const struct {
	const char *s;
	bool ok;
	double v;
} doubles[] = {
	{"0", true, 0},
	{"-0", true, 0},
	{"1.5", true, 1.5},
	{"1e3", true, 1000},
	{"1E+3", true, 1000},
	{"25e-1", true, 2.5},
	{"1e-400", true, 0},
	{"1e400", false, 0},
	{"-1e400", false, 0},
	{"1.", false, 0},
	{".5", false, 0},
	{"01", false, 0},
	{"+1", false, 0},
	{"1e", false, 0},
	{"1e+", false, 0},
	{"nan", false, 0},
	{"inf", false, 0},
	{"0x1p3", false, 0},
	{"1,5", false, 0},
	{"", false, 0},
	{"-", false, 0},
	{"123456789012345678901234567890123456789012345678901234567890123456789012345", true,
	 123456789012345678901234567890123456789012345678901234567890123456789012345.0},
};

START_TEST(double__json_numbers_only)
{
	double v = -4242;

	ck_assert_int_eq(pb_parse_double(doubles[_i].s, strlen(doubles[_i].s), &v), doubles[_i].ok);
	ck_assert(v == (doubles[_i].ok ? doubles[_i].v : -4242));
}
END_TEST

START_TEST(double__a_megabyte_of_digits)
{
	pb_autofree char *s = pb_xcalloc(1 << 20, 1);
	double v;

	memset(s, '1', 1 << 20);
	ck_assert(!pb_parse_double(s, 1 << 20, &v));
	s[1] = '.';
	ck_assert(pb_parse_double(s, 1 << 20, &v));
	ck_assert(v == 10.0 / 9);
}
END_TEST

static const struct {
	const char *s;
	int64_t us;
} durations[] = {
	{"250ms", 250000},
	{"0ms", 0},
	{"30s", 30000000},
	{"5m", 300000000},
	{"2h", INT64_C(7200000000)},
	{"7d", INT64_C(604800000000)},
	{"106751991d", INT64_C(9223372022400000000)},
	{"106751992d", BAD},
	{"", BAD},
	{"s", BAD},
	{"30", BAD},
	{"30 s", BAD},
	{"-1s", BAD},
	{"1.5s", BAD},
	{"030s", BAD},
	{"30S", BAD},
	{"30sec", BAD},
	{"1h30m", BAD},
	{"99999999999999999999s", BAD},
};

START_TEST(duration__one_number_one_unit)
{
	int64_t us = BAD;
	bool ok = pb_parse_duration(durations[_i].s, strlen(durations[_i].s), &us);

	ck_assert_int_eq(ok, durations[_i].us != BAD);
	ck_assert_int_eq(us, durations[_i].us);
}
END_TEST

START_TEST(size__powers_of_1024)
{
	static const struct {
		const char *s;
		bool ok;
		uint64_t v;
	} cases[] = {
		{"512", true, 512},     {"64KB", true, 65536}, {"8MB", true, 8 << 20},
		{"1GB", true, 1 << 30}, {"0", true, 0},        {"1kb", false, 0},
		{"1TB", false, 0},      {"-1", false, 0},      {"9223372036854775807KB", false, 0},
		{"", false, 0},         {"KB", false, 0},      {"1 KB", false, 0}};

	for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
		uint64_t v = 4242;

		ck_assert_int_eq(pb_parse_size(cases[i].s, strlen(cases[i].s), &v), cases[i].ok);
		ck_assert_uint_eq(v, cases[i].ok ? cases[i].v : 4242);
	}
}
END_TEST

static const struct {
	const char *s;
	const char *out; /* NULL = refused */
} times[] = {
	{"1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"},
	{"2026-01-31T12:00:00.000123Z", "2026-01-31T12:00:00.000123Z"},
	{"2026-01-31T12:00:00.0001239Z", "2026-01-31T12:00:00.000123Z"},
	{"2026-01-31t12:00:00.5z", "2026-01-31T12:00:00.500000Z"},
	{"2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000000Z"},
	{"2026-01-31T12:00:00-00:30", "2026-01-31T12:30:00.000000Z"},
	{"2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000000Z"},
	{"2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"},
	{"2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000Z"},
	{"1900-02-29T00:00:00Z", NULL},
	{"2023-02-29T00:00:00Z", NULL},
	{"0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z"},
	{"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
	{"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"},
	{"1998-12-31T23:59:60Z", "1999-01-01T00:00:00.000000Z"},
	{"1998-12-31T15:59:60.5-08:00", "1999-01-01T00:00:00.500000Z"},
	{"1998-12-31T23:58:60Z", NULL},
	{"1998-12-31T22:59:60Z", NULL},
	{"1998-12-31T23:59:61Z", NULL},
	{"2026-13-01T00:00:00Z", NULL},
	{"2026-00-01T00:00:00Z", NULL},
	{"2026-04-31T00:00:00Z", NULL},
	{"2026-01-00T00:00:00Z", NULL},
	{"2026-01-01T24:00:00Z", NULL},
	{"2026-01-01T00:60:00Z", NULL},
	{"2026-01-01 00:00:00Z", NULL},
	{"2026-01-01T00:00:00", NULL},
	{"2026-01-01T00:00:00.Z", NULL},
	{"2026-01-01T00:00:00+24:00", NULL},
	{"2026-01-01T00:00:00+0100", NULL},
	{"2026-01-01T00:00:00Zx", NULL},
	{"2026-1-01T00:00:00Z", NULL},
	{"26-01-01T00:00:00Z", NULL},
	{"2026-01-01T00:00Z", NULL},
	{"", NULL},
};

START_TEST(rfc3339__reads_and_writes)
{
	char out[PB_RFC3339_BYTES];
	int64_t us = BAD;
	bool ok = pb_parse_rfc3339(times[_i].s, strlen(times[_i].s), &us);

	ck_assert_int_eq(ok, times[_i].out != NULL);
	if (!ok)
		return;
	pb_format_rfc3339(us, out);
	ck_assert_str_eq(out, times[_i].out);
}
END_TEST

START_TEST(rfc3339__every_day_of_the_calendar)
{
	char out[PB_RFC3339_BYTES], again[PB_RFC3339_BYTES];
	int64_t first, last, us, n = 0;

	ck_assert(pb_parse_rfc3339("0000-01-01T00:00:00Z", 20, &first));
	ck_assert(pb_parse_rfc3339("9999-12-31T00:00:00Z", 20, &last));
	for (int64_t t = first; t <= last; t += INT64_C(86400000000), n++) {
		time_t sec = (time_t)(t / 1000000);
		struct tm tm;
		bool ok;

		pb_format_rfc3339(t, out);
		ok = pb_parse_rfc3339(out, strlen(out), &us) && us == t && gmtime_r(&sec, &tm) &&
		     pb_str_printf(again, sizeof(again), "%04u-%02u-%02u",
				   (unsigned)tm.tm_year + 1900u, (unsigned)tm.tm_mon + 1u,
				   (unsigned)tm.tm_mday) &&
		     pb_str_starts(out, again);
		/* an assertion of check costs a write to a pipe; there are millions */
		if (!ok)
			ck_abort_msg("%s", out);
	}
	ck_assert_int_eq(n, 3652425); /* 25 times 146097 */
}
END_TEST

START_TEST(format_rfc3339__clamps)
{
	char out[PB_RFC3339_BYTES];

	pb_format_rfc3339(INT64_MAX, out);
	ck_assert_str_eq(out, "9999-12-31T23:59:59.999999Z");
	pb_format_rfc3339(INT64_MIN, out);
	ck_assert_str_eq(out, "0000-01-01T00:00:00.000000Z");
}
END_TEST

static const struct {
	double d;
	const char *s;
} shortest[] = {
	{0, "0"},
	{-0.0, "-0"},
	{1, "1"},
	{-1, "-1"},
	{0.1, "0.1"},
	{19.99, "19.99"},
	{1.0 / 3, "0.3333333333333333"},
	{0.1 + 0.2, "0.30000000000000004"},
	{1e15, "1000000000000000"},
	{9007199254740991, "9007199254740991"},
	{9007199254740992, "9007199254740992"},
	{1e21, "1e+21"},
	{123456789012345680000.0, "1.2345678901234568e+20"},
	{5e-324, "5e-324"},
	{DBL_MAX, "1.7976931348623157e+308"},
	{DBL_MIN, "2.2250738585072014e-308"},
	{1e-7, "1e-7"},
	{1e-300, "1e-300"},
};

START_TEST(format_double__shortest)
{
	char out[PB_DOUBLE_BYTES];

	ck_assert_uint_eq(pb_format_double(shortest[_i].d, out), strlen(shortest[_i].s));
	ck_assert_str_eq(out, shortest[_i].s);
}
END_TEST

START_TEST(format_double__round_trips_anything)
{
	char out[PB_DOUBLE_BYTES];
	double d, back;

	for (int i = 0; i < 200000; i++) {
		uint64_t bits = pb_random_u64();

		memcpy(&d, &bits, sizeof(d));
		if (!isfinite(d))
			continue;
		if (!pb_parse_double(out, pb_format_double(d, out), &back) ||
		    memcmp(&back, &d, sizeof(d)) != 0)
			ck_abort_msg("%s", out);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("parse");
	TCase *tc = tcase_create("parse");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, i64__whole_input_or_nothing, 0, PB_ARRAY_LEN(ints));
	tcase_add_test(tc, u64__reaches_the_end);
	tcase_add_loop_test(tc, double__json_numbers_only, 0, PB_ARRAY_LEN(doubles));
	tcase_add_test(tc, double__a_megabyte_of_digits);
	tcase_add_loop_test(tc, duration__one_number_one_unit, 0, PB_ARRAY_LEN(durations));
	tcase_add_test(tc, size__powers_of_1024);
	tcase_add_loop_test(tc, rfc3339__reads_and_writes, 0, PB_ARRAY_LEN(times));
	tcase_add_test(tc, rfc3339__every_day_of_the_calendar);
	tcase_add_test(tc, format_rfc3339__clamps);
	tcase_add_loop_test(tc, format_double__shortest, 0, PB_ARRAY_LEN(shortest));
	tcase_add_test(tc, format_double__round_trips_anything);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
