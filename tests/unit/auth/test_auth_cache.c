/* SPDX-License-Identifier: Apache-2.0 */
/* Remembered answers: how long, how many, how they are forgotten; notes of use once a minute. */
#include "auth/auth_cache.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

static struct auth_cache *cache;
static const struct pb_uuid key_1 = {{1}}, key_2 = {{2}};

static void setup(void)
{
	cache = auth_cache_new(64);
}

static void teardown(void)
{
	auth_cache_free(cache);
}

static void hash_of(unsigned i, uint8_t out[CRYPTO_HASH_BYTES])
{
	crypto_blake2b(NULL, &i, sizeof i, out);
}

static struct auth_entry entry(struct pb_uuid id, enum auth_verdict v, int64_t until_us)
{
	return (struct auth_entry){.verdict = v,
				   .actor = {.kind = AUTH_ACTOR_API_KEY, .id = id, .tenant = {{9}}},
				   .until_us = until_us,
				   .note_use_us = 100};
}

static void put(unsigned i, struct auth_entry e, int64_t now_us)
{
	uint8_t hash[CRYPTO_HASH_BYTES];

	hash_of(i, hash);
	auth_cache_put(cache, hash, &e, auth_cache_epoch(cache), now_us);
}

static enum auth_verdict get(unsigned i, int64_t now_us)
{
	uint8_t hash[CRYPTO_HASH_BYTES];
	struct auth_actor actor;

	hash_of(i, hash);
	return auth_cache_get(cache, hash, now_us, 777, &actor);
}

START_TEST(get__until_ttl_or_expiry)
{
	put(1, entry(key_1, AUTH_GOOD, INT64_MAX), 0);
	put(2, entry(key_2, AUTH_GOOD, 50), 0);
	ck_assert_int_eq(get(1, AUTH_CACHE_TTL_US - 1), AUTH_GOOD);
	ck_assert_int_eq(get(1, AUTH_CACHE_TTL_US), AUTH_UNKNOWN);
	ck_assert_int_eq(get(2, 49), AUTH_GOOD);
	ck_assert_int_eq(get(2, 50), AUTH_UNKNOWN); /* the key expires before the TTL */
	ck_assert_int_eq(get(3, 1), AUTH_UNKNOWN);
}
END_TEST

START_TEST(get__remembers_refusals)
{
	put(1, entry(key_1, AUTH_REVOKED, INT64_MAX), 0);
	ck_assert_int_eq(get(1, 1), AUTH_REVOKED);
	put(1, entry(key_1, AUTH_GOOD, INT64_MAX), 2);
	ck_assert_int_eq(get(1, 3), AUTH_GOOD);
}
END_TEST

START_TEST(forget__one_all_and_late_answers)
{
	uint64_t epoch = auth_cache_epoch(cache);
	struct auth_entry e = entry(key_1, AUTH_GOOD, INT64_MAX);
	uint8_t hash[CRYPTO_HASH_BYTES];

	put(1, e, 0);
	put(2, entry(key_2, AUTH_GOOD, INT64_MAX), 0);
	auth_cache_forget(cache, key_1);
	ck_assert_int_eq(get(1, 1), AUTH_UNKNOWN);
	ck_assert_int_eq(get(2, 1), AUTH_GOOD);
	hash_of(1, hash);
	auth_cache_put(cache, hash, &e, epoch, 1); /* read before the revocation */
	ck_assert_int_eq(get(1, 2), AUTH_UNKNOWN);
	auth_cache_forget(cache, PB_UUID_NIL);
	ck_assert_int_eq(get(2, 2), AUTH_UNKNOWN);
}
END_TEST

START_TEST(put__is_bounded)
{
	int kept = 0;

	for (unsigned i = 0; i < 5000; i++)
		put(i, entry(key_1, AUTH_GOOD, INT64_MAX), i);
	for (unsigned i = 0; i < 5000; i++)
		kept += get(i, 5000) == AUTH_GOOD;
	ck_assert_int_eq(kept, 64);
	ck_assert_int_eq(get(4999, 5000), AUTH_GOOD); /* the newest is among them */
}
END_TEST

START_TEST(uses__once_a_minute)
{
	pb_autofree struct store_api_key_use *uses = pb_xcalloc(AUTH_USES_MAX, sizeof *uses);

	put(1, entry(key_1, AUTH_GOOD, INT64_MAX), 0);
	ck_assert_int_eq(get(1, 99), AUTH_GOOD); /* not due before 100 */
	ck_assert_uint_eq(auth_cache_take_uses(cache, uses), 0);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(get(1, 100 + i), AUTH_GOOD);
	ck_assert_uint_eq(auth_cache_take_uses(cache, uses), 1);
	ck_assert(pb_uuid_eq(uses[0].id, key_1));
	ck_assert_int_eq(uses[0].used_at_us, 777);
	ck_assert_uint_eq(auth_cache_take_uses(cache, uses), 0);
}
END_TEST

START_TEST(uses__are_bounded)
{
	pb_autofree struct store_api_key_use *uses = pb_xcalloc(AUTH_USES_MAX, sizeof *uses);
	struct auth_actor actor = {.id = key_1};

	for (int i = 0; i < AUTH_USES_MAX + 10; i++)
		auth_cache_note_use(cache, &actor, i);
	ck_assert_uint_eq(auth_cache_take_uses(cache, uses), AUTH_USES_MAX);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("auth_cache");
	TCase *t = tcase_create("cache");

	crypto_init();
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, get__until_ttl_or_expiry);
	tcase_add_test(t, get__remembers_refusals);
	tcase_add_test(t, forget__one_all_and_late_answers);
	tcase_add_test(t, put__is_bounded);
	tcase_add_test(t, uses__once_a_minute);
	tcase_add_test(t, uses__are_bounded);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
