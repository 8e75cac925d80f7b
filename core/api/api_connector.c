/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /api/v1/connectors for everybody, /api/v1/admin/connectors for the platform. Everything said about a connector
 * comes from its manifest, so showing one runs none of its code.
 */
#include "api/api_body.h"

#include "base/clock.h"
#include "bus/bus.h"
#include "connector/connector_admin.h"
#include "pg/pg_value.h"
#include "store/store_connector.h"

#include "base/base.h"

#define NOT_FOUND         "connector.unknown"
#define LIST_ARENA        ((size_t)16 * 1024 * 1024)
#define REASON_MAX        500
#define OPERATION_MAX     64
#define ALL_VERSIONS      "*" /* as connector_store.c stores them */
#define STATE_ENABLED     "enabled"
#define STATE_DISABLED    "disabled"
#define STATE_QUARANTINED "quarantined"

static const char *const idempotency_names[] = {
	[CONNECTOR_IDEMPOTENCY_NONE] = "none",
	[CONNECTOR_IDEMPOTENCY_HEADER] = "header",
	[CONNECTOR_IDEMPOTENCY_NATURAL] = "natural",
	[CONNECTOR_IDEMPOTENCY_CHECK] = "check",
};

/* What the host knows besides the manifests, for one request. */
struct known {
	struct pb_arena arena;
	struct connector_info *infos;
	struct connector_quarantine *quarantines;
	size_t n_infos, n_quarantines;
};

static enum pb_status known_load(struct api *api, struct known *k, struct pb_err *err)
{
	enum pb_status st;

	pb_arena_init(&k->arena, LIST_ARENA);
	st = connector_admin_list(api->cfg.connectors, &k->arena, &k->infos, &k->n_infos, err);
	if (st == PB_OK)
		st = connector_admin_quarantines(api->cfg.connectors, &k->arena, &k->quarantines,
						 &k->n_quarantines, err);
	return st;
}

static const struct connector_info *info_of(const struct known *k, const char *id)
{
	for (size_t i = 0; i < k->n_infos; i++)
		if (pb_str_eq(k->infos[i].id, id))
			return &k->infos[i];
	return NULL;
}

/* Other tenants' quarantines are none of @tenant's business; the platform's admin sees all. */
static bool concerns(const struct connector_quarantine *q, const char *id, struct pb_uuid tenant,
		     bool all)
{
	return pb_str_eq(q->connector, id) &&
	       (all || pb_uuid_is_nil(q->tenant) || pb_uuid_eq(q->tenant, tenant));
}

static const char *state_of(const struct known *k, const char *id, struct pb_uuid tenant)
{
	const struct connector_info *info = info_of(k, id);

	if (info && info->state == CONNECTOR_DISABLED)
		return STATE_DISABLED;
	for (size_t i = 0; i < k->n_quarantines; i++)
		if (concerns(&k->quarantines[i], id, tenant, false) &&
		    !*k->quarantines[i].operation)
			return STATE_QUARANTINED;
	return STATE_ENABLED;
}

/* ---- shapes ---- */

static void put_ids(struct pb_jw *w, const char *key, const char *const *ids, size_t n)
{
	pb_jw_key(w, key);
	pb_jw_array(w);
	for (size_t i = 0; i < n; i++)
		if (*ids[i])
			pb_jw_str(w, ids[i]);
	pb_jw_end(w);
}

static void put_tree(struct pb_jw *w, const char *key, const struct pb_json *j)
{
	pb_jw_key(w, key);
	if (j)
		pb_jw_tree(w, j);
	else
		pb_jw_null(w);
}

static void write_action(struct pb_jw *w, const struct connector_operation *op, bool whole)
{
	pb_jw_object(w);
	api_put_str(w, "id", op->id);
	api_put_str(w, "title", op->title);
	api_put_str(w, "description", op->description);
	api_put_int(w, "version", op->version);
	api_put_str(w, "idempotency", idempotency_names[op->idempotency]);
	put_ids(w, "credentials", op->credentials, op->n_credentials);
	api_put_bool(w, "connection_required", op->n_credentials > 0 && !op->credential_optional);
	if (whole) {
		put_tree(w, "params", op->params_json);
		put_tree(w, "sample", pb_json_get(op->json, "sample"));
	}
	pb_jw_end(w);
}

static void write_credential(struct pb_jw *w, const struct connector_credential *c, bool whole)
{
	pb_jw_object(w);
	api_put_str(w, "id", c->id);
	api_put_str(w, "type", c->type);
	api_put_str(w, "label", c->label);
	if (whole)
		put_tree(w, "fields", c->fields_json);
	pb_jw_end(w);
}

