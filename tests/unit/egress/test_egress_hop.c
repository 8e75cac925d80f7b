/* SPDX-License-Identifier: Apache-2.0 */
/* core/egress/egress_hop.c: the S table on a real socket, hostile answers, redirects, what was sent. */
#include "egress/egress.h"

#include <check.h>
#include "unit/egress/client.h"
#include "base/base.h"

static struct egress *egress;
static struct mini_http *server, *other;

static void setup(void)
{
	struct egress_cfg cfg = {.body_bytes = 1 << 20};

	server = mini_start();
	other = mini_start();
	egress = egress_for_test(&cfg);
}

static void teardown(void)
{
	egress_free(egress);
	mini_stop(other);
	mini_stop(server);
}

/* @timeout_us 0: a minute, which nothing here needs. */
static void get_within(const char *url, int64_t timeout_us, struct got *g)
{
	const struct egress_request req = {
		.method = "GET", .url = url, .redirects = 5, .timeout_us = timeout_us};

	got_init(g);
	fetch(egress, &req, g);
}

static void get(const char *url, struct got *g)
{
	get_within(url, 0, g);
}

/* ---- destinations ---- */

/* Spellings of this machine, none of which the default policy reaches; %u is the canary's port. */
static const char *const spellings[] = {
	"http://127.0.0.1:%u/",
	"http://2130706433:%u/",
	"http://0x7f000001:%u/",
	"http://0177.0.0.1:%u/",
	"http://017700000001:%u/",
	"http://127.1:%u/",
	"http://0x7f.1:%u/",
	"http://0:%u/",
	"http://localhost:%u/",
	"http://x.localhost:%u/",
	"http://LOCALHOST:%u/",
	"http://[::1]:%u/",
	"http://[::ffff:127.0.0.1]:%u/",
	"http://[::ffff:7f00:1]:%u/",
	"http://[::]:%u/",
	"http://0.0.0.0:%u/",
	"http://127.0.0.2:%u/",
	"http://169.254.43518:%u/",
	"http://169.254.169.254:%u/",
	"http://[fd00:ec2::254]:%u/",
	"http://100.100.100.200:%u/",
	"http://localhost.:%u/",
};

START_TEST(destination__no_spelling_of_loopback_connects)
{
	static const char *const ports[] = {"1-65535"};
	static const char *const none[] = {"203.0.113.1/32"};
	struct egress_cfg cfg = {.ports = ports, .n_ports = 1, .allow = none, .n_allow = 1};
	pb_autoptr(egress) strict = egress_for_test(&cfg);
	struct mini_http *canary = mini_start_on("0.0.0.0");
	struct got g;
	char url[128];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)pb_str_printf(url, sizeof(url), spellings[_i], canary->port);
#pragma GCC diagnostic pop
	got_init(&g);
	fetch(strict, &(struct egress_request){.method = "GET", .url = url}, &g);
	ck_assert_msg(pb_str_eq(g.code, "egress.destination_blocked") ||
			      (pb_str_ends(spellings[_i], ".:%u/") &&
			       pb_str_eq(g.code, "egress.connect")),
		      "%s: %s %s", url, g.code, g.msg);
	ck_assert_int_eq(g.sent, EGRESS_SENT_NOTHING);
	ck_assert_uint_eq(canary->n_conns, 0);
	got_done(&g);
	mini_stop(canary);
}
END_TEST

START_TEST(destination__redirect_to_blocked_is_refused)
{
	/* 127.1.0.1 is outside of the allowed 127.0.0.0/16 */
	struct mini_http *canary = mini_start_on("127.1.0.1");
	char path[200];
	struct got g;

	(void)pb_str_printf(path, sizeof(path), "/redirect?to=http://127.1.0.1:%u/secret",
			    canary->port);
	get(at(server, path), &g);
	ck_assert_str_eq(g.code, "egress.destination_blocked");
	ck_assert_int_eq(g.sent, EGRESS_SENT_SAFE); /* the first hop */
	ck_assert_uint_eq(canary->n_conns, 0);
	got_done(&g);
	mini_stop(canary);
}
END_TEST

