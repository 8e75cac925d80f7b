/* SPDX-License-Identifier: Apache-2.0 */
/* The server from outside: envelope, routing, bodies, browsers, limits in time and number, drain. */
#include "http/http_server.h"

#include <check.h>

#include "http_fixture.h"
#include "base/lock.h"
#include "base/base.h"

static struct pb_arena arena;
static struct pb_buf answer;

static const char *const origins[] = {"https://app.example", NULL};

/* Nothing ends for its time: a test of one limit makes that one short. */
#define LONG_US  PB_USEC_PER_MIN
#define SHORT_US (500 * PB_USEC_PER_MSEC)

static struct http_cfg patient(void)
{
	return (struct http_cfg){.threads = 32,
				 .cors_origins = origins,
				 .max_per_ip = 24,
				 .max_streams = 2,
				 .keep_alive_us = LONG_US,
				 .header_timeout_us = LONG_US,
				 .body_timeout_us = LONG_US,
				 .write_timeout_us = LONG_US};
}

static void setup(void)
{
	pb_arena_init(&arena, 1024 * 1024);
	pb_buf_init(&answer, 0);
	fx_start(patient());
	fx_warm_up();
}

static void restart(struct http_cfg cfg)
{
	fx_stop();
	fx_start(cfg);
}

static void teardown(void)
{
	fx_stop();
	pb_buf_done(&answer);
	pb_arena_done(&arena);
}

static const struct pb_json *body_json(void)
{
	const char *body = strstr(answer.p, "\r\n\r\n");
	const struct pb_json *j = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_ptr_nonnull(body);
	ck_assert_msg(pb_json_parse(&arena, body + 4, strlen(body + 4), NULL, &j, &err) == PB_OK,
		      "%s: %s", err.msg, body + 4);
	return j;
}

static bool has(const char *text)
{
	return strstr(answer.p, text) != NULL;
}

/* Every error is the envelope with at least one error of this code. */
static void assert_error(const char *code)
{
	const struct pb_json *j = body_json();
	const struct pb_json *e = pb_json_item(pb_json_get(j, "errors"), 0);

	ck_assert(pb_json_is(pb_json_get(j, "success"), PB_JSON_BOOL));
	ck_assert(!pb_json_true(pb_json_get(j, "success")));
	ck_assert(pb_json_is(pb_json_get(j, "data"), PB_JSON_NULL));
	ck_assert_str_eq(pb_json_str(pb_json_get(e, "code")), code);
	ck_assert_ptr_nonnull(pb_json_str(pb_json_get(e, "message")));
	ck_assert_ptr_nonnull(pb_json_str(pb_json_get(pb_json_get(j, "meta"), "request_id")));
}

START_TEST(reply__is_the_envelope)
{
	const struct pb_json *j = NULL, *meta = NULL;

	ck_assert_int_eq(fx_say("GET /actor HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc-1\r\n\r\n",
				&answer, NULL),
			 200);
	j = body_json();
	meta = pb_json_get(j, "meta");
	ck_assert(pb_json_true(pb_json_get(j, "success")));
	ck_assert_str_eq(pb_json_str(pb_json_get(j, "message")), "listed");
	ck_assert(pb_json_is(pb_json_get(j, "data"), PB_JSON_ARRAY));
	ck_assert(pb_json_is(pb_json_get(j, "errors"), PB_JSON_ARRAY));
	ck_assert_str_eq(pb_json_str(pb_json_get(meta, "request_id")), "abc-1");
	ck_assert_str_eq(pb_json_str(pb_json_get(meta, "version")), "v1");
	ck_assert_str_eq(pb_json_str(pb_json_pointer(meta, "/actor/role", 11)), "editor");
	ck_assert(pb_json_is(pb_json_pointer(meta, "/actor/client_id", 16), PB_JSON_NULL));
	ck_assert_str_eq(pb_json_str(pb_json_pointer(meta, "/page/next", 10)), "n3xt");
	ck_assert(has("\r\nX-Request-Id: abc-1\r\n") && has("\r\nETag: \"7\"\r\n"));
	ck_assert(has("\r\nX-Content-Type-Options: nosniff\r\n") && has("frame-ancestors 'none'"));
	ck_assert(has("\r\nReferrer-Policy: no-referrer\r\n") &&
		  has("\r\nCache-Control: no-store\r\n"));
	ck_assert(!has("\r\nServer:"));
}
END_TEST

