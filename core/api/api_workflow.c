/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /api/v1/workflows. The surprising thing: a workflow keeps its hook address for life, also while its trigger is
 * something else (the address answers 404 then), so that going back to an older version brings the address back.
 * Only rotating makes a new one.
 */
#include "api/api_workflow.h"

#include "base/clock.h"
#include "config/config.h"
#include "crypto/crypto_hash.h"
#include "engine/engine.h"

#include "base/base.h"

#define LIST           "workflows"
#define LIST_VERSIONS  "workflow_versions"
#define BODY_BYTES     (STORE_DEFINITION_BYTES + 65536)
#define RUN_BODY_BYTES (1024 * 1024)
#define RUN_WAIT_US    (30 * PB_USEC_PER_SEC)
/* What a run gave back may be larger than a request's arena. */
#define RESULT_ARENA_BYTES ((size_t)64 * 1024 * 1024)
#define NOT_FOUND          "workflow.not_found"

static bool workflow_id(struct http_req *req, struct pb_uuid *ret)
{
	return api_param_uuid(req, "id", NOT_FOUND, ret);
}

/* ---- list and show ---- */

static bool read_filter(struct api *api, struct http_req *req, struct store_workflow_filter *f)
{
	static const char *const params[] = {"active", "q", "cursor", "limit", NULL};
	const char *q = http_req_query(req, "q");

	*f = (struct store_workflow_filter){.query = pb_slice_str(q)};
	if (!api_only_query(req, params) || !api_query_bool(req, "active", &f->active) ||
	    !api_page_query(api, req, LIST, &f->before, &f->limit))
		return false;
	if (f->query.len <= STORE_NAME_BYTES)
		return true;
	http_reply_fail(req, PB_E_INVALID, "http.query_invalid", "\"q\" is too long");
	return false;
}

