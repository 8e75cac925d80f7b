/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an execution on a real PostgreSQL: fencing, repeats, signals, sweeping, history. */
#include "store/store_execution.h"
#include <pthread.h>
#include <stdatomic.h>
#include "store/store_execution_view.h"
#include "store/store_idempotency.h"
#include "store/store_signal.h"
#include "store/store_sweep.h"
#include "support/pg_db.h"
#include "support/store_sync.h"
#include "base/base.h"

#define SEC PB_USEC_PER_SEC

static struct pg_db db;
static struct pg_pool *engine, *api, *super;
static struct pg_writer *writer;
static struct pb_arena arena;
static struct pb_uuid tenant, other, owner;
static struct sync_wait w;

static struct pg_pool *pool_of(const char *url)
{
	const struct pg_pool_config c = {.url = url, .max_connections = 4, PG_DB_PATIENT};
	struct pg_pool *p = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(pg_pool_new(&c, &p, &err), PB_OK);
	return p;
}

static void setup(void)
{
	struct pg_writer_config c = {.n_threads = 2};
	struct pb_err err = PB_ERR_INIT;

	pg_db_open(&db);
	engine = pool_of(db.engine_url);
	api = pool_of(db.api_url);
	super = pool_of(db.super_url);
	c.url = db.engine_url;
	ck_assert_int_eq(pg_writer_new(&c, &writer, &err), PB_OK);
	pb_arena_init(&arena, 64u << 20);
	tenant = pb_uuid7();
	other = pb_uuid7();
	owner = pb_uuid7();
}

static void teardown(void)
{
	pg_writer_free(writer);
	pg_pool_free(engine);
	pg_pool_free(api);
	pg_pool_free(super);
	pb_arena_done(&arena);
	pg_db_close(&db);
}

/* As the superuser: to look, and to let time pass. */
static int64_t sql(const char *text)
{
	pb_autoptr(pg_result) res = NULL;
	const struct pg_stmt stmt = {.name = "t", .sql = text, .replan = true};
	struct pb_err err = PB_ERR_INIT;

	ck_assert_msg(pg_query(super, NULL, &stmt, NULL, &res, &err) == PB_OK, "%s: %s", text,
		      err.msg);
	return pg_rows(res) > 0 ? pg_get_i64(res, 0, 0) : -1;
}

static struct store_accept accept_of(const char *trigger)
{
	return (struct store_accept){.tenant_id = tenant,
				     .id = pb_uuid7(),
				     .workflow_id = pb_uuid7(),
				     .workflow_version = 3,
				     .mode = 2,
				     .seed = -42,
				     .trigger = pb_slice_str(trigger)};
}

static struct pb_uuid accepted(const char *trigger)
{
	struct store_accept a = accept_of(trigger);

	ck_assert_int_eq(sync_accept(writer, &a, &w), PG_APPLIED);
	ck_assert_int_eq(w.accept_result, STORE_ACCEPT_NEW);
	return a.id;
}

static struct store_lease claimed(struct pb_uuid id)
{
	struct store_lease l = {.tenant_id = tenant, .id = id, .owner = owner};

	ck_assert_int_eq(sync_claim(writer, tenant, id, owner, pb_uuid7(), 30 * SEC, &arena, &w),
			 PG_APPLIED);
	l.epoch = w.claimed.epoch;
	return l;
}

static struct store_execution *get(struct pb_uuid id)
{
	struct store_execution *e = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_msg(store_execution_get(api, tenant, id, &arena, &e, &err) == PB_OK, "%s",
		      err.msg);
	return e;
}

static void ck_bytes(struct pb_slice got, const char *want, size_t n)
{
	ck_assert_uint_eq(got.len, n);
	ck_assert_ptr_nonnull(got.p);
	ck_assert(memcmp(got.p, want, n) == 0);
}

START_TEST(accept__stores_exact_bytes)
{
	static const char odd[] = "{\"b\":1,\"a\":\"\\u0000\", \"n\":12345678901234567890}\0tail";
	struct store_accept a = accept_of("");
	struct store_execution *e;

	a.trigger = pb_slice(odd, sizeof(odd));
	ck_assert_int_eq(sync_accept(writer, &a, &w), PG_APPLIED);
	ck_assert(pb_uuid_eq(w.id, a.id));
	e = get(a.id);
	ck_assert_int_eq(e->status, MODEL_EXECUTION_QUEUED);
	ck_assert_int_eq(e->workflow_version, 3);
	ck_assert_int_eq(e->mode, 2);
	ck_assert_int_eq(e->dispatch, 1);
	ck_bytes(e->trigger, odd, sizeof(odd));
}
END_TEST

