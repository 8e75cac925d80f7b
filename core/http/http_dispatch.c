/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of one request: guard, route, hook, handler, end. Nothing of the request is believed before
 * the guard has seen it, and no way out of here leaves the client without an answer.
 */
#include "http/http_priv.h"

#include <civetweb.h>

#include "base/clock.h"
#include "base/base.h"

/* For reading away a small rest and closing in peace. */
#define LINGER_US            (2 * PB_USEC_PER_SEC)
#define PARSE_ERROR_WRITE_US (200 * PB_USEC_PER_MSEC)

static bool request_id_ok(const char *id)
{
	size_t n = id ? strnlen(id, 65) : 0;

	if (n == 0 || n > 64)
		return false;
	return strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-") ==
	       n;
}

static void set_request_id(struct http_req *r)
{
	const char *given = http_req_header(r, "X-Request-Id");

	if (request_id_ok(given) && http_req_header_repeats(r, "X-Request-Id") == 1)
		(void)pb_str_copy(r->id, sizeof(r->id), given);
}

static void req_init(struct http_req *r, struct http_server *s, struct mg_connection *mg)
{
	const struct mg_request_info *info = mg_get_request_info(mg);

	*r = (struct http_req){.magic = HTTP_REQ_MAGIC, .server = s, .mg = mg};
	r->conn = mg_get_user_connection_data(mg);
	PB_CHECK_MAGIC(r->conn, HTTP_CONN_MAGIC);
	r->start_us = pb_mono_us();
	r->write_timeout_us = s->cfg.write_timeout_us;
	r->method = HTTP_GET;
	r->method_name = "GET";
	r->raw_target = "";
	r->framing.content_length = -1;
	pb_arena_init(&r->arena, s->cfg.arena_bytes);
	pb_buf_init(&r->out_headers, 32768);
	pb_uuid_format(pb_uuid7(), r->id);
	(void)pb_str_copy(r->ip, sizeof(r->ip), info ? info->remote_addr : "");
	if (info)
		http_conn_address(r->conn, info->remote_addr, info->remote_port, info->server_port);
	http_conn_watch(r->conn, HTTP_WATCH_NONE, 0);
}

/* Until the next head is complete, or the socket is closed, the watchdog has it again. */
static void watch_idle(struct http_req *r)
{
	const struct http_cfg *cfg = &r->server->cfg;
	int64_t wait = r->close ? LINGER_US : cfg->keep_alive_us + cfg->header_timeout_us;

	http_conn_watch(r->conn, HTTP_WATCH_IDLE, pb_mono_us() + wait);
}

static void req_done(struct http_req *r)
{
	struct http_server *s = r->server;
	int64_t took = pb_mono_us() - r->start_us;

	if (r->state == HTTP_REQ_STREAM)
		atomic_fetch_sub(&s->streams, 1);
	http_metrics_request(s, r, took);
	if (s->cfg.after)
		s->cfg.after(r, r->status, took, s->cfg.hook_arg);
	http_req_attach(r, NULL, NULL);
	http_body_done(r);
	pb_buf_done(&r->out_headers);
	if (http_req_is_secret(r))
		pb_arena_wipe(&r->arena);
	pb_arena_done(&r->arena);
	watch_idle(r);
	r->magic = 0;
}

static const char *trimmed(struct http_req *r, const char *value)
{
	size_t n = strlen(value), end = n;

	while (end && (value[end - 1] == ' ' || value[end - 1] == '\t'))
		end--;
	return end == n ? value : pb_arena_memdup(&r->arena, value, end);
}

/* False when there is no room. */
static bool copy_headers(struct http_req *r, const struct mg_request_info *info, bool *ret_wire_ok)
{
	struct http_header raw[HTTP_HEADERS_MAX];
	size_t n = (size_t)PB_MAX(PB_MIN(info->num_headers, HTTP_HEADERS_MAX), 0);

	for (size_t i = 0; i < n; i++)
		raw[i] = (struct http_header){info->http_headers[i].name,
					      info->http_headers[i].value};
	*ret_wire_ok = http_guard_wire(info->http_version, raw, n);
	for (size_t i = 0; i < n; i++) {
		r->headers[i] = (struct http_header){raw[i].name, trimmed(r, raw[i].value)};
		if (!r->headers[i].value)
			return false;
	}
	r->n_headers = n;
	return true;
}

