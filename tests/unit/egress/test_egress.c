/* SPDX-License-Identifier: Apache-2.0 */
/* core/egress/egress.c: the loop: reuse, cancellation, shutdown, limits, many at once. */
#include "egress/egress.h"

#include <check.h>
#include "unit/egress/client.h"
#include "base/base.h"

static struct egress *egress;
static struct mini_http *server;

static void setup(void)
{
	server = mini_start();
	egress = egress_for_test(NULL);
}

static void teardown(void)
{
	egress_free(egress);
	mini_stop(server);
}

START_TEST(submit__reuses_the_connection)
{
	const struct egress_request req = {.method = "GET", .url = at(server, "/ok")};
	struct egress_stats stats;
	struct got g;

	for (int i = 0; i < 5; i++) {
		got_init(&g);
		fetch(egress, &req, &g);
		ck_assert_int_eq(g.status, PB_OK);
		ck_assert_int_eq(g.reused, i > 0);
		got_done(&g);
	}
	ck_assert_uint_eq(server->n_conns, 1);
	egress_stats(egress, &stats);
	ck_assert_uint_eq(stats.requests, 5);
	ck_assert_uint_eq(stats.answers, 5);
	ck_assert_uint_eq(stats.connects, 1);
	ck_assert_uint_eq(stats.reuses, 4);
	ck_assert_uint_eq(stats.bytes_in, 25);
	ck_assert_uint_eq(stats.in_flight, 0);
}
END_TEST

START_TEST(cancel__ends_a_running_request)
{
	const struct egress_request req = {.method = "POST", .url = at(server, "/hang")};
	struct egress_transfer *t = NULL;
	struct pb_err err = PB_ERR_INIT;
	struct got g;

	got_init(&g);
	ck_assert_int_eq(egress_submit(egress, &req, on_done, &g, &t, &err), PB_OK);
	mini_await(server, 1);
	ck_assert_int_eq(egress_transfer_sent(t), EGRESS_SENT_MAYBE);
	egress_cancel(t);
	egress_cancel(t); /* twice is once */
	got_wait(&g);
	ck_assert_str_eq(g.code, "egress.cancelled");
	ck_assert_int_eq(g.sent, EGRESS_SENT_MAYBE);
	ck_assert_int_eq(g.calls, 1);
	egress_cancel(t); /* after the end: nothing */
	egress_transfer_unref(t);
	got_done(&g);
}
END_TEST

START_TEST(cancel__at_any_moment_answers_once)
{
	struct egress_transfer *t[200];
	static struct got g[200];
	struct pb_err err = PB_ERR_INIT;
	struct egress_stats stats;

	for (size_t i = 0; i < PB_ARRAY_LEN(t); i++) {
		const struct egress_request req = {.method = "GET",
						   .url = at(server, i % 3 ? "/ok" : "/hang")};

		got_init(&g[i]);
		ck_assert_int_eq(egress_submit(egress, &req, on_done, &g[i], &t[i], &err), PB_OK);
		if (i >= 20)
			egress_cancel(t[i - 20]);
	}
	for (size_t i = PB_ARRAY_LEN(t) - 20; i < PB_ARRAY_LEN(t); i++)
		egress_cancel(t[i]);
	for (size_t i = 0; i < PB_ARRAY_LEN(t); i++) {
		got_wait(&g[i]);
		ck_assert_int_eq(g[i].calls, 1);
		ck_assert(g[i].status == PB_OK || g[i].status == PB_E_CANCELLED);
		egress_transfer_unref(t[i]);
		got_done(&g[i]);
	}
	egress_stats(egress, &stats);
	ck_assert_uint_eq(stats.in_flight, 0);
	ck_assert_uint_eq(stats.answers + stats.failures, 200);
}
END_TEST

START_TEST(free__answers_what_is_under_way)
{
	struct egress *mine = egress_for_test(NULL);
	const struct egress_request req = {.method = "GET", .url = at(server, "/hang")};
	struct pb_err err = PB_ERR_INIT;
	struct got g[10];

	for (size_t i = 0; i < 10; i++) {
		got_init(&g[i]);
		ck_assert_int_eq(egress_submit(mine, &req, on_done, &g[i], NULL, &err), PB_OK);
	}
	mini_await(server, 5);
	egress_free(mine);
	for (size_t i = 0; i < 10; i++) {
		ck_assert_int_eq(g[i].calls, 1);
		ck_assert_int_eq(g[i].status, PB_E_CANCELLED);
		got_done(&g[i]);
	}
}
END_TEST

START_TEST(submit__refuses_over_the_limit)
{
	struct egress_cfg cfg = {.requests_max = 3};
	struct egress *mine = egress_for_test(&cfg);
	const struct egress_request req = {.method = "GET", .url = at(server, "/hang")};
	struct pb_err err = PB_ERR_INIT;
	struct got g[3];

	for (size_t i = 0; i < 3; i++) {
		got_init(&g[i]);
		ck_assert_int_eq(egress_submit(mine, &req, on_done, &g[i], NULL, &err), PB_OK);
	}
	ck_assert_int_eq(egress_submit(mine, &req, on_done, &g[0], NULL, &err), PB_E_LIMIT);
	ck_assert_str_eq(err.code, "egress.busy");
	egress_free(mine);
	for (size_t i = 0; i < 3; i++)
		got_done(&g[i]);
}
END_TEST

START_TEST(submit__many_at_once)
{
	enum { N = 1000 };
	static struct got g[N];
	const struct egress_request req = {.method = "GET", .url = at(server, "/slow")};
	struct pb_err err = PB_ERR_INIT;
	int64_t start = pb_mono_us();

	for (size_t i = 0; i < N; i++) {
		got_init(&g[i]);
		ck_assert_int_eq(egress_submit(egress, &req, on_done, &g[i], NULL, &err), PB_OK);
	}
	for (size_t i = 0; i < N; i++) {
		got_wait(&g[i]);
		ck_assert_msg(g[i].http_status == 200, "%s", g[i].msg);
		got_done(&g[i]);
	}
	/* 256 a host at a time and 200 ms each: four rounds; one after the other would be 200 s */
	ck_assert_int_lt(pb_mono_us() - start, 50 * PB_USEC_PER_SEC);
	ck_assert_uint_le(server->n_conns, 300);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("egress");
	TCase *tc = tcase_create("loop");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, submit__reuses_the_connection);
	tcase_add_test(tc, cancel__ends_a_running_request);
	tcase_add_test(tc, cancel__at_any_moment_answers_once);
	tcase_add_test(tc, free__answers_what_is_under_way);
	tcase_add_test(tc, submit__refuses_over_the_limit);
	tcase_add_test(tc, submit__many_at_once);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
