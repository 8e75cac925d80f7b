/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of hook tokens in memory: hash -> tenant, workflow, version. Kept fresh by notices and by asking the
 * database what changed; a hash that is not in it is looked up, so a new hook works at once on every host.
 */
#ifndef PB_API_HOOKS_H
#define PB_API_HOOKS_H

#include "base/err.h"
#include "store/store_workflow.h"

struct api_hooks;
struct pg_pool;

struct api_hooks *api_hooks_new(struct pg_pool *engine_pool, struct pg_pool *api_pool);
void api_hooks_free(struct api_hooks *h);

/*
 * Errors:  PB_E_NOT_FOUND hook.not_found (unknown or inactive), database.* when it had to ask and could not.
 * Threads: [any-thread]
 */
enum pb_status api_hooks_find(struct api_hooks *h, const uint8_t hash[STORE_TOKEN_HASH_BYTES],
			      struct store_hook *ret, struct pb_err *err) pb_must_check;
/* True when the table has it, fresh or not. [any-thread] */
bool api_hooks_has(struct api_hooks *h, const uint8_t hash[STORE_TOKEN_HASH_BYTES]);
/* A notice: the next refresh asks at once, and until then nothing is answered from memory that is older. */
void api_hooks_stale(struct api_hooks *h);
/* Loads everything the first time, then what changed, when a notice came or a few seconds passed. [one thread] */
void api_hooks_refresh(struct api_hooks *h);
size_t api_hooks_count(struct api_hooks *h);

#endif
