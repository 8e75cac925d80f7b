/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authentication, key management and bootstrap on a real server: every refusal has its code, revocation works
 * at once, nobody grants more than he has.
 */
#include "auth/auth.h"

#include <check.h>
#include <poll.h>

#include "auth/auth_bootstrap.h"
#include "auth/auth_private.h"
#include "base/clock.h"
#include "pg/pg_pool.h"
#include "support/check_main.h"
#include "support/pg_db.h"
#include "base/base.h"

static struct pg_db db;
static struct pg_pool *api, *admin;
static struct crypto_secret *subkey;
static struct auth *auth;
static struct pb_uuid tenant_a, tenant_b;
static struct pb_err err;

static void setup(void)
{
	struct pg_pool_config config = {.max_connections = 4, PG_DB_PATIENT};

	pg_db_open(&db);
	config.url = db.api_url;
	ck_assert_int_eq(pg_pool_new(&config, &api, &err), PB_OK);
	config.url = db.admin_url;
	ck_assert_int_eq(pg_pool_new(&config, &admin, &err), PB_OK);
	tenant_a = pb_uuid7();
	tenant_b = pb_uuid7();
	ck_assert_int_eq(store_tenant_create(admin, tenant_a, "aa", "A", &err), PB_OK);
	ck_assert_int_eq(store_tenant_create(admin, tenant_b, "bb", "B", &err), PB_OK);
	subkey = crypto_secret_random(32);
	auth = auth_new(api, subkey);
}

static void teardown(void)
{
	auth_free(auth);
	crypto_secret_free(subkey);
	pg_pool_free(api);
	pg_pool_free(admin);
	pg_db_close(&db);
}

/* A key straight into the store, for the role and scopes given. */
static struct pb_uuid seed(struct pb_uuid tenant, const char *name, enum tenant_role role,
			   tenant_permissions scopes, int64_t expires_at_us,
			   char key[AUTH_KEY_TEXT_BYTES])
{
	const struct auth_key_request req = {name, role, scopes, expires_at_us};
	struct pb_uuid id;

	ck_assert_msg(auth_key_make(api, subkey, tenant, PB_UUID_NIL, &req, &id, key, &err) ==
			      PB_OK,
		      "%s", err.msg);
	return id;
}

static enum pb_status bearer(struct auth *a, const char *key, struct auth_actor *actor)
{
	char header[128];
	const struct auth_credentials cred = {.authorization = header, .n_authorization = 1};

	ck_assert(pb_str_printf(header, sizeof header, "Bearer %s", key));
	err = (struct pb_err)PB_ERR_INIT;
	return auth_authenticate(a, &cred, actor, &err);
}

START_TEST(authenticate__good_key)
{
	char key[AUTH_KEY_TEXT_BYTES], header[128];
	struct pb_uuid id = seed(tenant_a, "k", TENANT_EDITOR, 0, 0, key);
	struct auth_credentials cred = {
		.api_key = key, .n_api_key = 1, .query = "limit=5&cursor=x"};
	struct auth_actor actor;

	ck_assert_msg(bearer(auth, key, &actor) == PB_OK, "%s", err.msg);
	ck_assert_int_eq(actor.kind, AUTH_ACTOR_API_KEY);
	ck_assert(pb_uuid_eq(actor.tenant, tenant_a) && pb_uuid_eq(actor.id, id));
	ck_assert_int_eq(actor.role, TENANT_EDITOR);
	ck_assert_uint_eq(actor.permissions, tenant_role_permissions(TENANT_EDITOR));
	ck_assert_int_eq(auth_authenticate(auth, &cred, &actor, &err), PB_OK); /* X-Api-Key */
	ck_assert(pb_str_printf(header, sizeof header, "bEARER %s", key));
	cred = (struct auth_credentials){.authorization = header, .n_authorization = 1};
	ck_assert_int_eq(auth_authenticate(auth, &cred, &actor, &err), PB_OK);
	ck_assert(auth_actor_may(&actor, TENANT_WORKFLOW_WRITE));
	ck_assert(!auth_actor_may(&actor, TENANT_API_KEY_WRITE));
	ck_assert_int_eq(auth_actor_require(&actor, TENANT_API_KEY_WRITE, &err), PB_E_FORBIDDEN);
	ck_assert_str_eq(err.code, "auth.forbidden");
	ck_assert(!auth_actor_may(&(struct auth_actor){.permissions = UINT64_MAX},
				  TENANT_WORKFLOW_READ));
}
END_TEST

