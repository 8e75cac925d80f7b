/* SPDX-License-Identifier: Apache-2.0 */
/* core/egress/egress_request.c: what is refused before anything leaves. */
#include "egress/egress.h"

#include <check.h>
#include "unit/egress/client.h"
#include "base/base.h"

static struct egress *egress;
static struct mini_http *server;

static void setup(void)
{
	struct egress_cfg cfg = {.request_bytes = 1000};

	server = mini_start();
	egress = egress_for_test(&cfg);
}

static void teardown(void)
{
	egress_free(egress);
	mini_stop(server);
}

static void expect_refused(const struct egress_request *req, const char *code)
{
	struct got g;

	got_init(&g);
	fetch(egress, req, &g);
	ck_assert_msg(pb_str_eq(g.code, code), "%s instead of %s (%s)", g.code, code, g.msg);
	ck_assert_int_eq(g.calls, 0);
	ck_assert_uint_eq(mini_count(server), 0);
	got_done(&g);
}

static const struct egress_header bad_headers[] = {
	{"X-A", "b\r\nX-Injected: 1"},
	{"X-A", "b\nX"},
	{"X-A", "b\rX"},
	{"X-A", "\x01"},
	{"X-A", "\x7f"},
	{"X-A\r\nB", "v"},
	{"X A", "v"},
	{"X-A:", "v"},
	{"", "v"},
	{"Host", "evil.test"},
	{"Content-Length", "5"},
	{"content-length", "5"},
	{"Transfer-Encoding", "chunked"},
	{"Connection", "upgrade"},
	{"Upgrade", "h2c"},
	{"Expect", "100-continue"},
	{"TE", "trailers"},
	{"Proxy-Authorization", "x"},
	{"Trailer", "x"},
	{"X-\xc3\xa9", "v"},
};

START_TEST(request_headers__refused)
{
	const struct egress_request req = {.method = "GET",
					   .url = at(server, "/ok"),
					   .headers = &bad_headers[_i],
					   .n_headers = 1};

	expect_refused(&req, "egress.request_invalid");
}
END_TEST

static const char *const bad_methods[] = {"get",
					  "CONNECT",
					  "TRACE",
					  "FOO1",
					  "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG",
					  "",
					  "GET /x HTTP/1.1\r\nA: b",
					  "PRI"};

START_TEST(request_method__refused)
{
	const struct egress_request req = {.method = bad_methods[_i], .url = at(server, "/ok")};

	expect_refused(&req, "egress.request_invalid");
}
END_TEST

START_TEST(request_headers__count_and_size)
{
	static struct egress_header many[EGRESS_HEADERS_MAX + 1];
	struct egress_request req = {.method = "GET", .url = at(server, "/ok"), .headers = many};
	pb_autofree char *big = pb_xcalloc(1, EGRESS_HEADER_BYTES + 1);

	for (size_t i = 0; i < PB_ARRAY_LEN(many); i++)
		many[i] = (struct egress_header){"X-A", "v"};
	req.n_headers = PB_ARRAY_LEN(many);
	expect_refused(&req, "egress.request_invalid");
	memset(big, 'a', EGRESS_HEADER_BYTES);
	many[0].value = big;
	req.n_headers = 1;
	expect_refused(&req, "egress.request_invalid");
}
END_TEST

START_TEST(request_body__over_the_limit)
{
	char body[1001] = {0};
	const struct egress_request req = {
		.method = "POST", .url = at(server, "/ok"), .body = pb_slice(body, sizeof(body))};

	expect_refused(&req, "egress.too_large");
}
END_TEST

START_TEST(request_credential__must_fit_a_header)
{
	static const struct egress_credential bad[] = {
		{"Authorization", "a\r\nX: b", 7, false},
		{"Authorization", "a\0b", 3, false},
		{"Auth orization", "a", 1, false},
		{"Host", "a", 1, false},
	};
	static const char *const hosts[] = {"127.0.0.1"};
	struct egress_request req = {.method = "GET",
				     .url = at(server, "/ok"),
				     .credential_hosts = hosts,
				     .n_credential_hosts = 1,
				     .credentials = &bad[_i],
				     .n_credentials = 1};

	expect_refused(&req, "egress.credential");
}
END_TEST

