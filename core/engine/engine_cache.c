/* SPDX-License-Identifier: Apache-2.0 */
/* A small least-recently-used table of plans. Two threads that miss together compile twice; one result stays. */
#include "engine/engine_cache.h"

#include "base/macro.h"
#define uthash_fatal(msg) PB_ASSERT(!(msg)) /* out of memory for a small fixed size */
#include <uthash.h>

#include "base/lock.h"
#include "store/store_workflow.h"

#include "base/base.h"

struct cache_key {
	struct pb_uuid tenant, workflow;
	int32_t version;
};

struct cache_entry {
	struct cache_key key;
	struct engine_plan *plan;
	UT_hash_handle hh;
};

struct engine_cache {
	struct pg_pool *pool;
	struct pb_mutex lock;
	struct cache_entry *entries; /* oldest use first */
};

struct engine_cache *engine_cache_new(struct pg_pool *engine_pool)
{
	struct engine_cache *c = pb_new(struct engine_cache);

	c->pool = engine_pool;
	pb_mutex_init(&c->lock, "engine.cache", PB_LOCK_RANK(6, 60));
	return c;
}

static void drop(struct engine_cache *c, struct cache_entry *e)
{
	HASH_DEL(c->entries, e);
	engine_plan_unref(e->plan);
	free(e);
}

void engine_cache_free(struct engine_cache *c)
{
	if (!c)
		return;
	while (c->entries)
		drop(c, c->entries);
	pb_mutex_done(&c->lock);
	free(c);
}

static struct cache_key make_key(struct pb_uuid tenant, struct pb_uuid workflow, int32_t version)
{
	struct cache_key key;

	memset(&key, 0, sizeof(key)); /* the key is compared with its padding */
	key.tenant = tenant;
	key.workflow = workflow;
	key.version = version;
	return key;
}

static struct engine_plan *look_up(struct engine_cache *c, const struct cache_key *key)
{
	struct engine_plan *plan = NULL;
	struct cache_entry *e;

	pb_lock(&c->lock);
	HASH_FIND(hh, c->entries, key, sizeof(*key), e);
	if (e) {
		HASH_DEL(c->entries, e); /* to the young end */
		HASH_ADD(hh, c->entries, key, sizeof(e->key), e);
		plan = engine_plan_ref(e->plan);
	}
	pb_unlock(&c->lock);
	return plan;
}

static void put(struct engine_cache *c, const struct cache_key *key, struct engine_plan *plan)
{
	struct cache_entry *e;

	pb_lock(&c->lock);
	HASH_FIND(hh, c->entries, key, sizeof(*key), e);
	if (!e) {
		if (HASH_COUNT(c->entries) >= ENGINE_CACHE_PLANS)
			drop(c, c->entries);
		e = pb_new(struct cache_entry);
		e->key = *key;
		e->plan = engine_plan_ref(plan);
		HASH_ADD(hh, c->entries, key, sizeof(e->key), e);
	}
	pb_unlock(&c->lock);
}

struct engine_plan *engine_cache_peek(struct engine_cache *c, struct pb_uuid tenant,
				      struct pb_uuid workflow, int32_t version)
{
	struct cache_key key = make_key(tenant, workflow, version);

	return look_up(c, &key);
}

enum pb_status engine_cache_get(struct engine_cache *c, struct pb_uuid tenant,
				struct pb_uuid workflow, int32_t version, struct engine_plan **ret,
				struct pb_err *err)
{
	struct cache_key key = make_key(tenant, workflow, version);
	struct engine_plan *plan = look_up(c, &key);
	struct pb_problems problems;
	struct pb_slice definition;
	pb_auto_arena arena;
	enum pb_status st;

	pb_arena_init(&arena, 4 * STORE_DEFINITION_BYTES); /* allocates nothing yet */
	if (plan) {
		*ret = plan;
		return PB_OK;
	}
	pb_problems_init(&problems, &arena, 1);
	st = store_workflow_definition(c->pool, tenant, workflow, version, &arena, &definition,
				       err);
	if (st == PB_OK)
		st = engine_plan_compile(definition, &problems, &plan, err);
	if (st != PB_OK)
		return st;
	put(c, &key, plan);
	*ret = plan;
	return PB_OK;
}
