/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope around every JSON answer. It is written once, straight into the body; data is copied as
 * it is and never parsed again.
 */
#include "http/http_reply.h"

#include "base/clock.h"
#include "http/http_priv.h"
#include "base/base.h"

/* What surrounds the data, with room for every message and cursor: growing would copy what may be secret. */
#define ENVELOPE_BYTES ((size_t)1024)

static const char json_type[] = "application/json; charset=utf-8";

static void write_meta(struct pb_jw *w, const struct http_req *r, const struct http_page *page)
{
	pb_jw_key(w, "meta");
	pb_jw_object(w);
	pb_jw_key(w, "timestamp");
	pb_jw_time(w, pb_now_us());
	pb_jw_key(w, "request_id");
	pb_jw_str(w, r->id);
	pb_jw_key(w, "version");
	pb_jw_str(w, r->server->cfg.api_version);
	pb_jw_key(w, "actor");
	pb_jw_object(w);
	pb_jw_key(w, "user_id");
	pb_jw_str(w, r->user_id);
	pb_jw_key(w, "client_id");
	pb_jw_str(w, r->client_id);
	pb_jw_key(w, "role");
	pb_jw_str(w, r->role);
	pb_jw_end(w);
	pb_jw_key(w, "page");
	if (page) {
		pb_jw_object(w);
		pb_jw_key(w, "next");
		pb_jw_str(w, page->next);
		pb_jw_key(w, "limit");
		pb_jw_int(w, page->limit);
		pb_jw_end(w);
	} else {
		pb_jw_null(w);
	}
	pb_jw_end(w);
}

static void open_envelope(struct pb_jw *w, struct pb_buf *b, bool success, const char *message)
{
	pb_jw_init(w, b);
	pb_jw_object(w);
	pb_jw_key(w, "success");
	pb_jw_bool(w, success);
	pb_jw_key(w, "message");
	pb_jw_str(w, message);
	pb_jw_key(w, "data");
}

static void reply_success(struct http_req *r, int status, const char *message, const char *data,
			  size_t n, const struct http_page *page)
{
	pb_auto_buf b = PB_BUF_INIT;
	struct pb_jw w;

	(void)pb_buf_reserve(&b, n + ENVELOPE_BYTES);
	open_envelope(&w, &b, true, message ? message : "OK");
	pb_jw_raw(&w, data, n);
	write_meta(&w, r, page);
	pb_jw_key(&w, "errors");
	pb_jw_array(&w);
	pb_jw_end(&w);
	pb_jw_end(&w);
	http_reply_raw(r, status, json_type, b.p, b.len);
	if (b.p && http_req_is_secret(r))
		explicit_bzero(b.p, b.len);
}

void http_reply_data(struct http_req *r, int status, const char *message, const char *data_json,
		     size_t n)
{
	reply_success(r, status, message, data_json, n, NULL);
}

void http_reply_page(struct http_req *r, const char *message, const char *data_json, size_t n,
		     const struct http_page *page)
{
	reply_success(r, 200, message, data_json, n, page);
}

static void reply_overflow(struct http_req *r)
{
	http_reply_fail(r, PB_E_INTERNAL, "http.answer_too_large", "the answer is too large");
}

void http_reply_buf(struct http_req *r, int status, const char *message, const struct pb_buf *data)
{
	if (data->overflow)
		reply_overflow(r);
	else
		reply_success(r, status, message, data->p, data->len, NULL);
}

void http_reply_tree(struct http_req *r, int status, const char *message,
		     const struct pb_json *data)
{
	pb_auto_buf b = PB_BUF_INIT;

	if (data && !pb_json_write(&b, data))
		reply_overflow(r);
	else
		reply_success(r, status, message, b.p, b.len, NULL);
}

static void write_error(struct pb_jw *w, const char *code, const char *message, const char *field,
			const char *details)
{
	pb_jw_object(w);
	pb_jw_key(w, "code");
	pb_jw_str(w, code);
	pb_jw_key(w, "message");
	pb_jw_str(w, message);
	pb_jw_key(w, "field");
	pb_jw_str(w, field);
	pb_jw_key(w, "details");
	if (details)
		pb_jw_raw(w, details, strlen(details));
	else
		pb_jw_raw(w, "{}", 2);
	pb_jw_end(w);
}

static void send_failure(struct http_req *r, int status, struct pb_jw *w, struct pb_buf *b)
{
	pb_jw_end(w); /* errors */
	pb_jw_end(w);
	http_reply_raw(r, status, json_type, b->p, b->len);
}

static void open_failure(struct pb_jw *w, struct pb_buf *b, const struct http_req *r,
			 const char *message)
{
	open_envelope(w, b, false, message);
	pb_jw_null(w);
	write_meta(w, r, NULL);
	pb_jw_key(w, "errors");
	pb_jw_array(w);
}

static bool has_retry_after(const struct http_req *r)
{
	return strstr(pb_buf_str(&r->out_headers), "Retry-After:") != NULL;
}

void http_reply_error_at(struct http_req *r, const struct pb_err *err, const char *field,
			 const char *details_json)
{
	bool internal = err->status == PB_E_INTERNAL || err->status == PB_OK;
	const char *code = err->code ? err->code : "internal.error";
	const char *message =
		internal || !*err->msg ? "something went wrong on our side" : err->msg;
	int status = internal ? 500 : http_code_status(code, err->status);
	pb_auto_buf b = PB_BUF_INIT;
	struct pb_jw w;

	if (!internal && !*err->msg)
		message = pb_status_name(err->status);
	if ((status == 429 || status == 503) && !has_retry_after(r))
		http_reply_header(r, "Retry-After", "1");
	open_failure(&w, &b, r, message);
	write_error(&w, code, message, field, details_json);
	send_failure(r, status, &w, &b);
}

void http_reply_error(struct http_req *r, const struct pb_err *err)
{
	http_reply_error_at(r, err, NULL, NULL);
}

void http_reply_fail(struct http_req *r, enum pb_status status, const char *code,
		     const char *message)
{
	struct pb_err err = PB_ERR_INIT;

	(void)pb_err_set(&err, status, code, "%s", message);
	http_reply_error_at(r, &err, NULL, NULL);
}

void http_reply_problems(struct http_req *r, int status, const char *message,
			 const struct pb_problems *problems)
{
	pb_auto_buf b = PB_BUF_INIT;
	struct pb_jw w;
	char more[64];

	open_failure(&w, &b, r, message);
	for (const struct pb_problem *p = problems->first; p; p = p->next)
		write_error(&w, p->code, p->message, p->pointer, NULL);
	if (problems->more > 0 || !problems->first) {
		(void)pb_str_printf(more, sizeof(more), "%zu more problems are not shown",
				    problems->more);
		write_error(&w, "http.more_problems", problems->more ? more : message, NULL, NULL);
	}
	send_failure(r, status, &w, &b);
}

void http_reply_retry(struct http_req *r, enum pb_status status, const char *code,
		      const char *message, int64_t retry_after_us)
{
	int64_t seconds = (retry_after_us + PB_USEC_PER_SEC - 1) / PB_USEC_PER_SEC;

	http_reply_headerf(r, "Retry-After", "%lld", (long long)PB_MAX(seconds, (int64_t)1));
	http_reply_fail(r, status, code, message);
}
