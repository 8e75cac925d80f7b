/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating and revoking API keys. Nobody gives away more than he has: neither a higher role, even if scopes
 * narrow it, nor a permission outside his own scopes.
 */
#include "auth/auth_private.h"

#include "pg/pg_pool.h"
#include "base/base.h"

#define GET_ARENA 16384

static bool name_ok(const char *name)
{
	size_t n = strlen(name);

	if (!n || n > STORE_API_KEY_NAME_MAX || !pb_utf8_valid(name, n))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return true;
}

enum pb_status auth_key_make(struct pg_pool *pool, const struct crypto_secret *key_subkey,
			     struct pb_uuid tenant, struct pb_uuid created_by,
			     const struct auth_key_request *req, struct pb_uuid *ret_id,
			     char ret_key[AUTH_KEY_TEXT_BYTES], struct pb_err *err)
{
	pb_auto_buf scopes = PB_BUF_INIT;
	struct store_api_key row = {.id = pb_uuid7(),
				    .tenant = tenant,
				    .name = req->name,
				    .role = tenant_role_name(req->role),
				    .created_by = created_by,
				    .expires_at_us = req->expires_at_us};
	char key[AUTH_KEY_TEXT_BYTES], hint[AUTH_KEY_HINT_BYTES];
	uint8_t hash[CRYPTO_HASH_BYTES];
	enum pb_status status;

	if (!name_ok(req->name))
		return pb_err_set(err, PB_E_UNPROCESSABLE, "api_key.name",
				  "an API key's name has 1 to %d bytes and no control characters",
				  STORE_API_KEY_NAME_MAX);
	auth_key_generate(req->role == TENANT_SUPER_ADMIN ? AUTH_KEY_PLATFORM : AUTH_KEY_TENANT,
			  key);
	auth_key_hint(key, hint);
	auth_key_hash(key_subkey, key, strlen(key), hash);
	tenant_permissions_write(req->scopes, &scopes);
	row.hint = hint;
	row.scopes = pb_buf_str(&scopes);
	status = store_api_key_create(pool, &row, hash, err);
	if (status == PB_OK) {
		memcpy(ret_key, key, sizeof key);
		*ret_id = row.id;
	}
	crypto_wipe(key, sizeof key);
	return status;
}

static enum pb_status check_grant(const struct auth_actor *actor,
				  const struct auth_key_request *req, struct pb_err *err)
{
	tenant_permissions of_role = tenant_role_permissions(req->role);
	tenant_permissions wanted = req->scopes ? req->scopes : of_role;

	if (req->role > actor->role || wanted & ~actor->permissions)
		return pb_err_set(
			err, PB_E_FORBIDDEN, "auth.escalation",
			"a key cannot have a higher role or more permissions than its maker");
	if (req->scopes & ~of_role)
		return pb_err_set(err, PB_E_UNPROCESSABLE, "api_key.scopes",
				  "the role %s does not have all of these permissions",
				  tenant_role_name(req->role));
	if (req->role == TENANT_SUPER_ADMIN && !pb_uuid_eq(actor->tenant, STORE_PLATFORM_TENANT))
		return pb_err_set(err, PB_E_FORBIDDEN, "auth.escalation",
				  "super_admin keys exist in the platform tenant only");
	return PB_OK;
}

enum pb_status auth_key_create(struct auth *a, const struct auth_actor *actor,
			       const struct auth_key_request *req, struct pb_uuid *ret_id,
			       char ret_key[AUTH_KEY_TEXT_BYTES], struct pb_err *err)
{
	enum pb_status status;

	PB_CHECK_MAGIC(a, AUTH_MAGIC);
	status = auth_actor_require(actor, TENANT_API_KEY_WRITE, err);
	if (status == PB_OK)
		status = check_grant(actor, req, err);
	if (status != PB_OK)
		return status;
	return auth_key_make(a->pool, a->key_subkey, actor->tenant, actor->id, req, ret_id, ret_key,
			     err);
}

enum pb_status auth_key_revoke(struct auth *a, const struct auth_actor *actor, struct pb_uuid id,
			       struct pb_err *err)
{
	struct store_api_key key;
	enum tenant_role role;
	pb_auto_arena arena;
	enum pb_status status;

	PB_CHECK_MAGIC(a, AUTH_MAGIC);
	pb_arena_init(&arena, GET_ARENA);
	status = auth_actor_require(actor, TENANT_API_KEY_WRITE, err);
	if (status == PB_OK)
		status = store_api_key_get(a->pool, actor->tenant, id, &arena, &key, err);
	if (status != PB_OK)
		return status;
	/* an admin must not lock the owner out */
	if (!tenant_role_parse(key.role, strlen(key.role), &role) || role > actor->role)
		return pb_err_set(err, PB_E_FORBIDDEN, "auth.escalation",
				  "a key of a higher role cannot be revoked");
	status = store_api_key_revoke(a->pool, actor->tenant, id, err);
	if (status == PB_OK)
		auth_cache_forget(a->cache, id);
	return status;
}
