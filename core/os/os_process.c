/* SPDX-License-Identifier: Apache-2.0 */
/* Spawning for the supervisor. The surprise: every descriptor is first lifted above the targets,
 * since a dup2 in the child could otherwise overwrite the source of a later one. */
#include "os/os_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/clock.h"

#include "base/base.h"

#define FDS_MAX  16
#define LIFT_MIN 128 /* above any target */

struct lifted {
	int fd[FDS_MAX];
	size_t n;
};

static void lifted_done(struct lifted *l)
{
	for (size_t i = 0; i < l->n; i++)
		(void)close(l->fd[i]);
}

static int lift(struct lifted *l, const struct os_spawn *spawn)
{
	int fd;

	for (size_t i = 0; i < spawn->n_fds; i++) {
		fd = fcntl(spawn->fds[i].from, F_DUPFD_CLOEXEC, LIFT_MIN);
		if (fd < 0)
			return errno;
		l->fd[l->n++] = fd;
	}
	return 0;
}

static int set_files(posix_spawn_file_actions_t *actions, const struct os_spawn *spawn,
		     const struct lifted *l)
{
	int highest = -1, rc = 0;

	for (size_t i = 0; i < spawn->n_fds && rc == 0; i++) {
		rc = posix_spawn_file_actions_adddup2(actions, l->fd[i], spawn->fds[i].to);
		highest = PB_MAX(highest, spawn->fds[i].to);
	}
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(actions, highest + 1);
	return rc;
}

static int set_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	int rc;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	rc = posix_spawnattr_setsigmask(attr, &none);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(attr, &all);
	if (rc == 0)
		rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
							    POSIX_SPAWN_SETSID);
	return rc;
}

static int spawn_with(const struct os_spawn *spawn, const struct lifted *l, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc;

	rc = posix_spawn_file_actions_init(&actions);
	if (rc != 0)
		return rc;
	rc = posix_spawnattr_init(&attr);
	if (rc == 0) {
		rc = set_files(&actions, spawn, l);
		if (rc == 0)
			rc = set_attributes(&attr);
		if (rc == 0) /* the prototype lacks two consts; nothing is written */
			rc = posix_spawn(ret_pid, spawn->path, &actions, &attr,
					 (char *const *)(uintptr_t)spawn->argv,
					 (char *const *)(uintptr_t)spawn->envp);
		(void)posix_spawnattr_destroy(&attr);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return rc;
}

enum pb_status os_process_spawn(const struct os_spawn *spawn, struct os_process *ret_process,
				struct pb_err *err)
{
	pb_cleanup(lifted_done) struct lifted l = {{0}, 0};
	struct os_process p = OS_PROCESS_INIT;
	int rc;

	PB_ASSERT(spawn->n_fds <= FDS_MAX);
	rc = lift(&l, spawn);
	if (rc == 0)
		rc = spawn_with(spawn, &l, &p.pid);
	if (rc != 0)
		return pb_err_set(err, PB_E_UNAVAILABLE, "os.spawn", "cannot start a program: %s",
				  strerrorname_np(rc));

	/* Nobody else waits for it, so the pid is ours until then. */
	p.pidfd = pidfd_open(p.pid, 0);
	if (p.pidfd < 0) {
		rc = errno;
		(void)kill(p.pid, SIGKILL);
		(void)waitpid(p.pid, NULL, 0);
		return pb_err_set(err, PB_E_UNAVAILABLE, "os.spawn", "no pidfd: %s",
				  strerrorname_np(rc));
	}
	*ret_process = p;
	return PB_OK;
}

bool os_process_signal(const struct os_process *p, int signo)
{
	return p->pid > 0 && pidfd_send_signal(p->pidfd, signo, NULL, 0) == 0;
}

bool os_process_wait(struct os_process *p, int64_t deadline_us, struct os_exit *ret_exit)
{
	struct pollfd pfd = {.fd = p->pidfd, .events = POLLIN};
	siginfo_t info = {.si_pid = 0};
	int64_t left_ms;
	int n;

	if (p->pid <= 0)
		return false;
	do {
		left_ms = deadline_us == INT64_MAX
				  ? -1
				  : PB_MAX(INT64_C(0), (deadline_us - pb_mono_us() + 999) / 1000);
		n = poll(&pfd, 1, (int)PB_MIN(left_ms, INT64_C(60000)));
	} while ((n < 0 && errno == EINTR) || (n == 0 && left_ms != 0));
	if (n <= 0 || waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG) != 0 ||
	    info.si_pid == 0)
		return false;
	p->pid = 0;
	ret_exit->signalled = info.si_code != CLD_EXITED;
	ret_exit->value = info.si_status;
	return true;
}

void os_process_done(struct os_process *p)
{
	struct os_exit ended;

	if (p->pid > 0) {
		(void)os_process_signal(p, SIGKILL);
		(void)os_process_wait(p, INT64_MAX, &ended);
	}
	if (p->pidfd >= 0)
		(void)close(p->pidfd);
	*p = (struct os_process)OS_PROCESS_INIT;
}
