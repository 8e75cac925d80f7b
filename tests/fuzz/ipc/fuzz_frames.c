/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as a hostile runner would send them: head, then the payload's decoder; good messages must re-encode. */
#include <stdint.h>

#include "ipc/ipc_proto.h"

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRY(name)                                                                                  \
	do {                                                                                       \
		struct ipc_##name m_;                                                              \
		pb_auto_buf b_ = PB_BUF_INIT;                                                      \
		if (ipc_decode_##name(&arena, payload, &m_, NULL) == PB_OK) {                      \
			struct ipc_##name again_;                                                  \
			PB_ASSERT(ipc_encode_##name(&b_, &m_));                                    \
			PB_ASSERT(ipc_decode_##name(&arena, pb_slice(b_.p, b_.len), &again_,       \
						    NULL) == PB_OK);                               \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pb_auto_arena arena;
	struct pb_slice payload;
	struct ipc_head head;

	pb_arena_init(&arena, 8u << 20);
	if (size < 1 + IPC_HEAD_BYTES)
		return 0;
	(void)(ipc_head_read(data + 1, data[0] & 0x80 ? IPC_SIDE_HOST : IPC_SIDE_RUNNER,
			     IPC_PAYLOAD_MAX, &head, NULL) == PB_OK);
	payload = pb_slice((const char *)data + 1 + IPC_HEAD_BYTES, size - 1 - IPC_HEAD_BYTES);
	switch (data[0] & 0x0f) {
	case 0:
		TRY(setup);
		break;
	case 1:
		TRY(hello);
		break;
	case 2:
		TRY(exit);
		break;
	case 3:
		TRY(call);
		break;
	case 4:
		TRY(result);
		break;
	case 5:
		TRY(fail);
		break;
	case 6:
		TRY(log);
		break;
	case 7:
		TRY(emit);
		break;
	case 8:
		TRY(http_request);
		break;
	case 9:
		TRY(http_response);
		break;
	case 10:
		TRY(secret_get);
		break;
	case 11:
		TRY(kv_get);
		break;
	case 12:
		TRY(kv_put);
		break;
	default:
		TRY(value);
		break;
	}
	return 0;
}
