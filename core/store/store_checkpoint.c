/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a holder of a lease writes: its state and steps, and the end. The fencing UPDATE or DELETE lets the
 * steps through; who is fenced writes nothing.
 * Surprising: a checkpoint has a random number of its own (last_write). A parked row is no longer running, so
 * that number is how a repeat knows that it was written already, and then it changes nothing: meanwhile
 * a signal may have woken the row.
 */
#include "store/store_execution.h"
#include "store/store_private.h"
#include "base/base.h"

#define STEP_PARAMS(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t)                    \
	"s AS (SELECT * FROM unnest($" #a "::int4[], $" #b "::uuid[], $" #c "::uuid[], $" #d       \
	"::date[], $" #e "::text[], $" #f "::text[], $" #g "::int2[], $" #h "::int2[], $" #i       \
	"::int4[], $" #j "::int4[], $" #k "::bytea[], $" #l "::bytea[], $" #m "::bytea[], $" #n    \
	"::bytea[], $" #o "::text[], $" #p "::text[], $" #q "::text[], $" #r                       \
	"::timestamptz[], $" #s "::timestamptz[], $" #t "::timestamptz[]) AS t(" STORE_STEP_NAMES  \
	"))"

/* woken: it wants to wait, but signals came that it has not seen. */
static const char checkpoint_sql[] =
	"WITH r AS (SELECT * FROM unnest($1::int4[], $2::bool[], $3::uuid[], $4::uuid[], "
	"$5::uuid[], $6::int4[],"
	" $7::int8[], $8::int2[], $9::int2[], $10::int8[], $11::int4[])"
	" AS t(o, rep, tenant_id, id, owner, epoch, nonce, status, wait_reason, due, "
	"consumed))," STEP_PARAMS(
		12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
		31) ", f AS (UPDATE execution e SET"
		    " status = CASE WHEN e.last_write = r.nonce THEN e.status"
		    "  WHEN r.status = " STORE_WAITING
		    " AND e.signals > r.consumed THEN " STORE_QUEUED " ELSE r.status END,"
		    " wait_reason = CASE WHEN e.last_write = r.nonce THEN e.wait_reason"
		    "  WHEN r.status = " STORE_WAITING
		    " AND e.signals <= r.consumed THEN r.wait_reason ELSE 0 END,"
		    " due_at = CASE WHEN e.last_write = r.nonce THEN e.due_at"
		    "  WHEN r.status = " STORE_WAITING
		    " AND e.signals > r.consumed THEN now() + interval '5 s'"
		    "  WHEN r.due IS NULL THEN e.due_at WHEN r.due = 9223372036854775807 THEN "
		    "'infinity'"
		    "  ELSE now() + r.due * interval '1 us' END,"
		    " dispatch = e.dispatch + CASE WHEN e.last_write = r.nonce OR r.status "
		    "= " STORE_RUNNING " THEN 0"
		    "  WHEN r.status = " STORE_QUEUED
		    " OR e.signals > r.consumed THEN 1 ELSE 0 END,"
		    " signals = CASE WHEN e.last_write = r.nonce THEN e.signals ELSE "
		    "greatest(e.signals - r.consumed, 0) END,"
		    " strikes = 0, last_write = r.nonce"
		    " FROM r WHERE e.tenant_id = r.tenant_id AND e.id = r.id AND e.lease_epoch = "
		    "r.epoch"
		    " AND e.lease_owner = r.owner AND (e.status = " STORE_RUNNING
		    " OR e.last_write = r.nonce)"
		    " RETURNING r.o, e.signals > 0 AS has_signal, r.status = " STORE_WAITING
		    " AND e.status = " STORE_QUEUED
		    " AS requeued, e.dispatch)," STORE_STEP_UPSERT("f") "," STORE_STEP_PAYLOADS(
			    "f") ", taken AS (DELETE FROM execution_signal g"
				 " USING unnest($32::int4[], $33::uuid[], $34::uuid[], "
				 "$35::uuid[]) AS d(o, tenant_id, execution_id, id), f"
				 " WHERE f.o = d.o AND g.tenant_id = d.tenant_id AND "
				 "g.execution_id = d.execution_id AND g.id = d.id)"
				 " SELECT o, has_signal, requeued, dispatch FROM f";

