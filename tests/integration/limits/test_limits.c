/* SPDX-License-Identifier: Apache-2.0 */
/* M12: the limits hold with Redis there, down, emptied and stuck, and no check is slow. */
#include "limits/limits.h"

#include <check.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/lock.h"
#include "cache/cache.h"
#include "support/redis_child.h"
#include "base/base.h"

/* The cache's budget of 50 ms and what it takes to wake a thread. */
#define BOUND_US (120 * PB_USEC_PER_MSEC)
/* So long that no test runs into the next window, whose allowance comes back bit by bit. */
#define WIN (365 * 24 * 60 * PB_USEC_PER_MIN)

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
	int64_t end = pb_mono_us() + 20 * PB_USEC_PER_SEC;
	struct timespec t = pb_timespec(20000);

	while (!cache_ping(c)) {
		ck_assert(pb_mono_us() < end);
		nanosleep(&t, NULL);
	}
}

static _Atomic bool disturbed; /* a take was counted locally */
static const char *broken;     /* the first expectation that did not hold */

#define EXPECT(what)                                                                               \
	do {                                                                                       \
		if (!(what) && !broken)                                                            \
			broken = #what;                                                            \
	} while (0)

static bool take(struct limits *l, const char *key, int64_t max, int64_t window_us,
		 struct limits_result *r)
{
	bool allowed = limits_take(l, pb_slice_str(key), max, window_us, r);

	if (r->source != LIMITS_SHARED)
		atomic_store(&disturbed, true);
	return allowed;
}

/*
 * A busy machine may take longer than the 50 ms that a call to Redis has; the host then counts alone, as it
 * should, and nothing exact can be said. Then once more, with another key.
 */
static void undisturbed(void (*body)(const char *key))
{
	char key[32];

	for (int i = 0; i < 100; i++) {
		broken = NULL;
		atomic_store(&disturbed, false);
		(void)pb_str_printf(key, sizeof(key), "try:%d", i);
		body(key);
		if (!atomic_load(&disturbed)) {
			ck_assert_msg(broken == NULL, "%s", broken);
			return;
		}
		wait_up(cache);
		wait_up(cache2);
	}
	ck_abort_msg("disturbed a hundred times");
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
		int64_t begin = pb_mono_us();
		struct limits_result r;
		bool ok = take(l, key, max, WIN, &r);

		allowed += ok;
		EXPECT(ok ? r.retry_after_us == 0
			  : r.retry_after_us > 0 && r.retry_after_us <= 2 * WIN);
		EXPECT(r.remaining >= 0 && r.remaining < max);
		if (slowest)
			*slowest = PB_MAX(*slowest, pb_mono_us() - begin);
	}
	return allowed;
}

static void ten_times_the_limit(const char *key)
{
	struct limits_result r;
	unsigned allowed = take_many(host1, key, 50, 250, NULL);

	allowed += take_many(host2, key, 50, 250, NULL);
	EXPECT(allowed == 50);
	take(host1, key, 50, WIN, &r);
	EXPECT(!r.allowed && r.reset_us > 0);
	/* another window of the same key is another count */
	EXPECT(take(host1, key, 50, WIN / 2, &r));
	limits_reset(host2, pb_slice_str(key), WIN);
	EXPECT(take(host1, key, 50, WIN, &r));
}

START_TEST(shared__ten_times_the_limit_over_two_hosts)
{
	undisturbed(ten_times_the_limit);
}
END_TEST

static uint64_t calls(struct cache *c)
{
	struct cache_status st;

	cache_status(c, &st);
	return st.calls;
}

static void few_calls(const char *key)
{
	const uint64_t before = calls(cache);
	struct limits_result r;
	unsigned allowed = 0;

	/* a host alone: one call to Redis for 78 takes (10,000 / 128), and what it says is exact */
	for (int64_t left = 9999; left >= 8000; left--) {
		EXPECT(take(host1, key, 10000, WIN, &r));
		EXPECT(r.remaining == left);
		EXPECT(r.reset_us > 0);
	}
	EXPECT(calls(cache) - before <= 2000 / 78 + 1);
	/* two hosts in turn: each uses what it holds, and both together get what is left */
	for (int i = 0; i < 8000; i++) {
		allowed += take(host1, key, 10000, WIN, &r);
		allowed += take(host2, key, 10000, WIN, &r);
	}
	EXPECT(allowed == 8000);
	EXPECT(!r.allowed && r.retry_after_us > 0);
}

