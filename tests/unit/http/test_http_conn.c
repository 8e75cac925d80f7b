/* SPDX-License-Identifier: Apache-2.0 */
/* When all workers are taken by peers that make us wait, those go and the next request is served. */
#include "http/http_server.h"

#include "base/clock.h"
#include "http_fixture.h"
#include "base/base.h"

#define WORKERS 8
#define LONG_US (2 * PB_USEC_PER_MIN)

static struct pb_buf answer;

/* Deadlines so long that only the crowd can be the reason for an end. */
static void setup(void)
{
	pb_buf_init(&answer, 0);
	fx_start((struct http_cfg){.threads = WORKERS,
				   .max_per_ip = 100,
				   .keep_alive_us = LONG_US,
				   .header_timeout_us = LONG_US,
				   .body_timeout_us = LONG_US,
				   .write_timeout_us = LONG_US});
	fx_warm_up();
}

static void teardown(void)
{
	fx_stop();
	pb_buf_done(&answer);
}

static int connect_and_say(const char *text)
{
	int fd = client_connect(fx_port);

	ck_assert_int_ge(fd, 0);
	(void)client_say(fd, text); /* who is late in a crowd may be closed already */
	return fd;
}

/* And comes again then. */
static int connect_and_ask(void)
{
	for (int64_t end = pb_mono_us() + CLIENT_WAIT_US; pb_mono_us() < end;) {
		int fd = connect_and_say("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");

		pb_buf_clear(&answer);
		if (client_read(fd, &answer, CLIENT_WAIT_US) == 1)
			return fd;
		close(fd);
	}
	ck_abort_msg("never answered");
}

static void good_is_served(int *fds)
{
	int fd = connect_and_ask();

	ck_assert_int_eq(client_status(&answer), 200);
	close(fd);
	for (int i = 0; i < WORKERS; i++)
		close(fds[i]);
}

static const char *const slow[] = {"", "GET /hello HTTP/1.1\r\nHost: x\r\nX: ",
				   "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx"};

START_TEST(crowd__slow_ones_go)
{
	int fds[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		fds[i] = connect_and_say(slow[_i]);
	/* they may be gone before we look */
	fx_await(fx_stats().connections >= WORKERS || fx_stats().timeouts > 0);
	good_is_served(fds);
	ck_assert_uint_gt(fx_stats().timeouts, 0);
}
END_TEST

START_TEST(crowd__idle_ones_go)
{
	int fds[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		fds[i] = connect_and_ask();
	good_is_served(fds);
}
END_TEST

/* One place is free: nobody has to hurry. */
START_TEST(crowd__is_all_workers_only)
{
	int fd = connect_and_say(slow[1]);

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

	tcase_set_timeout(tc, 90);
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
