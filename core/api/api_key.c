/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /api/v1/api-keys: list, make, revoke. The text of a key exists once, in the answer that made it; a repeated
 * request with the same Idempotency-Key gets the same answer without it.
 */
#include "api/api_body.h"

#include "base/clock.h"
#include "crypto/crypto_secret.h"
#include "store/store_api_key.h"

#include "base/base.h"

#define LIST        "api_keys"
#define ANSWER_ROOM 4096 /* reserved at once, so that growing leaves no copy of the key behind */

/* Stored as "a.read b.write"; taken apart without looking them up, so that a newer host's names show too. */
static void write_scopes(struct pb_jw *w, const char *scopes)
{
	pb_jw_key(w, "scopes");
	pb_jw_array(w);
	while (scopes && *scopes) {
		size_t n = strcspn(scopes, " ");

		pb_jw_strn(w, scopes, n);
		scopes += n + (scopes[n] == ' ');
	}
	pb_jw_end(w);
}

static void write_members(struct pb_jw *w, const struct store_api_key *k)
{
	api_put_uuid(w, "id", k->id);
	api_put_str(w, "name", k->name);
	api_put_str(w, "hint", k->hint);
	api_put_str(w, "role", k->role);
	write_scopes(w, k->scopes);
	api_put_uuid(w, "created_by", k->created_by);
	api_put_time(w, "created_at", k->created_at_us);
	api_put_time(w, "expires_at", k->expires_at_us);
	api_put_time(w, "revoked_at", k->revoked_at_us);
	api_put_time(w, "last_used_at", k->last_used_at_us);
}

static void write_key(struct pb_jw *w, const struct store_api_key *k)
{
	pb_jw_object(w);
	write_members(w, k);
	pb_jw_end(w);
}

static void handle_list(struct http_req *req, void *arg)
{
	static const char *const params[] = {"cursor", "limit", NULL};
	struct api *api = arg;
	struct pb_uuid tenant = api_actor(req)->tenant, before;
	struct store_api_key *rows;
	struct pb_err err = PB_ERR_INIT;
	char next[API_CURSOR_BYTES];
	pb_auto_buf data = PB_BUF_INIT;
	struct http_page page = {0};
	struct pb_jw w;
	size_t n;
	int limit;

	if (!api_only_query(req, params) || !api_page_query(api, req, LIST, &before, &limit))
		return;
	if (store_api_key_list(api->cfg.api_pool, tenant, before, (size_t)limit,
			       http_req_arena(req), &rows, &n, &err) != PB_OK) {
		api_fail(req, &err);
		return;
	}
	pb_jw_init(&w, &data);
	pb_jw_array(&w);
	for (size_t i = 0; i < n; i++)
		write_key(&w, &rows[i]);
	pb_jw_end(&w);
	page.limit = limit;
	if (n == (size_t)limit) {
		api_cursor_write(api, tenant, LIST, rows[n - 1].id, next);
		page.next = next;
	}
	http_reply_page(req, NULL, data.p, data.len, &page);
}

/* ---- making ---- */

static bool read_scopes(struct http_req *req, const struct pb_json *body, tenant_permissions *ret)
{
	const struct pb_json *list = pb_json_get(body, "scopes");
	struct pb_arena *a = http_req_arena(req);
	enum tenant_permission p;
	size_t i = 0;

	*ret = 0;
	if (!list || pb_json_is(list, PB_JSON_NULL))
		return true;
	if (!pb_json_is(list, PB_JSON_ARRAY)) {
		api_reject(req, PB_E_INVALID, "request.field_type", "/scopes",
			   "\"scopes\" must be a list of permissions");
		return false;
	}
	pb_json_each_item (it, list) {
		struct pb_slice s = pb_json_slice(it);

		if (!s.p || !tenant_permission_parse(s.p, s.len, &p)) {
			api_reject(req, PB_E_UNPROCESSABLE, "api_key.scopes",
				   pb_pointer_index(a, "/scopes", i),
				   "there is no such permission");
			return false;
		}
		*ret |= TENANT_BIT(p);
		i++;
	}
	return true;
}

/* 0 is "never" in the database, and the name of a moment in 1970. False when it has answered. */
static bool read_expiry(struct http_req *req, const struct pb_json *body, int64_t *ret_us)
{
	const struct pb_json *j = pb_json_get(body, "expires_at");

	if (!api_field_time(req, body, "expires_at", ret_us))
		return false;
	if (!j || pb_json_is(j, PB_JSON_NULL) || *ret_us > pb_now_us())
		return true;
	api_reject(req, PB_E_UNPROCESSABLE, "api_key.expiry", "/expires_at",
		   "an expiry must be in the future");
	return false;
}

