/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connector that misbehaves on request, for the tests of everything around it. It is built like any
 * other; each operation is one accident or one attack. Never installed in production packages.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <patchbay/connector.h>
#include <patchbay/json.h>

#include "manifest_embed.h"

#define OP(name)                                                                                   \
	static patchbay_status name(const struct patchbay_host *host, struct patchbay_call *call)

extern char **environ;

static patchbay_status say(const struct patchbay_host *host, struct patchbay_call *call,
			   const char *key, const char *text)
{
	struct patchbay_writer w;

	patchbay_writer_init(&w, host, call);
	patchbay_write_open(&w, '{');
	patchbay_write_key(&w, key);
	patchbay_write_text(&w, text);
	patchbay_write_close(&w, '}');
	return w.failed ? PATCHBAY_INTERNAL : patchbay_result(host, call, w.text, w.len);
}

static int64_t number(const struct patchbay_host *host, struct patchbay_call *call,
		      const char *pointer, int64_t otherwise)
{
	struct patchbay_text v;
	int64_t n;

	if (patchbay_param(host, call, pointer, &v) == PATCHBAY_OK && patchbay_json_int(v, &n))
		return n;
	return otherwise;
}

static const char *string(const struct patchbay_host *host, struct patchbay_call *call,
			  const char *pointer, const char *otherwise)
{
	struct patchbay_text v;
	const char *s = NULL;

	if (patchbay_param(host, call, pointer, &v) == PATCHBAY_OK)
		s = patchbay_json_string(host, call, v, NULL);
	return s != NULL ? s : otherwise;
}

/* ---- harmless ---- */

OP(echo)
{
	struct patchbay_text params;
	patchbay_status status = patchbay_params(host, call, &params);

	return status == PATCHBAY_OK ? patchbay_result(host, call, params.ptr, params.len) : status;
}

static void nap_ms(int64_t ms)
{
	const struct timespec t = {ms / 1000, (ms % 1000) * 1000000};

	(void)nanosleep(&t, NULL);
}

/* Polite: looks whether it is still wanted, but seldom enough that two thousand at once leave the processor idle. */
OP(slow)
{
	int64_t left = number(host, call, "/ms", 1000), nap;

	for (; left > 0 && !patchbay_cancelled(host, call); left -= nap) {
		nap = left / 20 < 5 ? 5 : left / 20;
		nap = nap > 100 ? 100 : nap;
		nap_ms(left < nap ? left : nap);
	}
	if (patchbay_cancelled(host, call))
		return patchbay_fail_with(host, call, PATCHBAY_CANCELLED, "slow: cancelled");
	return say(host, call, "slept", "yes");
}

OP(fail_as)
{
	struct patchbay_failure f = PATCHBAY_FAILURE_INIT;

	f.status = (patchbay_status)number(host, call, "/status", PATCHBAY_PERMANENT);
	f.effect = (uint32_t)number(host, call, "/effect", PATCHBAY_EFFECT_NONE);
	f.retry_after_ms = number(host, call, "/retry_after_ms", 0);
	f.code = "odd.asked";
	f.message = string(host, call, "/message", "failed as asked");
	f.pointer = "/status";
	return patchbay_fail(host, call, &f);
}

OP(key)
{
	const char *k;
	patchbay_status status =
		patchbay_idempotency_key(host, call, string(host, call, "/purpose", "x"), &k);

	return status == PATCHBAY_OK ? say(host, call, "key", k) : status;
}

OP(reveal)
{
	struct patchbay_text v;
	patchbay_status status =
		patchbay_secret(host, call, string(host, call, "/field", "token"), &v);
	struct patchbay_writer w;

	if (status != PATCHBAY_OK)
		return status;
	(void)patchbay_log(host, call, PATCHBAY_LOG_INFO, v.ptr, v.len, NULL, 0);
	patchbay_writer_init(&w, host, call);
	patchbay_write_string(&w, v.ptr, v.len);
	return patchbay_result(host, call, w.text, w.len);
}

/* Adds one to a stored number; repeats when somebody was first. */
OP(count)
{
	struct patchbay_writer w;
	struct patchbay_text v;
	patchbay_status status;
	uint64_t revision;
	int64_t n;

	do {
		n = 0;
		status = patchbay_kv_get(host, call, PATCHBAY_KV_CONNECTION, "n", &v, &revision);
		if (status != PATCHBAY_OK)
			return status;
		if (v.ptr != NULL)
			(void)patchbay_json_int(v, &n);
		patchbay_writer_init(&w, host, call);
		patchbay_write_int(&w, n + 1);
		status = patchbay_kv_put(host, call, PATCHBAY_KV_CONNECTION, "n", w.text, w.len,
					 revision, NULL);
	} while (status == PATCHBAY_TRANSIENT && !patchbay_cancelled(host, call));
	return status == PATCHBAY_OK ? patchbay_result(host, call, w.text, w.len) : status;
}

