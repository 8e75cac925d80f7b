/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP connector through the whole path: answers, credentials by host, what may be repeated. */
#include "connector/connector_call.h"

#include <check.h>
#include "integration/connector/host.h"
#include "base/base.h"

static struct host *host;

static void setup(void)
{
	host = host_start(NULL);
}

static void teardown(void)
{
	host_stop(host);
}

static const char *params(const char *method, const char *path, const char *more)
{
	static char ring[8][512];
	static unsigned next;
	char *out = ring[next++ % 8];

	(void)pb_str_printf(out, sizeof(ring[0]),
			    "{\"method\":\"%s\",\"url\":\"http://127.0.0.1:%u%s\"%s}", method,
			    host->upstream->port, path, more);
	return out;
}

static void request(const char *method, const char *path, const char *more, const char *connection,
		    struct result *r)
{
	call(host,
	     &(struct ask){.action = "http.request",
			   .params = params(method, path, more),
			   .connection = connection},
	     r);
}

START_TEST(get__answers_and_sends_no_credential)
{
	struct result r;

	request("GET", "/ok", "", NULL, &r);
	ck_assert_msg(r.status == CONNECTOR_OK, "%s %s", r.code, r.message);
	ck_assert_ptr_nonnull(strstr(pb_buf_str(&r.output), "\"status\":200"));
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_NONE);
	ck_assert_ptr_null(strstr(mini_request(host->upstream, 0), "Authorization"));
	result_done(&r);
}
END_TEST

START_TEST(post__credential_for_the_connections_host)
{
	struct result r;

	request("POST", "/echo", ",\"body\":{\"a\":1}", "web", &r);
	ck_assert_msg(r.status == CONNECTOR_OK, "%s %s", r.code, r.message);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_DONE);
	ck_assert_ptr_nonnull(
		strstr(mini_request(host->upstream, 0), "\r\nAuthorization: Bearer " TOKEN "\r\n"));
	/* the echo brought the secret back: it does not get into the result */
	ck_assert_ptr_null(strstr(pb_buf_str(&r.output), TOKEN));
	ck_assert_ptr_nonnull(strstr(pb_buf_str(&r.output), "[redacted]"));
	result_done(&r);
}
END_TEST

START_TEST(credential__not_for_another_host)
{
	struct mini_http *elsewhere = mini_start_on("127.0.0.2");
	char p[200];
	struct result r;

	(void)pb_str_printf(p, sizeof(p), "{\"url\":\"http://127.0.0.2:%u/ok\"}", elsewhere->port);
	call(host, &(struct ask){.action = "http.request", .params = p, .connection = "web"}, &r);
	ck_assert_msg(r.status == CONNECTOR_OK, "%s %s", r.code, r.message);
	ck_assert_uint_eq(mini_count(elsewhere), 1);
	ck_assert_ptr_null(strstr(mini_request(elsewhere, 0), TOKEN));
	result_done(&r);
	mini_stop(elsewhere);
}
END_TEST

static const struct {
	const char *method, *path;
	enum connector_effect effect;
	bool repeatable;
} lost[] = {
	{"POST", "/close", CONNECTOR_EFFECT_MAYBE, false},
	{"PUT", "/close", CONNECTOR_EFFECT_MAYBE, true},
	{"GET", "/close", CONNECTOR_EFFECT_NONE, true},
	{"PATCH", "/truncate", CONNECTOR_EFFECT_MAYBE, false},
};

START_TEST(post__whose_answer_is_no_json_was_done)
{
	struct result r;

	request("POST", "/ok", ",\"response\":\"json\"", NULL, &r);
	ck_assert_int_eq(r.status, CONNECTOR_PERMANENT);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_DONE);
	ck_assert_int_eq(r.http_status, 200);
	result_done(&r);
}
END_TEST

START_TEST(lost__answer)
{
	struct result r;

	request(lost[_i].method, lost[_i].path, "", NULL, &r);
	ck_assert_msg(r.status == CONNECTOR_TRANSIENT, "%s %s", r.code, r.message);
	ck_assert_int_eq(r.effect, lost[_i].effect);
	ck_assert_int_eq(r.repeatable, lost[_i].repeatable);
	result_done(&r);
}
END_TEST

static const struct {
	const char *url, *code;
} blocked[] = {
	{"http://169.254.169.254:8080/latest/meta-data", "egress.destination_blocked"},
	{"http://10.0.0.1:8080/", "egress.destination_blocked"},
	{"http://127.0.0.1:22/", "egress.destination_blocked"},
	/* told to the connector as invalid input, which says so in its own words */
	{"file:///etc/passwd", ""},
	{"http://a:b@127.0.0.1:8080/", ""},
};

START_TEST(blocked__destinations)
{
	char p[200];
	struct result r;

	(void)pb_str_printf(p, sizeof(p), "{\"url\":\"%s\"}", blocked[_i].url);
	call(host, &(struct ask){.action = "http.request", .params = p}, &r);
	ck_assert_int_ne(r.status, CONNECTOR_OK);
	ck_assert_msg(strcmp(r.code, blocked[_i].code) == 0, "%s: %s %s", blocked[_i].url, r.code,
		      r.message);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_NONE);
	result_done(&r);
}
END_TEST

START_TEST(limited__retry_after_is_passed_on)
{
	struct result r;

	request("GET", "/limited", "", NULL, &r);
	ck_assert_int_eq(r.status, CONNECTOR_RATE_LIMITED);
	ck_assert_int_eq(r.retry_after_us, 7000000);
	ck_assert_int_eq(r.http_status, 429);
	result_done(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("connector_http");
	TCase *tc = tcase_create("http");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, get__answers_and_sends_no_credential);
	tcase_add_test(tc, post__credential_for_the_connections_host);
	tcase_add_test(tc, post__whose_answer_is_no_json_was_done);
	tcase_add_test(tc, credential__not_for_another_host);
	tcase_add_loop_test(tc, lost__answer, 0, (int)PB_ARRAY_LEN(lost));
	tcase_add_loop_test(tc, blocked__destinations, 0, (int)PB_ARRAY_LEN(blocked));
	tcase_add_test(tc, limited__retry_after_is_passed_on);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
