/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One runner process as the host sees it: a socket, a pidfd, a pipe for what it prints. Its end is
 * noticed by the pidfd alone, after everything it had still sent was read: an answer that was on its
 * way counts.
 */
#include "connector/connector_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/base.h"

PB_LOG_TOPIC("connector.runner");

#define HELLO_WAIT_US    (10 * PB_USEC_PER_SEC)
#define DRAIN_WAIT_US    (2 * PB_USEC_PER_SEC)
#define QUEUE_MAX        ((size_t)64 << 20)
#define OUTPUT_BYTES     16384 /* of what it prints, logged in OUTPUT_PERIOD_US */
#define OUTPUT_PERIOD_US (10 * PB_USEC_PER_SEC)
#define NOBODY           65534
#define DECODE_ARENA     ((size_t)32 << 20)
/* what one runner may have of the I/O thread before the others have their turn */
#define TURN_FRAMES 256
#define TURN_US     (2 * PB_USEC_PER_MSEC)

/* ---- calls of this runner ---- */

static struct connector_call **find_slot(struct connector_runner *r, uint64_t id)
{
	struct connector_call **slot = &r->buckets[id % CONNECTOR_BUCKETS];

	while (*slot && (*slot)->id != id)
		slot = &(*slot)->hash_next;
	return slot;
}

void connector_runner_remove_call(struct connector_runner *r, struct connector_call *call)
{
	struct connector_call **slot = find_slot(r, call->id);

	PB_ASSERT(*slot == call);
	*slot = call->hash_next;
	call->hash_next = NULL;
	pb_list_remove(&call->node);
	call->runner = NULL;
	r->n_calls--;
	if (r->n_calls == 0)
		r->due_us =
			pb_mono_us() + (r->state == RUNNER_DRAINING ? DRAIN_WAIT_US
								    : r->owner->cfg.runner_idle_us);
}

static void add_call(struct connector_runner *r, struct connector_call *call)
{
	struct connector_call **slot;

	call->id = ++r->next_id;
	call->epoch++;
	call->n_kv = 0; /* what an earlier runner asked for is answered to nobody */
	call->runner = r;
	call->state = CALL_RUNNING;
	slot = find_slot(r, call->id);
	call->hash_next = *slot;
	*slot = call;
	pb_list_append(&r->calls, &call->node);
	r->n_calls++;
	r->n_total++;
}

bool connector_runner_start_call(struct connector_runner *r, struct connector_call *call)
{
	int64_t left_us = PB_MAX(call->deadline_us - pb_mono_us(), PB_USEC_PER_MSEC);
	const struct ipc_call msg = {
		.operation = call->op->name,
		.idempotency_base = call->key,
		.timeout_ms = (left_us + PB_USEC_PER_MSEC - 1) / PB_USEC_PER_MSEC,
		.context = call->step,
		.dev = r->owner->cfg.development,
		.params = pb_slice(call->params, call->params_bytes),
	};
	pb_auto_buf b = PB_BUF_INIT;
	bool encoded;

	encoded = ipc_encode_call(&b, &msg);
	PB_ASSERT(encoded); /* everything in it was checked when the call started */
	add_call(r, call);
	if (!connector_runner_send(r, IPC_CALL, call->id, 0, pb_slice(b.p, b.len))) {
		connector_runner_remove_call(r, call);
		return false;
	}
	if (r->n_total >= r->owner->cfg.runner_calls_total)
		connector_runner_drain(r);
	return true;
}

/* ---- frames from the runner ---- */

void connector_runner_broken(struct connector_runner *r, const char *why)
{
	(void)pb_str_copy(r->notice, sizeof(r->notice), why);
	connector_runner_kill(r, KILL_BROKEN);
}

static char *dup_or_null(const char *s)
{
	return s ? pb_xstrdup(s) : NULL;
}

static void on_result(struct connector_runner *r, struct connector_call *call,
		      struct pb_slice payload, struct pb_arena *arena)
{
	struct connector_outcome out = {0};
	struct pb_err err = PB_ERR_INIT;
	struct ipc_result msg;

