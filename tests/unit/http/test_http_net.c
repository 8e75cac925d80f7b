/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of trusted proxies: what is in them, and a server that believes those and no others. */
#include "http/http_net.h"

#include "http_fixture.h"
#include "support/check_main.h"
#include "base/base.h"

START_TEST(nets__hold_what_one_of_them_has)
{
	struct http_nets got;

	ck_assert(http_nets_parse((const char *const[]){"198.51.100.7", "10.0.0.0/8", NULL}, &got));
	ck_assert_uint_eq(got.n, 2);
	ck_assert(http_nets_hold(&got, "198.51.100.7") && http_nets_hold(&got, "10.1.2.3"));
	ck_assert(!http_nets_hold(&got, "198.51.100.8") && !http_nets_hold(&got, "nobody"));
	ck_assert(!http_nets_parse((const char *const[]){"10.0.0.0/8", "x", NULL}, &got));
	ck_assert(http_nets_parse(NULL, &got) && !http_nets_hold(&got, "127.0.0.1"));
}
END_TEST

START_TEST(server__believes_a_network)
{
	static const char *const proxies[] = {"127.0.0.0/30", NULL};
	struct pb_buf answer = PB_BUF_INIT;
	int fds[6];

	fx_start((struct http_cfg){.threads = 16, .max_per_ip = 2, .trusted_proxies = proxies});
	fx_warm_up();
	ck_assert_int_eq(fx_say("GET /ip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
				"X-Forwarded-For: 1.2.3.4, 203.0.113.9, 127.0.0.3\r\n\r\n",
				&answer, NULL),
			 200);
	ck_assert_msg(pb_str_ends(answer.p, "\r\n203.0.113.9"), "%s", answer.p);
	/* nor is it counted: more connections than one address may have */
	for (size_t i = 0; i < PB_ARRAY_LEN(fds); i++) {
		pb_buf_clear(&answer);
		ck_assert_int_eq(fx_say("GET /ip HTTP/1.1\r\nHost: x\r\n\r\n", &answer, &fds[i]),
				 200);
	}
	for (size_t i = 0; i < PB_ARRAY_LEN(fds); i++)
		close(fds[i]);
	pb_buf_done(&answer);
	fx_stop();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("http_net");
	TCase *t = tcase_create("net");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, nets__hold_what_one_of_them_has);
	tcase_add_test(t, server__believes_a_network);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