static bool read_request(struct http_req *req, const struct pb_json *body,
			 struct auth_key_request *ret)
{
	static const char *const fields[] = {"name", "role", "scopes", "expires_at", NULL};
	const char *role;

	if (!api_only_fields(req, body, fields) ||
	    !api_field_text(req, body, "name", true, STORE_API_KEY_NAME_MAX, &ret->name) ||
	    !api_field_text(req, body, "role", true, 64, &role) ||
	    !read_scopes(req, body, &ret->scopes) || !read_expiry(req, body, &ret->expires_at_us))
		return false;
	if (tenant_role_parse(role, strlen(role), &ret->role))
		return true;
	api_reject(req, PB_E_UNPROCESSABLE, "api_key.role", "/role", "there is no such role");
	return false;
}

static void write_made(struct pb_buf *out, const struct store_api_key *row, const char *key)
{
	struct pb_jw w;

	(void)pb_buf_reserve(out, ANSWER_ROOM);
	pb_jw_init(&w, out);
	pb_jw_object(&w);
	write_members(&w, row);
	api_put_str(&w, "key", key);
	pb_jw_end(&w);
}

/* The row as it is stored; or, because the key is shown now or never, as it was asked for. */
static void read_made(struct api *api, struct http_req *req, const struct auth_key_request *request,
		      struct pb_uuid id, const char *text, struct store_api_key *ret)
{
	const struct auth_actor *actor = api_actor(req);
	struct pb_arena *arena = http_req_arena(req);
	struct pb_err ignored = PB_ERR_INIT;
	char hint[AUTH_KEY_HINT_BYTES];
	pb_auto_buf scopes = PB_BUF_INIT;

	if (store_api_key_get(api->cfg.api_pool, actor->tenant, id, arena, ret, &ignored) == PB_OK)
		return;
	auth_key_hint(text, hint);
	tenant_permissions_write(request->scopes, &scopes);
	*ret = (struct store_api_key){.id = id,
				      .tenant = actor->tenant,
				      .name = request->name,
				      .hint = pb_arena_strdup(arena, hint),
				      .role = tenant_role_name(request->role),
				      .scopes = pb_arena_strdup(arena, pb_buf_str(&scopes)),
				      .created_by = actor->id,
				      .created_at_us = pb_now_us(),
				      .expires_at_us = request->expires_at_us};
}

static enum pb_status create(struct api *api, struct http_req *req, const struct pb_json *body,
			     struct api_answer *answer, struct pb_err *err)
{
	const struct auth_actor *actor = api_actor(req);
	struct auth_key_request request = {0};
	char text[AUTH_KEY_TEXT_BYTES];
	struct store_api_key row;
	struct pb_uuid id;
	enum pb_status st;

	if (!read_request(req, body, &request))
		return PB_E_CANCELLED;
	st = auth_key_create(api->cfg.auth, actor, &request, &id, text, err);
	if (st != PB_OK)
		return st;
	read_made(api, req, &request, id, text, &row);
	write_made(&answer->data, &row, text);
	write_made(&answer->stored, &row, NULL);
	answer->message = "keep the key: it is not shown again";
	crypto_wipe(text, sizeof(text));
	return PB_OK;
}

static void handle_create(struct http_req *req, void *arg)
{
	api_create(arg, req, "api_keys.create", create);
}

static void handle_revoke(struct http_req *req, void *arg)
{
	struct api *api = arg;
	struct pb_err err = PB_ERR_INIT;
	struct pb_uuid id;

	if (!api_param_uuid(req, "id", "api_key.not_found", &id))
		return;
	if (auth_key_revoke(api->cfg.auth, api_actor(req), id, &err) != PB_OK) {
		api_fail(req, &err);
		return;
	}
	api_tell_changed(api, "api_key", id);
	http_reply_empty(req, 204);
}

void api_key_routes(struct http_router *r, struct api *api)
{
	const struct http_route routes[] = {
		{HTTP_GET, "/api/v1/api-keys", handle_list, api, 0, 0, API_NEEDS(API_KEY_READ),
		 "listApiKeys"},
		{HTTP_POST, "/api/v1/api-keys", handle_create, api, 16384, HTTP_ROUTE_SECRET,
		 API_NEEDS(API_KEY_WRITE), "createApiKey"},
		{HTTP_DELETE, "/api/v1/api-keys/{id}", handle_revoke, api, 0, 0,
		 API_NEEDS(API_KEY_WRITE), "revokeApiKey"},
	};

	http_router_add_all(r, routes, PB_ARRAY_LEN(routes));
}
