/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /hooks/{token}: from a request on the open internet to an accepted execution. The surprising thing: unknown,
 * inactive, wrong method and malformed tokens all get the same 404, so nothing can be learnt by trying.
 */
#include "api/api_internal.h"

#include "api/api_hooks.h"
#include "auth/hook_token.h"
#include "base/clock.h"
#include "config/config.h"
#include "crypto/crypto_hash.h"
#include "engine/engine.h"
#include "limits/limits.h"
#include "model/workflow.h"
#include "obs/obs_metrics.h"

#include "base/base.h"

#define CHECK_ARENA_BYTES ((size_t)64 * 1024) /* and what the body's length asks for */
/* What a run gave back may be larger than a request's arena. */
#define RESULT_ARENA_BYTES ((size_t)64 * 1024 * 1024)

/* Never part of a trigger: they are credentials, and executions are stored and shown. */
static const char *const secret_headers[] = {"authorization", "proxy-authorization", "cookie",
					     "x-api-key"};

static void not_found(struct http_req *req)
{
	http_reply_fail(req, PB_E_NOT_FOUND, "hook.not_found", "there is no such hook");
}

static bool find_hook(struct api *api, struct http_req *req, struct store_hook *ret)
{
	struct pb_slice token = http_req_param(req, "token");
	uint8_t hash[CRYPTO_HASH_BYTES];
	struct pb_err err = PB_ERR_INIT;
	int64_t retry_us;
	bool known;

	hook_token_hash(api->cfg.hook_subkey, token.p, token.len, hash);
	if (!hook_token_wellformed(token.p, token.len)) {
		not_found(req);
		return false;
	}
	known = api_hooks_has(api->hooks, hash);
	if (!known && !api_may_look_up(api, req, &retry_us)) {
		http_reply_retry(req, PB_E_LIMIT, "limits.exceeded",
				 "too many hooks that do not exist were asked for from this "
				 "address; wait as Retry-After says",
				 retry_us);
		return false;
	}
	switch (api_hooks_find(api->hooks, hash, ret, &err)) {
	case PB_OK:
		return true;
	case PB_E_NOT_FOUND:
		if (!known)
			api_looked_up_in_vain(api, req);
		not_found(req);
		return false;
	default:
		api_fail(req, &err);
		return false;
	}
}

static bool within_rate(struct api *api, struct http_req *req, const struct store_hook *hook)
{
	int64_t max = api->cfg.config->hook_rate_per_minute;
	struct limits_result res;
	char key[80], id[PB_UUID_TEXT_BYTES];

	if (max <= 0)
		return true;
	pb_uuid_format(hook->tenant_id, id);
	(void)pb_str_printf(key, sizeof(key), "hook:%s", id);
	if (limits_take(api->cfg.limits, pb_slice_str(key), max, PB_USEC_PER_MIN, &res))
		return true;
	http_reply_retry(req, PB_E_LIMIT, "limits.exceeded",
			 "too many requests to this tenant's hooks", res.retry_after_us);
	return false;
}

struct info_job {
	struct engine *engine;
	const struct store_hook *hook;
	struct engine_trigger_info info;
	enum pb_status status;
	struct pb_err err;
};

static void read_info(void *arg)
{
	struct info_job *job = arg;
	const struct store_hook *hook = job->hook;

	job->status = engine_trigger_info(job->engine, hook->tenant_id, hook->workflow_id,
					  hook->version, &job->info, &job->err);
}

/* A version that is not in memory is compiled, which needs a deep stack. */
static bool find_info(struct api *api, struct http_req *req, const struct store_hook *hook,
		      struct engine_trigger_info *ret)
{
	struct info_job job = {.engine = api->cfg.engine, .hook = hook, .err = PB_ERR_INIT};

	if (engine_trigger_info_cached(api->cfg.engine, hook->tenant_id, hook->workflow_id,
				       hook->version, ret))
		return true;
	if (api_offload_run(api->offload, read_info, &job, &job.err) != PB_OK ||
	    job.status != PB_OK) {
		api_fail(req, &job.err);
		return false;
	}
	*ret = job.info;
	return true;
}

