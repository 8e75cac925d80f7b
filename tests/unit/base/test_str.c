/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/str.c */
#include "base/str.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

START_TEST(slice_eq__compares_bytes)
{
	ck_assert(pb_slice_eq(PB_SLICE("ab"), PB_SLICE("ab")));
	ck_assert(!pb_slice_eq(PB_SLICE("ab"), PB_SLICE("abc")));
	ck_assert(pb_slice_eq(pb_slice(NULL, 0), PB_SLICE("")));
	ck_assert(pb_slice_eq_str(PB_SLICE("ab"), "ab"));
	ck_assert(!pb_slice_eq_str(PB_SLICE("a\0b"), "a"));
	ck_assert(pb_slice_eq_nocase(PB_SLICE("Content-Length"), "content-LENGTH"));
	ck_assert(!pb_slice_eq_nocase(PB_SLICE("a["), "a{"));
	ck_assert(!pb_slice_eq_nocase(PB_SLICE("a"), "ab"));
	ck_assert_uint_eq(pb_slice_str(NULL).len, 0);
}
END_TEST

START_TEST(str_eq__knows_null)
{
	ck_assert(pb_str_eq(NULL, NULL));
	ck_assert(!pb_str_eq(NULL, ""));
	ck_assert(!pb_str_eq("", NULL));
	ck_assert(pb_str_eq("x", "x"));
	ck_assert(pb_str_starts("abc", "ab"));
	ck_assert(pb_str_starts("abc", ""));
	ck_assert(!pb_str_starts("ab", "abc"));
	ck_assert(!pb_str_starts(NULL, "a"));
	ck_assert(pb_str_ends("abc", "bc"));
	ck_assert(pb_str_ends("abc", ""));
	ck_assert(!pb_str_ends("bc", "abc"));
	ck_assert(!pb_str_ends(NULL, ""));
}
END_TEST

START_TEST(copy__never_overflows)
{
	char small[4] = "zzz";

	ck_assert(pb_str_copy(small, sizeof(small), "abc"));
	ck_assert_str_eq(small, "abc");
	ck_assert(!pb_str_copy(small, sizeof(small), "defg"));
	ck_assert_str_eq(small, "def");
	ck_assert(!pb_str_copy(small, 0, "x"));
	ck_assert_str_eq(small, "def");
	ck_assert(pb_str_printf(small, sizeof(small), "%d", 123));
	ck_assert(!pb_str_printf(small, sizeof(small), "%d", 1234));
	ck_assert_str_eq(small, "123");
}
END_TEST

static const struct {
	const char *s;
	bool valid;
} utf8_cases[] = {
	{"", true},
	{"plain", true},
	{"\xc3\xa9", true},
	{"\xe2\x82\xac", true},
	{"\xf0\x9f\x98\x80", true},
	{"\xf4\x8f\xbf\xbf", true},
	{"\xef\xbf\xbf", true},
	{"\xed\x9f\xbf", true},
	{"\xee\x80\x80", true},
	{"\x80", false},
	{"\xc0\x80", false},
	{"\xc1\xbf", false},
	{"\xe0\x9f\xbf", false},
	{"\xed\xa0\x80", false},
	{"\xed\xbf\xbf", false},
	{"\xf0\x8f\xbf\xbf", false},
	{"\xf4\x90\x80\x80", false},
	{"\xf5\x80\x80\x80", false},
	{"\xff", false},
	{"\xc3", false},
	{"\xe2\x82", false},
	{"\xf0\x9f\x98", false},
	{"\xe2\x28\xa1", false},
	{"12345678\xc3", false},
	{"1234567\xc3\xa9", true},
	{"12345678901234567\xf0\x9f\x98\x80tail", true},
};

START_TEST(utf8_valid__follows_rfc_3629)
{
	const char *s = utf8_cases[_i].s;

	ck_assert_int_eq(pb_utf8_valid(s, strlen(s)), utf8_cases[_i].valid);
}
END_TEST

START_TEST(utf8__round_trips_every_scalar_value)
{
	char out[4];
	uint32_t back;

	for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
		size_t n;

		if (cp == 0xd800)
			cp = 0xe000;
		n = pb_utf8_encode(cp, out);
		/* an assertion of check costs a write to a pipe; there are a million */
		if (!pb_utf8_valid(out, n) || (n > 1 && pb_utf8_valid(out, n - 1)) ||
		    pb_utf8_decode(out, n, &back) != n || back != cp)
			ck_abort_msg("U+%04X", cp);
	}
	ck_assert_uint_eq(pb_utf8_decode("\xff", 1, &back), 0);
	ck_assert_uint_eq(back, 0xfffd);
	ck_assert_uint_eq(pb_utf8_decode("", 0, &back), 0);
}
END_TEST

START_TEST(utf8_cut__never_cuts_a_character)
{
	static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
	size_t n = sizeof(text) - 1;

	for (size_t max = 0; max <= n + 2; max++) {
		size_t k = pb_utf8_cut(text, n, max);

		ck_assert_uint_le(k, max);
		ck_assert_uint_le(k, n);
		ck_assert(pb_utf8_valid(text, k));
		if (max <= n)
			ck_assert_uint_lt(max - k, 4);
	}
	ck_assert_uint_eq(pb_utf8_cut(text, n, n), n);
	ck_assert_uint_eq(pb_utf8_cut(text, n, 2), 1);
	/* not UTF-8 at all: still bounded */
	ck_assert_uint_eq(pb_utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
}
END_TEST

START_TEST(hex__there_and_back)
{
	uint8_t in[256], back[256];
	char text[513];

	for (int i = 0; i < 256; i++)
		in[i] = (uint8_t)i;
	pb_hex(in, 256, text);
	ck_assert_uint_eq(strlen(text), 512);
	ck_assert(pb_unhex(text, 512, back, 256));
	ck_assert_mem_eq(in, back, 256);
	ck_assert(pb_unhex("AbCd", 4, back, 2));
	ck_assert_mem_eq(back, "\xab\xcd", 2);
	ck_assert(!pb_unhex("abc", 3, back, 1));
	ck_assert(!pb_unhex("abcd", 4, back, 1));
	ck_assert(!pb_unhex("0g", 2, back, 1));
	ck_assert(!pb_unhex("0x", 2, back, 1));
	ck_assert(pb_unhex("", 0, back, 0));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("str");
	TCase *tc = tcase_create("str");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, slice_eq__compares_bytes);
	tcase_add_test(tc, str_eq__knows_null);
	tcase_add_test(tc, copy__never_overflows);
	tcase_add_loop_test(tc, utf8_valid__follows_rfc_3629, 0, PB_ARRAY_LEN(utf8_cases));
	tcase_add_test(tc, utf8__round_trips_every_scalar_value);
	tcase_add_test(tc, utf8_cut__never_cuts_a_character);
	tcase_add_test(tc, hex__there_and_back);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
