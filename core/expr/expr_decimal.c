/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact decimals for the decimal_...() functions and for rounding. Numbers are arrays of single
 * digits, the least significant first, so every step can be checked by hand.
 */
#include "expr/expr_decimal.h"

#include "base/parse.h"
#include "base/base.h"

#define MAX_DIGITS (sizeof(((struct expr_decimal *)0)->digit))

static void trim(struct expr_decimal *d)
{
	while (d->n && !d->digit[d->n - 1])
		d->n--;
	if (!d->n)
		d->negative = false;
}

static bool fits(struct expr_decimal *d)
{
	trim(d);
	return d->n <= EXPR_DECIMAL_DIGITS && d->scale <= EXPR_DECIMAL_SCALE;
}

/* Multiplies by 10^k. */
static bool shift(struct expr_decimal *d, uint32_t k)
{
	if (!d->n || !k)
		return true;
	if (d->n + k > MAX_DIGITS)
		return false;
	memmove(d->digit + k, d->digit, d->n);
	memset(d->digit, 0, k);
	d->n = (uint8_t)(d->n + k);
	return true;
}

/* Multiplies by 10^(scale - d->scale) and writes the new scale down: the value stays. */
static bool rescale(struct expr_decimal *d, uint32_t scale)
{
	if (!shift(d, scale - d->scale))
		return false;
	d->scale = (uint8_t)scale;
	return true;
}

static int compare_digits(const struct expr_decimal *a, const struct expr_decimal *b)
{
	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	for (uint32_t i = a->n; i-- > 0;) {
		if (a->digit[i] != b->digit[i])
			return a->digit[i] < b->digit[i] ? -1 : 1;
	}
	return 0;
}

/* --- text --- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* e[+-]digits at @s, whole. */
static bool parse_exponent(const char *s, size_t n, int64_t *ret)
{
	bool minus;

	if (n < 2 || (*s != 'e' && *s != 'E'))
		return false;
	minus = s[1] == '-';
	s += 1 + (minus || s[1] == '+');
	n -= 1 + (size_t)(minus || s[-1] == '+');
	while (n > 1 && *s == '0') {
		s++;
		n--;
	}
	if (!pb_parse_i64(s, n, 0, 200, ret))
		return false;
	*ret = minus ? -*ret : *ret;
	return true;
}

/* The digits with their point; gives the bytes read, 0 on a fault. Most significant first, no
 * leading zeros. */
static size_t read_digits(const char *s, size_t n, uint8_t *digits, uint32_t *n_digits,
			  int64_t *scale)
{
	size_t i = 0;
	bool point = false;

	for (; i < n; i++) {
		if (s[i] == '.' && !point && i && i + 1 < n && is_digit(s[i + 1])) {
			point = true;
			continue;
		}
		if (!is_digit(s[i]))
			break;
		*scale += point;
		if (!*n_digits && s[i] == '0')
			continue;
		if (*n_digits >= EXPR_DECIMAL_DIGITS)
			return 0;
		digits[(*n_digits)++] = (uint8_t)(s[i] - '0');
	}
	return i;
}

bool expr_decimal_parse(const char *s, size_t n, struct expr_decimal *ret)
{
	struct expr_decimal d = {.n = 0};
	uint8_t digits[EXPR_DECIMAL_DIGITS];
	uint32_t n_digits = 0;
	int64_t scale = 0, exponent = 0;
	size_t used;

	while (n && is_blank(*s)) {
		s++;
		n--;
	}
	while (n && is_blank(s[n - 1]))
		n--;
	if (n && *s == '-') {
		d.negative = true;
		s++;
		n--;
	}
	used = read_digits(s, n, digits, &n_digits, &scale);
	if (!used || (used < n && !parse_exponent(s + used, n - used, &exponent)))
		return false;
	for (uint32_t i = 0; i < n_digits; i++)
		d.digit[i] = digits[n_digits - 1 - i];
	d.n = (uint8_t)n_digits;
	scale -= exponent;
	if (scale > EXPR_DECIMAL_SCALE || (scale < 0 && !shift(&d, (uint32_t)-scale)))
		return false;
	d.scale = (uint8_t)PB_MAX(scale, 0);
	if (!fits(&d))
		return false;
	*ret = d;
	return true;
}

