/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ambiguous and malformed requests (H01-H13, H19) against the real server, byte for byte, because half
 * of the guard looks at what CivetWeb's parser left in its buffer.
 */
#include "http/http_guard.h"

#include <check.h>

#include "http_fixture.h"
#include "base/base.h"

#define H      "Host: x\r\n"
#define CLOSED -1

static struct pb_buf answer;

static void setup(void)
{
	pb_buf_init(&answer, 0);
	fx_start((struct http_cfg){
		.threads = 8, .keep_alive_us = 300000, .header_timeout_us = 3000000});
	fx_warm_up();
}

static void teardown(void)
{
	fx_stop();
	pb_buf_done(&answer);
}

static const struct {
	const char *request;
	int status, or_status; /* the library may say it in its own way */
} refused[] = {
	/* H01-H04 framing */
	{"POST /echo HTTP/1.1\r\n" H
	 "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
	 400, 0},
	{"POST /echo HTTP/1.1\r\n" H
	 "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
	 400, 0},
	{"POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 50\r\n\r\n12345", 400,
	 0},
	{"POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n12345", 400, 0},
	{"POST /echo HTTP/1.1\r\n" H "Content-Length: 5abc\r\n\r\n12345", 400, 0},
	{"POST /echo HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n12345", 400, 0},
	{"POST /echo HTTP/1.1\r\n" H "Content-Length:  5 ,5\r\n\r\n12345", 400, 0},
	{"POST /echo HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n12345", 400, 0},
	{"POST /echo HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\n12345", 400, 0},
	{"POST /echo HTTP/1.1\r\n" H "Content-Length: 05\r\n\r\n12345", 400, 0},
	{"POST /echo HTTP/1.1\r\n" H "Content-Length:\r\n\r\n12345", 400, 411},
	{"POST /echo HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n", 413, 400},
	{"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, 0},
	{"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, 0},
	{"POST /echo HTTP/1.1\r\n" H
	 "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
	 400, 0},
	{"POST /echo HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 0},
	/* H07 lines */
	{"GET /hello HTTP/1.1\nHost: x\n\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\nHost: x\r\n\r\n", 400, 0},
	/* the parser does not see the end of this one: answered or closed when its time is over */
	{"GET /hello HTTP/1.1\r\nHost: x\r\nA: b\n\r\n", 400, CLOSED},
	{"GET /hello HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\nD: e\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\n Host: x\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost : x\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost: x\r\nA(): b\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", 400, 0},
	{"GET  /hello HTTP/1.1\r\nHost: x\r\n\r\n", 400, 200},
	/* H08 host */
	{"GET /hello HTTP/1.1\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nA: b\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost: a@b\r\n\r\n", 400, 0},
	{"GET /hello HTTP/1.1\r\nHost:\r\n\r\n", 400, 0},
	/* H13 targets, methods, versions */
	{"GET http://127.0.0.1:5432/ HTTP/1.1\r\n" H "\r\n", 400, 0},
	{"GET http://x/hello HTTP/1.1\r\n" H "\r\n", 400, 0},
	{"GET hello HTTP/1.1\r\n" H "\r\n", 400, 0},
	{"OPTIONS * HTTP/1.1\r\n" H "\r\n", 400, 0},
	{"CONNECT x:443 HTTP/1.1\r\n" H "\r\n", 501, 400},
	{"TRACE /hello HTTP/1.1\r\n" H "\r\n", 501, 400},
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505},
	{"FOO /hello HTTP/1.1\r\n" H "\r\n", 501, 400},
	{"get /hello HTTP/1.1\r\n" H "\r\n", 501, 400},
	{"PROPFIND /hello HTTP/1.1\r\n" H "\r\n", 501, 0},
	{"GET /hello HTTP/9.9\r\n" H "\r\n", 505, 400},
	{"GET /hello HTTP/1.2\r\n" H "\r\n", 505, 400},
	{"GET /hello\r\n\r\n", 400, 0},
	{"GET /hello HTTX/1.1\r\n" H "\r\n", 400, 0},
	{"\x16\x03\x01\x02\r\n\r\n", 400, 0},
	/* H19 encodings, expectations */
	{"POST /echo HTTP/1.1\r\n" H "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab", 415,
	 0},
	{"POST /echo HTTP/1.1\r\n" H "Content-Encoding: zstd\r\nContent-Length: 2\r\n\r\nab", 415,
	 0},
	{"POST /echo HTTP/1.1\r\n" H "Content-Encoding: identity\r\nContent-Encoding: br\r\n"
	 "Content-Length: 2\r\n\r\nab",
	 415, 0},
	{"POST /echo HTTP/1.1\r\n" H "Expect: the-inquisition\r\nContent-Length: 2\r\n\r\nab", 417,
	 0},
};

static void assert_envelope(void)
{
	ck_assert_ptr_nonnull(strstr(answer.p, "\r\nContent-Type: application/json"));
	ck_assert_ptr_nonnull(strstr(answer.p, "\"success\":false"));
	ck_assert_ptr_nonnull(strstr(answer.p, "\"code\":\"http."));
}

/* The next request on a new connection is served as ever. */
static void assert_alive(void)
{
	pb_buf_clear(&answer);
	ck_assert_int_eq(
		fx_say("GET /hello HTTP/1.1\r\nHost: example.com:8080\r\n\r\n", &answer, NULL),
		200);
}

START_TEST(guard__refuses_and_closes)
{
	int fd = -1;
	int status = fx_say(refused[_i].request, &answer, &fd);

	if (status == 0 && refused[_i].or_status == CLOSED) {
		ck_assert_int_eq(atomic_load(&fx_handled), 0);
		close(fd);
		return;
	}
	ck_assert_msg(status == refused[_i].status || (status && status == refused[_i].or_status),
		      "%d for %s", status, refused[_i].request);
	if (status != 200) {
		assert_envelope();
		ck_assert_int_eq(atomic_load(&fx_handled), 0);
		ck_assert_ptr_nonnull(strstr(answer.p, "\r\nConnection: close\r\n"));
		ck_assert(client_closed(fd, CLIENT_WAIT_US));
	}
	close(fd);
	assert_alive();
}
END_TEST

static const char *const accepted[] = {
	"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /hello HTTP/1.1\r\nHost: [::1]:80\r\nA:\r\nB: c \r\n\r\n",
	"GET /hello HTTP/1.1\r\nHost:x\r\nA:  b  \r\n\r\n",
	"GET /hello HTTP/1.0\r\n\r\n",
	"GET /hello HTTP/1.0\r\nHost: x\r\n\r\n",
	"\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /hello?a=b HTTP/1.1\r\nHost: x\r\nA: \xd0\x9f\r\n\r\n",
	"GET /any/%D0%9F HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n",
	"POST /any/a HTTP/1.1\r\nHost: a-b_c.example\r\nContent-Length: 2\r\nContent-Encoding: "
	"identity\r\n\r\nab",
};

START_TEST(guard__accepts_good_ones)
{
	ck_assert_msg(fx_say(accepted[_i], &answer, NULL) == 200, "%s -> %s", accepted[_i],
		      answer.p);
}
END_TEST

/* @n headers of @size bytes. */
static int send_headers(const char *target, size_t n, size_t size, int *ret_fd)
{
	pb_auto_buf b = PB_BUF_INIT;
	pb_autofree char *fill = pb_xcalloc(1, size + 1);

	memset(fill, 'a', size);
	pb_buf_addf(&b, "GET %s HTTP/1.1\r\nHost: x\r\n", target);
	for (size_t i = 0; i < n; i++)
		pb_buf_addf(&b, "H%zu: %s\r\n", i, fill);
	pb_buf_adds(&b, "\r\n");
	pb_buf_clear(&answer);
	return fx_raw(b.p, b.len, &answer, ret_fd);
}

START_TEST(guard__limits_headers)
{
	ck_assert_int_eq(send_headers("/hello", 63, 10, NULL), 200);
	ck_assert_int_eq(send_headers("/hello", 64, 10, NULL), 400);
	assert_envelope();
	ck_assert_int_eq(send_headers("/hello", 200, 10, NULL), 400);
	ck_assert_int_eq(send_headers("/hello", 1, 15000, NULL), 200);
	ck_assert_int_eq(send_headers("/hello", 1, 17000, NULL), 431);
	assert_envelope();
	ck_assert_int_eq(send_headers("/hello", 1, 40000, NULL), 431);
	/* over every buffer: the parser sees no end and calls it malformed */
	ck_assert_int_eq(send_headers("/hello", 1, 1000000, NULL), 400);
	assert_envelope();
	assert_alive();
}
END_TEST

START_TEST(guard__limits_the_target)
{
	pb_autofree char *target = pb_xcalloc(1, 1000001);

	memset(target, 'a', 1000000);
	target[0] = '/';
	target[20000] = 0;
	ck_assert_int_eq(send_headers(target, 0, 1, NULL), 414);
	assert_envelope();
	target[8192] = 0;
	ck_assert_int_eq(send_headers(target, 0, 1, NULL), 404);
	memset(target, '/', 5000);
	target[5000] = 0;
	ck_assert_int_eq(send_headers(target, 0, 1, NULL), 400);
	memset(target, 'a', 1000000);
	target[0] = '/';
	ck_assert_int_eq(send_headers(target, 0, 1, NULL), 400);
	assert_alive();
}
END_TEST

START_TEST(guard__nul_bytes)
{
	static const char a[] = "GET /hel\0lo HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char b[] = "GET /hello HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n";
	static const char c[] = "GET /hello HTTP/1.1\r\nHost: x\0\r\nA: b\r\n\r\n";

	ck_assert_int_eq(fx_raw(a, sizeof(a) - 1, &answer, NULL), 400);
	pb_buf_clear(&answer);
	ck_assert_int_eq(fx_raw(b, sizeof(b) - 1, &answer, NULL), 400);
	pb_buf_clear(&answer);
	ck_assert_int_eq(fx_raw(c, sizeof(c) - 1, &answer, NULL), 400);
}
END_TEST

static const struct {
	const char *host;
	bool ok;
} hosts[] = {
	{"a", true},
	{"a.b-c.d:80", true},
	{"127.0.0.1", true},
	{"[::1]", true},
	{"[::ffff:1.2.3.4]:1", true},
	{"a:0", false},
	{"a:", false},
	{":80", false},
	{"[::1", false},
	{"[]", false},
	{"[::1]x", false},
	{"a..b", false},
	{".a", false},
	{"a%2e", false},
	{"a\tb", false},
	{"\xd0\x9f", false},
	{"a,b", false},
};

START_TEST(host__shape)
{
	ck_assert_int_eq(http_guard_host_ok(hosts[_i].host), hosts[_i].ok);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http_guard");
	TCase *tc = tcase_create("guard");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, guard__refuses_and_closes, 0, PB_ARRAY_LEN(refused));
	tcase_add_loop_test(tc, guard__accepts_good_ones, 0, PB_ARRAY_LEN(accepted));
	tcase_add_test(tc, guard__limits_headers);
	tcase_add_test(tc, guard__limits_the_target);
	tcase_add_test(tc, guard__nul_bytes);
	tcase_add_loop_test(tc, host__shape, 0, PB_ARRAY_LEN(hosts));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
