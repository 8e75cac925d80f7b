/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants on a real server: slugs, pages, and who sees which row. */
#include "store/store_tenant.h"

#include <check.h>

#include "pg/pg_pool.h"
#include "support/check_main.h"
#include "support/pg_db.h"
#include "base/base.h"

static struct pg_db db;
static struct pg_pool *api, *admin;
static struct pb_arena arena;
static struct pb_err err;

static void setup(void)
{
	struct pg_pool_config config = {.max_connections = 4, PG_DB_PATIENT};

	pg_db_open(&db);
	config.url = db.api_url;
	ck_assert_int_eq(pg_pool_new(&config, &api, &err), PB_OK);
	config.url = db.admin_url;
	ck_assert_int_eq(pg_pool_new(&config, &admin, &err), PB_OK);
	pb_arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
	pb_arena_done(&arena);
	pg_pool_free(api);
	pg_pool_free(admin);
	pg_db_close(&db);
}

/* T09: nothing that could leave its place in a Redis key, a NATS subject or a host name */
static const char *const bad_slugs[] = {"",
					"a",
					"a:b*",
					"a.>",
					"a b",
					"a\nb",
					"-a",
					"a-",
					"A1",
					"a_b",
					"a/b",
					"\xc3\xa4"
					"b",
					"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 41 */};

START_TEST(create__refuses_slugs)
{
	ck_assert(!store_tenant_slug_valid(bad_slugs[_i]));
	ck_assert_int_eq(store_tenant_create(admin, pb_uuid7(), bad_slugs[_i], "n", &err),
			 PB_E_UNPROCESSABLE);
	ck_assert_str_eq(err.code, "tenant.slug");
}
END_TEST

START_TEST(create__get_status)
{
	struct pb_uuid id = pb_uuid7();
	struct store_tenant t;

	ck_assert_int_eq(store_tenant_create(admin, id, "acme-1", "Acme \xd0\xa9", &err), PB_OK);
	ck_assert_int_eq(store_tenant_create(admin, pb_uuid7(), "acme-1", "x", &err),
			 PB_E_CONFLICT);
	ck_assert_str_eq(err.code, "tenant.slug_taken");
	ck_assert_int_eq(store_tenant_create(admin, pb_uuid7(), "xx", "", &err),
			 PB_E_UNPROCESSABLE);
	ck_assert_int_eq(store_tenant_get(api, id, &arena, &t, &err), PB_OK);
	ck_assert_str_eq(t.slug, "acme-1");
	ck_assert_str_eq(t.name, "Acme \xd0\xa9");
	ck_assert_int_eq(t.status, STORE_TENANT_ACTIVE);
	ck_assert_int_eq(store_tenant_set_status(admin, id, STORE_TENANT_SUSPENDED, &err), PB_OK);
	ck_assert_int_eq(store_tenant_get_by_slug(admin, "acme-1", &arena, &t, &err), PB_OK);
	ck_assert_int_eq(t.status, STORE_TENANT_SUSPENDED);
	ck_assert_int_eq(store_tenant_get(api, pb_uuid7(), &arena, &t, &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(store_tenant_set_status(admin, pb_uuid7(), STORE_TENANT_ACTIVE, &err),
			 PB_E_NOT_FOUND);
}
END_TEST

START_TEST(list__pages_and_platform_tenant)
{
	struct store_tenant *rows;
	struct pb_uuid before = PB_UUID_NIL;
	size_t n, total = 0;
	char slug[16];

	for (int i = 0; i < 5; i++) {
		ck_assert(pb_str_printf(slug, sizeof slug, "t%d", i));
		ck_assert_int_eq(store_tenant_create(admin, pb_uuid7(), slug, slug, &err), PB_OK);
	}
	do {
		ck_assert_int_eq(store_tenant_list(admin, before, 2, &arena, &rows, &n, &err),
				 PB_OK);
		total += n;
		if (n)
			before = rows[n - 1].id;
	} while (n == 2);
	ck_assert_uint_eq(total, 6);
	ck_assert(pb_uuid_eq(before, STORE_PLATFORM_TENANT)); /* the oldest id there is */
}
END_TEST

/* A tenant sees itself; the api role makes, suspends and finds no others. */
START_TEST(row_security__own_row_only)
{
	static const struct pg_stmt all = {.name = "t_all", .sql = "SELECT id FROM tenant"};
	static const struct pg_stmt wake = {.name = "t_wake",
					    .sql = "UPDATE tenant SET status = 'active'"};
	struct pb_uuid a = pb_uuid7(), b = pb_uuid7();
	pb_autoptr(pg_result) seen = NULL;
	pb_autoptr(pg_result) none = NULL;
	struct store_tenant t;

	ck_assert_int_eq(store_tenant_create(admin, a, "aa", "A", &err), PB_OK);
	ck_assert_int_eq(store_tenant_create(admin, b, "bb", "B", &err), PB_OK);
	ck_assert_int_eq(pg_query(api, &a, &all, NULL, &seen, &err), PB_OK);
	ck_assert_int_eq(pg_rows(seen), 1);
	ck_assert_int_eq(pg_query(api, NULL, &all, NULL, &none, &err), PB_OK);
	ck_assert_int_eq(pg_rows(none), 0);
	ck_assert_int_eq(pg_query(api, &a, &wake, NULL, NULL, &err), PB_E_FORBIDDEN);
	ck_assert_int_eq(store_tenant_create(api, pb_uuid7(), "cc", "C", &err), PB_E_FORBIDDEN);
	ck_assert_int_eq(store_tenant_get_by_slug(api, "bb", &arena, &t, &err), PB_E_NOT_FOUND);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("store_tenant");
	TCase *t = tcase_create("tenant");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, create__refuses_slugs, 0, PB_ARRAY_LEN(bad_slugs));
	tcase_add_test(t, create__get_status);
	tcase_add_test(t, list__pages_and_platform_tenant);
	tcase_add_test(t, row_security__own_row_only);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
