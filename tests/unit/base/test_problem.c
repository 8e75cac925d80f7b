/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/problem.c */
#include "base/problem.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

static void assert_sane_problems(const struct pb_problems *p)
{
	size_t n = 0;
	const struct pb_problem *last = NULL;

	for (const struct pb_problem *i = p->first; i; i = i->next) {
		ck_assert_ptr_nonnull(i->code);
		ck_assert_ptr_nonnull(i->message);
		ck_assert_ptr_nonnull(i->pointer);
		last = i;
		n++;
	}
	ck_assert_uint_eq(n, p->n);
	ck_assert_ptr_eq(last, p->last);
	ck_assert_uint_le(n, p->max);
}

START_TEST(add__keeps_order_and_counts_on)
{
	pb_auto_arena a;
	struct pb_problems p;

	pb_arena_init(&a, 1 << 16);
	pb_problems_init(&p, &a, 2);
	assert_sane_problems(&p);
	pb_problems_add(&p, "x.one", "/a", "first %d", 1);
	assert_sane_problems(&p);
	pb_problems_add(&p, "x.two", NULL, "second");
	pb_problems_add(&p, "x.three", "/c", "third");
	pb_problems_add(&p, "x.four", "/d", "fourth");
	assert_sane_problems(&p);
	ck_assert_uint_eq(p.n, 2);
	ck_assert_uint_eq(p.more, 2);
	ck_assert_str_eq(p.first->code, "x.one");
	ck_assert_str_eq(p.first->message, "first 1");
	ck_assert_str_eq(p.first->pointer, "/a");
	ck_assert_str_eq(p.last->pointer, "");
}
END_TEST

START_TEST(add__copies_and_cuts)
{
	pb_auto_arena a;
	struct pb_problems p;
	char code[] = "x.y", pointer[] = "/p";
	static char text[2000];

	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	pb_arena_init(&a, 1 << 16);
	pb_problems_init(&p, &a, 10);
	pb_problems_add(&p, code, pointer, "a%s", text);
	code[0] = pointer[1] = '!';
	ck_assert_str_eq(p.first->code, "x.y");
	ck_assert_str_eq(p.first->pointer, "/p");
	ck_assert_uint_le(strlen(p.first->message), 512);
	ck_assert(pb_utf8_valid(p.first->message, strlen(p.first->message)));
}
END_TEST

START_TEST(add__full_arena_only_counts)
{
	pb_auto_arena a;
	struct pb_problems p;

	pb_arena_init(&a, 200);
	pb_problems_init(&p, &a, 100);
	for (int i = 0; i < 20; i++)
		pb_problems_add(&p, "x.y", "/p", "message %d", i);
	assert_sane_problems(&p);
	ck_assert_uint_gt(p.n, 0);
	ck_assert_uint_eq(p.n + p.more, 20);
}
END_TEST

START_TEST(pointer__escapes)
{
	pb_auto_arena a;
	const char *p;

	pb_arena_init(&a, 4096);
	p = pb_pointer_key(&a, "", "a/b~c", 5);
	ck_assert_str_eq(p, "/a~1b~0c");
	p = pb_pointer_index(&a, p, 12);
	ck_assert_str_eq(p, "/a~1b~0c/12");
	p = pb_pointer_key(&a, NULL, "", 0);
	ck_assert_str_eq(p, "/");
	ck_assert_str_eq(pb_pointer_index(&a, NULL, 0), "/0");
	ck_assert_str_eq(pb_pointer_key(&a, "/x", "yz", 1), "/x/y");
	while (pb_arena_alloc(&a, 16))
		continue;
	ck_assert_str_eq(pb_pointer_key(&a, "/x", "y", 1), "");
	ck_assert_str_eq(pb_pointer_index(&a, "/x", 1), "");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("problem");
	TCase *tc = tcase_create("problem");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, add__keeps_order_and_counts_on);
	tcase_add_test(tc, add__copies_and_cuts);
	tcase_add_test(tc, add__full_arena_only_counts);
	tcase_add_test(tc, pointer__escapes);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
