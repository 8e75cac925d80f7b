/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values on their way to and from PostgreSQL, always in the binary format, for everything that
 * speaks SQL. Surprising: times are microseconds since 1970 here and since 2000 on the wire;
 * infinity is INT64_MAX, -infinity is INT64_MIN, and NULL reads as 0 (ask pg_is_null where it
 * matters).
 */
#ifndef PB_PG_VALUE_H
#define PB_PG_VALUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"

#define PG_TIME_INFINITY INT64_MAX
#define PG_ARGS_MAX      48

enum pg_type {
	PG_BOOL,
	PG_INT2,
	PG_INT4,
	PG_INT8,
	PG_FLOAT8,
	PG_UUID,
	PG_TEXT,
	PG_BYTEA,
	PG_TIME, /* timestamptz */
	PG_DATE, /* days since 1970 here */
	PG_TYPE_COUNT,
};

/* One statement of the program. A static const object: its address is the key of the statement
 * cache. */
struct pg_stmt {
	const char *name; /* unique, for logs and pg_stat_activity */
	const char *sql;
	/* Planned anew each time with the values known: for reads of partitioned tables, which a
	 * cached plan would lock and open all of. */
	bool replan;
};

/* Invariant: n <= PG_ARGS_MAX; arg i is in data at off[i], len[i] bytes, or NULL when len[i] < 0.
 */
struct pg_args {
	int n;
	uint32_t oid[PG_ARGS_MAX];
	size_t off[PG_ARGS_MAX];
	int len[PG_ARGS_MAX];
	struct pb_buf data;
};

#define PG_ARGS_INIT                                                                               \
	{                                                                                          \
		.n = 0, .data = PB_BUF_INIT                                                        \
	}
#define pg_auto_args pb_cleanup(pg_args_done) struct pg_args

/* In the order of $1, $2, ...; the bytes are copied. More than PG_ARGS_MAX is a bug. [any-thread]
 */
void pg_args_done(struct pg_args *a);
void pg_arg_null(struct pg_args *a, enum pg_type type);
void pg_arg_bool(struct pg_args *a, bool v);
void pg_arg_i16(struct pg_args *a, int16_t v);
void pg_arg_i32(struct pg_args *a, int32_t v);
void pg_arg_i64(struct pg_args *a, int64_t v);
void pg_arg_f64(struct pg_args *a, double v);
void pg_arg_uuid(struct pg_args *a, struct pb_uuid v);
void pg_arg_uuid_or_null(struct pg_args *a, const struct pb_uuid *v); /* NULL or nil is NULL */
void pg_arg_text(struct pg_args *a, const char *s);                   /* NULL is NULL */
void pg_arg_textn(struct pg_args *a, const char *s, size_t n);
void pg_arg_bytes(struct pg_args *a, const void *p, size_t n); /* p == NULL is NULL */
void pg_arg_time(struct pg_args *a, int64_t us);               /* PG_TIME_INFINITY allowed */
void pg_arg_time_or_null(struct pg_args *a, int64_t us);       /* 0 is NULL */
void pg_arg_date(struct pg_args *a, int32_t days_since_1970);
/* One-dimensional arrays, for `= ANY($n)` and unnest. */
void pg_arg_uuids(struct pg_args *a, const struct pb_uuid *v, size_t n);
void pg_arg_texts(struct pg_args *a, const char *const *v, size_t n);
void pg_arg_i64s(struct pg_args *a, const int64_t *v, size_t n);
void pg_arg_i16s(struct pg_args *a, const int16_t *v, size_t n);
void pg_arg_i16s_null(struct pg_args *a);

/* One value of a result. Borrowed from it. */
struct pg_cell {
	const char *p; /* never NULL; NUL-terminated behind len for cells of a pg_result */
	int len;       /* -1 is NULL */
};

/* A wrong length is a bug in the statement (a column of another type) and asserts. NULL reads as
 * 0/nil/{"",0}. */
bool pg_cell_bool(struct pg_cell c);
int16_t pg_cell_i16(struct pg_cell c);
int32_t pg_cell_i32(struct pg_cell c);
int64_t pg_cell_i64(struct pg_cell c);
double pg_cell_f64(struct pg_cell c);
struct pb_uuid pg_cell_uuid(struct pg_cell c);
int64_t pg_cell_time(struct pg_cell c);
int32_t pg_cell_date(struct pg_cell c);
struct pb_slice pg_cell_slice(struct pg_cell c);
/* NULL stays NULL (p == NULL). Also NULL when the arena is full: check its overflow once at the
 * end. */
const char *pg_cell_text(struct pg_cell c, struct pb_arena *a);
struct pb_slice pg_cell_bytes(struct pg_cell c, struct pb_arena *a);

/* What a statement returned: libpq's own object under its own tag. */
struct pg_result;
void pg_result_free(struct pg_result *r); /* NULL is fine */
PB_DEFINE_AUTOPTR(pg_result, pg_result_free);
int pg_rows(const struct pg_result *r);
/* Rows changed by INSERT, UPDATE, DELETE; rows returned by SELECT. */
int64_t pg_affected(const struct pg_result *r);
struct pg_cell pg_cell(const struct pg_result *r, int row, int col);
bool pg_is_null(const struct pg_result *r, int row, int col);

#define pg_get_bool(r, row, col)         pg_cell_bool(pg_cell(r, row, col))
#define pg_get_i16(r, row, col)          pg_cell_i16(pg_cell(r, row, col))
#define pg_get_i32(r, row, col)          pg_cell_i32(pg_cell(r, row, col))
#define pg_get_i64(r, row, col)          pg_cell_i64(pg_cell(r, row, col))
#define pg_get_f64(r, row, col)          pg_cell_f64(pg_cell(r, row, col))
#define pg_get_uuid(r, row, col)         pg_cell_uuid(pg_cell(r, row, col))
#define pg_get_time(r, row, col)         pg_cell_time(pg_cell(r, row, col))
#define pg_get_date(r, row, col)         pg_cell_date(pg_cell(r, row, col))
#define pg_get_slice(r, row, col)        pg_cell_slice(pg_cell(r, row, col))
#define pg_get_text(r, row, col, arena)  pg_cell_text(pg_cell(r, row, col), arena)
#define pg_get_bytes(r, row, col, arena) pg_cell_bytes(pg_cell(r, row, col), arena)

#endif