static void write_connector(struct pb_jw *w, const struct connector_manifest *m, const char *state,
			    bool whole)
{
	pb_jw_object(w);
	api_put_str(w, "id", m->id);
	api_put_str(w, "name", m->name);
	api_put_str(w, "summary", m->summary);
	api_put_str(w, "version", m->version);
	api_put_str(w, "state", state);
	pb_jw_key(w, "actions");
	pb_jw_array(w);
	for (size_t i = 0; i < m->n_actions; i++)
		write_action(w, &m->actions[i], whole);
	pb_jw_end(w);
	pb_jw_key(w, "credentials");
	pb_jw_array(w);
	for (size_t i = 0; i < m->n_credentials; i++)
		write_credential(w, &m->credentials[i], whole);
	pb_jw_end(w);
	pb_jw_end(w);
}

/* ---- for everybody ---- */

static void write_all(struct api *api, const struct known *k, struct pb_uuid tenant,
		      struct pb_jw *w)
{
	struct connector_version **versions = NULL;
	size_t n = connector_registry_list(connectors_registry(api->cfg.connectors), &versions);

	pb_jw_array(w);
	for (size_t i = 0; i < n; i++) {
		const struct connector_manifest *m = connector_version_manifest(versions[i]);

		write_connector(w, m, state_of(k, m->id, tenant), false);
		connector_version_unref(versions[i]);
	}
	pb_jw_end(w);
	free(versions);
}

static void handle_list(struct http_req *req, void *arg)
{
	static const char *const none[] = {NULL};
	struct api *api = arg;
	pb_auto_buf data = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;
	struct known k = {.n_infos = 0};
	struct pb_jw w;

	if (!api_only_query(req, none))
		return;
	if (known_load(api, &k, &err) == PB_OK) {
		pb_jw_init(&w, &data);
		write_all(api, &k, api_actor(req)->tenant, &w);
		http_reply_buf(req, 200, NULL, &data);
	} else {
		api_fail(req, &err);
	}
	pb_arena_done(&k.arena);
}

/* A reference; NULL when it has answered. */
static struct connector_version *find(struct api *api, struct http_req *req)
{
	struct pb_slice id = http_req_param(req, "id");
	const char *text = pb_arena_memdup(http_req_arena(req), id.p, id.len);
	struct connector_version *v = NULL;

	if (text && strlen(text) == id.len)
		v = connector_registry_version(connectors_registry(api->cfg.connectors), text,
					       NULL);
	if (!v)
		http_reply_fail(req, PB_E_NOT_FOUND, NOT_FOUND, "there is no such connector");
	return v;
}

static void handle_get(struct http_req *req, void *arg)
{
	struct api *api = arg;
	pb_autoptr(connector_version) v = find(api, req);
	const struct connector_manifest *m;
	pb_auto_buf data = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;
	struct known k = {.n_infos = 0};
	struct pb_jw w;

	if (!v)
		return;
	m = connector_version_manifest(v);
	if (known_load(api, &k, &err) == PB_OK) {
		pb_jw_init(&w, &data);
		write_connector(&w, m, state_of(&k, m->id, api_actor(req)->tenant), true);
		http_reply_buf(req, 200, NULL, &data);
	} else {
		api_fail(req, &err);
	}
	pb_arena_done(&k.arena);
}

/* ---- for the platform ---- */

static void write_metrics(struct pb_jw *w, const struct connector_info *info)
{
	pb_jw_key(w, "metrics");
	pb_jw_object(w);
	api_put_int(w, "calls", (int64_t)info->calls);
	api_put_int(w, "failures", (int64_t)info->failures);
	api_put_int(w, "crashes", (int64_t)info->crashes);
	api_put_int(w, "restarts", (int64_t)info->restarts);
	api_put_int(w, "in_flight", (int64_t)info->in_flight);
	api_put_int(w, "mean_duration_us", info->mean_us);
	pb_jw_end(w);
}

static void write_quarantine(struct pb_jw *w, const struct connector_quarantine *q)
{
	pb_jw_object(w);
	api_put_uuid(w, "tenant_id", q->tenant);
	api_put_str(w, "operation", *q->operation ? q->operation : NULL);
	api_put_str(w, "reason", q->reason);
	api_put_time(w, "since", q->since_us);
	pb_jw_end(w);
}

