/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status line and headers of an answer: what each one carries for the browser's safety, what a foreign
 * origin may read, and whether the connection stays. A header set by the handler replaces the default.
 */
#include "http/http_priv.h"

#include <civetweb.h>

#include "base/clock.h"
#include "base/base.h"

const char *http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{200, "OK"},
		{201, "Created"},
		{202, "Accepted"},
		{204, "No Content"},
		{206, "Partial Content"},
		{301, "Moved Permanently"},
		{302, "Found"},
		{303, "See Other"},
		{304, "Not Modified"},
		{307, "Temporary Redirect"},
		{308, "Permanent Redirect"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{402, "Payment Required"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{406, "Not Acceptable"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{410, "Gone"},
		{411, "Length Required"},
		{412, "Precondition Failed"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{415, "Unsupported Media Type"},
		{417, "Expectation Failed"},
		{422, "Unprocessable Content"},
		{428, "Precondition Required"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < PB_ARRAY_LEN(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return status < 300   ? "Success"
	       : status < 400 ? "Redirect"
	       : status < 500 ? "Error"
			      : "Failure";
}

/* True when the handler set @name itself. Lines begin at the start or behind a CRLF. */
static bool is_set(const struct http_req *r, const char *name)
{
	size_t n = strlen(name);
	const char *p = pb_buf_str(&r->out_headers);

	while (*p) {
		const char *end = strstr(p, "\r\n");

		if (strlen(p) > n && p[n] == ':' && pb_slice_eq_nocase(pb_slice(p, n), name))
			return true;
		p = end ? end + 2 : p + strlen(p);
	}
	return false;
}

static void add_default(const struct http_req *r, struct pb_buf *out, const char *name,
			const char *value)
{
	if (!is_set(r, name))
		(void)pb_buf_addf(out, "%s: %s\r\n", name, value);
}

static void add_date(struct pb_buf *out)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = (time_t)(pb_now_us() / PB_USEC_PER_SEC);
	struct tm tm;

	if (!gmtime_r(&now, &tm))
		return;
	(void)pb_buf_addf(out, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
			  days + tm.tm_wday * 3, tm.tm_mday, months + tm.tm_mon * 3,
			  tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static bool origin_listed(const struct http_req *r, const char *origin)
{
	for (const char *const *p = r->server->cfg.cors_origins; p && *p; p++)
		if (strcmp(*p, origin) == 0)
			return true;
	return false;
}

/* The exact origin with credentials, or "*" without; else nothing at all. */
static bool add_cors(const struct http_req *r, struct pb_buf *out)
{
	const char *origin = http_req_header(r, "Origin");
	const struct http_route *route = r->match.route;

	if (r->server->cfg.cors_origins && !is_set(r, "Vary"))
		(void)pb_buf_adds(out, "Vary: Origin\r\n");
	if (!origin || http_req_header_repeats(r, "Origin") > 1 ||
	    is_set(r, "Access-Control-Allow-Origin"))
		return false;
	if (origin_listed(r, origin)) {
		(void)pb_buf_addf(out,
				  "Access-Control-Allow-Origin: %s\r\n"
				  "Access-Control-Allow-Credentials: true\r\n"
				  "Access-Control-Expose-Headers: ETag, Retry-After, X-Request-Id, "
				  "Location, Idempotency-Replayed, RateLimit-Limit, "
				  "RateLimit-Remaining, RateLimit-Reset\r\n",
				  origin);
		return true;
	}
	if (route && (route->flags & HTTP_ROUTE_CORS_ANY)) {
		(void)pb_buf_adds(out, "Access-Control-Allow-Origin: *\r\n");
		return true;
	}
	return false;
}

static void add_security(const struct http_req *r, struct pb_buf *out)
{
	const struct http_route *route = r->match.route;

	add_default(r, out, "X-Content-Type-Options", "nosniff");
	add_default(r, out, "Content-Security-Policy",
		    "default-src 'none'; frame-ancestors 'none'");
	add_default(r, out, "X-Frame-Options", "DENY");
	add_default(r, out, "Referrer-Policy", "no-referrer");
	if (!route || !(route->flags & HTTP_ROUTE_CACHEABLE))
		add_default(r, out, "Cache-Control", "no-store");
	if (r->https && r->server->cfg.hsts)
		add_default(r, out, "Strict-Transport-Security", r->server->cfg.hsts);
}

/* Last word on the connection: an unread or doubtful rest of the request closes it. */
static bool stays_open(struct http_req *r)
{
	if (r->close || !r->framing.keep_alive || http_req_draining(r))
		return false;
	return http_body_rest_is_small(r);
}

void http_head_write(struct http_req *r, struct pb_buf *out, int status, const char *content_type,
		     int64_t content_length)
{
	r->close = !stays_open(r) || content_length < 0;
	if (r->close)
		mg_disable_connection_keep_alive(r->mg);
	(void)pb_buf_addf(out, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
	add_date(out);
	if (content_type)
		(void)pb_buf_addf(out, "Content-Type: %s\r\n", content_type);
	if (content_length >= 0 && status != 204 && status != 304)
		(void)pb_buf_addf(out, "Content-Length: %lld\r\n", (long long)content_length);
	(void)pb_buf_addf(out, "Connection: %s\r\nX-Request-Id: %s\r\n",
			  r->close ? "close" : "keep-alive", r->id);
	add_security(r, out);
	(void)add_cors(r, out);
	(void)pb_buf_add(out, pb_buf_str(&r->out_headers), r->out_headers.len);
	(void)pb_buf_adds(out, "\r\n");
}

void http_head_preflight(struct http_req *r, unsigned allow)
{
	const char *wanted = http_req_header(r, "Access-Control-Request-Method");
	const char *origin = http_req_header(r, "Origin");
	const struct http_route *any = r->match.route;
	char list[64];

	http_method_list(allow | HTTP_OPTIONS, list, sizeof(list));
	http_reply_header(r, "Allow", list);
	if (wanted && origin &&
	    (origin_listed(r, origin) || (any && (any->flags & HTTP_ROUTE_CORS_ANY)))) {
		http_reply_header(r, "Access-Control-Allow-Methods", list);
		http_reply_header(
			r, "Access-Control-Allow-Headers",
			"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
			"Last-Event-ID, X-API-Key, X-CSRF-Token, X-Request-Id");
		http_reply_header(r, "Access-Control-Max-Age", "600");
	}
	http_reply_empty(r, 204);
}
