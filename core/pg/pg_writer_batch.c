/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing one batch: BEGIN, one statement a kind, COMMIT in one round trip; and what happens when it fails.
 *
 *	committed             every request gets its rows
 *	a statement failed    rolled back; the batch is cut in half until the bad request stands alone
 *	deadlock and the like rolled back; the same again, after a short while
 *	connection lost       perhaps committed: connect again and repeat the same requests, marked "repeated"
 *
 * Surprising: a server in trouble (disk full, shutting down) is treated as a lost connection: the fault is not
 * the request's.
 */
#include "pg/pg_writer_private.h"
#include "base/clock.h"
#include "base/crashpoint.h"
#include "base/log.h"
#include "base/base.h"

PB_LOG_TOPIC("pg.writer");

#define BACKOFF_MIN_US (20 * PB_USEC_PER_MSEC)
#define BACKOFF_MAX_US (2 * PB_USEC_PER_SEC)
#define RETRIES_AS_ONE 3  /* of a batch that met a deadlock; then it is cut */
#define KINDS_MAX      24 /* in one batch: PG_LINK_QUEUE holds two commands for each */

/* ---- encoding ----------------------------------------------------------------------------------- */

static void column_begin(struct pb_buf *b, enum pg_type type)
{
	char head[20] = {0};

	pb_buf_clear(b);
	pg_put32(head, 1);
	pg_put32(head + 8, pg_type_oid[type]);
	pg_put32(head + 16, 1);
	PB_ASSERT(pb_buf_add(b, head, sizeof(head)));
}

/* The number of elements is known at the end only. An empty array has no dimension at all. */
static void column_end(struct pb_buf *b, int n)
{
	if (n > 0) {
		pg_put32(b->p + 12, (uint32_t)n);
		return;
	}
	pg_put32(b->p, 0);
	b->len = 12;
}

static void column_i32(struct pb_buf *b, int32_t v)
{
	char e[8];

	pg_put32(e, 4);
	pg_put32(e + 4, (uint32_t)v);
	PB_ASSERT(pb_buf_add(b, e, sizeof(e)));
}

static void column_bool(struct pb_buf *b, bool v)
{
	const char e[5] = {0, 0, 0, 1, v ? 1 : 0};

	PB_ASSERT(pb_buf_add(b, e, sizeof(e)));
}

/* First parameter of each group. */
static int params_begin(struct pg_shard *s, const struct pg_batch_kind *kind, Oid *types,
			int *first)
{
	int n = 0;

	for (int g = 0; g < kind->n_groups; g++) {
		first[g] = n;
		types[n] = pg_type_array_oid[PG_INT4];
		column_begin(&s->params[n++], PG_INT4);
		if (g == 0) {
			types[n] = pg_type_array_oid[PG_BOOL];
			column_begin(&s->params[n++], PG_BOOL);
		}
		for (int c = 0; c < kind->groups[g].n_cols; c++) {
			types[n] = pg_type_array_oid[kind->groups[g].types[c]];
			column_begin(&s->params[n++], kind->groups[g].types[c]);
		}
	}
	return n;
}

static void params_add(struct pg_shard *s, const struct pg_request *r, int ordinal,
		       const int *first, int *n_rows)
{
	const char *p = r->data, *end = p + r->len;

	while (p < end) {
		int group = p[0], n = p[1], at = first[group];

		n_rows[group]++;
		column_i32(&s->params[at++], ordinal);
		if (group == 0)
			column_bool(&s->params[at++], r->repeated);
		p += PG_ROW_HEAD;
		while (n-- > 0) {
			uint32_t len = pg_take32(p);
			size_t bytes = 4 + (len == UINT32_MAX ? 0 : len);

			PB_ASSERT(pb_buf_add(&s->params[at++], p, bytes));
			p += bytes;
		}
	}
}

/* Queues the statement of one kind for req[0..n), ordinals from @base. */
static void kind_send(struct pg_shard *s, struct pg_request *const *req, int n, int base)
{
	const struct pg_batch_kind *kind = req[0]->kind;
	Oid types[PG_PARAMS_MAX];
	const char *values[PG_PARAMS_MAX];
	int lengths[PG_PARAMS_MAX];
	int first[PG_KIND_GROUPS] = {0}, n_rows[PG_KIND_GROUPS] = {0};
	int n_params = params_begin(s, kind, types, first);

	for (int i = 0; i < n; i++)
		params_add(s, req[i], base + i, first, n_rows);
	for (int g = 0; g < kind->n_groups; g++) {
		int end = g + 1 < kind->n_groups ? first[g + 1] : n_params;

		for (int p = first[g]; p < end; p++)
			column_end(&s->params[p], n_rows[g]);
	}
	for (int p = 0; p < n_params; p++) {
		values[p] = s->params[p].p;
		lengths[p] = (int)s->params[p].len;
	}
	pg_link_send_raw(&s->link, kind, kind->name, kind->sql, n_params, types, values, lengths,
			 true);
}

