/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The group-commit writer on a real server: many threads, bad rows, killed backends, a server that is gone.
 * The table counts how often each row was really written.
 */
#include "pg/pg_writer.h"
#include <pthread.h>
#include <stdatomic.h>
#include "base/clock.h"
#include "pg/pg_pool.h"
#include "support/pg_db.h"
#include "base/base.h"

#define SEC PB_USEC_PER_SEC

static struct pg_db db;
static struct pg_pool *pool;
static struct pg_writer *writer;
static atomic_int n_applied, n_not, n_failed, n_unknown, n_wrong;

/* Writes once however often it is repeated; v = -1 violates a check; group 1 goes to a second table. */
static const struct pg_batch_kind kind = {
	.name = "test_item",
	.sql = "WITH r AS (SELECT * FROM unnest($1::int4[], $2::bool[], $3::uuid[], $4::int4[])"
	       " AS t(o, rep, id, v)),"
	       " i AS (INSERT INTO item (id, v) SELECT id, v FROM r WHERE v <> -2"
	       " ON CONFLICT (id) DO UPDATE SET v = item.v RETURNING id, v),"
	       " p AS (INSERT INTO part (id, n, note) SELECT r.id, s.n, s.note"
	       " FROM unnest($5::int4[], $6::int4[], $7::text[]) AS s(o, n, note) JOIN r ON r.o = "
	       "s.o"
	       " ON CONFLICT DO NOTHING)"
	       " SELECT r.o, i.id, i.v FROM r JOIN i ON i.id = r.id",
	.order = 1,
	.n_groups = 2,
	.groups = {{2, {PG_UUID, PG_INT4}}, {2, {PG_INT4, PG_TEXT}}},
};

/* Remembers the order of writes of one key. */
static const struct pg_batch_kind log_kind = {
	.name = "test_log",
	.sql = "WITH r AS (SELECT * FROM unnest($1::int4[], $2::bool[], $3::uuid[], $4::int4[])"
	       " AS t(o, rep, id, v))"
	       " INSERT INTO log (id, v) SELECT id, v FROM r ON CONFLICT DO NOTHING RETURNING"
	       " (SELECT o FROM r WHERE r.id = log.id AND r.v = log.v)",
	.order = 2,
	.n_groups = 1,
	.groups = {{2, {PG_UUID, PG_INT4}}},
};

static int64_t sql(const char *text)
{
	pb_autoptr(pg_result) res = NULL;
	const struct pg_stmt stmt = {.name = "t", .sql = text, .replan = true};
	struct pb_err err = PB_ERR_INIT;

	ck_assert_msg(pg_query(pool, NULL, &stmt, NULL, &res, &err) == PB_OK, "%s: %s", text,
		      err.msg);
	return pg_rows(res) > 0 ? pg_get_i64(res, 0, 0) : -1;
}

static void writer_start(int threads, size_t queue_bytes)
{
	struct pg_writer_config c = {
		.url = db.super_url, .n_threads = threads, .queue_bytes = queue_bytes};
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(pg_writer_new(&c, &writer, &err), PB_OK);
}

static void setup(void)
{
	struct pg_pool_config c = {.max_connections = 2, PG_DB_PATIENT};
	struct pb_err err = PB_ERR_INIT;

	pg_db_create(&db);
	c.url = db.super_url;
	ck_assert_int_eq(pg_pool_new(&c, &pool, &err), PB_OK);
	ck_assert_int_eq(
		pg_db_psql(db.super_url,
			   "CREATE TABLE item (id uuid PRIMARY KEY, v int CHECK (v <> -1));"
			   "CREATE TABLE part (id uuid, n int, note text, PRIMARY KEY (id, n));"
			   "CREATE TABLE log (id uuid, v int, seq serial, PRIMARY KEY (id, v));"),
		0);
	n_applied = n_not = n_failed = n_unknown = n_wrong = 0;
	writer_start(3, 0);
}

static void teardown(void)
{
	pg_writer_free(writer);
	pg_pool_free(pool);
	pg_db_close(&db);
}

/* arg: the value that must come back (v), as a pointer. */
static void item_done(void *arg, const struct pg_reply *r)
{
	switch (r->outcome) {
	case PG_APPLIED:
		n_applied++;
		if (r->n_rows != 1 || r->n_cols != 2 ||
		    pg_cell_i32(r->cells[1]) != (int32_t)(intptr_t)arg)
			n_wrong++;
		break;
	case PG_NOT_APPLIED:
		n_not++;
		break;
	case PG_FAILED:
		n_failed++;
		break;
	case PG_UNKNOWN:
		n_unknown++;
		break;
	}
}

