/* SPDX-License-Identifier: Apache-2.0 */
/* Hook tokens: 22 characters, 128 bits, one spelling. */
#include "auth/hook_token.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

START_TEST(generate__is_wellformed_and_fresh)
{
	char a[HOOK_TOKEN_BYTES], b[HOOK_TOKEN_BYTES];

	for (int i = 0; i < 500; i++) {
		hook_token_generate(a);
		hook_token_generate(b);
		ck_assert_uint_eq(strlen(a), 22);
		ck_assert(hook_token_wellformed(a, 22));
		ck_assert_str_ne(a, b);
	}
}
END_TEST

static const char *const bad[] = {
	"",
	"AAAAAAAAAAAAAAAAAAAAA",
	"AAAAAAAAAAAAAAAAAAAAAAA",
	"AAAAAAAAAAAAAAAAAAAAAB" /* unused bits */,
	"AAAAAAAAAAAAAAAAAAAAA=",
	"AAAAAAAAAA/AAAAAAAAAAA",
	"AAAAAAAAAA+AAAAAAAAAAA",
	"AAAAAAAAAA AAAAAAAAAAA",
	"AAAAAAAAAA%AAAAAAAAAAA",
	"../../../../etc/passwd",
};

START_TEST(wellformed__refuses)
{
	ck_assert(!hook_token_wellformed(bad[_i], strlen(bad[_i])));
}
END_TEST

START_TEST(wellformed__accepts_the_canonical_one)
{
	ck_assert(hook_token_wellformed("AAAAAAAAAAAAAAAAAAAAAA", 22));
	ck_assert(hook_token_wellformed("_-_-_-_-_-_-_-_-_-_-_w", 22));
}
END_TEST

START_TEST(hash__is_keyed_and_takes_any_text)
{
	pb_autoptr(crypto_secret) k1 = crypto_secret_random(32);
	pb_autoptr(crypto_secret) k2 = crypto_secret_random(32);
	uint8_t a[32], b[32], c[32];

	hook_token_hash(k1, "AAAAAAAAAAAAAAAAAAAAAA", 22, a);
	hook_token_hash(k2, "AAAAAAAAAAAAAAAAAAAAAA", 22, b);
	hook_token_hash(k1, "", 0, c);
	ck_assert(memcmp(a, b, 32) != 0 && memcmp(a, c, 32) != 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("hook_token");
	TCase *t = tcase_create("token");

	crypto_init();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, generate__is_wellformed_and_fresh);
	tcase_add_loop_test(t, wellformed__refuses, 0, PB_ARRAY_LEN(bad));
	tcase_add_test(t, wellformed__accepts_the_canonical_one);
	tcase_add_test(t, hash__is_keyed_and_takes_any_text);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
