/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/clock.c */
#include "base/clock.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

START_TEST(now__is_the_systems_time)
{
	int64_t a = (int64_t)time(NULL), us = pb_now_us(), b = (int64_t)time(NULL);

	/* time() may lag by one tick of the kernel */
	ck_assert_int_ge(us / PB_USEC_PER_SEC, a - 1);
	ck_assert_int_le(us / PB_USEC_PER_SEC, b + 1);
}
END_TEST

START_TEST(mono__never_goes_back)
{
	int64_t last = pb_mono_us();

	for (int i = 0; i < 100000; i++) {
		int64_t now = pb_mono_us();

		ck_assert_int_ge(now, last);
		last = now;
	}
}
END_TEST

START_TEST(cpu__counts_work)
{
	int64_t start = pb_cpu_us();
	volatile unsigned x = 0;

	while (pb_cpu_us() - start < 2000)
		x++;
	ck_assert_int_ge(pb_cpu_us(), start + 2000);
}
END_TEST

START_TEST(timespec__splits_with_positive_nanoseconds)
{
	static const struct {
		int64_t us, sec;
		long nsec;
	} cases[] = {{0, 0, 0},           {1, 0, 1000},      {1999999, 1, 999999000},
		     {-1, -1, 999999000}, {-1000000, -1, 0}, {INT64_MAX, 9223372036854, 775807000}};

	for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
		struct timespec ts = pb_timespec(cases[i].us);

		ck_assert_int_eq(ts.tv_sec, cases[i].sec);
		ck_assert_int_eq(ts.tv_nsec, cases[i].nsec);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("clock");
	TCase *tc = tcase_create("clock");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, now__is_the_systems_time);
	tcase_add_test(tc, mono__never_goes_back);
	tcase_add_test(tc, cpu__counts_work);
	tcase_add_test(tc, timespec__splits_with_positive_nanoseconds);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
