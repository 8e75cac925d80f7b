/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /api/v1/executions: what ran and what each step did, and the few things one may do to them. Data of executions is
 * spliced into answers as the bytes that were stored: nothing is parsed or written again.
 */
#include "api/api_body.h"

#include "engine/engine.h"
#include "store/store_execution_view.h"
#include "store/store_workflow.h"

#include "base/base.h"

#define LIST             "executions"
#define NOT_FOUND        "execution.not_found"
#define DECISION_BYTES   (1024 * 1024)
#define VIEW_ARENA_BYTES ((size_t)64 * 1024 * 1024)
#define ANSWER_BYTES     ((size_t)96 * 1024 * 1024)
#define DEFINITION_BYTES ((size_t)32 * 1024 * 1024)
#define US_PER_MS        1000

static bool execution_id(struct http_req *req, struct pb_uuid *ret)
{
	return api_param_uuid(req, "id", NOT_FOUND, ret);
}

/* ---- shapes ---- */

static void put_duration(struct pb_jw *w, int64_t from_us, int64_t to_us)
{
	pb_jw_key(w, "duration_ms");
	if (from_us > 0 && to_us >= from_us)
		pb_jw_int(w, (to_us - from_us) / US_PER_MS);
	else
		pb_jw_null(w);
}

static void put_wait_reason(struct pb_jw *w, enum model_wait_reason reason)
{
	api_put_str(w, "wait_reason",
		    reason == MODEL_WAIT_NONE ? NULL : model_wait_reason_name(reason));
}

/* Text that is not NUL-terminated; null when absent. */
static void put_slice(struct pb_jw *w, const char *key, struct pb_slice s)
{
	pb_jw_key(w, key);
	if (s.len)
		pb_jw_strn(w, s.p, s.len);
	else
		pb_jw_null(w);
}

static void write_head(struct pb_jw *w, const struct store_execution *x)
{
	api_put_uuid(w, "id", x->id);
	api_put_uuid(w, "workflow_id", x->workflow_id);
	api_put_int(w, "workflow_version", x->workflow_version);
	api_put_str(w, "status", model_execution_status_name(x->status));
	put_wait_reason(w, x->wait_reason);
	api_put_time(w, "created_at", x->created_at);
	api_put_time(w, "started_at", x->started_at);
	api_put_time(w, "finished_at", x->finished_at);
	put_duration(w, x->started_at, x->finished_at);
	api_put_uuid(w, "retry_of", x->retry_of);
	api_put_int(w, "recoveries", x->recoveries);
	api_put_raw(w, "error", x->error);
}

static void write_step(struct pb_jw *w, const struct store_step *s)
{
	pb_jw_object(w);
	put_slice(w, "id", s->step_id);
	put_slice(w, "item", s->item);
	api_put_str(w, "status", model_step_status_name(s->status));
	put_wait_reason(w, (enum model_wait_reason)s->wait_reason);
	api_put_raw(w, "attempts", s->attempts.p ? s->attempts : PB_SLICE("[]"));
	api_put_int(w, "attempt_count", s->attempt);
	api_put_raw(w, "input", s->input);
	api_put_raw(w, "output", s->output);
	api_put_raw(w, "error", s->error);
	put_slice(w, "idempotency_key", s->idempotency_key);
	put_slice(w, "connector", s->connector);
	put_slice(w, "connector_version", s->connector_version);
	api_put_time(w, "started_at", s->started_at);
	api_put_time(w, "finished_at", s->finished_at);
	put_duration(w, s->started_at, s->finished_at);
	api_put_time(w, "next_attempt_at", s->next_attempt_at);
	pb_jw_end(w);
}

static void write_whole(struct pb_jw *w, const struct store_execution *x,
			const struct store_step *steps, size_t n)
{
	struct pb_slice result = x->result;

	if (!result.p && x->status == MODEL_EXECUTION_SUCCEEDED)
		result = engine_result_of_steps(steps, n);
	pb_jw_object(w);
	write_head(w, x);
	api_put_raw(w, "trigger", x->trigger);
	api_put_raw(w, "result", result);
	pb_jw_key(w, "steps");
	pb_jw_array(w);
	for (size_t i = 0; i < n; i++)
		write_step(w, &steps[i]);
	pb_jw_end(w);
	pb_jw_end(w);
}

/* ---- list ---- */

/* "failed,cancelled" */
static bool read_statuses(struct http_req *req, struct store_execution_filter *f)
{
	const char *at = http_req_query(req, "status");
	enum model_execution_status status;
	char name[32];

	while (at) {
		size_t n = strcspn(at, ",");
		bool ok = n > 0 && n < sizeof(name) && f->n_statuses < PB_ARRAY_LEN(f->statuses);

		if (ok) {
			memcpy(name, at, n);
			name[n] = 0;
			ok = model_execution_status_parse(name, &status);
		}
		if (!ok) {
			http_reply_fail(
				req, PB_E_INVALID, "http.query_invalid",
				"\"status\" is a list like failed,cancelled of known states");
			return false;
		}
		f->statuses[f->n_statuses++] = (int16_t)status;
		at = at[n] ? at + n + 1 : NULL;
	}
	return true;
}

