/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set-associative table under one short lock. The hash is keyed and 256 bits long, so its first bytes choose
 * the bucket and nobody outside can aim at one.
 */
#include "auth/auth_cache.h"

#include "base/lock.h"
#include "base/base.h"

#define CACHE_MAGIC 0x41434143u
#define WAYS        8

struct slot {
	uint8_t hash[CRYPTO_HASH_BYTES];
	struct auth_entry e; /* verdict AUTH_UNKNOWN: free */
};

/* Invariant: n_uses <= AUTH_USES_MAX. */
struct auth_cache {
	uint32_t magic;
	struct pb_mutex lock;
	uint64_t epoch;
	size_t n_buckets;
	struct slot *slots;
	size_t n_uses;
	struct store_api_key_use uses[AUTH_USES_MAX];
};

struct auth_cache *auth_cache_new(size_t n_keys)
{
	struct auth_cache *c = pb_new(struct auth_cache);

	c->magic = CACHE_MAGIC;
	c->n_buckets = PB_MAX(n_keys / WAYS, (size_t)1);
	c->slots = pb_xcalloc(c->n_buckets * WAYS, sizeof *c->slots);
	pb_mutex_init(&c->lock, "auth.cache", PB_LOCK_RANK(5, 10));
	return c;
}

void auth_cache_free(struct auth_cache *c)
{
	if (!c)
		return;
	PB_CHECK_MAGIC(c, CACHE_MAGIC);
	pb_mutex_done(&c->lock);
	free(c->slots);
	c->magic = 0;
	free(c);
}

static struct slot *bucket_of(struct auth_cache *c, const uint8_t hash[CRYPTO_HASH_BYTES])
{
	uint64_t h;

	memcpy(&h, hash, sizeof h);
	return &c->slots[(size_t)(h % c->n_buckets) * WAYS];
}

static void note_use(struct auth_cache *c, const struct auth_actor *actor, int64_t wall_us)
	PB_REQUIRES(c->lock)
{
	if (c->n_uses < AUTH_USES_MAX)
		c->uses[c->n_uses++] =
			(struct store_api_key_use){actor->tenant, actor->id, wall_us};
}

enum auth_verdict auth_cache_get(struct auth_cache *c, const uint8_t hash[CRYPTO_HASH_BYTES],
				 int64_t now_us, int64_t wall_us, struct auth_actor *ret)
{
	struct slot *b = bucket_of(c, hash);
	enum auth_verdict verdict = AUTH_UNKNOWN;

	PB_CHECK_MAGIC(c, CACHE_MAGIC);
	pb_lock(&c->lock);
	for (size_t i = 0; i < WAYS; i++) {
		if (b[i].e.verdict == AUTH_UNKNOWN || now_us >= b[i].e.until_us ||
		    !crypto_equal(b[i].hash, hash, CRYPTO_HASH_BYTES))
			continue;
		verdict = b[i].e.verdict;
		*ret = b[i].e.actor;
		if (verdict == AUTH_GOOD && now_us >= b[i].e.note_use_us) {
			note_use(c, ret, wall_us);
			b[i].e.note_use_us = now_us + AUTH_USED_EVERY_US;
		}
		break;
	}
	pb_unlock(&c->lock);
	return verdict;
}

uint64_t auth_cache_epoch(struct auth_cache *c)
{
	uint64_t epoch;

	pb_lock(&c->lock);
	epoch = c->epoch;
	pb_unlock(&c->lock);
	return epoch;
}

/* Its own slot, else a free one, else the one that ends first. */
static struct slot *slot_for(struct slot *b, const uint8_t hash[CRYPTO_HASH_BYTES])
{
	struct slot *best = &b[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (b[i].e.verdict != AUTH_UNKNOWN &&
		    crypto_equal(b[i].hash, hash, CRYPTO_HASH_BYTES))
			return &b[i];
		if (best->e.verdict != AUTH_UNKNOWN &&
		    (b[i].e.verdict == AUTH_UNKNOWN || b[i].e.until_us < best->e.until_us))
			best = &b[i];
	}
	return best;
}

void auth_cache_put(struct auth_cache *c, const uint8_t hash[CRYPTO_HASH_BYTES],
		    const struct auth_entry *e, uint64_t epoch, int64_t now_us)
{
	PB_CHECK_MAGIC(c, CACHE_MAGIC);
	PB_ASSERT(e->verdict != AUTH_UNKNOWN);
	pb_lock(&c->lock);
	if (epoch == c->epoch) {
		struct slot *s = slot_for(bucket_of(c, hash), hash);

		memcpy(s->hash, hash, CRYPTO_HASH_BYTES);
		s->e = *e;
		s->e.until_us = PB_MIN(e->until_us, now_us + AUTH_CACHE_TTL_US);
	}
	pb_unlock(&c->lock);
}

void auth_cache_forget(struct auth_cache *c, struct pb_uuid id)
{
	bool all = pb_uuid_is_nil(id);

	PB_CHECK_MAGIC(c, CACHE_MAGIC);
	pb_lock(&c->lock);
	c->epoch++;
	for (size_t i = 0; i < c->n_buckets * WAYS; i++)
		if (all || pb_uuid_eq(c->slots[i].e.actor.id, id))
			c->slots[i].e.verdict = AUTH_UNKNOWN;
	pb_unlock(&c->lock);
}

void auth_cache_note_use(struct auth_cache *c, const struct auth_actor *actor, int64_t wall_us)
{
	pb_lock(&c->lock);
	note_use(c, actor, wall_us);
	pb_unlock(&c->lock);
}

size_t auth_cache_take_uses(struct auth_cache *c, struct store_api_key_use *out)
{
	size_t n;

	PB_CHECK_MAGIC(c, CACHE_MAGIC);
	pb_lock(&c->lock);
	n = c->n_uses;
	memcpy(out, c->uses, n * sizeof *out);
	c->n_uses = 0;
	pb_unlock(&c->lock);
	return n;
}
