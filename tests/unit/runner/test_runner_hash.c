/* SPDX-License-Identifier: Apache-2.0 */
/* Digests, HMAC and base64 against the published vectors: FIPS 180, RFC 2202, RFC 4231, RFC 4648. */
#include <check.h>

#include "base/str.h"
#include "runner/runner_hash.h"
#include "support/check_main.h"

static const struct {
	enum runner_hash algorithm;
	const char *text, *hex;
} digests[] = {
	{RUNNER_SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
	{RUNNER_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
	{RUNNER_SHA1, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	 "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
	{RUNNER_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{RUNNER_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{RUNNER_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	{RUNNER_SHA512, "abc",
	 "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a"
	 "3feeb"
	 "bd454d4423643ce80e2a9ac94fa54ca49f"},
	{RUNNER_SHA512,
	 "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrl"
	 "mnop"
	 "qrsmnopqrstnopqrstu",
	 "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018501d289e4900f7e4331b99dec"
	 "4b543"
	 "3ac7d329eeb6dd26545e96e55b874be909"},
};

START_TEST(hash__matches_fips)
{
	struct runner_hash_state s;
	uint8_t out[RUNNER_HASH_MAX];
	char hex[2 * RUNNER_HASH_MAX + 1];

	runner_hash_init(&s, digests[_i].algorithm);
	/* in two uneven parts, so that the block buffer is used */
	runner_hash_add(&s, digests[_i].text, strlen(digests[_i].text) / 3);
	runner_hash_add(&s, digests[_i].text + strlen(digests[_i].text) / 3,
			strlen(digests[_i].text) - strlen(digests[_i].text) / 3);
	runner_hash_end(&s, out);
	pb_hex(out, runner_hash_bytes(digests[_i].algorithm), hex);
	ck_assert_str_eq(hex, digests[_i].hex);
}
END_TEST

START_TEST(hash__of_a_million_letters)
{
	static const char expected[] =
		"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
	struct runner_hash_state s;
	uint8_t out[32];
	char hex[65];

	runner_hash_init(&s, RUNNER_SHA256);
	for (int i = 0; i < 100000; i++)
		runner_hash_add(&s, "aaaaaaaaaa", 10);
	runner_hash_end(&s, out);
	pb_hex(out, 32, hex);
	ck_assert_str_eq(hex, expected);
}
END_TEST

static const struct {
	enum runner_hash algorithm;
	int key_fill; /* -1: @key is the key, else 131 bytes of it */
	const char *key, *data, *hex;
} macs[] = {
	{RUNNER_SHA1, -1, "Jefe", "what do ya want for nothing?",
	 "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
	{RUNNER_SHA256, -1, "Jefe", "what do ya want for nothing?",
	 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{RUNNER_SHA512, -1, "Jefe", "what do ya want for nothing?",
	 "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f"
	 "8f0e6"
	 "fdcaeab1a34d4a6b4b636e070a38bce737"},
	{RUNNER_SHA256, 0xaa, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
	 "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
	{RUNNER_SHA512, 0xaa, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
	 "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215"
	 "d6a1e"
	 "5295e64f73f63f0aec8b915a985d786598"},
};

START_TEST(hmac__matches_the_rfcs)
{
	uint8_t out[RUNNER_HASH_MAX], key[131];
	char hex[2 * RUNNER_HASH_MAX + 1];
	const bool filled = macs[_i].key_fill >= 0;

	memset(key, macs[_i].key_fill & 0xff, sizeof(key));
	runner_hmac(macs[_i].algorithm, filled ? (const void *)key : macs[_i].key,
		    filled ? sizeof(key) : strlen(macs[_i].key), macs[_i].data,
		    strlen(macs[_i].data), out);
	pb_hex(out, runner_hash_bytes(macs[_i].algorithm), hex);
	ck_assert_str_eq(hex, macs[_i].hex);
}
END_TEST

static const struct {
	const char *plain, *coded;
} codes[] = {{"", ""},
	     {"f", "Zg=="},
	     {"fo", "Zm8="},
	     {"foo", "Zm9v"},
	     {"foob", "Zm9vYg=="},
	     {"fooba", "Zm9vYmE="},
	     {"foobar", "Zm9vYmFy"}};

START_TEST(base64__both_ways)
{
	char out[64];
	uint8_t back[64];
	size_t n;

	ck_assert_uint_eq(
		runner_base64_encode(codes[_i].plain, strlen(codes[_i].plain), false, out),
		strlen(codes[_i].coded));
	ck_assert_str_eq(out, codes[_i].coded);
	ck_assert(runner_base64_decode(out, strlen(out), false, back, &n));
	ck_assert_uint_eq(n, strlen(codes[_i].plain));
	ck_assert_mem_eq(back, codes[_i].plain, n);
}
END_TEST

static const struct {
	const char *coded;
	bool url;
} broken[] = {{"Zg=", false},   {"Zg", false},  {"Zh==", false}, {"Z===", false}, {"Zm9v=", false},
	      {"Zm9v ", false}, {"Zg==", true}, {"-_-_", false}, {"+/+/", true},  {"A", true}};

START_TEST(base64__is_strict)
{
	uint8_t back[64];
	size_t n;

	ck_assert(!runner_base64_decode(broken[_i].coded, strlen(broken[_i].coded), broken[_i].url,
					back, &n));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("runner_hash");
	TCase *tc = tcase_create("vectors");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, hash__matches_fips, 0, PB_ARRAY_LEN(digests));
	tcase_add_test(tc, hash__of_a_million_letters);
	tcase_add_loop_test(tc, hmac__matches_the_rfcs, 0, PB_ARRAY_LEN(macs));
	tcase_add_loop_test(tc, base64__both_ways, 0, PB_ARRAY_LEN(codes));
	tcase_add_loop_test(tc, base64__is_strict, 0, PB_ARRAY_LEN(broken));
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
