/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live and finished executions as one, for the API.
 * Surprising: a list looks back in growing windows of days, so that the usual page (the newest rows) opens
 * two partitions and not a year of them.
 */
#include "store/store_execution_view.h"
#include "store/store_private.h"
#include "base/clock.h"
#include "base/base.h"

#define DAY_US     (24 * 3600 * PB_USEC_PER_SEC)
#define LOOK_BACK  (400 * DAY_US)
#define FIRST_DAYS 2
#define GROW       4

#define LIVE_COLS                                                                                  \
	"id, workflow_id, workflow_version, status, wait_reason, mode, retry_of, recoveries, "     \
	"dispatch, lease_epoch, created_at, started_at, NULL::timestamptz AS finished_at, "        \
	"due_at, signals > 0 AS has_signal, "                                                      \
	"NULL::bytea AS error"
#define PAST_COLS                                                                                  \
	"id, workflow_id, workflow_version, status, 0::int2, mode, retry_of, recoveries, "         \
	"dispatch, lease_epoch, created_at, started_at, finished_at, NULL::timestamptz, false, "   \
	"error"

static const struct pg_stmt get_stmt = {
	.name = "store_execution_get",
	.sql = "SELECT " LIVE_COLS ", CASE WHEN trigger_ref IS NULL THEN trigger_data"
	       " ELSE payload_data(tenant_id, id, trigger_ref) END, NULL::bytea"
	       " FROM execution WHERE tenant_id = $1 AND id = $2"
	       " UNION ALL SELECT " PAST_COLS ", CASE WHEN trigger_ref IS NULL THEN trigger_data"
	       " ELSE payload_data(tenant_id, id, trigger_ref) END,"
	       " CASE WHEN result_ref IS NULL THEN result ELSE payload_data(tenant_id, id, "
	       "result_ref) END"
	       " FROM execution_history WHERE tenant_id = $1 AND id = $2",
	.replan = true,
};

static void execution_read(const struct pg_result *res, int row, struct pb_arena *arena,
			   struct store_execution *e)
{
	e->id = pg_get_uuid(res, row, 0);
	e->workflow_id = pg_get_uuid(res, row, 1);
	e->workflow_version = pg_get_i32(res, row, 2);
	e->status = (enum model_execution_status)pg_get_i16(res, row, 3);
	e->wait_reason = (enum model_wait_reason)pg_get_i16(res, row, 4);
	e->mode = pg_get_i16(res, row, 5);
	e->retry_of = pg_get_uuid(res, row, 6);
	e->recoveries = pg_get_i32(res, row, 7);
	e->dispatch = pg_get_i32(res, row, 8);
	e->epoch = pg_get_i32(res, row, 9);
	e->created_at = pg_get_time(res, row, 10);
	e->started_at = pg_get_time(res, row, 11);
	e->finished_at = pg_get_time(res, row, 12);
	e->due_at = pg_get_time(res, row, 13);
	e->has_signal = pg_get_bool(res, row, 14);
	e->error = pg_get_bytes(res, row, 15, arena);
}

static enum pb_status not_found(struct pb_err *err)
{
	return pb_err_set(err, PB_E_NOT_FOUND, "execution.not_found", "there is no such execution");
}

enum pb_status store_execution_get(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				   struct pb_uuid id, struct pb_arena *arena,
				   struct store_execution **ret, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	struct store_execution *e;
	enum pb_status st;

	pg_arg_uuid(&args, tenant_id);
	pg_arg_uuid(&args, id);
	st = pg_query(api_pool, &tenant_id, &get_stmt, &args, &res, err);
	if (st)
		return st;
	if (pg_rows(res) == 0)
		return not_found(err);

	e = pb_arena_calloc(arena, 1, sizeof(*e));
	if (e) {
		execution_read(res, 0, arena, e);
		e->trigger = pg_get_bytes(res, 0, 16, arena);
		e->result = pg_get_bytes(res, 0, 17, arena);
	}
	st = store_arena_check(arena, err);
	if (st)
		return st;
	*ret = e;
	return PB_OK;
}