START_TEST(authenticate__scopes_narrow_the_role)
{
	char key[AUTH_KEY_TEXT_BYTES];
	struct auth_actor actor;

	/* a scope outside the role gives nothing, even if it stands in the row */
	seed(tenant_a, "k", TENANT_OPERATOR,
	     TENANT_BIT(TENANT_WORKFLOW_READ) | TENANT_BIT(TENANT_API_KEY_WRITE), 0, key);
	ck_assert_int_eq(bearer(auth, key, &actor), PB_OK);
	ck_assert_uint_eq(actor.permissions, TENANT_BIT(TENANT_WORKFLOW_READ));
}
END_TEST

static const struct {
	struct auth_credentials cred;
	enum pb_status status;
	const char *code;
} refused[] = {
	{{.n_authorization = 0}, PB_E_UNAUTHENTICATED, "auth.missing"},
	{{.authorization = "", .n_authorization = 1}, PB_E_UNAUTHENTICATED, "auth.malformed"},
	{{.authorization = "Bearer ", .n_authorization = 1},
	 PB_E_UNAUTHENTICATED,
	 "auth.malformed"},
	{{.authorization = "Bearer x", .n_authorization = 1},
	 PB_E_UNAUTHENTICATED,
	 "auth.malformed"},
	{{.authorization = "Basic dTpw", .n_authorization = 1},
	 PB_E_UNAUTHENTICATED,
	 "auth.malformed"},
	{{.authorization = "Bearer x", .n_authorization = 2}, PB_E_INVALID, "auth.ambiguous"},
	{{.authorization = "Bearer x", .n_authorization = 1, .api_key = "y", .n_api_key = 1},
	 PB_E_INVALID,
	 "auth.ambiguous"},
	{{.api_key = "y", .n_api_key = 2}, PB_E_INVALID, "auth.ambiguous"},
	{{.api_key = "", .n_api_key = 1}, PB_E_UNAUTHENTICATED, "auth.malformed"},
	{{.query = "a=1&api_key=x"}, PB_E_INVALID, "auth.key_in_query"},
	{{.query = "API_KEY=x"}, PB_E_INVALID, "auth.key_in_query"},
	{{.query = "access_token=x"}, PB_E_INVALID, "auth.key_in_query"},
	{{.query = "t=pb_key_abc"}, PB_E_INVALID, "auth.key_in_query"},
	{{.query = "a&b=;c=pb_adm_abc"}, PB_E_INVALID, "auth.key_in_query"},
	{{.query = "a=1&&=&b"}, PB_E_UNAUTHENTICATED, "auth.missing"},
};

START_TEST(authenticate__refuses_shapes)
{
	struct auth_actor actor;

	for (size_t i = 0; i < PB_ARRAY_LEN(refused); i++) {
		ck_assert_int_eq(auth_authenticate(auth, &refused[i].cred, &actor, &err),
				 refused[i].status);
		ck_assert_str_eq(err.code, refused[i].code);
	}
}
END_TEST

START_TEST(authenticate__unknown_expired_revoked_suspended)
{
	char key[AUTH_KEY_TEXT_BYTES], spaced[AUTH_KEY_TEXT_BYTES + 1];
	struct auth_actor actor;
	struct pb_uuid id;

	auth_key_generate(AUTH_KEY_TENANT, key);
	ck_assert_int_eq(bearer(auth, key, &actor), PB_E_UNAUTHENTICATED);
	ck_assert_str_eq(err.code, "auth.invalid");

	id = seed(tenant_a, "r", TENANT_VIEWER, 0, 0, key);
	ck_assert(pb_str_printf(spaced, sizeof spaced, "%s ", key));
	ck_assert_int_eq(bearer(auth, spaced, &actor), PB_E_UNAUTHENTICATED);
	ck_assert_str_eq(err.code, "auth.malformed");
	ck_assert_int_eq(bearer(auth, key, &actor), PB_OK);
	ck_assert_int_eq(store_api_key_revoke(api, tenant_a, id, &err), PB_OK);
	ck_assert_int_eq(bearer(auth, key, &actor), PB_OK); /* cached: the documented delay */
	auth_invalidate(auth, id);                          /* the notice */
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(bearer(auth, key, &actor), PB_E_UNAUTHENTICATED);
		ck_assert_str_eq(err.code, "auth.revoked");
	}

	seed(tenant_b, "s", TENANT_OWNER, 0, 0, key);
	ck_assert_int_eq(bearer(auth, key, &actor), PB_OK);
	ck_assert_int_eq(store_tenant_set_status(admin, tenant_b, STORE_TENANT_SUSPENDED, &err),
			 PB_OK);
	auth_invalidate(auth, PB_UUID_NIL);
	ck_assert_int_eq(bearer(auth, key, &actor), PB_E_FORBIDDEN);
	ck_assert_str_eq(err.code, "tenant.suspended");
}
END_TEST

