/* SPDX-License-Identifier: Apache-2.0 */
/* The table against itself: names, ranges, documentation, one field each. */
#include "config/config.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

START_TEST(table__is_sane)
{
	size_t n;
	const struct config_setting *t = config_settings(&n);

	ck_assert_uint_gt(n, 40);
	for (size_t i = 0; i < n; i++) {
		ck_assert_msg(t[i].doc && strlen(t[i].doc) > 15, "%s has no doc", t[i].name);
		ck_assert_msg(t[i].fallback != NULL, "%s has no default", t[i].name);
		ck_assert(strspn(t[i].name, "abcdefghijklmnopqrstuvwxyz_") == strlen(t[i].name));
		ck_assert_msg(!t[i].item_ok == !t[i].shape, "%s: check and shape go together",
			      t[i].name);
		ck_assert_msg(t[i].type != CONFIG_ENUM || t[i].choices, "%s has no choices",
			      t[i].name);
		ck_assert_msg(t[i].type != CONFIG_SECRET_FILE || pb_str_ends(t[i].name, "_file"),
			      "%s: secrets are files", t[i].name);
		ck_assert_msg(t[i].min <= t[i].max, "%s has an empty range", t[i].name);
		for (size_t k = 0; k < i; k++) {
			ck_assert_str_ne(t[i].name, t[k].name);
			ck_assert_uint_ne(t[i].offset, t[k].offset);
		}
		ck_assert_ptr_eq(config_setting_find(t[i].name), &t[i]);
	}
	ck_assert_ptr_null(config_setting_find("no_such"));
	ck_assert_ptr_null(config_setting_find(""));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("config_table");
	TCase *t = tcase_create("table");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, table__is_sane);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
