/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 in two alphabets, by libsodium in constant time. It also refuses set bits in the unused
 * part of the last character (the tests pin that), so there is exactly one text for each byte
 * string.
 */
#include "crypto/crypto_encode.h"

#include <sodium.h>

#include "base/base.h"

static size_t encode(const void *p, size_t n, char *out, int variant)
{
	size_t room = sodium_base64_encoded_len(n, variant);

	sodium_bin2base64(out, room, p, n, variant);
	return strlen(out);
}

static bool decode(const char *s, size_t n, void *out, size_t cap, size_t *ret_n, int variant)
{
	const char *end = NULL;
	size_t len = 0;

	if (sodium_base642bin(out, cap, s, n, NULL, &len, &end, variant) != 0)
		return false;
	if (end != s + n)
		return false;
	*ret_n = len;
	return true;
}

size_t crypto_base64_encode(const void *p, size_t n, char *out)
{
	return encode(p, n, out, sodium_base64_VARIANT_ORIGINAL);
}

size_t crypto_base64url_encode(const void *p, size_t n, char *out)
{
	return encode(p, n, out, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

bool crypto_base64_decode(const char *s, size_t n, void *out, size_t cap, size_t *ret_n)
{
	return decode(s, n, out, cap, ret_n, sodium_base64_VARIANT_ORIGINAL);
}

bool crypto_base64url_decode(const char *s, size_t n, void *out, size_t cap, size_t *ret_n)
{
	return decode(s, n, out, cap, ret_n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
