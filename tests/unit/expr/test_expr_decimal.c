/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_decimal.c against __int128 arithmetic on many seeded numbers, and at its limits. */
#include "expr/expr_decimal.h"
#include "expr_test.h"

static uint64_t state = 7;

static int64_t next(void)
{
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (int64_t)(state >> 33) * (state & 1 ? 1 : -1) >> (state >> 8 & 31);
}

static struct expr_decimal of(int64_t v, uint32_t scale)
{
	char buf[64];
	struct expr_decimal d;

	(void)pb_str_printf(buf, sizeof(buf), "%llde-%u", (long long)v, scale);
	ck_assert(expr_decimal_parse(buf, strlen(buf), &d));
	return d;
}

/* d * 10^scale as an integer; d must have at most that scale. */
static __int128 value(const struct expr_decimal *d, uint32_t scale)
{
	__int128 v = 0;

	ck_assert_uint_le(d->scale, scale);
	ck_assert(!d->n || d->digit[d->n - 1]);
	ck_assert(d->n || !d->negative);
	for (uint32_t i = d->n; i-- > 0;)
		v = v * 10 + d->digit[i];
	for (uint32_t i = d->scale; i < scale; i++)
		v *= 10;
	return d->negative ? -v : v;
}

static __int128 power(uint32_t n)
{
	__int128 v = 1;

	while (n--)
		v *= 10;
	return v;
}

START_TEST(decimal__agrees_with_int128)
{
	for (int i = 0; i < 20000; i++) {
		uint32_t sa = (uint32_t)(next() & 7), sb = (uint32_t)(next() & 7);
		int64_t ia = next(), ib = next();
		struct expr_decimal a = of(ia, sa), b = of(ib, sb), r;
		__int128 va = value(&a, 7), vb = value(&b, 7);

		ck_assert(va == ia * power(7 - sa));
		ck_assert(expr_decimal_add(&a, &b, false, &r));
		ck_assert(value(&r, 7) == va + vb);
		ck_assert(expr_decimal_add(&a, &b, true, &r));
		ck_assert(value(&r, 7) == va - vb);
		ck_assert(expr_decimal_mul(&a, &b, &r));
		ck_assert(value(&r, 14) == va * vb);
		ck_assert_int_eq(expr_decimal_compare(&a, &b), va < vb ? -1 : va > vb);
		if (!vb)
			continue;
		ck_assert(expr_decimal_div(&a, &b, 3, EXPR_ROUND_DOWN, &r));
		ck_assert(value(&r, 3) == va * 1000 / vb);
		ck_assert(expr_decimal_div(&a, &b, 0, EXPR_ROUND_FLOOR, &r));
		ck_assert(value(&r, 0) == va / vb - (va % vb != 0 && (va < 0) != (vb < 0)));
	}
}
END_TEST

START_TEST(decimal__text_comes_back)
{
	static const char *const texts[] = {
		"0",     "0.00",
		"1",     "-1",
		"0.001", "-0.10",
		"100",   "123456789012345678901234567890.123456789012345678901234567890"};

	for (size_t i = 0; i < PB_ARRAY_LEN(texts); i++) {
		char buf[EXPR_DECIMAL_TEXT_BYTES];
		struct expr_decimal d;

		ck_assert(expr_decimal_parse(texts[i], strlen(texts[i]), &d));
		ck_assert_uint_eq(expr_decimal_format(&d, buf), strlen(texts[i]));
		ck_assert_str_eq(buf, texts[i]);
	}
}
END_TEST

START_TEST(decimal__limits)
{
	char digits[EXPR_DECIMAL_DIGITS + 2];
	struct expr_decimal d, r;

	memset(digits, '9', sizeof(digits));
	ck_assert(expr_decimal_parse(digits, EXPR_DECIMAL_DIGITS, &d));
	ck_assert(!expr_decimal_parse(digits, EXPR_DECIMAL_DIGITS + 1, &r));
	ck_assert(!expr_decimal_add(&d, &d, false, &r));
	ck_assert(!expr_decimal_mul(&d, &d, &r));
	ck_assert(!expr_decimal_parse("1e-31", 5, &r));
	ck_assert(expr_decimal_parse("1e-30", 5, &r));
	ck_assert(!expr_decimal_parse("1e60", 4, &r));
	ck_assert(expr_decimal_div(&r, &d, 30, EXPR_ROUND_UP, &r));
	ck_assert(expr_decimal_div(&d, &d, 30, EXPR_ROUND_HALF_UP, &r));
	ck_assert(!expr_decimal_div(&d, &r, 30, EXPR_ROUND_HALF_UP, &r));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("decimal");

	tcase_add_test(tc, decimal__agrees_with_int128);
	tcase_add_test(tc, decimal__text_comes_back);
	tcase_add_test(tc, decimal__limits);
	return expr_test_main("expr_decimal", tc);
}