static enum pb_status item_submit(struct pb_uuid id, int32_t v, int parts, int64_t deadline_us)
{
	pg_auto_rowset rows = PG_ROWSET_INIT;

	pg_row(&rows, 0);
	pg_row_uuid(&rows, id);
	pg_row_i32(&rows, v);
	for (int i = 0; i < parts; i++) {
		pg_row(&rows, 1);
		pg_row_i32(&rows, i);
		if (i % 2)
			pg_row_null(&rows);
		else
			pg_row_text(&rows, "note");
	}
	return pg_writer_submit(writer, &kind, id, &rows, item_done, (void *)(intptr_t)v,
				deadline_us, NULL);
}

#define WAIT_FOR(cond)                                                                             \
	do {                                                                                       \
		const struct timespec step_ = pb_timespec(1000);                                   \
		for (int64_t end_ = pb_mono_us() + 60 * SEC; !(cond);) {                           \
			ck_assert_msg(pb_mono_us() < end_, "never: %s", #cond);                    \
			(void)nanosleep(&step_, NULL);                                             \
		}                                                                                  \
	} while (0)

static struct pg_writer_stats stats(void)
{
	struct pg_writer_stats s;

	pg_writer_stats(writer, &s);
	return s;
}

/* The writer counts an answer before it gives it: what has come here is what counts. */
static void flush(void)
{
	WAIT_FOR((uint64_t)(n_applied + n_not + n_failed + n_unknown) == stats().submitted);
}

#define THREADS 32
#define EACH    1000

static void *submit_many(void *arg)
{
	int base = (int)(intptr_t)arg * EACH;

	for (int i = 0; i < EACH; i++)
		while (item_submit(pb_uuid7(), base + i, i % 3, 0) != PB_OK)
			sched_yield();
	return NULL;
}

static void run_threads(void)
{
	pthread_t t[THREADS];

	for (intptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, submit_many, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(t[i], NULL);
}

START_TEST(submit__32_threads_1000_rows)
{
	struct pg_writer_stats s;
	int64_t begun = pb_mono_us();

	run_threads();
	flush();
	pg_writer_stats(writer, &s);
	printf("32x1000 rows in %lld ms, %llu batches\n", (long long)(pb_mono_us() - begun) / 1000,
	       (unsigned long long)s.batches);
	ck_assert_int_eq(n_applied, THREADS * EACH);
	ck_assert_int_eq(n_wrong, 0);
	ck_assert_int_eq(sql("SELECT count(*) FROM item"), THREADS * EACH);
	ck_assert_int_eq(sql("SELECT count(*) FROM part"), THREADS * 999);
	ck_assert_uint_eq(s.rows, THREADS * EACH);
	ck_assert_uint_lt(s.batches, s.rows / 4);
	ck_assert_uint_eq(s.queued, 0);
	ck_assert_uint_eq(s.queued_bytes, 0);
}
END_TEST

START_TEST(submit__a_poisoned_row_harms_nobody)
{
	static const struct pg_stmt lock = {.name = "l",
					    .sql = "LOCK TABLE item IN ACCESS EXCLUSIVE MODE"};
	pb_autoptr(pg_tx) tx = NULL;
	struct pg_writer_stats s;

	/* kept back until all are there: a bad one of two at least is among others then */
	ck_assert_int_eq(pg_tx_begin(pool, NULL, &tx, NULL), PB_OK);
	ck_assert_int_eq(pg_tx_query(tx, &lock, NULL, NULL, NULL), PB_OK);
	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(item_submit(pb_uuid7(),
					     i == 77 || i == 400 ? -1
					     : i == 200          ? -2
								 : i,
					     1, 0),
				 PB_OK);
	pg_tx_free(pb_steal(tx));
	flush();
	pg_writer_stats(writer, &s);
	ck_assert_int_eq(n_failed, 2);
	ck_assert_int_eq(n_not, 1);
	ck_assert_int_eq(n_applied, 497);
	ck_assert_int_eq(n_wrong, 0);
	ck_assert_uint_gt(s.splits, 0);
	ck_assert_int_eq(sql("SELECT count(*) FROM item"), 497);
}
END_TEST

static void *kill_backends(void *arg)
{
	atomic_bool *stop = arg;

	while (!atomic_load(stop))
		(void)sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
			  " WHERE application_name = 'patchbay-writer' AND datname = "
			  "current_database()"
			  " AND random() < 0.3");
	return NULL;
}

START_TEST(submit__backends_killed_in_the_middle)
{
	const struct timespec step = pb_timespec(1000);
	atomic_bool stop = false;
	pthread_t killer;
	int more = 0;

	ck_assert_int_eq(pthread_create(&killer, NULL, kill_backends, &stop), 0);
	run_threads();
	/* three first connections, and as many kills have met work at least */
	for (int64_t end = pb_mono_us() + 60 * SEC; stats().reconnects <= 6; more++) {
		ck_assert(pb_mono_us() < end);
		ck_assert_int_eq(item_submit(pb_uuid7(), more, 0, 0), PB_OK);
		nanosleep(&step, NULL);
	}
	atomic_store(&stop, true);
	(void)pthread_join(killer, NULL);
	flush();
	printf("killed: %llu reconnects\n", (unsigned long long)stats().reconnects);
	ck_assert_int_eq(n_applied, THREADS * EACH + more);
	ck_assert_int_eq(n_wrong, 0);
	ck_assert_int_eq(sql("SELECT count(*) FROM item"), THREADS * EACH + more);
	ck_assert_int_eq(sql("SELECT count(*) FROM part"), THREADS * 999);
}
END_TEST

static void servers(const char *action)
{
	char script[] = PB_SOURCE_DIR "/scripts/servers", which[] = "postgres";
	pb_autofree char *dir = pb_xstrdup(getenv("PB_TEST_SERVERS_DIR"));
	pb_autofree char *act = pb_xstrdup(action);
	char *const argv[] = {script, dir, act, which, NULL};
	pid_t pid;
	int status = -1;

	ck_assert_int_eq(posix_spawn(&pid, script, NULL, NULL, argv, environ), 0);
	(void)waitpid(pid, &status, 0);
	ck_assert_int_eq(status, 0);
}

START_TEST(submit__server_gone_and_back)
{
	int64_t begun;

	ck_assert_int_eq(item_submit(pb_uuid7(), 1, 0, 0), PB_OK);
	flush();
	servers("kill");
	begun = pb_mono_us();
	ck_assert_int_eq(item_submit(pb_uuid7(), 2, 0, begun + SEC / 2), PB_OK);
	ck_assert_int_eq(item_submit(pb_uuid7(), 3, 0, 0), PB_OK);
	WAIT_FOR(n_failed + n_unknown > 0); /* it would wait for ever */
	ck_assert_int_ge(pb_mono_us() - begun, SEC / 2 - 1000);
	WAIT_FOR(!pg_writer_healthy(writer));
	ck_assert_int_eq(n_applied, 1);
	servers("start");
	WAIT_FOR(n_applied == 2);
	ck_assert_int_eq(sql("SELECT count(*) FROM item WHERE v = 3"), 1);
	ck_assert(pg_writer_stop(writer, pb_mono_us() + 20 * SEC));
}
END_TEST

/* Told that nothing was stored, the caller repeats without a key: then nothing must have been. */
START_TEST(submit__what_comes_too_late_is_not_written)
{
	ck_assert_int_eq(item_submit(pb_uuid7(), 5, 0, pb_mono_us() - 1), PB_OK);
	ck_assert_int_eq(item_submit(pb_uuid7(), 6, 0, 0), PB_OK);
	flush();
	ck_assert_int_eq(n_failed, 1);
	ck_assert_int_eq(n_applied, 1);
	ck_assert(pg_writer_stop(writer, pb_mono_us() + 20 * SEC));
	ck_assert_int_eq(sql("SELECT count(*) FROM item WHERE v = 5"), 0);
}
END_TEST

/* Nobody may come any more because the host says that it is not ready. */
START_TEST(healthy__again_without_new_work)
{
	servers("kill");
	ck_assert_int_eq(item_submit(pb_uuid7(), 2, 0, pb_mono_us() + SEC / 2), PB_OK);
	WAIT_FOR(n_failed + n_unknown > 0);
	servers("start");
	ck_assert(pg_writer_healthy(writer));
}
END_TEST

static void log_done(void *arg, const struct pg_reply *r)
{
	(void)arg;
	if (r->outcome == PG_APPLIED)
		n_applied++;
	else
		n_failed++;
}

START_TEST(submit__same_key_keeps_its_order)
{
	struct pb_uuid keys[3] = {pb_uuid7(), pb_uuid7(), pb_uuid7()};

	for (int i = 0; i < 600; i++) {
		pg_auto_rowset rows = PG_ROWSET_INIT;

		pg_row(&rows, 0);
		pg_row_uuid(&rows, keys[i % 3]);
		pg_row_i32(&rows, i);
		ck_assert_int_eq(pg_writer_submit(writer, &log_kind, keys[i % 3], &rows, log_done,
						  NULL, 0, NULL),
				 PB_OK);
	}
	flush();
	ck_assert_int_eq(n_applied, 600);
	ck_assert_int_eq(sql("SELECT count(*) FROM (SELECT v, lag(v) OVER (PARTITION BY id ORDER "
			     "BY seq) AS before"
			     " FROM log) t WHERE before > v"),
			 0);
}
END_TEST

START_TEST(submit__full_queue_is_refused_and_stop_flushes)
{
	int taken = 0;

	pg_writer_free(writer);
	writer_start(1, 20000);
	while (item_submit(pb_uuid7(), taken, 0, 0) == PB_OK && taken < 100000)
		taken++;
	ck_assert_int_lt(taken, 100000);
	ck_assert(pg_writer_stop(writer, pb_mono_us() + 20 * SEC));
	ck_assert_int_eq(n_applied, taken);
	ck_assert_int_eq(item_submit(pb_uuid7(), 1, 0, 0), PB_E_UNAVAILABLE);
}
END_TEST

START_TEST(submit__what_was_refused_takes_no_room)
{
	pb_autoptr(pg_tx) tx = NULL;
	static const struct pg_stmt lock = {.name = "l",
					    .sql = "LOCK TABLE item IN ACCESS EXCLUSIVE MODE"};
	struct pb_err err = PB_ERR_INIT;
	int taken = 0;

	pg_writer_free(writer);
	writer_start(1, 20000);
	ck_assert_int_eq(pg_tx_begin(pool, NULL, &tx, &err), PB_OK);
	ck_assert_int_eq(pg_tx_query(tx, &lock, NULL, NULL, NULL), PB_OK);
	while (item_submit(pb_uuid7(), taken, 0, 0) == PB_OK)
		taken++;
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(item_submit(pb_uuid7(), i, 0, 0), PB_E_UNAVAILABLE);
	pg_tx_free(tx);
	tx = NULL;
	flush();
	ck_assert_uint_eq(stats().queued_bytes, 0);
	ck_assert_int_eq(n_applied, taken);
	ck_assert_int_eq(item_submit(pb_uuid7(), 1, 0, 0), PB_OK);
	flush();
}
END_TEST

/* A lock held by somebody else: nothing can be written, stop must still come to an end. */
START_TEST(stop__has_a_deadline)
{
	pb_autoptr(pg_tx) tx = NULL;
	static const struct pg_stmt lock = {.name = "l",
					    .sql = "LOCK TABLE item IN ACCESS EXCLUSIVE MODE"};
	int64_t begun = pb_mono_us();

	ck_assert_int_eq(pg_tx_begin(pool, NULL, &tx, NULL), PB_OK);
	ck_assert_int_eq(pg_tx_query(tx, &lock, NULL, NULL, NULL), PB_OK);
	ck_assert_int_eq(item_submit(pb_uuid7(), 1, 0, 0), PB_OK);
	ck_assert(!pg_writer_stop(writer, begun + SEC / 2));
	/* not when the time for a lock is over, 5 s */
	ck_assert_int_lt(pb_mono_us() - begun, 4 * SEC);
	ck_assert_int_eq(n_failed + n_unknown, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pg_writer");
	TCase *tc = tcase_create("writer");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, submit__32_threads_1000_rows);
	tcase_add_test(tc, submit__a_poisoned_row_harms_nobody);
	tcase_add_test(tc, submit__backends_killed_in_the_middle);
	tcase_add_test(tc, submit__what_comes_too_late_is_not_written);
	tcase_add_test(tc, healthy__again_without_new_work);
	tcase_add_test(tc, submit__same_key_keeps_its_order);
	tcase_add_test(tc, submit__full_queue_is_refused_and_stop_flushes);
	tcase_add_test(tc, submit__what_was_refused_takes_no_room);
	tcase_add_test(tc, stop__has_a_deadline);
	tcase_add_test(tc, submit__server_gone_and_back);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
