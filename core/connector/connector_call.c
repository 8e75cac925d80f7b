/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of a call: what happens before it reaches the I/O thread (copy, check the parameters,
 * open the connection) and its last word to the caller. A call that is decided early still goes
 * through the I/O thread, so that the caller's done function never runs inside its own start.
 */
#include "connector/connector_call.h"

#include <stdarg.h>
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "connector/connector_private.h"
#include "crypto/crypto_secret.h"
#include "obs/obs_metrics.h"
#include "schema/schema.h"
#include "base/base.h"

PB_LOG_TOPIC("connector.call");

#define PARAMS_ARENA ((size_t)64 << 20)
#define KEY_MAX      512
#define MESSAGE_MAX  2048

/* ---- outcomes ---- */

void connector_outcome_done(struct connector_outcome *out)
{
	free(out->code);
	free(out->message);
	free(out->pointer);
	free(out->output);
	*out = (struct connector_outcome){0};
}

void connector_outcome_set(struct connector_outcome *out, enum connector_status status,
			   const char *code, const char *fmt, ...)
{
	char text[512];
	struct connector_outcome kept = {
		.claim = out->claim,
		.http_status = out->http_status,
		.retry_after_us = out->retry_after_us,
		.not_charged = out->not_charged,
		.died = out->died,
	};
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	connector_outcome_done(out);
	*out = kept;
	out->status = status;
	out->code = code ? pb_xstrdup(code) : NULL;
	out->message = pb_xstrdup(text);
}

static void decide(struct connector_call *call, enum connector_status status, const char *code,
		   const char *msg)
{
	connector_outcome_set(&call->early, status, code, "%s", msg);
	call->decided = true;
}

/* ---- checks on the caller's thread ---- */

/* @params: parsed. Faults become the outcome. */
static void check_schema(struct connector_call *call, struct pb_arena *arena,
			 const struct pb_json *params)
{
	struct pb_problems problems;

	pb_problems_init(&problems, arena, 1);
	if (schema_validate(call->op->params, params, &problems, "connector.param_invalid", ""))
		return;
	decide(call, CONNECTOR_INVALID_INPUT, "connector.param_invalid",
	       problems.first ? problems.first->message : "the parameters are invalid");
	call->early.pointer = pb_xstrdup(problems.first ? problems.first->pointer : "");
}

static void check_params(struct connector_call *call)
{
	pb_auto_arena arena;
	const struct pb_json *params = NULL;
	struct pb_err err = PB_ERR_INIT;

	pb_arena_init(&arena, PARAMS_ARENA);
	if (pb_json_parse(&arena, call->params, call->params_bytes, NULL, &params, &err) != PB_OK) {
		decide(call, CONNECTOR_INVALID_INPUT, "connector.param_invalid", err.msg);
		return;
	}
	if (!pb_json_is(params, PB_JSON_OBJECT)) {
		decide(call, CONNECTOR_INVALID_INPUT, "connector.param_invalid",
		       "the parameters must be an object");
		return;
	}
	check_schema(call, &arena, params);
	call->repeatable = call->repeatable || connector_operation_repeatable(call->op, params);
}

static uint64_t hash_key(const struct connector_call *call)
{
	uint64_t h = pb_uuid_hash(call->tenant) ^ UINT64_C(0xcbf29ce484222325);

	for (const char *c = call->key; *c; c++)
		h = (h ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	return h;
}

static int64_t deadline_of(const struct connectors *c, const struct connector_call_request *req,
			   const struct connector_operation *op, int64_t now_us)
{
	int64_t limit_us = c->cfg.call_timeout_us;
	int64_t end_us;

	if (op->timeout_us > 0)
		limit_us = PB_MIN(limit_us, op->timeout_us);
	end_us = now_us + limit_us;
	return req->deadline_us > 0 ? PB_MIN(req->deadline_us, end_us) : end_us;
}

static struct connector_call *call_new(struct connectors *c,
				       const struct connector_call_request *req)
{
	struct connector_call *call = pb_new(struct connector_call);

	call->magic = CONNECTOR_CALL_MAGIC;
	atomic_init(&call->refs, 1);
	call->owner = c;
	call->tenant = req->tenant;
	call->execution = req->execution;
	call->step = pb_xstrdup(req->step ? req->step : "");
	call->action = connector_action_ref(req->action);
	call->op = connector_action_operation(call->action);
	call->manifest = connector_action_manifest(call->action);
	call->params =
		pb_xmemdup(req->params ? req->params : "{}", req->params ? req->params_bytes : 2);
	call->params_bytes = req->params ? req->params_bytes : 2;
	if (req->opened)
		call->connection = connector_connection_ref(req->opened);
	else if (req->connection && *req->connection)
		call->connection_name = pb_xstrdup(req->connection);
	call->key = pb_xstrdup(req->idempotency_key);
	call->key_hash = hash_key(call);
	call->start_us = pb_mono_us();
	call->deadline_us = deadline_of(c, req, call->op, call->start_us);
	call->dry_run = req->dry_run;
	call->repeatable = req->repeatable;
	call->may_leave = req->may_leave;
	call->counts = connector_counts_of(c, call->manifest->id);
	pb_list_init(&call->https);
	pb_arena_init(&call->log_arena, CONNECTOR_LOG_BYTES);
	return call;
}

struct connector_call *connector_call_ref(struct connector_call *call)
{
	atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
	return call;
}

/* Everything that only a running call needs; the shell stays for who holds a reference. */
static void call_clear(struct connector_call *call)
{
	connector_connection_lines_free(call);
	connector_connection_unref(call->connection);
	call->connection = NULL;
	connector_outcome_done(&call->early);
	connector_outcome_done(&call->outcome);
	free(call->params);
	call->params = NULL;
	free(call->dry_output);
	call->dry_output = NULL;
	pb_arena_done(&call->log_arena);
	call->log = NULL;
	call->n_log = 0;
}

void connector_call_unref(struct connector_call *call)
{
	if (!call)
		return;
	PB_CHECK_MAGIC(call, CONNECTOR_CALL_MAGIC);
	if (atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) > 1)
		return;
	call_clear(call);
	connector_action_unref(call->action);
	free(call->step);
	free(call->connection_name);
	free(call->key);
	call->magic = 0;
	free(call);
}

