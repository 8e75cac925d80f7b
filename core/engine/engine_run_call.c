/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of a run: out to the connector, back as a message. The result is copied into one block on the
 * connector's thread; everything else happens on the worker.
 */
#include "engine/engine_run.h"

#include "base/clock.h"
#include "base/crashpoint.h"
#include "connector/connector_call.h"
#include "engine/engine_internal.h"
#include "model/status.h"

#include "base/base.h"

/* Past this an attempt's record is its times only. */
#define ATTEMPTS_BYTES_MAX ((size_t)1024 * 1024)

static enum model_error_class error_class_of(enum connector_status status)
{
	switch (status) {
	case CONNECTOR_CRASHED:
		return MODEL_ERROR_CRASHED;
	case CONNECTOR_TIMEOUT:
		return MODEL_ERROR_TIMEOUT;
	case CONNECTOR_OK:
	case CONNECTOR_INVALID_INPUT:
	case CONNECTOR_AUTH_EXPIRED:
	case CONNECTOR_AUTH_DENIED:
	case CONNECTOR_RATE_LIMITED:
	case CONNECTOR_TRANSIENT:
	case CONNECTOR_PERMANENT:
	case CONNECTOR_CANCELLED:
	case CONNECTOR_UNSUPPORTED:
	case CONNECTOR_INTERNAL:
		return (enum model_error_class)status; /* the same numbers by contract */
	default:
		return MODEL_ERROR_TRANSIENT;
	}
}

static bool must_wait(enum connector_status status)
{
	return status == CONNECTOR_IS_DISABLED || status == CONNECTOR_QUARANTINED ||
	       status == CONNECTOR_UNAVAILABLE;
}

/* A call that waited for its turn until the lease had run out (R6): it goes out again when that is renewed. */
static bool is_withheld(const struct connector_call_result *res)
{
	return res->status == CONNECTOR_UNAVAILABLE && pb_str_eq(res->code, CONNECTOR_WITHHELD);
}

static struct engine_core_event event_of(uint16_t step, const struct connector_call_result *res)
{
	if (res->status == CONNECTOR_OK)
		return (struct engine_core_event){
			.kind = ENGINE_EV_STEP_OK, .step = step, .port = ENGINE_PORT_DONE};
	return (struct engine_core_event){
		.kind = ENGINE_EV_STEP_FAILED,
		.step = step,
		.error_class = error_class_of(res->status),
		.effect = (enum model_effect)res->effect,
		/* what may have left is judged by its effect, whatever the reason */
		.wait = must_wait(res->status) && !is_withheld(res) &&
					res->effect == CONNECTOR_EFFECT_NONE
				? MODEL_WAIT_CONNECTOR_DISABLED
				: MODEL_WAIT_NONE,
		/* its runner died, or none was free before the deadline */
		.uncharged = (res->status == CONNECTOR_CRASHED ||
			      res->status == CONNECTOR_TIMEOUT || is_withheld(res)) &&
			     !res->attempt_charged && res->effect == CONNECTOR_EFFECT_NONE,
		.retry_after_us = res->retry_after_us,
	};
}

static void write_log(struct pb_jw *w, const struct connector_call_result *res)
{
	static const char *const levels[] = {"debug", "info", "warn", "error"};

	pb_jw_key(w, "log");
	pb_jw_array(w);
	for (size_t i = 0; i < res->n_log; i++) {
		const struct connector_log_line *line = &res->log[i];

		pb_jw_object(w);
		pb_jw_key(w, "level");
		pb_jw_str(w, levels[PB_MIN(PB_MAX(line->level, 0), 3)]);
		pb_jw_key(w, "message");
		pb_jw_str(w, line->message);
		if (line->fields) {
			pb_jw_key(w, "fields");
			pb_jw_raw(w, line->fields, strlen(line->fields));
		}
		pb_jw_end(w);
	}
	pb_jw_end(w);
}

static void write_failure(struct pb_jw *w, const struct connector_call_result *res)
{
	pb_jw_key(w, "code");
	pb_jw_str(w, connector_status_code(res->status));
	pb_jw_key(w, "class");
	pb_jw_str(w, connector_status_name(res->status));
	pb_jw_key(w, "message");
	pb_jw_str(w, res->message);
	if (res->code) {
		pb_jw_key(w, "service_code");
		pb_jw_str(w, res->code);
	}
	if (res->pointer) {
		pb_jw_key(w, "pointer");
		pb_jw_str(w, res->pointer);
	}
}

