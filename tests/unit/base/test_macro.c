/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/macro.c and the macros of macro.h. */
#include "base/macro.h"

#include <check.h>
#include <signal.h>

#include "support/check_main.h"
#include "base/base.h"

struct outer {
	int before;
	int inner;
};

START_TEST(container_of__finds_the_outer_struct)
{
	struct outer o = {1, 2};

	ck_assert_ptr_eq(pb_container_of(&o.inner, struct outer, inner), &o);
}
END_TEST

START_TEST(min_max__pick_one)
{
	int a[7];

	ck_assert_int_eq(PB_MIN(2, 3), 2);
	ck_assert_int_eq(PB_MAX(2, 3), 3);
	ck_assert_uint_eq(PB_ARRAY_LEN(a), 7);
}
END_TEST

START_TEST(assert__passes_a_truth)
{
	struct {
		uint32_t magic;
	} obj = {42};

	PB_ASSERT(1 + 1 == 2);
	PB_CHECK_MAGIC(&obj, 42);
}
END_TEST

START_TEST(assert__aborts_on_a_lie)
{
	PB_ASSERT(1 + 1 == 3);
}
END_TEST

START_TEST(check_magic__aborts_on_null)
{
	struct {
		uint32_t magic;
	} *obj = NULL;

	PB_CHECK_MAGIC(obj, 42);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("macro");
	TCase *tc = tcase_create("macro");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, container_of__finds_the_outer_struct);
	tcase_add_test(tc, min_max__pick_one);
	tcase_add_test(tc, assert__passes_a_truth);
	if (check_forks()) {
		tcase_add_test_raise_signal(tc, assert__aborts_on_a_lie, SIGABRT);
		tcase_add_test_raise_signal(tc, check_magic__aborts_on_null, SIGABRT);
	}
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
