/* SPDX-License-Identifier: Apache-2.0 */
/* Exact decimal view of a JSON number's text, private to base: comparing without rounding. */
#ifndef PB_BASE_JSON_NUMBER_H
#define PB_BASE_JSON_NUMBER_H

#include "base/macro.h"

/*
 * sign * 0.d1d2d3... * 10^exp without leading or trailing zero digits; zero has no digits and no
 * sign. The digits are those of the text from @first up to @end, a point between them left out.
 */
struct pb_decimal {
	const char *first, *end; /* borrowed from the text */
	int64_t exp;
	bool negative;
};

/* @s must be a valid JSON number. Exponents beyond +-10^15 all count as that one. */
struct pb_decimal pb_decimal_read(const char *s, size_t n);
int pb_decimal_cmp(const struct pb_decimal *a, const struct pb_decimal *b);
bool pb_decimal_is_integer(const struct pb_decimal *a);
/* False when it is not an integer or does not fit. */
bool pb_decimal_i64(const struct pb_decimal *a, int64_t *ret) pb_must_check;

#endif
