/* SPDX-License-Identifier: Apache-2.0 */
/* A private redis-server for tests that stop, kill or empty it. Include after check.h. */
#ifndef PB_TESTS_SUPPORT_REDIS_CHILD_H
#define PB_TESTS_SUPPORT_REDIS_CHILD_H

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/port.h"

extern char **environ;

struct redis_child {
	pid_t pid;
	unsigned port;
	char url[96];
};

/* Returns before it listens: the caller waits with what it tests. */
static inline void redis_child_start(struct redis_child *r)
{
	char port[16];
	const char *argv[] = {"redis-server", "--port",        port,        "--bind",
			      "127.0.0.1",    "--save",        "",          "--appendonly",
			      "no",           "--requirepass", "t3st",      "--dir",
			      "/tmp",         "--logfile",     "/dev/null", NULL};

	if (!r->port)
		r->port = port_reserve();
	(void)snprintf(port, sizeof(port), "%u", r->port);
	(void)snprintf(r->url, sizeof(r->url), "redis://:t3st@127.0.0.1:%u/1", r->port);
	ck_assert_int_eq(posix_spawnp(&r->pid, "redis-server", NULL, NULL, (char **)(uintptr_t)argv,
				      environ),
			 0);
}

/* Returns when it stands still: the signal alone leaves it time to answer. SIGCONT ends it. */
static inline void redis_child_pause(struct redis_child *r)
{
	int status = 0;

	kill(r->pid, SIGSTOP);
	ck_assert_int_eq(waitpid(r->pid, &status, WUNTRACED), r->pid);
	ck_assert(WIFSTOPPED(status));
}

static inline void redis_child_stop(struct redis_child *r)
{
	if (r->pid <= 0)
		return;
	kill(r->pid, SIGKILL);
	(void)waitpid(r->pid, NULL, 0);
	r->pid = 0;
}

#endif