/* CivetWeb cuts the target at '?' in its own buffer; this puts it together again. */
static const char *whole_target(struct http_req *r, const struct mg_request_info *info)
{
	if (!info->query_string)
		return info->request_uri;
	return pb_arena_printf(&r->arena, "%s?%s", info->request_uri, info->query_string);
}

static bool host_served(const struct http_server *s, const char *host)
{
	struct pb_slice name = pb_slice(host, strcspn(host, ":"));

	if (!s->cfg.hosts)
		return true;
	for (const char *const *h = s->cfg.hosts; *h; h++) {
		const char *tail = **h == '*' ? *h + 1 : *h;
		size_t n = strlen(tail);

		if (name.len == n || (**h == '*' && name.len > n))
			if (pb_slice_eq_nocase(pb_slice(name.p + name.len - n, n), tail))
				return true;
	}
	return false;
}

static enum pb_status read_head(struct http_req *r, struct pb_err *err)
{
	const struct mg_request_info *info = mg_get_request_info(r->mg);
	struct http_head head = {.header_limit_bytes = r->server->cfg.header_bytes};
	enum pb_status st = PB_OK;

	r->raw_target = "";
	if (!copy_headers(r, info, &head.wire_ok) || !(r->raw_target = whole_target(r, info))) {
		r->raw_target = "";
		return pb_err_set(err, PB_E_TOO_LARGE, "http.headers_too_large",
				  "the head is too large");
	}
	set_request_id(r);
	head.method = r->method_name = info->request_method;
	head.target = r->raw_target;
	head.version = info->http_version;
	head.headers = r->headers;
	head.n_headers = r->n_headers;
	st = http_guard_check(&head, &r->framing, err);
	r->method = http_method_parse(info->request_method);
	r->host = http_req_header(r, "Host");
	if (st == PB_OK && r->host && !host_served(r->server, r->host))
		st = pb_err_set(err, PB_E_INVALID, "http.host",
				"this server does not serve that host");
	return st;
}

static bool ip_ok(const char *ip)
{
	uint8_t addr[PB_ADDRESS_BYTES];
	bool v4;

	return pb_address_parse(ip, addr, &v4);
}

/* The last address in the list that is not one of our proxies is the client. */
static void read_forwarded(struct http_req *r)
{
	const char *list = http_req_header(r, "X-Forwarded-For");
	const char *proto = http_req_header(r, "X-Forwarded-Proto");
	size_t end = list ? strlen(list) : 0;

	if (!http_nets_hold(&r->server->proxies, r->ip))
		return;
	r->https = proto && strcmp(proto, "https") == 0;
	if (http_req_header_repeats(r, "X-Forwarded-For") != 1)
		return;
	while (end > 0) {
		size_t start = end;
		char ip[HTTP_IP_BYTES];

		while (start > 0 && list[start - 1] != ',')
			start--;
		(void)pb_str_printf(ip, sizeof(ip), "%.*s", (int)PB_MIN(end - start, sizeof(ip)),
				    list + start);
		memmove(ip, ip + strspn(ip, " \t"), strlen(ip + strspn(ip, " \t")) + 1);
		if (!ip_ok(ip))
			return;
		(void)pb_str_copy(r->ip, sizeof(r->ip), ip);
		if (!http_nets_hold(&r->server->proxies, ip))
			return;
		end = start > 0 ? start - 1 : 0;
	}
}

static void reply_no_route(struct http_req *r)
{
	char list[64];

	if (r->match.allow == 0) {
		http_reply_fail(r, PB_E_NOT_FOUND, "http.not_found", "there is nothing here");
		return;
	}
	http_method_list(r->match.allow | HTTP_OPTIONS, list, sizeof(list));
	http_reply_header(r, "Allow", list);
	http_reply_fail(r, PB_E_METHOD, "http.method_not_allowed",
			"this method is not allowed here");
}

