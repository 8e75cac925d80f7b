/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: a tenant's credentials for one connector. The secrets are sealed by the caller
 * (vault) for
 * {"connection", "secrets", tenant, id, secret_revision}: make the id and know the revision before
 * sealing.
 */
#ifndef PB_STORE_STORE_CONNECTION_H
#define PB_STORE_STORE_CONNECTION_H

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"

struct pg_pool;

#define STORE_CONNECTION_NAME_MAX    100
#define STORE_CONNECTION_FIELDS_MAX  ((size_t)64 << 10)
#define STORE_CONNECTION_SECRETS_MAX ((size_t)256 << 10)

enum store_connection_status {
	STORE_CONNECTION_UNTESTED,
	STORE_CONNECTION_OK,
	STORE_CONNECTION_FAILED,          /* the last test failed, see status_reason */
	STORE_CONNECTION_NEEDS_RECONNECT, /* the provider took the grant away */
};

/* Strings and bytes live in the arena given to the call. */
struct store_connection {
	struct pb_uuid id;
	struct pb_uuid tenant;
	const char *name;      /* unique in the tenant, ignoring case of ASCII letters */
	const char *connector; /* "slack" */
	const char *auth_type; /* key of the manifest's credentials, "oauth2" */
	const char *fields;    /* JSON object without secrets */
	enum store_connection_status status;
	const char *status_reason; /* "" when ok */
	int64_t revision;          /* grows by one with each change */
	int64_t secret_revision;   /* the revision that wrote `secrets`: part of the seal */
	const uint8_t *secrets;    /* sealed; NULL in lists */
	size_t secrets_n;
	int64_t created_at_us, updated_at_us;
};

/*
 * Inserts with revision 1 and secret_revision 1. @c->secrets must be sealed for row version 1.
 * Errors: PB_E_CONFLICT connection.name_taken; PB_E_UNPROCESSABLE connection.name; PB_E_TOO_LARGE
 *         connection.too_large; PB_E_NOT_FOUND tenant.not_found; database errors.
 */
enum pb_status store_connection_create(struct pg_pool *pool, const struct store_connection *c,
				       struct pb_err *err) pb_must_check;
/* Errors: PB_E_NOT_FOUND connection.not_found, for another tenant's id too. */
enum pb_status store_connection_get(struct pg_pool *pool, struct pb_uuid tenant, struct pb_uuid id,
				    struct pb_arena *arena, struct store_connection *ret,
				    struct pb_err *err) pb_must_check;
enum pb_status store_connection_get_by_name(struct pg_pool *pool, struct pb_uuid tenant,
					    const char *name, struct pb_arena *arena,
					    struct store_connection *ret,
					    struct pb_err *err) pb_must_check;

struct store_connection_query {
	const char *connector; /* NULL = all */
	struct pb_uuid before; /* only ids below; nil = from the start */
	size_t limit;          /* 1..200 */
};
/* Newest first, without secrets. A full page may have a successor: before = last id. */
enum pb_status store_connection_list(struct pg_pool *pool, struct pb_uuid tenant,
				     const struct store_connection_query *q, struct pb_arena *arena,
				     struct store_connection **ret_rows, size_t *ret_n,
				     struct pb_err *err) pb_must_check;
/*
 * Changes name, fields, status and, when @c->secrets is not NULL, the secrets (sealed for row
 * version
 * @c->revision + 1). @c->revision is what the caller has read; connector and auth_type never
 * change. Errors: PB_E_PRECONDITION connection.revision (somebody was faster), PB_E_NOT_FOUND
 * connection.not_found, and as create. *ret_revision is the new one.
 */
enum pb_status store_connection_update(struct pg_pool *pool, const struct store_connection *c,
				       int64_t *ret_revision, struct pb_err *err) pb_must_check;
/* Only the outcome of a test or a refused grant; does not change the revision. */
enum pb_status store_connection_set_status(struct pg_pool *pool, struct pb_uuid tenant,
					   struct pb_uuid id, enum store_connection_status status,
					   const char *reason, struct pb_err *err) pb_must_check;
/* Errors: PB_E_NOT_FOUND connection.not_found; PB_E_PRECONDITION connection.revision (@revision 0 =
 * any). */
enum pb_status store_connection_delete(struct pg_pool *pool, struct pb_uuid tenant,
				       struct pb_uuid id, int64_t revision,
				       struct pb_err *err) pb_must_check;
/* Up to @limit connections (with secrets) after @after, by id, that another data key than @key_id
 * sealed. */
enum pb_status store_connection_list_other_key(struct pg_pool *pool, struct pb_uuid tenant,
					       uint32_t key_id, struct pb_uuid after, size_t limit,
					       struct pb_arena *arena,
					       struct store_connection **ret_rows, size_t *ret_n,
					       struct pb_err *err) pb_must_check;

#endif
