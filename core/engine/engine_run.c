/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run's messages and the core's commands, brought together. The surprising thing: answers of pure work
 * (expressions) are not fed from inside a command, but put behind it, so that the core is never re-entered.
 */
#include "engine/engine_run.h"

#include "base/clock.h"
#include "bus/bus.h"
#include "connector/connector_call.h"
#include "engine/engine_internal.h"
#include "store/store_wake.h"

#include "base/base.h"

#define TIMER_MAX_US (30 * PB_USEC_PER_SEC)
/* An execution that ends its host each time must end itself; innocents meet far fewer deaths in a row. */
#define STRIKES_MAX 16

struct engine_run *run_new(struct engine *e, const struct store_lease *lease,
			   const struct store_claimed *c, int64_t lease_until_us,
			   struct bus_msg *msg)
{
	struct engine_run *r = pb_new(struct engine_run);

	r->magic = ENGINE_RUN_MAGIC;
	r->refs = 1;
	r->engine = e;
	pb_list_init(&r->inbox);
	r->lease = *lease;
	r->lease_until_us = lease_until_us;
	r->msg = msg;
	r->workflow_id = c->workflow_id;
	r->workflow_version = c->workflow_version;
	r->retry_of = c->retry_of;
	r->retry_from = c->retry_from.len ? pb_xstrndup(c->retry_from.p, c->retry_from.len) : NULL;
	r->seed = c->seed;
	r->created_at_us = c->created_at;
	r->started_at_us = c->started_at ? c->started_at : c->now;
	r->has_signal = c->has_signal;
	r->strikes = c->strikes;
	r->trigger_block = pb_xmemdup(c->trigger.p, c->trigger.len);
	r->trigger_text = pb_slice(r->trigger_block, c->trigger.len);
	pb_arena_init(&r->arena, RUN_ARENA_BYTES);
	pb_arena_init(&r->errors, RUN_ERRORS_BYTES);
	return r;
}

struct engine_run *run_ref(struct engine_run *r)
{
	PB_CHECK_MAGIC(r, ENGINE_RUN_MAGIC);
	__atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
	return r;
}

static void free_steps(struct engine_run *r)
{
	for (uint16_t i = 0; r->steps && i < r->plan->core.n_steps; i++) {
		pb_buf_done(&r->steps[i].attempts);
		connector_action_unref(r->steps[i].action);
		connector_call_unref(r->steps[i].call);
	}
}