enum pb_status store_execution_steps(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				     struct pb_uuid id, struct pb_arena *arena,
				     struct store_step **ret, size_t *ret_n, struct pb_err *err)
{
	static const struct pg_stmt exists_stmt = {
		.name = "store_execution_exists",
		.sql = "SELECT 1 FROM execution WHERE tenant_id = $1 AND id = $2 UNION ALL"
		       " SELECT 1 FROM execution_history WHERE tenant_id = $1 AND id = $2",
		.replan = true,
	};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st = store_steps_load(api_pool, tenant_id, id, arena, ret, ret_n, err);

	if (st || *ret_n > 0)
		return st;
	pg_arg_uuid(&args, tenant_id);
	pg_arg_uuid(&args, id);
	st = pg_query(api_pool, &tenant_id, &exists_stmt, &args, &res, err);
	if (st)
		return st;
	return pg_rows(res) > 0 ? PB_OK : not_found(err);
}

/* ---- lists -------------------------------------------------------------------------------------- */

#define LIST_WHERE                                                                                 \
	" WHERE tenant_id = $1 AND id >= $2 AND id < $3 AND ($4::uuid IS NULL OR workflow_id = "   \
	"$4)"                                                                                      \
	" AND ($5::int2[] IS NULL OR status = ANY ($5))"

static const struct pg_stmt list_stmt = {
	.name = "store_execution_list",
	.sql = "(SELECT " LIVE_COLS " FROM execution" LIST_WHERE " ORDER BY id DESC LIMIT $6)"
	       " UNION ALL (SELECT " PAST_COLS " FROM execution_history" LIST_WHERE
	       " ORDER BY id DESC LIMIT $6) ORDER BY 1 DESC LIMIT $6",
	.replan = true,
};

/* What still lives is in the small table only: its list must not cost a look at the past. */
static const struct pg_stmt live_list_stmt = {
	.name = "store_execution_list_live",
	.sql = "SELECT " LIVE_COLS " FROM execution" LIST_WHERE " ORDER BY id DESC LIMIT $6",
	.replan = true,
};

static bool is_live_only(const struct store_execution_filter *f)
{
	for (size_t i = 0; i < f->n_statuses; i++) {
		if (model_execution_status_is_final((enum model_execution_status)f->statuses[i]))
			return false;
	}
	return f->n_statuses > 0;
}

/* The first UUIDv7 of a time. */
static struct pb_uuid uuid_floor(int64_t us)
{
	struct pb_uuid id = PB_UUID_NIL;
	uint64_t ms = us > 0 ? (uint64_t)(us + 999) / 1000 : 0;

	for (int i = 5; i >= 0; i--, ms >>= 8)
		id.b[i] = (uint8_t)ms;
	return id;
}

static struct pb_uuid uuid_min(struct pb_uuid a, struct pb_uuid b)
{
	return pb_uuid_cmp(a, b) < 0 ? a : b;
}

/* Appends the rows of [lo, hi) to out; at most @limit. */
static enum pb_status list_window(struct pg_tx *tx, struct pb_uuid tenant_id,
				  const struct store_execution_filter *f, struct pb_uuid lo,
				  struct pb_uuid hi, int limit, struct pb_arena *arena,
				  struct store_execution *out, int *ret_n, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	pg_arg_uuid(&args, tenant_id);
	pg_arg_uuid(&args, lo);
	pg_arg_uuid(&args, hi);
	pg_arg_uuid_or_null(&args, &f->workflow_id);
	if (f->n_statuses > 0)
		pg_arg_i16s(&args, f->statuses, PB_MIN(f->n_statuses, PB_ARRAY_LEN(f->statuses)));
	else
		pg_arg_i16s_null(&args);
	pg_arg_i64(&args, limit);
	st = pg_tx_query(tx, is_live_only(f) ? &live_list_stmt : &list_stmt, &args, &res, err);
	if (st)
		return st;
	for (int i = 0; i < pg_rows(res); i++)
		execution_read(res, i, arena, &out[i]);
	*ret_n = pg_rows(res);
	return PB_OK;
}