/* Expiry by the database's clock, and also while the answer is cached. */
START_TEST(authenticate__expires)
{
	static const struct pg_stmt expire = {
		.name = "t_expire",
		.sql = "UPDATE api_key SET created_at = now() - interval '2 s',"
		       " expires_at = now() - interval '1 s'"};
	char key[AUTH_KEY_TEXT_BYTES], name[8];
	struct pg_pool_config config = {.url = db.super_url, PG_DB_PATIENT};
	struct pg_pool *super;
	struct auth_actor actor;
	int64_t end_us = 0;
	enum pb_status st = PB_E_UNAUTHENTICATED;

	/* one that is seen to work before it ends: on a busy machine that needs a longer life */
	for (int life_s = 3; st != PB_OK; life_s *= 2) {
		ck_assert(life_s <= 24 && pb_now_us() >= end_us);
		end_us = pb_now_us() + life_s * PB_USEC_PER_SEC;
		ck_assert(pb_str_printf(name, sizeof name, "e%d", life_s));
		seed(tenant_a, name, TENANT_VIEWER, 0, end_us, key);
		st = bearer(auth, key, &actor);
	}
	while (pb_now_us() <
	       end_us + 200000) /* the cached answer must end with the key, without any notice */
		(void)poll(NULL, 0, 20);
	ck_assert_int_eq(bearer(auth, key, &actor), PB_E_UNAUTHENTICATED);
	ck_assert_str_eq(err.code, "auth.expired");

	seed(tenant_a, "f", TENANT_VIEWER, 0, pb_now_us() + 3600 * PB_USEC_PER_SEC, key);
	ck_assert_int_eq(pg_pool_new(&config, &super, &err), PB_OK);
	ck_assert_int_eq(pg_query(super, NULL, &expire, NULL, NULL, &err), PB_OK);
	pg_pool_free(super);
	ck_assert_int_eq(bearer(auth, key, &actor), PB_E_UNAUTHENTICATED);
	ck_assert_str_eq(err.code, "auth.expired");
}
END_TEST

START_TEST(stored_hash__depends_on_the_subkey)
{
	pb_autoptr(crypto_secret) other = crypto_secret_random(32);
	struct auth *foreign = auth_new(api, other);
	char key[AUTH_KEY_TEXT_BYTES];
	struct auth_actor actor;

	seed(tenant_a, "k", TENANT_VIEWER, 0, 0, key);
	ck_assert_int_eq(bearer(foreign, key, &actor), PB_E_UNAUTHENTICATED);
	ck_assert_str_eq(err.code, "auth.invalid");
	auth_free(foreign);
}
END_TEST

START_TEST(last_used__is_written_coarsely)
{
	char key[AUTH_KEY_TEXT_BYTES];
	struct pb_uuid id = seed(tenant_a, "k", TENANT_VIEWER, 0, 0, key);
	struct store_api_key row;
	struct auth_actor actor;
	pb_auto_arena arena;
	int64_t first;

	pb_arena_init(&arena, 65536);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(bearer(auth, key, &actor), PB_OK);
	ck_assert_int_eq(store_api_key_get(api, tenant_a, id, &arena, &row, &err), PB_OK);
	ck_assert_int_eq(row.last_used_at_us, 0);
	ck_assert_msg(auth_flush_used(auth, &err) == PB_OK, "%s", err.msg);
	ck_assert_int_eq(store_api_key_get(api, tenant_a, id, &arena, &row, &err), PB_OK);
	first = row.last_used_at_us;
	ck_assert_int_gt(first, 0);
	auth_invalidate(auth, id); /* read again: the database says it was noted a moment ago */
	ck_assert_int_eq(bearer(auth, key, &actor), PB_OK);
	ck_assert_int_eq(auth_flush_used(auth, &err), PB_OK);
	ck_assert_int_eq(store_api_key_get(api, tenant_a, id, &arena, &row, &err), PB_OK);
	ck_assert_int_eq(row.last_used_at_us, first);
}
END_TEST

static struct auth_actor actor_with(enum tenant_role role, tenant_permissions scopes)
{
	return (struct auth_actor){.kind = AUTH_ACTOR_API_KEY,
				   .tenant = tenant_a,
				   .id = pb_uuid7(),
				   .role = role,
				   .permissions = tenant_role_permissions(role) &
						  (scopes ? scopes : UINT64_MAX)};
}

