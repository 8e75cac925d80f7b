/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/json.c: lookups, equality, building. */
#include "base/json.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

static struct pb_arena arena;

static void setup(void)
{
	pb_arena_init(&arena, 64 << 20);
}

static void teardown(void)
{
	pb_arena_done(&arena);
}

static const struct pb_json *must_read(const char *text)
{
	const struct pb_json *j = NULL;

	ck_assert_int_eq(pb_json_parse(&arena, text, strlen(text), NULL, &j, NULL), PB_OK);
	return j;
}

START_TEST(node__is_16_bytes)
{
	ck_assert_uint_eq(sizeof(struct pb_json), 16);
	ck_assert_uint_eq(sizeof(struct pb_json_member), 32);
}
END_TEST

START_TEST(lookups__chain_over_null)
{
	const struct pb_json *j =
		must_read("{\"a\":[{\"b\":\"c\"}],\"n\":null,\"z\":\"x\\u0000y\"}");

	ck_assert_str_eq(pb_json_str(pb_json_get(pb_json_item(pb_json_get(j, "a"), 0), "b")), "c");
	ck_assert_ptr_null(pb_json_get(pb_json_item(pb_json_get(j, "q"), 0), "b"));
	ck_assert_ptr_null(pb_json_item(pb_json_get(j, "a"), 1));
	ck_assert_ptr_null(pb_json_get(NULL, "a"));
	ck_assert_ptr_null(pb_json_str(NULL));
	ck_assert_ptr_null(pb_json_str(pb_json_get(j, "n")));
	ck_assert_ptr_null(pb_json_str(pb_json_get(j, "z")));
	ck_assert_uint_eq(pb_json_slice(pb_json_get(j, "z")).len, 3);
	ck_assert_ptr_null(pb_json_slice(j).p);
	ck_assert(!pb_json_is(NULL, PB_JSON_NULL));
	ck_assert(pb_json_is(pb_json_get(j, "n"), PB_JSON_NULL));
	ck_assert(!pb_json_true(NULL));
	ck_assert(!pb_json_true(must_read("1")));
	ck_assert(pb_json_true(must_read("true")));
	ck_assert_ptr_null(pb_json_getn(j, "abc", 2));
}
END_TEST

/* The examples of RFC 6901, 5, and faults. The value is the expected text, NULL = nothing there. */
static const struct {
	const char *pointer;
	const char *value;
} pointers[] = {
	{"/foo", "[\"bar\",\"baz\"]"},
	{"/foo/0", "\"bar\""},
	{"/", "0"},
	{"/a~1b", "1"},
	{"/c%d", "2"},
	{"/e^f", "3"},
	{"/g|h", "4"},
	{"/i\\j", "5"},
	{"/k\"l", "6"},
	{"/ ", "7"},
	{"/m~0n", "8"},
	{"/foo/2", NULL},
	{"/foo/-", NULL},
	{"/foo/00", NULL},
	{"/foo/-1", NULL},
	{"/foo/0/x", NULL},
	{"/foo/", NULL},
	{"foo", NULL},
	{"/m~2n", NULL},
	{"/m~", NULL},
	{"/m~01n", NULL},
	{"//", NULL},
	{"/foo/99999999999999999999", NULL},
};

START_TEST(pointer__as_in_rfc_6901)
{
	const struct pb_json *j = must_read(
		"{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,"
		"\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8}");
	const char *p = pointers[_i].pointer;
	const struct pb_json *got = pb_json_pointer(j, p, strlen(p));
	pb_auto_buf b = PB_BUF_INIT;

	ck_assert_ptr_eq(pb_json_pointer(j, "", 0), j);
	ck_assert_int_eq(got != NULL, pointers[_i].value != NULL);
	if (!got)
		return;
	ck_assert(pb_json_write(&b, got));
	ck_assert_str_eq(pb_buf_str(&b), pointers[_i].value);
}
END_TEST

