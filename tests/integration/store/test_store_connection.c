/* SPDX-License-Identifier: Apache-2.0 */
/* Connections on a real server: names, revisions, pages, and the wall between tenants. */
#include "store/store_connection.h"

#include <check.h>

#include "pg/pg_pool.h"
#include "store/store_tenant.h"
#include "support/check_main.h"
#include "support/pg_db.h"
#include "base/base.h"

static struct pg_db db;
static struct pg_pool *api, *admin;
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
	tenant_a = pb_uuid7();
	tenant_b = pb_uuid7();
	ck_assert_msg(store_tenant_create(admin, tenant_a, "aa", "A", &err) == PB_OK, "%s",
		      err.msg);
	ck_assert_int_eq(store_tenant_create(admin, tenant_b, "bb", "B", &err), PB_OK);
	pb_arena_init(&arena, 16 << 20);
}

static void teardown(void)
{
	pb_arena_done(&arena);
	pg_pool_free(api);
	pg_pool_free(admin);
	pg_db_close(&db);
}

static const uint8_t sealed_k1[50] = {1, 0, 0, 0, 1, 'x'}, sealed_k2[51] = {1, 0, 0, 0, 2, 'y'};

static struct store_connection make(struct pb_uuid tenant, const char *name)
{
	return (struct store_connection){.id = pb_uuid7(),
					 .tenant = tenant,
					 .name = name,
					 .connector = "slack",
					 .auth_type = "oauth2",
					 .fields = "{\"team\":\"T1\"}",
					 .secrets = sealed_k1,
					 .secrets_n = sizeof sealed_k1};
}

static struct pb_uuid create(struct pb_uuid tenant, const char *name)
{
	struct store_connection c = make(tenant, name);

	ck_assert_msg(store_connection_create(api, &c, &err) == PB_OK, "%s: %s", err.code, err.msg);
	return c.id;
}

START_TEST(create__reads_back)
{
	struct store_connection c = make(tenant_a, "Sales \xd0\xa9"), got;

	ck_assert_int_eq(store_connection_create(api, &c, &err), PB_OK);
	ck_assert_int_eq(store_connection_get(api, tenant_a, c.id, &arena, &got, &err), PB_OK);
	ck_assert(pb_uuid_eq(got.id, c.id) && pb_uuid_eq(got.tenant, tenant_a));
	ck_assert_str_eq(got.name, c.name);
	ck_assert_str_eq(got.connector, "slack");
	ck_assert_str_eq(got.auth_type, "oauth2");
	ck_assert_str_eq(got.fields, c.fields);
	ck_assert_str_eq(got.status_reason, "");
	ck_assert_int_eq(got.status, STORE_CONNECTION_UNTESTED);
	ck_assert_int_eq(got.revision, 1);
	ck_assert_int_eq(got.secret_revision, 1);
	ck_assert_uint_eq(got.secrets_n, sizeof sealed_k1);
	ck_assert_mem_eq(got.secrets, sealed_k1, sizeof sealed_k1);
	ck_assert_int_gt(got.created_at_us, 0);
	ck_assert_int_eq(
		store_connection_get_by_name(api, tenant_a, "sALES \xd0\xa9", &arena, &got, &err),
		PB_OK);
	ck_assert(pb_uuid_eq(got.id, c.id));
}
END_TEST

START_TEST(create__name_is_unique_per_tenant)
{
	struct store_connection again = make(tenant_a, "SALES");

	create(tenant_a, "sales");
	create(tenant_b, "sales");
	ck_assert_int_eq(store_connection_create(api, &again, &err), PB_E_CONFLICT);
	ck_assert_str_eq(err.code, "connection.name_taken");
}
END_TEST

START_TEST(create__refuses_bad_input)
{
	static const char *const names[] = {"", "a\nb", "\xff"};
	pb_autofree char *big = pb_xcalloc(1, STORE_CONNECTION_FIELDS_MAX + 2);
	pb_autofree char *name = pb_xcalloc(1, STORE_CONNECTION_NAME_MAX + 2);
	struct store_connection c;

	for (size_t i = 0; i < PB_ARRAY_LEN(names); i++) {
		c = make(tenant_a, names[i]);
		ck_assert_int_eq(store_connection_create(api, &c, &err), PB_E_UNPROCESSABLE);
		ck_assert_str_eq(err.code, "connection.name");
	}
	memset(name, 'x', STORE_CONNECTION_NAME_MAX + 1);
	c = make(tenant_a, name);
	ck_assert_int_eq(store_connection_create(api, &c, &err), PB_E_UNPROCESSABLE);
	memset(big, ' ', STORE_CONNECTION_FIELDS_MAX + 1);
	c = make(tenant_a, "big");
	c.fields = big;
	ck_assert_int_eq(store_connection_create(api, &c, &err), PB_E_TOO_LARGE);
	c = make(pb_uuid7(), "nobody's");
	ck_assert_int_eq(store_connection_create(api, &c, &err), PB_E_NOT_FOUND);
	ck_assert_str_eq(err.code, "tenant.not_found");
}
END_TEST

