/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing JSON: trees, single strings, and the streaming writer. Running text without anything to
 * escape is copied in one piece. Failure is the buffer's overflow and nothing else.
 */
#include "base/json.h"

#include <math.h>

#include "base/parse.h"
#include "base/base.h"

static bool needs_care(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\' || c >= 0x80;
}

static bool write_ascii_escape(struct pb_buf *b, unsigned char c)
{
	static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(named, c) : NULL;
	char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

	if (!at)
		return pb_buf_add(b, text, 6);
	text[1] = letters[at - named];
	return pb_buf_add(b, text, 2);
}

bool pb_json_write_string(struct pb_buf *b, const char *s, size_t n)
{
	size_t from = 0, i = 0;
	uint32_t cp;

	(void)pb_buf_reserve(b, n + 2); /* overflow shows in the last addc */
	(void)pb_buf_addc(b, '"');
	while (i < n) {
		unsigned char c = (unsigned char)s[i];
		size_t k;

		if (!needs_care(c)) {
			i++;
			continue;
		}
		k = c < 0x80 ? 0 : pb_utf8_decode(s + i, n - i, &cp);
		if (k) {
			i += k;
			continue;
		}
		(void)pb_buf_add(b, s + from, i - from);
		if (c < 0x80)
			(void)write_ascii_escape(b, c);
		else
			(void)pb_buf_adds(b, "\xef\xbf\xbd");
		from = ++i;
	}
	(void)pb_buf_add(b, s + from, n - from);
	return pb_buf_addc(b, '"');
}

