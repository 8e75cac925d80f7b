/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locking up the calling process for good, in two stages: before foreign code is loaded (its
 * constructors run while loading) and after (no page becomes executable any more, no file can be
 * opened at all). Nothing here can be undone; call it in a process that exists for this.
 *
 * What is required: an unprivileged uid, no_new_privs, no capabilities, rlimits, Landlock (ABI 2 at
 * least), seccomp. What is added where the system allows it: own network, IPC and UTS namespaces.
 *
 * Sanitizer builds (PB_SANITIZED) relax exactly this: no RLIMIT_DATA (shadow memory is terabytes),
 * no seccomp refusal of readlink, sigaltstack and of opening for reading (Landlock still refuses
 * the files).
 */
#ifndef PB_OS_SANDBOX_H
#define PB_OS_SANDBOX_H

#include <sys/types.h>

#include "base/err.h"

#define OS_LANDLOCK_ABI_MIN 2

struct os_sandbox {
	uint32_t uid, gid;            /* to become when started as root; both must not be 0 then */
	const char *const *read_dirs; /* readable in stage 1 only; absent ones are skipped */
	size_t n_read_dirs;
	uint64_t data_bytes;  /* RLIMIT_DATA */
	uint32_t threads_max; /* enforced where an own user namespace counts them */
	int control_fd;       /* the only socket that may be used */
};

struct os_sandbox_report {
	uint32_t landlock_abi;
	uint32_t checks; /* forbidden things that were tried and refused */
	uint32_t uid;
	bool no_new_privs, seccomp, sanitized;
	char namespaces[32]; /* "user,net,ipc,uts", as far as it went */
};

/*
 * First of all, right after exec: dies with its parent (@parent is the pid that must still be the
 * parent, 0 takes the present one), not dumpable, no core, umask 077, empty environment but PATH,
 * LANG, TZ. Errors: PB_E_UNAVAILABLE sandbox.parent_gone.
 */
enum pb_status os_sandbox_prepare(pid_t parent, struct pb_err *err) pb_must_check;

/*
 * Stage 1. One thread must exist.
 * Errors: PB_E_FORBIDDEN sandbox.root / sandbox.landlock / sandbox.seccomp / sandbox.privileges /
 *         sandbox.limits / sandbox.self_test (the message names the thing that worked but must
 * not).
 */
enum pb_status os_sandbox_enter(const struct os_sandbox *box, struct os_sandbox_report *ret_report,
				struct pb_err *err) pb_must_check;

/*
 * Stage 2: no executable mapping, no file, no change of the process itself.
 * Errors: as above, and sandbox.threads when more than one thread exists.
 */
enum pb_status os_sandbox_seal(const struct os_sandbox *box, struct os_sandbox_report *report,
			       struct pb_err *err) pb_must_check;

/*
 * Tries what @stage (1 or 2) must refuse; counts into report->checks.
 * Errors: PB_E_FORBIDDEN sandbox.self_test at the first thing that works.
 */
enum pb_status os_sandbox_self_test(int stage, struct os_sandbox_report *report,
				    struct pb_err *err) pb_must_check;

/* ABI of the kernel's Landlock, 0 without. [any-thread] */
uint32_t os_landlock_abi(void);

#endif