START_TEST(accept__keeps_large_values_once)
{
	size_t n = 100 * 1000;
	pb_autofree char *big = pb_xcalloc(n, 1);
	struct store_accept a = accept_of(""), b = accept_of("");

	for (size_t i = 0; i < n; i++)
		big[i] = (char)('a' + i % 17);
	a.trigger = b.trigger = pb_slice(big, n);
	ck_assert_int_eq(sync_accept(writer, &a, &w), PG_APPLIED);
	ck_assert_int_eq(sync_accept(writer, &b, &w), PG_APPLIED);
	ck_bytes(get(a.id)->trigger, big, n);
	ck_assert_int_eq(sql("SELECT count(*) FROM payload"), 1);
	ck_assert_int_eq(sql("SELECT count(*) FROM payload_default"), 0);
	claimed(b.id);
	ck_bytes(w.claimed.trigger, big, n);

	a.trigger.len = STORE_VALUE_BYTES + 1;
	ck_assert_int_eq(store_accept_submit(writer, &a, 0, sync_accept_done, &w, NULL),
			 PB_E_TOO_LARGE);
}
END_TEST

START_TEST(accept__idempotency_key)
{
	struct store_accept a = accept_of("1"), b = accept_of("1"), c = accept_of("2"),
			    d = accept_of("1");

	a.idem_scope = b.idem_scope = c.idem_scope = PB_SLICE("hook:x");
	d.idem_scope = PB_SLICE("hook:y");
	memset(a.idem_key_hash, 7, STORE_HASH_BYTES);
	memset(b.idem_key_hash, 7, STORE_HASH_BYTES);
	memset(c.idem_key_hash, 7, STORE_HASH_BYTES);
	memset(d.idem_key_hash, 7, STORE_HASH_BYTES);
	memset(c.idem_request_hash, 9, STORE_HASH_BYTES);
	ck_assert_int_eq(sync_accept(writer, &a, &w), PG_APPLIED);
	ck_assert_int_eq(w.accept_result, STORE_ACCEPT_NEW);
	ck_assert_int_eq(sync_accept(writer, &b, &w), PG_APPLIED);
	ck_assert_int_eq(w.accept_result, STORE_ACCEPT_DUPLICATE);
	ck_assert(pb_uuid_eq(w.id, a.id));
	ck_assert_int_eq(sync_accept(writer, &c, &w), PG_APPLIED);
	ck_assert_int_eq(w.accept_result, STORE_ACCEPT_CONFLICT);
	ck_assert_int_eq(sync_accept(writer, &d, &w), PG_APPLIED);
	ck_assert_int_eq(w.accept_result, STORE_ACCEPT_NEW);
	ck_assert_int_eq(sql("SELECT count(*) FROM execution"), 2);
	/* the same request again is the same request */
	ck_assert_int_eq(sync_accept(writer, &a, &w), PG_APPLIED);
	ck_assert_int_eq(w.accept_result, STORE_ACCEPT_NEW);
	ck_assert_int_eq(sql("SELECT count(*) FROM execution"), 2);
	/* another tenant's key is another key; an expired one is taken over */
	b.tenant_id = other;
	ck_assert_int_eq(sync_accept(writer, &b, &w), PG_APPLIED);
	ck_assert_int_eq(w.accept_result, STORE_ACCEPT_NEW);
	(void)sql("UPDATE idempotency SET expires_at = now() - interval '1 s' RETURNING 1::int8");
	ck_assert_int_eq(sync_accept(writer, &c, &w), PG_APPLIED);
	ck_assert_int_eq(w.accept_result, STORE_ACCEPT_NEW);
	ck_assert(pb_uuid_eq(w.id, c.id));
}
END_TEST

START_TEST(accept__sync_path_is_leased_at_once)
{
	struct store_accept a = accept_of("x");
	struct store_lease l = {.tenant_id = tenant, .id = a.id, .owner = owner, .epoch = 1};

	a.lease_owner = owner;
	a.lease_token = pb_uuid7();
	a.lease_us = 30 * SEC;
	ck_assert_int_eq(sync_accept(writer, &a, &w), PG_APPLIED);
	ck_assert_int_eq(get(a.id)->status, MODEL_EXECUTION_RUNNING);
	ck_assert_int_eq(sync_claim(writer, tenant, a.id, pb_uuid7(), pb_uuid7(), SEC, &arena, &w),
			 PG_NOT_APPLIED);
	ck_assert_int_eq(sync_renew(writer, &l, SEC, &w), PG_APPLIED);
	ck_assert(!w.has_signal);
}
END_TEST

