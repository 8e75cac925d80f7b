/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of trusted proxies: what is in them, and a server that believes those and no others. */
#include "http/http_net.h"

#include "http_fixture.h"
#include "support/check_main.h"
#include "base/base.h"

static const struct {
	const char *net, *ip;
	bool in;
} nets[] = {
	{"10.0.0.0/8", "10.255.0.1", true},
	{"10.0.0.0/8", "11.0.0.1", false},
	{"172.16.0.0/12", "172.31.255.255", true},
	{"172.16.0.0/12", "172.32.0.0", false},
	{"192.0.2.1", "192.0.2.1", true},
	{"192.0.2.1", "192.0.2.2", false},
	{"0.0.0.0/0", "203.0.113.9", true},
	{"0.0.0.0/0", "2001:db8::1", false},
	{"fd00::/8", "fdab::1", true},
	{"fd00::/8", "fe00::1", false},
	{"2001:db8::1", "2001:0db8:0:0::1", true},
	{"127.0.0.0/8", "::ffff:127.0.0.1", true},
	{"127.0.0.0/8", "", false},
	{"127.0.0.0/8", "nobody", false},
};

START_TEST(net__holds_its_addresses)
{
	const char *const list[] = {"198.51.100.7", nets[_i].net, NULL};
	struct http_nets got;

	ck_assert(http_nets_parse(list, &got));
	ck_assert_uint_eq(got.n, 2);
	ck_assert_int_eq(http_nets_hold(&got, nets[_i].ip), nets[_i].in);
}
END_TEST

START_TEST(net__wrong_ones_are_refused)
{
	static const char *const bad[] = {"",       "10.0.0.0/33", "10.0.0.0/",
					  "::/129", "x",           "10.0.0.0/8x"};
	struct http_nets got;

	ck_assert(http_nets_parse(NULL, &got));
	ck_assert(!http_nets_hold(&got, "127.0.0.1"));
	for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++)
		ck_assert_msg(!http_nets_parse((const char *const[]){bad[i], NULL}, &got), "%s",
			      bad[i]);
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

	tcase_set_timeout(t, 20);
	tcase_add_loop_test(t, net__holds_its_addresses, 0, PB_ARRAY_LEN(nets));
	tcase_add_test(t, net__wrong_ones_are_refused);
	tcase_add_test(t, server__believes_a_network);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
