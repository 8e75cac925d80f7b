/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of a JSON tree: readers to int64_t and double, and comparing by value. Text is compared
 * as decimal digits, so 1e2, 100 and 100.00 are equal and 2^64+1 differs from 2^64; a computed
 * double is compared exactly with integers and as a double with everything else.
 */
#include "base/json_number.h"

#include <math.h>

#include "base/json.h"
#include "base/parse.h"
#include "base/base.h"

#define EXP_MAX        INT64_C(1000000000000000)
#define MAX_I64_DIGITS 19
#define INTEGER_BYTES  320 /* the largest double has 309 digits */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int64_t read_exponent(const char *s, const char *end)
{
	bool negative = s < end && *s == '-';
	int64_t v = 0;

	if (s < end && (*s == '-' || *s == '+'))
		s++;
	for (; s < end && v < EXP_MAX; s++)
		v = v * 10 + (*s - '0');
	v = PB_MIN(v, EXP_MAX);
	return negative ? -v : v;
}

struct pb_decimal pb_decimal_read(const char *s, size_t n)
{
	struct pb_decimal d = {0};
	const char *end = s + n, *point = NULL, *p;
	int64_t shift;

	d.negative = s < end && *s == '-';
	for (p = s + d.negative; p < end && *p != 'e' && *p != 'E'; p++) {
		if (*p == '.') {
			point = p;
		} else if (*p != '0') {
			if (!d.first)
				d.first = p;
			d.end = p + 1;
		}
	}
	if (!d.first) {
		d.negative = false;
		return d;
	}
	if (!point)
		point = p;
	/* digits between the first and the point; zeros behind the point count down */
	shift = d.first < point ? point - d.first : -(d.first - point - 1);
	d.exp = shift + (p < end ? read_exponent(p + 1, end) : 0);
	d.exp = PB_MIN(PB_MAX(d.exp, -EXP_MAX), EXP_MAX);
	return d;
}

static int cmp_digits(const struct pb_decimal *a, const struct pb_decimal *b)
{
	const char *x = a->first, *y = b->first;

	for (;;) {
		if (x < a->end && *x == '.')
			x++;
		if (y < b->end && *y == '.')
			y++;
		if (x == a->end || y == b->end)
			return (x < a->end) - (y < b->end);
		if (*x != *y)
			return *x < *y ? -1 : 1;
		x++;
		y++;
	}
}

static int sign_of(const struct pb_decimal *d)
{
	if (!d->first)
		return 0;
	return d->negative ? -1 : 1;
}

int pb_decimal_cmp(const struct pb_decimal *a, const struct pb_decimal *b)
{
	int sa = sign_of(a), sb = sign_of(b), c;

	if (sa != sb)
		return sa < sb ? -1 : 1;
	if (sa == 0)
		return 0;
	if (a->exp != b->exp)
		c = a->exp < b->exp ? -1 : 1;
	else
		c = cmp_digits(a, b);
	return sa < 0 ? -c : c;
}

static int64_t n_digits(const struct pb_decimal *d)
{
	return d->first ? (d->end - d->first) -
				  (memchr(d->first, '.', (size_t)(d->end - d->first)) != NULL)
			: 0;
}

bool pb_decimal_is_integer(const struct pb_decimal *d)
{
	return n_digits(d) <= d->exp || !d->first;
}

bool pb_decimal_i64(const struct pb_decimal *d, int64_t *ret)
{
	char text[MAX_I64_DIGITS + 2];
	size_t n = 0;

	if (!d->first) {
		*ret = 0;
		return true;
	}
	if (d->exp > MAX_I64_DIGITS || !pb_decimal_is_integer(d))
		return false;
	if (d->negative)
		text[n++] = '-';
	for (const char *p = d->first; p < d->end; p++)
		if (is_digit(*p))
			text[n++] = *p;
	while (n < (size_t)d->exp + d->negative)
		text[n++] = '0';
	return pb_parse_i64(text, n, INT64_MIN, INT64_MAX, ret);
}

bool pb_json_is_number(const struct pb_json *j)
{
	return j &&
	       (j->type == PB_JSON_INT || j->type == PB_JSON_REAL || j->type == PB_JSON_NUMBER);
}

