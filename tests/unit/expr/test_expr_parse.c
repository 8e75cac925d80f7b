/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_parse.c: faults with their byte, nothing of a host language (HARDENING E01), bounded depth. */
#include "expr_test.h"

static const struct expr_case faults[] = {
	{"", "!expr.syntax@0"},
	{"  ", "!expr.syntax@2"},
	{"1 +", "!expr.syntax@3"},
	{"1 2", "!expr.syntax@2"},
	{"a b", "!expr.syntax@2"},
	{"(1", "!expr.syntax@2"},
	{"1)", "!expr.syntax@1"},
	{"[1", "!expr.syntax@2"},
	{"{a 1}", "!expr.syntax@3"},
	{"{a: 1, a: 2}", "!expr.syntax@7"},
	{"{1: 2}", "!expr.syntax@1"},
	{"{a}", "!expr.syntax@2"},
	{"'abc", "!expr.syntax@0"},
	{"'a\\q'", "!expr.syntax@2"},
	{"'\\ud800'", "!expr.syntax"},
	{"'\\udc00'", "!expr.syntax"},
	{"'\\u12'", "!expr.syntax"},
	{"`abc", "!expr.syntax@0"},
	{"`a${1`", "!expr.syntax"},
	{"`a${}`", "!expr.syntax"},
	{"01", "!expr.syntax@0"},
	{"1abc", "!expr.syntax"},
	{"1e", "!expr.syntax"},
	{".5", "!expr.syntax@0"},
	{"a.", "!expr.syntax@2"},
	{"a.[0]", "!expr.syntax@2"},
	{"a[", "!expr.syntax@2"},
	{"a[]", "!expr.syntax@2"},
	{"a = 1", "!expr.syntax@2"},
	{"a === 1", "!expr.syntax"},
	{"a += 1", "!expr.syntax"},
	{"a++", "!expr.syntax"},
	{"a & b", "!expr.syntax"},
	{"a; b", "!expr.syntax@1"},
	{"a ? 1", "!expr.syntax@5"},
	{"a ? : 2", "!expr.syntax@4"},
	{"+1", "!expr.syntax@0"},
	{"x => x", "!expr.syntax@2"},
	{"(x) => x", "!expr.syntax@4"},
	{"steps", "!expr.syntax@5"},
	{"steps[n]", "!expr.syntax@6"},
	{"steps.length()", "!expr.syntax@12"},
	{"errors()", "!expr.unknown_function@0"},
	{"nope(1)", "!expr.unknown_function@0"},
	{"a.nope()", "!expr.unknown_function@2"},
	{"upper()", "!expr.arity@0"},
	{"upper('a', 'b')", "!expr.arity@0"},
	{"'a'.upper('b')", "!expr.arity@4"},
	{"min(1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8)", "!expr.arity"},
	{"map([1], 2)", "!expr.syntax@9"},
	{"map([1])", "!expr.arity@0"},
	{"upper(x => x)", "!expr.syntax@6"},
	{"map(x => x, [1])", "!expr.syntax@4"},
	{"[1].map((a, b, c) => a)", "!expr.arity"},
	{"[1].map((a, ) => a)", "!expr.syntax"},
	{"[1].map(this => 1)", "!expr.syntax"},
	{"a.upper", "null"},
	{"items[0](1)", "!expr.syntax@8"},
	{"1(2)", "!expr.syntax"},
	{"a'b'", "!expr.syntax"},
};

/* Ordinary names of fields, though words of other languages. */
static const struct expr_case words[] = {
	{"class", "null"},    {"new", "null"},
	{"for", "null"},      {"do", "null"},
	{"return", "null"},   {"import", "null"},
	{"export.x", "null"}, {"delete", "null"},
	{"switch", "null"},   {"[1].map(new => new + 1)", "[2]"},
};

static const struct expr_case attacks[] = {
	/* E01 */
	{"this.constructor.constructor('return process')()", "!expr.syntax@0"},
	{"this[`constructor`]", "!expr.syntax@0"},
	{"this", "!expr.syntax@0"},
	{"''.constructor", "!expr.syntax@3"},
	{"[].constructor.constructor('x')()", "!expr.syntax@3"},
	{"a.constructor('x')", "!expr.syntax"},
	{"a`constructor`", "!expr.syntax@1"},
	{"a.b`x`", "!expr.syntax@3"},
	{"with (a) b", "!expr.unknown_function@0"},
	{"({constructor:c})=>c", "!expr.syntax"},
	{"[1].map(({constructor:c})=>c)", "!expr.syntax"},
	{"__proto__", "!expr.syntax@0"},
	{"a.__proto__", "!expr.syntax@2"},
	{"a.__proto__.polluted", "!expr.syntax@2"},
	{"{__proto__: 1}", "!expr.syntax@1"},
	{"Reflect.get(a)", "!expr.syntax@0"},
	{"Reflect", "!expr.syntax"},
	{"{get a() { 1 }}", "!expr.syntax"},
	{"globalThis", "!expr.syntax"},
	{"new Date()", "!expr.syntax"},
	{"function(){}", "!expr.unknown_function@0"},
	{"eval('1')", "!expr.unknown_function@0"},
	{"import('x')", "!expr.unknown_function@0"},
	{"[1].map(function(x){return x})", "!expr.syntax@8"},
	{"...a", "!expr.syntax@0"},
	{"[...a]", "!expr.syntax@1"},
	{"while(1){}", "!expr.unknown_function"},
	{"/a+/.test('a')", "!expr.syntax@0"},
	/* E05 */
	{"$..*$..*$..*$..*$..*$..*$..*$..*$..*$..*$..*$..*$..*$..*$..*$..*", "!expr.syntax@0"},
	{"'; DROP TABLE x; --'", "\"; DROP TABLE x; --\""},
	{"'; DROP TABLE", "!expr.syntax@0"},
	{"'%n%s%n'", "\"%n%s%n\""},
	{"'../../etc/passwd'", "\"../../etc/passwd\""},
	{"env.MASTER_KEY", "null"},
	{"process.env", "null"},
	{"getenv('PATH')", "!expr.unknown_function@0"},
	{"'%n%s'()", "!expr.syntax"},
	{"%n%s", "!expr.syntax@0"},
	{"../x", "!expr.syntax@0"},
};

