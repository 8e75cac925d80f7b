/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox's order of steps, for the runner. Each step narrows what the next one may still do,
 * so the order is the point: namespaces and uid while we may, capabilities, then Landlock, seccomp
 * last.
 */
#include "os/os_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "os/os_sandbox_priv.h"

#include "base/base.h"

/* Kept open from stage 1 to 2: the only way left to count threads. */
static int task_dir_fd = -1;

static enum pb_status refuse(struct pb_err *err, const char *code, const char *what)
{
	return pb_err_set(err, PB_E_FORBIDDEN, code, "%s: %s", what, strerrorname_np(errno));
}

enum pb_status os_sandbox_prepare(pid_t parent, struct pb_err *err)
{
	static char path[] = "PATH=/usr/bin:/bin", lang[] = "LANG=C.UTF-8", tz[] = "TZ=UTC";
	static char *clean[] = {path, lang, tz, NULL};
	const pid_t expected = parent ? parent : getppid();

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != expected)
		return pb_err_set(err, PB_E_UNAVAILABLE, "sandbox.parent_gone",
				  "the program that started this one is gone");
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)umask(077);
	environ = clean;
	return PB_OK;
}

static bool write_file(const char *path, const char *text)
{
	pb_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* uid and gid stay what they are, seen from inside. Undumpable processes cannot write their own
 * map. */
static void map_ids(uid_t uid, gid_t gid)
{
	char line[64];

	(void)prctl(PR_SET_DUMPABLE, 1);
	(void)write_file("/proc/self/setgroups", "deny");
	(void)pb_str_printf(line, sizeof(line), "%u %u 1\n", uid, uid);
	(void)write_file("/proc/self/uid_map", line);
	(void)pb_str_printf(line, sizeof(line), "%u %u 1\n", gid, gid);
	(void)write_file("/proc/self/gid_map", line);
	(void)prctl(PR_SET_DUMPABLE, 0);
}

/* Best effort, each on its own; what worked is reported. */
static void enter_namespaces(struct os_sandbox_report *report)
{
	static const struct {
		int flag;
		const char *name;
	} wanted[] = {{CLONE_NEWNET, "net"}, {CLONE_NEWIPC, "ipc"}, {CLONE_NEWUTS, "uts"}};
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	size_t n = 0;

	if (uid != 0) {
		if (unshare(CLONE_NEWUSER) != 0)
			return;
		map_ids(uid, gid);
		n = strlen("user");
		(void)pb_str_copy(report->namespaces, sizeof(report->namespaces), "user");
	}
	for (size_t i = 0; i < PB_ARRAY_LEN(wanted); i++) {
		if (unshare(wanted[i].flag) != 0)
			continue;
		(void)pb_str_printf(report->namespaces + n, sizeof(report->namespaces) - n, "%s%s",
				    n ? "," : "", wanted[i].name);
		n = strlen(report->namespaces);
	}
}

/*
 * What no later step could get back. Before the uid changes: that takes CAP_SETPCAP away. The change must
 * still clear the capabilities, so NO_SETUID_FIXUP stays off.
 */
static enum pb_status drop_bounding_set(struct pb_err *err)
{
	/* EPERM: no CAP_SETPCAP, then there is nothing to give up either */
	for (unsigned long cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM && errno != EINVAL)
			return refuse(err, "sandbox.privileges", "bounding set");
	(void)prctl(PR_SET_SECUREBITS, 0x23); /* NOROOT, KEEP_CAPS off; both locked */
	return PB_OK;
}

static enum pb_status become(const struct os_sandbox *box, struct pb_err *err)
{
	if (geteuid() != 0 && getuid() != 0)
		return PB_OK;
	if (box->uid == 0 || box->gid == 0)
		return pb_err_set(err, PB_E_FORBIDDEN, "sandbox.root",
				  "started as root without an unprivileged uid to become");
	if (setgroups(0, NULL) != 0 || setresgid(box->gid, box->gid, box->gid) != 0 ||
	    setresuid(box->uid, box->uid, box->uid) != 0)
		return refuse(err, "sandbox.root", "cannot become an unprivileged user");
	if (setuid(0) == 0 || geteuid() == 0)
		return pb_err_set(err, PB_E_FORBIDDEN, "sandbox.root", "root came back");
	return PB_OK;
}

/* A new user or uid clears the parent-death signal and may set dumpable: once more, and look again. */
static enum pb_status bind_to_parent(pid_t parent, struct pb_err *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
		return refuse(err, "sandbox.privileges", "prctl");
	if (getppid() != parent)
		return pb_err_set(err, PB_E_UNAVAILABLE, "sandbox.parent_gone",
				  "the program that started this one is gone");
	return PB_OK;
}

static enum pb_status drop_capabilities(struct pb_err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[2] = {{0}};

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) != 0)
		return refuse(err, "sandbox.privileges", "capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return refuse(err, "sandbox.privileges", "no_new_privs");
	return PB_OK;
}

