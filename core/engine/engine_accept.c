/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting: one row through the group-commit writer, then the first dispatch. A caller that waits for the result
 * gets its execution leased to this host in the same transaction when there is a free slot, and skips the queue.
 */
#include "base/clock.h"
#include "base/crashpoint.h"
#include "bus/bus.h"
#include "engine/engine_internal.h"
#include "engine/engine_run.h"
#include "store/store_execution_view.h"

#include "base/base.h"

#define COMMIT_DEADLINE_US (5 * PB_USEC_PER_SEC)
#define LOOK_AGAIN_US      (2 * PB_USEC_PER_SEC)

/*
 * Shared by the caller and the writer's thread, because a caller may give up before the writer answers:
 * whoever comes second frees it.
 */
struct accept_wait {
	struct pb_mutex lock;
	struct pb_cond cond;
	bool done, abandoned;
	enum pg_outcome outcome;
	enum store_accept_result result;
	struct pb_uuid id;
	struct pb_err err;
};

static struct accept_wait *accept_wait_new(void)
{
	struct accept_wait *w = pb_new(struct accept_wait);

	pb_mutex_init(&w->lock, "engine.accept", PB_LOCK_RANK(6, 40));
	pb_cond_init(&w->cond);
	return w;
}

static void accept_wait_free(struct accept_wait *w)
{
	if (!w)
		return;
	pb_cond_done(&w->cond);
	pb_mutex_done(&w->lock);
	free(w);
}
PB_DEFINE_AUTOPTR(accept_wait, accept_wait_free);

static void on_accepted(void *arg, enum pg_outcome outcome, enum store_accept_result result,
			struct pb_uuid id, const struct pb_err *err)
{
	struct accept_wait *w = arg;
	bool abandoned;

	CRASHPOINT("engine.accept.committed");
	pb_lock(&w->lock);
	w->outcome = outcome;
	w->result = result;
	w->id = id;
	if (err)
		w->err = *err;
	w->done = true;
	abandoned = w->abandoned;
	pb_cond_signal(&w->cond);
	pb_unlock(&w->lock);
	if (abandoned)
		accept_wait_free(w);
}

/* False when the writer gave no answer in time; then @w belongs to the writer's thread. */
static bool await_commit(struct accept_wait *w, int64_t deadline_us)
{
	bool done;

	pb_lock(&w->lock);
	while (!w->done && pb_cond_wait_until(&w->cond, &w->lock, deadline_us))
		continue;
	done = w->done;
	w->abandoned = !done;
	pb_unlock(&w->lock);
	return done;
}

static enum pb_status unknown_outcome(struct pb_err *err)
{
	return pb_err_set(
		err, PB_E_UNAVAILABLE, "engine.outcome_unknown",
		"the database did not answer in time; the request may or may not have been "
		"accepted, repeat it with the same Idempotency-Key");
}

static enum pb_status judge(const struct accept_wait *w, struct engine_accepted *ret,
			    struct pb_err *err)
{
	switch (w->outcome) {
	case PG_APPLIED:
		break;
	case PG_UNKNOWN:
		return unknown_outcome(err);
	default:
		return pb_err_set(err, w->err.status ? w->err.status : PB_E_UNAVAILABLE,
				  w->err.code ? w->err.code : "database.unavailable", "%s",
				  w->err.msg);
	}
	if (w->result == STORE_ACCEPT_CONFLICT)
		return pb_err_set(err, PB_E_CONFLICT, "idempotency.conflict",
				  "this Idempotency-Key was used for a different request");
	ret->id = w->id;
	ret->duplicate = w->result == STORE_ACCEPT_DUPLICATE;
	return PB_OK;
}

static struct store_accept store_request(struct engine *e, const struct engine_accept_request *req,
					 struct pb_uuid id)
{
	struct store_accept a = {
		.tenant_id = req->tenant,
		.id = id,
		.workflow_id = req->workflow,
		.workflow_version = req->version,
		.retry_of = req->retry_of,
		.retry_from = req->retry_from,
		.seed = (int64_t)pb_random_u64(),
		.trigger = req->trigger,
		.redispatch_after_us = e->cfg.redispatch_after_us,
		.idem_scope = req->idempotency_scope,
	};

