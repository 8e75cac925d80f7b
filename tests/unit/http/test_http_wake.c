/* SPDX-License-Identifier: Apache-2.0 */
/* That a stop does not wait for CivetWeb's next look at its flag, wherever the server listens. */
#include "http/http_wake.h"

#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "http/http_server.h"
#include "base/base.h"

static const char *const listen_on[] = {"127.0.0.1:0", "0.0.0.0:0", "127.0.0.2:0,127.0.0.1:0"};

static int64_t stop_takes_us(const char *listen)
{
	struct http_cfg cfg = {.listen = listen, .threads = 8};
	struct http_router *router = http_router_new();
	struct http_server *server = NULL;
	struct pb_err err = PB_ERR_INIT;
	const struct timespec pause = pb_timespec(50 * PB_USEC_PER_MSEC);
	int64_t started_us = 0;

	ck_assert_int_eq(http_server_start(&cfg, router, &server, &err), PB_OK);
	(void)nanosleep(&pause, NULL); /* until it sleeps; else there is nothing to wake */
	started_us = pb_mono_us();
	http_server_stop(server);
	started_us = pb_mono_us() - started_us;
	http_router_free(router);
	return started_us;
}

/* Nobody to wake it: two seconds each time. A busy machine is not late each time. */
START_TEST(wake__server_stops_at_once)
{
	int64_t best_us = INT64_MAX;

	for (int i = 0; i < 3 && best_us > PB_USEC_PER_SEC; i++)
		best_us = PB_MIN(best_us, stop_takes_us(listen_on[_i]));
	ck_assert_int_le(best_us, PB_USEC_PER_SEC);
}
END_TEST

/* One connection may come too early to be seen, so it must not stay at one; and its end must come. */
START_TEST(wake__knocks_until_it_is_ended)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);
	pb_autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct http_wake w;

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, n), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	http_wake_start(&w, "127.0.0.1:0", ntohs(at.sin_port));
	for (int i = 0; i < 3; i++) {
		pb_autoclose int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		ck_assert_int_ge(peer, 0);
	}
	http_wake_end(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http_wake");
	TCase *tc = tcase_create("wake");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 90);
	tcase_add_loop_test(tc, wake__server_stops_at_once, 0, PB_ARRAY_LEN(listen_on));
	tcase_add_test(tc, wake__knocks_until_it_is_ended);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