START_TEST(claim__leases_once_and_repeats)
{
	struct pb_uuid id = accepted("{}"), token = pb_uuid7(), rival = pb_uuid7();

	ck_assert_int_eq(sync_claim(writer, tenant, id, owner, token, 30 * SEC, &arena, &w),
			 PG_APPLIED);
	ck_assert_int_eq(w.claimed.epoch, 1);
	ck_assert_int_eq(w.claimed.workflow_version, 3);
	ck_assert_int_eq(w.claimed.seed, -42);
	ck_assert_int_ge(w.claimed.now, w.claimed.created_at);
	ck_assert(!w.claimed.has_signal);
	ck_bytes(w.claimed.trigger, "{}", 2);
	/* the same token again; a rival; another tenant */
	ck_assert_int_eq(sync_claim(writer, tenant, id, owner, token, 30 * SEC, &arena, &w),
			 PG_APPLIED);
	ck_assert_int_eq(w.claimed.epoch, 1);
	ck_assert_int_eq(sync_claim(writer, tenant, id, rival, pb_uuid7(), SEC, &arena, &w),
			 PG_NOT_APPLIED);
	ck_assert_int_eq(sync_claim(writer, other, id, rival, pb_uuid7(), SEC, &arena, &w),
			 PG_NOT_APPLIED);
	/* the lease runs out */
	(void)sql("UPDATE execution SET due_at = now() - interval '1 s' RETURNING 1::int8");
	ck_assert_int_eq(sync_claim(writer, tenant, id, rival, pb_uuid7(), SEC, &arena, &w),
			 PG_APPLIED);
	ck_assert_int_eq(w.claimed.epoch, 2);
}
END_TEST

static struct store_step step_of(const char *id, enum model_step_status status, const char *output)
{
	return (struct store_step){.step_id = pb_slice_str(id),
				   .status = status,
				   .attempt = 1,
				   .attempts = PB_SLICE("[{\"n\":1}]"),
				   .input = PB_SLICE("{\"in\":1}"),
				   .output = pb_slice_str(output),
				   .idempotency_key = PB_SLICE("key"),
				   .connector = PB_SLICE("slack"),
				   .connector_version = PB_SLICE("1.0.0"),
				   .started_at = INT64_C(1700000000000000)};
}

