/* SPDX-License-Identifier: Apache-2.0 */
/* API key rows and tenants on a real server: limits, pages, the definer functions, and the wall. */
#include "store/store_api_key.h"

#include <check.h>

#include "base/clock.h"
#include "pg/pg_pool.h"
#include "support/check_main.h"
#include "support/pg_db.h"
#include "base/base.h"

static struct pg_db db;
static struct pg_pool *api, *admin, *super;
static struct pb_uuid tenant_a, tenant_b;
static struct pb_arena arena;
static struct pb_err err;

static void open_pool(const char *url, struct pg_pool **ret)
{
	const struct pg_pool_config config = {.url = url, .max_connections = 4, PG_DB_PATIENT};

	ck_assert_int_eq(pg_pool_new(&config, ret, &err), PB_OK);
}

static void setup(void)
{
	pg_db_open(&db);
	open_pool(db.api_url, &api);
	open_pool(db.admin_url, &admin);
	open_pool(db.super_url, &super);
	tenant_a = pb_uuid7();
	tenant_b = pb_uuid7();
	ck_assert_int_eq(store_tenant_create(admin, tenant_a, "aa", "A", &err), PB_OK);
	ck_assert_int_eq(store_tenant_create(admin, tenant_b, "bb", "B", &err), PB_OK);
	pb_arena_init(&arena, 4 << 20);
}

static void teardown(void)
{
	pb_arena_done(&arena);
	pg_pool_free(api);
	pg_pool_free(admin);
	pg_pool_free(super);
	pg_db_close(&db);
}

static enum pb_status insert(struct pg_pool *pool, struct pb_uuid tenant, const char *name,
			     const char *role, uint8_t hash_byte, struct pb_uuid *ret_id)
{
	const struct store_api_key key = {.id = pb_uuid7(),
					  .tenant = tenant,
					  .name = name,
					  .hint = "pb_key_AbCd",
					  .role = role,
					  .scopes = "workflow.read"};
	uint8_t hash[32] = {hash_byte};

	*ret_id = key.id;
	return store_api_key_create(pool, &key, hash, &err);
}

START_TEST(lookup__finds_by_exact_hash_only)
{
	struct store_api_key_found f;
	uint8_t hash[32] = {7};
	struct pb_uuid id;

	ck_assert_msg(insert(api, tenant_a, "k", "editor", 7, &id) == PB_OK, "%s", err.msg);
	ck_assert_msg(store_api_key_lookup(api, hash, &arena, &f, &err) == PB_OK, "%s", err.msg);
	ck_assert(pb_uuid_eq(f.key.id, id) && pb_uuid_eq(f.key.tenant, tenant_a));
	ck_assert_str_eq(f.key.role, "editor");
	ck_assert_str_eq(f.key.scopes, "workflow.read");
	ck_assert_int_eq(f.tenant_status, STORE_TENANT_ACTIVE);
	ck_assert_int_lt(llabs(f.db_now_us - pb_now_us()), 60 * PB_USEC_PER_SEC);
	hash[31] = 1;
	ck_assert_int_eq(store_api_key_lookup(api, hash, &arena, &f, &err), PB_E_NOT_FOUND);
	ck_assert_str_eq(err.code, "api_key.not_found");
}
END_TEST

START_TEST(create__constraints)
{
	struct pb_uuid id;

	ck_assert_int_eq(insert(api, tenant_a, "k", "viewer", 1, &id), PB_OK);
	ck_assert_int_eq(insert(api, tenant_a, "K", "viewer", 2, &id), PB_E_CONFLICT);
	ck_assert_str_eq(err.code, "api_key.name_taken");
	ck_assert_int_eq(insert(api, tenant_b, "k", "viewer", 3, &id), PB_OK);
	ck_assert_int_eq(insert(api, pb_uuid7(), "k", "viewer", 4, &id), PB_E_NOT_FOUND);
	ck_assert_str_eq(err.code, "tenant.not_found");
	/* the table itself keeps super admins in the platform tenant */
	ck_assert_int_ne(insert(api, tenant_a, "s", "super_admin", 5, &id), PB_OK);
	ck_assert_int_eq(insert(admin, STORE_PLATFORM_TENANT, "s", "super_admin", 6, &id), PB_OK);
	ck_assert_int_ne(insert(api, tenant_a, "r", "root", 8, &id), PB_OK);
}
END_TEST

START_TEST(create__too_many)
{
	static const struct pg_stmt fill = {
		.name = "t_fill",
		.sql = "INSERT INTO api_key (tenant_id, id, name, hint, hash, role)"
		       " SELECT $1, gen_random_uuid(), 'f' || n, '', sha256(n::text::bytea), "
		       "'viewer'"
		       " FROM generate_series(1, 1000) n"};
	pg_auto_args args = PG_ARGS_INIT;
	struct pb_uuid id;

	pg_arg_uuid(&args, tenant_a);
	ck_assert_msg(pg_query(super, NULL, &fill, &args, NULL, &err) == PB_OK, "%s", err.msg);
	ck_assert_int_eq(insert(api, tenant_a, "k", "viewer", 1, &id), PB_E_LIMIT);
	ck_assert_str_eq(err.code, "api_key.too_many");
	ck_assert_int_eq(insert(api, tenant_b, "k", "viewer", 1, &id), PB_OK);
}
END_TEST