EXPR_TABLE_TEST(parse__words_of_other_languages, words)
EXPR_TABLE_TEST(parse__reports_faults, faults)
EXPR_TABLE_TEST(parse__refuses_attacks, attacks)

static char *nest(const char *open, const char *middle, const char *close, size_t n)
{
	pb_auto_buf b = PB_BUF_INIT;
	bool ok = true; /* an assertion for each piece would take seconds */

	for (size_t i = 0; i < n; i++)
		ok = pb_buf_adds(&b, open) && ok;
	ok = pb_buf_adds(&b, middle) && ok;
	for (size_t i = 0; i < n; i++)
		ok = pb_buf_adds(&b, close) && ok;
	ck_assert(ok);
	return pb_buf_steal(&b, NULL);
}

static const struct {
	const char *open, *middle, *close;
} nests[] = {
	{"(", "1", ")"},        {"[", "1", "]"},           {"abs(", "1", ")"},
	{"!", "1", ""},         {"-", " 1", ""},           {"{a:", "1", "}"},
	{"`${", "1", "}`"},     {"1?", "1", ":2"},         {"0?1:", "2", ""},
	{"a[", "1", "]"},       {"[1].map(x=>", "1", ")"}, {"1+(", "1", ")"},
	{"", "' '", ".trim()"}, {"[1].sum(x=>", "1", ")"},
};

/* Twice as deep as allowed, and a hundred times: the same clear fault. 10^6 nested calls are E03. */
START_TEST(parse__bounds_depth)
{
	/* the million is one form's only: building the text is what takes long */
	const size_t counts[] = {130, 6000, _i == 2 ? 1000000 : 20000};

	for (size_t i = 0; i < PB_ARRAY_LEN(counts); i++) {
		pb_autofree char *text =
			nest(nests[_i].open, nests[_i].middle, nests[_i].close, counts[i]);
		pb_autofree char *got = expr_test_eval(text);
		const char *want =
			strlen(text) > EXPR_MAX_SOURCE_BYTES ? "!expr.too_long" : "!expr.too_deep";

		ck_assert_msg(!strncmp(got, want, strlen(want)), "%.40s...: %s", text, got);
	}
}
END_TEST

START_TEST(parse__takes_thirty_levels)
{
	pb_autofree char *text = nest(nests[_i].open, nests[_i].middle, nests[_i].close, 15);
	pb_autofree char *got = expr_test_eval(text);

	ck_assert_msg(got[0] != '!', "%s: %s", text, got);
}
END_TEST

/* Operators of one level make no depth. */
START_TEST(parse__takes_long_chains)
{
	static const char *const ops[] = {" + 1", " && 1", " || 0", " ?? 1", " * 1", " == 1"};
	pb_autofree char *text = nest("", "1", ops[_i], 5000);
	pb_autofree char *got = expr_test_eval(text);

	ck_assert_msg(got[0] != '!', "%s", got);
}
END_TEST

START_TEST(parse__bounds_path_length)
{
	pb_autofree char *text = nest("", "a", ".b", 5000);
	pb_autofree char *got = expr_test_eval(text);

	ck_assert_msg(!strncmp(got, "!expr.too_deep", 14), "%s", got);
}
END_TEST

START_TEST(parse__message_says_what_was_expected)
{
	pb_auto_arena a;
	const struct expr_program *p;
	struct expr_error err = {.err = PB_ERR_INIT};

	pb_arena_init(&a, 1u << 20);
	ck_assert_int_eq(expr_program_compile(&a, "upper('a'", 9, &p, &err), PB_E_INVALID);
	ck_assert_str_eq(err.err.msg, "byte 9: expected ')', found the end");
}
END_TEST

START_TEST(parse__refuses_bad_utf8_and_small_arenas)
{
	pb_auto_arena a, tiny;
	const struct expr_program *p;
	struct expr_error err = {.err = PB_ERR_INIT};

	pb_arena_init(&a, 1u << 20);
	pb_arena_init(&tiny, 100);
	ck_assert_int_eq(expr_program_compile(&a, "'\xff'", 3, &p, &err), PB_E_INVALID);
	ck_assert_int_eq(expr_program_compile(&tiny, "1 + 2 + 3", 9, &p, &err), PB_E_TOO_LARGE);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("parse");

	tcase_add_loop_test(tc, parse__words_of_other_languages, 0, PB_ARRAY_LEN(words));
	tcase_add_loop_test(tc, parse__reports_faults, 0, PB_ARRAY_LEN(faults));
	tcase_add_loop_test(tc, parse__refuses_attacks, 0, PB_ARRAY_LEN(attacks));
	tcase_add_loop_test(tc, parse__bounds_depth, 0, PB_ARRAY_LEN(nests));
	tcase_add_loop_test(tc, parse__takes_thirty_levels, 0, PB_ARRAY_LEN(nests));
	tcase_add_loop_test(tc, parse__takes_long_chains, 0, 6);
	tcase_add_test(tc, parse__bounds_path_length);
	tcase_add_test(tc, parse__message_says_what_was_expected);
	tcase_add_test(tc, parse__refuses_bad_utf8_and_small_arenas);
	return expr_test_main("expr_parse", tc);
}