static const struct {
	const char *to, *code;
} moves[] = {
	{"file:///etc/passwd", "egress.scheme"},
	{"gopher://127.0.0.1:6379/_x", "egress.scheme"},
	{"http://user:pw@127.0.0.1/", "egress.url_invalid"},
	{"http://127.0.0.1:22/", "egress.destination_blocked"},
	{"http://127.0.0.1/", "egress.destination_blocked"},
};

START_TEST(redirect__is_checked_like_a_first_url)
{
	char path[200];
	struct got g;

	(void)pb_str_printf(path, sizeof(path), "/redirect?to=%s", moves[_i].to);
	get(at(server, path), &g);
	ck_assert_str_eq(g.code, moves[_i].code);
	got_done(&g);
}
END_TEST

START_TEST(environment__proxies_are_unused)
{
	struct got g;

#undef setenv
	(void)setenv("http_proxy", "http://127.1.0.9:9/", 1);
	(void)setenv("ALL_PROXY", "socks5://127.1.0.9:9/", 1);
	get(at(server, "/ok"), &g);
	ck_assert_msg(g.status == PB_OK, "%s", g.msg);
	ck_assert_str_eq(g.address, "127.0.0.1");
	got_done(&g);
}
END_TEST

/* ---- hostile answers ---- */

static const struct {
	const char *path, *code;
} hostile[] = {
	{"/huge", "egress.too_large"},    {"/endless", "egress.too_large"},
	{"/headers", "egress.too_large"}, {"/interim", "egress.too_large"},
	{"/bomb", "egress.too_large"},    {"/garbage", "egress.protocol"},
	{"/old", "egress.protocol"},      {"/truncate", "egress.connect"},
	{"/close", "egress.connect"},     {"/drip", "egress.timeout"},
	{"/hang", "egress.timeout"},      {"/split", "egress.protocol"},
};

START_TEST(answer__hostile)
{
	const bool waits = pb_str_eq(hostile[_i].code, "egress.timeout");
	struct got g;

	/* long enough for the request to have left; the server would let us wait for a minute */
	get_within(at(server, hostile[_i].path), waits ? 3 * PB_USEC_PER_SEC : 0, &g);
	ck_assert_msg(pb_str_eq(g.code, hostile[_i].code), "%s: %s %s", hostile[_i].path, g.code,
		      g.msg);
	ck_assert_int_eq(g.sent, EGRESS_SENT_SAFE);
	got_done(&g);
	get(at(server, "/ok"), &g); /* and the next one is well */
	ck_assert_int_eq(g.status, PB_OK);
	got_done(&g);
}
END_TEST

START_TEST(answer__nul_bytes_and_headers)
{
	struct got g;

	get(at(server, "/nul"), &g);
	ck_assert_msg(g.status == PB_OK, "%s", g.msg);
	ck_assert_uint_eq(g.body.len, 3);
	ck_assert_mem_eq(g.body.p, "a\0b", 3);
	got_done(&g);
	get(at(server, "/ok"), &g);
	ck_assert_str_eq(g.one, "1");
	got_done(&g);
}
END_TEST

START_TEST(answer__retry_after)
{
	struct got g;

	get(at(server, "/limited"), &g);
	ck_assert_int_eq(g.status, PB_OK);
	ck_assert_int_eq(g.http_status, 429);
	ck_assert_int_eq(g.retry_after_us, 7 * PB_USEC_PER_SEC);
	got_done(&g);
}
END_TEST

START_TEST(answer__smaller_limit_of_the_request)
{
	const struct egress_request req = {
		.method = "GET", .url = at(server, "/ok"), .body_bytes = 4};
	struct got g;

	got_init(&g);
	fetch(egress, &req, &g);
	ck_assert_str_eq(g.code, "egress.too_large");
	got_done(&g);
}
END_TEST

