/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Migrations: the numbered files NNNN_name.sql of one folder, run once each, in order, each in its
 * own transaction together with its line in the table patchbay_migration. For `patchbay migrate`.
 * Surprising: the checksum (SHA-256) is computed by PostgreSQL, so that no crypto library is needed
 * here.
 */
#ifndef PB_PG_MIGRATE_H
#define PB_PG_MIGRATE_H

#include "base/err.h"

#define PG_MIGRATIONS_MAX       500
#define PG_MIGRATION_FILE_BYTES (4u * 1024 * 1024)

struct pg_migrate_report {
	int n_files, n_applied_before, n_applied_now, n_pending;
	int last; /* number of the last one that the database has; 0: none */
	char last_name[80];
};

/* Called after each file that was applied. May be NULL. */
typedef void pg_migrate_fn(void *arg, int number, const char *name, int64_t took_us);

/*
 * Applies what is missing. Several may start at once: one works, the others wait (a minute) and
 * find it done. Killed at any time, nothing half is left. Errors:  PB_E_UNAVAILABLE
 * database.unavailable PB_E_INVALID migrate.files (unreadable folder, bad name, number twice),
 * migrate.failed (with the file and the server's own words) PB_E_CONFLICT migrate.changed,
 * migrate.missing, migrate.order (file and database disagree; the message is one sentence that says
 * what to do) Threads: [main, before start]; @url is the role that owns the schema
 */
enum pb_status pg_migrate_run(const char *url, const char *dir, pg_migrate_fn *fn, void *arg,
			      struct pg_migrate_report *ret, struct pb_err *err) pb_must_check;
/* The same checks and no changes, for `serve` at its start: n_pending > 0 means "run migrate
 * first". */
enum pb_status pg_migrate_check(const char *url, const char *dir, struct pg_migrate_report *ret,
				struct pb_err *err) pb_must_check;

#endif
