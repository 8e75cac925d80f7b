/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to expr: exact decimal numbers of bounded length for money. Schoolbook arithmetic on
 * single digits: slow by design of simplicity (a product of two 60-digit numbers is 3600 small
 * steps), exact always.
 */
#ifndef PB_EXPR_DECIMAL_H
#define PB_EXPR_DECIMAL_H

#include "base/json.h"

#define EXPR_DECIMAL_DIGITS     60 /* of a value that is kept */
#define EXPR_DECIMAL_SCALE      30 /* digits behind the point */
#define EXPR_DECIMAL_TEXT_BYTES (EXPR_DECIMAL_DIGITS + EXPR_DECIMAL_SCALE + 8)

/* Invariant: n digits, the least significant first; no leading zeros (digit[n-1] != 0); n == 0 is
 * zero and not negative. The value is digits * 10^-scale. */
struct expr_decimal {
	uint8_t digit[EXPR_DECIMAL_DIGITS * 2 + EXPR_DECIMAL_SCALE + 10];
	uint8_t n;
	uint8_t scale;
	bool negative;
};

enum expr_rounding {
	EXPR_ROUND_HALF_UP,   /* half away from zero: what invoices do */
	EXPR_ROUND_HALF_EVEN, /* banker's */
	EXPR_ROUND_UP,        /* away from zero */
	EXPR_ROUND_DOWN,      /* towards zero */
	EXPR_ROUND_CEILING,
	EXPR_ROUND_FLOOR,
};

/* A JSON number, blanks around it allowed; the digits behind the point are kept ("1.50" has scale
 * 2). False when it is not one or is too long. */
bool expr_decimal_parse(const char *s, size_t n, struct expr_decimal *ret);
/* Any JSON number or text; a double by its shortest text. */
bool expr_decimal_from_json(const struct pb_json *j, struct expr_decimal *ret);
/* Plain notation. Gives the length. */
size_t expr_decimal_format(const struct expr_decimal *d, char out[EXPR_DECIMAL_TEXT_BYTES]);

int expr_decimal_compare(const struct expr_decimal *a, const struct expr_decimal *b);
/* False when the result is too long. */
bool expr_decimal_add(const struct expr_decimal *a, const struct expr_decimal *b, bool subtract,
		      struct expr_decimal *ret);
bool expr_decimal_mul(const struct expr_decimal *a, const struct expr_decimal *b,
		      struct expr_decimal *ret);
/* @b must not be zero. */
bool expr_decimal_div(const struct expr_decimal *a, const struct expr_decimal *b, uint32_t places,
		      enum expr_rounding rounding, struct expr_decimal *ret);
bool expr_decimal_round(const struct expr_decimal *a, uint32_t places, enum expr_rounding rounding,
			struct expr_decimal *ret);

#endif
