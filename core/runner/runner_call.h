/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call inside the runner, and the runner itself: which calls live, which threads wait for work. The
 * reading thread hands frames in; the call's own thread does everything else.
 */
#ifndef PB_RUNNER_CALL_H
#define PB_RUNNER_CALL_H

#include <stdatomic.h>

#include <patchbay/connector.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/list.h"
#include "base/lock.h"
#include "ipc/ipc_chan.h"
#include "ipc/ipc_proto.h"
#include "runner/runner_load.h"

#define RUNNER_BUCKETS     1024u
#define RUNNER_ALLOC_MAX   (64u << 20)
#define RUNNER_EVENTS_MAX  1000u
#define RUNNER_STACK_BYTES (256u << 10) /* 192 KB for the author, the rest for us and the guard */
#define RUNNER_IDLE_US     (10 * PB_USEC_PER_SEC)

/* Everything behind `lock` but the first four. */
struct runner {
	struct ipc_chan *chan;
	const struct runner_module *module;
	const struct ipc_setup *setup;
	const struct patchbay_host *host;

	struct pb_mutex lock;
	struct patchbay_call *calls[RUNNER_BUCKETS];
	size_t n_calls;
	struct pb_list idle; /* struct runner_thread, last in first out */
	bool draining;
};

/* A thread waiting for its next call. */
struct runner_thread {
	struct pb_list node;
	struct runner *runner;
	struct patchbay_call *work;
	struct pb_cond wake;
};

/* Memory handed to the connector: this head, then the bytes. */
struct runner_block {
	struct runner_block *next;
	size_t bytes;
};

/*
 * Invariant: on the runner's table from runner_call_begin until runner_call_end. `reply`, `awaiting` are
 * under the runner's lock; log_* under log_lock; the rest belongs to the call's thread.
 */
struct patchbay_call {
	uint32_t magic;
	atomic_bool cancelled;
	struct runner *runner;
	struct patchbay_call *next;
	uint64_t id;
	int64_t deadline_us;
	pthread_t thread;
	struct ipc_call msg;
	struct pb_slice payload; /* owned, wiped */
	struct pb_arena arena;
	const struct pb_json *params; /* parsed when first asked for */

	struct runner_block *blocks;
	size_t alloc_bytes;

	struct pb_cond answered;
	uint32_t last_request;
	uint32_t awaiting;     /* request id, 0 for none */
	struct pb_slice reply; /* owned until taken */
	uint16_t reply_type;

	struct pb_slice result;
	const char *cursor;
	uint32_t n_events;
	struct ipc_fail failure; /* status IPC_OK: none said */
	bool wrong_thread;

	struct pb_mutex log_lock;
	int64_t log_window_us;
	uint32_t log_lines, log_dropped;
};

#define RUNNER_CALL_MAGIC 0x43414c4cu

void runner_init(struct runner *r, struct ipc_chan *chan, const struct runner_module *module,
		 const struct ipc_setup *setup);

/*
 * A CALL frame: finds or starts a thread. A call that cannot start is answered with FAIL at once.
 * Threads: the reading thread.
 */
void runner_call_begin(struct runner *r, uint64_t id, struct pb_slice payload);
void runner_call_cancel(struct runner *r, uint64_t id);
/* HTTP_RESPONSE or VALUE. An answer nobody waits for is dropped. */
void runner_call_answer(struct runner *r, const struct ipc_head *head, const char *payload);
/* True when draining and the last call has ended. */
bool runner_drained(struct runner *r);
void runner_drain(struct runner *r);

/* Sends an EXIT_NOTICE, best effort, and ends the process at once: no destructor of the connector runs. */
pb_noreturn void runner_exit(struct ipc_chan *chan, int code, const char *why, const char *message);

/* ---- for the host table ---- */

/* Zeroed, 16-byte aligned, wiped and freed with the call; NULL over the limit. */
void *runner_alloc(struct patchbay_call *call, size_t bytes);
char *runner_copy(struct patchbay_call *call, const void *p, size_t n);
/*
 * Asks the host and waits for the answer.
 * *ret_reply lives with the call, a NUL follows it. PATCHBAY_CANCELLED when the call is over before.
 */
patchbay_status runner_ask(struct patchbay_call *call, enum ipc_type type, struct pb_slice payload,
			   enum ipc_type reply_type, struct pb_slice *ret_reply);
int64_t runner_remaining_us(const struct patchbay_call *call);

extern const struct patchbay_host runner_host_table;

/* The runner program. Returns its exit code. [main] */
int runner_main(int argc, char **argv);

#endif
