/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/http in a real runner: what it sends for which parameters, what it makes of which answer. */
#include "support/runner_peer.h"

static struct peer peer;

static void setup_peer(void)
{
	peer_start(&peer, "http");
}

static void teardown_peer(void)
{
	peer_done(&peer);
}

static const struct {
	const char *params;
	const char *method, *url, *content_type, *body;
	uint32_t flags;
	bool key;
} requests[] = {
	{"{\"url\":\"https://a.test/x\"}", "GET", "https://a.test/x", NULL, "", IPC_HTTP_REPEATABLE,
	 false},
	{"{\"url\":\"https://a.test/x#top\",\"query\":{\"q\":\"a "
	 "b&\xc3\xa4\",\"n\":[1,2.50],\"z\":null}}",
	 "GET", "https://a.test/x?q=a%20b%26%C3%A4&n=1&n=2.50", NULL, "", IPC_HTTP_REPEATABLE,
	 false},
	{"{\"url\":\"https://a.test/x?y=1\",\"query\":{\"q\":true}}", "GET",
	 "https://a.test/x?y=1&q=true", NULL, "", IPC_HTTP_REPEATABLE, false},
	{"{\"url\":\"/p\",\"method\":\"POST\",\"body\":{\"a\":1.10}}", "POST", "/p",
	 "application/json", "{\"a\":1.10}", 0, true},
	{"{\"url\":\"/p\",\"method\":\"POST\",\"body\":\"hi\"}", "POST", "/p",
	 "text/plain; charset=utf-8", "hi", 0, true},
	{"{\"url\":\"/p\",\"method\":\"POST\",\"body\":\"hi\",\"body_type\":\"json\"}", "POST",
	 "/p", "application/json", "\"hi\"", 0, true},
	{"{\"url\":\"/p\",\"method\":\"POST\",\"body_type\":\"form\",\"body\":{\"a\":\"x "
	 "y\",\"b\":2},"
	 "\"repeatable\":true}",
	 "POST", "/p", "application/x-www-form-urlencoded", "a=x%20y&b=2", IPC_HTTP_REPEATABLE,
	 true},
	{"{\"url\":\"/p\",\"method\":\"PUT\",\"body\":[1],\"headers\":{\"content-type\":\"text/"
	 "csv\"}}",
	 "PUT", "/p", "text/csv", "[1]", IPC_HTTP_REPEATABLE, true},
	{"{\"url\":\"/p\",\"method\":\"DELETE\",\"follow_redirects\":true}", "DELETE", "/p", NULL,
	 "", IPC_HTTP_REPEATABLE | IPC_HTTP_FOLLOW, true},
};

START_TEST(request__is_built_from_parameters)
{
	const uint64_t id = peer_call(&peer, "action:request", requests[_i].params);
	const struct peer_http http = {.status = 204, .body = ""};
	const struct ipc_http_request rq = peer_serve_http(&peer, &http);

	ck_assert(peer_wait(&peer, id, NULL, NULL).ok);
	ck_assert_str_eq(rq.method, requests[_i].method);
	ck_assert_str_eq(rq.url, requests[_i].url);
	ck_assert_pstr_eq(peer_header(&rq, "Content-Type"), requests[_i].content_type);
	ck_assert_uint_eq(rq.body.len, strlen(requests[_i].body));
	ck_assert_mem_eq(rq.body.p, requests[_i].body, rq.body.len);
	ck_assert_uint_eq(rq.flags, requests[_i].flags);
	ck_assert_int_eq(peer_header(&rq, "Idempotency-Key") != NULL, requests[_i].key);
}
END_TEST

START_TEST(request__keeps_its_key_on_each_attempt)
{
	const struct peer_http http = {.status = 200, .body = "{}"};
	const char *keys[2];
	struct ipc_http_request rq;

	for (size_t i = 0; i < 2; i++) {
		const uint64_t id =
			peer_call(&peer, "action:request", "{\"url\":\"/p\",\"method\":\"POST\"}");

		rq = peer_serve_http(&peer, &http);
		keys[i] = peer_header(&rq, "Idempotency-Key");
		(void)peer_wait(&peer, id, NULL, NULL);
	}
	ck_assert_str_eq(keys[0], keys[1]);
}
END_TEST

