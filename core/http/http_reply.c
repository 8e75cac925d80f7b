/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending answers. Head and body go out in one write where the body is small, because each write is a
 * packet; every write is under the watchdog, because a peer that does not read holds a thread.
 */
#include "http/http_reply.h"

#include <civetweb.h>

#include "base/clock.h"
#include "http/http_priv.h"
#include "base/base.h"

/* Bodies up to this are copied behind the head into one write. */
#define ONE_WRITE_BYTES 65536

static const char *const own_headers[] = {"Content-Length", "Connection", "Transfer-Encoding",
					  "Date", "Server"};

void http_reply_header(struct http_req *r, const char *name, const char *value)
{
	for (size_t i = 0; i < PB_ARRAY_LEN(own_headers); i++)
		PB_ASSERT(!pb_slice_eq_nocase(pb_slice_str(name), own_headers[i]));
	PB_ASSERT(*name && strpbrk(name, ": \t\r\n") == NULL);
	for (const char *p = value; *p; p++)
		PB_ASSERT((unsigned char)*p >= 0x20 && *p != 0x7f);
	(void)pb_buf_addf(&r->out_headers, "%s: %s\r\n", name, value);
}

void http_reply_headerf(struct http_req *r, const char *name, const char *fmt, ...)
{
	pb_auto_buf b = PB_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	(void)pb_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	http_reply_header(r, name, pb_buf_str(&b));
}

void http_reply_close(struct http_req *r)
{
	r->close = true;
}

static bool write_all(struct http_req *r, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		size_t piece = PB_MIN(n, (size_t)1 << 20);
		int w = mg_write(r->mg, at, piece);

		if (w <= 0)
			return false;
		at += w;
		n -= (size_t)w;
		r->bytes_out += (uint64_t)w;
	}
	return true;
}

static void watch_write(struct http_req *r, size_t n)
{
	http_conn_watch(r->conn, HTTP_WATCH_CLOSE,
			pb_mono_us() + r->write_timeout_us +
				(int64_t)(n / 65536) * PB_USEC_PER_SEC);
}

static bool begin_reply(struct http_req *r, int status)
{
	PB_CHECK_MAGIC(r, HTTP_REQ_MAGIC);
	PB_ASSERT(status >= 200 && status <= 599);
#ifdef PB_LOCK_DEBUG
	PB_ASSERT(r->state == HTTP_REQ_OPEN); /* a second answer is a bug */
#endif
	if (r->state != HTTP_REQ_OPEN)
		return false;
	r->status = status;
	return true;
}

void http_reply_raw(struct http_req *r, int status, const char *content_type, const void *body,
		    size_t n)
{
	pb_auto_buf out = PB_BUF_INIT;
	bool with_body = r->method != HTTP_HEAD && n > 0;

	if (!begin_reply(r, status))
		return;
	r->state = HTTP_REQ_REPLIED;
	http_head_write(r, &out, status, content_type, (int64_t)n);
	watch_write(r, n);
	if (with_body && n <= ONE_WRITE_BYTES) {
		(void)pb_buf_reserve(&out, n); /* growing by halves would leave copies behind */
		(void)pb_buf_add(&out, body, n);
		with_body = false;
	}
	if (write_all(r, out.p, out.len) && with_body)
		(void)write_all(r, body, n);
	http_conn_watch(r->conn, HTTP_WATCH_NONE, 0);
	if (out.p && http_req_is_secret(r))
		explicit_bzero(out.p, out.len);
}

void http_reply_empty(struct http_req *r, int status)
{
	http_reply_raw(r, status, NULL, NULL, 0);
}

void http_reply_redirect(struct http_req *r, int status, const char *location)
{
	http_reply_header(r, "Location", location);
	http_reply_empty(r, status);
}

enum pb_status http_stream_begin(struct http_req *r, int status, const char *content_type,
				 struct pb_err *err)
{
	struct http_server *s = r->server;
	pb_auto_buf out = PB_BUF_INIT;

	if (atomic_load(&s->draining))
		return pb_err_set(err, PB_E_UNAVAILABLE, "http.draining", "the server is stopping");
	if (atomic_fetch_add(&s->streams, 1) >= s->cfg.max_streams) {
		atomic_fetch_sub(&s->streams, 1);
		return pb_err_set(err, PB_E_UNAVAILABLE, "http.streams_exhausted",
				  "too many clients are listening, try again later");
	}
	if (!begin_reply(r, status)) {
		atomic_fetch_sub(&s->streams, 1);
		return pb_err_set(err, PB_E_INTERNAL, "http.replied", "already answered");
	}
	r->state = HTTP_REQ_STREAM;
	http_head_write(r, &out, status, content_type, -1);
	watch_write(r, 0);
	(void)write_all(r, out.p, out.len);
	http_conn_watch(r->conn, HTTP_WATCH_NONE, 0);
	return PB_OK;
}

bool http_stream_write(struct http_req *r, const void *p, size_t n)
{
	bool ok = true;

	PB_ASSERT(r->state == HTTP_REQ_STREAM);
	if (http_req_draining(r))
		return false;
	if (r->method == HTTP_HEAD)
		return true;
	watch_write(r, n);
	ok = write_all(r, p, n);
	http_conn_watch(r->conn, HTTP_WATCH_NONE, 0);
	return ok;
}

bool http_replied(const struct http_req *r)
{
	return r->state != HTTP_REQ_OPEN;
}

int http_reply_status(const struct http_req *r)
{
	return r->status;
}