/* ---- the trigger's data ---- */

static bool is_secret_header(const char *lower)
{
	for (size_t i = 0; i < PB_ARRAY_LEN(secret_headers); i++) {
		if (pb_str_eq(secret_headers[i], lower))
			return true;
	}
	return false;
}

static const char *lower_case(struct pb_arena *a, const char *s)
{
	char *copy = pb_arena_strdup(a, s);

	for (char *p = copy; p && *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + ('a' - 'A'));
	}
	return copy ? copy : "";
}

/* A header that came more than once is one text, joined as RFC 9110 §5.3 says; the first place counts. */
static void write_header_value(struct http_req *req, struct pb_jw *w, size_t first,
			       const char *name)
{
	pb_auto_buf joined = PB_BUF_INIT;
	const char *n, *v;

	for (size_t i = first; i < http_req_header_count(req); i++) {
		http_req_header_at(req, i, &n, &v);
		if (!pb_slice_eq_nocase(pb_slice_str(n), name))
			continue;
		if (i > first)
			pb_buf_adds(&joined, ", ");
		pb_buf_adds(&joined, v);
	}
	pb_jw_strn(w, pb_buf_str(&joined), joined.len);
}

static bool came_before(struct http_req *req, size_t index, const char *name)
{
	const char *n, *v;

	for (size_t i = 0; i < index; i++) {
		http_req_header_at(req, i, &n, &v);
		if (pb_slice_eq_nocase(pb_slice_str(n), name))
			return true;
	}
	return false;
}

static void write_headers(struct http_req *req, struct pb_jw *w)
{
	pb_jw_key(w, "headers");
	pb_jw_object(w);
	for (size_t i = 0; i < http_req_header_count(req); i++) {
		const char *n, *v, *lower;

		http_req_header_at(req, i, &n, &v);
		lower = lower_case(http_req_arena(req), n);
		if (is_secret_header(lower) || came_before(req, i, lower))
			continue;
		pb_jw_key(w, lower);
		write_header_value(req, w, i, lower);
	}
	pb_jw_end(w);
}

/* Two names that differ only in bytes that JSON cannot carry would become one. */
static bool is_text(struct pb_slice s)
{
	return pb_utf8_valid(s.p, s.len) && !memchr(s.p, 0, s.len);
}

/* ?a=1&a=2: the last one counts, as for most receivers. False when it has answered. */
static bool write_query(struct http_req *req, struct pb_jw *w)
{
	size_t n = http_req_query_count(req);

	pb_jw_key(w, "query");
	pb_jw_object(w);
	for (size_t i = 0; i < n; i++) {
		const struct http_param *p = http_req_query_at(req, i);
		bool again = false;

		if (!is_text(p->name)) {
			http_reply_fail(req, PB_E_INVALID, "http.query_invalid",
					"the name of a query parameter is not text");
			return false;
		}
		for (size_t k = i + 1; k < n && !again; k++)
			again = pb_slice_eq(http_req_query_at(req, k)->name, p->name);
		if (again)
			continue;
		pb_jw_key(w, p->name.p);
		pb_jw_strn(w, p->value.p, p->value.len);
	}
	pb_jw_end(w);
	return true;
}

static bool says_json(const char *content_type)
{
	struct pb_slice t = pb_slice_str(content_type);
	const char *end = content_type ? memchr(t.p, ';', t.len) : NULL;

	if (end)
		t.len = (size_t)(end - t.p);
	while (t.len && t.p[t.len - 1] == ' ')
		t.len--;
	return pb_slice_eq_nocase(t, "application/json") ||
	       (t.len > 5 && pb_slice_eq_nocase(pb_slice(t.p + t.len - 5, 5), "+json"));
}

/* Checked in an arena of its own: [1,1,1...] takes nine times its length, and the body's limit is the operator's. */
static enum pb_status check_json(struct pb_slice body, struct pb_err *err)
{
	const struct pb_json_limits limits = {.depth = PB_JSON_DEPTH - 1}; /* it goes one deeper */
	const struct pb_json *ignored;
	pb_auto_arena arena;

