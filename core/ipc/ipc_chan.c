/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of the control socket, for the host's epoll loop and for the runner's threads. A send
 * writes at once when nothing is queued, so that an answer needs no turn of the loop; only what the
 * kernel did not take is kept. The lock is held across sendmsg: the socket never blocks.
 */
#include "ipc/ipc_chan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/lock.h"

#include "base/base.h"

#define CHAN_MAGIC     0x43484e31u
#define READ_CHUNK     8192u       /* what an idle channel keeps */
#define READ_KEEP_MAX  (64u << 10) /* a larger buffer goes back once it is empty */
#define QUEUE_KEEP_MAX (64u << 10)

/* Invariant: in_start <= in_end <= in_cap; out_start <= out_end <= out_cap; out_* under out_lock.
 */
struct ipc_chan {
	uint32_t magic;
	int fd;
	enum ipc_side self;
	uint32_t payload_max;
	size_t queue_max;

	char *in;
	size_t in_start, in_end, in_cap;
	bool in_eof;

	struct pb_mutex out_lock;
	char *out;
	size_t out_start, out_end, out_cap;
	bool out_closed;
};

struct ipc_chan *ipc_chan_new(int fd, enum ipc_side self, uint32_t payload_max, size_t queue_max)
{
	struct ipc_chan *ch = pb_new(struct ipc_chan);
	int flags = fcntl(fd, F_GETFL);

	PB_ASSERT(payload_max <= IPC_PAYLOAD_MAX);
	ch->magic = CHAN_MAGIC;
	ch->fd = fd;
	ch->self = self;
	ch->payload_max = payload_max;
	ch->queue_max = queue_max;
	pb_mutex_init(&ch->out_lock, "ipc.out", PB_LOCK_RANK(2, 50));
	/* A failure here shows at the first read. */
	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	return ch;
}

/* Payloads may hold secrets: nothing of them stays in freed memory. */
static void wipe_free(char *p, size_t n)
{
	if (p)
		explicit_bzero(p, n);
	free(p);
}

void ipc_chan_free(struct ipc_chan *ch)
{
	if (!ch)
		return;
	PB_CHECK_MAGIC(ch, CHAN_MAGIC);
	if (ch->fd >= 0)
		(void)close(ch->fd);
	wipe_free(ch->in, ch->in_cap);
	wipe_free(ch->out, ch->out_cap);
	pb_mutex_done(&ch->out_lock);
	ch->magic = 0;
	free(ch);
}

int ipc_chan_fd(const struct ipc_chan *ch)
{
	return ch->fd;
}

/* ---- reading ---- */

/* Room for @need bytes from in_start on. The old bytes are wiped wherever they lay. */
static bool in_reserve(struct ipc_chan *ch, size_t need)
{
	const size_t have = ch->in_end - ch->in_start;
	char *grown;

	if (ch->in_start + need <= ch->in_cap)
		return true;
	if (need <= ch->in_cap) {
		memmove(ch->in, ch->in + ch->in_start, have);
	} else {
		grown = pb_try_alloc(need, 1, IPC_PAYLOAD_MAX + IPC_HEAD_BYTES + READ_CHUNK);
		if (!grown)
			return false;
		if (have)
			memcpy(grown, ch->in + ch->in_start, have);
		wipe_free(ch->in, ch->in_cap);
		ch->in = grown;
		ch->in_cap = need;
	}
	ch->in_start = 0;
	ch->in_end = have;
	return true;
}

/* Called with the last frame done: an empty buffer is wiped, and given back when it is a large one.
 */
static void in_settle(struct ipc_chan *ch)
{
	if (ch->in_start != ch->in_end)
		return;
	if (ch->in_cap > READ_KEEP_MAX) {
		wipe_free(ch->in, ch->in_cap);
		ch->in = NULL;
		ch->in_cap = 0;
	} else if (ch->in_end > 0) {
		explicit_bzero(ch->in, ch->in_end);
	}
	ch->in_start = ch->in_end = 0;
}

