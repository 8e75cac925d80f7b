/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vault on a real server: nothing opens where it does not belong, wrong master keys stop the start, keys
 * rotate, are wrapped again and destroyed, and racing processes agree on one key.
 */
#include "vault/vault.h"

#include <check.h>

#include "base/lock.h"
#include "pg/pg_pool.h"
#include "store/store_connection.h"
#include "store/store_data_key.h"
#include "store/store_tenant.h"
#include "support/check_main.h"
#include "support/pg_db.h"
#include "base/base.h"

#define KEK_1 "kek_1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define KEK_2 "kek_2:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define OTHER "kek_1:AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

static struct pg_db db;
static struct pg_pool *api, *admin;
static struct vault *vault;
static struct pb_uuid tenant_a, tenant_b, row_1, row_2;
static struct pb_err err;

static enum pb_status start(const char *keys, struct vault **ret)
{
	struct vault_keyring *ring = NULL;

	ck_assert_msg(vault_keyring_parse(keys, strlen(keys), &ring, &err) == PB_OK, "%s", err.msg);
	return vault_new(api, ring, ret, &err);
}

static void setup(void)
{
	struct pg_pool_config config = {.max_connections = 10, PG_DB_PATIENT};

	pg_db_open(&db);
	config.url = db.api_url;
	ck_assert_int_eq(pg_pool_new(&config, &api, &err), PB_OK);
	config.url = db.admin_url;
	ck_assert_int_eq(pg_pool_new(&config, &admin, &err), PB_OK);
	tenant_a = pb_uuid7();
	tenant_b = pb_uuid7();
	row_1 = pb_uuid7();
	row_2 = pb_uuid7();
	ck_assert_int_eq(store_tenant_create(admin, tenant_a, "aa", "A", &err), PB_OK);
	ck_assert_int_eq(store_tenant_create(admin, tenant_b, "bb", "B", &err), PB_OK);
	ck_assert_msg(start(KEK_1, &vault) == PB_OK, "%s", err.msg);
}

static void teardown(void)
{
	vault_free(vault);
	pg_pool_free(api);
	pg_pool_free(admin);
	pg_db_close(&db);
}

static struct vault_place place_of(struct pb_uuid tenant, struct pb_uuid row, int64_t version)
{
	return (struct vault_place){"connection", "secrets", tenant, row, version};
}

static uint8_t *seal(struct vault *v, struct vault_place place, const char *text, size_t *n)
{
	uint8_t *sealed = NULL;

	ck_assert_msg(vault_seal(v, &place, text, strlen(text), &sealed, n, &err) == PB_OK,
		      "%s: %s", err.code, err.msg);
	return sealed;
}

/* The code it fails with, "ok" when it opens to @text. */
static const char *opens(struct vault *v, struct vault_place place, const uint8_t *sealed, size_t n,
			 const char *text)
{
	pb_autoptr(crypto_secret) plain = NULL;

	err = (struct pb_err)PB_ERR_INIT;
	if (vault_open(v, &place, sealed, n, &plain, &err) != PB_OK)
		return err.code;
	ck_assert_str_eq((const char *)crypto_secret_bytes(plain), text);
	ck_assert_uint_eq(crypto_secret_len(plain), strlen(text));
	return "ok";
}

START_TEST(seal__opens_in_its_place_only)
{
	struct vault_place home = place_of(tenant_a, row_1, 3), p;
	pb_autofree uint8_t *sealed = NULL, *warm = NULL;
	size_t n, warm_n;

	sealed = seal(vault, home, "hunter2", &n);
	warm = seal(vault, place_of(tenant_b, row_1, 3), "b's own",
		    &warm_n); /* so that B has a key 1 */
	ck_assert_str_eq(opens(vault, home, sealed, n, "hunter2"), "ok");
	ck_assert_str_eq(opens(vault, place_of(tenant_a, row_2, 3), sealed, n, ""),
			 "vault.corrupt");
	ck_assert_str_eq(opens(vault, place_of(tenant_b, row_1, 3), sealed, n, ""),
			 "vault.corrupt");
	ck_assert_str_eq(opens(vault, place_of(tenant_a, row_1, 2), sealed, n, ""),
			 "vault.corrupt");
	ck_assert_str_eq(opens(vault, place_of(tenant_a, row_1, 4), sealed, n, ""),
			 "vault.corrupt");
	p = home;
	p.column = "fields";
	ck_assert_str_eq(opens(vault, p, sealed, n, ""), "vault.corrupt");
	p = home;
	p.table = "hook";
	ck_assert_str_eq(opens(vault, p, sealed, n, ""), "vault.corrupt");
	ck_assert_ptr_null(memmem(sealed, n, "hunter2", 7));
	ck_assert_ptr_null(strstr(err.msg, "hunter2"));
}
END_TEST