/* What one attempt was, for the record; without its number and times, which the worker knows. */
static void write_attempt(struct pb_buf *b, const struct connector_call_result *res)
{
	struct pb_jw w;

	pb_jw_init(&w, b);
	pb_jw_object(&w);
	pb_jw_key(&w, "status");
	pb_jw_str(&w, res->status == CONNECTOR_OK ? "succeeded" : "failed");
	pb_jw_key(&w, "effect");
	pb_jw_str(&w, res->status == CONNECTOR_OK ? "done" : connector_effect_name(res->effect));
	pb_jw_key(&w, "duration_us");
	pb_jw_int(&w, res->duration_us);
	if (res->http_status) {
		pb_jw_key(&w, "http_status");
		pb_jw_int(&w, res->http_status);
	}
	if (res->status != CONNECTOR_OK)
		write_failure(&w, res);
	if (res->restarts) {
		pb_jw_key(&w, "restarts");
		pb_jw_int(&w, res->restarts);
	}
	if (res->n_log)
		write_log(&w, res);
	pb_jw_end(&w);
}

static void write_error(struct pb_buf *b, const struct connector_call_result *res)
{
	struct pb_jw w;

	pb_jw_init(&w, b);
	pb_jw_object(&w);
	write_failure(&w, res);
	if (res->http_status) {
		pb_jw_key(&w, "http_status");
		pb_jw_int(&w, res->http_status);
	}
	pb_jw_key(&w, "effect");
	pb_jw_str(&w, connector_effect_name(res->effect));
	pb_jw_end(&w);
}

static struct pb_slice append(char **p, const void *bytes, size_t n)
{
	struct pb_slice s = pb_slice(*p, n);

	if (n)
		memcpy(*p, bytes, n);
	*p += n;
	return s;
}

static struct run_msg *message_of(uint16_t step, const struct connector_call_result *res)
{
	pb_auto_buf attempt = PB_BUF_INIT, error = PB_BUF_INIT;
	size_t output_len = res->status == CONNECTOR_OK ? res->output_bytes : 0;
	struct run_msg *m;
	char *p;

	write_attempt(&attempt, res);
	if (res->status != CONNECTOR_OK)
		write_error(&error, res);
	m = run_msg_new(RUN_MSG_CALL_DONE, output_len + attempt.len + error.len);
	p = (char *)(m + 1);
	m->step = step;
	m->event = event_of(step, res);
	m->output = append(&p, res->output, output_len);
	m->attempt = append(&p, attempt.p, attempt.len);
	m->error = append(&p, error.p, error.len);
	return m;
}

/* What the connector's thread needs to know of a call. */
struct call_link {
	struct engine_run *run; /* a reference */
	uint16_t step;
};

static void on_done(void *arg, const struct connector_call_result *res)
{
	struct call_link *link = arg;

	run_post(link->run, message_of(link->step, res));
	run_unref(link->run);
	free(link);
}

/* Refused before it began: told like an answer, so that there is one way of handling it. */
static void refuse(struct engine_run *r, uint16_t step, const struct pb_err *err)
{
	bool later = pb_status_is_transient(err->status);
	struct connector_call_result res = {
		.status = later ? CONNECTOR_UNAVAILABLE : CONNECTOR_INVALID_INPUT,
		.code = err->code,
		.message = err->msg,
	};

	run_post(r, message_of(step, &res));
}

/* [the connector's I/O thread] */
static bool may_leave(void *arg)
{
	const struct call_link *link = arg;

	return pb_mono_us() < __atomic_load_n(&link->run->lease_until_us, __ATOMIC_RELAXED);
}