	memcpy(a.idem_key_hash, req->idempotency_key_hash, sizeof(a.idem_key_hash));
	memcpy(a.idem_request_hash, req->idempotency_request_hash, sizeof(a.idem_request_hash));
	return a;
}

static enum pb_status submit_and_wait(struct engine *e, const struct store_accept *a,
				      const struct engine_accept_request *req,
				      struct engine_accepted *ret, struct pb_err *err)
{
	int64_t deadline = req->commit_deadline_us ? req->commit_deadline_us
						   : pb_mono_us() + COMMIT_DEADLINE_US;
	pb_autoptr(accept_wait) w = accept_wait_new();
	enum pb_status st;

	CRASHPOINT("engine.accept.before");
	st = store_accept_submit(e->cfg.writer, a, deadline, on_accepted, w, err);
	if (st != PB_OK)
		return st;
#ifdef PB_MUTANT_ACK_BEFORE_COMMIT
	/* A deliberately broken build: answers at once, so that the campaign can show that it notices. */
	if (!await_commit(w, 0)) {
		w = NULL;
		ret->id = a->id;
		return PB_OK;
	}
#endif
	if (!await_commit(w, deadline + PB_USEC_PER_SEC)) {
		w = NULL; /* the writer's thread frees it */
		return unknown_outcome(err);
	}
	return judge(w, ret, err);
}

/* A run for the execution that was leased to this host by its own accept. */
static void start_own(struct engine *e, const struct store_accept *a, int64_t lease_until_us)
{
	struct store_lease lease = {
		.tenant_id = a->tenant_id, .id = a->id, .owner = e->owner, .epoch = 1};
	struct store_claimed c = {
		.epoch = 1,
		.workflow_id = a->workflow_id,
		.workflow_version = a->workflow_version,
		.retry_of = a->retry_of,
		.retry_from = a->retry_from,
		.seed = a->seed,
		.trigger = a->trigger,
		.created_at = pb_now_us(),
		.now = pb_now_us(),
	};

	engine_run_add(e, run_new(e, &lease, &c, lease_until_us, NULL));
}

static enum pb_status accept_async(struct engine *e, const struct engine_accept_request *req,
				   struct engine_accepted *ret, struct pb_err *err)
{
	struct store_accept a = store_request(e, req, pb_uuid7());
	enum pb_status st = submit_and_wait(e, &a, req, ret, err);

	if (st == PB_OK && !ret->duplicate) {
		CRASHPOINT("engine.dispatch.before");
		bus_publish_exec(e->cfg.bus, a.tenant_id, a.id, 1, NULL, NULL);
	}
	return st;
}

/* ---- waiting for the end ---- */

static struct pb_slice take(struct pb_arena *arena, char *p, size_t n)
{
	struct pb_slice s = pb_slice(NULL, 0);

	if (p)
		s = pb_slice(pb_arena_memdup(arena, p, n), n);
	free(p);
	return s;
}

/* It ended elsewhere, or before anybody listened: the database tells. */
static void read_end(struct engine *e, struct pb_uuid tenant, struct pb_arena *arena,
		     struct engine_accepted *ret)
{
	struct store_execution *x;
	struct store_step *steps;
	size_t n;

	if (store_execution_get(e->cfg.api_pool, tenant, ret->id, arena, &x, NULL) != PB_OK ||
	    !model_execution_status_is_final(x->status))
		return;
	ret->ended = true;
	ret->status = x->status;
	ret->result = x->result;
	ret->error = x->error;
	if (!ret->result.p && x->status == MODEL_EXECUTION_SUCCEEDED &&
	    store_execution_steps(e->cfg.api_pool, tenant, ret->id, arena, &steps, &n, NULL) ==
		    PB_OK)
		ret->result = engine_result_of_steps(steps, n);
}

/* Ends on other hosts are told by notices, which may be lost, so the database is asked too, less and less often.
 * True when that gave the end. */
