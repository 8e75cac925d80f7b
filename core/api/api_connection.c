/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /api/v1/connections: a tenant's credentials for one connector. Secrets go in and never come out: answers only say
 * which are set. Values of an update are merged, so that nobody must know a secret to change a name.
 */
#include "api/api_connection_values.h"

#include "api/api_connection_test.h"
#include "base/log.h"
#include "connector/connector.h"
#include "crypto/crypto_secret.h"
#include "store/store_connection.h"
#include "vault/vault.h"

#include "base/base.h"

PB_LOG_TOPIC("api.connection");

#define LIST          "connections"
#define NOT_FOUND     "connection.not_found"
#define BODY_BYTES    (256 * 1024)
#define NAME_MAX_TEXT 64 /* of a connector, of a credential: as the table has it */
#define OPEN_ARENA    ((size_t)1024 * 1024)
#define MANIFEST_GONE "connection.connector_unknown"

static const char *const status_names[] = {
	[STORE_CONNECTION_UNTESTED] = "untested",
	[STORE_CONNECTION_OK] = "ok",
	[STORE_CONNECTION_FAILED] = "failed",
	[STORE_CONNECTION_NEEDS_RECONNECT] = "needs_reconnect",
};

const char *api_connection_status_name(enum store_connection_status status)
{
	return status_names[status];
}

static struct vault_place place_of(const struct store_connection *c, int64_t secret_revision)
{
	return (struct vault_place){"connection", "secrets", c->tenant, c->id, secret_revision};
}

/* ---- shapes ---- */

static void write_names(struct pb_jw *w, const struct pb_json *secrets)
{
	pb_jw_key(w, "secrets");
	pb_jw_array(w);
	pb_json_each_member (m, secrets)
		pb_jw_strn(w, m->key, m->key_len);
	pb_jw_end(w);
}

/* @secrets NULL: not said (lists do not open them). */
static void write_connection(struct pb_jw *w, const struct store_connection *c,
			     const struct pb_json *secrets)
{
	pb_jw_object(w);
	api_put_uuid(w, "id", c->id);
	api_put_str(w, "name", c->name);
	api_put_str(w, "connector", c->connector);
	api_put_str(w, "credential", c->auth_type);
	api_put_raw(w, "fields", pb_slice_str(c->fields));
	if (secrets)
		write_names(w, secrets);
	api_put_str(w, "status", api_connection_status_name(c->status));
	api_put_str(w, "status_reason",
		    c->status_reason && *c->status_reason ? c->status_reason : NULL);
	api_put_int(w, "revision", c->revision);
	api_put_time(w, "created_at", c->created_at_us);
	api_put_time(w, "updated_at", c->updated_at_us);
	pb_jw_end(w);
}

/* Strings that were secret do not stay behind in an arena. */
static void wipe_tree(const struct pb_json *j)
{
	if (pb_json_is(j, PB_JSON_STRING))
		crypto_wipe((void *)(uintptr_t)j->s, j->len);
	pb_json_each_item (it, j)
		wipe_tree(it);
	pb_json_each_member (m, j)
		wipe_tree(&m->value);
}

/* The secrets of @c as a tree in @arena; the caller wipes it. */
static enum pb_status open_secrets(struct api *api, const struct store_connection *c,
				   struct pb_arena *arena, const struct pb_json **ret,
				   struct pb_err *err)
{
	static const struct pb_json none = {.type = PB_JSON_OBJECT};
	const struct vault_place place = place_of(c, c->secret_revision);
	pb_autoptr(crypto_secret) plain = NULL;
	enum pb_status st;

	*ret = &none;
	if (!c->secrets_n)
		return PB_OK;
	st = vault_open(api->cfg.vault, &place, c->secrets, c->secrets_n, &plain, err);
	if (st == PB_OK)
		st = pb_json_parse(arena, (const char *)crypto_secret_bytes(plain),
				   crypto_secret_len(plain), NULL, ret, err);
	if (st == PB_E_INVALID || (st == PB_OK && !pb_json_is(*ret, PB_JSON_OBJECT)))
		st = pb_err_set(err, PB_E_INTERNAL, "connection.malformed",
				"the stored secrets cannot be read");
	return st;
}

