/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of `api_key`. Lookup and last-used times go through SECURITY DEFINER functions, because both
 * happen outside any one tenant; everything else stays behind row-level security.
 */
#include "store/store_api_key.h"

#include "pg/pg_pool.h"
#include "base/base.h"

#define LIST_MAX 200
#define USED_MAX 1000

#define COLUMNS                                                                                    \
	"id, tenant_id, name, hint, role, scopes, created_by, created_at, expires_at, "            \
	"revoked_at, "                                                                             \
	"last_used_at"

static const struct pg_stmt stmt_lookup = {
	.name = "api_key_lookup",
	.sql = "SELECT " COLUMNS ", tenant_status, db_now FROM api_key_lookup($1)",
};
/* Two creations at the same time may pass the limit by one each: it guards against floods, not
 * against one. */
static const struct pg_stmt stmt_create = {
	.name = "api_key_create",
	.sql = "INSERT INTO api_key (tenant_id, id, name, hint, hash, role, scopes, created_by, "
	       "expires_at)"
	       " SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9"
	       " WHERE (SELECT count(*) FROM api_key WHERE tenant_id = $1 AND revoked_at IS NULL) "
	       "< $10",
};
static const struct pg_stmt stmt_get = {
	.name = "api_key_get",
	.sql = "SELECT " COLUMNS " FROM api_key WHERE tenant_id = $1 AND id = $2",
};
static const struct pg_stmt stmt_get_by_name = {
	.name = "api_key_get_by_name",
	.sql = "SELECT " COLUMNS " FROM api_key WHERE tenant_id = $1 AND revoked_at IS NULL"
	       " AND lower(name COLLATE \"C\") = lower($2 COLLATE \"C\")",
};
static const struct pg_stmt stmt_list = {
	.name = "api_key_list",
	.sql = "SELECT " COLUMNS
	       " FROM api_key WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2)"
	       " ORDER BY id DESC LIMIT $3",
};
static const struct pg_stmt stmt_revoke = {
	.name = "api_key_revoke",
	.sql = "UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE tenant_id = $1 "
	       "AND id = $2",
};
static const struct pg_stmt stmt_used = {
	.name = "api_key_used",
	.sql = "SELECT api_key_used($1, $2,"
	       " ARRAY(SELECT timestamptz 'epoch' + u * interval '1 microsecond'"
	       " FROM unnest($3::int8[]) WITH ORDINALITY AS t (u, n) ORDER BY n))",
};

static enum pb_status not_found(struct pb_err *err)
{
	return pb_err_set(err, PB_E_NOT_FOUND, "api_key.not_found", "there is no such API key");
}

static enum pb_status too_large(struct pb_err *err)
{
	return pb_err_set(err, PB_E_TOO_LARGE, "api_key.too_large",
			  "the answer does not fit its limit");
}

static void read_row(const struct pg_result *r, int row, struct pb_arena *arena,
		     struct store_api_key *k)
{
	k->id = pg_get_uuid(r, row, 0);
	k->tenant = pg_get_uuid(r, row, 1);
	k->name = pg_get_text(r, row, 2, arena);
	k->hint = pg_get_text(r, row, 3, arena);
	k->role = pg_get_text(r, row, 4, arena);
	k->scopes = pg_get_text(r, row, 5, arena);
	k->created_by = pg_get_uuid(r, row, 6);
	k->created_at_us = pg_get_time(r, row, 7);
	k->expires_at_us = pg_get_time(r, row, 8);
	k->revoked_at_us = pg_get_time(r, row, 9);
	k->last_used_at_us = pg_get_time(r, row, 10);
}

enum pb_status store_api_key_lookup(struct pg_pool *pool,
				    const uint8_t hash[STORE_API_KEY_HASH_BYTES],
				    struct pb_arena *arena, struct store_api_key_found *ret,
				    struct pb_err *err)
{
	pb_autoptr(pg_result) r = NULL;
	pg_auto_args args = PG_ARGS_INIT;
	struct store_api_key_found found;
	struct pb_slice tenant_status;
	enum pb_status status;

	pg_arg_bytes(&args, hash, STORE_API_KEY_HASH_BYTES);
	status = pg_query(pool, NULL, &stmt_lookup, &args, &r, err);
	if (status != PB_OK)
		return status;
	if (pg_rows(r) == 0)
		return not_found(err);
	read_row(r, 0, arena, &found.key);
	if (arena->overflow)
		return too_large(err);
	tenant_status = pg_get_slice(r, 0, 11);
	found.tenant_status = pb_slice_eq_str(tenant_status, "active")    ? STORE_TENANT_ACTIVE
			      : pb_slice_eq_str(tenant_status, "pending") ? STORE_TENANT_PENDING
									  : STORE_TENANT_SUSPENDED;
	found.db_now_us = pg_get_time(r, 0, 12);
	*ret = found;
	return PB_OK;
}

/* What a failed insert means to the caller. */
static enum pb_status create_failed(const struct pg_tx *tx, enum pb_status status,
				    struct pb_err *err)
{
	const char *constraint = pg_tx_constraint(tx);

	if (pb_str_eq(constraint, "api_key_name_key"))
		return pb_err_set(err, PB_E_CONFLICT, "api_key.name_taken",
				  "another API key has this name");
	if (pb_str_eq(constraint, "api_key_expiry"))
		return pb_err_set(err, PB_E_UNPROCESSABLE, "api_key.expiry",
				  "the expiry must be in the future");
	if (pb_str_eq(constraint, "api_key_tenant_id_fkey"))
		return pb_err_set(err, PB_E_NOT_FOUND, "tenant.not_found",
				  "there is no such tenant");
	return status;
}

