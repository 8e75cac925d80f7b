/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking and keeping the lease of an execution. The database's clock decides.
 * Surprising: the same token may claim twice and gets the same epoch, because the writer repeats a claim
 * whose answer was lost.
 */
#include "store/store_execution.h"
#include "store/store_private.h"
#include "base/base.h"

static const char claim_sql[] =
	"WITH r AS (SELECT * FROM unnest($1::int4[], $2::bool[], $3::uuid[], $4::uuid[], "
	"$5::uuid[], $6::uuid[],"
	" $7::int8[]) AS t(o, rep, tenant_id, id, owner, token, lease)),"
	" c AS (UPDATE execution e SET status = " STORE_RUNNING ", wait_reason = 0,"
	" lease_epoch = e.lease_epoch + CASE WHEN e.lease_token = r.token THEN 0 ELSE 1 END,"
	" strikes = e.strikes + CASE WHEN e.status = " STORE_RUNNING
	" AND e.lease_token <> r.token THEN 1 ELSE 0 END,"
	" lease_owner = r.owner, lease_token = r.token, started_at = coalesce(e.started_at, now()),"
	" due_at = now() + r.lease * interval '1 us'"
	" FROM r WHERE e.tenant_id = r.tenant_id AND e.id = r.id AND (e.status = " STORE_QUEUED
	" OR (e.status = " STORE_RUNNING " AND"
	" (e.due_at < now() OR (e.lease_token = r.token AND e.lease_owner = r.owner))))"
	" RETURNING r.o, e.*)"
	" SELECT o, lease_epoch, recoveries, dispatch, workflow_id, workflow_version, mode, "
	"retry_of, retry_from, seed,"
	" CASE WHEN trigger_ref IS NULL THEN trigger_data ELSE payload_data(tenant_id, id, "
	"trigger_ref) END,"
	" signals > 0, created_at, started_at, now(), strikes FROM c";

static const struct pg_batch_kind claim_kind = {
	.name = "store_claim",
	.sql = claim_sql,
	.order = 20,
	.n_groups = 1,
	.groups = {{5, {PG_UUID, PG_UUID, PG_UUID, PG_UUID, PG_INT8}}},
};

struct claim_call {
	store_claim_fn *done;
	void *arg;
};

static void claim_done(void *arg, const struct pg_reply *reply)
{
	pb_autofree struct claim_call *call = arg;
	const struct pg_cell *c = reply->cells;

	if (reply->outcome != PG_APPLIED) {
		call->done(call->arg, reply->outcome, NULL, reply->err);
		return;
	}

	const struct store_claimed claimed = {
		.epoch = pg_cell_i32(c[0]),
		.recoveries = pg_cell_i32(c[1]),
		.dispatch = pg_cell_i32(c[2]),
		.workflow_id = pg_cell_uuid(c[3]),
		.workflow_version = pg_cell_i32(c[4]),
		.mode = pg_cell_i16(c[5]),
		.retry_of = pg_cell_uuid(c[6]),
		.retry_from = pg_cell_slice(c[7]),
		.seed = pg_cell_i64(c[8]),
		.trigger = pg_cell_slice(c[9]),
		.has_signal = pg_cell_bool(c[10]),
		.created_at = pg_cell_time(c[11]),
		.started_at = pg_cell_time(c[12]),
		.now = pg_cell_time(c[13]),
		.strikes = pg_cell_i16(c[14]),
	};
	call->done(call->arg, PG_APPLIED, &claimed, NULL);
}

enum pb_status store_claim_submit(struct pg_writer *w, struct pb_uuid tenant_id, struct pb_uuid id,
				  struct pb_uuid owner, struct pb_uuid lease_token,
				  int64_t lease_us, int64_t deadline_us, store_claim_fn *done,
				  void *arg, struct pb_err *err)
{
	pg_auto_rowset rows = PG_ROWSET_INIT;
	struct claim_call *call = pb_new(struct claim_call);
	enum pb_status st;

	pg_row(&rows, 0);
	pg_row_uuid(&rows, tenant_id);
	pg_row_uuid(&rows, id);
	pg_row_uuid(&rows, owner);
	pg_row_uuid(&rows, lease_token);
	pg_row_i64(&rows, lease_us);
	call->done = done;
	call->arg = arg;
	st = pg_writer_submit(w, &claim_kind, id, &rows, claim_done, call, deadline_us, err);
	if (st)
		free(call);
	return st;
}

static const char renew_sql[] =
	"WITH r AS (SELECT * FROM unnest($1::int4[], $2::bool[], $3::uuid[], $4::uuid[], "
	"$5::uuid[], $6::int4[],"
	" $7::int8[]) AS t(o, rep, tenant_id, id, owner, epoch, lease))"
	" UPDATE execution e SET due_at = now() + r.lease * interval '1 us' FROM r"
	" WHERE e.tenant_id = r.tenant_id AND e.id = r.id AND e.lease_epoch = r.epoch AND "
	"e.lease_owner = r.owner"
	" AND e.status = " STORE_RUNNING " RETURNING r.o, e.signals > 0";

static const struct pg_batch_kind renew_kind = {
	.name = "store_renew",
	.sql = renew_sql,
	.order = 50,
	.n_groups = 1,
	.groups = {{5, {PG_UUID, PG_UUID, PG_UUID, PG_INT4, PG_INT8}}},
};

struct renew_call {
	store_renew_fn *done;
	void *arg;
};

static void renew_done(void *arg, const struct pg_reply *reply)
{
	pb_autofree struct renew_call *call = arg;
	bool has_signal = reply->outcome == PG_APPLIED && pg_cell_bool(reply->cells[0]);

	call->done(call->arg, reply->outcome, has_signal, reply->err);
}

enum pb_status store_renew_submit(struct pg_writer *w, const struct store_lease *lease,
				  int64_t lease_us, int64_t deadline_us, store_renew_fn *done,
				  void *arg, struct pb_err *err)
{
	pg_auto_rowset rows = PG_ROWSET_INIT;
	struct renew_call *call = pb_new(struct renew_call);
	enum pb_status st;

	pg_row(&rows, 0);
	pg_row_uuid(&rows, lease->tenant_id);
	pg_row_uuid(&rows, lease->id);
	pg_row_uuid(&rows, lease->owner);
	pg_row_i32(&rows, lease->epoch);
	pg_row_i64(&rows, lease_us);
	call->done = done;
	call->arg = arg;
	st = pg_writer_submit(w, &renew_kind, lease->id, &rows, renew_done, call, deadline_us, err);
	if (st)
		free(call);
	return st;
}