START_TEST(checkpoint__stores_steps_and_is_fenced)
{
	struct store_lease l = claimed(accepted("{}")), stale = l;
	struct store_step steps[2] = {step_of("a", MODEL_STEP_RUNNING, NULL),
				      step_of("b", MODEL_STEP_SUCCEEDED, "{\"out\":1}")};
	struct store_checkpoint c = {.lease = l,
				     .status = MODEL_EXECUTION_RUNNING,
				     .due_in_us = STORE_DUE_KEEP,
				     .steps = steps,
				     .n_steps = 2};
	struct store_step *got = NULL;
	struct pb_err err = PB_ERR_INIT;
	size_t n = 0;

	ck_assert_int_eq(sync_checkpoint(writer, &c, &w), PG_APPLIED);
	/* a finished step keeps the input that it does not repeat */
	steps[0] = step_of("a", MODEL_STEP_SUCCEEDED, "2");
	steps[0].input = pb_slice(NULL, 0);
	c.n_steps = 1;
	c.due_in_us = 30 * SEC;
	ck_assert_int_eq(sync_checkpoint(writer, &c, &w), PG_APPLIED);
	ck_assert_int_eq(store_steps_load(engine, tenant, l.id, &arena, &got, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 2);
	ck_bytes(got[0].step_id, "a", 1);
	ck_assert_int_eq(got[0].status, MODEL_STEP_SUCCEEDED);
	ck_bytes(got[0].input, "{\"in\":1}", 8);
	ck_bytes(got[0].output, "2", 1);
	ck_assert_ptr_null(got[0].error.p);
	ck_assert_int_eq(got[0].started_at, INT64_C(1700000000000000));
	ck_bytes(got[1].connector, "slack", 5);

	stale.epoch = 0;
	c.lease = stale;
	steps[0].output = PB_SLICE("stale");
	ck_assert_int_eq(sync_checkpoint(writer, &c, &w), PG_NOT_APPLIED);
	c.lease = l;
	c.lease.owner = pb_uuid7();
	ck_assert_int_eq(sync_checkpoint(writer, &c, &w), PG_NOT_APPLIED);
	ck_assert_int_eq(sync_renew(writer, &c.lease, SEC, &w), PG_NOT_APPLIED);
	ck_assert_int_eq(store_execution_steps(api, tenant, l.id, &arena, &got, &n, &err), PB_OK);
	ck_bytes(got[0].output, "2", 1);
	ck_assert_int_eq(store_execution_steps(api, other, l.id, &arena, &got, &n, &err),
			 PB_E_NOT_FOUND);
}
END_TEST

START_TEST(checkpoint__parking_gives_the_lease_up)
{
	struct store_lease l = claimed(accepted("{}"));
	struct store_checkpoint c = {.lease = l,
				     .status = MODEL_EXECUTION_WAITING,
				     .wait_reason = MODEL_WAIT_CALLBACK,
				     .due_in_us = STORE_DUE_INFINITY};
	struct store_execution *e;

	ck_assert_int_eq(sync_checkpoint(writer, &c, &w), PG_APPLIED);
	ck_assert(!w.checkpointed.requeued);
	e = get(l.id);
	ck_assert_int_eq(e->status, MODEL_EXECUTION_WAITING);
	ck_assert_int_eq(e->wait_reason, MODEL_WAIT_CALLBACK);
	ck_assert(e->due_at == PG_TIME_INFINITY);
	ck_assert_int_eq(sync_renew(writer, &l, SEC, &w), PG_NOT_APPLIED);
	ck_assert_int_eq(sync_claim(writer, tenant, l.id, owner, pb_uuid7(), SEC, &arena, &w),
			 PG_NOT_APPLIED);
}
END_TEST

START_TEST(signal__wakes_and_is_taken_once)
{
	struct store_lease l = claimed(accepted("{}"));
	struct store_checkpoint c = {.lease = l,
				     .status = MODEL_EXECUTION_WAITING,
				     .wait_reason = MODEL_WAIT_APPROVAL,
				     .due_in_us = STORE_DUE_INFINITY};
	enum store_signal_result r;
	struct store_signal *list = NULL;
	struct pb_err err = PB_ERR_INIT;
	int32_t dispatch = 0;
	size_t n = 0;

	/* while running: seen with the next write */
	ck_assert_int_eq(store_signal_add(api, tenant, l.id, STORE_SIGNAL_WAKE, PB_SLICE("1"), &r,
					  &dispatch, &err),
			 PB_OK);
	ck_assert_int_eq(r, STORE_SIGNAL_RUNNING);
	ck_assert_int_eq(sync_renew(writer, &l, 30 * SEC, &w), PG_APPLIED);
	ck_assert(w.has_signal);
	/* it wants to wait without having seen it: queued again at once */
	ck_assert_int_eq(sync_checkpoint(writer, &c, &w), PG_APPLIED);
	ck_assert(w.checkpointed.requeued && w.checkpointed.has_signal);
	ck_assert_int_eq(w.checkpointed.dispatch, 2);

	l = claimed(l.id);
	ck_assert_int_eq(l.epoch, 2);
	ck_assert(w.claimed.has_signal);
	ck_assert_int_eq(store_signals_load(engine, tenant, l.id, &arena, &list, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 1);
	ck_bytes(list[0].body, "1", 1);
	c.lease = l;
	c.consumed = &list[0].id;
	c.n_consumed = 1;
	ck_assert_int_eq(sync_checkpoint(writer, &c, &w), PG_APPLIED);
	ck_assert(!w.checkpointed.requeued && !w.checkpointed.has_signal);
	ck_assert_int_eq(sql("SELECT count(*) FROM execution_signal"), 0);

	/* while waiting: woken, to be published by the caller */
	ck_assert_int_eq(store_signal_add(api, tenant, l.id, STORE_SIGNAL_CANCEL, PB_SLICE("{}"),
					  &r, &dispatch, &err),
			 PB_OK);
	ck_assert_int_eq(r, STORE_SIGNAL_WOKEN);
	ck_assert_int_eq(dispatch, 3);
	ck_assert_int_eq(get(l.id)->status, MODEL_EXECUTION_QUEUED);
	ck_assert_int_eq(store_signal_add(api, other, l.id, STORE_SIGNAL_CANCEL, PB_SLICE("{}"), &r,
					  &dispatch, &err),
			 PB_OK);
	ck_assert_int_eq(r, STORE_SIGNAL_NOT_FOUND);
}
END_TEST

START_TEST(finish__moves_to_history)
{
	struct store_lease l = claimed(accepted("{\"t\":1}"));
	struct store_step step = step_of("last", MODEL_STEP_SUCCEEDED, "9");
	struct store_finish f = {.lease = l,
				 .status = MODEL_EXECUTION_SUCCEEDED,
				 .result = PB_SLICE("9"),
				 .steps = &step,
				 .n_steps = 1};
	enum store_signal_result r;
	struct pb_err err = PB_ERR_INIT;
	struct store_execution *e;
	struct store_step *got;
	int32_t dispatch;
	size_t n;

	ck_assert_int_eq(store_signal_add(api, tenant, l.id, STORE_SIGNAL_WAKE, PB_SLICE("1"), &r,
					  &dispatch, &err),
			 PB_OK);
	f.lease.epoch = 7;
	ck_assert_int_eq(sync_finish(writer, &f, &w), PG_NOT_APPLIED);
	f.lease.epoch = l.epoch;
	ck_assert_int_eq(sync_finish(writer, &f, &w), PG_APPLIED);
	ck_assert_int_gt(w.finished_at, 0);
	e = get(l.id);
	ck_assert_int_eq(e->status, MODEL_EXECUTION_SUCCEEDED);
	ck_assert(e->finished_at == w.finished_at);
	ck_bytes(e->result, "9", 1);
	ck_bytes(e->trigger, "{\"t\":1}", 7);
	ck_assert_int_eq(store_execution_steps(api, tenant, l.id, &arena, &got, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(sql("SELECT count(*) FROM execution"), 0);
	ck_assert_int_eq(sql("SELECT count(*) FROM execution_signal"), 0);
	ck_assert_int_eq(sql("SELECT count(*) FROM execution_history_default"), 0);
	ck_assert_int_eq(sql("SELECT count(*) FROM step_run_default"), 0);
	ck_assert_int_eq(store_signal_add(api, tenant, l.id, STORE_SIGNAL_WAKE, PB_SLICE("1"), &r,
					  &dispatch, &err),
			 PB_OK);
	ck_assert_int_eq(r, STORE_SIGNAL_FINAL);
	ck_assert_int_eq(sync_claim(writer, tenant, l.id, owner, pb_uuid7(), SEC, &arena, &w),
			 PG_NOT_APPLIED);
}
END_TEST

static int sweep(enum model_execution_status status, struct store_swept *ret)
{
	struct pb_err err = PB_ERR_INIT;
	int n = -1;

	ck_assert_int_eq(store_sweep(engine, 10, status, 60 * SEC, ret, &n, &err), PB_OK);
	return n;
}

START_TEST(sweep__takes_only_what_is_due)
{
	struct store_lease running = claimed(accepted("r"));
	struct store_lease timer = claimed(accepted("t"));
	struct pb_uuid queued = accepted("q"), later = accepted("l");
	struct store_checkpoint c = {.lease = timer,
				     .status = MODEL_EXECUTION_WAITING,
				     .wait_reason = MODEL_WAIT_TIMER,
				     .due_in_us = 0};
	struct store_swept swept[10];
	struct pb_err err = PB_ERR_INIT;
	int64_t counts[8];
	int recovered = 0;

	ck_assert_int_eq(sync_checkpoint(writer, &c, &w), PG_APPLIED);
	ck_assert_int_eq(sweep(MODEL_EXECUTION_WAITING, swept), 1);
	ck_assert(pb_uuid_eq(swept[0].id, timer.id));
	ck_assert_int_eq(swept[0].dispatch, 2);
	ck_assert_int_eq(sweep(MODEL_EXECUTION_QUEUED, swept), 0);
	ck_assert_int_eq(sweep(MODEL_EXECUTION_RUNNING, swept), 0);

	(void)sql("UPDATE execution SET due_at = now() WHERE convert_from(trigger_data, 'UTF8') IN "
		  "('r', 'q')"
		  " RETURNING 1::int8");
	ck_assert_int_eq(sweep(MODEL_EXECUTION_RUNNING, swept), 1);
	recovered += swept[0].recovered;
	ck_assert_int_eq(sweep(MODEL_EXECUTION_QUEUED, swept), 1);
	recovered += swept[0].recovered;
	ck_assert_int_eq(recovered, 1);
	/* the zombie is fenced */
	ck_assert_int_eq(sync_renew(writer, &running, SEC, &w), PG_NOT_APPLIED);
	c.lease = running;
	ck_assert_int_eq(sync_checkpoint(writer, &c, &w), PG_NOT_APPLIED);
	ck_assert_int_eq(claimed(running.id).epoch, 2);
	ck_assert_int_eq(w.claimed.recoveries, 1);
	ck_assert_int_eq(w.claimed.strikes, 1);
	ck_assert_int_eq(get(queued)->dispatch, 2);
	ck_assert_int_eq(get(later)->dispatch, 1);
	ck_assert_int_eq(store_live_counts(engine, counts, &err), PB_OK);
	ck_assert_int_eq(counts[MODEL_EXECUTION_QUEUED], 3);
	ck_assert_int_eq(counts[MODEL_EXECUTION_RUNNING], 1);
}
END_TEST

/* The writer repeats a request after a lost connection with "repeated" set: run the very statements again. */
START_TEST(repeat__accept_does_not_revive_what_has_ended)
{
	struct store_accept a = accept_of("{}");
	struct store_lease l;
	struct store_finish f = {.status = MODEL_EXECUTION_FAILED, .error = PB_SLICE("{}")};

	ck_assert_int_eq(sync_accept(writer, &a, &w), PG_APPLIED);
	l = claimed(a.id);
	f.lease = l;
	ck_assert_int_eq(sync_finish(writer, &f, &w), PG_APPLIED);
	/* what a repeat asks */
	ck_assert_int_eq(sql("SELECT count(*) FROM execution_history h, "
			     "execution_receipt(h.tenant_id, h.id) r"
			     " WHERE r.finished_at = h.finished_at AND r.lease_epoch = 1"),
			 1);
	ck_assert_int_eq(sync_finish(writer, &f, &w), PG_NOT_APPLIED);
}
END_TEST

START_TEST(list__pages_live_and_past_together)
{
	struct pb_uuid ids[25], wf = pb_uuid7();
	struct store_execution_filter filter = {.limit = 10};
	struct store_execution *rows;
	struct store_execution_counts counts;
	struct pb_err err = PB_ERR_INIT;
	size_t n, seen = 0;
	bool more = true;

	for (int i = 0; i < 25; i++) {
		struct store_accept a = accept_of("{}");

		if (i < 5)
			a.workflow_id = wf;
		ids[i] = a.id;
		ck_assert_int_eq(sync_accept(writer, &a, &w), PG_APPLIED);
		if (i % 2) {
			struct store_finish f = {.lease = claimed(a.id),
						 .status = MODEL_EXECUTION_SUCCEEDED};

			ck_assert_int_eq(sync_finish(writer, &f, &w), PG_APPLIED);
		}
	}
	while (more) {
		ck_assert_msg(store_execution_list(api, tenant, &filter, &arena, &rows, &n, &more,
						   &err) == PB_OK,
			      "%s", err.msg);
		for (size_t i = 0; i < n; i++, seen++)
			ck_assert(pb_uuid_eq(rows[i].id, ids[24 - seen]));
		filter.before = rows[n - 1].id;
	}
	ck_assert_uint_eq(seen, 25);

	filter = (struct store_execution_filter){.limit = 10,
						 .workflow_id = wf,
						 .statuses = {MODEL_EXECUTION_SUCCEEDED},
						 .n_statuses = 1};
	ck_assert_int_eq(store_execution_list(api, tenant, &filter, &arena, &rows, &n, &more, &err),
			 PB_OK);
	ck_assert_uint_eq(n, 2);
	ck_assert(!more);
	filter.to_us = pb_now_us() - 3600 * SEC;
	ck_assert_int_eq(store_execution_list(api, tenant, &filter, &arena, &rows, &n, &more, &err),
			 PB_OK);
	ck_assert_uint_eq(n, 0);
	filter.to_us = 0;
	ck_assert_int_eq(store_execution_list(api, other, &filter, &arena, &rows, &n, &more, &err),
			 PB_OK);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(store_execution_count(api, tenant, PB_UUID_NIL, 0, &counts, &err), PB_OK);
	ck_assert_int_eq(counts.by_status[MODEL_EXECUTION_QUEUED], 13);
	ck_assert_int_eq(counts.by_status[MODEL_EXECUTION_SUCCEEDED], 12);
	ck_assert_int_eq(counts.n_finished, 12);
}
END_TEST

START_TEST(partitions__made_ahead_and_dropped)
{
	struct store_partition_report r;
	struct pb_err err = PB_ERR_INIT;
	uint8_t rnd[10] = {1};
	struct store_accept a = accept_of("{}");

	/* a row 5 days ahead (a wrong clock) waits in the default partition, then moves */
	a.id = pb_uuid7_from((uint64_t)(pb_now_us() / 1000) + 5 * 86400000, rnd);
	ck_assert_int_eq(sync_accept(writer, &a, &w), PG_APPLIED);
	struct store_finish f = {.lease = claimed(a.id), .status = MODEL_EXECUTION_SUCCEEDED};
	ck_assert_int_eq(sync_finish(writer, &f, &w), PG_APPLIED);
	ck_assert_int_eq(sql("SELECT count(*) FROM execution_history_default"), 1);
	ck_assert_msg(store_partitions_maintain(engine, 7, 30, &r, &err) == PB_OK, "%s", err.msg);
	ck_assert_int_eq(r.created, 12); /* three tables, 4 more days */
	ck_assert_int_eq(sql("SELECT count(*) FROM execution_history_default"), 0);
	ck_assert_int_eq(get(a.id)->status, MODEL_EXECUTION_SUCCEEDED);
	ck_assert_int_eq(store_partitions_maintain(engine, 7, 30, &r, &err), PB_OK);
	ck_assert_int_eq(r.created + r.dropped, 0);

	/* old ones go, but nothing that a live execution is as old as */
	(void)sql("SELECT 1::int8 FROM pg_sleep(0)");
	for (int d = 40; d >= 36; d--) {
		char text[256];

		ck_assert(pb_str_printf(text, sizeof(text), "SELECT 1::int8 FROM test_make_old(%d)",
					d));
		if (d == 40)
			ck_assert_int_eq(
				pg_db_psql(db.migrate_url,
					   "CREATE FUNCTION test_make_old(d int) RETURNS void "
					   "LANGUAGE plpgsql SECURITY "
					   "DEFINER AS $$ BEGIN EXECUTE format('CREATE TABLE %I "
					   "PARTITION OF "
					   "execution_history FOR VALUES FROM (%L) TO (%L)', "
					   "'execution_history_' || "
					   "to_char(current_date - d, 'YYYYMMDD'), "
					   "pb_uuid_day_start(current_date - d), "
					   "pb_uuid_day_start(current_date - d + 1)); END $$;"),
				0);
		(void)sql(text);
	}
	a = accept_of("{}");
	a.id = pb_uuid7_from((uint64_t)(pb_now_us() / 1000) - UINT64_C(38) * 86400000, rnd);
	ck_assert_int_eq(sync_accept(writer, &a, &w), PG_APPLIED);
	ck_assert_int_eq(store_partitions_maintain(engine, 7, 30, &r, &err), PB_OK);
	ck_assert_int_eq(r.dropped, 2);
	f.lease = claimed(a.id);
	ck_assert_int_eq(sync_finish(writer, &f, &w), PG_APPLIED);
	ck_assert_int_eq(store_partitions_maintain(engine, 7, 30, &r, &err), PB_OK);
	ck_assert_int_eq(r.dropped, 3);
}
END_TEST

/* A try that the server does not answer in time is none. */
static void await_leader(struct store_leader *l)
{
	const struct timespec step = pb_timespec(10000);

	for (int64_t end = pb_mono_us() + 20 * SEC; !store_leader_try(l);) {
		ck_assert(pb_mono_us() < end);
		nanosleep(&step, NULL);
	}
}

START_TEST(leader__one_at_a_time)
{
	pb_autoptr(store_leader) a = NULL;
	pb_autoptr(store_leader) b = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(store_leader_new(db.engine_url, &a, &err), PB_OK);
	ck_assert_int_eq(store_leader_new(db.engine_url, &b, &err), PB_OK);
	await_leader(a);
	await_leader(a);
	ck_assert(!store_leader_try(b));
	(void)sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
		  " WHERE application_name = 'patchbay-leader' AND datname = current_database()"
		  " AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_stat_activity.pid AND "
		  "locktype = 'advisory')");
	await_leader(b);
	ck_assert(!store_leader_try(a));
}
END_TEST

START_TEST(idempotency__keeps_the_answer)
{
	uint8_t key[STORE_HASH_BYTES] = {1}, req[STORE_HASH_BYTES] = {2},
		req2[STORE_HASH_BYTES] = {3};
	struct store_idempotency_answer ans;
	enum store_idempotency r;
	struct pb_err err = PB_ERR_INIT;
	int n = 0;

#define BEGIN(t, q)                                                                                \
	ck_assert_int_eq(store_idempotency_begin(api, t, "POST /x", key, q, 3600 * SEC, 60 * SEC,  \
						 &arena, &r, &ans, &err),                          \
			 PB_OK)
	BEGIN(tenant, req);
	ck_assert_int_eq(r, STORE_IDEM_NEW);
	BEGIN(tenant, req);
	ck_assert_int_eq(r, STORE_IDEM_BUSY);
	BEGIN(tenant, req2);
	ck_assert_int_eq(r, STORE_IDEM_CONFLICT);
	BEGIN(other, req);
	ck_assert_int_eq(r, STORE_IDEM_NEW);
	ck_assert_int_eq(
		store_idempotency_finish(api, tenant, "POST /x", key, 201, PB_SLICE("{}"), &err),
		PB_OK);
	BEGIN(tenant, req);
	ck_assert_int_eq(r, STORE_IDEM_DONE);
	ck_assert_int_eq(ans.http_status, 201);
	ck_bytes(ans.body, "{}", 2);
	ck_assert_int_eq(store_idempotency_abandon(api, other, "POST /x", key, &err), PB_OK);
	BEGIN(other, req2);
	ck_assert_int_eq(r, STORE_IDEM_NEW);
	(void)sql("UPDATE idempotency SET expires_at = now() RETURNING 1::int8");
	ck_assert_int_eq(store_expired_purge(engine, 100, &n, &err), PB_OK);
	ck_assert_int_eq(n, 2);
}
END_TEST

/* ---- real repeats: backends die while whole lives go through the writer -------------------------- */

#define LIVES_THREADS 16
#define LIVES         60 /* each thread, and more until enough backends have died */

static atomic_int n_lives;

static uint64_t reconnects(void)
{
	struct pg_writer_stats stats;

	pg_writer_stats(writer, &stats);
	return stats.reconnects;
}

static void *live_many(void *arg)
{
	struct pb_arena mine;
	void *bad = NULL;

	(void)arg;
	pb_arena_init(&mine, 16u << 20);
	/* two first connections, and the deaths met work */
	for (int i = 0; (i < LIVES || reconnects() <= 5) && !bad; i++) {
		struct store_accept a = accept_of("{}");
		struct store_step step = step_of("s", MODEL_STEP_SUCCEEDED, "1");
		struct store_checkpoint c = {.status = MODEL_EXECUTION_RUNNING,
					     .due_in_us = 300 * SEC,
					     .steps = &step,
					     .n_steps = 1};
		struct store_finish f = {.status = MODEL_EXECUTION_SUCCEEDED};
		struct sync_wait v;

		a.idem_scope = PB_SLICE("t");
		memcpy(a.idem_key_hash, a.id.b, 16);
		a.redispatch_after_us = 3600 * SEC;
		if (sync_accept(writer, &a, &v) != PG_APPLIED ||
		    v.accept_result != STORE_ACCEPT_NEW)
			bad = &bad;
		if (sync_claim(writer, tenant, a.id, owner, pb_uuid7(), 300 * SEC, &mine, &v) !=
			    PG_APPLIED ||
		    v.claimed.epoch != 1)
			bad = &bad;
		f.lease = c.lease = (struct store_lease){tenant, a.id, owner, 1};
		if (sync_checkpoint(writer, &c, &v) != PG_APPLIED)
			bad = &bad;
		if (sync_finish(writer, &f, &v) != PG_APPLIED)
			bad = &bad;
		pb_arena_reset(&mine);
		n_lives++;
	}
	pb_arena_done(&mine);
	return bad ? (void *)1 : NULL;
}

static void *kill_writers(void *arg)
{
	atomic_bool *stop = arg;

	while (!atomic_load(stop))
		(void)sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
			  " WHERE application_name = 'patchbay-writer' AND datname = "
			  "current_database()"
			  ""
			  " AND pg_sleep(0.06) IS NOT NULL AND random() < 0.4");
	return NULL;
}

START_TEST(repeat__whole_lives_with_dying_backends)
{
	pthread_t t[LIVES_THREADS], killer;
	atomic_bool stop = false;
	int bad = 0;

	n_lives = 0;

	ck_assert_int_eq(pthread_create(&killer, NULL, kill_writers, &stop), 0);
	for (int i = 0; i < LIVES_THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, live_many, NULL), 0);
	for (int i = 0; i < LIVES_THREADS; i++) {
		void *r = NULL;

		(void)pthread_join(t[i], &r);
		bad += r != NULL;
	}
	atomic_store(&stop, true);
	(void)pthread_join(killer, NULL);
	printf("lives: %d, %llu reconnects\n", n_lives, (unsigned long long)reconnects());
	ck_assert_int_eq(bad, 0);
	ck_assert_int_eq(sql("SELECT count(*) FROM execution"), 0);
	ck_assert_int_eq(sql("SELECT count(*) FROM execution_history WHERE lease_epoch = 1"),
			 n_lives);
	ck_assert_int_eq(sql("SELECT count(*) FROM step_run"), n_lives);
	ck_assert_int_eq(sql("SELECT count(*) FROM idempotency"), n_lives);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_execution");
	TCase *tc = tcase_create("execution");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, accept__stores_exact_bytes);
	tcase_add_test(tc, accept__keeps_large_values_once);
	tcase_add_test(tc, accept__idempotency_key);
	tcase_add_test(tc, accept__sync_path_is_leased_at_once);
	tcase_add_test(tc, claim__leases_once_and_repeats);
	tcase_add_test(tc, checkpoint__stores_steps_and_is_fenced);
	tcase_add_test(tc, checkpoint__parking_gives_the_lease_up);
	tcase_add_test(tc, signal__wakes_and_is_taken_once);
	tcase_add_test(tc, finish__moves_to_history);
	tcase_add_test(tc, sweep__takes_only_what_is_due);
	tcase_add_test(tc, repeat__accept_does_not_revive_what_has_ended);
	tcase_add_test(tc, list__pages_live_and_past_together);
	tcase_add_test(tc, partitions__made_ahead_and_dropped);
	tcase_add_test(tc, leader__one_at_a_time);
	tcase_add_test(tc, idempotency__keeps_the_answer);
	tcase_add_test(tc, repeat__whole_lives_with_dying_backends);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
