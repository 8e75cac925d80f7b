/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_compare.c: exact order between the three kinds of numbers. Operators: test_expr_eval.c. */
#include "expr/expr_fn.h"
#include "expr_test.h"

#define I(v)                                                                                       \
	{                                                                                          \
		.type = PB_JSON_INT, .i = (v)                                                      \
	}
#define D(v)                                                                                       \
	{                                                                                          \
		.type = PB_JSON_REAL, .d = (v)                                                     \
	}
#define T(v)                                                                                       \
	{                                                                                          \
		.type = PB_JSON_NUMBER, .len = sizeof(v) - 1, .s = (v)                             \
	}

/* Strictly rising. */
static const struct pb_json rising[] = {
	T("-1e401"),
	T("-1e400"),
	D(-1e300),
	T("-9223372036854775809"),
	I(INT64_MIN),
	I(-9007199254740993),
	D(-9007199254740992.0),
	D(-1.5),
	I(-1),
	T("-1e-300"),
	T("-1e-400"),
	I(0),
	T("1e-401"),
	T("1e-400"),
	T("1e-300"),
	T("0.1"),
	D(0.5),
	I(1),
	T("1.0000000000000000000000001"),
	D(1.5),
	I(9007199254740991),
	D(9007199254740992.0),
	I(9007199254740993),
	I(INT64_MAX - 1),
	I(INT64_MAX),
	T("9223372036854775808"),
	D(1e300),
	T("1e400"),
	T("1e401"),
	T("10000000000000000000000000000000000000000000000000000000000000000000000000000001e400"),
	T("10000000000000000000000000000000000000000000000000000000000000000000000000000002e400"),
};

START_TEST(compare__is_exact)
{
	for (size_t i = 0; i < PB_ARRAY_LEN(rising); i++) {
		for (size_t k = 0; k < PB_ARRAY_LEN(rising); k++)
			ck_assert_msg(expr_number_compare(&rising[i], &rising[k]) ==
					      (i > k) - (i < k),
				      "%zu and %zu", i, k);
	}
}
END_TEST

START_TEST(compare__equal_values_of_all_kinds)
{
	static const struct pb_json same[][2] = {
		{I(5), D(5)},          {I(5), T("5.0")},
		{D(0.1), T("0.1")},    {T("1e2"), I(100)},
		{T("0.10"), T("0.1")}, {I(INT64_MIN), D(-9223372036854775808.0)},
		{T("-0.0"), I(0)},
	};

	ck_assert_int_eq(expr_number_compare(&same[_i][0], &same[_i][1]), 0);
	ck_assert_int_eq(expr_number_compare(&same[_i][1], &same[_i][0]), 0);
}
END_TEST

#define DIGITS 950000

/* limit is 0.000...01, `zero` 0.000...00: a reader has to go to the end of both. */
static const char *const long_numbers[] = {
	"items.filter(i => i > limit)",
	"items.filter(i => i == limit)",
	"items.map(i => i + limit)",
	"items.map(i => zero ? 1 : 0)",
	"items.map(i => !zero)",
	"items.map(i => zero || 1)",
	"items.filter(i => zero)",
	"items.some(i => zero)",
	"items.count(i => zero)",
	"items.unique_by(i => limit)",
	"items.sort_by(i => limit)",
	"items.min(i => limit)",
	"items.map(i => items[limit])",
	"items.map(i => abs(limit))",
	"items.map(i => round(limit))",
	"items.map(i => sign(limit))",
	"items.map(i => clamp(1, zero, limit))",
	"items.map(i => sqrt(limit))",
	"items.map(i => pow(limit, 2))",
	"items.map(i => to_int(limit))",
	"items.map(i => is_integer(limit))",
	"items.map(i => to_bool(zero))",
	"items.map(i => to_json(i, zero))",
};

static const struct pb_json *long_trigger(struct pb_arena *a)
{
	pb_autofree char *zeros = pb_xcalloc(1, DIGITS);
	pb_auto_buf b = PB_BUF_INIT;

	memset(zeros, '0', DIGITS);
	for (int k = 0; k < 2; k++) {
		ck_assert(pb_buf_adds(&b, k ? "1,\"zero\":0." : "{\"body\":{\"limit\":0."));
		ck_assert(pb_buf_add(&b, zeros, DIGITS));
	}
	ck_assert(pb_buf_adds(&b, ",\"items\":[1,2,3]}}"));
	return expr_test_json(a, pb_buf_str(&b));
}

START_TEST(compare__long_numbers_cost_their_length)
{
	struct expr_scope scope = {.now_us = 1};
	struct expr_budget budget;
	pb_autofree char *got = NULL;
	pb_auto_arena a;

	pb_arena_init(&a, 8u << 20);
	scope.trigger = long_trigger(&a);
	expr_budget_init(&budget);
	got = expr_test_eval_scope(long_numbers[_i], &scope, &budget);
	ck_assert_msg(!strncmp(got, "!expr.budget_steps@", 19), "%s gave %.60s", long_numbers[_i],
		      got);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("compare");

	tcase_add_test(tc, compare__is_exact);
	tcase_add_loop_test(tc, compare__equal_values_of_all_kinds, 0, 7);
	tcase_add_loop_test(tc, compare__long_numbers_cost_their_length, 0,
			    PB_ARRAY_LEN(long_numbers));
	return expr_test_main("expr_compare", tc);
}
