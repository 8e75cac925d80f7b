/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_fn_regex.c: results, and that work is bounded (time is checked in test_expr_template.c). */
#include "expr_test.h"

static const struct expr_case cases[] = {
	{"matches('abc', 'b')", "true"},
	{"matches('abc', '^b')", "false"},
	{"matches('ABC', 'b', 'i')", "true"},
	{"matches('\xd0\x90\xd0\x91', '^\\\\w+$')", "true"},
	{"matches('a\\nb', '^b', 'm')", "true"},
	{"matches('a\\nb', 'a.b', 's')", "true"},
	{"matches('a', 'a', 'x')", "!expr.argument"},
	{"matches('a', '(')", "!expr.regex"},
	{"matches('a', '\\\\C')", "!expr.regex"},
	{"matches('a', 'a{1001}')", "!expr.regex"},
	{"matches('', '')", "true"},
	{"matches(nil, 'a')", "!expr.type"},
	{"extract('order 42 of 7', '[0-9]+')", "\"42\""},
	{"extract('a=1; b=2', 'b=(\\\\d)')", "\"2\""},
	{"extract('a=1', '(\\\\w)=(\\\\d)', 2)", "\"1\""},
	{"extract('a=1', '(\\\\w)=(\\\\d)', 0)", "\"a=1\""},
	{"extract('a=1', '(\\\\w)=(\\\\d)', 5)", "null"},
	{"extract('abc', 'x')", "null"},
	{"extract('abc', '(x)?b')", "null"},
	{"extract_all('a1b22', '[0-9]+')", "[\"1\",\"22\"]"},
	{"extract_all('k=v,x=y', '(\\\\w)=')", "[\"k\",\"x\"]"},
	{"extract_all('abc', 'x*')", "[\"\",\"\",\"\",\"\"]"},
	{"extract_all('\xd1\x8f\xd1\x8f', '')", "[\"\",\"\",\"\"]"},
	{"replace_regex('a1b2', '[0-9]', '#')", "\"a#b#\""},
	{"replace_regex('john smith', '(\\\\w+) (\\\\w+)', '$2 $1$$')", "\"smith john$\""},
	{"replace_regex('abc', 'x*', '-')", "\"-a-b-c-\""},
	{"replace_regex('abc', 'b', '$9$x')", "\"a$xc\""},
	{"['a1', 'b', 'c3'].filter(x => x.matches('[0-9]'))", "[\"a1\",\"c3\"]"},
	{"repeat('ab ', 3000).extract_all('a').length", "3000"},
	{"repeat('1', 60000).matches('[0-9]+[xy]')", "!expr.budget_steps"},
	{"repeat('1', 60000).matches('(?:[0-9]{1000}x|y)')", "!expr.budget_steps"},
	{"'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('^(a+)+$')", "!expr.budget_steps"},
	{"'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('^(a|a)*$')", "!expr.budget_steps"},
	/* every character is looked for in the whole class */
	{"repeat('\xd1\x8f', 2000).matches(concat('[a', repeat('\xd1\x8f', 900), ']*[!?]'))",
	 "!expr.budget_steps"},
	/* wide ranges are spelled out when the pattern is caseless */
	{"matches('a', '[\\\\x{80}-\\\\x{10ffff}]')", "false"},
	{"matches('\xd0\xaf', '^[\xd0\xb0-\xd1\x8f]$', 'i')", "true"},
	{"matches('\xd0\xaf', '^[\\\\x{430}-\\\\x{44f}]$', 'i')", "true"},
	{"range(0, 20).filter(i => to_text(i).matches('[\xd0\xb0-\xd1\x8f]', 'i') && "
	 "matches('a', 'b'))",
	 "[]"},
	{"matches('a', repeat('[\\\\x{80}-\\\\x{10ffff}]', 20), 'i')", "!expr.budget_steps"},
	{"matches('a', repeat('[a-\xf4\x8f\xbf\xbf]', 20), 'i')", "!expr.budget_steps"},
	{"matches('a', concat('(?si)[', repeat('\\\\200-\\\\x{10ffff}', 20), ']'))",
	 "!expr.budget_steps"},
	{"matches('a', concat('(?ixx)[', repeat('a- \\\\N{U+10ffff}', 20), ']'))",
	 "!expr.budget_steps"},
	{"matches('a', '(*LIMIT_MATCH=1)a')", "!expr.regex"},
	{"matches('a', '(*UTF)a')", "!expr.regex"},

	{"repeat('a', 300000).matches('a')", "!expr.regex"},
};

EXPR_TABLE_TEST(regex__cases, cases)

int main(void)
{
	TCase *tc = tcase_create("regex");

	tcase_add_loop_test(tc, regex__cases, 0, PB_ARRAY_LEN(cases));
	return expr_test_main("expr_fn_regex", tc);
}
