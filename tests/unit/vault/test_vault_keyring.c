/* SPDX-License-Identifier: Apache-2.0 */
/* The master key file: what it may look like, and that no message repeats what is in it. */
#include "vault/vault_keyring.h"

#include <check.h>

#include "base/buf.h"
#include "support/check_main.h"
#include "base/base.h"

#define KEY_A "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define KEY_B "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

START_TEST(parse__first_wraps_all_open)
{
	static const char text[] = "# new one\r\n  kek_2026:" KEY_B " \r\n\nkek_1:" KEY_A;
	pb_autoptr(vault_keyring) ring = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(vault_keyring_parse(text, sizeof text - 1, &ring, &err), PB_OK);
	ck_assert_str_eq(vault_keyring_current(ring), "kek_2026");
	ck_assert_ptr_nonnull(vault_keyring_wrap_key(ring, "kek_1"));
	ck_assert_ptr_null(vault_keyring_wrap_key(ring, "kek_3"));
	ck_assert(!crypto_secret_equal(vault_keyring_wrap_key(ring, "kek_1"),
				       vault_keyring_wrap_key(ring, "kek_2026")));
}
END_TEST

static const char *const bad[] = {
	"",
	"# only words\n",
	"kek_1",
	"kek_1:",
	"kek_:" KEY_A,
	"key_1:" KEY_A,
	"KEK_1:" KEY_A,
	"kek_A:" KEY_A,
	"kek_1234567890123456789012345678:" KEY_A, /* 32 characters */
	"kek_1:AAAA",
	"kek_1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",  /* no padding */
	"kek_1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* 33 bytes */
	"kek_1:" KEY_A "\nkek_1:" KEY_B,
	"kek_1:" KEY_A "x",
	"kek_1:hunter2-is-not-a-key",
};

START_TEST(parse__refuses)
{
	struct vault_keyring *ring = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(vault_keyring_parse(bad[_i], strlen(bad[_i]), &ring, &err), PB_E_INVALID);
	ck_assert_str_eq(err.code, "vault.keyfile");
	ck_assert_ptr_null(ring);
	ck_assert_ptr_null(strstr(err.msg, "hunter2"));
	ck_assert_ptr_null(strstr(err.msg, "AAAA"));
}
END_TEST

START_TEST(parse__refuses_nine_keys)
{
	pb_auto_buf text = PB_BUF_INIT;
	struct vault_keyring *ring = NULL;
	struct pb_err err = PB_ERR_INIT;

	for (int i = 0; i < VAULT_KEYRING_MAX; i++)
		pb_buf_addf(&text, "kek_%d:%s\n", i, KEY_A);
	ck_assert_int_eq(vault_keyring_parse(pb_buf_str(&text), text.len, &ring, &err), PB_OK);
	vault_keyring_free(ring);
	pb_buf_addf(&text, "kek_9:%s\n", KEY_A);
	ck_assert_int_eq(vault_keyring_parse(pb_buf_str(&text), text.len, &ring, &err),
			 PB_E_INVALID);
}
END_TEST

START_TEST(generate__makes_a_line_that_parses)
{
	pb_autoptr(crypto_secret) a = vault_keyring_generate("kek_20260131");
	pb_autoptr(crypto_secret) b = vault_keyring_generate("kek_20260131");
	pb_autoptr(vault_keyring) ring = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert(!crypto_secret_equal(a, b));
	ck_assert_int_eq(vault_keyring_parse((const char *)crypto_secret_bytes(a),
					     crypto_secret_len(a), &ring, &err),
			 PB_OK);
	ck_assert_str_eq(vault_keyring_current(ring), "kek_20260131");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("vault_keyring");
	TCase *t = tcase_create("keyring");

	crypto_init();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, parse__first_wraps_all_open);
	tcase_add_loop_test(t, parse__refuses, 0, PB_ARRAY_LEN(bad));
	tcase_add_test(t, parse__refuses_nine_keys);
	tcase_add_test(t, generate__makes_a_line_that_parses);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
