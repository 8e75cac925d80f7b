/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259) as an immutable tree in an arena, a strict reader and two writers.
 *
 * Why not Jansson: numbers that do not fit a double must pass through unchanged (here a number
 * keeps its source text until somebody computes with it), outside input must not decide the depth
 * of a C stack or the number of mallocs, and objects keep their order. The tree costs 16 bytes a
 * value and one arena.
 *
 * The reader refuses: depth over the limit, duplicate keys, bad UTF-8, lone surrogates, NaN,
 * comments, trailing text, a byte order mark. It does not recurse.
 */
#ifndef PB_BASE_JSON_H
#define PB_BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"

enum pb_json_type {
	PB_JSON_NULL,
	PB_JSON_BOOL,
	PB_JSON_INT,    /* fits int64_t and was written canonically: the value is `i` */
	PB_JSON_REAL,   /* computed by us: the value is `d`, always finite */
	PB_JSON_NUMBER, /* any other number as read: its source text is s/len */
	PB_JSON_STRING, /* s/len, valid UTF-8, NUL-terminated behind len; may hold NULs (\u0000) */
	PB_JSON_ARRAY,  /* items/len */
	PB_JSON_OBJECT, /* members/len, in source order, keys unique */
};

struct pb_json_member;

/* Borrowed from its arena; never changed after it is built. */
struct pb_json {
	uint8_t type;
	uint8_t reserved[3];
	uint32_t len;
	union {
		bool b;
		int64_t i;
		double d;
		const char *s;
		const struct pb_json *items;
		const struct pb_json_member *members;
	};
};

struct pb_json_member {
	const char *key; /* NUL-terminated behind key_len */
	uint32_t key_len;
	uint32_t reserved;
	struct pb_json value;
};

#define PB_JSON_DEPTH 64

struct pb_json_limits {
	uint32_t depth;    /* 0 = PB_JSON_DEPTH */
	uint32_t n_values; /* 0 = bounded by the arena only */
};

/*
 * Reads @text whole.
 * Owner:  *ret lives in @arena, and so do copies of all strings (the text may go away).
 * Errors: PB_E_INVALID json.syntax / json.depth / json.duplicate_key / json.utf8 (message has the
 * byte offset), PB_E_TOO_LARGE json.too_large (arena limit, n_values).
 */
enum pb_status pb_json_parse(struct pb_arena *arena, const char *text, size_t n,
			     const struct pb_json_limits *limits, const struct pb_json **ret,
			     struct pb_err *err) pb_must_check;

/* Lookups: NULL when absent or when @j is NULL or of another type, so they chain. */
const struct pb_json *pb_json_get(const struct pb_json *j, const char *key);
const struct pb_json *pb_json_getn(const struct pb_json *j, const char *key, size_t key_len);
const struct pb_json *pb_json_item(const struct pb_json *j, size_t index);
/* RFC 6901; "" is @j itself. */
const struct pb_json *pb_json_pointer(const struct pb_json *j, const char *pointer, size_t n);

bool pb_json_is(const struct pb_json *j, enum pb_json_type type); /* false for NULL */
bool pb_json_is_number(const struct pb_json *j);
/* The text of a string, or NULL for anything else (and for text with an embedded NUL). */
const char *pb_json_str(const struct pb_json *j);
struct pb_slice pb_json_slice(const struct pb_json *j); /* {NULL,0} for anything but a string */
bool pb_json_true(const struct pb_json *j);             /* only for a literal true */
/* False when it is not a number, not an integer, or does not fit. 5.0 and 5e0 are integers. */
bool pb_json_i64(const struct pb_json *j, int64_t *ret) pb_must_check;
/* False when it is not a number or not finite as a double. */
bool pb_json_double(const struct pb_json *j, double *ret) pb_must_check;
/* True for every number without a fraction, of any size. */
bool pb_json_is_integer(const struct pb_json *j);
/* True when @j is an integer of any size and a multiple of @of, which is not 0. By digits. */
bool pb_json_is_multiple(const struct pb_json *j, int64_t of);
/* -1, 0, 1 by value. Both must be numbers. Text is compared exactly; a computed double (PB_JSON_REAL) exactly
 * with integers and as a double with everything else. */
int pb_json_number_cmp(const struct pb_json *a, const struct pb_json *b);
/* By value and type, numbers by value (exact for integers), members in any order. */
bool pb_json_equal(const struct pb_json *a, const struct pb_json *b);
const char *pb_json_type_name(const struct pb_json *j); /* "null", "boolean", "number", ... */

#define pb_json_each_item(it, j)                                                                   \
	for (const struct pb_json *it = pb_json_is((j), PB_JSON_ARRAY) ? (j)->items : NULL,        \
				  *it##_end = it ? it + (j)->len : NULL;                           \
	     it != it##_end; it++)
#define pb_json_each_member(it, j)                                                                 \
	for (const struct pb_json_member *it = pb_json_is((j), PB_JSON_OBJECT) ? (j)->members      \
									       : NULL,             \
					 *it##_end = it ? it + (j)->len : NULL;                    \
	     it != it##_end; it++)

/* Compact text of a tree; numbers keep their source text. False on the buffer's limit. Does not
 * recurse deeper than PB_JSON_DEPTH levels (deeper trees are refused). */
bool pb_json_write(struct pb_buf *b, const struct pb_json *j);
/* "text" with quotes and escapes; invalid UTF-8 becomes U+FFFD. */
bool pb_json_write_string(struct pb_buf *b, const char *s, size_t n);

/* Building trees by hand: the items are copied into the arena. NULL when the arena is full. */
const struct pb_json *pb_json_new_string(struct pb_arena *a, const char *s, size_t n);
const struct pb_json *pb_json_new_array(struct pb_arena *a, const struct pb_json *items, size_t n);
const struct pb_json *pb_json_new_object(struct pb_arena *a, const struct pb_json_member *m,
					 size_t n);
extern const struct pb_json pb_json_null, pb_json_bool_true, pb_json_bool_false;

/*
 * Streaming writer: commas and nesting are its business.
 *	pb_jw_object(&w); pb_jw_key(&w, "id"); pb_jw_str(&w, id); pb_jw_end(&w);
 */
struct pb_jw {
	struct pb_buf *buf;
	uint8_t depth;
	bool need_comma;
	uint64_t is_object; /* one bit a level */
};

void pb_jw_init(struct pb_jw *w, struct pb_buf *buf);
void pb_jw_object(struct pb_jw *w);
void pb_jw_array(struct pb_jw *w);
void pb_jw_end(struct pb_jw *w);
void pb_jw_key(struct pb_jw *w, const char *key);
void pb_jw_str(struct pb_jw *w, const char *s); /* NULL writes null */
void pb_jw_strn(struct pb_jw *w, const char *s, size_t n);
void pb_jw_int(struct pb_jw *w, int64_t v);
void pb_jw_real(struct pb_jw *w, double v); /* not finite writes null */
void pb_jw_bool(struct pb_jw *w, bool v);
void pb_jw_null(struct pb_jw *w);
void pb_jw_uuid(struct pb_jw *w, struct pb_uuid id);
void pb_jw_time(struct pb_jw *w, int64_t us); /* RFC 3339 text; 0 writes null */
/* One complete JSON value as text, taken as it is (checked elsewhere); empty or NULL writes null.
 */
void pb_jw_raw(struct pb_jw *w, const char *json, size_t n);
void pb_jw_tree(struct pb_jw *w, const struct pb_json *j);

#endif
