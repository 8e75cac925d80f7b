/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits of a run: the rows that the core marked, fenced by the lease, through the group-commit writer. Their
 * answers come on the writer's thread and become messages.
 */
#include "engine/engine_run.h"

#include "base/clock.h"
#include "base/crashpoint.h"
#include "base/log.h"
#include "bus/bus.h"
#include "engine/engine_internal.h"

#include "base/base.h"

PB_LOG_TOPIC("engine.commit");

#define COMMIT_AGAIN_US (200 * PB_USEC_PER_MSEC)

static struct store_step store_row(struct engine_run *r, uint16_t i)
{
	const struct engine_core_row stored = engine_core_stored_row(&r->core, i), *row = &stored;
	const struct model_step *m = r->plan->steps[i].model;
	struct run_step *s = &r->steps[i];
	bool open = row->status == MODEL_STEP_RUNNING || row->status == MODEL_STEP_RETRYING ||
		    row->status == MODEL_STEP_WAITING || row->status == MODEL_STEP_OUTCOME_UNKNOWN;

	return (struct store_step){
		.step_id = pb_slice_str(m->id),
		.item = pb_slice("", 0),
		.status = row->status,
		.wait_reason = (int16_t)row->wait_reason,
		.attempt = row->attempts,
		.attempts = pb_slice(s->attempts.len ? s->attempts.p : NULL, s->attempts.len),
		.input = s->input,
		.output = row->status == MODEL_STEP_SUCCEEDED ? s->output : pb_slice(NULL, 0),
		.error = row->status == MODEL_STEP_SUCCEEDED ? pb_slice(NULL, 0) : s->error,
		.idempotency_key = pb_slice_str(s->key[0] ? s->key : NULL),
		.connector = pb_slice_str(s->connector),
		.connector_version = pb_slice_str(s->connector_version),
		.next_attempt_at = row->next_attempt_us,
		.started_at = s->started_us,
		.finished_at = open ? 0 : s->finished_us,
		.position = r->plan->workflow->order[i],
	};
}

static size_t collect_rows(struct engine_run *r, struct store_step **ret)
{
	struct store_step *rows =
		pb_xcalloc(r->plan->core.n_steps + 1u, sizeof(*rows)); /* small: at most 256 */
	size_t n = 0;

	for (uint16_t i = 0; i < r->plan->core.n_steps; i++) {
		if (r->core_steps[i].written)
			rows[n++] = store_row(r, i);
	}
	*ret = rows;
	return n;
}

static void post_outcome(struct engine_run *r, enum pg_outcome outcome, const struct pb_err *err,
			 struct run_msg *committed)
{
	if (outcome != PG_APPLIED) {
		committed->kind = RUN_MSG_FENCED;
		if (outcome != PG_NOT_APPLIED)
			pb_log(PB_LOG_ERROR,
			       "commit refused, the execution is given up to its lease's end",
			       PB_KV_UUID("patchbay.tenant_id", r->lease.tenant_id),
			       PB_KV_UUID("patchbay.execution_id", r->lease.id),
			       PB_KV_STR("error.code", err ? err->code : NULL),
			       PB_KV_STR("error.message", err ? err->msg : NULL));
	}
	run_post(r, committed);
	run_unref(r);
}

static void on_checkpoint(void *arg, enum pg_outcome outcome, const struct store_checkpointed *c,
			  const struct pb_err *err)
{
	struct run_msg *m = run_msg_new(RUN_MSG_COMMITTED, 0);

	CRASHPOINT("engine.checkpoint.committed");
	if (outcome == PG_APPLIED) {
		m->has_signal = c->has_signal;
		m->requeued = c->requeued;
		m->dispatch = c->dispatch;
	}
	post_outcome(arg, outcome, err, m);
}

static void on_finish(void *arg, enum pg_outcome outcome, int64_t finished_at,
		      const struct pb_err *err)
{
	struct run_msg *m = run_msg_new(RUN_MSG_COMMITTED, 0);

	(void)finished_at;
	CRASHPOINT("engine.finish.committed");
	post_outcome(arg, outcome, err, m);
}

/* The writer's queue is full while the database is away: the result in hand must not be lost, so the same
 * commit is tried again shortly. Anything else the writer refuses ends the run; its lease runs out. */
static void check_submitted(struct engine_run *r, enum pb_status st, const struct pb_err *err)
{
	if (st == PB_OK)
		return;
	if (r->begun && pb_status_is_transient(st)) {
		r->commit_refused = true;
		engine_set_timer(r->engine, r, pb_mono_us() + COMMIT_AGAIN_US);
		run_unref(r);
		return;
	}
	post_outcome(r, PG_FAILED, err, run_msg_new(RUN_MSG_COMMITTED, 0));
}

static void submit_checkpoint(struct engine_run *r, const struct store_checkpoint *c)
{
	struct pb_err err = PB_ERR_INIT;

	CRASHPOINT("engine.checkpoint.before");
	check_submitted(r,
			store_checkpoint_submit(r->engine->cfg.writer, c, 0, on_checkpoint,
						run_ref(r), &err),
			&err);
}

static void submit_finish(struct engine_run *r, const struct store_finish *f)
{
	struct pb_err err = PB_ERR_INIT;

	CRASHPOINT("engine.finish.before");
	r->final = f->status;
	check_submitted(
		r, store_finish_submit(r->engine->cfg.writer, f, 0, on_finish, run_ref(r), &err),
		&err);
}

