/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_date.c: adding and subtracting agree over many seeded dates. Cases: test_expr_fn_date.c. */
#include "expr/expr_date.h"
#include "expr/expr_zone.h"
#include "expr_test.h"

START_TEST(date__diff_is_the_largest_step_that_fits)
{
	static const char *const zones[] = {"UTC", "Europe/Berlin", "America/New_York",
					    "Asia/Almaty"};
	uint64_t state = 3;

	for (int i = 0; i < 20000; i++) {
		const char *name = zones[i % 4];
		const struct expr_zone *z = expr_zone_get(name, strlen(name));
		enum expr_unit unit = (enum expr_unit)(i % 9);
		int64_t a, b, n, back;

		state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
		b = (int64_t)(state >> 20) % INT64_C(4000000000000000);
		a = b + (int64_t)(state >> 13) % INT64_C(90000000000000);
		n = expr_date_diff(a, b, unit, z);
		ck_assert_int_eq(expr_date_diff(b, a, unit, z), -n);
		ck_assert(expr_date_add(b, n, unit, z, &back));
		ck_assert_msg(back <= a, "%s unit %d %lld %lld", name, unit, (long long)a,
			      (long long)b);
		ck_assert(expr_date_add(b, n + 1, unit, z, &back));
		/* a clock that goes back repeats an hour: the next day may begin before it is over */
		ck_assert_msg(back + INT64_C(7200000000) > a, "%s unit %d %lld %lld", name, unit,
			      (long long)a, (long long)b);
	}
}
END_TEST

START_TEST(date__start_is_not_later_and_stays)
{
	const struct expr_zone *z = expr_zone_get("Europe/Berlin", 13);

	for (int64_t us = 0; us < INT64_C(3000000000000000); us += INT64_C(1234567890123)) {
		for (enum expr_unit unit = EXPR_UNIT_YEAR; unit <= EXPR_UNIT_MILLISECOND; unit++) {
			int64_t s = expr_date_start_of(us, unit, z);

			ck_assert_int_le(s, us);
			ck_assert_int_eq(expr_date_start_of(s, unit, z), s);
		}
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("date");

	tcase_add_test(tc, date__diff_is_the_largest_step_that_fits);
	tcase_add_test(tc, date__start_is_not_later_and_stays);
	return expr_test_main("expr_date", tc);
}
