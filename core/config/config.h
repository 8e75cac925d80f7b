/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All settings of the host: one table (config_table.c) gives name, type, range, default and
 * meaning; here is the struct it fills. Sources, later wins: defaults, `--config FILE` (`name =
 * value` lines, # comments), environment PATCHBAY_<NAME>, `--set name=value`. Secrets are never
 * values: a `..._file` setting names a file, which nobody but its owner may read. Environment
 * variables that name no setting are ignored on purpose (Kubernetes injects PATCHBAY_PORT and
 * friends); unknown names in files and --set are faults.
 */
#ifndef PB_CONFIG_CONFIG_H
#define PB_CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/problem.h"

struct config_list {
	char **items; /* NULL when n is 0 */
	size_t n;
};

enum config_environment { CONFIG_PRODUCTION, CONFIG_DEVELOPMENT };
enum config_log_level { CONFIG_LOG_DEBUG, CONFIG_LOG_INFO, CONFIG_LOG_WARN, CONFIG_LOG_ERROR };

/* Strings are never NULL ("" when unset). Durations are microseconds, sizes bytes. Immutable after
 * load. */
struct config {
	/* process */
	struct config_list roles; /* of api, worker, schedule */
	int64_t environment;      /* enum config_environment */
	int64_t log_level;        /* enum config_log_level, same order as enum pb_log_level */
	char *log_file;           /* "" = standard error */
	int64_t drain_timeout_us;
	bool allow_crash_points;
	char *crash_at; /* "name:n", for tests */

	/* HTTP */
	struct config_list listen; /* "host:port", port 0 = any free one */
	char *public_url;          /* "" only in development: the first listen address is used */
	int64_t http_threads;
	int64_t http_connections_per_ip;
	int64_t http_streams_max;
	int64_t http_request_timeout_us;
	int64_t http_keep_alive_timeout_us;
	int64_t max_body_bytes;
	struct config_list http_hosts; /* "patchbay.internal", "*.example.com" */
	struct config_list cors_origins;
	struct config_list trusted_proxies; /* CIDR */
	int64_t sync_wait_max_us;

	/* servers behind */
	char *database_api_url_file;
	char *database_engine_url_file;
	char *database_admin_url_file;
	char *database_migrate_url_file;
	int64_t database_pool_size;
	int64_t database_statement_timeout_us;
	char *redis_url_file;
	char *nats_url_file;
	char *master_key_file;
	char *migrations_dir;

	/* connectors and runners */
	char *connector_dir;
	struct config_list connector_base_urls; /* "slack=http://127.0.0.1:4300/slack/api" */
	char *runner_path;
	char *runner_user;
	int64_t runner_memory_bytes;
	int64_t runner_calls_max;
	struct config_list egress_allow; /* CIDR: may be reached although private */
	struct config_list egress_ports; /* "443", "8000-8999" */
	int64_t egress_timeout_us;
	int64_t egress_body_bytes;

	/* engine */
	int64_t worker_threads;
	int64_t worker_executions_max;
	int64_t lease_duration_us;
	int64_t writer_connections;
	int64_t sweep_interval_us;
	int64_t history_retention_us;

	/* limits */
	int64_t api_rate_per_minute;
	int64_t hook_rate_per_minute;
	int64_t miss_rate_per_minute;
};

enum config_type {
	CONFIG_STRING,
	CONFIG_INT,
	CONFIG_BOOL,
	CONFIG_DURATION,
	CONFIG_SIZE,
	CONFIG_ENUM,
	CONFIG_LIST,
	CONFIG_PATH,
	CONFIG_SECRET_FILE,
};

struct config_setting {
	const char *name;
	enum config_type type;
	size_t offset; /* into struct config */
	const char *fallback;
	int64_t min, max; /* int, duration (us), size (bytes); for lists: number of items */
	const char *const *choices; /* enum: NULL-ended, index is the value; list: allowed items */
	bool (*item_ok)(const char *); /* list, string: shape of one value, NULL = any */
	const char *shape;             /* what item_ok wants, for the message */
	const char *doc;
};

/* The table, in order of the document. Borrowed for ever. */
const struct config_setting *config_settings(size_t *ret_n);
const struct config_setting *config_setting_find(const char *name);

struct config_source {
	const char *file;        /* NULL = none */
	const char *const *sets; /* "name=value" */
	size_t n_sets;
	char *const *env; /* `environ` or NULL */
};

/*
 * Reads all sources and checks each value by itself. Always gives a complete config (faulty values
 * keep their default), so that config_check() can go on and everything is reported at once. Owner:
 * *ret owned, free with config_free(). Errors:  PB_E_INVALID config.invalid when @faults got at
 * least one entry (codes config.file, config.syntax, config.unknown, config.duplicate,
 * config.value). Threads: [main, before start] Limits:  file 1 MB, line 8 KB, list 256 items.
 */
enum pb_status config_load(const struct config_source *src, struct config **ret,
			   struct pb_problems *faults) pb_must_check;
void config_free(struct config *cfg);
PB_DEFINE_AUTOPTR(config, config_free);

/*
 * Rules between settings and with the machine for `serve`: required files exist and only their
 * owner may read them, listen addresses exist for the api role, production forbids crash
 * points, ... Errors:  as config_load (codes config.required, config.file, config.conflict).
 * [main, before start]
 */
enum pb_status config_check(const struct config *cfg, struct pb_problems *faults) pb_must_check;

bool config_has_role(const struct config *cfg, const char *role);

/*
 * Reads the file named by the secret-file setting @setting into @buf (give it locked memory),
 * without trailing line ends, NUL-terminated. Errors:  PB_E_INVALID config.required (not set),
 * config.file (missing, not regular, readable by group or others, empty, longer than @cap - 1). The
 * sentence names the setting and the remedy, never the content. Threads: [any-thread]
 */
enum pb_status config_secret_read(const struct config *cfg, const char *setting, char *buf,
				  size_t cap, size_t *ret_len, struct pb_err *err) pb_must_check;

/* The table as Markdown: name, type, range, default, meaning. For `check-config --list`. */
void config_document(struct pb_buf *out);
/* The settings in force as `name = value` lines that config_load() reads back. Holds no secrets. */
void config_dump(const struct config *cfg, struct pb_buf *out);

#endif
