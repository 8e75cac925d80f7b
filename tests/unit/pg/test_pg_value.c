/* SPDX-License-Identifier: Apache-2.0 */
/* Wire forms of values: what goes out must be what PostgreSQL documents, and come back unchanged. */
#include "pg/pg_value.h"
#include <check.h>
#include "base/base.h"

static struct pg_cell arg_cell(const struct pg_args *a, int i)
{
	return (struct pg_cell){.p = a->data.p + a->off[i], .len = a->len[i]};
}

START_TEST(value__integers_round_trip)
{
	static const int64_t v[] = {0,         1,         -1,        32767,    -32768,
				    INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
	pg_auto_args a = PG_ARGS_INIT;

	pg_arg_i64(&a, v[_i]);
	pg_arg_i32(&a, (int32_t)v[_i]);
	pg_arg_i16(&a, (int16_t)v[_i]);
	ck_assert_int_eq(pg_cell_i64(arg_cell(&a, 0)), v[_i]);
	ck_assert_int_eq(pg_cell_i32(arg_cell(&a, 1)), (int32_t)v[_i]);
	ck_assert_int_eq(pg_cell_i16(arg_cell(&a, 2)), (int16_t)v[_i]);
	ck_assert_uint_eq(a.oid[0], 20);
	ck_assert_uint_eq(a.oid[1], 23);
	ck_assert_uint_eq(a.oid[2], 21);
}
END_TEST

START_TEST(value__times)
{
	/* us since 1970 and what stands on the wire: us since 2000 */
	static const struct {
		int64_t us, wire;
	} t[] = {
		{INT64_C(946684800000000), 0},
		{INT64_C(946684800000001), 1},
		{0, INT64_C(-946684800000000)},
		{PG_TIME_INFINITY, INT64_MAX},
		{INT64_MIN, INT64_MIN},
		{INT64_C(253402300799999999), INT64_C(252455615999999999)},
		{INT64_C(-1), INT64_C(-946684800000001)},
	};
	pg_auto_args a = PG_ARGS_INIT;

	pg_arg_time(&a, t[_i].us);
	pg_arg_time_or_null(&a, 0);
	ck_assert_int_eq(pg_cell_i64(arg_cell(&a, 0)), t[_i].wire);
	ck_assert_int_eq(pg_cell_time(arg_cell(&a, 0)), t[_i].us);
	ck_assert_int_eq(a.len[1], -1);
	ck_assert_int_eq(pg_cell_time(arg_cell(&a, 1)), 0);
}
END_TEST

START_TEST(value__null_and_empty_differ)
{
	struct pb_arena arena;
	pg_auto_args a = PG_ARGS_INIT;

	pb_arena_init(&arena, 4096);
	pg_arg_text(&a, NULL);
	pg_arg_text(&a, "");
	pg_arg_bytes(&a, NULL, 0);
	pg_arg_bytes(&a, "\0x", 2);
	pg_arg_uuid_or_null(&a, NULL);
	ck_assert_int_eq(a.len[0], -1);
	ck_assert_int_eq(a.len[1], 0);
	ck_assert_int_eq(a.len[4], -1);
	ck_assert_ptr_null(pg_cell_text(arg_cell(&a, 0), &arena));
	ck_assert_str_eq(pg_cell_text(arg_cell(&a, 1), &arena), "");
	ck_assert_ptr_null(pg_cell_bytes(arg_cell(&a, 2), &arena).p);
	ck_assert_uint_eq(pg_cell_bytes(arg_cell(&a, 3), &arena).len, 2);
	ck_assert(pb_uuid_is_nil(pg_cell_uuid(arg_cell(&a, 4))));
	pb_arena_done(&arena);
}
END_TEST

START_TEST(value__arrays)
{
	static const uint8_t two[] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 21, 0, 0, 0,   2,
				      0, 0, 0, 1, 0, 0, 0, 2, 0, 5, 0, 0,  0, 2, 255, 255};
	static const int16_t v[] = {5, -1};
	static const char *const texts[] = {"a", ""};
	pg_auto_args a = PG_ARGS_INIT;

	pg_arg_i16s(&a, v, 2);
	pg_arg_i16s(&a, v, 0);
	pg_arg_texts(&a, texts, 2);
	pg_arg_i16s_null(&a);
	ck_assert_int_eq(a.len[0], (int)sizeof(two));
	ck_assert_mem_eq(a.data.p + a.off[0], two, sizeof(two));
	/* an empty array has no dimension */
	ck_assert_int_eq(a.len[1], 12);
	ck_assert_mem_eq(a.data.p + a.off[1], "\0\0\0\0\0\0\0\0\0\0\0\025", 12);
	ck_assert_int_eq(a.len[2], 20 + 4 + 1 + 4);
	ck_assert_int_eq(a.len[3], -1);
	ck_assert_uint_eq(a.oid[2], 1009);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pg_value");
	TCase *tc = tcase_create("value");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, value__integers_round_trip, 0, 9);
	tcase_add_loop_test(tc, value__times, 0, 7);
	tcase_add_test(tc, value__null_and_empty_differ);
	tcase_add_test(tc, value__arrays);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
