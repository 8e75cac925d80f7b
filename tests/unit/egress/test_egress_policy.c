/* SPDX-License-Identifier: Apache-2.0 */
/* core/egress/egress_policy.c: every network of the S table, embedded addresses, allow list, ports. */
#include "egress/egress_policy.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <sys/un.h>
#include "base/base.h"

static const struct {
	const char *address;
	enum egress_verdict verdict;
} table[] = {
	{"0.0.0.0", EGRESS_BLOCKED},
	{"0.1.2.3", EGRESS_BLOCKED},
	{"10.0.0.1", EGRESS_BLOCKED},
	{"10.255.255.255", EGRESS_BLOCKED},
	{"100.64.0.1", EGRESS_BLOCKED},
	{"100.100.100.200", EGRESS_BLOCKED},
	{"100.127.255.255", EGRESS_BLOCKED},
	{"100.128.0.1", EGRESS_PUBLIC},
	{"100.63.255.255", EGRESS_PUBLIC},
	{"127.0.0.1", EGRESS_BLOCKED},
	{"127.255.255.254", EGRESS_BLOCKED},
	{"128.0.0.1", EGRESS_PUBLIC},
	{"169.254.169.254", EGRESS_BLOCKED},
	{"169.253.0.1", EGRESS_PUBLIC},
	{"172.15.255.255", EGRESS_PUBLIC},
	{"172.16.0.1", EGRESS_BLOCKED},
	{"172.31.255.255", EGRESS_BLOCKED},
	{"172.32.0.0", EGRESS_PUBLIC},
	{"192.0.0.8", EGRESS_BLOCKED},
	{"192.168.1.1", EGRESS_BLOCKED},
	{"192.167.255.255", EGRESS_PUBLIC},
	{"192.169.0.0", EGRESS_PUBLIC},
	{"198.18.0.1", EGRESS_BLOCKED},
	{"198.19.255.255", EGRESS_BLOCKED},
	{"198.20.0.0", EGRESS_PUBLIC},
	{"223.255.255.255", EGRESS_PUBLIC},
	{"224.0.0.1", EGRESS_BLOCKED},
	{"240.0.0.1", EGRESS_BLOCKED},
	{"255.255.255.255", EGRESS_BLOCKED},
	{"1.1.1.1", EGRESS_PUBLIC},
	{"::", EGRESS_BLOCKED},
	{"::1", EGRESS_BLOCKED},
	{"::7f00:1", EGRESS_BLOCKED},
	{"::ffff:127.0.0.1", EGRESS_BLOCKED},
	{"::ffff:10.1.2.3", EGRESS_BLOCKED},
	{"::ffff:1.1.1.1", EGRESS_PUBLIC},
	{"64:ff9b::7f00:1", EGRESS_BLOCKED},
	{"64:ff9b::a9fe:a9fe", EGRESS_BLOCKED},
	{"64:ff9b::101:101", EGRESS_PUBLIC},
	{"2002:7f00:1::", EGRESS_BLOCKED},
	{"2002:a00:1::1", EGRESS_BLOCKED},
	{"2002:101:101::1", EGRESS_PUBLIC},
	{"2001:0:101:101::80ff:fffe", EGRESS_BLOCKED}, /* Teredo, client 127.0.0.1 */
	{"2001:0:7f00:1::fefe:fefe", EGRESS_BLOCKED},  /* Teredo, server 127.0.0.1 */
	{"2001:0:101:101::fefe:fefe", EGRESS_PUBLIC},  /* Teredo, both 1.1.1.1 */
	{"fc00::1", EGRESS_BLOCKED},
	{"fd00:ec2::254", EGRESS_BLOCKED},
	{"fe80::1", EGRESS_BLOCKED},
	{"febf::1", EGRESS_BLOCKED},
	{"ff02::1", EGRESS_BLOCKED},
	{"2606:4700::1111", EGRESS_PUBLIC},
	{"not an address", EGRESS_BLOCKED},
	{"", EGRESS_BLOCKED},
};

static struct egress_policy *policy_of(const char *const *allow, size_t n, const char *const *ports,
				       size_t m)
{
	struct egress_policy *p = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(egress_policy_new(allow, n, ports, m, &p, &err), PB_OK);
	return p;
}

START_TEST(policy_text__judges_each_network)
{
	pb_autoptr(egress_policy) p = policy_of(NULL, 0, NULL, 0);

	ck_assert_msg(egress_policy_text(p, table[_i].address) == table[_i].verdict, "%s",
		      table[_i].address);
}
END_TEST

START_TEST(policy_address__judges_like_the_text)
{
	pb_autoptr(egress_policy) p = policy_of(NULL, 0, NULL, 0);
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	const void *sa = &in;
	size_t n = sizeof(in);

	if (inet_pton(AF_INET, table[_i].address, &in.sin_addr) != 1) {
		if (inet_pton(AF_INET6, table[_i].address, &in6.sin6_addr) != 1)
			return;
		sa = &in6;
		n = sizeof(in6);
	}
	ck_assert_int_eq(egress_policy_address(p, sa, n), table[_i].verdict);
	ck_assert_int_eq(egress_policy_address(p, sa, n - 1), EGRESS_BLOCKED);
}
END_TEST

