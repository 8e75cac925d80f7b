/* SPDX-License-Identifier: Apache-2.0 */
/* The heap of short waits: whatever goes in comes out by time. */
#include "engine/engine_timer.h"

#include "support/check_main.h"

#include "base/id.h"
#include "base/base.h"

static struct engine_run *run_of(size_t i)
{
	return (struct engine_run *)(uintptr_t)(i + 1); /* never looked into */
}

static void assert_sane_heap(const struct engine_timers *t)
{
	for (size_t i = 1; i < t->n; i++)
		ck_assert(t->v[(i - 1) / 2].at_us <= t->v[i].at_us);
	ck_assert(t->n <= t->cap);
}

START_TEST(empty__has_no_next)
{
	struct engine_timers t = {0};
	struct engine_run *r;

	ck_assert(engine_timers_next(&t) == INT64_MAX);
	ck_assert(!engine_timers_pop(&t, INT64_MAX, &r));
	engine_timers_done(&t);
	engine_timers_done(&t);
}
END_TEST

START_TEST(pop__gives_only_what_is_due)
{
	struct engine_timers t = {0};
	struct engine_run *r;

	engine_timers_add(&t, 200, run_of(2));
	engine_timers_add(&t, 100, run_of(1));
	ck_assert(engine_timers_next(&t) == 100);
	ck_assert(!engine_timers_pop(&t, 99, &r));
	ck_assert(engine_timers_pop(&t, 100, &r));
	ck_assert_ptr_eq(r, run_of(1));
	ck_assert(engine_timers_next(&t) == 200);
	ck_assert(!engine_timers_pop(&t, 199, &r));
	ck_assert(engine_timers_pop(&t, 1000, &r));
	ck_assert_ptr_eq(r, run_of(2));
	ck_assert(engine_timers_next(&t) == INT64_MAX);
	engine_timers_done(&t);
}
END_TEST

START_TEST(add__the_same_run_twice_stays_two)
{
	struct engine_timers t = {0};
	struct engine_run *r;

	engine_timers_add(&t, 5, run_of(7));
	engine_timers_add(&t, 5, run_of(7));
	ck_assert(engine_timers_pop(&t, 5, &r) && r == run_of(7));
	ck_assert(engine_timers_pop(&t, 5, &r) && r == run_of(7));
	ck_assert(!engine_timers_pop(&t, 5, &r));
	engine_timers_done(&t);
}
END_TEST

#define MANY 3000

/* Adding and popping mixed; each comes out once, never before its time, in order between additions. */
START_TEST(mixed__keeps_the_heap_and_loses_nothing)
{
	static int64_t at[MANY];
	static bool out[MANY];
	struct engine_timers t = {0};
	struct engine_run *r;
	int64_t now = 0;
	size_t added = 0, popped = 0;

	memset(out, 0, sizeof(out));
	while (popped < MANY) {
		uint64_t random = pb_random_u64();

		if (added < MANY && random % 3 != 0) {
			at[added] = now + (int64_t)(random >> 8) % 1000;
			engine_timers_add(&t, at[added], run_of(added));
			added++;
		} else {
			int64_t last = INT64_MIN;

			now += (int64_t)(random >> 8) % 50;
			while (engine_timers_pop(&t, now, &r)) {
				size_t i = (size_t)(uintptr_t)r - 1;

				ck_assert(i < added && !out[i]);
				ck_assert(at[i] <= now && at[i] >= last);
				last = at[i];
				out[i] = true;
				popped++;
			}
			ck_assert(engine_timers_next(&t) > now);
		}
		if (added % 64 == 0)
			assert_sane_heap(&t);
		ck_assert_uint_eq(t.n, added - popped);
	}
	engine_timers_done(&t);
}
END_TEST

static Suite *engine_timer_suite(void)
{
	Suite *s = suite_create("engine_timer");
	TCase *tc = tcase_create("heap");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, empty__has_no_next);
	tcase_add_test(tc, pop__gives_only_what_is_due);
	tcase_add_test(tc, add__the_same_run_twice_stays_two);
	tcase_add_test(tc, mixed__keeps_the_heap_and_loses_nothing);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(engine_timer_suite)
