/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for keys: locked, guarded, kept out of core files, wiped on free. There is no way to print
 * one.
 */
#ifndef PB_CRYPTO_CRYPTO_SECRET_H
#define PB_CRYPTO_CRYPTO_SECRET_H

#include "base/err.h"
#include "base/mem.h"

/* Once before anything else of this module; aborts when the library cannot start. [main, before
 * start] */
void crypto_init(void);

struct crypto_secret;

/* Zeroed secret of @n bytes (at least 1). Aborts when memory is out. Owner: crypto_secret_free().
 * [any-thread] */
struct crypto_secret *crypto_secret_new(size_t n);
struct crypto_secret *crypto_secret_copy(const void *p, size_t n);
struct crypto_secret *crypto_secret_random(size_t n);
void crypto_secret_free(struct crypto_secret *s);
PB_DEFINE_AUTOPTR(crypto_secret, crypto_secret_free);

/* Borrowed until the secret is freed. One byte behind the end is always 0, so text secrets are C
 * strings. */
const uint8_t *crypto_secret_bytes(const struct crypto_secret *s);
uint8_t *crypto_secret_mutable(struct crypto_secret *s);
size_t crypto_secret_len(const struct crypto_secret *s);
/* Shortens and wipes the rest; @n not over the present length. */
void crypto_secret_truncate(struct crypto_secret *s, size_t n);

/* Constant time for equal lengths; different lengths are false. */
bool crypto_equal(const void *a, const void *b, size_t n);
bool crypto_secret_equal(const struct crypto_secret *a, const struct crypto_secret *b);
/* Wipes in a way the compiler cannot drop. */
void crypto_wipe(void *p, size_t n);

#endif