START_TEST(open__refuses_each_flip_and_cut)
{
	struct vault_place home = place_of(tenant_a, row_1, 1);
	pb_autofree uint8_t *sealed = NULL;
	size_t n;

	sealed = seal(vault, home, "hunter2", &n);
	for (size_t i = 0; i < n; i++) {
		sealed[i] ^= 0x40;
		ck_assert_str_ne(opens(vault, home, sealed, n, ""), "ok");
		sealed[i] ^= 0x40;
	}
	for (size_t cut = 0; cut < n; cut++)
		ck_assert_str_eq(opens(vault, home, sealed, cut, ""), "vault.corrupt");
	ck_assert_str_eq(opens(vault, home, sealed, n, "hunter2"), "ok");
}
END_TEST

START_TEST(seal__empty_limit_and_unknown_tenant)
{
	struct vault_place home = place_of(tenant_a, row_1, 1),
			   nobody = place_of(pb_uuid7(), row_1, 1);
	pb_autofree uint8_t *sealed = NULL, *big = pb_xcalloc(1, VAULT_PLAIN_MAX + 1), *none = NULL;
	size_t n;

	sealed = seal(vault, home, "", &n);
	ck_assert_uint_eq(n, CRYPTO_SEALED_EXTRA);
	ck_assert_str_eq(opens(vault, home, sealed, n, ""), "ok");
	ck_assert_int_eq(vault_seal(vault, &home, big, VAULT_PLAIN_MAX + 1, &none, &n, &err),
			 PB_E_TOO_LARGE);
	ck_assert_int_eq(vault_seal(vault, &nobody, "x", 1, &none, &n, &err), PB_E_NOT_FOUND);
	ck_assert_str_eq(err.code, "tenant.not_found");
	ck_assert_ptr_null(none);
}
END_TEST

START_TEST(new__survives_restart_and_refuses_wrong_keys)
{
	struct vault_place home = place_of(tenant_a, row_1, 1);
	struct vault *again = NULL, *bad = NULL;
	pb_autoptr(crypto_secret) k1 = vault_subkey(vault, CRYPTO_PURPOSE_API_KEY);
	pb_autoptr(crypto_secret) k2 = NULL;
	pb_autofree uint8_t *sealed = NULL;
	size_t n;

	sealed = seal(vault, home, "hunter2", &n);
	ck_assert_int_eq(start(KEK_1, &again), PB_OK);
	ck_assert_str_eq(opens(again, home, sealed, n, "hunter2"), "ok");
	k2 = vault_subkey(again, CRYPTO_PURPOSE_API_KEY);
	ck_assert(crypto_secret_equal(k1, k2));
	vault_free(again);
	ck_assert_int_eq(start(OTHER, &bad), PB_E_PRECONDITION); /* same id, other key */
	ck_assert_str_eq(err.code, "vault.wrong_master_key");
	ck_assert_ptr_nonnull(strstr(err.msg, "kek_1"));
	ck_assert_int_eq(start(KEK_2, &bad), PB_E_PRECONDITION); /* id not in the file */
	ck_assert_str_eq(err.code, "vault.wrong_master_key");
	ck_assert_ptr_null(bad);
}
END_TEST

START_TEST(rotate__reads_old_and_new)
{
	struct vault_place p1 = place_of(tenant_a, row_1, 1), p2 = place_of(tenant_a, row_2, 1);
	pb_autofree uint8_t *old = NULL, *new = NULL;
	size_t old_n, new_n;
	uint32_t id = 0, got = 0;

	old = seal(vault, p1, "old", &old_n);
	ck_assert_int_eq(vault_rotate(vault, tenant_a, &id, &err), PB_OK);
	ck_assert_uint_eq(id, 2);
	new = seal(vault, p2, "new", &new_n);
	ck_assert(crypto_sealed_key_id(new, new_n, &got));
	ck_assert_uint_eq(got, 2);
	ck_assert_str_eq(opens(vault, p1, old, old_n, "old"), "ok");
	ck_assert_str_eq(opens(vault, p2, new, new_n, "new"), "ok");
	ck_assert_int_eq(vault_rotate(vault, tenant_b, &id, &err),
			 PB_OK); /* a tenant without any key */
	ck_assert_uint_eq(id, 1);
}
END_TEST

