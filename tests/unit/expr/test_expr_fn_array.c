/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_fn_array.c. */
#include "expr_test.h"

static const struct expr_case cases[] = {
	{"length('\xd0\xb0\xd0\xb1')", "2"},
	{"length(nums)", "3"},
	{"length(user)", "2"},
	{"length(nil)", "!expr.type"},
	{"is_empty(nil)", "true"},
	{"is_empty([])", "true"},
	{"is_empty({})", "true"},
	{"is_empty(0)", "false"},
	{"first(nums)", "3"},
	{"first(nums, 2)", "[3,1]"},
	{"first([])", "null"},
	{"last(nums)", "2"},
	{"last(nums, 2)", "[1,2]"},
	{"last(nums, 9)", "[3,1,2]"},
	{"contains('abc', 'b')", "true"},
	{"contains(nums, 2.0)", "true"},
	{"contains([{a: 1}], {a: 1})", "true"},
	{"includes(words, 'kiwi')", "false"},
	{"contains(5, 5)", "!expr.type"},
	{"index_of('\xd0\xb0\xd0\xb1', '\xd0\xb1')", "1"},
	{"index_of(nums, 2)", "2"},
	{"index_of(nums, 9)", "-1"},
	{"slice(nums, 1)", "[1,2]"},
	{"slice(nums, -1)", "[2]"},
	{"slice(nums, 0, -1)", "[3,1]"},
	{"slice(nums, 5, 9)", "[]"},
	{"slice('h\xc3\xa9llo', 1, 3)", "\"\xc3\xa9l\""},
	{"slice('abc', 2, 1)", "\"\""},
	{"slice(5, 1)", "!expr.type"},
	{"reverse(nums)", "[2,1,3]"},
	{"reverse('a\xd0\xb1"
	 "c')",
	 "\"c\xd0\xb1"
	 "a\""},
	{"concat([1], [2, 3])", "[1,2,3]"},
	{"concat([1], 2)", "!expr.type"},
	{"concat('a', 1, nil, true)", "\"a1true\""},
	{"unique([1, 1.0, '1', 1, null, null, [1], [1]])", "[1,\"1\",null,[1]]"},
	{"unique([{a: 1, b: 2}, {b: 2, a: 1}])", "[{\"a\":1,\"b\":2}]"},
	{"range(3000).map(i => i % 7).unique().length", "7"},
	{"flatten(nested)", "[1,[2],3]"},
	{"flatten(nested, 2)", "[1,2,3]"},
	{"flatten(nested, 17)", "!expr.range"},
	{"compact([1, null, 0, ''])", "[1,0,\"\"]"},
	{"range(3)", "[0,1,2]"},
	{"range(1, 3)", "[1,2]"},
	{"range(5, 0, -2)", "[5,3,1]"},
	{"range(0, 5, 2)", "[0,2,4]"},
	{"range(3, 1)", "[]"},
	{"range(0, 5, 0)", "!expr.argument"},
	{"range(1e12)", "!expr.budget_steps"},
	{"zip([1, 2], ['a'])", "[[1,\"a\"],[2,null]]"},
	{"chunk(nums, 2)", "[[3,1],[2]]"},
	{"chunk(nums, 0)", "!expr.range"},
	{"is_array(nums)", "true"},
	{"is_array(user)", "false"},
};

EXPR_TABLE_TEST(array__cases, cases)

int main(void)
{
	TCase *tc = tcase_create("array");

	tcase_add_loop_test(tc, array__cases, 0, PB_ARRAY_LEN(cases));
	return expr_test_main("expr_fn_array", tc);
}
