/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets for everybody above. The bytes sit in their own guarded pages (about 16 KB of address
 * space each), so keep many small keys in one secret, as `vault` does.
 */
#include "crypto/crypto_secret.h"

#include <sodium.h>

#include "base/base.h"

#define CRYPTO_SECRET_MAGIC 0x53454352u

/* Invariant: bytes[len] == 0; alloc > len. */
struct crypto_secret {
	uint32_t magic;
	size_t len;
	size_t alloc;
	uint8_t *bytes;
};

void crypto_init(void)
{
	PB_ASSERT(sodium_init() >= 0);
}

struct crypto_secret *crypto_secret_new(size_t n)
{
	struct crypto_secret *s = pb_new(struct crypto_secret);

	PB_ASSERT(n > 0 && n < SIZE_MAX - 1);
	s->magic = CRYPTO_SECRET_MAGIC;
	s->len = n;
	s->alloc = n + 1;
	s->bytes = sodium_malloc(s->alloc);
	PB_ASSERT(s->bytes != NULL);
	/* sodium_malloc fills with garbage, to find those who forget */
	sodium_memzero(s->bytes, s->alloc);
	return s;
}

struct crypto_secret *crypto_secret_copy(const void *p, size_t n)
{
	struct crypto_secret *s = crypto_secret_new(n);

	memcpy(s->bytes, p, n);
	return s;
}

struct crypto_secret *crypto_secret_random(size_t n)
{
	struct crypto_secret *s = crypto_secret_new(n);

	randombytes_buf(s->bytes, n);
	return s;
}

void crypto_secret_free(struct crypto_secret *s)
{
	if (!s)
		return;
	PB_CHECK_MAGIC(s, CRYPTO_SECRET_MAGIC);
	sodium_free(s->bytes); /* wipes */
	sodium_memzero(s, sizeof *s);
	free(s);
}

const uint8_t *crypto_secret_bytes(const struct crypto_secret *s)
{
	PB_CHECK_MAGIC(s, CRYPTO_SECRET_MAGIC);
	return s->bytes;
}

uint8_t *crypto_secret_mutable(struct crypto_secret *s)
{
	PB_CHECK_MAGIC(s, CRYPTO_SECRET_MAGIC);
	return s->bytes;
}

size_t crypto_secret_len(const struct crypto_secret *s)
{
	PB_CHECK_MAGIC(s, CRYPTO_SECRET_MAGIC);
	return s->len;
}

void crypto_secret_truncate(struct crypto_secret *s, size_t n)
{
	PB_CHECK_MAGIC(s, CRYPTO_SECRET_MAGIC);
	PB_ASSERT(n <= s->len);
	sodium_memzero(s->bytes + n, s->alloc - n);
	s->len = n;
}

bool crypto_equal(const void *a, const void *b, size_t n)
{
	return sodium_memcmp(a, b, n) == 0;
}

bool crypto_secret_equal(const struct crypto_secret *a, const struct crypto_secret *b)
{
	PB_CHECK_MAGIC(a, CRYPTO_SECRET_MAGIC);
	PB_CHECK_MAGIC(b, CRYPTO_SECRET_MAGIC);
	return a->len == b->len && crypto_equal(a->bytes, b->bytes, a->len);
}

void crypto_wipe(void *p, size_t n)
{
	sodium_memzero(p, n);
}
