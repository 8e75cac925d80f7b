/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers. Every JSON answer is one envelope {success, message, data, meta, errors}. A request gets
 * exactly one answer: a second one is a bug and aborts in developer builds, is ignored otherwise.
 * All functions: [request]. Send errors are not reported: the client is gone and nothing can be
 * done.
 */
#ifndef PB_HTTP_HTTP_REPLY_H
#define PB_HTTP_HTTP_REPLY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/problem.h"
#include "http/http_request.h"

/* Adds a header to the coming answer. Copied. Control characters in the value, or a name that the
 * server owns (Content-Length, Connection, Transfer-Encoding, Date), are a bug and abort. */
void http_reply_header(struct http_req *r, const char *name, const char *value);
void http_reply_headerf(struct http_req *r, const char *name, const char *fmt, ...) pb_printf(3, 4);
/* The connection is closed after the answer. */
void http_reply_close(struct http_req *r);

struct http_page {
	const char *next; /* opaque cursor; NULL = last page */
	int64_t limit;
};

/* @data_json is one complete JSON value, trusted to be well formed; n 0 = null. @message NULL =
 * "OK". */
void http_reply_data(struct http_req *r, int status, const char *message, const char *data_json,
		     size_t n);
void http_reply_page(struct http_req *r, const char *message, const char *data_json, size_t n,
		     const struct http_page *page);
/* The same from a buffer; an overflowed buffer becomes a 500. */
void http_reply_buf(struct http_req *r, int status, const char *message, const struct pb_buf *data);
void http_reply_tree(struct http_req *r, int status, const char *message,
		     const struct pb_json *data);

/* Status, code and message from @err (408/414/431 by code, else pb_status_http); PB_E_LIMIT and
 * PB_E_UNAVAILABLE get a Retry-After of 1 s unless one was set. Internal errors are logged by the
 * caller; their message is not shown. */
void http_reply_error(struct http_req *r, const struct pb_err *err);
/* With "field" (JSON pointer, NULL = none) and "details" (JSON object text, NULL = {}). */
void http_reply_error_at(struct http_req *r, const struct pb_err *err, const char *field,
			 const char *details_json);
void http_reply_fail(struct http_req *r, enum pb_status status, const char *code,
		     const char *message);
/* One errors[] item a problem; status 400 or 422. */
void http_reply_problems(struct http_req *r, int status, const char *message,
			 const struct pb_problems *problems);
/* 429/503 with a true Retry-After (rounded up to seconds). */
void http_reply_retry(struct http_req *r, enum pb_status status, const char *code,
		      const char *message, int64_t retry_after_us);

/* Without the envelope: documents, webhook answers, metrics, 204, redirects (OAuth2 needs its own
 * JSON). */
void http_reply_raw(struct http_req *r, int status, const char *content_type, const void *body,
		    size_t n);
void http_reply_empty(struct http_req *r, int status);
/* @location is checked for control characters; 303 after a POST. */
void http_reply_redirect(struct http_req *r, int status, const char *location);

/*
 * Starts an event stream (or any streamed answer): headers go out now.
 * Errors: PB_E_UNAVAILABLE http.streams_exhausted over cfg.max_streams (the caller replies with
 * it).
 */
enum pb_status http_stream_begin(struct http_req *r, int status, const char *content_type,
				 struct pb_err *err) pb_must_check;
/* False when the client is gone, too slow, or the server drains: end the handler then. */
bool http_stream_write(struct http_req *r, const void *p, size_t n);
/* True when something was answered already. */
bool http_replied(const struct http_req *r);
int http_reply_status(const struct http_req *r); /* 0 before the answer */

#endif
