/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes for signatures, indexes and stored tokens. Sub-keys come from libsodium's KDF with one
 * fixed context, so a purpose number is all that tells them apart.
 */
#include "crypto/crypto_hash.h"

#include <sodium.h>

#include "base/base.h"

_Static_assert(sizeof(struct crypto_sha256_state) >= sizeof(crypto_hash_sha256_state),
	       "the opaque state is too small");
_Static_assert(CRYPTO_HASH_BYTES == crypto_hash_sha256_BYTES, "one size for all hashes");

_Static_assert(CRYPTO_SHA512_BYTES == crypto_hash_sha512_BYTES, "as libsodium has it");

static const char subkey_context[crypto_kdf_CONTEXTBYTES + 1] = "patchbay";

void crypto_sha256(const void *p, size_t n, uint8_t out[CRYPTO_HASH_BYTES])
{
	(void)crypto_hash_sha256(out, p, n); /* always 0 */
}

void crypto_sha512(const void *p, size_t n, uint8_t out[CRYPTO_SHA512_BYTES])
{
	(void)crypto_hash_sha512(out, p, n); /* always 0 */
}

void crypto_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
			uint8_t out[CRYPTO_HASH_BYTES])
{
	const struct pb_slice part = {p, n};

	crypto_hmac_sha256_parts(key, key_n, &part, 1, out);
}

void crypto_hmac_sha256_parts(const void *key, size_t key_n, const struct pb_slice *parts,
			      size_t n_parts, uint8_t out[CRYPTO_HASH_BYTES])
{
	crypto_auth_hmacsha256_state st;

	(void)crypto_auth_hmacsha256_init(&st, key, key_n); /* these always return 0 */
	for (size_t i = 0; i < n_parts; i++)
		(void)crypto_auth_hmacsha256_update(&st, (const uint8_t *)parts[i].p, parts[i].len);
	(void)crypto_auth_hmacsha256_final(&st, out);
	sodium_memzero(&st, sizeof st);
}

static void blake2b_init(crypto_generichash_state *st, const struct crypto_secret *key)
{
	const uint8_t *k = key ? crypto_secret_bytes(key) : NULL;
	size_t k_n = key ? crypto_secret_len(key) : 0;

	PB_ASSERT(!key || (k_n >= crypto_generichash_KEYBYTES_MIN &&
			   k_n <= crypto_generichash_KEYBYTES_MAX));
	PB_ASSERT(crypto_generichash_init(st, k, k_n, CRYPTO_HASH_BYTES) == 0);
}

void crypto_blake2b(const struct crypto_secret *key, const void *p, size_t n,
		    uint8_t out[CRYPTO_HASH_BYTES])
{
	crypto_generichash_state st;

	blake2b_init(&st, key);
	(void)crypto_generichash_update(&st, p, n); /* these always return 0 */
	(void)crypto_generichash_final(&st, out, CRYPTO_HASH_BYTES);
	sodium_memzero(&st, sizeof st);
}

void crypto_blake2b_parts(const struct crypto_secret *key, const struct pb_slice *parts,
			  size_t n_parts, uint8_t out[CRYPTO_HASH_BYTES])
{
	crypto_generichash_state st;

	blake2b_init(&st, key);
	for (size_t i = 0; i < n_parts; i++) {
		uint8_t len[8];

		for (size_t b = 0; b < sizeof len; b++)
			len[b] = (uint8_t)((uint64_t)parts[i].len >> (8 * b));
		(void)crypto_generichash_update(&st, len, sizeof len);
		(void)crypto_generichash_update(&st, (const uint8_t *)parts[i].p, parts[i].len);
	}
	(void)crypto_generichash_final(&st, out, CRYPTO_HASH_BYTES);
	sodium_memzero(&st, sizeof st);
}

void crypto_sha256_init(struct crypto_sha256_state *st)
{
	(void)crypto_hash_sha256_init((crypto_hash_sha256_state *)(void *)st);
}

void crypto_sha256_update(struct crypto_sha256_state *st, const void *p, size_t n)
{
	(void)crypto_hash_sha256_update((crypto_hash_sha256_state *)(void *)st, p, n);
}

void crypto_sha256_final(struct crypto_sha256_state *st, uint8_t out[CRYPTO_HASH_BYTES])
{
	(void)crypto_hash_sha256_final((crypto_hash_sha256_state *)(void *)st, out);
}

struct crypto_secret *crypto_subkey(const struct crypto_secret *root, enum crypto_purpose purpose)
{
	struct crypto_secret *sub = crypto_secret_new(CRYPTO_HASH_BYTES);

	PB_ASSERT(crypto_secret_len(root) == crypto_kdf_KEYBYTES);
	PB_ASSERT(crypto_kdf_derive_from_key(crypto_secret_mutable(sub), CRYPTO_HASH_BYTES,
					     (uint64_t)purpose, subkey_context,
					     crypto_secret_bytes(root)) == 0);
	return sub;
}