bool expr_decimal_from_json(const struct pb_json *j, struct expr_decimal *ret)
{
	char buf[PB_DOUBLE_BYTES];
	size_t n;

	switch ((enum pb_json_type)j->type) {
	case PB_JSON_INT:
		n = (size_t)snprintf(buf, sizeof(buf), "%lld", (long long)j->i);
		return expr_decimal_parse(buf, n, ret);
	case PB_JSON_REAL:
		n = pb_format_double(j->d, buf);
		return expr_decimal_parse(buf, n, ret);
	case PB_JSON_NUMBER:
	case PB_JSON_STRING:
		return expr_decimal_parse(j->s, j->len, ret);
	default:
		return false;
	}
}

size_t expr_decimal_format(const struct expr_decimal *d, char out[EXPR_DECIMAL_TEXT_BYTES])
{
	uint32_t n = PB_MAX((uint32_t)d->n, (uint32_t)d->scale + 1);
	size_t o = 0;

	if (d->negative)
		out[o++] = '-';
	for (uint32_t i = n; i-- > 0;) {
		out[o++] = (char)('0' + (i < d->n ? d->digit[i] : 0));
		if (i && i == d->scale)
			out[o++] = '.';
	}
	out[o] = '\0';
	return o;
}

/* --- arithmetic --- */

static void align(struct expr_decimal *a, struct expr_decimal *b)
{
	uint32_t scale = PB_MAX(a->scale, b->scale);

	/* at most 60 + 30 digits: always fits */
	(void)rescale(a, scale);
	(void)rescale(b, scale);
}

int expr_decimal_compare(const struct expr_decimal *a, const struct expr_decimal *b)
{
	struct expr_decimal x = *a, y = *b;
	int r;

	if (a->negative != b->negative)
		return a->negative ? -1 : 1;
	align(&x, &y);
	r = compare_digits(&x, &y);
	return a->negative ? -r : r;
}

static void add_digits(const struct expr_decimal *a, const struct expr_decimal *b,
		       struct expr_decimal *r)
{
	uint32_t n = PB_MAX(a->n, b->n), carry = 0;

	for (uint32_t i = 0; i < n || carry; i++) {
		carry += (i < a->n ? a->digit[i] : 0u) + (i < b->n ? b->digit[i] : 0u);
		r->digit[i] = (uint8_t)(carry % 10);
		r->n = (uint8_t)(i + 1);
		carry /= 10;
	}
}

/* a >= b */
static void sub_digits(const struct expr_decimal *a, const struct expr_decimal *b,
		       struct expr_decimal *r)
{
	int borrow = 0;

	for (uint32_t i = 0; i < a->n; i++) {
		int d = a->digit[i] - (i < b->n ? b->digit[i] : 0) - borrow;

		borrow = d < 0;
		r->digit[i] = (uint8_t)(d + (borrow ? 10 : 0));
	}
	r->n = a->n;
	trim(r);
}

bool expr_decimal_add(const struct expr_decimal *a, const struct expr_decimal *b, bool subtract,
		      struct expr_decimal *ret)
{
	struct expr_decimal x = *a, y = *b, r = {.n = 0};

	y.negative = y.n && y.negative != subtract;
	align(&x, &y);
	r.scale = x.scale;
	if (x.negative == y.negative) {
		add_digits(&x, &y, &r);
		r.negative = x.negative;
	} else if (compare_digits(&x, &y) >= 0) {
		sub_digits(&x, &y, &r);
		r.negative = x.negative;
	} else {
		sub_digits(&y, &x, &r);
		r.negative = y.negative;
	}
	if (!fits(&r))
		return false;
	*ret = r;
	return true;
}

