/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pure work of a run: evaluating set and if, and preparing an action's parameters. The same inputs give the same
 * outputs on every evaluation (now and seed are the execution's), so nothing here needs to be durable. [worker]
 */
#include "engine/engine_run.h"

#include "base/clock.h"
#include "connector/connector.h"
#include "crypto/crypto_hash.h"
#include "engine/engine_internal.h"
#include "model/status.h"

#include "base/base.h"

static const struct pb_json *find_output(void *arg, const char *id, size_t n)
{
	struct engine_run *r = arg;
	int i = engine_plan_find(r->plan, id, n);

	return i < 0 ? NULL : r->steps[i].output_json;
}

static const struct pb_json *find_error(void *arg, const char *id, size_t n)
{
	struct engine_run *r = arg;
	int i = engine_plan_find(r->plan, id, n);

	return i < 0 ? NULL : r->steps[i].error_json;
}

/* The seed of one step: the execution's, and which step. */
static void seed_of(const struct engine_run *r, uint16_t step, uint8_t out[16])
{
	uint8_t digest[CRYPTO_HASH_BYTES];
	struct pb_slice parts[] = {
		pb_slice((const char *)r->lease.id.b, sizeof(r->lease.id.b)),
		pb_slice((const char *)&r->seed, sizeof(r->seed)),
		pb_slice_str(r->plan->steps[step].model->id),
	};

	crypto_blake2b_parts(NULL, parts, PB_ARRAY_LEN(parts), digest);
	memcpy(out, digest, 16);
}

static enum pb_status evaluate(struct engine_run *r, uint16_t step, const struct pb_json **ret,
			       struct expr_error *err)
{
	struct expr_budget budget;
	struct expr_scope scope = {
		.trigger = r->trigger,
		.execution = r->execution,
		.step = find_output,
		.error = find_error,
		.arg = r,
		.now_us = r->started_at_us,
		.timezone = r->plan->workflow->settings.timezone,
		.host = r->engine->cfg.expr_host,
	};

	seed_of(r, step, scope.seed);
	expr_budget_init(&budget);
	return expr_template_eval(r->plan->steps[step].with, &scope, &r->arena, &budget, ret, err);
}

void run_set_error(struct engine_run *r, uint16_t step, const char *code, const char *cls,
		   const char *message, const char *pointer)
{
	struct run_step *s = &r->steps[step];
	pb_auto_buf text = PB_BUF_INIT;
	struct pb_jw w;

	pb_jw_init(&w, &text);
	pb_jw_object(&w);
	pb_jw_key(&w, "code");
	pb_jw_str(&w, code);
	pb_jw_key(&w, "class");
	pb_jw_str(&w, cls);
	pb_jw_key(&w, "message");
	pb_jw_str(&w, message);
	if (pointer) {
		pb_jw_key(&w, "pointer");
		pb_jw_str(&w, pointer);
	}
	pb_jw_key(&w, "attempts");
	pb_jw_int(&w, r->core_steps[step].row.attempts);
	pb_jw_end(&w);
	s->error = pb_slice(pb_arena_memdup(&r->errors, pb_buf_str(&text), text.len), text.len);
	if (!s->error.p || pb_json_parse(&r->errors, s->error.p, s->error.len, NULL, &s->error_json,
					 NULL) != PB_OK) {
		s->error = pb_slice(NULL, 0);
		s->error_json = NULL;
	}
}

static void answer_failed(struct engine_run *r, uint16_t step, const char *code,
			  const char *message, const char *pointer)
{
	run_set_error(r, step, code, model_error_class_name(MODEL_ERROR_INVALID_INPUT), message,
		      pointer);
	r->steps[step].finished_us = pb_now_us();
	run_answer(r, (struct engine_core_event){.kind = ENGINE_EV_STEP_FAILED,
						 .step = step,
						 .error_class = MODEL_ERROR_INVALID_INPUT});
}

static struct pb_slice text_of(struct engine_run *r, const struct pb_json *json)
{
	pb_auto_buf text = PB_BUF_INIT;

	if (!json)
		return pb_slice(NULL, 0);
	text.limit = STORE_VALUE_BYTES;
	if (!pb_json_write(&text, json))
		return pb_slice(NULL, 0);
	return pb_slice(pb_arena_memdup(&r->arena, pb_buf_str(&text), text.len), text.len);
}

/*
 * The output as it will be read after a restart: 2.0 that was computed is a double, 2 that was stored
 * an integer, and later steps must see the same in both lives. False when there is no room.
 */
static bool set_output(struct engine_run *r, struct run_step *s, const struct pb_json *value)
{
	s->output = text_of(r, value);
	s->output_json = NULL;
	if (s->output.p && pb_json_parse(&r->arena, s->output.p, s->output.len, NULL,
					 &s->output_json, NULL) != PB_OK)
		s->output = pb_slice(NULL, 0);
	return s->output.p != NULL;
}

/* The step's `with`, evaluated; false when the failure was answered. */
static bool evaluate_with(struct engine_run *r, uint16_t step, const struct pb_json **ret)
{
	struct expr_error err = {0};

	r->steps[step].started_us =
		r->steps[step].started_us ? r->steps[step].started_us : pb_now_us();
	if (evaluate(r, step, ret, &err) != PB_OK) {
		answer_failed(r, step, err.err.code, err.err.msg, err.pointer);
		return false;
	}
	return true;
}

void run_evaluate(struct engine_run *r, const struct engine_core_cmd *cmd)
{
	struct run_step *s = &r->steps[cmd->step];
	bool is_if = r->plan->steps[cmd->step].model->type == MODEL_STEP_TYPE_IF;
	enum engine_port port = ENGINE_PORT_DONE;
	const struct pb_json *value;

	if (!evaluate_with(r, cmd->step, &value))
		return;
	/* what went in: for `if` the value that was judged, for `set` the expressions as written */
	s->input = text_of(r, is_if ? value : r->plan->steps[cmd->step].model->with);
	if (is_if) {
		bool yes = expr_truthy(pb_json_get(value, "condition"));

		port = yes ? ENGINE_PORT_TRUE : ENGINE_PORT_FALSE;
		value = yes ? &pb_json_bool_true : &pb_json_bool_false;
	}
	s->finished_us = pb_now_us();
	if (!set_output(r, s, value))
		answer_failed(r, cmd->step, "engine.memory", "the step's output is too large",
			      NULL);
	else
		run_answer(r, (struct engine_core_event){
				      .kind = ENGINE_EV_STEP_OK, .step = cmd->step, .port = port});
}

/* HMAC(execution, step): the same on every attempt, different for everything else. */
static void make_key(struct engine_run *r, uint16_t step)
{
	const struct crypto_secret *key = r->engine->cfg.idempotency_key;
	uint8_t digest[CRYPTO_HASH_BYTES];
	struct pb_slice parts[] = {
		pb_slice((const char *)r->lease.id.b, sizeof(r->lease.id.b)),
		pb_slice_str(r->plan->steps[step].model->id),
	};

	crypto_hmac_sha256_parts(crypto_secret_bytes(key), crypto_secret_len(key), parts,
				 PB_ARRAY_LEN(parts), digest);
	pb_hex(digest, sizeof(digest), r->steps[step].key);
}

/* It was there when the workflow was saved: this host does not have it yet, or no longer. Nothing is lost by waiting. */
static void answer_waits(struct engine_run *r, uint16_t step, const char *code, const char *message)
{
	run_set_error(r, step, code, model_error_class_name(MODEL_ERROR_TRANSIENT), message, NULL);
	run_answer(r, (struct engine_core_event){.kind = ENGINE_EV_STEP_FAILED,
						 .step = step,
						 .error_class = MODEL_ERROR_TRANSIENT,
						 .wait = MODEL_WAIT_CONNECTOR_DISABLED});
}

static bool find_action(struct engine_run *r, uint16_t step)
{
	const struct model_step *m = r->plan->steps[step].model;
	struct run_step *s = &r->steps[step];
	struct pb_err err = PB_ERR_INIT;

	if (s->action)
		return true;
	if (connector_registry_action(connectors_registry(r->engine->cfg.connectors), m->action,
				      m->connector_version, &s->action, &err) == PB_OK) {
		s->connector = connector_action_manifest(s->action)->id;
		s->connector_version = connector_action_manifest(s->action)->version;
		return true;
	}
	if (pb_str_eq(err.code, "connector.unknown") ||
	    pb_str_eq(err.code, "connector.version_unknown"))
		answer_waits(r, step, err.code, err.msg);
	else
		answer_failed(r, step, err.code, err.msg, NULL);
	return false;
}

/* The http action's `repeatable` is a word to the engine, not a parameter. */
static const struct pb_json *without_repeatable(struct engine_run *r, const struct pb_json *with)
{
	struct pb_json_member *m;
	size_t n = 0;

	if (!pb_json_get(with, "repeatable"))
		return with;
	m = pb_arena_calloc(&r->arena, with->len, sizeof(*m));
	pb_json_each_member (it, with) {
		if (m && !pb_str_eq(it->key, "repeatable"))
			m[n++] = *it;
	}
	return m ? pb_json_new_object(&r->arena, m, n) : NULL;
}

/*
 * What an earlier attempt has sent, if one has: the same key must not come with other parameters, and what the
 * expressions mention may have changed since (a branch beside it has ended).
 */
static const struct pb_json *sent_before(struct engine_run *r, uint16_t step)
{
	const struct run_step *s = &r->steps[step];
	const struct pb_json *params = NULL;

	if (r->core_steps[step].row.attempts < 2 || !s->input.p ||
	    pb_json_parse(&r->arena, s->input.p, s->input.len, NULL, &params, NULL) != PB_OK)
		return NULL;
	return params;
}

/* False when the step has failed. */
static bool fresh_params(struct engine_run *r, uint16_t step, const struct pb_json **ret)
{
	if (!evaluate_with(r, step, ret))
		return false;
	if (pb_str_eq(r->plan->steps[step].model->connector, "http"))
		*ret = without_repeatable(r, *ret);
	r->steps[step].input = *ret ? text_of(r, *ret) : pb_slice(NULL, 0);
	return true;
}

void run_prepare(struct engine_run *r, const struct engine_core_cmd *cmd)
{
	struct run_step *s = &r->steps[cmd->step];
	const struct pb_json *params = sent_before(r, cmd->step);

	if ((!params && !fresh_params(r, cmd->step, &params)) || !find_action(r, cmd->step))
		return;
	if (!s->input.p) {
		answer_failed(r, cmd->step, "engine.memory", "the step's parameters are too large",
			      NULL);
		return;
	}
	if (!s->key[0])
		make_key(r, cmd->step);
	run_answer(r,
		   (struct engine_core_event){
			   .kind = ENGINE_EV_PREPARED,
			   .step = cmd->step,
			   .repeatable = r->plan->steps[cmd->step].model->repeatable ||
					 connector_operation_repeatable(
						 connector_action_operation(s->action), params)});
}
