/* SPDX-License-Identifier: Apache-2.0 */
/* Callers that wait for an execution's end: who is woken, with what, and who is refused. */
#include "engine/engine_waiter.h"

#include "support/check_main.h"

#include "base/clock.h"
#include "base/base.h"

#define LONG_US PB_USEC_PER_MIN
#define STACK   ((size_t)256 * 1024)
#define MAX     16

static struct engine_waiters table;
static struct pb_uuid tenant;

static void set_up(void)
{
	engine_waiters_init(&table, MAX);
	tenant = pb_uuid7();
}

static void tear_down(void)
{
	engine_waiters_done(&table); /* asserts that nobody is left */
}

static void end(struct pb_uuid id, const char *result, const char *error)
{
	engine_waiters_end(&table, id, MODEL_EXECUTION_SUCCEEDED, pb_slice_str(result),
			   pb_slice_str(error));
}

START_TEST(wait__gets_the_result_that_came_before_it)
{
	struct engine_waiter w;
	struct pb_uuid id = pb_uuid7();

	ck_assert(engine_waiters_add(&table, &w, tenant, id));
	ck_assert_uint_eq(engine_waiters_count(&table), 1);
	end(id, "{\"a\":1}", NULL);
	ck_assert(engine_waiters_wait(&table, &w, pb_mono_us() + LONG_US));
	ck_assert(w.has_result);
	ck_assert_int_eq(w.status, MODEL_EXECUTION_SUCCEEDED);
	ck_assert_uint_eq(w.result_len, 7);
	ck_assert_mem_eq(w.result, "{\"a\":1}", 7);
	ck_assert_ptr_null(w.error);
	ck_assert_uint_eq(engine_waiters_count(&table), 0);
	free(w.result);
}
END_TEST

START_TEST(wait__ends_at_its_deadline)
{
	struct engine_waiter w;

	ck_assert(engine_waiters_add(&table, &w, tenant, pb_uuid7()));
	ck_assert(!engine_waiters_wait(&table, &w, pb_mono_us() + 1000));
	ck_assert(!w.has_result);
	ck_assert_uint_eq(engine_waiters_count(&table), 0);
}
END_TEST

START_TEST(stay__keeps_its_place)
{
	struct engine_waiter w;
	struct pb_uuid id = pb_uuid7();

	ck_assert(engine_waiters_add(&table, &w, tenant, id));
	ck_assert(!engine_waiters_stay(&table, &w, pb_mono_us() + 1000));
	ck_assert_uint_eq(engine_waiters_count(&table), 1);
	end(id, "1", NULL);
	ck_assert(engine_waiters_stay(&table, &w, pb_mono_us() + LONG_US));
	engine_waiters_remove(&table, &w); /* with what it was given */
	ck_assert_uint_eq(engine_waiters_count(&table), 0);
}
END_TEST

START_TEST(hear__wakes_without_a_result)
{
	struct engine_waiter w;
	struct pb_uuid id = pb_uuid7();

	ck_assert(engine_waiters_add(&table, &w, tenant, id));
	engine_waiters_hear(&table, id);
	end(id, "1", NULL); /* later than the notice: the database is asked anyway */
	ck_assert(engine_waiters_wait(&table, &w, pb_mono_us() + LONG_US));
	ck_assert(!w.has_result);
	ck_assert_ptr_null(w.result);
}
END_TEST

START_TEST(end__is_for_its_own_execution_only)
{
	struct engine_waiter w;

	ck_assert(engine_waiters_add(&table, &w, tenant, pb_uuid7()));
	end(pb_uuid7(), "1", "2");
	ck_assert(!engine_waiters_wait(&table, &w, pb_mono_us() + 1000));
}
END_TEST

START_TEST(end__twice_gives_the_first)
{
	struct engine_waiter w;
	struct pb_uuid id = pb_uuid7();

	ck_assert(engine_waiters_add(&table, &w, tenant, id));
	end(id, "1", NULL);
	end(id, "2", NULL);
	ck_assert(engine_waiters_wait(&table, &w, pb_mono_us() + LONG_US));
	ck_assert_mem_eq(w.result, "1", 1);
	free(w.result);
}
END_TEST

