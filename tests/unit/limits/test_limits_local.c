/* SPDX-License-Identifier: Apache-2.0 */
/* The host's own counters: apart by key and window, bounded, forgotten on request. */
#include "limits/limits_local.h"

#include <check.h>

#include "base/clock.h"
#include "base/base.h"

static struct limits_local *l;

static void setup(void)
{
	l = limits_local_new();
}

static void teardown(void)
{
	limits_local_free(l);
}

static bool take(const char *key, int64_t max, int64_t window)
{
	struct limits_result r = {0};

	limits_local_take(l, pb_slice_str(key), 100 * PB_USEC_PER_MIN, max, window, 1, &r);
	return r.allowed;
}

START_TEST(local__keys_and_windows_are_apart)
{
	ck_assert(take("a", 1, PB_USEC_PER_MIN) && !take("a", 1, PB_USEC_PER_MIN));
	ck_assert(take("b", 1, PB_USEC_PER_MIN));
	ck_assert(take("a", 1, PB_USEC_PER_SEC));
	limits_local_reset(l, PB_SLICE("a"), PB_USEC_PER_MIN);
	limits_local_reset(l, PB_SLICE("never seen"), PB_USEC_PER_MIN);
	ck_assert(take("a", 1, PB_USEC_PER_MIN));
	ck_assert(!take("a", 1, PB_USEC_PER_SEC));
}
END_TEST

static bool spend(const char *key, int64_t now, bool *fetch)
{
	struct limits_result r = {0};
	bool have = limits_local_spend(l, pb_slice_str(key), now, PB_USEC_PER_MIN, &r, fetch);

	ck_assert(have == r.allowed);
	return have;
}

START_TEST(held__one_fetches_and_all_spend)
{
	struct limits_held held = {.n = 2, .until_us = 1000};
	bool fetch = false;

	ck_assert(!spend("a", 10, &fetch) && fetch);
	ck_assert(!spend("a", 11, &fetch) && !fetch); /* somebody fetches already */
	ck_assert(!spend("b", 11, &fetch) && fetch);
	limits_local_hold(l, PB_SLICE("a"), PB_USEC_PER_MIN, &held);
	ck_assert(spend("a", 12, &fetch) && !fetch);
	ck_assert(spend("a", 999, &fetch) && !fetch);
	ck_assert(!spend("a", 999, &fetch) && fetch);
	limits_local_hold(l, PB_SLICE("a"), PB_USEC_PER_MIN, &held);
	ck_assert(!spend("a", 1000, &fetch) && fetch); /* its window is over */
	held.n = 0;
	limits_local_hold(l, PB_SLICE("a"), PB_USEC_PER_MIN, &held); /* it could not be had */
	ck_assert(!spend("a", 12, &fetch) && fetch);
	held = (struct limits_held){.fetch_at_us = 500}; /* nobody answered */
	limits_local_hold(l, PB_SLICE("a"), PB_USEC_PER_MIN, &held);
	ck_assert(!spend("a", 499, &fetch) && !fetch);
	ck_assert(!spend("a", 500, &fetch) && fetch);
	held = (struct limits_held){.n = 5, .until_us = 1000};
	limits_local_hold(l, PB_SLICE("a"), PB_USEC_PER_MIN, &held);
	limits_local_reset(l, PB_SLICE("a"), PB_USEC_PER_MIN);
	ck_assert(!spend("a", 12, &fetch) && fetch);
}
END_TEST

START_TEST(local__is_bounded)
{
	char key[32];

	for (int i = 0; i < 300000; i++) {
		pb_str_printf(key, sizeof(key), "ip:%d", i);
		ck_assert(take(key, 1, PB_USEC_PER_MIN));
	}
	ck_assert(!take(key, 1, PB_USEC_PER_MIN));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("limits_local");
	TCase *tc = tcase_create("local");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, local__keys_and_windows_are_apart);
	tcase_add_test(tc, held__one_fetches_and_all_spend);
	tcase_add_test(tc, local__is_bounded);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