START_TEST(used__moves_forward_for_many_tenants)
{
	struct store_api_key_use uses[2];
	struct store_api_key a, b;
	struct pb_uuid ida, idb;
	int64_t now = pb_now_us();

	ck_assert_int_eq(insert(api, tenant_a, "k", "viewer", 1, &ida), PB_OK);
	ck_assert_int_eq(insert(api, tenant_b, "k", "viewer", 2, &idb), PB_OK);
	uses[0] = (struct store_api_key_use){tenant_a, ida, now - 5000000};
	uses[1] = (struct store_api_key_use){tenant_b, idb,
					     now + 3600 * PB_USEC_PER_SEC}; /* a wrong clock */
	ck_assert_msg(store_api_key_used(api, uses, 2, &err) == PB_OK, "%s", err.msg);
	ck_assert_int_eq(store_api_key_get(api, tenant_a, ida, &arena, &a, &err), PB_OK);
	ck_assert_int_eq(store_api_key_get(api, tenant_b, idb, &arena, &b, &err), PB_OK);
	ck_assert_int_eq(a.last_used_at_us, now - 5000000);
	ck_assert_int_lt(b.last_used_at_us, now + 60 * PB_USEC_PER_SEC);
	uses[0].used_at_us -= 1000000;
	ck_assert_int_eq(store_api_key_used(api, uses, 1, &err), PB_OK);
	ck_assert_int_eq(store_api_key_get(api, tenant_a, ida, &arena, &a, &err), PB_OK);
	ck_assert_int_eq(a.last_used_at_us, now - 5000000); /* not back */
	ck_assert_int_eq(store_api_key_used(api, NULL, 0, &err), PB_OK);
}
END_TEST

START_TEST(every_verb__rejects_foreign_tenant)
{
	struct store_api_key key, *rows;
	struct pb_uuid id;
	size_t n;

	ck_assert_int_eq(insert(api, tenant_a, "k", "viewer", 1, &id), PB_OK);
	ck_assert_int_eq(store_api_key_get(api, tenant_b, id, &arena, &key, &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(store_api_key_get_by_name(api, tenant_b, "k", &arena, &key, &err),
			 PB_E_NOT_FOUND);
	ck_assert_int_eq(store_api_key_revoke(api, tenant_b, id, &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(
		store_api_key_list(api, tenant_b, PB_UUID_NIL, 10, &arena, &rows, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(
		store_api_key_list(api, tenant_a, PB_UUID_NIL, 10, &arena, &rows, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(rows[0].revoked_at_us, 0);
}
END_TEST

/* Without a tenant nothing is seen; the definer's door closes behind it; others may not use it. */
START_TEST(row_security__stands_alone)
{
	static const struct pg_stmt count = {.name = "t_count",
					     .sql = "SELECT count(*) FROM api_key"};
	static const struct pg_stmt door = {.name = "t_door",
					    .sql = "SELECT count(*), (SELECT count(*) FROM "
						   "api_key_lookup(sha256('x'))) FROM api_key"};
	static const struct pg_stmt flag = {
		.name = "t_flag", .sql = "SELECT set_config('app.definer', 'api_key', true)"};
	static const struct pg_stmt hash = {.name = "t_hash",
					    .sql = "SELECT * FROM api_key_lookup('\\x00')"};
	struct pg_pool *engine, *migrate;
	pb_autoptr(pg_result) r1 = NULL;
	pb_autoptr(pg_result) r2 = NULL;
	pb_autoptr(pg_result) r3 = NULL;
	pb_autoptr(pg_result) r4 = NULL;
	pb_autoptr(pg_tx) tx = NULL;
	struct pb_uuid id;

	ck_assert_int_eq(insert(api, tenant_a, "k", "viewer", 1, &id), PB_OK);
	ck_assert_int_eq(pg_query(api, NULL, &count, NULL, &r1, &err), PB_OK);
	ck_assert_int_eq(pg_get_i64(r1, 0, 0), 0);
	ck_assert_int_eq(pg_query(api, &tenant_b, &door, NULL, &r2, &err), PB_OK);
	ck_assert_int_eq(pg_get_i64(r2, 0, 0), 0);
	/* setting the flag oneself opens nothing: the policy is for the owner */
	ck_assert_int_eq(pg_tx_begin(api, NULL, &tx, &err), PB_OK);
	ck_assert_int_eq(pg_tx_query(tx, &flag, NULL, NULL, &err), PB_OK);
	ck_assert_int_eq(pg_tx_last(tx, &count, NULL, &r3, &err), PB_OK);
	ck_assert_int_eq(pg_get_i64(r3, 0, 0), 0);
	open_pool(db.engine_url, &engine);
	ck_assert_int_eq(pg_query(engine, NULL, &count, NULL, NULL, &err), PB_E_FORBIDDEN);
	ck_assert_int_eq(pg_query(engine, NULL, &hash, NULL, NULL, &err), PB_E_FORBIDDEN);
	pg_pool_free(engine);
	open_pool(db.migrate_url, &migrate);
	ck_assert_int_eq(pg_query(migrate, NULL, &count, NULL, &r4, &err), PB_OK);
	ck_assert_int_eq(pg_get_i64(r4, 0, 0), 0);
	pg_pool_free(migrate);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("store_api_key");
	TCase *t = tcase_create("api_key");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, lookup__finds_by_exact_hash_only);
	tcase_add_test(t, create__constraints);
	tcase_add_test(t, create__too_many);
	tcase_add_test(t, used__moves_forward_for_many_tenants);
	tcase_add_test(t, every_verb__rejects_foreign_tenant);
	tcase_add_test(t, row_security__stands_alone);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
