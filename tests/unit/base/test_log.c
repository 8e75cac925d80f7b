/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/log.c */
#include "base/log.h"

#include <check.h>
#include <sys/mman.h>

#include "support/check_main.h"
#include "base/base.h"

PB_LOG_TOPIC("test.log");

static int seen, last_kv;
static enum pb_log_level last_level;

static void sink(const struct pb_log_record *rec, void *arg)
{
	ck_assert_ptr_eq(arg, &seen);
	ck_assert_str_eq(rec->topic, "test.log");
	ck_assert_str_eq(rec->event, "something happened");
	seen++;
	last_kv = (int)rec->n_kv;
	last_level = rec->level;
	if (rec->n_kv == 4) {
		ck_assert_str_eq(rec->kv[0].key, "s");
		ck_assert_str_eq(rec->kv[0].s, "text");
		ck_assert_int_eq(rec->kv[1].i, -5);
		ck_assert_int_eq(rec->kv[2].type, PB_KV_T_BOOL);
		ck_assert(pb_uuid_is_nil(rec->kv[3].u));
	}
}

START_TEST(sink__gets_records_over_the_level)
{
	seen = 0;
	pb_log_set_sink(sink, &seen);
	pb_log_set_level(PB_LOG_INFO);
	pb_log(PB_LOG_DEBUG, "something happened");
	ck_assert_int_eq(seen, 0);
	pb_log(PB_LOG_INFO, "something happened");
	ck_assert_int_eq(seen, 1);
	ck_assert_int_eq(last_kv, 0);
	pb_log(PB_LOG_ERROR, "something happened", PB_KV_STR("s", "text"), PB_KV_INT("i", -5),
	       PB_KV_BOOL("b", true), PB_KV_UUID("u", PB_UUID_NIL));
	ck_assert_int_eq(seen, 2);
	ck_assert_int_eq(last_kv, 4);
	ck_assert_int_eq(last_level, PB_LOG_ERROR);
	pb_log_set_level(PB_LOG_DEBUG);
	pb_log(PB_LOG_DEBUG, "something happened");
	ck_assert_int_eq(seen, 3);
	pb_log_set_sink(NULL, NULL);
	pb_log_set_level(PB_LOG_INFO);
}
END_TEST

/* What the calls in between write to stderr. */
static int capture_begin(int *ret_saved)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	*ret_saved = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
	return fd;
}

static void capture_end(int fd, int saved, char *out, size_t cap)
{
	ssize_t n;

	ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
	close(saved);
	n = pread(fd, out, cap - 1, 0);
	ck_assert_int_ge(n, 0);
	out[n] = 0;
	close(fd);
}

START_TEST(plain__warnings_on_one_line_each)
{
	static char out[16384];
	static char big[2000];
	int saved, fd;

	memset(big, 'B', sizeof(big) - 1);
	pb_log_set_sink(NULL, NULL);
	pb_log_set_level(PB_LOG_DEBUG);
	ck_assert(!pb_log_enabled(PB_LOG_INFO));
	fd = capture_begin(&saved);
	pb_log(PB_LOG_INFO, "not shown");
	pb_log(PB_LOG_WARN, "first", PB_KV_STR("ua", "x\n2026 INFO admin login ok\x1b[2J"),
	       PB_KV_STR("none", NULL), PB_KV_INT("n", INT64_MIN), PB_KV_BOOL("yes", true),
	       PB_KV_UUID("id", PB_UUID_NIL));
	pb_log(PB_LOG_ERROR, "second", PB_KV_STR("a", big), PB_KV_STR("b", big),
	       PB_KV_STR("c", big), PB_KV_STR("d", big), PB_KV_STR("e", big), PB_KV_STR("f", big),
	       PB_KV_STR("g", big), PB_KV_STR("h", big), PB_KV_STR("i", big), PB_KV_STR("j", big));
	capture_end(fd, saved, out, sizeof(out));
	pb_log_set_level(PB_LOG_INFO);

	ck_assert_ptr_null(strstr(out, "not shown"));
	ck_assert_ptr_nonnull(strstr(out, " warning test.log: first ua=x\\x0a2026 INFO"));
	ck_assert_ptr_nonnull(strstr(out, "\\x1b[2J none= n=-9223372036854775808 yes=true "
					  "id=00000000-0000-0000-0000-000000000000\n"));
	ck_assert_ptr_nonnull(strstr(out, " error test.log: second a=BBBB"));
	ck_assert_ptr_null(strchr(out, '\x1b'));
	ck_assert_uint_lt(strlen(out), 8192);
	ck_assert_uint_eq(strlen(strchr(strchr(out, '\n') + 1, '\n')), 1);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, sink__gets_records_over_the_level);
	tcase_add_test(tc, plain__warnings_on_one_line_each);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
