/* SPDX-License-Identifier: Apache-2.0 */
/* What operators and tools ask: alive, ready, metrics, status, and the description of the API itself. */
#include "api/api_internal.h"

#include "api/api_hooks.h"
#include "api/api_openapi.h"
#include "base/clock.h"
#include "bus/bus.h"
#include "cache/cache.h"
#include "engine/engine.h"
#include "obs/obs_metrics.h"
#include "pg/pg_pool.h"
#include "pg/pg_writer.h"

#include "base/base.h"

static void handle_root(struct http_req *req, void *arg)
{
	static const char data[] = "{\"name\":\"patchbay\",\"version\":\"" PB_VERSION
				   "\",\"api\":\"/api/v1\",\"openapi\":\"/api/v1/"
				   "openapi.json\",\"docs\":\"/api/docs\"}";

	(void)arg;
	http_reply_data(req, 200, "Patchbay", data, sizeof(data) - 1);
}

static void handle_live(struct http_req *req, void *arg)
{
	static const char data[] = "{\"status\":\"alive\"}";

	(void)arg;
	http_reply_data(req, 200, "alive", data, sizeof(data) - 1);
}

/* One dependency: whether it works now, and whether the host can do without it. */
static void write_dependency(struct pb_jw *w, const char *name, bool up, bool required,
			     const char *note)
{
	pb_jw_key(w, name);
	pb_jw_object(w);
	pb_jw_key(w, "up");
	pb_jw_bool(w, up);
	pb_jw_key(w, "required");
	pb_jw_bool(w, required);
	if (note && *note) {
		pb_jw_key(w, "note");
		pb_jw_str(w, note);
	}
	pb_jw_end(w);
}

/* PostgreSQL decides readiness; without the queue executions wait, without the cache limits are local. */
static bool write_dependencies(struct api *api, struct pb_jw *w)
{
	struct pb_err err = PB_ERR_INIT;
	struct bus_status bus;
	bool database = pg_pool_health(api->cfg.api_pool, &err) == PB_OK &&
			pg_writer_healthy(api->cfg.writer);
	bool redis = api->cfg.cache && cache_ping(api->cfg.cache);

	bus_status(api->cfg.bus, &bus);
	pb_jw_key(w, "dependencies");
	pb_jw_object(w);
	write_dependency(w, "postgresql", database, true, database ? NULL : err.msg);
	write_dependency(w, "nats", bus.connected && bus.stream_ok, false,
			 bus.connected ? NULL : "accepted executions wait until it is back");
	if (api->cfg.cache)
		write_dependency(w, "redis", redis, false,
				 redis ? NULL : "limits are counted by each host alone");
	pb_jw_end(w);
	return database;
}

static void handle_ready(struct http_req *req, void *arg)
{
	struct api *api = arg;
	pb_auto_buf data = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;
	bool draining = http_req_draining(req), ready;
	struct pb_jw w;

	pb_jw_init(&w, &data);
	pb_jw_object(&w);
	ready = write_dependencies(api, &w) && !draining;
	pb_jw_key(&w, "draining");
	pb_jw_bool(&w, draining);
	pb_jw_end(&w);
	if (ready) {
		http_reply_buf(req, 200, "ready", &data);
		return;
	}
	(void)pb_err_set(&err, PB_E_UNAVAILABLE,
			 draining ? "http.draining" : "database.unavailable",
			 draining ? "the host is stopping" : "the database cannot be reached");
	http_reply_error_at(req, &err, NULL, pb_buf_str(&data));
}

static void handle_metrics(struct http_req *req, void *arg)
{
	pb_auto_buf text = PB_BUF_INIT;

	(void)arg;
	text.limit = (size_t)8 * 1024 * 1024;
	if (obs_metrics_write(&text))
		http_reply_raw(req, 200, "text/plain; version=0.0.4; charset=utf-8", text.p,
			       text.len);
	else
		http_reply_fail(req, PB_E_INTERNAL, "metrics.too_large", "the metrics do not fit");
}

static void key_int(struct pb_jw *w, const char *key, int64_t v)
{
	pb_jw_key(w, key);
	pb_jw_int(w, v);
}

