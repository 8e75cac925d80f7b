/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API's object and what happens around every handler: who asks, may they, not too often; and the access log.
 */
#include "api/api.h"

#include "api/api_hooks.h"
#include "api/api_internal.h"
#include "api/api_resolve.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "bus/bus.h"
#include "config/config.h"
#include "limits/limits.h"

#include "base/base.h"

PB_LOG_TOPIC("api");

#define P(name) [TENANT_##name] = TENANT_##name
const enum tenant_permission api_permissions[TENANT_PERMISSION_COUNT] = {
	P(WORKFLOW_READ),    P(WORKFLOW_WRITE),     P(WORKFLOW_TOGGLE), P(WORKFLOW_RUN),
	P(EXECUTION_READ),   P(EXECUTION_CANCEL),   P(EXECUTION_RETRY), P(EXECUTION_DECIDE),
	P(DEAD_LETTER_READ), P(DEAD_LETTER_REPLAY), P(CONNECTION_READ), P(CONNECTION_WRITE),
	P(CONNECTION_TEST),  P(CONNECTOR_READ),     P(HOOK_READ),       P(HOOK_WRITE),
	P(ENDPOINT_READ),    P(ENDPOINT_WRITE),     P(API_KEY_READ),    P(API_KEY_WRITE),
	P(MEMBER_READ),      P(MEMBER_WRITE),       P(TENANT_READ),     P(TENANT_WRITE),
	P(TENANT_DELETE),    P(BILLING_READ),       P(BILLING_WRITE),   P(AUDIT_READ),
	P(LOG_READ),         P(STATUS_READ),        P(CONNECTOR_ADMIN), P(PLATFORM_ADMIN),
};
#undef P

enum pb_status api_new(const struct api_cfg *cfg, struct api **ret, struct pb_err *err)
{
	struct api *api = pb_new(struct api);

	(void)err;
	api->magic = API_MAGIC;
	api->cfg = *cfg;
	api->started_us = pb_mono_us();
	api->hooks = api_hooks_new(cfg->engine_pool, cfg->api_pool);
	api->offload = api_offload_new(2);
	api_docs_write(&api->docs);
	*ret = api;
	return PB_OK;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	api_offload_free(api->offload);
	api_hooks_free(api->hooks);
	pb_buf_done(&api->docs);
	api->magic = 0;
	free(api);
}

void api_set_base_url(struct api *api, const char *url)
{
	size_t n = strlen(url);

	if (!pb_str_copy(api->base_url, sizeof(api->base_url), url))
		n = sizeof(api->base_url) - 1;
	while (n > 0 && api->base_url[n - 1] == '/')
		api->base_url[--n] = 0;
}

void api_add_routes(struct api *api, struct http_router *router)
{
	api_add_probe_routes(api, router);
	api_system_routes(router, api);
	api_hook_routes(router, api);
	api_workflow_routes(router, api);
	api_execution_routes(router, api);
	api_connection_routes(router, api);
	api_connector_routes(router, api);
	api_key_routes(router, api);
}

/* ---- around every handler ---- */

const struct auth_actor *api_actor(const struct http_req *req)
{
	const struct auth_actor *actor = http_req_attached(req);

	PB_ASSERT(actor != NULL);
	return actor;
}

static void name_actor(struct http_req *req, const struct auth_actor *actor)
{
	char user[PB_UUID_TEXT_BYTES], client[PB_UUID_TEXT_BYTES];

	pb_uuid_format(actor->user_id, user);
	pb_uuid_format(actor->id, client);
	http_req_set_actor(req, pb_uuid_is_nil(actor->user_id) ? NULL : user, client,
			   tenant_role_name(actor->role));
}

static void take_miss(struct api *api, struct http_req *req, int64_t max, int64_t cost,
		      struct limits_result *ret)
{
	char key[80];

	(void)pb_str_printf(key, sizeof(key), "miss:%s", http_req_remote_ip(req));
	limits_take_n(api->cfg.limits, pb_slice_str(key), max, PB_USEC_PER_MIN, cost, ret);
}

/* Only what was not found is counted, so it is asked first whether one more would fit. */
bool api_may_look_up(struct api *api, struct http_req *req, int64_t *ret_retry_us)
{
	struct limits_result res;

	take_miss(api, req, PB_MAX(api->cfg.config->miss_rate_per_minute - 1, INT64_C(0)), 0, &res);
	*ret_retry_us = res.retry_after_us;
	return res.allowed;
}

void api_looked_up_in_vain(struct api *api, struct http_req *req)
{
	struct limits_result res;

	take_miss(api, req, api->cfg.config->miss_rate_per_minute, 1, &res);
}

struct look_up {
	struct api *api;
	struct http_req *req;
	bool asked;
	int64_t retry_us;
};

static bool may_look_up(void *arg)
{
	struct look_up *l = arg;

	l->asked = true;
	return api_may_look_up(l->api, l->req, &l->retry_us);
}

static void refuse(struct http_req *req, const struct pb_err *err, int64_t retry_us)
{
	if (err->status == PB_E_LIMIT) {
		http_reply_retry(req, err->status, err->code, err->msg, retry_us);
		return;
	}
	if (err->status == PB_E_UNAUTHENTICATED)
		http_reply_header(req, "WWW-Authenticate", "Bearer realm=\"patchbay\"");
	api_fail(req, err);
}

