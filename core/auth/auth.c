/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the headers of a request to an actor. Wrong shapes are refused without asking the database; the rest
 * costs one indexed read at most every AUTH_CACHE_TTL_US a key.
 */
#include "auth/auth.h"

#include "auth/auth_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "pg/pg_pool.h"
#include "base/base.h"

PB_LOG_TOPIC("auth");

#define LOOKUP_ARENA 16384

struct auth *auth_new(struct pg_pool *pool, const struct crypto_secret *key_subkey)
{
	struct auth *a = pb_new(struct auth);

	a->magic = AUTH_MAGIC;
	a->pool = pool;
	a->key_subkey = key_subkey;
	a->cache = auth_cache_new(AUTH_CACHE_KEYS);
	return a;
}

void auth_free(struct auth *a)
{
	struct pb_err err = PB_ERR_INIT;

	if (!a)
		return;
	PB_CHECK_MAGIC(a, AUTH_MAGIC);
	/* coarse times: losing them when the database is away is no harm */
	if (auth_flush_used(a, &err) != PB_OK)
		pb_log(PB_LOG_WARN, "last-used times not written, ignoring",
		       PB_KV_STR("error.code", err.code));
	auth_cache_free(a->cache);
	a->magic = 0;
	free(a);
}

/* True for "api_key=...", "access_token=..." or any value that looks like one of our keys. */
static bool query_has_key(const char *query)
{
	static const char *const names[] = {"api_key", "apikey", "api-key", "x-api-key",
					    "access_token"};

	while (query && *query) {
		size_t len = strcspn(query, "&;");
		size_t name_n = strcspn(query, "=&;");
		const char *value = query + PB_MIN(name_n + 1, len);

		for (size_t i = 0; i < PB_ARRAY_LEN(names); i++)
			if (pb_slice_eq_nocase(pb_slice(query, name_n), names[i]))
				return true;
		if (pb_str_starts(value, "pb_key_") || pb_str_starts(value, "pb_adm_"))
			return true;
		query += len + (query[len] != '\0');
	}
	return false;
}

/* Finds the key among the credentials. Borrowed from @cred. */
static enum pb_status pick_key(const struct auth_credentials *cred, struct pb_slice *ret,
			       struct pb_err *err)
{
	struct pb_slice v;

	if (query_has_key(cred->query))
		return pb_err_set(err, PB_E_INVALID, "auth.key_in_query",
				  "keys in the query string are refused, they end up in logs; send "
				  "Authorization: Bearer, and revoke this key");
	if (cred->n_authorization + cred->n_api_key > 1)
		return pb_err_set(err, PB_E_INVALID, "auth.ambiguous",
				  "send exactly one Authorization or X-Api-Key header");
	if (cred->api_key) {
		*ret = pb_slice_str(cred->api_key);
		return PB_OK;
	}
	if (!cred->authorization)
		return pb_err_set(err, PB_E_UNAUTHENTICATED, "auth.missing",
				  "send Authorization: Bearer with an API key");
	v = pb_slice_str(cred->authorization);
	if (v.len <= 7 || !pb_slice_eq_nocase(pb_slice(v.p, 7), "Bearer "))
		return pb_err_set(err, PB_E_UNAUTHENTICATED, "auth.malformed",
				  "the Authorization header must be Bearer with an API key");
	*ret = pb_slice(v.p + 7, v.len - 7);
	return PB_OK;
}

/* Role and scopes as the database has them; an unknown word gives no rights. */
static void actor_from(const struct store_api_key *key, struct auth_actor *ret)
{
	enum tenant_role role = TENANT_VIEWER;
	tenant_permissions scopes = 0, rights = 0;

	if (tenant_role_parse(key->role, strlen(key->role), &role))
		rights = tenant_role_permissions(role);
	if (*key->scopes)
		rights &= tenant_permissions_parse(key->scopes, strlen(key->scopes), &scopes)
				  ? scopes
				  : 0;
	*ret = (struct auth_actor){
		.kind = AUTH_ACTOR_API_KEY,
		.tenant = key->tenant,
		.id = key->id,
		.user_id = PB_UUID_NIL,
		.role = role,
		.permissions = rights,
	};
}

/* The database's answer as a cache entry. */
static void judge(const struct store_api_key_found *f, int64_t now_us, struct auth_entry *e)
{
	const struct store_api_key *k = &f->key;

	*e = (struct auth_entry){.verdict = AUTH_GOOD, .until_us = INT64_MAX};
	actor_from(k, &e->actor);
	if (k->revoked_at_us)
		e->verdict = AUTH_REVOKED;
	else if (k->expires_at_us && k->expires_at_us <= f->db_now_us)
		e->verdict = AUTH_EXPIRED;
	else if (f->tenant_status != STORE_TENANT_ACTIVE)
		e->verdict = AUTH_SUSPENDED;
	else if (k->expires_at_us)
		e->until_us = now_us + (k->expires_at_us - f->db_now_us);
	e->note_use_us = now_us + AUTH_USED_EVERY_US;
}