START_TEST(reply__insane_request_id_is_replaced)
{
	ck_assert_int_eq(fx_say("GET /hello HTTP/1.1\r\nHost: x\r\nX-Request-Id: <script>\r\n\r\n",
				&answer, NULL),
			 200);
	ck_assert(!has("<script>"));
}
END_TEST

static const struct {
	const char *request;
	int status;
	const char *code, *text;
} routes[] = {
	{"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n", 404, "http.not_found", NULL},
	{"POST /hello HTTP/1.1\r\nHost: x\r\n\r\n", 405, "http.method_not_allowed",
	 "\r\nAllow: GET, HEAD, OPTIONS\r\n"},
	{"GET /none HTTP/1.1\r\nHost: x\r\n\r\n", 500, "internal.no_answer", NULL},
	{"GET /secret HTTP/1.1\r\nHost: x\r\n\r\n", 403, "auth.forbidden", NULL},
	{"GET /slow?ms=x HTTP/1.1\r\nHost: x\r\n\r\n", 400, "http.query_invalid", NULL},
	{"GET /problems HTTP/1.1\r\nHost: x\r\n\r\n", 422, "workflow.step_unknown", "/steps/0"},
	{"POST /hello HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: GET\r\n\r\n", 405,
	 "http.method_not_allowed", NULL},
	{"POST /tiny HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n", 413, "http.body_too_large",
	 NULL},
	{"POST /tiny HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\nExpect: "
	 "100-continue\r\n\r\n",
	 413, "http.body_too_large", NULL},
	{"POST /tiny HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	 "b\r\n12345678901\r\n0\r\n\r\n",
	 413, "http.body_too_large", NULL},
	{"GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345", 413,
	 "http.body_too_large", NULL},
	{"GET /.git/HEAD HTTP/1.1\r\nHost: x\r\n\r\n", 404, "http.not_found", NULL},
	{"GET /a/../hello HTTP/1.1\r\nHost: x\r\n\r\n", 400, "http.path_invalid", NULL},
	{"GET /%2e%2e/hello HTTP/1.1\r\nHost: x\r\n\r\n", 400, "http.path_invalid", NULL},
	{"GET /any/..%2fhello HTTP/1.1\r\nHost: x\r\n\r\n", 400, "http.path_invalid", NULL},
	{"GET /hello%00x HTTP/1.1\r\nHost: x\r\n\r\n", 400, "http.path_invalid", NULL},
	{"GET //hello HTTP/1.1\r\nHost: x\r\n\r\n", 400, "http.path_invalid", NULL},
	{"GET /hello?a=%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "http.query_invalid", NULL},
};

START_TEST(route__errors)
{
	ck_assert_int_eq(fx_say(routes[_i].request, &answer, NULL), routes[_i].status);
	assert_error(routes[_i].code);
	ck_assert(!routes[_i].text || has(routes[_i].text));
	ck_assert_int_eq(atomic_load(&fx_handled), strstr(routes[_i].request, "chunked") ? 1 : 0);
}
END_TEST

START_TEST(head__has_length_and_no_body)
{
	int fd = -1;

	fd = client_connect(fx_port);
	ck_assert(client_say(fd, "HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
	ck_assert_int_eq(client_read(fd, &answer, CLIENT_WAIT_US), 0); /* no body comes */
	ck_assert_int_eq(client_status(&answer), 200);
	ck_assert(has("Content-Length: ") && !has("Content-Length: 0\r\n"));
	ck_assert(pb_str_ends(answer.p, "\r\n\r\n"));
	close(fd);
}
END_TEST

START_TEST(body__length_chunked_and_continue)
{
	int fd = -1;

	ck_assert_int_eq(fx_say("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
				&answer, &fd),
			 200);
	ck_assert(pb_str_ends(answer.p, "hello") && has("Connection: keep-alive"));
	pb_buf_clear(&answer);
	ck_assert(client_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
	ck_assert_int_eq(client_read(fd, &answer, CLIENT_WAIT_US), 1);
	close(fd);
	pb_buf_clear(&answer);
	ck_assert_int_eq(
		fx_say("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
		       &answer, &fd),
		200);
	ck_assert(pb_str_ends(answer.p, "hello") && has("Connection: close"));
	ck_assert(client_closed(fd, CLIENT_WAIT_US));
	close(fd);
	pb_buf_clear(&answer);
	fd = client_connect(fx_port);
	ck_assert(client_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
				 "Content-Length: 2\r\n\r\n"));
	ck_assert_int_eq(client_read(fd, &answer, CLIENT_WAIT_US), 1);
	ck_assert_int_eq(client_status(&answer), 100);
	pb_buf_clear(&answer);
	ck_assert(client_say(fd, "ok"));
	ck_assert_int_eq(client_read(fd, &answer, CLIENT_WAIT_US), 1);
	ck_assert_int_eq(client_status(&answer), 200);
	ck_assert(pb_str_ends(answer.p, "ok"));
	close(fd);
}
END_TEST

START_TEST(body__bad_chunks_and_cut_bodies)
{
	int fd = -1;

	ck_assert_int_eq(fx_say("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
				"chunked\r\n\r\nzz\r\nhel\r\n",
				&answer, NULL),
			 400);
	assert_error("http.body_framing");
	pb_buf_clear(&answer);
	fd = client_connect(fx_port);
	ck_assert(
		client_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nabc"));
	shutdown(fd, SHUT_WR);
	ck_assert_int_eq(client_read(fd, &answer, CLIENT_WAIT_US), 1);
	ck_assert_int_eq(client_status(&answer), 400);
	close(fd);
}
END_TEST

/* An answer before the body was read must arrive although the client still sends. */
START_TEST(body__unread_is_closed_not_reset)
{
	pb_autofree char *junk = pb_xcalloc(1, 1 << 20);
	int fd = client_connect(fx_port);

	ck_assert(client_say(
		fd, "POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"));
	(void)client_send(fd, junk, 1 << 20);
	ck_assert_int_eq(client_read(fd, &answer, CLIENT_WAIT_US), 1);
	ck_assert_int_eq(client_status(&answer), 401);
	ck_assert(has("Connection: close"));
	ck_assert(client_closed(fd, CLIENT_WAIT_US));
	close(fd);
}
END_TEST

START_TEST(pipelining__is_two_requests)
{
	static const char two[] = "POST /tiny HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"
				  "GET /secret HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = client_connect(fx_port);
	size_t first = 0;

	ck_assert(client_send(fd, two, sizeof(two) - 1));
	ck_assert_int_eq(client_read(fd, &answer, CLIENT_WAIT_US), 1);
	ck_assert_int_eq(client_status(&answer), 200);
	first = client_answer_len(answer.p, answer.len);
	memmove(answer.p, answer.p + first, answer.len - first + 1);
	answer.len -= first;
	ck_assert_int_eq(client_read(fd, &answer, CLIENT_WAIT_US), 1);
	ck_assert_int_eq(client_status(&answer), 403);
	close(fd);
}
END_TEST

static const struct {
	const char *path, *origin, *method, *allow; /* allow NULL = no ACAO at all */
} cors[] = {
	{"/hello", "https://app.example", NULL, "https://app.example"},
	{"/hello", "https://app.example.evil.com", NULL, NULL},
	{"/hello", "http://app.example", NULL, NULL},
	{"/hello", "null", NULL, NULL},
	{"/hello", "https://APP.example", NULL, NULL},
	{"/public", "https://evil.example", NULL, "*"},
	{"/public", "https://app.example", NULL, "https://app.example"},
	{"/hello", "https://app.example", "GET", "https://app.example"},
	{"/hello", "https://evil.example", "GET", NULL},
	{"/public", "https://evil.example", "GET", "*"},
};

START_TEST(cors__exact_origins_only)
{
	char req[256], want[128];

	if (cors[_i].method)
		pb_str_printf(req, sizeof(req),
			      "OPTIONS %s HTTP/1.1\r\nHost: x\r\nOrigin: %s\r\n"
			      "Access-Control-Request-Method: %s\r\n\r\n",
			      cors[_i].path, cors[_i].origin, cors[_i].method);
	else
		pb_str_printf(req, sizeof(req), "GET %s HTTP/1.1\r\nHost: x\r\nOrigin: %s\r\n\r\n",
			      cors[_i].path, cors[_i].origin);
	ck_assert_int_eq(fx_say(req, &answer, NULL), cors[_i].method ? 204 : 200);
	if (!cors[_i].allow) {
		ck_assert(!has("Access-Control-Allow-Origin"));
		ck_assert(!has("Access-Control-Allow-Methods"));
		return;
	}
	pb_str_printf(want, sizeof(want), "\r\nAccess-Control-Allow-Origin: %s\r\n",
		      cors[_i].allow);
	ck_assert(has(want));
	ck_assert_int_eq(has("Access-Control-Allow-Credentials"), *cors[_i].allow != '*');
	/* what the API really sends */
	ck_assert_int_eq(
		has("\r\nAccess-Control-Expose-Headers: ETag, Retry-After, X-Request-Id, "
		    "Location, Idempotency-Replayed, RateLimit-Limit, RateLimit-Remaining, "
		    "RateLimit-Reset\r\n"),
		*cors[_i].allow != '*');
	ck_assert_int_eq(has("Access-Control-Allow-Methods"), cors[_i].method != NULL);
}
END_TEST

/* H16: a head, a body and a reader that crawl are all ended, each within its limit. */
START_TEST(slow__head_is_closed)
{
	struct http_cfg cfg = patient();
	struct timespec t = pb_timespec(100000);
	int64_t end = pb_mono_us() + CLIENT_WAIT_US;
	bool alive = true;
	int fd = -1;

	cfg.header_timeout_us = SHORT_US;
	restart(cfg);
	fd = client_connect(fx_port);
	(void)client_say(fd, "GET /hello HT");
	while (alive && pb_mono_us() < end) {
		alive = client_say(fd, "T");
		nanosleep(&t, NULL);
	}
	ck_assert(!alive);
	ck_assert_int_eq(atomic_load(&fx_handled), 0);
	close(fd);
}
END_TEST

/* By our watch, and when CivetWeb's own limit, which is the longest of all, is no longer than ours. */
START_TEST(slow__silent_body_gets_408)
{
	struct http_cfg cfg = patient();
	int fd = -1;

	cfg.body_timeout_us = SHORT_US;
	if (_i == 1)
		cfg.header_timeout_us = cfg.body_timeout_us = cfg.write_timeout_us =
			3 * PB_USEC_PER_SEC;
	restart(cfg);
	fd = client_connect(fx_port);
	ck_assert(client_say(fd,
			     "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc"));
	ck_assert_int_eq(client_read(fd, &answer, CLIENT_WAIT_US), 1);
	ck_assert_int_eq(client_status(&answer), 408);
	assert_error("http.body_timeout");
	ck_assert(client_closed(fd, CLIENT_WAIT_US));
	close(fd);
}
END_TEST

static const char *const dripping[] = {
	"POST /keep HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n",
	"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n",
};

/* One that drips on and on is ended too; whether it still reads the 408 depends on its own sending. */
START_TEST(slow__dripping_body_is_ended)
{
	struct http_cfg cfg = patient();
	struct timespec t = pb_timespec(100000);
	int64_t end = pb_mono_us() + CLIENT_WAIT_US;
	int got = -1, fd = -1;

	cfg.body_timeout_us = SHORT_US;
	restart(cfg);
	fd = client_connect(fx_port);
	ck_assert(client_say(fd, dripping[_i]));
	while (got < 0 && pb_mono_us() < end) {
		(void)client_say(fd, "x");
		got = client_read(fd, &answer, 1000);
		nanosleep(&t, NULL);
	}
	ck_assert_int_ge(got, 0);
	ck_assert(got == 0 || client_status(&answer) == 408);
	close(fd);
}
END_TEST

START_TEST(slow__reader_is_closed)
{
	struct http_cfg cfg = patient();
	int fd = -1;

	cfg.write_timeout_us = SHORT_US;
	restart(cfg);
	fd = client_connect(fx_port);
	ck_assert(client_say(fd, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n"));
	/* it fills all buffers, then the write must give up */
	fx_await(fx_stats().timeouts > 0 && fx_stats().streams == 0);
	ck_assert(client_closed(fd, CLIENT_WAIT_US));
	close(fd);
}
END_TEST

START_TEST(streams__end_with_their_client)
{
	int fd = client_connect(fx_port);

	ck_assert(client_say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
	ck_assert_int_eq(client_read(fd, &answer, CLIENT_WAIT_US), 1);
	ck_assert_uint_eq(fx_stats().streams, 1);
	close(fd);
	fx_await(fx_stats().streams == 0);
}
END_TEST

START_TEST(streams__are_capped)
{
	int fd[3] = {-1, -1, -1};

	for (int i = 0; i < 2; i++) {
		fd[i] = client_connect(fx_port);
		ck_assert(client_say(fd[i], "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
		pb_buf_clear(&answer);
		ck_assert_int_eq(client_read(fd[i], &answer, CLIENT_WAIT_US), 1);
		ck_assert(has("text/event-stream") && has("Connection: close"));
	}
	pb_buf_clear(&answer);
	ck_assert_int_eq(fx_say("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", &answer, NULL), 503);
	assert_error("http.streams_exhausted");
	ck_assert(has("Retry-After: "));
	close(fd[0]);
	close(fd[1]);
}
END_TEST

/* H17: one address has its share, another is not harmed. */
START_TEST(connections__are_capped_per_address)
{
	struct http_cfg cfg = patient();
	unsigned served = 0;
	int fd[40];

	cfg.threads = 64; /* more than all of them: else they would be a crowd */
	restart(cfg);
	for (size_t i = 0; i < PB_ARRAY_LEN(fd); i++) {
		fd[i] = client_connect_from(fx_port, "127.0.0.2");
		ck_assert_int_ge(fd[i], 0);
	}
	ck_assert_int_eq(fx_say("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &answer, NULL), 200);
	for (size_t i = 0; i < PB_ARRAY_LEN(fd); i++) {
		pb_buf_clear(&answer);
		(void)client_say(fd[i], "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
		switch (client_read(fd[i], &answer, CLIENT_WAIT_US)) {
		case 1:
			ck_assert_int_eq(client_status(&answer), 200);
			served++;
			break;
		case 0:
			break;
		default:
			ck_abort_msg("neither served nor refused");
		}
	}
	ck_assert_uint_eq(served, cfg.max_per_ip);
	ck_assert_uint_eq(fx_stats().refused_connections, PB_ARRAY_LEN(fd) - cfg.max_per_ip);
	for (size_t i = 0; i < PB_ARRAY_LEN(fd); i++)
		close(fd[i]);
}
END_TEST

START_TEST(idle__connection_is_closed)
{
	struct http_cfg cfg = patient();
	int fd = -1;

	cfg.keep_alive_us = SHORT_US;
	restart(cfg);
	ck_assert_int_eq(fx_say("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &answer, &fd), 200);
	ck_assert(client_closed(fd, CLIENT_WAIT_US));
	close(fd);
	/* and forgotten: an entry that stays would use up the share of its address */
	fx_await(fx_stats().connections == 0);
}
END_TEST

START_TEST(start__refuses_a_taken_port)
{
	char listen[32];
	struct http_cfg cfg = {.listen = listen, .threads = 8};
	struct http_server *s = NULL;
	struct pb_err err = PB_ERR_INIT;

	pb_str_printf(listen, sizeof(listen), "127.0.0.1:%u", fx_port);
	ck_assert_int_eq(http_server_start(&cfg, fx_router, &s, &err), PB_E_UNAVAILABLE);
	cfg.listen = "/tmp/x";
	ck_assert_int_eq(http_server_start(&cfg, fx_router, &s, &err), PB_E_INVALID);
}
END_TEST

/* ---- drain ---- */

struct load {
	_Atomic bool stop;
	_Atomic unsigned ok, draining, refused, lost;
};

/* Asks on a new connection again and again. A request that was sent whole on a connection that was
 * accepted must be answered. */
static void *load_main(void *arg)
{
	struct load *l = arg;

	while (!atomic_load(&l->stop)) {
		pb_auto_buf b = PB_BUF_INIT;
		int fd = client_connect(fx_port);
		int status = 0;

		if (fd < 0) {
			atomic_fetch_add(&l->refused, 1);
			continue;
		}
		if (client_say(fd, "GET /slow?ms=20 HTTP/1.1\r\nHost: x\r\n\r\n") &&
		    client_read(fd, &b, CLIENT_WAIT_US) == 1)
			status = client_status(&b);
		atomic_fetch_add(status == 200   ? &l->ok
				 : status == 503 ? &l->draining
						 : &l->lost,
				 1);
		close(fd);
	}
	return NULL;
}

START_TEST(drain__loses_no_answer)
{
	struct http_cfg cfg = patient();
	struct load l = {0};
	pthread_t t[8];
	unsigned ok = 0;

	/* room for connections whose end is noticed late */
	cfg.threads = 128;
	cfg.max_per_ip = 1000;
	cfg.keep_alive_us = SHORT_US;
	restart(cfg);
	for (size_t i = 0; i < PB_ARRAY_LEN(t); i++)
		t[i] = pb_thread_start("load", 256 * 1024, load_main, &l);
	fx_await(atomic_load(&l.ok) >= 50);
	ck_assert(http_server_drain(fx_server, pb_mono_us() + CLIENT_WAIT_US));
	ok = atomic_load(&l.ok);
	pb_buf_clear(&answer);
	ck_assert_int_eq(fx_say("GET /health HTTP/1.1\r\nHost: x\r\n\r\n", &answer, NULL), 200);
	pb_buf_clear(&answer);
	ck_assert_int_eq(fx_say("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &answer, NULL), 503);
	assert_error("http.draining");
	ck_assert(has("Connection: close") && has("Retry-After: "));
	fx_await(atomic_load(&l.draining) > 0);
	atomic_store(&l.stop, true);
	for (size_t i = 0; i < PB_ARRAY_LEN(t); i++)
		pb_thread_join(t[i]);
	ck_assert_uint_eq(atomic_load(&l.lost), 0);
	/* an answer from before may be counted after; each thread has at most one */
	ck_assert_uint_le(atomic_load(&l.ok), ok + PB_ARRAY_LEN(t));
}
END_TEST

START_TEST(drain__gives_up_at_the_deadline)
{
	int fd = client_connect(fx_port);

	ck_assert(client_say(fd, "GET /held HTTP/1.1\r\nHost: x\r\n\r\n"));
	fx_await(atomic_load(&fx_handled) == 1);
	ck_assert(!http_server_drain(fx_server, pb_mono_us() + 100000));
	atomic_store(&fx_let_go, true);
	ck_assert(http_server_drain(fx_server, pb_mono_us() + CLIENT_WAIT_US));
	ck_assert_int_eq(client_read(fd, &answer, CLIENT_WAIT_US), 1);
	ck_assert_int_eq(client_status(&answer), 200);
	ck_assert(has("Connection: close"));
	close(fd);
}
END_TEST

static TCase *add_case(Suite *s, const char *name, int timeout)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, timeout);
	tcase_add_checked_fixture(tc, setup, teardown);
	suite_add_tcase(s, tc);
	return tc;
}

int main(void)
{
	Suite *s = suite_create("http_server");
	TCase *plain = add_case(s, "plain", 90);
	TCase *slow = add_case(s, "slow", 120);
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_add_test(plain, reply__is_the_envelope);
	tcase_add_test(plain, reply__insane_request_id_is_replaced);
	tcase_add_loop_test(plain, route__errors, 0, PB_ARRAY_LEN(routes));
	tcase_add_test(plain, head__has_length_and_no_body);
	tcase_add_test(plain, body__length_chunked_and_continue);
	tcase_add_test(plain, body__bad_chunks_and_cut_bodies);
	tcase_add_test(plain, body__unread_is_closed_not_reset);
	tcase_add_test(plain, pipelining__is_two_requests);
	tcase_add_loop_test(plain, cors__exact_origins_only, 0, PB_ARRAY_LEN(cors));
	tcase_add_test(slow, slow__head_is_closed);
	tcase_add_loop_test(slow, slow__silent_body_gets_408, 0, 2);
	tcase_add_loop_test(slow, slow__dripping_body_is_ended, 0, PB_ARRAY_LEN(dripping));
	tcase_add_test(slow, slow__reader_is_closed);
	tcase_add_test(slow, streams__end_with_their_client);
	tcase_add_test(slow, streams__are_capped);
	tcase_add_test(slow, connections__are_capped_per_address);
	tcase_add_test(slow, idle__connection_is_closed);
	tcase_add_test(plain, start__refuses_a_taken_port);
	tcase_add_test(slow, drain__loses_no_answer);
	tcase_add_test(slow, drain__gives_up_at_the_deadline);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
