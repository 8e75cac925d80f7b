/* SPDX-License-Identifier: Apache-2.0 */
/* Threads with deep stacks: the work is done when run returns, too many are refused, free waits. */
#include "api/api_offload.h"

#include <stdatomic.h>

#include "support/check_main.h"

#include "base/lock.h"
#include "base/base.h"

#define STACK ((size_t)128 * 1024)

static void add_one(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(run__has_done_it_when_it_returns)
{
	struct api_offload *o = api_offload_new(2);
	struct pb_err err = PB_ERR_INIT;
	atomic_int n = 0;

	for (int i = 1; i <= 100; i++) {
		ck_assert_int_eq(api_offload_run(o, add_one, &n, &err), PB_OK);
		ck_assert_int_eq(atomic_load(&n), i);
	}
	api_offload_free(o);
	api_offload_free(NULL);
}
END_TEST

/* Half of the promised stack in one frame would end a web server's thread. */
static void deep(void *arg)
{
	volatile char room[12 * 1024];
	int *left = arg;

	memset((void *)(uintptr_t)room, 1, sizeof(room));
	if (--*left > 0)
		deep(left);
	ck_assert_int_eq(room[sizeof(room) / 2], 1);
}

START_TEST(run__has_a_deep_stack)
{
	struct api_offload *o = api_offload_new(1);
	struct pb_err err = PB_ERR_INIT;
	int left = (int)(API_OFFLOAD_STACK_BYTES / 2 / (12 * 1024));

	ck_assert_int_eq(api_offload_run(o, deep, &left, &err), PB_OK);
	ck_assert_int_eq(left, 0);
	api_offload_free(o);
}
END_TEST

/* One job that holds the only thread until it is let go. */
struct gate {
	struct pb_mutex lock;
	struct pb_cond changed;
	int inside;
	bool open;
};

static void pass(void *arg)
{
	struct gate *g = arg;

	pb_lock(&g->lock);
	g->inside++;
	pb_cond_broadcast(&g->changed);
	while (!g->open)
		pb_cond_wait(&g->changed, &g->lock);
	pb_unlock(&g->lock);
}

struct caller {
	struct api_offload *o;
	struct gate *gate;
	enum pb_status status;
	const char *code;
};

static void *call(void *arg)
{
	struct caller *c = arg;
	struct pb_err err = PB_ERR_INIT;

	c->status = api_offload_run(c->o, pass, c->gate, &err);
	__atomic_store_n(&c->code, err.code, __ATOMIC_RELEASE);
	return NULL;
}

#define CALLERS (1 + API_OFFLOAD_QUEUE + 8)

START_TEST(run__refuses_when_too_many_wait)
{
	struct api_offload *o = api_offload_new(1);
	struct gate g = {0};
	static struct caller callers[CALLERS];
	static pthread_t threads[CALLERS];
	int ok = 0, busy = 0;

	pb_mutex_init(&g.lock, "gate", 999);
	pb_cond_init(&g.changed);
	callers[0] = (struct caller){.o = o, .gate = &g};
	threads[0] = pb_thread_start("caller", STACK, call, &callers[0]);
	pb_lock(&g.lock);
	while (g.inside == 0)
		pb_cond_wait(&g.changed, &g.lock);
	pb_unlock(&g.lock);
	for (size_t i = 1; i < CALLERS; i++) {
		callers[i] = (struct caller){.o = o, .gate = &g};
		threads[i] = pb_thread_start("caller", STACK, call, &callers[i]);
	}
	/* who is refused returns while the gate is shut; those are the ones over the queue's room */
	for (int refused = 0; refused < CALLERS - 1 - API_OFFLOAD_QUEUE;) {
		refused = 0;
		for (size_t i = 1; i < CALLERS; i++)
			refused += __atomic_load_n(&callers[i].code, __ATOMIC_ACQUIRE) != NULL;
		(void)sched_yield();
	}
	pb_lock(&g.lock);
	ck_assert_int_eq(g.inside, 1);
	g.open = true;
	pb_cond_broadcast(&g.changed);
	pb_unlock(&g.lock);
	for (size_t i = 0; i < CALLERS; i++) {
		pb_thread_join(threads[i]);
		ok += callers[i].status == PB_OK;
		busy += callers[i].status == PB_E_UNAVAILABLE &&
			pb_str_eq(callers[i].code, "api.busy");
	}
	ck_assert_int_eq(ok, 1 + API_OFFLOAD_QUEUE);
	ck_assert_int_eq(busy, CALLERS - 1 - API_OFFLOAD_QUEUE);
	ck_assert_int_eq(g.inside, 1 + API_OFFLOAD_QUEUE);
	api_offload_free(o);
	pb_cond_done(&g.changed);
	pb_mutex_done(&g.lock);
}
END_TEST

static Suite *api_offload_suite(void)
{
	Suite *s = suite_create("api_offload");
	TCase *tc = tcase_create("offload");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, run__has_done_it_when_it_returns);
	tcase_add_test(tc, run__has_a_deep_stack);
	tcase_add_test(tc, run__refuses_when_too_many_wait);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(api_offload_suite)