static void set_etag(struct http_req *req, int64_t revision)
{
	http_reply_headerf(req, "ETag", "\"%lld\"", (long long)revision);
}

/* ---- list and show ---- */

static void reply_list(struct api *api, struct http_req *req, const struct store_connection *rows,
		       size_t n, int limit)
{
	struct http_page page = {.limit = limit};
	pb_auto_buf data = PB_BUF_INIT;
	char next[API_CURSOR_BYTES];
	struct pb_jw w;

	pb_jw_init(&w, &data);
	pb_jw_array(&w);
	for (size_t i = 0; i < n; i++)
		write_connection(&w, &rows[i], NULL);
	pb_jw_end(&w);
	if (n == (size_t)limit) {
		api_cursor_write(api, api_actor(req)->tenant, LIST, rows[n - 1].id, next);
		page.next = next;
	}
	http_reply_page(req, NULL, data.p, data.len, &page);
}

static void handle_list(struct http_req *req, void *arg)
{
	static const char *const params[] = {"connector", "cursor", "limit", NULL};
	struct api *api = arg;
	struct store_connection_query q = {.connector = http_req_query(req, "connector")};
	struct store_connection *rows;
	struct pb_err err = PB_ERR_INIT;
	size_t n;
	int limit;

	if (!api_only_query(req, params) || !api_page_query(api, req, LIST, &q.before, &limit))
		return;
	q.limit = (size_t)limit;
	if (store_connection_list(api->cfg.api_pool, api_actor(req)->tenant, &q,
				  http_req_arena(req), &rows, &n, &err) != PB_OK)
		api_fail(req, &err);
	else
		reply_list(api, req, rows, n, limit);
}

/* False when it has answered. */
static bool load(struct api *api, struct http_req *req, struct store_connection *ret)
{
	struct pb_err err = PB_ERR_INIT;
	struct pb_uuid id;

	if (!api_param_uuid(req, "id", NOT_FOUND, &id))
		return false;
	if (store_connection_get(api->cfg.api_pool, api_actor(req)->tenant, id, http_req_arena(req),
				 ret, &err) == PB_OK)
		return true;
	api_fail(req, &err);
	return false;
}

/* A shredded or foreign key must not keep people from seeing, renaming or deleting the connection. */
static void reply_one(struct api *api, struct http_req *req, const char *message,
		      const struct store_connection *c)
{
	const struct pb_json *secrets = NULL;
	pb_auto_buf data = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;
	pb_auto_arena arena;
	struct pb_jw w;

	pb_arena_init(&arena, OPEN_ARENA);
	if (open_secrets(api, c, &arena, &secrets, &err) != PB_OK) {
		pb_log(PB_LOG_WARN, "secrets not opened, ignoring",
		       PB_KV_STR("error.code", err.code),
		       PB_KV_UUID("patchbay.connection_id", c->id),
		       PB_KV_UUID("patchbay.tenant_id", c->tenant));
		secrets = NULL;
	}
	pb_jw_init(&w, &data);
	write_connection(&w, c, secrets);
	if (secrets)
		wipe_tree(secrets);
	set_etag(req, c->revision);
	http_reply_buf(req, 200, message, &data);
}

static void handle_get(struct http_req *req, void *arg)
{
	struct store_connection c;

	if (load(arg, req, &c))
		reply_one(arg, req, NULL, &c);
}

/* ---- what a request says ---- */

/* A version keeps its manifest alive. */
struct declared {
	struct connector_version *version;
	const struct connector_credential *credential;
};

static void declared_done(struct declared *d)
{
	connector_version_unref(d->version);
}

/* False when it has answered: 422 connection.connector_unknown, connection.credential_unknown. */
static bool find_declared(struct api *api, struct http_req *req, const char *connector,
			  const char *credential, struct declared *ret)
{
	struct connector_registry *reg = connectors_registry(api->cfg.connectors);

	ret->version = connector_registry_version(reg, connector, NULL);
	if (!ret->version) {
		api_reject(req, PB_E_UNPROCESSABLE, MANIFEST_GONE, "/connector",
			   "there is no connector \"%.64s\"", connector);
		return false;
	}
	ret->credential =
		connector_manifest_credential(connector_version_manifest(ret->version), credential);
	if (ret->credential)
		return true;
	api_reject(req, PB_E_UNPROCESSABLE, "connection.credential_unknown", "/credential",
		   "the connector \"%.64s\" has no credential \"%.64s\"", connector, credential);
	return false;
}

