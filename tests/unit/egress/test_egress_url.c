/* SPDX-License-Identifier: Apache-2.0 */
/* core/egress/egress_url.c: what is refused by its text, and that curl's reading is the one we judge. */
#include "egress/egress_url.h"

#include <check.h>
#include "base/base.h"

static const struct {
	const char *url, *code;
} bad[] = {
	{"", "egress.url_invalid"},
	{"/path", "egress.url_invalid"},
	{"example.com/x", "egress.url_invalid"},
	{"http:///127.0.0.1/", "egress.url_invalid"},
	{"http:/127.0.0.1/", "egress.url_invalid"},
	{"http:127.0.0.1", "egress.url_invalid"},
	{"http://", "egress.url_invalid"},
	{"http://?x", "egress.url_invalid"},
	{"http://user@example.com/", "egress.url_invalid"},
	{"http://user:pass@example.com/", "egress.url_invalid"},
	{"http://1.1.1.1@127.0.0.1/", "egress.url_invalid"},
	{"http://127.0.0.1%2f@1.1.1.1/", "egress.url_invalid"},
	{"http://127.0.0.1%00.example.com/", "egress.url_invalid"},
	{"http://[fe80::1%25eth0]/", "egress.url_invalid"},
	{"http://exa mple.com/", "egress.url_invalid"},
	{"http://example.com/a b", "egress.url_invalid"},
	{"http://example.com/\r\nX: y", "egress.url_invalid"},
	{"http://example.com/\t", "egress.url_invalid"},
	{"http://example.com\\@127.0.0.1/", "egress.url_invalid"},
	{"http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/",
	 "egress.url_invalid"}, /* full-width */
	{"http://127\xe3\x80\x82"
	 "0.0.1/",
	 "egress.url_invalid"}, /* ideographic dot */
	{"http://example.com:0/", "egress.url_invalid"},
	{"http://example.com:65536/", "egress.url_invalid"},
	{"http://example.com:x/", "egress.url_invalid"},
	{"http://[::1/", "egress.url_invalid"},
	{"file:///etc/passwd", "egress.scheme"},
	{"gopher://127.0.0.1:6379/_x", "egress.scheme"},
	{"dict://127.0.0.1/", "egress.scheme"},
	{"ftp://example.com/", "egress.scheme"},
	{"ldap://example.com/", "egress.scheme"},
	{"smb://example.com/", "egress.scheme"},
	{"telnet://example.com/", "egress.scheme"},
	{"scp://example.com/", "egress.scheme"},
	{"tftp://example.com/", "egress.scheme"},
	{"rtmp://example.com/", "egress.scheme"},
	{"mqtt://example.com/", "egress.scheme"},
	{"imap://example.com/", "egress.scheme"},
	{"smtp://example.com/", "egress.scheme"},
	{"ws://example.com/", "egress.scheme"},
	{"javascript:alert(1)", "egress.scheme"},
};

START_TEST(url_parse__refuses)
{
	struct egress_url u = {0};
	struct pb_err err = PB_ERR_INIT;

	ck_assert_msg(egress_url_parse(&u, bad[_i].url, &err) == PB_E_INVALID, "%s", bad[_i].url);
	ck_assert_msg(pb_str_eq(err.code, bad[_i].code), "%s: %s", bad[_i].url, err.code);
	egress_url_done(&u);
}
END_TEST

START_TEST(url_parse__refuses_length)
{
	struct egress_url u = {0};
	struct pb_err err = PB_ERR_INIT;
	pb_auto_buf b = PB_BUF_INIT;

	pb_buf_adds(&b, "http://example.com/");
	while (b.len <= 16384)
		pb_buf_addc(&b, 'a');
	ck_assert_int_eq(egress_url_parse(&u, b.p, &err), PB_E_INVALID);
	egress_url_done(&u);
}
END_TEST

static const struct {
	const char *url, *host;
	uint16_t port;
	bool https;
} good[] = {
	{"http://Example.COM/A", "example.com", 80, false},
	{"HTTPS://example.com", "example.com", 443, true},
	{"https://example.com:8443/x?y#z", "example.com", 8443, true},
	{"http://[::1]:81/", "::1", 81, false},
	{"http://2130706433/", "127.0.0.1", 80, false},
	{"http://0x7f000001/", "127.0.0.1", 80, false},
	{"http://0177.0.0.1/", "127.0.0.1", 80, false},
	{"http://017700000001/", "127.0.0.1", 80, false},
	{"http://127.1/", "127.0.0.1", 80, false},
	{"http://0x7f.1/", "127.0.0.1", 80, false},
	{"http://0/", "0.0.0.0", 80, false},
	{"http://169.254.43518/", "169.254.169.254", 80, false},
	{"http://1.1.1.1#@127.0.0.1/", "1.1.1.1", 80, false},
	{"http://1.1.1.1/@127.0.0.1/", "1.1.1.1", 80, false},
};

