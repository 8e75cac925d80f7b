/* SPDX-License-Identifier: Apache-2.0 */
/* A real server on a free port of loopback, with a few routes that show what the server does. */
#ifndef PB_TESTS_UNIT_HTTP_FIXTURE_H
#define PB_TESTS_UNIT_HTTP_FIXTURE_H

#include <check.h>
#include <stdatomic.h>

#include "base/json.h"
#include "http/http_server.h"
#include "http_client.h"

static struct http_router *fx_router;
static struct http_server *fx_server;
static unsigned fx_port;
static _Atomic int fx_handled;
static _Atomic bool fx_let_go; /* ends /held */

static void fx_hello(struct http_req *r, void *arg)
{
	atomic_fetch_add(&fx_handled, 1);
	http_reply_data(r, 200, NULL, "{\"hello\":1}", 11);
}

static void fx_echo(struct http_req *r, void *arg)
{
	struct pb_slice body;
	struct pb_err err = PB_ERR_INIT;

	atomic_fetch_add(&fx_handled, 1);
	if (http_req_body(r, &body, &err) != PB_OK)
		http_reply_error(r, &err);
	else
		http_reply_raw(r, 200, "application/octet-stream", body.p, body.len);
}

static void fx_unread(struct http_req *r, void *arg)
{
	http_reply_fail(r, PB_E_UNAUTHENTICATED, "auth.required", "who are you?");
}

static void fx_slow(struct http_req *r, void *arg)
{
	int64_t ms = 0;
	struct pb_err err = PB_ERR_INIT;
	struct timespec t;

	if (http_req_query_i64(r, "ms", 0, 5000, 100, &ms, &err) != PB_OK) {
		http_reply_error(r, &err);
		return;
	}
	t = pb_timespec(ms * 1000);
	nanosleep(&t, NULL);
	http_reply_data(r, 200, NULL, "1", 1);
}

static void fx_held(struct http_req *r, void *arg)
{
	struct timespec t = pb_timespec(1000);

	atomic_fetch_add(&fx_handled, 1);
	while (!atomic_load(&fx_let_go))
		nanosleep(&t, NULL);
	http_reply_data(r, 200, NULL, "1", 1);
}

static void fx_stream(struct http_req *r, void *arg)
{
	struct pb_err err = PB_ERR_INIT;
	struct timespec t = pb_timespec(10000);

	if (http_stream_begin(r, 200, "text/event-stream", &err) != PB_OK) {
		http_reply_error(r, &err);
		return;
	}
	while (http_stream_write(r, "data: 1\n\n", 9))
		nanosleep(&t, NULL);
}

/* Soon more than all buffers hold. */
static void fx_flood(struct http_req *r, void *arg)
{
	static const char piece[32 * 1024];
	struct pb_err err = PB_ERR_INIT;

	if (http_stream_begin(r, 200, "text/event-stream", &err) != PB_OK) {
		http_reply_error(r, &err);
		return;
	}
	while (http_stream_write(r, piece, sizeof(piece)))
		continue;
}

static void fx_problems(struct http_req *r, void *arg)
{
	struct pb_problems p;

	pb_problems_init(&p, http_req_arena(r), 1);
	pb_problems_add(&p, "workflow.step_unknown", "/steps/0", "no such step");
	pb_problems_add(&p, "workflow.step_unknown", "/steps/1", "no such step");
	http_reply_problems(r, 422, "the workflow has problems", &p);
}

static void fx_actor(struct http_req *r, void *arg)
{
	struct http_page page = {"n3xt", 50};

	http_req_set_actor(r, "u1", NULL, "editor");
	http_reply_header(r, "ETag", "\"7\"");
	http_reply_page(r, "listed", "[]", 2, &page);
}

static void fx_ip(struct http_req *r, void *arg)
{
	http_reply_raw(r, 200, "text/plain", http_req_remote_ip(r), strlen(http_req_remote_ip(r)));
}

/* Body, tree and answer hold the same. */
static void fx_keep(struct http_req *r, void *arg)
{
	struct pb_err err = PB_ERR_INIT;
	const struct pb_json *j;
	struct pb_slice body;

	if (http_req_body(r, &body, &err) != PB_OK ||
	    pb_json_parse(http_req_arena(r), body.p, body.len, NULL, &j, &err) != PB_OK)
		http_reply_error(r, &err);
	else
		http_reply_data(r, 200, NULL, body.p, body.len);
}

static void fx_no_answer(struct http_req *r, void *arg)
{
}

static bool fx_before(struct http_req *r, const struct http_route *route, void *arg)
{
	if (!pb_str_eq(route->permission, "secret"))
		return true;
	http_reply_fail(r, PB_E_FORBIDDEN, "auth.forbidden", "no");
	return false;
}

