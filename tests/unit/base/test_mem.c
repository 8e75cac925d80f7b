/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/mem.c */
#include "base/mem.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "support/check_main.h"
#include "base/base.h"

static int frees;

struct thing {
	int x;
};

static void thing_free(struct thing *t)
{
	if (!t)
		return;
	frees++;
	free(t);
}

PB_DEFINE_AUTOPTR(thing, thing_free);

START_TEST(xcalloc__zeroes_and_is_never_null)
{
	pb_autofree char *p = pb_xcalloc(100, 3);
	pb_autofree char *none = pb_xcalloc(0, 8);

	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(p[i], 0);
	ck_assert_ptr_nonnull(none);
}
END_TEST

START_TEST(xrealloc__keeps_content)
{
	char *p = pb_xmemdup("abc", 3);

	p = pb_xrealloc(p, 1000, 1);
	ck_assert_mem_eq(p, "abc", 3);
	free(p);
}
END_TEST

START_TEST(xmemdup__ends_with_a_nul)
{
	pb_autofree char *p = pb_xmemdup("a\0b", 3);
	pb_autofree char *empty = pb_xmemdup(NULL, 0);
	pb_autofree char *cut = pb_xstrndup("abcdef", 3);
	pb_autofree char *whole = pb_xstrndup("ab", 10);
	pb_autofree char *s = pb_xstrdup("xyz");

	ck_assert_mem_eq(p, "a\0b", 4);
	ck_assert_str_eq(empty, "");
	ck_assert_str_eq(cut, "abc");
	ck_assert_str_eq(whole, "ab");
	ck_assert_str_eq(s, "xyz");
}
END_TEST

START_TEST(try_alloc__refuses_overflow_and_limit)
{
	pb_autofree char *p = pb_try_alloc(10, 10, 100);

	ck_assert_ptr_nonnull(p);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(p[i], 0);
	ck_assert_ptr_null(pb_try_alloc(10, 10, 99));
	ck_assert_ptr_null(pb_try_alloc(SIZE_MAX, 2, SIZE_MAX));
	ck_assert_ptr_null(pb_try_alloc(SIZE_MAX / 2 + 1, 2, SIZE_MAX));
}
END_TEST

START_TEST(autoptr__frees_once_and_steal_hands_over)
{
	struct thing *kept;

	frees = 0;
	{
		pb_autoptr(thing) a = pb_new(struct thing);
		pb_autoptr(thing) none = NULL;
		pb_autoptr(thing) b = pb_new(struct thing);

		ck_assert_ptr_nonnull(a);
		ck_assert_ptr_null(none);
		kept = pb_steal(b);
		ck_assert_ptr_null(b);
	}
	ck_assert_int_eq(frees, 1);
	thing_free(kept);
}
END_TEST

START_TEST(autofree__keeps_errno)
{
	errno = EAGAIN;
	{
		pb_autofree char *p = pb_xstrdup("x");

		ck_assert_ptr_nonnull(p);
	}
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(autoclose__closes_and_keeps_errno)
{
	int kept, seen;

	errno = EAGAIN;
	{
		pb_autoclose int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		pb_autoclose int none = -1;
		pb_autoclose int given = open("/dev/null", O_RDONLY | O_CLOEXEC);

		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(none, -1);
		seen = fd;
		kept = pb_steal_fd(given);
		ck_assert_int_eq(given, -1);
	}
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(fcntl(seen, F_GETFD), -1);
	ck_assert_int_ne(fcntl(kept, F_GETFD), -1);
	close(kept);
}
END_TEST

START_TEST(xrealloc__aborts_on_overflow)
{
	free(pb_xrealloc(NULL, SIZE_MAX, 2));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("mem");
	TCase *tc = tcase_create("mem");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, xcalloc__zeroes_and_is_never_null);
	tcase_add_test(tc, xrealloc__keeps_content);
	tcase_add_test(tc, xmemdup__ends_with_a_nul);
	tcase_add_test(tc, try_alloc__refuses_overflow_and_limit);
	tcase_add_test(tc, autoptr__frees_once_and_steal_hands_over);
	tcase_add_test(tc, autofree__keeps_errno);
	tcase_add_test(tc, autoclose__closes_and_keeps_errno);
	if (check_forks())
		tcase_add_test_raise_signal(tc, xrealloc__aborts_on_overflow, SIGABRT);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
