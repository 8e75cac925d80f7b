/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The migration runner. Reads the folder, compares it with the table patchbay_migration under an advisory
 * lock, runs what is missing.
 * Surprising: a file runs as one simple query inside BEGIN..COMMIT, with its line written in the same
 * transaction, so that being killed leaves either all of it or nothing.
 */
#include "pg/pg_migrate.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/parse.h"
#include "pg/pg_link.h"
#include "base/base.h"

#define LOCK_KEY       7305804401 /* "patchbay migrate": any constant that nothing else uses */
#define NAME_BYTES     80
#define CONNECT_US     (5 * PB_USEC_PER_SEC)
#define CHECKSUM_BYTES 32

struct migration {
	int number;
	char name[NAME_BYTES]; /* 0001_roles.sql */
	struct pb_buf text;
	bool applied;
};

/* Invariant: files are sorted by number, numbers are unique. */
struct migrations {
	struct migration *files;
	int n;
};

static void migrations_done(struct migrations *m)
{
	for (int i = 0; i < m->n; i++)
		pb_buf_done(&m->files[i].text);
	free(m->files);
}

/* ---- the folder --------------------------------------------------------------------------------- */

/* "0001_roles.sql"; false for anything else. */
static bool name_number(const char *name, int *ret)
{
	size_t n = strlen(name);
	int number = 0;

	if (n < 10 || n >= NAME_BYTES || name[4] != '_' || !pb_str_ends(name, ".sql"))
		return false;
	for (int i = 0; i < 4; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		number = number * 10 + (name[i] - '0');
	}
	for (size_t i = 5; i < n - 4; i++)
		if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') ||
		      name[i] == '_'))
			return false;
	*ret = number;
	return number > 0;
}

static bool file_read(int dir_fd, struct migration *m)
{
	pb_autoclose int fd = openat(dir_fd, m->name, O_RDONLY | O_CLOEXEC);
	char chunk[8192];
	ssize_t n;

	pb_buf_init(&m->text, PG_MIGRATION_FILE_BYTES);
	if (fd < 0)
		return false;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (!pb_buf_add(&m->text, chunk, (size_t)n))
			return false;
	/* a NUL would end the query early */
	return n == 0 && m->text.len > 0 && memchr(m->text.p, 0, m->text.len) == NULL;
}

static int by_number(const void *a, const void *b)
{
	return ((const struct migration *)a)->number - ((const struct migration *)b)->number;
}

static void close_dir(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static enum pb_status folder_read(const char *dir, struct migrations *m, struct pb_err *err)
{
	pb_cleanup(close_dir) DIR *d = opendir(dir);
	struct dirent *e;

	if (d == NULL)
		return pb_err_set(err, PB_E_INVALID, "migrate.files",
				  "the folder of migrations cannot be read");

	m->files = pb_xcalloc(PG_MIGRATIONS_MAX, sizeof(*m->files));
	while ((e = readdir(d))) {
		struct migration *f = &m->files[m->n];

		if (!pb_str_ends(e->d_name, ".sql"))
			continue;
		if (m->n == PG_MIGRATIONS_MAX || !name_number(e->d_name, &f->number))
			return pb_err_set(err, PB_E_INVALID, "migrate.files",
					  "%.80s is not named like 0001_what_it_does.sql",
					  e->d_name);
		(void)pb_str_copy(f->name, sizeof(f->name), e->d_name);
		m->n++;
		if (!file_read(dirfd(d), f))
			return pb_err_set(err, PB_E_INVALID, "migrate.files",
					  "%s cannot be read, is empty or too large", f->name);
	}
	qsort(m->files, (size_t)m->n, sizeof(*m->files), by_number);
	for (int i = 1; i < m->n; i++)
		if (m->files[i].number == m->files[i - 1].number)
			return pb_err_set(err, PB_E_INVALID, "migrate.files",
					  "%s and %s have the same number", m->files[i - 1].name,
					  m->files[i].name);
	return PB_OK;
}

/* ---- the database ------------------------------------------------------------------------------- */

static enum pb_status server_error(PGconn *conn, const PGresult *res, const char *what,
				   struct pb_err *err)
{
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *pos = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);

	if (PQstatus(conn) != CONNECTION_OK || text == NULL)
		return pb_err_set(err, PB_E_UNAVAILABLE, "database.unavailable",
				  "the database went away during %s", what);
	return pb_err_set(err, PB_E_INVALID, "migrate.failed", "%s: %.160s%s%s", what, text,
			  pos ? " at character " : "", pos ? pos : "");
}

/* Runs one text of fixed SQL or of a migration file. */
static enum pb_status run(PGconn *conn, const char *sql, const char *what, struct pb_err *err)
{
	PGresult *res = PQexec(conn, sql);
	ExecStatusType st = PQresultStatus(res);
	enum pb_status ret = PB_OK;

	if (st != PGRES_COMMAND_OK && st != PGRES_TUPLES_OK && st != PGRES_EMPTY_QUERY)
		ret = server_error(conn, res, what, err);
	PQclear(res);
	return ret;
}

