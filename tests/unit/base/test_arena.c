/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/arena.c */
#include "base/arena.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

/* One assertion of check costs a write to a pipe: not one a byte. */
static bool all_bytes(const char *p, size_t n, char want)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != want)
			return false;
	return true;
}

static void assert_sane_arena(const struct pb_arena *a)
{
	ck_assert_uint_le(a->used_bytes, a->limit_bytes);
	ck_assert(a->cur <= a->end);
	ck_assert((a->head != NULL) == (a->cur != NULL));
}

START_TEST(alloc__is_zeroed_and_aligned)
{
	pb_auto_arena a;

	pb_arena_init(&a, 1 << 20);
	for (size_t n = 0; n < 300; n++) {
		char *p = pb_arena_alloc(&a, n);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % 16, 0);
		ck_assert(all_bytes(p, n, 0));
		memset(p, 0xa5, n);
		assert_sane_arena(&a);
	}
}
END_TEST

START_TEST(alloc__zeroes_again_after_reset)
{
	pb_auto_arena a;

	pb_arena_init(&a, 1 << 20);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 50; i++) {
			char *p = pb_arena_alloc(&a, 200);

			ck_assert(all_bytes(p, 200, 0));
			memset(p, 0xff, 200);
		}
		pb_arena_reset(&a);
		ck_assert_uint_eq(a.used_bytes, 0);
		assert_sane_arena(&a);
	}
}
END_TEST

START_TEST(alloc__pieces_do_not_overlap)
{
	static const size_t sizes[] = {1, 5000, 16, 70000, 3, 300000, 4096, 8, 100000, 31};
	pb_auto_arena a;
	char *p[100];

	pb_arena_init(&a, 64 << 20);
	for (size_t i = 0; i < 100; i++) {
		p[i] = pb_arena_alloc(&a, sizes[i % 10]);
		ck_assert_ptr_nonnull(p[i]);
		memset(p[i], (int)i + 1, sizes[i % 10]);
		assert_sane_arena(&a);
	}
	for (size_t i = 0; i < 100; i++)
		ck_assert(all_bytes(p[i], sizes[i % 10], (char)(i + 1)));
}
END_TEST

START_TEST(alloc__stops_at_the_limit_and_stays_stopped)
{
	pb_auto_arena a;
	size_t got = 0;

	pb_arena_init(&a, 1000);
	while (pb_arena_alloc(&a, 16)) {
		got += 16;
		assert_sane_arena(&a);
	}
	ck_assert_uint_eq(got, 992);
	ck_assert(a.overflow);
	ck_assert_ptr_null(pb_arena_alloc(&a, 1));
	pb_arena_reset(&a);
	ck_assert(!a.overflow);
	ck_assert_ptr_nonnull(pb_arena_alloc(&a, 1));
}
END_TEST

START_TEST(alloc__limit_of_nothing_gives_nothing)
{
	pb_auto_arena a;

	pb_arena_init(&a, 0);
	ck_assert_ptr_null(pb_arena_alloc(&a, 0));
	ck_assert(a.overflow);
	ck_assert_ptr_null(a.head);
}
END_TEST

START_TEST(alloc__refuses_absurd_sizes)
{
	static const size_t sizes[] = {SIZE_MAX,      SIZE_MAX - 1,  SIZE_MAX - 15, SIZE_MAX - 16,
				       SIZE_MAX - 31, SIZE_MAX - 32, SIZE_MAX / 2};
	pb_auto_arena a;

	pb_arena_init(&a, SIZE_MAX);
	ck_assert_ptr_null(pb_arena_alloc_raw(&a, sizes[_i]));
	ck_assert(a.overflow);
	pb_arena_reset(&a);
	ck_assert_ptr_null(pb_arena_calloc(&a, SIZE_MAX / 4, 8));
	ck_assert(a.overflow);
}
END_TEST

START_TEST(alloc__small_steps_fill_a_large_limit)
{
	pb_auto_arena a;
	size_t n = 0;

	pb_arena_init(&a, 2 << 20);
	while (pb_arena_alloc_raw(&a, 1 + n % 700))
		n++;
	assert_sane_arena(&a);
	/* nothing is lost but the tail that did not fit */
	ck_assert_uint_gt(a.used_bytes, (2 << 20) - 704);
}
END_TEST

START_TEST(done__can_be_repeated_and_used_again)
{
	struct pb_arena a;

	pb_arena_init(&a, 100);
	pb_arena_done(&a);
	ck_assert_ptr_nonnull(pb_arena_alloc(&a, 10));
	pb_arena_done(&a);
	pb_arena_done(&a);
	pb_arena_done(NULL);
	ck_assert_uint_eq(a.used_bytes, 0);
}
END_TEST

START_TEST(dup__copies_with_a_nul)
{
	pb_auto_arena a;
	char *s;

	pb_arena_init(&a, 4096);
	ck_assert_str_eq(pb_arena_strdup(&a, "hello"), "hello");
	s = pb_arena_memdup(&a, "a\0b", 3);
	ck_assert_mem_eq(s, "a\0b", 4);
	ck_assert_str_eq(pb_arena_memdup(&a, NULL, 0), "");
	ck_assert_str_eq(pb_arena_printf(&a, "%d-%s", 7, "x"), "7-x");
	ck_assert_str_eq(pb_arena_printf(&a, "%300d", 1) + 299, "1");
	ck_assert_ptr_null(pb_arena_memdup(&a, "x", 5000));
	ck_assert_ptr_null(pb_arena_memdup(&a, "x", SIZE_MAX));
	ck_assert_ptr_null(pb_arena_printf(&a, "x"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("arena");
	TCase *tc = tcase_create("arena");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, alloc__is_zeroed_and_aligned);
	tcase_add_test(tc, alloc__zeroes_again_after_reset);
	tcase_add_test(tc, alloc__pieces_do_not_overlap);
	tcase_add_test(tc, alloc__stops_at_the_limit_and_stays_stopped);
	tcase_add_test(tc, alloc__limit_of_nothing_gives_nothing);
	if (!CHECK_SANITIZED)
		tcase_add_loop_test(tc, alloc__refuses_absurd_sizes, 0, 7);
	tcase_add_test(tc, alloc__small_steps_fill_a_large_limit);
	tcase_add_test(tc, done__can_be_repeated_and_used_again);
	tcase_add_test(tc, dup__copies_with_a_nul);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
