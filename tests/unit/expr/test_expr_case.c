/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_case.c. */
#include "expr/expr_case.h"
#include "expr_test.h"

static const struct {
	uint32_t lower, upper;
} pairs[] = {
	{'a', 'A'},     {'z', 'Z'},     {0xe9, 0xc9},   {0xff, 0x178},  {0x101, 0x100},
	{0x13a, 0x139}, {0x17e, 0x17d}, {0x3c9, 0x3a9}, {0x44f, 0x42f}, {0x451, 0x401},
	{0x456, 0x406}, {0x493, 0x492}, {0x49b, 0x49a}, {0x4a3, 0x4a2}, {0x4af, 0x4ae},
	{0x4b1, 0x4b0}, {0x4bb, 0x4ba}, {0x4cf, 0x4c0}, {0x4d9, 0x4d8}, {0x4e9, 0x4e8},
	{0x4c2, 0x4c1},
};

START_TEST(case__pairs)
{
	ck_assert_uint_eq(expr_case_upper(pairs[_i].lower), pairs[_i].upper);
	ck_assert_uint_eq(expr_case_lower(pairs[_i].upper), pairs[_i].lower);
	ck_assert_uint_eq(expr_case_upper(pairs[_i].upper), pairs[_i].upper);
	ck_assert_uint_eq(expr_case_lower(pairs[_i].lower), pairs[_i].lower);
}
END_TEST

START_TEST(case__others_stay)
{
	static const uint32_t others[] = {'0',   '_',   0xd7,  0xf7,  0xdf,   0x130,   0x131,
					  0x138, 0x149, 0x17f, 0x3a2, 0x4e2d, 0x1f600, 0x10ffff};

	ck_assert_uint_eq(expr_case_upper(others[_i]), others[_i]);
	ck_assert_uint_eq(expr_case_lower(others[_i]), others[_i]);
}
END_TEST

START_TEST(case__there_and_back_for_every_letter)
{
	for (uint32_t cp = 0; cp < 0x600; cp++) {
		uint32_t lower = expr_case_lower(cp);

		if (lower != cp)
			ck_assert_msg(expr_case_upper(lower) == cp, "U+%04X", cp);
	}
}
END_TEST

START_TEST(case__ascii)
{
	ck_assert_str_eq(expr_case_ascii(0x449), "shch");
	ck_assert_str_eq(expr_case_ascii(0x44c), "");
	ck_assert_str_eq(expr_case_ascii(0x49b), "q");
	ck_assert_str_eq(expr_case_ascii(0xe9), "e");
	ck_assert_ptr_null(expr_case_ascii(0x4e2d));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("case");

	tcase_add_loop_test(tc, case__pairs, 0, PB_ARRAY_LEN(pairs));
	tcase_add_loop_test(tc, case__others_stay, 0, 14);
	tcase_add_test(tc, case__there_and_back_for_every_letter);
	tcase_add_test(tc, case__ascii);
	return expr_test_main("expr_case", tc);
}