static enum pb_status params(PGconn *conn, const char *sql, const struct pg_args *args,
			     const char *what, PGresult **ret, struct pb_err *err)
{
	const char *values[PG_ARGS_MAX];
	int formats[PG_ARGS_MAX];
	PGresult *res;
	ExecStatusType st;

	for (int i = 0; i < args->n; i++) {
		values[i] = args->data.p + args->off[i];
		formats[i] = 1;
	}
	res = PQexecParams(conn, sql, args->n, args->oid, values, args->len, formats, 1);
	st = PQresultStatus(res);
	if (st != PGRES_COMMAND_OK && st != PGRES_TUPLES_OK) {
		enum pb_status bad = server_error(conn, res, what, err);

		PQclear(res);
		return bad;
	}
	if (ret)
		*ret = res;
	else
		PQclear(res);
	return PB_OK;
}

static const char create_table_sql[] =
	"CREATE TABLE IF NOT EXISTS patchbay_migration ("
	" number int PRIMARY KEY, name text NOT NULL, checksum bytea NOT NULL,"
	" applied_at timestamptz NOT NULL DEFAULT clock_timestamp(), took_us bigint NOT NULL)";

static enum pb_status checksum_of(PGconn *conn, const struct migration *f,
				  uint8_t out[CHECKSUM_BYTES], struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;
	PGresult *res = NULL;
	enum pb_status st;

	pg_arg_bytes(&args, f->text.p, f->text.len);
	st = params(conn, "SELECT sha256($1)", &args, "the checksum", &res, err);
	if (st)
		return st;
	PB_ASSERT(PQgetlength(res, 0, 0) == CHECKSUM_BYTES);
	memcpy(out, PQgetvalue(res, 0, 0), CHECKSUM_BYTES);
	PQclear(res);
	return PB_OK;
}

static struct migration *find(struct migrations *m, int number)
{
	for (int i = 0; i < m->n; i++)
		if (m->files[i].number == number)
			return &m->files[i];
	return NULL;
}

/* One line of the table against the folder. */
static enum pb_status compare_line(PGconn *conn, struct migrations *m, const PGresult *res, int row,
				   struct pg_migrate_report *report, struct pb_err *err)
{
	int number = pg_get_i32(res, row, 0);
	struct pb_slice name = pg_get_slice(res, row, 1), sum = pg_get_slice(res, row, 2);
	struct migration *f = find(m, number);
	uint8_t now[CHECKSUM_BYTES];
	enum pb_status st;

	if (f == NULL)
		return pb_err_set(
			err, PB_E_CONFLICT, "migrate.missing",
			"the database has migration %.*s, which this program does not know: "
			"install the version that brought it, or a newer one",
			(int)name.len, name.p);
	st = checksum_of(conn, f, now, err);
	if (st)
		return st;
	if (sum.len != CHECKSUM_BYTES || memcmp(now, sum.p, CHECKSUM_BYTES) != 0)
		return pb_err_set(
			err, PB_E_CONFLICT, "migrate.changed",
			"%s was changed after this database had run it: restore the file and put "
			"the change into a new one",
			f->name);
	f->applied = true;
	report->n_applied_before++;
	report->last = number;
	(void)pb_str_copy(report->last_name, sizeof(report->last_name), f->name);
	return PB_OK;
}

static enum pb_status compare(PGconn *conn, struct migrations *m, struct pg_migrate_report *report,
			      struct pb_err *err)
{
	pg_auto_args none = PG_ARGS_INIT;
	PGresult *res = NULL;
	enum pb_status st;

	memset(report, 0, sizeof(*report));
	report->n_files = m->n;
	st = params(conn, "SELECT number, name, checksum FROM patchbay_migration ORDER BY number",
		    &none, "reading the table of migrations", &res, err);
	if (st)
		return st;
	for (int i = 0; i < PQntuples(res) && st == PB_OK; i++)
		st = compare_line(conn, m, res, i, report, err);
	PQclear(res);
	for (int i = 0; i < m->n && st == PB_OK; i++) {
		report->n_pending += !m->files[i].applied;
		if (!m->files[i].applied && m->files[i].number < report->last)
			st = pb_err_set(
				err, PB_E_CONFLICT, "migrate.order",
				"%s is new but the database is at %s already: give it a higher "
				"number",
				m->files[i].name, report->last_name);
	}
	return st;
}

static enum pb_status record(PGconn *conn, const struct migration *f, int64_t took_us,
			     struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	pg_arg_i32(&args, f->number);
	pg_arg_text(&args, f->name);
	pg_arg_bytes(&args, f->text.p, f->text.len);
	pg_arg_i64(&args, took_us);
	return params(conn,
		      "INSERT INTO patchbay_migration (number, name, checksum, took_us)"
		      " VALUES ($1, $2, sha256($3), $4)",
		      &args, f->name, NULL, err);
}

static enum pb_status apply_one(PGconn *conn, const struct migration *f, int64_t *ret_took_us,
				struct pb_err *err)
{
	int64_t begun = pb_mono_us();
	enum pb_status st;