/* The port is kept, so that nobody else begins to listen there. */
START_TEST(connect__nobody_listens)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	pb_autoclose int kept = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(a);
	char url[64];
	struct got g;

	ck_assert_int_eq(bind(kept, (struct sockaddr *)&a, n), 0);
	ck_assert_int_eq(getsockname(kept, (struct sockaddr *)&a, &n), 0);
	(void)pb_str_printf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(a.sin_port));
	get(url, &g);
	ck_assert_str_eq(g.code, "egress.connect");
	ck_assert_int_eq(g.sent, EGRESS_SENT_NOTHING);
	got_done(&g);
}
END_TEST

START_TEST(tls__plain_server)
{
	char url[64];
	struct got g;

	(void)pb_str_printf(url, sizeof(url), "https://127.0.0.1:%u/", server->port);
	get_within(url, PB_USEC_PER_SEC, &g);
	/* the server takes the handshake for a request without end, or hangs up on it */
	ck_assert_msg(pb_str_eq(g.code, "egress.tls") || pb_str_eq(g.code, "egress.timeout"), "%s",
		      g.code);
	ck_assert_int_eq(g.sent, EGRESS_SENT_NOTHING);
	got_done(&g);
}
END_TEST

/* ---- redirects ---- */

static const struct {
	const char *method, *status, *line;
} methods[] = {
	{"POST", "301", "GET /echo HTTP/1.1\r\n"},  {"POST", "302", "GET /echo HTTP/1.1\r\n"},
	{"POST", "303", "GET /echo HTTP/1.1\r\n"},  {"PUT", "303", "GET /echo HTTP/1.1\r\n"},
	{"PUT", "302", "PUT /echo HTTP/1.1\r\n"},   {"POST", "307", "POST /echo HTTP/1.1\r\n"},
	{"POST", "308", "POST /echo HTTP/1.1\r\n"}, {"GET", "302", "GET /echo HTTP/1.1\r\n"},
};

START_TEST(redirect__method_and_body)
{
	char path[100];
	struct egress_request req = {.method = methods[_i].method,
				     .redirects = 1,
				     .body = PB_SLICE("payload"),
				     .headers =
					     &(struct egress_header){"Content-Type", "text/plain"},
				     .n_headers = 1};
	bool keeps =
		!pb_str_starts(methods[_i].line, "GET") || pb_str_eq(methods[_i].method, "GET");
	struct got g;

	(void)pb_str_printf(path, sizeof(path), "/redirect?status=%s&to=/echo", methods[_i].status);
	req.url = at(server, path);
	got_init(&g);
	fetch(egress, &req, &g);
	ck_assert_msg(g.status == PB_OK, "%s", g.msg);
	ck_assert_uint_eq(g.redirects, 1);
	ck_assert_msg(pb_str_starts(pb_buf_str(&g.body), methods[_i].line), "%s",
		      pb_buf_str(&g.body));
	ck_assert_int_eq(pb_str_ends(pb_buf_str(&g.body), "payload"), keeps);
	ck_assert_int_eq(strstr(pb_buf_str(&g.body), "Content-Type") != NULL, keeps);
	got_done(&g);
}
END_TEST

START_TEST(redirect__none_by_default)
{
	const struct egress_request req = {.method = "GET", .url = at(server, "/redirect?to=/ok")};
	struct got g;

	got_init(&g);
	fetch(egress, &req, &g);
	ck_assert_int_eq(g.http_status, 302);
	ck_assert_uint_eq(mini_count(server), 1);
	got_done(&g);
}
END_TEST

START_TEST(redirect__loop_is_counted)
{
	struct got g;

	get(at(server, "/redirect?to=/redirect"), &g); /* "to" is missing then: /ok */
	ck_assert_uint_eq(g.redirects, 2);
	got_done(&g);
	get(at(server,
	       "/redirect?to=/redirect?to=/redirect?to=/redirect?to=/redirect?to=/redirect"),
	    &g);
	ck_assert_str_eq(g.code, "egress.redirects");
	got_done(&g);
}
END_TEST