static void write_engine(struct api *api, struct pb_jw *w)
{
	struct engine_stats s;

	engine_stats(api->cfg.engine, &s);
	pb_jw_key(w, "engine");
	pb_jw_object(w);
	key_int(w, "active", s.active);
	key_int(w, "waiting_callers", s.waiting_callers);
	key_int(w, "claimed", (int64_t)s.claimed);
	key_int(w, "succeeded", (int64_t)s.succeeded);
	key_int(w, "failed", (int64_t)s.failed);
	key_int(w, "cancelled", (int64_t)s.cancelled);
	key_int(w, "parked", (int64_t)s.parked);
	key_int(w, "fenced", (int64_t)s.fenced);
	key_int(w, "recovered", (int64_t)s.recovered);
	pb_jw_key(w, "leading");
	pb_jw_bool(w, s.leading);
	pb_jw_end(w);
}

/* Over all tenants: how busy others are is no tenant's affair. */
static void write_totals(struct api *api, struct pb_jw *w)
{
	struct pg_writer_stats ws;

	pg_writer_stats(api->cfg.writer, &ws);
	key_int(w, "hooks", (int64_t)api_hooks_count(api->hooks));
	write_engine(api, w);
	pb_jw_key(w, "writer");
	pb_jw_object(w);
	key_int(w, "batches", (int64_t)ws.batches);
	key_int(w, "rows", (int64_t)ws.rows);
	key_int(w, "queued", (int64_t)ws.queued);
	pb_jw_end(w);
}

static void handle_status(struct http_req *req, void *arg)
{
	struct api *api = arg;
	pb_auto_buf data = PB_BUF_INIT;
	struct pb_jw w;

	pb_jw_init(&w, &data);
	pb_jw_object(&w);
	pb_jw_key(&w, "version");
	pb_jw_str(&w, PB_VERSION);
	key_int(&w, "uptime_s", (pb_mono_us() - api->started_us) / PB_USEC_PER_SEC);
	(void)write_dependencies(api, &w);
	if (auth_actor_may(api_actor(req), TENANT_PLATFORM_ADMIN))
		write_totals(api, &w);
	pb_jw_end(&w);
	http_reply_buf(req, 200, NULL, &data);
}

static void handle_openapi(struct http_req *req, void *arg)
{
	(void)arg;
	http_reply_header(req, "Cache-Control", "public, max-age=300");
	http_reply_raw(req, 200, "application/json", api_openapi_bytes, api_openapi_n);
}

static void handle_docs(struct http_req *req, void *arg)
{
	struct api *api = arg;

	api_docs_reply(req, &api->docs);
}

void api_add_probe_routes(struct api *api, struct http_router *r)
{
	const unsigned always = API_ROUTE_NO_AUTH | HTTP_ROUTE_DURING_DRAIN;
	const struct http_route routes[] = {
		{HTTP_GET, "/health", handle_live, api, 0, always, NULL, "getLiveness"},
		{HTTP_GET, "/ready", handle_ready, api, 0, always, NULL, "getReadiness"},
		{HTTP_GET, "/metrics", handle_metrics, api, 0, HTTP_ROUTE_DURING_DRAIN,
		 API_NEEDS(PLATFORM_ADMIN), "getMetrics"},
	};

	http_router_add_all(r, routes, PB_ARRAY_LEN(routes));
}

void api_system_routes(struct http_router *r, struct api *api)
{
	const unsigned open = API_ROUTE_NO_AUTH;
	const struct http_route routes[] = {
		{HTTP_GET, "/", handle_root, api, 0, open, NULL, "getRoot"},
		{HTTP_GET, "/api/v1/health", handle_live, api, 0, open | HTTP_ROUTE_DURING_DRAIN,
		 NULL, "getHealth"},
		{HTTP_GET, "/api/v1/status", handle_status, api, 0, 0, API_NEEDS(STATUS_READ),
		 "getStatus"},
		{HTTP_GET, "/api/v1/openapi.json", handle_openapi, api, 0,
		 open | HTTP_ROUTE_CORS_ANY | HTTP_ROUTE_CACHEABLE, NULL, "getOpenapi"},
		{HTTP_GET, "/api/docs", handle_docs, api, 0, open | HTTP_ROUTE_CACHEABLE, NULL,
		 "getDocs"},
	};

	http_router_add_all(r, routes, PB_ARRAY_LEN(routes));
}