/* ---- one attempt -------------------------------------------------------------------------------- */

/* The results of one attempt, one for each kind in the batch. */
struct attempt {
	PGresult *res[KINDS_MAX];
	int base[KINDS_MAX], count[KINDS_MAX];
	int n_kinds;
};

static void attempt_done(struct attempt *a)
{
	for (int k = 0; k < a->n_kinds; k++)
		PQclear(a->res[k]);
}

static enum pb_status attempt_run(struct pg_shard *s, struct pg_request *const *req, int n,
				  struct attempt *a, struct pb_err *err)
{
	int64_t begun = pb_mono_us();
	enum pb_status st;

	pg_link_send(&s->link, &pg_stmt_begin, NULL, false);
	for (int i = 0; i < n;) {
		int k = a->n_kinds, end = i + 1;

		while (end < n && req[end]->kind == req[i]->kind)
			end++;
		PB_ASSERT(k < KINDS_MAX);
		a->base[k] = i;
		a->count[k] = end - i;
		a->n_kinds++;
		kind_send(s, req + i, end - i, i);
		i = end;
	}
	CRASHPOINT("pg.writer.before_commit");
	pg_link_send(&s->link, &pg_stmt_commit, NULL, false);
	for (int i = 0; i < n; i++)
		req[i]->sent = true;
	st = pg_link_run(&s->link, a->res, a->n_kinds, err);
	if (st == PB_OK)
		CRASHPOINT("pg.writer.after_commit");

	pb_lock(&s->lock);
	s->stats.write_us += pb_mono_us() - begun;
	pb_unlock(&s->lock);
	return st;
}

/* ---- answering ---------------------------------------------------------------------------------- */

static struct pg_cell cell_at(const PGresult *res, int row, int col)
{
	return (struct pg_cell){.p = PQgetvalue(res, row, col),
				.len = PQgetisnull(res, row, col) ? -1
								  : PQgetlength(res, row, col)};
}

/* Rows of one ordinal need not stand together: sort the row numbers by it (counting sort). */
static void rows_by_ordinal(const PGresult *res, int base, int count, int *first, int *rows)
{
	int n = PQntuples(res);

	for (int i = 0; i <= count; i++)
		first[i] = 0;
	for (int i = 0; i < n; i++) {
		int o = (int)pg_take32(PQgetvalue(res, i, 0)) - base;

		PB_ASSERT(o >= 0 && o < count);
		first[o + 1]++;
	}
	for (int i = 0; i < count; i++)
		first[i + 1] += first[i];
	for (int i = n - 1; i >= 0; i--) {
		int o = (int)pg_take32(PQgetvalue(res, i, 0)) - base;
		int in_place = --first[o + 1];

		rows[in_place] = i;
	}
	/* now first[o + 1] is where o begins */
}

static void kind_answer(struct pg_shard *s, struct pg_request *const *req, const PGresult *res,
			int base, int count)
{
	int n = PQntuples(res), n_cols = PQnfields(res) - 1;
	pb_autofree int *first = pb_xcalloc((size_t)count + 2, sizeof(int));
	pb_autofree int *rows = pb_xcalloc((size_t)n + 1, sizeof(int));
	pb_autofree struct pg_cell *cells = pb_xcalloc((size_t)(n * n_cols) + 1, sizeof(*cells));

	PB_ASSERT(n_cols >= 0);
	rows_by_ordinal(res, base, count, first, rows);
	for (int i = 0; i < count; i++) {
		int from = first[i + 1], to = i + 1 < count ? first[i + 2] : n;
		struct pg_reply reply = {.outcome = to > from ? PG_APPLIED : PG_NOT_APPLIED,
					 .n_rows = to - from,
					 .n_cols = n_cols,
					 .cells = cells};

		for (int r = from; r < to; r++)
			for (int c = 0; c < n_cols; c++)
				cells[(r - from) * n_cols + c] = cell_at(res, rows[r], c + 1);
		pg_request_answer(s, req[base + i], &reply);
	}
}

static void count_batch(struct pg_shard *s, int n)
{
	int size = 0;

	while (size < PG_WRITER_SIZES - 1 && (1 << size) < n)
		size++;
	pb_lock(&s->lock);
	s->stats.batches++;
	s->stats.rows += (uint64_t)n;
	s->stats.sizes[size]++;
	pb_unlock(&s->lock);
}

/* ---- failing ------------------------------------------------------------------------------------ */

