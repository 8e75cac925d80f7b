/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of hook URLs: 22 base64url characters, 128 random bits, one text per token. The database
 * has a keyed hash as index, and the sealed token for showing it again.
 */
#ifndef PB_AUTH_HOOK_TOKEN_H
#define PB_AUTH_HOOK_TOKEN_H

#include "crypto/crypto_hash.h"

#define HOOK_TOKEN_BYTES 23 /* with the NUL */

void hook_token_generate(char out[HOOK_TOKEN_BYTES]);
/* Length, alphabet and canonical last character; anything else is answered like an unknown token.
 */
bool hook_token_wellformed(const char *s, size_t n);
/* @subkey: CRYPTO_PURPOSE_HOOK_TOKEN. Any text is hashed, so that unknown tokens cost the same. */
void hook_token_hash(const struct crypto_secret *subkey, const char *s, size_t n,
		     uint8_t out[CRYPTO_HASH_BYTES]);

#endif