/* A frame if one is complete. Without one, *ret_need says how many bytes from in_start it needs. */
static enum ipc_io take_frame(struct ipc_chan *ch, struct ipc_frame *ret, size_t *ret_need,
			      struct pb_err *err)
{
	const enum ipc_side from = ch->self == IPC_SIDE_HOST ? IPC_SIDE_RUNNER : IPC_SIDE_HOST;
	const size_t have = ch->in_end - ch->in_start;
	struct ipc_head head;

	*ret_need = READ_CHUNK;
	if (have < IPC_HEAD_BYTES)
		return IPC_IO_AGAIN;
	if (ipc_head_read((const uint8_t *)ch->in + ch->in_start, from, ch->payload_max, &head,
			  err) != PB_OK)
		return IPC_IO_BROKEN;
	*ret_need = PB_MAX((size_t)READ_CHUNK, IPC_HEAD_BYTES + (size_t)head.payload_bytes);
	if (have < IPC_HEAD_BYTES + (size_t)head.payload_bytes)
		return IPC_IO_AGAIN;
	ret->head = head;
	ret->payload = ch->in + ch->in_start + IPC_HEAD_BYTES;
	ch->in_start += IPC_HEAD_BYTES + (size_t)head.payload_bytes;
	return IPC_IO_FRAME;
}

static enum ipc_io fill(struct ipc_chan *ch, size_t need, struct pb_err *err)
{
	ssize_t n;

	if (!in_reserve(ch, need)) {
		(void)pb_err_set(err, PB_E_TOO_LARGE, "ipc.memory", "no memory for a frame");
		return IPC_IO_BROKEN;
	}
	do {
		n = recv(ch->fd, ch->in + ch->in_end, ch->in_cap - ch->in_end, 0);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		ch->in_end += (size_t)n;
		return IPC_IO_FRAME;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return IPC_IO_AGAIN;
	if (n < 0 && errno != ECONNRESET)
		(void)pb_err_set(err, PB_E_UNAVAILABLE, "ipc.read", "reading failed: %s",
				 strerrorname_np(errno));
	ch->in_eof = true;
	return IPC_IO_CLOSED;
}

enum ipc_io ipc_chan_read(struct ipc_chan *ch, struct ipc_frame *ret_frame, struct pb_err *err)
{
	enum ipc_io io;
	size_t need;

	PB_CHECK_MAGIC(ch, CHAN_MAGIC);
	in_settle(ch);
	for (;;) {
		io = take_frame(ch, ret_frame, &need, err);
		if (io != IPC_IO_AGAIN)
			return io;
		if (ch->in_eof)
			return IPC_IO_CLOSED;
		io = fill(ch, need, err);
		if (io == IPC_IO_AGAIN)
			in_settle(ch);
		if (io != IPC_IO_FRAME)
			return io;
	}
}

static bool wait_for(int fd, short events, int64_t deadline_us)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left_us;
	int n;

	do {
		left_us = deadline_us == INT64_MAX ? -1 : deadline_us - pb_mono_us();
		if (deadline_us != INT64_MAX && left_us <= 0)
			return false;
		n = poll(&p, 1,
			 left_us < 0 ? -1
				     : (int)PB_MIN(left_us / PB_USEC_PER_MSEC + 1, INT64_C(60000)));
	} while (n == 0 || (n < 0 && errno == EINTR));
	return true;
}

enum ipc_io ipc_chan_read_wait(struct ipc_chan *ch, int64_t deadline_us,
			       struct ipc_frame *ret_frame, struct pb_err *err)
{
	enum ipc_io io;

	for (;;) {
		io = ipc_chan_read(ch, ret_frame, err);
		if (io != IPC_IO_AGAIN || !wait_for(ch->fd, POLLIN, deadline_us))
			return io;
	}
}

/* ---- writing ---- */