START_TEST(reseal__moves_connections_to_the_newest_key)
{
	struct store_connection c, *rows;
	pb_auto_arena arena;
	size_t n = 0;
	uint32_t id;
	char name[16];

	pb_arena_init(&arena, 1 << 22);
	for (int i = 0; i < 60; i++) { /* more than one batch */
		struct pb_uuid row = pb_uuid7();
		pb_autofree uint8_t *sealed = NULL;

		ck_assert(pb_str_printf(name, sizeof name, "c%d", i));
		c = (struct store_connection){.id = row,
					      .tenant = tenant_a,
					      .name = name,
					      .connector = "slack",
					      .auth_type = "key",
					      .fields = "{}"};
		sealed = seal(vault, place_of(tenant_a, row, 1), name, &c.secrets_n);
		c.secrets = sealed;
		ck_assert_int_eq(store_connection_create(api, &c, &err), PB_OK);
	}
	ck_assert_int_eq(vault_rotate(vault, tenant_a, &id, &err), PB_OK);
	ck_assert_msg(vault_reseal_connections(vault, tenant_a, &n, &err) == PB_OK, "%s", err.msg);
	ck_assert_uint_eq(n, 60);
	ck_assert_int_eq(store_connection_list_other_key(api, tenant_a, id, PB_UUID_NIL, 10, &arena,
							 &rows, &n, &err),
			 PB_OK);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(store_connection_list_other_key(api, tenant_a, 99, PB_UUID_NIL, 100,
							 &arena, &rows, &n, &err),
			 PB_OK);
	ck_assert_uint_eq(n, 60);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(rows[i].secret_revision, 2);
		ck_assert_str_eq(opens(vault, place_of(tenant_a, rows[i].id, 2), rows[i].secrets,
				       rows[i].secrets_n, rows[i].name),
				 "ok");
	}
	ck_assert_int_eq(vault_reseal_connections(vault, tenant_a, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 0); /* nothing left to do */
}
END_TEST

