/* SPDX-License-Identifier: Apache-2.0 */
/* Wrapped keys on a real server: first writer wins, changes name what they replace, roles keep apart. */
#include "store/store_data_key.h"

#include <check.h>

#include "pg/pg_pool.h"
#include "store/store_tenant.h"
#include "support/check_main.h"
#include "support/pg_db.h"
#include "base/base.h"

static struct pg_db db;
static struct pg_pool *api, *admin;
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
}

static void teardown(void)
{
	pg_pool_free(api);
	pg_pool_free(admin);
	pg_db_close(&db);
}

static struct store_data_key key(struct pb_uuid tenant, uint32_t id, uint8_t fill)
{
	struct store_data_key k = {.tenant = tenant, .id = id, .kek_id = "kek_1", .wrapped_n = 77};

	memset(k.wrapped, fill, 77);
	return k;
}

START_TEST(insert__first_writer_wins)
{
	struct store_data_key a = key(tenant_a, 1, 0xa), b = key(tenant_a, 1, 0xb), got;
	struct store_data_key top = key(tenant_a, UINT32_MAX, 0xc),
			      nobody = key(pb_uuid7(), 1, 0xd);

	ck_assert_int_eq(store_data_key_get(api, tenant_a, 0, &got, &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(store_data_key_insert(api, &a, &err), PB_OK);
	ck_assert_int_eq(store_data_key_insert(api, &b, &err), PB_E_CONFLICT);
	ck_assert_str_eq(err.code, "data_key.exists");
	ck_assert_int_eq(store_data_key_insert(api, &top, &err), PB_OK);
	ck_assert_int_eq(store_data_key_get(api, tenant_a, 1, &got, &err), PB_OK);
	ck_assert_uint_eq(got.wrapped_n, 77);
	ck_assert_mem_eq(got.wrapped, a.wrapped, 77);
	ck_assert_int_eq(store_data_key_get(api, tenant_a, 0, &got, &err), PB_OK);
	ck_assert_uint_eq(got.id, UINT32_MAX); /* the newest */
	ck_assert_int_eq(store_data_key_insert(api, &nobody, &err), PB_E_NOT_FOUND);
	ck_assert_str_eq(err.code, "tenant.not_found");
}
END_TEST

START_TEST(rewrap__names_what_it_replaces)
{
	struct store_data_key a = key(tenant_a, 1, 0xa), list[4];
	size_t n;

	ck_assert_int_eq(store_data_key_insert(api, &a, &err), PB_OK);
	ck_assert_int_eq(store_data_key_list_other_kek(admin, "kek_2", list, 4, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 1);
	ck_assert(pb_str_copy(a.kek_id, sizeof a.kek_id, "kek_2"));
	ck_assert_int_eq(store_data_key_rewrap(api, &a, "kek_1", &err),
			 PB_E_FORBIDDEN); /* admin's right */
	ck_assert_int_eq(store_data_key_rewrap(admin, &a, "kek_0", &err), PB_E_CONFLICT);
	ck_assert_int_eq(store_data_key_rewrap(admin, &a, "kek_1", &err), PB_OK);
	ck_assert_int_eq(store_data_key_rewrap(admin, &a, "kek_1", &err), PB_E_CONFLICT);
	ck_assert_str_eq(err.code, "data_key.changed");
	ck_assert_int_eq(store_data_key_list_other_kek(admin, "kek_2", list, 4, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(shred__own_tenant_only)
{
	struct store_data_key a = key(tenant_a, 1, 0xa), b = key(tenant_b, 1, 0xb), got;

	ck_assert_int_eq(store_data_key_insert(api, &a, &err), PB_OK);
	ck_assert_int_eq(store_data_key_insert(api, &b, &err), PB_OK);
	ck_assert_int_eq(store_data_key_shred(api, tenant_a, &err), PB_OK);
	ck_assert_int_eq(store_data_key_get(api, tenant_a, 1, &got, &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(store_data_key_get(api, tenant_b, 1, &got, &err), PB_OK);
}
END_TEST

START_TEST(platform_key__is_one)
{
	struct store_data_key a = key(PB_UUID_NIL, 1, 0xa), b = key(PB_UUID_NIL, 1, 0xb), got;
	struct store_data_key second = key(PB_UUID_NIL, 2, 0xc);

	ck_assert_int_eq(store_platform_key_get(api, &got, &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(store_platform_key_insert(api, &a, &err), PB_OK);
	ck_assert_int_eq(store_platform_key_insert(api, &b, &err), PB_E_CONFLICT);
	ck_assert_int_ne(store_platform_key_insert(api, &second, &err), PB_OK);
	ck_assert_int_eq(store_platform_key_get(api, &got, &err), PB_OK);
	ck_assert_mem_eq(got.wrapped, a.wrapped, 77);
	ck_assert(pb_str_copy(b.kek_id, sizeof b.kek_id, "kek_2"));
	ck_assert_int_eq(store_platform_key_rewrap(api, &b, "kek_1", &err), PB_E_FORBIDDEN);
	ck_assert_int_eq(store_platform_key_rewrap(admin, &b, "kek_1", &err), PB_OK);
	ck_assert_int_eq(store_platform_key_rewrap(admin, &b, "kek_1", &err), PB_E_CONFLICT);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("store_data_key");
	TCase *t = tcase_create("data_key");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, insert__first_writer_wins);
	tcase_add_test(t, rewrap__names_what_it_replaces);
	tcase_add_test(t, shred__own_tenant_only);
	tcase_add_test(t, platform_key__is_one);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
