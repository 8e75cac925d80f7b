/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweeper: one host at a time looks at what is due in the database and dispatches it again. It is what makes
 * the queue disposable. Queued rows are left alone while the queue still holds messages: they will be reached.
 */
#include "base/clock.h"
#include "base/crashpoint.h"
#include "base/log.h"
#include "bus/bus.h"
#include "engine/engine_internal.h"
#include "store/store_idempotency.h"
#include "store/store_sweep.h"

#include "base/base.h"

PB_LOG_TOPIC("engine.sweep");

#define SWEEP_LIMIT 500
/* Of one kind of work before the others have their turn, twice a second. */
#define BITES_MAX 20
/* Queued rows are looked at this often even when the queue claims to hold messages. */
#define SWEEP_ALL_EVERY_US (30 * PB_USEC_PER_SEC)
#define UPKEEP_EVERY_US    (10 * PB_USEC_PER_MIN)
#define PARTITIONS_AHEAD   7
#define PURGE_LIMIT        10000

struct sweeper {
	struct engine *engine;
	struct store_leader *leader;
	int64_t all_at_us, upkeep_at_us;
	bool loss_hint;
	bool purged;                          /* the last upkeep left nothing over */
	struct store_swept rows[SWEEP_LIMIT]; /* 20 KB: not on a stack */
};

static bool queue_is_empty(struct sweeper *s)
{
	struct bus_pending p;

	return bus_exec_pending(s->engine->cfg.bus, &p) && p.pending == 0;
}

static bool want_queued(struct sweeper *s, int64_t now_us)
{
	struct bus_status status;

	bus_status(s->engine->cfg.bus, &status);
	if (!status.connected || !status.stream_ok)
		return false; /* nothing would arrive */
	if (bus_take_loss_hint(s->engine->cfg.bus))
		s->loss_hint = true;
	if (now_us >= s->all_at_us || s->loss_hint || queue_is_empty(s)) {
		s->all_at_us = now_us + SWEEP_ALL_EVERY_US;
		s->loss_hint = false;
		return true;
	}
	return false;
}

static void count(struct engine *e, const struct store_swept *rows, int n)
{
	pb_lock(&e->lock);
	e->stats.dispatched += (uint64_t)n;
	for (int i = 0; i < n; i++)
		e->stats.recovered += rows[i].recovered;
	pb_unlock(&e->lock);
}

static bool is_stopping(struct engine *e)
{
	bool stop;

	pb_lock(&e->lock);
	stop = e->stopping;
	pb_unlock(&e->lock);
	return stop;
}

/* One bite; *ret_n rows of it. */
static bool sweep_bite(struct sweeper *s, enum model_execution_status status, int *ret_n)
{
	struct engine *e = s->engine;
	struct pb_err err = PB_ERR_INIT;

	if (store_sweep(e->cfg.engine_pool, SWEEP_LIMIT, status, e->cfg.redispatch_after_us,
			s->rows, ret_n, &err) != PB_OK) {
		pb_log(PB_LOG_WARN, "sweep failed, retrying", PB_KV_STR("error.code", err.code));
		return false;
	}
	CRASHPOINT("engine.sweep.committed");
	for (int i = 0; i < *ret_n; i++)
		bus_publish_exec(e->cfg.bus, s->rows[i].tenant_id, s->rows[i].id,
				 s->rows[i].dispatch, NULL, NULL);
	count(e, s->rows, *ret_n);
	return true;
}

/* False when there may be more. However much is due, the sweeper comes back to its other work. */
static bool sweep(struct sweeper *s, enum model_execution_status status)
{
	int n = SWEEP_LIMIT;

	for (int bite = 0; bite < BITES_MAX && n == SWEEP_LIMIT; bite++) {
		if (is_stopping(s->engine) || !sweep_bite(s, status, &n))
			return true;
	}
	return n < SWEEP_LIMIT;
}

/* Small bites: each is one transaction. False when there may be more. */
static bool purge(struct sweeper *s)
{
	struct pb_err err = PB_ERR_INIT;
	int n = PURGE_LIMIT;

	for (int bite = 0; bite < BITES_MAX / 4 && n == PURGE_LIMIT; bite++) {
		if (store_expired_purge(s->engine->cfg.engine_pool, PURGE_LIMIT, &n, &err) !=
		    PB_OK) {
			pb_log(PB_LOG_WARN, "what has expired is not purged, retrying later",
			       PB_KV_STR("error.code", err.code));
			return true;
		}
	}
	return n < PURGE_LIMIT;
}

static void upkeep(struct sweeper *s)
{
	struct store_partition_report report;
	struct pb_err err = PB_ERR_INIT;

	if (s->purged &&
	    store_partitions_maintain(s->engine->cfg.engine_pool, PARTITIONS_AHEAD,
				      (int)s->engine->cfg.keep_days, &report, &err) != PB_OK)
		pb_log(PB_LOG_WARN, "partitions not maintained, retrying later",
		       PB_KV_STR("error.code", err.code), PB_KV_STR("error.message", err.msg));
	s->purged = purge(s);
	s->upkeep_at_us = pb_mono_us() + (s->purged ? UPKEEP_EVERY_US : 0);
}

static void set_leading(struct engine *e, bool leading)
{
	pb_lock(&e->lock);
	e->stats.leading = leading;
	pb_unlock(&e->lock);
}

static bool pause_or_stop(struct engine *e)
{
	int64_t until = pb_mono_us() + e->cfg.sweep_interval_us;
	bool stop;

	pb_lock(&e->lock);
	while (!e->stopping && pb_cond_wait_until(&e->sweep_tick, &e->lock, until))
		continue;
	stop = e->stopping;
	pb_unlock(&e->lock);
	return stop;
}

void *engine_sweep_main(void *arg)
{
	pb_autofree struct sweeper *s = pb_new(struct sweeper);
	pb_autoptr(store_leader) leader = NULL;
	struct pb_err err = PB_ERR_INIT;

	s->engine = arg;
	s->purged = true;
	PB_CHECK_MAGIC(s->engine, ENGINE_MAGIC);
	if (store_leader_new(s->engine->cfg.leader_url, &leader, &err) != PB_OK) {
		pb_log(PB_LOG_ERROR, "no sweeper", PB_KV_STR("error.code", err.code),
		       PB_KV_STR("error.message", err.msg));
		return NULL;
	}
	do {
		bool leading = store_leader_try(leader);

		set_leading(s->engine, leading);
		if (!leading)
			continue;
		if (pb_mono_us() >= s->upkeep_at_us)
			upkeep(s);
		(void)sweep(s, MODEL_EXECUTION_RUNNING); /* the rest with the next tick */
		(void)sweep(s, MODEL_EXECUTION_WAITING);
		if (want_queued(s, pb_mono_us()) && !sweep(s, MODEL_EXECUTION_QUEUED))
			s->loss_hint = true; /* goes on there */
	} while (!pause_or_stop(s->engine));
	return NULL;
}
