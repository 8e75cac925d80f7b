/* SPDX-License-Identifier: Apache-2.0 */
/* When all workers are taken by peers that make us wait, those go and the next request is served. */
#include "http/http_server.h"

#include "base/clock.h"
#include "http_fixture.h"
#include "base/base.h"

#define WORKERS 8

static struct pb_buf answer;

/* Deadlines so long that only the crowd can be the reason for an end. */
static void setup(void)
{
	pb_buf_init(&answer, 0);
	fx_start((struct http_cfg){.threads = WORKERS,
				   .max_per_ip = 100,
				   .keep_alive_us = 20 * PB_USEC_PER_SEC,
				   .header_timeout_us = 20 * PB_USEC_PER_SEC,
				   .body_timeout_us = 20 * PB_USEC_PER_SEC,
				   .write_timeout_us = 20 * PB_USEC_PER_SEC});
	fx_warm_up();
}

static void teardown(void)
{
	fx_stop();
	pb_buf_done(&answer);
}

static void take_all(const char *text, bool answered, int *fds)
{
	for (int i = 0; i < WORKERS; i++) {
		fds[i] = client_connect(fx_port);
		ck_assert_int_ge(fds[i], 0);
		ck_assert(client_say(fds[i], text));
		if (answered)
			ck_assert_int_eq(client_read(fds[i], &answer, 5 * PB_USEC_PER_SEC), 1);
	}
}

static void wait_taken(void)
{
	struct http_stats st;
	int64_t end = pb_mono_us() + 5 * PB_USEC_PER_SEC;

	do
		http_server_stats(fx_server, &st);
	while (st.connections < WORKERS && pb_mono_us() < end);
	ck_assert_uint_ge(st.connections, WORKERS);
}

static void good_is_served(int *fds)
{
	int64_t begin = pb_mono_us();
	int fd = -1;

	ck_assert_int_eq(fx_say("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &answer, &fd), 200);
	ck_assert_int_lt(pb_mono_us() - begin, 4 * PB_USEC_PER_SEC);
	close(fd);
	for (int i = 0; i < WORKERS; i++)
		close(fds[i]);
}

static const char *const slow[] = {"", "GET /hello HTTP/1.1\r\nHost: x\r\nX: ",
				   "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx"};

START_TEST(crowd__slow_ones_go)
{
	int fds[WORKERS];

	take_all(slow[_i], false, fds);
	wait_taken();
	good_is_served(fds);
}
END_TEST

START_TEST(crowd__idle_ones_go)
{
	int fds[WORKERS];

	take_all("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", true, fds);
	good_is_served(fds);
}
END_TEST

/* One place is free: nobody has to hurry. */
START_TEST(crowd__is_all_workers_only)
{
	int fd = client_connect(fx_port);

	ck_assert(client_say(fd, slow[1]));
	ck_assert(!client_closed(fd, PB_USEC_PER_SEC));
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http_conn");
	TCase *tc = tcase_create("crowd");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 40);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, crowd__slow_ones_go, 0, PB_ARRAY_LEN(slow));
	tcase_add_test(tc, crowd__idle_ones_go);
	tcase_add_test(tc, crowd__is_all_workers_only);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
