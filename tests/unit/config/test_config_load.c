/* SPDX-License-Identifier: Apache-2.0 */
/* Sources and their order, and that one run reports every fault. */
#include "config/config.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

static struct pb_arena arena;
static struct pb_problems faults;
static char file_name[64];

static void setup(void)
{
	int fd;

	pb_arena_init(&arena, 1 << 20);
	pb_problems_init(&faults, &arena, 50);
	ck_assert(pb_str_copy(file_name, sizeof file_name, "/tmp/pb-config-XXXXXX"));
	fd = mkstemp(file_name);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
}

static void teardown(void)
{
	(void)unlink(file_name);
	pb_arena_done(&arena);
}

static void write_file(const char *text, size_t n)
{
	FILE *f = fopen(file_name, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
}

static size_t count(const char *code)
{
	size_t n = 0;

	for (const struct pb_problem *p = faults.first; p; p = p->next)
		n += pb_str_eq(p->code, code);
	return n;
}

START_TEST(load__defaults)
{
	const struct config_source none = {.file = NULL};
	pb_autoptr(config) cfg = NULL;

	ck_assert_int_eq(config_load(&none, &cfg, &faults), PB_OK);
	ck_assert_uint_eq(cfg->roles.n, 3);
	ck_assert(config_has_role(cfg, "schedule") && !config_has_role(cfg, "janitor"));
	ck_assert_str_eq(cfg->listen.items[0], "127.0.0.1:8080");
	ck_assert_int_eq(cfg->environment, CONFIG_PRODUCTION);
	ck_assert_int_eq(cfg->lease_duration_us, 30000000);
	ck_assert_int_eq(cfg->max_body_bytes, 1 << 20);
	ck_assert(!cfg->allow_crash_points);
	ck_assert_str_eq(cfg->master_key_file, "");
}
END_TEST

START_TEST(load__later_source_wins)
{
	static const char text[] =
		"# comment\r\n\n  worker_threads = 5\nlog_level=debug\nhttp_threads = 100";
	static const char *const sets[] = {"worker_threads=7"};
	char e1[] = "PATCHBAY_WORKER_THREADS=6", e2[] = "PATCHBAY_HTTP_THREADS=101";
	char e3[] = "PATCHBAY_PORT=tcp://10.0.0.1:80", e4[] = "PATCHBAY_HTTP_THREADSX=1";
	char *const env[] = {e1, e2, e3, e4, NULL};
	const struct config_source src = {.file = file_name, .sets = sets, .n_sets = 1, .env = env};
	pb_autoptr(config) cfg = NULL;

	write_file(text, sizeof text - 1);
	ck_assert_int_eq(config_load(&src, &cfg, &faults), PB_OK);
	ck_assert_int_eq(cfg->worker_threads, 7);
	ck_assert_int_eq(cfg->http_threads, 101);
	ck_assert_int_eq(cfg->log_level, CONFIG_LOG_DEBUG);
}
END_TEST

START_TEST(load__reports_every_fault)
{
	static const char text[] =
		"worker_threads = many\nno_such = 1\njust words\nlog_level = info\n"
		"log_level = warn\nlease_duration = 1\n= 3\n";
	static const char *const sets[] = {"http_threads=0", "nonsense"};
	char e1[] = "PATCHBAY_ALLOW_CRASH_POINTS=maybe";
	char *const env[] = {e1, NULL};
	const struct config_source src = {.file = file_name, .sets = sets, .n_sets = 2, .env = env};
	pb_autoptr(config) cfg = NULL;

	write_file(text, sizeof text - 1);
	ck_assert_int_eq(config_load(&src, &cfg, &faults), PB_E_INVALID);
	ck_assert_uint_eq(count("config.value"), 4);
	ck_assert_uint_eq(count("config.unknown"), 2);
	ck_assert_uint_eq(count("config.syntax"), 2);
	ck_assert_uint_eq(count("config.duplicate"), 1);
	ck_assert_uint_eq(faults.n, 9);
	ck_assert_ptr_nonnull(strstr(faults.first->message, "line 1"));
	ck_assert_str_eq(faults.first->pointer, "/worker_threads");
	ck_assert_int_eq(cfg->worker_threads, 4); /* kept its default */
	ck_assert_int_eq(cfg->log_level, CONFIG_LOG_INFO);
}
END_TEST

START_TEST(load__missing_file_and_folder)
{
	const struct config_source missing = {.file = "/nonexistent/patchbay.conf"},
				   folder = {.file = "/tmp"};
	pb_autoptr(config) a = NULL;
	pb_autoptr(config) b = NULL;

	ck_assert_int_eq(config_load(&missing, &a, &faults), PB_E_INVALID);
	ck_assert_int_eq(config_load(&folder, &b, &faults), PB_E_INVALID);
	ck_assert_uint_eq(count("config.file"), 2);
	ck_assert(a && b);
}
END_TEST

START_TEST(load__hostile_files)
{
	pb_autofree char *big = pb_xcalloc(1, (1 << 20) + 2);
	const struct config_source src = {.file = file_name};
	pb_autoptr(config) a = NULL;
	pb_autoptr(config) b = NULL;
	pb_autoptr(config) c = NULL;

	memset(big, 'x', (1 << 20) + 1);
	write_file(big, (1 << 20) + 1);
	ck_assert_int_eq(config_load(&src, &a, &faults), PB_E_INVALID);
	ck_assert_uint_eq(count("config.file"), 1);
	write_file(big, 10000); /* one long line */
	ck_assert_int_eq(config_load(&src, &b, &faults), PB_E_INVALID);
	ck_assert_uint_eq(count("config.syntax"), 1);
	write_file("log_level = info\0\n", 18);
	ck_assert_int_eq(config_load(&src, &c, &faults), PB_E_INVALID);
	ck_assert_uint_eq(count("config.syntax"), 2);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("config_load");
	TCase *t = tcase_create("load");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, load__defaults);
	tcase_add_test(t, load__later_source_wins);
	tcase_add_test(t, load__reports_every_fault);
	tcase_add_test(t, load__missing_file_and_folder);
	tcase_add_test(t, load__hostile_files);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
