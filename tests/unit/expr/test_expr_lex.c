/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_lex.c: tokens with their bytes, and escapes. */
#include "expr/expr_lex.h"
#include "expr_test.h"

static const struct {
	const char *src;
	enum expr_token_type type;
	uint32_t pos, end;
} tokens[] = {
	{"", EXPR_T_END, 0, 0},
	{" \t\n", EXPR_T_END, 3, 3},
	{" abc_1 ", EXPR_T_NAME, 1, 6},
	{"\xd1\x8f", EXPR_T_NAME, 0, 2},
	{"\xc2\xa0"
	 "a\xc2\xa0",
	 EXPR_T_NAME, 2, 3},
	{"12", EXPR_T_NUMBER, 0, 2},
	{"1.5e-3x", EXPR_T_BAD, 0, 6},
	{"1.5e-3 ", EXPR_T_NUMBER, 0, 6},
	{"1.round", EXPR_T_NUMBER, 0, 1},
	{"007", EXPR_T_BAD, 0, 0},
	{"'a\\'b'c", EXPR_T_STRING, 0, 6},
	{"'a\\", EXPR_T_BAD, 0, 0},
	{"?.x", EXPR_T_SAFE_DOT, 0, 2},
	{"?\?x", EXPR_T_ELSE, 0, 2},
	{"?x", EXPR_T_QUESTION, 0, 1},
	{"=>", EXPR_T_ARROW, 0, 2},
	{"==", EXPR_T_EQ, 0, 2},
	{"=", EXPR_T_BAD, 0, 0},
	{"!=", EXPR_T_NE, 0, 2},
	{"!a", EXPR_T_NOT, 0, 1},
	{"<=", EXPR_T_LE, 0, 2},
	{"&", EXPR_T_BAD, 0, 0},
	{"$a", EXPR_T_BAD, 0, 0},
	{"#", EXPR_T_BAD, 0, 0},
	{"`", EXPR_T_BACKTICK, 0, 1},
};

START_TEST(lex__tokens)
{
	struct expr_lex l;

	expr_lex_init(&l, tokens[_i].src, (uint32_t)strlen(tokens[_i].src), 0);
	ck_assert_msg(l.tok.type == tokens[_i].type, "%s: %s", tokens[_i].src,
		      expr_token_name(l.tok.type));
	ck_assert_uint_eq(l.tok.pos, tokens[_i].pos);
	if (l.tok.type != EXPR_T_BAD)
		ck_assert_uint_eq(l.tok.end, tokens[_i].end);
	else
		ck_assert_ptr_nonnull(l.tok.what);
}
END_TEST

START_TEST(unescape__cases)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{"a", "a"},
		{"\\n\\t", "\n\t"},
		{"\\u0041", "A"},
		{"\\u00e9", "\xc3\xa9"},
		{"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
		{"\\`\\$", "`$"},
		{"\\", NULL},
		{"\\x41", NULL},
		{"\\u12", NULL},
		{"\\ud800", NULL},
		{"\\ud800\\u0041", NULL},
		{"\\udc00", NULL},
	};

	for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
		char out[64];
		size_t bad;
		int64_t n = expr_unescape(cases[i].in, strlen(cases[i].in), out, &bad);

		if (!cases[i].want) {
			ck_assert_msg(n == -1 && bad == 0, "%s", cases[i].in);
			continue;
		}
		ck_assert_int_eq(n, (int64_t)strlen(cases[i].want));
		ck_assert_mem_eq(out, cases[i].want, (size_t)n);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("lex");

	tcase_add_loop_test(tc, lex__tokens, 0, PB_ARRAY_LEN(tokens));
	tcase_add_test(tc, unescape__cases);
	return expr_test_main("expr_lex", tc);
}