static bool read_filter(struct api *api, struct http_req *req, struct store_execution_filter *f)
{
	static const char *const params[] = {"workflow_id", "status", "from", "to",
					     "cursor",      "limit",  NULL};

	*f = (struct store_execution_filter){0};
	return api_only_query(req, params) && api_query_uuid(req, "workflow_id", &f->workflow_id) &&
	       read_statuses(req, f) && api_query_time(req, "from", &f->from_us) &&
	       api_query_time(req, "to", &f->to_us) &&
	       api_page_query(api, req, LIST, &f->before, &f->limit);
}

static void reply_list(struct api *api, struct http_req *req, const struct store_execution *rows,
		       size_t n, bool more, int limit)
{
	struct http_page page = {.limit = limit};
	pb_auto_buf data = PB_BUF_INIT;
	char next[API_CURSOR_BYTES];
	struct pb_jw w;

	pb_jw_init(&w, &data);
	pb_jw_array(&w);
	for (size_t i = 0; i < n; i++) {
		pb_jw_object(&w);
		write_head(&w, &rows[i]);
		pb_jw_end(&w);
	}
	pb_jw_end(&w);
	if (more && n > 0) {
		api_cursor_write(api, api_actor(req)->tenant, LIST, rows[n - 1].id, next);
		page.next = next;
	}
	http_reply_page(req, NULL, data.p, data.len, &page);
}

static void handle_list(struct http_req *req, void *arg)
{
	struct api *api = arg;
	struct store_execution_filter filter;
	struct pb_err err = PB_ERR_INIT;
	struct store_execution *rows;
	size_t n;
	bool more;

	if (!read_filter(api, req, &filter))
		return;
	if (store_execution_list(api->cfg.api_pool, api_actor(req)->tenant, &filter,
				 http_req_arena(req), &rows, &n, &more, &err) != PB_OK)
		api_fail(req, &err);
	else
		reply_list(api, req, rows, n, more, filter.limit);
}

/* ---- one ---- */

static void handle_get(struct http_req *req, void *arg)
{
	struct api *api = arg;
	struct pb_uuid tenant = api_actor(req)->tenant, id;
	struct pb_err err = PB_ERR_INIT;
	pb_auto_buf data = PB_BUF_INIT;
	struct store_execution *x;
	struct store_step *steps;
	pb_auto_arena arena;
	enum pb_status st;
	struct pb_jw w;
	size_t n = 0;

	pb_arena_init(&arena, VIEW_ARENA_BYTES);
	if (!execution_id(req, &id))
		return;
	st = store_execution_get(api->cfg.api_pool, tenant, id, &arena, &x, &err);
	if (st == PB_OK)
		st = store_execution_steps(api->cfg.api_pool, tenant, id, &arena, &steps, &n, &err);
	if (st != PB_OK) {
		api_fail(req, &err);
		return;
	}
	pb_buf_init(&data, ANSWER_BYTES);
	pb_jw_init(&w, &data);
	write_whole(&w, x, steps, n);
	http_reply_buf(req, 200, NULL, &data);
}

/* ---- acting on one ---- */

static void write_accepted(struct api_answer *answer, struct pb_uuid id, const char *message)
{
	struct pb_jw w;

	answer->status = 202;
	answer->message = message;
	pb_jw_init(&w, &answer->data);
	pb_jw_object(&w);
	api_put_uuid(&w, "execution_id", id);
	pb_jw_end(&w);
}

static enum pb_status cancel(struct api *api, struct http_req *req, const struct pb_json *body,
			     struct api_answer *answer, struct pb_err *err)
{
	static const char *const none[] = {NULL};
	struct pb_uuid id;
	enum pb_status st;

	if (!api_only_fields(req, body, none) || !execution_id(req, &id))
		return PB_E_CANCELLED;
	st = engine_cancel(api->cfg.engine, api_actor(req)->tenant, id, err);
	if (st == PB_OK)
		write_accepted(answer, id, "it ends as soon as it can");
	return st;
}

static void handle_cancel(struct http_req *req, void *arg)
{
	api_create(arg, req, "executions.cancel", cancel);
}

/* The step must be one of the version that ran; the engine would only find out while it runs. */
static enum pb_status check_step(struct api *api, struct pb_uuid tenant, struct pb_uuid id,
				 const char *step, struct pb_err *err)
{
	const struct pb_json *definition;
	struct store_execution *x;
	struct pb_slice text;
	pb_auto_arena arena;
	enum pb_status st;

	pb_arena_init(&arena, DEFINITION_BYTES);
	st = store_execution_get(api->cfg.api_pool, tenant, id, &arena, &x, err);
	if (st == PB_OK)
		st = store_workflow_definition(api->cfg.api_pool, tenant, x->workflow_id,
					       x->workflow_version, &arena, &text, err);
	if (st == PB_OK)
		st = pb_json_parse(&arena, text.p, text.len, NULL, &definition, err);
	if (st != PB_OK)
		return st;
	pb_json_each_item (it, pb_json_get(definition, "steps")) {
		if (pb_str_eq(pb_json_str(pb_json_get(it, "id")), step))
			return PB_OK;
	}
	return pb_err_set(err, PB_E_UNPROCESSABLE, "execution.from_step_unknown",
			  "the workflow has no step \"%.64s\"", step);
}

