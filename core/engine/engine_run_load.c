/* SPDX-License-Identifier: Apache-2.0 */
/* From the database into a run: plan, trigger, what earlier holders have recorded, signals. [worker] */
#include "engine/engine_run.h"

#include "base/clock.h"
#include "base/crashpoint.h"
#include "base/log.h"
#include "base/parse.h"
#include "bus/bus.h"
#include "engine/engine_internal.h"
#include "store/store_signal.h"

#include "base/base.h"

PB_LOG_TOPIC("engine.load");

/* How long an execution rests when the database could not be read for it. */
#define RELEASE_DELAY_US (2 * PB_USEC_PER_SEC)
/* All signals that can be stored, at their largest. */
#define SIGNALS_ARENA_BYTES ((size_t)STORE_SIGNALS_MAX * (STORE_SIGNAL_BYTES_MAX + 1024))

static void log_trouble(struct engine_run *r, const char *what, const struct pb_err *err)
{
	pb_log(PB_LOG_WARN, what, PB_KV_UUID("patchbay.tenant_id", r->lease.tenant_id),
	       PB_KV_UUID("patchbay.execution_id", r->lease.id), PB_KV_STR("error.code", err->code),
	       PB_KV_STR("error.message", err->msg));
}

static bool load_plan(struct engine_run *r)
{
	struct pb_err err = PB_ERR_INIT;
	enum pb_status st = engine_cache_get(r->engine->plans, r->lease.tenant_id, r->workflow_id,
					     r->workflow_version, &r->plan, &err);

	if (st == PB_OK)
		return true;
	log_trouble(r, "workflow version not loaded", &err);
	if (pb_status_is_transient(st))
		run_release(r, RELEASE_DELAY_US);
	else
		run_fail_whole(r, err.code, err.msg);
	return false;
}

static const struct pb_json *execution_object(struct engine_run *r)
{
	char id[PB_UUID_TEXT_BYTES], wf[PB_UUID_TEXT_BYTES], at[PB_RFC3339_BYTES];
	struct pb_arena *a = &r->arena;

	pb_uuid_format(r->lease.id, id);
	pb_uuid_format(r->workflow_id, wf);
	pb_format_rfc3339(r->started_at_us, at);

	const struct pb_json *id_json = pb_json_new_string(a, id, strlen(id));
	const struct pb_json *at_json = pb_json_new_string(a, at, strlen(at));
	const struct pb_json *wf_json = pb_json_new_string(a, wf, strlen(wf));
	const struct pb_json *name_json =
		pb_json_new_string(a, r->plan->workflow->name, strlen(r->plan->workflow->name));

	if (!id_json || !at_json || !wf_json || !name_json)
		return NULL;
	struct pb_json_member workflow[] = {
		{.key = "id", .key_len = 2, .value = *wf_json},
		{.key = "name", .key_len = 4, .value = *name_json},
		{.key = "version",
		 .key_len = 7,
		 .value = {.type = PB_JSON_INT, .i = r->workflow_version}},
	};
	const struct pb_json *workflow_json =
		pb_json_new_object(a, workflow, PB_ARRAY_LEN(workflow));

	if (!workflow_json)
		return NULL;
	struct pb_json_member members[] = {
		{.key = "id", .key_len = 2, .value = *id_json},
		{.key = "started_at", .key_len = 10, .value = *at_json},
		{.key = "workflow", .key_len = 8, .value = *workflow_json},
	};

	return pb_json_new_object(a, members, PB_ARRAY_LEN(members));
}

static bool load_trigger(struct engine_run *r)
{
	struct pb_err err = PB_ERR_INIT;

	if (pb_json_parse(&r->arena, r->trigger_text.p, r->trigger_text.len, NULL, &r->trigger,
			  &err) == PB_OK)
		r->execution = execution_object(r);
	if (r->execution)
		return true;
	run_fail_whole(r, err.code ? err.code : "engine.memory",
		       err.code ? err.msg : "the trigger's data is too large");
	return false;
}

static enum engine_port restored_port(const struct engine_plan *plan, uint16_t i,
				      const struct store_step *row)
{
	const struct engine_core_step_plan *p = &plan->core.steps[i];

	if (row->status == MODEL_STEP_FAILED && p->has_error_edge)
		return ENGINE_PORT_ERROR;
	if (row->status == MODEL_STEP_FAILED && p->continue_on_error)
		return ENGINE_PORT_DONE;
	if (row->status != MODEL_STEP_SUCCEEDED)
		return ENGINE_PORT_NONE;
	if (plan->steps[i].model->type != MODEL_STEP_TYPE_IF)
		return ENGINE_PORT_DONE;
	return pb_slice_eq_str(row->output, "true") ? ENGINE_PORT_TRUE : ENGINE_PORT_FALSE;
}

