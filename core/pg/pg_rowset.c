/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of one writer request. Each cell is stored as PostgreSQL wants an array's element (length and
 * bytes), so that building a batch is copying.
 */
#include "pg/pg_writer.h"
#include "pg/pg_writer_private.h"
#include "base/base.h"

void pg_rowset_done(struct pg_rowset *r)
{
	pb_buf_done(&r->data);
	r->n_rows = r->n_cells = 0;
	r->row_at = 0;
}

void pg_row(struct pg_rowset *r, int group)
{
	char head[PG_ROW_HEAD] = {(char)group, 0};

	PB_ASSERT(group >= 0 && group < PG_KIND_GROUPS && (r->n_rows > 0 || group == 0));
	r->row_at = r->data.len;
	r->n_rows++;
	PB_ASSERT(pb_buf_add(&r->data, head, sizeof(head)));
}

static void cell(struct pg_rowset *r, const void *p, size_t n)
{
	char len[4];
	char *count = r->data.p + r->row_at + 1;

	PB_ASSERT(r->n_rows > 0 && *count < PG_KIND_COLS && n <= INT32_MAX / 2);
	(*count)++;
	r->n_cells++;
	pg_put32(len, p ? (uint32_t)n : UINT32_MAX);
	PB_ASSERT(pb_buf_add(&r->data, len, 4));
	if (p)
		PB_ASSERT(pb_buf_add(&r->data, p, n));
}

void pg_row_null(struct pg_rowset *r)
{
	cell(r, NULL, 0);
}

void pg_row_bool(struct pg_rowset *r, bool v)
{
	cell(r, v ? "\1" : "\0", 1);
}

void pg_row_i16(struct pg_rowset *r, int16_t v)
{
	char b[2];

	pg_put16(b, (uint16_t)v);
	cell(r, b, 2);
}

void pg_row_i32(struct pg_rowset *r, int32_t v)
{
	char b[4];

	pg_put32(b, (uint32_t)v);
	cell(r, b, 4);
}

void pg_row_i64(struct pg_rowset *r, int64_t v)
{
	char b[8];

	pg_put64(b, (uint64_t)v);
	cell(r, b, 8);
}

void pg_row_uuid(struct pg_rowset *r, struct pb_uuid v)
{
	cell(r, v.b, 16);
}

void pg_row_uuid_or_null(struct pg_rowset *r, struct pb_uuid v)
{
	cell(r, pb_uuid_is_nil(v) ? NULL : v.b, 16);
}

void pg_row_text(struct pg_rowset *r, const char *s)
{
	cell(r, s, s ? strlen(s) : 0);
}

void pg_row_bytes(struct pg_rowset *r, const void *p, size_t n)
{
	cell(r, p, n);
}

void pg_row_time(struct pg_rowset *r, int64_t us)
{
	pg_row_i64(r, pg_time_to_wire(us));
}

void pg_row_time_or_null(struct pg_rowset *r, int64_t us)
{
	if (us == 0)
		pg_row_null(r);
	else
		pg_row_time(r, us);
}

void pg_row_date(struct pg_rowset *r, int32_t days_since_1970)
{
	pg_row_i32(r, days_since_1970 - PG_DATE_SHIFT);
}
