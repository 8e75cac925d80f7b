/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hook table (see the header). The surprising thing: between a notice and the refresh that follows it, hits
 * in memory are not trusted and the database is asked, so a workflow that was switched off is off at once.
 */
#include "api/api_hooks.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/macro.h"
#define uthash_fatal(msg) PB_ASSERT(!(msg)) /* out of memory for a small fixed size */
#include <uthash.h>

#include "base/base.h"

#define REFRESH_EVERY_US (5 * PB_USEC_PER_SEC)

struct hook_entry {
	struct store_hook hook;
	UT_hash_handle hh;
};

struct api_hooks {
	struct pg_pool *engine_pool, *api_pool;
	struct pb_mutex lock;
	struct hook_entry *entries;
	bool loaded, stale;
	uint32_t notices;      /* a refresh answers only those that came before it */
	int64_t seen_us;       /* the database's time of the last refresh */
	int64_t refresh_at_us; /* monotonic */
};

struct api_hooks *api_hooks_new(struct pg_pool *engine_pool, struct pg_pool *api_pool)
{
	struct api_hooks *h = pb_new(struct api_hooks);

	h->engine_pool = engine_pool;
	h->api_pool = api_pool;
	pb_mutex_init(&h->lock, "api.hooks", PB_LOCK_RANK(7, 20));
	return h;
}

static void drop(struct api_hooks *h, struct hook_entry *e)
{
	HASH_DEL(h->entries, e);
	free(e);
}

void api_hooks_free(struct api_hooks *h)
{
	if (!h)
		return;
	while (h->entries)
		drop(h, h->entries);
	pb_mutex_done(&h->lock);
	free(h);
}

static bool is_live(const struct store_hook *hook)
{
	return hook->active && hook->version > 0;
}

static void put(struct api_hooks *h, const struct store_hook *hook)
{
	struct hook_entry *e;

	HASH_FIND(hh, h->entries, hook->token_hash, STORE_TOKEN_HASH_BYTES, e);
	if (!is_live(hook)) {
		if (e)
			drop(h, e);
		return;
	}
	if (!e) {
		e = pb_new(struct hook_entry);
		e->hook = *hook;
		HASH_ADD(hh, h->entries, hook.token_hash, STORE_TOKEN_HASH_BYTES, e);
	}
	e->hook = *hook;
}

static bool look_up(struct api_hooks *h, const uint8_t *hash, struct store_hook *ret)
{
	struct hook_entry *e = NULL;

	pb_lock(&h->lock);
	if (!h->stale && h->loaded)
		HASH_FIND(hh, h->entries, hash, STORE_TOKEN_HASH_BYTES, e);
	if (e)
		*ret = e->hook;
	pb_unlock(&h->lock);
	return e != NULL;
}

bool api_hooks_has(struct api_hooks *h, const uint8_t hash[STORE_TOKEN_HASH_BYTES])
{
	struct hook_entry *e = NULL;

	pb_lock(&h->lock);
	HASH_FIND(hh, h->entries, hash, STORE_TOKEN_HASH_BYTES, e);
	pb_unlock(&h->lock);
	return e != NULL;
}

enum pb_status api_hooks_find(struct api_hooks *h, const uint8_t hash[STORE_TOKEN_HASH_BYTES],
			      struct store_hook *ret, struct pb_err *err)
{
	enum pb_status st;

	if (look_up(h, hash, ret))
		return PB_OK;
	st = store_hook_find(h->api_pool, hash, ret, err);
	if (st == PB_OK && !is_live(ret))
		return pb_err_set(err, PB_E_NOT_FOUND, "hook.not_found", "there is no such hook");
	return st;
}

void api_hooks_stale(struct api_hooks *h)
{
	pb_lock(&h->lock);
	h->stale = true;
	h->notices++;
	pb_unlock(&h->lock);
}

static void on_row(void *arg, const struct store_hook *hook)
{
	struct api_hooks *h = arg;

	pb_lock(&h->lock);
	put(h, hook);
	pb_unlock(&h->lock);
}

void api_hooks_refresh(struct api_hooks *h)
{
	int64_t now = pb_mono_us(), seen = 0;
	bool loaded, was_stale;
	uint32_t notices;
	enum pb_status st;

	pb_lock(&h->lock);
	was_stale = h->stale;
	notices = h->notices;
	loaded = h->loaded;
	pb_unlock(&h->lock);
	if (loaded && !was_stale && now < h->refresh_at_us)
		return;
	st = loaded ? store_hook_changes(h->engine_pool, h->seen_us, on_row, h, &seen, NULL)
		    : store_hook_snapshot(h->engine_pool, on_row, h, &seen, NULL);
	if (st != PB_OK)
		return; /* the database is away: tried again with the next call */
	h->seen_us = seen;
	h->refresh_at_us = now + REFRESH_EVERY_US;
	pb_lock(&h->lock);
	h->loaded = true;
	h->stale = h->notices != notices;
	pb_unlock(&h->lock);
}

size_t api_hooks_count(struct api_hooks *h)
{
	size_t n;

	pb_lock(&h->lock);
	n = HASH_COUNT(h->entries);
	pb_unlock(&h->lock);
	return n;
}
