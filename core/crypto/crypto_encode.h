/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 (RFC 4648) with padding, and base64url without. Decoding is strict: no blanks, right
 * padding, and unused bits zero, so that every byte string has exactly one text.
 */
#ifndef PB_CRYPTO_CRYPTO_ENCODE_H
#define PB_CRYPTO_CRYPTO_ENCODE_H

#include "base/macro.h"

#define CRYPTO_BASE64_BYTES(n)    (((n) + 2) / 3 * 4 + 1) /* with the NUL */
#define CRYPTO_BASE64URL_BYTES(n) (((n)*4 + 2) / 3 + 1)

/* @out needs the sizes above; constant time in the content. Returns the length without the NUL.
 * [any-thread] */
size_t crypto_base64_encode(const void *p, size_t n, char *out);
size_t crypto_base64url_encode(const void *p, size_t n, char *out);
/* False when the text is wrong or the result does not fit @cap. */
bool crypto_base64_decode(const char *s, size_t n, void *out, size_t cap,
			  size_t *ret_n) pb_must_check;
bool crypto_base64url_decode(const char *s, size_t n, void *out, size_t cap,
			     size_t *ret_n) pb_must_check;

#endif
