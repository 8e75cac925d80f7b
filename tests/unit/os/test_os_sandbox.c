/* SPDX-License-Identifier: Apache-2.0 */
/* The self-test must be able to fail: outside a sandbox it does, inside it passes. Needs check's fork mode. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "os/os_sandbox.h"
#include "support/check_main.h"

#define NOBODY 65534u

static const struct os_sandbox box = {
	.uid = NOBODY, .gid = NOBODY, .data_bytes = 64u << 20, .threads_max = 64, .control_fd = 3};

START_TEST(self_test__fails_without_a_sandbox)
{
	struct os_sandbox_report report = {.checks = 0};
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(os_sandbox_self_test(1, &report, &err), PB_E_FORBIDDEN);
	ck_assert_str_eq(err.code, "sandbox.self_test");
	ck_assert_ptr_nonnull(strstr(err.msg, "/etc/passwd"));
}
END_TEST

/* From here on this process cannot report through check's files: the exit code tells. */
static void expect(bool ok, int code)
{
	if (!ok)
		_exit(code);
}

START_TEST(enter__then_seal)
{
	struct os_sandbox_report report;
	uint32_t checks;

	expect(os_sandbox_prepare(0, NULL) == PB_OK, 10);
	expect(os_sandbox_enter(&box, &report, NULL) == PB_OK, 11);
	expect(report.checks >= 15 && report.landlock_abi >= 2 && report.uid != 0, 12);
	expect(getuid() != 0 && prctl(PR_GET_DUMPABLE) != 1, 13);
	checks = report.checks;
	expect(os_sandbox_seal(&box, &report, NULL) == PB_OK, 14);
	expect(report.checks > checks, 15);
	expect(open("/", O_RDONLY) < 0, 16);
	_exit(0);
}
END_TEST

START_TEST(enter__as_root_needs_a_uid)
{
	struct os_sandbox_report report;
	const struct os_sandbox none = {.data_bytes = 1 << 20, .control_fd = 3};

	if (getuid() == 0)
		expect(os_sandbox_enter(&none, &report, NULL) == PB_E_FORBIDDEN, 20);
	_exit(0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("os_sandbox");
	TCase *tc = tcase_create("sandbox");

	tcase_set_timeout(tc, 60);
	if (check_forks() && !CHECK_SANITIZED) {
		tcase_add_test(tc, self_test__fails_without_a_sandbox);
		tcase_add_exit_test(tc, enter__then_seal, 0);
		tcase_add_exit_test(tc, enter__as_root_needs_a_uid, 0);
	}
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
