/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatching again what is due, leadership, partitions.
 * Surprising: the sweep sets the planner's switches for its own transaction. With fresh statistics of an
 * empty table a scan of everything would look cheap, and the plan is kept while the table grows.
 */
#include "store/store_sweep.h"
#include "pg/pg_lock.h"
#include "store/store_private.h"
#include "base/base.h"

#define LEADER_KEY      7305804404 /* any constant that nothing else uses */
#define PARTITION_STEPS 4000       /* at most in one go */

static const struct pg_stmt plan_stmt = {
	.name = "store_sweep_plan",
	.sql = "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', "
	       "'off', true),"
	       " set_config('enable_mergejoin', 'off', true), set_config('enable_bitmapscan', "
	       "'off', true)",
};

/* "status + 0" is what the index is on, so that nothing else uses it (migration 0006). */
static const struct pg_stmt sweep_stmt = {
	.name = "store_sweep",
	.sql = "WITH due AS (SELECT tenant_id, id, status FROM execution WHERE (status + 0) = $1"
	       " AND due_at <= now() ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
	       " UPDATE execution e SET status = " STORE_QUEUED
	       ", wait_reason = 0, dispatch = e.dispatch + 1,"
	       " recoveries = e.recoveries + CASE WHEN due.status = " STORE_RUNNING
	       " THEN 1 ELSE 0 END,"
	       " strikes = e.strikes + CASE WHEN due.status = " STORE_RUNNING " THEN 1 ELSE 0 END,"
	       " due_at = now() + $3 * interval '1 us'"
	       " FROM due WHERE e.tenant_id = due.tenant_id AND e.id = due.id"
	       " RETURNING e.tenant_id, e.id, e.dispatch, due.status = " STORE_RUNNING "",
};

enum pb_status store_sweep(struct pg_pool *pool, int limit, enum model_execution_status status,
			   int64_t redispatch_after_us, struct store_swept *ret, int *ret_n,
			   struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	pb_autoptr(pg_tx) tx = NULL;
	enum pb_status st;

	pg_arg_i32(&args, (int32_t)status);
	pg_arg_i64(&args, limit);
	pg_arg_i64(&args, redispatch_after_us);
	st = pg_tx_begin(pool, NULL, &tx, err);
	if (st == PB_OK)
		st = pg_tx_query(tx, &plan_stmt, NULL, NULL, err);
	if (st == PB_OK)
		st = pg_tx_last(tx, &sweep_stmt, &args, &res, err);
	if (st)
		return st;

	for (int i = 0; i < pg_rows(res); i++) {
		ret[i].tenant_id = pg_get_uuid(res, i, 0);
		ret[i].id = pg_get_uuid(res, i, 1);
		ret[i].dispatch = pg_get_i32(res, i, 2);
		ret[i].recovered = pg_get_bool(res, i, 3);
	}
	*ret_n = pg_rows(res);
	return PB_OK;
}

enum pb_status store_live_counts(struct pg_pool *pool, int64_t ret_counts[8], struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_live_counts",
		.sql = "SELECT status, count(*) FROM execution GROUP BY status"};
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st = pg_query(pool, NULL, &stmt, NULL, &res, err);

	if (st)
		return st;
	memset(ret_counts, 0, 8 * sizeof(*ret_counts));
	for (int i = 0; i < pg_rows(res); i++) {
		int16_t status = pg_get_i16(res, i, 0);

		if (status >= 0 && status < 8)
			ret_counts[status] = pg_get_i64(res, i, 1);
	}
	return PB_OK;
}

/* ---- leadership --------------------------------------------------------------------------------- */

struct store_leader {
	struct pg_lock *lock;
};

enum pb_status store_leader_new(const char *url, struct store_leader **ret, struct pb_err *err)
{
	struct pg_lock *lock = NULL;
	enum pb_status st = pg_lock_new(url, "patchbay-leader", LEADER_KEY, &lock, err);

	if (st)
		return st;
	*ret = pb_new(struct store_leader);
	(*ret)->lock = lock;
	return PB_OK;
}

bool store_leader_try(struct store_leader *l)
{
	return pg_lock_try(l->lock);
}

void store_leader_free(struct store_leader *l)
{
	if (l == NULL)
		return;
	pg_lock_free(l->lock);
	free(l);
}

/* ---- partitions --------------------------------------------------------------------------------- */

enum pb_status store_partitions_maintain(struct pg_pool *pool, int ahead_days, int keep_days,
					 struct store_partition_report *ret, struct pb_err *err)
{
	static const struct pg_stmt stmt = {.name = "store_partition_step",
					    .sql = "SELECT partition_step($1, $2)"};

	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < PARTITION_STEPS; i++) {
		pg_auto_args args = PG_ARGS_INIT;
		pb_autoptr(pg_result) res = NULL;
		enum pb_status st;

		pg_arg_i32(&args, ahead_days);
		pg_arg_i32(&args, keep_days);
		st = pg_query(pool, NULL, &stmt, &args, &res, err);
		if (st)
			return st;
		if (pg_is_null(res, 0, 0))
			break;
		if (pg_get_slice(res, 0, 0).p[0] == '+')
			ret->created++;
		else
			ret->dropped++;
	}
	return PB_OK;
}
