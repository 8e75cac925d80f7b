/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UUIDs and randomness. Version 7 ids carry 48 bits of milliseconds and, in the next 12 bits, the
 * fraction of the millisecond; both together are one process-wide counter that never stands still,
 * so order is exact. Small random reads come from a pool of the thread's own, emptied as it is used
 * and after a fork.
 */
#include "base/id.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>

#include "base/base.h"

#define POOL_BYTES 512

static atomic_uint fork_count = 1;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static pb_thread_local struct {
	unsigned fork_count; /* of the process that filled it */
	size_t used;
	uint8_t b[POOL_BYTES];
} pool;

static void after_fork(void)
{
	atomic_fetch_add_explicit(&fork_count, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
	int failed = pthread_atfork(NULL, NULL, after_fork);

	PB_ASSERT(!failed);
}

static void kernel_random(uint8_t *p, size_t n)
{
	while (n) {
		ssize_t k = getrandom(p, PB_MIN(n, (size_t)256), 0);

		PB_ASSERT(k > 0 || errno == EINTR);
		if (k > 0) {
			p += k;
			n -= (size_t)k;
		}
	}
}

void pb_random_bytes(void *p, size_t n)
{
	unsigned now;

	if (n > 64) {
		kernel_random(p, n);
		return;
	}
	if (n == 0)
		return;
	(void)pthread_once(&fork_once, watch_forks); /* fails only for a bad once object */
	now = atomic_load_explicit(&fork_count, memory_order_relaxed);
	if (pool.fork_count != now || pool.used + n > POOL_BYTES) {
		kernel_random(pool.b, POOL_BYTES);
		pool.fork_count = now;
		pool.used = 0;
	}
	memcpy(p, pool.b + pool.used, n);
	explicit_bzero(pool.b + pool.used, n);
	pool.used += n;
}

uint64_t pb_random_u64(void)
{
	uint64_t v;

	pb_random_bytes(&v, sizeof(v));
	return v;
}

/* The next (milliseconds << 12 | fraction), larger than any before. */
static uint64_t next_tick(void)
{
	static _Atomic uint64_t last;
	uint64_t prev = atomic_load_explicit(&last, memory_order_relaxed), now, next;
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail with this clock */
	now = ((uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000) << 12;
	/* 4096 parts of a millisecond */
	now |= (uint64_t)ts.tv_nsec % 1000000 * 4096 / 1000000;
	do {
		next = PB_MAX(now, prev + 1);
	} while (!atomic_compare_exchange_weak_explicit(&last, &prev, next, memory_order_relaxed,
							memory_order_relaxed));
	return next;
}

struct pb_uuid pb_uuid7_from(uint64_t unix_ms, const uint8_t rnd[10])
{
	struct pb_uuid id;

	PB_ASSERT(unix_ms < UINT64_C(1) << 48);
	for (int i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(unix_ms >> (40 - 8 * i));
	memcpy(id.b + 6, rnd, 10);
	id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x70);
	id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
	return id;
}

struct pb_uuid pb_uuid7(void)
{
	uint64_t tick = next_tick();
	uint8_t rnd[10];

	pb_random_bytes(rnd + 2, 8);
	rnd[0] = (uint8_t)(tick >> 8 & 0x0f);
	rnd[1] = (uint8_t)tick;
	return pb_uuid7_from(tick >> 12 & ((UINT64_C(1) << 48) - 1), rnd);
}

uint64_t pb_uuid7_unix_ms(struct pb_uuid id)
{
	uint64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id.b[i];
	return ms;
}

void pb_uuid_format(struct pb_uuid id, char out[PB_UUID_TEXT_BYTES])
{
	char hex[33];
	static const uint8_t ends[] = {8, 12, 16, 20, 32};
	size_t from = 0, at = 0;

	pb_hex(id.b, sizeof(id.b), hex);
	for (size_t i = 0; i < PB_ARRAY_LEN(ends); i++) {
		memcpy(out + at, hex + from, ends[i] - from);
		at += ends[i] - from;
		from = ends[i];
		out[at++] = '-';
	}
	out[PB_UUID_TEXT_BYTES - 1] = 0;
}

bool pb_uuid_parse(const char *s, size_t n, struct pb_uuid *ret)
{
	char hex[32];
	size_t at = 0;

	if (n != PB_UUID_TEXT_BYTES - 1)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return false;
		} else {
			hex[at++] = s[i];
		}
	}
	return pb_unhex(hex, sizeof(hex), ret->b, sizeof(ret->b));
}

bool pb_uuid_eq(struct pb_uuid a, struct pb_uuid b)
{
	return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

int pb_uuid_cmp(struct pb_uuid a, struct pb_uuid b)
{
	return memcmp(a.b, b.b, sizeof(a.b));
}

bool pb_uuid_is_nil(struct pb_uuid id)
{
	return pb_uuid_eq(id, PB_UUID_NIL);
}

uint64_t pb_uuid_hash(struct pb_uuid id)
{
	uint64_t hi, lo;

	memcpy(&hi, id.b, 8);
	memcpy(&lo, id.b + 8, 8);
	/* the finisher of SplitMix64 over both halves */
	hi = (hi ^ lo * UINT64_C(0x9e3779b97f4a7c15)) + lo;
	hi = (hi ^ hi >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	hi = (hi ^ hi >> 27) * UINT64_C(0x94d049bb133111eb);
	return hi ^ hi >> 31;
}
