/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock by raw system calls, for the sandbox. Build headers are often older than the running
 * kernel, so the rights are numbered here and cut down to what the kernel's ABI knows.
 */
#include "os/os_sandbox_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>

#include "base/base.h"

/* Rights by bit: 0..12 ABI 1, 13 REFER ABI 2, 14 TRUNCATE ABI 3, 15 IOCTL_DEV ABI 5. */
#define FS_EXECUTE   (UINT64_C(1) << 0)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR  (UINT64_C(1) << 3)
#define NET_ALL      UINT64_C(3) /* bind and connect TCP, ABI 4 */
#define SCOPE_ALL    UINT64_C(3) /* abstract sockets and signals, ABI 6 */

/* As of ABI 6; the kernel takes a shorter one from older callers and a longer one when the rest is
 * 0. */
struct ruleset_attr {
	uint64_t handled_fs;
	uint64_t handled_net;
	uint64_t scoped;
};

static uint64_t fs_rights(uint32_t abi)
{
	const unsigned bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;

	return (UINT64_C(1) << bits) - 1;
}

uint32_t os_landlock_abi(void)
{
	const long abi =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (uint32_t)abi : 0;
}

static enum pb_status failed(struct pb_err *err, const char *what)
{
	return pb_err_set(err, PB_E_FORBIDDEN, "sandbox.landlock", "Landlock: %s: %s", what,
			  strerrorname_np(errno));
}

static enum pb_status allow_read(int ruleset, const char *path, struct pb_err *err)
{
	struct landlock_path_beneath_attr rule = {.allowed_access =
							  FS_EXECUTE | FS_READ_FILE | FS_READ_DIR};
	pb_autoclose int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return PB_OK;
	if (fd < 0)
		return failed(err, "a library folder cannot be opened");
	rule.parent_fd = fd;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0)
		return PB_OK;
	/* EINVAL: a file, which has no READ_DIR */
	rule.allowed_access = FS_READ_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0)
		return PB_OK;
	return failed(err, "adding a rule");
}

enum pb_status os_landlock_apply(const char *const *dirs, size_t n_dirs, uint32_t *ret_abi,
				 struct pb_err *err)
{
	const uint32_t abi = os_landlock_abi();
	const struct ruleset_attr attr = {
		.handled_fs = fs_rights(abi),
		.handled_net = abi >= 4 ? NET_ALL : 0,
		.scoped = abi >= 6 ? SCOPE_ALL : 0,
	};
	const size_t size = abi >= 6 ? sizeof(attr) : abi >= 4 ? 16 : 8;
	pb_autoclose int ruleset = -1;
	enum pb_status status;

	if (abi < OS_LANDLOCK_ABI_MIN)
		return pb_err_set(err, PB_E_FORBIDDEN, "sandbox.landlock",
				  "this kernel has Landlock ABI %u, at least %d is needed",
				  (unsigned)abi, OS_LANDLOCK_ABI_MIN);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return failed(err, "creating a ruleset");
	for (size_t i = 0; i < n_dirs; i++) {
		status = allow_read(ruleset, dirs[i], err);
		if (status != PB_OK)
			return status;
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		return failed(err, "restricting");
	*ret_abi = abi;
	return PB_OK;
}
