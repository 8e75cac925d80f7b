/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set-associative table: a tenant's keys live in one bucket of eight, so lookups and eviction look at eight
 * slots whatever the size. Sealing a credential under the lock takes about a microsecond per kilobyte.
 */
#include "vault/vault_cache.h"

#include "base/lock.h"
#include "crypto/crypto_aead.h"
#include "vault/vault.h"
#include "base/base.h"

#define CACHE_MAGIC 0x56434143u
#define WAYS        8

/* Invariant: key_id == 0 means free; of one tenant at most one slot is newest. */
struct slot {
	struct pb_uuid tenant;
	uint32_t key_id;
	bool newest;
	int64_t loaded_us;
};

struct vault_cache {
	uint32_t magic;
	struct pb_mutex lock;
	uint64_t epoch;
	size_t n_buckets;
	struct slot *slots;
	struct crypto_secret *keys; /* slot i has bytes i*32.. */
};

struct vault_cache *vault_cache_new(size_t n_keys)
{
	struct vault_cache *c = pb_new(struct vault_cache);

	c->magic = CACHE_MAGIC;
	c->n_buckets = PB_MAX(n_keys / WAYS, (size_t)1);
	c->slots = pb_xcalloc(c->n_buckets * WAYS, sizeof *c->slots);
	c->keys = crypto_secret_new(c->n_buckets * WAYS * CRYPTO_KEY_BYTES);
	pb_mutex_init(&c->lock, "vault.cache", PB_LOCK_RANK(4, 10));
	return c;
}

void vault_cache_free(struct vault_cache *c)
{
	if (!c)
		return;
	PB_CHECK_MAGIC(c, CACHE_MAGIC);
	pb_mutex_done(&c->lock);
	crypto_secret_free(c->keys);
	free(c->slots);
	c->magic = 0;
	free(c);
}

static size_t bucket_of(const struct vault_cache *c, struct pb_uuid tenant)
{
	return (size_t)(pb_uuid_hash(tenant) % c->n_buckets) * WAYS;
}

static uint8_t *key_at(struct vault_cache *c, size_t i)
{
	return crypto_secret_mutable(c->keys) + i * CRYPTO_KEY_BYTES;
}

static void clear(struct vault_cache *c, size_t i)
{
	c->slots[i] = (struct slot){.key_id = 0};
	crypto_wipe(key_at(c, i), CRYPTO_KEY_BYTES);
}

enum vault_cache_answer vault_cache_use(struct vault_cache *c, struct pb_uuid tenant,
					uint32_t key_id, int64_t now_us, vault_key_fn *fn,
					void *arg)
{
	enum vault_cache_answer answer = VAULT_CACHE_MISS;
	size_t first = bucket_of(c, tenant);

	PB_CHECK_MAGIC(c, CACHE_MAGIC);
	pb_lock(&c->lock);
	for (size_t i = first; i < first + WAYS; i++) {
		const struct slot *s = &c->slots[i];

		if (!s->key_id || !pb_uuid_eq(s->tenant, tenant))
			continue;
		if (key_id ? s->key_id != key_id : !s->newest)
			continue;
		if (now_us - s->loaded_us >= VAULT_CACHE_TTL_US)
			clear(c, i);
		else
			answer = fn(key_at(c, i), s->key_id, arg) ? VAULT_CACHE_TRUE
								  : VAULT_CACHE_FALSE;
		break;
	}
	pb_unlock(&c->lock);
	return answer;
}

uint64_t vault_cache_epoch(struct vault_cache *c)
{
	uint64_t epoch;

	pb_lock(&c->lock);
	epoch = c->epoch;
	pb_unlock(&c->lock);
	return epoch;
}

/* The slot for a key: its own, else a free one, else the oldest. */
static size_t slot_for(const struct vault_cache *c, size_t first, struct pb_uuid tenant,
		       uint32_t key_id)
{
	size_t best = first;

	for (size_t i = first; i < first + WAYS; i++) {
		const struct slot *s = &c->slots[i];

		if (s->key_id == key_id && pb_uuid_eq(s->tenant, tenant))
			return i;
		if (c->slots[best].key_id &&
		    (!s->key_id || s->loaded_us < c->slots[best].loaded_us))
			best = i;
	}
	return best;
}

void vault_cache_put(struct vault_cache *c, struct pb_uuid tenant, uint32_t key_id, bool newest,
		     const uint8_t *key, uint64_t epoch, int64_t now_us)
{
	size_t first = bucket_of(c, tenant), at;

	PB_CHECK_MAGIC(c, CACHE_MAGIC);
	PB_ASSERT(key_id != 0);
	pb_lock(&c->lock);
	if (epoch == c->epoch) {
		for (size_t i = first; newest && i < first + WAYS; i++)
			if (pb_uuid_eq(c->slots[i].tenant, tenant))
				c->slots[i].newest = false;
		at = slot_for(c, first, tenant, key_id);
		/* a key that is known to be the newest stays so when it is read again by its id */
		if (c->slots[at].key_id == key_id && pb_uuid_eq(c->slots[at].tenant, tenant))
			newest = newest || c->slots[at].newest;
		c->slots[at] = (struct slot){tenant, key_id, newest, now_us};
		memcpy(key_at(c, at), key, CRYPTO_KEY_BYTES);
	}
	pb_unlock(&c->lock);
}

void vault_cache_forget(struct vault_cache *c, struct pb_uuid tenant)
{
	size_t first = bucket_of(c, tenant);

	PB_CHECK_MAGIC(c, CACHE_MAGIC);
	pb_lock(&c->lock);
	c->epoch++;
	for (size_t i = first; i < first + WAYS; i++)
		if (c->slots[i].key_id && pb_uuid_eq(c->slots[i].tenant, tenant))
			clear(c, i);
	pb_unlock(&c->lock);
}
