/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner's life: lock up, load, lock up further, say HELLO, serve frames. Started by the host's
 * supervisor as
 *	patchbay-runner <connector id, for the process list> <pid of the host>
 * with fd 3 the control socket and fd 4 the sealed connector. Everything else arrives in the SETUP frame.
 */
#include "runner/runner_call.h"

#include <errno.h>
#include <linux/close_range.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/parse.h"
#include "os/os_sandbox.h"

#include "base/base.h"

#define CONTROL_FD     3
#define PLUGIN_FD      4
#define SETUP_WAIT_US  (10 * PB_USEC_PER_SEC)
#define QUEUE_MAX      (1u << 20)
#define EXIT_REFUSED   3
#define EXIT_CLOSED    0
#define EXIT_BAD_FRAME 4

#if defined(__x86_64__)
#define MULTIARCH "x86_64-linux-gnu"
#else
#define MULTIARCH "aarch64-linux-gnu"
#endif

/* What the loader of libraries reads. Stage 2 closes these too. */
static const char *const read_dirs[] = {"/lib/" MULTIARCH, "/usr/lib/" MULTIARCH, "/lib64",
					"/usr/lib64", "/etc/ld.so.cache"};

#ifdef PB_SANITIZED
/* LeakSanitizer wants to fork and ptrace at the end; in here it cannot. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static enum pb_status read_setup(struct ipc_chan *chan, struct pb_arena *arena,
				 struct ipc_setup *ret, struct pb_err *err)
{
	struct ipc_frame frame;
	enum pb_status status;
	struct pb_slice kept;
	enum ipc_io io;

	io = ipc_chan_read_wait(chan, pb_mono_us() + SETUP_WAIT_US, &frame, err);
	if (io != IPC_IO_FRAME || frame.head.type != IPC_SETUP)
		return pb_err_set(err, PB_E_INVALID, "runner.setup", "no SETUP came");
	kept = pb_slice(pb_arena_memdup(arena, frame.payload, frame.head.payload_bytes),
			frame.head.payload_bytes);
	if (!kept.p)
		return pb_err_set(err, PB_E_TOO_LARGE, "runner.setup", "SETUP is too large");
	status = ipc_decode_setup(arena, kept, ret, err);
	if (status != PB_OK)
		return status;
	if (ret->protocol_min > IPC_PROTOCOL_MAX || ret->protocol_max < IPC_PROTOCOL_MIN)
		return pb_err_set(err, PB_E_INVALID, "runner.protocol",
				  "the host speaks protocol %u to %u, this runner %d to %d",
				  ret->protocol_min, ret->protocol_max, IPC_PROTOCOL_MIN,
				  IPC_PROTOCOL_MAX);
	ret->calls_max = PB_MAX(1u, ret->calls_max);
	return PB_OK;
}

static enum pb_status lock_up_and_load(const struct ipc_setup *setup,
				       struct os_sandbox_report *ret_report,
				       struct runner_module *ret_module, struct pb_err *err)
{
	const uint64_t memory = setup->memory_mb ? setup->memory_mb : 256;
	const struct os_sandbox box = {
		.uid = setup->uid,
		.gid = setup->gid,
		.read_dirs = read_dirs,
		.n_read_dirs = PB_ARRAY_LEN(read_dirs),
		/* a stack and its guard page for each call */
		.data_bytes =
			(memory << 20) + (uint64_t)setup->calls_max * (RUNNER_STACK_BYTES + 4096),
		.threads_max = setup->calls_max + 64,
		.control_fd = CONTROL_FD,
	};
	enum pb_status status;

	status = runner_load_check(PLUGIN_FD, setup, err);
	if (status == PB_OK)
		status = os_sandbox_enter(&box, ret_report, err);
	if (status == PB_OK)
		status = runner_load_open(PLUGIN_FD, setup, ret_module, err);
	if (status == PB_OK)
		status = os_sandbox_seal(&box, ret_report, err);
	return status;
}