/* Windows from the newest to the oldest until there are enough rows. */
static enum pb_status list_walk(struct pg_tx *tx, struct pb_uuid tenant_id,
				const struct store_execution_filter *f, int want,
				struct pb_arena *arena, struct store_execution *out, int *ret_n,
				struct pb_err *err)
{
	int64_t now = pb_now_us(), days = FIRST_DAYS;
	/* ids are made by the hosts' clocks: a day of grace */
	struct pb_uuid hi = uuid_floor(f->to_us ? f->to_us : now + DAY_US);
	struct pb_uuid floor_id = uuid_floor(f->from_us ? f->from_us : now - LOOK_BACK);
	int n = 0;

	if (!pb_uuid_is_nil(f->before))
		hi = uuid_min(hi, f->before);
	while (n < want && pb_uuid_cmp(hi, floor_id) > 0) {
		int64_t hi_us = (int64_t)pb_uuid7_unix_ms(hi) * 1000;
		struct pb_uuid lo = uuid_floor(hi_us - days * DAY_US);
		int got = 0;
		enum pb_status st;

		if (is_live_only(f) || pb_uuid_cmp(lo, floor_id) < 0)
			lo = floor_id; /* no partitions to spare there */
		st = list_window(tx, tenant_id, f, lo, hi, want - n, arena, out + n, &got, err);
		if (st)
			return st;
		n += got;
		hi = lo;
		days *= GROW;
	}
	*ret_n = n;
	return PB_OK;
}

enum pb_status store_execution_list(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				    const struct store_execution_filter *filter,
				    struct pb_arena *arena, struct store_execution **ret,
				    size_t *ret_n, bool *ret_more, struct pb_err *err)
{
	pb_autoptr(pg_tx) tx = NULL;
	int limit = PB_MAX(1, PB_MIN(filter->limit, STORE_LIST_MAX));
	struct store_execution *out = pb_arena_calloc(arena, (size_t)limit + 1, sizeof(*out));
	enum pb_status st;
	int n = 0;

	if (out == NULL)
		return store_arena_check(arena, err);
	st = pg_tx_begin(api_pool, &tenant_id, &tx, err);
	/* one more than asked for says whether there is a next page */
	if (st == PB_OK)
		st = list_walk(tx, tenant_id, filter, limit + 1, arena, out, &n, err);
	if (st == PB_OK)
		st = pg_tx_commit(tx, err);
	if (st == PB_OK)
		st = store_arena_check(arena, err);
	if (st)
		return st;
	*ret = out;
	*ret_more = n > limit;
	*ret_n = (size_t)PB_MIN(n, limit);
	return PB_OK;
}

static const struct pg_stmt count_stmt = {
	.name = "store_execution_count",
	.sql = "SELECT status, count(*), coalesce(sum(took), 0)::int8, count(took) FROM ("
	       " SELECT status, NULL::int8 AS took FROM execution"
	       " WHERE tenant_id = $1 AND id >= $2 AND ($3::uuid IS NULL OR workflow_id = $3)"
	       " UNION ALL SELECT status, (extract(epoch FROM finished_at - created_at) * "
	       "1000000)::int8"
	       " FROM execution_history WHERE tenant_id = $1 AND id >= $2"
	       " AND ($3::uuid IS NULL OR workflow_id = $3)) t GROUP BY status",
	.replan = true,
};

enum pb_status store_execution_count(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				     struct pb_uuid workflow_id, int64_t from_us,
				     struct store_execution_counts *ret, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	pg_arg_uuid(&args, tenant_id);
	pg_arg_uuid(&args, uuid_floor(PB_MAX(from_us, pb_now_us() - LOOK_BACK)));
	pg_arg_uuid_or_null(&args, &workflow_id);
	st = pg_query(api_pool, &tenant_id, &count_stmt, &args, &res, err);
	if (st)
		return st;

	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < pg_rows(res); i++) {
		int16_t status = pg_get_i16(res, i, 0);

		if (status < 0 || status >= (int16_t)PB_ARRAY_LEN(ret->by_status))
			continue;
		ret->by_status[status] = pg_get_i64(res, i, 1);
		ret->duration_sum_us += pg_get_i64(res, i, 2);
		ret->n_finished += pg_get_i64(res, i, 3);
	}
	return PB_OK;
}
