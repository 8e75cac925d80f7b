/* SPDX-License-Identifier: Apache-2.0 */
/* The draft's vector, and: nothing opens that was changed, moved, cut or sealed with another key. */
#include "crypto/crypto_aead.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

static const char sunscreen[] =
	"Ladies and Gentlemen of the class of '99: If I could offer you only one "
	"tip for the future, sunscreen would be it.";

START_TEST(aead__draft_irtf_cfrg_xchacha_a_3_1)
{
	uint8_t key[32], nonce[24], aad[12], out[sizeof sunscreen - 1 + 16], back[sizeof sunscreen];
	char hex[33];

	for (size_t i = 0; i < 32; i++)
		key[i] = (uint8_t)(0x80 + i);
	for (size_t i = 0; i < 24; i++)
		nonce[i] = (uint8_t)(0x40 + i);
	ck_assert(pb_unhex("50515253c0c1c2c3c4c5c6c7", 24, aad, 12));
	crypto_aead_encrypt(key, nonce, aad, 12, sunscreen, sizeof sunscreen - 1, out);
	pb_hex(out + sizeof sunscreen - 1, 16, hex);
	ck_assert_str_eq(hex, "c0875924c1c7987947deafd8780acf49");
	pb_hex(out, 16, hex);
	ck_assert_str_eq(hex, "bd6d179d3e83d43b9576579493c0e939");
	ck_assert(crypto_aead_decrypt(key, nonce, aad, 12, out, sizeof out, back));
	ck_assert_mem_eq(back, sunscreen, sizeof sunscreen - 1);
	aad[0] ^= 1;
	ck_assert(!crypto_aead_decrypt(key, nonce, aad, 12, out, sizeof out, back));
	for (size_t i = 0; i < sizeof sunscreen - 1; i++)
		ck_assert_uint_eq(back[i], 0);
}
END_TEST

static const uint8_t the_key[32] = {1, 2, 3};
static const struct pb_slice the_aad[] = {{"v1", 2}, {"connection", 10}, {"secrets", 7}};

static size_t seal_hello(uint8_t out[64])
{
	crypto_seal(the_key, 0x01020304, the_aad, 3, "hello", 5, out);
	return 5 + CRYPTO_SEALED_EXTRA;
}

START_TEST(seal__has_the_documented_layout)
{
	uint8_t a[64], b[64], plain[64];
	size_t n = seal_hello(a), plain_n = 0;
	uint32_t id = 0;

	ck_assert_uint_eq(n, 50);
	ck_assert_mem_eq(a, "\x01\x01\x02\x03\x04", 5);
	ck_assert(crypto_sealed_key_id(a, n, &id));
	ck_assert_uint_eq(id, 0x01020304);
	ck_assert(crypto_open(the_key, the_aad, 3, a, n, plain, &plain_n));
	ck_assert_uint_eq(plain_n, 5);
	ck_assert_mem_eq(plain, "hello", 5);
	seal_hello(b);
	ck_assert(memcmp(a + 5, b + 5, 24) != 0); /* fresh nonce */
}
END_TEST

START_TEST(open__refuses_each_flipped_bit)
{
	uint8_t a[64], plain[64];
	size_t n = seal_hello(a), plain_n;

	for (size_t bit = 0; bit < n * 8; bit++) {
		a[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_msg(!crypto_open(the_key, the_aad, 3, a, n, plain, &plain_n), "bit %zu",
			      bit);
		a[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert(crypto_open(the_key, the_aad, 3, a, n, plain, &plain_n));
}
END_TEST

START_TEST(open__refuses_each_truncation)
{
	uint8_t a[64], plain[64];
	size_t n = seal_hello(a), plain_n;

	for (size_t cut = 0; cut < n; cut++)
		ck_assert(!crypto_open(the_key, the_aad, 3, a, cut, plain, &plain_n));
}
END_TEST

START_TEST(open__refuses_other_key_and_context)
{
	static const struct pb_slice moved[] = {{"v1", 2}, {"connectionsecrets", 17}, {"", 0}};
	const uint8_t other[32] = {1, 2, 4};
	uint8_t a[64], plain[64];
	size_t n = seal_hello(a), plain_n;

	ck_assert(!crypto_open(other, the_aad, 3, a, n, plain, &plain_n));
	ck_assert(!crypto_open(the_key, the_aad, 2, a, n, plain, &plain_n));
	ck_assert(!crypto_open(the_key, moved, 3, a, n, plain, &plain_n));
}
END_TEST

START_TEST(seal__empty_text)
{
	uint8_t a[64], plain[1];
	size_t plain_n = 7;

	crypto_seal(the_key, 1, NULL, 0, "", 0, a);
	ck_assert(crypto_open(the_key, NULL, 0, a, CRYPTO_SEALED_EXTRA, plain, &plain_n));
	ck_assert_uint_eq(plain_n, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("crypto_aead");
	TCase *t = tcase_create("aead");

	crypto_init();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, aead__draft_irtf_cfrg_xchacha_a_3_1);
	tcase_add_test(t, seal__has_the_documented_layout);
	tcase_add_test(t, open__refuses_each_flipped_bit);
	tcase_add_test(t, open__refuses_each_truncation);
	tcase_add_test(t, open__refuses_other_key_and_context);
	tcase_add_test(t, seal__empty_text);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
