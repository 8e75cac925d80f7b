/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants. Creating and listing them needs the admin pool; a tenant's own row can be read by the
 * api pool. */
#ifndef PB_STORE_STORE_TENANT_H
#define PB_STORE_STORE_TENANT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"

struct pg_pool;

/* The tenant that owns the platform's own keys; made by migration 0002. */
#define STORE_PLATFORM_TENANT                                                                      \
	((struct pb_uuid){{0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}})

#define STORE_TENANT_SLUG_MAX 40
#define STORE_TENANT_NAME_MAX 200

enum store_tenant_status { STORE_TENANT_PENDING, STORE_TENANT_ACTIVE, STORE_TENANT_SUSPENDED };

/* Strings live in the arena given to the call. */
struct store_tenant {
	struct pb_uuid id;
	const char *slug; /* [a-z0-9] and inner '-', 2..40: safe in host names, Redis keys and NATS
			     subjects */
	const char *name;
	enum store_tenant_status status;
	int64_t created_at_us;
};

bool store_tenant_slug_valid(const char *slug);

/*
 * Errors: PB_E_UNPROCESSABLE tenant.slug, tenant.name; PB_E_CONFLICT tenant.slug_taken; database
 * errors. Threads: [any-thread] (may wait for the database, as all of store)
 */
enum pb_status store_tenant_create(struct pg_pool *admin, struct pb_uuid id, const char *slug,
				   const char *name, struct pb_err *err) pb_must_check;
/* Errors: PB_E_NOT_FOUND tenant.not_found. @pool: api (own row) or admin. */
enum pb_status store_tenant_get(struct pg_pool *pool, struct pb_uuid id, struct pb_arena *arena,
				struct store_tenant *ret, struct pb_err *err) pb_must_check;
enum pb_status store_tenant_get_by_slug(struct pg_pool *admin, const char *slug,
					struct pb_arena *arena, struct store_tenant *ret,
					struct pb_err *err) pb_must_check;
enum pb_status store_tenant_set_status(struct pg_pool *admin, struct pb_uuid id,
				       enum store_tenant_status status,
				       struct pb_err *err) pb_must_check;
/* Newest first; those with an id below @before (nil = from the start). *ret_rows in @arena.
 * @limit 1..200. */
enum pb_status store_tenant_list(struct pg_pool *admin, struct pb_uuid before, size_t limit,
				 struct pb_arena *arena, struct store_tenant **ret_rows,
				 size_t *ret_n, struct pb_err *err) pb_must_check;

#endif
