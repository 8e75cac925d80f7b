/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hook tokens: rows for the hosts' snapshot, and the look-up of one hash.
 * Surprising: changes are asked for by time with a minute's overlap. Rows become visible when their
 * transaction commits, not when changed_at says; no transaction of the API lasts a minute.
 * A hook of a tenant that is not active reads as inactive; its row keeps what the workflow says.
 */
#include "store/store_workflow.h"
#include "store/store_private.h"
#include "store/store_workflow_private.h"
#include "base/clock.h"
#include "base/base.h"

#define PAGE       1000
#define OVERLAP_US PB_USEC_PER_MIN

enum pb_status store_hook_put(struct pg_tx *tx, struct pb_uuid tenant_id,
			      struct pb_uuid workflow_id, const struct store_hook_token *token,
			      struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_hook_put",
		.sql = "INSERT INTO hook (tenant_id, token_hash, workflow_id, token_sealed, "
		       "active, version)"
		       " SELECT tenant_id, $3, id, $4, active AND published_version > 0, "
		       "published_version"
		       " FROM workflow WHERE tenant_id = $1 AND id = $2"};
	pg_auto_args args = PG_ARGS_INIT;
	enum pb_status st;

	pg_arg_uuid(&args, tenant_id);
	pg_arg_uuid(&args, workflow_id);
	pg_arg_bytes(&args, token->hash, STORE_TOKEN_HASH_BYTES);
	pg_arg_bytes(&args, token->sealed.p, token->sealed.len);
	st = pg_tx_query(tx, &stmt, &args, NULL, err);
	if (st == PB_E_CONFLICT)
		return pb_err_set(err, PB_E_CONFLICT, "hook.exists",
				  "this token is in use: make another one");
	return st;
}

static enum pb_status by_workflow(struct pg_tx *tx, const struct pg_stmt *stmt,
				  struct pb_uuid tenant_id, struct pb_uuid workflow_id,
				  struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	pg_arg_uuid(&args, tenant_id);
	pg_arg_uuid(&args, workflow_id);
	return pg_tx_query(tx, stmt, &args, NULL, err);
}

enum pb_status store_hook_remove(struct pg_tx *tx, struct pb_uuid tenant_id,
				 struct pb_uuid workflow_id, struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_hook_remove",
		.sql = "UPDATE hook SET active = false, removed = true, token_sealed = NULL,"
		       " changed_at = clock_timestamp() WHERE tenant_id = $1 AND workflow_id = $2 "
		       "AND NOT removed"};

	return by_workflow(tx, &stmt, tenant_id, workflow_id, err);
}

enum pb_status store_hook_follow(struct pg_tx *tx, struct pb_uuid tenant_id,
				 struct pb_uuid workflow_id, struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_hook_follow",
		.sql = "UPDATE hook h SET active = w.active AND w.published_version > 0,"
		       " version = w.published_version, changed_at = clock_timestamp() FROM "
		       "workflow w"
		       " WHERE w.tenant_id = $1 AND w.id = $2 AND h.tenant_id = $1 AND "
		       "h.workflow_id = $2"
		       " AND NOT h.removed"};

	return by_workflow(tx, &stmt, tenant_id, workflow_id, err);
}

static void hook_read(const struct pg_result *res, int row, struct store_hook *h)
{
	struct pb_slice hash = pg_get_slice(res, row, 0);

	PB_ASSERT(hash.len == STORE_TOKEN_HASH_BYTES);
	memcpy(h->token_hash, hash.p, STORE_TOKEN_HASH_BYTES);
	h->tenant_id = pg_get_uuid(res, row, 1);
	h->workflow_id = pg_get_uuid(res, row, 2);
	h->version = pg_get_i32(res, row, 3);
	h->active = pg_get_bool(res, row, 4);
	h->changed_at = pg_get_time(res, row, 5);
}

static enum pb_status database_now(struct pg_pool *pool, int64_t *ret_us, struct pb_err *err)
{
	static const struct pg_stmt stmt = {.name = "store_now", .sql = "SELECT now()"};
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st = pg_query(pool, NULL, &stmt, NULL, &res, err);

	if (st)
		return st;
	*ret_us = pg_get_time(res, 0, 0);
	return PB_OK;
}

