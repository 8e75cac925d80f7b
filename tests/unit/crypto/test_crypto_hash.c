/* SPDX-License-Identifier: Apache-2.0 */
/* Published vectors: FIPS 180-2, RFC 4231, RFC 7693, GitHub's and a Stripe-shaped signing example. */
#include "crypto/crypto_hash.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

static void assert_hex(const uint8_t *got, const char *want)
{
	char hex[2 * CRYPTO_HASH_BYTES + 1];

	pb_hex(got, CRYPTO_HASH_BYTES, hex);
	ck_assert_str_eq(hex, want);
}

START_TEST(sha256__fips_vectors)
{
	uint8_t out[32];

	crypto_sha256("abc", 3, out);
	assert_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	crypto_sha256("", 0, out);
	assert_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
END_TEST

START_TEST(sha512__fips_vector)
{
	uint8_t out[CRYPTO_SHA512_BYTES];
	char hex[2 * sizeof(out) + 1];

	crypto_sha512("abc", 3, out);
	pb_hex(out, sizeof(out), hex);
	ck_assert_str_eq(hex, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
			      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}
END_TEST

START_TEST(sha256_streaming__equals_whole)
{
	struct crypto_sha256_state st;
	uint8_t out[32];

	crypto_sha256_init(&st);
	for (int i = 0; i < 100000; i++)
		crypto_sha256_update(&st, "aaaaaaaaaa", 10);
	crypto_sha256_final(&st, out); /* one million 'a' */
	assert_hex(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

START_TEST(hmac__rfc4231_case_2_and_6)
{
	uint8_t key[131], out[32];

	crypto_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
	assert_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof key);
	crypto_hmac_sha256(key, sizeof key,
			   "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
	assert_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
END_TEST

START_TEST(hmac_parts__providers_vectors)
{
	static const char github[] = "It's a Secret to Everybody", stripe[] = "whsec_test_secret";
	const struct pb_slice parts[] = {PB_SLICE("1700000000"), PB_SLICE("."),
					 PB_SLICE("{\"id\":\"evt_test_1\",\"object\":\"event\"}")};
	uint8_t out[32];

	crypto_hmac_sha256(github, sizeof github - 1, "Hello, World!", 13, out);
	assert_hex(out, "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
	crypto_hmac_sha256_parts(stripe, sizeof stripe - 1, parts, 3, out);
	assert_hex(out, "29ab30b7065c11b28e53ac114fac5d6c492ed811a12d11ed2c2aad5bb4cf9809");
}
END_TEST

START_TEST(blake2b__known_256_bit_vectors)
{
	uint8_t out[32];

	crypto_blake2b(NULL, "abc", 3, out);
	assert_hex(out, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
	crypto_blake2b(NULL, "", 0, out);
	assert_hex(out, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
}
END_TEST

START_TEST(blake2b__key_matters)
{
	pb_autoptr(crypto_secret) a = crypto_secret_copy("0123456789abcdef0123456789abcdef", 32);
	pb_autoptr(crypto_secret) b = crypto_secret_copy("0123456789abcdef0123456789abcdeg", 32);
	uint8_t x[32], y[32], z[32];

	crypto_blake2b(a, "m", 1, x);
	crypto_blake2b(b, "m", 1, y);
	crypto_blake2b(a, "m", 1, z);
	ck_assert(memcmp(x, y, 32) != 0);
	ck_assert_mem_eq(x, z, 32);
}
END_TEST

START_TEST(blake2b_parts__borders_matter)
{
	const struct pb_slice ab_c[] = {PB_SLICE("ab"), PB_SLICE("c")};
	const struct pb_slice a_bc[] = {PB_SLICE("a"), PB_SLICE("bc")};
	const struct pb_slice abc_[] = {PB_SLICE("abc"), PB_SLICE("")};
	uint8_t x[32], y[32], z[32];

	crypto_blake2b_parts(NULL, ab_c, 2, x);
	crypto_blake2b_parts(NULL, a_bc, 2, y);
	crypto_blake2b_parts(NULL, abc_, 2, z);
	ck_assert(memcmp(x, y, 32) != 0 && memcmp(x, z, 32) != 0 && memcmp(y, z, 32) != 0);
}
END_TEST

START_TEST(subkey__is_stable_and_apart)
{
	pb_autoptr(crypto_secret) root = crypto_secret_new(32);
	pb_autoptr(crypto_secret) a = crypto_subkey(root, CRYPTO_PURPOSE_API_KEY);
	pb_autoptr(crypto_secret) b = crypto_subkey(root, CRYPTO_PURPOSE_HOOK_TOKEN);
	pb_autoptr(crypto_secret) again = crypto_subkey(root, CRYPTO_PURPOSE_API_KEY);

	/* BLAKE2b-256 with key = root, salt = 2 (little endian), personal = "patchbay": stored keys depend on it */
	assert_hex(crypto_secret_bytes(a),
		   "a9713fe89e189a6d2a43ee7d11d1181d25127d829b93360ae59e65e1bde54e11");
	ck_assert(crypto_secret_equal(a, again));
	ck_assert(!crypto_secret_equal(a, b));
	ck_assert(!crypto_secret_equal(a, root));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("crypto_hash");
	TCase *t = tcase_create("hash");

	crypto_init();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, sha256__fips_vectors);
	tcase_add_test(t, sha512__fips_vector);
	tcase_add_test(t, sha256_streaming__equals_whole);
	tcase_add_test(t, hmac__rfc4231_case_2_and_6);
	tcase_add_test(t, hmac_parts__providers_vectors);
	tcase_add_test(t, blake2b__known_256_bit_vectors);
	tcase_add_test(t, blake2b__key_matters);
	tcase_add_test(t, blake2b_parts__borders_matter);
	tcase_add_test(t, subkey__is_stable_and_apart);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
