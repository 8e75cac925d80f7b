/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fresh database with all migrations for one integration test, on the server of PB_TEST_PG_URL,
 *made the way an administrator does it: psql with migrations/setup/roles.sql, then the migration
 *runner. pg_db_open(&db);  ... db.api_url, db.engine_url ...  pg_db_close(&db); Surprising: the
 *four roles belong to the cluster, so all tests of one server share their passwords.
 */
#ifndef PB_TESTS_SUPPORT_PG_DB_H
#define PB_TESTS_SUPPORT_PG_DB_H

#define PB_ALLOW_GETENV /* tests get the servers' addresses from the environment */
#include <check.h>
#include <spawn.h>
#include <sys/wait.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "pg/pg_migrate.h"
#include "base/base.h"

struct pg_db {
	char name[48];
	char super_url[512]; /* superuser, in this database */
	char migrate_url[512], api_url[512], engine_url[512], admin_url[512];
};

#define PG_DB_PASSWORD "test-only-password"

/* In the initializer of a struct pg_pool_config: the machine may be busy, and giving up is not the subject. */
#define PG_DB_PATIENT                                                                              \
	.connect_timeout_us = 20 * PB_USEC_PER_SEC, .borrow_timeout_us = 20 * PB_USEC_PER_SEC,     \
	.statement_timeout_us = 20 * PB_USEC_PER_SEC

/* Runs psql with @input on standard input; 0 when all went well. The password is the throwaway
 * server's. */
static inline int pg_db_psql(const char *url, const char *input)
{
	int fds[2], status = -1;
	pid_t pid;
	posix_spawn_file_actions_t fa;
	pb_autofree char *dbname = pb_xstrdup(url);
	char psql[] = "psql", x[] = "-X", q[] = "-q", v[] = "-v", stop[] = "ON_ERROR_STOP=1",
	     d[] = "-d";
	char *const argv[] = {psql, x, q, v, stop, d, dbname, NULL};

	ck_assert_int_eq(pipe(fds), 0);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fds[0], 0);
	posix_spawn_file_actions_addclose(&fa, fds[0]);
	posix_spawn_file_actions_addclose(&fa, fds[1]);
	ck_assert_int_eq(posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ), 0);
	(void)close(fds[0]);
	ck_assert_int_eq(write(fds[1], input, strlen(input)), (ssize_t)strlen(input));
	(void)close(fds[1]);
	(void)waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&fa);
	return status;
}

/* The server's URL with another user, password and database. */
static inline void pg_db_url(char *out, size_t cap, const char *user, const char *password,
			     const char *db)
{
	const char *super = getenv("PB_TEST_PG_URL");
	const char *at, *slash;

	ck_assert_msg(super != NULL, "PB_TEST_PG_URL is not set: run under scripts/with-servers");
	at = strrchr(super, '@');
	slash = strrchr(super, '/');
	ck_assert(at != NULL && slash > at);
	if (user)
		ck_assert(pb_str_printf(out, cap, "postgresql://%s:%s%.*s/%s", user, password,
					(int)(slash - at), at, db));
	else
		ck_assert(pb_str_printf(out, cap, "%.*s/%s", (int)(slash - super), super, db));
}

/* Database and roles, no tables. */
static inline void pg_db_create(struct pg_db *db)
{
	static const char *const roles[] = {"migrate", "api", "engine", "admin"};
	pb_auto_buf sql = PB_BUF_INIT;
	pb_autofree char *file = NULL;
	uint64_t r = pb_random_u64();
	FILE *f = fopen(PB_SOURCE_DIR "/migrations/setup/roles.sql", "re");
	char line[1024];

	ck_assert(f != NULL);
	ck_assert(
		pb_str_printf(db->name, sizeof(db->name), "pbtest_%016llx", (unsigned long long)r));
	pb_buf_addf(&sql, "\\set database %s\n", db->name);
	for (size_t i = 0; i < PB_ARRAY_LEN(roles); i++)
		pb_buf_addf(&sql, "\\set %s_password '%s'\n", roles[i], PG_DB_PASSWORD);
	while (fgets(line, sizeof(line), f))
		pb_buf_adds(&sql, line);
	(void)fclose(f);
	ck_assert_int_eq(pg_db_psql(getenv("PB_TEST_PG_URL"), pb_buf_str(&sql)), 0);

	pg_db_url(db->super_url, sizeof(db->super_url), NULL, NULL, db->name);
	pg_db_url(db->migrate_url, sizeof(db->migrate_url), "patchbay_migrate", PG_DB_PASSWORD,
		  db->name);
	pg_db_url(db->api_url, sizeof(db->api_url), "patchbay_api", PG_DB_PASSWORD, db->name);
	pg_db_url(db->engine_url, sizeof(db->engine_url), "patchbay_engine", PG_DB_PASSWORD,
		  db->name);
	pg_db_url(db->admin_url, sizeof(db->admin_url), "patchbay_admin", PG_DB_PASSWORD, db->name);
}

/* The same and all migrations of the tree. */
static inline void pg_db_open(struct pg_db *db)
{
	struct pg_migrate_report report;
	struct pb_err err = PB_ERR_INIT;

	pg_db_create(db);
	ck_assert_msg(pg_migrate_run(db->migrate_url, PB_SOURCE_DIR "/migrations", NULL, NULL,
				     &report, &err) == PB_OK,
		      "%s", err.msg);
}

static inline void pg_db_close(struct pg_db *db)
{
	char sql[128];

	ck_assert(pb_str_printf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE);\n", db->name));
	ck_assert_int_eq(pg_db_psql(getenv("PB_TEST_PG_URL"), sql), 0);
}

#endif