START_TEST(policy_address__blocks_other_families)
{
	pb_autoptr(egress_policy) p = policy_of(NULL, 0, NULL, 0);
	struct sockaddr_un un = {.sun_family = AF_UNIX,
				 .sun_path = "/run/postgresql/.s.PGSQL.5432"};

	ck_assert_int_eq(egress_policy_address(p, (const void *)&un, sizeof(un)), EGRESS_BLOCKED);
}
END_TEST

START_TEST(policy_allow__opens_only_what_it_names)
{
	const char *const allow[] = {"127.0.0.0/8", "10.1.0.0/16", "fd00::/64", "192.168.7.7"};
	pb_autoptr(egress_policy) p = policy_of(allow, 4, NULL, 0);

	ck_assert_int_eq(egress_policy_text(p, "127.0.0.1"), EGRESS_ALLOWED);
	ck_assert_int_eq(egress_policy_text(p, "::ffff:127.0.0.1"), EGRESS_ALLOWED);
	ck_assert_int_eq(egress_policy_text(p, "::1"), EGRESS_BLOCKED);
	ck_assert_int_eq(egress_policy_text(p, "10.1.255.1"), EGRESS_ALLOWED);
	ck_assert_int_eq(egress_policy_text(p, "10.2.0.1"), EGRESS_BLOCKED);
	ck_assert_int_eq(egress_policy_text(p, "fd00::1"), EGRESS_ALLOWED);
	ck_assert_int_eq(egress_policy_text(p, "fd00:0:0:1::1"), EGRESS_BLOCKED);
	ck_assert_int_eq(egress_policy_text(p, "192.168.7.7"), EGRESS_ALLOWED);
	ck_assert_int_eq(egress_policy_text(p, "192.168.7.8"), EGRESS_BLOCKED);
	ck_assert_int_eq(egress_policy_text(p, "1.1.1.1"), EGRESS_PUBLIC);
}
END_TEST

START_TEST(policy_port__default_is_the_web)
{
	pb_autoptr(egress_policy) p = policy_of(NULL, 0, NULL, 0);
	static const uint16_t shut[] = {22, 25, 5432, 6379, 4222, 8222, 8080, 1, 65535};

	ck_assert(egress_policy_port(p, 80));
	ck_assert(egress_policy_port(p, 443));
	for (size_t i = 0; i < PB_ARRAY_LEN(shut); i++)
		ck_assert(!egress_policy_port(p, shut[i]));
}
END_TEST

START_TEST(policy_port__ranges)
{
	const char *const ports[] = {"443", "8000-8999"};
	pb_autoptr(egress_policy) p = policy_of(NULL, 0, ports, 2);

	ck_assert(egress_policy_port(p, 443));
	ck_assert(egress_policy_port(p, 8000));
	ck_assert(egress_policy_port(p, 8999));
	ck_assert(!egress_policy_port(p, 9000));
	ck_assert(!egress_policy_port(p, 7999));
	ck_assert(!egress_policy_port(p, 80));
}
END_TEST

static const char *const bad_nets[] = {"10.0.0.0/33", "10.0.0/8",    "::/129",      "x",
				       "10.0.0.0/",   "10.0.0.0/-1", "10.0.0.0/8 ", ""};
static const char *const bad_ports[] = {"0", "65536", "80-79", "http", "-80", "80-", ""};

START_TEST(policy_new__refuses_bad_networks)
{
	struct egress_policy *p = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(egress_policy_new(&bad_nets[_i], 1, NULL, 0, &p, &err), PB_E_INVALID);
	ck_assert_str_eq(err.code, "egress.config");
	ck_assert_ptr_null(p);
}
END_TEST

START_TEST(policy_new__refuses_bad_ports)
{
	struct egress_policy *p = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(egress_policy_new(NULL, 0, &bad_ports[_i], 1, &p, &err), PB_E_INVALID);
	ck_assert_str_eq(err.code, "egress.config");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("egress_policy");
	TCase *tc = tcase_create("policy");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, policy_text__judges_each_network, 0, (int)PB_ARRAY_LEN(table));
	tcase_add_loop_test(tc, policy_address__judges_like_the_text, 0, (int)PB_ARRAY_LEN(table));
	tcase_add_test(tc, policy_address__blocks_other_families);
	tcase_add_test(tc, policy_allow__opens_only_what_it_names);
	tcase_add_test(tc, policy_port__default_is_the_web);
	tcase_add_test(tc, policy_port__ranges);
	tcase_add_loop_test(tc, policy_new__refuses_bad_networks, 0, (int)PB_ARRAY_LEN(bad_nets));
	tcase_add_loop_test(tc, policy_new__refuses_bad_ports, 0, (int)PB_ARRAY_LEN(bad_ports));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
