/* SPDX-License-Identifier: Apache-2.0 */
/* The cache against a real Redis that is also stopped, killed and emptied: no call over its budget. */
#include "cache/cache.h"

#include <check.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/lock.h"
#include "support/redis_child.h"
#define PB_ALLOW_GETENV /* tests take the servers' addresses from the environment */
#include "base/base.h"

/* The budget of 50 ms and what it takes to wake a thread. */
#define BOUND_US (120 * PB_USEC_PER_MSEC)
#define WAIT_US  (20 * PB_USEC_PER_SEC)

static struct redis_child redis;
static struct cache *cache;

static void open_cache(const char *url, int64_t retry_us)
{
	const struct cache_cfg cfg = {.url = url, .connections = 4, .retry_us = retry_us};
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(cache_open(&cfg, &cache, &err), PB_OK);
}

static void wait_up(void)
{
	int64_t end = pb_mono_us() + WAIT_US;
	struct timespec t = pb_timespec(20000);

	while (!cache_ping(cache)) {
		ck_assert(pb_mono_us() < end);
		nanosleep(&t, NULL);
	}
}

static void setup(void)
{
	redis.port = 0;
	redis_child_start(&redis);
	open_cache(redis.url, 100 * PB_USEC_PER_MSEC);
	wait_up();
}

static void teardown(void)
{
	cache_close(pb_steal(cache));
	redis_child_stop(&redis);
}

/* After a call that missed its budget, which a busy machine makes happen; the breaker closes by itself. */
static bool again(enum pb_status st, int64_t end_us)
{
	const struct timespec step = pb_timespec(10000);

	if (st != PB_E_UNAVAILABLE || pb_mono_us() >= end_us)
		return false;
	nanosleep(&step, NULL);
	return true;
}

/* What @call says once Redis answers in time. */
#define ANSWER(ret, call) for (int64_t end_ = pb_mono_us() + WAIT_US; again((ret) = (call), end_);)

static enum pb_status get(const char *key, struct pb_buf *b)
{
	enum pb_status st;

	ANSWER(st, cache_get(cache, pb_slice_str(key), b, NULL));
	return st;
}

static enum pb_status set(const char *key, struct pb_slice value, int64_t ttl_us)
{
	enum pb_status st;

	ANSWER(st, cache_set(cache, pb_slice_str(key), value, ttl_us, NULL));
	return st;
}

static enum pb_status get_once(const char *key, struct pb_buf *b)
{
	return cache_get(cache, pb_slice_str(key), b, NULL);
}

START_TEST(cache__commands)
{
	pb_auto_buf b = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;
	enum pb_status st;
	bool fresh = false;
	char key[32];

	ck_assert_int_eq(get("pb:none", &b), PB_E_NOT_FOUND);
	ANSWER(st,
	       cache_set(cache, PB_SLICE("pb:a\0b"), PB_SLICE("x\0y\r\n"), PB_USEC_PER_MIN, &err));
	ck_assert_int_eq(st, PB_OK);
	ANSWER(st, cache_get(cache, PB_SLICE("pb:a\0b"), &b, &err));
	ck_assert_int_eq(st, PB_OK);
	ck_assert_uint_eq(b.len, 5);
	ck_assert_int_eq(memcmp(b.p, "x\0y\r\n", 5), 0);
	/* one that missed its budget may have been done: the next one takes another key */
	for (int64_t i = 0, end = pb_mono_us() + WAIT_US;; i++) {
		pb_str_printf(key, sizeof(key), "pb:nx:%lld", (long long)i);
		st = cache_set_nx(cache, pb_slice_str(key), PB_SLICE("1"), PB_USEC_PER_MIN, &fresh,
				  &err);
		if (!again(st, end))
			break;
	}
	ck_assert_int_eq(st, PB_OK);
	ck_assert(fresh);
	ANSWER(st, cache_set_nx(cache, pb_slice_str(key), PB_SLICE("2"), PB_USEC_PER_MIN, &fresh,
				&err));
	ck_assert_int_eq(st, PB_OK);
	ck_assert(!fresh);
	ANSWER(st, cache_del(cache, pb_slice_str(key), &err));
	ck_assert_int_eq(st, PB_OK);
	ck_assert_int_eq(get(key, &b), PB_E_NOT_FOUND);
	ck_assert_int_eq(cache_set(cache, PB_SLICE(""), PB_SLICE("x"), 1, &err), PB_E_TOO_LARGE);
	/* everything stored ends by itself */
	ck_assert_int_eq(set("pb:ttl", PB_SLICE("x"), 20 * PB_USEC_PER_MSEC), PB_OK);
	for (int64_t end = pb_mono_us() + WAIT_US; get("pb:ttl", &b) == PB_OK;)
		ck_assert(pb_mono_us() < end);
	ck_assert_int_eq(get("pb:ttl", &b), PB_E_NOT_FOUND);
}
END_TEST