	pb_arena_init(&arena, body.len * 16 + CHECK_ARENA_BYTES);
	return pb_json_parse(&arena, body.p, body.len, &limits, &ignored, err);
}

/*
 * JSON goes in as the very bytes that came (checked first); anything else as text. False when it has answered.
 */
static bool write_body(struct http_req *req, struct pb_slice body, struct pb_jw *w)
{
	const char *type = http_req_header(req, "Content-Type");
	struct pb_err err = PB_ERR_INIT;
	enum pb_status st = PB_OK;

	pb_jw_key(w, "body");
	if (body.len == 0) {
		pb_jw_null(w);
		return true;
	}
	if (says_json(type) || !type) {
		st = check_json(body, &err);
		if (st == PB_OK) {
			pb_jw_raw(w, body.p, body.len);
			return true;
		}
		if (type || st == PB_E_TOO_LARGE) {
			http_reply_error_at(req, &err, "", NULL);
			return false;
		}
	}
	if (!pb_utf8_valid(body.p, body.len)) {
		http_reply_fail(req, PB_E_UNSUPPORTED, "hook.body_not_text",
				"the body is neither JSON nor UTF-8 text");
		return false;
	}
	pb_jw_strn(w, body.p, body.len);
	return true;
}

static bool write_trigger(struct http_req *req, struct pb_slice body, struct pb_buf *out)
{
	struct pb_jw w;

	pb_jw_init(&w, out);
	pb_jw_object(&w);
	pb_jw_key(&w, "method");
	pb_jw_str(&w, http_req_method_name(req));
	pb_jw_key(&w, "path"); /* of the hook itself: the token before it is a secret */
	pb_jw_str(&w, "/");
	if (!write_query(req, &w))
		return false;
	write_headers(req, &w);
	if (!write_body(req, body, &w))
		return false;
	pb_jw_key(&w, "content_type");
	pb_jw_str(&w, http_req_header(req, "Content-Type"));
	pb_jw_end(&w);
	return true;
}

/* ---- answers ---- */

static void write_id(struct pb_buf *b, const struct engine_accepted *a, const char *status)
{
	struct pb_jw w;

	pb_jw_init(&w, b);
	pb_jw_object(&w);
	pb_jw_key(&w, "execution_id");
	pb_jw_uuid(&w, a->id);
	if (status) {
		pb_jw_key(&w, "status");
		pb_jw_str(&w, status);
		pb_jw_key(&w, "duplicate");
		pb_jw_bool(&w, a->duplicate);
	}
	pb_jw_end(&w);
}

static void reply_accepted(struct http_req *req, const struct engine_accepted *a)
{
	pb_auto_buf data = PB_BUF_INIT;

	write_id(&data, a, "queued");
	http_reply_buf(req, 202, a->duplicate ? "accepted before" : "accepted", &data);
}

static void reply_not_ended(struct http_req *req, const struct engine_accepted *a)
{
	pb_auto_buf details = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;

	write_id(&details, a, NULL);
	(void)pb_err_set(&err, PB_E_TIMEOUT, "execution.result_timeout",
			 "accepted, but not finished within the deadline; it goes on");
	http_reply_error_at(req, &err, NULL, pb_buf_str(&details));
}

static void reply_ended(struct http_req *req, const struct engine_accepted *a)
{
	pb_auto_buf details = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;
	struct pb_jw w;

	if (a->status == MODEL_EXECUTION_SUCCEEDED) {
		http_reply_data(req, 200, "succeeded", a->result.p, a->result.len);
		return;
	}
	pb_jw_init(&w, &details);
	pb_jw_object(&w);
	pb_jw_key(&w, "execution_id");
	pb_jw_uuid(&w, a->id);
	pb_jw_key(&w, "status");
	pb_jw_str(&w, model_execution_status_name(a->status));
	pb_jw_key(&w, "error");
	pb_jw_raw(&w, a->error.p, a->error.len);
	pb_jw_end(&w);
	(void)pb_err_set(
		&err, a->status == MODEL_EXECUTION_CANCELLED ? PB_E_CONFLICT : PB_E_INTERNAL,
		a->status == MODEL_EXECUTION_CANCELLED ? "execution.cancelled" : "execution.failed",
		"the workflow did not succeed; see details");
	http_reply_error_at(req, &err, NULL, pb_buf_str(&details));
}