/* Waits with growing pauses while deadlines are kept; a stop ends it. */
static void pause_a_while(struct pg_shard *s)
{
	int64_t until;

	s->backoff_us = s->backoff_us ? PB_MIN(s->backoff_us * 2, BACKOFF_MAX_US) : BACKOFF_MIN_US;
	until = pb_mono_us() + s->backoff_us / 2 +
		(int64_t)(pb_random_u64() % (uint64_t)s->backoff_us) / 2;
	while (pb_mono_us() < until && !atomic_load(&s->aborting)) {
		int64_t next = pg_shard_expire(s);

		pb_lock(&s->lock);
		(void)pb_cond_wait_until(&s->work, &s->lock, PB_MIN(until, next));
		pb_unlock(&s->lock);
	}
}

/* Opens the connection if there is none. False: away, the caller pauses. */
static bool connected(struct pg_shard *s)
{
	bool was_healthy = atomic_load(&s->healthy);

	if (s->link.conn && !s->link.lost)
		return true;
	if (pg_link_open(&s->link, NULL) != PB_OK) {
		atomic_store(&s->healthy, false);
		return false;
	}
	atomic_store(&s->healthy, true);
	if (!was_healthy)
		pb_log(PB_LOG_DEBUG, "connected again");
	pb_lock(&s->lock);
	s->stats.reconnects++;
	pb_unlock(&s->lock);
	return true;
}

/* Leaves out what was answered meanwhile (deadline). */
static int drop_answered(struct pg_request **req, int n)
{
	int kept = 0;

	/* The shard's own list still holds them: only this view shrinks. */
	for (int i = 0; i < n; i++)
		if (!req[i]->answered)
			req[kept++] = req[i];
	return kept;
}

enum verdict { WRITTEN, REPEAT_LOST, REPEAT_SOON, BAD };

static enum verdict judge(struct pg_shard *s, enum pb_status st)
{
	if (st == PB_OK)
		return WRITTEN;
	if (s->link.lost || pg_sqlstate_is_server(s->link.sqlstate))
		return REPEAT_LOST;
	if (pg_sqlstate_is_retry(s->link.sqlstate) || pb_str_eq(s->link.sqlstate, "57014"))
		return REPEAT_SOON;
	return BAD;
}

/*
 * The attempt failed: what do its requests know now? After a lost connection each may be written; after a
 * statement's error none is, unless an attempt before was lost.
 */
static void mark(struct pg_request *const *req, int n, enum verdict v, bool lost)
{
	for (int i = 0; i < n; i++) {
		if (v == REPEAT_LOST && lost)
			req[i]->repeated = true;
		req[i]->sent = req[i]->repeated;
	}
}

static void list_write(struct pg_shard *s, struct pg_request **req, int n);

static void list_split(struct pg_shard *s, struct pg_request **req, int n)
{
	pb_lock(&s->lock);
	s->stats.splits++;
	pb_unlock(&s->lock);
	list_write(s, req, n / 2);
	list_write(s, req + n / 2, n - n / 2);
}

static enum verdict list_try(struct pg_shard *s, struct pg_request **req, int n, struct pb_err *err)
{
	struct attempt a = {.n_kinds = 0};
	enum verdict v = judge(s, attempt_run(s, req, n, &a, err));

	if (v == WRITTEN) {
		s->backoff_us = 0;
		atomic_store(&s->healthy, true);
		count_batch(s, n);
		for (int k = 0; k < a.n_kinds; k++)
			kind_answer(s, req, a.res[k], a.base[k], a.count[k]);
	} else {
		bool lost = s->link.lost;

		mark(req, n, v, lost);
		if (v == REPEAT_LOST || !pg_link_rollback(&s->link)) {
			atomic_store(&s->healthy, false);
			pg_link_close(&s->link);
		}
	}
	attempt_done(&a);
	return v;
}

/* Until every request in it is answered. */
static void list_write(struct pg_shard *s, struct pg_request **req, int n)
{
	int tries = 0;

	for (;;) {
		struct pb_err err = PB_ERR_INIT;
		enum verdict v;
		bool up;

		/* what is answered as too late, here or while the connection is opened, must not be written */
		(void)pg_shard_expire(s);
		up = connected(s);
		n = drop_answered(req, n);
		if (n == 0)
			return;
		if (!up) {
			pause_a_while(s);
			continue;
		}
		v = list_try(s, req, n, &err);
		if (v == WRITTEN)
			return;
		if (v == BAD && n == 1) {
			pg_request_end(s, req[0], PG_FAILED, &err);
			return;
		}
		if (v == BAD || (v == REPEAT_SOON && n > 1 && ++tries >= RETRIES_AS_ONE)) {
			list_split(s, req, n);
			return;
		}
		pause_a_while(s);
	}
}

void pg_batch_write(struct pg_shard *s)
{
	pb_autofree struct pg_request **view = pb_xcalloc((size_t)s->n_batch, sizeof(*view));

	memcpy(view, s->batch, (size_t)s->n_batch * sizeof(*view));
	list_write(s, view, s->n_batch);
	for (int i = 0; i < s->n_batch; i++)
		pg_request_free(s->batch[i]);
	s->n_batch = 0;
}
