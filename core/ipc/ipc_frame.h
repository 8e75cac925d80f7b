/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames on the socket between the host and one runner: a fixed head of 20 bytes and a payload. The
 *far side is never trusted: a head that breaks a rule ends the channel, nothing is skipped to
 *resynchronise.
 *
 *	u32 payload bytes · u16 type · u16 flags (0) · u64 call id · u32 request id     little
 *endian
 *
 * The call id is chosen by the host and never reused on one channel; 0 is the channel itself. The
 *request id is chosen by the runner for a question inside a call and echoed by the answer; 0 is "no
 *answer wanted".
 */
#ifndef PB_IPC_FRAME_H
#define PB_IPC_FRAME_H

#include "base/err.h"

#define IPC_HEAD_BYTES  20u
#define IPC_PAYLOAD_MAX (8u << 20)

/* Numbers are never changed or reused. The comment says who sends it and which ids are set. */
enum ipc_type {
	IPC_SETUP = 1, /* host, channel: first frame of all, what to load and under which limits */
	IPC_HELLO = 2, /* runner, channel: loaded, sandboxed, ready for calls */
	IPC_EXIT_NOTICE = 3, /* runner, channel: I end now, and why (refused to load, drained,
				broken channel) */
	IPC_PING = 4,        /* host, channel */
	IPC_PONG = 5,        /* runner, channel */
	IPC_DRAIN = 6, /* host, channel: no more calls will come; end when the last one is done */

	IPC_CALL = 16,   /* host, call: begin */
	IPC_CANCEL = 17, /* host, call: `cancelled` becomes true, waiting questions end */
	IPC_RESULT = 18, /* runner, call: it ended well; the last frame of the call */
	IPC_FAIL = 19,   /* runner, call: it failed; the last frame of the call */
	IPC_LOG = 20,    /* runner, call */
	IPC_EMIT = 21,   /* runner, call: one event, valid only if RESULT follows */

	IPC_HTTP_REQUEST = 32,  /* runner, call + request */
	IPC_HTTP_RESPONSE = 33, /* host, call + request */
	IPC_SECRET_GET = 34,    /* runner, call + request */
	IPC_KV_GET = 35,        /* runner, call + request */
	IPC_KV_PUT = 36,        /* runner, call + request */
	IPC_VALUE = 37,         /* host, call + request: answers SECRET_GET, KV_GET, KV_PUT */
};

enum ipc_side { IPC_SIDE_HOST, IPC_SIDE_RUNNER };

struct ipc_head {
	uint32_t payload_bytes;
	uint16_t type;
	uint16_t flags;
	uint64_t call_id;
	uint32_t request_id;
};

void ipc_head_write(const struct ipc_head *head, uint8_t out[IPC_HEAD_BYTES]);
/*
 * Reads and checks a head sent by @from: known type, allowed direction, flags 0, ids as the type
 * demands, payload_bytes <= @payload_max. Errors:  PB_E_INVALID ipc.type / ipc.direction /
 * ipc.flags / ipc.ids, PB_E_TOO_LARGE ipc.payload.
 */
enum pb_status ipc_head_read(const uint8_t in[IPC_HEAD_BYTES], enum ipc_side from,
			     uint32_t payload_max, struct ipc_head *ret_head,
			     struct pb_err *err) pb_must_check;
/* "call", "http_request", ...; "unknown" for anything else. */
const char *ipc_type_name(uint16_t type);

#endif
