/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/buf.c */
#include "base/buf.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

static void assert_sane_buf(const struct pb_buf *b)
{
	ck_assert(b->p == NULL || b->p[b->len] == 0);
	ck_assert(b->cap == 0 || b->len < b->cap);
	ck_assert((b->p == NULL) == (b->cap == 0));
	if (b->limit)
		ck_assert_uint_le(b->len, b->limit);
}

START_TEST(add__grows_and_keeps_content)
{
	pb_auto_buf b = PB_BUF_INIT;

	ck_assert_str_eq(pb_buf_str(&b), "");
	for (int i = 0; i < 10000; i++) {
		ck_assert(pb_buf_addc(&b, (char)('a' + i % 26)));
		assert_sane_buf(&b);
	}
	ck_assert_uint_eq(b.len, 10000);
	for (int i = 0; i < 10000; i++)
		ck_assert_int_eq(b.p[i], 'a' + i % 26);
}
END_TEST

START_TEST(add__nothing_is_fine)
{
	pb_auto_buf b = PB_BUF_INIT;

	ck_assert(pb_buf_add(&b, NULL, 0));
	ck_assert(pb_buf_adds(&b, ""));
	assert_sane_buf(&b);
	ck_assert_str_eq(pb_buf_str(&b), "");
}
END_TEST

START_TEST(limit__is_exact_and_keeps_what_was_there)
{
	pb_auto_buf b;

	pb_buf_init(&b, 10);
	ck_assert(pb_buf_adds(&b, "0123456789"));
	assert_sane_buf(&b);
	ck_assert(!pb_buf_addc(&b, 'x'));
	ck_assert(b.overflow);
	ck_assert_str_eq(pb_buf_str(&b), "0123456789");
	assert_sane_buf(&b);
	pb_buf_clear(&b);
	ck_assert(!b.overflow);
	ck_assert(pb_buf_adds(&b, "abc"));
	ck_assert(!pb_buf_adds(&b, "defghijk"));
	/* no hole: nothing is added behind what was left out */
	ck_assert(!pb_buf_addc(&b, 'z'));
	ck_assert_str_eq(pb_buf_str(&b), "abc");
}
END_TEST

START_TEST(limit__stops_printf_too)
{
	pb_auto_buf b;

	pb_buf_init(&b, 8);
	ck_assert(pb_buf_addf(&b, "%d", 1234));
	ck_assert(!pb_buf_addf(&b, "%d", 56789));
	ck_assert(b.overflow);
	ck_assert_str_eq(pb_buf_str(&b), "1234");
	assert_sane_buf(&b);
}
END_TEST

START_TEST(addf__of_every_length)
{
	pb_auto_buf b = PB_BUF_INIT;
	size_t len = 0;

	for (int i = 0; i < 300; i++) {
		ck_assert(pb_buf_addf(&b, "%*s", i, ""));
		len += (size_t)i;
		ck_assert_uint_eq(b.len, len);
		ck_assert_uint_eq(strlen(b.p ? b.p : ""), len);
		assert_sane_buf(&b);
	}
}
END_TEST

START_TEST(steal__hands_over_and_starts_again)
{
	pb_auto_buf b;
	pb_autofree char *p = NULL;
	pb_autofree char *empty = NULL;
	size_t n = 99;

	pb_buf_init(&b, 100);
	empty = pb_buf_steal(&b, &n);
	ck_assert_str_eq(empty, "");
	ck_assert_uint_eq(n, 0);
	ck_assert(pb_buf_add(&b, "a\0b", 3));
	p = pb_buf_steal(&b, &n);
	ck_assert_uint_eq(n, 3);
	ck_assert_mem_eq(p, "a\0b", 4);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_uint_eq(b.limit, 100);
	assert_sane_buf(&b);
	ck_assert(pb_buf_adds(&b, "again"));
}
END_TEST

START_TEST(reserve__absurd_sizes_are_refused)
{
	pb_auto_buf b;

	pb_buf_init(&b, SIZE_MAX);
	ck_assert(pb_buf_adds(&b, "x"));
	ck_assert(!pb_buf_reserve(&b, SIZE_MAX));
	pb_buf_clear(&b);
	ck_assert(!pb_buf_reserve(&b, SIZE_MAX - 1));
	assert_sane_buf(&b);
}
END_TEST

START_TEST(reserve__means_no_move)
{
	pb_auto_buf b = PB_BUF_INIT;
	const char *p;

	ck_assert(pb_buf_reserve(&b, 1000));
	p = b.p;
	for (int i = 0; i < 1000; i++)
		ck_assert(pb_buf_addc(&b, 'x'));
	ck_assert_ptr_eq(p, b.p);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("buf");
	TCase *tc = tcase_create("buf");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, add__grows_and_keeps_content);
	tcase_add_test(tc, add__nothing_is_fine);
	tcase_add_test(tc, limit__is_exact_and_keeps_what_was_there);
	tcase_add_test(tc, limit__stops_printf_too);
	tcase_add_test(tc, addf__of_every_length);
	tcase_add_test(tc, steal__hands_over_and_starts_again);
	if (!CHECK_SANITIZED)
		tcase_add_test(tc, reserve__absurd_sizes_are_refused);
	tcase_add_test(tc, reserve__means_no_move);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
