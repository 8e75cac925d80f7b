/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sealed format for `vault`. The authenticated data is hashed to 32 bytes first: parts of any
 * number and length then need no buffer, and the length prefixes inside the hash keep them apart.
 */
#include "crypto/crypto_aead.h"

#include <sodium.h>

#include "crypto/crypto_hash.h"
#include "base/base.h"

_Static_assert(CRYPTO_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key size");
_Static_assert(CRYPTO_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce size");
_Static_assert(CRYPTO_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag size");

#define HEAD_BYTES    5 /* version and key id */
#define AAD_PARTS_MAX 15

static void digest_aad(const uint8_t head[HEAD_BYTES], const struct pb_slice *aad, size_t n_aad,
		       uint8_t out[CRYPTO_HASH_BYTES])
{
	struct pb_slice parts[AAD_PARTS_MAX + 1];

	PB_ASSERT(n_aad <= AAD_PARTS_MAX);
	parts[0] = pb_slice((const char *)head, HEAD_BYTES);
	for (size_t i = 0; i < n_aad; i++)
		parts[i + 1] = aad[i];
	crypto_blake2b_parts(NULL, parts, n_aad + 1, out);
}

void crypto_seal(const uint8_t *key, uint32_t key_id, const struct pb_slice *aad, size_t n_aad,
		 const void *plain, size_t n, uint8_t *out)
{
	uint8_t digest[CRYPTO_HASH_BYTES];
	uint8_t *nonce = out + HEAD_BYTES;

	out[0] = CRYPTO_SEALED_VERSION;
	out[1] = (uint8_t)(key_id >> 24);
	out[2] = (uint8_t)(key_id >> 16);
	out[3] = (uint8_t)(key_id >> 8);
	out[4] = (uint8_t)key_id;
	randombytes_buf(nonce, CRYPTO_NONCE_BYTES);
	digest_aad(out, aad, n_aad, digest);
	crypto_aead_encrypt(key, nonce, digest, sizeof digest, plain, n,
			    nonce + CRYPTO_NONCE_BYTES);
}

bool crypto_sealed_key_id(const void *sealed, size_t n, uint32_t *ret_key_id)
{
	const uint8_t *b = sealed;

	if (n < CRYPTO_SEALED_EXTRA || b[0] != CRYPTO_SEALED_VERSION)
		return false;
	*ret_key_id = (uint32_t)b[1] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 8 | b[4];
	return true;
}

bool crypto_open(const uint8_t *key, const struct pb_slice *aad, size_t n_aad, const void *sealed,
		 size_t n, uint8_t *out, size_t *ret_n)
{
	const uint8_t *b = sealed;
	uint8_t digest[CRYPTO_HASH_BYTES];
	uint32_t key_id;

	if (!crypto_sealed_key_id(sealed, n, &key_id))
		return false;
	digest_aad(b, aad, n_aad, digest);
	if (!crypto_aead_decrypt(key, b + HEAD_BYTES, digest, sizeof digest,
				 b + HEAD_BYTES + CRYPTO_NONCE_BYTES,
				 n - HEAD_BYTES - CRYPTO_NONCE_BYTES, out))
		return false;
	*ret_n = n - CRYPTO_SEALED_EXTRA;
	return true;
}

void crypto_aead_encrypt(const uint8_t key[CRYPTO_KEY_BYTES],
			 const uint8_t nonce[CRYPTO_NONCE_BYTES], const void *aad, size_t aad_n,
			 const void *plain, size_t n, uint8_t *out)
{
	/* always 0 */
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, plain, n, aad, aad_n, NULL,
							 nonce, key);
}

bool crypto_aead_decrypt(const uint8_t key[CRYPTO_KEY_BYTES],
			 const uint8_t nonce[CRYPTO_NONCE_BYTES], const void *aad, size_t aad_n,
			 const void *ct, size_t n, uint8_t *out)
{
	if (n < CRYPTO_TAG_BYTES)
		return false;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, ct, n, aad, aad_n, nonce,
						       key) == 0)
		return true;
	sodium_memzero(out, n - CRYPTO_TAG_BYTES);
	return false;
}