void run_unref(struct engine_run *r)
{
	struct pb_list *node;

	if (!r || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	while ((node = pb_list_pop(&r->inbox)))
		free(pb_list_entry(node, struct run_msg, node));
	free_steps(r);
	engine_plan_unref(r->plan);
	pb_arena_done(&r->arena);
	pb_arena_done(&r->errors);
	bus_msg_free(r->msg);
	free(r->trigger_block);
	free(r->retry_from);
	r->magic = 0;
	free(r);
}

struct run_msg *run_msg_new(enum run_msg_kind kind, size_t extra_bytes)
{
	struct run_msg *m = pb_xcalloc(1, sizeof(*m) + extra_bytes);

	m->kind = kind;
	return m;
}

void run_answer(struct engine_run *r, struct engine_core_event ev)
{
	/* a step has one answer at a time */
	PB_ASSERT(r->n_pending <= r->plan->core.n_steps);
	r->pending[(r->pending_head + r->n_pending++) % (r->plan->core.n_steps + 1u)] = ev;
}

static bool next_answer(struct engine_run *r, struct engine_core_event *ret)
{
	if (r->n_pending == 0)
		return false;
	*ret = r->pending[r->pending_head];
	r->pending_head = (uint16_t)((r->pending_head + 1) % (r->plan->core.n_steps + 1u));
	r->n_pending--;
	return true;
}

static void set_timer(struct engine_run *r, int64_t at_wall_us)
{
	int64_t wait = PB_MAX(at_wall_us - pb_now_us(), 0);

	/* a timer holds the run in memory even when it is parked meanwhile; one that fires early is set again */
	wait = PB_MIN(wait, TIMER_MAX_US);
	engine_set_timer(r->engine, r, pb_mono_us() + wait);
}

static void perform(struct engine_run *r, const struct engine_core_cmd *cmd)
{
	switch (cmd->kind) {
	case ENGINE_CMD_EVAL:
		run_evaluate(r, cmd);
		break;
	case ENGINE_CMD_PREPARE:
		run_prepare(r, cmd);
		break;
	case ENGINE_CMD_CALL:
		run_call(r, cmd);
		break;
	case ENGINE_CMD_CANCEL_CALL:
		if (r->steps[cmd->step].call)
			connector_call_cancel(r->steps[cmd->step].call);
		break;
	case ENGINE_CMD_TIMER:
		set_timer(r, cmd->at_us);
		break;
	case ENGINE_CMD_CHECKPOINT:
	case ENGINE_CMD_PARK:
	case ENGINE_CMD_FINISH:
		run_commit(r, cmd);
		break;
	}
}

static void cancel_all_calls(struct engine_run *r)
{
	for (uint16_t i = 0; i < r->plan->core.n_steps; i++) {
		if (r->steps[i].call)
			connector_call_cancel(r->steps[i].call);
	}
}

/* 16 KB of commands: one a worker thread, since the core is never re-entered. */
static pb_thread_local struct engine_core_cmds cmds;

void run_feed(struct engine_run *r, struct engine_core_event ev)
{
	do {
		ev.now_us = pb_now_us();
		ev.random = pb_random_u64();
		ev.lease_lost = pb_mono_us() >= r->lease_until_us;
		cmds.n = 0;
		engine_core_event(&r->core, &ev, &cmds);
		for (uint16_t i = 0; i < cmds.n; i++)
			perform(r, &cmds.v[i]);
	} while (next_answer(r, &ev));
	if (!engine_core_is_over(&r->core))
		return;
	if (r->core.fenced)
		cancel_all_calls(r);
	engine_run_over(r->engine, r);
}

static void begin(struct engine_run *r)
{
	if (pb_mono_us() >= r->lease_until_us) {
		run_release(r,
			    0); /* the claim took longer than the lease: no call may leave (R6) */
		return;
	}
	if (!run_load(r))
		return;
	if (r->strikes >= STRIKES_MAX) {
		run_fail_whole(
			r, "execution.recovered_too_often",
			"it was taken over many times in a row without any progress; whoever ran "
			"it ended each time");
		return;
	}
	r->begun = true;
	if (r->has_signal)
		run_take_signals(r); /* before the start: what waits for them would park at once */
	run_feed(r, (struct engine_core_event){.kind = ENGINE_EV_START});
}

static void on_renewed(struct engine_run *r, const struct run_msg *m)
{
	pb_lock(&r->engine->lock);
	r->renewing = false;
	__atomic_store_n(&r->lease_until_us, PB_MAX(r->lease_until_us, m->lease_until_us),
			 __ATOMIC_RELAXED);
	pb_unlock(&r->engine->lock);
	if (m->has_signal)
		run_take_signals(r);
	run_feed(r, (struct engine_core_event){.kind = ENGINE_EV_RENEWED});
}

/* The connector came back while the row was being parked: the notice found nothing to wake. */
static void wake_if_back(struct engine_run *r)
{
	struct pb_err err = PB_ERR_INIT;

	if (engine_connectors_ready(r->engine) == r->connectors_ready)
		return;
	if (store_wake_waiting(r->engine->cfg.engine_pool, MODEL_WAIT_CONNECTOR_DISABLED, &err) !=
	    PB_OK)
		return; /* the row is looked at again by itself */
}

static void on_committed(struct engine_run *r, const struct run_msg *m)
{
	bool parked = r->core.ended;

	r->n_consumed -= r->n_consumed_sent;
	memmove(r->consumed, r->consumed + r->n_consumed_sent,
		r->n_consumed * sizeof(r->consumed[0]));
	r->n_consumed_sent = 0;
	if (m->requeued)
		bus_publish_exec(r->engine->cfg.bus, r->lease.tenant_id, r->lease.id, m->dispatch,
				 NULL, NULL);
	else if (m->has_signal && !parked)
		run_take_signals(r);
	else if (parked && r->commit.wait_reason == MODEL_WAIT_CONNECTOR_DISABLED)
		wake_if_back(r);
	run_feed(r, (struct engine_core_event){.kind = ENGINE_EV_COMMITTED});
}

void run_handle(struct engine_run *r, const struct run_msg *m)
{
	if (m->kind == RUN_MSG_BEGIN) {
		begin(r);
		return;
	}
	if (!r->begun) {
		if (m->kind != RUN_MSG_COMMITTED && m->kind != RUN_MSG_FENCED)
			return;
		r->core.fenced = m->kind == RUN_MSG_FENCED; /* then its end is not ours to tell */
		engine_run_over(r->engine, r);              /* given back or failed whole */
		return;
	}
	switch (m->kind) {
	case RUN_MSG_BEGIN:
		break;
	case RUN_MSG_CALL_DONE:
		run_call_done(r, m);
		break;
	case RUN_MSG_COMMITTED:
		on_committed(r, m);
		break;
	case RUN_MSG_FENCED:
		run_feed(r, (struct engine_core_event){.kind = ENGINE_EV_FENCED});
		break;
	case RUN_MSG_RENEWED:
		on_renewed(r, m);
		break;
	case RUN_MSG_TIMER:
		if (r->commit_refused)
			run_commit(r, &r->commit);
		run_feed(r, (struct engine_core_event){.kind = ENGINE_EV_TIMER});
		break;
	case RUN_MSG_SIGNAL:
		run_take_signals(r);
		break;
	case RUN_MSG_WAKE:
		run_feed(r, (struct engine_core_event){.kind = ENGINE_EV_WAKE});
		break;
	}
}
