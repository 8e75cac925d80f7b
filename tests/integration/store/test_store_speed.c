/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hot statements cost: rows a second through the writer with 64 submitters, and their plans as
 * PostgreSQL itself logs them (auto_explain). The floors are far below what a small and busy machine does; the
 * numbers are printed. The plans are checked strictly: no scan of the whole live table, no partition but the one needed.
 */
#include "store/store_execution.h"
#include <pthread.h>
#include "store/store_execution_view.h"
#include "store/store_sweep.h"
#include "support/pg_db.h"
#include "support/store_sync.h"
#include "base/base.h"

#define THREADS   64
#define EACH      60
#define SEC       PB_USEC_PER_SEC
#define FILLED    30000 /* live rows that are not due, while plans are looked at */
#define LOG_BYTES (64u << 20)

static struct pg_db db;
static struct pg_pool *engine, *api;
static struct pg_writer *writer;
static struct pb_uuid tenant, owner;
static struct pb_uuid ids[THREADS][EACH];
static char trigger[600];

static struct pg_pool *pool_of(const char *url)
{
	const struct pg_pool_config c = {.url = url, .max_connections = 4, PG_DB_PATIENT};
	struct pg_pool *p = NULL;

	ck_assert_int_eq(pg_pool_new(&c, &p, NULL), PB_OK);
	return p;
}

static void start(int n_threads)
{
	struct pg_writer_config c = {.n_threads = n_threads};

	c.url = db.engine_url;
	ck_assert_int_eq(pg_writer_new(&c, &writer, NULL), PB_OK);
	engine = pool_of(db.engine_url);
	api = pool_of(db.api_url);
	tenant = pb_uuid7();
	owner = pb_uuid7();
	memset(trigger, 'x', sizeof(trigger));
}

static void stop(void)
{
	pg_writer_free(writer);
	pg_pool_free(engine);
	pg_pool_free(api);
}

static void *accept_many(void *arg)
{
	struct pb_uuid *mine = ids[(intptr_t)arg];

	for (int i = 0; i < EACH; i++) {
		struct store_accept a = {
			.tenant_id = tenant, .id = pb_uuid7(), .workflow_version = 1};
		struct sync_wait w;

		a.workflow_id = tenant;
		a.trigger = pb_slice(trigger, sizeof(trigger));
		a.redispatch_after_us = 3600 * SEC;
		if (sync_accept(writer, &a, &w) != PG_APPLIED)
			return arg;
		mine[i] = a.id;
	}
	return NULL;
}

static void *accept_keys(void *arg)
{
	for (int i = 0; i < EACH; i++) {
		struct store_accept a = {
			.tenant_id = tenant, .id = pb_uuid7(), .workflow_version = 1};
		struct sync_wait w;

		a.workflow_id = tenant;
		a.trigger = pb_slice(trigger, sizeof(trigger));
		a.redispatch_after_us = 3600 * SEC;
		a.idem_scope = PB_SLICE("hook:bench");
		memcpy(a.idem_key_hash, a.id.b, 16);
		pb_random_bytes(a.idem_key_hash, 8);
		if (sync_accept(writer, &a, &w) != PG_APPLIED)
			return arg;
	}
	return NULL;
}

static void *claim_many(void *arg)
{
	struct pb_uuid *mine = ids[(intptr_t)arg];
	struct pb_arena arena;
	void *bad = NULL;

	pb_arena_init(&arena, 16u << 20);
	for (int i = 0; i < EACH && !bad; i++) {
		struct sync_wait w;

		if (sync_claim(writer, tenant, mine[i], owner, pb_uuid7(), 300 * SEC, &arena, &w) !=
		    PG_APPLIED)
			bad = arg ? arg : mine;
	}
	pb_arena_done(&arena);
	return bad;
}

static struct store_step one_step(void)
{
	return (struct store_step){.step_id = PB_SLICE("tell"),
				   .status = MODEL_STEP_SUCCEEDED,
				   .attempt = 1,
				   .attempts = PB_SLICE("[{\"start\":1,\"end\":2}]"),
				   .input = pb_slice(trigger, 200),
				   .output = pb_slice(trigger, 200),
				   .started_at = 1,
				   .finished_at = 2};
}

static void *checkpoint_many(void *arg)
{
	struct pb_uuid *mine = ids[(intptr_t)arg];

	for (int i = 0; i < EACH; i++) {
		struct store_step s = one_step();
		struct store_checkpoint c = {.lease = {tenant, mine[i], owner, 1},
					     .status = MODEL_EXECUTION_RUNNING,
					     .due_in_us = 300 * SEC,
					     .steps = &s,
					     .n_steps = 1};
		struct sync_wait w;

		if (sync_checkpoint(writer, &c, &w) != PG_APPLIED)
			return mine;
	}
	return NULL;
}

static void *finish_many(void *arg)
{
	struct pb_uuid *mine = ids[(intptr_t)arg];

	for (int i = 0; i < EACH; i++) {
		struct store_step s = one_step();
		struct store_finish f = {.lease = {tenant, mine[i], owner, 1},
					 .status = MODEL_EXECUTION_SUCCEEDED,
					 .result = pb_slice(trigger, 200),
					 .steps = &s,
					 .n_steps = 1};
		struct sync_wait w;

		if (sync_finish(writer, &f, &w) != PG_APPLIED)
			return mine;
	}
	return NULL;
}

