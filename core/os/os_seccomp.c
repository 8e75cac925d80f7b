/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system call filter, for the sandbox. Three answers: allowed (a list), refused with EPERM
 * (calls that attackers try and libraries probe; counted by nobody, survived by honest code), and
 * for everything else the process is killed.
 */
#include "os/os_sandbox_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/base.h"

/* libseccomp's macros for one-valued comparisons leave the second value out, on purpose */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

struct rule {
	int nr;
	struct scmp_arg_cmp arg;
	bool has_arg;
};

/* Needed by glibc, its allocator and threads, and harmless without files and sockets. */
static const int allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(lseek),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(brk),
	SCMP_SYS(madvise),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigpending),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(futex),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getrandom),
	SCMP_SYS(gettid),
	SCMP_SYS(getpid),
	SCMP_SYS(getppid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(pipe2),
	SCMP_SYS(dup),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(set_tid_address),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(getrlimit),
	SCMP_SYS(getrusage),
	SCMP_SYS(sysinfo),
	SCMP_SYS(getcpu),
	SCMP_SYS(getdents64),
	SCMP_SYS(pread64),
};

/* Refused politely. The first group is what the self-test and honest libraries try. */
static const int refused[] = {
	SCMP_SYS(socket),
	SCMP_SYS(socketpair),
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(shutdown),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(kill),
	SCMP_SYS(tkill),
	SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo),
	SCMP_SYS(kcmp),

	SCMP_SYS(creat),
	SCMP_SYS(openat2),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(name_to_handle_at),
	SCMP_SYS(truncate),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(rmdir),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(link),
	SCMP_SYS(linkat),
	SCMP_SYS(symlink),
	SCMP_SYS(symlinkat),
	SCMP_SYS(chmod),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(chown),
	SCMP_SYS(fchown),
	SCMP_SYS(lchown),
	SCMP_SYS(fchownat),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(chdir),
	SCMP_SYS(fchdir),
	SCMP_SYS(getcwd),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(statx),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(utimensat),
	SCMP_SYS(umask),
	SCMP_SYS(memfd_create),
	SCMP_SYS(memfd_secret),
	SCMP_SYS(inotify_init1),
	SCMP_SYS(fanotify_init),
	SCMP_SYS(flock),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(splice),
	SCMP_SYS(tee),
	SCMP_SYS(vmsplice),
	SCMP_SYS(sendfile),
	SCMP_SYS(copy_file_range),
	SCMP_SYS(pwrite64),

	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(open_tree),
	SCMP_SYS(move_mount),
	SCMP_SYS(fsopen),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(io_setup),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(personality),
	SCMP_SYS(modify_ldt),
	SCMP_SYS(arch_prctl),
	SCMP_SYS(ioctl),
	SCMP_SYS(uname),
	SCMP_SYS(syslog),
	SCMP_SYS(reboot),
	SCMP_SYS(kexec_load),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(swapon),
	SCMP_SYS(quotactl),
	SCMP_SYS(acct),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(sethostname),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(setrlimit),
	SCMP_SYS(setpriority),
	SCMP_SYS(getpriority),
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(sched_setscheduler),
	SCMP_SYS(sched_setparam),
	SCMP_SYS(sched_setattr),
	SCMP_SYS(ioprio_set),
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setregid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setgroups),
	SCMP_SYS(setfsuid),
	SCMP_SYS(setfsgid),
	SCMP_SYS(capset),
	SCMP_SYS(capget),
	SCMP_SYS(setsid),
	SCMP_SYS(setpgid),
	SCMP_SYS(getpgrp),
	SCMP_SYS(getsid),
	SCMP_SYS(alarm),
	SCMP_SYS(setitimer),
	SCMP_SYS(timer_create),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(mlock),
	SCMP_SYS(mlock2),
	SCMP_SYS(mlockall),
	SCMP_SYS(munlock),
	SCMP_SYS(msync),
	SCMP_SYS(mincore),
	SCMP_SYS(remap_file_pages),
	SCMP_SYS(mbind),
	SCMP_SYS(set_mempolicy),
	SCMP_SYS(migrate_pages),
	SCMP_SYS(move_pages),
	SCMP_SYS(shmget),
	SCMP_SYS(shmat),
	SCMP_SYS(semget),
	SCMP_SYS(msgget),
	SCMP_SYS(mq_open),
	SCMP_SYS(wait4),
	SCMP_SYS(waitid),
	SCMP_SYS(signalfd4),
	SCMP_SYS(membarrier),
	SCMP_SYS(pkey_mprotect),
	SCMP_SYS(pkey_alloc),
};

/* Allowed in the first stage only: the second one is made with them. */
static const int stage1_only[] = {
	SCMP_SYS(seccomp),
	SCMP_SYS(landlock_create_ruleset),
	SCMP_SYS(landlock_add_rule),
	SCMP_SYS(landlock_restrict_self),
};

#ifdef PB_SANITIZED
static const int sanitizer_needs[] = {SCMP_SYS(readlink), SCMP_SYS(readlinkat)};
#endif

