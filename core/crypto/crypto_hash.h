/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes and keyed hashes, whole and in parts, and sub-keys by purpose. */
#ifndef PB_CRYPTO_CRYPTO_HASH_H
#define PB_CRYPTO_CRYPTO_HASH_H

#include "base/str.h"
#include "crypto/crypto_secret.h"

#define CRYPTO_HASH_BYTES 32

void crypto_sha256(const void *p, size_t n, uint8_t out[CRYPTO_HASH_BYTES]);
#define CRYPTO_SHA512_BYTES 64
void crypto_sha512(const void *p, size_t n, uint8_t out[CRYPTO_SHA512_BYTES]);
/* Any key length (RFC 2104). [any-thread] */
void crypto_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
			uint8_t out[CRYPTO_HASH_BYTES]);
/* The same over the parts put together without separators. */
void crypto_hmac_sha256_parts(const void *key, size_t key_n, const struct pb_slice *parts,
			      size_t n_parts, uint8_t out[CRYPTO_HASH_BYTES]);
/* BLAKE2b with a 32-byte result. @key may be NULL (unkeyed), else 16..64 bytes. */
void crypto_blake2b(const struct crypto_secret *key, const void *p, size_t n,
		    uint8_t out[CRYPTO_HASH_BYTES]);
/* Unambiguous: each part goes in behind its length (8 bytes, little endian). */
void crypto_blake2b_parts(const struct crypto_secret *key, const struct pb_slice *parts,
			  size_t n_parts, uint8_t out[CRYPTO_HASH_BYTES]);

/* Streaming SHA-256 for files. */
struct crypto_sha256_state {
	uint64_t opaque[16];
};
void crypto_sha256_init(struct crypto_sha256_state *st);
void crypto_sha256_update(struct crypto_sha256_state *st, const void *p, size_t n);
void crypto_sha256_final(struct crypto_sha256_state *st, uint8_t out[CRYPTO_HASH_BYTES]);

/* What a sub-key is for. Numbers are stored facts: never renumber, only add. */
enum crypto_purpose {
	CRYPTO_PURPOSE_WRAP = 1,        /* master key -> wraps data keys */
	CRYPTO_PURPOSE_API_KEY = 2,     /* hashes API keys */
	CRYPTO_PURPOSE_HOOK_TOKEN = 3,  /* indexes hook tokens */
	CRYPTO_PURPOSE_IDEMPOTENCY = 4, /* idempotency keys given to services */
	CRYPTO_PURPOSE_CURSOR = 5,      /* authenticates page cursors */
	CRYPTO_PURPOSE_CALLBACK = 6,    /* callback and approval links */
	CRYPTO_PURPOSE_SESSION = 7,     /* session and refresh tokens */
	CRYPTO_PURPOSE_AUDIT = 8,       /* audit hash chain */
	CRYPTO_PURPOSE_OAUTH_STATE = 9, /* state of the OAuth2 connect flow */
};

/*
 * The 32-byte sub-key of @root (32 bytes) for @purpose; sub-keys tell nothing about each other or
 * the root. Owner: caller, crypto_secret_free(). [any-thread]
 */
struct crypto_secret *crypto_subkey(const struct crypto_secret *root, enum crypto_purpose purpose);

#endif
