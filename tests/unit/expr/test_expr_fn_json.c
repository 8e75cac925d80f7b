/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_fn_json.c (random and uuid: test_expr_template.c). */
#include "expr_test.h"

static const struct expr_case cases[] = {
	{"[nil, yes, n, price, t, nums, user].map(x => type(x)).join()",
	 "\"null, boolean, number, number, string, array, object\""},
	{"is_null(missing)", "true"},
	{"is_text(t)", "true"},
	{"is_number(big)", "true"},
	{"is_bool(no)", "true"},
	{"is_object(user)", "true"},
	{"is_object(nums)", "false"},
	{"to_bool('No')", "false"},
	{"to_bool('yes')", "true"},
	{"to_bool('0')", "false"},
	{"to_bool(0)", "false"},
	{"to_bool([])", "true"},
	{"default(empty, 'x')", "\"x\""},
	{"default(0, 'x')", "0"},
	{"missing.default(5)", "5"},
	{"coalesce(nil, missing, 0, 1)", "0"},
	{"coalesce(nil)", "null"},
	{"to_json({a: [1, 'x', 1.50]})", "\"{\\\"a\\\":[1,\\\"x\\\",1.50]}\""},
	{"to_json({a: [1], b: {}}, true)",
	 "\"{\\n  \\\"a\\\": [\\n    1\\n  ],\\n  \\\"b\\\": {}\\n}\""},
	{"parse_json('{\"a\":[1,2]}').a[1]", "2"},
	{"parse_json('1e400')", "1e400"},
	{"parse_json('{')", "!expr.argument"},
	{"parse_json('{', null)", "null"},
	{"parse_json('\"{{ 1 }}\"')", "\"{{ 1 }}\""},
	{"random() >= 0 && random() < 1", "true"},
	{"range(200).map(x => random(1, 3)).unique().sort()", "[1,2,3]"},
	{"random(1)", "!expr.argument"},
	{"random(3, 1)", "!expr.range"},
	{"uuid().matches('^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$')",
	 "true"},
	{"range(500).map(x => uuid()).unique().length", "500"},
};

EXPR_TABLE_TEST(json__cases, cases)

int main(void)
{
	TCase *tc = tcase_create("json");

	tcase_add_loop_test(tc, json__cases, 0, PB_ARRAY_LEN(cases));
	return expr_test_main("expr_fn_json", tc);
}
