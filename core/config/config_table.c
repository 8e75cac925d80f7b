/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings table: the only place where a setting's name, type, range, default and meaning are
 * written. Documentation, parsing, checking and printing all follow it.
 */
#include "config/config_private.h"

#include "base/clock.h"
#include "base/base.h"

#define SEC  PB_USEC_PER_SEC
#define MSEC PB_USEC_PER_MSEC
#define MIN_ (60 * SEC)
#define HOUR (60 * MIN_)
#define DAY  (24 * HOUR)
#define KB   INT64_C(1024)
#define MB   (1024 * KB)
#define GB   (1024 * MB)

static const char *const choices_roles[] = {"api", "worker", "schedule", NULL};
static const char *const choices_environment[] = {"production", "development", NULL};
static const char *const choices_log_level[] = {"debug", "info", "warn", "error", NULL};

#define AT(f) .offset = offsetof(struct config, f)
#define S_STRING(f, dflt, ...)                                                                     \
	{                                                                                          \
		.name = #f, .type = CONFIG_STRING, AT(f), .fallback = dflt, .max = 4096,           \
		__VA_ARGS__                                                                        \
	}
#define S_PATH(f, dflt, d)                                                                         \
	{                                                                                          \
		.name = #f, .type = CONFIG_PATH, AT(f), .fallback = dflt, .max = 4096, .doc = d    \
	}
#define S_SECRET(f, d)                                                                             \
	{                                                                                          \
		.name = #f, .type = CONFIG_SECRET_FILE, AT(f), .fallback = "", .max = 4096,        \
		.doc = d                                                                           \
	}
#define S_INT(f, dflt, lo, hi, d)                                                                  \
	{                                                                                          \
		.name = #f, .type = CONFIG_INT, AT(f), .fallback = dflt, .min = lo, .max = hi,     \
		.doc = d                                                                           \
	}
#define S_BOOL(f, dflt, d)                                                                         \
	{                                                                                          \
		.name = #f, .type = CONFIG_BOOL, AT(f), .fallback = dflt, .doc = d                 \
	}
#define S_ENUM(f, dflt, c, d)                                                                      \
	{                                                                                          \
		.name = #f, .type = CONFIG_ENUM, AT(f), .fallback = dflt, .choices = c, .doc = d   \
	}
#define S_LIST(f, dflt, lo, hi, ...)                                                               \
	{                                                                                          \
		.name = #f, .type = CONFIG_LIST, AT(f), .fallback = dflt, .min = lo, .max = hi,    \
		__VA_ARGS__                                                                        \
	}
/* durations and sizes: the setting has no unit in its name, because the value has one */
#define S_TIME(n, dflt, lo, hi, d)                                                                 \
	{                                                                                          \
		.name = #n, .type = CONFIG_DURATION, AT(n##_us), .fallback = dflt, .min = lo,      \
		.max = hi, .doc = d                                                                \
	}
#define S_SIZE(f, dflt, lo, hi, d)                                                                 \
	{                                                                                          \
		.name = #f, .type = CONFIG_SIZE, AT(f), .fallback = dflt, .min = lo, .max = hi,    \
		.doc = d                                                                           \
	}

