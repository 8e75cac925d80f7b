/* SPDX-License-Identifier: Apache-2.0 */
/* Calls through real runners and the odd plugin: results, refusals, services, limits, time. */
#include "connector/connector_call.h"

#include <check.h>
#include "base/id.h"
#include "base/log.h"
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

START_TEST(call__gives_the_result)
{
	struct result r;

	call(host, &(struct ask){.action = "odd.echo", .params = "{\"a\":[1,2.50,\"\\u00e9\"]}"},
	     &r);
	ck_assert_msg(r.status == CONNECTOR_OK, "%s", r.message);
	ck_assert_str_eq(pb_buf_str(&r.output), "{\"a\":[1,2.50,\"\\u00e9\"]}");
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_NONE);
	ck_assert(r.charged);
	ck_assert_int_eq(r.calls, 1);
	result_done(&r);
}
END_TEST

static const struct {
	const char *action, *params, *connection, *code, *pointer;
} invalid[] = {
	{"odd.slow", "{\"ms\":-1}", NULL, "connector.param_invalid", "/ms"},
	{"odd.slow", "{\"ms\":\"x\"}", NULL, "connector.param_invalid", "/ms"},
	{"odd.attack", "{}", NULL, "connector.param_invalid", NULL},
	{"odd.echo", "[1]", NULL, "connector.param_invalid", NULL},
	{"odd.echo", "{\"a\":", NULL, "connector.param_invalid", NULL},
	{"odd.echo", "{}", "nobody", "connection.not_found", NULL},
	{"odd.echo", "{}", "slack", "connection.wrong_connector", NULL},
	{"slack.post_message", "{\"channel\":\"C1\",\"text\":\"x\"}", NULL, "connection.missing",
	 NULL},
};

START_TEST(call__refuses_bad_input_without_a_runner)
{
	struct result r;
	int pids[4];

	call(host,
	     &(struct ask){.action = invalid[_i].action,
			   .params = invalid[_i].params,
			   .connection = invalid[_i].connection},
	     &r);
	ck_assert_int_eq(r.status, CONNECTOR_INVALID_INPUT);
	ck_assert_str_eq(r.code, invalid[_i].code);
	if (invalid[_i].pointer)
		ck_assert_str_eq(r.pointer, invalid[_i].pointer);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_NONE);
	ck_assert_uint_eq(connector_admin_runner_pids(host->c, NULL, pids, 4), 0);
	result_done(&r);
}
END_TEST

START_TEST(call__other_tenants_connection_is_absent)
{
	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo",
							    .connection = "main",
							    .tenant = pb_uuid7()}),
			 CONNECTOR_INVALID_INPUT);
}
END_TEST

START_TEST(call__failure_is_passed_on)
{
	struct result r;

	call(host,
	     &(struct ask){.action = "odd.fail",
			   .params = "{\"status\":4,\"effect\":2,\"retry_after_ms\":1500,"
				     "\"message\":\"slow down\"}"},
	     &r);
	ck_assert_int_eq(r.status, CONNECTOR_RATE_LIMITED);
	ck_assert_str_eq(r.code, "odd.asked");
	ck_assert_str_eq(r.message, "slow down");
	ck_assert_str_eq(r.pointer, "/status");
	ck_assert_int_eq(r.retry_after_us, 1500000);
	/* it claims "done", but nothing was sent */
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_NONE);
	result_done(&r);
}
END_TEST

START_TEST(call__key_is_stable_over_attempts)
{
	struct result a, b, c;

	call(host, &(struct ask){.action = "odd.key", .key = "K1"}, &a);
	call(host, &(struct ask){.action = "odd.key", .key = "K1"}, &b);
	call(host, &(struct ask){.action = "odd.key", .key = "K2"}, &c);
	ck_assert_int_eq(a.status, CONNECTOR_OK);
	ck_assert_str_eq(pb_buf_str(&a.output), pb_buf_str(&b.output));
	ck_assert_str_ne(pb_buf_str(&a.output), pb_buf_str(&c.output));
	result_done(&a);
	result_done(&b);
	result_done(&c);
}
END_TEST

