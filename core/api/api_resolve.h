/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections opened for those who use them: the callbacks that `main` gives to the connectors and to the engine.
 * Opened connections are kept for a moment (API_RESOLVE_AGE_US, at most API_RESOLVE_MAX), because a busy tenant
 * would else pay two queries a call; a notice drops them at once.
 */
#ifndef PB_API_RESOLVE_H
#define PB_API_RESOLVE_H

#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"

struct api_resolve;
struct connector_connection;
struct pg_pool;
struct store_connection;
struct vault;

#define API_RESOLVE_AGE_US INT64_C(10000000)
#define API_RESOLVE_MAX    1000

/* Both borrowed until api_resolve_free(). */
struct api_resolve_cfg {
	struct pg_pool *api_pool;
	struct vault *vault;
};

struct api_resolve *api_resolve_new(const struct api_resolve_cfg *cfg);
void api_resolve_free(struct api_resolve *r);
PB_DEFINE_AUTOPTR(api_resolve, api_resolve_free);

/*
 * For connector_ops.resolve_connection; @arg is the struct api_resolve.
 * Owner:   *ret is a reference, connector_connection_unref().
 * Errors:  PB_E_NOT_FOUND connection.not_found (another tenant's too), PB_E_INTERNAL vault.*, connection.malformed,
 *          database.*.
 * Threads: [worker] [request]
 */
enum pb_status api_resolve_connection(void *arg, struct pb_uuid tenant, const char *name,
				      struct connector_connection **ret,
				      struct pb_err *err) pb_must_check;

/*
 * Opens a row that was read with its secrets; keeps nothing.
 * Owner:   *ret is a reference, connector_connection_unref().
 * Errors:  PB_E_INTERNAL vault.*, connection.malformed. [worker] [request]
 */
enum pb_status api_resolve_open(struct vault *vault, const struct store_connection *row,
				struct connector_connection **ret,
				struct pb_err *err) pb_must_check;

/*
 * For engine_cfg.check_connection: is there such a connection, and is it one of @connector? Opens nothing.
 * Errors: PB_E_NOT_FOUND connection.not_found, PB_E_UNPROCESSABLE connection.wrong_connector, database.*.
 */
enum pb_status api_resolve_check(void *arg, struct pb_uuid tenant, const char *name,
				 const char *connector, struct pb_err *err) pb_must_check;

/* A notice "connection": forget @id, or everything when it is nil. Cheap. [any-thread] */
void api_resolve_forget(struct api_resolve *r, struct pb_uuid id);

#endif