START_TEST(cache__large_values)
{
	pb_autofree char *big = pb_xcalloc(1, CACHE_VALUE_BYTES + 1);
	pb_auto_buf b = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;

	memset(big, 'x', CACHE_VALUE_BYTES);
	ck_assert_int_eq(set("pb:big", pb_slice(big, CACHE_VALUE_BYTES), PB_USEC_PER_MIN), PB_OK);
	ck_assert_int_eq(get("pb:big", &b), PB_OK);
	ck_assert_uint_eq(b.len, CACHE_VALUE_BYTES);
	ck_assert_int_eq(cache_set(cache, PB_SLICE("pb:big"), pb_slice(big, CACHE_VALUE_BYTES + 1),
				   PB_USEC_PER_MIN, &err),
			 PB_E_TOO_LARGE);
}
END_TEST

START_TEST(eval__survives_a_flushed_script_cache)
{
	struct cache_script sum, bad, other;
	const struct pb_slice keys[] = {PB_SLICE("pb:k")};
	const struct pb_slice args[] = {PB_SLICE("40"), PB_SLICE("2")};
	int64_t got[2] = {0, 0};
	struct pb_err err = PB_ERR_INIT;
	enum pb_status st;

	cache_script_init(&sum, "return {ARGV[1] + ARGV[2], #KEYS}");
	cache_script_init(&bad, "return nonsense(");
	cache_script_init(&other, "return 'text'");
	for (int i = 0; i < 3; i++) {
		ANSWER(st, cache_eval(cache, &sum, keys, 1, args, 2, got, 2, &err));
		ck_assert_int_eq(st, PB_OK);
		ck_assert(got[0] == 42 && got[1] == 1);
		if (i == 1) { /* a restart forgets scripts */
			redis_child_stop(&redis);
			redis_child_start(&redis);
			wait_up();
		}
	}
	/* a script's own failure is no reason to think Redis is away: the call behind it is made */
	for (int64_t end = pb_mono_us() + WAIT_US;; wait_up()) {
		ck_assert(pb_mono_us() < end);
		ck_assert_int_eq(cache_eval(cache, &bad, NULL, 0, NULL, 0, got, 1, &err),
				 PB_E_UNAVAILABLE);
		if (cache_eval(cache, &other, NULL, 0, NULL, 0, got, 1, &err) == PB_E_INTERNAL &&
		    pb_str_eq(err.code, "cache.answer") &&
		    cache_eval(cache, &sum, keys, 1, args, 2, got, 2, &err) == PB_OK)
			break;
	}
}
END_TEST

/* Times @n calls that must all fail; returns the slowest. */
static int64_t slowest_of(int n)
{
	int64_t slowest = 0;
	pb_auto_buf b = PB_BUF_INIT;

	for (int i = 0; i < n; i++) {
		int64_t begin = pb_mono_us(), took = 0;

		ck_assert_int_eq(get_once("pb:a", &b), PB_E_UNAVAILABLE);
		took = pb_mono_us() - begin;
		slowest = PB_MAX(slowest, took);
	}
	return slowest;
}

/* Of several rounds the best: a busy machine is late now and then, calls over their budget are in each. */
static int64_t slowest_failure(void)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < 30 && best >= BOUND_US; i++)
		best = PB_MIN(best, slowest_of(50));
	return best;
}

START_TEST(stopped__ends_in_time_and_comes_back)
{
	struct cache_status st;

	redis_child_pause(&redis);
	ck_assert_int_lt(slowest_failure(), BOUND_US);
	cache_status(cache, &st);
	ck_assert(!st.up && st.failures > 0 && st.failures < st.refused); /* most are not tried */
	ck_assert_str_ne(st.last_error, "");
	kill(redis.pid, SIGCONT);
	wait_up();
	ck_assert_int_eq(set("pb:a", PB_SLICE("1"), PB_USEC_PER_MIN), PB_OK);
	cache_status(cache, &st);
	ck_assert(st.up && !st.breaker_open);
	ck_assert_str_eq(st.last_error, "");
}
END_TEST

