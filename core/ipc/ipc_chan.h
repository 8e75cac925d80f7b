/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of the control socket: frames in, frames out, partial reads and writes are its business.
 * The host drives many of them from an epoll loop, the runner has one reading thread and many
 * sending ones.
 *
 * The descriptor is non-blocking. In an edge-triggered epoll set register EPOLLIN|EPOLLOUT once:
 * whatever a send could not write is queued, and the EPOLLOUT edge that follows is the moment for
 * ipc_chan_flush.
 */
#ifndef PB_IPC_CHAN_H
#define PB_IPC_CHAN_H

#include "base/mem.h"
#include "base/str.h"
#include "ipc/ipc_frame.h"

struct ipc_chan;

/* Borrowed from the channel until its next ipc_chan_read or free. */
struct ipc_frame {
	struct ipc_head head;
	const char *payload;
};

enum ipc_io {
	IPC_IO_FRAME,  /* *ret_frame is filled; call again, there may be more */
	IPC_IO_AGAIN,  /* nothing complete; wait for EPOLLIN */
	IPC_IO_CLOSED, /* the far side is gone */
	IPC_IO_BROKEN, /* the far side sent rubbish; the channel is of no further use */
};

/*
 * @fd: a connected SOCK_STREAM socket, made non-blocking here. @self: which end this is.
 * Owner:   @fd taken (closed by ipc_chan_free). Result owned, free with ipc_chan_free().
 * Limits:  payloads up to @payload_max (<= IPC_PAYLOAD_MAX), at most @queue_max bytes wait to be
 * written. Threads: [any-thread]
 */
struct ipc_chan *ipc_chan_new(int fd, enum ipc_side self, uint32_t payload_max, size_t queue_max);
void ipc_chan_free(struct ipc_chan *ch);
PB_DEFINE_AUTOPTR(ipc_chan, ipc_chan_free);
int ipc_chan_fd(const struct ipc_chan *ch);

/*
 * The next frame that is wholly here. An idle channel keeps at most 64 KB.
 * Errors:  @err is filled for IPC_IO_BROKEN (and says errno's name for an unusual IPC_IO_CLOSED).
 * Threads: one thread at a time.
 */
enum ipc_io ipc_chan_read(struct ipc_chan *ch, struct ipc_frame *ret_frame, struct pb_err *err);
/* The same, waiting for a frame at most until @deadline_us (pb_mono_us); IPC_IO_AGAIN when it
 * passed. */
enum ipc_io ipc_chan_read_wait(struct ipc_chan *ch, int64_t deadline_us,
			       struct ipc_frame *ret_frame, struct pb_err *err);

/*
 * Sends or queues one frame, whole or not at all; frames of one thread keep their order.
 * Errors:  PB_E_LIMIT ipc.queue_full (nothing of it was taken; the far side does not read),
 *          PB_E_UNAVAILABLE ipc.closed, PB_E_TOO_LARGE ipc.payload.
 * Threads: [any-thread]; never blocks. May be ignored: the reading side learns of a closed channel.
 */
enum pb_status ipc_chan_send(struct ipc_chan *ch, enum ipc_type type, uint64_t call_id,
			     uint32_t request_id, struct pb_slice payload, struct pb_err *err);
/* The same, but waits for room until @deadline_us; then PB_E_TIMEOUT ipc.send_timeout. [any-thread]
 */
enum pb_status ipc_chan_send_wait(struct ipc_chan *ch, enum ipc_type type, uint64_t call_id,
				  uint32_t request_id, struct pb_slice payload, int64_t deadline_us,
				  struct pb_err *err);
/* Writes what is queued. IPC_IO_AGAIN: more is left. IPC_IO_FRAME: all written. IPC_IO_CLOSED.
 * [any-thread] */
enum ipc_io ipc_chan_flush(struct ipc_chan *ch);
size_t ipc_chan_queued(struct ipc_chan *ch);

#endif
