/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads HTTP/1.1 requests for patchbay-sink. Strict where it matters (one length, no obs-fold),
 * since a test upstream that forgives would hide what egress sends. Stateless: an incomplete
 * request is looked at again from its start, stepping over whole chunks, so nothing but bytes has
 * to be kept.
 */
#include "sink.h"

#include <ctype.h>

#include "base/parse.h"
#include "base/base.h"

static struct pb_slice trim(const char *p, size_t n)
{
	while (n > 0 && (*p == ' ' || *p == '\t')) {
		p++;
		n--;
	}
	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	return pb_slice(p, n);
}

/* The next line without its CRLF; false when there is no whole line. */
static bool next_line(const char **p, const char *end, struct pb_slice *ret)
{
	const char *nl = memchr(*p, '\n', (size_t)(end - *p));

	if (!nl || nl == *p || nl[-1] != '\r')
		return false;
	*ret = pb_slice(*p, (size_t)(nl - 1 - *p));
	*p = nl + 1;
	return true;
}

static void split_target(struct sink_request *req)
{
	struct pb_slice t = req->target;
	const char *q = memchr(t.p, '?', t.len);
	const char *slash;

	req->path = pb_slice(t.p, q ? (size_t)(q - t.p) : t.len);
	if (q)
		req->query = pb_slice(q + 1, (size_t)(t.p + t.len - q - 1));
	if (req->path.len < 2 || req->path.p[1] != '~')
		return;
	slash = memchr(req->path.p + 1, '/', req->path.len - 1);
	req->modes = pb_slice(req->path.p + 2,
			      slash ? (size_t)(slash - req->path.p - 2) : req->path.len - 2);
}

static bool read_request_line(struct pb_slice line, struct sink_request *req)
{
	const char *a = memchr(line.p, ' ', line.len);
	const char *b = a ? memchr(a + 1, ' ', (size_t)(line.p + line.len - a - 1)) : NULL;
	struct pb_slice version;

	if (!b || a == line.p || a[1] != '/')
		return false;
	req->method = pb_slice(line.p, (size_t)(a - line.p));
	req->target = pb_slice(a + 1, (size_t)(b - a - 1));
	version = pb_slice(b + 1, (size_t)(line.p + line.len - b - 1));
	split_target(req);
	req->keep_alive = pb_slice_eq_str(version, "HTTP/1.1");
	return req->keep_alive || pb_slice_eq_str(version, "HTTP/1.0");
}

struct framing {
	int64_t length; /* -1 = not given */
	bool chunked;
};

static bool note_header(struct sink_request *req, struct sink_header h, struct framing *f)
{
	if (pb_slice_eq_nocase(h.name, "content-length")) {
		if (f->length >= 0)
			return false;
		return pb_parse_i64(h.value.p, h.value.len, 0, SINK_BODY_BYTES, &f->length);
	}
	if (pb_slice_eq_nocase(h.name, "transfer-encoding")) {
		f->chunked = pb_slice_eq_nocase(h.value, "chunked");
		return f->chunked;
	}
	if (pb_slice_eq_nocase(h.name, "connection"))
		req->keep_alive = req->keep_alive && !pb_slice_eq_nocase(h.value, "close");
	else if (pb_slice_eq_nocase(h.name, "expect"))
		req->wants_continue = pb_slice_eq_nocase(h.value, "100-continue");
	else if (pb_slice_eq_nocase(h.name, "idempotency-key"))
		req->key = h.value;
	else if (pb_slice_eq_nocase(h.name, "content-type"))
		req->is_json = memmem(h.value.p, h.value.len, "json", 4) != NULL;
	return true;
}

static bool read_header(struct pb_slice line, struct sink_request *req, struct framing *f)
{
	const char *colon = memchr(line.p, ':', line.len);
	struct sink_header h;

	if (!colon || colon == line.p || req->n_headers == SINK_MAX_HEADERS)
		return false;
	h.name = pb_slice(line.p, (size_t)(colon - line.p));
	h.value = trim(colon + 1, (size_t)(line.p + line.len - colon - 1));
	if (memchr(h.name.p, ' ', h.name.len) || memchr(h.name.p, '\t', h.name.len))
		return false;
	req->headers[req->n_headers++] = h;
	return note_header(req, h, f);
}