static const struct {
	const char *params, *pointer;
} refused[] = {
	{"{\"url\":\"\"}", "/url"},
	{"{\"url\":\"/x\",\"headers\":{\"A\":\"x\\r\\nB: y\"}}", "/headers"},
	{"{\"url\":\"/x\",\"headers\":{\"Host\":\"evil.test\"}}", "/headers"},
	{"{\"url\":\"/x\",\"headers\":{\"content-length\":\"5\"}}", "/headers"},
	{"{\"url\":\"/x\",\"query\":{\"a\":{\"b\":1}}}", "/query"},
	{"{\"url\":\"/x\",\"body_type\":\"form\",\"body\":[1]}", "/body"},
	{"{\"url\":\"/x\",\"body_type\":\"text\",\"body\":{\"a\":1}}", "/body"},
};

START_TEST(request__refuses_before_sending)
{
	const struct peer_end end = peer_run(&peer, "action:request", refused[_i].params);

	ck_assert_uint_eq(end.fail.status, IPC_INVALID_INPUT);
	ck_assert_str_eq(end.fail.pointer, refused[_i].pointer);
}
END_TEST

static const struct {
	const char *params;
	struct peer_http answer;
	const char *output;
} answers[] = {
	{"{\"url\":\"/x\"}",
	 {200, "{\"a\":12345678901234567890}", "content-type", "application/json", 0},
	 "{\"status\":200,\"headers\":{\"content-type\":\"application/json\"},\"body\":{\"a\":"
	 "12345678901234567890},\"bytes\":26}"},
	{"{\"url\":\"/x\"}",
	 {200, "plain", NULL, NULL, 0},
	 "{\"status\":200,\"headers\":{},\"body\":\"plain\",\"bytes\":5}"},
	{"{\"url\":\"/x\",\"response\":\"text\"}",
	 {200, "[1]", NULL, NULL, 0},
	 "{\"status\":200,\"headers\":{},\"body\":\"[1]\",\"bytes\":3}"},
	{"{\"url\":\"/x\"}",
	 {200, "\xff\xfe", NULL, NULL, 0},
	 "{\"status\":200,\"headers\":{},\"body\":null,\"bytes\":2}"},
	{"{\"url\":\"/x\",\"expect\":[\"200-299\",404]}",
	 {404, "", NULL, NULL, 0},
	 "{\"status\":404,\"headers\":{},\"body\":null,\"bytes\":0}"},
};

START_TEST(answer__becomes_the_output)
{
	const uint64_t id = peer_call(&peer, "action:request", answers[_i].params);
	struct peer_end end;

	(void)peer_serve_http(&peer, &answers[_i].answer);
	end = peer_wait(&peer, id, NULL, NULL);
	ck_assert(end.ok);
	ck_assert_str_eq(end.output, answers[_i].output);
}
END_TEST

static const struct {
	const char *method;
	uint32_t http_status;
	int64_t retry_after_ms;
	uint32_t status, effect;
} failures[] = {
	{"GET", 401, 0, IPC_AUTH_EXPIRED, 0},     {"GET", 403, 0, IPC_AUTH_DENIED, 0},
	{"POST", 429, 9000, IPC_RATE_LIMITED, 0}, {"POST", 503, 9000, IPC_RATE_LIMITED, 1},
	{"POST", 503, 0, IPC_TRANSIENT, 1},       {"GET", 500, 0, IPC_TRANSIENT, 0},
	{"POST", 500, 0, IPC_TRANSIENT, 1},       {"POST", 404, 0, IPC_PERMANENT, 0},
	{"POST", 408, 0, IPC_TRANSIENT, 1},       {"POST", 302, 0, IPC_PERMANENT, 2},
	{"GET", 302, 0, IPC_PERMANENT, 0},
};

START_TEST(answer__that_is_no_success_fails_by_class)
{
	const struct peer_http http = {.status = failures[_i].http_status,
				       .body = "no",
				       .retry_after_ms = failures[_i].retry_after_ms};
	struct peer_end end;
	char params[128];
	uint64_t id;

	(void)snprintf(params, sizeof(params), "{\"url\":\"/x\",\"method\":\"%s\"}",
		       failures[_i].method);
	id = peer_call(&peer, "action:request", params);
	(void)peer_serve_http(&peer, &http);
	end = peer_wait(&peer, id, NULL, NULL);
	ck_assert(!end.ok);
	ck_assert_uint_eq(end.fail.status, failures[_i].status);
	ck_assert_uint_eq(end.fail.effect, failures[_i].effect);
	ck_assert_int_eq(end.fail.retry_after_ms, failures[_i].retry_after_ms);
}
END_TEST