START_TEST(remove__frees_what_had_come)
{
	struct engine_waiter w;
	struct pb_uuid id = pb_uuid7();

	ck_assert(engine_waiters_add(&table, &w, tenant, id));
	end(id, "1", "{}");
	engine_waiters_remove(&table, &w); /* leaks are the sanitizer's business */
	ck_assert_uint_eq(engine_waiters_count(&table), 0);
}
END_TEST

START_TEST(add__a_tenant_has_an_eighth_and_all_have_the_whole)
{
	struct engine_waiter w[MAX + 1];
	struct pb_uuid other[MAX];
	size_t n = 0;

	ck_assert(engine_waiters_add(&table, &w[n++], tenant, pb_uuid7()));
	ck_assert(engine_waiters_add(&table, &w[n++], tenant, pb_uuid7()));
	ck_assert(!engine_waiters_add(&table, &w[n], tenant, pb_uuid7()));
	for (size_t i = 0; n < MAX; i++) {
		other[i] = pb_uuid7();
		ck_assert(engine_waiters_add(&table, &w[n++], other[i], pb_uuid7()));
	}
	ck_assert_uint_eq(engine_waiters_count(&table), MAX);
	ck_assert(!engine_waiters_add(&table, &w[n], pb_uuid7(), pb_uuid7()));
	while (n > 0)
		engine_waiters_remove(&table, &w[--n]);
	ck_assert(engine_waiters_add(&table, &w[0], tenant, pb_uuid7()));
	engine_waiters_remove(&table, &w[0]);
}
END_TEST

struct caller {
	struct engine_waiter w;
	bool ended;
};

static void *wait_long(void *arg)
{
	struct caller *c = arg;

	c->ended = engine_waiters_wait(&table, &c->w, pb_mono_us() + LONG_US);
	return NULL;
}

START_TEST(close__wakes_everybody_and_lets_nobody_in)
{
	struct caller callers[4];
	pthread_t threads[4];
	struct engine_waiter late;
	int64_t begin = pb_mono_us();

	for (size_t i = 0; i < 4; i++) {
		ck_assert(engine_waiters_add(&table, &callers[i].w, pb_uuid7(), pb_uuid7()));
		threads[i] = pb_thread_start("caller", STACK, wait_long, &callers[i]);
	}
	engine_waiters_close(&table);
	for (size_t i = 0; i < 4; i++) {
		pb_thread_join(threads[i]);
		ck_assert(!callers[i].ended);
	}
	ck_assert(pb_mono_us() - begin < LONG_US);
	ck_assert(!engine_waiters_add(&table, &late, tenant, pb_uuid7()));
}
END_TEST

START_TEST(end__wakes_a_thread_that_waits)
{
	struct caller c;
	struct pb_uuid id = pb_uuid7();
	pthread_t thread;

	ck_assert(engine_waiters_add(&table, &c.w, tenant, id));
	thread = pb_thread_start("caller", STACK, wait_long, &c);
	end(id, NULL, "{\"code\":\"x\"}");
	pb_thread_join(thread);
	ck_assert(c.ended && c.w.has_result);
	ck_assert_ptr_null(c.w.result);
	ck_assert_uint_eq(c.w.error_len, 12);
	free(c.w.error);
}
END_TEST

static Suite *engine_waiter_suite(void)
{
	Suite *s = suite_create("engine_waiter");
	TCase *tc = tcase_create("table");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, wait__gets_the_result_that_came_before_it);
	tcase_add_test(tc, wait__ends_at_its_deadline);
	tcase_add_test(tc, stay__keeps_its_place);
	tcase_add_test(tc, hear__wakes_without_a_result);
	tcase_add_test(tc, end__is_for_its_own_execution_only);
	tcase_add_test(tc, end__twice_gives_the_first);
	tcase_add_test(tc, remove__frees_what_had_come);
	tcase_add_test(tc, add__a_tenant_has_an_eighth_and_all_have_the_whole);
	tcase_add_test(tc, close__wakes_everybody_and_lets_nobody_in);
	tcase_add_test(tc, end__wakes_a_thread_that_waits);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(engine_waiter_suite)