static void write_admin(struct pb_jw *w, const struct known *k, const struct connector_info *info)
{
	pb_jw_object(w);
	api_put_str(w, "id", info->id);
	api_put_str(w, "name", info->name);
	api_put_str(w, "summary", info->summary);
	api_put_str(w, "version", info->version);
	api_put_str(w, "state", state_of(k, info->id, PB_UUID_NIL));
	api_put_bool(w, "native", info->native);
	api_put_int(w, "n_actions", (int64_t)info->n_actions);
	api_put_str(w, "start_error", info->start_error);
	write_metrics(w, info);
	pb_jw_key(w, "quarantines");
	pb_jw_array(w);
	for (size_t i = 0; i < k->n_quarantines; i++)
		if (concerns(&k->quarantines[i], info->id, PB_UUID_NIL, true))
			write_quarantine(w, &k->quarantines[i]);
	pb_jw_end(w);
	pb_jw_end(w);
}

static void handle_admin_list(struct http_req *req, void *arg)
{
	static const char *const none[] = {NULL};
	struct api *api = arg;
	pb_auto_buf data = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;
	struct known k = {.n_infos = 0};
	struct pb_jw w;

	if (!api_only_query(req, none))
		return;
	if (known_load(api, &k, &err) == PB_OK) {
		pb_jw_init(&w, &data);
		pb_jw_array(&w);
		for (size_t i = 0; i < k.n_infos; i++)
			write_admin(&w, &k, &k.infos[i]);
		pb_jw_end(&w);
		http_reply_buf(req, 200, NULL, &data);
	} else {
		api_fail(req, &err);
	}
	pb_arena_done(&k.arena);
}

/* The connector as the admin sees it now. */
static enum pb_status answer_admin(struct api *api, const char *id, const char *message,
				   struct api_answer *answer, struct pb_err *err)
{
	const struct connector_info *info;
	struct known k = {.n_infos = 0};
	enum pb_status st = known_load(api, &k, err);
	struct pb_jw w;

	info = st == PB_OK ? info_of(&k, id) : NULL;
	if (st == PB_OK && !info)
		st = pb_err_set(err, PB_E_NOT_FOUND, NOT_FOUND, "there is no such connector");
	if (info) {
		pb_jw_init(&w, &answer->data);
		write_admin(&w, &k, info);
		answer->status = 200;
		answer->message = message;
	}
	pb_arena_done(&k.arena);
	return st;
}

static void tell_hosts(struct api *api)
{
	bus_notify_config_changed(api->cfg.bus, "connector", PB_UUID_NIL);
}

static enum pb_status switch_to(struct api *api, struct http_req *req, const struct pb_json *body,
				enum connector_state state, struct api_answer *answer,
				struct pb_err *err)
{
	static const char *const none[] = {NULL};
	bool on = state == CONNECTOR_ENABLED;
	pb_autoptr(connector_version) v = NULL;
	const char *id;
	enum pb_status st;

	if (!api_only_fields(req, body, none))
		return PB_E_CANCELLED;
	v = find(api, req);
	if (!v)
		return PB_E_CANCELLED;
	id = connector_version_manifest(v)->id;
	st = on ? connector_admin_enable(api->cfg.connectors, id, err)
		: connector_admin_disable(api->cfg.connectors, id, err);
	if (st != PB_OK)
		return st;
	tell_hosts(api);
	return answer_admin(api, id, on ? "enabled" : "disabled", answer, err);
}

static enum pb_status enable(struct api *api, struct http_req *req, const struct pb_json *body,
			     struct api_answer *answer, struct pb_err *err)
{
	return switch_to(api, req, body, CONNECTOR_ENABLED, answer, err);
}

static enum pb_status disable(struct api *api, struct http_req *req, const struct pb_json *body,
			      struct api_answer *answer, struct pb_err *err)
{
	return switch_to(api, req, body, CONNECTOR_DISABLED, answer, err);
}

static void handle_enable(struct http_req *req, void *arg)
{
	api_create(arg, req, "connectors.enable", enable);
}

static void handle_disable(struct http_req *req, void *arg)
{
	api_create(arg, req, "connectors.disable", disable);
}

/* ---- quarantine ---- */

