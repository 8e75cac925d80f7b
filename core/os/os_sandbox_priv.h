/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the sandbox only. */
#ifndef PB_OS_SANDBOX_PRIV_H
#define PB_OS_SANDBOX_PRIV_H

#include "os/os_sandbox.h"

/* Nothing of the file system but @dirs for reading; with n_dirs 0 nothing at all. */
enum pb_status os_landlock_apply(const char *const *dirs, size_t n_dirs, uint32_t *ret_abi,
				 struct pb_err *err) pb_must_check;

enum pb_status os_seccomp_apply(int stage, int control_fd, struct pb_err *err) pb_must_check;

#endif
