/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recent answers about API keys, private to `auth`: bounded, by keyed hash (never by key text), each for at
 * most AUTH_CACHE_TTL_US. Remembers refusals too, so that a client which hammers with a revoked key costs nothing.
 * Also collects which keys were used, at most once a key and AUTH_USED_EVERY_US.
 */
#ifndef PB_AUTH_AUTH_CACHE_H
#define PB_AUTH_AUTH_CACHE_H

#include "auth/auth.h"
#include "store/store_api_key.h"

enum auth_verdict { AUTH_UNKNOWN, AUTH_GOOD, AUTH_EXPIRED, AUTH_REVOKED, AUTH_SUSPENDED };

/* Times are pb_mono_us. */
struct auth_entry {
	enum auth_verdict verdict;
	struct auth_actor actor;
	int64_t until_us;    /* the answer holds until then; put cuts it to the TTL */
	int64_t note_use_us; /* the next time a use is worth a note */
};

#define AUTH_USES_MAX 1000

struct auth_cache;

struct auth_cache *auth_cache_new(size_t n_keys);
void auth_cache_free(struct auth_cache *c);

/* AUTH_UNKNOWN when there is no fresh answer. @wall_us is noted as time of use for good keys. [any-thread] */
enum auth_verdict auth_cache_get(struct auth_cache *c, const uint8_t hash[CRYPTO_HASH_BYTES],
				 int64_t now_us, int64_t wall_us, struct auth_actor *ret);
/* Changes with each forget; read it before asking the database. */
uint64_t auth_cache_epoch(struct auth_cache *c);
/* Puts an answer in, unless somebody forgot keys since @epoch was read. */
void auth_cache_put(struct auth_cache *c, const uint8_t hash[CRYPTO_HASH_BYTES],
		    const struct auth_entry *e, uint64_t epoch, int64_t now_us);
/* Drops answers about key @id; nil drops all. */
void auth_cache_forget(struct auth_cache *c, struct pb_uuid id);

/* Notes a use that did not come through auth_cache_get(). Dropped when AUTH_USES_MAX wait already. */
void auth_cache_note_use(struct auth_cache *c, const struct auth_actor *actor, int64_t wall_us);
/* Takes the notes out; @out has room for AUTH_USES_MAX. */
size_t auth_cache_take_uses(struct auth_cache *c, struct store_api_key_use *out);

#endif