	if (ipc_decode_result(arena, payload, &msg, &err) != PB_OK) {
		connector_runner_broken(r, err.msg);
		return;
	}
	out.status = CONNECTOR_OK;
	out.output = pb_xmemdup(msg.output.p, msg.output.len);
	out.output_bytes = msg.output.len;
	if (msg.n_events || msg.cursor) {
		out.claim = IPC_EFFECT_DONE; /* it says that it ended well */
		connector_outcome_set(&out, CONNECTOR_INTERNAL, "connector.not_a_trigger",
				      "an action must not emit events or set a cursor");
	}
	connector_runner_remove_call(r, call);
	connector_dispatch_leave(call, &out);
}

static void on_fail(struct connector_runner *r, struct connector_call *call,
		    struct pb_slice payload, struct pb_arena *arena)
{
	struct connector_outcome out = {0};
	struct pb_err err = PB_ERR_INIT;
	struct ipc_fail msg;

	if (ipc_decode_fail(arena, payload, &msg, &err) != PB_OK) {
		connector_runner_broken(r, err.msg);
		return;
	}
	out.status = msg.status > IPC_OK && msg.status < IPC_STATUS_COUNT
			     ? (enum connector_status)msg.status
			     : CONNECTOR_PERMANENT;
	out.claim = msg.effect;
	out.http_status = (int)msg.http_status;
	out.retry_after_us = msg.retry_after_ms * PB_USEC_PER_MSEC;
	out.code = dup_or_null(msg.code);
	out.message = dup_or_null(msg.message);
	out.pointer = dup_or_null(msg.pointer);
	connector_runner_remove_call(r, call);
	connector_dispatch_leave(call, &out);
}

static bool hello_is_right(const struct connector_runner *r, const struct ipc_hello *h)
{
	const struct connector_manifest *m = connector_version_manifest(r->pool->version);

	return h->protocol >= IPC_PROTOCOL_MIN && h->protocol <= IPC_PROTOCOL_MAX &&
	       pb_str_eq(h->connector, m->id) && pb_str_eq(h->version, m->version) &&
	       h->n_operations == m->n_native && h->no_new_privs && (h->seccomp || h->sanitized);
}

static void on_hello(struct connector_runner *r, struct pb_slice payload, struct pb_arena *arena)
{
	struct pb_err err = PB_ERR_INIT;
	struct ipc_hello h;

	if (r->state != RUNNER_STARTING || ipc_decode_hello(arena, payload, &h, &err) != PB_OK ||
	    !hello_is_right(r, &h)) {
		connector_runner_broken(r, "the HELLO is not the one that was asked for");
		return;
	}
	r->state = RUNNER_READY;
	r->due_us = pb_mono_us() + r->owner->cfg.runner_idle_us;
	r->pool->start_failures = r->pool->start_kills = 0;
	connector_counts_set_error(r->owner, r->pool->counts, "");
	pb_log(PB_LOG_INFO, "runner ready", PB_KV_STR("patchbay.connector", h.connector),
	       PB_KV_STR("version", h.version), PB_KV_INT("pid", r->process.pid),
	       PB_KV_INT("start_us", pb_mono_us() - r->spawn_us),
	       PB_KV_INT("sandbox_checks", h.checks), PB_KV_INT("landlock_abi", h.landlock_abi),
	       PB_KV_BOOL("seccomp", h.seccomp));
	connector_dispatch_pump(r->pool);
}

static void on_notice(struct connector_runner *r, struct pb_slice payload, struct pb_arena *arena)
{
	struct pb_err err = PB_ERR_INIT;
	struct ipc_exit msg;

	if (ipc_decode_exit(arena, payload, &msg, &err) == PB_OK)
		(void)pb_str_printf(r->notice, sizeof(r->notice), "%s: %s", msg.code, msg.message);
}

/* Questions of a process that is gone or about to be: nobody would read the answer. */
static bool is_late(const struct connector_runner *r, uint16_t type)
{
	return (r->ended || r->killed != KILL_NONE) && type >= IPC_HTTP_REQUEST;
}

static void on_call_frame(struct connector_runner *r, const struct ipc_frame *f,
			  struct pb_arena *arena)
{
	struct pb_slice payload = pb_slice(f->payload, f->head.payload_bytes);
	struct connector_call *call = *find_slot(r, f->head.call_id);

