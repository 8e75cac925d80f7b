/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/json_write.c */
#include "base/json.h"

#include <check.h>
#include <math.h>
#include <signal.h>

#include "support/check_main.h"
#include "base/base.h"

#define STRING(in, out)                                                                            \
	{                                                                                          \
		in, sizeof(in) - 1, out                                                            \
	}

static const struct {
	const char *s;
	size_t n;
	const char *want;
} strings[] = {
	STRING("", "\"\""),
	STRING("plain", "\"plain\""),
	STRING("\"\\/\b\f\n\r\t", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""),
	STRING("\0\x01\x1f\x7f", "\"\\u0000\\u0001\\u001f\x7f\""),
	STRING("\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\""),
	STRING("a\xff", "\"a\xef\xbf\xbd\""),
	STRING("\xffz", "\"\xef\xbf\xbdz\""),
	STRING("\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""),
	STRING("\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""),
	STRING("x\n\xc3", "\"x\\n\xef\xbf\xbd\""),
};

START_TEST(write_string__escapes_and_repairs)
{
	pb_auto_buf b = PB_BUF_INIT;
	pb_auto_arena a;
	const struct pb_json *j;

	pb_arena_init(&a, 4096);
	ck_assert(pb_json_write_string(&b, strings[_i].s, strings[_i].n));
	ck_assert_str_eq(pb_buf_str(&b), strings[_i].want);
	ck_assert_int_eq(pb_json_parse(&a, b.p, b.len, NULL, &j, NULL), PB_OK);
}
END_TEST

START_TEST(write_string__stops_at_the_limit)
{
	for (size_t limit = 1; limit < 14; limit++) {
		pb_auto_buf b;

		pb_buf_init(&b, limit);
		ck_assert_int_eq(pb_json_write_string(&b, "ab\ncd\xff", 6), limit >= 11);
		ck_assert_uint_le(b.len, limit);
	}
}
END_TEST

START_TEST(jw__nests_and_places_commas)
{
	static const char want[] =
		"{\"id\":\"x\",\"none\":null,\"list\":[1,-9223372036854775808,0.5,null,true,[],{}],"
		"\"o\":{\"raw\":{\"a\":1},\"empty\":null,\"t\":null,"
		"\"u\":\"00000000-0000-0000-0000-000000000000\","
		"\"when\":\"1970-01-01T00:00:00.000001Z\"},\"n\":\"a\\u0000\"}";
	pb_auto_buf b = PB_BUF_INIT;
	struct pb_jw w;

	pb_jw_init(&w, &b);
	pb_jw_object(&w);
	pb_jw_key(&w, "id");
	pb_jw_str(&w, "x");
	pb_jw_key(&w, "none");
	pb_jw_str(&w, NULL);
	pb_jw_key(&w, "list");
	pb_jw_array(&w);
	pb_jw_int(&w, 1);
	pb_jw_int(&w, INT64_MIN);
	pb_jw_real(&w, 0.5);
	pb_jw_real(&w, (double)NAN);
	pb_jw_bool(&w, true);
	pb_jw_array(&w);
	pb_jw_end(&w);
	pb_jw_object(&w);
	pb_jw_end(&w);
	pb_jw_end(&w);
	pb_jw_key(&w, "o");
	pb_jw_object(&w);
	pb_jw_key(&w, "raw");
	pb_jw_raw(&w, "{\"a\":1}", 7);
	pb_jw_key(&w, "empty");
	pb_jw_raw(&w, "", 0);
	pb_jw_key(&w, "t");
	pb_jw_time(&w, 0);
	pb_jw_key(&w, "u");
	pb_jw_uuid(&w, PB_UUID_NIL);
	pb_jw_key(&w, "when");
	pb_jw_time(&w, 1);
	pb_jw_end(&w);
	pb_jw_key(&w, "n");
	pb_jw_strn(&w, "a", 2);
	pb_jw_end(&w);
	ck_assert_uint_eq(w.depth, 0);
	ck_assert_str_eq(pb_buf_str(&b), want);
}
END_TEST

START_TEST(jw__mixed_levels_close_right)
{
	pb_auto_buf b = PB_BUF_INIT;
	struct pb_jw w;

	pb_jw_init(&w, &b);
	for (int i = 0; i < 64; i++) {
		if (i % 3 == 0) {
			pb_jw_object(&w);
			pb_jw_key(&w, "k");
		} else {
			pb_jw_array(&w);
		}
	}
	pb_jw_null(&w);
	for (int i = 0; i < 64; i++)
		pb_jw_end(&w);
	ck_assert_uint_eq(b.len, 64 * 2 + 22 * 4 + 4);
	ck_assert(pb_str_starts(b.p, "{\"k\":[[{\"k\":[["));
	ck_assert(pb_str_ends(b.p, "]]}]]}"));
}
END_TEST

START_TEST(jw__key_outside_an_object_aborts)
{
	pb_auto_buf b = PB_BUF_INIT;
	struct pb_jw w;

	pb_jw_init(&w, &b);
	pb_jw_array(&w);
	pb_jw_key(&w, "k");
}
END_TEST

START_TEST(write__tree_there_and_back)
{
	static const char text[] =
		"{\"a\":[1,2.50,-0,1e400,true,false,null,\"\\u00e9\\n\"],\"\":{}}";
	pb_auto_buf b = PB_BUF_INIT;
	pb_auto_arena a;
	const struct pb_json *j, *again;
	struct pb_jw w;

	pb_arena_init(&a, 65536);
	ck_assert_int_eq(pb_json_parse(&a, text, sizeof(text) - 1, NULL, &j, NULL), PB_OK);
	pb_jw_init(&w, &b);
	pb_jw_array(&w);
	pb_jw_tree(&w, j);
	pb_jw_tree(&w, NULL);
	pb_jw_end(&w);
	ck_assert_str_eq(
		pb_buf_str(&b),
		"[{\"a\":[1,2.50,-0,1e400,true,false,null,\"\xc3\xa9\\n\"],\"\":{}},null]");
	ck_assert_int_eq(pb_json_parse(&a, b.p, b.len, NULL, &again, NULL), PB_OK);
	ck_assert(pb_json_equal(j, pb_json_item(again, 0)));
}
END_TEST

START_TEST(write__refuses_deeper_trees_and_full_buffers)
{
	pb_auto_arena a;
	pb_auto_buf b = PB_BUF_INIT;
	pb_auto_buf small;
	const struct pb_json *j = &pb_json_null;

	pb_arena_init(&a, 65536);
	for (int i = 0; i < PB_JSON_DEPTH; i++)
		j = pb_json_new_array(&a, j, 1);
	ck_assert(pb_json_write(&b, j));
	ck_assert_uint_eq(b.len, 2 * PB_JSON_DEPTH + 4);
	pb_buf_init(&small, 2 * PB_JSON_DEPTH + 3);
	ck_assert(!pb_json_write(&small, j));
	ck_assert(small.overflow);
	ck_assert(!pb_json_write(&b, pb_json_new_array(&a, j, 1)));
	ck_assert(b.overflow);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("json_write");
	TCase *tc = tcase_create("json_write");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, write_string__escapes_and_repairs, 0, PB_ARRAY_LEN(strings));
	tcase_add_test(tc, write_string__stops_at_the_limit);
	tcase_add_test(tc, jw__nests_and_places_commas);
	tcase_add_test(tc, jw__mixed_levels_close_right);
	tcase_add_test(tc, write__tree_there_and_back);
	tcase_add_test(tc, write__refuses_deeper_trees_and_full_buffers);
	if (check_forks())
		tcase_add_test_raise_signal(tc, jw__key_outside_an_object_aborts, SIGABRT);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