static const struct http_route fx_routes[] = {
	{.method = HTTP_GET, .pattern = "/hello", .handler = fx_hello},
	{.method = HTTP_GET,
	 .pattern = "/health",
	 .handler = fx_hello,
	 .flags = HTTP_ROUTE_DURING_DRAIN},
	{.method = HTTP_GET,
	 .pattern = "/public",
	 .handler = fx_hello,
	 .flags = HTTP_ROUTE_CORS_ANY},
	{.method = HTTP_GET, .pattern = "/secret", .handler = fx_hello, .permission = "secret"},
	{.method = HTTP_POST,
	 .pattern = "/echo",
	 .handler = fx_echo,
	 .max_body_bytes = 1024 * 1024},
	{.method = HTTP_POST, .pattern = "/tiny", .handler = fx_echo, .max_body_bytes = 10},
	{.method = HTTP_POST,
	 .pattern = "/unread",
	 .handler = fx_unread,
	 .max_body_bytes = 1 << 30},
	{.method = HTTP_GET, .pattern = "/slow", .handler = fx_slow},
	{.method = HTTP_GET, .pattern = "/held", .handler = fx_held},
	{.method = HTTP_GET, .pattern = "/stream", .handler = fx_stream},
	{.method = HTTP_GET, .pattern = "/flood", .handler = fx_flood},
	{.method = HTTP_GET, .pattern = "/problems", .handler = fx_problems},
	{.method = HTTP_GET, .pattern = "/actor", .handler = fx_actor},
	{.method = HTTP_GET, .pattern = "/ip", .handler = fx_ip},
	{.method = HTTP_POST,
	 .pattern = "/keep",
	 .handler = fx_keep,
	 .max_body_bytes = 4096,
	 .flags = HTTP_ROUTE_SECRET},
	{.method = HTTP_GET, .pattern = "/none", .handler = fx_no_answer},
	{.method = HTTP_ANY, .pattern = "/any/{x}", .handler = fx_hello, .max_body_bytes = 100},
};

static void fx_start(struct http_cfg cfg)
{
	struct pb_err err = PB_ERR_INIT;

	cfg.listen = "127.0.0.1:0";
	cfg.before = fx_before;
	fx_router = http_router_new();
	http_router_add_all(fx_router, fx_routes, PB_ARRAY_LEN(fx_routes));
	ck_assert_msg(http_server_start(&cfg, fx_router, &fx_server, &err) == PB_OK, "%s", err.msg);
	fx_port = http_server_port(fx_server, 0);
	ck_assert_uint_ne(fx_port, 0);
	atomic_store(&fx_handled, 0);
	atomic_store(&fx_let_go, false);
}

static inline int fx_say(const char *text, struct pb_buf *b, int *ret_fd);

/* The server learns something from the first request of its life; tests are about a server that runs. */
static inline void fx_warm_up(void)
{
	struct pb_buf b = PB_BUF_INIT;

	ck_assert_int_eq(fx_say("GET /problems HTTP/1.0\r\n\r\n", &b, NULL), 422);
	pb_buf_done(&b);
}

static void fx_stop(void)
{
	atomic_store(&fx_let_go, true);
	http_server_stop(fx_server);
	http_router_free(fx_router);
	fx_server = NULL;
}

static inline struct http_stats fx_stats(void)
{
	struct http_stats st;

	http_server_stats(fx_server, &st);
	return st;
}

/* Waits for @condition, which is looked at again and again. */
#define fx_await(condition)                                                                        \
	do {                                                                                       \
		const int64_t end_ = pb_mono_us() + CLIENT_WAIT_US;                                \
		const struct timespec step_ = pb_timespec(PB_USEC_PER_MSEC);                       \
		while (!(condition)) {                                                             \
			ck_assert_msg(pb_mono_us() < end_, "not in time: %s", #condition);         \
			nanosleep(&step_, NULL);                                                   \
		}                                                                                  \
	} while (0)

/* Sends @n bytes on a new connection; the answer in @b. Returns its status, 0 when it was closed without. */
static int fx_raw(const void *p, size_t n, struct pb_buf *b, int *ret_fd)
{
	int fd = client_connect(fx_port);
	int got = 0;

	ck_assert_int_ge(fd, 0);
	(void)client_send(fd, p, n);
	got = client_read(fd, b, CLIENT_WAIT_US);
	if (ret_fd)
		*ret_fd = fd;
	else
		close(fd);
	ck_assert_msg(got >= 0, "no answer in time");
	return got ? client_status(b) : 0;
}

static inline int fx_say(const char *text, struct pb_buf *b, int *ret_fd)
{
	return fx_raw(text, strlen(text), b, ret_fd);
}

#endif