/* Seals the secret members for the revision that is about to be written. */
static enum pb_status seal(struct api *api, const struct api_connection_values *v,
			   const struct connector_credential *cred, struct store_connection *c,
			   int64_t revision, uint8_t **ret_sealed, struct pb_err *err)
{
	const struct vault_place place = place_of(c, revision);
	struct pb_buf plain = PB_BUF_INIT;
	enum pb_status st;
	bool ok;

	pb_buf_init(&plain, STORE_CONNECTION_SECRETS_MAX / 2);
	/* all room at once: a buffer that grows leaves copies behind */
	ok = pb_buf_reserve(&plain, STORE_CONNECTION_SECRETS_MAX / 2 - 1) &&
	     api_connection_values_write(v, cred, true, &plain);
	if (ok)
		st = vault_seal(api->cfg.vault, &place, plain.p, plain.len, ret_sealed,
				&c->secrets_n, err);
	else
		st = pb_err_set(err, PB_E_TOO_LARGE, "connection.too_large",
				"the values are too large");
	if (plain.p)
		crypto_wipe(plain.p, plain.len);
	pb_buf_done(&plain);
	c->secrets = st == PB_OK ? *ret_sealed : NULL;
	return st;
}

static enum pb_status set_fields(struct http_req *req, const struct api_connection_values *v,
				 const struct connector_credential *cred,
				 struct store_connection *c, struct pb_err *err)
{
	pb_auto_buf open = PB_BUF_INIT;

	pb_buf_init(&open, STORE_CONNECTION_FIELDS_MAX);
	c->fields = NULL;
	if (api_connection_values_write(v, cred, false, &open))
		c->fields = pb_arena_memdup(http_req_arena(req), open.p, open.len);
	return c->fields ? PB_OK
			 : pb_err_set(err, PB_E_TOO_LARGE, "connection.too_large",
				      "the values are too large");
}

/* ---- create ---- */

static void write_made(const struct store_connection *c, const struct api_connection_values *v,
		       const struct connector_credential *cred, struct pb_arena *arena,
		       struct api_answer *answer)
{
	struct pb_json_member *names = pb_arena_calloc(arena, v->n + 1, sizeof(*names));
	const struct pb_json *secrets;
	size_t n = 0;
	struct pb_jw w;

	for (size_t i = 0; names && i < v->n; i++)
		if (api_connection_value_is_secret(cred, v->m[i].key, v->m[i].key_len))
			names[n++] = v->m[i];
	secrets = names ? pb_json_new_object(arena, names, n) : NULL;
	pb_jw_init(&w, &answer->data);
	write_connection(&w, c, secrets);
	answer->message = "created";
}

static enum pb_status store_new(struct api *api, struct http_req *req, const struct declared *d,
				const struct api_connection_values *v, struct store_connection *c,
				struct pb_err *err)
{
	pb_autofree uint8_t *sealed = NULL;
	struct store_connection stored;
	enum pb_status st;

	c->tenant = api_actor(req)->tenant;
	c->id = pb_uuid7();
	c->status = STORE_CONNECTION_UNTESTED;
	st = set_fields(req, v, d->credential, c, err);
	if (st == PB_OK)
		st = seal(api, v, d->credential, c, 1, &sealed, err);
	if (st == PB_OK)
		st = store_connection_create(api->cfg.api_pool, c, err);
	if (st != PB_OK)
		return st;
	/* only for the times; without them the answer is still true */
	if (store_connection_get(api->cfg.api_pool, c->tenant, c->id, http_req_arena(req), &stored,
				 NULL) == PB_OK)
		*c = stored;
	c->revision = 1;
	c->secrets = NULL; /* freed here */
	api_tell_changed(api, "connection", c->id);
	return PB_OK;
}

static enum pb_status create_declared(struct api *api, struct http_req *req,
				      const struct declared *d, const struct pb_json *values,
				      struct store_connection *c, struct api_answer *answer,
				      struct pb_err *err)
{
	struct api_connection_values v = {.n = 0};
	enum pb_status st;