static bool look_again(struct engine *e, struct engine_waiter *waiter, struct pb_uuid tenant,
		       int64_t deadline_us, struct pb_arena *arena, struct engine_accepted *ret)
{
	int64_t step_us = LOOK_AGAIN_US, look_us = pb_mono_us() + step_us;

	while (look_us < deadline_us && !engine_waiters_stay(&e->waiters, waiter, look_us)) {
		read_end(e, tenant, arena, ret);
		if (ret->ended)
			return true;
		step_us *= 2;
		look_us = pb_mono_us() + step_us;
	}
	return false;
}

static void await_end(struct engine *e, struct engine_waiter *waiter, struct pb_uuid tenant,
		      int64_t deadline_us, struct pb_arena *arena, struct engine_accepted *ret)
{
	if (look_again(e, waiter, tenant, deadline_us, arena, ret)) {
		engine_waiters_remove(&e->waiters, waiter);
		return;
	}

	bool ended = engine_waiters_wait(&e->waiters, waiter, deadline_us);
	struct pb_slice result = take(arena, waiter->result, waiter->result_len);
	struct pb_slice error = take(arena, waiter->error, waiter->error_len);

	/* nor is the result at hand when the workflow itself asks for none: then its steps tell */
	if (!ended || !waiter->has_result ||
	    (waiter->status == MODEL_EXECUTION_SUCCEEDED && !result.p)) {
		read_end(e, tenant, arena, ret);
		return;
	}
	ret->ended = true;
	ret->status = waiter->status;
	ret->result = result;
	ret->error = error;
}

/* The first request's execution may still run: this caller waits for the same end. */
static void await_first(struct engine *e, const struct engine_accept_request *req,
			int64_t deadline_us, struct pb_arena *arena, struct engine_accepted *ret)
{
	struct engine_waiter waiter;
	bool waits = engine_waiters_add(&e->waiters, &waiter, req->tenant, ret->id);

	if (waits)
		bus_want_done(e->cfg.bus, deadline_us); /* another host may run it */
	read_end(e, req->tenant, arena, ret); /* after the waiter is there: no end is missed */
	if (!waits)
		return;
	if (ret->ended)
		engine_waiters_remove(&e->waiters, &waiter);
	else
		await_end(e, &waiter, req->tenant, deadline_us, arena, ret);
}

static enum pb_status accept_and_wait(struct engine *e, const struct engine_accept_request *req,
				      struct pb_arena *arena, struct engine_accepted *ret,
				      struct pb_err *err)
{
	struct store_accept a = store_request(e, req, pb_uuid7());
	int64_t now = pb_mono_us();
	struct engine_waiter waiter;
	enum pb_status st;
	bool own;

	if (!engine_waiters_add(&e->waiters, &waiter, req->tenant, a.id))
		return pb_err_set(err, PB_E_UNAVAILABLE, "engine.wait_full",
				  "too many requests wait for a result, try again");
	own = engine_reserve_slot(e);
	if (own) {
		a.lease_owner = e->owner;
		a.lease_token = pb_uuid7();
		a.lease_us = e->cfg.lease_us;
	}
	st = submit_and_wait(e, &a, req, ret, err);
	if (st != PB_OK || ret->duplicate) {
		if (own)
			engine_release_slot(e);
		engine_waiters_remove(&e->waiters, &waiter);
		if (st == PB_OK)
			await_first(e, req, now + req->wait_us, arena, ret);
		return st;
	}
	if (own) {
		start_own(e, &a, now + e->cfg.lease_us);
	} else {
		bus_want_done(e->cfg.bus, now + req->wait_us);
		bus_publish_exec(e->cfg.bus, a.tenant_id, a.id, 1, NULL, NULL);
	}
	await_end(e, &waiter, req->tenant, now + req->wait_us, arena, ret);
	return PB_OK;
}

enum pb_status engine_accept(struct engine *e, const struct engine_accept_request *req,
			     struct pb_arena *arena, struct engine_accepted *ret,
			     struct pb_err *err)
{
	*ret = (struct engine_accepted){0};
	return req->wait_us > 0 ? accept_and_wait(e, req, arena, ret, err)
				: accept_async(e, req, ret, err);
}
