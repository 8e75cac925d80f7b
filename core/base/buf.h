/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte string, always NUL-terminated once something was added. A limit makes it safe for
 * output whose size input decides: past it `overflow` is set, the content stays as it was.
 */
#ifndef PB_BASE_BUF_H
#define PB_BASE_BUF_H

#include <stdarg.h>
#include "base/macro.h"

/* Invariant: p == NULL || p[len] == 0; len < cap or cap == 0; len <= limit when limit > 0. */
struct pb_buf {
	char *p;
	size_t len;
	size_t cap;
	size_t limit; /* bytes, 0 = none */
	bool overflow;
};

#define PB_BUF_INIT                                                                                \
	{                                                                                          \
		NULL, 0, 0, 0, false                                                               \
	}
#define pb_auto_buf pb_cleanup(pb_buf_done) struct pb_buf

void pb_buf_init(struct pb_buf *b, size_t limit_bytes);
void pb_buf_done(struct pb_buf *b);
void pb_buf_clear(struct pb_buf *b);
/* Owner: caller frees with free(); never NULL. The buffer is empty afterwards. */
char *pb_buf_steal(struct pb_buf *b, size_t *ret_len);
/* The text so far, "" when empty. Borrowed until the next change. */
const char *pb_buf_str(const struct pb_buf *b);

/* All return false (and set overflow) when the limit would be passed. */
bool pb_buf_reserve(struct pb_buf *b, size_t extra);
bool pb_buf_add(struct pb_buf *b, const void *p, size_t n);
bool pb_buf_adds(struct pb_buf *b, const char *s);
bool pb_buf_addc(struct pb_buf *b, char c);
bool pb_buf_addf(struct pb_buf *b, const char *fmt, ...) pb_printf(2, 3);
bool pb_buf_vaddf(struct pb_buf *b, const char *fmt, va_list ap) pb_printf(2, 0);

#endif
