/* SPDX-License-Identifier: Apache-2.0 */
/* core/connector/connector_guard.c: the rules of quarantine on a clock of our own. */
#include "connector/connector_guard.h"

#include <check.h>
#include "base/clock.h"
#include "base/base.h"

#define MIN PB_USEC_PER_MIN

static struct connector_guard *guard;
static struct pb_arena arena;
static struct connector_quarantine made[2];
static char reason[256];

static void setup(void)
{
	guard = connector_guard_new();
	pb_arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
	connector_guard_free(guard);
	pb_arena_done(&arena);
}

static size_t strike(struct pb_uuid tenant, int64_t now_us)
{
	return connector_guard_strike(guard, "odd", "boom", tenant, "signal 11", now_us, &arena,
				      made);
}

static enum connector_verdict check_op(const char *op, struct pb_uuid tenant)
{
	return connector_guard_check(guard, "odd", op, tenant, reason, sizeof(reason));
}

START_TEST(strike__third_in_five_minutes)
{
	struct pb_uuid a = pb_uuid7(), b = pb_uuid7();

	ck_assert_uint_eq(strike(a, 0), 0);
	ck_assert_uint_eq(strike(a, 1 * MIN), 0);
	ck_assert_int_eq(check_op("boom", a), CONNECTOR_MAY_RUN);
	ck_assert_uint_eq(strike(a, 5 * MIN - 1), 1);
	ck_assert_str_eq(made[0].operation, "boom");
	ck_assert(pb_uuid_eq(made[0].tenant, a));
	ck_assert_int_eq(check_op("boom", a), CONNECTOR_MUST_NOT);
	ck_assert_str_eq(reason, "signal 11");
	ck_assert_int_eq(check_op("boom", b), CONNECTOR_MAY_RUN);
	ck_assert_int_eq(check_op("other", a), CONNECTOR_MAY_RUN);
}
END_TEST

START_TEST(strike__slow_ones_do_not_count)
{
	struct pb_uuid a = pb_uuid7();

	for (int i = 0; i < 20; i++)
		ck_assert_uint_eq(strike(a, i * (CONNECTOR_GUARD_WINDOW_US / 2)), 0);
	ck_assert_int_eq(check_op("boom", a), CONNECTOR_MAY_RUN);
}
END_TEST

START_TEST(strike__third_tenant_closes_it_for_all)
{
	for (int t = 0; t < 3; t++) {
		struct pb_uuid tenant = pb_uuid7();

		ck_assert_int_eq(check_op("boom", pb_uuid7()), CONNECTOR_MAY_RUN);
		ck_assert_uint_eq(strike(tenant, t * 30 * MIN), 0);
		ck_assert_uint_eq(strike(tenant, t * 30 * MIN + 1), 0);
		ck_assert_uint_eq(strike(tenant, t * 30 * MIN + 2), t == 2 ? 2 : 1);
	}
	ck_assert(pb_uuid_is_nil(made[1].tenant));
	ck_assert_int_eq(check_op("boom", pb_uuid7()), CONNECTOR_MUST_NOT);
	ck_assert_int_eq(check_op("other", pb_uuid7()), CONNECTOR_MAY_RUN);
}
END_TEST

START_TEST(lift__begins_anew)
{
	struct pb_uuid a = pb_uuid7();

	for (int i = 0; i < 3; i++)
		(void)strike(a, i);
	ck_assert(!connector_guard_lift(guard, "odd", "boom", pb_uuid7()));
	ck_assert(connector_guard_lift(guard, "odd", "boom", a));
	ck_assert(!connector_guard_lift(guard, "odd", "boom", a));
	ck_assert_int_eq(check_op("boom", a), CONNECTOR_MAY_RUN);
	ck_assert_uint_eq(strike(a, 3), 0);
	ck_assert_uint_eq(strike(a, 4), 0);
	ck_assert_uint_eq(strike(a, 5), 1);
}
END_TEST

START_TEST(quarantine__whole_connector)
{
	const struct connector_quarantine q = {"odd", "", PB_UUID_NIL, "by hand", 1, false};
	struct connector_quarantine *list = NULL;

	connector_guard_quarantine(guard, &q);
	connector_guard_quarantine(guard, &q);
	ck_assert_uint_eq(connector_guard_list(guard, &arena, &list), 1);
	ck_assert_str_eq(list[0].reason, "by hand");
	ck_assert_int_eq(check_op("anything", pb_uuid7()), CONNECTOR_MUST_NOT);
	ck_assert_int_eq(
		connector_guard_check(guard, "slack", "x", pb_uuid7(), reason, sizeof(reason)),
		CONNECTOR_MAY_RUN);
	ck_assert(connector_guard_lift(guard, "odd", "", PB_UUID_NIL));
}
END_TEST

START_TEST(state__changes_once)
{
	ck_assert(!connector_guard_set_state(guard, "odd", CONNECTOR_ENABLED));
	ck_assert(connector_guard_set_state(guard, "odd", CONNECTOR_DISABLED));
	ck_assert(!connector_guard_set_state(guard, "odd", CONNECTOR_DISABLED));
	ck_assert_int_eq(connector_guard_state(guard, "odd"), CONNECTOR_DISABLED);
	ck_assert_int_eq(connector_guard_state(guard, "slack"), CONNECTOR_ENABLED);
	ck_assert_int_eq(check_op("boom", pb_uuid7()), CONNECTOR_MUST_WAIT);
	ck_assert(connector_guard_set_state(guard, "odd", CONNECTOR_ENABLED));
	ck_assert_int_eq(check_op("boom", pb_uuid7()), CONNECTOR_MAY_RUN);
}
END_TEST

START_TEST(death__is_remembered_and_forgotten)
{
	ck_assert_uint_eq(connector_guard_deaths(guard, 7, 0), 0);
	ck_assert_uint_eq(connector_guard_death(guard, 7, 0), 1);
	ck_assert_uint_eq(connector_guard_death(guard, 7, MIN), 2);
	ck_assert_uint_eq(connector_guard_deaths(guard, 8, MIN), 0);
	ck_assert_uint_eq(connector_guard_deaths(guard, 7, 10 * MIN), 2);
	ck_assert_uint_eq(connector_guard_deaths(guard, 7, 11 * MIN), 0);
	ck_assert_uint_eq(connector_guard_death(guard, 7, 12 * MIN), 1);
	connector_guard_forget(guard, 7);
	ck_assert_uint_eq(connector_guard_deaths(guard, 7, 12 * MIN), 0);
}
END_TEST

START_TEST(death__book_is_bounded)
{
	for (uint64_t k = 1; k <= 5000; k++)
		(void)connector_guard_death(guard, k, (int64_t)k);
	ck_assert_uint_eq(connector_guard_deaths(guard, 5000, 5000), 1);
	ck_assert_uint_eq(connector_guard_deaths(guard, 1, 5000), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("connector_guard");
	TCase *tc = tcase_create("guard");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, strike__third_in_five_minutes);
	tcase_add_test(tc, strike__slow_ones_do_not_count);
	tcase_add_test(tc, strike__third_tenant_closes_it_for_all);
	tcase_add_test(tc, lift__begins_anew);
	tcase_add_test(tc, quarantine__whole_connector);
	tcase_add_test(tc, state__changes_once);
	tcase_add_test(tc, death__is_remembered_and_forgotten);
	tcase_add_test(tc, death__book_is_bounded);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
