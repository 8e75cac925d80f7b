/* SPDX-License-Identifier: Apache-2.0 */
/* API keys: only keyed hashes are stored. Roles and scopes are text here; `tenant` knows what they
 * mean. */
#ifndef PB_STORE_STORE_API_KEY_H
#define PB_STORE_STORE_API_KEY_H

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"
#include "store/store_tenant.h"

#define STORE_API_KEY_HASH_BYTES 32
#define STORE_API_KEY_NAME_MAX   100
#define STORE_API_KEY_LIVE_MAX   1000

/* Strings live in the arena given to the call. Times are 0 when not set. */
struct store_api_key {
	struct pb_uuid id;
	struct pb_uuid tenant;
	const char *name;
	const char *hint; /* first characters of the key */
	const char *role;
	const char *scopes; /* permission names, space separated, "" = all of the role */
	struct pb_uuid created_by;
	int64_t created_at_us, expires_at_us, revoked_at_us, last_used_at_us;
};

/* What authentication needs. */
struct store_api_key_found {
	struct store_api_key key;
	enum store_tenant_status tenant_status;
	int64_t db_now_us; /* the database's clock decides about expiry */
};

/*
 * Before the tenant is known: through the SECURITY DEFINER function api_key_lookup.
 * Errors: PB_E_NOT_FOUND api_key.not_found, database errors.
 */
enum pb_status store_api_key_lookup(struct pg_pool *pool,
				    const uint8_t hash[STORE_API_KEY_HASH_BYTES],
				    struct pb_arena *arena, struct store_api_key_found *ret,
				    struct pb_err *err) pb_must_check;

/*
 * Inserts @key (its times except expires_at_us are ignored).
 * Errors: PB_E_CONFLICT api_key.name_taken, PB_E_LIMIT api_key.too_many, PB_E_UNPROCESSABLE
 * api_key.expiry (not in the future), PB_E_NOT_FOUND tenant.not_found.
 */
enum pb_status store_api_key_create(struct pg_pool *pool, const struct store_api_key *key,
				    const uint8_t hash[STORE_API_KEY_HASH_BYTES],
				    struct pb_err *err) pb_must_check;
enum pb_status store_api_key_get(struct pg_pool *pool, struct pb_uuid tenant, struct pb_uuid id,
				 struct pb_arena *arena, struct store_api_key *ret,
				 struct pb_err *err) pb_must_check;
/* The live key of this name. Errors: PB_E_NOT_FOUND api_key.not_found. */
enum pb_status store_api_key_get_by_name(struct pg_pool *pool, struct pb_uuid tenant,
					 const char *name, struct pb_arena *arena,
					 struct store_api_key *ret,
					 struct pb_err *err) pb_must_check;
/* Newest first, ids below @before (nil = from the start), revoked ones too. @limit 1..200. */
enum pb_status store_api_key_list(struct pg_pool *pool, struct pb_uuid tenant,
				  struct pb_uuid before, size_t limit, struct pb_arena *arena,
				  struct store_api_key **ret_rows, size_t *ret_n,
				  struct pb_err *err) pb_must_check;
/* Errors: PB_E_NOT_FOUND api_key.not_found. Fine when revoked before. */
enum pb_status store_api_key_revoke(struct pg_pool *pool, struct pb_uuid tenant, struct pb_uuid id,
				    struct pb_err *err) pb_must_check;

struct store_api_key_use {
	struct pb_uuid tenant, id;
	int64_t used_at_us;
};
/* Last-used times of keys of any tenants in one statement; times only go forward. @n at most 1000.
 */
enum pb_status store_api_key_used(struct pg_pool *pool, const struct store_api_key_use *uses,
				  size_t n, struct pb_err *err) pb_must_check;

#endif
