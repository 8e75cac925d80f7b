/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the host out of its parts, runs it, takes it apart in an order in which nobody calls what is gone:
 * HTTP drains first (answers need everything else), then the engine, then what the engine's calls stand on.
 */
#include "main/patchbay_serve.h"

#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>

#include "api/api.h"
#include "api/api_resolve.h"
#include "auth/auth.h"
#include "base/clock.h"
#include "base/crashpoint.h"
#include "base/lock.h"
#include "base/log.h"
#include "bus/bus.h"
#include "cache/cache.h"
#include "cli/cli.h"
#include "config/config.h"
#include "connector/connector.h"
#include "connector/connector_store.h"
#include "crypto/crypto_hash.h"
#include "egress/egress.h"
#include "engine/engine.h"
#include "expr/expr.h"
#include "http/http_server.h"
#include "limits/limits.h"
#include "obs/obs_log.h"
#include "obs/obs_metrics.h"
#include "os/os_signal.h"
#include "pg/pg_migrate.h"
#include "pg/pg_pool.h"
#include "pg/pg_writer.h"
#include "vault/vault.h"

#include "base/base.h"

PB_LOG_TOPIC("main");

#define SECRET_BYTES    ((size_t)4096)
#define UPKEEP_EVERY_US PB_USEC_PER_SEC
#define PROBES_DRAIN_US (500 * PB_USEC_PER_MSEC)
#define HOSTS_MAX       40 /* public_url's, two of loopback, http_hosts and the end */
#define HEADER_MAX_US   (8 * PB_USEC_PER_SEC) /* a head is small: nobody needs longer */
#define HSTS            "max-age=31536000"
#define UPKEEP_STACK    ((size_t)256 * 1024)

/* Freed from the last to the first member; NULL is not there (yet). */
struct host {
	const struct config *cfg;
	struct crypto_secret *engine_url;
	struct pg_pool *api_pool, *engine_pool, *admin_pool;
	struct pg_writer *writer;
	struct vault *vault;
	struct crypto_secret *api_key_subkey, *hook_subkey, *cursor_subkey, *idempotency_subkey;
	struct cache *cache;
	struct limits *limits;
	struct auth *auth;
	struct bus *bus;
	struct egress *egress;
	struct api_resolve *resolve;
	struct connector_store *connector_store;
	struct connectors *connectors;
	struct engine *engine;
	struct api *api;
	struct http_router *router;
	struct http_server *http;
	char *listen; /* the server reads it again when it stops */
	char public_host[256];
	const char *hosts[HOSTS_MAX];

	struct pb_mutex lock;
	struct pb_cond stop_cond;
	bool stopping;
	pthread_t upkeep;
	bool upkeep_runs;
};

/* ---- secrets ---- */

static struct crypto_secret *read_secret(const struct config *cfg, const char *setting,
					 struct pb_err *err)
{
	pb_autoptr(crypto_secret) s = crypto_secret_new(SECRET_BYTES);
	size_t n;

	if (config_secret_read(cfg, setting, (char *)crypto_secret_mutable(s), SECRET_BYTES, &n,
			       err) != PB_OK)
		return NULL;
	return pb_steal(s);
}

static const char *text_of(const struct crypto_secret *s)
{
	return (const char *)crypto_secret_bytes(s);
}

/* ---- the parts ---- */

static bool open_pool(struct host *h, const char *setting, int size, struct pg_pool **ret,
		      struct pb_err *err)
{
	pb_autoptr(crypto_secret) url = read_secret(h->cfg, setting, err);

	return (url &&
		pg_pool_new(&(struct pg_pool_config){.url = text_of(url),
						     .max_connections = size,
						     .statement_timeout_us =
							     h->cfg->database_statement_timeout_us},
			    ret, err) == PB_OK) ||
	       cli_explain(err, setting,
			   "write it as postgresql://user:password@host:port/database");
}

