/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the queue to a run: each message becomes a claim, claims of a batch share one transaction, and what
 * could be claimed becomes a run. The queue is asked for no more than there is room for.
 */
#include "base/clock.h"
#include "base/crashpoint.h"
#include "base/log.h"
#include "bus/bus.h"
#include "engine/engine_internal.h"
#include "engine/engine_run.h"

#include "base/base.h"

PB_LOG_TOPIC("engine.dispatch");

struct claim {
	struct engine *engine;
	struct store_lease lease; /* epoch is filled by the answer */
	struct bus_msg *msg;
	int64_t lease_until_us;
};

static uint32_t room(struct engine *e) PB_REQUIRES(e->lock)
{
	uint32_t used = e->n_active + e->n_claiming;

	if (e->draining || !e->cfg.run_worker || used >= e->cfg.executions_max)
		return 0;
	return e->cfg.executions_max - used;
}

void engine_offer_room(struct engine *e)
{
	uint32_t n;

	if (!e->cfg.run_worker)
		return;
	pb_lock(&e->lock);
	n = room(e);
	pb_unlock(&e->lock);
	bus_consumer_set_room(e->cfg.bus, n);
}

bool engine_reserve_slot(struct engine *e)
{
	bool ok;

	pb_lock(&e->lock);
	ok = e->started && room(e) > 0;
	e->n_active += ok;
	pb_unlock(&e->lock);
	return ok;
}

void engine_release_slot(struct engine *e)
{
	pb_lock(&e->lock);
	e->n_active--;
	pb_cond_broadcast(&e->idle);
	pb_unlock(&e->lock);
	engine_offer_room(e); /* what was offered meanwhile was one less */
}

static void claim_over(struct engine *e, bool claimed)
{
	pb_lock(&e->lock);
	e->n_claiming--;
	e->n_active += claimed;
	e->stats.claimed += claimed;
	if (!claimed)
		pb_cond_broadcast(&e->idle);
	pb_unlock(&e->lock);
}

static void on_claimed(void *arg, enum pg_outcome outcome, const struct store_claimed *c,
		       const struct pb_err *err)
{
	struct claim *claim = arg;
	struct engine *e = claim->engine;

	CRASHPOINT("engine.claim.committed");
	claim_over(e, outcome == PG_APPLIED);
	if (outcome == PG_APPLIED) {
		claim->lease.epoch = c->epoch;
		if (c->epoch > 1 && c->recoveries > 0)
			pb_log(PB_LOG_INFO, "execution recovered",
			       PB_KV_UUID("patchbay.execution_id", claim->lease.id),
			       PB_KV_INT("patchbay.epoch", c->epoch));
		engine_run_add(e, run_new(e, &claim->lease, c, claim->lease_until_us, claim->msg));
	} else {
		if (outcome == PG_NOT_APPLIED)
			bus_ack(e->cfg.bus,
				claim->msg); /* a duplicate: somebody has it, or it ended */
		else
			bus_nak(e->cfg.bus, claim->msg, PB_USEC_PER_SEC);
		if (err)
			pb_log(PB_LOG_WARN, "claim failed, the message comes again",
			       PB_KV_STR("error.code", err->code));
		engine_offer_room(e);
	}
	free(claim);
}

static void start_claim(struct engine *e, const struct bus_exec *m)
{
	struct claim *claim = pb_new(struct claim);
	struct pb_err err = PB_ERR_INIT;

	*claim = (struct claim){
		.engine = e,
		.lease = {.tenant_id = m->tenant_id, .id = m->execution_id, .owner = e->owner},
		.msg = m->msg,
		.lease_until_us = pb_mono_us() + e->cfg.lease_us,
	};
	CRASHPOINT("engine.claim.before");
	if (store_claim_submit(e->cfg.writer, m->tenant_id, m->execution_id, e->owner, pb_uuid7(),
			       e->cfg.lease_us, 0, on_claimed, claim, &err) != PB_OK)
		on_claimed(claim, PG_FAILED, NULL, &err);
}

static void on_batch(void *arg, const struct bus_exec *batch, size_t n)
{
	struct engine *e = arg;

	PB_CHECK_MAGIC(e, ENGINE_MAGIC);
	pb_lock(&e->lock);
	e->n_claiming += (uint32_t)n;
	pb_unlock(&e->lock);
	for (size_t i = 0; i < n; i++)
		start_claim(e, &batch[i]);
	engine_offer_room(e);
}

static void on_exec_done(void *arg, struct pb_uuid execution_id)
{
	struct engine *e = arg;

	engine_waiters_hear(&e->waiters, execution_id);
}

void engine_dispatch_start(struct engine *e)
{
	bus_on_exec_done(e->cfg.bus, on_exec_done, e);
	if (!e->cfg.run_worker)
		return;
	bus_consume_exec(e->cfg.bus, on_batch, e);
	engine_offer_room(e);
}

void engine_dispatch_stop(struct engine *e)
{
	if (e->cfg.run_worker)
		bus_consume_stop(e->cfg.bus);
}
