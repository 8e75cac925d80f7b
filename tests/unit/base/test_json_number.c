/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/json_number.c */
#include "base/json_number.h"

#include <check.h>
#include <float.h>
#include <math.h>

#include "support/check_main.h"
#include "base/json.h"
#include "base/base.h"

static struct pb_json text_number(const char *s)
{
	return (struct pb_json){.type = PB_JSON_NUMBER, .len = (uint32_t)strlen(s), .s = s};
}

static struct pb_json real(double d)
{
	return (struct pb_json){.type = PB_JSON_REAL, .d = d};
}

static struct pb_json integer(int64_t i)
{
	return (struct pb_json){.type = PB_JSON_INT, .i = i};
}

/* In rising order; the same rank is the same value. */
static const struct {
	int rank;
	const char *s;
} ladder[] = {
	{0, "-1e999999999999999999999"},
	{1, "-18446744073709551617"},
	{2, "-18446744073709551616"},
	{3, "-2"},
	{3, "-2.000"},
	{3, "-0.2e1"},
	{4, "-1.5"},
	{5, "-1e-3"},
	{6, "0"},
	{6, "-0"},
	{6, "0.000e55"},
	{7, "1e-999999999999999999999"},
	{8, "0.00001"},
	{8, "1E-5"},
	{9, "0.1"},
	{10, "0.10000000000000000000000001"},
	{11, "1"},
	{11, "10e-1"},
	{11, "0.01e+2"},
	{12, "10"},
	{13, "100"},
	{14, "100.5"},
	{15, "9007199254740993"},
	{16, "18446744073709551616"},
	{16, "1844674407370955161.6e1"},
	{17, "18446744073709551617"},
	{18, "1e400"},
	{18, "0.0001e404"},
};

START_TEST(cmp__orders_any_decimal_text)
{
	struct pb_json a = text_number(ladder[_i].s);

	for (size_t k = 0; k < PB_ARRAY_LEN(ladder); k++) {
		struct pb_json b = text_number(ladder[k].s);
		int want = (ladder[_i].rank > ladder[k].rank) - (ladder[_i].rank < ladder[k].rank);

		ck_assert_msg(pb_json_number_cmp(&a, &b) == want, "%s %s", ladder[_i].s,
			      ladder[k].s);
	}
}
END_TEST

START_TEST(cmp__mixes_kinds)
{
	struct pb_json i = integer(5), r = real(5), h = real(5.5), t = text_number("5.5");
	struct pb_json big = integer(9007199254740993), rounded = real(9007199254740992.0);
	struct pb_json beyond = text_number("1e400"), most = real(DBL_MAX);

	ck_assert_int_eq(pb_json_number_cmp(&i, &r), 0);
	ck_assert_int_eq(pb_json_number_cmp(&i, &h), -1);
	ck_assert_int_eq(pb_json_number_cmp(&h, &t), 0);
	ck_assert_int_eq(pb_json_number_cmp(&t, &i), 1);
	ck_assert_int_eq(pb_json_number_cmp(&big, &rounded), 1);
	ck_assert_int_eq(pb_json_number_cmp(&rounded, &big), -1);
	ck_assert_int_eq(pb_json_number_cmp(&beyond, &most), 1);
	beyond = text_number("-1.5e400");
	most = real(-0.5);
	ck_assert_int_eq(pb_json_number_cmp(&beyond, &most), -1);
}
END_TEST

static const struct {
	const char *s;
	bool integer, fits;
	int64_t v;
} cases[] = {
	{"5.0", true, true, 5},
	{"5e0", true, true, 5},
	{"-0", true, true, 0},
	{"0.0e9", true, true, 0},
	{"1.5e1", true, true, 15},
	{"-120e-1", true, true, -12},
	{"1e18", true, true, INT64_C(1000000000000000000)},
	{"1e19", true, false, 0},
	{"9223372036854775807.0", true, true, INT64_MAX},
	{"9223372036854775808", true, false, 0},
	{"-9223372036854775808.000", true, true, INT64_MIN},
	{"-9223372036854775809", true, false, 0},
	{"1e999999999999999999", true, false, 0},
	{"5.1", false, false, 0},
	{"1e-1", false, false, 0},
	{"100000000000000000000.5", false, false, 0},
	{"123456789012345678901234567890e-25", false, false, 0},
};

START_TEST(i64__reads_integers_in_any_spelling)
{
	struct pb_json j = text_number(cases[_i].s);
	int64_t v = -4242;

	ck_assert_int_eq(pb_json_is_integer(&j), cases[_i].integer);
	ck_assert_int_eq(pb_json_i64(&j, &v), cases[_i].fits);
	ck_assert_int_eq(v, cases[_i].fits ? cases[_i].v : -4242);
}
END_TEST

START_TEST(i64__of_doubles)
{
	struct pb_json ok = real(-3), edge = real(0x1p63), low = real(-0x1p63), half = real(0.5);
	int64_t v;

	ck_assert(pb_json_i64(&ok, &v));
	ck_assert_int_eq(v, -3);
	ck_assert(!pb_json_i64(&edge, &v));
	ck_assert(pb_json_i64(&low, &v));
	ck_assert_int_eq(v, INT64_MIN);
	ck_assert(!pb_json_i64(&half, &v));
	ck_assert(!pb_json_is_integer(&half));
	ck_assert(pb_json_is_integer(&edge));
	ck_assert(!pb_json_i64(NULL, &v));
	ck_assert(!pb_json_i64(&pb_json_bool_true, &v));
	ck_assert(!pb_json_is_number(&pb_json_null));
	ck_assert(!pb_json_is_number(NULL));
}
END_TEST

START_TEST(double__finite_or_nothing)
{
	struct pb_json t = text_number("0.1"), big = text_number("1e400"), i = integer(3);
	double d = 0;

	ck_assert(pb_json_double(&t, &d));
	ck_assert(d == 0.1);
	ck_assert(!pb_json_double(&big, &d));
	ck_assert(pb_json_double(&i, &d));
	ck_assert(d == 3);
	ck_assert(!pb_json_double(&pb_json_null, &d));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("json_number");
	TCase *tc = tcase_create("json_number");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, cmp__orders_any_decimal_text, 0, PB_ARRAY_LEN(ladder));
	tcase_add_test(tc, cmp__mixes_kinds);
	tcase_add_loop_test(tc, i64__reads_integers_in_any_spelling, 0, PB_ARRAY_LEN(cases));
	tcase_add_test(tc, i64__of_doubles);
	tcase_add_test(tc, double__finite_or_nothing);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
