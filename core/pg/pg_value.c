/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary values to and from PostgreSQL. All integers are big-endian on the wire; an array is a header of
 * 20 bytes and then a length and the bytes of each element.
 */
#include "pg/pg_value.h"
#include "pg/pg_link.h"
#include "base/base.h"

#define TIME_SHIFT (PG_DATE_SHIFT * INT64_C(86400000000)) /* 1970 to 2000 in microseconds */

const Oid pg_type_oid[PG_TYPE_COUNT] = {
	[PG_BOOL] = 16,   [PG_INT2] = 21, [PG_INT4] = 23,  [PG_INT8] = 20,   [PG_FLOAT8] = 701,
	[PG_UUID] = 2950, [PG_TEXT] = 25, [PG_BYTEA] = 17, [PG_TIME] = 1184, [PG_DATE] = 1082,
};
const Oid pg_type_array_oid[PG_TYPE_COUNT] = {
	[PG_BOOL] = 1000, [PG_INT2] = 1005, [PG_INT4] = 1007,  [PG_INT8] = 1016, [PG_FLOAT8] = 1022,
	[PG_UUID] = 2951, [PG_TEXT] = 1009, [PG_BYTEA] = 1001, [PG_TIME] = 1185, [PG_DATE] = 1182,
};

void pg_put16(char *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, 2);
}

void pg_put32(char *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, 4);
}

void pg_put64(char *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, 8);
}

uint16_t pg_take16(const char *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return be16toh(v);
}

uint32_t pg_take32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return be32toh(v);
}

uint64_t pg_take64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return be64toh(v);
}

/* Both infinities keep their value: they are the ends of int64 on the wire, too. */
int64_t pg_time_to_wire(int64_t us)
{
	if (us == INT64_MAX || us < INT64_MIN + TIME_SHIFT)
		return us == INT64_MAX ? INT64_MAX : INT64_MIN;
	return us - TIME_SHIFT;
}

int64_t pg_time_from_wire(int64_t v)
{
	if (v == INT64_MIN || v > INT64_MAX - TIME_SHIFT)
		return v == INT64_MIN ? INT64_MIN : INT64_MAX;
	return v + TIME_SHIFT;
}

void pg_args_done(struct pg_args *a)
{
	pb_buf_done(&a->data);
	a->n = 0;
}

static void arg_add(struct pg_args *a, Oid oid, const void *p, int len)
{
	PB_ASSERT(a->n < PG_ARGS_MAX);
	a->oid[a->n] = oid;
	a->off[a->n] = a->data.len;
	a->len[a->n] = len;
	a->n++;
	/* The NUL behind each keeps an empty value's pointer valid. */
	PB_ASSERT(pb_buf_add(&a->data, p, len > 0 ? (size_t)len : 0) && pb_buf_addc(&a->data, 0));
}

void pg_arg_null(struct pg_args *a, enum pg_type type)
{
	arg_add(a, pg_type_oid[type], "", -1);
}

void pg_arg_bool(struct pg_args *a, bool v)
{
	arg_add(a, pg_type_oid[PG_BOOL], v ? "\1" : "\0", 1);
}

void pg_arg_i16(struct pg_args *a, int16_t v)
{
	char b[2];

	pg_put16(b, (uint16_t)v);
	arg_add(a, pg_type_oid[PG_INT2], b, 2);
}

void pg_arg_i32(struct pg_args *a, int32_t v)
{
	char b[4];

	pg_put32(b, (uint32_t)v);
	arg_add(a, pg_type_oid[PG_INT4], b, 4);
}

static void arg_64(struct pg_args *a, enum pg_type type, uint64_t v)
{
	char b[8];

	pg_put64(b, v);
	arg_add(a, pg_type_oid[type], b, 8);
}

void pg_arg_i64(struct pg_args *a, int64_t v)
{
	arg_64(a, PG_INT8, (uint64_t)v);
}

void pg_arg_f64(struct pg_args *a, double v)
{
	uint64_t u;

	memcpy(&u, &v, 8);
	arg_64(a, PG_FLOAT8, u);
}

void pg_arg_uuid(struct pg_args *a, struct pb_uuid v)
{
	arg_add(a, pg_type_oid[PG_UUID], v.b, 16);
}

void pg_arg_uuid_or_null(struct pg_args *a, const struct pb_uuid *v)
{
	if (v == NULL || pb_uuid_is_nil(*v))
		pg_arg_null(a, PG_UUID);
	else
		pg_arg_uuid(a, *v);
}

void pg_arg_text(struct pg_args *a, const char *s)
{
	pg_arg_textn(a, s, s ? strlen(s) : 0);
}

void pg_arg_textn(struct pg_args *a, const char *s, size_t n)
{
	PB_ASSERT(n <= INT32_MAX);
	arg_add(a, pg_type_oid[PG_TEXT], s ? s : "", s ? (int)n : -1);
}

void pg_arg_bytes(struct pg_args *a, const void *p, size_t n)
{
	PB_ASSERT(n <= INT32_MAX);
	arg_add(a, pg_type_oid[PG_BYTEA], p ? p : "", p ? (int)n : -1);
}

void pg_arg_time(struct pg_args *a, int64_t us)
{
	arg_64(a, PG_TIME, (uint64_t)pg_time_to_wire(us));
}

void pg_arg_time_or_null(struct pg_args *a, int64_t us)
{
	if (us == 0)
		pg_arg_null(a, PG_TIME);
	else
		pg_arg_time(a, us);
}

void pg_arg_date(struct pg_args *a, int32_t days_since_1970)
{
	char b[4];

	pg_put32(b, (uint32_t)(days_since_1970 - PG_DATE_SHIFT));
	arg_add(a, pg_type_oid[PG_DATE], b, 4);
}

