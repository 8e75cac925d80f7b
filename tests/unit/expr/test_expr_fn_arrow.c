/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_fn_arrow.c. */
#include "expr_test.h"

static const struct expr_case cases[] = {
	{"map(nums, x => x + 1)", "[4,2,3]"},
	{"map([], x => x / 0)", "[]"},
	{"map(user, x => x)", "!expr.type"},
	{"nums.filter(x => x > 1)", "[3,2]"},
	{"nums.filter((x, i) => i == 0)", "[3]"},
	{"items.find(i => i.sku == 'b').qty", "4"},
	{"items.find(i => i.sku == 'z')", "null"},
	{"items.find_index(i => i.sku == 'b')", "1"},
	{"items.find_index(i => false)", "-1"},
	{"nums.some(x => x > 2)", "true"},
	{"nums.every(x => x > 2)", "false"},
	{"[].some(x => true)", "false"},
	{"[].every(x => false)", "true"},
	{"nums.count()", "3"},
	{"nums.count(x => x > 1)", "2"},
	{"nums.reduce((a, x) => a * 10 + x)", "312"},
	{"nums.reduce((a, x) => a + x, 100)", "106"},
	{"[].reduce((a, x) => a + x)", "null"},
	{"[].reduce((a, x) => a + x, 7)", "7"},
	{"sum(nums)", "6"},
	{"sum([])", "0"},
	{"sum([1, 2.5])", "3.5"},
	{"sum([1, null])", "!expr.type"},
	{"sum([max, 1])", "!expr.range"},
	{"items.sum(i => i.qty)", "7"},
	{"average(nums)", "2"},
	{"average([1, 2])", "1.5"},
	{"average([])", "null"},
	{"min(nums)", "1"},
	{"max(nums)", "3"},
	{"min(3, 1, 2)", "1"},
	{"max('a', 'b')", "\"b\""},
	{"items.max(i => i.price)", "10"},
	{"min([])", "null"},
	{"max([1, 'a'])", "!expr.type"},
	{"max([null])", "!expr.type"},
	{"min(5)", "!expr.type"},
	{"sort(nums)", "[1,2,3]"},
	{"sort(nums, 'desc')", "[3,2,1]"},
	{"sort(words)", "[\"apple\",\"fig\",\"pear\"]"},
	{"sort([2, null, 1])", "[1,2,null]"},
	{"sort([true, false])", "[false,true]"},
	{"sort([1, 'a'])", "!expr.type"},
	{"sort(nums, 'up')", "!expr.argument"},
	{"sort([])", "[]"},
	{"range(1000).sort('desc').first()", "999"},
	{"items.sort_by(i => i.price).map(i => i.qty)", "[1,4,2]"},
	{"items.sort_by(i => i.sku).map(i => i.qty)", "[2,1,4]"},
	{"items.sort_by(i => i.sku, 'desc').map(i => i.qty)", "[4,2,1]"},
	{"items.group_by(i => i.sku).a.length", "2"},
	{"items.group_by(i => i.sku).keys()", "[\"a\",\"b\"]"},
	{"nums.group_by(x => x % 2)", "{\"1\":[3,1],\"0\":[2]}"},
	{"[1].group_by(x => null)", "{\"null\":[1]}"},
	{"[1].group_by(x => [x])", "!expr.type"},
	{"nums.flat_map(x => [x, x])", "[3,3,1,1,2,2]"},
	{"nums.flat_map(x => x)", "[3,1,2]"},
	{"items.unique_by(i => i.sku).map(i => i.qty)", "[2,4]"},
	{"range(200).map(x => range(x).length()).sum()", "19900"},
};

EXPR_TABLE_TEST(arrow__cases, cases)

int main(void)
{
	TCase *tc = tcase_create("arrow");

	tcase_add_loop_test(tc, arrow__cases, 0, PB_ARRAY_LEN(cases));
	return expr_test_main("expr_fn_arrow", tc);
}
