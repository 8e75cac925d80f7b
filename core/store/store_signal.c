/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals to live executions. The row is locked first, so that a checkpoint that wants to wait either sees
 * the new count or comes first and is woken.
 */
#include "store/store_signal.h"
#include "store/store_private.h"
#include "base/base.h"

static const struct pg_stmt add_stmt = {
	.name = "store_signal_add",
	.sql = "WITH o AS (SELECT status, signals, dispatch FROM execution WHERE tenant_id = $1 "
	       "AND id = $2"
	       " FOR UPDATE), e AS (UPDATE execution e SET signals = e.signals + 1,"
	       " status = CASE WHEN e.status = " STORE_WAITING " THEN " STORE_QUEUED
	       " ELSE e.status END,"
	       " wait_reason = CASE WHEN e.status = " STORE_WAITING
	       " THEN 0 ELSE e.wait_reason END,"
	       " dispatch = e.dispatch + CASE WHEN e.status = " STORE_WAITING " THEN 1 ELSE 0 END,"
	       " due_at = CASE WHEN e.status = " STORE_WAITING
	       " THEN now() + interval '5 s' ELSE e.due_at END"
	       " FROM o WHERE e.tenant_id = $1 AND e.id = $2 AND o.signals < $6 RETURNING "
	       "e.dispatch),"
	       " s AS (INSERT INTO execution_signal (tenant_id, execution_id, id, kind, body)"
	       " SELECT $1, $2, $3, $4, $5 FROM e)"
	       " SELECT o.status, e.dispatch FROM o LEFT JOIN e ON true",
};

static const struct pg_stmt ended_stmt = {
	.name = "store_signal_ended",
	.sql = "SELECT 1 FROM execution_history WHERE tenant_id = $1 AND id = $2",
	.replan = true,
};

static enum pb_status ended(struct pg_tx *tx, struct pb_uuid tenant_id, struct pb_uuid id,
			    enum store_signal_result *ret, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	pg_arg_uuid(&args, tenant_id);
	pg_arg_uuid(&args, id);
	st = pg_tx_last(tx, &ended_stmt, &args, &res, err);
	if (st)
		return st;
	*ret = pg_rows(res) > 0 ? STORE_SIGNAL_FINAL : STORE_SIGNAL_NOT_FOUND;
	return PB_OK;
}

enum pb_status store_signal_add(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				struct pb_uuid execution_id, enum store_signal_kind kind,
				struct pb_slice body, enum store_signal_result *ret,
				int32_t *ret_dispatch, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	pb_autoptr(pg_tx) tx = NULL;
	enum pb_status st;
	int16_t status;

	if (body.len > STORE_SIGNAL_BYTES_MAX)
		return pb_err_set(err, PB_E_TOO_LARGE, "store.value_too_large",
				  "the signal is too large");

	pg_arg_uuid(&args, tenant_id);
	pg_arg_uuid(&args, execution_id);
	pg_arg_uuid(&args, pb_uuid7());
	pg_arg_i16(&args, (int16_t)kind);
	pg_arg_bytes(&args, body.p ? body.p : "", body.len);
	pg_arg_i32(&args, STORE_SIGNALS_MAX);
	st = pg_tx_begin(api_pool, &tenant_id, &tx, err);
	if (st == PB_OK)
		st = pg_tx_query(tx, &add_stmt, &args, &res, err);
	if (st)
		return st;

	*ret_dispatch = 0;
	if (pg_rows(res) == 0)
		return ended(tx, tenant_id, execution_id, ret, err);
	if (pg_is_null(res, 0, 1))
		return pb_err_set(err, PB_E_LIMIT, "store.signals",
				  "too many signals wait for this execution");
	st = pg_tx_commit(tx, err);
	if (st)
		return st;
	status = pg_get_i16(res, 0, 0);
	*ret = status == MODEL_EXECUTION_WAITING   ? STORE_SIGNAL_WOKEN
	       : status == MODEL_EXECUTION_RUNNING ? STORE_SIGNAL_RUNNING
						   : STORE_SIGNAL_QUEUED;
	if (*ret == STORE_SIGNAL_WOKEN)
		*ret_dispatch = pg_get_i32(res, 0, 1);
	return PB_OK;
}

static const struct pg_stmt load_stmt = {
	.name = "store_signals_load",
	.sql = "SELECT id, kind, body, created_at FROM execution_signal"
	       " WHERE tenant_id = $1 AND execution_id = $2 ORDER BY created_at, id",
};

enum pb_status store_signals_load(struct pg_pool *pool, struct pb_uuid tenant_id,
				  struct pb_uuid execution_id, struct pb_arena *arena,
				  struct store_signal **ret, size_t *ret_n, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	struct store_signal *list;
	enum pb_status st;

	pg_arg_uuid(&args, tenant_id);
	pg_arg_uuid(&args, execution_id);
	st = pg_query(pool, &tenant_id, &load_stmt, &args, &res, err);
	if (st)
		return st;

	list = pb_arena_calloc(arena, (size_t)pg_rows(res) + 1, sizeof(*list));
	for (int i = 0; list && i < pg_rows(res); i++) {
		list[i].id = pg_get_uuid(res, i, 0);
		list[i].kind = (enum store_signal_kind)pg_get_i16(res, i, 1);
		list[i].body = pg_get_bytes(res, i, 2, arena);
		list[i].created_at = pg_get_time(res, i, 3);
	}
	st = store_arena_check(arena, err);
	if (st)
		return st;
	*ret = list;
	*ret_n = (size_t)pg_rows(res);
	return PB_OK;
}