#define KEY_WRITE TENANT_BIT(TENANT_API_KEY_WRITE)
#define WF_READ   TENANT_BIT(TENANT_WORKFLOW_READ)

static const struct {
	enum tenant_role maker;
	tenant_permissions maker_scopes;
	enum tenant_role role;
	tenant_permissions scopes;
	const char *code; /* NULL = allowed */
} grants[] = {
	{TENANT_ADMIN, 0, TENANT_ADMIN, 0, NULL},
	{TENANT_ADMIN, 0, TENANT_VIEWER, 0, NULL},
	{TENANT_ADMIN, 0, TENANT_ADMIN, WF_READ, NULL},
	{TENANT_ADMIN, KEY_WRITE | WF_READ, TENANT_ADMIN, WF_READ, NULL},
	{TENANT_OWNER, 0, TENANT_OWNER, 0, NULL},
	{TENANT_EDITOR, 0, TENANT_VIEWER, 0, "auth.forbidden"},
	{TENANT_ADMIN, WF_READ, TENANT_VIEWER, 0, "auth.forbidden"},
	{TENANT_ADMIN, 0, TENANT_OWNER, 0, "auth.escalation"},
	{TENANT_ADMIN, 0, TENANT_OWNER, WF_READ, "auth.escalation"},
	{TENANT_ADMIN, KEY_WRITE, TENANT_ADMIN, 0, "auth.escalation"},
	{TENANT_ADMIN, KEY_WRITE, TENANT_VIEWER, 0, "auth.escalation"},
	{TENANT_ADMIN, KEY_WRITE, TENANT_ADMIN, WF_READ, "auth.escalation"},
	{TENANT_OWNER, 0, TENANT_SUPER_ADMIN, 0, "auth.escalation"},
	{TENANT_SUPER_ADMIN, 0, TENANT_SUPER_ADMIN, 0,
	 "auth.escalation"}, /* not in the platform tenant */
	{TENANT_OWNER, 0, TENANT_VIEWER, KEY_WRITE, "api_key.scopes"},
};

START_TEST(key_create__no_escalation)
{
	const struct auth_actor maker = actor_with(grants[_i].maker, grants[_i].maker_scopes);
	const struct auth_key_request req = {"new", grants[_i].role, grants[_i].scopes, 0};
	char key[AUTH_KEY_TEXT_BYTES] = "untouched";
	struct auth_actor got;
	struct pb_uuid id;
	enum pb_status status = auth_key_create(auth, &maker, &req, &id, key, &err);

	if (grants[_i].code) {
		ck_assert_int_ne(status, PB_OK);
		ck_assert_str_eq(err.code, grants[_i].code);
		ck_assert_str_eq(key, "untouched");
		return;
	}
	ck_assert_msg(status == PB_OK, "%s", err.msg);
	ck_assert_int_eq(bearer(auth, key, &got), PB_OK);
	ck_assert(pb_uuid_eq(got.id, id) && pb_uuid_eq(got.tenant, tenant_a));
	ck_assert_uint_eq(got.permissions & ~maker.permissions, 0);
}
END_TEST

START_TEST(key_create__refuses_bad_requests)
{
	const struct auth_actor owner = actor_with(TENANT_OWNER, 0);
	struct auth_key_request req = {"", TENANT_VIEWER, 0, 0};
	char key[AUTH_KEY_TEXT_BYTES];
	struct pb_uuid id;

	ck_assert_int_eq(auth_key_create(auth, &owner, &req, &id, key, &err), PB_E_UNPROCESSABLE);
	ck_assert_str_eq(err.code, "api_key.name");
	req.name = "past";
	req.expires_at_us = pb_now_us() - PB_USEC_PER_SEC;
	ck_assert_int_eq(auth_key_create(auth, &owner, &req, &id, key, &err), PB_E_UNPROCESSABLE);
	ck_assert_str_eq(err.code, "api_key.expiry");
	req = (struct auth_key_request){"one", TENANT_VIEWER, 0, 0};
	ck_assert_int_eq(auth_key_create(auth, &owner, &req, &id, key, &err), PB_OK);
	req.name = "ONE";
	ck_assert_int_eq(auth_key_create(auth, &owner, &req, &id, key, &err), PB_E_CONFLICT);
	ck_assert_str_eq(err.code, "api_key.name_taken");
	ck_assert_int_eq(auth_key_revoke(auth, &owner, id, &err), PB_OK);
	ck_assert_int_eq(auth_key_create(auth, &owner, &req, &id, key, &err),
			 PB_OK); /* the name is free again */
}
END_TEST