#define EPERM_ACTION SCMP_ACT_ERRNO(EPERM)

static int add_all(scmp_filter_ctx ctx, uint32_t action, const int *list, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		if (list[i] >= 0) /* negative: does not exist on this architecture */
			rc = seccomp_rule_add_array(ctx, action, list[i], 0, NULL);
	return rc;
}

static int add1(scmp_filter_ctx ctx, uint32_t action, int nr, struct scmp_arg_cmp arg)
{
	return seccomp_rule_add_array(ctx, action, nr, 1, &arg);
}

/* Threads of this process, but no process. clone3 hides its flags from filters: glibc falls back.
 */
static int add_threads(scmp_filter_ctx ctx)
{
	const uint64_t bad = CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |
			     CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_PTRACE;
	int rc;

	rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (rc == 0)
		rc = add1(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone),
			  SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD | bad, CLONE_THREAD));
	if (rc == 0)
		rc = add1(ctx, EPERM_ACTION, SCMP_SYS(clone),
			  SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	return rc;
}

/*
 * A process may end itself by abort() and do what glibc does with its own two (cancel, setxid). With any
 * other signal it would tell a tale: SIGKILL looks like an administrator's, SIGSTOP like a hang.
 */
static int add_signals(scmp_filter_ctx ctx)
{
	static const int own[] = {SIGABRT, 32, 33};
	const struct scmp_arg_cmp self = SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)getpid());
	int rc;

	rc = add1(ctx, EPERM_ACTION, SCMP_SYS(tgkill),
		  SCMP_A0_64(SCMP_CMP_NE, (scmp_datum_t)getpid()));
	for (size_t i = 0; i < PB_ARRAY_LEN(own) && rc == 0; i++) {
		const struct scmp_arg_cmp args[] = {self,
						    SCMP_A2_32(SCMP_CMP_EQ, (scmp_datum_t)own[i])};

		rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 2, args);
	}
	return rc;
}

static int add_socket(scmp_filter_ctx ctx, int control_fd)
{
	static const int calls[] = {SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendto),
				    SCMP_SYS(recvfrom)};
	const scmp_datum_t fd = (scmp_datum_t)control_fd;
	int rc = 0;

	for (size_t i = 0; i < PB_ARRAY_LEN(calls) && rc == 0; i++) {
		rc = add1(ctx, SCMP_ACT_ALLOW, calls[i], SCMP_A0_32(SCMP_CMP_EQ, fd));
		if (rc == 0)
			rc = add1(ctx, EPERM_ACTION, calls[i], SCMP_A0_32(SCMP_CMP_NE, fd));
	}
	return rc;
}

/*
 * Private memory only (neither shared pages nor stacks are counted by RLIMIT_DATA). Executable pages: in stage 1
 * from files, as the loader maps them; in stage 2 never.
 */