static const struct config_setting table[] = {
	/* process */
	S_LIST(roles, "api, worker, schedule", 1, 3, .choices = choices_roles,
	       .doc = "What this process does. One process does all by default; several hosts may "
		      "share."),
	S_ENUM(environment, "production", choices_environment,
	       "development allows a plain http public_url and crash points."),
	S_ENUM(log_level, "info", choices_log_level, "The least severe level that is written."),
	S_PATH(log_file, "",
	       "File that gets the log, one JSON object a line; empty is standard error."),
	S_TIME(drain_timeout, "30s", 0, 1 * HOUR,
	       "How long a stopping process lets requests and steps finish."),
	S_BOOL(allow_crash_points, "false",
	       "Lets crash_at end the process; for tests, not in production."),
	S_STRING(crash_at, "", .item_ok = config_shape_crash_at, .shape = "name:n",
		 .doc = "Die with status 137 at the n-th pass of the named crash point."),

	/* HTTP */
	S_LIST(listen, "127.0.0.1:8080", 1, 16, .item_ok = config_shape_listen,
	       .shape = "address:port",
	       .doc = "IPv4 addresses and ports of the API; port 0 takes any free one. Without the "
		      "role api a host serves /health, /ready and /metrics there."),
	S_STRING(public_url, "", .item_ok = config_shape_base_url,
		 .shape = "https://host or https://host/path without a slash at the end",
		 .doc = "How people and providers reach this installation. Links are made from it, "
			"never from "
			"a Host header."),
	S_INT(http_threads, "256", 8, 4096,
	      "Threads that hold connections; each open connection takes one."),
	S_INT(http_connections_per_ip, "100", 1, 60000, "Open connections of one client address."),
	S_INT(http_streams_max, "64", 0, 2048, "Clients that may hold a live event stream (SSE)."),
	S_TIME(http_request_timeout, "10s", 1 * SEC, 5 * MIN_,
	       "Reading a body may take this long, writing an answer too, plus 1s per 64KB; a head "
	       "at "
	       "most 8s of it."),
	S_TIME(http_keep_alive_timeout, "2s", 100 * MSEC, 1 * MIN_,
	       "An idle connection is closed after this."),
	S_SIZE(max_body_bytes, "1MB", 1 * KB, 64 * MB, "Largest request body."),
	S_LIST(http_hosts, "", 0, 32, .item_ok = config_shape_host,
	       .shape = "a host name or *.name",
	       .doc = "In production only requests for public_url's host, 127.0.0.1 and localhost "
		      "are "
		      "served, and for these names (health checks that come by another one)."),
	S_LIST(cors_origins, "", 0, 64, .item_ok = config_shape_origin,
	       .shape = "scheme://host[:port]",
	       .doc = "Origins of browsers that may use the API from elsewhere."),
	S_LIST(trusted_proxies, "", 0, 64, .item_ok = config_shape_cidr,
	       .shape = "an address or CIDR",
	       .doc = "Only from these addresses X-Forwarded-For is believed."),
	S_TIME(sync_wait_max, "30s", 1 * SEC, 5 * MIN_,
	       "How long a webhook with a synchronous answer may wait before 504."),

	/* servers behind */
	S_SECRET(database_api_url_file, "libpq URI for role patchbay_api."),
	S_SECRET(database_engine_url_file, "libpq URI for role patchbay_engine."),
	S_SECRET(database_admin_url_file,
		 "libpq URI for role patchbay_admin (super admin's views)."),
	S_SECRET(database_migrate_url_file,
		 "libpq URI of the schema's owner, for `patchbay migrate` only."),
	S_INT(database_pool_size, "16", 2, 256, "Connections of each pool."),
	S_TIME(database_statement_timeout, "15s", 100 * MSEC, 10 * MIN_,
	       "Longest run of one statement."),
	S_SECRET(redis_url_file, "redis://[:password@]host:port[/db]. Empty: local limits only."),
	S_SECRET(nats_url_file, "nats://[user:password@]host:port, several with commas."),
	S_SECRET(master_key_file,
		 "Master keys, one kek_<id>:<base64> a line; the first one wraps. Keep a copy: "
		 "without it no stored credential can be read."),
	S_PATH(migrations_dir, "/usr/share/patchbay/migrations", "Folder of numbered SQL files."),

	/* connectors and runners */
	S_PATH(connector_dir, "/usr/lib/patchbay/connectors", "Folder of installed connectors."),
	S_LIST(connector_base_urls, "", 0, 64, .item_ok = config_shape_connector_url,
	       .shape = "connector=https://host/path without a slash at the end",
	       .doc = "Sends a connector's requests to another address than its own, to a test "
		      "server; development only."),
	S_PATH(runner_path, "/usr/lib/patchbay/patchbay-runner", "The runner program."),
	S_STRING(runner_user, "patchbay-runner", .item_ok = config_shape_name,
		 .shape = "a user name",
		 .doc = "User a runner becomes when the host runs as root."),
	S_SIZE(runner_memory_bytes, "256MB", 16 * MB, 16 * GB, "Data memory of one runner."),
	S_INT(runner_calls_max, "32", 1, 1024, "Calls in flight in one runner."),
	S_LIST(egress_allow, "", 0, 64, .item_ok = config_shape_cidr, .shape = "an address or CIDR",
	       .doc = "Private destinations that connectors may reach; public ones always may."),
	S_LIST(egress_ports, "80, 443, 8080, 8443", 1, 64, .item_ok = config_shape_ports,
	       .shape = "a port or first-last",
	       .doc = "Destination ports that connectors may reach."),
	S_TIME(egress_timeout, "30s", 100 * MSEC, 10 * MIN_, "Longest outbound request."),
	S_SIZE(egress_body_bytes, "8MB", 1 * KB, 256 * MB,
	       "Largest answer from a service, decompressed."),

	/* engine */
	S_INT(worker_threads, "4", 1, 16, "Threads that advance executions."),
	S_INT(worker_executions_max, "2000", 1, 100000,
	      "Executions that this process holds at a time."),
	S_TIME(lease_duration, "30s", 1 * SEC, 10 * MIN_,
	       "An execution whose worker is silent this long is taken over."),
	S_INT(writer_connections, "2", 1, 32, "Database connections of the group-commit writer."),
	S_TIME(sweep_interval, "1s", 50 * MSEC, 1 * MIN_,
	       "Pause between looks for due and lost executions."),
	S_TIME(history_retention, "30d", 1 * DAY, 3650 * DAY,
	       "Finished executions are kept this long."),

	/* limits */
	S_INT(api_rate_per_minute, "600", 1, 10000000, "API requests of one key."),
	S_INT(hook_rate_per_minute, "60000", 1, 100000000, "Webhook calls of one tenant."),
	S_INT(miss_rate_per_minute, "600", 1, 10000000,
	      "API keys and hook tokens that do not exist, from one client address, before no more "
	      "are looked up."),
};

const struct config_setting *config_settings(size_t *ret_n)
{
	*ret_n = PB_ARRAY_LEN(table);
	return table;
}

const struct config_setting *config_setting_find(const char *name)
{
	for (size_t i = 0; i < PB_ARRAY_LEN(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

const char *config_type_name(enum config_type type)
{
	static const char *const names[] = {
		[CONFIG_STRING] = "string",
		[CONFIG_INT] = "integer",
		[CONFIG_BOOL] = "true or false",
		[CONFIG_DURATION] = "duration",
		[CONFIG_SIZE] = "size",
		[CONFIG_ENUM] = "choice",
		[CONFIG_LIST] = "list",
		[CONFIG_PATH] = "path",
		[CONFIG_SECRET_FILE] = "file with a secret",
	};

	return names[type];
}