static bool write_int(struct pb_buf *b, int64_t v)
{
	char text[24], *p = text + sizeof(text);
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;

	do {
		*--p = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (v < 0)
		*--p = '-';
	return pb_buf_add(b, p, (size_t)(text + sizeof(text) - p));
}

static bool write_real(struct pb_buf *b, double d)
{
	char text[PB_DOUBLE_BYTES];

	if (!isfinite(d))
		return pb_buf_adds(b, "null");
	return pb_buf_add(b, text, pb_format_double(d, text));
}

static bool write_tree(struct pb_buf *b, const struct pb_json *j, unsigned depth);

static bool write_array(struct pb_buf *b, const struct pb_json *j, unsigned depth)
{
	bool ok = pb_buf_addc(b, '[');

	for (uint32_t i = 0; ok && i < j->len; i++) {
		if (i)
			(void)pb_buf_addc(b, ',');
		ok = write_tree(b, &j->items[i], depth);
	}
	return ok && pb_buf_addc(b, ']');
}

static bool write_object(struct pb_buf *b, const struct pb_json *j, unsigned depth)
{
	bool ok = pb_buf_addc(b, '{');

	for (uint32_t i = 0; ok && i < j->len; i++) {
		const struct pb_json_member *m = &j->members[i];

		if (i)
			(void)pb_buf_addc(b, ',');
		(void)pb_json_write_string(b, m->key, m->key_len);
		(void)pb_buf_addc(b, ':');
		ok = write_tree(b, &m->value, depth);
	}
	return ok && pb_buf_addc(b, '}');
}

/* Recursion ends at PB_JSON_DEPTH containers. */
static bool write_tree(struct pb_buf *b, const struct pb_json *j, unsigned depth)
{
	switch ((enum pb_json_type)j->type) {
	case PB_JSON_BOOL:
		return pb_buf_adds(b, j->b ? "true" : "false");
	case PB_JSON_INT:
		return write_int(b, j->i);
	case PB_JSON_REAL:
		return write_real(b, j->d);
	case PB_JSON_NUMBER:
		return pb_buf_add(b, j->s, j->len);
	case PB_JSON_STRING:
		return pb_json_write_string(b, j->s, j->len);
	case PB_JSON_ARRAY:
		return depth > 0 && write_array(b, j, depth - 1);
	case PB_JSON_OBJECT:
		return depth > 0 && write_object(b, j, depth - 1);
	case PB_JSON_NULL:
		break;
	}
	return pb_buf_adds(b, "null");
}

bool pb_json_write(struct pb_buf *b, const struct pb_json *j)
{
	if (!j)
		return pb_buf_adds(b, "null");
	if (write_tree(b, j, PB_JSON_DEPTH))
		return true;
	b->overflow = true; /* too deep is as unusable as too long */
	return false;
}

void pb_jw_init(struct pb_jw *w, struct pb_buf *buf)
{
	*w = (struct pb_jw){.buf = buf};
}

/* Before any value: the comma, unless a key came just before. */
static void before_value(struct pb_jw *w)
{
	if (w->need_comma)
		(void)pb_buf_addc(w->buf, ',');
	w->need_comma = true;
}

static void open_level(struct pb_jw *w, bool object)
{
	before_value(w);
	(void)pb_buf_addc(w->buf, object ? '{' : '[');
	PB_ASSERT(w->depth < 64); /* one bit a level; the caller's nesting, not the input's */
	w->is_object = (w->is_object & ~(UINT64_C(1) << w->depth)) | (uint64_t)object << w->depth;
	w->depth++;
	w->need_comma = false;
}

void pb_jw_object(struct pb_jw *w)
{
	open_level(w, true);
}

void pb_jw_array(struct pb_jw *w)
{
	open_level(w, false);
}

void pb_jw_end(struct pb_jw *w)
{
	PB_ASSERT(w->depth > 0);
	w->depth--;
	(void)pb_buf_addc(w->buf, w->is_object >> w->depth & 1 ? '}' : ']');
	w->need_comma = true;
}

void pb_jw_key(struct pb_jw *w, const char *key)
{
	PB_ASSERT(w->depth > 0 && (w->is_object >> (w->depth - 1) & 1));
	before_value(w);
	(void)pb_json_write_string(w->buf, key, strlen(key));
	(void)pb_buf_addc(w->buf, ':');
	w->need_comma = false;
}

void pb_jw_strn(struct pb_jw *w, const char *s, size_t n)
{
	before_value(w);
	(void)pb_json_write_string(w->buf, s, n);
}

void pb_jw_str(struct pb_jw *w, const char *s)
{
	if (s)
		pb_jw_strn(w, s, strlen(s));
	else
		pb_jw_null(w);
}

void pb_jw_int(struct pb_jw *w, int64_t v)
{
	before_value(w);
	(void)write_int(w->buf, v);
}

void pb_jw_real(struct pb_jw *w, double v)
{
	before_value(w);
	(void)write_real(w->buf, v);
}

void pb_jw_bool(struct pb_jw *w, bool v)
{
	before_value(w);
	(void)pb_buf_adds(w->buf, v ? "true" : "false");
}

void pb_jw_null(struct pb_jw *w)
{
	before_value(w);
	(void)pb_buf_adds(w->buf, "null");
}

void pb_jw_uuid(struct pb_jw *w, struct pb_uuid id)
{
	char text[PB_UUID_TEXT_BYTES];

	pb_uuid_format(id, text);
	pb_jw_strn(w, text, sizeof(text) - 1);
}

void pb_jw_time(struct pb_jw *w, int64_t us)
{
	char text[PB_RFC3339_BYTES];

	if (us == 0) {
		pb_jw_null(w);
		return;
	}
	pb_format_rfc3339(us, text);
	pb_jw_str(w, text);
}

void pb_jw_raw(struct pb_jw *w, const char *json, size_t n)
{
	before_value(w);
	if (json && n)
		(void)pb_buf_add(w->buf, json, n);
	else
		(void)pb_buf_adds(w->buf, "null");
}

void pb_jw_tree(struct pb_jw *w, const struct pb_json *j)
{
	before_value(w);
	(void)pb_json_write(w->buf, j);
}
