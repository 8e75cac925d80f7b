/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the times of the takes: no sliding window has more than it may, and waiting helps. */
#include "limits/limits_window.h"

#include <check.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/base.h"

#define WIN (10 * PB_USEC_PER_SEC)

START_TEST(window__allows_max_then_refuses)
{
	struct limits_window w = {0};
	struct limits_result r;
	int64_t now = 1000 * WIN + 1;

	for (int i = 0; i < 5; i++) {
		limits_window_take(&w, now, 5, WIN, 1, &r);
		ck_assert(r.allowed);
		ck_assert_int_eq(r.remaining, 4 - i);
		ck_assert_int_eq(r.retry_after_us, 0);
	}
	limits_window_take(&w, now, 5, WIN, 1, &r);
	ck_assert(!r.allowed);
	ck_assert_int_gt(r.retry_after_us, 0);
	ck_assert_int_eq(r.remaining, 0);
}
END_TEST

START_TEST(window__retry_after_is_true)
{
	for (int round = 0; round < 2000; round++) {
		struct limits_window w = {0}, copy;
		struct limits_result r, later;
		int64_t now = 1000 * WIN + (int64_t)(pb_random_u64() % (uint64_t)WIN);
		int64_t max = 1 + (int64_t)(pb_random_u64() % 20);

		do {
			now += (int64_t)(pb_random_u64() % (uint64_t)(WIN / 3));
			limits_window_take(&w, now, max, WIN, 1, &r);
		} while (r.allowed && pb_random_u64() % 40);
		if (r.allowed)
			continue;
		copy = w;
		limits_window_take(&copy, now + r.retry_after_us, max, WIN, 1, &later);
		ck_assert_msg(later.allowed, "max %lld", (long long)max);
		if (r.retry_after_us > 3000) {
			copy = w;
			limits_window_take(&copy, now + r.retry_after_us - 2000, max, WIN, 1,
					   &later);
			ck_assert(!later.allowed);
		}
	}
}
END_TEST

/* Greedy takers, each moment: over any aligned or unaligned window at most 2 x max - 1 even in the worst case of
 * the estimate, and max in the long run. */
START_TEST(window__long_run_rate_is_kept)
{
	struct limits_window w = {0};
	struct limits_result r;
	int64_t start = 5000 * WIN, taken = 0;

	for (int64_t t = start; t < start + 100 * WIN; t += WIN / 97) {
		limits_window_take(&w, t, 10, WIN, 1, &r);
		taken += r.allowed;
	}
	ck_assert_int_le(taken, 101 * 10);
	ck_assert_int_ge(taken, 90 * 10);
}
END_TEST

START_TEST(window__edges)
{
	struct limits_window w = {0};
	struct limits_result r;

	limits_window_take(&w, 77 * WIN, 0, WIN, 1, &r);
	ck_assert(!r.allowed && r.retry_after_us > 0);
	limits_window_take(&w, 77 * WIN, 5, WIN, 6, &r);
	ck_assert(!r.allowed);
	limits_window_take(&w, 77 * WIN, 5, WIN, 5, &r);
	ck_assert(r.allowed && r.remaining == 0);
	/* a clock that goes back gives nothing away */
	limits_window_take(&w, 70 * WIN, 5, WIN, 1, &r);
	ck_assert(!r.allowed);
	/* after two windows all is forgotten */
	limits_window_take(&w, 79 * WIN, 5, WIN, 5, &r);
	ck_assert(r.allowed);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("limits_window");
	TCase *tc = tcase_create("window");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, window__allows_max_then_refuses);
	tcase_add_test(tc, window__retry_after_is_true);
	tcase_add_test(tc, window__long_run_rate_is_kept);
	tcase_add_test(tc, window__edges);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