START_TEST(redirect__hosts_of_the_connector_hold)
{
	static const char *const hosts[] = {"127.0.0.1"};
	char path[100];
	struct egress_request req = {.method = "GET", .redirects = 3, .hosts = hosts, .n_hosts = 1};
	struct got g;

	(void)pb_str_printf(path, sizeof(path), "/redirect?to=http://127.0.0.2:%u/", other->port);
	req.url = at(server, path);
	got_init(&g);
	fetch(egress, &req, &g);
	ck_assert_str_eq(g.code, "egress.host_not_declared");
	ck_assert_uint_eq(mini_count(other), 0);
	got_done(&g);
}
END_TEST

/* ---- credentials ---- */

static const char *const here[] = {"127.0.0.1"};
static const struct egress_credential token[] = {{"Authorization", "Bearer s3cret", 13, false},
						 {"api_key", "q s&", 4, true}};

static struct egress_request credentialed(const char *url)
{
	return (struct egress_request){.method = "GET",
				       .url = url,
				       .redirects = 3,
				       .credential_hosts = here,
				       .n_credential_hosts = 1,
				       .credentials = token,
				       .n_credentials = 2};
}

START_TEST(credential__goes_to_its_host)
{
	struct egress_request req = credentialed(at(server, "/echo?a=1"));
	const struct egress_header own = {"authorization", "of the plugin"};
	struct got g;

	req.headers = &own;
	req.n_headers = 1;
	got_init(&g);
	fetch(egress, &req, &g);
	ck_assert_msg(g.status == PB_OK, "%s", g.msg);
	ck_assert_ptr_nonnull(strstr(pb_buf_str(&g.body), "\r\nAuthorization: Bearer s3cret\r\n"));
	ck_assert_ptr_nonnull(strstr(pb_buf_str(&g.body), "/echo?a=1&api_key=q%20s%26 "));
	ck_assert_ptr_null(strstr(pb_buf_str(&g.body), "of the plugin"));
	ck_assert_ptr_null(strstr(g.url, "q%20s"));
	got_done(&g);
}
END_TEST

START_TEST(credential__not_for_undeclared_hosts)
{
	struct egress_request req = credentialed(at(server, "/echo"));
	static const char *const elsewhere[] = {"*.example.com", "*"};
	struct got g;

	req.credential_hosts = elsewhere;
	req.n_credential_hosts = 2;
	got_init(&g);
	fetch(egress, &req, &g);
	ck_assert_int_eq(g.status, PB_OK);
	ck_assert_ptr_null(strstr(pb_buf_str(&g.body), "s3cret"));
	ck_assert_ptr_null(strstr(pb_buf_str(&g.body), "api_key"));
	got_done(&g);
}
END_TEST

START_TEST(credential__stays_on_one_origin)
{
	struct egress_request req = credentialed(at(server, "/redirect?to=/echo"));
	struct got g;

	got_init(&g);
	fetch(egress, &req, &g);
	ck_assert_ptr_nonnull(strstr(pb_buf_str(&g.body), "s3cret"));
	got_done(&g);
}
END_TEST

