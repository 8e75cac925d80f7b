/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_fn_decimal.c, and expr_decimal.c under it. */
#include "expr_test.h"

static const struct expr_case cases[] = {
	{"decimal('19.90')", "19.90"},
	{"decimal(19.90)", "19.90"},
	{"decimal(f)", "2.5"},
	{"decimal(' 7 ')", "7"},
	{"decimal('1e3')", "1000"},
	{"decimal('1.5e-3')", "0.0015"},
	{"decimal('-0.00')", "0.00"},
	{"decimal('abc')", "!expr.argument"},
	{"decimal('')", "!expr.argument"},
	{"decimal('1.')", "!expr.argument"},
	{"decimal('--1')", "!expr.argument"},
	{"decimal('1.2.3')", "!expr.argument"},
	{"decimal('1e61')", "!expr.argument"},
	{"decimal(nil)", "!expr.type"},
	{"decimal_add('0.1', '0.2')", "0.3"},
	{"decimal_add(0.1, 0.2) == 0.3", "true"},
	{"decimal_add('0.10', 0.2)", "0.30"},
	{"decimal_add(1, 2, 3.50)", "6.50"},
	{"decimal_add(big, 1)", "12345678901234567891"},
	{"decimal_add('-5', '3')", "-2"},
	{"decimal_add('5', '-5.0')", "0.0"},
	{"decimal_sub('1', '0.01')", "0.99"},
	{"decimal_sub('1', '2', '3')", "-4"},
	{"decimal_sub('-1', '-1')", "0"},
	{"decimal_sub(max, -1)", "9223372036854775808"},
	{"decimal_mul('19.99', 3)", "59.97"},
	{"decimal_mul('-0.5', '0.5')", "-0.25"},
	{"decimal_mul('99999999999999999999', '99999999999999999999')",
	 "9999999999999999999800000000000000000001"},
	{"decimal_mul(0, -5)", "0"},
	{"decimal_mul('9e39', '9e39')", "!expr.range"},
	{"decimal_div(1, 3, 4)", "0.3333"},
	{"decimal_div(2, 3, 4)", "0.6667"},
	{"decimal_div(-2, 3, 4)", "-0.6667"},
	{"decimal_div(10, 4, 0)", "3"},
	{"decimal_div(10, 4, 0, 'half_even')", "2"},
	{"decimal_div(30, 4, 0, 'half_even')", "8"},
	{"decimal_div('0.01', '1000', 2)", "0.00"},
	{"decimal_div('100', '0.03', 2)", "3333.33"},
	{"decimal_div(1, 0, 2)", "!expr.division_by_zero"},
	{"decimal_div(1, '0.00', 2)", "!expr.division_by_zero"},
	{"decimal_div(1, 3)", "!expr.arity"},
	{"decimal_div(1, 3, 31)", "!expr.range"},
	{"decimal_round('2.345', 2)", "2.35"},
	{"decimal_round('2.345', 2, 'half_even')", "2.34"},
	{"decimal_round('2.341', 2, 'up')", "2.35"},
	{"decimal_round('-2.349', 2, 'down')", "-2.34"},
	{"decimal_round('-2.341', 2, 'ceiling')", "-2.34"},
	{"decimal_round('-2.341', 2, 'floor')", "-2.35"},
	{"decimal_round('2.5', 2)", "2.50"},
	{"decimal_round('99.995', 2)", "100.00"},
	{"decimal_round('-0.001', 2)", "0.00"},
	{"decimal_round('2.5', 2, 'nearest')", "!expr.argument"},
	{"decimal_cmp('1.0', 1)", "0"},
	{"decimal_cmp('-1', '1')", "-1"},
	{"decimal_cmp('0.1', '0.09')", "1"},
	{"decimal_cmp('-0.1', '-0.09')", "-1"},
	{"decimal_sum(['0.1', 0.2, '0.30'])", "0.60"},
	{"decimal_sum([])", "0"},
	{"items.decimal_sum(i => decimal_mul(i.price, i.qty))", "43.0"},
	{"decimal_sum([1, 'x'])", "!expr.type"},
	{"decimal('1000.00') >= 1000", "true"},
	{"decimal('5.00') * 3", "15"},
	{"`${decimal('5.00')}`", "\"5.00\""},
};

EXPR_TABLE_TEST(decimal__cases, cases)

int main(void)
{
	TCase *tc = tcase_create("decimal");

	tcase_add_loop_test(tc, decimal__cases, 0, PB_ARRAY_LEN(cases));
	return expr_test_main("expr_fn_decimal", tc);
}
