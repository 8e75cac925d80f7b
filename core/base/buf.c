/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing byte string. Once something did not fit, nothing more is added until it is cleared: a
 * document with a hole in it must not look like a whole one.
 */
#include "base/buf.h"

#include "base/base.h"

#define BUF_MIN_CAP ((size_t)64)

void pb_buf_init(struct pb_buf *b, size_t limit_bytes)
{
	*b = (struct pb_buf){.limit = limit_bytes};
}

void pb_buf_done(struct pb_buf *b)
{
	if (!b)
		return;
	free(b->p);
	pb_buf_init(b, b->limit);
}

void pb_buf_clear(struct pb_buf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->p)
		b->p[0] = 0;
}

char *pb_buf_steal(struct pb_buf *b, size_t *ret_len)
{
	char *p = b->p ? b->p : pb_xstrdup("");

	if (ret_len)
		*ret_len = b->len;
	pb_buf_init(b, b->limit);
	return p;
}

const char *pb_buf_str(const struct pb_buf *b)
{
	return b->p ? b->p : "";
}

static bool refuse(struct pb_buf *b)
{
	b->overflow = true;
	return false;
}

/* @need is the wanted length without the NUL, already inside the limit. */
static bool grow(struct pb_buf *b, size_t need)
{
	size_t cap = b->cap < SIZE_MAX / 2 ? b->cap * 2 : SIZE_MAX;
	char *p;

	cap = PB_MAX(PB_MAX(cap, BUF_MIN_CAP), need + 1);
	if (b->limit && b->limit < SIZE_MAX)
		cap = PB_MIN(cap, b->limit + 1);
	if (b->limit) {
		p = realloc(b->p, cap);
		if (!p)
			return refuse(b);
	} else {
		p = pb_xrealloc(b->p, cap, 1);
	}
	p[b->len] = 0;
	b->p = p;
	b->cap = cap;
	return true;
}

bool pb_buf_reserve(struct pb_buf *b, size_t extra)
{
	size_t need;

	if (b->overflow || __builtin_add_overflow(b->len, extra, &need) || need == SIZE_MAX)
		return refuse(b);
	if (b->limit && need > b->limit)
		return refuse(b);
	return need < b->cap || grow(b, need);
}

bool pb_buf_add(struct pb_buf *b, const void *p, size_t n)
{
	if (!pb_buf_reserve(b, n))
		return false;
	if (n)
		memcpy(b->p + b->len, p, n);
	b->len += n;
	b->p[b->len] = 0;
	return true;
}

bool pb_buf_adds(struct pb_buf *b, const char *s)
{
	return pb_buf_add(b, s, strlen(s));
}

bool pb_buf_addc(struct pb_buf *b, char c)
{
	return pb_buf_add(b, &c, 1);
}

bool pb_buf_vaddf(struct pb_buf *b, const char *fmt, va_list ap)
{
	size_t room = b->cap > b->len ? b->cap - b->len : 0;
	va_list again;
	bool ok = false;
	int n;

	va_copy(again, ap);
	n = vsnprintf(room ? b->p + b->len : NULL, room, fmt, ap);
	if (n < 0 || !pb_buf_reserve(b, (size_t)n)) {
		b->overflow = true;
		if (room)
			b->p[b->len] = 0;
	} else {
		if ((size_t)n >= room)
			(void)vsnprintf(b->p + b->len, (size_t)n + 1, fmt, again); /* measured */
		b->len += (size_t)n;
		ok = true;
	}
	va_end(again);
	return ok;
}

bool pb_buf_addf(struct pb_buf *b, const char *fmt, ...)
{
	va_list ap;
	bool ok;

	va_start(ap, fmt);
	ok = pb_buf_vaddf(b, fmt, ap);
	va_end(ap);
	return ok;
}
