/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker threads, the table of runs and the timer thread. A run with something in its inbox is in the queue once;
 * the worker that takes it empties the inbox alone, so a run needs no lock of its own.
 */
#include "base/clock.h"
#include "bus/bus.h"
#include "engine/engine_internal.h"
#include "engine/engine_run.h"

#include "base/base.h"

#define WORKER_STACK_BYTES ((size_t)512 * 1024)
#define TIMER_STACK_BYTES  ((size_t)128 * 1024)
/* A lease is renewed when less than this part of it is left. */
#define RENEW_WHEN_LEFT(lease_us) ((lease_us)*2 / 3)
#define RENEW_AT_ONCE             256

/* ---- queue ---- */

static void make_runnable(struct engine *e, struct engine_run *r) PB_REQUIRES(e->lock)
{
	if (r->runnable)
		return;
	r->runnable = true;
	pb_list_append(&e->runnable, &r->runnable_node);
	pb_cond_signal(&e->work);
}

void run_post(struct engine_run *r, struct run_msg *m)
{
	struct engine *e = r->engine;

	pb_lock(&e->lock);
	if (r->over) {
		free(m);
	} else {
		pb_list_append(&r->inbox, &m->node);
		make_runnable(e, r);
	}
	pb_unlock(&e->lock);
}

void engine_run_add(struct engine *e, struct engine_run *r)
{
	struct run_msg *m = run_msg_new(RUN_MSG_BEGIN, 0);
	bool late;

	pb_lock(&e->lock);
	late = e->stopping; /* claimed while the workers ended: left to its lease */
	pb_list_append(&r->inbox, &m->node);
	if (late) {
		r->over = true;
		e->n_active--;
	} else {
		e->stats.started++;
		pb_list_append(&e->active, &r->active_node);
		make_runnable(e, r);
	}
	pb_unlock(&e->lock);
	if (late)
		run_unref(r);
}

static void handle_all(struct engine_run *r, struct pb_list *msgs)
{
	struct pb_list *node;

	while ((node = pb_list_pop(msgs))) {
		struct run_msg *m = pb_list_entry(node, struct run_msg, node);

		if (!r->over)
			run_handle(r, m);
		free(m);
	}
}

static void *worker_main(void *arg)
{
	struct engine *e = arg;

	PB_CHECK_MAGIC(e, ENGINE_MAGIC);
	pb_lock(&e->lock);
	for (;;) {
		struct pb_list *node = pb_list_pop(&e->runnable);
		struct engine_run *r;
		struct pb_list msgs;

		if (!node) {
			if (e->stopping)
				break;
			pb_cond_wait(&e->work, &e->lock);
			continue;
		}
		r = pb_list_entry(node, struct engine_run, runnable_node);
		pb_list_init(&msgs);
		pb_list_splice(&msgs, &r->inbox);
		pb_unlock(&e->lock);

		run_ref(r);
		handle_all(r, &msgs);

		pb_lock(&e->lock);
		r->runnable = false;
		if (!pb_list_empty(&r->inbox) && !r->over)
			make_runnable(e, r);
		pb_unlock(&e->lock);
		run_unref(r);
		pb_lock(&e->lock);
	}
	pb_unlock(&e->lock);
	return NULL;
}

/* ---- the end of a run ---- */

static void count_end(struct engine *e, const struct engine_run *r) PB_REQUIRES(e->lock)
{
	if (r->core.fenced)
		e->stats.fenced++;
	else if (r->final == MODEL_EXECUTION_SUCCEEDED)
		e->stats.succeeded++;
	else if (r->final == MODEL_EXECUTION_FAILED)
		e->stats.failed++;
	else if (r->final == MODEL_EXECUTION_CANCELLED)
		e->stats.cancelled++;
	else
		e->stats.parked++;
}

void engine_run_over(struct engine *e, struct engine_run *r)
{
	bool ended = !r->core.fenced && r->final != MODEL_EXECUTION_QUEUED;

	pb_lock(&e->lock);
	if (r->over) {
		pb_unlock(&e->lock);
		return;
	}
	r->over = true;
	pb_list_remove(&r->active_node);
	e->n_active--;
	count_end(e, r);
	pb_cond_broadcast(&e->idle);
	pb_unlock(&e->lock);

	if (ended) {
		engine_waiters_end(&e->waiters, r->lease.id, r->final, r->result, r->error);
		bus_notify_done(e->cfg.bus, r->lease.id);
	}
	if (r->msg)
		bus_ack(e->cfg.bus, r->msg);
	r->msg = NULL;
	engine_offer_room(e);
	run_unref(r); /* the table's */
}