/* The whole execution's error: the failed step's, and which step it was. */
static struct pb_slice execution_error(struct engine_run *r, int16_t step)
{
	pb_auto_buf text = PB_BUF_INIT;
	struct pb_jw w;

	if (step < 0)
		return pb_slice(NULL, 0);
	pb_jw_init(&w, &text);
	pb_jw_object(&w);
	pb_jw_key(&w, "step");
	pb_jw_str(&w, r->plan->steps[step].model->id);
	pb_json_each_member (m, r->steps[step].error_json) {
		pb_jw_key(&w, m->key);
		pb_jw_tree(&w, &m->value);
	}
	pb_jw_end(&w);
	return pb_slice(pb_arena_memdup(&r->errors, pb_buf_str(&text), text.len), text.len);
}

/* The output of the last step that succeeded, in the order of the file. */
static struct pb_slice execution_result(const struct engine_run *r)
{
	struct pb_slice result = pb_slice(NULL, 0);
	int best = -1;

	for (uint16_t i = 0; i < r->plan->core.n_steps; i++) {
		int position = r->plan->workflow->order[i];

		if (r->core_steps[i].row.status == MODEL_STEP_SUCCEEDED && position > best) {
			best = position;
			result = r->steps[i].output;
		}
	}
	return result;
}

static void commit_finish(struct engine_run *r, const struct engine_core_cmd *cmd)
{
	pb_autofree struct store_step *rows = NULL;
	struct store_finish f = {.lease = r->lease, .status = cmd->status};

	f.n_steps = collect_rows(r, &rows);
	f.steps = rows;
	f.error = execution_error(r, cmd->failed_step);
	if (r->plan->workflow->trigger.respond == MODEL_RESPOND_RESULT &&
	    cmd->status == MODEL_EXECUTION_SUCCEEDED)
		f.result = execution_result(r); /* somebody waits for it; else the steps tell */
	r->result = f.result;
	r->error = f.error;
	submit_finish(r, &f);
}

void run_commit(struct engine_run *r, const struct engine_core_cmd *cmd)
{
	pb_autofree struct store_step *rows = NULL;
	struct store_checkpoint c = {
		.lease = r->lease,
		.status = MODEL_EXECUTION_RUNNING,
		.due_in_us = STORE_DUE_KEEP,
		.consumed = r->consumed,
		.n_consumed = r->n_consumed,
	};

	r->commit = *cmd;
	r->commit_refused = false;
	r->n_consumed_sent = r->n_consumed;
	if (cmd->kind == ENGINE_CMD_FINISH) {
		commit_finish(r, cmd);
		return;
	}
	c.n_steps = collect_rows(r, &rows);
	c.steps = rows;
	if (cmd->kind == ENGINE_CMD_PARK) {
		c.status = cmd->status;
		c.wait_reason = cmd->wait_reason;
		c.due_in_us = cmd->at_us ? PB_MAX(cmd->at_us - pb_now_us(), 0) : STORE_DUE_INFINITY;
	}
	submit_checkpoint(r, &c);
}

void run_release(struct engine_run *r, int64_t delay_us)
{
	struct store_checkpoint c = {
		.lease = r->lease, .status = MODEL_EXECUTION_QUEUED, .due_in_us = delay_us};

	submit_checkpoint(r, &c);
}

void run_fail_whole(struct engine_run *r, const char *code, const char *message)
{
	struct store_finish f = {.lease = r->lease, .status = MODEL_EXECUTION_FAILED};
	pb_autofree struct store_step *rows = NULL;
	pb_auto_buf text = PB_BUF_INIT;
	struct pb_jw w;

	if (r->core.plan) {
		engine_core_close(&r->core);
		f.n_steps = collect_rows(r, &rows);
		f.steps = rows;
	}
	pb_jw_init(&w, &text);
	pb_jw_object(&w);
	pb_jw_key(&w, "code");
	pb_jw_str(&w, code);
	pb_jw_key(&w, "message");
	pb_jw_str(&w, message);
	pb_jw_end(&w);
	r->error = pb_slice(pb_arena_memdup(&r->errors, pb_buf_str(&text), text.len), text.len);
	f.error = r->error;
	submit_finish(r, &f);
}

/* ---- the lease ---- */

/* The lease is counted from before the request was made: the database's end is later than ours. */
struct renewal {
	struct engine_run *run; /* a reference */
	int64_t lease_until_us;
};

static void on_renew(void *arg, enum pg_outcome outcome, bool has_signal, const struct pb_err *err)
{
	struct renewal *renewal = arg;
	struct run_msg *m = run_msg_new(RUN_MSG_RENEWED, 0);

	m->has_signal = has_signal;
	m->lease_until_us = outcome == PG_APPLIED ? renewal->lease_until_us : 0;
	/* what could not be written leaves the lease as it is; only NOT_APPLIED says it is lost */
	post_outcome(renewal->run, outcome == PG_NOT_APPLIED ? PG_NOT_APPLIED : PG_APPLIED, err, m);
	free(renewal);
}

void run_renew(struct engine_run *r)
{
	struct renewal *renewal = pb_new(struct renewal);
	int64_t lease_us = r->engine->cfg.lease_us;
	struct pb_err err = PB_ERR_INIT;

	*renewal = (struct renewal){.run = run_ref(r), .lease_until_us = pb_mono_us() + lease_us};
	if (store_renew_submit(r->engine->cfg.writer, &r->lease, lease_us, 0, on_renew, renewal,
			       &err) == PB_OK)
		return;
	on_renew(renewal, PG_FAILED, false, &err);
}
