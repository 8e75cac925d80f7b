/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request bodies. CivetWeb has no limit and no deadline for the whole of a body: both are here. Its
 * reader of chunk sizes is lenient, which is harmless only because the connection is closed after
 * every chunked request: no byte behind one is ever taken for a request.
 */
#include "http/http_request.h"

#include <civetweb.h>

#include "base/clock.h"
#include "http/http_priv.h"
#include "base/base.h"

#define CHUNK_BYTES 65536

/* A large body has more time: it must come at 64 KB/s at least. */
static int64_t deadline_for(const struct http_req *r, size_t bytes)
{
	return pb_mono_us() + r->server->cfg.body_timeout_us +
	       (int64_t)(bytes / CHUNK_BYTES) * PB_USEC_PER_SEC;
}

static enum pb_status fail(struct http_req *r, struct pb_err *err, enum pb_status status,
			   const char *code, const char *msg)
{
	r->body_failed = true;
	r->close = true;
	return pb_err_set(err, status, code, "%s", msg);
}

static enum pb_status too_large(struct http_req *r, size_t max, struct pb_err *err)
{
	r->body_failed = true;
	r->close = true;
	return pb_err_set(err, PB_E_TOO_LARGE, "http.body_too_large",
			  "the request body is larger than %zu bytes", max);
}

/* Tells a client that waits for it to go on; once. */
static void say_continue(struct http_req *r)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!r->framing.expect_continue || r->body_read > 0)
		return;
	r->framing.expect_continue = false;
	(void)mg_write(r->mg, line, sizeof(line) - 1);
}

static bool no_body(const struct http_req *r)
{
	return !r->framing.chunked && r->framing.content_length <= 0;
}

/* CivetWeb gives up by itself on a peer that is silent for as long as its longest timeout. */
static bool stalled(const struct http_req *r, int64_t begin_us)
{
	return pb_mono_us() - begin_us >= r->server->cfg.body_timeout_us / 10 * 9;
}

/* Reads up to @cap bytes off the connection; *ret_n 0 at the end. The watch must be set. */
static enum pb_status read_piece(struct http_req *r, void *buf, size_t cap, size_t *ret_n,
				 struct pb_err *err)
{
	int64_t left = r->framing.content_length - r->body_read;
	int64_t begin = pb_mono_us();
	int n = 0;

	*ret_n = 0;
	if (r->body_done)
		return PB_OK;
	if (!r->framing.chunked)
		cap = (size_t)PB_MIN((int64_t)cap, left);
	n = mg_read(r->mg, buf, PB_MIN(cap, (size_t)CHUNK_BYTES));
	if (n <= 0 && (http_conn_timed_out(r->conn) || stalled(r, begin)))
		return fail(r, err, PB_E_TIMEOUT, "http.body_timeout",
			    "the request body took too long to arrive");
	if (n < 0)
		return fail(r, err, PB_E_INVALID, "http.body_framing",
			    "the request body is malformed or ended early");
	if (n == 0 && !r->framing.chunked)
		return fail(r, err, PB_E_INVALID, "http.body_incomplete",
			    "the request body ended before its Content-Length");
	r->body_read += n;
	r->body_done = n == 0 || r->body_read == r->framing.content_length;
	*ret_n = (size_t)n;
	return PB_OK;
}

static enum pb_status read_all(struct http_req *r, size_t max, struct pb_buf *b, struct pb_err *err)
{
	size_t step = r->framing.chunked ? 4096 : (size_t)r->framing.content_length;

	/* all room at once: a buffer that grows leaves copies behind */
	if (http_req_is_secret(r) &&
	    !pb_buf_reserve(b, r->framing.chunked ? max + CHUNK_BYTES : step))
		return too_large(r, max, err);

	while (!r->body_done) {
		size_t want = PB_MIN(step, (size_t)CHUNK_BYTES), n = 0;
		enum pb_status st = PB_OK;

		if (!pb_buf_reserve(b, want))
			return too_large(r, max, err);
		st = read_piece(r, b->p + b->len, want, &n, err);
		if (st != PB_OK)
			return st;
		b->len += n;
		b->p[b->len] = 0;
		if (b->len > max)
			return too_large(r, max, err);
		step = PB_MIN(step * 2, (size_t)CHUNK_BYTES);
	}
	return PB_OK;
}

enum pb_status http_req_body_max(struct http_req *r, size_t max_bytes, struct pb_slice *ret,
				 struct pb_err *err)
{
	pb_auto_buf b = PB_BUF_INIT;
	enum pb_status st = PB_OK;

	if (r->body_kept) {
		if (r->body_len > max_bytes)
			return too_large(r, max_bytes, err);
		*ret = pb_slice(r->body, r->body_len);
		return PB_OK;
	}
	if (r->body_failed)
		return fail(r, err, PB_E_INVALID, "http.body_incomplete",
			    "the body could not be read");
	if (no_body(r)) {
		*ret = PB_SLICE("");
		return PB_OK;
	}
	if (r->framing.content_length > (int64_t)max_bytes)
		return too_large(r, max_bytes, err);
	say_continue(r);
	http_conn_watch(r->conn, HTTP_WATCH_READ,
			deadline_for(r, r->framing.chunked ? max_bytes
							   : (size_t)r->framing.content_length));
	st = read_all(r, max_bytes, &b, err);
	http_conn_watch(r->conn, HTTP_WATCH_NONE, 0);
	if (st != PB_OK && b.p && http_req_is_secret(r))
		explicit_bzero(b.p, b.len);
	if (st != PB_OK)
		return st;
	obs_counter_add(r->server->bytes_in, b.len);
	r->body = pb_buf_steal(&b, &r->body_len);
	r->body_kept = true;
	*ret = pb_slice(r->body, r->body_len);
	return PB_OK;
}

static size_t route_limit(const struct http_req *r)
{
	return r->match.route ? r->match.route->max_body_bytes : 0;
}

enum pb_status http_req_body(struct http_req *r, struct pb_slice *ret, struct pb_err *err)
{
	return http_req_body_max(r, route_limit(r), ret, err);
}

enum pb_status http_req_body_read(struct http_req *r, void *buf, size_t cap, size_t *ret_n,
				  struct pb_err *err)
{
	enum pb_status st = PB_OK;
	size_t n = 0;

	PB_ASSERT(!r->body_kept && cap > 0);
	if (no_body(r)) {
		*ret_n = 0;
		return PB_OK;
	}
	if (r->framing.content_length > (int64_t)route_limit(r))
		return too_large(r, route_limit(r), err);
	say_continue(r);
	http_conn_watch(r->conn, HTTP_WATCH_READ, deadline_for(r, cap));
	st = read_piece(r, buf, cap, &n, err);
	http_conn_watch(r->conn, HTTP_WATCH_NONE, 0);
	if (st != PB_OK)
		return st;
	if ((uint64_t)r->body_read > route_limit(r))
		return too_large(r, route_limit(r), err);
	obs_counter_add(r->server->bytes_in, n);
	*ret_n = n;
	return PB_OK;
}

bool http_body_rest_is_small(const struct http_req *r)
{
	if (r->body_failed || r->framing.chunked)
		return false;
	if (r->framing.expect_continue && r->framing.content_length > 0 && r->body_read == 0)
		return false; /* never asked for, so it may or may not come */
	return r->framing.content_length - r->body_read <= HTTP_DISCARD_BYTES;
}

void http_body_done(struct http_req *r)
{
	if (r->body && http_req_is_secret(r))
		explicit_bzero(r->body, r->body_len);
	free(pb_steal(r->body));
}