static bool out_append(struct ipc_chan *ch, const char *p, size_t n) PB_REQUIRES(ch->out_lock)
{
	const size_t have = ch->out_end - ch->out_start;
	size_t cap;
	char *grown;

	if (ch->out_end + n > ch->out_cap && ch->out_start > 0) {
		memmove(ch->out, ch->out + ch->out_start, have);
		ch->out_start = 0;
		ch->out_end = have;
	}
	if (ch->out_end + n > ch->out_cap) {
		cap = PB_MAX(have + n, PB_MIN(2 * ch->out_cap, ch->queue_max));
		grown = pb_try_alloc(cap, 1, SIZE_MAX);
		if (!grown)
			return false;
		if (have)
			memcpy(grown, ch->out, have);
		wipe_free(ch->out, ch->out_cap);
		ch->out = grown;
		ch->out_cap = cap;
	}
	memcpy(ch->out + ch->out_end, p, n);
	ch->out_end += n;
	return true;
}

static void out_settle(struct ipc_chan *ch) PB_REQUIRES(ch->out_lock)
{
	if (ch->out_start != ch->out_end)
		return;
	if (ch->out_cap > QUEUE_KEEP_MAX) {
		wipe_free(ch->out, ch->out_cap);
		ch->out = NULL;
		ch->out_cap = 0;
	} else if (ch->out_end > 0) {
		explicit_bzero(ch->out, ch->out_end);
	}
	ch->out_start = ch->out_end = 0;
}

