/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting and ending other programs from a threaded process: posix_spawn (vfork inside, so the
 * size of the caller does not matter), exact descriptors, clean environment, a pidfd for everything
 * after.
 *
 * A child that asks for PR_SET_PDEATHSIG dies with the THREAD that spawned it: spawn from a thread
 * that lives as long as the process.
 */
#ifndef PB_OS_PROCESS_H
#define PB_OS_PROCESS_H

#include <sys/types.h>

#include "base/err.h"

/* The caller's descriptor @from becomes @to in the child; several may share one @from. */
struct os_fd_map {
	int from, to;
};

struct os_spawn {
	const char *path;        /* absolute */
	const char *const *argv; /* NULL-terminated */
	const char *const *envp; /* NULL-terminated; the whole environment */
	const struct os_fd_map *fds;
	size_t n_fds; /* at most 16; every other descriptor is closed */
};

/* pid > 0 until it was waited for; pidfd -1 when closed. */
struct os_process {
	pid_t pid;
	int pidfd; /* readable (EPOLLIN) when it has ended; close-on-exec */
};

#define OS_PROCESS_INIT                                                                            \
	{                                                                                          \
		0, -1                                                                              \
	}

struct os_exit {
	bool signalled;
	int value; /* exit code, or the signal's number */
};

/*
 * Starts @spawn in a new session with default signals and an empty signal mask.
 * Errors:  PB_E_UNAVAILABLE os.spawn (with errno's name).
 * Threads: [any-thread], but see above.
 */
enum pb_status os_process_spawn(const struct os_spawn *spawn, struct os_process *ret_process,
				struct pb_err *err) pb_must_check;
/* False when it has ended already. Never hits a recycled pid. [any-thread] */
bool os_process_signal(const struct os_process *p, int signo);
/*
 * Waits until @deadline_us (pb_mono_us; 0 looks once, INT64_MAX for ever) and reaps.
 * Returns false while it runs. After true the pidfd is still open; see os_process_done.
 */
bool os_process_wait(struct os_process *p, int64_t deadline_us, struct os_exit *ret_exit);
/* Kills (SIGKILL) and reaps what still runs, closes the pidfd. Takes OS_PROCESS_INIT. */
void os_process_done(struct os_process *p);

#endif
