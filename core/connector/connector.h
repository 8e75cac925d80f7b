/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connectors of this host as one object: registry, runners, calls. Made once by `main`. What it
 * needs from above (connections, states, stored values) are callbacks, called on worker threads of
 * its own, never on the I/O thread.
 */
#ifndef PB_CONNECTOR_CONNECTOR_H
#define PB_CONNECTOR_CONNECTOR_H

#include "base/id.h"
#include "connector/connector_registry.h"

struct connectors;
struct crypto_secret;
struct egress;

/* A tenant's connection, opened. Immutable, counted, so that the callback may keep a cache. */
struct connector_connection;

/*
 * @fields: JSON object of public fields (NULL = {}), copied. @secrets: JSON object of secret
 * fields, taken, may be NULL. Errors: PB_E_INTERNAL connection.malformed (not objects).
 * [any-thread]
 */
enum pb_status connector_connection_new(struct pb_uuid id, const char *connector,
					const char *auth_type, const char *fields,
					struct crypto_secret *secrets,
					struct connector_connection **ret,
					struct pb_err *err) pb_must_check;
struct connector_connection *connector_connection_ref(struct connector_connection *c);
void connector_connection_unref(struct connector_connection *c); /* the last one wipes */
PB_DEFINE_AUTOPTR(connector_connection, connector_connection_unref);
struct pb_uuid connector_connection_id(const struct connector_connection *c);
const char *connector_connection_connector(const struct connector_connection *c);
const char *connector_connection_auth_type(const struct connector_connection *c);

enum connector_state { CONNECTOR_ENABLED, CONNECTOR_DISABLED };

/* A stored value of one connector: 1 trigger, connection or connector scope. */
struct connector_kv_key {
	struct pb_uuid tenant;
	const char *connector;
	uint32_t scope;    /* ipc_kv_scope */
	const char *owner; /* connection id or "" */
	const char *key;
};

struct connector_quarantine {
	const char *connector;
	const char *operation; /* "post_message"; "" = the whole connector */
	struct pb_uuid tenant; /* nil = everybody */
	const char *reason;    /* for the admin */
	int64_t since_us;
	bool unstored; /* decided here, and the database could not be told yet */
};

/* Any may be NULL: then there are no connections, states are kept in memory, kv is refused. */
struct connector_ops {
	void *arg;
	/* @name: name or id of a connection of @tenant. Errors: PB_E_NOT_FOUND
	 * connection.not_found, others are transient. *ret: a reference. */
	enum pb_status (*resolve_connection)(void *arg, struct pb_uuid tenant, const char *name,
					     struct connector_connection **ret, struct pb_err *err);
	/* Called for each state or quarantine that this process decides; must make it durable. */
	enum pb_status (*save_state)(void *arg, const char *connector, enum connector_state state,
				     struct pb_err *err);
	enum pb_status (*save_quarantine)(void *arg, const struct connector_quarantine *q,
					  struct pb_err *err);
	enum pb_status (*drop_quarantine)(void *arg, const char *connector, const char *operation,
					  struct pb_uuid tenant, struct pb_err *err);
	/* *ret_value owned by the caller (free); *ret_revision 0 and NULL when absent. */
	enum pb_status (*kv_get)(void *arg, const struct connector_kv_key *key, char **ret_value,
				 size_t *ret_n, uint64_t *ret_revision, struct pb_err *err);
	/* @value NULL removes. PB_E_PRECONDITION: *ret_revision is the present one. */
	enum pb_status (*kv_put)(void *arg, const struct connector_kv_key *key, const char *value,
				 size_t n, uint64_t revision, uint64_t *ret_revision,
				 struct pb_err *err);
	/* A connector takes calls again (enabled, quarantine lifted). Must be quick. [any-thread]
	 */
	void (*on_ready)(void *arg, const char *connector);
};

/* Sends a connector's relative requests somewhere else: a test server or an on-premises edition. */
struct connector_override {
	const char *connector; /* "slack" */
	const char *base_url;  /* "http://127.0.0.1:4300/slack/api"; its host counts as declared */
};

/* Strings are copied; 0 or NULL = the default in brackets. */
struct connectors_cfg {
	const char *runner_path;    /* the patchbay-runner binary; required for native connectors */
	const char *connector_dir;  /* NULL: connector_registry_add() only */
	uint32_t uid, gid;          /* of runners when the host is root */
	size_t runner_memory_bytes; /* [256 MB] */
	uint32_t runner_calls_max;  /* at once in one runner [512] */
	uint64_t runner_calls_total; /* then it is replaced [100,000] */
	int64_t runner_idle_us;      /* then it is stopped [5 min]; < 0: never */
	int64_t call_timeout_us;     /* ceiling of one call [5 min] */
	size_t calls_max;            /* started and not ended [10,000] */
	size_t http_per_call; /* requests one call may make [100]; of stored values 10 times that */
	size_t result_bytes;  /* [1 MB] */
	uint32_t workers;     /* threads for callbacks [4] */
	bool development;     /* the runner checks thread tags, errors carry more detail */
	const struct connector_override *overrides;
	size_t n_overrides;
	struct egress *egress; /* borrowed until connectors_free() */
	struct connector_ops ops;
};

/*
 * Scans the directory and starts the threads; runners start with the first call or enable.
 * Owner:   *ret owned, free with connectors_free(), which ends all runners and answers each call
 *          with CONNECTOR_UNAVAILABLE. @ops borrowed content until then.
 * Errors:  PB_E_NOT_FOUND connector.dir / connector.runner.
 * Threads: [main, before start]
 */
enum pb_status connectors_new(const struct connectors_cfg *cfg, struct connectors **ret,
			      struct pb_problems *faults, struct pb_err *err) pb_must_check;
void connectors_free(struct connectors *c);
PB_DEFINE_AUTOPTR(connectors, connectors_free);

struct connector_registry *connectors_registry(struct connectors *c);

#endif
