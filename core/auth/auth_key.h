/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of an API key: pb_<kind>_<43 base64url characters of 256 random bits>_<8 hex of CRC-32>.
 * The check sum is no security: it lets typing mistakes and cut keys be told from wrong ones, and
 * scanners find leaks.
 */
#ifndef PB_AUTH_AUTH_KEY_H
#define PB_AUTH_AUTH_KEY_H

#include "crypto/crypto_hash.h"

#define AUTH_KEY_TEXT_BYTES 60 /* "pb_key_" 43 "_" 8 and the NUL */
#define AUTH_KEY_HINT_BYTES 16 /* "pb_key_AbCd" and the NUL: shown in lists */

enum auth_key_kind { AUTH_KEY_TENANT /* pb_key_ */, AUTH_KEY_PLATFORM /* pb_adm_ */ };

/* A fresh key; the caller wipes @out after showing it. [any-thread] */
void auth_key_generate(enum auth_key_kind kind, char out[AUTH_KEY_TEXT_BYTES]);
/* Shape, alphabet and check sum. */
bool auth_key_wellformed(const char *s, size_t n);
void auth_key_hint(const char *key, char out[AUTH_KEY_HINT_BYTES]);
/* What is stored: keyed BLAKE2b with the sub-key CRYPTO_PURPOSE_API_KEY. */
void auth_key_hash(const struct crypto_secret *subkey, const char *s, size_t n,
		   uint8_t out[CRYPTO_HASH_BYTES]);

#endif