static struct engine_core_row core_row(const struct engine_plan *plan, uint16_t i,
				       const struct store_step *row)
{
	return (struct engine_core_row){
		.status = row->status,
		.port = restored_port(plan, i, row),
		.attempts = (uint16_t)row->attempt,
		.next_attempt_us = row->next_attempt_at,
		.wait_reason = (enum model_wait_reason)row->wait_reason,
	};
}

static const struct pb_json *parse_stored(struct engine_run *r, struct pb_slice text)
{
	const struct pb_json *json = NULL;

	if (text.p && pb_json_parse(&r->arena, text.p, text.len, NULL, &json, NULL) != PB_OK)
		return NULL;
	return json;
}

static void fill_key(struct run_step *s, const struct store_step *row)
{
	if (!row->idempotency_key.p || row->idempotency_key.len >= sizeof(s->key))
		return;
	memcpy(s->key, row->idempotency_key.p, row->idempotency_key.len);
	s->key[row->idempotency_key.len] = 0;
}

static void fill_step(struct engine_run *r, uint16_t i, const struct store_step *row)
{
	struct run_step *s = &r->steps[i];

	s->input = row->input;
	s->output = row->output;
	s->error = row->error;
	s->output_json = parse_stored(r, row->output);
	s->error_json = parse_stored(r, row->error);
	s->started_us = row->started_at;
	s->finished_us = row->finished_at;
	pb_buf_clear(&s->attempts);
	if (row->attempts.len > 2)
		pb_buf_add(&s->attempts, row->attempts.p, row->attempts.len);
	fill_key(s, row);
}

static bool load_rows(struct engine_run *r, struct pb_uuid execution, struct store_step **ret_rows,
		      size_t *ret_n)
{
	struct pb_err err = PB_ERR_INIT;
	enum pb_status st = store_steps_load(r->engine->cfg.engine_pool, r->lease.tenant_id,
					     execution, &r->arena, ret_rows, ret_n, &err);

	if (st == PB_OK)
		return true;
	log_trouble(r, "steps not loaded", &err);
	if (pb_status_is_transient(st))
		run_release(r, RELEASE_DELAY_US);
	else
		run_fail_whole(r, err.code, err.msg);
	return false;
}

static bool restore(struct engine_run *r)
{
	struct store_step *rows;
	size_t n;

	if (!load_rows(r, r->lease.id, &rows, &n))
		return false;
	for (size_t k = 0; k < n; k++) {
		int i = engine_plan_find(r->plan, rows[k].step_id.p, rows[k].step_id.len);
		struct engine_core_row row;

		if (i < 0 || rows[k].item.len)
			continue;
		row = core_row(r->plan, (uint16_t)i, &rows[k]);
		fill_step(r, (uint16_t)i, &rows[k]);
		engine_core_restore_step(&r->core, (uint16_t)i, &row);
	}
	return true;
}

/* ---- repeating another execution ---- */

static bool is_kept(const struct engine_core_row *row)
{
	return row->status == MODEL_STEP_SUCCEEDED ||
	       (row->status == MODEL_STEP_FAILED && row->port != ENGINE_PORT_NONE);
}

static bool follows_rerun(const struct engine_plan *plan, uint16_t i, const bool *rerun)
{
	for (uint16_t e = plan->core.first_edge[i]; e < plan->core.first_edge[i + 1]; e++) {
		if (plan->core.edges[e].from >= 0 && rerun[plan->core.edges[e].from])
			return true;
	}
	return false;
}

/* The old execution was cancelled while nobody knew what this call had done. */
static bool is_unknown(const struct engine_core_row *row)
{
	return row->status == MODEL_STEP_OUTCOME_UNKNOWN || row->status == MODEL_STEP_RUNNING;
}

/* One step of the old execution; true when it is to be run (again). */
static bool keep_step(struct engine_run *r, uint16_t i, const struct store_step *old, bool wanted)
{
	struct engine_core_row row = core_row(r->plan, i, old);

	if (!wanted && is_kept(&row)) {
		fill_step(r, i, old);
		engine_core_keep_step(&r->core, i, &row);
		return false;
	}
	if (!wanted && is_unknown(&row)) { /* never a second call without a decision */
		fill_step(r, i, old);
		row.status = MODEL_STEP_RUNNING;
		engine_core_restore_step(&r->core, i, &row);
		return true;
	}
	/* but a finished call that is wanted again is a new call, with a new key */
	if (!is_kept(&row))
		fill_key(&r->steps[i], old);
	return wanted || row.status != MODEL_STEP_SKIPPED;
}

/*
 * Results stay as long as everything before them stays; an unfinished step keeps its key. Asked at every claim, since
 * nothing of it is written before the first commit; this execution's own rows then win.
 */
