/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The group-commit writer: many small requests from many threads become one transaction and one
 * round trip. A batch is whatever arrived while the last one was being written; nothing waits for a
 * timer.
 *
 * A kind is one statement over arrays: `... FROM unnest($1::int4[], $2::bool[], $3::uuid[], ...)`.
 * Its rows come in groups. Group 0 has exactly one row a request; other groups 0..n. The writer
 * itself fills the first column of every group with the request's ordinal in the batch, and the
 * second column of group 0 with "repeated": an earlier attempt of this request may have been
 * committed.
 *
 * Surprising: a request whose connection broke is repeated until it is known to be written, so
 * every statement must give the same answer when it runs twice. Which statement that is, is not its
 * business.
 */
#ifndef PB_PG_WRITER_H
#define PB_PG_WRITER_H

#include "pg/pg_value.h"
#include "base/err.h"

#define PG_KIND_GROUPS 4
#define PG_KIND_COLS   32

/*
 * A static const object. Parameters: group 0's ordinal, repeated and columns, group 1's ordinal and
 * columns, ... Result: column 0 is the ordinal (int4); the rest goes to the request's callback. A
 * request whose ordinal comes back is APPLIED, one without any row NOT_APPLIED.
 */
struct pg_batch_kind {
	const char *name; /* unique */
	const char *sql;
	int order; /* kinds of one batch run in rising order */
	int n_groups;
	struct {
		int n_cols;                  /* without the writer's own */
		uint8_t types[PG_KIND_COLS]; /* enum pg_type */
	} groups[PG_KIND_GROUPS];
};

enum pg_outcome {
	PG_APPLIED,     /* committed, and the statement returned rows for it */
	PG_NOT_APPLIED, /* committed, and no row came back */
	PG_FAILED,      /* rolled back for good: err says why. Nothing of it is stored */
	PG_UNKNOWN,     /* the deadline passed while a COMMIT was under way */
};

/* Borrowed for the duration of the callback. Column 0 here is the statement's column 1. */
struct pg_reply {
	enum pg_outcome outcome;
	const struct pb_err *err; /* NULL unless PG_FAILED or PG_UNKNOWN */
	int n_rows, n_cols;
	const struct pg_cell *cells; /* n_rows * n_cols */
};

/* Called exactly once a request, on a writer thread: be short, take no lock that is held across
 * SQL. */
typedef void pg_done_fn(void *arg, const struct pg_reply *reply);

/* The rows of one request, in the kind's order of columns. Values are copied; NULL as in pg_arg_...
 */
struct pg_rowset {
	struct pb_buf data;
	int n_rows, n_cells;
	size_t row_at; /* where the current row's cell count stands */
};
#define PG_ROWSET_INIT                                                                             \
	{                                                                                          \
		.data = PB_BUF_INIT                                                                \
	}
#define pg_auto_rowset pb_cleanup(pg_rowset_done) struct pg_rowset

void pg_rowset_done(struct pg_rowset *r);
/* Begins a row of @group; every row before it must be complete. Group 0's row comes first. */
void pg_row(struct pg_rowset *r, int group);
void pg_row_null(struct pg_rowset *r);
void pg_row_bool(struct pg_rowset *r, bool v);
void pg_row_i16(struct pg_rowset *r, int16_t v);
void pg_row_i32(struct pg_rowset *r, int32_t v);
void pg_row_i64(struct pg_rowset *r, int64_t v);
void pg_row_uuid(struct pg_rowset *r, struct pb_uuid v);
void pg_row_uuid_or_null(struct pg_rowset *r, struct pb_uuid v); /* nil is NULL */
void pg_row_text(struct pg_rowset *r, const char *s);
void pg_row_bytes(struct pg_rowset *r, const void *p, size_t n);
void pg_row_time(struct pg_rowset *r, int64_t us);
void pg_row_time_or_null(struct pg_rowset *r, int64_t us); /* 0 is NULL */
void pg_row_date(struct pg_rowset *r, int32_t days_since_1970);

/* Zero means the default in brackets. */
struct pg_writer_config {
	const char *url;
	const char *application_name; /* ["patchbay-writer"] */
	int n_threads;                /* [2] each with one connection */
	int batch_requests;           /* [256] */
	size_t batch_bytes;           /* [4 MB] one larger request is a batch of its own */
	size_t queue_bytes;           /* [64 MB] for all threads together */
	int64_t connect_timeout_us;   /* [2 s] */
	int64_t statement_timeout_us; /* [10 s] the client waits 2 s longer, then cuts and repeats
				       */
};

#define PG_WRITER_SIZES 12
struct pg_writer_stats {
	uint64_t submitted, refused, applied, not_applied, failed, unknown;
	uint64_t batches, rows; /* transactions committed, requests in them */
	uint64_t splits,
		reconnects; /* batches cut in half because of a bad row; connections opened again */
	uint64_t sizes[PG_WRITER_SIZES]; /* batches with at most 2^i requests, the last one: more */
	int64_t write_us;                /* time spent from send to the answer of COMMIT */
	uint64_t queued;
	size_t queued_bytes;
	bool healthy; /* every thread's last contact with the server went well */
};

struct pg_writer;

/*
 * Starts the threads. The server may be away now.
 * Owner:   *ret owned; pg_writer_free() flushes (as pg_writer_stop with 5 s) and joins.
 * Errors:  PB_E_INVALID database.url
 */
enum pb_status pg_writer_new(const struct pg_writer_config *config, struct pg_writer **ret,
			     struct pb_err *err) pb_must_check;
/*
 * Hands a request over. Requests with the same @key are written in the order of submission, never
 * two of them in one batch; inside a batch rows are sorted by key. Owner:   @rows taken (emptied)
 * also on failure; @arg lives until @done, which is called exactly once unless this function fails.
 * Units:   @deadline_us as pb_mono_us; 0 repeats for ever. A request that was never sent by then is
 *          PG_FAILED with PB_E_UNAVAILABLE, one that was sent is PG_UNKNOWN.
 * Errors:  PB_E_UNAVAILABLE database.queue_full (also while stopping)
 * Threads: [any-thread], also inside a callback
 */
enum pb_status pg_writer_submit(struct pg_writer *w, const struct pg_batch_kind *kind,
				struct pb_uuid key, struct pg_rowset *rows, pg_done_fn *done,
				void *arg, int64_t deadline_us, struct pb_err *err) pb_must_check;
/* Refuses new requests, writes what is queued, stops the threads; what is left at @deadline_us
 * (pb_mono_us) ends as PG_FAILED or PG_UNKNOWN. True when all was written. [main] */
bool pg_writer_stop(struct pg_writer *w, int64_t deadline_us);
void pg_writer_free(struct pg_writer *w);
PB_DEFINE_AUTOPTR(pg_writer, pg_writer_free);
void pg_writer_stats(struct pg_writer *w, struct pg_writer_stats *ret);
bool pg_writer_healthy(struct pg_writer *w);

#endif
