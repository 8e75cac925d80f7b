/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_eval.c: paths, operators, literals, calls. */
#include "expr_test.h"

static const struct expr_case paths[] = {
	{"trigger.method", "\"POST\""},
	{"trigger.headers[\"x-id\"]", "\"7\""},
	{"trigger.body.user.name", "\"Ann\""},
	{"user.name", "\"Ann\""},
	{"user['name']", "\"Ann\""},
	{"user[`name`]", "\"Ann\""},
	{"user[[\"name\"][0]]", "\"Ann\""},
	{"\xd0\xb8\xd0\xbc\xd1\x8f", "\"\xd0\x90\xd0\xbd\xd0\xbd\xd0\xb0\""},
	{"missing", "null"},
	{"missing.deep.er", "null"},
	{"nil.x", "null"},
	{"missing?.x", "null"},
	{"missing?.[0]", "null"},
	{"n.x", "null"},
	{"t.x", "null"},
	{"items.x", "null"},
	{"items[0].sku", "\"a\""},
	{"items[-1].price", "1"},
	{"items[2].qty", "1"},
	{"items[3]", "null"},
	{"items[-4]", "null"},
	{"items[n - 4].sku", "\"b\""},
	{"items[0.5]", "null"},
	{"items[nil]", "null"},
	{"items[1.0].sku", "\"b\""},
	{"items[user]", "!expr.type"},
	{"items['0']", "null"},
	{"user[0]", "null"},
	{"items.length", "3"},
	{"t.length", "4"},
	{"trigger.body.length", "\"odd\""},
	{"user.length", "null"},
	{"\xd0\xb8\xd0\xbc\xd1\x8f.length", "4"},
	{"(items)[0].qty", "2"},
	{"[1, 2, 3][1]", "2"},
	{"{a: {b: 7}}.a.b", "7"},
	/* the operator that failed, not the first of its chain */
	{"1 + 2 - t", "!expr.type@6"},
	{"1 + n * 2 * t + 1", "!expr.type@10"},
	{"1 + (n - t) - 1", "!expr.type@7"},
	{"1 - 1 + 9 / 0", "!expr.division_by_zero@10"},
	{"1 == 1 == (t < 1)", "!expr.type@13"},
	{"trigger.body[\"constructor\"]", "\"field\""},
	{"trigger . body . n", "5"},
	{"trigger\xc2\xa0.body.n", "5"},
	{"evil", "\"{{ 1 + 1 }}\""},
	{"now", "\"2026-01-01T00:00:00.000000Z\""},
	{"now.slice(0, 4)", "\"2026\""},
	{"item", "null"},
	{"index", "null"},
	{"loop.x", "null"},
	{"vars.x", "null"},
	{"execution.id", "null"},
	{"steps.a", "null"},
	{"errors.a.code", "null"},
	{"env.MASTER_KEY", "null"},
	{"trigger.body.items[0]", "{\"price\":10,\"qty\":2,\"sku\":\"a\"}"},
};

