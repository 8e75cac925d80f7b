/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/net.c */
#include "base/net.h"

#include <check.h>

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

START_TEST(net__has_its_addresses)
{
	uint8_t addr[PB_ADDRESS_BYTES];
	struct pb_net net;
	bool v4;

	ck_assert(pb_net_parse(nets[_i].net, &net));
	ck_assert_int_eq(pb_address_parse(nets[_i].ip, addr, &v4) && pb_net_has(&net, addr),
			 nets[_i].in);
}
END_TEST

START_TEST(net__wrong_ones_are_refused)
{
	static const char *const bad[] = {"",       "10.0.0.0/33", "10.0.0.0/",
					  "::/129", "x",           "10.0.0.0/8x"};
	struct pb_net net;

	for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++)
		ck_assert_msg(!pb_net_parse(bad[i], &net), "%s", bad[i]);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("net");
	TCase *t = tcase_create("net");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, net__has_its_addresses, 0, PB_ARRAY_LEN(nets));
	tcase_add_test(t, net__wrong_ones_are_refused);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
