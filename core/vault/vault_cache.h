/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwrapped data keys of this process, private to `vault`: bounded, oldest out first, each for at most
 * VAULT_CACHE_TTL_US. All keys sit in one locked allocation, and they are used in place under the lock, so that
 * no copy of a key is ever on a stack or heap.
 */
#ifndef PB_VAULT_VAULT_CACHE_H
#define PB_VAULT_VAULT_CACHE_H

#include "base/id.h"
#include "crypto/crypto_secret.h"

struct vault_cache;

struct vault_cache *vault_cache_new(size_t n_keys);
void vault_cache_free(struct vault_cache *c);

/* Called under the cache's lock with the 32 key bytes; must not block. */
typedef bool vault_key_fn(const uint8_t *key, uint32_t key_id, void *arg);

enum vault_cache_answer { VAULT_CACHE_MISS, VAULT_CACHE_TRUE, VAULT_CACHE_FALSE };

/* Runs @fn with key @key_id of @tenant; 0 means the newest known. @now_us is pb_mono_us. [any-thread] */
enum vault_cache_answer vault_cache_use(struct vault_cache *c, struct pb_uuid tenant,
					uint32_t key_id, int64_t now_us, vault_key_fn *fn,
					void *arg);

/* Changes with each forget; read it before asking the database. */
uint64_t vault_cache_epoch(struct vault_cache *c);
/*
 * Puts a key in, unless somebody forgot keys since @epoch was read (the answer may be older than that).
 * @newest: it was the newest when read, and answers for id 0.
 */
void vault_cache_put(struct vault_cache *c, struct pb_uuid tenant, uint32_t key_id, bool newest,
		     const uint8_t *key, uint64_t epoch, int64_t now_us);
void vault_cache_forget(struct vault_cache *c, struct pb_uuid tenant);

#endif