static enum pb_status set_limits(const struct os_sandbox *box, bool own_user_ns, struct pb_err *err)
{
	const struct {
		int what;
		rlim_t value;
	} limits[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_NOFILE, 64},
		{RLIMIT_FSIZE, 64u << 20},
		{RLIMIT_MEMLOCK, 64u << 10},
		{RLIMIT_MSGQUEUE, 0},
		{RLIMIT_SIGPENDING, 64},
		{RLIMIT_STACK, 8u << 20},
#ifndef PB_SANITIZED
		{RLIMIT_DATA, box->data_bytes},
#endif
		/* counted per user namespace; without an own one it would count the host's threads
		 */
		{RLIMIT_NPROC, own_user_ns ? box->threads_max : RLIM_INFINITY},
	};
	struct rlimit now;

	for (size_t i = 0; i < PB_ARRAY_LEN(limits); i++) {
		if (limits[i].value == RLIM_INFINITY)
			continue;
		if (getrlimit((__rlimit_resource_t)limits[i].what, &now) != 0)
			return refuse(err, "sandbox.limits", "getrlimit");
		now.rlim_cur = now.rlim_max = PB_MIN(limits[i].value, now.rlim_max);
		if (setrlimit((__rlimit_resource_t)limits[i].what, &now) != 0)
			return refuse(err, "sandbox.limits", "setrlimit");
	}
	return PB_OK;
}

enum pb_status os_sandbox_enter(const struct os_sandbox *box, struct os_sandbox_report *ret_report,
				struct pb_err *err)
{
	struct os_sandbox_report report = {.uid = 0};
	const pid_t parent = getppid();
	enum pb_status status;

	task_dir_fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (task_dir_fd < 0)
		return refuse(err, "sandbox.threads", "/proc is needed to count threads");
	enter_namespaces(&report);
	status = drop_bounding_set(err);
	if (status == PB_OK)
		status = become(box, err);
	if (status == PB_OK)
		status = bind_to_parent(parent, err);
	if (status == PB_OK)
		status = set_limits(box, pb_str_starts(report.namespaces, "user"), err);
	if (status == PB_OK)
		status = drop_capabilities(err);
	if (status == PB_OK)
		status = os_landlock_apply(box->read_dirs, box->n_read_dirs, &report.landlock_abi,
					   err);
	if (status == PB_OK)
		status = os_seccomp_apply(1, box->control_fd, err);
	if (status == PB_OK)
		status = os_sandbox_self_test(1, &report, err);
	if (status != PB_OK)
		return status;
	report.uid = (uint32_t)getuid();
	report.no_new_privs = report.seccomp = true;
#ifdef PB_SANITIZED
	report.sanitized = true;
#endif
	*ret_report = report;
	return PB_OK;
}

/* A folder's link count is 2 and one for each folder in it: one for each thread. */
static enum pb_status one_thread(struct pb_err *err)
{
	struct stat st;

	if (task_dir_fd < 0 || fstat(task_dir_fd, &st) != 0)
		return pb_err_set(err, PB_E_FORBIDDEN, "sandbox.threads", "cannot count threads");
	(void)close(task_dir_fd);
	task_dir_fd = -1;
	if (st.st_nlink != 3)
		return pb_err_set(err, PB_E_FORBIDDEN, "sandbox.threads",
				  "%ld threads exist after loading, one is allowed",
				  (long)st.st_nlink - 2);
	return PB_OK;
}

enum pb_status os_sandbox_seal(const struct os_sandbox *box, struct os_sandbox_report *report,
			       struct pb_err *err)
{
	enum pb_status status;
	uint32_t abi;

	status = one_thread(err);
	if (status == PB_OK)
		status = os_landlock_apply(NULL, 0, &abi, err);
	if (status == PB_OK)
		status = os_seccomp_apply(2, box->control_fd, err);
	if (status == PB_OK)
		status = os_sandbox_self_test(2, report, err);
	return status;
}