	if (pb_str_eq(d->credential->type, "oauth2"))
		return pb_err_set(err, PB_E_UNPROCESSABLE, "connection.oauth2_flow",
				  "this credential is granted by the provider in a browser, which "
				  "this host does not offer yet");
	api_connection_values_merge(&v, values);
	if (!api_connection_values_check(api, req, d->credential, &v))
		return PB_E_CANCELLED;
	st = store_new(api, req, d, &v, c, err);
	if (st != PB_OK)
		return st;
	write_made(c, &v, d->credential, http_req_arena(req), answer);
	set_etag(req, c->revision);
	return PB_OK;
}

static enum pb_status create(struct api *api, struct http_req *req, const struct pb_json *body,
			     struct api_answer *answer, struct pb_err *err)
{
	static const char *const fields[] = {"name", "connector", "credential", "values", NULL};
	struct store_connection c = {.status_reason = ""};
	struct declared d = {0};
	const struct pb_json *values;
	enum pb_status st = PB_E_CANCELLED;

	if (!api_only_fields(req, body, fields) ||
	    !api_field_text(req, body, "name", true, STORE_CONNECTION_NAME_MAX, &c.name) ||
	    !api_field_text(req, body, "connector", true, NAME_MAX_TEXT, &c.connector) ||
	    !api_field_text(req, body, "credential", true, NAME_MAX_TEXT, &c.auth_type) ||
	    !api_field_object(req, body, "values", false, &values))
		return PB_E_CANCELLED;
	if (find_declared(api, req, c.connector, c.auth_type, &d))
		st = create_declared(api, req, &d, values, &c, answer, err);
	declared_done(&d);
	return st;
}

static void handle_create(struct http_req *req, void *arg)
{
	api_create(arg, req, "connections.create", create);
}

/* ---- update ---- */

/* What is stored, and over it what the request says. */
static enum pb_status merge(struct api *api, const struct store_connection *c,
			    const struct pb_json *change, struct pb_arena *arena,
			    struct api_connection_values *v, const struct pb_json **ret_secrets,
			    struct pb_err *err)
{
	const struct pb_json *open = NULL;
	enum pb_status st = open_secrets(api, c, arena, ret_secrets, err);

	if (st == PB_OK)
		st = pb_json_parse(arena, c->fields, strlen(c->fields), NULL, &open, err);
	if (st != PB_OK)
		return st == PB_E_INVALID ? pb_err_set(err, PB_E_INTERNAL, "connection.malformed",
						       "the stored fields cannot be read")
					  : st;
	api_connection_values_merge(v, open);
	api_connection_values_merge(v, *ret_secrets);
	api_connection_values_merge(v, change);
	return PB_OK;
}

static enum pb_status store_change(struct api *api, struct store_connection *c, struct pb_err *err)
{
	int64_t revision;
	enum pb_status st = store_connection_update(api->cfg.api_pool, c, &revision, err);

	if (st == PB_OK) {
		c->revision = revision;
		api_tell_changed(api, "connection", c->id);
	}
	return st;
}

/* PB_E_CANCELLED: answered. */
static enum pb_status update_values(struct api *api, struct http_req *req,
				    const struct connector_credential *cred,
				    const struct pb_json *change, struct store_connection *c,
				    struct pb_err *err)
{
	struct api_connection_values v = {.n = 0};
	const struct pb_json *secrets = NULL;
	pb_autofree uint8_t *sealed = NULL;
	pb_auto_arena arena;
	enum pb_status st;

	pb_arena_init(&arena, OPEN_ARENA);
	st = merge(api, c, change, &arena, &v, &secrets, err);
	if (st == PB_OK && !api_connection_values_check(api, req, cred, &v))
		st = PB_E_CANCELLED;
	if (st == PB_OK)
		st = set_fields(req, &v, cred, c, err);
	c->secrets = NULL; /* NULL: stays as it is */
	if (st == PB_OK && api_connection_values_touch_secrets(cred, change))
		st = seal(api, &v, cred, c, c->revision + 1, &sealed, err);
	if (secrets)
		wipe_tree(secrets);
	if (st != PB_OK)
		return st;
	c->status = STORE_CONNECTION_UNTESTED;
	c->status_reason = "";
	st = store_change(api, c, err);
	c->secrets = NULL; /* freed here */
	return st;
}

