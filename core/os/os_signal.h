/* SPDX-License-Identifier: Apache-2.0 */
/* Signals as events: blocked everywhere, taken by one thread. No handler ever runs. */
#ifndef PB_OS_SIGNAL_H
#define PB_OS_SIGNAL_H

#include "base/macro.h"

/* Blocks SIGTERM SIGINT SIGHUP SIGUSR1 SIGUSR2 SIGCHLD, ignores SIGPIPE. [main, before the first
 * thread] */
void os_signal_block(void);
/*
 * Waits for one of them (not SIGCHLD) until @deadline_us (pb_mono_us, INT64_MAX for ever).
 * Returns its number, 0 when the time passed. Threads: one.
 */
int os_signal_wait(int64_t deadline_us);
/* The same signals as a descriptor for poll (signalfd, non-blocking). Owner: caller, close(). -1
 * and errno. */
int os_signal_open(void);
/* The next signal from os_signal_open's descriptor, 0 when none waits. */
int os_signal_read(int fd);

#endif
