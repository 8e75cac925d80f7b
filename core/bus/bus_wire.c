/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing of what goes over NATS. Big endian, so that dumps read as they sort. */
#include "bus/bus_wire.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/base.h"

unsigned bus_partition(struct pb_uuid execution_id)
{
	return (unsigned)(pb_uuid_hash(execution_id) % BUS_PARTITIONS);
}

void bus_payload_write(uint8_t out[BUS_PAYLOAD_BYTES], struct pb_uuid execution_id,
		       struct pb_uuid tenant_id, int64_t dispatch)
{
	memcpy(out, execution_id.b, 16);
	memcpy(out + 16, tenant_id.b, 16);
	for (int i = 0; i < 8; i++)
		out[32 + i] = (uint8_t)((uint64_t)dispatch >> (56 - 8 * i));
}

bool bus_payload_read(const void *p, size_t n, struct pb_uuid *ret_execution_id,
		      struct pb_uuid *ret_tenant_id, int64_t *ret_dispatch)
{
	const uint8_t *in = p;
	struct pb_uuid execution, tenant;
	uint64_t dispatch = 0;

	if (n != BUS_PAYLOAD_BYTES)
		return false;
	memcpy(execution.b, in, 16);
	memcpy(tenant.b, in + 16, 16);
	for (int i = 0; i < 8; i++)
		dispatch = dispatch << 8 | in[32 + i];
	if (pb_uuid_is_nil(execution) || pb_uuid_is_nil(tenant) || dispatch > INT64_MAX)
		return false;
	*ret_execution_id = execution;
	*ret_tenant_id = tenant;
	*ret_dispatch = (int64_t)dispatch;
	return true;
}

/* The @i-th token between dots, from 0; empty past the end. */
static struct pb_slice token_at(const char *s, size_t i)
{
	for (; i > 0; i--) {
		s += strcspn(s, ".");
		if (!*s)
			return pb_slice(s, 0);
		s++;
	}
	return pb_slice(s, strcspn(s, "."));
}

uint64_t bus_reply_delivered(const char *reply)
{
	struct pb_slice t;
	size_t tokens = 1;
	uint64_t n = 0;

	if (!reply || !pb_str_starts(reply, "$JS.ACK."))
		return 0;
	for (const char *p = reply; *p; p++)
		tokens += *p == '.';
	if (tokens < 9)
		return 0;
	t = token_at(reply, tokens == 9 ? 4 : 6);
	return pb_parse_u64(t.p, t.len, UINT64_MAX, &n) ? n : 0;
}

bool bus_puback_ok(const char *json, size_t n)
{
	pb_auto_arena a;
	const struct pb_json *j = NULL;
	int64_t seq = 0;

	pb_arena_init(&a, 16384);
	if (n == 0 || n > 4096 || pb_json_parse(&a, json, n, NULL, &j, NULL) != PB_OK)
		return false;
	return !pb_json_get(j, "error") && pb_json_i64(pb_json_get(j, "seq"), &seq) && seq > 0;
}

bool bus_token_write(char *out, size_t cap, const char *inbox, uint32_t a, uint32_t b)
{
	return pb_str_printf(out, cap, "%s.%08x.%08x", inbox, a, b);
}

static bool read_hex(const char *s, uint32_t *ret)
{
	uint8_t b[4];

	if (!pb_unhex(s, 8, b, sizeof(b)))
		return false;
	*ret = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	return true;
}

bool bus_token_read(const char *subject, const char *inbox, uint32_t *ret_a, uint32_t *ret_b)
{
	size_t n = strlen(inbox);
	uint32_t a = 0, b = 0;

	if (strlen(subject) != n + 18 || memcmp(subject, inbox, n) != 0 || subject[n] != '.' ||
	    subject[n + 9] != '.')
		return false;
	if (!read_hex(subject + n + 1, &a) || !read_hex(subject + n + 10, &b))
		return false;
	*ret_a = a;
	*ret_b = b;
	return true;
}
