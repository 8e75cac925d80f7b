/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox tries its own bars. Everything here must fail with an error code; a call that the
 * filter kills for would end the runner, which is an answer too. Raw system calls, because that is
 * what an attacker uses.
 */
#define PB_ALLOW_FORK /* it must fail; see try_fork */
#include "os/os_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/base.h"

/* True when the forbidden thing worked. */
typedef bool attempt_fn(void);

static bool opened(int fd)
{
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

static bool try_passwd(void)
{
	return opened((int)syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0));
}

static bool try_environ(void)
{
	return opened((int)syscall(SYS_openat, AT_FDCWD, "/proc/1/environ", O_RDONLY, 0));
}

static bool try_own_memory(void)
{
	return opened((int)syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR, 0));
}

static bool try_create(void)
{
	return opened((int)syscall(SYS_openat, AT_FDCWD, "/tmp/patchbay-self-test",
				   O_WRONLY | O_CREAT | O_EXCL, 0600));
}

static bool try_inet(void)
{
	return opened((int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
}

static bool try_unix(void)
{
	return opened((int)syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
}

/* ENOTCONN and the like would mean that the kernel looked at it. */
static bool try_connect(void)
{
	const struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "/run/nothing"};

	return syscall(SYS_connect, -1, &addr, sizeof(addr)) == 0 || errno != EPERM;
}

static bool try_fork(void)
{
	const long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool try_exec(void)
{
	char path[] = "/bin/true";
	char *const argv[] = {path, NULL};

	/* this returns only when it failed; a success replaces us, and the host sees no HELLO */
	return syscall(SYS_execve, path, argv, NULL) == 0 || errno != EPERM;
}

static bool try_ptrace(void)
{
	return syscall(SYS_ptrace, PTRACE_TRACEME, 0, NULL, NULL) == 0 || errno != EPERM;
}

static bool try_peek(void)
{
	char byte = 0;
	struct iovec here = {&byte, 1}, there = {&byte, 1};

	return syscall(SYS_process_vm_readv, getppid(), &here, 1, &there, 1, 0) >= 0;
}

static bool try_kill(void)
{
	return syscall(SYS_kill, getppid(), 0) == 0;
}

static bool try_namespace(void)
{
	return syscall(SYS_unshare, CLONE_NEWUSER) == 0;
}

static bool try_privileges(void)
{
	return syscall(SYS_setresuid, 0, 0, 0) == 0;
}

static bool try_dumpable(void)
{
	return syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

static bool try_limits(void)
{
	const struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};

	return syscall(SYS_prlimit64, 0, RLIMIT_CORE, &more, NULL) == 0;
}

static bool mapped(void *p)
{
	if (p == MAP_FAILED)
		return false;
	(void)munmap(p, 4096);
	return true;
}

static bool try_exec_memory(void)
{
	return mapped(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static bool try_shared_memory(void)
{
	return mapped(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

/* A stack may grow past RLIMIT_DATA. */
static bool try_stack_memory(void)
{
	return mapped(mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
}

static bool try_protect(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool worked;

	if (p == MAP_FAILED)
		return false;
	worked = mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0;
	(void)munmap(p, 4096);
	return worked;
}

/* The plugin's own file, fd 4, is the one file a loader could map after all. */
static bool try_exec_file(void)
{
	return mapped(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, 4, 0));
}

static bool try_written_code(void)
{
	return mapped(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, 4, 0));
}

static bool try_library(void)
{
	return opened((int)syscall(SYS_openat, AT_FDCWD, "/usr/lib", O_RDONLY | O_DIRECTORY, 0));
}

static bool try_filter(void)
{
	return syscall(SYS_seccomp, 2 /* SECCOMP_GET_ACTION_AVAIL */, 0, NULL) == 0 ||
	       errno != EPERM;
}

static const struct {
	int stage;
	const char *name;
	attempt_fn *attempt;
} attempts[] = {
	{1, "open /etc/passwd", try_passwd},
	{1, "open /proc/1/environ", try_environ},
	{1, "open own memory", try_own_memory},
	{1, "create a file", try_create},
	{1, "internet socket", try_inet},
	{1, "unix socket", try_unix},
	{1, "connect", try_connect},
	{1, "fork", try_fork},
	{1, "execve", try_exec},
	{1, "ptrace", try_ptrace},
	{1, "read the parent's memory", try_peek},
	{1, "signal the parent", try_kill},
	{1, "new namespace", try_namespace},
	{1, "become root", try_privileges},
	{1, "become dumpable", try_dumpable},
	{1, "raise a limit", try_limits},
	{1, "writable and executable memory", try_exec_memory},
	{1, "shared memory", try_shared_memory},
	{1, "memory that grows down", try_stack_memory},
	{1, "make memory executable", try_protect},
	{1, "map a file writable and executable", try_written_code},
	{2, "map a file executable", try_exec_file},
	{2, "open a library folder", try_library},
	{2, "change the filter", try_filter},
};

enum pb_status os_sandbox_self_test(int stage, struct os_sandbox_report *report, struct pb_err *err)
{
	for (size_t i = 0; i < PB_ARRAY_LEN(attempts); i++) {
		if (attempts[i].stage > stage)
			continue;
#ifdef PB_SANITIZED /* the sanitizers' own pages: see the header */
		if (attempts[i].attempt == try_filter)
			continue;
#endif
		if (attempts[i].attempt())
			return pb_err_set(err, PB_E_FORBIDDEN, "sandbox.self_test",
					  "the sandbox has a hole: %s works", attempts[i].name);
		report->checks++;
	}
	return PB_OK;
}
