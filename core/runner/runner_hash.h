/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests, HMAC and base64 for connectors. Own code, because the runner links no library that could reach
 * further than this; checked against the published vectors.
 */
#ifndef PB_RUNNER_HASH_H
#define PB_RUNNER_HASH_H

#include "base/macro.h"

/* Numbers equal to PATCHBAY_SHA256, PATCHBAY_SHA1, PATCHBAY_SHA512. */
enum runner_hash { RUNNER_SHA256 = 1, RUNNER_SHA1 = 2, RUNNER_SHA512 = 3 };

#define RUNNER_HASH_MAX  64
#define RUNNER_BLOCK_MAX 128

struct runner_hash_state {
	enum runner_hash algorithm;
	union {
		uint32_t h32[8];
		uint64_t h64[8];
	};
	uint64_t bytes;
	uint8_t block[RUNNER_BLOCK_MAX];
	size_t used;
};

/* Bytes of the digest; 0 for an unknown algorithm. */
size_t runner_hash_bytes(uint32_t algorithm);
void runner_hash_init(struct runner_hash_state *s, enum runner_hash algorithm);
void runner_hash_add(struct runner_hash_state *s, const void *p, size_t n);
void runner_hash_end(struct runner_hash_state *s, uint8_t *out); /* wipes @s */

void runner_hmac(enum runner_hash algorithm, const void *key, size_t key_len, const void *data,
		 size_t n, uint8_t *out);

/* Room for the text and a NUL. */
#define RUNNER_BASE64_BYTES(n) (((n) + 2) / 3 * 4 + 1)
/* @url: URL alphabet without padding. Returns the length. */
size_t runner_base64_encode(const void *p, size_t n, bool url, char *out);
/* Strict: alphabet, padding (none for @url), no stray bits. @out needs n / 4 * 3 + 3. */
bool runner_base64_decode(const char *s, size_t n, bool url, uint8_t *out,
			  size_t *ret_len) pb_must_check;

/*
 * The key for one far-side change: base64url of HMAC-SHA256(@base, "patchbay-idempotency-1" 0 @purpose).
 * The same for ever: stored keys at far-side services depend on it.
 */
#define RUNNER_KEY_BYTES 44
void runner_idempotency_key(const char *base, const char *purpose, char out[RUNNER_KEY_BYTES]);

#endif
