/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authenticated encryption (XChaCha20-Poly1305) in the one stored format
 *	version(1) = 1 | key id(4, big endian) | nonce(24, random) | ciphertext | tag(16)
 * The context (which table, row, tenant ...) is authenticated but not stored: a value moved
 *elsewhere does not open.
 */
#ifndef PB_CRYPTO_CRYPTO_AEAD_H
#define PB_CRYPTO_CRYPTO_AEAD_H

#include "base/str.h"
#include "crypto/crypto_secret.h"

#define CRYPTO_KEY_BYTES      32
#define CRYPTO_NONCE_BYTES    24
#define CRYPTO_TAG_BYTES      16
#define CRYPTO_SEALED_VERSION 1
#define CRYPTO_SEALED_EXTRA   (1 + 4 + CRYPTO_NONCE_BYTES + CRYPTO_TAG_BYTES) /* 45 */

/*
 * @out needs n + CRYPTO_SEALED_EXTRA bytes. @key points to CRYPTO_KEY_BYTES. @aad parts are
 * length-prefixed; version and key id are part of the authenticated data too. [any-thread]
 */
void crypto_seal(const uint8_t *key, uint32_t key_id, const struct pb_slice *aad, size_t n_aad,
		 const void *plain, size_t n, uint8_t *out);

/* The key id of a sealed value; false when it is too short or of another version. */
bool crypto_sealed_key_id(const void *sealed, size_t n, uint32_t *ret_key_id) pb_must_check;

/*
 * @out needs n - CRYPTO_SEALED_EXTRA bytes; zeroed when false. False for any change of key, context
 * or bytes.
 */
bool crypto_open(const uint8_t *key, const struct pb_slice *aad, size_t n_aad, const void *sealed,
		 size_t n, uint8_t *out, size_t *ret_n) pb_must_check;

/* The bare primitive, for published vectors. @out needs n + tag; @aad raw. */
void crypto_aead_encrypt(const uint8_t key[CRYPTO_KEY_BYTES],
			 const uint8_t nonce[CRYPTO_NONCE_BYTES], const void *aad, size_t aad_n,
			 const void *plain, size_t n, uint8_t *out);
bool crypto_aead_decrypt(const uint8_t key[CRYPTO_KEY_BYTES],
			 const uint8_t nonce[CRYPTO_NONCE_BYTES], const void *aad, size_t aad_n,
			 const void *ct, size_t n, uint8_t *out) pb_must_check;

#endif
