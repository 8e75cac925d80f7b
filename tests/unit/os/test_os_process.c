/* SPDX-License-Identifier: Apache-2.0 */
/* Spawning: exact descriptors, clean environment, exit codes, signals. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "os/os_memfd.h"
#include "os/os_process.h"
#include "support/check_main.h"

#define WAIT_US (20 * PB_USEC_PER_SEC)

static const char *const env[] = {"ONLY=this", NULL};

static struct os_process spawn_shell(const char *script, const struct os_fd_map *fds, size_t n)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	const struct os_spawn spawn = {"/bin/sh", argv, env, fds, n};
	struct os_process p = OS_PROCESS_INIT;

	ck_assert_int_eq(os_process_spawn(&spawn, &p, NULL), PB_OK);
	return p;
}

START_TEST(spawn__maps_descriptors_exactly)
{
	char text[512] = {0};
	int a[2], b[2], stray;
	struct os_exit ended;
	struct os_process p;
	ssize_t n;

	ck_assert_int_eq(pipe2(a, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(b, O_CLOEXEC), 0);
	stray = open("/dev/null", O_RDONLY); /* not close-on-exec: must not get through */
	/* targets and sources cross: a[1] may be number 4 itself */
	const struct os_fd_map fds[] = {{a[0], 0}, {b[1], 1}, {2, 2}, {a[1], 3}, {a[0], 4}};
	p = spawn_shell("cd /proc/self/fd && echo * >&1; echo ok >&3; echo $ONLY$HOME", fds, 5);
	ck_assert(os_process_wait(&p, pb_mono_us() + WAIT_US, &ended));
	ck_assert(!ended.signalled);
	ck_assert_int_eq(ended.value, 0);
	n = read(b[0], text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	/* the shell's own glob descriptor is the next free one, 5 */
	ck_assert(strncmp(text, "0 1 2 3 4\n", 10) == 0 || strncmp(text, "0 1 2 3 4 5\n", 12) == 0);
	ck_assert_ptr_nonnull(strstr(text, "this\n"));
	n = read(a[0], text, sizeof(text) - 1);
	ck_assert_mem_eq(text, "ok\n", 3);
	os_process_done(&p);
	(void)close(stray);
}
END_TEST

START_TEST(wait__tells_code_and_signal)
{
	struct os_process p = spawn_shell("exit 7", NULL, 0);
	struct os_exit ended;

	ck_assert(os_process_wait(&p, pb_mono_us() + WAIT_US, &ended));
	ck_assert(!ended.signalled);
	ck_assert_int_eq(ended.value, 7);
	ck_assert(!os_process_signal(&p, SIGTERM));
	os_process_done(&p);

	p = spawn_shell("kill -9 $$", NULL, 0);
	ck_assert(os_process_wait(&p, pb_mono_us() + WAIT_US, &ended));
	ck_assert(ended.signalled);
	ck_assert_int_eq(ended.value, SIGKILL);
	os_process_done(&p);
}
END_TEST

START_TEST(wait__of_a_running_one_is_false_and_done_kills)
{
	int fds[2];
	struct os_exit ended;
	struct os_process p;
	char byte;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	const struct os_fd_map map[] = {{fds[0], 0}};
	p = spawn_shell("read x", map, 1);
	ck_assert(!os_process_wait(&p, 0, &ended));
	os_process_done(&p);
	ck_assert_int_eq(p.pidfd, -1);
	(void)close(fds[1]);
	ck_assert_int_eq(read(fds[0], &byte, 1), 0);
}
END_TEST

START_TEST(spawn__of_nothing_fails)
{
	const char *const argv[] = {"x", NULL};
	const struct os_spawn spawn = {"/nonexistent/x", argv, env, NULL, 0};
	struct os_process p = OS_PROCESS_INIT;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(os_process_spawn(&spawn, &p, &err), PB_E_UNAVAILABLE);
	ck_assert_str_eq(err.code, "os.spawn");
	ck_assert_int_eq(p.pid, 0);
}
END_TEST

START_TEST(memfd__cannot_change)
{
	FILE *f = tmpfile();
	char text[8] = {0};
	int fd = -1;

	ck_assert_int_ge(fputs("content", f), 0);
	(void)fflush(f);
	ck_assert_int_eq(os_memfd_seal_file(fileno(f), 100, "t", &fd, NULL), PB_OK);
	ck_assert(os_memfd_is_sealed(fd));
	ck_assert_int_eq(write(fd, "x", 1), -1);
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(read(fd, text, 7), 7);
	ck_assert_str_eq(text, "content");
	ck_assert(!os_memfd_is_sealed(fileno(f)));
	(void)close(fd);
	ck_assert_int_eq(os_memfd_seal_file(fileno(f), 6, "t", &fd, NULL), PB_E_TOO_LARGE);
	(void)fclose(f);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("os_process");
	TCase *tc = tcase_create("process");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, spawn__maps_descriptors_exactly);
	tcase_add_test(tc, wait__tells_code_and_signal);
	tcase_add_test(tc, wait__of_a_running_one_is_false_and_done_kills);
	tcase_add_test(tc, spawn__of_nothing_fails);
	tcase_add_test(tc, memfd__cannot_change);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
