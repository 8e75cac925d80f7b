/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency keys of requests that make no execution.
 * Surprising: begin is one INSERT that also answers: the row it could not insert comes back as it is.
 */
#include "store/store_idempotency.h"
#include "store/store_private.h"
#include "base/base.h"

static void key_args(struct pg_args *args, struct pb_uuid tenant_id, const char *scope,
		     const uint8_t *key_hash)
{
	pg_arg_uuid(args, tenant_id);
	pg_arg_text(args, scope);
	pg_arg_bytes(args, key_hash, STORE_HASH_BYTES);
}

/* Taken over when it has expired, or was left under way by a host that died. */
static const struct pg_stmt take_stmt = {
	.name = "store_idem_take",
	.sql = "INSERT INTO idempotency AS i (tenant_id, scope, key_hash, request_hash, "
	       "expires_at, busy_until)"
	       " VALUES ($1, $2, $3, $4, now() + $5 * interval '1 us', now() + $6 * interval '1 "
	       "us')"
	       " ON CONFLICT (tenant_id, scope, key_hash) DO UPDATE SET request_hash = "
	       "EXCLUDED.request_hash,"
	       " execution_id = NULL, http_status = NULL, body = NULL, expires_at = "
	       "EXCLUDED.expires_at,"
	       " busy_until = EXCLUDED.busy_until"
	       " WHERE i.expires_at <= now() OR (i.http_status IS NULL AND i.execution_id IS NULL"
	       " AND i.request_hash = EXCLUDED.request_hash AND i.busy_until <= now())"
	       " RETURNING 1",
};
static const struct pg_stmt look_stmt = {
	.name = "store_idem_look",
	.sql = "SELECT request_hash, http_status, body, execution_id FROM idempotency"
	       " WHERE tenant_id = $1 AND scope = $2 AND key_hash = $3",
};

static enum store_idempotency answer(const struct pg_result *res, const uint8_t *request_hash,
				     struct pb_arena *arena, struct store_idempotency_answer *ret)
{
	struct pb_slice hash = pg_get_slice(res, 0, 0);

	if (hash.len != STORE_HASH_BYTES || memcmp(hash.p, request_hash, STORE_HASH_BYTES) != 0)
		return STORE_IDEM_CONFLICT;
	if (pg_is_null(res, 0, 1) && pg_is_null(res, 0, 3))
		return STORE_IDEM_BUSY;
	ret->http_status = pg_get_i32(res, 0, 1);
	ret->body = pg_get_bytes(res, 0, 2, arena);
	ret->execution_id = pg_get_uuid(res, 0, 3);
	return STORE_IDEM_DONE;
}

enum pb_status store_idempotency_begin(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				       const char *scope, const uint8_t key_hash[STORE_HASH_BYTES],
				       const uint8_t request_hash[STORE_HASH_BYTES],
				       int64_t keep_us, int64_t busy_us, struct pb_arena *arena,
				       enum store_idempotency *ret,
				       struct store_idempotency_answer *ret_answer,
				       struct pb_err *err)
{
	pg_auto_args take = PG_ARGS_INIT, look = PG_ARGS_INIT;
	pb_autoptr(pg_result) taken = NULL;
	pb_autoptr(pg_result) res = NULL;
	pb_autoptr(pg_tx) tx = NULL;
	enum pb_status st;

	key_args(&take, tenant_id, scope, key_hash);
	pg_arg_bytes(&take, request_hash, STORE_HASH_BYTES);
	pg_arg_i64(&take, keep_us);
	pg_arg_i64(&take, busy_us);
	key_args(&look, tenant_id, scope, key_hash);
	st = pg_tx_begin(api_pool, &tenant_id, &tx, err);
	if (st == PB_OK)
		st = pg_tx_query(tx, &take_stmt, &take, &taken, err);
	if (st)
		return st;
	memset(ret_answer, 0, sizeof(*ret_answer));
	if (pg_rows(taken) > 0) {
		*ret = STORE_IDEM_NEW;
		return pg_tx_commit(tx, err);
	}

	st = pg_tx_last(tx, &look_stmt, &look, &res, err);
	if (st)
		return st;
	/* it can vanish between the two statements: then the next try is the first */
	*ret = pg_rows(res) > 0 ? answer(res, request_hash, arena, ret_answer) : STORE_IDEM_BUSY;
	return store_arena_check(arena, err);
}

enum pb_status store_idempotency_finish(struct pg_pool *api_pool, struct pb_uuid tenant_id,
					const char *scope, const uint8_t key_hash[STORE_HASH_BYTES],
					int32_t http_status, struct pb_slice body,
					struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_idem_finish",
		.sql = "UPDATE idempotency SET http_status = $4, body = $5, busy_until = NULL"
		       " WHERE tenant_id = $1 AND scope = $2 AND key_hash = $3"};
	pg_auto_args args = PG_ARGS_INIT;

	if (body.len > STORE_IDEM_BODY_BYTES)
		return pb_err_set(err, PB_E_TOO_LARGE, "store.value_too_large",
				  "the answer is too large to be kept");
	key_args(&args, tenant_id, scope, key_hash);
	pg_arg_i32(&args, http_status);
	pg_arg_bytes(&args, body.p ? body.p : "", body.len);
	return pg_query(api_pool, &tenant_id, &stmt, &args, NULL, err);
}

enum pb_status store_idempotency_abandon(struct pg_pool *api_pool, struct pb_uuid tenant_id,
					 const char *scope,
					 const uint8_t key_hash[STORE_HASH_BYTES],
					 struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_idem_abandon",
		.sql = "DELETE FROM idempotency WHERE tenant_id = $1 AND scope = $2 AND key_hash = "
		       "$3"
		       " AND http_status IS NULL AND execution_id IS NULL"};
	pg_auto_args args = PG_ARGS_INIT;

	key_args(&args, tenant_id, scope, key_hash);
	return pg_query(api_pool, &tenant_id, &stmt, &args, NULL, err);
}

enum pb_status store_expired_purge(struct pg_pool *engine_pool, int limit, int *ret_n,
				   struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_expired_purge",
		.sql = "WITH a AS (DELETE FROM idempotency WHERE ctid = ANY (ARRAY(SELECT ctid "
		       "FROM idempotency"
		       " WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP "
		       "LOCKED))"
		       " AND expires_at <= now() RETURNING 1),"
		       " b AS (DELETE FROM connector_kv WHERE ctid = ANY (ARRAY(SELECT ctid FROM "
		       "connector_kv"
		       " WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP "
		       "LOCKED))"
		       " AND expires_at <= now() RETURNING 1),"
		       /* a signal that met the end of its execution: nobody will take it */
		       " c AS (DELETE FROM execution_signal g WHERE created_at < now() - interval "
		       "'1 h'"
		       " AND NOT EXISTS (SELECT FROM execution e WHERE e.tenant_id = g.tenant_id"
		       " AND e.id = g.execution_id))"
		       " SELECT greatest((SELECT count(*) FROM a), (SELECT count(*) FROM b))"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	pg_arg_i64(&args, limit);
	st = pg_query(engine_pool, NULL, &stmt, &args, &res, err);
	if (st)
		return st;
	*ret_n = (int)pg_get_i64(res, 0, 0);
	return PB_OK;
}