/* poll: three events and a cursor. */
OP(poll_numbers)
{
	struct patchbay_text cursor;
	struct patchbay_writer w;
	int64_t from = 0, i;

	(void)patchbay_cursor_get(host, call, &cursor);
	(void)patchbay_json_int(cursor, &from);
	for (i = from + 1; i <= from + 3; i++) {
		patchbay_writer_init(&w, host, call);
		patchbay_write_int(&w, i);
		if (patchbay_emit(host, call, w.text, w.len, w.text) != PATCHBAY_OK)
			return PATCHBAY_TRANSIENT;
	}
	/* cppcheck-suppress uninitvar ; the loop always runs three times */
	return patchbay_cursor_set(host, call, w.text, w.len);
}

/* ---- crashes (P01) ---- */

OP(null_write)
{
	volatile int *volatile p = NULL;

	(void)host;
	(void)call;
	*p = 1; /* cppcheck-suppress nullPointer ; that is its purpose */
	return PATCHBAY_OK;
}

OP(abort_now)
{
	(void)host;
	(void)call;
	abort();
}

/* Would pass for somebody else's doing. */
OP(raise_kill)
{
	(void)raise(SIGKILL);
	return say(host, call, "still", "here");
}

/* Would pass for a hang of the whole process. */
OP(raise_stop)
{
	(void)raise(SIGSTOP);
	return say(host, call, "still", "here");
}

static volatile char sink;
static volatile int done;

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Winfinite-recursion"
#endif
static int deeper(int n)
{
	volatile char room[1024];

	room[n & 1023] = (char)n;
	sink = room[n & 1023];
	return n < 0 ? 0 : deeper(n + 1) + room[0];
}

OP(overflow_stack)
{
	(void)host;
	(void)call;
	return deeper(1) == 42 ? PATCHBAY_OK : PATCHBAY_PERMANENT;
}

OP(exit_zero)
{
	(void)host;
	(void)call;
	exit(0);
}

/* Ends in the middle of a frame on the control socket. */
OP(exit_mid_frame)
{
	static const unsigned char half[] = {200, 0, 0, 0, 18, 0, 0, 0, 1};

	(void)host;
	(void)call;
	if (write(3, half, sizeof(half)) < 0)
		return PATCHBAY_INTERNAL;
	_exit(0);
}

OP(garbage_frame)
{
	static const unsigned char junk[64] = {0xff, 0xff, 0xff, 0xff, 0xee};

	if (write(3, junk, sizeof(junk)) < 0)
		return PATCHBAY_INTERNAL;
	return say(host, call, "wrote", "junk");
}

OP(double_free)
{
	void *volatile p = malloc(100000);
	void *volatile q = p;

	(void)host;
	(void)call;
	free(p);
	free(q);
	return PATCHBAY_OK;
}

static size_t frame(unsigned char *to, unsigned type, uint64_t call, const char *meta)
{
	const size_t n = strlen(meta);

	memset(to, 0, 24);
	to[0] = (unsigned char)(n + 4);
	to[4] = (unsigned char)type;
	to[8] = (unsigned char)call;
	to[16] = type >= 32 ? 1 : 0; /* a question has a number */
	to[20] = (unsigned char)n;
	memcpy(to + 24, meta, n);
	return 24 + n;
}

/* Frames past the runner, as the first call of this process; n = 0: for ever. */
OP(flood)
{
	const char *what = string(host, call, "/what", "");
	const int64_t n = number(host, call, "/n", 0);
	static unsigned char block[65536];
	size_t one, room = sizeof(block);
	int64_t sent = 0;

	if (strcmp(what, "pong") == 0)
		one = frame(block, 5, 0, "");
	else if (strcmp(what, "kv") == 0)
		one = frame(block, 35, 1, "{\"scope\":2,\"key\":\"n\"}");
	else if (strcmp(what, "log") == 0)
		one = frame(block, 20, 1, "{\"level\":1,\"message\":\"again\"}");
	else
		one = frame(block, 21, 77, "{}");
	if (strcmp(what, "pong") == 0)
		one = 20, block[0] = 0;
	for (room = one; room + one <= sizeof(block); room += one)
		memcpy(block + room, block, one);
	while (n == 0 || sent < n) {
		const size_t left = n == 0 ? room : (size_t)(n - sent) * one;
		const ssize_t k = write(3, block, left < room ? left : room);

		if (k < 0 && errno != EAGAIN)
			break;
		if (k < 0)
			continue;
		if ((size_t)k % one != 0) { /* the rest of a frame that was cut */
			size_t done_bytes = (size_t)k % one;

			while (done_bytes < one) {
				const ssize_t more = write(3, block + done_bytes, one - done_bytes);

				done_bytes += more > 0 ? (size_t)more : 0;
			}
		}
		sent += (k + (int64_t)one - 1) / (int64_t)one;
	}
	return say(host, call, "sent", "all");
}