/* ---- the test of a connection ---- */

/* The host's answer to one patchbay_secret(); NULL: not there. */
static void serve_field(const char *name, const char *value)
{
	struct ipc_value v = {.status = value ? IPC_OK : IPC_AUTH_DENIED, .found = value != NULL};
	struct ipc_secret_get asked;
	pb_auto_buf b = PB_BUF_INIT;
	struct ipc_frame f;

	if (value)
		v.body = pb_slice_str(value);
	ck_assert_int_eq(peer_next(&peer, &f, PEER_WAIT_US), IPC_IO_FRAME);
	ck_assert_int_eq(f.head.type, IPC_SECRET_GET);
	ck_assert_int_eq(ipc_decode_secret_get(&peer.arena, peer_payload(&f), &asked, NULL), PB_OK);
	ck_assert_str_eq(asked.field, name);
	ck_assert(ipc_encode_value(&b, &v));
	peer_answer(&peer, &f, IPC_VALUE, &b);
}

static const struct {
	const char *url, *host;
	uint32_t answer; /* 0: nothing may be sent */
	bool ok;
	uint32_t status;
} tests[] = {
	{"https://a.test/me", "a.test", 200, true, 0},
	{"https://A.test:444/me?x=1", "b.test, a.TEST", 204, true, 0},
	{"https://x.a.test", "*.a.test", 200, true, 0},
	{"https://a.test/me", "a.test", 401, false, IPC_AUTH_EXPIRED},
	{"https://a.test/me", "a.test", 403, false, IPC_AUTH_DENIED},
	{"https://a.test/me", "a.test", 302, false, IPC_PERMANENT},
	{"https://a.test/me", "a.test", 404, false, IPC_PERMANENT},
	{"https://a.test/me", "a.test", 500, false, IPC_TRANSIENT},
	{"https://a.test/me", "*.a.test", 0, false, IPC_PERMANENT},
	{"https://xa.test/me", "*.a.test", 0, false, IPC_PERMANENT},
	{"https://a.test.evil.test/me", "a.test", 0, false, IPC_PERMANENT},
	{"https://evil.test/a.test", "a.test", 0, false, IPC_PERMANENT},
	{"https://a.test/me", "", 0, false, IPC_PERMANENT},
	{NULL, NULL, 0, false, IPC_UNSUPPORTED},
};

START_TEST(test_credential__asks_the_connections_own_host)
{
	static const char *const names[] = {"test:bearer", "test:basic", "test:header"};
	const uint64_t id = peer_call(&peer, names[_i % 3], "{}");
	const struct peer_http http = {.status = tests[_i].answer, .body = "{\"me\":1}"};
	struct ipc_http_request rq;
	struct peer_end end;

	serve_field("test_url", tests[_i].url);
	if (tests[_i].url)
		serve_field("host", tests[_i].host);
	if (tests[_i].answer) {
		rq = peer_serve_http(&peer, &http);
		ck_assert_str_eq(rq.method, "GET");
		ck_assert_str_eq(rq.url, tests[_i].url);
		ck_assert_uint_eq(rq.flags, IPC_HTTP_REPEATABLE);
		ck_assert_ptr_null(peer_header(&rq, "Idempotency-Key"));
	}
	end = peer_wait(&peer, id, NULL, NULL);
	ck_assert_int_eq(end.ok, tests[_i].ok);
	if (tests[_i].ok) {
		ck_assert_str_eq(end.output, "{}");
		return;
	}
	ck_assert_uint_eq(end.fail.status, tests[_i].status);
	ck_assert_uint_eq(end.fail.effect, IPC_EFFECT_NONE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("plugin_http");
	TCase *tc = tcase_create("http");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup_peer, teardown_peer);
	tcase_add_loop_test(tc, request__is_built_from_parameters, 0, PB_ARRAY_LEN(requests));
	tcase_add_test(tc, request__keeps_its_key_on_each_attempt);
	tcase_add_loop_test(tc, request__refuses_before_sending, 0, PB_ARRAY_LEN(refused));
	tcase_add_loop_test(tc, answer__becomes_the_output, 0, PB_ARRAY_LEN(answers));
	tcase_add_loop_test(tc, answer__that_is_no_success_fails_by_class, 0,
			    PB_ARRAY_LEN(failures));
	tcase_add_loop_test(tc, test_credential__asks_the_connections_own_host, 0,
			    PB_ARRAY_LEN(tests));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
