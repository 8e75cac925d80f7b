/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request targets and forms. Everything is decoded exactly once and refused when a second decoding
 * would mean something else: "%252e" is refused although it is legal, because some later reader
 * might decode again.
 */
#include "http/http_path.h"

#include "base/base.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte that "%xy" at @p means; -1 when it is not an escape. */
static int escape_at(const char *p, const char *end)
{
	int hi = 0, lo = 0;

	if (end - p < 3)
		return -1;
	hi = hex_value(p[1]);
	lo = hex_value(p[2]);
	return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

/* RFC 3986 pchar without '%', and '/'. */
static bool path_byte_ok(unsigned char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	return c != 0 && strchr("-._~!$&'()*+,;=:@/", c) != NULL;
}

/* Query bytes: as browsers send them, so more than the grammar, but nothing that ends a line or a
 * word. */
static bool query_byte_ok(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != '<' && c != '>' && c != '#' && c != '\\';
}

static bool decode_path(const char *raw, size_t n, char *out, size_t *ret_len)
{
	const char *end = raw + n;
	size_t len = 0;

	for (const char *p = raw; p < end;) {
		int c = (unsigned char)*p;

		if (c == '%') {
			c = escape_at(p, end);
			/* an escaped control, slash, backslash or '%' has a second reading */
			if (c < 0x20 || c == 0x7f || c == '/' || c == '\\' || c == '%')
				return false;
			p += 3;
		} else {
			if (!path_byte_ok((unsigned char)c))
				return false;
			p++;
		}
		out[len++] = (char)c;
	}
	out[len] = 0;
	*ret_len = len;
	return pb_utf8_valid(out, len);
}

static bool segment_ok(const char *p, size_t n, bool last)
{
	if (n == 0)
		return last;
	if (p[0] != '.')
		return true;
	return !(n == 1 || (n == 2 && p[1] == '.'));
}

/* No "//", no dot segments, not too many; one trailing slash may stand (it names another resource).
 */
static bool segments_ok(const char *path, size_t n)
{
	size_t count = 0;

	for (size_t i = 1; i <= n; count++) {
		const char *slash = memchr(path + i, '/', n - i);
		size_t len = slash ? (size_t)(slash - (path + i)) : n - i;

		if (count >= HTTP_PATH_SEGMENTS || !segment_ok(path + i, len, !slash))
			return false;
		i += len + 1;
	}
	return true;
}

static bool decode_form_part(const char *raw, size_t n, char *out, size_t *ret_len,
			     bool strict_bytes)
{
	const char *end = raw + n;
	size_t len = 0;

	for (const char *p = raw; p < end;) {
		int c = (unsigned char)*p;

		if (c == '%') {
			c = escape_at(p, end);
			if (c <= 0)
				return false;
			p += 3;
		} else {
			if (strict_bytes ? !query_byte_ok((unsigned char)c) : c == 0)
				return false;
			c = c == '+' ? ' ' : c;
			p++;
		}
		out[len++] = (char)c;
	}
	out[len] = 0;
	*ret_len = len;
	return pb_utf8_valid(out, len);
}

/* What a list of parameters is read with. Invariant: n <= HTTP_QUERY_PARAMS. */
struct form_reader {
	struct pb_arena *arena;
	struct http_param *params;
	size_t n;
	bool allow_repeats;
	bool strict_bytes;
};

static bool is_repeat(const struct form_reader *f, struct pb_slice name)
{
	for (size_t i = 0; !f->allow_repeats && i < f->n; i++)
		if (pb_slice_eq(f->params[i].name, name))
			return true;
	return false;
}

static bool read_part(struct form_reader *f, const char *p, size_t n, struct pb_slice *ret)
{
	char *out = pb_arena_alloc(f->arena, n + 1);
	size_t len = 0;

	if (!out || !decode_form_part(p, n, out, &len, f->strict_bytes))
		return false;
	*ret = pb_slice(out, len);
	return true;
}

static bool read_pair(struct form_reader *f, const char *p, size_t n)
{
	const char *eq = memchr(p, '=', n);
	size_t name_len = eq ? (size_t)(eq - p) : n;
	struct http_param one = {.value = PB_SLICE("")};

	if (n == 0)
		return true;
	if (f->n >= HTTP_QUERY_PARAMS || !read_part(f, p, name_len, &one.name))
		return false;
	if (eq && !read_part(f, eq + 1, n - name_len - 1, &one.value))
		return false;
	if (is_repeat(f, one.name))
		return false;
	f->params[f->n++] = one;
	return true;
}

static bool read_form(struct form_reader *f, const char *raw, size_t n)
{
	size_t pairs = 1;

	for (size_t i = 0; i < n; i++)
		pairs += raw[i] == '&';
	pairs = PB_MIN(pairs, (size_t)HTTP_QUERY_PARAMS);
	f->params = pb_arena_calloc(f->arena, pairs, sizeof(*f->params));
	if (!f->params)
		return false;
	for (size_t i = 0; i < n;) {
		const char *amp = memchr(raw + i, '&', n - i);
		size_t len = amp ? (size_t)(amp - (raw + i)) : n - i;

		if (f->n >= pairs && len > 0)
			return false;
		if (!read_pair(f, raw + i, len))
			return false;
		i += len + 1;
	}
	return true;
}

static bool has_repeats(const struct form_reader *f)
{
	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < i; k++)
			if (pb_slice_eq(f->params[i].name, f->params[k].name))
				return true;
	return false;
}

static enum pb_status bad_path(struct pb_err *err)
{
	return pb_err_set(err, PB_E_INVALID, "http.path_invalid",
			  "the path of the request is malformed or ambiguous");
}

enum pb_status http_target_parse(struct pb_arena *arena, const char *raw, size_t n,
				 struct http_target *ret, struct pb_err *err)
{
	const char *q = memchr(raw, '?', n);
	size_t path_n = q ? (size_t)(q - raw) : n;
	struct form_reader f = {.arena = arena, .strict_bytes = true, .allow_repeats = true};
	struct http_target out = {.query = PB_SLICE("")};
	char *path = NULL;
	size_t len = 0;

	if (n > HTTP_TARGET_BYTES)
		return pb_err_set(err, PB_E_TOO_LARGE, "http.uri_too_long",
				  "the request target is longer than %d bytes", HTTP_TARGET_BYTES);
	if (path_n == 0 || raw[0] != '/')
		return bad_path(err);
	path = pb_arena_alloc(arena, path_n + 1);
	if (!path || !decode_path(raw, path_n, path, &len) || !segments_ok(path, len))
		return bad_path(err);
	if (q) {
		out.query = pb_slice(q + 1, n - path_n - 1);
		if (!read_form(&f, out.query.p, out.query.len))
			return pb_err_set(err, PB_E_INVALID, "http.query_invalid",
					  "the query is malformed or too long");
	}
	out.path = pb_slice(path, len);
	out.params = f.params;
	out.n_params = f.n;
	out.repeats = has_repeats(&f);
	*ret = out;
	return PB_OK;
}

enum pb_status http_form_parse(struct pb_arena *arena, const char *raw, size_t n,
			       bool allow_repeats, const struct http_param **ret, size_t *ret_n,
			       struct pb_err *err)
{
	struct form_reader f = {.arena = arena, .allow_repeats = allow_repeats};

	if (!read_form(&f, raw, n))
		return pb_err_set(err, PB_E_INVALID, "http.form_invalid",
				  "the form is malformed or has too many fields");
	*ret = f.params;
	*ret_n = f.n;
	return PB_OK;
}
