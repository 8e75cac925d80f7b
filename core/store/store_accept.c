/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting an execution, with its idempotency key in the same transaction.
 * Surprising: a repeated request asks the history first. While the writer was not sure, the sweeper may
 * have dispatched the row and somebody may have finished it: it must not come to life again.
 */
#include "store/store_execution.h"
#include "store/store_private.h"
#include "base/clock.h"
#include "base/base.h"

#define REDISPATCH_US (10 * PB_USEC_PER_SEC)
#define IDEM_KEEP_US  (24 * 3600 * PB_USEC_PER_SEC)

static const char accept_sql[] =
	"WITH r AS (SELECT * FROM unnest($1::int4[], $2::bool[], $3::uuid[], $4::uuid[], "
	"$5::uuid[], $6::int4[],"
	" $7::int2[], $8::uuid[], $9::text[], $10::int8[], $11::bytea[], $12::int8[], $13::uuid[], "
	"$14::uuid[],"
	" $15::int8[], $16::text[], $17::bytea[], $18::bytea[], $19::int8[], $20::date[])"
	" AS t(o, rep, tenant_id, id, workflow_id, version, mode, retry_of, retry_from, seed, "
	"data, redispatch,"
	" owner, token, lease, scope, key_hash, request_hash, keep, day)),"
	/* The first one with a key wins; one that has expired is taken over. */
	" idem AS (INSERT INTO idempotency AS i (tenant_id, scope, key_hash, request_hash, "
	"execution_id, expires_at)"
	" SELECT tenant_id, scope, key_hash, request_hash, id, now() + keep * interval '1 us' FROM "
	"r"
	" WHERE scope IS NOT NULL"
	" ON CONFLICT (tenant_id, scope, key_hash) DO UPDATE SET"
	" execution_id = CASE WHEN i.expires_at <= now() THEN EXCLUDED.execution_id ELSE "
	"i.execution_id END,"
	" request_hash = CASE WHEN i.expires_at <= now() THEN EXCLUDED.request_hash ELSE "
	"i.request_hash END,"
	" expires_at = CASE WHEN i.expires_at <= now() THEN EXCLUDED.expires_at ELSE i.expires_at "
	"END"
	" RETURNING i.tenant_id, i.scope, i.key_hash, i.request_hash, i.execution_id),"
	" x AS (SELECT r.*, i.execution_id AS first_id, i.request_hash = r.request_hash AS same"
	" FROM r LEFT JOIN idem i ON i.key_hash = r.key_hash AND i.scope = r.scope AND i.tenant_id "
	"= r.tenant_id),"
	" large AS (INSERT INTO payload (tenant_id, day, sha256, data)"
	" SELECT tenant_id, day, sha256(data), data FROM r WHERE length(data) > 8192"
	" ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING),"
	" ins AS (INSERT INTO execution (tenant_id, id, workflow_id, workflow_version, status, "
	"mode, lease_epoch,"
	" seed, created_at, started_at, due_at, lease_owner, lease_token, retry_of, retry_from, "
	"trigger_data,"
	" trigger_ref)"
	" SELECT tenant_id, id, workflow_id, version, CASE WHEN owner IS NULL THEN " STORE_QUEUED
	" ELSE " STORE_RUNNING " END, mode,"
	" CASE WHEN owner IS NULL THEN 0 ELSE 1 END, seed, now(), CASE WHEN owner IS NOT NULL THEN "
	"now() END,"
	" now() + CASE WHEN owner IS NULL THEN redispatch ELSE lease END * interval '1 us', owner, "
	"token, retry_of,"
	" retry_from, CASE WHEN length(data) <= 8192 THEN data END,"
	" CASE WHEN length(data) > 8192 THEN sha256(data) END"
	" FROM x WHERE (scope IS NULL OR first_id = id)"
	" AND CASE WHEN rep THEN (SELECT e.finished_at IS NULL FROM execution_receipt(tenant_id, "
	"id) e) ELSE true END"
	" ORDER BY tenant_id, id ON CONFLICT (tenant_id, id) DO NOTHING)"
	" SELECT o, coalesce(first_id, id), (CASE WHEN scope IS NULL OR first_id = id THEN 0"
	" WHEN same AND first_id IS NOT NULL THEN 1 ELSE 2 END)::int2 FROM x";