	if (!call || is_late(r, f->head.type))
		return; /* it ended meanwhile */
	switch (f->head.type) {
	case IPC_RESULT:
		on_result(r, call, payload, arena);
		break;
	case IPC_FAIL:
		on_fail(r, call, payload, arena);
		break;
	case IPC_LOG:
		connector_service_log(call, payload);
		break;
	case IPC_HTTP_REQUEST:
		connector_service_http(call, f->head.request_id, payload);
		break;
	case IPC_SECRET_GET:
		connector_service_secret(call, f->head.request_id, payload);
		break;
	case IPC_KV_GET:
	case IPC_KV_PUT:
		connector_service_kv(call, f->head.request_id, payload, f->head.type == IPC_KV_PUT);
		break;
	default:
		break; /* EMIT: refused with the RESULT, which counts them */
	}
}

static void on_frame(struct connector_runner *r, const struct ipc_frame *f)
{
	pb_auto_arena arena;
	struct pb_slice payload = pb_slice(f->payload, f->head.payload_bytes);

	pb_arena_init(&arena, DECODE_ARENA);
	switch (f->head.type) {
	case IPC_HELLO:
		on_hello(r, payload, &arena);
		break;
	case IPC_EXIT_NOTICE:
		on_notice(r, payload, &arena);
		break;
	case IPC_PONG:
		connector_runner_broken(r, "a PONG that nobody asked for");
		break;
	default:
		on_call_frame(r, f, &arena);
	}
}

/* Up to @max frames, or until @until_us. True when that ended it: there may be more. */
static bool read_frames(struct connector_runner *r, size_t max, int64_t until_us)
{
	struct pb_err err = PB_ERR_INIT;
	struct ipc_frame f;

	for (size_t i = 0; i < max && r->killed != KILL_BROKEN; i++) {
		switch (ipc_chan_read(r->chan, &f, &err)) {
		case IPC_IO_FRAME:
			on_frame(r, &f);
			break;
		case IPC_IO_AGAIN:
			return false;
		case IPC_IO_BROKEN:
			connector_runner_broken(r, err.msg);
			return false;
		case IPC_IO_CLOSED:
			r->closed = true;
			return false;
		}
		if (pb_mono_us() >= until_us)
			break;
	}
	return r->killed != KILL_BROKEN;
}

/*
 * One turn. The socket's edge is used up by then and frames may lie in the channel's buffer, so what is
 * left over is not epoll's business: the runner stands in the line for the next round.
 */
void connector_runner_read(struct connector_runner *r)
{
	if (r->state != RUNNER_DEAD && read_frames(r, TURN_FRAMES, pb_mono_us() + TURN_US))
		pb_list_append(&r->owner->unread, &r->unread);
}

/* ---- events ---- */

static void on_socket(struct connectors *c, struct connector_watch *w, uint32_t events)
{
	struct connector_runner *r = pb_container_of(w, struct connector_runner, on_socket);

	(void)c;
	if (r->state == RUNNER_DEAD)
		return;
	if (events & EPOLLOUT)
		(void)ipc_chan_flush(r->chan);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) && !pb_list_linked(&r->unread))
		connector_runner_read(r);
}

static void on_exit_event(struct connectors *c, struct connector_watch *w, uint32_t events)
{
	struct connector_runner *r = pb_container_of(w, struct connector_runner, on_exit);
	struct os_exit end = {0};

	(void)c;
	(void)events;
	if (r->state == RUNNER_DEAD)
		return;
	r->ended = true;
	/* its last words, a socket's buffer of them; nothing that it asks for now is answered */
	if (r->killed != KILL_BROKEN)
		(void)read_frames(r, SIZE_MAX, INT64_MAX);
	if (!os_process_wait(&r->process, 0, &end))
		return;
	r->exit = end;
	connector_dispatch_death(r,
				 end.signalled && end.value == SIGKILL && r->killed == KILL_NONE);
}

/* Without the secrets of the calls that may have printed it. Owner: free(). */
static char *clean_output(const struct connector_runner *r, const char *text, size_t n)
{
	char *clean = pb_xmemdup(text, n);

	pb_list_foreach (node, &r->calls) {
		char *next = connector_call_redact(pb_list_entry(node, struct connector_call, node),
						   clean, n, &n);

		free(clean);
		clean = next;
	}
	return clean;
}