/* Bytes taken by the kernel, 0 for "not now", -1 when the far side is gone. */
static ssize_t send_some(struct ipc_chan *ch, struct iovec *iov, size_t n_iov)
	PB_REQUIRES(ch->out_lock)
{
	const struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n_iov};
	ssize_t n;

	do {
		n = sendmsg(ch->fd, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
		return 0;
	ch->out_closed = true;
	return -1;
}

static enum ipc_io flush_locked(struct ipc_chan *ch) PB_REQUIRES(ch->out_lock)
{
	struct iovec iov;
	ssize_t n;

	if (ch->out_closed)
		return IPC_IO_CLOSED;
	while (ch->out_start < ch->out_end) {
		iov.iov_base = ch->out + ch->out_start;
		iov.iov_len = ch->out_end - ch->out_start;
		n = send_some(ch, &iov, 1);
		if (n < 0)
			return IPC_IO_CLOSED;
		if (n == 0)
			return IPC_IO_AGAIN;
		ch->out_start += (size_t)n;
	}
	out_settle(ch);
	return IPC_IO_FRAME;
}

/* Half a frame is on its way and the rest cannot be kept: this channel is over, the process is not.
 */
static enum pb_status no_memory(struct ipc_chan *ch, struct pb_err *err) PB_REQUIRES(ch->out_lock)
{
	ch->out_closed = true;
	(void)shutdown(ch->fd, SHUT_RDWR);
	return pb_err_set(err, PB_E_UNAVAILABLE, "ipc.memory", "no memory to queue a frame");
}

/* Nothing is queued: head and payload go straight to the kernel; the rest is queued. */
static enum pb_status send_direct(struct ipc_chan *ch, uint8_t head[IPC_HEAD_BYTES],
				  struct pb_slice payload, struct pb_err *err)
	PB_REQUIRES(ch->out_lock)
{
	struct iovec iov[2];
	ssize_t n;
	size_t sent;

	iov[0] = (struct iovec){.iov_base = head, .iov_len = IPC_HEAD_BYTES};
	/* iovec has no const twin; sendmsg only reads */
	iov[1].iov_base = (void *)(uintptr_t)payload.p;
	iov[1].iov_len = payload.len;
	n = send_some(ch, iov, 2);
	if (n < 0)
		return pb_err_set(err, PB_E_UNAVAILABLE, "ipc.closed", "the far side is gone");
	sent = (size_t)n;
	if (sent < IPC_HEAD_BYTES) {
		if (!out_append(ch, (const char *)head + sent, IPC_HEAD_BYTES - sent))
			return no_memory(ch, err);
		sent = IPC_HEAD_BYTES;
	}
	sent -= IPC_HEAD_BYTES;
	if (sent < payload.len && !out_append(ch, payload.p + sent, payload.len - sent))
		return no_memory(ch, err);
	return PB_OK;
}

static enum pb_status send_locked(struct ipc_chan *ch, uint8_t head[IPC_HEAD_BYTES],
				  struct pb_slice payload, struct pb_err *err)
	PB_REQUIRES(ch->out_lock)
{
	const enum ipc_io io = flush_locked(ch);
	const size_t queued = ch->out_end - ch->out_start;

	if (io == IPC_IO_CLOSED)
		return pb_err_set(err, PB_E_UNAVAILABLE, "ipc.closed", "the far side is gone");
	/* one frame always fits into an empty queue, however large it is */
	if (queued > 0 && queued + IPC_HEAD_BYTES + payload.len > ch->queue_max)
		return pb_err_set(err, PB_E_LIMIT, "ipc.queue_full", "the far side does not read");
	if (queued == 0)
		return send_direct(ch, head, payload, err);
	if (!out_append(ch, (const char *)head, IPC_HEAD_BYTES) ||
	    (payload.len > 0 && !out_append(ch, payload.p, payload.len)))
		return no_memory(ch, err);
	return PB_OK;
}

enum pb_status ipc_chan_send(struct ipc_chan *ch, enum ipc_type type, uint64_t call_id,
			     uint32_t request_id, struct pb_slice payload, struct pb_err *err)
{
	uint8_t head[IPC_HEAD_BYTES];
	enum pb_status status;

	PB_CHECK_MAGIC(ch, CHAN_MAGIC);
	if (payload.len > ch->payload_max)
		return pb_err_set(err, PB_E_TOO_LARGE, "ipc.payload",
				  "frame %s of %zu bytes is over the limit",
				  ipc_type_name((uint16_t)type), payload.len);
	ipc_head_write(&(struct ipc_head){.payload_bytes = (uint32_t)payload.len,
					  .type = (uint16_t)type,
					  .call_id = call_id,
					  .request_id = request_id},
		       head);
	pb_lock(&ch->out_lock);
	status = send_locked(ch, head, payload, err);
	pb_unlock(&ch->out_lock);
	return status;
}

enum pb_status ipc_chan_send_wait(struct ipc_chan *ch, enum ipc_type type, uint64_t call_id,
				  uint32_t request_id, struct pb_slice payload, int64_t deadline_us,
				  struct pb_err *err)
{
	enum pb_status status;
	enum ipc_io io;

	for (;;) {
		status = ipc_chan_send(ch, type, call_id, request_id, payload, err);
		if (status != PB_E_LIMIT)
			break;
		if (!wait_for(ch->fd, POLLOUT, deadline_us))
			return pb_err_set(err, PB_E_TIMEOUT, "ipc.send_timeout",
					  "the far side did not read in time");
	}
	/* Nobody else pushes the queue of a threaded sender: stay until our own bytes are out. */
	while (status == PB_OK && (io = ipc_chan_flush(ch)) == IPC_IO_AGAIN)
		if (!wait_for(ch->fd, POLLOUT, deadline_us))
			break; /* queued; the next sender goes on */
	return status;
}

enum ipc_io ipc_chan_flush(struct ipc_chan *ch)
{
	enum ipc_io io;

	PB_CHECK_MAGIC(ch, CHAN_MAGIC);
	pb_lock(&ch->out_lock);
	io = flush_locked(ch);
	pb_unlock(&ch->out_lock);
	return io;
}

size_t ipc_chan_queued(struct ipc_chan *ch)
{
	size_t n;

	pb_lock(&ch->out_lock);
	n = ch->out_end - ch->out_start;
	pb_unlock(&ch->out_lock);
	return n;
}
