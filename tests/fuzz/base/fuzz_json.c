/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON reader on any bytes. What it accepts must be writable, readable again and equal to itself; what
 * it refuses must carry a code.
 */
#include "base/json.h"

#include "base/base.h"

static void check_numbers(const struct pb_json *j)
{
	int64_t i;
	double d;

	if (pb_json_is_number(j)) {
		PB_ASSERT(pb_json_number_cmp(j, j) == 0);
		if (pb_json_i64(j, &i))
			PB_ASSERT(pb_json_is_integer(j));
		(void)!pb_json_double(j, &d); /* may be beyond a double */
	}
	pb_json_each_item (it, j)
		check_numbers(it);
	pb_json_each_member (m, j) {
		PB_ASSERT(pb_json_getn(j, m->key, m->key_len) == &m->value);
		check_numbers(&m->value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pb_auto_arena a;
	pb_auto_arena b;
	pb_auto_buf text = PB_BUF_INIT, again = PB_BUF_INIT;
	const struct pb_json *j = NULL, *k = NULL;
	struct pb_err err = PB_ERR_INIT;

	pb_arena_init(&a, 8 << 20);
	pb_arena_init(&b, 8 << 20);
	if (pb_json_parse(&a, (const char *)data, size, NULL, &j, &err) != PB_OK) {
		PB_ASSERT(err.code && err.msg[0]);
		return 0;
	}
	PB_ASSERT(pb_utf8_valid((const char *)data, size));
	check_numbers(j);
	PB_ASSERT(pb_json_write(&text, j));
	PB_ASSERT(pb_json_parse(&b, text.p, text.len, NULL, &k, &err) == PB_OK);
	PB_ASSERT(pb_json_equal(j, k));
	PB_ASSERT(pb_json_write(&again, k));
	PB_ASSERT(again.len == text.len && memcmp(again.p, text.p, text.len) == 0);
	return 0;
}
