/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/list.h */
#include "base/list.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

struct item {
	int n;
	struct pb_list link;
};

static void assert_sane_list(struct pb_list *head, const int *want, size_t n)
{
	size_t i = 0;

	pb_list_foreach (it, head) {
		ck_assert_ptr_eq(it->next->prev, it);
		ck_assert_ptr_eq(it->prev->next, it);
		ck_assert_uint_lt(i, n);
		ck_assert_int_eq(pb_list_entry(it, struct item, link)->n, want[i]);
		i++;
	}
	ck_assert_uint_eq(i, n);
	ck_assert_int_eq(pb_list_empty(head), n == 0);
}

START_TEST(append_remove_pop__keep_order)
{
	struct item a = {.n = 1}, b = {.n = 2}, c = {.n = 3};
	struct pb_list head;

	pb_list_init(&head);
	assert_sane_list(&head, NULL, 0);
	ck_assert_ptr_null(pb_list_pop(&head));
	ck_assert(!pb_list_linked(&a.link));
	pb_list_append(&head, &a.link);
	ck_assert(pb_list_linked(&a.link));
	pb_list_append(&head, &b.link);
	pb_list_append(&head, &c.link);
	assert_sane_list(&head, (const int[]){1, 2, 3}, 3);
	pb_list_remove(&b.link);
	ck_assert(!pb_list_linked(&b.link));
	assert_sane_list(&head, (const int[]){1, 3}, 2);
	ck_assert_ptr_eq(pb_list_pop(&head), &a.link);
	assert_sane_list(&head, (const int[]){3}, 1);
	ck_assert_ptr_eq(pb_list_pop(&head), &c.link);
	assert_sane_list(&head, NULL, 0);
}
END_TEST

START_TEST(splice__moves_all)
{
	struct item a = {.n = 1}, b = {.n = 2}, c = {.n = 3};
	struct pb_list to, from;

	pb_list_init(&to);
	pb_list_init(&from);
	pb_list_splice(&to, &from);
	assert_sane_list(&to, NULL, 0);
	pb_list_append(&from, &a.link);
	pb_list_append(&from, &b.link);
	pb_list_splice(&to, &from);
	assert_sane_list(&to, (const int[]){1, 2}, 2);
	assert_sane_list(&from, NULL, 0);
	pb_list_append(&from, &c.link);
	pb_list_splice(&to, &from);
	assert_sane_list(&to, (const int[]){1, 2, 3}, 3);
}
END_TEST

START_TEST(foreach_safe__allows_removal)
{
	struct item items[5];
	struct pb_list head;

	pb_list_init(&head);
	for (int i = 0; i < 5; i++) {
		items[i] = (struct item){.n = i};
		pb_list_append(&head, &items[i].link);
	}
	pb_list_foreach_safe (it, &head)
		if (pb_list_entry(it, struct item, link)->n % 2 == 0)
			pb_list_remove(it);
	assert_sane_list(&head, (const int[]){1, 3}, 2);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("list");
	TCase *tc = tcase_create("list");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, append_remove_pop__keep_order);
	tcase_add_test(tc, splice__moves_all);
	tcase_add_test(tc, foreach_safe__allows_removal);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