/* The host does not change tables by itself: an operator decides when. */
static bool check_migrations(struct host *h, struct pb_err *err)
{
	pb_autoptr(crypto_secret) url = NULL;
	struct pg_migrate_report report;

	if (!*h->cfg->database_migrate_url_file)
		return true; /* a host without that right trusts its operator */
	url = read_secret(h->cfg, "database_migrate_url_file", err);
	if (!url)
		return false;
	if (pg_migrate_check(text_of(url), h->cfg->migrations_dir, &report, err) != PB_OK) {
		cli_explain_migrate(err);
		return false;
	}
	if (report.n_pending == 0)
		return true;
	(void)pb_err_set(err, PB_E_PRECONDITION, "migrate.pending",
			 "the database lacks %d migrations: run `patchbay migrate` with the same "
			 "configuration first",
			 report.n_pending);
	return false;
}

static bool start_database(struct host *h, struct pb_err *err)
{
	int size = (int)h->cfg->database_pool_size;

	h->engine_url = read_secret(h->cfg, "database_engine_url_file", err);
	return h->engine_url && check_migrations(h, err) &&
	       open_pool(h, "database_api_url_file", size, &h->api_pool, err) &&
	       open_pool(h, "database_engine_url_file", size, &h->engine_pool, err) &&
	       open_pool(h, "database_admin_url_file", 2, &h->admin_pool, err) &&
	       pg_writer_new(
		       &(struct pg_writer_config){.url = text_of(h->engine_url),
						  .n_threads = (int)h->cfg->writer_connections},
		       &h->writer, err) == PB_OK;
}

static bool start_secrets(struct host *h, struct pb_err *err)
{
	pb_autoptr(crypto_secret) text = read_secret(h->cfg, "master_key_file", err);
	struct vault_keyring *ring;

	if (!text ||
	    vault_keyring_parse(text_of(text), strlen(text_of(text)), &ring, err) != PB_OK ||
	    vault_new(h->api_pool, ring, &h->vault, err) != PB_OK) {
		cli_explain_vault(err);
		return false;
	}
	h->api_key_subkey = vault_subkey(h->vault, CRYPTO_PURPOSE_API_KEY);
	h->hook_subkey = vault_subkey(h->vault, CRYPTO_PURPOSE_HOOK_TOKEN);
	h->cursor_subkey = vault_subkey(h->vault, CRYPTO_PURPOSE_CURSOR);
	h->idempotency_subkey = vault_subkey(h->vault, CRYPTO_PURPOSE_IDEMPOTENCY);
	h->auth = auth_new(h->api_pool, h->api_key_subkey);
	return true;
}

/* Without Redis each host counts its limits alone. */
static bool start_cache(struct host *h, struct pb_err *err)
{
	pb_autoptr(crypto_secret) redis = NULL;

	if (!*h->cfg->redis_url_file)
		return true;
	redis = read_secret(h->cfg, "redis_url_file", err);
	return (redis &&
		cache_open(&(struct cache_cfg){.url = text_of(redis)}, &h->cache, err) == PB_OK) ||
	       cli_explain(err, "redis_url_file", "write it as redis://:password@host:port");
}

static bool start_servers(struct host *h, struct pb_err *err)
{
	pb_autoptr(crypto_secret) nats = read_secret(h->cfg, "nats_url_file", err);

	if (!nats || !start_cache(h, err))
		return false;
	if (bus_open(&(struct bus_cfg){.url = text_of(nats)}, &h->bus, err) != PB_OK)
		return cli_explain(err, "nats_url_file",
				   "write it as nats://user:password@host:port");
	h->limits = limits_open(h->cache);
	return true;
}

/* ---- connectors ---- */

static void on_connector_ready(void *arg, const char *connector)
{
	struct host *h = arg;

	if (h->engine)
		engine_connector_ready(h->engine, connector);
}

static enum pb_status resolve_connection(void *arg, struct pb_uuid tenant, const char *name,
					 struct connector_connection **ret, struct pb_err *err)
{
	return api_resolve_connection(((struct host *)arg)->resolve, tenant, name, ret, err);
}

static enum pb_status save_state(void *arg, const char *connector, enum connector_state state,
				 struct pb_err *err)
{
	struct host *h = arg;
	enum pb_status st = connector_store_save_state(h->connector_store, connector, state, err);

	if (st == PB_OK)
		bus_notify_config_changed(h->bus, "connector", PB_UUID_NIL);
	return st;
}

static enum pb_status save_quarantine(void *arg, const struct connector_quarantine *q,
				      struct pb_err *err)
{
	struct host *h = arg;
	enum pb_status st = connector_store_save_quarantine(h->connector_store, q, err);

