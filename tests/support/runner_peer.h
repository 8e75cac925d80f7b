/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of one real runner process, for tests: spawns patchbay-runner with a connector of the
 * build tree over a socketpair and speaks frames. Static functions, because each test is its own program.
 */
#ifndef PB_TESTS_SUPPORT_RUNNER_PEER_H
#define PB_TESTS_SUPPORT_RUNNER_PEER_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "ipc/ipc_chan.h"
#include "ipc/ipc_proto.h"
#include "os/os_memfd.h"
#include "os/os_process.h"

#define PEER_WAIT_US   (20 * PB_USEC_PER_SEC)
#define PEER_NOBODY    65534u
#define PEER_CALLS_MAX 2000u

struct peer {
	struct os_process process;
	struct ipc_chan *chan;
	struct pb_arena arena; /* everything decoded */
	char *manifest;
	size_t manifest_bytes;
	const char *operations[IPC_OPERATIONS_MAX];
	struct ipc_setup setup;
	struct ipc_hello hello;
	struct ipc_exit exit_notice;
	uint64_t last_call;
};

static inline char *peer_read_file(const char *path, size_t *ret_n)
{
	FILE *f = fopen(path, "rb");
	char *text = calloc(1, 1 << 20);

	ck_assert_msg(f != NULL && text != NULL, "%s: build all targets first", path);
	*ret_n = fread(text, 1, (1 << 20) - 1, f);
	(void)fclose(f);
	return text;
}

/* Fills setup from the connector's manifest in the build tree. */
static inline void peer_init(struct peer *p, const char *connector)
{
	const struct pb_json *m, *list;
	char path[512];
	size_t n = 0;

	memset(p, 0, sizeof(*p));
	p->process.pidfd = -1;
	pb_arena_init(&p->arena, 256u << 20);
	(void)snprintf(path, sizeof(path), "%s/plugins/%s/manifest.json", PB_BINARY_DIR, connector);
	p->manifest = peer_read_file(path, &p->manifest_bytes);
	ck_assert_int_eq(pb_json_parse(&p->arena, p->manifest, p->manifest_bytes, NULL, &m, NULL),
			 PB_OK);
	list = pb_json_get(m, "actions");
	pb_json_each_item (a, list)
		if (pb_json_true(pb_json_get(a, "native")))
			p->operations[n++] = pb_arena_printf(&p->arena, "action:%s",
							     pb_json_str(pb_json_get(a, "id")));
	list = pb_json_get(m, "triggers");
	pb_json_each_item (t, list)
		if (pb_json_true(pb_json_get(t, "native")))
			p->operations[n++] = pb_arena_printf(&p->arena, "poll:%s",
							     pb_json_str(pb_json_get(t, "id")));
	list = pb_json_get(m, "credentials");
	pb_json_each_item (c, list)
		if (pb_json_true(pb_json_get(pb_json_get(c, "test"), "native")))
			p->operations[n++] = pb_arena_printf(&p->arena, "test:%s",
							     pb_json_str(pb_json_get(c, "id")));
	p->setup = (struct ipc_setup){
		.protocol_min = IPC_PROTOCOL_MIN,
		.protocol_max = IPC_PROTOCOL_MAX,
		.connector = connector,
		.version = "1.0.0",
		.operations = p->operations,
		.n_operations = n,
		.calls_max = PEER_CALLS_MAX,
		.memory_mb = 128,
		.uid = PEER_NOBODY,
		.gid = PEER_NOBODY,
		.manifest = pb_slice(p->manifest, p->manifest_bytes),
	};
}