/* False when it has answered. */
static bool read_quarantine(struct http_req *req, const struct pb_json *body,
			    const struct connector_manifest *m, struct connector_quarantine *q,
			    bool *ret_lift)
{
	static const char *const fields[] = {"tenant_id", "operation", "lift", "reason", NULL};
	const char *tenant, *operation, *reason;

	if (!api_only_fields(req, body, fields) ||
	    !api_field_text(req, body, "tenant_id", false, PB_UUID_TEXT_BYTES, &tenant) ||
	    !api_field_text(req, body, "operation", false, OPERATION_MAX, &operation) ||
	    !api_field_text(req, body, "reason", false, REASON_MAX, &reason) ||
	    !api_field_bool(req, body, "lift", false, ret_lift))
		return false;
	*q = (struct connector_quarantine){.connector = m->id,
					   .operation = operation ? operation : "",
					   .reason = reason ? reason : "by an administrator",
					   .since_us = pb_now_us()};
	if (tenant && !pb_uuid_parse(tenant, strlen(tenant), &q->tenant)) {
		api_reject(req, PB_E_INVALID, "request.field_value", "/tenant_id",
			   "\"tenant_id\" must be a UUID");
		return false;
	}
	/* an operation of an older version may still have to be let out */
	if (!operation || *ret_lift || connector_manifest_action(m, operation, strlen(operation)))
		return true;
	api_reject(req, PB_E_UNPROCESSABLE, "connector.operation_unknown", "/operation",
		   "the connector \"%.64s\" has no action \"%.64s\"", m->id, operation);
	return false;
}

/* Durable first, then in force here at once; the other hosts read it after the notice. */
static enum pb_status put_quarantine(struct api *api, const struct connector_quarantine *q,
				     struct pb_err *err)
{
	const struct store_quarantine row = {.tenant_id = q->tenant,
					     .connector = q->connector,
					     .version = ALL_VERSIONS,
					     .operation = q->operation,
					     .reason = q->reason,
					     .since = q->since_us,
					     .until = PG_TIME_INFINITY};
	struct connector_quarantine *all;
	struct known k = {.n_infos = 0};
	enum pb_status st = store_quarantine_set(api->cfg.admin_pool, &row, err);

	if (st == PB_OK)
		st = known_load(api, &k, err);
	if (st == PB_OK) {
		all = pb_xcalloc(k.n_quarantines + 1, sizeof(*all));
		for (size_t i = 0; i < k.n_quarantines; i++)
			all[i] = k.quarantines[i];
		all[k.n_quarantines] = *q;
		connectors_apply_quarantines(api->cfg.connectors, all, k.n_quarantines + 1);
		free(all);
	}
	pb_arena_done(&k.arena);
	return st;
}

static enum pb_status quarantine(struct api *api, struct http_req *req, const struct pb_json *body,
				 struct api_answer *answer, struct pb_err *err)
{
	pb_autoptr(connector_version) v = find(api, req);
	struct connector_quarantine q;
	enum pb_status st;
	bool lift;

	if (!v || !read_quarantine(req, body, connector_version_manifest(v), &q, &lift))
		return PB_E_CANCELLED;
	st = lift ? connector_admin_lift(api->cfg.connectors, q.connector, q.operation, q.tenant,
					 err)
		  : put_quarantine(api, &q, err);
	if (st != PB_OK)
		return st;
	tell_hosts(api);
	return answer_admin(api, q.connector, lift ? "lifted" : "quarantined", answer, err);
}

static void handle_quarantine(struct http_req *req, void *arg)
{
	api_create(arg, req, "connectors.quarantine", quarantine);
}

void api_connector_routes(struct http_router *r, struct api *api)
{
	const struct http_route routes[] = {
		{HTTP_GET, "/api/v1/connectors", handle_list, api, 0, 0, API_NEEDS(CONNECTOR_READ),
		 "listConnectors"},
		{HTTP_GET, "/api/v1/connectors/{id}", handle_get, api, 0, 0,
		 API_NEEDS(CONNECTOR_READ), "getConnector"},
		{HTTP_GET, "/api/v1/admin/connectors", handle_admin_list, api, 0, 0,
		 API_NEEDS(CONNECTOR_ADMIN), "listConnectorsAsAdmin"},
		{HTTP_POST, "/api/v1/admin/connectors/{id}/enable", handle_enable, api, 1024, 0,
		 API_NEEDS(CONNECTOR_ADMIN), "enableConnector"},
		{HTTP_POST, "/api/v1/admin/connectors/{id}/disable", handle_disable, api, 1024, 0,
		 API_NEEDS(CONNECTOR_ADMIN), "disableConnector"},
		{HTTP_POST, "/api/v1/admin/connectors/{id}/quarantine", handle_quarantine, api,
		 4096, 0, API_NEEDS(CONNECTOR_ADMIN), "quarantineConnector"},
	};

	http_router_add_all(r, routes, PB_ARRAY_LEN(routes));
}