	if (st == PB_OK)
		bus_notify_config_changed(h->bus, "connector", PB_UUID_NIL);
	return st;
}

static enum pb_status drop_quarantine(void *arg, const char *connector, const char *operation,
				      struct pb_uuid tenant, struct pb_err *err)
{
	struct host *h = arg;
	enum pb_status st = connector_store_drop_quarantine(h->connector_store, connector,
							    operation, tenant, err);

	if (st == PB_OK)
		bus_notify_config_changed(h->bus, "connector", PB_UUID_NIL);
	return st;
}

static enum pb_status kv_get(void *arg, const struct connector_kv_key *key, char **ret_value,
			     size_t *ret_n, uint64_t *ret_revision, struct pb_err *err)
{
	return connector_store_kv_get(((struct host *)arg)->connector_store, key, ret_value, ret_n,
				      ret_revision, err);
}

static enum pb_status kv_put(void *arg, const struct connector_kv_key *key, const char *value,
			     size_t n, uint64_t revision, uint64_t *ret_revision,
			     struct pb_err *err)
{
	return connector_store_kv_put(((struct host *)arg)->connector_store, key, value, n,
				      revision, ret_revision, err);
}

/* What the connectors need from above. */
static struct connector_ops connector_ops(struct host *h)
{
	return (struct connector_ops){
		.arg = h,
		.resolve_connection = resolve_connection,
		.save_state = save_state,
		.save_quarantine = save_quarantine,
		.drop_quarantine = drop_quarantine,
		.kv_get = kv_get,
		.kv_put = kv_put,
		.on_ready = on_connector_ready,
	};
}

static bool runner_account(const struct config *cfg, uint32_t *ret_uid, uint32_t *ret_gid,
			   struct pb_err *err)
{
	char buf[4096];
	struct passwd pw, *found = NULL;

	*ret_uid = *ret_gid = 0;
	if (geteuid() != 0)
		return true;
	if (*cfg->runner_user)
		(void)getpwnam_r(cfg->runner_user, &pw, buf, sizeof(buf), &found);
	if (!found || found->pw_uid == 0) {
		(void)pb_err_set(
			err, PB_E_INVALID, "config.value",
			"the host runs as root: set runner_user to an unprivileged account "
			"that exists, or start the host as one");
		return false;
	}
	*ret_uid = found->pw_uid;
	*ret_gid = found->pw_gid;
	return true;
}

/* Owner: each connector name is the caller's (free), then the array; addresses are borrowed. */
static struct connector_override *read_overrides(const struct config_list *list)
{
	struct connector_override *out = pb_xcalloc(list->n + 1, sizeof(*out));

	for (size_t i = 0; i < list->n; i++) {
		const char *mark = strchr(list->items[i], '='); /* the setting's shape has one */

		out[i].connector = pb_xstrndup(list->items[i], (size_t)(mark - list->items[i]));
		out[i].base_url = mark + 1;
	}
	return out;
}

static void free_overrides(struct connector_override *o, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free((void *)(uintptr_t)o[i].connector);
	free(o);
}

static void log_faults(const struct pb_problems *faults)
{
	for (const struct pb_problem *p = faults->first; p; p = p->next)
		pb_log(PB_LOG_WARN, "connector not loaded, ignoring",
		       PB_KV_STR("patchbay.connector", p->pointer),
		       PB_KV_STR("error.code", p->code), PB_KV_STR("error.message", p->message));
}