START_TEST(request_hosts__only_the_declared)
{
	static const char *const hosts[] = {"api.example.com", "*.example.org"};
	const struct egress_request req = {
		.method = "GET", .url = at(server, "/ok"), .hosts = hosts, .n_hosts = 2};

	expect_refused(&req, "egress.host_not_declared");
}
END_TEST

START_TEST(request_port__by_policy)
{
	static const char *const urls[] = {"http://127.0.0.1:22/", "http://127.0.0.1/",
					   "https://127.0.0.1:25/"};
	const struct egress_request req = {.method = "GET", .url = urls[_i]};
	struct egress_stats before, after;

	egress_stats(egress, &before);
	expect_refused(&req, "egress.destination_blocked");
	egress_stats(egress, &after);
	ck_assert_uint_eq(after.blocked, before.blocked + 1);
}
END_TEST

START_TEST(request_redirects__bounded)
{
	const struct egress_request req = {
		.method = "GET", .url = at(server, "/ok"), .redirects = EGRESS_REDIRECTS_MAX + 1};

	expect_refused(&req, "egress.request_invalid");
}
END_TEST

START_TEST(request__sends_exactly_what_was_asked)
{
	static const struct egress_header headers[] = {{"X-Empty", ""},
						       {"Content-Type", "application/json"}};
	const struct egress_request req = {.method = "PUT",
					   .url = at(server, "/echo?q=1#fragment"),
					   .headers = headers,
					   .n_headers = 2,
					   .body = PB_SLICE("{\"a\":1}"),
					   .idempotency_key = "k-1"};
	struct got g;
	const char *text;

	got_init(&g);
	fetch(egress, &req, &g);
	ck_assert_msg(g.status == PB_OK, "%s", g.msg);
	text = pb_buf_str(&g.body);
	ck_assert(pb_str_starts(text, "PUT /echo?q=1 HTTP/1.1\r\n"));
	ck_assert(pb_str_ends(text, "\r\n\r\n{\"a\":1}"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Length: 7\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nX-Empty:"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nUser-Agent: Patchbay/"));
	ck_assert_ptr_null(strstr(text, "Expect"));
	ck_assert_ptr_null(strcasestr(text, "cookie"));
	ck_assert_str_eq(g.key, "k-1");
	ck_assert_int_eq(g.sent, EGRESS_SENT_MAYBE);
	ck_assert_ptr_null(strchr(g.url, '?'));
	got_done(&g);
}
END_TEST

START_TEST(request__empty_post_has_a_length_and_no_type)
{
	const struct egress_request req = {.method = "POST", .url = at(server, "/echo")};
	struct got g;

	got_init(&g);
	fetch(egress, &req, &g);
	ck_assert_int_eq(g.status, PB_OK);
	ck_assert_ptr_nonnull(strstr(pb_buf_str(&g.body), "\r\nContent-Length: 0\r\n"));
	ck_assert_ptr_null(strstr(pb_buf_str(&g.body), "Content-Type"));
	got_done(&g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("egress_request");
	TCase *tc = tcase_create("request");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, request_headers__refused, 0, (int)PB_ARRAY_LEN(bad_headers));
	tcase_add_loop_test(tc, request_method__refused, 0, (int)PB_ARRAY_LEN(bad_methods));
	tcase_add_test(tc, request_headers__count_and_size);
	tcase_add_test(tc, request_body__over_the_limit);
	tcase_add_loop_test(tc, request_credential__must_fit_a_header, 0, 4);
	tcase_add_test(tc, request_hosts__only_the_declared);
	tcase_add_loop_test(tc, request_port__by_policy, 0, 3);
	tcase_add_test(tc, request_redirects__bounded);
	tcase_add_test(tc, request__sends_exactly_what_was_asked);
	tcase_add_test(tc, request__empty_post_has_a_length_and_no_type);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
