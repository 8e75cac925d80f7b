/* SPDX-License-Identifier: Apache-2.0 */
/* Unwrapped keys: found, aged, forgotten, bounded; a late answer from the database never comes back in. */
#include "vault/vault_cache.h"

#include <check.h>

#include "support/check_main.h"
#include "vault/vault.h"
#include "base/base.h"

static struct vault_cache *cache;
static uint8_t key_a[32] = {1}, key_b[32] = {2};
static const struct pb_uuid tenant_a = {{0xa}}, tenant_b = {{0xb}};

static void setup(void)
{
	cache = vault_cache_new(64);
}

static void teardown(void)
{
	vault_cache_free(cache);
}

struct seen {
	uint8_t first;
	uint32_t id;
};

static bool look(const uint8_t *key, uint32_t id, void *arg)
{
	*(struct seen *)arg = (struct seen){key[0], id};
	return key[0] != 2; /* "does not open" for key b */
}

static enum vault_cache_answer use(struct pb_uuid tenant, uint32_t id, int64_t now_us,
				   struct seen *s)
{
	return vault_cache_use(cache, tenant, id, now_us, look, s);
}

START_TEST(use__by_id_and_newest)
{
	uint64_t epoch = vault_cache_epoch(cache);
	struct seen s;

	vault_cache_put(cache, tenant_a, 1, false, key_a, epoch, 0);
	ck_assert_int_eq(use(tenant_a, 1, 1, &s), VAULT_CACHE_TRUE);
	ck_assert_int_eq(use(tenant_a, 0, 1, &s), VAULT_CACHE_MISS); /* newest is not known */
	vault_cache_put(cache, tenant_a, 2, true, key_b, epoch, 0);
	ck_assert_int_eq(use(tenant_a, 0, 1, &s), VAULT_CACHE_FALSE);
	ck_assert_uint_eq(s.id, 2);
	ck_assert_int_eq(use(tenant_b, 1, 1, &s), VAULT_CACHE_MISS);
	/* read again by its id, it stays the newest */
	vault_cache_put(cache, tenant_a, 2, false, key_b, epoch, 5);
	ck_assert_int_eq(use(tenant_a, 0, 6, &s), VAULT_CACHE_FALSE);
	/* a newer one takes over */
	vault_cache_put(cache, tenant_a, 3, true, key_a, epoch, 6);
	ck_assert_int_eq(use(tenant_a, 0, 7, &s), VAULT_CACHE_TRUE);
	ck_assert_uint_eq(s.id, 3);
}
END_TEST

START_TEST(use__ages)
{
	struct seen s;

	vault_cache_put(cache, tenant_a, 1, true, key_a, vault_cache_epoch(cache), 100);
	ck_assert_int_eq(use(tenant_a, 1, 100 + VAULT_CACHE_TTL_US - 1, &s), VAULT_CACHE_TRUE);
	ck_assert_int_eq(use(tenant_a, 1, 100 + VAULT_CACHE_TTL_US, &s), VAULT_CACHE_MISS);
	ck_assert_int_eq(use(tenant_a, 1, 101, &s), VAULT_CACHE_MISS); /* gone, not only old */
}
END_TEST

START_TEST(forget__drops_one_tenant_and_late_answers)
{
	uint64_t epoch = vault_cache_epoch(cache);
	struct seen s;

	vault_cache_put(cache, tenant_a, 1, true, key_a, epoch, 0);
	vault_cache_put(cache, tenant_b, 1, true, key_a, epoch, 0);
	vault_cache_forget(cache, tenant_a);
	ck_assert_int_eq(use(tenant_a, 1, 1, &s), VAULT_CACHE_MISS);
	ck_assert_int_eq(use(tenant_b, 1, 1, &s), VAULT_CACHE_TRUE);
	vault_cache_put(cache, tenant_a, 1, true, key_a, epoch, 0); /* was read before the forget */
	ck_assert_int_eq(use(tenant_a, 1, 1, &s), VAULT_CACHE_MISS);
	vault_cache_put(cache, tenant_a, 1, true, key_a, vault_cache_epoch(cache), 0);
	ck_assert_int_eq(use(tenant_a, 1, 1, &s), VAULT_CACHE_TRUE);
}
END_TEST

START_TEST(put__is_bounded_and_evicts_the_oldest)
{
	uint64_t epoch = vault_cache_epoch(cache);
	struct seen s;
	int kept = 0;

	for (uint32_t i = 1; i <= 9; i++) /* one tenant, one bucket of eight */
		vault_cache_put(cache, tenant_a, i, false, key_a, epoch, i);
	ck_assert_int_eq(use(tenant_a, 1, 10, &s), VAULT_CACHE_MISS);
	for (uint32_t i = 2; i <= 9; i++)
		ck_assert_int_eq(use(tenant_a, i, 10, &s), VAULT_CACHE_TRUE);
	for (int i = 0; i < 1000; i++) {
		struct pb_uuid t = {{(uint8_t)i, (uint8_t)(i >> 8), 7}};

		vault_cache_put(cache, t, 1, true, key_a, epoch, 100 + i);
	}
	for (int i = 0; i < 1000; i++) {
		struct pb_uuid t = {{(uint8_t)i, (uint8_t)(i >> 8), 7}};

		kept += use(t, 1, 1200, &s) == VAULT_CACHE_TRUE;
	}
	ck_assert_int_le(kept, 64);
	ck_assert_int_ge(kept, 48);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("vault_cache");
	TCase *t = tcase_create("cache");

	crypto_init();
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, use__by_id_and_newest);
	tcase_add_test(t, use__ages);
	tcase_add_test(t, forget__drops_one_tenant_and_late_answers);
	tcase_add_test(t, put__is_bounded_and_evicts_the_oldest);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