START_TEST(credential__dropped_for_good_on_another_port)
{
	char path[200];
	struct egress_request req;
	const struct egress_header own[] = {{"Cookie", "c=1"}, {"X-Kept", "1"}};
	struct got g;

	/* there and back again: what was dropped stays dropped */
	(void)pb_str_printf(path, sizeof(path),
			    "/redirect?to=http://127.0.0.1:%u/redirect?to=http://127.0.0.1:%u/echo",
			    other->port, server->port);
	req = credentialed(at(server, path));
	req.headers = own;
	req.n_headers = 2;
	got_init(&g);
	fetch(egress, &req, &g);
	ck_assert_msg(g.status == PB_OK, "%s", g.msg);
	ck_assert_uint_eq(g.redirects, 2);
	ck_assert_ptr_nonnull(strstr(mini_request(server, 0), "s3cret"));
	ck_assert_ptr_null(strstr(mini_request(other, 0), "s3cret"));
	ck_assert_ptr_null(strstr(mini_request(other, 0), "api_key"));
	ck_assert_ptr_null(strstr(mini_request(other, 0), "Cookie"));
	ck_assert_ptr_nonnull(strstr(mini_request(other, 0), "X-Kept"));
	ck_assert_ptr_null(strstr(pb_buf_str(&g.body), "s3cret"));
	got_done(&g);
}
END_TEST

/* ---- what was sent ---- */

START_TEST(sent__unsafe_request_without_answer)
{
	struct egress_request req = {
		.method = "POST", .url = at(server, "/close"), .body = PB_SLICE("x")};
	struct got g;

	got_init(&g);
	fetch(egress, &req, &g);
	ck_assert_str_eq(g.code, "egress.connect");
	ck_assert_int_eq(g.sent, EGRESS_SENT_MAYBE);
	ck_assert_uint_eq(mini_count(server), 1);
	got_done(&g);
}
END_TEST

/* A kept connection dies under the request: curl would send it again, which only some may allow. */
static size_t times_sent(const char *method, uint32_t flags)
{
	struct egress_request req = {.method = "GET", .url = at(server, "/ok")};
	struct got g;
	size_t n;

	got_init(&g);
	fetch(egress, &req, &g);
	got_done(&g);
	req.method = method;
	req.url = at(server, "/close");
	req.flags = flags;
	got_init(&g);
	fetch(egress, &req, &g);
	ck_assert_str_eq(g.code, "egress.connect");
	n = mini_count(server) - 1;
	got_done(&g);
	return n;
}

START_TEST(sent__never_twice_unless_repeatable)
{
	ck_assert_uint_eq(times_sent("POST", 0), 1);
}
END_TEST

START_TEST(sent__again_on_a_dead_connection_when_repeatable)
{
	ck_assert_uint_ge(times_sent("POST", EGRESS_REPEATABLE), 2);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("egress_hop");
	TCase *tc = tcase_create("hop");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 90);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, destination__no_spelling_of_loopback_connects, 0,
			    (int)PB_ARRAY_LEN(spellings));
	tcase_add_test(tc, destination__redirect_to_blocked_is_refused);
	tcase_add_loop_test(tc, redirect__is_checked_like_a_first_url, 0, (int)PB_ARRAY_LEN(moves));
	tcase_add_test(tc, environment__proxies_are_unused);
	tcase_add_loop_test(tc, answer__hostile, 0, (int)PB_ARRAY_LEN(hostile));
	tcase_add_test(tc, answer__nul_bytes_and_headers);
	tcase_add_test(tc, answer__retry_after);
	tcase_add_test(tc, answer__smaller_limit_of_the_request);
	tcase_add_test(tc, connect__nobody_listens);
	tcase_add_test(tc, tls__plain_server);
	tcase_add_loop_test(tc, redirect__method_and_body, 0, (int)PB_ARRAY_LEN(methods));
	tcase_add_test(tc, redirect__none_by_default);
	tcase_add_test(tc, redirect__loop_is_counted);
	tcase_add_test(tc, redirect__hosts_of_the_connector_hold);
	tcase_add_test(tc, credential__goes_to_its_host);
	tcase_add_test(tc, credential__not_for_undeclared_hosts);
	tcase_add_test(tc, credential__stays_on_one_origin);
	tcase_add_test(tc, credential__dropped_for_good_on_another_port);
	tcase_add_test(tc, sent__unsafe_request_without_answer);
	tcase_add_test(tc, sent__never_twice_unless_repeatable);
	tcase_add_test(tc, sent__again_on_a_dead_connection_when_repeatable);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
