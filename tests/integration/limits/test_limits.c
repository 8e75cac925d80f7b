/* SPDX-License-Identifier: Apache-2.0 */
/* M12: the limits hold with Redis there, down, emptied and stuck, and no check is slow. */
#include "limits/limits.h"

#include <check.h>

#include "base/clock.h"
#include "cache/cache.h"
#include "support/redis_child.h"
#include "base/base.h"

/* A loaded machine wakes a thread late; a call without a budget would never come back. */
#define BOUND_US (5 * PB_USEC_PER_SEC)
#define WAIT_US  (20 * PB_USEC_PER_SEC)
/* So long that hardly a test runs when one ends, and then lets nothing more pass. */
#define WIN (60 * PB_USEC_PER_MIN)

static struct redis_child redis;
static struct cache *cache, *cache2;
static struct limits *host1, *host2;

static struct cache *connect_cache(void)
{
	const struct cache_cfg cfg = {.url = redis.url, .retry_us = 100 * PB_USEC_PER_MSEC};
	struct cache *c = NULL;

	ck_assert_int_eq(cache_open(&cfg, &c, NULL), PB_OK);
	return c;
}

static void wait_up(struct cache *c)
{
	int64_t end = pb_mono_us() + WAIT_US;
	struct timespec t = pb_timespec(20000);

	while (!cache_ping(c)) {
		ck_assert(pb_mono_us() < end);
		nanosleep(&t, NULL);
	}
}

static void setup(void)
{
	redis.port = 0;
	redis_child_start(&redis);
	cache = connect_cache();
	cache2 = connect_cache();
	host1 = limits_open(cache);
	host2 = limits_open(cache2);
	wait_up(cache);
}

static void teardown(void)
{
	limits_close(pb_steal(host1));
	limits_close(pb_steal(host2));
	cache_close(pb_steal(cache));
	cache_close(pb_steal(cache2));
	redis_child_stop(&redis);
}

/* How many of @n takes are allowed; the slowest in *slowest. */
static unsigned take_many(struct limits *l, const char *key, int64_t max, unsigned n,
			  int64_t *slowest)
{
	unsigned allowed = 0;

	for (unsigned i = 0; i < n; i++) {
		int64_t begin = pb_mono_us(), left = 0, retry = 0;
		bool ok = limits_take(l, key, max, WIN, &left, &retry);

		allowed += ok;
		ck_assert(ok ? retry == 0 : retry > 0 && retry <= 2 * WIN);
		ck_assert(left >= 0 && left < max);
		if (slowest)
			*slowest = PB_MAX(*slowest, pb_mono_us() - begin);
	}
	return allowed;
}

/* Asked until Redis answers in time. *late counts the times it did not: it may have counted the take all the same. */
static struct limits_result take_shared(struct limits *l, struct pb_slice key, int64_t max,
					int64_t win, unsigned *late)
{
	const struct timespec step = pb_timespec(20000);
	struct limits_result r;

	for (int64_t end = pb_mono_us() + WAIT_US;; nanosleep(&step, NULL)) {
		limits_take_n(l, key, max, win, 1, &r);
		if (r.source == LIMITS_SHARED)
			break;
		ck_assert(pb_mono_us() < end);
		if (late)
			++*late;
	}
	ck_assert(r.allowed ? r.retry_after_us == 0
			    : r.retry_after_us > 0 && r.retry_after_us <= 2 * win);
	ck_assert(r.remaining >= 0 && r.remaining <= max);
	return r;
}

static unsigned take_many_shared(struct limits *l, const char *key, int64_t max, unsigned n,
				 unsigned *late)
{
	unsigned allowed = 0;

	for (unsigned i = 0; i < n; i++)
		allowed += take_shared(l, pb_slice_str(key), max, WIN, late).allowed;
	return allowed;
}

START_TEST(shared__ten_times_the_limit_over_two_hosts)
{
	const struct timespec step = pb_timespec(20000);
	struct limits_result r;
	unsigned late = 0, late2 = 0;
	unsigned allowed = take_many_shared(host1, "t:1", 50, 250, &late);

	allowed += take_many_shared(host2, "t:1", 50, 250, &late);
	ck_assert(allowed <= 50 && allowed + late >= 50);
	allowed = take_many_shared(host2, "t:2", 50, 100, &late2);
	ck_assert(allowed <= 50 && allowed + late2 >= 50);
	r = take_shared(host1, PB_SLICE("t:1"), 50, WIN, NULL);
	ck_assert(!r.allowed && r.reset_us > 0);
	/* another window of the same key is another count */
	ck_assert(take_shared(host1, PB_SLICE("t:1"), 50, PB_USEC_PER_SEC, NULL).allowed);
	/* best effort: it may find Redis late, too */
	for (int64_t end = pb_mono_us() + WAIT_US;; nanosleep(&step, NULL)) {
		limits_reset(host2, PB_SLICE("t:1"), WIN);
		if (take_shared(host1, PB_SLICE("t:1"), 50, WIN, NULL).allowed)
			break;
		ck_assert(pb_mono_us() < end);
	}
}
END_TEST