static enum pb_status ask_database(struct auth *a, const uint8_t hash[CRYPTO_HASH_BYTES],
				   int64_t now_us, struct auth_entry *ret, struct pb_err *err)
{
	uint64_t epoch = auth_cache_epoch(a->cache);
	struct store_api_key_found found;
	pb_auto_arena arena;
	enum pb_status status;
	int64_t used_us;

	pb_arena_init(&arena, LOOKUP_ARENA);
	status = store_api_key_lookup(a->pool, hash, &arena, &found, err);
	if (status == PB_E_NOT_FOUND)
		return pb_err_set(err, PB_E_UNAUTHENTICATED, "auth.invalid",
				  "this API key is not known");
	if (status != PB_OK)
		return status;
	judge(&found, now_us, ret);
	used_us = found.key.last_used_at_us;
	if (ret->verdict == AUTH_GOOD &&
	    (!used_us || found.db_now_us - used_us >= AUTH_USED_EVERY_US))
		auth_cache_note_use(a->cache, &ret->actor, found.db_now_us);
	auth_cache_put(a->cache, hash, ret, epoch, now_us);
	return PB_OK;
}

static enum pb_status answer(enum auth_verdict verdict, struct pb_err *err)
{
	switch (verdict) {
	case AUTH_GOOD:
		return PB_OK;
	case AUTH_REVOKED:
		return pb_err_set(err, PB_E_UNAUTHENTICATED, "auth.revoked",
				  "this API key was revoked");
	case AUTH_EXPIRED:
		return pb_err_set(err, PB_E_UNAUTHENTICATED, "auth.expired",
				  "this API key has expired");
	case AUTH_SUSPENDED:
		return pb_err_set(err, PB_E_FORBIDDEN, "tenant.suspended",
				  "this organisation is not active");
	case AUTH_UNKNOWN:
		break;
	}
	return pb_err_set(err, PB_E_INTERNAL, "auth.internal", "no verdict");
}

enum pb_status auth_authenticate(struct auth *a, const struct auth_credentials *cred,
				 struct auth_actor *ret, struct pb_err *err)
{
	int64_t now_us = pb_mono_us();
	uint8_t hash[CRYPTO_HASH_BYTES];
	struct auth_entry e = {.verdict = AUTH_UNKNOWN};
	struct pb_slice key = {NULL, 0};
	enum pb_status status;

	PB_CHECK_MAGIC(a, AUTH_MAGIC);
	status = pick_key(cred, &key, err);
	if (status != PB_OK)
		return status;
	if (!auth_key_wellformed(key.p, key.len))
		return pb_err_set(err, PB_E_UNAUTHENTICATED, "auth.malformed",
				  "this is not an API key; it may have been cut or mistyped");
	auth_key_hash(a->key_subkey, key.p, key.len, hash);
	e.verdict = auth_cache_get(a->cache, hash, now_us, pb_now_us(), &e.actor);
	if (e.verdict == AUTH_UNKNOWN && cred->may_ask && !cred->may_ask(cred->arg))
		return pb_err_set(err, PB_E_LIMIT, "limits.exceeded",
				  "too many keys that do not exist were tried from this address; "
				  "wait as Retry-After says");
	if (e.verdict == AUTH_UNKNOWN) {
		status = ask_database(a, hash, now_us, &e, err);
		if (status != PB_OK)
			return status;
	}
	status = answer(e.verdict, err);
	if (status == PB_OK)
		*ret = e.actor;
	return status;
}

bool auth_actor_may(const struct auth_actor *actor, enum tenant_permission permission)
{
	return actor->kind != AUTH_ACTOR_NONE && (unsigned)permission < TENANT_PERMISSION_COUNT &&
	       actor->permissions & TENANT_BIT(permission);
}

enum pb_status auth_actor_require(const struct auth_actor *actor, enum tenant_permission permission,
				  struct pb_err *err)
{
	if (auth_actor_may(actor, permission))
		return PB_OK;
	return pb_err_set(err, PB_E_FORBIDDEN, "auth.forbidden", "this needs the permission %s",
			  tenant_permission_name(permission));
}

void auth_invalidate(struct auth *a, struct pb_uuid key_id)
{
	PB_CHECK_MAGIC(a, AUTH_MAGIC);
	auth_cache_forget(a->cache, key_id);
}

enum pb_status auth_flush_used(struct auth *a, struct pb_err *err)
{
	pb_autofree struct store_api_key_use *uses = NULL;

	PB_CHECK_MAGIC(a, AUTH_MAGIC);
	uses = pb_xcalloc(AUTH_USES_MAX, sizeof *uses);
	return store_api_key_used(a->pool, uses, auth_cache_take_uses(a->cache, uses), err);
}
