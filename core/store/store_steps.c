/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the steps of one execution.
 * Surprising: planned anew each time with the id known, so that one partition is opened, not all.
 */
#include "store/store_execution.h"
#include "store/store_private.h"
#include "base/base.h"

static const struct pg_stmt steps_stmt = {
	.name = "store_steps",
	.sql = "SELECT step_id, item, status, wait_reason, attempt, position, attempts,"
	       " CASE WHEN input_ref IS NULL THEN input ELSE payload_data(tenant_id, execution_id, "
	       "input_ref) END,"
	       " CASE WHEN output_ref IS NULL THEN output ELSE payload_data(tenant_id, "
	       "execution_id, output_ref) END,"
	       " error, idempotency_key, connector, connector_version, next_attempt_at, "
	       "started_at, finished_at"
	       " FROM step_run WHERE tenant_id = $1 AND execution_id = $2 ORDER BY position, "
	       "step_id, item",
	.replan = true,
};

static void step_read(const struct pg_result *res, int row, struct pb_arena *arena,
		      struct store_step *s)
{
	s->step_id = pg_get_bytes(res, row, 0, arena);
	s->item = pg_get_bytes(res, row, 1, arena);
	s->status = (enum model_step_status)pg_get_i16(res, row, 2);
	s->wait_reason = pg_get_i16(res, row, 3);
	s->attempt = pg_get_i32(res, row, 4);
	s->position = pg_get_i32(res, row, 5);
	s->attempts = pg_get_bytes(res, row, 6, arena);
	s->input = pg_get_bytes(res, row, 7, arena);
	s->output = pg_get_bytes(res, row, 8, arena);
	s->error = pg_get_bytes(res, row, 9, arena);
	s->idempotency_key = pg_get_bytes(res, row, 10, arena);
	s->connector = pg_get_bytes(res, row, 11, arena);
	s->connector_version = pg_get_bytes(res, row, 12, arena);
	s->next_attempt_at = pg_get_time(res, row, 13);
	s->started_at = pg_get_time(res, row, 14);
	s->finished_at = pg_get_time(res, row, 15);
}

static enum pb_status steps_read(const struct pg_result *res, struct pb_arena *arena,
				 struct store_step **ret, size_t *ret_n, struct pb_err *err)
{
	size_t n = (size_t)pg_rows(res);
	struct store_step *steps = pb_arena_calloc(arena, n + 1, sizeof(*steps));
	enum pb_status st;

	for (size_t i = 0; steps && i < n; i++)
		step_read(res, (int)i, arena, &steps[i]);
	st = store_arena_check(arena, err);
	if (st)
		return st;
	*ret = steps;
	*ret_n = n;
	return PB_OK;
}

enum pb_status store_steps_load(struct pg_pool *pool, struct pb_uuid tenant_id,
				struct pb_uuid execution_id, struct pb_arena *arena,
				struct store_step **ret_steps, size_t *ret_n, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	pg_arg_uuid(&args, tenant_id);
	pg_arg_uuid(&args, execution_id);
	st = pg_query(pool, &tenant_id, &steps_stmt, &args, &res, err);
	if (st)
		return st;
	return steps_read(res, arena, ret_steps, ret_n, err);
}