static const struct pg_batch_kind checkpoint_kind = {
	.name = "store_checkpoint",
	.sql = checkpoint_sql,
	.order = 30,
	.n_groups = 3,
	.groups = {{9,
		    {PG_UUID, PG_UUID, PG_UUID, PG_INT4, PG_INT8, PG_INT2, PG_INT2, PG_INT8,
		     PG_INT4}},
		   {STORE_STEP_COLS, STORE_STEP_TYPES},
		   {3, {PG_UUID, PG_UUID, PG_UUID}}},
};

struct checkpoint_call {
	store_checkpoint_fn *done;
	void *arg;
};

static void checkpoint_done(void *arg, const struct pg_reply *reply)
{
	pb_autofree struct checkpoint_call *call = arg;
	struct store_checkpointed c;

	if (reply->outcome != PG_APPLIED) {
		call->done(call->arg, reply->outcome, NULL, reply->err);
		return;
	}
	c.has_signal = pg_cell_bool(reply->cells[0]);
	c.requeued = pg_cell_bool(reply->cells[1]);
	c.dispatch = pg_cell_i32(reply->cells[2]);
	call->done(call->arg, PG_APPLIED, &c, NULL);
}

static void lease_cells(struct pg_rowset *rows, const struct store_lease *lease)
{
	pg_row_uuid(rows, lease->tenant_id);
	pg_row_uuid(rows, lease->id);
	pg_row_uuid(rows, lease->owner);
	pg_row_i32(rows, lease->epoch);
}

static void checkpoint_row(struct pg_rowset *rows, const struct store_checkpoint *c)
{
	pg_row(rows, 0);
	lease_cells(rows, &c->lease);
	/* 0 is what a new row has */
	pg_row_i64(rows, (int64_t)(pb_random_u64() | 1));
	pg_row_i16(rows, (int16_t)c->status);
	pg_row_i16(rows, (int16_t)c->wait_reason);
	if (c->due_in_us == STORE_DUE_KEEP)
		pg_row_null(rows);
	else
		pg_row_i64(rows, c->due_in_us);
	pg_row_i32(rows, (int32_t)c->n_consumed);
}

enum pb_status store_checkpoint_submit(struct pg_writer *w, const struct store_checkpoint *c,
				       int64_t deadline_us, store_checkpoint_fn *done, void *arg,
				       struct pb_err *err)
{
	pg_auto_rowset rows = PG_ROWSET_INIT;
	struct checkpoint_call *call;
	enum pb_status st;

	PB_ASSERT(!model_execution_status_is_final(c->status) && c->n_consumed <= INT32_MAX);
	PB_ASSERT(c->due_in_us != STORE_DUE_KEEP || c->status == MODEL_EXECUTION_RUNNING);
	checkpoint_row(&rows, c);
	st = store_step_rows(&rows, 1, &c->lease, c->steps, c->n_steps, err);
	if (st)
		return st;

	for (size_t i = 0; i < c->n_consumed; i++) {
		pg_row(&rows, 2);
		pg_row_uuid(&rows, c->lease.tenant_id);
		pg_row_uuid(&rows, c->lease.id);
		pg_row_uuid(&rows, c->consumed[i]);
	}
	call = pb_new(struct checkpoint_call);
	call->done = done;
	call->arg = arg;
	st = pg_writer_submit(w, &checkpoint_kind, c->lease.id, &rows, checkpoint_done, call,
			      deadline_us, err);
	if (st)
		free(call);
	return st;
}

/* ---- the end ------------------------------------------------------------------------------------ */