START_TEST(update__is_optimistic)
{
	struct pb_uuid id = create(tenant_a, "one");
	struct store_connection c, stale;
	int64_t revision = 0;

	create(tenant_a, "two");
	ck_assert_int_eq(store_connection_get(api, tenant_a, id, &arena, &c, &err), PB_OK);
	stale = c;
	c.name = "renamed";
	c.secrets = NULL;
	c.secrets_n = 0;
	ck_assert_int_eq(store_connection_update(api, &c, &revision, &err), PB_OK);
	ck_assert_int_eq(revision, 2);
	ck_assert_int_eq(store_connection_update(api, &stale, &revision, &err), PB_E_PRECONDITION);
	ck_assert_str_eq(err.code, "connection.revision");
	ck_assert_int_eq(store_connection_get(api, tenant_a, id, &arena, &c, &err), PB_OK);
	ck_assert_str_eq(c.name, "renamed");
	ck_assert_int_eq(c.secret_revision, 1); /* the secret was not touched */
	ck_assert_mem_eq(c.secrets, sealed_k1, sizeof sealed_k1);
	c.secrets = sealed_k2;
	c.secrets_n = sizeof sealed_k2;
	ck_assert_int_eq(store_connection_update(api, &c, &revision, &err), PB_OK);
	ck_assert_int_eq(store_connection_get(api, tenant_a, id, &arena, &c, &err), PB_OK);
	ck_assert_int_eq(c.revision, 3);
	ck_assert_int_eq(c.secret_revision, 3);
	ck_assert_uint_eq(c.secrets_n, sizeof sealed_k2);
	c.name = "TWO";
	ck_assert_int_eq(store_connection_update(api, &c, &revision, &err), PB_E_CONFLICT);
	ck_assert_str_eq(err.code, "connection.name_taken");
	c.id = pb_uuid7();
	c.name = "three";
	ck_assert_int_eq(store_connection_update(api, &c, &revision, &err), PB_E_NOT_FOUND);
}
END_TEST