/* ---- timers and leases ---- */

void engine_set_timer(struct engine *e, struct engine_run *r, int64_t at_mono_us)
{
	pb_lock(&e->lock);
	engine_timers_add(&e->timers, at_mono_us, run_ref(r));
	pb_cond_signal(&e->tick);
	pb_unlock(&e->lock);
}

/* Lets the lock go while it posts: run_post takes it. */
static void fire_timers(struct engine *e, int64_t now_us) PB_REQUIRES(e->lock)
{
	struct engine_run *r;

	while (engine_timers_pop(&e->timers, now_us, &r)) {
		pb_unlock(&e->lock);
		run_post(r, run_msg_new(RUN_MSG_TIMER, 0));
		run_unref(r);
		pb_lock(&e->lock);
	}
}

/*
 * Some of the runs whose leases want renewing; true when there may be more. Short executions end long before
 * they come up here. Lets the lock go while it asks the writer.
 */
static bool renew_some(struct engine *e, int64_t now_us) PB_REQUIRES(e->lock)
{
	struct engine_run *due[RENEW_AT_ONCE];
	size_t n = 0;

	pb_list_foreach (node, &e->active) {
		struct engine_run *r = pb_list_entry(node, struct engine_run, active_node);

		if (r->renewing || r->lease_until_us - now_us > RENEW_WHEN_LEFT(e->cfg.lease_us))
			continue;
		r->renewing = true;
		due[n++] = run_ref(r);
		if (n == PB_ARRAY_LEN(due))
			break;
	}
	pb_unlock(&e->lock);
	for (size_t i = 0; i < n; i++) {
		run_renew(due[i]);
		run_unref(due[i]);
	}
	pb_lock(&e->lock);
	return n == PB_ARRAY_LEN(due);
}

static void *timer_main(void *arg)
{
	struct engine *e = arg;
	int64_t renew_at = 0;

	PB_CHECK_MAGIC(e, ENGINE_MAGIC);
	pb_lock(&e->lock);
	while (!e->stopping) {
		int64_t now = pb_mono_us();

		fire_timers(e, now);
		if (now >= renew_at) {
			while (renew_some(e, now) && !e->stopping)
				continue;
			renew_at = now + e->cfg.lease_us / 64;
		}
		pb_cond_wait_until(&e->tick, &e->lock,
				   PB_MIN(renew_at, engine_timers_next(&e->timers)));
	}
	pb_unlock(&e->lock);
	return NULL;
}

/* ---- start and stop ---- */

void engine_workers_start(struct engine *e)
{
	e->n_workers = PB_MIN(e->cfg.worker_threads, ENGINE_WORKERS_MAX);
	for (uint32_t i = 0; i < e->n_workers; i++)
		e->workers[i] = pb_thread_start("pb-worker", WORKER_STACK_BYTES, worker_main, e);
	e->timer_thread = pb_thread_start("pb-timer", TIMER_STACK_BYTES, timer_main, e);
}

/*
 * What is still in the table is forgotten; its leases run out and others go on. Writer and connectors still
 * answer meanwhile: a run that is over takes no more messages.
 */
static void forget_runs(struct engine *e)
{
	struct engine_run *r;
	struct pb_list *node, forgotten;

	pb_list_init(&forgotten);
	pb_lock(&e->lock);
	pb_list_foreach (n, &e->active)
		pb_list_entry(n, struct engine_run, active_node)->over = true;
	pb_list_splice(&forgotten, &e->active);
	pb_list_init(&e->runnable); /* nobody takes from it any more */
	e->n_active = 0;
	pb_unlock(&e->lock);
	while ((node = pb_list_pop(&forgotten)))
		run_unref(pb_list_entry(node, struct engine_run, active_node));
	while (engine_timers_pop(&e->timers, INT64_MAX, &r))
		run_unref(r);
}

void engine_workers_stop(struct engine *e)
{
	pb_lock(&e->lock);
	e->stopping = true;
	pb_cond_broadcast(&e->work);
	pb_cond_broadcast(&e->tick);
	pb_cond_broadcast(&e->sweep_tick);
	pb_unlock(&e->lock);
	for (uint32_t i = 0; i < e->n_workers; i++)
		pb_thread_join(e->workers[i]);
	pb_thread_join(e->timer_thread);
	forget_runs(e);
}