static void measure(const char *what, void *(*fn)(void *))
{
	struct pg_writer_stats before, after;
	pthread_t t[THREADS];
	int64_t begun = pb_mono_us(), took;
	double per_s, per_batch;

	pg_writer_stats(writer, &before);
	for (intptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, fn, (void *)i), 0);
	for (int i = 0; i < THREADS; i++) {
		void *bad = NULL;

		(void)pthread_join(t[i], &bad);
		ck_assert_ptr_null(bad);
	}
	took = pb_mono_us() - begun;
	pg_writer_stats(writer, &after);
	per_s = THREADS * EACH * 1e6 / (double)took;
	per_batch = (double)(after.rows - before.rows) / (double)(after.batches - before.batches);
	printf("%-12s %8.0f rows/s, %5.1f rows a batch, %.2f ms a batch\n", what, per_s, per_batch,
	       (double)(after.write_us - before.write_us) / 1000 /
		       (double)(after.batches - before.batches));
	ck_assert(per_s > 100);
	ck_assert(per_batch > 2); /* not a commit for each */
}

START_TEST(speed__of_the_writer)
{
	pg_db_open(&db);
	start(_i);
	printf("%d writer threads, %d submitters\n", _i, THREADS);
	measure("accept", accept_many);
	measure("accept+key", accept_keys);
	measure("claim", claim_many);
	measure("checkpoint", checkpoint_many);
	measure("finish", finish_many);
	stop();
	pg_db_close(&db);
}
END_TEST

/* ---- plans -------------------------------------------------------------------------------------- */

static char *read_log(size_t from, size_t *ret_n)
{
	char path[300];
	FILE *f;
	char *text = pb_xcalloc(LOG_BYTES, 1);

	ck_assert(pb_str_printf(path, sizeof(path), "%s/log/postgres.log",
				getenv("PB_TEST_SERVERS_DIR")));
	f = fopen(path, "re");
	ck_assert(f != NULL && fseek(f, (long)from, SEEK_SET) == 0);
	*ret_n = fread(text, 1, LOG_BYTES - 1, f);
	(void)fclose(f);
	return text;
}

static int count(const char *text, const char *what)
{
	int n = 0;

	for (const char *p = strstr(text, what); p; p = strstr(p + 1, what))
		n++;
	return n;
}

/* One logged plan, from "duration:" to the next one. */
static void check_plan(const char *plan)
{
	int history = count(plan, " on execution_history_2"), steps = count(plan, " on step_run_2");

	if (strstr(plan, "Seq Scan on execution ") || strstr(plan, "Seq Scan on execution e") ||
	    strstr(plan, "Bitmap Heap Scan on execution ") ||
	    strstr(plan, "Bitmap Heap Scan on execution e") || strstr(plan, "Hash Join") ||
	    history > 6 || steps > 6)
		ck_abort_msg("%.3000s", plan);
}

START_TEST(plans__touch_what_they_need)
{
	pb_autofree char *log = NULL;
	size_t from, n;
	int plans = 0;
	struct pb_arena arena;
	struct store_execution *e, *list;
	struct store_execution_filter filter = {.limit = 20};
	struct store_swept swept[50];
	struct store_step *steps;
	struct pb_err err = PB_ERR_INIT;
	bool more;
	int n_swept;

	pg_db_open(&db);
	/* the statistics say: empty. Then it fills up. */
	ck_assert_int_eq(
		pg_db_psql(
			db.super_url,
			"ANALYZE; ALTER TABLE execution SET (autovacuum_enabled = off);"
			"INSERT INTO execution (tenant_id, id, workflow_id, workflow_version, "
			"status, created_at, due_at)"
			" SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, 0, "
			"now(), 'infinity'"
			" FROM generate_series(1, 30000);"
			"SELECT format('ALTER DATABASE %I SET session_preload_libraries = "
			"auto_explain', current_database()) \\gexec\n"
			"SELECT format('ALTER DATABASE %I SET auto_explain.log_min_duration = 0', "
			"current_database()) \\gexec\n"
			"SELECT format('ALTER DATABASE %I SET auto_explain.log_nested_statements = "
			"on', current_database()) \\gexec\n"),
		0);
	log = read_log(0, &from);
	free(pb_steal(log));
	start(1);
	pb_arena_init(&arena, 16u << 20);
	for (int i = 0; i < 8; i++)
		ck_assert_ptr_null(accept_many((void *)0));
	ck_assert_ptr_null(claim_many((void *)0));
	ck_assert_ptr_null(checkpoint_many((void *)0));
	ck_assert_int_eq(store_execution_get(api, tenant, ids[0][3], &arena, &e, &err), PB_OK);
	ck_assert_ptr_null(finish_many((void *)0));
	for (int i = 0; i < 8; i++) {
		ck_assert_int_eq(store_sweep(engine, 50, (enum model_execution_status)(i % 3), SEC,
					     swept, &n_swept, &err),
				 PB_OK);
		ck_assert_int_eq(store_execution_get(api, tenant, ids[0][i], &arena, &e, &err),
				 PB_OK);
		ck_assert_int_eq(
			store_execution_steps(api, tenant, ids[0][i], &arena, &steps, &n, &err),
			PB_OK);
		ck_assert_int_eq(
			store_execution_list(api, tenant, &filter, &arena, &list, &n, &more, &err),
			PB_OK);
		ck_assert_uint_eq(n, 20);
	}
	stop();
	log = read_log(from, &n);
	for (char *p = strstr(log, " plan:"), *next; p; p = next) {
		next = strstr(p + 1, " plan:");
		if (next)
			next[-1] = 0;
		check_plan(p);
		plans++;
	}
	printf("%d plans looked at\n", plans);
	ck_assert_int_gt(plans, 100);
	pb_arena_done(&arena);
	pg_db_close(&db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_speed");
	TCase *tc = tcase_create("speed");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, speed__of_the_writer, 1, 3);
	tcase_add_test(tc, plans__touch_what_they_need);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