/* ---- the connection ---- */

static void resolve_failed(struct connector_call *call, const struct pb_err *err)
{
	if (err->status == PB_E_NOT_FOUND) {
		decide(call, CONNECTOR_INVALID_INPUT, "connection.not_found",
		       "the tenant has no such connection");
		return;
	}
	decide(call, CONNECTOR_UNAVAILABLE, "connection.unavailable",
	       "the connection cannot be read now");
	call->early.not_charged = true;
}

static void check_connection(struct connector_call *call)
{
	const struct connector_connection *conn = call->connection;

	if (strcmp(connector_connection_connector(conn), call->manifest->id) != 0)
		decide(call, CONNECTOR_INVALID_INPUT, "connection.wrong_connector",
		       "the connection belongs to another connector");
	else if (!connector_action_accepts(call->action, connector_connection_auth_type(conn)))
		decide(call, CONNECTOR_INVALID_INPUT, "connection.wrong_type",
		       "the action does not take this kind of connection");
}

static void resolve(struct connectors *c, struct connector_job *job)
{
	struct connector_call *call = pb_container_of(job, struct connector_call, job);
	struct pb_err err = PB_ERR_INIT;

	if (!c->cfg.ops.resolve_connection) {
		decide(call, CONNECTOR_INVALID_INPUT, "connection.not_found",
		       "this host has no connections");
	} else if (c->cfg.ops.resolve_connection(c->cfg.ops.arg, call->tenant,
						 call->connection_name, &call->connection,
						 &err) != PB_OK) {
		call->connection = NULL;
		resolve_failed(call, &err);
	} else {
		check_connection(call);
	}
	connector_post(c, &call->enter_msg);
}

static void on_enter(struct connectors *c, struct connector_msg *msg)
{
	(void)c;
	connector_dispatch_enter(pb_container_of(msg, struct connector_call, enter_msg));
}

static void on_cancel(struct connectors *c, struct connector_msg *msg)
{
	struct connector_call *call = pb_container_of(msg, struct connector_call, cancel_msg);

	(void)c;
	connector_dispatch_cancel(call);
	connector_call_unref(call);
}

/* ---- start and cancel ---- */

static enum pb_status check_request(struct connectors *c, const struct connector_call_request *req,
				    struct pb_err *err)
{
	if (!req->action || !req->idempotency_key || !*req->idempotency_key)
		return pb_err_set(err, PB_E_INVALID, "connector.request",
				  "a call needs an action and an idempotency key");
	if (req->params_bytes > IPC_PARAMS_MAX || strlen(req->idempotency_key) > KEY_MAX)
		return pb_err_set(err, PB_E_INVALID, "connector.request",
				  "the parameters are over %u bytes", IPC_PARAMS_MAX);
	if (atomic_load(&c->stopping))
		return pb_err_set(err, PB_E_UNAVAILABLE, "connector.stopping",
				  "the host is stopping");
	if (atomic_fetch_add(&c->in_flight, 1) >= c->cfg.calls_max) {
		atomic_fetch_sub(&c->in_flight, 1);
		return pb_err_set(err, PB_E_LIMIT, "connector.busy",
				  "too many calls are under way");
	}
	return PB_OK;
}

enum pb_status connector_call_start(struct connectors *c, const struct connector_call_request *req,
				    connector_done_fn *done, void *arg, struct connector_call **ret,
				    struct pb_err *err)
{
	struct connector_call *call;
	enum pb_status st = check_request(c, req, err);

	if (st != PB_OK)
		return st;

