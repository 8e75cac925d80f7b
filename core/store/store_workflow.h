/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workflows and their versions. Every save is a new immutable version; what runs is the published
 * one. Under the tenant's role, tenant first; the engine reads versions only. Surprising: a deleted
 * workflow keeps its versions, because executions may still run on them.
 */
#ifndef PB_STORE_WORKFLOW_H
#define PB_STORE_WORKFLOW_H

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "pg/pg_pool.h"

#define STORE_NAME_BYTES       200
#define STORE_DEFINITION_BYTES (1024 * 1024)
#define STORE_TOKEN_HASH_BYTES 32

struct store_workflow {
	struct pb_uuid id;
	const char *name;
	bool active;
	int32_t latest_version, published_version; /* published 0: never */
	int64_t revision;                          /* the ETag; rises with every change */
	const char *trigger_type; /* of the latest version: "webhook", "schedule", ... */
	int64_t created_at, updated_at;
	struct pb_uuid created_by;  /* nil: unknown */
	struct pb_slice definition; /* of the latest version; p == NULL in lists */
};

/* A hook token belongs to one workflow: its hash finds it, the sealed form is for showing it again.
 */
struct store_hook_token {
	uint8_t hash[STORE_TOKEN_HASH_BYTES];
	struct pb_slice sealed; /* ciphertext of the vault */
};

struct store_workflow_save {
	struct pb_slice name;       /* 1..STORE_NAME_BYTES */
	struct pb_slice definition; /* exact bytes */
	struct pb_slice trigger_type;
	struct pb_uuid actor; /* nil: unknown */
	bool publish;         /* publish this version at once */
	/* NULL: leave the hook as it is (update) or make none (create). */
	const struct store_hook_token *hook;
	bool remove_hook;
};

/* Owner: *ret in @arena. Errors: PB_E_INVALID workflow.name, PB_E_TOO_LARGE workflow.too_large,
 * PB_E_CONFLICT workflow.exists (the id), database.* */
enum pb_status store_workflow_create(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				     struct pb_uuid id, const struct store_workflow_save *save,
				     bool active, struct pb_arena *arena,
				     struct store_workflow **ret, struct pb_err *err) pb_must_check;
/* A new version. @if_revision 0: unconditionally. Errors also: PB_E_NOT_FOUND workflow.not_found,
 * PB_E_PRECONDITION workflow.changed. */
enum pb_status store_workflow_update(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				     struct pb_uuid id, int64_t if_revision,
				     const struct store_workflow_save *save, struct pb_arena *arena,
				     struct store_workflow **ret, struct pb_err *err) pb_must_check;
enum pb_status store_workflow_get(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				  struct pb_uuid id, struct pb_arena *arena,
				  struct store_workflow **ret, struct pb_err *err) pb_must_check;

struct store_workflow_filter {
	int active;            /* -1 any, 0, 1 */
	struct pb_slice query; /* part of the name, any case; empty: any */
	struct pb_uuid before; /* cursor, newest first; nil: from the newest */
	int limit;             /* 1..200 */
};
enum pb_status store_workflow_list(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				   const struct store_workflow_filter *filter,
				   struct pb_arena *arena, struct store_workflow **ret,
				   size_t *ret_n, bool *ret_more, struct pb_err *err) pb_must_check;
/* Active workflows of a tenant, for plan limits. */
enum pb_status store_workflow_count(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				    int64_t *ret_all, int64_t *ret_active,
				    struct pb_err *err) pb_must_check;
/* Errors: PB_E_NOT_FOUND, PB_E_PRECONDITION, PB_E_UNPROCESSABLE workflow.not_published (activate,
 * none published) */
enum pb_status store_workflow_set_active(struct pg_pool *api_pool, struct pb_uuid tenant_id,
					 struct pb_uuid id, int64_t if_revision, bool active,
					 struct pb_arena *arena, struct store_workflow **ret,
					 struct pb_err *err) pb_must_check;
/* Publishing an older version is the roll-back. Errors also: PB_E_NOT_FOUND
 * workflow.version_not_found */
enum pb_status store_workflow_publish(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				      struct pb_uuid id, int64_t if_revision, int32_t version,
				      struct pb_arena *arena, struct store_workflow **ret,
				      struct pb_err *err) pb_must_check;
enum pb_status store_workflow_delete(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				     struct pb_uuid id, int64_t if_revision,
				     struct pb_err *err) pb_must_check;

struct store_workflow_version {
	int32_t version;
	int64_t created_at;
	struct pb_uuid created_by;
	bool published;
	int64_t definition_bytes;
};
/* Newest first, below @before_version (0: all). */
enum pb_status store_workflow_versions(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				       struct pb_uuid id, int32_t before_version, int limit,
				       struct pb_arena *arena, struct store_workflow_version **ret,
				       size_t *ret_n, struct pb_err *err) pb_must_check;
/* The exact bytes of one version, also of a deleted workflow. [any pool] For the planner's cache.
 */
enum pb_status store_workflow_definition(struct pg_pool *pool, struct pb_uuid tenant_id,
					 struct pb_uuid id, int32_t version, struct pb_arena *arena,
					 struct pb_slice *ret, struct pb_err *err) pb_must_check;

/* An active, published workflow of one trigger type, for schedulers and pollers of all tenants. */
struct store_active_workflow {
	struct pb_uuid tenant_id, id;
	int32_t version;
	struct pb_slice definition;
};
/* Pages of at most @limit by id after @after (nil: from the start), over all tenants. @pool is the
 * engine's. */
enum pb_status store_workflow_active(struct pg_pool *engine_pool, const char *trigger_type,
				     struct pb_uuid after, int limit, struct pb_arena *arena,
				     struct store_active_workflow **ret, size_t *ret_n,
				     struct pb_err *err) pb_must_check;

/* ---- hooks --------------------------------------------------------------------------------------
 */

struct store_hook {
	uint8_t token_hash[STORE_TOKEN_HASH_BYTES];
	struct pb_uuid tenant_id, workflow_id;
	int32_t version; /* published; 0: none */
	bool active;     /* false: answer 404 (inactive, deleted or replaced) */
	int64_t changed_at;
};

/* Called for each row; borrowed. */
typedef void store_hook_fn(void *arg, const struct store_hook *hook);

/*
 * All active hooks of all tenants, in pages; *ret_seen_us is what to give to store_hook_changes
 * next.
 * @pool is the engine's (it cannot read sealed tokens).
 */
enum pb_status store_hook_snapshot(struct pg_pool *engine_pool, store_hook_fn *fn, void *arg,
				   int64_t *ret_seen_us, struct pb_err *err) pb_must_check;
/* What changed since, removed ones with active = false. Rows may come again: the window overlaps by
 * a minute, so that no transaction that was still open is missed. */
enum pb_status store_hook_changes(struct pg_pool *engine_pool, int64_t seen_us, store_hook_fn *fn,
				  void *arg, int64_t *ret_seen_us,
				  struct pb_err *err) pb_must_check;
/* One token that is not in the snapshot. Works without a tenant: the hash is the secret's.
 * Errors: PB_E_NOT_FOUND hook.not_found */
enum pb_status store_hook_find(struct pg_pool *api_pool, const uint8_t hash[STORE_TOKEN_HASH_BYTES],
			       struct store_hook *ret, struct pb_err *err) pb_must_check;
/* The sealed token of a workflow, to show its address again. Errors: PB_E_NOT_FOUND hook.not_found
 */
enum pb_status store_hook_sealed(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				 struct pb_uuid workflow_id, struct pb_arena *arena,
				 struct pb_slice *ret, struct pb_err *err) pb_must_check;

#endif