void run_call(struct engine_run *r, const struct engine_core_cmd *cmd)
{
	const struct model_step *m = r->plan->steps[cmd->step].model;
	struct run_step *s = &r->steps[cmd->step];
	struct call_link *link = pb_new(struct call_link);
	struct pb_err err = PB_ERR_INIT;
	struct connector_call_request req = {
		.tenant = r->lease.tenant_id,
		.execution = r->lease.id,
		.step = m->id,
		.action = s->action,
		.params = s->input.p,
		.params_bytes = s->input.len,
		.connection = m->connection,
		.idempotency_key = s->key,
		.deadline_us = pb_mono_us() + m->timeout_us,
		.repeatable = r->core_steps[cmd->step].repeatable,
		.may_leave = may_leave,
	};

	CRASHPOINT("engine.call.before");
	connector_call_unref(s->call);
	s->call = NULL;
	s->attempt_started_us = pb_now_us();
	r->connectors_ready = engine_connectors_ready(r->engine);
	*link = (struct call_link){.run = run_ref(r), .step = cmd->step};
	if (connector_call_start(r->engine->cfg.connectors, &req, on_done, link, &s->call, &err) ==
	    PB_OK) {
		CRASHPOINT("engine.call.after");
		return;
	}
	run_unref(link->run);
	free(link);
	refuse(r, cmd->step, &err);
}

/* {"number":2,"started_at":...,"finished_at":..., + what the connector's thread wrote */
static void record_attempt(struct engine_run *r, uint16_t step, struct pb_slice rest)
{
	struct run_step *s = &r->steps[step];
	struct pb_jw w;
	pb_auto_buf head = PB_BUF_INIT;

	pb_jw_init(&w, &head);
	pb_jw_object(&w);
	pb_jw_key(&w, "number");
	pb_jw_int(&w, r->core_steps[step].row.attempts);
	pb_jw_key(&w, "started_at");
	pb_jw_time(&w, s->attempt_started_us);
	pb_jw_key(&w, "finished_at");
	pb_jw_time(&w, pb_now_us());
	if (s->attempts.len + rest.len > ATTEMPTS_BYTES_MAX)
		rest = PB_SLICE("{\"status\":\"not_recorded\"}"); /* their number still counts */
	if (s->attempts.len)
		s->attempts.p[--s->attempts.len] = 0; /* its bracket */
	pb_buf_addc(&s->attempts, s->attempts.len ? ',' : '[');
	pb_buf_add(&s->attempts, pb_buf_str(&head), head.len);
	pb_buf_addc(&s->attempts, ',');
	pb_buf_add(&s->attempts, rest.p + 1, rest.len - 1); /* without its own brace */
	pb_buf_addc(&s->attempts, ']');
}

static struct pb_slice keep(struct pb_arena *a, struct pb_slice s, const struct pb_json **ret_json)
{
	struct pb_slice copy = pb_slice(pb_arena_memdup(a, s.p, s.len), s.len);

	*ret_json = NULL;
	if (s.len > STORE_VALUE_BYTES || !copy.p ||
	    pb_json_parse(a, copy.p, copy.len, NULL, ret_json, NULL) != PB_OK)
		return pb_slice(NULL, 0);
	return copy;
}

/* {"attempts":2, + what the connector's thread wrote: only the worker knows their number. */
static struct pb_slice keep_error(struct engine_run *r, uint16_t step, struct pb_slice rest)
{
	pb_auto_buf text = PB_BUF_INIT;
	struct pb_jw w;

	pb_jw_init(&w, &text);
	pb_jw_object(&w);
	pb_jw_key(&w, "attempts");
	pb_jw_int(&w, r->core_steps[step].row.attempts);
	pb_buf_addc(&text, ',');
	pb_buf_add(&text, rest.p + 1, rest.len - 1); /* without its own brace */
	return keep(&r->errors, pb_slice(pb_buf_str(&text), text.len), &r->steps[step].error_json);
}

void run_call_done(struct engine_run *r, const struct run_msg *m)
{
	struct run_step *s = &r->steps[m->step];
	struct engine_core_event ev = m->event;

	CRASHPOINT("engine.call.answered");
	s->finished_us = pb_now_us();
	if (ev.wait == MODEL_WAIT_NONE) /* else it never began */
		record_attempt(r, m->step, m->attempt);
	if (m->error.len)
		s->error = keep_error(r, m->step, m->error);
	else
		s->error = pb_slice(NULL, 0), s->error_json = NULL;
	if (ev.kind == ENGINE_EV_STEP_OK) {
		s->output = keep(&r->arena, m->output, &s->output_json);
		if (!s->output.p) {
			run_set_error(r, m->step, "connector.output_invalid", "internal",
				      "the connector's output is not JSON or too large", NULL);
			ev.kind = ENGINE_EV_STEP_FAILED;
			ev.error_class = MODEL_ERROR_INTERNAL;
			ev.effect = MODEL_EFFECT_DONE;
		}
	}
	run_feed(r, ev);
}