/* ---- accepting ---- */

static bool set_idempotency(struct http_req *req, const struct store_hook *hook,
			    struct pb_slice body, struct engine_accept_request *r)
{
	const char *key = http_req_header(req, "Idempotency-Key");
	char id[PB_UUID_TEXT_BYTES];
	struct pb_slice parts[4];

	if (!key)
		return true;
	if (!*key || strlen(key) > 255 || http_req_header_repeats(req, "Idempotency-Key") > 1) {
		http_reply_fail(req, PB_E_INVALID, "idempotency.key_invalid",
				"Idempotency-Key must be one value of 1 to 255 characters");
		return false;
	}
	pb_uuid_format(hook->workflow_id, id);
	r->idempotency_scope = pb_slice_str(pb_arena_printf(http_req_arena(req), "hook:%s", id));
	parts[0] = pb_slice_str(http_req_method_name(req));
	parts[1] = body;
	parts[2] = http_req_query_raw(req);
	parts[3] = pb_slice_str(http_req_header(req, "Content-Type"));
	crypto_sha256(key, strlen(key), r->idempotency_key_hash);
	crypto_blake2b_parts(NULL, parts, PB_ARRAY_LEN(parts), r->idempotency_request_hash);
	return true;
}

static void accept_hook(struct api *api, struct http_req *req, const struct store_hook *hook,
			const struct engine_trigger_info *info)
{
	struct engine_accept_request r = {
		.tenant = hook->tenant_id, .workflow = hook->workflow_id, .version = hook->version};
	struct engine_accepted accepted;
	struct pb_err err = PB_ERR_INIT;
	pb_auto_buf trigger = PB_BUF_INIT;
	struct pb_slice body;
	pb_auto_arena arena;

	pb_arena_init(&arena, RESULT_ARENA_BYTES);
	if (http_req_body(req, &body, &err) != PB_OK) {
		http_reply_error(req, &err);
		return;
	}
	if (!write_trigger(req, body, &trigger) || !set_idempotency(req, hook, body, &r))
		return;
	r.trigger = pb_slice(pb_buf_str(&trigger), trigger.len);
	if (info->wants_result)
		r.wait_us = PB_MIN(info->result_deadline_us, api->cfg.config->sync_wait_max_us);
	if (engine_accept(api->cfg.engine, &r, &arena, &accepted, &err) != PB_OK)
		api_fail(req, &err);
	else if (!info->wants_result)
		reply_accepted(req, &accepted);
	else if (!accepted.ended)
		reply_not_ended(req, &accepted);
	else
		reply_ended(req, &accepted);
}

static void handle_hook(struct http_req *req, void *arg)
{
	struct api *api = arg;
	struct engine_trigger_info info;
	struct store_hook hook;

	if (!find_hook(api, req, &hook) || !within_rate(api, req, &hook) ||
	    !find_info(api, req, &hook, &info))
		return;
	if (!info.is_webhook ||
	    !(model_method_parse(http_req_method_name(req), strlen(http_req_method_name(req))) &
	      info.methods)) {
		not_found(req);
		return;
	}
	accept_hook(api, req, &hook, &info);
}

void api_hook_routes(struct http_router *r, struct api *api)
{
	http_router_add(r, &(struct http_route){
				   .method = HTTP_ANY,
				   .pattern = "/hooks/{token}",
				   .handler = handle_hook,
				   .arg = api,
				   .max_body_bytes =
					   api->cfg.config ? (size_t)api->cfg.config->max_body_bytes
							   : 1024 * 1024,
				   .flags = API_ROUTE_NO_AUTH | HTTP_ROUTE_QUERY_REPEATS,
				   .doc = "receiveHook",
			   });
}