bool pb_json_i64(const struct pb_json *j, int64_t *ret)
{
	struct pb_decimal d;

	if (!pb_json_is_number(j))
		return false;
	if (j->type == PB_JSON_INT) {
		*ret = j->i;
		return true;
	}
	if (j->type == PB_JSON_REAL) {
		/* 2^63 itself does not fit, and below it the cast is exact */
		if (j->d != trunc(j->d) || j->d < -0x1p63 || j->d >= 0x1p63)
			return false;
		*ret = (int64_t)j->d;
		return true;
	}
	d = pb_decimal_read(j->s, j->len);
	return pb_decimal_i64(&d, ret);
}

bool pb_json_double(const struct pb_json *j, double *ret)
{
	if (!pb_json_is_number(j))
		return false;
	if (j->type == PB_JSON_NUMBER)
		return pb_parse_double(j->s, j->len, ret);
	*ret = j->type == PB_JSON_INT ? (double)j->i : j->d;
	return isfinite(*ret);
}

bool pb_json_is_integer(const struct pb_json *j)
{
	struct pb_decimal d;

	if (!pb_json_is_number(j))
		return false;
	if (j->type == PB_JSON_INT)
		return true;
	if (j->type == PB_JSON_REAL)
		return j->d == trunc(j->d);
	d = pb_decimal_read(j->s, j->len);
	return pb_decimal_is_integer(&d);
}

/* The decimal digits of an integer or of a number's text. @space holds what is not text yet. */
static struct pb_decimal decimal_of(const struct pb_json *j, char space[INTEGER_BYTES])
{
	if (j->type == PB_JSON_NUMBER)
		return pb_decimal_read(j->s, j->len);
	if (j->type == PB_JSON_INT)
		(void)snprintf(space, INTEGER_BYTES, "%lld", (long long)j->i);
	else
		(void)snprintf(space, INTEGER_BYTES, "%.0f",
			       j->d); /* integral: no point is written */
	return pb_decimal_read(space, strlen(space));
}

/* base * 10^k mod m */
static uint64_t shift_mod(uint64_t base, int64_t k, uint64_t m)
{
	unsigned __int128 r = base % m, ten = 10 % m;

	for (; k > 0; k >>= 1) {
		if (k & 1)
			r = r * ten % m;
		ten = ten * ten % m;
	}
	return (uint64_t)r;
}

bool pb_json_is_multiple(const struct pb_json *j, int64_t of)
{
	const uint64_t m = of < 0 ? -(uint64_t)of : (uint64_t)of;
	unsigned __int128 r = 0;
	char space[INTEGER_BYTES];
	struct pb_decimal d;

	PB_ASSERT(of != 0);
	if (!pb_json_is_integer(j))
		return false;
	d = decimal_of(j, space);
	for (const char *p = d.first; p < d.end; p++)
		if (is_digit(*p))
			r = (r * 10 + (unsigned)(*p - '0')) % m;
	return shift_mod((uint64_t)r, d.exp - n_digits(&d), m) == 0;
}

/* Text too large for a double is beyond every double. */
static double as_double(const struct pb_json *j)
{
	double d;

	if (pb_json_double(j, &d))
		return d;
	return j->s[0] == '-' ? -INFINITY : INFINITY;
}

int pb_json_number_cmp(const struct pb_json *a, const struct pb_json *b)
{
	char space_a[INTEGER_BYTES], space_b[INTEGER_BYTES];
	struct pb_decimal x, y;
	bool real = a->type == PB_JSON_REAL || b->type == PB_JSON_REAL;

	PB_ASSERT(pb_json_is_number(a) && pb_json_is_number(b));
	if (a->type == PB_JSON_INT && b->type == PB_JSON_INT)
		return (a->i > b->i) - (a->i < b->i);
	if (real && !(pb_json_is_integer(a) && pb_json_is_integer(b))) {
		double p = as_double(a), q = as_double(b);

		return (p > q) - (p < q);
	}
	x = decimal_of(a, space_a);
	y = decimal_of(b, space_b);
	return pb_decimal_cmp(&x, &y);
}
