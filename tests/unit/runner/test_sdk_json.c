/* SPDX-License-Identifier: Apache-2.0 */
/* sdk/src/patchbay_json.c, compiled in as connectors do. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../../sdk/src/patchbay_json.c"

#include "support/check_main.h"

static void *test_alloc(struct patchbay_call *call, size_t n)
{
	(void)call;
	return calloc(1, n); /* the process ends after each test */
}

static const struct patchbay_host host = {.size = sizeof(host), .alloc = test_alloc};

static struct patchbay_text text(const char *s)
{
	const struct patchbay_text t = {s, strlen(s)};

	return t;
}

static const char *const good[] = {
	"{}",
	"[]",
	" [ ] ",
	"[[],{}]",
	"{\"a\":{}}",
	"null",
	"true",
	"-0",
	"1.5e-7",
	"\"\\ud83d\\ude00\"",
	"[1,[2,[3]],{\"a\":[{}]}]",
	"\"\xf0\x9f\x98\x80\"",
	"{\"a\":1,\"b\":[true,false,null]}",
};
static const char *const bad[] = {
	"",
	" ",
	"[",
	"]",
	"{",
	"[1,]",
	"[,1]",
	"{\"a\"}",
	"{\"a\":}",
	"{\"a\":1,}",
	"{a:1}",
	"01",
	"+1",
	"1.",
	".5",
	"1e",
	"NaN",
	"nul",
	"\"",
	"\"\\x\"",
	"\"\\ud83d\"",
	"\"\\ude00\"",
	"\"\x01\"",
	"\"\xc3\x28\"",
	"\"\xed\xa0\x80\"",
	"\"\xf5\x80\x80\x80\"",
	"{} {}",
	"[1 2]",
	"{\"a\" 1}",
	"[}",
	"\"\xe2\x82\"",
};

START_TEST(valid__takes_json)
{
	ck_assert(patchbay_json_valid(good[_i], strlen(good[_i])));
}
END_TEST

START_TEST(valid__refuses_the_rest)
{
	ck_assert(!patchbay_json_valid(bad[_i], strlen(bad[_i])));
}
END_TEST

START_TEST(valid__counts_levels)
{
	char deep[2 * 65 + 1];

	memset(deep, '[', 64);
	memset(deep + 64, ']', 64);
	ck_assert(patchbay_json_valid(deep, 128));
	memset(deep, '[', 65);
	memset(deep + 65, ']', 65);
	ck_assert(!patchbay_json_valid(deep, 130));
}
END_TEST

START_TEST(find__follows_pointers)
{
	const struct patchbay_text doc =
		text(" {\"a/b\":[10,{\"~\":\"x\\n\"}],\"\":5, \"\\u0061\":6}");
	int64_t n;

	ck_assert(patchbay_json_int(patchbay_json_find(doc, "/a~1b/0"), &n));
	ck_assert_int_eq(n, 10);
	ck_assert(patchbay_json_equals(patchbay_json_find(doc, "/a~1b/1/~0"), "x\n"));
	ck_assert(patchbay_json_int(patchbay_json_find(doc, "/"), &n));
	ck_assert_int_eq(n, 5);
	ck_assert(patchbay_json_int(patchbay_json_find(doc, "/a"), &n));
	ck_assert_int_eq(n, 6);
	ck_assert_ptr_null(patchbay_json_find(doc, "/a~1b/2").ptr);
	ck_assert_ptr_null(patchbay_json_find(doc, "/a~1b/01").ptr);
	ck_assert_ptr_null(patchbay_json_find(doc, "x").ptr);
	ck_assert_int_eq(patchbay_json_type(patchbay_json_find(doc, "")), '{');
}
END_TEST

START_TEST(string__decodes)
{
	size_t n;

	ck_assert_str_eq(
		patchbay_json_string(&host, NULL, text("\"a\\u00e4\\ud83d\\ude00\\\"\""), &n),
		"a\xc3\xa4\xf0\x9f\x98\x80\"");
	ck_assert_uint_eq(n, 8);
	ck_assert_ptr_null(patchbay_json_string(&host, NULL, text("5"), NULL));
	ck_assert_ptr_null(patchbay_json_string(&host, NULL, text("\"\\u0000\""), NULL));
}
END_TEST

START_TEST(writer__nests_and_escapes)
{
	struct patchbay_writer w;

	patchbay_writer_init(&w, &host, NULL);
	patchbay_write_open(&w, '{');
	patchbay_write_key(&w, "a");
	patchbay_write_open(&w, '[');
	patchbay_write_int(&w, INT64_MIN);
	patchbay_write_bool(&w, 1);
	patchbay_write_text(&w, NULL);
	patchbay_write_close(&w, ']');
	patchbay_write_key(&w, "b\"");
	patchbay_write_text(&w, "x\ty\\");
	patchbay_write_close(&w, '}');
	ck_assert(!w.failed);
	ck_assert_str_eq(w.text, "{\"a\":[-9223372036854775808,true,null],"
				 "\"b\\u0022\":\"x\\u0009y\\u005c\"}");
	ck_assert(patchbay_json_valid(w.text, w.len));
}
END_TEST

START_TEST(int__refuses_what_is_none)
{
	int64_t n;

	ck_assert(!patchbay_json_int(text("1.0"), &n));
	ck_assert(!patchbay_json_int(text("\"1\""), &n));
	ck_assert(!patchbay_json_int(text("-"), &n));
	ck_assert(!patchbay_json_int(text("99999999999999999999"), &n));
	ck_assert(patchbay_json_int(text(" -42 "), &n));
	ck_assert_int_eq(n, -42);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sdk_json");
	TCase *tc = tcase_create("json");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, valid__takes_json, 0, sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(tc, valid__refuses_the_rest, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, valid__counts_levels);
	tcase_add_test(tc, find__follows_pointers);
	tcase_add_test(tc, int__refuses_what_is_none);
	if (check_forks()) { /* these two leave memory behind, as a call's memory would be freed */
		tcase_add_test(tc, string__decodes);
		tcase_add_test(tc, writer__nests_and_escapes);
	}
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
