/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection in pipeline mode. Everything is non-blocking with a deadline of our own: a server that
 * was stopped (SIGSTOP, a dead route) must not hold a thread longer than its statement timeout says.
 * Surprising: a statement is entered in the cache when its PREPARE is queued, and taken out again when the
 * turn fails before the server has confirmed it.
 */
#include "pg/pg_link.h"
#include <poll.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/base.h"

PB_LOG_TOPIC("pg.link");

#define TICK_US  100000
#define GRACE_US 1000000 /* the server's own timeout comes first, ours when it is silent */

enum { WHAT_PREPARE, WHAT_SKIP, WHAT_WANT };

const struct pg_stmt pg_stmt_begin = {.name = "pg_begin", .sql = "BEGIN"};
const struct pg_stmt pg_stmt_commit = {.name = "pg_commit", .sql = "COMMIT"};
const struct pg_stmt pg_stmt_rollback = {.name = "pg_rollback", .sql = "ROLLBACK"};
const struct pg_stmt pg_stmt_tenant = {
	.name = "pg_tenant", .sql = "SELECT set_config('app.tenant', $1::uuid::text, true)"};

bool pg_sqlstate_is_retry(const char *s)
{
	return pb_str_eq(s, "40001") || pb_str_eq(s, "40P01") || pb_str_eq(s, "55P03");
}

bool pg_sqlstate_is_server(const char *s)
{
	return pb_str_starts(s, "08") || pb_str_starts(s, "53") || pb_str_starts(s, "57P") ||
	       pb_str_starts(s, "58") || pb_str_eq(s, "25006");
}

/* The URL's own `options` come first, so that ours win. */
static bool url_options(const char *url, struct pb_buf *out)
{
	char *msg = NULL;
	PQconninfoOption *o = PQconninfoParse(url, &msg);
	bool ok = o != NULL;

	PQfreemem(msg);
	for (PQconninfoOption *i = o; ok && i->keyword; i++)
		if (pb_str_eq(i->keyword, "options") && i->val)
			ok = pb_buf_addf(out, "%s ", i->val);
	PQconninfoFree(o);
	return ok;
}

enum pb_status pg_link_config_init(struct pg_link_config *c, const char *url,
				   const char *application_name, const char *session,
				   int64_t connect_timeout_us, int64_t statement_timeout_us,
				   struct pb_err *err)
{
	pb_auto_buf options = PB_BUF_INIT;
	int64_t ms = statement_timeout_us / PB_USEC_PER_MSEC;

	if (url == NULL || !url_options(url, &options))
		return pb_err_set(err, PB_E_INVALID, "database.url",
				  "the database URL cannot be read");

	/* Half the statement's time for a lock: then the statement can still say so. */
	pb_buf_addf(&options, "-c statement_timeout=%lld -c lock_timeout=%lld ", (long long)ms,
		    (long long)(ms / 2));
	pb_buf_addf(&options, "-c idle_in_transaction_session_timeout=%lld %s", (long long)(2 * ms),
		    session ? session : "");
	c->url = pb_xstrdup(url);
	c->application_name = pb_xstrdup(application_name);
	c->session = pb_buf_steal(&options, NULL);
	c->connect_timeout_us = connect_timeout_us;
	c->statement_timeout_us = statement_timeout_us;
	return PB_OK;
}

void pg_link_config_done(struct pg_link_config *c)
{
	if (c->url) /* it holds the password */
		explicit_bzero(c->url, strlen(c->url));
	free(c->url);
	free(c->application_name);
	free(c->session);
	memset(c, 0, sizeof(*c));
}

void pg_link_init(struct pg_link *l, const struct pg_link_config *config)
{
	memset(l, 0, sizeof(*l));
	l->config = config;
}

void pg_link_close(struct pg_link *l)
{
	PQfinish(l->conn);
	l->conn = NULL;
	l->lost = false;
	l->n_prepared = l->n_queue = 0;
	memset(l->prepared, 0, sizeof(l->prepared));
}