/* The second half recognises a repeat by the receipt in the history; the first half has run by then. */
static const char finish_sql[] =
	"WITH r AS (SELECT * FROM unnest($1::int4[], $2::bool[], $3::uuid[], $4::uuid[], "
	"$5::uuid[], $6::int4[],"
	" $7::int2[], $8::bytea[], $9::bytea[], $10::date[])"
	" AS t(o, rep, tenant_id, id, owner, epoch, status, result, error, day))," STEP_PARAMS(
		11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
		30) ", f AS (DELETE FROM execution e USING r WHERE e.tenant_id = r.tenant_id AND "
		    "e.id = r.id"
		    " AND e.lease_epoch = r.epoch AND e.lease_owner = r.owner AND e.status "
		    "= " STORE_RUNNING ""
		    " RETURNING r.o, e.*, r.status AS final, r.result, r.error, r.day),"
		    " history AS (INSERT INTO execution_history (tenant_id, id, workflow_id, "
		    "workflow_version, status, mode,"
		    " dispatch, lease_epoch, recoveries, seed, created_at, started_at, "
		    "finished_at, lease_owner, retry_of,"
		    " retry_from, trigger_data, trigger_ref, result, result_ref, error)"
		    " SELECT tenant_id, id, workflow_id, workflow_version, final, mode, dispatch, "
		    "lease_epoch, recoveries, seed,"
		    " created_at, started_at, now(), lease_owner, retry_of, retry_from, "
		    "trigger_data, trigger_ref,"
		    " CASE WHEN length(result) <= 8192 THEN result END, CASE WHEN length(result) > "
		    "8192 THEN sha256(result) END,"
		    " error FROM f ON CONFLICT DO NOTHING)," STORE_STEP_UPSERT(
			    "f") "," STORE_STEP_PAYLOADS("f") ", result AS (INSERT INTO payload "
							      "(tenant_id, day, sha256, data)"
							      " SELECT tenant_id, day, "
							      "sha256(result), result FROM f WHERE "
							      "length(result) > 8192"
							      " ORDER BY 1, 2, 3 ON CONFLICT DO "
							      "NOTHING),"
							      " gone AS (DELETE FROM "
							      "execution_signal g USING f WHERE "
							      "f.signals > 0 AND g.tenant_id = "
							      "f.tenant_id"
							      " AND g.execution_id = f.id)"
							      " SELECT o, now() FROM f UNION ALL"
							      " SELECT r.o, h.finished_at FROM r, "
							      "LATERAL "
							      "execution_receipt(r.tenant_id, "
							      "r.id) h"
							      " WHERE r.rep AND NOT EXISTS (SELECT "
							      "FROM f WHERE f.o = r.o)"
							      " AND h.lease_epoch = r.epoch AND "
							      "h.lease_owner = r.owner";

static const struct pg_batch_kind finish_kind = {
	.name = "store_finish",
	.sql = finish_sql,
	.order = 40,
	.n_groups = 2,
	.groups = {{8, {PG_UUID, PG_UUID, PG_UUID, PG_INT4, PG_INT2, PG_BYTEA, PG_BYTEA, PG_DATE}},
		   {STORE_STEP_COLS, STORE_STEP_TYPES}},
};

struct finish_call {
	store_finish_fn *done;
	void *arg;
};

static void finish_done(void *arg, const struct pg_reply *reply)
{
	pb_autofree struct finish_call *call = arg;
	int64_t at = reply->outcome == PG_APPLIED ? pg_cell_time(reply->cells[0]) : 0;

	call->done(call->arg, reply->outcome, at, reply->err);
}

enum pb_status store_finish_submit(struct pg_writer *w, const struct store_finish *f,
				   int64_t deadline_us, store_finish_fn *done, void *arg,
				   struct pb_err *err)
{
	pg_auto_rowset rows = PG_ROWSET_INIT;
	struct finish_call *call;
	enum pb_status st = store_value_check(f->result, err);

	PB_ASSERT(model_execution_status_is_final(f->status));
	if (st)
		return st;

	pg_row(&rows, 0);
	lease_cells(&rows, &f->lease);
	pg_row_i16(&rows, (int16_t)f->status);
	store_row_slice(&rows, f->result);
	store_row_slice(&rows, f->error);
	pg_row_date(&rows, store_uuid_day(f->lease.id));
	st = store_step_rows(&rows, 1, &f->lease, f->steps, f->n_steps, err);
	if (st)
		return st;

	call = pb_new(struct finish_call);
	call->done = done;
	call->arg = arg;
	st = pg_writer_submit(w, &finish_kind, f->lease.id, &rows, finish_done, call, deadline_us,
			      err);
	if (st)
		free(call);
	return st;
}
