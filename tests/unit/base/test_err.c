/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/err.c */
#include "base/err.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

START_TEST(set__fills_and_returns)
{
	struct pb_err e = PB_ERR_INIT;

	ck_assert_int_eq(pb_err_set(&e, PB_E_CONFLICT, "a.b", "%s %d", "x", 7), PB_E_CONFLICT);
	ck_assert_int_eq(e.status, PB_E_CONFLICT);
	ck_assert_str_eq(e.code, "a.b");
	ck_assert_str_eq(e.msg, "x 7");
	ck_assert_int_eq(pb_err_set(NULL, PB_E_LIMIT, "a.b", "x"), PB_E_LIMIT);
}
END_TEST

START_TEST(set__cuts_between_characters)
{
	struct pb_err e = PB_ERR_INIT;
	char text[600];

	for (size_t lead = 0; lead < 4; lead++) {
		memset(text, 'x', lead);
		for (size_t i = lead; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac", 3);
		text[lead + 3 * 150] = 0;
		(void)pb_err_set(&e, PB_E_INVALID, "a.b", "%s", text);
		ck_assert_uint_lt(strlen(e.msg), PB_ERR_MSG_BYTES);
		ck_assert_uint_gt(strlen(e.msg), PB_ERR_MSG_BYTES - 5);
		ck_assert(pb_utf8_valid(e.msg, strlen(e.msg)));
	}
}
END_TEST

START_TEST(prefix__goes_in_front)
{
	struct pb_err e = PB_ERR_INIT;

	(void)pb_err_set(&e, PB_E_TIMEOUT, "a.b", "inner");
	ck_assert_int_eq(pb_err_prefix(&e, "step %d", 3), PB_E_TIMEOUT);
	ck_assert_str_eq(e.msg, "step 3: inner");
	ck_assert_str_eq(e.code, "a.b");
	for (int i = 0; i < 50; i++)
		(void)pb_err_prefix(&e, "long context number %d", i);
	ck_assert_uint_lt(strlen(e.msg), PB_ERR_MSG_BYTES);
	ck_assert(pb_str_starts(e.msg, "long context number 49: "));
	ck_assert_int_eq(pb_err_prefix(NULL, "x"), PB_E_INTERNAL);
}
END_TEST

START_TEST(status__has_name_http_and_rule)
{
	for (int i = 0; i < PB_STATUS_COUNT; i++) {
		int http = pb_status_http((enum pb_status)i);

		ck_assert_str_ne(pb_status_name((enum pb_status)i), "unknown");
		ck_assert(i == PB_OK ? http == 200 : (http >= 400 && http <= 504));
	}
	ck_assert_str_eq(pb_status_name((enum pb_status)99), "unknown");
	ck_assert_int_eq(pb_status_http((enum pb_status) - 1), 500);
	ck_assert_int_eq(pb_status_http(PB_E_UNPROCESSABLE), 422);
	ck_assert(pb_status_is_transient(PB_E_UNAVAILABLE));
	ck_assert(pb_status_is_transient(PB_E_TIMEOUT));
	ck_assert(pb_status_is_transient(PB_E_LIMIT));
	ck_assert(!pb_status_is_transient(PB_E_INTERNAL));
	ck_assert(!pb_status_is_transient(PB_OK));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("err");
	TCase *tc = tcase_create("err");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, set__fills_and_returns);
	tcase_add_test(tc, set__cuts_between_characters);
	tcase_add_test(tc, prefix__goes_in_front);
	tcase_add_test(tc, status__has_name_http_and_rule);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