static enum pb_status update(struct api *api, struct http_req *req, const struct pb_json *values,
			     struct store_connection *c, struct pb_err *err)
{
	struct declared d = {0};
	enum pb_status st = PB_E_CANCELLED;

	if (!values) {
		c->secrets = NULL;
		return store_change(api, c, err);
	}
	if (find_declared(api, req, c->connector, c->auth_type, &d))
		st = update_values(api, req, d.credential, values, c, err);
	declared_done(&d);
	return st;
}

static void handle_update(struct http_req *req, void *arg)
{
	static const char *const fields[] = {"name", "values", NULL};
	struct api *api = arg;
	const struct pb_json *body, *values;
	struct store_connection c;
	struct pb_err err = PB_ERR_INIT;
	const char *name;
	int64_t revision;
	enum pb_status st;

	if (!api_if_match(req, &revision) || !api_body_object(req, &body) ||
	    !api_only_fields(req, body, fields) ||
	    !api_field_text(req, body, "name", false, STORE_CONNECTION_NAME_MAX, &name) ||
	    !api_field_object(req, body, "values", false, &values) || !load(api, req, &c))
		return;
	if (revision && revision != c.revision) {
		http_reply_fail(req, PB_E_PRECONDITION, "connection.revision",
				"the connection was changed meanwhile");
		return;
	}
	if (name)
		c.name = name;
	st = update(api, req, values, &c, &err);
	if (st != PB_OK && !http_replied(req))
		api_fail(req, &err);
	if (st == PB_OK && load(api, req, &c))
		reply_one(api, req, "saved", &c);
}

static void handle_delete(struct http_req *req, void *arg)
{
	struct api *api = arg;
	struct pb_err err = PB_ERR_INIT;
	struct pb_uuid id;
	int64_t revision;

	if (!api_param_uuid(req, "id", NOT_FOUND, &id) || !api_if_match(req, &revision))
		return;
	if (store_connection_delete(api->cfg.api_pool, api_actor(req)->tenant, id, revision,
				    &err) != PB_OK) {
		api_fail(req, &err);
		return;
	}
	api_tell_changed(api, "connection", id);
	http_reply_empty(req, 204);
}

static enum pb_status test(struct api *api, struct http_req *req, const struct pb_json *body,
			   struct api_answer *answer, struct pb_err *err)
{
	struct store_connection c;

	if (!api_only_fields(req, body, (const char *const[]){NULL}) || !load(api, req, &c))
		return PB_E_CANCELLED;
	return api_connection_test(api, req, &c, answer, err);
}

static void handle_test(struct http_req *req, void *arg)
{
	api_create(arg, req, "connections.test", test);
}

void api_connection_routes(struct http_router *r, struct api *api)
{
	const struct http_route routes[] = {
		{HTTP_GET, "/api/v1/connections", handle_list, api, 0, 0,
		 API_NEEDS(CONNECTION_READ), "listConnections"},
		{HTTP_POST, "/api/v1/connections", handle_create, api, BODY_BYTES,
		 HTTP_ROUTE_SECRET, API_NEEDS(CONNECTION_WRITE), "createConnection"},
		{HTTP_GET, "/api/v1/connections/{id}", handle_get, api, 0, 0,
		 API_NEEDS(CONNECTION_READ), "getConnection"},
		{HTTP_PUT, "/api/v1/connections/{id}", handle_update, api, BODY_BYTES,
		 HTTP_ROUTE_SECRET, API_NEEDS(CONNECTION_WRITE), "updateConnection"},
		{HTTP_DELETE, "/api/v1/connections/{id}", handle_delete, api, 0, 0,
		 API_NEEDS(CONNECTION_WRITE), "deleteConnection"},
		{HTTP_POST, "/api/v1/connections/{id}/test", handle_test, api, 1024, 0,
		 API_NEEDS(CONNECTION_TEST), "testConnection"},
	};

	http_router_add_all(r, routes, PB_ARRAY_LEN(routes));
}
