/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: every line arrives once, rotation loses none, a stuck reader stops no logger. */
#include "obs/obs_log.h"

#include <check.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/base.h"

PB_LOG_TOPIC("test");

#define WAIT_US (20 * PB_USEC_PER_SEC)

static char dir[64];
static char path[96];

static void setup(void)
{
	(void)pb_str_copy(dir, sizeof(dir), "/tmp/pb_obs_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)pb_str_printf(path, sizeof(path), "%s/log", dir);
}

static void teardown(void)
{
	char old[100];

	obs_log_stop();
	(void)pb_str_printf(old, sizeof(old), "%s.1", path);
	(void)unlink(path);
	(void)unlink(old);
	(void)rmdir(dir);
}

static void start(size_t ring)
{
	const struct obs_log_cfg cfg = {.path = path, .level = PB_LOG_DEBUG, .ring_bytes = ring};
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(obs_log_start(&cfg, &err), PB_OK);
}

static size_t lines_in(const char *file)
{
	pb_autoclose int fd = open(file, O_RDONLY | O_CLOEXEC);
	char buf[4096];
	size_t lines = 0;

	ck_assert_int_ge(fd, 0);
	for (ssize_t n = read(fd, buf, sizeof(buf)); n > 0; n = read(fd, buf, sizeof(buf)))
		for (ssize_t i = 0; i < n; i++)
			lines += buf[i] == '\n';
	return lines;
}

static void *logger(void *arg)
{
	for (int i = 0; i < 1000; i++)
		pb_log(PB_LOG_INFO, "event", PB_KV_INT("i", i));
	return arg;
}

START_TEST(log__keeps_every_line_of_many_threads)
{
	pthread_t t[4];

	start(8 * 1024 * 1024);
	for (size_t i = 0; i < PB_ARRAY_LEN(t); i++)
		t[i] = pb_thread_start("logger", 256 * 1024, logger, NULL);
	for (size_t i = 0; i < PB_ARRAY_LEN(t); i++)
		pb_thread_join(t[i]);
	ck_assert(obs_log_flush(WAIT_US));
	ck_assert_uint_eq(lines_in(path), 4000);
	ck_assert_uint_eq(obs_log_dropped(), 0);
}
END_TEST

START_TEST(log__stop_writes_the_rest)
{
	start(0);
	(void)logger(NULL);
	obs_log_stop();
	ck_assert_uint_eq(lines_in(path), 1000);
}
END_TEST

START_TEST(log__reopens)
{
	char old[100];

	start(0);
	pb_log(PB_LOG_INFO, "one");
	ck_assert(obs_log_flush(WAIT_US));
	(void)pb_str_printf(old, sizeof(old), "%s.1", path);
	ck_assert_int_eq(rename(path, old), 0);
	obs_log_reopen();
	pb_log(PB_LOG_INFO, "two");
	ck_assert(obs_log_flush(WAIT_US));
	ck_assert_uint_eq(lines_in(old), 1);
	ck_assert_uint_eq(lines_in(path), 1);
}
END_TEST

START_TEST(log__refuses_a_bad_path)
{
	const struct obs_log_cfg cfg = {.path = "/proc/none/log"};
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(obs_log_start(&cfg, &err), PB_E_UNAVAILABLE);
	ck_assert_str_eq(err.code, "log.open");
}
END_TEST

/* A FIFO that is open for reading but never read, the way a dead journal looks. */
START_TEST(log__stuck_reader_drops_and_does_not_block)
{
	const struct timespec step = pb_timespec(PB_USEC_PER_MSEC);
	bool told = false, gave_up = false;
	static char buf[65536];
	int64_t begin = 0;
	int rd = -1;

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	rd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(rd, 0);
	start(64 * 1024);
	begin = pb_mono_us();
	for (int i = 0; i < 5; i++)
		(void)logger(NULL);
	/* each buffer that waits for the reader would take two seconds, and there are many */
	ck_assert_int_lt(pb_mono_us() - begin, 10 * PB_USEC_PER_SEC);
	ck_assert_uint_gt(obs_log_dropped(), 0);
	/* the writer may just have given up on everything; more lines have to wait again */
	for (int i = 0; i < 10 && !gave_up; i++) {
		(void)logger(NULL);
		gave_up = !obs_log_flush(100 * PB_USEC_PER_MSEC);
	}
	ck_assert(gave_up);
	/* the reader comes back: what was kept arrives whole, and the loss is told */
	for (begin = pb_mono_us(); !told && pb_mono_us() - begin < WAIT_US;) {
		ssize_t n = read(rd, buf, sizeof(buf));

		told = n > 0 && memmem(buf, (size_t)n, "patchbay.log.dropped", 20) != NULL;
		if (n <= 0)
			nanosleep(&step, NULL);
	}
	ck_assert(told);
	(void)close(rd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("obs_log");
	TCase *tc = tcase_create("log");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 90);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, log__keeps_every_line_of_many_threads);
	tcase_add_test(tc, log__stop_writes_the_rest);
	tcase_add_test(tc, log__reopens);
	tcase_add_test(tc, log__refuses_a_bad_path);
	tcase_add_test(tc, log__stuck_reader_drops_and_does_not_block);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