START_TEST(url_parse__reads)
{
	struct egress_url u = {0};
	struct pb_err err = PB_ERR_INIT;

	ck_assert_msg(egress_url_parse(&u, good[_i].url, &err) == PB_OK, "%s: %s", good[_i].url,
		      err.msg);
	ck_assert_str_eq(u.host, good[_i].host);
	ck_assert_uint_eq(u.port, good[_i].port);
	ck_assert_int_eq(u.https, good[_i].https);
	egress_url_done(&u);
}
END_TEST

static const struct {
	const char *base, *location, *text; /* NULL: refused */
} moves[] = {
	{"http://a.test/x/y?q", "/z", "http://a.test/z"},
	{"http://a.test/x/y?q", "z?k=v", "http://a.test/x/z"},
	{"http://a.test/x/y", "../z", "http://a.test/z"},
	{"https://a.test/x", "//b.test/z", "https://b.test/z"},
	{"http://a.test/x", "https://b.test:444/z", "https://b.test:444/z"},
	{"http://a.test/x", "?only=query", "http://a.test/x"},
	{"http://a.test/x", "file:///etc/passwd", NULL},
	{"http://a.test/x", "gopher://127.0.0.1/", NULL},
	{"http://a.test/x", "http://u:p@b.test/", NULL},
	{"http://a.test/x", "http://b.test/ x", NULL},
	{"http://a.test/x", "javascript:alert(1)", NULL},
};

START_TEST(url_redirect__resolves_and_checks)
{
	struct egress_url base = {0}, next = {0};
	struct pb_err err = PB_ERR_INIT;
	enum pb_status st;

	ck_assert_int_eq(egress_url_parse(&base, moves[_i].base, &err), PB_OK);
	st = egress_url_redirect(&base, moves[_i].location, &next, &err);
	if (moves[_i].text) {
		pb_autofree char *text = NULL;

		ck_assert_msg(st == PB_OK, "%s: %s", moves[_i].location, err.msg);
		text = egress_url_text(&next);
		ck_assert_str_eq(text, moves[_i].text);
	} else {
		ck_assert_msg(st == PB_E_INVALID, "%s", moves[_i].location);
	}
	egress_url_done(&base);
	egress_url_done(&next);
}
END_TEST

START_TEST(url_same_origin__host_port_scheme)
{
	static const char *const others[] = {"https://a.test/", "http://a.test:81/",
					     "http://b.test/", "http://x.a.test/"};
	struct egress_url a = {0}, b = {0};
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(egress_url_parse(&a, "http://a.test/1", &err), PB_OK);
	ck_assert_int_eq(egress_url_parse(&b, "http://A.test:80/2?x", &err), PB_OK);
	ck_assert(egress_url_same_origin(&a, &b));
	egress_url_done(&b);
	for (size_t i = 0; i < PB_ARRAY_LEN(others); i++) {
		ck_assert_int_eq(egress_url_parse(&b, others[i], &err), PB_OK);
		ck_assert_msg(!egress_url_same_origin(&a, &b), "%s", others[i]);
		egress_url_done(&b);
	}
	egress_url_done(&a);
}
END_TEST

START_TEST(url_add_query__encodes_and_hides)
{
	struct egress_url u = {0};
	struct pb_err err = PB_ERR_INIT;
	pb_autofree char *text = NULL;

	ck_assert_int_eq(egress_url_parse(&u, "http://a.test/x?a=1", &err), PB_OK);
	ck_assert(egress_url_add_query(&u, "key", "a&b=c d/\xc3\xa9", 10));
	text = egress_url_text(&u);
	ck_assert_str_eq(text, "http://a.test/x");
	egress_url_done(&u);
}
END_TEST

START_TEST(host_matches__forms)
{
	static const char *const p[] = {"api.slack.com", "*.example.com"};
	static const char *const any[] = {"*"};

	ck_assert(egress_host_matches("api.slack.com", p, 2, true));
	ck_assert(egress_host_matches("API.slack.com", p, 2, true));
	ck_assert(egress_host_matches("x.example.com", p, 2, true));
	ck_assert(egress_host_matches("x.y.example.com", p, 2, true));
	ck_assert(!egress_host_matches("example.com", p, 2, true));
	ck_assert(!egress_host_matches("badexample.com", p, 2, true));
	ck_assert(!egress_host_matches("x.example.com.evil.test", p, 2, true));
	ck_assert(!egress_host_matches("slack.com", p, 2, true));
	ck_assert(!egress_host_matches("api.slack.com.", p, 2, true));
	ck_assert(egress_host_matches("anything.test", any, 1, true));
	ck_assert(!egress_host_matches("anything.test", any, 1, false));
	ck_assert(!egress_host_matches("anything.test", NULL, 0, true));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("egress_url");
	TCase *tc = tcase_create("url");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, url_parse__refuses, 0, (int)PB_ARRAY_LEN(bad));
	tcase_add_test(tc, url_parse__refuses_length);
	tcase_add_loop_test(tc, url_parse__reads, 0, (int)PB_ARRAY_LEN(good));
	tcase_add_loop_test(tc, url_redirect__resolves_and_checks, 0, (int)PB_ARRAY_LEN(moves));
	tcase_add_test(tc, url_same_origin__host_port_scheme);
	tcase_add_test(tc, url_add_query__encodes_and_hides);
	tcase_add_test(tc, host_matches__forms);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