/* Opens an array argument; the caller then appends each element and calls array_end. */
static void array_begin(struct pg_args *a, enum pg_type type, size_t n)
{
	char h[20];

	PB_ASSERT(n <= INT32_MAX / 64);
	arg_add(a, pg_type_array_oid[type], "", 0);
	a->data.len--; /* the elements take the NUL's place */
	pg_put32(h, n ? 1 : 0);
	pg_put32(h + 4, 0);
	pg_put32(h + 8, pg_type_oid[type]);
	pg_put32(h + 12, (uint32_t)n);
	pg_put32(h + 16, 1);
	PB_ASSERT(pb_buf_add(&a->data, h, n ? 20 : 12));
}

static void array_add(struct pg_args *a, const void *p, size_t n)
{
	char len[4];

	PB_ASSERT(n <= INT32_MAX);
	pg_put32(len, (uint32_t)n);
	PB_ASSERT(pb_buf_add(&a->data, len, 4) && pb_buf_add(&a->data, p, n));
}

static void array_end(struct pg_args *a)
{
	size_t len = a->data.len - a->off[a->n - 1];

	PB_ASSERT(len <= INT32_MAX);
	a->len[a->n - 1] = (int)len;
	PB_ASSERT(pb_buf_addc(&a->data, 0));
}

void pg_arg_uuids(struct pg_args *a, const struct pb_uuid *v, size_t n)
{
	array_begin(a, PG_UUID, n);
	for (size_t i = 0; i < n; i++)
		array_add(a, v[i].b, 16);
	array_end(a);
}

void pg_arg_texts(struct pg_args *a, const char *const *v, size_t n)
{
	array_begin(a, PG_TEXT, n);
	for (size_t i = 0; i < n; i++)
		array_add(a, v[i], strlen(v[i]));
	array_end(a);
}

void pg_arg_i64s(struct pg_args *a, const int64_t *v, size_t n)
{
	char b[8];

	array_begin(a, PG_INT8, n);
	for (size_t i = 0; i < n; i++) {
		pg_put64(b, (uint64_t)v[i]);
		array_add(a, b, 8);
	}
	array_end(a);
}

void pg_arg_i16s(struct pg_args *a, const int16_t *v, size_t n)
{
	char b[2];

	array_begin(a, PG_INT2, n);
	for (size_t i = 0; i < n; i++) {
		pg_put16(b, (uint16_t)v[i]);
		array_add(a, b, 2);
	}
	array_end(a);
}

void pg_arg_i16s_null(struct pg_args *a)
{
	arg_add(a, pg_type_array_oid[PG_INT2], "", -1);
}

bool pg_cell_bool(struct pg_cell c)
{
	PB_ASSERT(c.len == 1 || c.len < 0);
	return c.len == 1 && c.p[0] != 0;
}

int16_t pg_cell_i16(struct pg_cell c)
{
	PB_ASSERT(c.len == 2 || c.len < 0);
	return c.len < 0 ? 0 : (int16_t)pg_take16(c.p);
}

int32_t pg_cell_i32(struct pg_cell c)
{
	PB_ASSERT(c.len == 4 || c.len < 0);
	return c.len < 0 ? 0 : (int32_t)pg_take32(c.p);
}

int64_t pg_cell_i64(struct pg_cell c)
{
	PB_ASSERT(c.len == 8 || c.len < 0);
	return c.len < 0 ? 0 : (int64_t)pg_take64(c.p);
}

double pg_cell_f64(struct pg_cell c)
{
	int64_t v = pg_cell_i64(c);
	double d;

	memcpy(&d, &v, 8);
	return d;
}

struct pb_uuid pg_cell_uuid(struct pg_cell c)
{
	struct pb_uuid id = PB_UUID_NIL;

	PB_ASSERT(c.len == 16 || c.len < 0);
	if (c.len == 16)
		memcpy(id.b, c.p, 16);
	return id;
}

int64_t pg_cell_time(struct pg_cell c)
{
	return c.len < 0 ? 0 : pg_time_from_wire(pg_cell_i64(c));
}

int32_t pg_cell_date(struct pg_cell c)
{
	return c.len < 0 ? 0 : pg_cell_i32(c) + PG_DATE_SHIFT;
}

struct pb_slice pg_cell_slice(struct pg_cell c)
{
	return c.len < 0 ? pb_slice(NULL, 0) : pb_slice(c.p, (size_t)c.len);
}

const char *pg_cell_text(struct pg_cell c, struct pb_arena *a)
{
	return c.len < 0 ? NULL : pb_arena_memdup(a, c.p, (size_t)c.len);
}

struct pb_slice pg_cell_bytes(struct pg_cell c, struct pb_arena *a)
{
	const char *p = pg_cell_text(c, a);

	return pb_slice(p, p ? (size_t)c.len : 0);
}

void pg_result_free(struct pg_result *r)
{
	PQclear(r);
}

int pg_rows(const struct pg_result *r)
{
	return PQntuples(r);
}

int64_t pg_affected(const struct pg_result *r)
{
	/* libpq wants a pointer without const and only reads */
	const char *s = PQcmdTuples((PGresult *)(uintptr_t)r);
	int64_t n = 0;

	while (*s >= '0' && *s <= '9')
		n = n * 10 + (*s++ - '0');
	return n;
}

struct pg_cell pg_cell(const struct pg_result *r, int row, int col)
{
	struct pg_cell c;

	PB_ASSERT(row < PQntuples(r) && col < PQnfields(r));
	c.p = PQgetvalue(r, row, col);
	c.len = PQgetisnull(r, row, col) ? -1 : PQgetlength(r, row, col);
	return c;
}

bool pg_is_null(const struct pg_result *r, int row, int col)
{
	return pg_cell(r, row, col).len < 0;
}
