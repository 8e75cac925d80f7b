/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection in pipeline mode with its cache of prepared statements: what pool, writer, lock and
 * migrations share. Private to pg. One thread at a time.
 *
 * A turn: pg_link_send... (queued, in order), then pg_link_run sends the sync and collects the answers.
 */
#ifndef PB_PG_LINK_H
#define PB_PG_LINK_H

#include <libpq-fe.h>
#include "base/err.h"
#include "pg/pg_value.h"

#define PG_LINK_STMTS 512 /* slots of the statement cache, a power of two */
#define PG_LINK_QUEUE 64  /* commands of one turn */

struct pg_link_config {
	char *url;
	char *application_name;
	char *session; /* "-c name=value ..." given at the start, may be NULL */
	int64_t connect_timeout_us;
	int64_t statement_timeout_us;
};

/* Called about every 100 ms while waiting, and at the time it returned last (pb_mono_us); true from
 * *ret_stop cuts the connection. */
typedef int64_t pg_link_tick_fn(void *arg, bool *ret_stop);

/* Invariant: conn == NULL or pipeline mode is on and no answer is outstanding between turns. */
struct pg_link {
	const struct pg_link_config *config;
	PGconn *conn;
	const void *prepared[PG_LINK_STMTS];
	int n_prepared;
	struct {
		uint8_t what;
		const void *key;
	} queue[PG_LINK_QUEUE];
	int n_queue;
	bool lost; /* the connection is unusable: close it */
	char sqlstate[6];
	char constraint[64];
	char detail
		[256]; /* the server's own words: for the log and for migrations, never for clients */
	pg_link_tick_fn *tick;
	void *tick_arg;
};

/* Copies what it needs and checks the URL. Errors: PB_E_INVALID database.url */
enum pb_status pg_link_config_init(struct pg_link_config *c, const char *url,
				   const char *application_name, const char *session,
				   int64_t connect_timeout_us, int64_t statement_timeout_us,
				   struct pb_err *err) pb_must_check;
void pg_link_config_done(struct pg_link_config *c);

void pg_link_init(struct pg_link *l, const struct pg_link_config *config);
/* Errors: PB_E_UNAVAILABLE database.unavailable. Never longer than connect_timeout_us. */
enum pb_status pg_link_open(struct pg_link *l, struct pb_err *err) pb_must_check;
void pg_link_close(struct pg_link *l);
/* Without a round trip: false when the server has hung up. */
bool pg_link_alive(struct pg_link *l);

/* One command of the turn. @want: its result is handed out by pg_link_run. */
void pg_link_send(struct pg_link *l, const struct pg_stmt *stmt, const struct pg_args *args,
		  bool want);
void pg_link_send_raw(struct pg_link *l, const void *key, const char *name, const char *sql, int n,
		      const Oid *types, const char *const *values, const int *lengths, bool want);
/*
 * Ends the turn: sends, waits, collects. ret[i] is the result of the i-th wanted command, owned by the caller
 * (NULL after a failure). The first error decides; l->lost and l->sqlstate say more.
 */
enum pb_status pg_link_run(struct pg_link *l, PGresult **ret, int n_ret,
			   struct pb_err *err) pb_must_check;
/* Ends an open transaction. False: the connection is lost. */
bool pg_link_rollback(struct pg_link *l);
/* True when the same statement may succeed without a change: deadlock, serialization, lock timeout. */
bool pg_sqlstate_is_retry(const char *sqlstate);
/* True when the server, not the statement, is in trouble: shutting down, out of space or memory, read-only. */
bool pg_sqlstate_is_server(const char *sqlstate);

extern const struct pg_stmt pg_stmt_begin, pg_stmt_commit, pg_stmt_rollback, pg_stmt_tenant;

/* Wire forms, shared by arguments and rows. */
extern const Oid pg_type_oid[PG_TYPE_COUNT], pg_type_array_oid[PG_TYPE_COUNT];
void pg_put16(char *p, uint16_t v);
void pg_put32(char *p, uint32_t v);
void pg_put64(char *p, uint64_t v);
uint16_t pg_take16(const char *p);
uint32_t pg_take32(const char *p);
uint64_t pg_take64(const char *p);
int64_t pg_time_to_wire(int64_t us);
int64_t pg_time_from_wire(int64_t v);
#define PG_DATE_SHIFT 10957 /* days from 1970-01-01 to 2000-01-01 */

#endif
