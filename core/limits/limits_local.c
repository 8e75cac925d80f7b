/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set-associative table: a key has eight possible places, and when all are taken the one used longest
 * ago is forgotten. Keys are kept as 128 bits of a seeded hash, so that nobody outside can aim at a place.
 */
#include "limits/limits_local.h"

#include "base/id.h"
#include "base/lock.h"
#include "base/base.h"

#define WAYS 8
#define SETS (LIMITS_LOCAL_KEYS / WAYS)

struct entry {
	uint64_t a, b; /* 0, 0 = free */
	int64_t touched_us;
	struct limits_window window;
	struct limits_held held;
	bool fetching;
};

struct limits_local {
	struct pb_mutex lock;
	uint64_t seed[2];
	struct entry *entries;
};

struct limits_local *limits_local_new(void)
{
	struct limits_local *l = pb_new(struct limits_local);

	pb_mutex_init(&l->lock, "limits.local", PB_LOCK_RANK(4, 10));
	pb_random_bytes(l->seed, sizeof(l->seed));
	l->entries = pb_xcalloc(LIMITS_LOCAL_KEYS, sizeof(*l->entries));
	return l;
}

void limits_local_free(struct limits_local *l)
{
	if (!l)
		return;
	pb_mutex_done(&l->lock);
	free(l->entries);
	free(l);
}

/* Multiply and fold, seeded: good enough to spread, and unknown outside. */
static uint64_t hash(uint64_t seed, struct pb_slice key, int64_t window_us)
{
	uint64_t h = seed ^ (uint64_t)window_us;

	for (size_t i = 0; i < key.len; i++) {
		h ^= (unsigned char)key.p[i];
		h *= UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	return h ^ h >> 32;
}

static struct entry *find(struct limits_local *l, struct pb_slice key, int64_t window_us, bool make)
{
	uint64_t a = hash(l->seed[0], key, window_us), b = hash(l->seed[1], key, window_us) | 1;
	struct entry *set = &l->entries[(a % SETS) * WAYS];
	struct entry *oldest = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].a == a && set[i].b == b)
			return &set[i];
		if (set[i].touched_us < oldest->touched_us)
			oldest = &set[i];
	}
	if (!make)
		return NULL;
	*oldest = (struct entry){.a = a, .b = b};
	return oldest;
}

void limits_local_take(struct limits_local *l, struct pb_slice key, int64_t now_us, int64_t max,
		       int64_t window_us, int64_t cost, struct limits_result *ret)
{
	struct entry *e = NULL;

	pb_lock(&l->lock);
	e = find(l, key, window_us, true);
	e->touched_us = now_us;
	limits_window_take(&e->window, now_us, max, window_us, cost, ret);
	pb_unlock(&l->lock);
}

bool limits_local_spend(struct limits_local *l, struct pb_slice key, int64_t now_us,
			int64_t window_us, struct limits_result *ret, bool *ret_fetch)
{
	struct entry *e = NULL;
	bool have = false;

	pb_lock(&l->lock);
	e = find(l, key, window_us, true);
	e->touched_us = now_us;
	have = e->held.n > 0 && now_us < e->held.until_us;
	if (have) {
		e->held.n--;
		*ret = (struct limits_result){
			.allowed = true,
			.remaining = e->held.remaining + e->held.n,
			.reset_us = PB_MAX(e->held.reset_at_us - now_us, INT64_C(0)),
			.source = LIMITS_SHARED,
		};
	}
	*ret_fetch = !have && !e->fetching && now_us >= e->held.fetch_at_us;
	e->fetching = e->fetching || *ret_fetch;
	pb_unlock(&l->lock);
	return have;
}

void limits_local_hold(struct limits_local *l, struct pb_slice key, int64_t window_us,
		       const struct limits_held *held)
{
	struct entry *e = NULL;

	pb_lock(&l->lock);
	e = find(l, key, window_us, true);
	e->held = *held;
	e->fetching = false;
	pb_unlock(&l->lock);
}

void limits_local_reset(struct limits_local *l, struct pb_slice key, int64_t window_us)
{
	struct entry *e = NULL;

	pb_lock(&l->lock);
	e = find(l, key, window_us, false);
	if (e)
		*e = (struct entry){0};
	pb_unlock(&l->lock);
}