START_TEST(secret__only_exposed_and_never_out)
{
	struct result r;

	call(host, &(struct ask){.action = "odd.reveal", .connection = "main"}, &r);
	ck_assert_msg(r.status == CONNECTOR_OK, "%s", r.message);
	ck_assert_str_eq(pb_buf_str(&r.output), "\"[redacted]\"");
	ck_assert_uint_ge(r.n_log, 1);
	ck_assert_str_eq(r.log, "[redacted]");
	result_done(&r);
	call(host,
	     &(struct ask){.action = "odd.reveal",
			   .connection = "main",
			   .params = "{\"field\":\"password\"}"},
	     &r);
	ck_assert_int_eq(r.status, CONNECTOR_AUTH_DENIED);
	result_done(&r);
	call(host, &(struct ask){.action = "odd.reveal"}, &r); /* no connection */
	ck_assert_int_eq(r.status, CONNECTOR_AUTH_DENIED);
	result_done(&r);
}
END_TEST

START_TEST(kv__counts_exactly_under_contention)
{
	enum { N = 40 };
	static struct result r[N];
	struct result last;

	for (size_t i = 0; i < N; i++)
		start(host, &(struct ask){.action = "odd.count", .connection = "main"}, &r[i],
		      NULL);
	for (size_t i = 0; i < N; i++) {
		result_wait(&r[i]);
		ck_assert_msg(r[i].status == CONNECTOR_OK, "%s", r[i].message);
		result_done(&r[i]);
	}
	call(host, &(struct ask){.action = "odd.count", .connection = "main"}, &last);
	ck_assert_str_eq(pb_buf_str(&last.output), "41");
	result_done(&last);
}
END_TEST

START_TEST(http__credential_goes_to_the_declared_host)
{
	struct result r;

	call(host,
	     &(struct ask){.action = "odd.post_twice",
			   .params = url_params(host, "/ok"),
			   .connection = "main"},
	     &r);
	ck_assert_msg(r.status == CONNECTOR_OK, "%s", r.message);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_DONE);
	ck_assert(!r.repeatable);
	ck_assert_uint_eq(mini_count(host->upstream), 2);
	ck_assert_ptr_nonnull(
		strstr(mini_request(host->upstream, 0), "\r\nAuthorization: Bearer " TOKEN));
	result_done(&r);
}
END_TEST

START_TEST(http__undeclared_host_is_refused)
{
	struct result r;

	call(host,
	     &(struct ask){.action = "odd.post_twice",
			   .params = "{\"url\":\"https://evil.example:8443/\"}"},
	     &r);
	ck_assert_int_ne(r.status, CONNECTOR_OK);
	ck_assert_str_eq(r.code, "egress.host_not_declared");
	ck_assert_int_eq(r.status, CONNECTOR_AUTH_DENIED);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_NONE);
	result_done(&r);
}
END_TEST

START_TEST(http__lost_answer_is_maybe)
{
	struct result r;

	call(host, &(struct ask){.action = "odd.post_twice", .params = url_params(host, "/close")},
	     &r);
	ck_assert_int_eq(r.status, CONNECTOR_TRANSIENT);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_MAYBE);
	ck_assert(!r.repeatable);
	ck_assert_uint_eq(mini_count(host->upstream), 1);
	result_done(&r);
	call(host,
	     &(struct ask){.action = "odd.post_twice",
			   .params = url_params(host, "/close"),
			   .repeatable = true},
	     &r);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_MAYBE);
	ck_assert(r.repeatable);
	result_done(&r);
}
END_TEST

START_TEST(dry_run__sends_nothing_and_shows_it)
{
	struct result r;

	call(host,
	     &(struct ask){.action = "odd.post_twice",
			   .params = url_params(host, "/ok"),
			   .connection = "main",
			   .dry_run = true},
	     &r);
	ck_assert_msg(r.status == CONNECTOR_OK, "%s", r.message);
	ck_assert(pb_str_starts(
		pb_buf_str(&r.output),
		"{\"dry_run\":true,\"request\":{\"method\":\"POST\",\"url\":\"http://127.0.0.1:"));
	ck_assert_ptr_null(strstr(pb_buf_str(&r.output), TOKEN));
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_NONE);
	ck_assert_uint_eq(mini_count(host->upstream), 0);
	result_done(&r);
}
END_TEST

