/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first keys. Each bootstrap key has the fixed name "bootstrap", unique among a tenant's live keys: that
 * is what makes two bootstraps at the same time end with one key, printed by one of them.
 */
#include "auth/auth_bootstrap.h"

#include "auth/auth_private.h"
#include "pg/pg_pool.h"
#include "store/store_tenant.h"
#include "base/base.h"

#define KEY_NAME  "bootstrap"
#define GET_ARENA 16384

/* Makes the bootstrap key of @tenant unless it is there; @ret_key "" says that it was. */
static enum pb_status ensure_key(struct pg_pool *admin, const struct crypto_secret *key_subkey,
				 struct pb_uuid tenant, enum tenant_role role, bool renew,
				 struct pb_uuid *ret_id, char ret_key[AUTH_KEY_TEXT_BYTES],
				 struct pb_err *err)
{
	const struct auth_key_request req = {.name = KEY_NAME, .role = role};
	struct pb_err lookup = PB_ERR_INIT;
	struct store_api_key old;
	pb_auto_arena arena;
	enum pb_status status;

	pb_arena_init(&arena, GET_ARENA);
	ret_key[0] = '\0';
	status = store_api_key_get_by_name(admin, tenant, KEY_NAME, &arena, &old, &lookup);
	if (status == PB_OK && renew) {
		status = store_api_key_revoke(admin, tenant, old.id, err);
		if (status != PB_OK)
			return status;
	} else if (status == PB_OK) {
		*ret_id = old.id;
		return PB_OK;
	} else if (status != PB_E_NOT_FOUND) {
		return pb_err_set(err, lookup.status, lookup.code, "%s", lookup.msg);
	}
	status = auth_key_make(admin, key_subkey, tenant, PB_UUID_NIL, &req, ret_id, ret_key, err);
	if (status != PB_E_CONFLICT)
		return status;
	/* another bootstrap was faster: its key stands */
	status = store_api_key_get_by_name(admin, tenant, KEY_NAME, &arena, &old, err);
	if (status == PB_OK)
		*ret_id = old.id;
	return status;
}

static enum pb_status ensure_tenant(struct pg_pool *admin, const char *slug, struct pb_uuid *ret_id,
				    struct pb_err *err)
{
	struct pb_uuid id = pb_uuid7();
	struct store_tenant t;
	pb_auto_arena arena;
	enum pb_status status;

	pb_arena_init(&arena, GET_ARENA);
	status = store_tenant_create(admin, id, slug, slug, err);
	if (status == PB_E_CONFLICT) {
		status = store_tenant_get_by_slug(admin, slug, &arena, &t, err);
		id = t.id;
	}
	if (status == PB_OK)
		*ret_id = id;
	return status;
}

enum pb_status auth_bootstrap(struct pg_pool *admin, const struct crypto_secret *key_subkey,
			      const struct auth_bootstrap_options *opt,
			      struct auth_bootstrap_result *ret, struct pb_err *err)
{
	struct auth_bootstrap_result r = {.platform_tenant = STORE_PLATFORM_TENANT};
	enum pb_status status = ensure_key(admin, key_subkey, r.platform_tenant, TENANT_SUPER_ADMIN,
					   opt->renew, &r.platform_key_id, r.platform_key, err);

	if (status == PB_OK && opt->development) {
		status = ensure_tenant(admin, opt->tenant_slug ? opt->tenant_slug : "dev",
				       &r.tenant, err);
		if (status == PB_OK)
			status = ensure_key(admin, key_subkey, r.tenant, TENANT_OWNER, opt->renew,
					    &r.tenant_key_id, r.tenant_key, err);
	}
	if (status == PB_OK)
		*ret = r;
	crypto_wipe(&r, sizeof r);
	return status;
}
