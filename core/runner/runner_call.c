/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls and their threads. A call costs one small thread while it runs; threads that find no work for ten
 * seconds end. Threads are never joined: the process ends by _exit, and a connector that hangs must not
 * keep it.
 */
#include "runner/runner_call.h"

#include <errno.h>

#include "base/clock.h"

#include "base/base.h"

void runner_init(struct runner *r, struct ipc_chan *chan, const struct runner_module *module,
		 const struct ipc_setup *setup)
{
	memset(r, 0, sizeof(*r));
	r->chan = chan;
	r->module = module;
	r->setup = setup;
	r->host = &runner_host_table;
	pb_mutex_init(&r->lock, "runner.calls", PB_LOCK_RANK(3, 10));
	pb_list_init(&r->idle);
}

void runner_exit(struct ipc_chan *chan, int code, const char *why, const char *message)
{
	const struct ipc_exit notice = {.code = why, .message = message};
	pb_auto_buf b = PB_BUF_INIT;

	if (ipc_encode_exit(&b, &notice))
		(void)ipc_chan_send_wait(chan, IPC_EXIT_NOTICE, 0, 0, pb_slice(b.p, b.len),
					 pb_mono_us() + PB_USEC_PER_SEC, NULL);
	_exit(code);
}

/* ---- memory ---- */

void *runner_alloc(struct patchbay_call *call, size_t bytes)
{
	const size_t head = (sizeof(struct runner_block) + 15) & ~(size_t)15;
	struct runner_block *b;

	if (bytes > RUNNER_ALLOC_MAX - call->alloc_bytes)
		return NULL;
	b = pb_try_alloc(1, head + bytes, RUNNER_ALLOC_MAX + head);
	if (!b)
		return NULL;
	b->bytes = head + bytes;
	b->next = call->blocks;
	call->blocks = b;
	call->alloc_bytes += bytes;
	return (char *)b + head;
}

char *runner_copy(struct patchbay_call *call, const void *p, size_t n)
{
	char *copy = runner_alloc(call, n + 1);

	if (copy && n > 0)
		memcpy(copy, p, n);
	return copy;
}

static void slice_wipe(struct pb_slice *s)
{
	char *p = (char *)(uintptr_t)s->p; /* slices are const to everybody but their owner */

	if (p)
		explicit_bzero(p, s->len);
	free(p);
	*s = pb_slice(NULL, 0);
}

static void call_free(struct patchbay_call *call)
{
	struct runner_block *b;

	while ((b = call->blocks)) {
		call->blocks = b->next;
		explicit_bzero(b, b->bytes);
		free(b);
	}
	slice_wipe(&call->payload);
	slice_wipe(&call->reply);
	pb_arena_done(&call->arena);
	pb_cond_done(&call->answered);
	pb_mutex_done(&call->log_lock);
	call->magic = 0;
	free(call);
}

static struct patchbay_call *call_new(struct runner *r, uint64_t id, struct pb_slice payload)
{
	struct patchbay_call *call = pb_new(struct patchbay_call);

	call->magic = RUNNER_CALL_MAGIC;
	call->runner = r;
	call->id = id;
	call->deadline_us = INT64_MAX;
	call->payload = pb_slice(pb_xmemdup(payload.p, payload.len), payload.len);
	pb_arena_init(&call->arena, 32u << 20);
	pb_cond_init(&call->answered);
	pb_mutex_init(&call->log_lock, "runner.log", PB_LOCK_RANK(3, 20));
	return call;
}

/* ---- the table ---- */

static struct patchbay_call **slot_of(struct runner *r, uint64_t id) PB_REQUIRES(r->lock)
{
	struct patchbay_call **slot = &r->calls[id % RUNNER_BUCKETS];

	while (*slot && (*slot)->id != id)
		slot = &(*slot)->next;
	return slot;
}

static void forget(struct patchbay_call *call)
{
	struct runner *r = call->runner;
	struct patchbay_call **slot;

	pb_lock(&r->lock);
	slot = slot_of(r, call->id);
	PB_ASSERT(*slot == call);
	*slot = call->next;
	r->n_calls--;
	pb_unlock(&r->lock);
}

int64_t runner_remaining_us(const struct patchbay_call *call)
{
	return PB_MAX(INT64_C(0), call->deadline_us - pb_mono_us());
}

/* ---- questions to the host ---- */

patchbay_status runner_ask(struct patchbay_call *call, enum ipc_type type, struct pb_slice payload,
			   enum ipc_type reply_type, struct pb_slice *ret_reply)
{
	struct runner *r = call->runner;
	const uint32_t request = ++call->last_request ? call->last_request : ++call->last_request;
	struct pb_slice reply = {NULL, 0};
	uint16_t got = 0;
	char *kept;
	bool in_time = true;

