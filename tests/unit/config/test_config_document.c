/* SPDX-License-Identifier: Apache-2.0 */
/* The document lists every setting; the dump loads again and says the same. */
#include "config/config.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

START_TEST(document__lists_every_setting)
{
	pb_auto_buf out = PB_BUF_INIT;
	char want[128];
	size_t n, lines = 0;
	const struct config_setting *t = config_settings(&n);

	config_document(&out);
	for (size_t i = 0; i < n; i++) {
		ck_assert(pb_str_printf(want, sizeof want, "\n| %s | ", t[i].name));
		ck_assert_msg(strstr(pb_buf_str(&out), want) != NULL, "%s", t[i].name);
	}
	for (size_t i = 0; i < out.len; i++)
		lines += out.p[i] == '\n';
	ck_assert_uint_eq(lines, n + 2);
}
END_TEST

START_TEST(dump__loads_again)
{
	static const char *const sets[] = {"roles=worker", "lease_duration=90s",
					   "egress_allow=10.0.0.0/8", "environment=development",
					   "max_body_bytes=3KB"};
	const struct config_source src = {.sets = sets, .n_sets = PB_ARRAY_LEN(sets)};
	char name[] = "/tmp/pb-dump-XXXXXX";
	struct config_source again = {.file = name};
	pb_auto_buf first = PB_BUF_INIT, second = PB_BUF_INIT;
	pb_autoptr(config) a = NULL;
	pb_autoptr(config) b = NULL;
	struct pb_problems faults;
	pb_auto_arena arena;
	int fd = mkstemp(name);

	pb_arena_init(&arena, 65536);
	pb_problems_init(&faults, &arena, 10);
	ck_assert_int_eq(config_load(&src, &a, &faults), PB_OK);
	config_dump(a, &first);
	ck_assert_int_eq(write(fd, pb_buf_str(&first), first.len), (ssize_t)first.len);
	(void)close(fd);
	ck_assert_msg(config_load(&again, &b, &faults) == PB_OK, "%s",
		      faults.first ? faults.first->message : "");
	(void)unlink(name);
	config_dump(b, &second);
	ck_assert_str_eq(pb_buf_str(&first), pb_buf_str(&second));
	ck_assert_ptr_nonnull(strstr(pb_buf_str(&second), "lease_duration = 90s\n"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("config_document");
	TCase *t = tcase_create("document");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, document__lists_every_setting);
	tcase_add_test(t, dump__loads_again);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