static void handle_retry(struct http_req *req, void *arg)
{
	static const char *const fields[] = {"from_step", NULL};
	struct api *api = arg;
	struct engine_accept_request r = {.tenant = api_actor(req)->tenant};
	struct api_answer answer = {0};
	struct engine_accepted made;
	struct pb_err err = PB_ERR_INIT;
	const struct pb_json *body;
	const char *from = NULL;
	enum pb_status st = PB_OK;
	struct pb_uuid id;

	if (!api_body_object_or_empty(req, &body) || !api_only_fields(req, body, fields) ||
	    !execution_id(req, &id) || !api_field_text(req, body, "from_step", false, 64, &from) ||
	    !api_accept_key(req, "retry", id, &r))
		return;
	if (from)
		st = check_step(api, r.tenant, id, from, &err);
	r.retry_from = pb_slice_str(from);
	if (st == PB_OK)
		st = engine_retry(api->cfg.engine, id, &r, &made, &err);
	if (st != PB_OK) {
		api_fail(req, &err);
		return;
	}
	if (made.duplicate)
		http_reply_header(req, "Idempotency-Replayed", "true");
	pb_buf_init(&answer.data, 256);
	write_accepted(&answer, made.id, "runs again as a new execution");
	http_reply_buf(req, answer.status, answer.message, &answer.data);
	pb_buf_done(&answer.data);
}

static bool read_decision(struct http_req *req, const struct pb_json *body,
			  enum engine_decision *ret, const struct pb_json **ret_output)
{
	static const char *const fields[] = {"decision", "output", NULL};
	static const char *const names[] = {[ENGINE_DECISION_MARK_SUCCEEDED] = "mark_succeeded",
					    [ENGINE_DECISION_RETRY] = "retry",
					    [ENGINE_DECISION_FAIL] = "fail"};
	const char *decision;

	*ret_output = pb_json_get(body, "output");
	if (!api_only_fields(req, body, fields) ||
	    !api_field_text(req, body, "decision", true, 32, &decision))
		return false;
	for (size_t i = 0; i < PB_ARRAY_LEN(names); i++) {
		if (!names[i] || !pb_str_eq(names[i], decision))
			continue;
		*ret = (enum engine_decision)i;
		if (!*ret_output || i == ENGINE_DECISION_MARK_SUCCEEDED)
			return true;
		api_reject(req, PB_E_UNPROCESSABLE, "execution.output_not_wanted", "/output",
			   "only mark_succeeded takes an output");
		return false;
	}
	api_reject(req, PB_E_UNPROCESSABLE, "execution.decision_unknown", "/decision",
		   "a decision is mark_succeeded, retry or fail");
	return false;
}

static enum pb_status decide(struct api *api, struct http_req *req, const struct pb_json *body,
			     struct api_answer *answer, struct pb_err *err)
{
	struct pb_slice step = http_req_param(req, "step");
	const char *name = pb_arena_memdup(http_req_arena(req), step.p, step.len);
	const struct pb_json *output;
	pb_auto_buf text = PB_BUF_INIT;
	enum engine_decision decision;
	struct pb_uuid id;
	enum pb_status st;

	if (!execution_id(req, &id) || !read_decision(req, body, &decision, &output))
		return PB_E_CANCELLED;
	if (!name || (output && !pb_json_write(&text, output)))
		return pb_err_set(err, PB_E_TOO_LARGE, "request.too_large",
				  "the request is too large");
	st = engine_decide(api->cfg.engine, api_actor(req)->tenant, id, name, decision,
			   pb_slice(text.p, text.len), err);
	if (st == PB_OK)
		write_accepted(answer, id, "decided");
	return st;
}

static void handle_decide(struct http_req *req, void *arg)
{
	api_create(arg, req, "executions.decide", decide);
}

void api_execution_routes(struct http_router *r, struct api *api)
{
	const struct http_route routes[] = {
		{HTTP_GET, "/api/v1/executions", handle_list, api, 0, 0, API_NEEDS(EXECUTION_READ),
		 "listExecutions"},
		{HTTP_GET, "/api/v1/executions/{id}", handle_get, api, 0, 0,
		 API_NEEDS(EXECUTION_READ), "getExecution"},
		{HTTP_POST, "/api/v1/executions/{id}/cancel", handle_cancel, api, 1024, 0,
		 API_NEEDS(EXECUTION_CANCEL), "cancelExecution"},
		{HTTP_POST, "/api/v1/executions/{id}/retry", handle_retry, api, 4096, 0,
		 API_NEEDS(EXECUTION_RETRY), "retryExecution"},
		{HTTP_POST, "/api/v1/executions/{id}/steps/{step}/decision", handle_decide, api,
		 DECISION_BYTES, 0, API_NEEDS(EXECUTION_DECIDE), "decideStep"},
	};

	http_router_add_all(r, routes, PB_ARRAY_LEN(routes));
}
