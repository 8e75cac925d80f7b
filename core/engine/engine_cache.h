/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled plans by (tenant, workflow, version). Versions never change, so nothing is ever invalidated. */
#ifndef PB_ENGINE_CACHE_H
#define PB_ENGINE_CACHE_H

#include "base/err.h"
#include "base/id.h"
#include "engine/engine_plan.h"

struct engine_cache;
struct pg_pool;

#define ENGINE_CACHE_PLANS 512

struct engine_cache *engine_cache_new(struct pg_pool *engine_pool);
void engine_cache_free(struct engine_cache *c);

/* What is in memory: a reference, or NULL. Threads: [any-thread], any stack. */
struct engine_plan *engine_cache_peek(struct engine_cache *c, struct pb_uuid tenant,
				      struct pb_uuid workflow, int32_t version);

/*
 * Owner:   *ret a reference.
 * Errors:  PB_E_NOT_FOUND workflow.version_not_found, workflow.invalid (a bug or an older format),
 *          database.* when it had to be read and could not.
 * Threads: [any-thread] with 128 KB of stack on a miss; the database is asked outside the lock
 */
enum pb_status engine_cache_get(struct engine_cache *c, struct pb_uuid tenant,
				struct pb_uuid workflow, int32_t version, struct engine_plan **ret,
				struct pb_err *err) pb_must_check;

#endif