static const struct pg_batch_kind accept_kind = {
	.name = "store_accept",
	.sql = accept_sql,
	.order = 10,
	.n_groups = 1,
	.groups = {{18,
		    {PG_UUID, PG_UUID, PG_UUID, PG_INT4, PG_INT2, PG_UUID, PG_TEXT, PG_INT8,
		     PG_BYTEA, PG_INT8, PG_UUID, PG_UUID, PG_INT8, PG_TEXT, PG_BYTEA, PG_BYTEA,
		     PG_INT8, PG_DATE}}},
};

struct accept_call {
	store_accept_fn *done;
	void *arg;
};

static void accept_done(void *arg, const struct pg_reply *reply)
{
	pb_autofree struct accept_call *call = arg;
	struct pb_uuid id = PB_UUID_NIL;
	enum store_accept_result result = STORE_ACCEPT_NEW;

	if (reply->outcome == PG_APPLIED) {
		id = pg_cell_uuid(reply->cells[0]);
		result = (enum store_accept_result)pg_cell_i16(reply->cells[1]);
	}
	call->done(call->arg, reply->outcome, result, id, reply->err);
}

static void accept_row(struct pg_rowset *rows, const struct store_accept *a)
{
	bool idem = a->idem_scope.len > 0;

	pg_row(rows, 0);
	pg_row_uuid(rows, a->tenant_id);
	pg_row_uuid(rows, a->id);
	pg_row_uuid(rows, a->workflow_id);
	pg_row_i32(rows, a->workflow_version);
	pg_row_i16(rows, a->mode);
	pg_row_uuid_or_null(rows, a->retry_of);
	pg_row_bytes(rows, a->retry_from.len ? a->retry_from.p : NULL, a->retry_from.len);
	pg_row_i64(rows, a->seed);
	pg_row_bytes(rows, a->trigger.p ? a->trigger.p : "", a->trigger.len);
	pg_row_i64(rows, a->redispatch_after_us > 0 ? a->redispatch_after_us : REDISPATCH_US);
	pg_row_uuid_or_null(rows, a->lease_owner);
	pg_row_uuid_or_null(rows, a->lease_token);
	pg_row_i64(rows, a->lease_us);
	pg_row_bytes(rows, idem ? a->idem_scope.p : NULL, a->idem_scope.len);
	pg_row_bytes(rows, idem ? a->idem_key_hash : NULL, STORE_HASH_BYTES);
	pg_row_bytes(rows, idem ? a->idem_request_hash : NULL, STORE_HASH_BYTES);
	pg_row_i64(rows, a->idem_keep_us > 0 ? a->idem_keep_us : IDEM_KEEP_US);
	pg_row_date(rows, store_uuid_day(a->id));
}

/*
 * Two requests with one idempotency key must not meet in one batch, so then the key's hash is the batch
 * key. Nobody else writes an execution before it is accepted: its order needs no guard yet.
 */
static struct pb_uuid accept_key(const struct store_accept *a)
{
	struct pb_uuid key = a->id;

	if (a->idem_scope.len > 0)
		memcpy(key.b, a->idem_key_hash, sizeof(key.b));
	return key;
}

enum pb_status store_accept_submit(struct pg_writer *w, const struct store_accept *a,
				   int64_t deadline_us, store_accept_fn *done, void *arg,
				   struct pb_err *err)
{
	pg_auto_rowset rows = PG_ROWSET_INIT;
	struct accept_call *call;
	enum pb_status st = store_value_check(a->trigger, err);

	if (st)
		return st;

	accept_row(&rows, a);
	call = pb_new(struct accept_call);
	call->done = done;
	call->arg = arg;
	st = pg_writer_submit(w, &accept_kind, accept_key(a), &rows, accept_done, call, deadline_us,
			      err);
	if (st)
		free(call);
	return st;
}
