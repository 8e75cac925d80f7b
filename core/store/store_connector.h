/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host remembers about connectors: which version is on (state), who may not run what for
 * now (quarantine), and small values that connectors and triggers keep (kv: cursors,
 * subscriptions).
 */
#ifndef PB_STORE_CONNECTOR_H
#define PB_STORE_CONNECTOR_H

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "pg/pg_pool.h"

enum store_connector_status { STORE_CONNECTOR_ENABLED = 1, STORE_CONNECTOR_DISABLED = 2 };

struct store_connector_state {
	const char *connector;
	const char *version;          /* current */
	const char *previous_version; /* for roll-back, "" when none */
	enum store_connector_status status;
	struct pb_slice granted; /* JSON: the permissions granted at install; p == NULL: none */
	int64_t revision, updated_at;
};

/* All of them, a few dozen. [any pool] */
enum pb_status store_connector_states(struct pg_pool *pool, struct pb_arena *arena,
				      struct store_connector_state **ret, size_t *ret_n,
				      struct pb_err *err) pb_must_check;
/* Writes one. @if_revision 0: it must be new; else it must match. @pool: the admin's (or the
 * engine's for an automatic fall-back). Errors: PB_E_PRECONDITION connector.changed */
enum pb_status store_connector_set(struct pg_pool *pool, const struct store_connector_state *s,
				   int64_t if_revision, int64_t *ret_revision,
				   struct pb_err *err) pb_must_check;

struct store_quarantine {
	struct pb_uuid tenant_id;                    /* nil: for all tenants */
	const char *connector, *version, *operation; /* operation "": all */
	const char *reason;                          /* shown to people */
	int64_t since, until;                        /* PG_TIME_INFINITY: until lifted */
};
enum pb_status
store_quarantine_list(struct pg_pool *pool, struct pb_arena *arena, struct store_quarantine **ret,
		      size_t *ret_n,
		      struct pb_err *err) pb_must_check; /* engine or admin: of all tenants */
enum pb_status store_quarantine_set(struct pg_pool *pool, const struct store_quarantine *q,
				    struct pb_err *err) pb_must_check;
/* Errors: PB_E_NOT_FOUND connector.not_quarantined */
enum pb_status store_quarantine_lift(struct pg_pool *pool, struct pb_uuid tenant_id,
				     const char *connector, const char *version,
				     const char *operation, struct pb_err *err) pb_must_check;

#define STORE_KV_VALUE_BYTES (256 * 1024)
#define STORE_KV_KEY_BYTES   512
/* @scope says whose: "connector:slack", "poll:<workflow>", ... Errors: PB_E_NOT_FOUND kv.not_found
 */
enum pb_status store_kv_get(struct pg_pool *pool, struct pb_uuid tenant_id, const char *scope,
			    const char *key, struct pb_arena *arena, struct pb_slice *ret_value,
			    int64_t *ret_revision, struct pb_err *err) pb_must_check;
/*
 * Compare and set. @if_revision: -1 unconditionally, 0 only when absent, else only that revision.
 * @expires_at 0: never. Errors: PB_E_PRECONDITION kv.changed, PB_E_TOO_LARGE kv.too_large,
 * PB_E_INVALID kv.key
 */
enum pb_status store_kv_set(struct pg_pool *pool, struct pb_uuid tenant_id, const char *scope,
			    const char *key, struct pb_slice value, int64_t if_revision,
			    int64_t expires_at, int64_t *ret_revision,
			    struct pb_err *err) pb_must_check;
/* @if_revision as above (-1 or one). Absent already is PB_OK with -1, else PB_E_PRECONDITION
 * kv.changed. */
enum pb_status store_kv_delete(struct pg_pool *pool, struct pb_uuid tenant_id, const char *scope,
			       const char *key, int64_t if_revision,
			       struct pb_err *err) pb_must_check;

#endif