	/* A lock that does not come soon holds up everybody behind us: better fail and be started again. */
	st = run(conn, "BEGIN; SET LOCAL lock_timeout = '10s'", f->name, err);
	if (st == PB_OK)
		st = run(conn, f->text.p, f->name, err);
	if (st == PB_OK && PQtransactionStatus(conn) != PQTRANS_INTRANS)
		return pb_err_set(err, PB_E_INVALID, "migrate.failed",
				  "%s ends its own transaction: remove COMMIT or ROLLBACK",
				  f->name);
	*ret_took_us = pb_mono_us() - begun;
	if (st == PB_OK)
		st = record(conn, f, *ret_took_us, err);
	if (st == PB_OK)
		return run(conn, "COMMIT", f->name, err);
	(void)run(conn, "ROLLBACK", f->name,
		  NULL); /* the connection may be gone: then it is rolled back */
	return st;
}

static enum pb_status apply(PGconn *conn, struct migrations *m, pg_migrate_fn *fn, void *arg,
			    struct pg_migrate_report *report, struct pb_err *err)
{
	for (int i = 0; i < m->n; i++) {
		struct migration *f = &m->files[i];
		int64_t took_us = 0;
		enum pb_status st;

		if (f->applied)
			continue;
		st = apply_one(conn, f, &took_us, err);
		if (st)
			return st;
		report->n_applied_now++;
		report->n_pending--;
		report->last = f->number;
		(void)pb_str_copy(report->last_name, sizeof(report->last_name), f->name);
		if (fn)
			fn(arg, f->number, f->name, took_us);
	}
	return PB_OK;
}

/* Under the lock; the table is made here, so that two first starts do not both try. */
static enum pb_status locked_run(PGconn *conn, struct migrations *m, pg_migrate_fn *fn, void *arg,
				 struct pg_migrate_report *ret, struct pb_err *err)
{
	enum pb_status st;
	pg_auto_args key = PG_ARGS_INIT;

	pg_arg_i64(&key, LOCK_KEY);
	st = run(conn, "SET lock_timeout = '60s'", "the lock", err);
	if (st == PB_OK)
		st = params(conn, "SELECT pg_advisory_lock($1)", &key,
			    "waiting for another migration", NULL, err);
	if (st == PB_OK)
		st = run(conn, create_table_sql, "the table of migrations", err);
	if (st == PB_OK)
		st = compare(conn, m, ret, err);
	return st ? st : apply(conn, m, fn, arg, ret, err);
}

static enum pb_status table_exists(PGconn *conn, bool *ret, struct pb_err *err)
{
	pg_auto_args none = PG_ARGS_INIT;
	PGresult *res = NULL;
	enum pb_status st = params(conn, "SELECT to_regclass('patchbay_migration') IS NOT NULL",
				   &none, "reading the catalogue", &res, err);

	if (st)
		return st;
	*ret = pg_get_bool(res, 0, 0);
	PQclear(res);
	return PB_OK;
}

static enum pb_status only_check(PGconn *conn, struct migrations *m, struct pg_migrate_report *ret,
				 struct pb_err *err)
{
	bool exists = false;
	enum pb_status st = table_exists(conn, &exists, err);

	if (st)
		return st;
	if (exists)
		return compare(conn, m, ret, err);
	memset(ret, 0, sizeof(*ret));
	ret->n_files = ret->n_pending = m->n;
	return PB_OK;
}

static enum pb_status with_connection(const char *url, const char *dir, bool change,
				      pg_migrate_fn *fn, void *arg, struct pg_migrate_report *ret,
				      struct pb_err *err)
{
	pb_cleanup(migrations_done) struct migrations m = {NULL, 0};
	struct pg_link_config config = {0};
	pb_autofree struct pg_link *link = pb_new(struct pg_link);
	enum pb_status st = folder_read(dir, &m, err);

	if (st)
		return st;
	/* No statement timeout: building an index takes what it takes. */
	st = pg_link_config_init(&config, url, "patchbay-migrate", NULL, CONNECT_US, 0, err);
	if (st)
		return st;

	pg_link_init(link, &config);
	st = pg_link_open(link, err);
	if (st == PB_OK) {
		(void)PQexitPipelineMode(link->conn);
		(void)PQsetnonblocking(link->conn, 0);
		st = change ? locked_run(link->conn, &m, fn, arg, ret, err)
			    : only_check(link->conn, &m, ret, err);
	}
	pg_link_close(link);
	pg_link_config_done(&config);
	return st;
}

enum pb_status pg_migrate_run(const char *url, const char *dir, pg_migrate_fn *fn, void *arg,
			      struct pg_migrate_report *ret, struct pb_err *err)
{
	return with_connection(url, dir, true, fn, arg, ret, err);
}

enum pb_status pg_migrate_check(const char *url, const char *dir, struct pg_migrate_report *ret,
				struct pb_err *err)
{
	return with_connection(url, dir, false, NULL, NULL, ret, err);
}