static void log_output(struct connector_runner *r, char *text, size_t n)
{
	int64_t now_us = pb_mono_us();
	pb_autofree char *clean = NULL;

	if (now_us - r->output_refill_us > OUTPUT_PERIOD_US) {
		r->output_refill_us = now_us;
		r->output_left = OUTPUT_BYTES;
	}
	n = PB_MIN(n, r->output_left);
	if (n == 0)
		return;
	r->output_left -= n;
	clean = clean_output(r, text, n);
	/* foreign words: what they are about nobody knows */
	pb_log(r->owner->cfg.development ? PB_LOG_WARN : PB_LOG_DEBUG, "runner printed",
	       PB_KV_STR("patchbay.connector", connector_version_manifest(r->pool->version)->id),
	       PB_KV_INT("pid", r->process.pid), PB_KV_STR("text", clean));
}

static void on_output(struct connectors *c, struct connector_watch *w, uint32_t events)
{
	struct connector_runner *r = pb_container_of(w, struct connector_runner, on_output);
	char text[2048];
	ssize_t n;

	(void)c;
	(void)events;
	if (r->output < 0)
		return;
	n = read(r->output, text, sizeof(text) - 1);
	if (n > 0) {
		log_output(r, text, (size_t)n);
	} else if (n == 0 || errno != EAGAIN) {
		close(r->output);
		r->output = -1;
	}
}

/* ---- sending ---- */

bool connector_runner_send(struct connector_runner *r, enum ipc_type type, uint64_t call_id,
			   uint32_t request_id, struct pb_slice payload)
{
	struct pb_err err = PB_ERR_INIT;

	if (r->state == RUNNER_DEAD || r->killed != KILL_NONE || r->closed)
		return false;
	if (ipc_chan_send(r->chan, type, call_id, request_id, payload, &err) == PB_OK)
		return true;
	if (err.status == PB_E_UNAVAILABLE)
		r->closed = true;
	else
		connector_runner_broken(r, err.msg);
	return false;
}

void connector_runner_kill(struct connector_runner *r, enum connector_kill why)
{
	if (r->killed != KILL_NONE || r->state == RUNNER_DEAD)
		return;
	r->killed = why;
	(void)os_process_signal(&r->process, SIGKILL);
}

void connector_runner_drain(struct connector_runner *r)
{
	if (r->state == RUNNER_STARTING) {
		connector_runner_kill(r, KILL_STOP);
		return;
	}
	if (r->state != RUNNER_READY)
		return;
	(void)connector_runner_send(r, IPC_DRAIN, 0, 0, pb_slice(NULL, 0));
	r->state = RUNNER_DRAINING;
	r->due_us = pb_mono_us() + DRAIN_WAIT_US;
}

void connector_runner_tick(struct connector_runner *r, int64_t now_us)
{
	switch (r->state) {
	case RUNNER_STARTING:
		if (now_us >= r->due_us)
			connector_runner_broken(r, "no HELLO in time");
		break;
	case RUNNER_READY:
		if (r->n_calls == 0 &&
		    (r->solo || (r->owner->cfg.runner_idle_us > 0 && now_us >= r->due_us)))
			connector_runner_drain(r);
		break;
	case RUNNER_DRAINING:
		if (r->n_calls == 0 && now_us >= r->due_us)
			connector_runner_kill(r, KILL_STOP);
		break;
	default:
		break;
	}
}

/* ---- start and end ---- */

static enum pb_status send_setup(struct connector_runner *r, struct pb_err *err)
{
	const struct connectors_cfg *cfg = &r->owner->cfg;
	const struct connector_manifest *m = connector_version_manifest(r->pool->version);
	bool root = geteuid() == 0;
	const struct ipc_setup msg = {
		.protocol_min = IPC_PROTOCOL_MIN,
		.protocol_max = IPC_PROTOCOL_MAX,
		.connector = m->id,
		.version = m->version,
		.libraries = m->libraries,
		.n_libraries = m->n_libraries,
		.operations = m->native,
		.n_operations = m->n_native,
		/* a thread that has just answered still counts there for a moment */
		.calls_max = cfg->runner_calls_max + cfg->runner_calls_max / 8 + 16,
		.memory_mb = (uint32_t)(cfg->runner_memory_bytes >> 20),
		.result_bytes_max = (uint32_t)cfg->result_bytes,
		.uid = root ? (cfg->uid ? cfg->uid : NOBODY) : 0,
		.gid = root ? (cfg->gid ? cfg->gid : NOBODY) : 0,
		.dev = cfg->development,
		.manifest = pb_slice(m->text, m->text_bytes),
	};
	pb_auto_buf b = PB_BUF_INIT;