static bool start_connectors(struct host *h, struct pb_err *err)
{
	const struct config *c = h->cfg;
	struct egress_cfg egress = {
		.allow = (const char *const *)c->egress_allow.items,
		.n_allow = c->egress_allow.n,
		.ports = (const char *const *)c->egress_ports.items,
		.n_ports = c->egress_ports.n,
		.timeout_us = c->egress_timeout_us,
		.body_bytes = (size_t)c->egress_body_bytes,
	};
	struct connectors_cfg cfg = {
		.runner_path = c->runner_path,
		.connector_dir = c->connector_dir,
		.runner_memory_bytes = (size_t)c->runner_memory_bytes,
		.runner_calls_max = (uint32_t)c->runner_calls_max,
		.development = c->environment == CONFIG_DEVELOPMENT,
	};
	struct connector_override *overrides;
	struct pb_problems faults;
	pb_auto_arena arena;
	enum pb_status st;

	pb_arena_init(&arena, 1024 * 1024);
	pb_problems_init(&faults, &arena, 100);
	if (!runner_account(c, &cfg.uid, &cfg.gid, err) ||
	    egress_new(&egress, &h->egress, err) != PB_OK)
		return false;
	h->resolve = api_resolve_new(
		&(struct api_resolve_cfg){.api_pool = h->api_pool, .vault = h->vault});
	h->connector_store = connector_store_new(h->engine_pool, h->admin_pool, h->api_pool);
	cfg.egress = h->egress;
	cfg.ops = connector_ops(h);
	overrides = read_overrides(&c->connector_base_urls);
	cfg.overrides = overrides;
	cfg.n_overrides = c->connector_base_urls.n;
	st = connectors_new(&cfg, &h->connectors, &faults, err);
	free_overrides(overrides, cfg.n_overrides);
	log_faults(&faults);
	if (st == PB_OK)
		connector_store_refresh(h->connector_store, h->connectors);
	return st == PB_OK;
}

/* ---- engine and API ---- */

static size_t host_sha256(const void *p, size_t n, uint8_t out[EXPR_DIGEST_BYTES])
{
	crypto_sha256(p, n, out);
	return CRYPTO_HASH_BYTES;
}

static size_t host_sha512(const void *p, size_t n, uint8_t out[EXPR_DIGEST_BYTES])
{
	crypto_sha512(p, n, out);
	return CRYPTO_SHA512_BYTES;
}

static size_t host_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n,
			       uint8_t out[EXPR_DIGEST_BYTES])
{
	crypto_hmac_sha256(key, key_len, p, n, out);
	return CRYPTO_HASH_BYTES;
}

static const struct expr_host expr_host = {
	.sha256 = host_sha256, .sha512 = host_sha512, .hmac_sha256 = host_hmac_sha256};

static bool start_engine(struct host *h, struct pb_err *err)
{
	const struct config *c = h->cfg;

	return engine_new(
		       &(struct engine_cfg){
			       .writer = h->writer,
			       .engine_pool = h->engine_pool,
			       .api_pool = h->api_pool,
			       .leader_url = text_of(h->engine_url),
			       .bus = h->bus,
			       .connectors = h->connectors,
			       .idempotency_key = h->idempotency_subkey,
			       .expr_host = &expr_host,
			       .run_worker = config_has_role(c, "worker"),
			       .run_schedule = config_has_role(c, "schedule"),
			       .worker_threads = (uint32_t)c->worker_threads,
			       .executions_max = (uint32_t)c->worker_executions_max,
			       .sync_wait_max = (uint32_t)(c->http_threads / 2),
			       .lease_us = c->lease_duration_us,
			       .sweep_interval_us = c->sweep_interval_us,
			       .keep_days = (uint32_t)(c->history_retention_us /
						       (24 * 60 * PB_USEC_PER_MIN)),
			       .check_connection = api_resolve_check,
			       .arg = h->resolve,
		       },
		       &h->engine, err) == PB_OK;
}

static void on_config_changed(void *arg, const char *kind, struct pb_uuid id)
{
	struct host *h = arg;

	if (h->api)
		api_config_changed(h->api, kind, id);
	if (pb_str_eq(kind, "*") || pb_str_eq(kind, "connector"))
		connector_store_stale(h->connector_store);
}

static bool start_api(struct host *h, struct pb_err *err)
{
	struct api_cfg cfg = {
		.config = h->cfg,
		.api_pool = h->api_pool,
		.engine_pool = h->engine_pool,
		.admin_pool = h->admin_pool,
		.writer = h->writer,
		.auth = h->auth,
		.vault = h->vault,
		.limits = h->limits,
		.cache = h->cache,
		.bus = h->bus,
		.connectors = h->connectors,
		.engine = h->engine,
		.resolve = h->resolve,
		.hook_subkey = h->hook_subkey,
		.cursor_subkey = h->cursor_subkey,
	};

	if (api_new(&cfg, &h->api, err) != PB_OK)
		return false;
	h->router = http_router_new();
	if (config_has_role(h->cfg, "api"))
		api_add_routes(h->api, h->router);
	else
		api_add_probe_routes(h->api, h->router);
	api_upkeep(h->api); /* the table of hooks, when the database is there */
	return true;
}