static void send_hello(struct ipc_chan *chan, const struct ipc_setup *setup,
		       const struct runner_module *module, const struct os_sandbox_report *report,
		       int64_t start_us)
{
	const struct ipc_hello hello = {
		.protocol = PB_MIN((uint32_t)IPC_PROTOCOL_MAX, setup->protocol_max),
		.abi_major = PATCHBAY_ABI_MAJOR,
		.abi_minor = PATCHBAY_ABI_MINOR,
		.module_minor = module->minor,
		.needs_minor = module->needs_minor,
		.connector = setup->connector,
		.version = setup->version,
		.operations = setup->operations, /* checked to be the module's own */
		.n_operations = setup->n_operations,
		.landlock_abi = report->landlock_abi,
		.checks = report->checks,
		.seccomp = report->seccomp,
		.no_new_privs = report->no_new_privs,
		.sanitized = report->sanitized,
		.namespaces = report->namespaces,
		.uid = report->uid,
		.load_us = pb_mono_us() - start_us,
	};
	pb_auto_buf b = PB_BUF_INIT;

	if (!ipc_encode_hello(&b, &hello) ||
	    ipc_chan_send_wait(chan, IPC_HELLO, 0, 0, pb_slice(b.p, b.len), INT64_MAX, NULL) !=
		    PB_OK)
		_exit(EXIT_CLOSED);
}

static void serve_frame(struct runner *r, const struct ipc_frame *frame)
{
	switch ((enum ipc_type)frame->head.type) {
	case IPC_CALL:
		runner_call_begin(r, frame->head.call_id,
				  pb_slice(frame->payload, frame->head.payload_bytes));
		break;
	case IPC_CANCEL:
		runner_call_cancel(r, frame->head.call_id);
		break;
	case IPC_HTTP_RESPONSE:
	case IPC_VALUE:
		runner_call_answer(r, &frame->head, frame->payload);
		break;
	case IPC_PING:
		/* a full queue is an answer too: the host sees no PONG */
		(void)ipc_chan_send(r->chan, IPC_PONG, 0, 0, pb_slice(NULL, 0), NULL);
		break;
	case IPC_DRAIN:
		runner_drain(r);
		if (runner_drained(r))
			runner_exit(r->chan, EXIT_CLOSED, "drained", "no calls are left");
		break;
	default:
		runner_exit(r->chan, EXIT_BAD_FRAME, "runner.frame", "a second SETUP");
	}
}

static pb_noreturn void serve(struct runner *r)
{
	struct pb_err err = PB_ERR_INIT;
	struct ipc_frame frame;

	for (;;) {
		switch (ipc_chan_read_wait(r->chan, INT64_MAX, &frame, &err)) {
		case IPC_IO_FRAME:
			serve_frame(r, &frame);
			break;
		case IPC_IO_BROKEN:
			runner_exit(r->chan, EXIT_BAD_FRAME, "runner.frame", err.msg);
		case IPC_IO_CLOSED:
		case IPC_IO_AGAIN:
			_exit(EXIT_CLOSED); /* the host is gone; nobody is left to tell */
		}
	}
}

int runner_main(int argc, char **argv)
{
	static struct runner runner;
	static struct runner_module module;
	static struct ipc_setup setup;
	const int64_t start_us = pb_mono_us();
	struct os_sandbox_report report;
	struct pb_err err = PB_ERR_INIT;
	struct ipc_chan *chan;
	struct pb_arena arena;
	int64_t parent;

	if (argc != 3 || !pb_parse_i64(argv[2], strlen(argv[2]), 1, INT32_MAX, &parent) ||
	    os_sandbox_prepare((pid_t)parent, &err) != PB_OK)
		return EXIT_REFUSED;
	(void)syscall(SYS_close_range, PLUGIN_FD + 1, ~0u, 0);
	/* small heaps: two arenas for all threads instead of eight a core */
	(void)mallopt(M_ARENA_MAX, 2);
	chan = ipc_chan_new(CONTROL_FD, IPC_SIDE_RUNNER, IPC_PAYLOAD_MAX, QUEUE_MAX);
	pb_arena_init(&arena, 4u << 20); /* lives as long as the process */
	if (read_setup(chan, &arena, &setup, &err) != PB_OK ||
	    lock_up_and_load(&setup, &report, &module, &err) != PB_OK)
		runner_exit(chan, EXIT_REFUSED, err.code ? err.code : "runner.start", err.msg);
	(void)malloc_trim(0); /* building the filters took half a megabyte */
	runner_init(&runner, chan, &module, &setup);
	send_hello(chan, &setup, &module, &report, start_us);
	serve(&runner);
}
