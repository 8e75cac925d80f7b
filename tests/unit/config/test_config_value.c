/* SPDX-License-Identifier: Apache-2.0 */
/* One value: what each type takes, what it refuses, and that it is written so that it reads back. */
#include "config/config_private.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

static struct config *cfg;

static void setup(void)
{
	const struct config_source none = {.file = NULL};
	struct pb_problems faults;
	struct pb_arena arena;

	pb_arena_init(&arena, 65536);
	pb_problems_init(&faults, &arena, 10);
	ck_assert_int_eq(config_load(&none, &cfg, &faults), PB_OK);
	pb_arena_done(&arena);
}

static void teardown(void)
{
	config_free(cfg);
}

static enum pb_status set(const char *name, const char *value, struct pb_err *err)
{
	const struct config_setting *s = config_setting_find(name);

	ck_assert_ptr_nonnull(s);
	return config_value_set(cfg, s, pb_slice_str(value), err);
}

static const struct {
	const char *name, *value, *written; /* written NULL: refused */
} cases[] = {
	{"worker_threads", " 8 ", "8"},
	{"worker_threads", "0", NULL},
	{"worker_threads", "257", NULL},
	{"worker_threads", "8x", NULL},
	{"worker_threads", "", NULL},
	{"worker_threads", "+8", NULL},
	{"lease_duration", "90s", "90s"},
	{"lease_duration", "120s", "2m"},
	{"lease_duration", "1500ms", "1500ms"},
	{"lease_duration", "30", NULL},
	{"lease_duration", "500ms", NULL},
	{"lease_duration", "1h", NULL},
	{"drain_timeout", "0", "0ms"},
	{"history_retention", "48h", "2d"},
	{"max_body_bytes", "2048", "2KB"},
	{"max_body_bytes", "1MB", "1MB"},
	{"max_body_bytes", "65MB", NULL},
	{"max_body_bytes", "1XB", NULL},
	{"allow_crash_points", "true", "true"},
	{"allow_crash_points", "yes", NULL},
	{"allow_crash_points", "TRUE", NULL},
	{"environment", "development", "development"},
	{"environment", "dev", NULL},
	{"roles", "worker", "worker"},
	{"roles", "api,worker", "api, worker"},
	{"roles", "", NULL},
	{"roles", "api,api", NULL},
	{"roles", "api,", NULL},
	{"roles", "api,,worker", NULL},
	{"roles", "api,janitor", NULL},
	{"egress_allow", "", ""},
	{"egress_allow", "10.0.0.0/8 , fd00::/8", "10.0.0.0/8, fd00::/8"},
	{"egress_allow", "everything", NULL},
	{"public_url", "https://patchbay.example", "https://patchbay.example"},
	{"public_url", "", ""},
	{"public_url", "patchbay.example", NULL},
	{"log_file", "/var/log/patchbay/log", "/var/log/patchbay/log"},
	{"log_file", "a\nb", NULL},
	{"log_file", "\xff", NULL},
	{"nats_url_file", "/etc/patchbay/nats", "/etc/patchbay/nats"},
	{"nats_url_file", "nats://user:hunter2@host:4222", NULL},
};

START_TEST(set__reads_and_refuses)
{
	const struct config_setting *s = config_setting_find(cases[_i].name);
	pb_auto_buf before = PB_BUF_INIT, after = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;

	config_value_write(cfg, s, &before);
	if (cases[_i].written) {
		ck_assert_msg(set(cases[_i].name, cases[_i].value, &err) == PB_OK, "%s", err.msg);
		config_value_write(cfg, s, &after);
		ck_assert_str_eq(pb_buf_str(&after), cases[_i].written);
		ck_assert_int_eq(set(cases[_i].name, pb_buf_str(&after), &err), PB_OK);
		return;
	}
	ck_assert_int_eq(set(cases[_i].name, cases[_i].value, &err), PB_E_INVALID);
	ck_assert_str_eq(err.code, "config.value");
	ck_assert_msg(pb_str_starts(err.msg, cases[_i].name), "%s", err.msg);
	ck_assert_ptr_null(strstr(err.msg, "hunter2"));
	config_value_write(cfg, s, &after);
	ck_assert_str_eq(pb_buf_str(&after), pb_buf_str(&before));
}
END_TEST

START_TEST(set__names_the_range)
{
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(set("worker_threads", "900", &err), PB_E_INVALID);
	ck_assert_str_eq(err.msg, "worker_threads must be 1..16");
	ck_assert_int_eq(set("lease_duration", "1", &err), PB_E_INVALID);
	ck_assert_str_eq(err.msg, "lease_duration must be 1s..10m (like 250ms, 30s, 5m, 2h, 7d)");
	ck_assert_int_eq(set("log_level", "x", &err), PB_E_INVALID);
	ck_assert_str_eq(err.msg, "log_level must be debug, info, warn or error");
}
END_TEST

START_TEST(set__list_has_a_limit)
{
	pb_auto_buf many = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;

	for (int i = 1; i <= 300; i++)
		pb_buf_addf(&many, "%s%d", i > 1 ? "," : "", i);
	ck_assert_int_eq(set("egress_ports", pb_buf_str(&many), &err), PB_E_INVALID);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("config_value");
	TCase *t = tcase_create("value");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, set__reads_and_refuses, 0, PB_ARRAY_LEN(cases));
	tcase_add_test(t, set__names_the_range);
	tcase_add_test(t, set__list_has_a_limit);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