START_TEST(rewrap__changes_the_master_key)
{
	struct vault_place pa = place_of(tenant_a, row_1, 1), pb = place_of(tenant_b, row_1, 1);
	pb_autofree uint8_t *a = NULL, *b = NULL;
	struct vault *both = NULL, *fresh = NULL, *gone = NULL;
	pb_autoptr(crypto_secret) k1 = vault_subkey(vault, CRYPTO_PURPOSE_CURSOR);
	pb_autoptr(crypto_secret) k2 = NULL;
	size_t a_n, b_n, n = 0;

	a = seal(vault, pa, "a", &a_n);
	b = seal(vault, pb, "b", &b_n);
	ck_assert_int_eq(start(KEK_2 KEK_1, &both), PB_OK);
	ck_assert_msg(vault_rewrap(both, admin, &n, &err) == PB_OK, "%s", err.msg);
	ck_assert_uint_eq(n, 3); /* two tenants and the root */
	ck_assert_int_eq(vault_rewrap(both, admin, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 0);
	vault_free(both);
	ck_assert_int_eq(start(KEK_2, &fresh), PB_OK); /* the old line can be dropped */
	ck_assert_str_eq(opens(fresh, pa, a, a_n, "a"), "ok");
	ck_assert_str_eq(opens(fresh, pb, b, b_n, "b"), "ok");
	k2 = vault_subkey(fresh, CRYPTO_PURPOSE_CURSOR);
	ck_assert(crypto_secret_equal(k1, k2));
	vault_free(fresh);
	ck_assert_int_eq(start(KEK_1, &gone), PB_E_PRECONDITION);
}
END_TEST

START_TEST(shred__is_final)
{
	struct vault_place pa = place_of(tenant_a, row_1, 1), pb = place_of(tenant_b, row_1, 1);
	pb_autofree uint8_t *a = NULL, *b = NULL;
	struct vault *other = NULL;
	size_t a_n, b_n;

	a = seal(vault, pa, "a", &a_n);
	b = seal(vault, pb, "b", &b_n);
	ck_assert_int_eq(start(KEK_1, &other), PB_OK);
	ck_assert_str_eq(opens(other, pa, a, a_n, "a"), "ok");
	ck_assert_int_eq(vault_shred(vault, tenant_a, &err), PB_OK);
	ck_assert_str_eq(opens(vault, pa, a, a_n, ""), "vault.shredded");
	ck_assert_str_eq(opens(vault, pb, b, b_n, "b"), "ok");
	vault_forget(other, tenant_a); /* the notice reaches the other process */
	ck_assert_str_eq(opens(other, pa, a, a_n, ""), "vault.shredded");
	vault_free(other);
}
END_TEST

/* A data key row of one tenant put under another does not unwrap. */
START_TEST(wrapped_key__is_bound_to_its_tenant)
{
	struct vault_place pa = place_of(tenant_a, row_1, 1), pb = place_of(tenant_b, row_1, 1);
	pb_autofree uint8_t *a = NULL;
	struct store_data_key k;
	size_t a_n;

	a = seal(vault, pa, "a", &a_n);
	ck_assert_int_eq(store_data_key_get(api, tenant_a, 1, &k, &err), PB_OK);
	k.tenant = tenant_b;
	ck_assert_int_eq(store_data_key_insert(api, &k, &err), PB_OK);
	ck_assert_str_eq(opens(vault, pb, a, a_n, ""), "vault.wrong_master_key");
}
END_TEST

START_TEST(data_keys__are_behind_row_security)
{
	struct vault_place pa = place_of(tenant_a, row_1, 1);
	static const struct pg_stmt count = {.name = "t_count",
					     .sql = "SELECT count(*) FROM data_key"};
	pb_autofree uint8_t *a = NULL;
	pb_autoptr(pg_result) none = NULL;
	pb_autoptr(pg_result) b = NULL;
	struct pg_pool_config config = {.url = db.engine_url, PG_DB_PATIENT};
	struct pg_pool *engine;
	struct store_data_key k;
	size_t n;

	a = seal(vault, pa, "a", &n);
	ck_assert_int_eq(store_data_key_get(api, tenant_b, 1, &k, &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(pg_query(api, NULL, &count, NULL, &none, &err), PB_OK);
	ck_assert_int_eq(pg_get_i64(none, 0, 0), 0);
	ck_assert_int_eq(pg_query(api, &tenant_b, &count, NULL, &b, &err), PB_OK);
	ck_assert_int_eq(pg_get_i64(b, 0, 0), 0);
	ck_assert_int_eq(pg_pool_new(&config, &engine, &err), PB_OK);
	ck_assert_int_eq(pg_query(engine, &tenant_a, &count, NULL, NULL, &err), PB_E_FORBIDDEN);
	pg_pool_free(engine);
}
END_TEST

#define RACERS 8

struct racer {
	struct vault *v;
	uint8_t *sealed;
	size_t n;
	enum pb_status status;
	struct pb_err err;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	struct vault_place p = place_of(tenant_a, row_1, 1);

	r->status = vault_seal(r->v, &p, "x", 1, &r->sealed, &r->n, &r->err);
	return NULL;
}

/* Eight "processes" (own caches) seal a tenant's first secret at once: one key, all readable by all. */
START_TEST(first_use__races_end_with_one_key)
{
	struct racer r[RACERS] = {0};
	pthread_t threads[RACERS];

	for (int i = 0; i < RACERS; i++)
		ck_assert_int_eq(start(KEK_1, &r[i].v), PB_OK);
	for (int i = 0; i < RACERS; i++)
		threads[i] = pb_thread_start("racer", 0, race, &r[i]);
	for (int i = 0; i < RACERS; i++)
		pb_thread_join(threads[i]);
	for (int i = 0; i < RACERS; i++) {
		ck_assert_msg(r[i].status == PB_OK, "%s", r[i].err.msg);
		ck_assert_str_eq(opens(r[(i + 1) % RACERS].v, place_of(tenant_a, row_1, 1),
				       r[i].sealed, r[i].n, "x"),
				 "ok");
	}
	for (int i = 0; i < RACERS; i++) {
		free(r[i].sealed);
		vault_free(r[i].v);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("vault");
	TCase *t = tcase_create("vault");

	crypto_init();
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, seal__opens_in_its_place_only);
	tcase_add_test(t, open__refuses_each_flip_and_cut);
	tcase_add_test(t, seal__empty_limit_and_unknown_tenant);
	tcase_add_test(t, new__survives_restart_and_refuses_wrong_keys);
	tcase_add_test(t, rotate__reads_old_and_new);
	tcase_add_test(t, reseal__moves_connections_to_the_newest_key);
	tcase_add_test(t, rewrap__changes_the_master_key);
	tcase_add_test(t, shred__is_final);
	tcase_add_test(t, wrapped_key__is_bound_to_its_tenant);
	tcase_add_test(t, data_keys__are_behind_row_security);
	tcase_add_test(t, first_use__races_end_with_one_key);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