/* Spawns with @so_path (NULL: the connector's own) and sends SETUP. */
static inline void peer_spawn(struct peer *p, const char *so_path)
{
	static const char *const env[] = {"SECRET_OF_THE_HOST=42", NULL};
	pb_autoclose int plugin = -1, file = -1, null = -1;
	char path[512], pid[32];
	const char *const runner = PB_BINARY_DIR "/bin/patchbay-runner";
	const char *const argv[] = {"patchbay-runner", p->setup.connector, pid, NULL};
	pb_auto_buf b = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;
	int pair[2];

	(void)snprintf(path, sizeof(path), "%s/plugins/%s/%s.so", PB_BINARY_DIR, p->setup.connector,
		       p->setup.connector);
	file = open(so_path ? so_path : path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(os_memfd_seal_file(file, 64u << 20, "plugin", &plugin, &err), PB_OK);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	const struct os_fd_map fds[] = {{null, 0}, {1, 1}, {2, 2}, {pair[1], 3}, {plugin, 4}};
	const struct os_spawn spawn = {runner, argv, env, fds, 5};

	ck_assert_msg(os_process_spawn(&spawn, &p->process, &err) == PB_OK, "%s", err.msg);
	(void)close(pair[1]);
	p->chan = ipc_chan_new(pair[0], IPC_SIDE_HOST, IPC_PAYLOAD_MAX, 64u << 20);
	ck_assert(ipc_encode_setup(&b, &p->setup));
	ck_assert_int_eq(ipc_chan_send_wait(p->chan, IPC_SETUP, 0, 0, pb_slice(b.p, b.len),
					    pb_mono_us() + PEER_WAIT_US, NULL),
			 PB_OK);
}

/* The next frame; its payload is copied, so that it stays. */
static inline enum ipc_io peer_next(struct peer *p, struct ipc_frame *ret, int64_t wait_us)
{
	const enum ipc_io io = ipc_chan_read_wait(p->chan, pb_mono_us() + wait_us, ret, NULL);

	if (io == IPC_IO_FRAME) {
		ret->payload = pb_arena_memdup(&p->arena, ret->payload, ret->head.payload_bytes);
		ck_assert_ptr_nonnull(ret->payload);
	}
	return io;
}

static inline struct pb_slice peer_payload(const struct ipc_frame *f)
{
	return pb_slice(f->payload, f->head.payload_bytes);
}

/* True for HELLO; false for EXIT_NOTICE, which is kept. */
static inline bool peer_hello(struct peer *p)
{
	struct pb_err err = PB_ERR_INIT;
	struct ipc_frame f;

	ck_assert_int_eq(peer_next(p, &f, PEER_WAIT_US), IPC_IO_FRAME);
	if (f.head.type == IPC_EXIT_NOTICE) {
		ck_assert_int_eq(
			ipc_decode_exit(&p->arena, peer_payload(&f), &p->exit_notice, &err), PB_OK);
		return false;
	}
	ck_assert_int_eq(f.head.type, IPC_HELLO);
	ck_assert_msg(ipc_decode_hello(&p->arena, peer_payload(&f), &p->hello, &err) == PB_OK, "%s",
		      err.msg);
	return true;
}

static inline void peer_start(struct peer *p, const char *connector)
{
	peer_init(p, connector);
	peer_spawn(p, NULL);
	ck_assert_msg(peer_hello(p), "%s: %s", p->exit_notice.code, p->exit_notice.message);
}

static inline void peer_done(struct peer *p)
{
	ipc_chan_free(p->chan);
	p->chan = NULL;
	os_process_done(&p->process);
	free(p->manifest);
	pb_arena_done(&p->arena);
}

static inline uint64_t peer_call_for(struct peer *p, const char *operation, const char *params,
				     int64_t timeout_ms)
{
	const struct ipc_call call = {.operation = operation,
				      .idempotency_base = "base-key",
				      .timeout_ms = timeout_ms,
				      .params = pb_slice_str(params)};
	pb_auto_buf b = PB_BUF_INIT;

	ck_assert(ipc_encode_call(&b, &call));
	ck_assert_int_eq(ipc_chan_send_wait(p->chan, IPC_CALL, ++p->last_call, 0,
					    pb_slice(b.p, b.len), pb_mono_us() + PEER_WAIT_US,
					    NULL),
			 PB_OK);
	return p->last_call;
}

static inline uint64_t peer_call(struct peer *p, const char *operation, const char *params)
{
	return peer_call_for(p, operation, params, 10000);
}

/* How a call ended. */
struct peer_end {
	bool ok;
	const char *output; /* NUL-terminated */
	size_t output_len;
	const char *cursor;
	uint32_t n_events;
	struct ipc_fail fail;
};

static inline struct peer_end peer_ended(struct peer *p, const struct ipc_frame *f)
{
	struct peer_end end = {.ok = f->head.type == IPC_RESULT};
	struct pb_err err = PB_ERR_INIT;
	struct ipc_result result;

	if (end.ok) {
		ck_assert_int_eq(ipc_decode_result(&p->arena, peer_payload(f), &result, &err),
				 PB_OK);
		end.output = pb_arena_memdup(&p->arena, result.output.p, result.output.len);
		end.output_len = result.output.len;
		end.cursor = result.cursor;
		end.n_events = result.n_events;
	} else {
		ck_assert_int_eq(f->head.type, IPC_FAIL);
		ck_assert_int_eq(ipc_decode_fail(&p->arena, peer_payload(f), &end.fail, &err),
				 PB_OK);
	}
	return end;
}

/* Waits for RESULT or FAIL of @id; counts LOG and EMIT frames when asked. */
static inline struct peer_end peer_wait(struct peer *p, uint64_t id, size_t *logs, size_t *events)
{
	struct ipc_frame f;

	for (;;) {
		ck_assert_int_eq(peer_next(p, &f, PEER_WAIT_US), IPC_IO_FRAME);
		ck_assert_uint_eq(f.head.call_id, id);
		if (f.head.type == IPC_LOG && logs)
			++*logs;
		if (f.head.type == IPC_EMIT && events)
			++*events;
		if (f.head.type == IPC_RESULT || f.head.type == IPC_FAIL)
			return peer_ended(p, &f);
	}
}

static inline struct peer_end peer_run(struct peer *p, const char *operation, const char *params)
{
	return peer_wait(p, peer_call(p, operation, params), NULL, NULL);
}

/* Plays the far side: waits for the connector's HTTP request and answers it. */
struct peer_http {
	uint32_t status;
	const char *body;
	const char *header, *value; /* one, or NULL */
	int64_t retry_after_ms;
};
static inline struct ipc_http_request peer_serve_http(struct peer *p,
						      const struct peer_http *answer)
{
	const struct ipc_header header = {answer->header, answer->value};
	const struct ipc_http_response rs = {.http_status = answer->status,
					     .retry_after_ms = answer->retry_after_ms,
					     .headers = &header,
					     .n_headers = answer->header ? 1 : 0,
					     .body = pb_slice_str(answer->body)};
	struct ipc_http_request rq;
	pb_auto_buf b = PB_BUF_INIT;
	struct ipc_frame f;

	ck_assert_int_eq(peer_next(p, &f, PEER_WAIT_US), IPC_IO_FRAME);
	ck_assert_int_eq(f.head.type, IPC_HTTP_REQUEST);
	ck_assert_int_eq(ipc_decode_http_request(&p->arena, peer_payload(&f), &rq, NULL), PB_OK);
	ck_assert(ipc_encode_http_response(&b, &rs));
	ck_assert_int_eq(ipc_chan_send_wait(p->chan, IPC_HTTP_RESPONSE, f.head.call_id,
					    f.head.request_id, pb_slice(b.p, b.len),
					    pb_mono_us() + PEER_WAIT_US, NULL),
			 PB_OK);
	return rq;
}

static inline const char *peer_header(const struct ipc_http_request *rq, const char *name)
{
	for (size_t i = 0; i < rq->n_headers; i++)
		if (strcasecmp(rq->headers[i].name, name) == 0)
			return rq->headers[i].value;
	return NULL;
}

static inline void peer_answer(struct peer *p, const struct ipc_frame *question, enum ipc_type type,
			       const struct pb_buf *b)
{
	ck_assert_int_eq(ipc_chan_send_wait(p->chan, type, question->head.call_id,
					    question->head.request_id, pb_slice(b->p, b->len),
					    pb_mono_us() + PEER_WAIT_US, NULL),
			 PB_OK);
}

/* Reads until the far side is gone, then how it died. */
static inline struct os_exit peer_death(struct peer *p)
{
	struct os_exit ended = {false, -1};
	struct ipc_frame f;
	enum ipc_io io;

	while ((io = peer_next(p, &f, PEER_WAIT_US)) == IPC_IO_FRAME)
		ck_assert(f.head.type != IPC_RESULT);
	ck_assert(io == IPC_IO_CLOSED || io == IPC_IO_BROKEN);
	ck_assert(os_process_wait(&p->process, pb_mono_us() + PEER_WAIT_US, &ended));
	return ended;
}

#endif
