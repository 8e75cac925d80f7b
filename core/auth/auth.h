/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is asking: turns the credentials of a request into an actor (tenant, role, permissions) and
 * manages API keys. Answers are cached for AUTH_CACHE_TTL_US; a revoked key dies at once in this
 * process, elsewhere with the config notice (auth_invalidate) or at the latest after that time.
 */
#ifndef PB_AUTH_AUTH_H
#define PB_AUTH_AUTH_H

#include "auth/auth_key.h"
#include "base/id.h"
#include "tenant/tenant_role.h"

#define AUTH_CACHE_TTL_US  INT64_C(10000000)
#define AUTH_CACHE_KEYS    4096
#define AUTH_USED_EVERY_US INT64_C(60000000)

struct auth;
struct pg_pool;

/* Sessions, OAuth2 clients and development logins join here; whoever reads an actor needs not care.
 */
enum auth_actor_kind { AUTH_ACTOR_NONE, AUTH_ACTOR_API_KEY, AUTH_ACTOR_SESSION, AUTH_ACTOR_CLIENT };

struct auth_actor {
	enum auth_actor_kind kind;
	struct pb_uuid tenant;
	struct pb_uuid id;      /* of the API key, session or client */
	struct pb_uuid user_id; /* nil for API keys */
	enum tenant_role role;
	tenant_permissions permissions; /* role and scopes already joined */
};

/* What the request carried. @authorization and @api_key are NULL when absent. */
struct auth_credentials {
	const char *authorization; /* value of the first Authorization header */
	size_t n_authorization;    /* how many Authorization headers there were */
	const char *api_key;       /* value of the first X-Api-Key header */
	size_t n_api_key;
	const char *query; /* raw query string or NULL: keys in it are refused */
	/* Asked before the database is; false refuses with limits.exceeded. NULL: always yes. */
	bool (*may_ask)(void *arg);
	void *arg;
};

/*
 * Owner:   @pool (role patchbay_api) and @key_subkey (CRYPTO_PURPOSE_API_KEY) borrowed until
 * auth_free(). Threads: [main, before start]
 */
struct auth *auth_new(struct pg_pool *pool, const struct crypto_secret *key_subkey);
/* Writes the last-used times that are still in memory, then frees. */
void auth_free(struct auth *a);
PB_DEFINE_AUTOPTR(auth, auth_free);

/*
 * Who is asking?
 * Errors:  401 auth.missing, auth.malformed, auth.invalid, auth.expired, auth.revoked; 400
 * auth.ambiguous (two headers, or both kinds), auth.key_in_query; 403 tenant.suspended; 429
 * limits.exceeded (@cred->may_ask said no); database errors. Threads: [request]: may ask the database when the key is not cached.
 */
enum pb_status auth_authenticate(struct auth *a, const struct auth_credentials *cred,
				 struct auth_actor *ret, struct pb_err *err) pb_must_check;

bool auth_actor_may(const struct auth_actor *actor, enum tenant_permission permission);
/* The same as a status: PB_E_FORBIDDEN auth.forbidden with the permission's name in the message. */
enum pb_status auth_actor_require(const struct auth_actor *actor, enum tenant_permission permission,
				  struct pb_err *err) pb_must_check;

/* A notice said that this key (or, for nil, any key) changed. Cheap, no I/O. [any-thread] */
void auth_invalidate(struct auth *a, struct pb_uuid key_id);
/* Writes due last-used times in one statement; call it every few seconds. [worker] */
enum pb_status auth_flush_used(struct auth *a, struct pb_err *err) pb_must_check;

struct auth_key_request {
	const char *name; /* 1..100 characters, unique among the tenant's live keys */
	enum tenant_role role;
	tenant_permissions scopes; /* 0 = all of the role */
	int64_t expires_at_us;     /* 0 = never */
};

/*
 * A new API key in the actor's tenant.
 * Owner:   @ret_key gets the text, the only time it exists: show it, then crypto_wipe() it.
 * Errors:  PB_E_FORBIDDEN auth.forbidden (no api_key.write), auth.escalation (more than the actor
 * has); PB_E_UNPROCESSABLE api_key.name, api_key.scopes, api_key.expiry; PB_E_CONFLICT
 * api_key.name_taken; PB_E_LIMIT api_key.too_many (1000 live keys in a tenant). Threads: [request]
 */
enum pb_status auth_key_create(struct auth *a, const struct auth_actor *actor,
			       const struct auth_key_request *req, struct pb_uuid *ret_id,
			       char ret_key[AUTH_KEY_TEXT_BYTES], struct pb_err *err) pb_must_check;
/* Errors: PB_E_FORBIDDEN, PB_E_NOT_FOUND api_key.not_found. Revoking twice is fine. */
enum pb_status auth_key_revoke(struct auth *a, const struct auth_actor *actor, struct pb_uuid id,
			       struct pb_err *err) pb_must_check;

#endif