	call = call_new(c, req);
	call->done = done;
	call->arg = arg;
	call->enter_msg.fn = on_enter;
	call->cancel_msg.fn = on_cancel;
	call->job.run = resolve;
	atomic_fetch_add(&call->counts->in_flight, 1);
	obs_gauge_add(call->counts->m_in_flight, 1);
	check_params(call);
	if (!call->decided && call->connection)
		check_connection(call);
	else if (!call->decided && !call->connection_name &&
		 !connector_action_accepts(call->action, NULL))
		decide(call, CONNECTOR_INVALID_INPUT, "connection.missing",
		       "the action needs a connection");
	if (ret)
		*ret = connector_call_ref(call);
	if (call->decided || !call->connection_name)
		connector_post(c, &call->enter_msg);
	else
		connector_work(c, &call->job);
	return PB_OK;
}

void connector_call_cancel(struct connector_call *call)
{
	PB_CHECK_MAGIC(call, CONNECTOR_CALL_MAGIC);
	if (atomic_exchange(&call->cancel_asked, true))
		return;
	connector_post(call->owner, &connector_call_ref(call)->cancel_msg);
}

/* ---- the end ---- */

static void redact(struct connector_call *call, char **text)
{
	char *clean;

	if (!*text || !call->connection)
		return;
	clean = connector_call_redact(call, *text, strlen(*text), NULL);
	free(*text);
	*text = clean;
}

/* A secret in the output is replaced; if that broke the JSON, there is no output. */
static void redact_output(struct connector_call *call, struct connector_outcome *out)
{
	pb_auto_arena arena;
	const struct pb_json *j;
	size_t n = 0;
	char *clean;

	pb_arena_init(&arena, PARAMS_ARENA);
	if (!out->output || !call->connection)
		return;
	clean = connector_call_redact(call, out->output, out->output_bytes, &n);
	if (n == out->output_bytes && memcmp(clean, out->output, n) == 0) {
		free(clean);
		return;
	}
	free(out->output);
	out->output = clean;
	out->output_bytes = n;
	if (pb_json_parse(&arena, clean, n, NULL, &j, NULL) != PB_OK)
		connector_outcome_set(out, CONNECTOR_INTERNAL, "connector.output",
				      "the output held a secret");
}

static bool is_failure(enum connector_status st)
{
	return st != CONNECTOR_OK && st != CONNECTOR_CANCELLED && st != CONNECTOR_IS_DISABLED;
}

static void count_end(struct connector_call *call, enum connector_status st, int64_t duration_us)
{
	struct connector_counts *n = call->counts;

	atomic_fetch_add(&n->calls, 1);
	atomic_fetch_add(&n->latency_us, (uint64_t)duration_us);
	atomic_fetch_sub(&n->in_flight, 1);
	obs_counter_add(n->m_calls, 1);
	obs_gauge_add(n->m_in_flight, -1);
	obs_histogram_observe(n->m_latency, duration_us);
	if (is_failure(st)) {
		atomic_fetch_add(&n->failures, 1);
		obs_counter_add(n->m_failures, 1);
	}
	if (st == CONNECTOR_CRASHED) {
		atomic_fetch_add(&n->crashes, 1);
		obs_counter_add(n->m_crashes, 1);
	}
}

void connector_call_finish(struct connector_call *call, struct connector_outcome *out)
{
	struct connectors *c = call->owner;
	struct connector_call_result res = {
		.status = out->status,
		.effect = connector_effect_of(out, call->sent, call->unanswered),
		.attempt_charged = !out->not_charged,
		.duration_us = pb_mono_us() - call->start_us,
		.http_status = out->http_status ? out->http_status : call->last_http_status,
		.restarts = call->restarts,
	};

	redact(call, &out->message);
	redact(call, &out->code);
	redact(call, &out->pointer);
	redact_output(call, out);
	res.status = out->status;
	res.repeatable = res.effect == CONNECTOR_EFFECT_NONE || call->repeatable;
	res.retry_after_us = out->retry_after_us;
	if (!res.retry_after_us && out->status == CONNECTOR_RATE_LIMITED)
		res.retry_after_us = call->last_retry_after_us;
	if (out->status == CONNECTOR_OK) {
		res.output = out->output ? out->output : "null";
		res.output_bytes = out->output ? out->output_bytes : 4;
	}
	res.code = out->code;
	res.message = out->message ? out->message : connector_status_name(out->status);
	res.pointer = out->pointer;
	res.log = call->log;
	res.n_log = call->n_log;
	call->state = CALL_DONE;
	count_end(call, res.status, res.duration_us);
	pb_log(PB_LOG_DEBUG, "call ended", PB_KV_UUID("patchbay.tenant_id", call->tenant),
	       PB_KV_UUID("patchbay.execution_id", call->execution),
	       PB_KV_STR("patchbay.step_id", call->step),
	       PB_KV_STR("patchbay.connector", connector_action_name(call->action)),
	       PB_KV_STR("status", connector_status_name(res.status)));
	call->done(call->arg, &res);
	connector_outcome_done(out);
	call_clear(call);
	atomic_fetch_sub(&c->in_flight, 1);
	connector_call_unref(call);
}