static int add_memory(scmp_filter_ctx ctx, int stage)
{
	const struct scmp_arg_cmp exec_anon[] = {
		SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC),
		SCMP_A3_64(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS)};
	const struct scmp_arg_cmp data[] = {
		SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
		SCMP_A3_64(SCMP_CMP_MASKED_EQ, MAP_TYPE | MAP_GROWSDOWN, MAP_PRIVATE)};
	/* counted as a stack, by RLIMIT_STACK, and each of them anew */
	const struct scmp_arg_cmp grows[] = {SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
					     SCMP_A3_64(SCMP_CMP_MASKED_EQ,
							MAP_TYPE | MAP_GROWSDOWN,
							MAP_PRIVATE | MAP_GROWSDOWN)};
	const struct scmp_arg_cmp text[] = {
		SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC),
		SCMP_A3_64(SCMP_CMP_MASKED_EQ, MAP_TYPE | MAP_ANONYMOUS, MAP_PRIVATE)};
	const struct scmp_arg_cmp written_text[] = {
		SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC | PROT_WRITE),
		SCMP_A3_64(SCMP_CMP_MASKED_EQ, MAP_TYPE | MAP_ANONYMOUS, MAP_PRIVATE)};
	const struct scmp_arg_cmp shared[] = {SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
					      SCMP_A3_64(SCMP_CMP_MASKED_EQ, MAP_TYPE, MAP_SHARED)};
	int rc;

	rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, data);
	if (rc == 0)
		rc = seccomp_rule_add_array(ctx, EPERM_ACTION, SCMP_SYS(mmap), 2, grows);
	if (rc == 0)
		rc = seccomp_rule_add_array(ctx, EPERM_ACTION, SCMP_SYS(mmap), 2, shared);
	if (rc == 0 && stage == 1) {
		rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, text);
		if (rc == 0)
			rc = seccomp_rule_add_array(ctx, EPERM_ACTION, SCMP_SYS(mmap), 2,
						    written_text);
		if (rc == 0)
			rc = seccomp_rule_add_array(ctx, EPERM_ACTION, SCMP_SYS(mmap), 2,
						    exec_anon);
	} else if (rc == 0) {
		rc = add1(ctx, EPERM_ACTION, SCMP_SYS(mmap),
			  SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	}
	if (rc == 0)
		rc = add1(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect),
			  SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (rc == 0)
		rc = add1(ctx, EPERM_ACTION, SCMP_SYS(mprotect),
			  SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	return rc;
}

/* Opening for reading, and only while libraries are still to be found (Landlock says which). */
static int add_files(scmp_filter_ctx ctx, int stage)
{
	const uint64_t writing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND;
	bool reading = stage == 1;
	int rc = 0;

#ifdef PB_SANITIZED
	reading = true;
#endif
	if (reading) {
		rc = add1(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat),
			  SCMP_A2_64(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
		for (uint64_t bit = 1; bit <= writing && rc == 0; bit <<= 1)
			if (writing & bit)
				rc = add1(ctx, EPERM_ACTION, SCMP_SYS(openat),
					  SCMP_A2_64(SCMP_CMP_MASKED_EQ, bit, bit));
	} else {
		rc = seccomp_rule_add(ctx, EPERM_ACTION, SCMP_SYS(openat), 0);
	}
	if (rc == 0)
		rc = seccomp_rule_add(ctx, EPERM_ACTION, SCMP_SYS(open), 0);
	if (rc == 0)
		rc = add1(ctx, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat),
			  SCMP_A3_64(SCMP_CMP_MASKED_EQ, 0x1000 /* AT_EMPTY_PATH */, 0x1000));
	if (rc == 0) /* the loader looks at folders by path */
		rc = add1(ctx, reading ? SCMP_ACT_ALLOW : EPERM_ACTION, SCMP_SYS(newfstatat),
			  SCMP_A3_64(SCMP_CMP_MASKED_EQ, 0x1000, 0));
	return rc;
}

static int add_self(scmp_filter_ctx ctx)
{
	static const int fcntls[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,    F_SETFD,
				     F_GETFL, F_SETFL,         F_GET_SEALS};
	int rc;

	rc = add1(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), SCMP_A2_64(SCMP_CMP_EQ, 0));
	if (rc == 0)
		rc = add1(ctx, EPERM_ACTION, SCMP_SYS(prlimit64), SCMP_A2_64(SCMP_CMP_NE, 0));
	if (rc == 0)
		rc = add1(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl),
			  SCMP_A0_32(SCMP_CMP_EQ, PR_SET_NAME));
	if (rc == 0)
		rc = add1(ctx, EPERM_ACTION, SCMP_SYS(prctl), SCMP_A0_32(SCMP_CMP_NE, PR_SET_NAME));
	for (size_t i = 0; i < PB_ARRAY_LEN(fcntls) && rc == 0; i++)
		rc = add1(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl),
			  SCMP_A1_32(SCMP_CMP_EQ, (scmp_datum_t)fcntls[i]));
	return rc;
}

static int add_rules(scmp_filter_ctx ctx, int stage, int control_fd)
{
	int rc;

	rc = add_all(ctx, SCMP_ACT_ALLOW, allowed, PB_ARRAY_LEN(allowed));
	if (rc == 0)
		rc = add_all(ctx, stage == 1 ? SCMP_ACT_ALLOW : EPERM_ACTION, stage1_only,
			     PB_ARRAY_LEN(stage1_only));
#ifdef PB_SANITIZED
	if (rc == 0)
		rc = add_all(ctx, SCMP_ACT_ALLOW, sanitizer_needs, PB_ARRAY_LEN(sanitizer_needs));
#else
	if (rc == 0)
		rc = seccomp_rule_add(ctx, EPERM_ACTION, SCMP_SYS(readlink), 0);
	if (rc == 0)
		rc = seccomp_rule_add(ctx, EPERM_ACTION, SCMP_SYS(readlinkat), 0);
#endif
	if (rc == 0)
		rc = add_all(ctx, EPERM_ACTION, refused, PB_ARRAY_LEN(refused));
	if (rc == 0)
		rc = add_threads(ctx);
	if (rc == 0)
		rc = add_signals(ctx);
	if (rc == 0)
		rc = add_socket(ctx, control_fd);
	if (rc == 0)
		rc = add_memory(ctx, stage);
	if (rc == 0)
		rc = add_files(ctx, stage);
	if (rc == 0)
		rc = add_self(ctx);
	return rc;
}

enum pb_status os_seccomp_apply(int stage, int control_fd, struct pb_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = ctx ? 0 : -ENOMEM;

	/* no_new_privs is set by then; asking again would need prctl in stage 2 */
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0) /* a binary tree: some 8 comparisons a call instead of 200 */
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = add_rules(ctx, stage, control_fd);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	if (rc != 0)
		return pb_err_set(err, PB_E_FORBIDDEN, "sandbox.seccomp",
				  "the system call filter of stage %d failed: %s", stage,
				  strerrorname_np(-rc));
	return PB_OK;
}