/* ---- never ends (P02) ---- */

OP(loop_forever)
{
	(void)host;
	(void)call;
	while (!done)
		sink++;
	return PATCHBAY_OK;
}

OP(sleep_forever)
{
	sigset_t all;

	(void)host;
	(void)call;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (!done)
		nap_ms(1000000);
	return PATCHBAY_OK;
}

/* ---- takes everything (P03, P04) ---- */

OP(malloc_flood)
{
	size_t mb = 0;
	char *p;

	while (mb < 20000 && (p = (char *)malloc(1u << 20)) != NULL) {
		memset(p, 1, 1u << 20);
		mb++;
	}
	return say(host, call, "stopped", mb < 20000 ? "yes" : "no");
}

OP(leak_descriptors)
{
	int fds[2], n = 0;

	while (n < 100000 && pipe2(fds, O_CLOEXEC) == 0)
		n++;
	return say(host, call, "stopped", n < 100000 ? "yes" : "no");
}

static void *bomb(void *arg)
{
	(void)arg;
	nap_ms(200);
	return NULL;
}

OP(thread_bomb)
{
	pthread_attr_t attr;
	pthread_t t;
	int n = 0;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	while (n < 100000 && pthread_create(&t, &attr, bomb, NULL) == 0)
		n++;
	return say(host, call, "stopped", n < 100000 ? "yes" : "no");
}

/* ---- breaks out (P07, P09, P10) ---- */

/* Tries one thing; the answer is "refused" or what it got. */
OP(attack)
{
	const char *what = string(host, call, "/what", "");
	char byte = 0;
	long got = -1;

	errno = 0;
	if (strcmp(what, "passwd") == 0)
		got = open("/etc/passwd", O_RDONLY);
	else if (strcmp(what, "environ") == 0)
		got = open("/proc/1/environ", O_RDONLY);
	else if (strcmp(what, "parent_memory") == 0)
		got = open("/proc/self/../1/mem", O_RDONLY);
	else if (strcmp(what, "tmp_file") == 0)
		got = open("/tmp/odd-was-here", O_RDWR | O_CREAT, 0600);
	else if (strcmp(what, "socket") == 0)
		got = socket(AF_INET, SOCK_STREAM, 0);
	else if (strcmp(what, "unix_socket") == 0)
		got = socket(AF_UNIX, SOCK_STREAM, 0);
	else if (strcmp(what, "fork") == 0)
		got = syscall(SYS_fork);
	else if (strcmp(what, "exec") == 0)
		got = execl("/bin/true", "true", (char *)NULL);
	else if (strcmp(what, "ptrace") == 0)
		got = ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	else if (strcmp(what, "kill_parent") == 0)
		got = kill(getppid(), SIGKILL);
	else if (strcmp(what, "kill_all") == 0)
		got = kill(-1, SIGKILL);
	else if (strcmp(what, "shared_memory") == 0)
		got = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) ==
				      MAP_FAILED
			      ? -1
			      : 0;
	else if (strcmp(what, "exec_memory") == 0)
		got = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
				      MAP_FAILED
			      ? -1
			      : 0;
	else if (strcmp(what, "dumpable") == 0)
		got = prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	else if (strcmp(what, "no_new_privs") == 0)
		got = prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
	else if (strcmp(what, "priority") == 0)
		got = setpriority(PRIO_PROCESS, 0, -20);
	else if (strcmp(what, "memfd") == 0)
		got = syscall(SYS_memfd_create, "x", 0);
	else if (strcmp(what, "io_uring") == 0)
		got = syscall(SYS_io_uring_setup, 1, NULL);
	else if (strcmp(what, "bpf") == 0)
		got = syscall(SYS_bpf, 0, NULL, 0);
	else if (strcmp(what, "unshare") == 0)
		got = syscall(SYS_unshare, 0x10000000);
	else if (strcmp(what, "stray_descriptor") == 0)
		got = read(5, &byte, 1);
	else
		return patchbay_fail_input(host, call, "/what", "no such attack");
	return say(host, call, "answer", got < 0 ? "refused" : "worked");
}

/* Calls that no honest code makes: the filter ends the process (SIGSYS). */
OP(unknown_syscall)
{
	(void)host;
	(void)call;
	(void)syscall(9999);
	return PATCHBAY_OK;
}

OP(environment)
{
	size_t n = 0;
	struct patchbay_writer w;

	patchbay_writer_init(&w, host, call);
	patchbay_write_open(&w, '[');
	for (n = 0; environ != NULL && environ[n] != NULL; n++)
		patchbay_write_text(&w, environ[n]);
	patchbay_write_close(&w, ']');
	return patchbay_result(host, call, w.text, w.len);
}

