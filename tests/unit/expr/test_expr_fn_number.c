/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_fn_number.c. */
#include "expr_test.h"

static const struct expr_case cases[] = {
	{"abs(-5)", "5"},
	{"abs(-2.5)", "2.5"},
	{"abs(min)", "!expr.range"},
	{"abs('5')", "!expr.type"},
	{"round(2.5)", "3"},
	{"round(-2.5)", "-3"},
	{"round(1.005, 2)", "1.01"},
	{"round(2.675, 2)", "2.68"},
	{"round(0.1 + 0.2, 2)", "0.3"},
	{"round(5)", "5"},
	{"round(max)", "9223372036854775807"},
	{"round(1e300)", "1e+300"},
	{"round(1e-300)", "0"},
	{"round(1.5, 16)", "!expr.range"},
	{"floor(-1.1)", "-2"},
	{"floor(1.99, 1)", "1.9"},
	{"ceil(1.1)", "2"},
	{"ceil(-1.9)", "-1"},
	{"trunc(-1.9)", "-1"},
	{"sign(-0.1)", "-1"},
	{"sign(0.0)", "0"},
	{"sign(huge)", "1"},
	{"clamp(5, 1, 3)", "3"},
	{"clamp(0, 1, 3)", "1"},
	{"clamp(2.5, 1, 3)", "2.5"},
	{"clamp(2, 3, 1)", "!expr.argument"},
	{"pow(2, 10)", "1024"},
	{"pow(2, 63)", "!expr.range"},
	{"pow(2, 0.5)", "1.4142135623730951"},
	{"pow(2, -1)", "0.5"},
	{"pow(-8, 0.5)", "!expr.range"},
	{"pow(10, 400)", "!expr.range"},
	{"pow(0, 0)", "1"},
	{"sqrt(16)", "4"},
	{"sqrt(-1)", "!expr.range"},
	{"to_number('12')", "12"},
	{"to_number(' 12.50 ')", "12.50"},
	{"to_number('-1e3') + 0", "-1000"},
	{"to_number(true)", "1"},
	{"to_number('abc')", "!expr.argument"},
	{"to_number('')", "!expr.argument"},
	{"to_number('0x10')", "!expr.argument"},
	{"to_number('1,5')", "!expr.argument"},
	{"to_number('abc', 7)", "7"},
	{"to_number(nil, null)", "null"},
	{"to_number('NaN', 0)", "0"},
	{"to_number('12345678901234567890')", "12345678901234567890"},
	{"to_int('12.9')", "12"},
	{"to_int(-1.9)", "-1"},
	{"to_int('1e3')", "1000"},
	{"to_int(big)", "!expr.argument"},
	{"to_int(huge, 3)", "3"},
	{"format_number(1234567.891)", "\"1,234,567.89\""},
	{"format_number(1234, 0)", "\"1,234\""},
	{"format_number(-999.995)", "\"-1,000.00\""},
	{"format_number(1234.5, 2, ' ', ',')", "\"1 234,50\""},
	{"format_number(0)", "\"0.00\""},
	{"format_number(123, 0, '')", "\"123\""},
	{"format_number(huge)", "!expr.range"},
	{"format_number('1')", "!expr.type"},
	{"is_integer(5.0)", "true"},
	{"is_integer(5.5)", "false"},
	{"is_integer('5')", "false"},
};

/* Blanks around a number are read as well, though they mean nothing. */
static const struct expr_case blanks[] = {
	{"[repeat(' ', 900000)].map(t => range(0, 20).map(i => to_number(t, 0)))",
	 "!expr.budget_steps"},
	{"[repeat(' ', 900000)].map(t => range(0, 20).map(i => to_int(t, 0)))",
	 "!expr.budget_steps"},
	{"to_number(concat(repeat(' ', 900000), '7'))", "7"},
};

EXPR_TABLE_TEST(number__blanks_are_paid_for, blanks)
EXPR_TABLE_TEST(number__cases, cases)

int main(void)
{
	TCase *tc = tcase_create("number");

	tcase_add_loop_test(tc, number__cases, 0, PB_ARRAY_LEN(cases));
	tcase_add_loop_test(tc, number__blanks_are_paid_for, 0, PB_ARRAY_LEN(blanks));
	return expr_test_main("expr_fn_number", tc);
}
