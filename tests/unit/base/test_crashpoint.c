/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/crashpoint.c */
#include "base/crashpoint.h"

#include <check.h>

#include "support/check_main.h"
#include "base/lock.h"
#include "base/base.h"

START_TEST(unarmed__does_nothing)
{
	CRASHPOINT("a.b");
	ck_assert(!pb_crashpoint_armed_);
}
END_TEST

START_TEST(arm__refuses_what_it_cannot_read)
{
	static const char *const bad[] = {NULL,    "",       "a.b",   "a.b:",   ":1",
					  "a.b:0", "a.b:-1", "a.b:x", "a.b:1x", "a.b:99999999999"};
	char longer[300];

	for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++)
		ck_assert(!pb_crashpoint_arm(bad[i]));
	memset(longer, 'a', sizeof(longer));
	memcpy(longer + sizeof(longer) - 3, ":1", 3);
	ck_assert(!pb_crashpoint_arm(longer));
	ck_assert(!pb_crashpoint_armed_);
}
END_TEST

START_TEST(armed__dies_at_the_third_pass)
{
	ck_assert(pb_crashpoint_arm("a.b:3"));
	CRASHPOINT("a.b");
	CRASHPOINT("a.other");
	CRASHPOINT("a.b");
	CRASHPOINT("a.bc");
	CRASHPOINT("a.b");
	ck_abort_msg("still alive");
}
END_TEST

static void *pass_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++)
		CRASHPOINT("a.b");
	return NULL;
}

START_TEST(armed__counts_all_threads)
{
	pthread_t t[4];

	/* exactly the last of all passes */
	ck_assert(pb_crashpoint_arm("a.b:4000"));
	for (int i = 0; i < 4; i++)
		t[i] = pb_thread_start("pass", 0, pass_often, NULL);
	for (int i = 0; i < 4; i++)
		pb_thread_join(t[i]);
	ck_abort_msg("still alive");
}
END_TEST

START_TEST(armed__survives_one_pass_fewer)
{
	ck_assert(pb_crashpoint_arm("a.b:1001"));
	(void)pass_often(NULL);
	pb_crashpoint_armed_ = false;
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("crashpoint");
	TCase *tc = tcase_create("crashpoint");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, unarmed__does_nothing);
	tcase_add_test(tc, arm__refuses_what_it_cannot_read);
	tcase_add_test(tc, armed__survives_one_pass_fewer);
	if (check_forks()) {
		tcase_add_exit_test(tc, armed__dies_at_the_third_pass, 137);
		tcase_add_exit_test(tc, armed__counts_all_threads, 137);
	}
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