/* OPTIONS for a path whose routes do not handle it: the route that is asked about decides on CORS. */
static void reply_options(struct http_req *r)
{
	const char *wanted = http_req_header(r, "Access-Control-Request-Method");
	struct http_match about;
	unsigned allow = r->match.allow;

	if (wanted && http_method_parse(wanted) &&
	    http_router_match(r->server->router, http_method_parse(wanted), r->target.path, &about))
		r->match = about;
	http_head_preflight(r, allow);
}

static bool body_fits(struct http_req *r)
{
	size_t max = r->match.route->max_body_bytes;
	struct pb_err err = PB_ERR_INIT;

	if (r->framing.content_length <= 0 || (uint64_t)r->framing.content_length <= max)
		return true;
	(void)pb_err_set(&err, PB_E_TOO_LARGE, "http.body_too_large",
			 "the request body is larger than %zu bytes", max);
	http_reply_error(r, &err);
	return false;
}

static void reply_draining(struct http_req *r)
{
	http_reply_close(r);
	http_reply_fail(r, PB_E_UNAVAILABLE, "http.draining", "the server is stopping, try again");
}

static void run_route(struct http_req *r)
{
	const struct http_route *route = r->match.route;
	struct http_server *s = r->server;

	if (r->target.repeats && !(route->flags & HTTP_ROUTE_QUERY_REPEATS)) {
		http_reply_fail(r, PB_E_INVALID, "http.query_invalid",
				"a query parameter is given more than once");
		return;
	}
	if (s->cfg.before && !s->cfg.before(r, route, s->cfg.hook_arg))
		return;
	if (!body_fits(r))
		return;
	route->handler(r, route->arg);
}

static void run(struct http_req *r)
{
	struct http_server *s = r->server;
	struct pb_err err = PB_ERR_INIT;
	bool found = false;

	if (read_head(r, &err) != PB_OK) {
		atomic_fetch_add(&s->guard_refusals, 1);
		obs_counter_add(s->guarded, 1);
		http_reply_close(r);
		http_reply_error(r, &err);
		return;
	}
	read_forwarded(r);
	if (http_conns_crowded(&s->conns))
		http_reply_close(r);
	if (http_target_parse(&r->arena, r->raw_target, strlen(r->raw_target), &r->target, &err) !=
	    PB_OK) {
		http_reply_error(r, &err);
		return;
	}
	found = http_router_match(s->router, r->method, r->target.path, &r->match);
	if (atomic_load(&s->draining) &&
	    !(found && (r->match.route->flags & HTTP_ROUTE_DURING_DRAIN)))
		reply_draining(r);
	else if (found)
		run_route(r);
	else if (r->method == HTTP_OPTIONS && r->match.allow)
		reply_options(r);
	else
		reply_no_route(r);
	if (!http_replied(r))
		http_reply_fail(r, PB_E_INTERNAL, "internal.no_answer", "no answer");
}

int http_dispatch(struct http_server *s, struct mg_connection *mg)
{
	struct http_req r;
	int status = 0;

	if (http_conn_refused(mg_get_user_connection_data(mg))) {
		mg_disable_connection_keep_alive(mg);
		return 503; /* for nobody: its socket is shut down */
	}
	atomic_fetch_add(&s->in_flight, 1);
	req_init(&r, s, mg);
	run(&r);
	req_done(&r);
	status = r.status;
	atomic_fetch_sub(&s->in_flight, 1);
	return status ? status : 500;
}

void http_dispatch_parse_error(struct http_server *s, struct mg_connection *mg, int status)
{
	struct http_req r;

	req_init(&r, s, mg);
	/* CivetWeb may hold its lock here, and these few bytes fit into any socket's buffer */
	r.write_timeout_us = PARSE_ERROR_WRITE_US;
	r.conn->answered_error = true;
	atomic_fetch_add(&s->guard_refusals, 1);
	obs_counter_add(s->guarded, 1);
	http_reply_close(&r);
	if (status == 413 || status == 431 || status == 414)
		http_reply_fail(&r, PB_E_TOO_LARGE, "http.headers_too_large",
				"the head is too large");
	else if (status == 408)
		http_reply_fail(&r, PB_E_TIMEOUT, "http.body_timeout", "the request took too long");
	else
		http_reply_fail(&r, PB_E_INVALID, "http.bad_request", "the request is malformed");
	req_done(&r);
}