START_TEST(ahead__few_calls_and_the_same_sum)
{
	undisturbed(few_calls);
}
END_TEST

struct taker {
	pthread_t thread;
	struct limits *limits;
	const char *key;
	unsigned allowed;
};

static void *take_thousand(void *arg)
{
	struct taker *t = arg;
	struct limits_result r;

	for (int i = 0; i < 1000; i++)
		t->allowed += take(t->limits, t->key, 4000, WIN, &r);
	return NULL;
}

static void threads_pass_no_limit(const char *key)
{
	struct taker t[8] = {0};
	struct limits_result r;
	unsigned sum = 0;

	for (size_t i = 0; i < PB_ARRAY_LEN(t); i++) {
		t[i].limits = i % 2 ? host1 : host2;
		t[i].key = key;
		t[i].thread = pb_thread_start("take", 256 * 1024, take_thousand, &t[i]);
	}
	for (size_t i = 0; i < PB_ARRAY_LEN(t); i++) {
		pb_thread_join(t[i].thread);
		sum += t[i].allowed;
	}
	/* what is still held */
	while (take(host1, key, 4000, WIN, &r) || take(host2, key, 4000, WIN, &r))
		sum++;
	EXPECT(sum == 4000);
}

START_TEST(ahead__threads_pass_no_limit)
{
	undisturbed(threads_pass_no_limit);
}
END_TEST

static void ends_with_its_window(const char *key)
{
	const int64_t win = 200 * PB_USEC_PER_MSEC;
	const int64_t end = pb_mono_us() + 20 * PB_USEC_PER_SEC;
	struct limits_result r;
	uint64_t before = 0;
	unsigned takes = 0;

	EXPECT(take(host1, key, 1000000, win, &r));
	before = calls(cache);
	while (calls(cache) == before && pb_mono_us() < end) {
		struct timespec t = pb_timespec(5000);

		EXPECT(take(host1, key, 1000000, win, &r));
		takes++;
		nanosleep(&t, NULL);
	}
	EXPECT(calls(cache) > before);
	EXPECT(takes < 200); /* 256 were held: not used up, but over */
}

START_TEST(ahead__ends_with_its_window)
{
	undisturbed(ends_with_its_window);
}
END_TEST

START_TEST(ahead__what_is_held_outlives_redis)
{
	struct limits_result r;

	do /* counted in Redis, whatever the machine does */
		limits_take(host1, PB_SLICE("t:1"), 10000, WIN, &r);
	while (r.source != LIMITS_SHARED);
	redis_child_stop(&redis);
	for (int i = 1; i < 78; i++) {
		ck_assert(limits_take(host1, PB_SLICE("t:1"), 10000, WIN, &r));
		ck_assert_int_eq(r.source, LIMITS_SHARED);
	}
	ck_assert(limits_take(host1, PB_SLICE("t:1"), 10000, WIN, &r));
	ck_assert_int_eq(r.source, LIMITS_LOCAL);
}
END_TEST

static void retry_after_is_true(const char *key)
{
	const int64_t win = PB_USEC_PER_SEC;
	struct limits_result r;
	struct timespec t;

	while (take(host1, key, 3, win, &r) && !atomic_load(&disturbed))
		;
	EXPECT(r.retry_after_us <= 2 * win);
	t = pb_timespec(r.retry_after_us + 2000);
	nanosleep(&t, NULL);
	EXPECT(take(host2, key, 3, win, &r));
}

START_TEST(shared__retry_after_is_true)
{
	undisturbed(retry_after_is_true);
}
END_TEST

