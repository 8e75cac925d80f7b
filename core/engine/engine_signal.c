/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people ask of executions that exist: cancel, decide, retry. Requests are stored as signals under the
 * tenant's role; whoever holds the lease takes them in with its next commit.
 */
#include "base/clock.h"
#include "bus/bus.h"
#include "engine/engine_internal.h"
#include "engine/engine_run.h"
#include "store/store_execution_view.h"
#include "store/store_signal.h"
#include "store/store_wake.h"

#include "base/base.h"

#define VIEW_ARENA_BYTES ((size_t)64 * 1024 * 1024)

/* The run, if it is here: it looks at its signals at once instead of at its next commit. */
static void nudge_local(struct engine *e, struct pb_uuid execution)
{
	struct engine_run *found = NULL;

	pb_lock(&e->lock);
	pb_list_foreach (node, &e->active) {
		struct engine_run *r = pb_list_entry(node, struct engine_run, active_node);

		if (pb_uuid_eq(r->lease.id, execution))
			found = r;
	}
	if (found)
		run_ref(found);
	pb_unlock(&e->lock);
	if (!found)
		return;
	run_post(found, run_msg_new(RUN_MSG_SIGNAL, 0));
	run_unref(found);
}

static enum pb_status add_signal(struct engine *e, struct pb_uuid tenant, struct pb_uuid execution,
				 enum store_signal_kind kind, struct pb_slice body,
				 struct pb_err *err)
{
	enum store_signal_result result;
	int32_t dispatch;
	enum pb_status st = store_signal_add(e->cfg.api_pool, tenant, execution, kind, body,
					     &result, &dispatch, err);

	if (st != PB_OK)
		return st;
	switch (result) {
	case STORE_SIGNAL_NOT_FOUND:
		return pb_err_set(err, PB_E_NOT_FOUND, "execution.not_found",
				  "there is no such execution");
	case STORE_SIGNAL_FINAL:
		return pb_err_set(err, PB_E_CONFLICT, "execution.final",
				  "the execution has already ended");
	case STORE_SIGNAL_WOKEN:
		bus_publish_exec(e->cfg.bus, tenant, execution, dispatch, NULL, NULL);
		break;
	case STORE_SIGNAL_RUNNING:
		nudge_local(e, execution);
		break;
	case STORE_SIGNAL_QUEUED:
		break;
	}
	return PB_OK;
}

enum pb_status engine_cancel(struct engine *e, struct pb_uuid tenant, struct pb_uuid execution,
			     struct pb_err *err)
{
	return add_signal(e, tenant, execution, STORE_SIGNAL_CANCEL, pb_slice(NULL, 0), err);
}

static enum pb_status find_undecided(struct engine *e, struct pb_uuid tenant,
				     struct pb_uuid execution, const char *step, struct pb_err *err)
{
	pb_auto_arena arena;
	struct store_step *steps;
	size_t n;
	enum pb_status st;

	pb_arena_init(&arena, VIEW_ARENA_BYTES);
	st = store_execution_steps(e->cfg.api_pool, tenant, execution, &arena, &steps, &n, err);
	if (st != PB_OK)
		return st;
	for (size_t i = 0; i < n; i++) {
		if (!pb_slice_eq_str(steps[i].step_id, step))
			continue;
		if (steps[i].status == MODEL_STEP_OUTCOME_UNKNOWN)
			return PB_OK;
		return pb_err_set(err, PB_E_CONFLICT, "execution.no_decision_wanted",
				  "the step \"%.64s\" does not wait for a decision", step);
	}
	return pb_err_set(err, PB_E_NOT_FOUND, "execution.step_unknown",
			  "the execution has no record of a step \"%.64s\"", step);
}

enum pb_status engine_decide(struct engine *e, struct pb_uuid tenant, struct pb_uuid execution,
			     const char *step, enum engine_decision decision,
			     struct pb_slice output, struct pb_err *err)
{
	static const char *const names[] = {[ENGINE_DECISION_MARK_SUCCEEDED] = "mark_succeeded",
					    [ENGINE_DECISION_RETRY] = "retry",
					    [ENGINE_DECISION_FAIL] = "fail"};
	pb_auto_buf body = PB_BUF_INIT;
	struct pb_jw w;
	enum pb_status st = find_undecided(e, tenant, execution, step, err);

	if (st != PB_OK)
		return st;
	pb_jw_init(&w, &body);
	pb_jw_object(&w);
	pb_jw_key(&w, "step");
	pb_jw_str(&w, step);
	pb_jw_key(&w, "decision");
	pb_jw_str(&w, names[decision]);
	if (output.p) {
		pb_jw_key(&w, "output");
		pb_jw_raw(&w, output.p, output.len);
	}
	pb_jw_end(&w);
	return add_signal(e, tenant, execution, STORE_SIGNAL_DECISION,
			  pb_slice(pb_buf_str(&body), body.len), err);
}

enum pb_status engine_retry(struct engine *e, struct pb_uuid execution,
			    const struct engine_accept_request *req, struct engine_accepted *ret,
			    struct pb_err *err)
{
	struct engine_accept_request r = *req;
	struct store_execution *x;
	pb_auto_arena arena;
	enum pb_status st;

	pb_arena_init(&arena, VIEW_ARENA_BYTES);
	st = store_execution_get(e->cfg.api_pool, r.tenant, execution, &arena, &x, err);
	if (st != PB_OK)
		return st;
	if (!model_execution_status_is_final(x->status))
		return pb_err_set(err, PB_E_CONFLICT, "execution.not_final",
				  "the execution has not ended yet: cancel it first or wait");
	r.workflow = x->workflow_id;
	r.version = x->workflow_version;
	r.trigger = x->trigger;
	r.retry_of = execution;
	r.wait_us = 0;
	return engine_accept(e, &r, &arena, ret, err);
}

uint32_t engine_connectors_ready(struct engine *e)
{
	uint32_t n;

	pb_lock(&e->lock);
	n = e->connectors_ready;
	pb_unlock(&e->lock);
	return n;
}

void engine_connector_ready(struct engine *e, const char *connector)
{
	pb_autofree struct engine_run **woken = NULL;
	struct pb_err err = PB_ERR_INIT;
	size_t n = 0;

	(void)connector; /* whoever waits looks again; a wrong look costs one call that answers at once */
	pb_lock(&e->lock);
	e->connectors_ready++;
	woken = pb_xcalloc(e->n_active + 1u, sizeof(struct engine_run *));
	pb_list_foreach (node, &e->active) {
		PB_ASSERT(n <= e->n_active);
		woken[n++] = run_ref(pb_list_entry(node, struct engine_run, active_node));
	}
	pb_unlock(&e->lock);
	for (size_t i = 0; i < n; i++) {
		run_post(woken[i], run_msg_new(RUN_MSG_WAKE, 0));
		run_unref(woken[i]);
	}
	if (store_wake_waiting(e->cfg.engine_pool, MODEL_WAIT_CONNECTOR_DISABLED, &err) != PB_OK)
		return; /* they look again by themselves within ENGINE_CORE_CONNECTOR_RECHECK_US */
}