static const struct {
	const char *a, *b;
	bool equal;
} pairs[] = {
	{"null", "null", true},
	{"null", "false", false},
	{"true", "true", true},
	{"true", "false", false},
	{"1", "1", true},
	{"1", "1.0", true},
	{"1", "10e-1", true},
	{"100", "1e2", true},
	{"0", "-0", true},
	{"0", "0e99", true},
	{"1", "\"1\"", false},
	{"1", "true", false},
	{"0", "false", false},
	{"9007199254740993", "9007199254740992", false},
	{"9007199254740993.0", "9007199254740993", true},
	{"18446744073709551617", "18446744073709551616", false},
	{"18446744073709551617", "18446744073709551617.00", true},
	{"1e400", "10e399", true},
	{"1e400", "1e401", false},
	{"0.1", "0.10", true},
	{"0.1", "0.1000000000000000055", false},
	{"0.001", "1e-3", true},
	{"-1", "1", false},
	{"\"a\"", "\"a\"", true},
	{"\"a\"", "\"b\"", false},
	{"\"a\"", "\"a\\u0000\"", false},
	{"[1,2]", "[1,2]", true},
	{"[1,2]", "[2,1]", false},
	{"[1,2]", "[1]", false},
	{"[]", "{}", false},
	{"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true},
	{"{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false},
	{"{\"a\":1,\"b\":2}", "{\"a\":1}", false},
	{"{\"a\":{\"x\":[1,{}]}}", "{\"a\":{\"x\":[1.0,{}]}}", true},
};

START_TEST(equal__by_value)
{
	const struct pb_json *a = must_read(pairs[_i].a), *b = must_read(pairs[_i].b);

	ck_assert_int_eq(pb_json_equal(a, b), pairs[_i].equal);
	ck_assert_int_eq(pb_json_equal(b, a), pairs[_i].equal);
	ck_assert(pb_json_equal(a, a));
	ck_assert(!pb_json_equal(a, NULL));
	ck_assert(pb_json_equal(NULL, NULL));
}
END_TEST

static const struct pb_json *numbered_object(int n, bool reverse, int last)
{
	pb_auto_buf b = PB_BUF_INIT;

	(void)pb_buf_addc(&b, '{');
	for (int i = 0; i < n; i++) {
		int k = reverse ? n - 1 - i : i;

		(void)pb_buf_addf(&b, "%s\"key%d\":%d", i ? "," : "", k, k == n - 1 ? last : k);
	}
	(void)pb_buf_addc(&b, '}');
	return must_read(pb_buf_str(&b));
}

START_TEST(equal__objects_in_any_order_of_any_size)
{
	for (int n = 1; n < 60; n++) {
		ck_assert(pb_json_equal(numbered_object(n, false, 7), numbered_object(n, true, 7)));
		ck_assert(
			!pb_json_equal(numbered_object(n, false, 7), numbered_object(n, true, 8)));
	}
	/* squares of this would take minutes */
	ck_assert(
		pb_json_equal(numbered_object(100000, false, 7), numbered_object(100000, true, 7)));
}
END_TEST

START_TEST(type_name__of_everything)
{
	static const char *const cases[][2] = {
		{"null", "null"},   {"true", "boolean"}, {"1", "number"}, {"1.5", "number"},
		{"\"\"", "string"}, {"[]", "array"},     {"{}", "object"}};
	const struct pb_json real = {.type = PB_JSON_REAL, .d = 0.5};

	for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++)
		ck_assert_str_eq(pb_json_type_name(must_read(cases[i][0])), cases[i][1]);
	ck_assert_str_eq(pb_json_type_name(&real), "number");
	ck_assert_str_eq(pb_json_type_name(NULL), "missing");
}
END_TEST

START_TEST(build__copies_children)
{
	struct pb_json items[2] = {{.type = PB_JSON_INT, .i = 1}, {.type = PB_JSON_REAL, .d = 0.5}};
	const struct pb_json *array = pb_json_new_array(&arena, items, 2), *object;
	struct pb_json_member m[2] = {{.key = "list", .key_len = 4, .value = *array},
				      {.key = "text", .key_len = 4}};
	pb_auto_buf b = PB_BUF_INIT;
	pb_auto_arena full;

	m[1].value = *pb_json_new_string(&arena, "a\"b", 3);
	object = pb_json_new_object(&arena, m, 2);
	memset(items, 0, sizeof(items));
	memset(m, 0, sizeof(m));
	ck_assert(pb_json_write(&b, object));
	ck_assert_str_eq(pb_buf_str(&b), "{\"list\":[1,0.5],\"text\":\"a\\\"b\"}");
	pb_buf_clear(&b);
	ck_assert(pb_json_write(&b, pb_json_new_array(&arena, NULL, 0)));
	ck_assert(pb_json_write(&b, pb_json_new_object(&arena, NULL, 0)));
	ck_assert_str_eq(pb_buf_str(&b), "[]{}");
	pb_arena_init(&full, 16);
	ck_assert_ptr_null(pb_json_new_array(&full, items, 2));
	ck_assert_ptr_null(pb_json_new_string(&full, "x", 1));
	ck_assert_ptr_null(pb_json_new_object(&arena, m, SIZE_MAX));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("json");
	TCase *tc = tcase_create("json");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, node__is_16_bytes);
	tcase_add_test(tc, lookups__chain_over_null);
	tcase_add_loop_test(tc, pointer__as_in_rfc_6901, 0, PB_ARRAY_LEN(pointers));
	tcase_add_loop_test(tc, equal__by_value, 0, PB_ARRAY_LEN(pairs));
	tcase_add_test(tc, equal__objects_in_any_order_of_any_size);
	tcase_add_test(tc, type_name__of_everything);
	tcase_add_test(tc, build__copies_children);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