static char *join_list(const struct config_list *list)
{
	struct pb_buf b = PB_BUF_INIT;

	for (size_t i = 0; i < list->n; i++) {
		if (i)
			pb_buf_addc(&b, ',');
		pb_buf_adds(&b, list->items[i]);
	}
	return pb_buf_steal(&b, NULL);
}

static bool explain_listen(struct pb_err *err, const char *listen)
{
	char setting[128];

	(void)pb_str_printf(setting, sizeof(setting), "listen = %s", listen);
	return cli_explain(err, setting,
			   "end what listens there or choose another port; hosts on one "
			   "machine need one each");
}

/* Names that are served: in production none but ours, so that no other name can be pointed here (DNS rebinding). */
static const char *const *served_hosts(struct host *h)
{
	const struct config *c = h->cfg;
	const char *begin = strstr(c->public_url, "://");
	size_t n = 0;

	if (c->environment != CONFIG_PRODUCTION)
		return NULL;
	begin = begin ? begin + 3 : "";
	(void)pb_str_printf(h->public_host, sizeof(h->public_host), "%.*s",
			    (int)PB_MIN(strcspn(begin, ":/"), sizeof(h->public_host) - 1), begin);
	h->hosts[n++] = "127.0.0.1";
	h->hosts[n++] = "localhost";
	if (*h->public_host)
		h->hosts[n++] = h->public_host;
	for (size_t i = 0; i < c->http_hosts.n && n < HOSTS_MAX - 1; i++)
		h->hosts[n++] = c->http_hosts.items[i];
	h->hosts[n] = NULL;
	return h->hosts;
}

static bool start_http(struct host *h, struct pb_err *err)
{
	const struct config *c = h->cfg;
	struct http_cfg cfg = {
		.listen = h->listen = join_list(&c->listen),
		.threads = (unsigned)c->http_threads,
		.max_per_ip = (unsigned)c->http_connections_per_ip,
		.max_streams = (unsigned)c->http_streams_max,
		.keep_alive_us = c->http_keep_alive_timeout_us,
		.header_timeout_us = PB_MIN(c->http_request_timeout_us, HEADER_MAX_US),
		.body_timeout_us = c->http_request_timeout_us,
		.write_timeout_us = c->http_request_timeout_us,
		.hosts = served_hosts(h),
		.hsts = c->environment == CONFIG_PRODUCTION ? HSTS : NULL,
		.cors_origins = (const char *const *)c->cors_origins.items,
		.trusted_proxies = (const char *const *)c->trusted_proxies.items,
		.before = api_before,
		.after = api_after,
		.hook_arg = h->api,
	};
	char url[256];

	if (http_server_start(&cfg, h->router, &h->http, err) != PB_OK)
		return explain_listen(err, h->listen);
	(void)pb_str_printf(url, sizeof(url), "http://127.0.0.1:%u", http_server_port(h->http, 0));
	api_set_base_url(h->api, *c->public_url ? c->public_url : url);
	return true;
}

static void *upkeep_main(void *arg)
{
	struct host *h = arg;

	pb_lock(&h->lock);
	while (!h->stopping) {
		pb_unlock(&h->lock);
		api_upkeep(h->api);
		connector_store_refresh(h->connector_store, h->connectors);
		pb_lock(&h->lock);
		if (!h->stopping)
			pb_cond_wait_until(&h->stop_cond, &h->lock, pb_mono_us() + UPKEEP_EVERY_US);
	}
	pb_unlock(&h->lock);
	return NULL;
}

/* ---- life ---- */

static bool start(struct host *h, struct pb_err *err)
{
	if (!start_database(h, err) || !start_secrets(h, err) || !start_servers(h, err) ||
	    !start_connectors(h, err) || !start_engine(h, err) || !start_api(h, err))
		return false;
	bus_on_config_changed(h->bus, on_config_changed, h);
	engine_start(h->engine);
	if (!start_http(h, err))
		return false;
	h->upkeep = pb_thread_start("pb-upkeep", UPKEEP_STACK, upkeep_main, h);
	h->upkeep_runs = true;
	return true;
}

