/* SPDX-License-Identifier: Apache-2.0 */
/* The frame's head: one table says for each type who may send it and which ids it carries. */
#include "ipc/ipc_frame.h"

#include "base/base.h"

enum ids { IDS_NONE, IDS_CALL, IDS_REQUEST };

struct type_rule {
	const char *name;
	enum ipc_side from;
	enum ids ids;
};

static const struct type_rule rules[] = {
	[IPC_SETUP] = {"setup", IPC_SIDE_HOST, IDS_NONE},
	[IPC_HELLO] = {"hello", IPC_SIDE_RUNNER, IDS_NONE},
	[IPC_EXIT_NOTICE] = {"exit_notice", IPC_SIDE_RUNNER, IDS_NONE},
	[IPC_PING] = {"ping", IPC_SIDE_HOST, IDS_NONE},
	[IPC_PONG] = {"pong", IPC_SIDE_RUNNER, IDS_NONE},
	[IPC_DRAIN] = {"drain", IPC_SIDE_HOST, IDS_NONE},
	[IPC_CALL] = {"call", IPC_SIDE_HOST, IDS_CALL},
	[IPC_CANCEL] = {"cancel", IPC_SIDE_HOST, IDS_CALL},
	[IPC_RESULT] = {"result", IPC_SIDE_RUNNER, IDS_CALL},
	[IPC_FAIL] = {"fail", IPC_SIDE_RUNNER, IDS_CALL},
	[IPC_LOG] = {"log", IPC_SIDE_RUNNER, IDS_CALL},
	[IPC_EMIT] = {"emit", IPC_SIDE_RUNNER, IDS_CALL},
	[IPC_HTTP_REQUEST] = {"http_request", IPC_SIDE_RUNNER, IDS_REQUEST},
	[IPC_HTTP_RESPONSE] = {"http_response", IPC_SIDE_HOST, IDS_REQUEST},
	[IPC_SECRET_GET] = {"secret_get", IPC_SIDE_RUNNER, IDS_REQUEST},
	[IPC_KV_GET] = {"kv_get", IPC_SIDE_RUNNER, IDS_REQUEST},
	[IPC_KV_PUT] = {"kv_put", IPC_SIDE_RUNNER, IDS_REQUEST},
	[IPC_VALUE] = {"value", IPC_SIDE_HOST, IDS_REQUEST},
};

static const struct type_rule *rule_of(uint16_t type)
{
	return type < PB_ARRAY_LEN(rules) && rules[type].name ? &rules[type] : NULL;
}

static void put_le(uint8_t *p, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *p, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

void ipc_head_write(const struct ipc_head *head, uint8_t out[IPC_HEAD_BYTES])
{
	put_le(out, head->payload_bytes, 4);
	put_le(out + 4, head->type, 2);
	put_le(out + 6, head->flags, 2);
	put_le(out + 8, head->call_id, 8);
	put_le(out + 16, head->request_id, 4);
}

static bool ids_ok(const struct ipc_head *head, enum ids ids)
{
	if ((head->call_id != 0) != (ids != IDS_NONE))
		return false;
	return (head->request_id != 0) == (ids == IDS_REQUEST);
}

enum pb_status ipc_head_read(const uint8_t in[IPC_HEAD_BYTES], enum ipc_side from,
			     uint32_t payload_max, struct ipc_head *ret_head, struct pb_err *err)
{
	const struct ipc_head head = {
		.payload_bytes = (uint32_t)get_le(in, 4),
		.type = (uint16_t)get_le(in + 4, 2),
		.flags = (uint16_t)get_le(in + 6, 2),
		.call_id = get_le(in + 8, 8),
		.request_id = (uint32_t)get_le(in + 16, 4),
	};
	const struct type_rule *rule = rule_of(head.type);

	if (!rule)
		return pb_err_set(err, PB_E_INVALID, "ipc.type", "frame of unknown type %u",
				  (unsigned)head.type);
	if (rule->from != from)
		return pb_err_set(err, PB_E_INVALID, "ipc.direction",
				  "frame %s came from the wrong side", rule->name);
	if (head.flags != 0)
		return pb_err_set(err, PB_E_INVALID, "ipc.flags", "frame %s has unknown flags",
				  rule->name);
	if (!ids_ok(&head, rule->ids))
		return pb_err_set(err, PB_E_INVALID, "ipc.ids", "frame %s has wrong ids",
				  rule->name);
	if (head.payload_bytes > payload_max)
		return pb_err_set(err, PB_E_TOO_LARGE, "ipc.payload",
				  "frame %s of %u bytes is over the limit", rule->name,
				  (unsigned)head.payload_bytes);
	*ret_head = head;
	return PB_OK;
}

const char *ipc_type_name(uint16_t type)
{
	const struct type_rule *rule = rule_of(type);

	return rule ? rule->name : "unknown";
}