START_TEST(killed__ends_in_time_and_comes_back)
{
	pb_auto_buf b = PB_BUF_INIT;

	redis_child_stop(&redis);
	ck_assert_int_lt(slowest_failure(), BOUND_US);
	redis_child_start(&redis);
	wait_up();
	ck_assert_int_eq(get("pb:a", &b), PB_E_NOT_FOUND);
}
END_TEST

START_TEST(open__wrong_password_is_unavailable_and_hidden)
{
	char url[64];
	pb_auto_buf b = PB_BUF_INIT;
	struct cache_status st;
	struct pb_err err = PB_ERR_INIT;

	cache_close(pb_steal(cache));
	pb_str_printf(url, sizeof(url), "redis://:s3cret@127.0.0.1:%u", redis.port);
	open_cache(url, 1000);
	ck_assert_int_eq(cache_get(cache, PB_SLICE("k"), &b, &err), PB_E_UNAVAILABLE);
	cache_status(cache, &st);
	ck_assert_ptr_null(strstr(st.last_error, "s3cret"));
	ck_assert_ptr_null(strstr(err.msg, "s3cret"));
	cache_close(pb_steal(cache));
	const struct cache_cfg bad = {.url = "redis://:s3cret@:x"};

	ck_assert_int_eq(cache_open(&bad, &cache, &err), PB_E_INVALID);
	ck_assert_ptr_null(strstr(err.msg, "s3cret"));
}
END_TEST

static _Atomic unsigned good, wrong;
static _Atomic bool over;

static void *worker(void *arg)
{
	const struct timespec pause = pb_timespec(PB_USEC_PER_MSEC);
	char key[32];

	pb_str_printf(key, sizeof(key), "pb:%p", arg);
	while (!atomic_load(&over)) {
		pb_auto_buf b = PB_BUF_INIT;
		enum pb_status st = PB_OK;

		st = cache_set(cache, pb_slice_str(key), pb_slice_str(key), PB_USEC_PER_MIN, NULL);
		st = st ? st : cache_get(cache, pb_slice_str(key), &b, NULL);
		if (st == PB_OK)
			atomic_fetch_add(pb_str_eq(b.p, key) ? &good : &wrong, 1);
		else /* twelve threads that are refused at once would leave Redis no time */
			nanosleep(&pause, NULL);
	}
	return NULL;
}

static uint64_t calls_failed(void)
{
	struct cache_status st;

	cache_status(cache, &st);
	return st.failures;
}

static uint64_t calls_good(void)
{
	return atomic_load(&good);
}

static void wait_more(uint64_t (*count)(void))
{
	const uint64_t before = count();
	const struct timespec step = pb_timespec(PB_USEC_PER_MSEC);

	for (int64_t end = pb_mono_us() + WAIT_US; count() == before;) {
		ck_assert(pb_mono_us() < end);
		nanosleep(&step, NULL);
	}
}

START_TEST(pool__never_mixes_answers)
{
	pthread_t t[12];
	struct cache_status st;

	for (size_t i = 0; i < PB_ARRAY_LEN(t); i++)
		t[i] = pb_thread_start("worker", 256 * 1024, worker, (void *)(uintptr_t)(i + 1));
	wait_more(calls_good);
	for (int i = 0; i < 5;
	     i++) { /* each round, calls time out in the middle of their answers */
		redis_child_pause(&redis);
		wait_more(calls_failed);
		kill(redis.pid, SIGCONT);
		wait_more(calls_good);
	}
	atomic_store(&over, true);
	for (size_t i = 0; i < PB_ARRAY_LEN(t); i++)
		pb_thread_join(t[i]);
	ck_assert_uint_eq(atomic_load(&wrong), 0);
	cache_status(cache, &st);
	ck_assert_uint_le(st.connections, 4);
}
END_TEST

START_TEST(fixture__url_with_login_works)
{
	const char *url = getenv("PB_TEST_REDIS_URL");

	ck_assert_msg(url != NULL, "PB_TEST_REDIS_URL is not set: run under scripts/with-servers");
	cache_close(pb_steal(cache));
	open_cache(url, 0);
	wait_up();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cache");
	TCase *tc = tcase_create("cache");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, cache__commands);
	tcase_add_test(tc, cache__large_values);
	tcase_add_test(tc, eval__survives_a_flushed_script_cache);
	tcase_add_test(tc, stopped__ends_in_time_and_comes_back);
	tcase_add_test(tc, killed__ends_in_time_and_comes_back);
	tcase_add_test(tc, open__wrong_password_is_unavailable_and_hidden);
	tcase_add_test(tc, pool__never_mixes_answers);
	tcase_add_test(tc, fixture__url_with_login_works);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
