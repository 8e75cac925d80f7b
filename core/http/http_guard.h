/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CivetWeb lets through and must not reach a handler: ambiguous framing, doubtful hosts,
 * foreign methods and versions, oversized lines. Pure functions on the parsed header list; the
 * caller answers and closes the connection on every refusal.
 */
#ifndef PB_HTTP_HTTP_GUARD_H
#define PB_HTTP_HTTP_GUARD_H

#include "base/err.h"
#include "base/str.h"

struct http_header {
	const char *name, *value; /* value without blanks at its ends */
};

/* @wire_ok: the caller saw CRLF after each line and nothing behind the last header (see
 * http_guard_wire). */
struct http_head {
	const char *method, *target, *version; /* version "1.1" */
	const struct http_header *headers;
	size_t n_headers;
	size_t header_limit_bytes;
	bool wire_ok;
};

struct http_framing {
	bool chunked;
	int64_t content_length; /* -1 = none given */
	bool keep_alive;
	bool expect_continue;
};

/*
 * Checks all of H01-H04, H07, H08, H10, H13, H19 of the list of attacks that can be seen here.
 * Errors: code decides the HTTP status, see http_code_status(): http.bad_request (400),
 * http.framing (400), http.host (400), http.method_unknown (501), http.version (505),
 * http.uri_too_long (414), http.headers_too_large (431), http.body_too_large (413), http.encoding
 * (415), http.expectation (417).
 */
enum pb_status http_guard_check(const struct http_head *head, struct http_framing *ret,
				struct pb_err *err) pb_must_check;

/* Host shape: reg-name, IPv4 or [IPv6], optional port; nothing else. */
bool http_guard_host_ok(const char *host);

/*
 * CivetWeb cuts its read buffer in place: after a value it leaves one NUL for a bare LF and two for
 * CRLF, and what it did not understand (obs-fold, a 65th header) stays behind the last value.
 * Looking at those bytes is the only way to see such requests. @headers point into that buffer, in
 * order of the wire.
 */
bool http_guard_wire(const char *version, const struct http_header *raw, size_t n);

/* HTTP status for an error of this module or any other: by code first, else by status. */
int http_code_status(const char *code, enum pb_status status);

#endif
