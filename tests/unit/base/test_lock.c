/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/lock.c */
#include "base/lock.h"

#include <check.h>
#include <signal.h>

#include "support/check_main.h"
#include "base/clock.h"
#include "base/base.h"

static struct pb_mutex low, high;
static struct pb_cond cond;
static int shared;

static void setup(void)
{
	pb_mutex_init(&low, "low", PB_LOCK_RANK(5, 1));
	pb_mutex_init(&high, "high", PB_LOCK_RANK(1, 1));
	pb_cond_init(&cond);
	shared = 0;
}

static void teardown(void)
{
	pb_cond_done(&cond);
	pb_mutex_done(&low);
	pb_mutex_done(&high);
}

START_TEST(rank__rises_towards_the_lower_floors)
{
	ck_assert_int_lt(PB_LOCK_RANK(7, 0), PB_LOCK_RANK(3, 0));
	ck_assert_int_lt(low.rank, high.rank);
}
END_TEST

static void *count_up(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100000; i++) {
		pb_lock(&low);
		pb_lock(&high);
		shared++;
		pb_assert_held(&low);
		pb_unlock(&high);
		pb_unlock(&low);
	}
	return NULL;
}

START_TEST(lock__excludes)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		t[i] = pb_thread_start("counter", 0, count_up, NULL);
	for (int i = 0; i < 4; i++)
		pb_thread_join(t[i]);
	ck_assert_int_eq(shared, 400000);
}
END_TEST

START_TEST(unlock__in_any_order)
{
	for (int i = 0; i < 3; i++) {
		pb_lock(&low);
		pb_lock(&high);
		pb_unlock(&low);
		pb_unlock(&high);
	}
}
END_TEST

static void *answer(void *arg)
{
	(void)arg;
	pb_lock(&low);
	while (shared < 100) {
		if (shared % 2 == 0) {
			pb_cond_wait(&cond, &low);
			continue;
		}
		shared++;
		pb_cond_broadcast(&cond);
	}
	pb_unlock(&low);
	return NULL;
}

START_TEST(cond__passes_the_turn)
{
	pthread_t t = pb_thread_start("answer", 64 * 1024, answer, NULL);

	pb_lock(&low);
	while (shared < 100) {
		if (shared % 2 == 1) {
			ck_assert(pb_cond_wait_until(&cond, &low, INT64_MAX));
			continue;
		}
		shared++;
		pb_cond_signal(&cond);
	}
	pb_assert_held(&low);
	pb_unlock(&low);
	pb_thread_join(t);
	ck_assert_int_ge(shared, 100);
}
END_TEST

START_TEST(cond_wait_until__gives_up_at_the_deadline)
{
	int64_t start = pb_mono_us();

	pb_lock(&low);
	while (pb_cond_wait_until(&cond, &low, start + 20000))
		continue; /* spurious */
	pb_assert_held(&low);
	while (pb_cond_wait_until(&cond, &low, INT64_MIN))
		continue;
	pb_unlock(&low);
	ck_assert_int_ge(pb_mono_us(), start + 20000);
}
END_TEST

static void *look_around(void *arg)
{
	sigset_t *set = arg;
	char name[16];

	pthread_sigmask(SIG_BLOCK, NULL, set);
	pb_lock(&low);
	while (!shared)
		pb_cond_wait(&cond, &low);
	pb_unlock(&low);
	if (pthread_getname_np(pthread_self(), name, sizeof(name)) != 0 ||
	    strcmp(name, "fifteen-charact") != 0)
		return set;
	return NULL;
}

START_TEST(thread_start__blocks_signals_and_names)
{
	sigset_t inside, before, after;
	pthread_t t;

	pthread_sigmask(SIG_BLOCK, NULL, &before);
	t = pb_thread_start("fifteen-characters-are-kept", 0, look_around, &inside);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	pb_lock(&low);
	shared = 1;
	pb_cond_broadcast(&cond);
	pb_unlock(&low);
	pb_thread_join(t);
	ck_assert_int_eq(sigismember(&inside, SIGTERM), 1);
	ck_assert_int_eq(sigismember(&inside, SIGUSR1), 1);
	ck_assert_int_eq(sigismember(&inside, SIGSEGV), 0);
	ck_assert_int_eq(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
}
END_TEST

#ifdef PB_LOCK_DEBUG
START_TEST(lock__wrong_order_aborts)
{
	pb_lock(&high);
	pb_lock(&low);
}
END_TEST

START_TEST(lock__twice_aborts)
{
	pb_lock(&high);
	pb_lock(&high);
}
END_TEST

START_TEST(unlock__not_held_aborts)
{
	pb_unlock(&high);
}
END_TEST

START_TEST(assert_held__aborts)
{
	pb_assert_held(&high);
}
END_TEST

static void *hold(void *arg)
{
	(void)arg;
	pb_lock(&high);
	return NULL;
}

START_TEST(assert_held__by_another_thread_aborts)
{
	pb_thread_join(pb_thread_start("holder", 0, hold, NULL));
	pb_assert_held(&high);
}
END_TEST

START_TEST(order__is_right_again_after_a_wait)
{
	pb_lock(&low);
	(void)pb_cond_wait_until(&cond, &low, 0);
	pb_lock(&high);
	pb_unlock(&high);
	pb_unlock(&low);
	pb_lock(&high);
	pb_unlock(&high);
}
END_TEST
#endif

static Suite *suite(void)
{
	Suite *s = suite_create("lock");
	TCase *tc = tcase_create("lock");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rank__rises_towards_the_lower_floors);
	tcase_add_test(tc, lock__excludes);
	tcase_add_test(tc, unlock__in_any_order);
	tcase_add_test(tc, cond__passes_the_turn);
	tcase_add_test(tc, cond_wait_until__gives_up_at_the_deadline);
	tcase_add_test(tc, thread_start__blocks_signals_and_names);
#ifdef PB_LOCK_DEBUG
	tcase_add_test(tc, order__is_right_again_after_a_wait);
	if (check_forks()) {
		tcase_add_test_raise_signal(tc, lock__wrong_order_aborts, SIGABRT);
		tcase_add_test_raise_signal(tc, lock__twice_aborts, SIGABRT);
		tcase_add_test_raise_signal(tc, unlock__not_held_aborts, SIGABRT);
		tcase_add_test_raise_signal(tc, assert_held__aborts, SIGABRT);
		tcase_add_test_raise_signal(tc, assert_held__by_another_thread_aborts, SIGABRT);
	}
#endif
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