/* ---- bad results (P11) ---- */

OP(huge_result)
{
	const size_t n = 3u << 20;
	char *p = (char *)malloc(n);
	patchbay_status status;

	if (p == NULL)
		return PATCHBAY_INTERNAL;
	memset(p, ' ', n);
	p[0] = '1';
	status = patchbay_result(host, call, p, n);
	free(p);
	return status;
}

OP(deep_result)
{
	static char text[200000];

	memset(text, '[', sizeof(text) / 2);
	memset(text + sizeof(text) / 2, ']', sizeof(text) / 2);
	return patchbay_result(host, call, text, sizeof(text));
}

OP(bad_utf8)
{
	return patchbay_result(host, call, "\"\xc3\x28\"", 4);
}

OP(not_a_number)
{
	return patchbay_result(host, call, "NaN", 3);
}

OP(log_flood)
{
	static const char text[] = "the same again";
	int refused = 0, i;

	for (i = 0; i < 100000; i++)
		refused += patchbay_log(host, call, PATCHBAY_LOG_INFO, text, sizeof(text) - 1, NULL,
					0) == PATCHBAY_RATE_LIMITED;
	return say(host, call, "limited", refused > 90000 ? "yes" : "no");
}

/* ---- with the far side in between (DESIGN: the effect of a death is what egress sent) ---- */

static patchbay_status request(const struct patchbay_host *host, struct patchbay_call *call,
			       const char *method)
{
	struct patchbay_http_request rq = PATCHBAY_HTTP_REQUEST_INIT;
	struct patchbay_http_response rs = PATCHBAY_HTTP_RESPONSE_INIT;
	patchbay_status status;

	rq.method = method;
	rq.url = string(host, call, "/url", "/");
	status = patchbay_http(host, call, &rq, &rs);
	return status == PATCHBAY_OK ? status : patchbay_fail_http(host, call, status, &rs);
}

OP(get_then_crash)
{
	const patchbay_status status = request(host, call, "GET");

	if (status != PATCHBAY_OK)
		return status;
	abort();
}

OP(post_then_crash)
{
	const patchbay_status status = request(host, call, "POST");

	if (status != PATCHBAY_OK)
		return status;
	abort();
}

/* A POST that is answered, and then nonsense about it. */
OP(post_then)
{
	const char *then = string(host, call, "/then", "");
	const patchbay_status status = request(host, call, "POST");

	if (status != PATCHBAY_OK)
		return status;
	if (strcmp(then, "cursor") == 0)
		return patchbay_cursor_set(host, call, "1", 1);
	return patchbay_fail_with(host, call, PATCHBAY_CANCELLED, "nobody asked");
}

OP(post_twice)
{
	const patchbay_status status = request(host, call, "POST");

	return status == PATCHBAY_OK ? request(host, call, "POST") : status;
}

static const struct patchbay_operation operations[] = {
	{"action:echo", echo},
	{"action:slow", slow},
	{"action:fail", fail_as},
	{"action:key", key},
	{"action:reveal", reveal},
	{"action:count", count},
	{"action:null_write", null_write},
	{"action:abort", abort_now},
	{"action:stack_overflow", overflow_stack},
	{"action:exit", exit_zero},
	{"action:exit_mid_frame", exit_mid_frame},
	{"action:garbage_frame", garbage_frame},
	{"action:double_free", double_free},
	{"action:loop", loop_forever},
	{"action:sleep", sleep_forever},
	{"action:malloc_flood", malloc_flood},
	{"action:fd_leak", leak_descriptors},
	{"action:thread_bomb", thread_bomb},
	{"action:attack", attack},
	{"action:unknown_syscall", unknown_syscall},
	{"action:environment", environment},
	{"action:huge_result", huge_result},
	{"action:deep_result", deep_result},
	{"action:bad_utf8", bad_utf8},
	{"action:nan", not_a_number},
	{"action:log_flood", log_flood},
	{"action:get_then_crash", get_then_crash},
	{"action:post_then_crash", post_then_crash},
	{"action:post_twice", post_twice},
	{"action:flood", flood},
	{"action:post_then", post_then},
	{"action:raise_kill", raise_kill},
	{"action:raise_stop", raise_stop},
	{"poll:numbers", poll_numbers},
	/* optional: the host knows them and does not call them yet */
	{"conn.open", echo},
	{"conn.close", echo},
	{"sample:numbers", poll_numbers},
	{"migrate:echo", echo},
};

/* An optional group that no host asks for. */
static const void *extension(const char *id)
{
	static const int nothing = 0;

	return strcmp(id, "odd.nothing/1") == 0 ? &nothing : NULL;
}

PATCHBAY_MODULE_EXTENDED(operations, patchbay_manifest_bytes, PATCHBAY_MANIFEST_BYTES, extension)