START_TEST(key_revoke__at_once_own_tenant_not_upward)
{
	char key[AUTH_KEY_TEXT_BYTES], foreign[AUTH_KEY_TEXT_BYTES], boss[AUTH_KEY_TEXT_BYTES];
	struct pb_uuid id = seed(tenant_a, "k", TENANT_VIEWER, 0, 0, key);
	struct pb_uuid b_id = seed(tenant_b, "k", TENANT_VIEWER, 0, 0, foreign);
	struct pb_uuid boss_id = seed(tenant_a, "boss", TENANT_OWNER, 0, 0, boss);
	const struct auth_actor maker = actor_with(TENANT_ADMIN, 0),
				editor = actor_with(TENANT_EDITOR, 0);
	struct auth_actor actor;

	ck_assert_int_eq(bearer(auth, key, &actor), PB_OK);
	ck_assert_int_eq(auth_key_revoke(auth, &editor, id, &err), PB_E_FORBIDDEN);
	ck_assert_int_eq(auth_key_revoke(auth, &maker, boss_id, &err), PB_E_FORBIDDEN);
	ck_assert_int_eq(auth_key_revoke(auth, &maker, b_id, &err), PB_E_NOT_FOUND);
	ck_assert_str_eq(err.code, "api_key.not_found");
	ck_assert_int_eq(bearer(auth, foreign, &actor), PB_OK);
	ck_assert_int_eq(auth_key_revoke(auth, &maker, id, &err), PB_OK);
	ck_assert_int_eq(bearer(auth, key, &actor), PB_E_UNAUTHENTICATED);
	ck_assert_str_eq(err.code, "auth.revoked");
	ck_assert_int_eq(auth_key_revoke(auth, &maker, id, &err), PB_OK);
}
END_TEST

START_TEST(bootstrap__makes_what_is_missing)
{
	struct auth_bootstrap_options opt = {.development = true};
	struct auth_bootstrap_result r, again, renewed;
	struct auth_actor actor;

	ck_assert_msg(auth_bootstrap(admin, subkey, &opt, &r, &err) == PB_OK, "%s: %s", err.code,
		      err.msg);
	ck_assert_int_eq(bearer(auth, r.platform_key, &actor), PB_OK);
	ck_assert(auth_actor_may(&actor, TENANT_CONNECTOR_ADMIN));
	ck_assert(pb_uuid_eq(actor.tenant, STORE_PLATFORM_TENANT));
	ck_assert(pb_str_starts(r.platform_key, "pb_adm_") &&
		  pb_str_starts(r.tenant_key, "pb_key_"));
	ck_assert_int_eq(bearer(auth, r.tenant_key, &actor), PB_OK);
	ck_assert_int_eq(actor.role, TENANT_OWNER);
	ck_assert(pb_uuid_eq(actor.tenant, r.tenant));
	ck_assert_int_eq(auth_bootstrap(admin, subkey, &opt, &again, &err), PB_OK);
	ck_assert_str_eq(again.platform_key, "");
	ck_assert_str_eq(again.tenant_key, "");
	ck_assert(pb_uuid_eq(again.tenant, r.tenant) &&
		  pb_uuid_eq(again.tenant_key_id, r.tenant_key_id));
	opt.renew = true;
	ck_assert_int_eq(auth_bootstrap(admin, subkey, &opt, &renewed, &err), PB_OK);
	auth_invalidate(auth, PB_UUID_NIL);
	ck_assert_int_eq(bearer(auth, r.platform_key, &actor), PB_E_UNAUTHENTICATED);
	ck_assert_int_eq(bearer(auth, renewed.platform_key, &actor), PB_OK);
	opt.tenant_slug = "Bad Slug";
	ck_assert_int_eq(auth_bootstrap(admin, subkey, &opt, &r, &err), PB_E_UNPROCESSABLE);
	ck_assert_str_eq(err.code, "tenant.slug");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("auth");
	TCase *t = tcase_create("auth");

	crypto_init();
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, authenticate__good_key);
	tcase_add_test(t, authenticate__scopes_narrow_the_role);
	tcase_add_test(t, authenticate__refuses_shapes);
	tcase_add_test(t, authenticate__unknown_expired_revoked_suspended);
	tcase_add_test(t, authenticate__expires);
	tcase_add_test(t, stored_hash__depends_on_the_subkey);
	tcase_add_test(t, last_used__is_written_coarsely);
	tcase_add_loop_test(t, key_create__no_escalation, 0, PB_ARRAY_LEN(grants));
	tcase_add_test(t, key_create__refuses_bad_requests);
	tcase_add_test(t, key_revoke__at_once_own_tenant_not_upward);
	tcase_add_test(t, bootstrap__makes_what_is_missing);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