static void reply_list(struct api *api, struct http_req *req, const struct store_workflow *rows,
		       size_t n, bool more, int limit)
{
	struct http_page page = {.limit = limit};
	pb_auto_buf data = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;
	char next[API_CURSOR_BYTES];
	struct pb_jw w;

	pb_jw_init(&w, &data);
	pb_jw_array(&w);
	for (size_t i = 0; i < n; i++) {
		if (api_workflow_write(api, req, 0, &rows[i], &w, &err) != PB_OK) {
			api_fail(req, &err);
			return;
		}
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
	struct store_workflow_filter filter;
	struct pb_err err = PB_ERR_INIT;
	struct store_workflow *rows;
	size_t n;
	bool more;

	if (!read_filter(api, req, &filter))
		return;
	if (store_workflow_list(api->cfg.api_pool, api_actor(req)->tenant, &filter,
				http_req_arena(req), &rows, &n, &more, &err) != PB_OK)
		api_fail(req, &err);
	else
		reply_list(api, req, rows, n, more, filter.limit);
}

/* False when it has answered. */
static bool load(struct api *api, struct http_req *req, struct pb_uuid id, struct pb_arena *arena,
		 struct store_workflow **ret)
{
	struct pb_err err = PB_ERR_INIT;

	if (store_workflow_get(api->cfg.api_pool, api_actor(req)->tenant, id, arena, ret, &err) ==
	    PB_OK)
		return true;
	api_fail(req, &err);
	return false;
}

static void handle_get(struct http_req *req, void *arg)
{
	struct api *api = arg;
	pb_auto_buf data = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;
	struct store_workflow *wf;
	pb_auto_arena arena;
	struct pb_uuid id;
	struct pb_jw w;

	pb_arena_init(&arena, API_WORKFLOW_ARENA_BYTES);
	if (!workflow_id(req, &id) || !load(api, req, id, &arena, &wf))
		return;
	pb_jw_init(&w, &data);
	if (api_workflow_write(api, req, API_WORKFLOW_DEFINITION | API_WORKFLOW_HOOK_URL, wf, &w,
			       &err) != PB_OK) {
		api_fail(req, &err);
		return;
	}
	api_workflow_etag(req, wf);
	http_reply_buf(req, 200, NULL, &data);
}

/* ---- save ---- */

/* The answer; what is kept for repeats has neither the hook's address nor a definition that may be too large. */
static void answer_with(struct api *api, struct http_req *req, const struct store_workflow *wf,
			int status, const char *message, struct api_answer *answer)
{
	unsigned kept = API_WORKFLOW_HOOK_HIDDEN;
	struct pb_err ignored = PB_ERR_INIT;
	struct pb_jw w;

	api_workflow_etag(req, wf);
	answer->status = status;
	answer->message = message;
	api_workflow_write_saved(api, req, wf, &answer->data);
	if (wf->definition.len < answer->stored.limit / 2)
		kept |= API_WORKFLOW_DEFINITION;
	pb_jw_init(&w, &answer->stored);
	(void)api_workflow_write(api, req, kept, wf, &w, &ignored); /* fails with HOOK_URL only */
}

static void reply_saved(struct api *api, struct http_req *req, const struct store_workflow *wf,
			const char *message)
{
	pb_auto_buf data = PB_BUF_INIT;

	api_workflow_etag(req, wf);
	api_workflow_write_saved(api, req, wf, &data);
	http_reply_buf(req, 200, message, &data);
}

/* Publishing is a right of its own, also when it happens with a save. False when it has answered. */
static bool may_publish(struct http_req *req, bool publish)
{
	struct pb_err err = PB_ERR_INIT;

	if (!publish || auth_actor_require(api_actor(req), TENANT_WORKFLOW_TOGGLE, &err) == PB_OK)
		return true;
	http_reply_error(req, &err);
	return false;
}

static enum pb_status create(struct api *api, struct http_req *req, const struct pb_json *body,
			     struct api_answer *answer, struct pb_err *err)
{
	static const char *const fields[] = {"definition", "active", "publish", NULL};
	struct store_workflow_save save = {.actor = api_workflow_author(req)};
	struct pb_uuid tenant = api_actor(req)->tenant, id = pb_uuid7();
	struct store_hook_token hook;
	struct api_definition def;
	struct store_workflow *wf;
	enum pb_status st = PB_OK;
	pb_auto_arena arena;
	bool active;

	pb_arena_init(&arena, API_WORKFLOW_ARENA_BYTES);
	if (!api_only_fields(req, body, fields) ||
	    !api_field_bool(req, body, "publish", true, &save.publish) ||
	    !api_field_bool(req, body, "active", save.publish, &active) ||
	    !may_publish(req, save.publish))
		return PB_E_CANCELLED;
	if (active && !save.publish)
		return pb_err_set(err, PB_E_UNPROCESSABLE, "workflow.not_published",
				  "a workflow without a published version cannot be active");
	if (!api_definition_read(api, req, body, &arena, &def))
		return PB_E_CANCELLED;
	save.name = pb_slice_str(def.name);
	save.definition = def.text;
	save.trigger_type = pb_slice_str(def.trigger_type);
	if (pb_str_eq(def.trigger_type, "webhook")) {
		st = api_hook_token_make(api, tenant, id, &arena, &hook, err);
		save.hook = &hook;
	}
	if (st == PB_OK)
		st = store_workflow_create(api->cfg.api_pool, tenant, id, &save, active, &arena,
					   &wf, err);
	if (st != PB_OK)
		return st;
	api_workflow_changed(api, wf);
	answer_with(api, req, wf, 201, "created", answer);
	return PB_OK;
}

static void handle_create(struct http_req *req, void *arg)
{
	api_create(arg, req, "workflows.create", create);
}

/* A token for a workflow that has none yet. *ret stays NULL when it has one. */
static enum pb_status hook_if_missing(struct api *api, struct http_req *req, struct pb_uuid id,
				      struct store_hook_token *room,
				      const struct store_hook_token **ret, struct pb_err *err)
{
	struct pb_uuid tenant = api_actor(req)->tenant;
	struct pb_arena *arena = http_req_arena(req);
	struct pb_err ignored = PB_ERR_INIT;
	struct pb_slice sealed;
	enum pb_status st;

	st = store_hook_sealed(api->cfg.api_pool, tenant, id, arena, &sealed, &ignored);
	if (st == PB_OK)
		return PB_OK;
	if (st != PB_E_NOT_FOUND) {
		*err = ignored;
		return st;
	}
	st = api_hook_token_make(api, tenant, id, arena, room, err);
	if (st == PB_OK)
		*ret = room;
	return st;
}

static void save_update(struct api *api, struct http_req *req, struct pb_uuid id,
			int64_t if_revision, const struct api_definition *def, bool publish,
			struct pb_arena *arena)
{
	struct store_workflow_save save = {.name = pb_slice_str(def->name),
					   .definition = def->text,
					   .trigger_type = pb_slice_str(def->trigger_type),
					   .actor = api_workflow_author(req),
					   .publish = publish};
	struct store_hook_token room;
	struct pb_err err = PB_ERR_INIT;
	struct store_workflow *wf;
	enum pb_status st = PB_OK;

	if (pb_str_eq(def->trigger_type, "webhook"))
		st = hook_if_missing(api, req, id, &room, &save.hook, &err);
	if (st == PB_OK)
		st = store_workflow_update(api->cfg.api_pool, api_actor(req)->tenant, id,
					   if_revision, &save, arena, &wf, &err);
	if (st != PB_OK) {
		api_fail(req, &err);
		return;
	}
	api_workflow_changed(api, wf);
	api_tell_changed(api, "hook", id); /* it may have been a webhook before */
	reply_saved(api, req, wf, "saved");
}

static void handle_update(struct http_req *req, void *arg)
{
	static const char *const fields[] = {"definition", "publish", NULL};
	struct api *api = arg;
	const struct pb_json *body;
	struct api_definition def;
	struct store_workflow *wf;
	pb_auto_arena arena;
	struct pb_uuid id;
	int64_t revision;
	bool publish;

	pb_arena_init(&arena, API_WORKFLOW_ARENA_BYTES);
	/* the workflow first: somebody else's must not be told from an absent one by the definition's faults */
	if (!workflow_id(req, &id) || !api_if_match(req, &revision) ||
	    !api_body_object(req, &body) || !api_only_fields(req, body, fields) ||
	    !api_field_bool(req, body, "publish", true, &publish) || !may_publish(req, publish) ||
	    !load(api, req, id, &arena, &wf) || !api_definition_read(api, req, body, &arena, &def))
		return;
	save_update(api, req, id, revision, &def, publish, &arena);
}

static void handle_delete(struct http_req *req, void *arg)
{
	struct api *api = arg;
	struct pb_err err = PB_ERR_INIT;
	struct pb_uuid id;
	int64_t revision;

	if (!workflow_id(req, &id) || !api_if_match(req, &revision))
		return;
	if (store_workflow_delete(api->cfg.api_pool, api_actor(req)->tenant, id, revision, &err) !=
	    PB_OK) {
		api_fail(req, &err);
		return;
	}
	api_tell_changed(api, "workflow", id);
	api_tell_changed(api, "hook", id);
	http_reply_empty(req, 204);
}

/* Neither absent nor null: what is not said must not switch anything. False when it has answered. */
static bool read_active(struct http_req *req, const struct pb_json *body, bool *ret)
{
	const struct pb_json *j = pb_json_get(body, "active");

	if (!j)
		api_reject(req, PB_E_INVALID, "request.field_missing", "/active",
			   "\"active\" is required");
	else if (!pb_json_is(j, PB_JSON_BOOL))
		api_reject(req, PB_E_INVALID, "request.field_type", "/active",
			   "\"active\" must be true or false");
	else
		*ret = j->b;
	return j && pb_json_is(j, PB_JSON_BOOL);
}

static void handle_toggle(struct http_req *req, void *arg)
{
	static const char *const fields[] = {"active", NULL};
	struct api *api = arg;
	struct pb_err err = PB_ERR_INIT;
	const struct pb_json *body;
	struct store_workflow *wf;
	pb_auto_arena arena;
	struct pb_uuid id;
	int64_t revision;
	bool active = false;

	pb_arena_init(&arena, API_WORKFLOW_ARENA_BYTES);
	if (!workflow_id(req, &id) || !api_if_match(req, &revision) ||
	    !api_body_object(req, &body) || !api_only_fields(req, body, fields))
		return;
	if (!read_active(req, body, &active))
		return;
	if (store_workflow_set_active(api->cfg.api_pool, api_actor(req)->tenant, id, revision,
				      active, &arena, &wf, &err) != PB_OK) {
		api_fail(req, &err);
		return;
	}
	api_workflow_changed(api, wf);
	api_tell_changed(api, "hook", id);
	reply_saved(api, req, wf, active ? "switched on" : "switched off");
}

/* ---- versions ---- */

static void write_version(struct pb_jw *w, const struct store_workflow_version *v)
{
	pb_jw_object(w);
	api_put_int(w, "version", v->version);
	api_put_bool(w, "published", v->published);
	api_put_int(w, "definition_bytes", v->definition_bytes);
	api_put_uuid(w, "created_by", v->created_by);
	api_put_time(w, "created_at", v->created_at);
	pb_jw_end(w);
}

/* Versions are numbers; a cursor carries ids: the number stands in the last bytes. */
static struct pb_uuid version_as_id(int32_t version)
{
	struct pb_uuid id = PB_UUID_NIL;

	for (int i = 0; i < 4; i++)
		id.b[15 - i] = (uint8_t)((uint32_t)version >> (8 * i));
	return id;
}

static int32_t id_as_version(struct pb_uuid id)
{
	uint32_t v = 0;

	for (int i = 12; i < 16; i++)
		v = v << 8 | id.b[i];
	return (int32_t)(v & INT32_MAX);
}

static void handle_versions(struct http_req *req, void *arg)
{
	static const char *const params[] = {"cursor", "limit", NULL};
	struct api *api = arg;
	struct pb_uuid tenant = api_actor(req)->tenant, id, before;
	struct store_workflow_version *rows;
	struct pb_err err = PB_ERR_INIT;
	struct http_page page = {0};
	pb_auto_buf data = PB_BUF_INIT;
	char next[API_CURSOR_BYTES];
	struct pb_jw w;
	size_t n;
	int limit;

	if (!workflow_id(req, &id) || !api_only_query(req, params) ||
	    !api_page_query(api, req, LIST_VERSIONS, &before, &limit))
		return;
	if (store_workflow_versions(api->cfg.api_pool, tenant, id, id_as_version(before), limit,
				    http_req_arena(req), &rows, &n, &err) != PB_OK) {
		api_fail(req, &err);
		return;
	}
	pb_jw_init(&w, &data);
	pb_jw_array(&w);
	for (size_t i = 0; i < n; i++)
		write_version(&w, &rows[i]);
	pb_jw_end(&w);
	page.limit = limit;
	if (n == (size_t)limit && rows[n - 1].version > 1) {
		api_cursor_write(api, tenant, LIST_VERSIONS, version_as_id(rows[n - 1].version),
				 next);
		page.next = next;
	}
	http_reply_page(req, NULL, data.p, data.len, &page);
}

static bool version_param(struct http_req *req, int32_t *ret)
{
	struct pb_slice s = http_req_param(req, "n");
	int64_t v = 0;

	for (size_t i = 0; i < s.len && v <= INT32_MAX; i++)
		v = s.p[i] >= '0' && s.p[i] <= '9' ? v * 10 + (s.p[i] - '0') : INT64_C(1) << 40;
	if (v >= 1 && v <= INT32_MAX && s.p[0] != '0') {
		*ret = (int32_t)v;
		return true;
	}
	http_reply_fail(req, PB_E_NOT_FOUND, "workflow.version_not_found",
			"there is no such version");
	return false;
}

/* The body of POSTs that take none: empty, or {}. */
static bool no_fields(struct http_req *req, const struct pb_json *body)
{
	static const char *const none[] = {NULL};

	return api_only_fields(req, body, none);
}

static enum pb_status publish(struct api *api, struct http_req *req, const struct pb_json *body,
			      struct api_answer *answer, struct pb_err *err)
{
	struct store_workflow *wf;
	pb_auto_arena arena;
	int64_t revision;
	struct pb_uuid id;
	int32_t version;
	enum pb_status st;

	pb_arena_init(&arena, API_WORKFLOW_ARENA_BYTES);
	if (!no_fields(req, body) || !workflow_id(req, &id) || !version_param(req, &version) ||
	    !api_if_match(req, &revision))
		return PB_E_CANCELLED;
	st = store_workflow_publish(api->cfg.api_pool, api_actor(req)->tenant, id, revision,
				    version, &arena, &wf, err);
	if (st != PB_OK)
		return st;
	api_workflow_changed(api, wf);
	api_tell_changed(api, "hook", id);
	answer_with(api, req, wf, 200, "published", answer);
	return PB_OK;
}

static void handle_publish(struct http_req *req, void *arg)
{
	api_create(arg, req, "workflows.publish", publish);
}

/* ---- the hook's address ---- */

/*
 * A token is only ever written with a version, so rotating saves the same definition again. It is published when
 * the present one is, and nobody may have saved in between (else workflow.changed).
 */
static enum pb_status rotate(struct api *api, struct http_req *req, const struct pb_json *body,
			     struct api_answer *answer, struct pb_err *err)
{
	struct pb_uuid tenant = api_actor(req)->tenant, id;
	struct store_workflow_save save = {.actor = api_workflow_author(req)};
	struct store_hook_token hook;
	struct store_workflow *wf;
	pb_auto_arena arena;
	int64_t revision;
	enum pb_status st;

	pb_arena_init(&arena, API_WORKFLOW_ARENA_BYTES);
	if (!no_fields(req, body) || !workflow_id(req, &id) || !api_if_match(req, &revision))
		return PB_E_CANCELLED;
	st = store_workflow_get(api->cfg.api_pool, tenant, id, &arena, &wf, err);
	if (st == PB_OK && revision && revision != wf->revision)
		st = pb_err_set(err, PB_E_PRECONDITION, "workflow.changed",
				"the workflow was changed meanwhile");
	if (st == PB_OK && !pb_str_eq(wf->trigger_type, "webhook"))
		st = pb_err_set(err, PB_E_UNPROCESSABLE, "hook.not_a_webhook",
				"the workflow's trigger is not a webhook");
	if (st == PB_OK)
		st = api_hook_token_make(api, tenant, id, &arena, &hook, err);
	if (st != PB_OK)
		return st;
	save.name = pb_slice_str(wf->name);
	save.definition = wf->definition;
	save.trigger_type = pb_slice_str(wf->trigger_type);
	save.publish = wf->published_version == wf->latest_version;
	save.hook = &hook;
	st = store_workflow_update(api->cfg.api_pool, tenant, id, wf->revision, &save, &arena, &wf,
				   err);
	if (st != PB_OK)
		return st;
	api_workflow_changed(api, wf);
	answer_with(api, req, wf, 200, "the old address no longer works", answer);
	return PB_OK;
}

static void handle_rotate(struct http_req *req, void *arg)
{
	api_create(arg, req, "workflows.rotate_hook", rotate);
}

/* ---- run ---- */

static bool write_trigger(const struct pb_json *data, struct pb_buf *out)
{
	struct pb_jw w;

	pb_jw_init(&w, out);
	pb_jw_object(&w);
	api_put_str(&w, "method", "MANUAL");
	api_put_str(&w, "path", "/");
	api_put_raw(&w, "query", PB_SLICE("{}"));
	api_put_raw(&w, "headers", PB_SLICE("{}"));
	pb_jw_key(&w, "body");
	if (data)
		pb_jw_tree(&w, data);
	else
		pb_jw_null(&w);
	api_put_str(&w, "content_type", "application/json");
	pb_jw_end(&w);
	return !out->overflow;
}

static void reply_run(struct http_req *req, const struct engine_accepted *a)
{
	pb_auto_buf data = PB_BUF_INIT;
	struct pb_jw w;

	if (a->duplicate)
		http_reply_header(req, "Idempotency-Replayed", "true");
	pb_jw_init(&w, &data);
	pb_jw_object(&w);
	api_put_uuid(&w, "execution_id", a->id);
	api_put_str(&w, "status",
		    model_execution_status_name(a->ended ? a->status : MODEL_EXECUTION_QUEUED));
	if (a->ended) {
		api_put_raw(&w, "result", a->result);
		api_put_raw(&w, "error", a->error);
	}
	pb_jw_end(&w);
	http_reply_buf(req, a->ended ? 200 : 202, a->ended ? "ended" : "accepted", &data);
}

static void run(struct api *api, struct http_req *req, const struct store_workflow *wf,
		const struct pb_json *data, bool wait)
{
	struct engine_accept_request r = {
		.tenant = api_actor(req)->tenant,
		.workflow = wf->id,
		.version = wf->published_version,
		.wait_us = wait ? PB_MIN(RUN_WAIT_US, api->cfg.config->sync_wait_max_us) : 0};
	struct engine_accepted accepted;
	pb_auto_buf trigger = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;
	pb_auto_arena arena;

	pb_arena_init(&arena, RESULT_ARENA_BYTES);
	if (!api_accept_key(req, "run", wf->id, &r))
		return;
	if (!write_trigger(data, &trigger)) {
		http_reply_fail(req, PB_E_TOO_LARGE, "request.too_large", "the data is too large");
		return;
	}
	r.trigger = pb_slice(pb_buf_str(&trigger), trigger.len);
	if (engine_accept(api->cfg.engine, &r, &arena, &accepted, &err) != PB_OK)
		api_fail(req, &err);
	else
		reply_run(req, &accepted);
}

static void handle_run(struct http_req *req, void *arg)
{
	static const char *const fields[] = {"data", NULL};
	static const char *const params[] = {"wait", NULL};
	struct api *api = arg;
	const struct pb_json *body;
	struct store_workflow *wf;
	pb_auto_arena arena;
	struct pb_uuid id;
	int wait;

	pb_arena_init(&arena, API_WORKFLOW_ARENA_BYTES);
	if (!workflow_id(req, &id) || !api_only_query(req, params) ||
	    !api_query_bool(req, "wait", &wait) || !api_body_object_or_empty(req, &body) ||
	    !api_only_fields(req, body, fields) || !load(api, req, id, &arena, &wf))
		return;
	if (wf->published_version == 0) {
		http_reply_fail(req, PB_E_UNPROCESSABLE, "workflow.not_published",
				"the workflow has no published version");
		return;
	}
	run(api, req, wf, pb_json_get(body, "data"), wait == 1);
}

void api_workflow_routes(struct http_router *r, struct api *api)
{
	const struct http_route routes[] = {
		{HTTP_GET, "/api/v1/workflows", handle_list, api, 0, 0, API_NEEDS(WORKFLOW_READ),
		 "listWorkflows"},
		{HTTP_POST, "/api/v1/workflows", handle_create, api, BODY_BYTES, 0,
		 API_NEEDS(WORKFLOW_WRITE), "createWorkflow"},
		{HTTP_GET, "/api/v1/workflows/{id}", handle_get, api, 0, 0,
		 API_NEEDS(WORKFLOW_READ), "getWorkflow"},
		{HTTP_PUT, "/api/v1/workflows/{id}", handle_update, api, BODY_BYTES, 0,
		 API_NEEDS(WORKFLOW_WRITE), "updateWorkflow"},
		{HTTP_DELETE, "/api/v1/workflows/{id}", handle_delete, api, 0, 0,
		 API_NEEDS(WORKFLOW_WRITE), "deleteWorkflow"},
		{HTTP_PUT, "/api/v1/workflows/{id}/toggle", handle_toggle, api, 1024, 0,
		 API_NEEDS(WORKFLOW_TOGGLE), "toggleWorkflow"},
		{HTTP_POST, "/api/v1/workflows/{id}/run", handle_run, api, RUN_BODY_BYTES, 0,
		 API_NEEDS(WORKFLOW_RUN), "runWorkflow"},
		{HTTP_GET, "/api/v1/workflows/{id}/versions", handle_versions, api, 0, 0,
		 API_NEEDS(WORKFLOW_READ), "listWorkflowVersions"},
		{HTTP_POST, "/api/v1/workflows/{id}/versions/{n}/publish", handle_publish, api,
		 1024, 0, API_NEEDS(WORKFLOW_TOGGLE), "publishWorkflowVersion"},
		{HTTP_POST, "/api/v1/workflows/{id}/hook/rotate", handle_rotate, api, 1024, 0,
		 API_NEEDS(HOOK_WRITE), "rotateHook"},
	};

	http_router_add_all(r, routes, PB_ARRAY_LEN(routes));
}
