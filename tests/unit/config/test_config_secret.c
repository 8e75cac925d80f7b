/* SPDX-License-Identifier: Apache-2.0 */
/* Secret files: who may read them, what they may hold, and that no message repeats it. */
#define PB_ALLOW_GETENV
#include "config/config.h"

#include <check.h>
#include <sys/stat.h>

#include "support/check_main.h"
#include "base/base.h"

static char dir[64], path[96];
static struct config *cfg;

static void setup(void)
{
	char set[160];
	const char *const sets[] = {set};
	const struct config_source src = {.sets = sets, .n_sets = 1};
	struct pb_problems faults;
	struct pb_arena arena;

	ck_assert(pb_str_copy(dir, sizeof dir, "/tmp/pb-secret-XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert(pb_str_printf(path, sizeof path, "%s/key", dir));
	ck_assert(pb_str_printf(set, sizeof set, "master_key_file=%s", path));
	pb_arena_init(&arena, 65536);
	pb_problems_init(&faults, &arena, 10);
	ck_assert_int_eq(config_load(&src, &cfg, &faults), PB_OK);
	pb_arena_done(&arena);
}

static void teardown(void)
{
	config_free(cfg);
	(void)unlink(path);
	(void)rmdir(path);
	(void)rmdir(dir);
}

static void write_secret(const char *text, size_t n, mode_t mode)
{
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static enum pb_status read_secret(char *buf, size_t cap, size_t *n, struct pb_err *err)
{
	return config_secret_read(cfg, "master_key_file", buf, cap, n, err);
}

START_TEST(read__cuts_line_ends)
{
	struct pb_err err = PB_ERR_INIT;
	char buf[32];
	size_t n = 0;

	write_secret("hunter2\r\n\n", 10, 0600);
	ck_assert_msg(read_secret(buf, sizeof buf, &n, &err) == PB_OK, "%s", err.msg);
	ck_assert_uint_eq(n, 7);
	ck_assert_str_eq(buf, "hunter2");
	ck_assert_int_eq(chmod(path, 0400), 0);
	ck_assert_int_eq(read_secret(buf, sizeof buf, &n, &err), PB_OK);
}
END_TEST

static const mode_t open_modes[] = {0640, 0604, 0660, 0644, 0666, 0620, 0602, 0610, 0601};

START_TEST(read__refuses_open_modes)
{
	struct pb_err err = PB_ERR_INIT;
	char buf[32];
	size_t n;

	write_secret("hunter2", 7, open_modes[_i]);
	ck_assert_int_eq(read_secret(buf, sizeof buf, &n, &err), PB_E_INVALID);
	ck_assert_str_eq(err.code, "config.file");
	ck_assert_ptr_nonnull(strstr(err.msg, "master_key_file"));
	ck_assert_ptr_nonnull(strstr(err.msg, "chmod 0600"));
	ck_assert_ptr_null(strstr(err.msg, "hunter2"));
}
END_TEST

START_TEST(read__refuses_odd_files)
{
	struct pb_err err = PB_ERR_INIT;
	char buf[8];
	size_t n;

	ck_assert_int_eq(read_secret(buf, sizeof buf, &n, &err), PB_E_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "does not exist"));
	write_secret("", 0, 0600);
	ck_assert_int_eq(read_secret(buf, sizeof buf, &n, &err), PB_E_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "empty"));
	write_secret("\n", 1, 0600);
	ck_assert_int_eq(read_secret(buf, sizeof buf, &n, &err), PB_E_INVALID);
	write_secret("a\0b", 3, 0600);
	ck_assert_int_eq(read_secret(buf, sizeof buf, &n, &err), PB_E_INVALID);
	write_secret("12345678", 8, 0600); /* no room for the NUL */
	ck_assert_int_eq(read_secret(buf, sizeof buf, &n, &err), PB_E_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "longer than 7"));
	ck_assert_int_eq(buf[0], 0); /* nothing left behind */
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(read_secret(buf, sizeof buf, &n, &err), PB_E_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "regular"));
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(read_secret(buf, sizeof buf, &n, &err), PB_E_INVALID);
}
END_TEST

START_TEST(read__not_set)
{
	struct pb_err err = PB_ERR_INIT;
	char buf[8];
	size_t n;

	ck_assert_int_eq(config_secret_read(cfg, "nats_url_file", buf, sizeof buf, &n, &err),
			 PB_E_INVALID);
	ck_assert_str_eq(err.code, "config.required");
	ck_assert_ptr_nonnull(strstr(err.msg, "nats_url_file"));
}
END_TEST

/* systemd's ACL shows as group-read on a file of root in $CREDENTIALS_DIRECTORY; nowhere else is that fine. */
START_TEST(read__systemd_credentials)
{
	struct pb_err err = PB_ERR_INIT;
	char buf[32];
	size_t n;

	if (geteuid() != 0)
		return;
	write_secret("hunter2", 7, 0440);
	ck_assert_int_eq((setenv)("CREDENTIALS_DIRECTORY", dir, 1), 0);
	ck_assert_msg(read_secret(buf, sizeof buf, &n, &err) == PB_OK, "%s", err.msg);
	ck_assert_int_eq(chmod(path, 0444), 0);
	ck_assert_int_eq(read_secret(buf, sizeof buf, &n, &err), PB_E_INVALID);
	ck_assert_int_eq(chmod(path, 0440), 0);
	ck_assert_int_eq((setenv)("CREDENTIALS_DIRECTORY", "/tmp", 1), 0); /* a folder above */
	ck_assert_int_eq(read_secret(buf, sizeof buf, &n, &err), PB_E_INVALID);
	ck_assert_int_eq((unsetenv)("CREDENTIALS_DIRECTORY"), 0);
	ck_assert_int_eq(read_secret(buf, sizeof buf, &n, &err), PB_E_INVALID);
	ck_assert_int_eq(chown(path, 12345, 12345), 0);
	ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_int_eq(read_secret(buf, sizeof buf, &n, &err), PB_E_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "another user"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("config_secret");
	TCase *t = tcase_create("secret");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, read__cuts_line_ends);
	tcase_add_loop_test(t, read__refuses_open_modes, 0, PB_ARRAY_LEN(open_modes));
	tcase_add_test(t, read__refuses_odd_files);
	tcase_add_test(t, read__not_set);
	tcase_add_test(t, read__systemd_credentials);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
