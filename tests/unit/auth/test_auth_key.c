/* SPDX-License-Identifier: Apache-2.0 */
/* The text of API keys: shape, alphabet, check sum, hash. */
#include "auth/auth_key.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

/* all-zero key; the check sum is zlib's crc32 of what stands before the last '_' */
#define ZERO_KEY "pb_key_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_87566523"

START_TEST(generate__is_wellformed_and_fresh)
{
	char a[AUTH_KEY_TEXT_BYTES], b[AUTH_KEY_TEXT_BYTES], adm[AUTH_KEY_TEXT_BYTES];

	for (int i = 0; i < 200; i++) {
		auth_key_generate(AUTH_KEY_TENANT, a);
		auth_key_generate(AUTH_KEY_TENANT, b);
		ck_assert_uint_eq(strlen(a), AUTH_KEY_TEXT_BYTES - 1);
		ck_assert(auth_key_wellformed(a, strlen(a)));
		ck_assert_str_ne(a, b);
	}
	auth_key_generate(AUTH_KEY_PLATFORM, adm);
	ck_assert(pb_str_starts(a, "pb_key_") && pb_str_starts(adm, "pb_adm_"));
	ck_assert(auth_key_wellformed(adm, strlen(adm)));
}
END_TEST

START_TEST(wellformed__known_key)
{
	ck_assert(auth_key_wellformed(ZERO_KEY, strlen(ZERO_KEY)));
}
END_TEST

START_TEST(wellformed__refuses_each_changed_character)
{
	char key[AUTH_KEY_TEXT_BYTES];

	auth_key_generate(AUTH_KEY_TENANT, key);
	for (size_t i = 0; i < strlen(key); i++) {
		char was = key[i];

		key[i] = was == 'x' ? 'y' : 'x';
		ck_assert_msg(!auth_key_wellformed(key, strlen(key)), "position %zu", i);
		key[i] = was;
	}
	ck_assert(auth_key_wellformed(key, strlen(key)));
}
END_TEST

START_TEST(wellformed__refuses_lengths)
{
	char key[AUTH_KEY_TEXT_BYTES + 1];

	auth_key_generate(AUTH_KEY_TENANT, key);
	key[AUTH_KEY_TEXT_BYTES - 1] = ' ';
	ck_assert(!auth_key_wellformed(key, AUTH_KEY_TEXT_BYTES));
	for (size_t n = 0; n < AUTH_KEY_TEXT_BYTES - 1; n++)
		ck_assert(!auth_key_wellformed(key, n));
}
END_TEST

START_TEST(hint__shows_the_start_only)
{
	char hint[AUTH_KEY_HINT_BYTES];

	auth_key_hint("pb_key_AbCdEfGh", hint);
	ck_assert_str_eq(hint, "pb_key_AbCd");
}
END_TEST

START_TEST(hash__depends_on_subkey_and_text)
{
	pb_autoptr(crypto_secret) k1 = crypto_secret_random(32);
	pb_autoptr(crypto_secret) k2 = crypto_secret_random(32);
	uint8_t a[32], b[32], c[32], again[32];

	auth_key_hash(k1, ZERO_KEY, strlen(ZERO_KEY), a);
	auth_key_hash(k2, ZERO_KEY, strlen(ZERO_KEY), b);
	auth_key_hash(k1, ZERO_KEY, strlen(ZERO_KEY) - 1, c);
	auth_key_hash(k1, ZERO_KEY, strlen(ZERO_KEY), again);
	ck_assert(memcmp(a, b, 32) != 0 && memcmp(a, c, 32) != 0);
	ck_assert_mem_eq(a, again, 32);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("auth_key");
	TCase *t = tcase_create("key");

	crypto_init();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, generate__is_wellformed_and_fresh);
	tcase_add_test(t, wellformed__known_key);
	tcase_add_test(t, wellformed__refuses_each_changed_character);
	tcase_add_test(t, wellformed__refuses_lengths);
	tcase_add_test(t, hint__shows_the_start_only);
	tcase_add_test(t, hash__depends_on_subkey_and_text);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
