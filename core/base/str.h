/* SPDX-License-Identifier: Apache-2.0 */
/* Small string helpers: slices, copies that never overflow, UTF-8 and ASCII checks. */
#ifndef PB_BASE_STR_H
#define PB_BASE_STR_H

#include <string.h>
#include "base/macro.h"

/* Bytes that somebody else owns; not NUL-terminated. */
struct pb_slice {
	const char *p;
	size_t len;
};

#define PB_SLICE(lit) ((struct pb_slice){(lit), sizeof(lit) - 1})

static inline struct pb_slice pb_slice(const char *p, size_t len)
{
	return (struct pb_slice){p, len};
}
static inline struct pb_slice pb_slice_str(const char *s)
{
	return (struct pb_slice){s, s ? strlen(s) : 0};
}

bool pb_slice_eq(struct pb_slice a, struct pb_slice b);
bool pb_slice_eq_str(struct pb_slice a, const char *s);
bool pb_slice_eq_nocase(struct pb_slice a, const char *s); /* ASCII only */
bool pb_str_eq(const char *a, const char *b);              /* NULL equals only NULL */
bool pb_str_starts(const char *s, const char *prefix);
bool pb_str_ends(const char *s, const char *suffix);

/* Copies at most cap-1 bytes and always terminates. False when it was cut. */
bool pb_str_copy(char *dst, size_t cap, const char *src);
/* snprintf that says whether all of it fitted. */
bool pb_str_printf(char *dst, size_t cap, const char *fmt, ...) pb_printf(3, 4);

/* RFC 3629: no surrogates, no overlong forms, at most U+10FFFF. */
bool pb_utf8_valid(const char *p, size_t n);
/* The longest prefix of @p not over @max bytes that does not cut a character. */
size_t pb_utf8_cut(const char *p, size_t n, size_t max);
/* Writes 1..4 bytes and returns how many. @cp must be a valid scalar value. */
size_t pb_utf8_encode(uint32_t cp, char out[4]);
/* Decodes one character; returns its bytes, or 0 (and U+FFFD) when it is not valid or @n is 0. */
size_t pb_utf8_decode(const char *p, size_t n, uint32_t *ret_cp);

/* Lower-case hex. @out needs 2*n+1 bytes. */
void pb_hex(const void *p, size_t n, char *out);
/* False on odd length, other characters or a wrong size. */
bool pb_unhex(const char *s, size_t s_len, void *out, size_t out_bytes) pb_must_check;

#endif
