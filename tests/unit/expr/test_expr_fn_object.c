/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_fn_object.c. */
#include "expr_test.h"

static const struct expr_case cases[] = {
	{"keys(user)", "[\"name\",\"age\"]"},
	{"values(user)", "[\"Ann\",41]"},
	{"keys(nums)", "!expr.type"},
	{"entries({a: 1})", "[{\"key\":\"a\",\"value\":1}]"},
	{"from_entries(entries(user)) == user", "true"},
	{"from_entries([['a', 1], ['b', 2], ['a', 3]])", "{\"a\":3,\"b\":2}"},
	{"from_entries([{key: 5}])", "{\"5\":null}"},
	{"from_entries([1])", "!expr.type"},
	{"pick(user, 'age')", "{\"age\":41}"},
	{"pick(user, ['age', 'zip'])", "{\"age\":41}"},
	{"pick(user, 5)", "!expr.type"},
	{"omit(user, 'age')", "{\"name\":\"Ann\"}"},
	{"merge({a: 1, b: 1}, {b: 2}, null, {c: 3})", "{\"a\":1,\"b\":2,\"c\":3}"},
	{"merge({a: 1}, 5)", "!expr.type"},
	{"set(user, 'age', 42)", "{\"name\":\"Ann\",\"age\":42}"},
	{"set({}, 'k', [1])", "{\"k\":[1]}"},
	{"get(trigger, 'body.items.0.sku')", "\"a\""},
	{"get(items, '-1.qty')", "1"},
	{"get(items, '9.qty')", "null"},
	{"get(items, 'x')", "null"},
	{"get(user, 'zip', 'none')", "\"none\""},
	{"get(user, '')", "{\"name\":\"Ann\",\"age\":41}"},
	{"has(user, 'age')", "true"},
	{"has(user, 'zip')", "false"},
	{"has({a: null}, 'a')", "true"},
};

EXPR_TABLE_TEST(object__cases, cases)

int main(void)
{
	TCase *tc = tcase_create("object");

	tcase_add_loop_test(tc, object__cases, 0, PB_ARRAY_LEN(cases));
	return expr_test_main("expr_fn_object", tc);
}
