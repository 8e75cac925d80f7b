/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between settings: each broken one is reported, a good set passes. */
#include "config/config.h"

#include <check.h>
#include <sys/stat.h>

#include "support/check_main.h"
#include "base/base.h"

static char dir[64], key[96], conn[128], engine[128], api[128], admin[128], nats[128], master[128];
static struct pb_arena arena;
static struct pb_problems faults;

static void setup(void)
{
	FILE *f;

	ck_assert(pb_str_copy(dir, sizeof dir, "/tmp/pb-check-XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert(pb_str_printf(key, sizeof key, "%s/key", dir));
	f = fopen(key, "we");
	ck_assert(f && fputs("secret", f) >= 0 && fclose(f) == 0);
	ck_assert_int_eq(chmod(key, 0600), 0);
	ck_assert(pb_str_printf(conn, sizeof conn, "connector_dir=%s", dir));
	ck_assert(pb_str_printf(engine, sizeof engine, "database_engine_url_file=%s", key));
	ck_assert(pb_str_printf(api, sizeof api, "database_api_url_file=%s", key));
	ck_assert(pb_str_printf(admin, sizeof admin, "database_admin_url_file=%s", key));
	ck_assert(pb_str_printf(nats, sizeof nats, "nats_url_file=%s", key));
	ck_assert(pb_str_printf(master, sizeof master, "master_key_file=%s", key));
	pb_arena_init(&arena, 1 << 20);
	pb_problems_init(&faults, &arena, 50);
}

static void teardown(void)
{
	(void)unlink(key);
	(void)rmdir(dir);
	pb_arena_done(&arena);
}

/* Checks a good production set with @extra on top. */
static enum pb_status check_with(const char *extra)
{
	const char *sets[] = {conn,
			      engine,
			      api,
			      admin,
			      nats,
			      master,
			      "runner_path=/bin/true",
			      "public_url=https://patchbay.example",
			      extra};
	const struct config_source src = {.sets = sets, .n_sets = PB_ARRAY_LEN(sets)};
	pb_autoptr(config) cfg = NULL;

	ck_assert_msg(config_load(&src, &cfg, &faults) == PB_OK, "%s",
		      faults.first ? faults.first->message : "");
	return config_check(cfg, &faults);
}

START_TEST(check__good_set_passes)
{
	ck_assert_msg(check_with("log_level=info") == PB_OK, "%s",
		      faults.first ? faults.first->message : "");
}
END_TEST

static const struct {
	const char *extra, *code, *pointer;
} bad[] = {
	{"allow_crash_points=true", "config.conflict", "/allow_crash_points"},
	{"connector_base_urls=slack=http://127.0.0.1:1", "config.conflict", "/connector_base_urls"},
	{"public_url=", "config.required", "/public_url"},
	{"public_url=http://patchbay.example", "config.conflict", "/public_url"},
	{"crash_at=engine.claim:1", "config.conflict", "/crash_at"},
	{"sweep_interval=20s", "config.conflict", "/lease_duration"},
	{"connector_dir=/nonexistent", "config.file", "/connector_dir"},
	{"runner_path=/nonexistent", "config.file", "/runner_path"},
	{"runner_path=/etc/passwd", "config.file", "/runner_path"},
	{"master_key_file=", "config.required", "/master_key_file"},
	{"database_admin_url_file=", "config.required", "/database_admin_url_file"},
	{"nats_url_file=/nonexistent", "config.file", "/nats_url_file"},
	{"redis_url_file=/nonexistent", "config.file", "/redis_url_file"},
	{"database_api_url_file=/etc/passwd", "config.file", "/database_api_url_file"},
};

START_TEST(check__names_the_broken_rule)
{
	ck_assert_int_eq(check_with(bad[_i].extra), PB_E_INVALID);
	ck_assert_uint_eq(faults.n, 1);
	ck_assert_str_eq(faults.first->code, bad[_i].code);
	ck_assert_str_eq(faults.first->pointer, bad[_i].pointer);
	ck_assert_ptr_nonnull(strstr(faults.first->message, bad[_i].pointer + 1));
}
END_TEST

START_TEST(check__reports_all_at_once)
{
	const struct config_source none = {.file = NULL};
	pb_autoptr(config) cfg = NULL;

	ck_assert_int_eq(config_load(&none, &cfg, &faults), PB_OK);
	ck_assert_int_eq(config_check(cfg, &faults), PB_E_INVALID);
	ck_assert_uint_ge(faults.n, 5);
}
END_TEST

/* A host opens its pools and its vault before it looks at its roles. */
START_TEST(check__every_role_needs_what_serve_opens)
{
	static const char *const roles[] = {"roles=schedule", "roles=worker", "roles=api"};
	static const char *const wanted[] = {"/database_api_url_file", "/database_engine_url_file",
					     "/database_admin_url_file", "/nats_url_file",
					     "/master_key_file"};
	const char *sets[] = {conn, "runner_path=/bin/true", "public_url=https://patchbay.example",
			      roles[_i]};
	const struct config_source src = {.sets = sets, .n_sets = PB_ARRAY_LEN(sets)};
	pb_autoptr(config) cfg = NULL;
	size_t n = 0;

	ck_assert_int_eq(config_load(&src, &cfg, &faults), PB_OK);
	ck_assert_int_eq(config_check(cfg, &faults), PB_E_INVALID);
	for (const struct pb_problem *p = faults.first; p; p = p->next, n++)
		ck_assert_msg(pb_str_eq(p->pointer, wanted[n]), "%s", p->pointer);
	ck_assert_uint_eq(n, PB_ARRAY_LEN(wanted));
}
END_TEST

START_TEST(check__development_allows_more)
{
	const char *sets[] = {conn,
			      engine,
			      api,
			      admin,
			      nats,
			      master,
			      "runner_path=/bin/true",
			      "environment=development",
			      "allow_crash_points=true",
			      "crash_at=engine.claim:1",
			      "connector_base_urls=slack=http://127.0.0.1:4300/slack/api"};
	const struct config_source src = {.sets = sets, .n_sets = PB_ARRAY_LEN(sets)};
	pb_autoptr(config) cfg = NULL;

	ck_assert_int_eq(config_load(&src, &cfg, &faults), PB_OK);
	ck_assert_msg(config_check(cfg, &faults) == PB_OK, "%s",
		      faults.first ? faults.first->message : "");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("config_check");
	TCase *t = tcase_create("check");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, check__good_set_passes);
	tcase_add_loop_test(t, check__names_the_broken_rule, 0, PB_ARRAY_LEN(bad));
	tcase_add_test(t, check__reports_all_at_once);
	tcase_add_loop_test(t, check__every_role_needs_what_serve_opens, 0, 3);
	tcase_add_test(t, check__development_allows_more);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
