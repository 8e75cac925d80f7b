/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of one database role, lent to one thread at a time, and short transactions on them.
 * Surprising: a transaction's first statements are not sent until somebody wants an answer, so that
 * BEGIN, the tenant and the first query cost one round trip, and with pg_tx_last the COMMIT too.
 */
#ifndef PB_PG_POOL_H
#define PB_PG_POOL_H

#include "pg/pg_value.h"
#include "base/err.h"

struct pg_pool;
struct pg_tx;

/* Zero means the default in brackets. Strings are copied. */
struct pg_pool_config {
	const char *url; /* libpq URI or key=value text; the password never leaves it */
	const char *application_name; /* ["patchbay"] */
	int max_connections;          /* [8] */
	int64_t connect_timeout_us;   /* [2 s] */
	int64_t borrow_timeout_us;    /* [2 s] waiting for a free connection */
	int64_t statement_timeout_us; /* [5 s] set at the server; the client waits 1 s longer, then
					 cuts */
};

struct pg_pool_stats {
	int in_use, idle, max;
	uint64_t opened, open_failed, borrowed, waited, refused, lost;
};

/*
 * Makes a pool. Connects when first needed: the server may be away now.
 * Owner:   *ret_pool owned, free with pg_pool_free() when nothing is borrowed.
 * Errors:  PB_E_INVALID database.url
 * Threads: [main, before start]; everything else [any-thread] but CivetWeb's too: little stack is
 * used.
 */
enum pb_status pg_pool_new(const struct pg_pool_config *config, struct pg_pool **ret_pool,
			   struct pb_err *err) pb_must_check;
void pg_pool_free(struct pg_pool *pool);
PB_DEFINE_AUTOPTR(pg_pool, pg_pool_free);
void pg_pool_stats(struct pg_pool *pool, struct pg_pool_stats *ret);
/* One round trip on a pooled connection. Errors: PB_E_UNAVAILABLE. For readiness. */
enum pb_status pg_pool_health(struct pg_pool *pool, struct pb_err *err) pb_must_check;

/*
 * How statements fail, for every function below:
 *   PB_E_UNAVAILABLE database.unavailable      away, or no connection free in time: nothing was
 * done PB_E_TIMEOUT     database.timeout          statement or lock timeout: nothing was done
 *   PB_E_TIMEOUT     database.outcome_unknown  the connection broke after a COMMIT was sent
 *   PB_E_UNAVAILABLE database.retry            deadlock or serialization: repeat the transaction
 *   PB_E_CONFLICT    database.conflict         unique or foreign key (pg_tx_constraint tells which)
 *   PB_E_INVALID     database.value            a value the database refuses (check, range,
 * encoding) PB_E_FORBIDDEN   database.denied           privilege or row security PB_E_INTERNAL
 * database.error            anything else (a bug in a statement) Messages never hold SQL, values or
 * addresses.
 */

/*
 * One statement in its own transaction and one round trip, for rows of @tenant (row-level
 * security);
 * @tenant NULL sets none.
 * Owner:   *ret owned (may be NULL when the rows are not wanted), pg_result_free(). @args may be
 * NULL.
 */
enum pb_status pg_query(struct pg_pool *pool, const struct pb_uuid *tenant,
			const struct pg_stmt *stmt, const struct pg_args *args,
			struct pg_result **ret, struct pb_err *err) pb_must_check;

/*
 * A transaction of @tenant (NULL: none). Borrows a connection until it ends.
 * Owner:   *ret_tx owned; pg_tx_free() rolls back what was not committed. Use pb_autoptr(pg_tx).
 * Errors:  PB_E_UNAVAILABLE
 * Threads: one thread from begin to free.
 */
enum pb_status pg_tx_begin(struct pg_pool *pool, const struct pb_uuid *tenant,
			   struct pg_tx **ret_tx, struct pb_err *err) pb_must_check;
/* After an error the transaction can only be freed. */
enum pb_status pg_tx_query(struct pg_tx *tx, const struct pg_stmt *stmt, const struct pg_args *args,
			   struct pg_result **ret, struct pb_err *err) pb_must_check;
/* The same, and the COMMIT in the same round trip. The transaction has ended either way. */
enum pb_status pg_tx_last(struct pg_tx *tx, const struct pg_stmt *stmt, const struct pg_args *args,
			  struct pg_result **ret, struct pb_err *err) pb_must_check;
enum pb_status pg_tx_commit(struct pg_tx *tx, struct pb_err *err) pb_must_check;
/* Name of the constraint the last failed statement ran into, "" when none. Borrowed until free. */
const char *pg_tx_constraint(const struct pg_tx *tx);
void pg_tx_free(struct pg_tx *tx);
PB_DEFINE_AUTOPTR(pg_tx, pg_tx_free);

#endif