static void stop_upkeep(struct host *h)
{
	if (!h->upkeep_runs)
		return;
	pb_lock(&h->lock);
	h->stopping = true;
	pb_cond_signal(&h->stop_cond);
	pb_unlock(&h->lock);
	pb_thread_join(h->upkeep);
}

/* No answer is lost and no execution is torn: what has a lease ends or is left to its lease. */
static void drain(struct host *h)
{
	const bool api = config_has_role(h->cfg, "api");
	int64_t now = pb_mono_us(), deadline = now + h->cfg->drain_timeout_us;

	pb_log(PB_LOG_INFO, "draining");
	/* without the role api there are only probes, and their connections stay open */
	if (!http_server_drain(h->http, api ? deadline : PB_MIN(deadline, now + PROBES_DRAIN_US)) &&
	    api)
		pb_log(PB_LOG_WARN, "requests were still in flight at the drain's deadline");
	if (h->engine)
		engine_drain(h->engine, deadline);
}

/* The bus goes after everything that holds its messages, and before what its notices reach. */
static void take_apart(struct host *h)
{
	stop_upkeep(h);
	http_server_stop(h->http);
	free(h->listen);
	if (h->engine)
		engine_stop(h->engine);
	connectors_free(h->connectors);
	egress_free(h->egress);
	pg_writer_free(h->writer);
	bus_close(h->bus);
	engine_free(h->engine);
	http_router_free(h->router);
	api_free(h->api);
	connector_store_free(h->connector_store);
	api_resolve_free(h->resolve);
	auth_free(h->auth);
	limits_close(h->limits);
	cache_close(h->cache);
	crypto_secret_free(h->idempotency_subkey);
	crypto_secret_free(h->cursor_subkey);
	crypto_secret_free(h->hook_subkey);
	crypto_secret_free(h->api_key_subkey);
	vault_free(h->vault);
	pg_pool_free(h->admin_pool);
	pg_pool_free(h->engine_pool);
	pg_pool_free(h->api_pool);
	crypto_secret_free(h->engine_url);
}

static void await_stop(void)
{
	for (;;) {
		int signo = os_signal_wait(INT64_MAX);

		if (signo == SIGTERM || signo == SIGINT)
			return;
		if (signo == SIGHUP)
			obs_log_reopen();
	}
}

static bool start_log(const struct config *cfg, struct pb_err *err)
{
	return obs_log_start(&(struct obs_log_cfg){.path = cfg->log_file,
						   .level = (enum pb_log_level)cfg->log_level},
			     err) == PB_OK;
}

/* One descriptor a connection, and as many again for databases, runners and upstreams. */
static void raise_limits(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r); /* what the system refuses it keeps as it was */
	}
	(void)setrlimit(RLIMIT_CORE,
			&(struct rlimit){0, 0}); /* secrets do not go into core files */
}

int patchbay_serve(const struct config *cfg)
{
	struct host h = {.cfg = cfg};
	struct pb_err err = PB_ERR_INIT;
	bool ok;

	os_signal_block();
	raise_limits();
	if (!start_log(cfg, &err)) {
		(void)cli_explain(&err, "log_file",
				  "its folder must exist and be writable for the "
				  "host's account");
		fprintf(stderr, "patchbay: %s\n", err.msg);
		return 1;
	}
	if (cfg->allow_crash_points && *cfg->crash_at && !pb_crashpoint_arm(cfg->crash_at))
		fprintf(stderr, "patchbay: crash_at must be name:n, ignoring\n");
	obs_metrics_register_process();
	pb_mutex_init(&h.lock, "host", PB_LOCK_RANK(8, 0));
	pb_cond_init(&h.stop_cond);
	ok = start(&h, &err);
	if (ok) {
		pb_log(PB_LOG_INFO, "ready",
		       PB_KV_INT("url.port", h.http ? http_server_port(h.http, 0) : 0));
		await_stop();
		drain(&h);
	} else {
		fprintf(stderr, "patchbay: %s\n", err.msg);
	}
	take_apart(&h);
	pb_cond_done(&h.stop_cond);
	pb_mutex_done(&h.lock);
	obs_log_stop();
	return ok ? 0 : 1;
}
