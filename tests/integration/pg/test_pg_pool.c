/* SPDX-License-Identifier: Apache-2.0 */
/* The pool on a real server: tenants, errors, limits, and a server that goes away. */
#include "pg/pg_pool.h"
#include <pthread.h>
#include "base/clock.h"
#include "support/pg_db.h"
#include "base/base.h"

#define SEC PB_USEC_PER_SEC

static struct pg_db db;
static struct pg_pool *pool;
static struct pb_err err;

static const struct pg_stmt one = {.name = "one", .sql = "SELECT 1::int8"};

static void open_pool(int64_t statement_timeout_us)
{
	const struct pg_pool_config c = {.url = db.super_url,
					 .max_connections = 2,
					 .connect_timeout_us = 20 * SEC,
					 .borrow_timeout_us = SEC / 4,
					 .statement_timeout_us = statement_timeout_us};

	ck_assert_int_eq(pg_pool_new(&c, &pool, &err), PB_OK);
}

static void setup(void)
{
	pg_db_create(&db);
	open_pool(20 * SEC);
	ck_assert_int_eq(pg_db_psql(db.super_url,
				    "CREATE TABLE t (k int PRIMARY KEY CHECK (k < 100), v text);"),
			 0);
}

static void teardown(void)
{
	pg_pool_free(pool);
	pg_db_close(&db);
}

START_TEST(pool__values_of_all_types)
{
	static const struct pg_stmt echo = {
		.name = "echo",
		.sql = "SELECT $1::bool, $2::int2, $3::int4, $4::int8, $5::float8, $6::uuid, "
		       "$7::text, $8::bytea,"
		       " $9::timestamptz, $10::date, $11::uuid[], $12::timestamptz"};
	pg_auto_args a = PG_ARGS_INIT;
	pb_autoptr(pg_result) r = NULL;
	struct pb_uuid id = pb_uuid7();

	pg_arg_bool(&a, true);
	pg_arg_i16(&a, -2);
	pg_arg_i32(&a, -3);
	pg_arg_i64(&a, INT64_MIN);
	pg_arg_f64(&a, 0.1);
	pg_arg_uuid(&a, id);
	pg_arg_text(&a, "h\xc3\xa9");
	pg_arg_bytes(&a, "a\0b", 3);
	pg_arg_time(&a, INT64_C(1700000000123456));
	pg_arg_date(&a, 20000);
	pg_arg_uuids(&a, &id, 1);
	pg_arg_time(&a, PG_TIME_INFINITY);
	ck_assert_msg(pg_query(pool, NULL, &echo, &a, &r, &err) == PB_OK, "%s", err.msg);
	ck_assert(pg_get_bool(r, 0, 0));
	ck_assert_int_eq(pg_get_i16(r, 0, 1), -2);
	ck_assert_int_eq(pg_get_i32(r, 0, 2), -3);
	ck_assert(pg_get_i64(r, 0, 3) == INT64_MIN);
	ck_assert(pg_get_f64(r, 0, 4) == 0.1);
	ck_assert(pb_uuid_eq(pg_get_uuid(r, 0, 5), id));
	ck_assert(pb_slice_eq_str(pg_get_slice(r, 0, 6), "h\xc3\xa9"));
	ck_assert_uint_eq(pg_get_slice(r, 0, 7).len, 3);
	ck_assert_int_eq(pg_get_time(r, 0, 8), INT64_C(1700000000123456));
	ck_assert_int_eq(pg_get_date(r, 0, 9), 20000);
	ck_assert(pg_get_time(r, 0, 11) == PG_TIME_INFINITY);
}
END_TEST

START_TEST(pool__the_tenant_ends_with_its_transaction)
{
	static const struct pg_stmt who = {
		.name = "who", .sql = "SELECT coalesce(current_setting('app.tenant', true), '')"};
	struct pb_uuid tenant = pb_uuid7();
	char text[PB_UUID_TEXT_BYTES];

	pb_uuid_format(tenant, text);
	for (int i = 0; i < 4; i++) {
		pb_autoptr(pg_result) r = NULL;

		ck_assert_int_eq(pg_query(pool, i % 2 ? NULL : &tenant, &who, NULL, &r, &err),
				 PB_OK);
		ck_assert(pb_slice_eq_str(pg_get_slice(r, 0, 0), i % 2 ? "" : text));
	}
}
END_TEST