	pb_lock(&r->lock);
	call->awaiting = request;
	pb_unlock(&r->lock);
	if (atomic_load(&call->cancelled) ||
	    ipc_chan_send_wait(r->chan, type, call->id, request, payload, call->deadline_us,
			       NULL) != PB_OK)
		in_time = false;

	pb_lock(&r->lock);
	while (in_time && !call->reply.p && !atomic_load(&call->cancelled))
		in_time = pb_cond_wait_until(&call->answered, &r->lock, call->deadline_us);
	reply = call->reply;
	got = call->reply_type;
	call->reply = pb_slice(NULL, 0);
	call->awaiting = 0;
	pb_unlock(&r->lock);

	if (!reply.p)
		return PATCHBAY_CANCELLED;
	if (got != (uint16_t)reply_type) {
		slice_wipe(&reply);
		return PATCHBAY_INTERNAL;
	}
	kept = runner_copy(call, reply.p, reply.len);
	*ret_reply = pb_slice(kept, reply.len);
	slice_wipe(&reply);
	return kept ? PATCHBAY_OK : PATCHBAY_INTERNAL;
}

void runner_call_answer(struct runner *r, const struct ipc_head *head, const char *payload)
{
	struct pb_slice copy =
		pb_slice(pb_xmemdup(payload, head->payload_bytes), head->payload_bytes);
	struct patchbay_call *call;

	pb_lock(&r->lock);
	call = *slot_of(r, head->call_id);
	if (call && call->awaiting == head->request_id && !call->reply.p) {
		call->reply = copy;
		call->reply_type = head->type;
		copy = pb_slice(NULL, 0);
		pb_cond_signal(&call->answered);
	}
	pb_unlock(&r->lock);
	slice_wipe(&copy);
}

void runner_call_cancel(struct runner *r, uint64_t id)
{
	struct patchbay_call *call;

	pb_lock(&r->lock);
	call = *slot_of(r, id);
	if (call) {
		atomic_store(&call->cancelled, true);
		pb_cond_signal(&call->answered);
	}
	pb_unlock(&r->lock);
}

/* ---- the end of a call ---- */

static void send_fail(struct runner *r, uint64_t id, const struct ipc_fail *fail)
{
	pb_auto_buf b = PB_BUF_INIT;

	if (ipc_encode_fail(&b, fail))
		(void)ipc_chan_send_wait(r->chan, IPC_FAIL, id, 0, pb_slice(b.p, b.len), INT64_MAX,
					 NULL);
}

static void send_result(struct patchbay_call *call)
{
	const struct ipc_result result = {
		.cursor = call->cursor,
		.n_events = call->n_events,
		.output = call->result.p ? call->result : PB_SLICE("null"),
	};
	pb_auto_buf b = PB_BUF_INIT;

	if (ipc_encode_result(&b, &result))
		(void)ipc_chan_send_wait(call->runner->chan, IPC_RESULT, call->id, 0,
					 pb_slice(b.p, b.len), INT64_MAX, NULL);
	if (b.p)
		explicit_bzero(b.p, b.len);
}

/* What the operation returned decides; fail() only explains it. */
static void finish(struct patchbay_call *call, patchbay_status returned)
{
	struct ipc_fail fail = call->failure;

	if (returned < 0 || returned >= (patchbay_status)IPC_STATUS_COUNT)
		returned = PATCHBAY_PERMANENT;
	if (call->wrong_thread && call->msg.dev) {
		returned = PATCHBAY_INTERNAL;
		fail = (struct ipc_fail){.effect = IPC_EFFECT_MAYBE,
					 .message = "the operation used a [call-thread] function "
						    "from another thread"};
	}
	if (returned == PATCHBAY_OK) {
		send_result(call);
		return;
	}
	fail.status = (uint32_t)returned;
	if (!fail.message) {
		fail.effect = IPC_EFFECT_MAYBE;
		fail.message = returned == PATCHBAY_CANCELLED ? "cancelled"
							      : "the connector gave no reason";
	}
	send_fail(call->runner, call->id, &fail);
}

static bool start(struct patchbay_call *call, struct ipc_fail *ret_fail)
{
	struct pb_err err = PB_ERR_INIT;

	*ret_fail = (struct ipc_fail){.status = IPC_INTERNAL, .message = "the call is malformed"};
	if (ipc_decode_call(&call->arena, call->payload, &call->msg, &err) != PB_OK)
		return false;
	call->deadline_us =
		pb_mono_us() + PB_MAX(INT64_C(1), call->msg.timeout_ms) * PB_USEC_PER_MSEC;
	return true;
}