START_TEST(list__pages_newest_first_without_secrets)
{
	struct store_connection_query q = {.limit = 4};
	struct store_connection *rows;
	struct pb_uuid ids[10], seen[10];
	size_t n, total = 0;
	char name[16];

	for (int i = 0; i < 10; i++) {
		ck_assert(pb_str_printf(name, sizeof name, "c%d", i));
		ids[i] = create(tenant_a, name);
	}
	create(tenant_b, "foreign");
	do {
		ck_assert_int_eq(store_connection_list(api, tenant_a, &q, &arena, &rows, &n, &err),
				 PB_OK);
		for (size_t i = 0; i < n; i++) {
			ck_assert_ptr_null(rows[i].secrets);
			ck_assert_uint_lt(total, 10);
			seen[total++] = rows[i].id;
		}
		if (n)
			q.before = rows[n - 1].id;
	} while (n == q.limit);
	ck_assert_uint_eq(total, 10);
	for (int i = 0; i < 10; i++)
		ck_assert(pb_uuid_eq(seen[i], ids[9 - i]));
	q = (struct store_connection_query){.connector = "gmail", .limit = 10};
	ck_assert_int_eq(store_connection_list(api, tenant_a, &q, &arena, &rows, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(set_status_and_delete)
{
	struct pb_uuid id = create(tenant_a, "one");
	struct store_connection c;
	char longer[700];

	memset(longer, 'r', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	ck_assert_int_eq(store_connection_set_status(
				 api, tenant_a, id, STORE_CONNECTION_NEEDS_RECONNECT, longer, &err),
			 PB_OK);
	ck_assert_int_eq(store_connection_get(api, tenant_a, id, &arena, &c, &err), PB_OK);
	ck_assert_int_eq(c.status, STORE_CONNECTION_NEEDS_RECONNECT);
	ck_assert_uint_eq(strlen(c.status_reason), 500);
	ck_assert_int_eq(c.revision, 1);
	ck_assert_int_eq(store_connection_delete(api, tenant_a, id, 7, &err), PB_E_PRECONDITION);
	ck_assert_int_eq(store_connection_delete(api, tenant_a, id, 1, &err), PB_OK);
	ck_assert_int_eq(store_connection_delete(api, tenant_a, id, 0, &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(store_connection_get(api, tenant_a, id, &arena, &c, &err), PB_E_NOT_FOUND);
	ck_assert_str_eq(err.code, "connection.not_found");
}
END_TEST

START_TEST(list_other_key__finds_what_to_seal_again)
{
	struct pb_uuid old = create(tenant_a, "old");
	struct store_connection c = make(tenant_a, "new"), *rows;
	size_t n;

	c.secrets = sealed_k2;
	c.secrets_n = sizeof sealed_k2;
	ck_assert_int_eq(store_connection_create(api, &c, &err), PB_OK);
	ck_assert_int_eq(store_connection_list_other_key(api, tenant_a, 2, PB_UUID_NIL, 10, &arena,
							 &rows, &n, &err),
			 PB_OK);
	ck_assert_uint_eq(n, 1);
	ck_assert(pb_uuid_eq(rows[0].id, old));
	ck_assert_uint_eq(rows[0].secrets_n, sizeof sealed_k1);
	ck_assert_int_eq(
		store_connection_list_other_key(api, tenant_a, 2, old, 10, &arena, &rows, &n, &err),
		PB_OK);
	ck_assert_uint_eq(n, 0);
}
END_TEST

/* Every verb with tenant B and A's id: as if it did not exist, and nothing changes. */
START_TEST(every_verb__rejects_foreign_tenant)
{
	struct pb_uuid id = create(tenant_a, "mine");
	struct store_connection got, forged = make(tenant_b, "stolen"), *rows;
	const struct store_connection_query q = {.limit = 10};
	int64_t revision;
	size_t n;

	ck_assert_int_eq(store_connection_get(api, tenant_b, id, &arena, &got, &err),
			 PB_E_NOT_FOUND);
	ck_assert_int_eq(store_connection_get_by_name(api, tenant_b, "mine", &arena, &got, &err),
			 PB_E_NOT_FOUND);
	forged.id = id;
	forged.revision = 1;
	ck_assert_int_eq(store_connection_update(api, &forged, &revision, &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(
		store_connection_set_status(api, tenant_b, id, STORE_CONNECTION_OK, "", &err),
		PB_E_NOT_FOUND);
	ck_assert_int_eq(store_connection_delete(api, tenant_b, id, 0, &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(store_connection_list(api, tenant_b, &q, &arena, &rows, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(store_connection_list_other_key(api, tenant_b, 9, PB_UUID_NIL, 10, &arena,
							 &rows, &n, &err),
			 PB_OK);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(store_connection_get(api, tenant_a, id, &arena, &got, &err), PB_OK);
	ck_assert_str_eq(got.name, "mine");
	ck_assert_int_eq(got.revision, 1);
}
END_TEST

/* The second wall: even a statement that forgets its WHERE sees nothing of others. */
START_TEST(row_security__stands_alone)
{
	static const struct pg_stmt count = {.name = "t_count",
					     .sql = "SELECT count(*) FROM connection"};
	static const struct pg_stmt take = {.name = "t_take",
					    .sql = "UPDATE connection SET tenant_id = $1"};
	static const struct pg_stmt wipe = {.name = "t_wipe", .sql = "DELETE FROM connection"};
	struct pg_pool *engine;
	pg_auto_args to_b = PG_ARGS_INIT;
	pb_autoptr(pg_result) none = NULL;
	pb_autoptr(pg_result) b = NULL;
	pb_autoptr(pg_result) wiped = NULL;

	create(tenant_a, "mine");
	ck_assert_int_eq(pg_query(api, NULL, &count, NULL, &none, &err), PB_OK);
	ck_assert_int_eq(pg_get_i64(none, 0, 0), 0);
	ck_assert_int_eq(pg_query(api, &tenant_b, &count, NULL, &b, &err), PB_OK);
	ck_assert_int_eq(pg_get_i64(b, 0, 0), 0);
	pg_arg_uuid(&to_b, tenant_b);
	ck_assert_int_eq(pg_query(api, &tenant_a, &take, &to_b, NULL, &err), PB_E_FORBIDDEN);
	ck_assert_int_eq(pg_query(api, &tenant_b, &wipe, NULL, &wiped, &err), PB_OK);
	ck_assert_int_eq(pg_affected(wiped), 0);
	open_pool(db.engine_url, &engine);
	ck_assert_int_eq(pg_query(engine, &tenant_a, &count, NULL, NULL, &err), PB_E_FORBIDDEN);
	pg_pool_free(engine);
}
END_TEST

/* The super admin sees that a connection exists; not its name, fields or secrets. */
START_TEST(admin__cannot_read_secrets)
{
	static const struct pg_stmt ids = {.name = "t_ids",
					   .sql = "SELECT id, connector FROM connection"};
	static const struct pg_stmt secrets = {.name = "t_secrets",
					       .sql = "SELECT secrets FROM connection"};
	pb_autoptr(pg_result) r = NULL;

	create(tenant_a, "mine");
	ck_assert_int_eq(pg_query(admin, NULL, &ids, NULL, &r, &err), PB_OK);
	ck_assert_int_eq(pg_rows(r), 1);
	ck_assert_int_eq(pg_query(admin, NULL, &secrets, NULL, NULL, &err), PB_E_FORBIDDEN);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("store_connection");
	TCase *t = tcase_create("connection");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, create__reads_back);
	tcase_add_test(t, create__name_is_unique_per_tenant);
	tcase_add_test(t, create__refuses_bad_input);
	tcase_add_test(t, update__is_optimistic);
	tcase_add_test(t, list__pages_newest_first_without_secrets);
	tcase_add_test(t, set_status_and_delete);
	tcase_add_test(t, list_other_key__finds_what_to_seal_again);
	tcase_add_test(t, every_verb__rejects_foreign_tenant);
	tcase_add_test(t, row_security__stands_alone);
	tcase_add_test(t, admin__cannot_read_secrets);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