static const struct expr_case operators[] = {
	{"1 + 2", "3"},
	{"1 + 2 * 3", "7"},
	{"(1 + 2) * 3", "9"},
	{"10 - 3 - 2", "5"},
	{"10 - (3 - 2)", "9"},
	{"2 * 3 % 4", "2"},
	{"7 / 2", "3.5"},
	{"8 / 2", "4"},
	{"-7 % 3", "-1"},
	{"7 % -3", "1"},
	{"5.5 % 2", "1.5"},
	{"1 / 0", "!expr.division_by_zero@2"},
	{"1 % 0", "!expr.division_by_zero"},
	{"1.5 / 0", "!expr.division_by_zero"},
	{"1 / 0.0", "!expr.division_by_zero"},
	{"0 / 5", "0"},
	{"0.1 + 0.2", "0.30000000000000004"},
	{"f * 2", "5"},
	{"price", "19.90"},
	{"price * 1", "19.9"},
	{"big", "12345678901234567890"},
	{"big + 1", "!expr.range"},
	{"huge", "1e400"},
	{"huge * 1", "!expr.range"},
	{"1e308 * 10", "!expr.range"},
	{"max", "9223372036854775807"},
	{"max + 0", "9223372036854775807"},
	{"max + 1", "!expr.range"},
	{"min - 1", "!expr.range"},
	{"min / -1", "!expr.range"},
	{"min % -1", "0"},
	{"max * 2", "!expr.range"},
	{"-min", "!expr.range"},
	{"-9223372036854775808", "-9223372036854775808"},
	{"9223372036854775808", "9223372036854775808"},
	{"3037000500 * 3037000500", "!expr.range"},
	{"-n", "-5"},
	{"- n", "-5"},
	{"--n", "5"},
	{"-1.50", "-1.50"},
	{"5 -3", "2"},
	{"n-1", "4"},
	{"n -1", "4"},
	{"1 + 'a'", "!expr.type@2"},
	{"'a' + 'b'", "!expr.type"},
	{"nil + 1", "!expr.type"},
	{"yes + 1", "!expr.type"},
	{"-t", "!expr.type"},
	{"[1] * 2", "!expr.type"},
	{"1 == 1", "true"},
	{"1 == 1.0", "true"},
	{"1 == '1'", "false"},
	{"1 != '1'", "true"},
	{"price == 19.9", "true"},
	{"big == 12345678901234567890", "true"},
	{"big == 12345678901234567891", "false"},
	{"9007199254740993 == 9007199254740992.0", "false"},
	{"9007199254740993 > 9007199254740992.0", "true"},
	{"9007199254740993 > 9007199254740991 + 1.0", "true"},
	{"0.1 + 0.2 == 0.3", "false"},
	{"huge == 1e400", "true"},
	{"huge > 1e308", "true"},
	{"-1e400 < 0", "true"},
	{"null == null", "true"},
	{"null == false", "false"},
	{"missing == null", "true"},
	{"[1, {a: 2}] == [1, {a: 2.0}]", "true"},
	{"{a: 1, b: 2} == {b: 2, a: 1}", "true"},
	{"{a: 1} == {a: 1, b: 2}", "false"},
	{"{a: 1, b: 2} == {a: 1, c: 2}", "false"},
	{"[1, 2] == [2, 1]", "false"},
	{"1 < 2", "true"},
	{"2 <= 2", "true"},
	{"3 > 4", "false"},
	{"3 >= 3", "true"},
	{"'a' < 'b'", "true"},
	{"'a' < 'aa'", "true"},
	{"'B' < 'a'", "true"},
	{"'z' < '\xd0\xb0'", "true"},
	{"1 < '2'", "!expr.type@2"},
	{"null < 1", "!expr.type"},
	{"true < false", "!expr.type"},
	{"[] < []", "!expr.type"},
	{"1 < 2 == true", "true"},
	{"max > 9223372036854775806.0", "true"},
	{"!true", "false"},
	{"!0", "true"},
	{"!0.00", "true"},
	{"!''", "true"},
	{"![]", "false"},
	{"!!'x'", "true"},
	{"!nil", "true"},
	{"true && false", "false"},
	{"0 || 'x'", "\"x\""},
	{"1 && 2 && 3", "3"},
	{"1 && 0 && 3", "0"},
	{"false || null || ''", "\"\""},
	{"false && (1 / 0)", "false"},
	{"true || (1 / 0)", "true"},
	{"nil ?? missing ?? 7", "7"},
	{"0 ?? 7", "0"},
	{"'' ?? 7", "\"\""},
	{"5 ?? (1 / 0)", "5"},
	{"1 + nil ?? 2", "!expr.type"},
	{"true || false && false", "true"},
	{"1 == 1 && 2 == 2", "true"},
	{"no ?? true || true", "false"},
	{"yes ? 1 : 2", "1"},
	{"no ? 1 : 2", "2"},
	{"no ? 1 : yes ? 2 : 3", "2"},
	{"yes ? no ? 1 : 2 : 3", "2"},
	{"yes ? 1 : (1 / 0)", "1"},
	{"nil ? 1 : 2", "2"},
	{"n > 3 && n < 10 ? 'mid' : 'out'", "\"mid\""},
	{"steps.order.total", "59.97"},
	{"steps[\"order\"].customer", "\"Bob\""},
	{"steps?.order?.customer", "\"Bob\""},
};

static const struct expr_case literals[] = {
	{"null", "null"},
	{"true", "true"},
	{"42", "42"},
	{"0", "0"},
	{"-0", "0"},
	{"1.50", "1.50"},
	{"1e3", "1e3"},
	{"1e3 + 0", "1000"},
	{"2.5E-1", "2.5E-1"},
	{"'a\\'b'", "\"a'b\""},
	{"\"a\\\"b\\n\"", "\"a\\\"b\\n\""},
	{"'\\u0041\\u00e9\\ud83d\\ude00'", "\"A\xc3\xa9\xf0\x9f\x98\x80\""},
	{"'\\u0000'.length", "1"},
	{"`a${1 + 1}b${nil}c`", "\"a2bc\""},
	{"``", "\"\""},
	{"`${user.name}!`", "\"Ann!\""},
	{"`\\`\\${x}`", "\"`${x}\""},
	{"`$ {${ {a: 1}.a }}`", "\"$ {1}\""},
	{"`${[1, 'x', {a: null}]}`", "\"[1,\\\"x\\\",{\\\"a\\\":null}]\""},
	{"`${`${1}`}`", "\"1\""},
	{"`${price} ${big} ${f} ${yes}`", "\"19.90 12345678901234567890 2.5 true\""},
	{"[]", "[]"},
	{"[1, 'a', [2], ]", "[1,\"a\",[2]]"},
	{"{}", "{}"},
	{"{a: 1, 'b c': 2, \"d\": [n], }", "{\"a\":1,\"b c\":2,\"d\":[5]}"},
	{"{true: 1, null: 2}", "{\"true\":1,\"null\":2}"},
	{"{a: 1}", "{\"a\":1}"},
};