	if (!ipc_encode_setup(&b, &msg))
		return pb_err_set(err, PB_E_TOO_LARGE, "connector.setup",
				  "the manifest is too large");
	return ipc_chan_send(r->chan, IPC_SETUP, 0, 0, pb_slice(b.p, b.len), err);
}

/* @socket: the runner's end; @out: the write end of its pipe. */
static enum pb_status start_process(struct connector_runner *r, int socket, int out,
				    struct pb_err *err)
{
	struct connectors *c = r->owner;
	char pid[24];
	const char *const argv[] = {"patchbay-runner",
				    connector_version_manifest(r->pool->version)->id, pid, NULL};
	static const char *const envp[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC", NULL};
	const struct os_fd_map fds[] = {
		{c->null_fd, 0},
		{out, 1},
		{out, 2},
		{socket, 3},
		{connector_version_plugin(r->pool->version), 4},
	};
	const struct os_spawn spawn = {.path = c->runner_path,
				       .argv = argv,
				       .envp = envp,
				       .fds = fds,
				       .n_fds = PB_ARRAY_LEN(fds)};

	(void)pb_str_printf(pid, sizeof(pid), "%d", (int)getpid());
	return os_process_spawn(&spawn, &r->process, err);
}

static bool watch(struct connector_runner *r)
{
	struct connectors *c = r->owner;

	r->on_socket.fn = on_socket;
	r->on_exit.fn = on_exit_event;
	r->on_output.fn = on_output;
	return connector_watch_add(c, ipc_chan_fd(r->chan),
				   EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &r->on_socket) &&
	       connector_watch_add(c, r->process.pidfd, EPOLLIN, &r->on_exit) &&
	       connector_watch_add(c, r->output, EPOLLIN, &r->on_output);
}

static enum pb_status start(struct connector_runner *r, struct pb_err *err)
{
	pb_autoclose int theirs = -1;
	pb_autoclose int out = -1;
	int pair[2], pipe_fd[2];
	enum pb_status st;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return pb_err_set(err, PB_E_UNAVAILABLE, "connector.descriptors",
				  "no descriptors are left");
	theirs = pair[1];
	r->chan = ipc_chan_new(pair[0], IPC_SIDE_HOST, IPC_PAYLOAD_MAX, QUEUE_MAX);
	if (pipe2(pipe_fd, O_CLOEXEC))
		return pb_err_set(err, PB_E_UNAVAILABLE, "connector.descriptors",
				  "no descriptors are left");
	r->output = pipe_fd[0];
	out = pipe_fd[1];
	(void)fcntl(r->output, F_SETFL, O_NONBLOCK);
	st = start_process(r, theirs, out, err);
	if (st == PB_OK)
		st = send_setup(r, err);
	if (st == PB_OK && !watch(r))
		st = pb_err_set(err, PB_E_UNAVAILABLE, "connector.descriptors", "epoll is full");
	return st;
}

struct connector_runner *connector_runner_spawn(struct connector_pool *pool, bool solo)
{
	struct connector_runner *r = pb_new(struct connector_runner);
	struct pb_err err = PB_ERR_INIT;

	r->magic = CONNECTOR_RUNNER_MAGIC;
	r->owner = pool->owner;
	r->pool = pool;
	r->solo = solo;
	r->output = -1;
	r->process = (struct os_process)OS_PROCESS_INIT;
	pb_list_init(&r->calls);
	r->spawn_us = pb_mono_us();
	r->due_us = r->spawn_us + HELLO_WAIT_US;
	if (start(r, &err) != PB_OK) {
		(void)pb_str_copy(pool->start_error, sizeof(pool->start_error), err.msg);
		connector_counts_set_error(pool->owner, pool->counts, pool->start_error);
		pool->retry_us = pb_mono_us() + PB_USEC_PER_SEC;
		connector_runner_free(r);
		return NULL;
	}
	pb_list_append(&pool->runners, &r->node);
	pool->n_runners++;
	pool->n_solo += solo;
	return r;
}

void connector_runner_free(struct connector_runner *r)
{
	if (pb_list_linked(&r->unread))
		pb_list_remove(&r->unread);
	os_process_done(&r->process);
	ipc_chan_free(r->chan);
	if (r->output >= 0)
		close(r->output);
	r->magic = 0;
	free(r);
}