/* The size in front of a chunk, extensions ignored; false when it is not one. */
static bool chunk_size(struct pb_slice line, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < line.len && line.p[i] != ';'; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if (!isxdigit(c) || i >= 8)
			return false;
		v = v * 16 + (uint64_t)(isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	*ret = v;
	return i > 0 && v <= SINK_BODY_BYTES;
}

/* Walks the chunks. With @dst the content is moved there, which only overwrites bytes already read.
 */
static enum sink_parse walk_chunks(const char *p, const char *end, char *dst, size_t *ret_body,
				   const char **ret_end)
{
	size_t body = 0;
	uint64_t size = 0;
	struct pb_slice line;

	for (;;) {
		if (!next_line(&p, end, &line))
			return end - p > 1024 ? SINK_BAD : SINK_MORE;
		if (!chunk_size(line, &size) || body + size > SINK_BODY_BYTES)
			return SINK_BAD;
		if (size == 0)
			break;
		if ((uint64_t)(end - p) < size + 2)
			return SINK_MORE;
		if (p[size] != '\r' || p[size + 1] != '\n')
			return SINK_BAD;
		if (dst)
			memmove(dst + body, p, size);
		body += size;
		p += size + 2;
	}
	do { /* trailers are read and dropped */
		if (!next_line(&p, end, &line))
			return end - p > 8192 ? SINK_BAD : SINK_MORE;
	} while (line.len > 0);
	*ret_body = body;
	*ret_end = p;
	return SINK_REQUEST;
}

static enum sink_parse read_body(char *p, size_t n, size_t head, const struct framing *f,
				 struct sink_request *req)
{
	const char *end = NULL;
	enum sink_parse r;
	size_t body = 0;

	if (!f->chunked) {
		body = f->length > 0 ? (size_t)f->length : 0;
		req->body = pb_slice(p + head, body);
		req->total_bytes = head + body;
		return n - head < body ? SINK_MORE : SINK_REQUEST;
	}
	r = walk_chunks(p + head, p + n, NULL, &body, &end);
	if (r != SINK_REQUEST)
		return r;
	r = walk_chunks(p + head, p + n, p + head, &body, &end);
	req->body = pb_slice(p + head, body);
	req->total_bytes = (size_t)(end - p);
	return r;
}

enum sink_parse sink_request_parse(char *p, size_t n, struct sink_request *ret)
{
	struct framing f = {-1, false};
	const char *at = p, *head_end = memmem(p, n, "\r\n\r\n", 4);
	struct pb_slice line;

	memset(ret, 0, sizeof(*ret));
	if (!head_end)
		return n > SINK_HEAD_BYTES ? SINK_BAD : SINK_MORE;
	head_end += 4;
	if ((size_t)(head_end - p) > SINK_HEAD_BYTES)
		return SINK_BAD;
	if (!next_line(&at, head_end, &line) || !read_request_line(line, ret))
		return SINK_BAD;
	for (;;) {
		if (!next_line(&at, head_end, &line))
			return SINK_BAD;
		if (line.len == 0)
			break;
		if (!read_header(line, ret, &f))
			return SINK_BAD;
	}
	if (f.chunked && f.length >= 0)
		return SINK_BAD;
	return read_body(p, n, (size_t)(head_end - p), &f, ret);
}

static bool decode(struct pb_slice in, char *out, size_t cap)
{
	size_t o = 0;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.p[i];

		if (c == '+')
			c = ' ';
		if (c == '%' && i + 2 < in.len && pb_unhex(in.p + i + 1, 2, &c, 1))
			i += 2;
		if (o + 1 >= cap)
			return false;
		out[o++] = c;
	}
	out[o] = '\0';
	return true;
}

/* Looks through "a=1&b=2" (in a path segment also "a=1,b=2"). */
static bool find_param(struct pb_slice in, char sep, const char *name, struct pb_slice *ret)
{
	size_t name_len = strlen(name), i = 0;

	while (i < in.len) {
		size_t end = i;

		while (end < in.len && in.p[end] != '&' && in.p[end] != sep)
			end++;
		if (end - i > name_len && in.p[i + name_len] == '=' &&
		    memcmp(in.p + i, name, name_len) == 0) {
			*ret = pb_slice(in.p + i + name_len + 1, end - i - name_len - 1);
			return true;
		}
		i = end + 1;
	}
	return false;
}

bool sink_request_param(const struct sink_request *req, const char *name, char *out, size_t cap)
{
	struct pb_slice v;

	if (!find_param(req->query, '&', name, &v) && !find_param(req->modes, ',', name, &v))
		return false;
	return decode(v, out, cap);
}

bool sink_request_number(const struct sink_request *req, const char *name, int64_t max,
			 int64_t *ret)
{
	char text[24];

	return sink_request_param(req, name, text, sizeof(text)) &&
	       pb_parse_i64(text, strlen(text), 0, max, ret);
}