/* Pages by token hash: $1 is the last one seen. @since 0: only active ones. */
static enum pb_status hook_walk(struct pg_pool *pool, int64_t since_us, store_hook_fn *fn,
				void *arg, struct pb_err *err)
{
	static const struct pg_stmt active = {
		.name = "store_hook_active",
		.sql = "SELECT h.token_hash, h.tenant_id, h.workflow_id, h.version, h.active, "
		       "h.changed_at FROM hook h JOIN tenant t ON t.id = h.tenant_id"
		       " WHERE h.token_hash > $1 AND h.active AND t.status = 'active'"
		       " ORDER BY h.token_hash LIMIT $2"};
	static const struct pg_stmt changed = {
		.name = "store_hook_changed",
		.sql = "SELECT h.token_hash, h.tenant_id, h.workflow_id, h.version,"
		       " h.active AND t.status IS NOT DISTINCT FROM 'active', h.changed_at"
		       " FROM hook h LEFT JOIN tenant t ON t.id = h.tenant_id"
		       " WHERE h.token_hash > $1 AND h.changed_at > $3 ORDER BY h.token_hash "
		       "LIMIT $2"};
	struct store_hook hook = {.version = 0};
	size_t seen = 0; /* bytes of the last hash: none before the first page */

	for (;;) {
		pg_auto_args args = PG_ARGS_INIT;
		pb_autoptr(pg_result) res = NULL;
		enum pb_status st;

		pg_arg_bytes(&args, hook.token_hash, seen);
		pg_arg_i64(&args, PAGE);
		if (since_us)
			pg_arg_time(&args, since_us);
		st = pg_query(pool, NULL, since_us ? &changed : &active, &args, &res, err);
		if (st)
			return st;
		for (int i = 0; i < pg_rows(res); i++) {
			hook_read(res, i, &hook);
			fn(arg, &hook);
		}
		if (pg_rows(res) < PAGE)
			return PB_OK;
		seen = STORE_TOKEN_HASH_BYTES;
	}
}

enum pb_status store_hook_snapshot(struct pg_pool *engine_pool, store_hook_fn *fn, void *arg,
				   int64_t *ret_seen_us, struct pb_err *err)
{
	int64_t now = 0;
	enum pb_status st = database_now(engine_pool, &now, err);

	if (st == PB_OK)
		st = hook_walk(engine_pool, 0, fn, arg, err);
	if (st)
		return st;
	*ret_seen_us = now;
	return PB_OK;
}

enum pb_status store_hook_changes(struct pg_pool *engine_pool, int64_t seen_us, store_hook_fn *fn,
				  void *arg, int64_t *ret_seen_us, struct pb_err *err)
{
	int64_t now = 0;
	enum pb_status st = database_now(engine_pool, &now, err);

	if (st == PB_OK)
		st = hook_walk(engine_pool, PB_MAX(1, seen_us - OVERLAP_US), fn, arg, err);
	if (st)
		return st;
	*ret_seen_us = now;
	return PB_OK;
}

static enum pb_status hook_not_found(struct pb_err *err)
{
	return pb_err_set(err, PB_E_NOT_FOUND, "hook.not_found", "there is no such hook");
}

enum pb_status store_hook_find(struct pg_pool *api_pool, const uint8_t hash[STORE_TOKEN_HASH_BYTES],
			       struct store_hook *ret, struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_hook_find",
		.sql = "SELECT token_hash, tenant_id, workflow_id, version, active, changed_at"
		       " FROM hook_find($1)"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	pg_arg_bytes(&args, hash, STORE_TOKEN_HASH_BYTES);
	st = pg_query(api_pool, NULL, &stmt, &args, &res, err);
	if (st)
		return st;
	if (pg_rows(res) == 0)
		return hook_not_found(err);
	hook_read(res, 0, ret);
	return PB_OK;
}

enum pb_status store_hook_sealed(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				 struct pb_uuid workflow_id, struct pb_arena *arena,
				 struct pb_slice *ret, struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_hook_sealed",
		.sql = "SELECT token_sealed FROM hook WHERE tenant_id = $1 AND workflow_id = $2"
		       " AND NOT removed AND token_sealed IS NOT NULL ORDER BY changed_at DESC "
		       "LIMIT 1"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	pg_arg_uuid(&args, tenant_id);
	pg_arg_uuid(&args, workflow_id);
	st = pg_query(api_pool, &tenant_id, &stmt, &args, &res, err);
	if (st)
		return st;
	if (pg_rows(res) == 0)
		return hook_not_found(err);
	*ret = pg_get_bytes(res, 0, 0, arena);
	return store_arena_check(arena, err);
}