bool expr_decimal_mul(const struct expr_decimal *a, const struct expr_decimal *b,
		      struct expr_decimal *ret)
{
	struct expr_decimal r = {.n = 0};
	uint32_t acc[EXPR_DECIMAL_DIGITS * 2 + 1] = {0}, n = (uint32_t)a->n + b->n;

	for (uint32_t i = 0; i < a->n; i++) {
		for (uint32_t k = 0; k < b->n; k++)
			acc[i + k] += (uint32_t)a->digit[i] * b->digit[k];
	}
	for (uint32_t i = 0; i < n; i++) {
		acc[i + 1] += acc[i] / 10;
		r.digit[i] = (uint8_t)(acc[i] % 10);
	}
	r.n = (uint8_t)n;
	r.scale = (uint8_t)(a->scale + b->scale);
	r.negative = a->negative != b->negative;
	trim(&r);
	/* zeros at the end are only kept as far as they fit */
	while (r.scale > EXPR_DECIMAL_SCALE && (!r.n || !r.digit[0])) {
		if (r.n)
			memmove(r.digit, r.digit + 1, --r.n);
		r.scale--;
	}
	if (!fits(&r))
		return false;
	*ret = r;
	return true;
}

/* Long division of the digits; @rem ends smaller than @b. */
static void div_digits(const struct expr_decimal *a, const struct expr_decimal *b,
		       struct expr_decimal *q, struct expr_decimal *rem)
{
	*q = (struct expr_decimal){.n = a->n};
	*rem = (struct expr_decimal){.n = 0};
	for (uint32_t i = a->n; i-- > 0;) {
		(void)shift(rem, 1);
		rem->digit[0] = a->digit[i];
		if (!rem->n && a->digit[i])
			rem->n = 1;
		while (compare_digits(rem, b) >= 0) {
			sub_digits(rem, b, rem);
			q->digit[i]++;
		}
	}
	trim(q);
}

/* @half compares twice the remainder with the divisor. */
static bool rounds_away(enum expr_rounding rounding, bool negative, bool odd, bool exact, int half)
{
	if (exact)
		return false;
	switch (rounding) {
	case EXPR_ROUND_HALF_UP:
		return half >= 0;
	case EXPR_ROUND_HALF_EVEN:
		return half > 0 || (half == 0 && odd);
	case EXPR_ROUND_UP:
		return true;
	case EXPR_ROUND_DOWN:
		return false;
	case EXPR_ROUND_CEILING:
		return !negative;
	case EXPR_ROUND_FLOOR:
		return negative;
	}
	return false;
}

bool expr_decimal_div(const struct expr_decimal *a, const struct expr_decimal *b, uint32_t places,
		      enum expr_rounding rounding, struct expr_decimal *ret)
{
	static const struct expr_decimal one = {.digit = {1}, .n = 1};
	struct expr_decimal num = *a, den = *b, q, rem, twice = {.n = 0};
	int32_t e = (int32_t)places + b->scale - a->scale;
	bool negative = a->negative != b->negative;

	/* q = a.digits * 10^e / b.digits has the scale `places` */
	if (!b->n || places > EXPR_DECIMAL_SCALE || !shift(&num, e > 0 ? (uint32_t)e : 0) ||
	    !shift(&den, e < 0 ? (uint32_t)-e : 0))
		return false;
	div_digits(&num, &den, &q, &rem);
	add_digits(&rem, &rem, &twice);
	if (rounds_away(rounding, negative, q.n && q.digit[0] % 2, !rem.n,
			compare_digits(&twice, &den))) {
		num = q;
		add_digits(&num, &one, &q);
	}
	q.scale = (uint8_t)places;
	q.negative = negative;
	if (!fits(&q))
		return false;
	*ret = q;
	return true;
}

bool expr_decimal_round(const struct expr_decimal *a, uint32_t places, enum expr_rounding rounding,
			struct expr_decimal *ret)
{
	static const struct expr_decimal one = {.digit = {1}, .n = 1};

	return expr_decimal_div(a, &one, places, rounding, ret);
}