START_TEST(pool__errors_are_told_apart)
{
	static const struct {
		const char *sql;
		enum pb_status status;
		const char *code;
	} c[] = {
		{"INSERT INTO t VALUES (1), (1)", PB_E_CONFLICT, "database.conflict"},
		{"INSERT INTO t VALUES (100)", PB_E_INVALID, "database.value"},
		{"SELECT 1/0", PB_E_INVALID, "database.value"},
		{"SELECT pg_sleep(30)", PB_E_TIMEOUT, "database.timeout"},
		{"SELECT nonsense", PB_E_INTERNAL, "database.error"},
		{"SELECT count(pg_terminate_backend(pg_backend_pid()))", PB_E_UNAVAILABLE,
		 "database.unavailable"},
	};
	const struct pg_stmt stmt = {.name = "case", .sql = c[_i].sql};
	const int64_t end = pb_mono_us() + 20 * SEC;
	pb_autoptr(pg_result) r = NULL;

	if (c[_i].status == PB_E_TIMEOUT) {
		pg_pool_free(pool);
		open_pool(SEC);
	}
	ck_assert_int_eq(pg_query(pool, NULL, &stmt, NULL, NULL, &err), c[_i].status);
	if (c[_i].code)
		ck_assert_str_eq(err.code, c[_i].code);
	/* whatever happened, the pool goes on (where a statement has a second, a busy machine may need several) */
	while (pg_query(pool, NULL, &one, NULL, &r, &err) != PB_OK)
		ck_assert_msg(c[_i].status == PB_E_TIMEOUT && pb_mono_us() < end, "%s", err.msg);
	ck_assert_int_eq(pg_get_i64(r, 0, 0), 1);
}
END_TEST

START_TEST(tx__is_all_or_nothing)
{
	static const struct pg_stmt add = {.name = "add", .sql = "INSERT INTO t VALUES ($1, 'x')"};
	static const struct pg_stmt n = {.name = "n", .sql = "SELECT count(*) FROM t"};
	pg_auto_args a = PG_ARGS_INIT, b = PG_ARGS_INIT;
	pb_autoptr(pg_result) r = NULL;

	pg_arg_i32(&a, 1);
	pg_arg_i32(&b, 2);
	{
		pb_autoptr(pg_tx) tx = NULL;

		ck_assert_int_eq(pg_tx_begin(pool, NULL, &tx, &err), PB_OK);
		ck_assert_int_eq(pg_tx_query(tx, &add, &a, NULL, &err), PB_OK);
		ck_assert_int_eq(pg_tx_query(tx, &add, &b, NULL, &err), PB_OK);
		ck_assert_int_eq(pg_tx_query(tx, &add, &a, NULL, &err), PB_E_CONFLICT);
		ck_assert_str_eq(pg_tx_constraint(tx), "t_pkey");
		ck_assert_int_eq(pg_tx_commit(tx, &err), PB_E_INTERNAL);
	}
	{
		pb_autoptr(pg_tx) tx = NULL;

		ck_assert_int_eq(pg_tx_begin(pool, NULL, &tx, &err), PB_OK);
		ck_assert_int_eq(pg_tx_query(tx, &add, &a, NULL, &err), PB_OK);
	}
	ck_assert_int_eq(pg_query(pool, NULL, &n, NULL, &r, &err), PB_OK);
	ck_assert_int_eq(pg_get_i64(r, 0, 0), 0);
}
END_TEST

START_TEST(pool__is_bounded)
{
	pb_autoptr(pg_tx) a = NULL;
	pb_autoptr(pg_tx) b = NULL;
	struct pg_tx *c = NULL;
	struct pg_pool_stats s;
	int64_t begun = pb_mono_us();

	ck_assert_int_eq(pg_tx_begin(pool, NULL, &a, &err), PB_OK);
	ck_assert_int_eq(pg_tx_begin(pool, NULL, &b, &err), PB_OK);
	ck_assert_int_eq(pg_tx_begin(pool, NULL, &c, &err), PB_E_UNAVAILABLE);
	ck_assert_int_ge(pb_mono_us() - begun, SEC / 4);
	pg_pool_stats(pool, &s);
	ck_assert_int_eq(s.in_use, 2);
	ck_assert_uint_eq(s.refused, 1);
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

START_TEST(pool__fails_fast_and_comes_back)
{
	int64_t begun;

	ck_assert_int_eq(pg_pool_health(pool, &err), PB_OK);
	servers("kill");
	begun = pb_mono_us();
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(pg_query(pool, NULL, &one, NULL, NULL, &err), PB_E_UNAVAILABLE);
	/* none has waited for a connection, which would be a quarter of a second each */
	ck_assert_int_lt(pb_mono_us() - begun, 10 * SEC);
	servers("start");
	begun = pb_mono_us();
	while (pg_pool_health(pool, &err) != PB_OK)
		ck_assert_int_lt(pb_mono_us() - begun, 20 * SEC);
}
END_TEST

START_TEST(pool__refuses_a_bad_url)
{
	const struct pg_pool_config c = {.url = "postgresql://[::bad"};
	struct pg_pool *p = NULL;

	ck_assert_int_eq(pg_pool_new(&c, &p, &err), PB_E_INVALID);
	ck_assert_str_eq(err.code, "database.url");
	ck_assert_ptr_null(p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pg_pool");
	TCase *tc = tcase_create("pool");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, pool__values_of_all_types);
	tcase_add_test(tc, pool__the_tenant_ends_with_its_transaction);
	tcase_add_loop_test(tc, pool__errors_are_told_apart, 0, 6);
	tcase_add_test(tc, tx__is_all_or_nothing);
	tcase_add_test(tc, pool__is_bounded);
	tcase_add_test(tc, pool__refuses_a_bad_url);
	tcase_add_test(tc, pool__fails_fast_and_comes_back);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
