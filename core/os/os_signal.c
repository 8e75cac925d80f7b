/* SPDX-License-Identifier: Apache-2.0 */
/* Signals for `main`: blocked before the first thread starts, then waited for like any other event.
 */
#include "os/os_signal.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "base/clock.h"

#include "base/base.h"

static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};

static void taken_set(sigset_t *set)
{
	(void)sigemptyset(set);
	for (size_t i = 0; i < PB_ARRAY_LEN(taken); i++)
		(void)sigaddset(set, taken[i]);
}

void os_signal_block(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	taken_set(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

int os_signal_wait(int64_t deadline_us)
{
	struct timespec left;
	sigset_t set;
	int64_t us;
	int n;

	taken_set(&set);
	do {
		us = deadline_us == INT64_MAX ? INT64_MAX : deadline_us - pb_mono_us();
		left = pb_timespec(PB_MAX(INT64_C(0), us));
		n = us == INT64_MAX ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &left);
	} while (n < 0 && errno == EINTR);
	return n > 0 ? n : 0;
}

int os_signal_open(void)
{
	sigset_t set;

	taken_set(&set);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int os_signal_read(int fd)
{
	struct signalfd_siginfo info;
	ssize_t n;

	do {
		n = read(fd, &info, sizeof(info));
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}
