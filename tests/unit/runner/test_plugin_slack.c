/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/slack in a real runner; the answers are Slack's own, cut from its published API description. */
#include "support/runner_peer.h"

static struct peer peer;

static void setup_peer(void)
{
	peer_start(&peer, "slack");
}

static void teardown_peer(void)
{
	peer_done(&peer);
}

static const char params[] = "{\"channel\":\"C1H9RESGL\",\"text\":\"Here's a message for you\"}";

START_TEST(post_message__sends_what_slack_expects)
{
	static const char answer[] =
		"{\"channel\":\"C1H9RESGL\",\"message\":{\"bot_id\":\"B19LU7CSY\",\"subtype\":"
		"\"bot_message\",\"text\":\"Here's a message for "
		"you\",\"ts\":\"1503435956.000247\","
		"\"type\":\"message\",\"username\":\"ecto1\"},\"ok\":true,\"ts\":\"1503435956."
		"000247\"}";
	const uint64_t id = peer_call(&peer, "action:post_message", params);
	const struct peer_http http = {.status = 200, .body = answer};
	const struct ipc_http_request rq = peer_serve_http(&peer, &http);
	struct peer_end end = peer_wait(&peer, id, NULL, NULL);

	ck_assert_str_eq(rq.method, "POST");
	ck_assert_str_eq(rq.url, "/chat.postMessage");
	ck_assert_str_eq(peer_header(&rq, "content-type"), "application/json; charset=utf-8");
	ck_assert_ptr_null(peer_header(&rq, "authorization")); /* the host's business */
	ck_assert_uint_eq(rq.flags & IPC_HTTP_REPEATABLE, 0);
	ck_assert_uint_eq(rq.body.len, sizeof(params) - 1);
	ck_assert_mem_eq(rq.body.p, params, rq.body.len);
	ck_assert(end.ok);
	ck_assert_ptr_nonnull(strstr(end.output, "\"ts\":\"1503435956.000247\""));
	ck_assert_ptr_nonnull(strstr(end.output, "{\"channel\":\"C1H9RESGL\""));
}
END_TEST

START_TEST(post_message__without_content_is_refused_before_sending)
{
	const struct peer_end end = peer_run(&peer, "action:post_message", "{\"channel\":\"C1\"}");

	ck_assert_uint_eq(end.fail.status, IPC_INVALID_INPUT);
	ck_assert_str_eq(end.fail.pointer, "/text");
}
END_TEST

static const struct {
	const char *body;
	uint32_t http_status, status, effect;
	const char *code, *pointer;
} failures[] = {
	{"{\"ok\":false,\"error\":\"invalid_auth\"}", 200, IPC_AUTH_EXPIRED, 0, "invalid_auth",
	 NULL},
	{"{\"ok\":false,\"error\":\"token_revoked\"}", 200, IPC_AUTH_EXPIRED, 0, "token_revoked",
	 NULL},
	{"{\"ok\":false,\"error\":\"missing_scope\"}", 200, IPC_AUTH_DENIED, 0, "missing_scope",
	 NULL},
	{"{\"ok\":false,\"error\":\"not_in_channel\"}", 200, IPC_AUTH_DENIED, 0, "not_in_channel",
	 "/channel"},
	{"{\"ok\":false,\"error\":\"channel_not_found\"}", 200, IPC_INVALID_INPUT, 0,
	 "channel_not_found", "/channel"},
	{"{\"ok\":false,\"error\":\"msg_too_long\"}", 200, IPC_INVALID_INPUT, 0, "msg_too_long",
	 "/text"},
	{"{\"ok\":false,\"error\":\"ratelimited\"}", 429, IPC_RATE_LIMITED, 0, NULL, NULL},
	{"{\"ok\":false,\"error\":\"ratelimited\"}", 200, IPC_RATE_LIMITED, 0, "ratelimited", NULL},
	{"{\"ok\":false,\"error\":\"fatal_error\"}", 200, IPC_TRANSIENT, 1, "fatal_error", NULL},
	{"{\"ok\":false,\"error\":\"something_new\"}", 200, IPC_PERMANENT, 0, "something_new",
	 NULL},
	{"{\"ok\":false}", 200, IPC_PERMANENT, 0, NULL, NULL},
	{"<html>busy</html>", 503, IPC_TRANSIENT, 1, NULL, NULL},
	{"<html>?</html>", 200, IPC_TRANSIENT, 1, NULL, NULL},
	{"", 404, IPC_PERMANENT, 0, NULL, NULL},
};

START_TEST(post_message__understands_failures)
{
	const uint64_t id = peer_call(&peer, "action:post_message", params);
	const struct peer_http http = {.status = failures[_i].http_status,
				       .body = failures[_i].body,
				       .retry_after_ms = 30000};
	struct peer_end end;

	(void)peer_serve_http(&peer, &http);
	end = peer_wait(&peer, id, NULL, NULL);
	ck_assert(!end.ok);
	ck_assert_uint_eq(end.fail.status, failures[_i].status);
	ck_assert_uint_eq(end.fail.effect, failures[_i].effect);
	ck_assert_uint_eq(end.fail.http_status, failures[_i].http_status);
	ck_assert_int_eq(end.fail.retry_after_ms, 30000);
	ck_assert_pstr_eq(end.fail.code, failures[_i].code);
	ck_assert_pstr_eq(end.fail.pointer, failures[_i].pointer);
}
END_TEST

START_TEST(test_credential__says_who_it_is)
{
	const uint64_t id = peer_call(&peer, "test:bot", "{}");
	const struct peer_http http = {.status = 200,
				       .body = "{\"ok\":true,\"team\":\"Subarachnoid "
					       "Workspace\",\"team_id\":\"T12345678\","
					       "\"url\":\"https://subarachnoid.slack.com/"
					       "\",\"user\":\"grace\",\"user_id\":"
					       "\"W12345678\"}"};
	const struct ipc_http_request rq = peer_serve_http(&peer, &http);

	ck_assert_str_eq(rq.url, "/auth.test");
	ck_assert_uint_ne(rq.flags & IPC_HTTP_REPEATABLE, 0);
	ck_assert_str_eq(peer_wait(&peer, id, NULL, NULL).output,
			 "{\"label\":\"Subarachnoid Workspace / grace\",\"team\":\"Subarachnoid "
			 "Workspace\",\"user\":\"grace\"}");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("plugin_slack");
	TCase *tc = tcase_create("slack");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup_peer, teardown_peer);
	tcase_add_test(tc, post_message__sends_what_slack_expects);
	tcase_add_test(tc, post_message__without_content_is_refused_before_sending);
	tcase_add_loop_test(tc, post_message__understands_failures, 0, PB_ARRAY_LEN(failures));
	tcase_add_test(tc, test_credential__says_who_it_is);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