static void call_run(struct patchbay_call *call)
{
	const struct patchbay_operation *op;
	struct runner *r = call->runner;
	patchbay_status status;
	struct ipc_fail fail;

	call->thread = pthread_self();
	if (!start(call, &fail)) {
		send_fail(r, call->id, &fail);
	} else if (!(op = runner_module_find(r->module, call->msg.operation))) {
		fail = (struct ipc_fail){.status = IPC_UNSUPPORTED,
					 .message = "the connector has no such operation"};
		send_fail(r, call->id, &fail);
	} else {
		status = op->run(r->host, call);
		finish(call, status);
	}
	/* after its last frame: until then a drain must not end the process */
	forget(call);
	call_free(call);
}

/* ---- threads ---- */

static void leave_if_drained(struct runner *r)
{
	if (runner_drained(r))
		runner_exit(r->chan, 0, "drained", "the last call has ended");
}

static struct patchbay_call *next_work(struct runner_thread *t)
{
	struct runner *r = t->runner;
	const int64_t until = pb_mono_us() + RUNNER_IDLE_US;
	struct patchbay_call *work;
	bool in_time = true;

	pb_lock(&r->lock);
	t->node.next = r->idle.next; /* in front: the warmest stack is used first */
	t->node.prev = &r->idle;
	r->idle.next->prev = &t->node;
	r->idle.next = &t->node;
	while (!t->work && in_time)
		in_time = pb_cond_wait_until(&t->wake, &r->lock, until);
	if (!t->work)
		pb_list_remove(&t->node);
	work = t->work;
	t->work = NULL;
	pb_unlock(&r->lock);
	return work;
}

static void *thread_main(void *arg)
{
	struct runner_thread self = {.runner = ((struct patchbay_call *)arg)->runner};
	struct patchbay_call *work = arg;

	pb_cond_init(&self.wake);
	while (work) {
		call_run(work);
		leave_if_drained(self.runner);
		work = next_work(&self);
	}
	pb_cond_done(&self.wake);
	return NULL;
}

static bool thread_start(struct patchbay_call *call)
{
	pthread_attr_t attr;
	pthread_t t;
	int rc;

	rc = pthread_attr_init(&attr);
	if (rc != 0)
		return false;
	(void)pthread_attr_setstacksize(&attr, RUNNER_STACK_BYTES);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&t, &attr, thread_main, call);
	(void)pthread_attr_destroy(&attr);
	return rc == 0;
}

/* NULL or why it cannot begin. On success an idle thread has it, or *ret_start says that one is needed. */
static const char *admit(struct runner *r, struct patchbay_call *call, bool *ret_start)
{
	struct patchbay_call **slot;
	struct runner_thread *t;
	const char *why = NULL;
	struct pb_list *node;

	*ret_start = false;
	pb_lock(&r->lock);
	slot = slot_of(r, call->id);
	if (*slot)
		why = "a call with this id is running";
	else if (r->draining)
		why = "the runner is draining";
	else if (r->n_calls >= r->setup->calls_max)
		why = "the runner has as many calls as it may";
	if (!why) {
		*slot = call;
		r->n_calls++;
		node = pb_list_pop(&r->idle);
		t = node ? pb_list_entry(node, struct runner_thread, node) : NULL;
		if (t) {
			t->work = call;
			pb_cond_signal(&t->wake);
		}
		*ret_start = !t;
	}
	pb_unlock(&r->lock);
	return why;
}

void runner_call_begin(struct runner *r, uint64_t id, struct pb_slice payload)
{
	struct patchbay_call *call = call_new(r, id, payload);
	const char *why;
	bool need_thread;

	why = admit(r, call, &need_thread);
	if (!why && need_thread && !thread_start(call)) {
		forget(call);
		why = "no thread for the call";
	}
	if (!why)
		return; /* the thread has it, and may have ended it already */
	send_fail(r, id, &(struct ipc_fail){.status = IPC_TRANSIENT, .message = why});
	call_free(call);
}

void runner_drain(struct runner *r)
{
	pb_lock(&r->lock);
	r->draining = true;
	pb_unlock(&r->lock);
}

bool runner_drained(struct runner *r)
{
	bool drained;

	pb_lock(&r->lock);
	drained = r->draining && r->n_calls == 0;
	pb_unlock(&r->lock);
	return drained;
}