enum pb_status store_api_key_create(struct pg_pool *pool, const struct store_api_key *key,
				    const uint8_t hash[STORE_API_KEY_HASH_BYTES],
				    struct pb_err *err)
{
	pb_autoptr(pg_tx) tx = NULL;
	pb_autoptr(pg_result) r = NULL;
	pg_auto_args args = PG_ARGS_INIT;
	enum pb_status status;

	pg_arg_uuid(&args, key->tenant);
	pg_arg_uuid(&args, key->id);
	pg_arg_text(&args, key->name);
	pg_arg_text(&args, key->hint);
	pg_arg_bytes(&args, hash, STORE_API_KEY_HASH_BYTES);
	pg_arg_text(&args, key->role);
	pg_arg_text(&args, key->scopes);
	pg_arg_uuid_or_null(&args, &key->created_by);
	pg_arg_time_or_null(&args, key->expires_at_us);
	pg_arg_i64(&args, STORE_API_KEY_LIVE_MAX);
	status = pg_tx_begin(pool, &key->tenant, &tx, err);
	if (status != PB_OK)
		return status;
	status = pg_tx_last(tx, &stmt_create, &args, &r, err);
	if (status != PB_OK)
		return create_failed(tx, status, err);
	if (pg_affected(r) == 0)
		return pb_err_set(err, PB_E_LIMIT, "api_key.too_many",
				  "the tenant has %d API keys; revoke one first",
				  STORE_API_KEY_LIVE_MAX);
	return PB_OK;
}

static enum pb_status get_one(struct pg_pool *pool, struct pb_uuid tenant,
			      const struct pg_stmt *stmt, const struct pg_args *args,
			      struct pb_arena *arena, struct store_api_key *ret, struct pb_err *err)
{
	pb_autoptr(pg_result) r = NULL;
	struct store_api_key key;
	enum pb_status status = pg_query(pool, &tenant, stmt, args, &r, err);

	if (status != PB_OK)
		return status;
	if (pg_rows(r) == 0)
		return not_found(err);
	read_row(r, 0, arena, &key);
	if (arena->overflow)
		return too_large(err);
	*ret = key;
	return PB_OK;
}

enum pb_status store_api_key_get(struct pg_pool *pool, struct pb_uuid tenant, struct pb_uuid id,
				 struct pb_arena *arena, struct store_api_key *ret,
				 struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	pg_arg_uuid(&args, tenant);
	pg_arg_uuid(&args, id);
	return get_one(pool, tenant, &stmt_get, &args, arena, ret, err);
}

enum pb_status store_api_key_get_by_name(struct pg_pool *pool, struct pb_uuid tenant,
					 const char *name, struct pb_arena *arena,
					 struct store_api_key *ret, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	pg_arg_uuid(&args, tenant);
	pg_arg_text(&args, name);
	return get_one(pool, tenant, &stmt_get_by_name, &args, arena, ret, err);
}

enum pb_status store_api_key_list(struct pg_pool *pool, struct pb_uuid tenant,
				  struct pb_uuid before, size_t limit, struct pb_arena *arena,
				  struct store_api_key **ret_rows, size_t *ret_n,
				  struct pb_err *err)
{
	pb_autoptr(pg_result) r = NULL;
	pg_auto_args args = PG_ARGS_INIT;
	struct store_api_key *rows;
	enum pb_status status;
	size_t n;

	PB_ASSERT(limit >= 1 && limit <= LIST_MAX);
	pg_arg_uuid(&args, tenant);
	pg_arg_uuid_or_null(&args, &before);
	pg_arg_i64(&args, (int64_t)limit);
	status = pg_query(pool, &tenant, &stmt_list, &args, &r, err);
	if (status != PB_OK)
		return status;
	n = (size_t)pg_rows(r);
	rows = pb_arena_calloc(arena, n + 1, sizeof *rows);
	if (!rows)
		return too_large(err);
	for (size_t i = 0; i < n; i++)
		read_row(r, (int)i, arena, &rows[i]);
	if (arena->overflow)
		return too_large(err);
	*ret_rows = rows;
	*ret_n = n;
	return PB_OK;
}

enum pb_status store_api_key_revoke(struct pg_pool *pool, struct pb_uuid tenant, struct pb_uuid id,
				    struct pb_err *err)
{
	pb_autoptr(pg_result) r = NULL;
	pg_auto_args args = PG_ARGS_INIT;
	enum pb_status status;

	pg_arg_uuid(&args, tenant);
	pg_arg_uuid(&args, id);
	status = pg_query(pool, &tenant, &stmt_revoke, &args, &r, err);
	if (status != PB_OK)
		return status;
	return pg_affected(r) ? PB_OK : not_found(err);
}

enum pb_status store_api_key_used(struct pg_pool *pool, const struct store_api_key_use *uses,
				  size_t n, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;
	pb_autofree struct pb_uuid *tenants = NULL, *ids = NULL;
	pb_autofree int64_t *times = NULL;

	PB_ASSERT(n <= USED_MAX);
	if (n == 0)
		return PB_OK;
	tenants = pb_xcalloc(n, sizeof *tenants);
	ids = pb_xcalloc(n, sizeof *ids);
	times = pb_xcalloc(n, sizeof *times);
	for (size_t i = 0; i < n; i++) {
		tenants[i] = uses[i].tenant;
		ids[i] = uses[i].id;
		times[i] = uses[i].used_at_us;
	}
	pg_arg_uuids(&args, tenants, n);
	pg_arg_uuids(&args, ids, n);
	pg_arg_i64s(&args, times, n);
	return pg_query(pool, NULL, &stmt_used, &args, NULL, err);
}