/* ---- P11: results ---- */

static const char *const bad_results[] = {"odd.huge_result", "odd.deep_result", "odd.bad_utf8",
					  "odd.nan"};

START_TEST(result__bad_ones_fail_one_call)
{
	struct result r;

	call(host, &(struct ask){.action = bad_results[_i]}, &r);
	ck_assert_int_ne(r.status, CONNECTOR_OK);
	ck_assert_int_ne(r.status, CONNECTOR_CRASHED);
	ck_assert_uint_eq(r.output.len, 0);
	result_done(&r);
	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
}
END_TEST

START_TEST(log__flood_is_limited)
{
	struct result r;

	call(host, &(struct ask){.action = "odd.log_flood"}, &r);
	ck_assert_str_eq(pb_buf_str(&r.output), "{\"limited\":\"yes\"}");
	ck_assert_uint_le(r.n_log, CONNECTOR_LOG_LINES_KEPT);
	result_done(&r);
}
END_TEST

/* ---- time ---- */

static int runner_pid(void)
{
	int pids[4];

	return connector_admin_runner_pids(host->c, "odd", pids, 4) == 1 ? pids[0] : -1;
}

static bool reached_a_runner(const struct result *r)
{
	return strcmp(r->code, "connector.queue_timeout") != 0;
}

/* One call that overruns its deadline; false when its runner was killed for it. */
static bool ends_politely(void)
{
	struct result r;
	bool reached;
	int pid;

	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
	pid = runner_pid();
	call(host,
	     &(struct ask){.action = "odd.slow", .params = "{\"ms\":60000}", .timeout_us = 300000},
	     &r);
	ck_assert_int_eq(r.status, CONNECTOR_TIMEOUT);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_NONE);
	ck_assert_int_lt(r.duration_us, 20 * PB_USEC_PER_SEC);
	reached = reached_a_runner(&r);
	result_done(&r);
	return reached && pid > 0 && runner_pid() == pid;
}

/* On a busy machine the second that a runner has for the end may pass all the same: it is enough once. */
START_TEST(deadline__polite_call_is_cancelled)
{
	const int64_t end = pb_mono_us() + 20 * PB_USEC_PER_SEC;

	while (!ends_politely())
		ck_assert(pb_mono_us() < end);
}
END_TEST

static const char *const endless[] = {"odd.loop", "odd.sleep"};

START_TEST(deadline__stuck_call_is_killed_others_go_on)
{
	const int64_t end = pb_mono_us() + 20 * PB_USEC_PER_SEC;
	struct result stuck, slow;

	for (;;) {
		ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}),
				 CONNECTOR_OK);
		start(host, &(struct ask){.action = "odd.slow", .params = "{\"ms\":4000}"}, &slow,
		      NULL);
		call(host, &(struct ask){.action = endless[_i], .timeout_us = 300000}, &stuck);
		ck_assert_int_eq(stuck.status, CONNECTOR_TIMEOUT);
		result_wait(&slow);
		ck_assert_msg(slow.status == CONNECTOR_OK, "%s", slow.message);
		if (reached_a_runner(&stuck))
			break;
		ck_assert(pb_mono_us() < end); /* too busy to begin in time: once more */
		result_done(&stuck);
		result_done(&slow);
	}
	ck_assert_int_ge(stuck.duration_us, 1300000);
	ck_assert_int_lt(stuck.duration_us, 10 * PB_USEC_PER_SEC);
	ck_assert_uint_eq(slow.restarts, 1);
	result_done(&stuck);
	result_done(&slow);
}
END_TEST

