/* SPDX-License-Identifier: Apache-2.0 */
/* The migration runner on a real server: all or nothing, once, and refusing what does not fit. */
#include "pg/pg_migrate.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include "pg/pg_pool.h"
#include "support/pg_db.h"
#include "base/base.h"

static struct pg_db db;
static char dir[64];

static void put(const char *name, const char *text)
{
	char path[160];
	pb_autoclose int fd = -1;

	ck_assert(pb_str_printf(path, sizeof(path), "%s/%s", dir, name));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void drop(const char *name)
{
	char path[160];

	ck_assert(pb_str_printf(path, sizeof(path), "%s/%s", dir, name));
	ck_assert_int_eq(unlink(path), 0);
}

static void setup(void)
{
	pg_db_create(&db);
	ck_assert(pb_str_copy(dir, sizeof(dir), "/tmp/pb-migrate-XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(dir));
	put("0001_a.sql", "CREATE TABLE a (x int); INSERT INTO a VALUES (1);");
	put("0003_c.sql", "INSERT INTO a VALUES (3);");
}

static void teardown(void)
{
	char path[64];

	for (int i = 1; i < 10; i++)
		for (char c = 'a'; c < 'h'; c++) {
			(void)pb_str_printf(path, sizeof(path), "%s/%04d_%c.sql", dir, i, c);
			(void)unlink(path);
		}
	ck_assert_int_eq(rmdir(dir), 0);
	pg_db_close(&db);
}

static int64_t one_number(const char *sql)
{
	struct pg_pool_config c = {.url = db.migrate_url};
	pb_autoptr(pg_pool) pool = NULL;
	pb_autoptr(pg_result) res = NULL;
	struct pg_stmt stmt = {.name = "t", .sql = sql, .replan = true};
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(pg_pool_new(&c, &pool, &err), PB_OK);
	ck_assert_msg(pg_query(pool, NULL, &stmt, NULL, &res, &err) == PB_OK, "%s", err.msg);
	return pg_get_i64(res, 0, 0);
}

static enum pb_status migrate(struct pg_migrate_report *r, struct pb_err *err)
{
	return pg_migrate_run(db.migrate_url, dir, NULL, NULL, r, err);
}

START_TEST(migrate_run__applies_in_order_and_once)
{
	struct pg_migrate_report r;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(pg_migrate_check(db.migrate_url, dir, &r, &err), PB_OK);
	ck_assert_int_eq(r.n_pending, 2);
	ck_assert_msg(migrate(&r, &err) == PB_OK, "%s", err.msg);
	ck_assert_int_eq(r.n_applied_now, 2);
	ck_assert_int_eq(r.last, 3);
	ck_assert_str_eq(r.last_name, "0003_c.sql");
	ck_assert_int_eq(migrate(&r, &err), PB_OK);
	ck_assert_int_eq(r.n_applied_now, 0);
	ck_assert_int_eq(r.n_applied_before, 2);
	ck_assert_int_eq(one_number("SELECT sum(x)::bigint FROM a"), 4);
	ck_assert_int_eq(pg_migrate_check(db.migrate_url, dir, &r, &err), PB_OK);
	ck_assert_int_eq(r.n_pending, 0);
}
END_TEST

START_TEST(migrate_run__refuses_what_does_not_fit)
{
	struct pg_migrate_report r;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(migrate(&r, &err), PB_OK);
	put("0002_b.sql", "SELECT 1");
	ck_assert_int_eq(migrate(&r, &err), PB_E_CONFLICT);
	ck_assert_str_eq(err.code, "migrate.order");
	drop("0002_b.sql");
	put("0001_a.sql", "CREATE TABLE a (x bigint)");
	ck_assert_int_eq(migrate(&r, &err), PB_E_CONFLICT);
	ck_assert_str_eq(err.code, "migrate.changed");
	ck_assert_int_eq(pg_migrate_check(db.migrate_url, dir, &r, &err), PB_E_CONFLICT);
	drop("0001_a.sql");
	ck_assert_int_eq(migrate(&r, &err), PB_E_CONFLICT);
	ck_assert_str_eq(err.code, "migrate.missing");
	put("0001_a.sql", "CREATE TABLE a (x int); INSERT INTO a VALUES (1);");
	put("0003_d.sql", "SELECT 1");
	ck_assert_int_eq(migrate(&r, &err), PB_E_INVALID);
	ck_assert_str_eq(err.code, "migrate.files");
	drop("0003_d.sql");
	ck_assert_int_eq(migrate(&r, &err), PB_OK);
}
END_TEST

START_TEST(migrate_run__leaves_nothing_of_a_failed_file)
{
	struct pg_migrate_report r;
	struct pb_err err = PB_ERR_INIT;

	put("0004_d.sql", "CREATE TABLE d (x int); INSERT INTO d SELECT 1/0;");
	put("0005_e.sql", "CREATE TABLE e (x int)");
	ck_assert_int_eq(migrate(&r, &err), PB_E_INVALID);
	ck_assert_str_eq(err.code, "migrate.failed");
	ck_assert_ptr_nonnull(strstr(err.msg, "0004_d.sql"));
	ck_assert_int_eq(one_number("SELECT count(*) FROM pg_class WHERE relname IN ('d', 'e')"),
			 0);
	ck_assert_int_eq(one_number("SELECT count(*) FROM patchbay_migration"), 2);

	put("0004_d.sql", "CREATE TABLE d (x int); COMMIT;");
	ck_assert_int_eq(migrate(&r, &err), PB_E_INVALID);
	ck_assert_int_eq(one_number("SELECT count(*) FROM patchbay_migration"), 2);
}
END_TEST

static void *migrate_thread(void *arg)
{
	struct pg_migrate_report r;
	struct pb_err err = PB_ERR_INIT;
	enum pb_status st = migrate(&r, &err);

	*(int *)arg = st == PB_OK ? r.n_applied_now : -1;
	return NULL;
}

START_TEST(migrate_run__works_once_when_many_start)
{
	pthread_t t[8];
	int applied[8];
	int sum = 0;

	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, migrate_thread, &applied[i]), 0);
	for (int i = 0; i < 8; i++) {
		(void)pthread_join(t[i], NULL);
		ck_assert_int_ge(applied[i], 0);
		sum += applied[i];
	}
	ck_assert_int_eq(sum, 2);
	ck_assert_int_eq(one_number("SELECT sum(x)::bigint FROM a"), 4);
}
END_TEST

/* The backend dies inside the file: as if the program had been killed. */
START_TEST(migrate_run__killed_in_the_middle_leaves_nothing)
{
	struct pg_migrate_report r;
	struct pb_err err = PB_ERR_INIT;

	put("0004_d.sql", "CREATE TABLE d (x int); SELECT pg_terminate_backend(pg_backend_pid());"
			  "CREATE TABLE e (x int);");
	ck_assert_int_eq(migrate(&r, &err), PB_E_UNAVAILABLE);
	ck_assert_int_eq(one_number("SELECT count(*) FROM pg_class WHERE relname IN ('d', 'e')"),
			 0);
	ck_assert_int_eq(one_number("SELECT count(*) FROM patchbay_migration"), 2);
	put("0004_d.sql", "CREATE TABLE d (x int);");
	ck_assert_int_eq(migrate(&r, &err), PB_OK);
	ck_assert_int_eq(r.n_applied_now, 1);
}
END_TEST

START_TEST(migrate_run__takes_the_files_of_the_tree)
{
	struct pg_migrate_report r;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_msg(pg_migrate_run(db.migrate_url, PB_SOURCE_DIR "/migrations", NULL, NULL, &r,
				     &err) == PB_OK,
		      "%s", err.msg);
	ck_assert_int_ge(r.n_applied_now, 4);
	/* the serving roles may look, and find nothing to do */
	ck_assert_int_eq(pg_migrate_check(db.api_url, PB_SOURCE_DIR "/migrations", &r, &err),
			 PB_OK);
	ck_assert_int_eq(r.n_pending, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pg_migrate");
	TCase *tc = tcase_create("migrate");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, migrate_run__applies_in_order_and_once);
	tcase_add_test(tc, migrate_run__refuses_what_does_not_fit);
	tcase_add_test(tc, migrate_run__leaves_nothing_of_a_failed_file);
	tcase_add_test(tc, migrate_run__works_once_when_many_start);
	tcase_add_test(tc, migrate_run__killed_in_the_middle_leaves_nothing);
	tcase_add_test(tc, migrate_run__takes_the_files_of_the_tree);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
