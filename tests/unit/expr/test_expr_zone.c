/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_zone.c: known offsets, round trips, and broken files. */
#include <fcntl.h>

#include "expr/expr_zone.h"
#include "expr_test.h"

static const struct expr_zone *zone(const char *name)
{
	const struct expr_zone *z = expr_zone_get(name, strlen(name));

	ck_assert_msg(z != NULL, "%s", name);
	return z;
}

/* Published changes, and a year far behind the last one in the files, where the footer's rule counts. */
static const struct {
	const char *zone;
	int64_t at;
	int32_t offset;
} known[] = {
	{"UTC", 0, 0},
	{"Asia/Almaty", 1709229599, 21600}, /* 2024-02-29T17:59:59Z: the last second of +06 */
	{"Asia/Almaty", 1709229600, 18000},
	{"Europe/Berlin", 1774745999, 3600},
	{"Europe/Berlin", 1774746000, 7200},
	{"Europe/Berlin", 1792889999, 7200},
	{"Europe/Berlin", 1792890000, 3600},
	{"Europe/Berlin", 4118079600, 7200}, /* 2100-06-30 */
	{"Europe/Berlin", 4102444800, 3600}, /* 2100-01-01 */
	{"Australia/Sydney", 4102444800, 39600},
	{"Australia/Sydney", 4118079600, 36000},
	{"America/New_York", 4102444800, -18000},
	{"America/Sao_Paulo", 4102444800, -10800},
	{"Asia/Kathmandu", 4102444800, 20700},
	{"Europe/Dublin", 4118079600, 3600},
	{"Europe/Dublin", 4102444800, 0},
	{"Africa/Casablanca", 1767225600, 3600},
	{"America/St_Johns", 1782864000, -9000},
};

START_TEST(zone__knows_offsets)
{
	ck_assert_int_eq(expr_zone_offset(zone(known[_i].zone), known[_i].at), known[_i].offset);
}
END_TEST

START_TEST(zone__local_time_comes_back)
{
	static const char *const names[] = {"Europe/Berlin", "America/New_York",
					    "Asia/Almaty",   "Australia/Lord_Howe",
					    "Pacific/Apia",  "UTC"};
	const struct expr_zone *z = zone(names[_i]);

	/* every 5 h 13 min for 12 years: the same moment, or an hour earlier when it exists twice */
	for (int64_t t = 1262304000; t < 1640995200; t += 18780) {
		int64_t local = t + expr_zone_offset(z, t), back = expr_zone_to_utc(z, local);

		ck_assert_int_le(back, t);
		ck_assert_int_eq(back + expr_zone_offset(z, back), local);
	}
}
END_TEST

START_TEST(zone__refuses_names)
{
	static const char *const names[] = {
		"",          "/etc/localtime", "../x",  "Europe/../UTC",  "Europe/",       "a//b",
		"Europe",    "No/Such",        "UTC\n", "Europe/Berlin ", "posixrules/..", ".",
		"tzdata.zi", "zone.tab"};

	ck_assert_ptr_null(expr_zone_get(names[_i], strlen(names[_i])));
}
END_TEST

START_TEST(zone__survives_every_cut_and_flip)
{
	pb_autoclose int fd = open("/usr/share/zoneinfo/Europe/Berlin", O_RDONLY | O_CLOEXEC);
	uint8_t buf[8192];
	ssize_t n = read(fd, buf, sizeof(buf));

	ck_assert_int_gt(n, 100);
	for (size_t cut = 0; cut < (size_t)n; cut++)
		ck_assert_ptr_null(expr_zone_parse(buf, cut));
	for (size_t at = 0; at < (size_t)n; at++) {
		struct expr_zone *z;

		buf[at] ^= 0x81;
		z = expr_zone_parse(buf, (size_t)n);
		if (z)
			(void)expr_zone_to_utc(z, INT64_C(4102444800));
		expr_zone_free(z);
		buf[at] ^= 0x81;
	}
}
END_TEST

START_TEST(civil__round_trip)
{
	for (int64_t day = -719162; day < 2932896; day += 97) {
		struct expr_civil c;

		expr_civil_from(day * 86400 + 3723, &c);
		ck_assert_int_eq(expr_civil_days(c.year, c.month, c.day), day);
		ck_assert_int_eq(expr_civil_seconds(&c), day * 86400 + 3723);
		ck_assert(c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= 31);
		ck_assert_int_eq(c.weekday, ((day % 7) + 7 + 3) % 7 + 1);
	}
}
END_TEST

START_TEST(civil__agrees_with_the_c_library)
{
	for (int64_t t = -5000000000; t < 5000000000; t += 7777777) {
		struct expr_civil c;
		time_t tt = (time_t)t;
		struct tm tm;

		ck_assert_ptr_nonnull(gmtime_r(&tt, &tm));
		expr_civil_from(t, &c);
		ck_assert_int_eq(c.year, tm.tm_year + 1900);
		ck_assert_int_eq(c.month, tm.tm_mon + 1);
		ck_assert_int_eq(c.day, tm.tm_mday);
		ck_assert_int_eq(c.hour * 60 + c.minute, tm.tm_hour * 60 + tm.tm_min);
		ck_assert_int_eq(c.weekday % 7, tm.tm_wday);
		ck_assert_int_eq(c.yearday, tm.tm_yday + 1);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("zone");

	tcase_add_loop_test(tc, zone__knows_offsets, 0, PB_ARRAY_LEN(known));
	tcase_add_loop_test(tc, zone__local_time_comes_back, 0, 6);
	tcase_add_loop_test(tc, zone__refuses_names, 0, 14);
	tcase_add_test(tc, zone__survives_every_cut_and_flip);
	tcase_add_test(tc, civil__round_trip);
	tcase_add_test(tc, civil__agrees_with_the_c_library);
	return expr_test_main("expr_zone", tc);
}
