/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_fn_text.c. */
#include "expr_test.h"

static const struct expr_case cases[] = {
	{"upper('a\xd1\x8f\xc3\xa9\xd3\x99')", "\"A\xd0\xaf\xc3\x89\xd3\x98\""},
	{"lower('A\xd0\xaf\xc3\x89\xd2\x92')", "\"a\xd1\x8f\xc3\xa9\xd2\x93\""},
	{"upper('stra\xc3\x9f"
	 "e')",
	 "\"STRA\xc3\x9f"
	 "E\""},
	{"upper(5)", "\"5\""},
	{"upper(nil)", "!expr.type@0"},
	{"upper(user)", "!expr.type"},
	{"capitalize('hello World')", "\"Hello World\""},
	{"capitalize('')", "\"\""},
	{"title('hello wORLD-wide don\\'t')", "\"Hello World-Wide Don't\""},
	{"trim('  a b \\n')", "\"a b\""},
	{"trim('\xc2\xa0x\xe2\x80\x89')", "\"x\""},
	{"trim('   ')", "\"\""},
	{"trim_start(' a ')", "\"a \""},
	{"trim_end(' a ')", "\" a\""},
	{"starts_with('abc', 'ab')", "true"},
	{"starts_with('abc', 'abcd')", "false"},
	{"starts_with('abc', '')", "true"},
	{"ends_with('abc', 'bc')", "true"},
	{"ends_with('c', 'bc')", "false"},
	{"replace('aXbX', 'X', '-')", "\"a-bX\""},
	{"replace_all('aXbX', 'X', '-')", "\"a-b-\""},
	{"replace_all('aaa', 'aa', 'b')", "\"ba\""},
	{"replace_all('abc', 'x', 'y')", "\"abc\""},
	{"replace('abc', '', 'y')", "!expr.argument"},
	{"replace('abc', 'a', nil)", "!expr.type"},
	{"before('a=b=c', '=')", "\"a\""},
	{"after('a=b=c', '=')", "\"b=c\""},
	{"before('abc', '=')", "null"},
	{"after('abc', '=')", "null"},
	{"after('abc', 'c')", "\"\""},
	{"split('a,b,,c', ',')", "[\"a\",\"b\",\"\",\"c\"]"},
	{"split('', ',')", "[\"\"]"},
	{"split('a\xd1\x8f"
	 "b', '')",
	 "[\"a\",\"\xd1\x8f\",\"b\"]"},
	{"split('a--b', '--')", "[\"a\",\"b\"]"},
	{"lines('a\\r\\nb\\n\\nc')", "[\"a\",\"b\",\"\",\"c\"]"},
	{"lines('a\\n')", "[\"a\"]"},
	{"lines('')", "[]"},
	{"words('  one two\\tthree ')", "[\"one\",\"two\",\"three\"]"},
	{"words('')", "[]"},
	{"join([1, 'a', null, true, {x: 1}], '-')", "\"1-a--true-{\\\"x\\\":1}\""},
	{"join([1, 2])", "\"1, 2\""},
	{"join([])", "\"\""},
	{"join('a')", "!expr.type"},
	{"repeat('ab', 3)", "\"ababab\""},
	{"repeat('ab', 0)", "\"\""},
	{"repeat('', 1e9)", "\"\""},
	{"repeat('a', -1)", "!expr.range"},
	{"repeat('a', 1.5)", "!expr.range"},
	{"repeat('a', 1e9)", "!expr.budget_output"},
	{"pad_start('7', 3, '0')", "\"007\""},
	{"pad_start(7, 3, '0')", "\"007\""},
	{"pad_start('abc', 2)", "\"abc\""},
	{"pad_start('x', 6, 'ab')", "\"ababax\""},
	{"pad_start('x', 3, '')", "\"x\""},
	{"pad_start('x', 4, '\xd1\x8f')", "\"\xd1\x8f\xd1\x8f\xd1\x8fx\""},
	{"pad_end('x', 3)", "\"x  \""},
	{"truncate('hello', 4)", "\"hel\xe2\x80\xa6\""},
	{"truncate('hello', 5)", "\"hello\""},
	{"truncate('hello', 4, '...')", "\"h...\""},
	{"truncate('hello', 2, '...')", "\"..\""},
	{"truncate('hello', 0)", "\"\""},
	{"slug('Hello, World!')", "\"hello-world\""},
	{"slug('  --a  b-- ')", "\"a-b\""},
	{"slug('\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xd0\xbc\xd0\xb8\xd1\x80')",
	 "\"privet-mir\""},
	{"slug('Caf\xc3\xa9 cr\xc3\xa8me')", "\"cafe-creme\""},
	{"slug('it\\'s')", "\"its\""},
	{"to_text(null)", "\"\""},
	{"to_text(1.50)", "\"1.50\""},
	{"to_text(f)", "\"2.5\""},
	{"to_text([1, {a: 'x'}])", "\"[1,{\\\"a\\\":\\\"x\\\"}]\""},
};

EXPR_TABLE_TEST(text__cases, cases)

int main(void)
{
	TCase *tc = tcase_create("text");

	tcase_add_loop_test(tc, text__cases, 0, PB_ARRAY_LEN(cases));
	return expr_test_main("expr_fn_text", tc);
}