START_TEST(shared__retry_after_is_true)
{
	const int64_t win = PB_USEC_PER_SEC;
	struct limits_result r;
	struct timespec t;
	unsigned late = 0;

	do
		r = take_shared(host1, PB_SLICE("r"), 3, win, &late);
	while (r.allowed);
	t = pb_timespec(r.retry_after_us + 2000);
	nanosleep(&t, NULL);
	/* or a late one of ours has taken the place */
	ck_assert(take_shared(host2, PB_SLICE("r"), 3, win, &late).allowed || late > 0);
}
END_TEST

START_TEST(shared__odd_keys)
{
	pb_autofree char *key = pb_xcalloc(1, 5001);
	struct limits_result r;

	memset(key, 'k', 5000);
	for (unsigned i = 0, late = 0; i < 3; i++) {
		r = take_shared(i % 2 ? host1 : host2, pb_slice(key, 5000), 2, WIN, &late);
		ck_assert(r.allowed ? i < 2 : i + late >= 2);
	}
	ck_assert(take_shared(host1, pb_slice("a\0b\r\n* $", 8), 1000, WIN, NULL).allowed);
	limits_take_n(host1, PB_SLICE("z"), 0, WIN, 1, &r);
	ck_assert(!r.allowed);
}
END_TEST

START_TEST(down__local_limit_holds_and_is_fast)
{
	int64_t slowest = 0;
	struct limits_result r;
	struct pb_err err = PB_ERR_INIT;

	redis_child_stop(&redis);
	ck_assert_uint_eq(take_many(host1, "t:1", 50, 500, &slowest), 50);
	ck_assert_int_lt(slowest, BOUND_US);
	limits_take_n(host1, PB_SLICE("t:9"), 50, WIN, 1, &r);
	ck_assert_int_eq(r.source, LIMITS_LOCAL);
	ck_assert_int_eq(limits_take_strict(host1, PB_SLICE("login:1"), 5, WIN, &r, &err),
			 PB_E_UNAVAILABLE);
	ck_assert_str_eq(err.code, "limits.unavailable");
	redis_child_start(&redis);
	wait_up(cache);
	(void)take_shared(host1, PB_SLICE("t:9"), 50, WIN, NULL);
}
END_TEST

START_TEST(stuck__local_limit_holds_and_is_fast)
{
	int64_t slowest = 0;

	redis_child_pause(&redis);
	ck_assert_uint_eq(take_many(host1, "t:1", 50, 500, &slowest), 50);
	ck_assert_int_lt(slowest, BOUND_US);
	kill(redis.pid, SIGCONT);
}
END_TEST

START_TEST(wiped__counts_anew)
{
	unsigned late = 0, allowed = take_many_shared(host1, "t:1", 50, 100, &late);

	ck_assert(allowed <= 50 && allowed + late >= 50);
	redis_child_stop(&redis); /* nothing is kept on disk */
	redis_child_start(&redis);
	wait_up(cache);
	late = 0;
	allowed = take_many_shared(host1, "t:1", 50, 100, &late);
	ck_assert(allowed <= 50 && allowed + late >= 50);
}
END_TEST

/* Refused is refused; what Redis did not say in time is asked again. */
static enum pb_status strict(struct limits *l, struct limits_result *r, unsigned *late,
			     struct pb_err *err)
{
	const struct timespec step = pb_timespec(20000);
	enum pb_status st;

	for (int64_t end = pb_mono_us() + WAIT_US;; ++*late, nanosleep(&step, NULL)) {
		st = limits_take_strict(l, PB_SLICE("login:1"), 5, WIN, r, err);
		if (st != PB_E_UNAVAILABLE || pb_mono_us() >= end)
			return st;
	}
}

START_TEST(strict__counts_and_refuses)
{
	struct limits_result r;
	struct pb_err err = PB_ERR_INIT;
	unsigned allowed = 0, late = 0;

	while (strict(host1, &r, &late, &err) == PB_OK)
		allowed++;
	ck_assert(allowed <= 5 && allowed + late >= 5);
	ck_assert_int_eq(strict(host2, &r, &late, &err), PB_E_LIMIT);
	ck_assert_str_eq(err.code, "limits.exceeded");
	ck_assert_int_gt(r.retry_after_us, 0);
	limits_close(pb_steal(host1));
	host1 = limits_open(NULL); /* one host without Redis: its own count is the truth */
	ck_assert_int_eq(limits_take_strict(host1, PB_SLICE("x"), 1, WIN, &r, &err), PB_OK);
	ck_assert_int_eq(limits_take_strict(host1, PB_SLICE("x"), 1, WIN, &r, &err), PB_E_LIMIT);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("limits");
	TCase *tc = tcase_create("limits");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, shared__ten_times_the_limit_over_two_hosts);
	tcase_add_test(tc, shared__retry_after_is_true);
	tcase_add_test(tc, shared__odd_keys);
	tcase_add_test(tc, down__local_limit_holds_and_is_fast);
	tcase_add_test(tc, stuck__local_limit_holds_and_is_fast);
	tcase_add_test(tc, wiped__counts_anew);
	tcase_add_test(tc, strict__counts_and_refuses);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