static bool keep_results(struct engine_run *r)
{
	bool rerun[ENGINE_CORE_STEPS_MAX] = {false};
	const struct store_step *found[ENGINE_CORE_STEPS_MAX] = {NULL};
	struct store_step *rows;
	size_t n;

	if (!load_rows(r, r->retry_of, &rows, &n))
		return false;
	for (size_t k = 0; k < n; k++) {
		int i = engine_plan_find(r->plan, rows[k].step_id.p, rows[k].step_id.len);

		if (i >= 0 && !rows[k].item.len)
			found[i] = &rows[k];
	}
	for (uint16_t i = 0; i < r->plan->core.n_steps; i++) {
		bool from = r->retry_from && pb_str_eq(r->retry_from, r->plan->steps[i].model->id);

		rerun[i] = !found[i] ||
			   keep_step(r, i, found[i], from || follows_rerun(r->plan, i, rerun));
	}
	return true;
}

bool run_load(struct engine_run *r)
{
	uint16_t n;

	if (!load_plan(r))
		return false;
	n = r->plan->core.n_steps;
	r->core_steps = pb_arena_calloc(&r->arena, n + 1u, sizeof(*r->core_steps));
	r->steps = pb_arena_calloc(&r->arena, n + 1u, sizeof(*r->steps));
	r->pending = pb_arena_calloc(&r->arena, n + 1u, sizeof(*r->pending));
	PB_ASSERT(r->core_steps && r->steps && r->pending); /* the arena is fresh */
	engine_core_init(&r->core, &r->plan->core, r->core_steps);
	if (!load_trigger(r))
		return false;
	if (!pb_uuid_is_nil(r->retry_of) && !keep_results(r))
		return false;
	CRASHPOINT("engine.load.kept");
	return r->lease.epoch == 1 || restore(r);
}

/* ---- signals ---- */

static bool is_consumed(const struct engine_run *r, struct pb_uuid id)
{
	for (size_t i = 0; i < r->n_consumed; i++) {
		if (pb_uuid_eq(r->consumed[i], id))
			return true;
	}
	return false;
}

static bool parse_decision(const char *s, enum engine_decision *ret)
{
	static const struct {
		const char *name;
		enum engine_decision decision;
	} names[] = {{"mark_succeeded", ENGINE_DECISION_MARK_SUCCEEDED},
		     {"retry", ENGINE_DECISION_RETRY},
		     {"fail", ENGINE_DECISION_FAIL}};

	for (size_t i = 0; i < PB_ARRAY_LEN(names); i++) {
		if (pb_str_eq(names[i].name, s)) {
			*ret = names[i].decision;
			return true;
		}
	}
	return false;
}

static void take_decision(struct engine_run *r, struct pb_slice body)
{
	const struct pb_json *json = parse_stored(r, body);
	struct pb_slice step = pb_json_slice(pb_json_get(json, "step"));
	const struct pb_json *output = pb_json_get(json, "output");
	struct engine_core_event ev = {.kind = ENGINE_EV_DECISION};
	int i = step.p ? engine_plan_find(r->plan, step.p, step.len) : -1;
	pb_auto_buf text = PB_BUF_INIT;

	if (i < 0 || !parse_decision(pb_json_str(pb_json_get(json, "decision")), &ev.decision) ||
	    r->core_steps[i].row.status != MODEL_STEP_OUTCOME_UNKNOWN)
		return;
	ev.step = (uint16_t)i;
	if (ev.decision == ENGINE_DECISION_MARK_SUCCEEDED) {
		output = output ? output : &pb_json_null;
		pb_json_write(&text, output);
		r->steps[i].output_json = output;
		r->steps[i].output =
			pb_slice(pb_arena_memdup(&r->arena, pb_buf_str(&text), text.len), text.len);
	} else if (ev.decision == ENGINE_DECISION_FAIL) {
		run_set_error(r, ev.step, "execution.decided_failed", "permanent",
			      "a person decided that this step has failed", NULL);
	}
	run_feed(r, ev);
}

void run_take_signals(struct engine_run *r)
{
	struct store_signal *signals;
	struct pb_err err = PB_ERR_INIT;
	pb_auto_arena arena; /* not the run's: the same signals may be read again and again */
	size_t n;

	pb_arena_init(&arena, SIGNALS_ARENA_BYTES);
	if (store_signals_load(r->engine->cfg.engine_pool, r->lease.tenant_id, r->lease.id, &arena,
			       &signals, &n, &err) != PB_OK) {
		log_trouble(r, "signals not loaded, the next commit or renewal shows them again",
			    &err);
		return;
	}
	for (size_t i = 0; i < n && !engine_core_is_over(&r->core); i++) {
		/* stays until the end, because no row says "cancelled"; cancelling twice is like once */
		if (signals[i].kind == STORE_SIGNAL_CANCEL) {
			run_feed(r, (struct engine_core_event){.kind = ENGINE_EV_CANCEL});
			continue;
		}
		/* no room: the next commit makes some */
		if (is_consumed(r, signals[i].id) || r->n_consumed == RUN_CONSUMED_MAX)
			continue;
		r->consumed[r->n_consumed++] = signals[i].id;
		if (signals[i].kind == STORE_SIGNAL_DECISION)
			take_decision(r, signals[i].body);
		else
			run_feed(r, (struct engine_core_event){.kind = ENGINE_EV_WAKE});
	}
}
