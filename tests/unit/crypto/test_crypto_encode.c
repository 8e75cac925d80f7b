/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 4648 vectors, and every way of writing the same bytes differently refused. */
#include "crypto/crypto_encode.h"

#include <check.h>

#include "support/check_main.h"
#include "crypto/crypto_secret.h"
#include "base/base.h"

static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
static const char *const padded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
				     "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};

START_TEST(base64__rfc4648)
{
	char text[16];
	uint8_t back[16];
	size_t n = 99;

	ck_assert_uint_eq(crypto_base64_encode(plain[_i], strlen(plain[_i]), text),
			  strlen(padded[_i]));
	ck_assert_str_eq(text, padded[_i]);
	ck_assert(crypto_base64_decode(text, strlen(text), back, sizeof back, &n));
	ck_assert_uint_eq(n, strlen(plain[_i]));
	ck_assert_mem_eq(back, plain[_i], n);
}
END_TEST

START_TEST(base64url__is_unpadded)
{
	char text[16];
	uint8_t back[16];
	size_t n = 99, want = strcspn(padded[_i], "=");

	ck_assert_uint_eq(crypto_base64url_encode(plain[_i], strlen(plain[_i]), text), want);
	ck_assert_int_eq(strncmp(text, padded[_i], want), 0);
	ck_assert(crypto_base64url_decode(text, want, back, sizeof back, &n));
	ck_assert_uint_eq(n, strlen(plain[_i]));
}
END_TEST

START_TEST(base64url__uses_its_alphabet)
{
	const uint8_t bytes[] = {0xfb, 0xff, 0xfe};
	char text[8];

	crypto_base64url_encode(bytes, 3, text);
	ck_assert_str_eq(text, "-__-");
	crypto_base64_encode(bytes, 3, text);
	ck_assert_str_eq(text, "+//+");
}
END_TEST

static const struct {
	bool url;
	const char *text;
} refused[] =
	{
		{false, "Zg"},       {false, "Zg="},   {false, "Zg==="},
		{false, "Zh=="}, /* set bits behind the end */
		{false, "Zm9="},     {false, "Z"},     {false, "Zm9v\n"},
		{false, " Zm9v"},    {false, "Zm 9v"}, {false, "-__-"},
		{false, "Zg==Zg=="}, {false, "===="},  {true, "Zg=="},
		{true, "Zh"},        {true, "Zm9"},    {true, "Z"},
		{true, "+//+"},      {true, "Zm9v "},  {true, "Zm9v\n"},
};

START_TEST(decode__refuses_other_spellings)
{
	const char *t = refused[_i].text;
	uint8_t out[32];
	size_t n;

	ck_assert(!(refused[_i].url ? crypto_base64url_decode
				    : crypto_base64_decode)(t, strlen(t), out, sizeof out, &n));
}
END_TEST

START_TEST(decode__refuses_too_long)
{
	uint8_t out[2];
	size_t n;

	ck_assert(!crypto_base64_decode("Zm9v", 4, out, sizeof out, &n));
	ck_assert(!crypto_base64url_decode("Zm9v", 4, out, sizeof out, &n));
	ck_assert(crypto_base64_decode("Zm8=", 4, out, sizeof out, &n));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("crypto_encode");
	TCase *t = tcase_create("encode");

	crypto_init();
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, base64__rfc4648, 0, PB_ARRAY_LEN(plain));
	tcase_add_loop_test(t, base64url__is_unpadded, 0, PB_ARRAY_LEN(plain));
	tcase_add_test(t, base64url__uses_its_alphabet);
	tcase_add_loop_test(t, decode__refuses_other_spellings, 0, PB_ARRAY_LEN(refused));
	tcase_add_test(t, decode__refuses_too_long);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
