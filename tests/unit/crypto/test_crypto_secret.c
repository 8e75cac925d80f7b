/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets: zeroed, terminated, compared whole, shortened with a wipe. */
#include "crypto/crypto_secret.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

START_TEST(new__is_zeroed_and_terminated)
{
	pb_autoptr(crypto_secret) s = crypto_secret_new(33);

	ck_assert_uint_eq(crypto_secret_len(s), 33);
	for (size_t i = 0; i <= 33; i++)
		ck_assert_uint_eq(crypto_secret_bytes(s)[i], 0);
}
END_TEST

START_TEST(copy__is_a_c_string)
{
	pb_autoptr(crypto_secret) s = crypto_secret_copy("abc", 3);

	ck_assert_str_eq((const char *)crypto_secret_bytes(s), "abc");
}
END_TEST

START_TEST(random__differs)
{
	pb_autoptr(crypto_secret) a = crypto_secret_random(32);
	pb_autoptr(crypto_secret) b = crypto_secret_random(32);

	ck_assert(!crypto_secret_equal(a, b));
}
END_TEST

START_TEST(equal__compares_length_and_bytes)
{
	pb_autoptr(crypto_secret) a = crypto_secret_copy("abcd", 4);
	pb_autoptr(crypto_secret) b = crypto_secret_copy("abcd", 4);
	pb_autoptr(crypto_secret) c = crypto_secret_copy("abce", 4);
	pb_autoptr(crypto_secret) d = crypto_secret_copy("abc", 3);

	ck_assert(crypto_secret_equal(a, b));
	ck_assert(!crypto_secret_equal(a, c));
	ck_assert(!crypto_secret_equal(a, d));
	ck_assert(crypto_equal("xy", "xz", 1) && !crypto_equal("xy", "xz", 2));
}
END_TEST

START_TEST(truncate__wipes_the_rest)
{
	pb_autoptr(crypto_secret) s = crypto_secret_copy("abcdef", 6);

	crypto_secret_truncate(s, 2);
	ck_assert_uint_eq(crypto_secret_len(s), 2);
	ck_assert_mem_eq(crypto_secret_bytes(s), "ab\0\0\0\0", 7);
}
END_TEST

START_TEST(wipe__zeroes)
{
	char buf[] = "secret";

	crypto_wipe(buf, sizeof buf);
	ck_assert_mem_eq(buf, "\0\0\0\0\0\0", sizeof buf);
	crypto_secret_free(NULL);
}
END_TEST

/* The page behind the bytes is a guard: one step too far dies. */
START_TEST(guard__stops_an_overrun)
{
	struct crypto_secret *s = crypto_secret_new(33);
	volatile uint8_t *p = crypto_secret_mutable(s);

	p[34] = 1; /* 33 is the NUL */
	crypto_secret_free(s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("crypto_secret");
	TCase *t = tcase_create("secret");

	crypto_init();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, new__is_zeroed_and_terminated);
	tcase_add_test(t, copy__is_a_c_string);
	tcase_add_test(t, random__differs);
	tcase_add_test(t, equal__compares_length_and_bytes);
	tcase_add_test(t, truncate__wipes_the_rest);
	tcase_add_test(t, wipe__zeroes);
	suite_add_tcase(s, t);
	if (check_forks())
		tcase_add_test_raise_signal(t, guard__stops_an_overrun, 11);
	return s;
}

CHECK_MAIN(suite)
