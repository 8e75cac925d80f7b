/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of hook URLs for the trigger code and the API. */
#include "auth/hook_token.h"

#include "base/id.h"
#include "crypto/crypto_encode.h"
#include "base/base.h"

#define RANDOM_N  16
#define TOKEN_LEN (HOOK_TOKEN_BYTES - 1)

void hook_token_generate(char out[HOOK_TOKEN_BYTES])
{
	uint8_t rnd[RANDOM_N];

	pb_random_bytes(rnd, sizeof rnd);
	(void)crypto_base64url_encode(rnd, sizeof rnd, out); /* always 22 */
	crypto_wipe(rnd, sizeof rnd);
}

bool hook_token_wellformed(const char *s, size_t n)
{
	uint8_t rnd[RANDOM_N];
	size_t rnd_n = 0;
	bool ok = n == TOKEN_LEN && crypto_base64url_decode(s, n, rnd, sizeof rnd, &rnd_n) &&
		  rnd_n == RANDOM_N;

	crypto_wipe(rnd, sizeof rnd);
	return ok;
}

void hook_token_hash(const struct crypto_secret *subkey, const char *s, size_t n,
		     uint8_t out[CRYPTO_HASH_BYTES])
{
	crypto_blake2b(subkey, s, n, out);
}
