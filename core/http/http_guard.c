/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks that CivetWeb's parser does not make. Every refusal is for a request whose meaning two
 * readers could see differently; a proxy in front is the usual second reader.
 */
#include "http/http_guard.h"

#include "base/parse.h"
#include "http/http_path.h"
#include "http/http_router.h"
#include "base/base.h"

/* What one pass over the headers collects. */
struct seen {
	const char *content_length, *transfer_encoding, *host, *connection, *expect,
		*content_encoding;
	size_t n_content_length, n_transfer_encoding, n_host, n_expect, n_content_encoding;
	size_t bytes;
};

static bool token_ok(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (*s <= 0x20 || *s >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", *s))
			return false;
	return true;
}

static bool value_ok(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

static void note(struct seen *s, const struct http_header *h)
{
	struct pb_slice name = pb_slice_str(h->name);

	if (pb_slice_eq_nocase(name, "Content-Length")) {
		s->content_length = h->value;
		s->n_content_length++;
	} else if (pb_slice_eq_nocase(name, "Transfer-Encoding")) {
		s->transfer_encoding = h->value;
		s->n_transfer_encoding++;
	} else if (pb_slice_eq_nocase(name, "Host")) {
		s->host = h->value;
		s->n_host++;
	} else if (pb_slice_eq_nocase(name, "Connection")) {
		s->connection = h->value;
	} else if (pb_slice_eq_nocase(name, "Expect")) {
		s->expect = h->value;
		s->n_expect++;
	} else if (pb_slice_eq_nocase(name, "Content-Encoding")) {
		s->content_encoding = h->value;
		s->n_content_encoding++;
	}
}

static enum pb_status bad(struct pb_err *err, const char *what)
{
	return pb_err_set(err, PB_E_INVALID, "http.bad_request", "%s", what);
}

static enum pb_status bad_framing(struct pb_err *err, const char *what)
{
	return pb_err_set(err, PB_E_INVALID, "http.framing", "%s", what);
}

static enum pb_status collect(const struct http_head *head, struct seen *s, struct pb_err *err)
{
	s->bytes = strlen(head->method) + strlen(head->target) + strlen(head->version) + 9;
	for (size_t i = 0; i < head->n_headers; i++) {
		const struct http_header *h = &head->headers[i];

		if (!token_ok(h->name) || !value_ok(h->value))
			return bad(err, "a header has a malformed name or value");
		s->bytes += strlen(h->name) + strlen(h->value) + 4;
		note(s, h);
	}
	if (s->bytes - strlen(head->target) > head->header_limit_bytes)
		return pb_err_set(err, PB_E_TOO_LARGE, "http.headers_too_large",
				  "the headers are larger than %zu bytes",
				  head->header_limit_bytes);
	return PB_OK;
}

static enum pb_status check_line(const struct http_head *head, struct pb_err *err)
{
	if (strcmp(head->version, "1.1") != 0 && strcmp(head->version, "1.0") != 0)
		return pb_err_set(err, PB_E_NOT_IMPLEMENTED, "http.version",
				  "only HTTP/1.1 and HTTP/1.0 are spoken here");
	if (!http_method_parse(head->method))
		return pb_err_set(err, PB_E_NOT_IMPLEMENTED, "http.method_unknown",
				  "the request method is not known here");
	if (strlen(head->target) > HTTP_TARGET_BYTES)
		return pb_err_set(err, PB_E_TOO_LARGE, "http.uri_too_long",
				  "the request target is longer than %d bytes", HTTP_TARGET_BYTES);
	if (head->target[0] != '/')
		return bad(err, "the request target must be a path");
	return PB_OK;
}

static enum pb_status check_host(const struct http_head *head, const struct seen *s,
				 struct pb_err *err)
{
	bool old = strcmp(head->version, "1.0") == 0;

	if (s->n_host > 1 || (s->n_host == 0 && !old) || (s->host && !http_guard_host_ok(s->host)))
		return pb_err_set(err, PB_E_INVALID, "http.host",
				  "exactly one well-formed Host header is needed");
	return PB_OK;
}

static enum pb_status check_framing(const struct http_head *head, const struct seen *s,
				    struct http_framing *f, struct pb_err *err)
{
	bool old = strcmp(head->version, "1.0") == 0;

	f->content_length = -1;
	if (s->n_transfer_encoding && s->n_content_length)
		return bad_framing(err, "Content-Length and Transfer-Encoding exclude each other");
	if (s->n_transfer_encoding > 1 || s->n_content_length > 1)
		return bad_framing(err, "a framing header is repeated");
	if (s->transfer_encoding) {
		if (old || !pb_slice_eq_nocase(pb_slice_str(s->transfer_encoding), "chunked"))
			return bad_framing(err,
					   "the only transfer encoding is chunked, in HTTP/1.1");
		f->chunked = true;
	}
	if (s->content_length) {
		size_t n = strlen(s->content_length);
		bool digits = n > 0 && strspn(s->content_length, "0123456789") == n;

		if (digits && n > 18 && s->content_length[0] != '0')
			return pb_err_set(err, PB_E_TOO_LARGE, "http.body_too_large",
					  "the request body is too large");
		if (!pb_parse_i64(s->content_length, n, 0, INT64_MAX, &f->content_length))
			return bad_framing(err, "Content-Length is not a number");
	}
	return PB_OK;
}

static enum pb_status check_codings(const struct seen *s, struct http_framing *f,
				    struct pb_err *err)
{
	if (s->n_content_encoding > 1 ||
	    (s->content_encoding &&
	     !pb_slice_eq_nocase(pb_slice_str(s->content_encoding), "identity")))
		return pb_err_set(err, PB_E_UNSUPPORTED, "http.encoding",
				  "encoded request bodies are not accepted");
	if (s->n_expect > 1 ||
	    (s->expect && !pb_slice_eq_nocase(pb_slice_str(s->expect), "100-continue")))
		return pb_err_set(err, PB_E_INVALID, "http.expectation",
				  "the only expectation known is 100-continue");
	f->expect_continue = s->expect != NULL;
	return PB_OK;
}

/* True when the comma list has "close" in it. */
static bool list_has_close(const char *list)
{
	while (list && *list) {
		size_t n = strcspn(list, ",");
		size_t lead = strspn(list, " \t");
		size_t end = n;

		while (end > lead && (list[end - 1] == ' ' || list[end - 1] == '\t'))
			end--;
		if (end > lead && pb_slice_eq_nocase(pb_slice(list + lead, end - lead), "close"))
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

enum pb_status http_guard_check(const struct http_head *head, struct http_framing *ret,
				struct pb_err *err)
{
	struct http_framing f = {0};
	struct seen s = {0};
	enum pb_status st = PB_OK;

	if (!head->wire_ok)
		return bad(err, "the request's lines are malformed or too many");
	st = check_line(head, err);
	if (st == PB_OK)
		st = collect(head, &s, err);
	if (st == PB_OK)
		st = check_host(head, &s, err);
	if (st == PB_OK)
		st = check_framing(head, &s, &f, err);
	if (st == PB_OK)
		st = check_codings(&s, &f, err);
	if (st != PB_OK)
		return st;
	f.keep_alive = strcmp(head->version, "1.1") == 0 && !list_has_close(s.connection);
	*ret = f;
	return PB_OK;
}

static bool port_ok(const char *p)
{
	int64_t port = 0;

	return *p == 0 || (p[0] == ':' && pb_parse_i64(p + 1, strlen(p + 1), 1, 65535, &port));
}

bool http_guard_host_ok(const char *host)
{
	size_t n = 0;

	if (host[0] == '[') {
		n = strspn(host + 1, "0123456789abcdefABCDEF:.");
		return n >= 2 && n <= 45 && host[1 + n] == ']' && port_ok(host + n + 2);
	}
	n = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
	if (n == 0 || n > 253 || host[0] == '.' || host[0] == '-' || strstr(host, ".."))
		return false;
	return port_ok(host + n);
}

/* Exactly CR and LF were turned into NULs behind @text, and @next follows at once. */
static bool ended_by_crlf(const char *text, const char *next)
{
	const char *end = text + strlen(text);

	return next == end + 2 && end[1] == 0;
}

/*
 * Blanks behind a value are part of the value here, and blanks before it may be many, but before
 * the next name there is nothing but the line end. The parser overwrites the very last byte of the
 * block by NUL, so the empty line at the end reads CR NUL.
 */
bool http_guard_wire(const char *version, const struct http_header *raw, size_t n)
{
	const char *last = version;
	const char *end = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!ended_by_crlf(last, raw[i].name))
			return false;
		/* "Name :" leaves a NUL for each blank, so the value does not follow the colon's
		 * NUL */
		if (raw[i].name[0] == 0 || raw[i].value < raw[i].name + strlen(raw[i].name) + 1)
			return false;
		for (const char *p = raw[i].name + strlen(raw[i].name) + 1; p < raw[i].value; p++)
			if (*p != ' ' && *p != '\t')
				return false;
		last = raw[i].value;
	}
	end = last + strlen(last);
	if (n == 0) /* the parser blanks all line ends behind the version at once */
		return end[1] == 0 && end[2] == 0 && end[3] == 0;
	return end[1] == 0 && end[2] == '\r' && end[3] == 0;
}

int http_code_status(const char *code, enum pb_status status)
{
	static const struct {
		const char *code;
		int http;
	} special[] = {
		{"http.version", 505},           {"http.uri_too_long", 414},
		{"http.headers_too_large", 431}, {"http.expectation", 417},
		{"http.body_timeout", 408},      {"http.length_required", 411},
		{"http.method_unknown", 501},
	};

	for (size_t i = 0; code && i < PB_ARRAY_LEN(special); i++)
		if (strcmp(special[i].code, code) == 0)
			return special[i].http;
	return pb_status_http(status);
}
