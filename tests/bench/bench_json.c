/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why the host has its own JSON tree: the same order read by ours and by Jansson, in megabytes a second.
 *	bench_json    prints "ours jansson"
 */
#include <jansson.h>

#include "base/clock.h"
#include "base/json.h"

#include "base/base.h"

#define ROUNDS 100000

static const char order[] =
	"{\"id\":\"ord_20394\",\"user\":{\"name\":\"Aigerim "
	"Sadykova\",\"email\":\"aigerim@example.com\",\"tags\":"
	"[\"vip\",\"wholesale\"]},\"items\":[{\"sku\":\"LAMP-7\",\"title\":\"Desk lamp "
	"\\\"Nomad\\\"\",\"price\":19.99,"
	"\"qty\":2},{\"sku\":\"BULB-3\",\"title\":\"Bulb "
	"E27\",\"price\":3.5,\"qty\":10},{\"sku\":\"CABLE\",\"title\":"
	"\"Cable 2 "
	"m\",\"price\":7,\"qty\":1}],\"currency\":\"KZT\",\"paid\":true,\"note\":null,\"address\":{"
	"\"city\":"
	"\"Almaty\",\"street\":\"Abay 10\",\"zip\":\"050000\"},\"total\":82.48}";

static double ours(void)
{
	int64_t started = pb_mono_us();
	struct pb_arena arena;

	pb_arena_init(&arena, 1024 * 1024);
	for (int i = 0; i < ROUNDS; i++) {
		const struct pb_json *j;

		if (pb_json_parse(&arena, order, sizeof(order) - 1, NULL, &j, NULL) != PB_OK)
			return 0;
		pb_arena_reset(&arena);
	}
	pb_arena_done(&arena);
	return (double)(sizeof(order) - 1) * ROUNDS / (double)(pb_mono_us() - started);
}

static double jansson(void)
{
	int64_t started = pb_mono_us();

	for (int i = 0; i < ROUNDS; i++) {
		json_t *j = json_loadb(order, sizeof(order) - 1, JSON_REJECT_DUPLICATES, NULL);

		if (!j)
			return 0;
		json_decref(j);
	}
	return (double)(sizeof(order) - 1) * ROUNDS / (double)(pb_mono_us() - started);
}

int main(void)
{
	double a = ours(), b = jansson();

	printf("%.0f %.0f\n", a, b);
	return a > 0 && b > 0 ? 0 : 1;
}