static bool authenticate(struct api *api, struct http_req *req, struct auth_actor **ret)
{
	struct auth_actor *actor = pb_arena_calloc(http_req_arena(req), 1, sizeof(*actor));
	struct pb_err err = PB_ERR_INIT;
	struct pb_slice query = http_req_query_raw(req);
	struct look_up look_up = {.api = api, .req = req};
	struct auth_credentials cred = {
		.authorization = http_req_header(req, "Authorization"),
		.n_authorization = http_req_header_repeats(req, "Authorization"),
		.api_key = http_req_header(req, "X-Api-Key"),
		.n_api_key = http_req_header_repeats(req, "X-Api-Key"),
		.query =
			query.len ? pb_arena_memdup(http_req_arena(req), query.p, query.len) : NULL,
		.may_ask = may_look_up,
		.arg = &look_up,
	};

	if (actor && auth_authenticate(api->cfg.auth, &cred, actor, &err) == PB_OK) {
		http_req_attach(req, actor, NULL);
		name_actor(req, actor);
		*ret = actor;
		return true;
	}
	if (look_up.asked && err.status == PB_E_UNAUTHENTICATED)
		api_looked_up_in_vain(api, req);
	refuse(req, &err, look_up.retry_us);
	return false;
}

static bool within_rate(struct api *api, struct http_req *req, const struct auth_actor *actor)
{
	int64_t max = api->cfg.config->api_rate_per_minute;
	struct limits_result res;
	char key[80], id[PB_UUID_TEXT_BYTES];

	if (max <= 0)
		return true;
	pb_uuid_format(actor->id, id);
	(void)pb_str_printf(key, sizeof(key), "api:%s", id);
	(void)limits_take(api->cfg.limits, pb_slice_str(key), max, PB_USEC_PER_MIN, &res);
	http_reply_headerf(req, "RateLimit-Limit", "%lld", (long long)max);
	http_reply_headerf(req, "RateLimit-Remaining", "%lld", (long long)res.remaining);
	http_reply_headerf(req, "RateLimit-Reset", "%lld",
			   (long long)((res.reset_us + PB_USEC_PER_SEC - 1) / PB_USEC_PER_SEC));
	if (res.allowed)
		return true;
	http_reply_retry(req, PB_E_LIMIT, "limits.exceeded", "too many requests",
			 res.retry_after_us);
	return false;
}

bool api_before(struct http_req *req, const struct http_route *route, void *arg)
{
	struct api *api = arg;
	struct auth_actor *actor;
	struct pb_err err = PB_ERR_INIT;

	PB_CHECK_MAGIC(api, API_MAGIC);
	if (route->flags & API_ROUTE_NO_AUTH)
		return true;
	if (!authenticate(api, req, &actor) || !within_rate(api, req, actor))
		return false;
	if (!route->permission)
		return true;
	if (auth_actor_require(actor, *(const enum tenant_permission *)route->permission, &err) ==
	    PB_OK)
		return true;
	http_reply_error(req, &err);
	return false;
}

void api_after(struct http_req *req, int status, int64_t duration_us, void *arg)
{
	const struct http_route *route = http_req_route(req);
	const struct auth_actor *actor = http_req_attached(req);
	enum pb_log_level level = status >= 500 ? PB_LOG_WARN : PB_LOG_DEBUG;

	(void)arg;
	/* the pattern, not the path: paths hold hook tokens */
	pb_log(level, "request", PB_KV_STR("http.request.method", http_req_method_name(req)),
	       PB_KV_STR("http.route", route ? route->pattern : NULL),
	       PB_KV_INT("http.response.status_code", status),
	       PB_KV_INT("event.duration", duration_us * 1000),
	       PB_KV_STR("http.request.id", http_req_id(req)),
	       PB_KV_UUID("patchbay.tenant_id", actor ? actor->tenant : PB_UUID_NIL));
}

void api_fail(struct http_req *req, const struct pb_err *err)
{
	struct pb_err shown = *err;

	if (err->status == PB_E_INTERNAL || err->status == PB_OK) {
		pb_log(PB_LOG_ERROR, "internal error answered", PB_KV_STR("error.code", err->code),
		       PB_KV_STR("error.message", err->msg),
		       PB_KV_STR("http.request.id", http_req_id(req)));
		(void)pb_err_set(&shown, PB_E_INTERNAL, err->code ? err->code : "internal",
				 "something went wrong on our side; the request id tells us what");
	}
	http_reply_error(req, &shown);
}

bool api_if_match(struct http_req *req, int64_t *ret_revision)
{
	const char *h = http_req_header(req, "If-Match");
	size_t n = h ? strlen(h) : 0;

	*ret_revision = 0;
	if (!h || pb_str_eq(h, "*"))
		return true;
	if (n > 2 && h[0] == '"' && h[n - 1] == '"' &&
	    pb_parse_i64(h + 1, n - 2, 1, INT64_MAX, ret_revision))
		return true;
	http_reply_fail(req, PB_E_INVALID, "http.if_match_invalid",
			"If-Match must be one ETag as it was given, for example \"3\"");
	return false;
}

/* ---- from outside ---- */

void api_config_changed(struct api *api, const char *kind, struct pb_uuid id)
{
	bool all = pb_str_eq(kind, "*");

	if (all || pb_str_eq(kind, "api_key"))
		auth_invalidate(api->cfg.auth, id);
	if (all || pb_str_eq(kind, "workflow") || pb_str_eq(kind, "hook"))
		api_hooks_stale(api->hooks);
	if (api->cfg.resolve && (all || pb_str_eq(kind, "connection")))
		api_resolve_forget(api->cfg.resolve, id);
}

void api_tell_changed(struct api *api, const char *kind, struct pb_uuid id)
{
	api_config_changed(api, kind, id);
	bus_notify_config_changed(api->cfg.bus, kind, id);
}

void api_upkeep(struct api *api)
{
	struct pb_err err = PB_ERR_INIT;

	api_hooks_refresh(api->hooks);
	if (auth_flush_used(api->cfg.auth, &err) != PB_OK)
		pb_log(PB_LOG_DEBUG, "last-used times not written, retrying",
		       PB_KV_STR("error.code", err.code));
}