START_TEST(cancel__running_and_waiting)
{
	struct connector_call *handle = NULL;
	struct result r;

	start(host, &(struct ask){.action = "odd.post_twice", .params = url_params(host, "/hang")},
	      &r, &handle);
	mini_await(host->upstream, 1);
	connector_call_cancel(handle);
	connector_call_cancel(handle);
	result_wait(&r);
	ck_assert_int_eq(r.status, CONNECTOR_CANCELLED);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_MAYBE);
	connector_call_unref(handle);
	result_done(&r);

	start(host, &(struct ask){.action = "odd.slow", .params = "{\"ms\":60000}"}, &r, &handle);
	connector_call_cancel(handle);
	result_wait(&r);
	ck_assert_int_eq(r.status, CONNECTOR_CANCELLED);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_NONE);
	connector_call_unref(handle);
	result_done(&r);
}
END_TEST

START_TEST(start__is_bounded)
{
	const struct connectors_cfg cfg = {.calls_max = 10};
	struct host *h = host_start(&cfg);
	pb_autoptr(connector_action) action = NULL;
	struct pb_err err = PB_ERR_INIT;
	struct result r[10];
	struct connector_call_request req = {.idempotency_key = "k"};

	for (size_t i = 0; i < 10; i++)
		start(h, &(struct ask){.action = "odd.slow", .params = "{\"ms\":60000}"}, &r[i],
		      NULL);
	ck_assert_int_eq(connector_registry_action(connectors_registry(h->c), "odd.echo", NULL,
						   &action, &err),
			 PB_OK);
	req.action = action;
	ck_assert_int_eq(connector_call_start(h->c, &req, on_result, &r[0], NULL, &err),
			 PB_E_LIMIT);
	ck_assert_str_eq(err.code, "connector.busy");
	host_stop(h); /* and stopping answers all of them */
	for (size_t i = 0; i < 10; i++) {
		ck_assert_int_eq(r[i].calls, 1);
		ck_assert_int_eq(r[i].status, CONNECTOR_UNAVAILABLE);
		ck_assert(!r[i].charged);
		result_done(&r[i]);
	}
}
END_TEST

START_TEST(connection__calls_are_serial_unless_declared)
{
	/* odd declares 64: 65 calls of 300 ms on one connection are two rounds, not 65, which takes 19 s */
	enum { N = 65 };
	static struct result r[N];
	int64_t begin = pb_mono_us(), took;

	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
	for (size_t i = 0; i < N; i++)
		start(host,
		      &(struct ask){
			      .action = "odd.slow", .params = "{\"ms\":300}", .connection = "main"},
		      &r[i], NULL);
	for (size_t i = 0; i < N; i++) {
		result_wait(&r[i]);
		ck_assert_int_eq(r[i].status, CONNECTOR_OK);
		result_done(&r[i]);
	}
	took = pb_mono_us() - begin;
	ck_assert_int_ge(took, 600000);
	ck_assert_int_lt(took, 15 * PB_USEC_PER_SEC);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("connector_call");
	TCase *tc = tcase_create("call");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, call__gives_the_result);
	tcase_add_loop_test(tc, call__refuses_bad_input_without_a_runner, 0,
			    (int)PB_ARRAY_LEN(invalid));
	tcase_add_test(tc, call__other_tenants_connection_is_absent);
	tcase_add_test(tc, call__failure_is_passed_on);
	tcase_add_test(tc, call__key_is_stable_over_attempts);
	tcase_add_test(tc, secret__only_exposed_and_never_out);
	tcase_add_test(tc, kv__counts_exactly_under_contention);
	tcase_add_test(tc, http__credential_goes_to_the_declared_host);
	tcase_add_test(tc, http__undeclared_host_is_refused);
	tcase_add_test(tc, http__lost_answer_is_maybe);
	tcase_add_test(tc, dry_run__sends_nothing_and_shows_it);
	tcase_add_loop_test(tc, result__bad_ones_fail_one_call, 0, (int)PB_ARRAY_LEN(bad_results));
	tcase_add_test(tc, log__flood_is_limited);
	tcase_add_test(tc, deadline__polite_call_is_cancelled);
	tcase_add_loop_test(tc, deadline__stuck_call_is_killed_others_go_on, 0, 2);
	tcase_add_test(tc, cancel__running_and_waiting);
	tcase_add_test(tc, start__is_bounded);
	tcase_add_test(tc, connection__calls_are_serial_unless_declared);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