static void odd_keys(const char *key)
{
	static const char odd[] = "a\0b\r\n* $";
	char large[5001], small[64];
	struct limits_result r;

	memset(large, 'k', sizeof(large));
	memcpy(large, key, strlen(key));
	for (int i = 0; i < 3; i++) {
		limits_take_n(i % 2 ? host1 : host2, pb_slice(large, sizeof(large)), 2, WIN, 1, &r);
		EXPECT(r.allowed == (i < 2));
		if (r.source != LIMITS_SHARED)
			atomic_store(&disturbed, true);
	}
	memcpy(small, odd, sizeof(odd));
	memcpy(small + sizeof(odd), key, strlen(key));
	limits_take_n(host1, pb_slice(small, sizeof(odd) + strlen(key)), 1, WIN, 1, &r);
	EXPECT(r.allowed);
	if (r.source != LIMITS_SHARED)
		atomic_store(&disturbed, true);
	EXPECT(!take(host1, key, 0, WIN, &r));
}

START_TEST(shared__odd_keys)
{
	undisturbed(odd_keys);
}
END_TEST

/* Of several rounds the best: a busy machine is late now and then, calls over their budget are in each. */
static void local_limit_holds_and_is_fast(void)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < 30 && best >= BOUND_US; i++) {
		int64_t slowest = 0;
		char key[32];

		(void)pb_str_printf(key, sizeof(key), "t:%d", i);
		ck_assert_uint_eq(take_many(host1, key, 50, 500, &slowest), 50);
		ck_assert_msg(broken == NULL, "%s", broken);
		best = PB_MIN(best, slowest);
	}
	ck_assert_int_lt(best, BOUND_US);
}

START_TEST(down__local_limit_holds_and_is_fast)
{
	struct limits_result r;
	struct pb_err err = PB_ERR_INIT;

	redis_child_stop(&redis);
	local_limit_holds_and_is_fast();
	limits_take_n(host1, PB_SLICE("x:9"), 50, WIN, 1, &r);
	ck_assert_int_eq(r.source, LIMITS_LOCAL);
	ck_assert_int_eq(limits_take_strict(host1, PB_SLICE("login:1"), 5, WIN, &r, &err),
			 PB_E_UNAVAILABLE);
	ck_assert_str_eq(err.code, "limits.unavailable");
	redis_child_start(&redis);
	for (int64_t end = pb_mono_us() + 20 * PB_USEC_PER_SEC; r.source != LIMITS_SHARED;) {
		ck_assert(pb_mono_us() < end);
		wait_up(cache);
		limits_take_n(host1, PB_SLICE("x:9"), 50, WIN, 1, &r);
	}
}
END_TEST

START_TEST(stuck__local_limit_holds_and_is_fast)
{
	redis_child_pause(&redis);
	local_limit_holds_and_is_fast();
	kill(redis.pid, SIGCONT);
}
END_TEST

static void wiped(const char *key)
{
	EXPECT(take_many(host1, key, 50, 100, NULL) == 50);
	redis_child_stop(&redis); /* nothing is kept on disk */
	redis_child_start(&redis);
	wait_up(cache);
	EXPECT(take_many(host1, key, 50, 100, NULL) == 50);
}

START_TEST(wiped__counts_anew)
{
	undisturbed(wiped);
}
END_TEST

static void strict(const char *key)
{
	struct limits_result r = {0};
	struct pb_err err = PB_ERR_INIT;

	for (int i = 0; i < 6; i++) {
		enum pb_status st = limits_take_strict(i < 5 ? host1 : host2, pb_slice_str(key), 5,
						       WIN, &r, &err);

		if (st == PB_E_UNAVAILABLE)
			atomic_store(&disturbed, true);
		EXPECT(st == (i < 5 ? PB_OK : PB_E_LIMIT));
	}
	EXPECT(!strcmp(err.code, "limits.exceeded"));
	EXPECT(r.retry_after_us > 0);
}

START_TEST(strict__counts_and_refuses)
{
	struct limits_result r;
	struct pb_err err = PB_ERR_INIT;

	undisturbed(strict);
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
	tcase_add_test(tc, ahead__few_calls_and_the_same_sum);
	tcase_add_test(tc, ahead__threads_pass_no_limit);
	tcase_add_test(tc, ahead__ends_with_its_window);
	tcase_add_test(tc, ahead__what_is_held_outlives_redis);
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