static void notice_ignore(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

/* Waits for @events. False when @deadline_us has passed or the tick said stop. */
static bool link_poll(struct pg_link *l, short events, int64_t deadline_us)
{
	int64_t next = pb_mono_us() + TICK_US;

	for (;;) {
		struct pollfd pfd = {.fd = PQsocket(l->conn), .events = events};
		int64_t now = pb_mono_us();
		int64_t until = PB_MIN(deadline_us, next);
		bool stop = false;
		int ms = until > now ? (int)((until - now + 999) / 1000) : 0;
		int n = poll(&pfd, 1, ms);

		if (n > 0)
			return true;
		now = pb_mono_us();
		if (now >= deadline_us)
			return false;
		if (l->tick && now >= next)
			next = l->tick(l->tick_arg, &stop);
		if (stop)
			return false;
		next = PB_MIN(next, now + TICK_US);
		next = PB_MAX(next, now + 1000);
	}
}

static PGconn *connect_start(const struct pg_link_config *c)
{
	const char *const keys[] = {"dbname",
				    "application_name",
				    "options",
				    "client_encoding",
				    "gssencmode",
				    "keepalives",
				    "keepalives_idle",
				    "keepalives_interval",
				    "keepalives_count",
				    "tcp_user_timeout",
				    NULL};
	const char *const values[] = {c->url,     c->application_name,
				      c->session, "UTF8",
				      "disable",  "1",
				      "30",       "5",
				      "3",        "10000",
				      NULL};

	return PQconnectStartParams(keys, values, 1);
}

static bool connect_finish(struct pg_link *l)
{
	int64_t deadline = pb_mono_us() + l->config->connect_timeout_us;
	PostgresPollingStatusType st = PGRES_POLLING_WRITING;

	while (PQstatus(l->conn) != CONNECTION_BAD) {
		if (st == PGRES_POLLING_OK)
			return true;
		if (st == PGRES_POLLING_FAILED)
			return false;
		if (!link_poll(l, st == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline))
			return false;
		st = PQconnectPoll(l->conn);
	}
	return false;
}

enum pb_status pg_link_open(struct pg_link *l, struct pb_err *err)
{
	pg_link_close(l);
	l->conn = connect_start(l->config);
	if (l->conn) /* what the server says unasked must not reach stderr */
		(void)PQsetNoticeReceiver(l->conn, notice_ignore, NULL);
	if (l->conn == NULL || !connect_finish(l) || !PQenterPipelineMode(l->conn) ||
	    PQsetnonblocking(l->conn, 1) != 0) {
		/* libpq's text names host and role, never the password */
		pb_log(PB_LOG_DEBUG, "connection failed",
		       PB_KV_STR("error.message", l->conn ? PQerrorMessage(l->conn) : "no memory"));
		pg_link_close(l);
		return pb_err_set(err, PB_E_UNAVAILABLE, "database.unavailable",
				  "the database cannot be reached");
	}

	return PB_OK;
}

bool pg_link_alive(struct pg_link *l)
{
	struct pollfd pfd = {.events = POLLIN};

	if (l->conn == NULL || l->lost || PQstatus(l->conn) != CONNECTION_OK)
		return false;
	pfd.fd = PQsocket(l->conn);
	if (poll(&pfd, 1, 0) == 0)
		return true;
	/* Something came unasked: a parameter change is fine, a farewell is not. */
	if (!PQconsumeInput(l->conn))
		return false;
	return PQstatus(l->conn) == CONNECTION_OK && poll(&pfd, 1, 0) == 0;
}

/* ---- the statement cache ------------------------------------------------------------------------- */

static size_t stmt_slot(const struct pg_link *l, const void *key)
{
	size_t i = ((uintptr_t)key >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 55;

	while (l->prepared[i] && l->prepared[i] != key)
		i = (i + 1) % PG_LINK_STMTS;
	return i;
}

/* Open addressing has no simple removal: the entries behind move up. */
static void stmt_forget(struct pg_link *l, const void *key)
{
	size_t i = stmt_slot(l, key);
	const void *moved[PG_LINK_STMTS];
	size_t n = 0;

	if (l->prepared[i] == NULL)
		return;
	l->prepared[i] = NULL;
	l->n_prepared--;
	for (i = (i + 1) % PG_LINK_STMTS; l->prepared[i]; i = (i + 1) % PG_LINK_STMTS) {
		moved[n++] = l->prepared[i];
		l->prepared[i] = NULL;
	}
	while (n > 0) {
		const void *k = moved[--n];
		l->prepared[stmt_slot(l, k)] = k;
	}
}

/* ---- sending ------------------------------------------------------------------------------------ */

static void queue_add(struct pg_link *l, int what, const void *key)
{
	PB_ASSERT(l->n_queue < PG_LINK_QUEUE);
	l->queue[l->n_queue].what = (uint8_t)what;
	l->queue[l->n_queue].key = key;
	l->n_queue++;
}

static void send_prepare(struct pg_link *l, const void *key, const char *name, const char *sql,
			 int n, const Oid *types)
{
	size_t slot = stmt_slot(l, key);

	if (l->prepared[slot] == key)
		return;
	PB_ASSERT(l->n_prepared < PG_LINK_STMTS - 16);
	if (!PQsendPrepare(l->conn, name, sql, n, types)) {
		l->lost = true;
		return;
	}
	l->prepared[slot] = key;
	l->n_prepared++;
	queue_add(l, WHAT_PREPARE, key);
}

void pg_link_send_raw(struct pg_link *l, const void *key, const char *name, const char *sql, int n,
		      const Oid *types, const char *const *values, const int *lengths, bool want)
{
	int formats[128];
	int ok;

	PB_ASSERT(n <= (int)PB_ARRAY_LEN(formats));
	for (int i = 0; i < n; i++)
		formats[i] = 1;
	if (l->conn == NULL)
		l->lost = true;
	if (l->lost)
		return;
	if (key)
		send_prepare(l, key, name, sql, n, types);
	if (l->lost)
		return;
	if (key)
		ok = PQsendQueryPrepared(l->conn, name, n, values, lengths, formats, 1);
	else
		ok = PQsendQueryParams(l->conn, sql, n, types, values, lengths, formats, 1);
	if (!ok)
		l->lost = true;
	else
		queue_add(l, want ? WHAT_WANT : WHAT_SKIP, NULL);
}

void pg_link_send(struct pg_link *l, const struct pg_stmt *stmt, const struct pg_args *args,
		  bool want)
{
	const char *values[PG_ARGS_MAX];
	int n = args ? args->n : 0;

	for (int i = 0; i < n; i++)
		values[i] = args->len[i] < 0 ? NULL : args->data.p + args->off[i];
	pg_link_send_raw(l, stmt->replan ? NULL : stmt, stmt->name, stmt->sql, n,
			 args ? args->oid : NULL, values, args ? args->len : NULL, want);
}

/* ---- receiving ---------------------------------------------------------------------------------- */

static enum pb_status link_lost(struct pg_link *l, struct pb_err *err)
{
	l->lost = true;
	return pb_err_set(err, PB_E_UNAVAILABLE, "database.unavailable",
			  "the database cannot be reached");
}

/* The next result or NULL between two commands. False: the connection is lost. */
static bool next_result(struct pg_link *l, int64_t deadline_us, PGresult **ret)
{
	for (;;) {
		int unsent = PQflush(l->conn);

		if (unsent < 0)
			return false;
		if (!PQisBusy(l->conn)) {
			*ret = PQgetResult(l->conn);
			return true;
		}
		if (!link_poll(l, (short)(POLLIN | (unsent ? POLLOUT : 0)), deadline_us))
			return false;
		if (!PQconsumeInput(l->conn) && PQstatus(l->conn) != CONNECTION_OK &&
		    PQisBusy(l->conn))
			return false;
	}
}

static void keep_error(struct pg_link *l, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	(void)pb_str_copy(l->sqlstate, sizeof(l->sqlstate), state ? state : "");
	(void)pb_str_copy(l->constraint, sizeof(l->constraint), constraint ? constraint : "");
	(void)pb_str_copy(l->detail, sizeof(l->detail), text ? text : "");
}

/* Takes one command's results. *ret_ok false: it failed or was skipped. False: the connection is lost. */
static bool receive_command(struct pg_link *l, int64_t deadline_us, PGresult **keep, bool *ret_ok)
{
	PGresult *res = NULL;

	*ret_ok = false;
	for (;;) {
		if (!next_result(l, deadline_us, &res))
			return false;
		if (res == NULL)
			return true;

		ExecStatusType st = PQresultStatus(res);
		if (st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK)
			*ret_ok = true;
		else if (st != PGRES_PIPELINE_ABORTED && l->sqlstate[0] == 0)
			keep_error(l, res);
		if (*ret_ok && keep && *keep == NULL)
			*keep = pb_steal(res);
		PQclear(res);
		res = NULL;
		if (PQstatus(l->conn) != CONNECTION_OK)
			return false;
	}
}

static bool receive_sync(struct pg_link *l, int64_t deadline_us)
{
	PGresult *res = NULL;
	ExecStatusType st;

	do {
		if (!next_result(l, deadline_us, &res))
			return false;
		st = PQresultStatus(res); /* of NULL: PGRES_FATAL_ERROR */
		if (res && st == PGRES_FATAL_ERROR && l->sqlstate[0] == 0)
			keep_error(l, res);
		PQclear(res);
		if (PQstatus(l->conn) != CONNECTION_OK)
			return false;
	} while (st != PGRES_PIPELINE_SYNC);
	return true;
}

static enum pb_status sql_error(struct pg_link *l, struct pb_err *err)
{
	const char *s = l->sqlstate;

	pb_log(PB_LOG_DEBUG, "statement failed", PB_KV_STR("sqlstate", s),
	       PB_KV_STR("error.message", l->detail));
	if (pg_sqlstate_is_retry(s))
		return pb_err_set(err, PB_E_UNAVAILABLE, "database.retry",
				  "the database asks to try again");
	if (pb_str_eq(s, "57014"))
		return pb_err_set(err, PB_E_TIMEOUT, "database.timeout",
				  "the database took too long");
	if (pg_sqlstate_is_server(s))
		return pb_err_set(err, PB_E_UNAVAILABLE, "database.unavailable",
				  "the database cannot serve now");
	if (pb_str_eq(s, "23505") || pb_str_eq(s, "23503") || pb_str_eq(s, "23P01"))
		return pb_err_set(err, PB_E_CONFLICT, "database.conflict",
				  "something like this exists already, or is still used");
	if (pb_str_starts(s, "23") || pb_str_starts(s, "22"))
		return pb_err_set(err, PB_E_INVALID, "database.value",
				  "the database refuses a value");
	if (pb_str_eq(s, "42501"))
		return pb_err_set(err, PB_E_FORBIDDEN, "database.denied",
				  "the database denies access");
	return pb_err_set(err, PB_E_INTERNAL, "database.error", "a database statement failed");
}

static void drop_results(PGresult **ret, int n)
{
	for (int i = 0; i < n; i++) {
		PQclear(ret[i]);
		ret[i] = NULL;
	}
}

enum pb_status pg_link_run(struct pg_link *l, PGresult **ret, int n_ret, struct pb_err *err)
{
	int64_t deadline = pb_mono_us() + l->config->statement_timeout_us + GRACE_US;
	int want = 0, n = l->n_queue;
	bool good = true;

	for (int i = 0; i < n_ret; i++)
		ret[i] = NULL;
	l->sqlstate[0] = l->constraint[0] = 0;
	l->n_queue = 0;
	if (l->lost || l->conn == NULL || !PQpipelineSync(l->conn))
		return link_lost(l, err);

	for (int i = 0; i < n; i++) {
		bool is_want = l->queue[i].what == WHAT_WANT;
		bool ok;

		PB_ASSERT(!is_want || want < n_ret);
		if (!receive_command(l, deadline, is_want ? &ret[want] : NULL, &ok)) {
			drop_results(ret, n_ret);
			return link_lost(l, err);
		}
		want += is_want;
		good &= ok;
		if (!ok && l->queue[i].what == WHAT_PREPARE)
			stmt_forget(l, l->queue[i].key);
	}
	if (!receive_sync(l, deadline)) {
		drop_results(ret, n_ret);
		return link_lost(l, err);
	}
	if (good && l->sqlstate[0] == 0)
		return PB_OK;

	drop_results(ret, n_ret);
	return sql_error(l, err);
}

bool pg_link_rollback(struct pg_link *l)
{
	if (l->lost || l->conn == NULL)
		return false;
	if (l->n_queue == 0 && PQtransactionStatus(l->conn) == PQTRANS_IDLE)
		return true;
	pg_link_send(l, &pg_stmt_rollback, NULL, false);
	return pg_link_run(l, NULL, 0, NULL) == PB_OK;
}