static const struct expr_case calls[] = {
	{"upper('a')", "\"A\""},
	{"'a'.upper()", "\"A\""},
	{"t.upper().lower().length", "4"},
	{"items.sum(i => i.price * i.qty)", "43"},
	{"sum(items, i => i.price * i.qty)", "43"},
	{"missing?.upper()", "null"},
	{"missing?.map(x => x / 0)", "null"},
	{"missing.upper()", "!expr.type@8"},
	{"user.name.upper()", "\"ANN\""},
	{"nums.map((x, i) => x * 10 + i)", "[30,11,22]"},
	{"nums.map(x => nums.map(y => x * y))", "[[9,3,6],[3,1,2],[6,2,4]]"},
	{"nums.map(x => nums.filter(y => y > x).map(z => z - x))", "[[],[2,1],[1]]"},
	{"items.map(item => item.sku)", "[\"a\",\"b\",\"a\"]"},
	{"nums.map(now => now + 1)", "[4,2,3]"},
	{"nums.reduce((a, b) => a + b)", "6"},
	{"nums.map(() => 1)", "[1,1,1]"},
	{"5.abs()", "5"},
	{"-5.abs()", "5"},
	{"(1, 2)", "!expr.syntax@2"},
	{"nums.map(x => y => x)", "!expr.syntax"},
};

/* Named by scope, not by the trigger. */
START_TEST(scope__roots_are_looked_up)
{
	pb_auto_arena a;
	struct expr_budget budget;
	const struct expr_case cases[] = {
		{"item.k", "1"},
		{"index", "4"},
		{"loop.n", "2"},
		{"vars.site", "\"x\""},
		{"execution.id", "\"e1\""},
		{"steps.order.total", "59.97"},
		{"errors.order.code", "\"boom\""},
		{"fromevent", "true"},
	};

	pb_arena_init(&a, 1u << 20);
	for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
		struct expr_scope s = {
			.trigger = expr_test_json(&a, "{\"event\":{\"fromevent\":true}}"),
			.item = expr_test_json(&a, "{\"k\":1}"),
			.index = expr_test_json(&a, "4"),
			.loop = expr_test_json(&a, "{\"n\":2}"),
			.vars = expr_test_json(&a, "{\"site\":\"x\"}"),
			.execution = expr_test_json(&a, "{\"id\":\"e1\"}"),
			.step = expr_test_step,
			.error = expr_test_step,
		};
		const struct pb_json *both =
			expr_test_json(&a, "{\"order\":{\"total\":59.97,\"code\":\"boom\"}}");
		pb_autofree char *got = NULL;

		s.arg = (void *)(uintptr_t)both;
		expr_budget_init(&budget);
		got = expr_test_eval_scope(cases[i].text, &s, &budget);
		expr_test_check(&cases[i], got);
	}
}
END_TEST

static void run_with_steps(const struct expr_case *c)
{
	pb_auto_arena a;
	struct expr_scope s = {.now_us = INT64_C(1767225600000000), .step = expr_test_step};
	struct expr_budget budget;
	pb_autofree char *got = NULL;

	pb_arena_init(&a, 1u << 20);
	s.arg = (void *)(uintptr_t)expr_test_json(
		&a, "{\"order\":{\"total\":59.97,\"customer\":\"Bob\"}}");
	expr_budget_init(&budget);
	got = expr_test_eval_scope(c->text, &s, &budget);
	expr_test_check(c, got);
}

START_TEST(eval__operators)
{
	run_with_steps(&operators[_i]);
}
END_TEST

EXPR_TABLE_TEST(eval__paths, paths)
EXPR_TABLE_TEST(eval__literals, literals)
EXPR_TABLE_TEST(eval__calls, calls)

START_TEST(truthy__agrees_with_the_operators)
{
	const struct pb_json zero = {.type = PB_JSON_NUMBER, .len = 5, .s = "-0.00"};
	const struct pb_json tiny = {.type = PB_JSON_NUMBER, .len = 6, .s = "1e-999"};
	const struct pb_json zeroe = {.type = PB_JSON_NUMBER, .len = 3, .s = "0e9"};

	ck_assert(!expr_truthy(NULL));
	ck_assert(!expr_truthy(&zero));
	ck_assert(!expr_truthy(&zeroe));
	ck_assert(expr_truthy(&tiny));
	ck_assert(!expr_truthy(&pb_json_null));
	ck_assert(expr_truthy(&pb_json_bool_true));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("eval");

	tcase_add_loop_test(tc, eval__paths, 0, PB_ARRAY_LEN(paths));
	tcase_add_loop_test(tc, eval__operators, 0, PB_ARRAY_LEN(operators));
	tcase_add_loop_test(tc, eval__literals, 0, PB_ARRAY_LEN(literals));
	tcase_add_loop_test(tc, eval__calls, 0, PB_ARRAY_LEN(calls));
	tcase_add_test(tc, scope__roots_are_looked_up);
	tcase_add_test(tc, truthy__agrees_with_the_operators);
	return expr_test_main("expr_eval", tc);
}
