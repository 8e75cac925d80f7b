/* SPDX-License-Identifier: Apache-2.0 */
/* One spelling for one path (H12, H25): everything else is refused, not cleaned. */
#include "http/http_path.h"

#include <check.h>

#include "base/buf.h"
#include "base/base.h"

static struct pb_arena arena;

static void setup(void)
{
	pb_arena_init(&arena, 1024 * 1024);
}

static void teardown(void)
{
	pb_arena_done(&arena);
}

static const struct {
	const char *raw, *path; /* NULL = refused */
} paths[] = {
	{"/", "/"},
	{"/a/b", "/a/b"},
	{"/a/b/", "/a/b/"},
	{"/a%20b", "/a b"},
	{"/%D0%9F", "/\xd0\x9f"},
	{"/a.b/..c/...", "/a.b/..c/..."},
	{"/~x/a:b@c;d=e,f!$&'()*+", "/~x/a:b@c;d=e,f!$&'()*+"},
	{"/%61", "/a"},
	{"", NULL},
	{"a", NULL},
	{"*", NULL},
	{"http://127.0.0.1:5432/", NULL},
	{"//evil.com/", NULL},
	{"/a//b", NULL},
	{"/./a", NULL},
	{"/.", NULL},
	{"/a/..", NULL},
	{"/a/../b", NULL},
	{"/%2e%2e/admin", NULL},
	{"/%2E/admin", NULL},
	{"/webhook/..%2f..%2fadmin", NULL},
	{"/a%2Fb", NULL},
	{"/a%5cb", NULL},
	{"/a\\b", NULL},
	{"/%252e%252e", NULL},
	{"/%25", NULL},
	{"/a%00b", NULL},
	{"/a%0d%0ab", NULL},
	{"/a%7f", NULL},
	{"/%c0%ae%c0%ae/", NULL},
	{"/%ff", NULL},
	{"/%ed%a0%80", NULL},
	{"/%", NULL},
	{"/%4", NULL},
	{"/%zz", NULL},
	{"/a b", NULL},
	{"/a\"b", NULL},
	{"/a<b", NULL},
	{"/a#b", NULL},
	{"/\xd0\x9f", NULL},
};

START_TEST(target__paths)
{
	struct http_target t;
	struct pb_err err = PB_ERR_INIT;
	enum pb_status st =
		http_target_parse(&arena, paths[_i].raw, strlen(paths[_i].raw), &t, &err);

	if (paths[_i].path) {
		ck_assert_msg(st == PB_OK, "%s", paths[_i].raw);
		ck_assert_str_eq(t.path.p, paths[_i].path);
		ck_assert_uint_eq(t.path.len, strlen(paths[_i].path));
	} else {
		ck_assert_msg(st == PB_E_INVALID, "%s", paths[_i].raw);
		ck_assert_str_eq(err.code, "http.path_invalid");
	}
}
END_TEST

START_TEST(target__limits)
{
	struct http_target t;
	struct pb_err err = PB_ERR_INIT;
	pb_autofree char *big = pb_xcalloc(1, 20001);

	memset(big, 'a', 20000);
	big[0] = '/';
	ck_assert_int_eq(http_target_parse(&arena, big, 20000, &t, &err), PB_E_TOO_LARGE);
	ck_assert_str_eq(err.code, "http.uri_too_long");
	ck_assert_int_eq(http_target_parse(&arena, big, HTTP_TARGET_BYTES, &t, &err), PB_OK);
	memset(big, '/', 5000);
	ck_assert_int_eq(http_target_parse(&arena, big, 5000, &t, &err), PB_E_INVALID);
	for (int i = 0; i < 200; i++)
		memcpy(big + i * 2, "/a", 2);
	ck_assert_int_eq(http_target_parse(&arena, big, HTTP_PATH_SEGMENTS * 2, &t, &err), PB_OK);
	ck_assert_int_eq(http_target_parse(&arena, big, HTTP_PATH_SEGMENTS * 2 + 2, &t, &err),
			 PB_E_INVALID);
}
END_TEST

START_TEST(query__decodes)
{
	static const char raw[] = "/p?a=1&b=x+y%26z&c&d=&%D0%B0=%F0%9F%98%80&&e=a=b";
	struct http_target t;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(http_target_parse(&arena, raw, sizeof(raw) - 1, &t, &err), PB_OK);
	ck_assert_uint_eq(t.n_params, 6);
	ck_assert_str_eq(t.params[0].value.p, "1");
	ck_assert_str_eq(t.params[1].value.p, "x y&z");
	ck_assert_str_eq(t.params[2].name.p, "c");
	ck_assert_str_eq(t.params[2].value.p, "");
	ck_assert_str_eq(t.params[4].name.p, "\xd0\xb0");
	ck_assert_str_eq(t.params[5].value.p, "a=b");
	ck_assert(pb_slice_eq_str(t.query, raw + 3));
}
END_TEST

static const char *const bad_queries[] = {
	"/?a=%00",    "/?a=%",    "/?a=%4", "/?a=%zz",  "/?a=%ff",
	"/?a=%c0%ae", "/?a=b\\c", "/?a=<",  "/?a=\xff",
};

START_TEST(query__refuses)
{
	struct http_target t;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(
		http_target_parse(&arena, bad_queries[_i], strlen(bad_queries[_i]), &t, &err),
		PB_E_INVALID);
	ck_assert_str_eq(err.code, "http.query_invalid");
}
END_TEST

START_TEST(query__tells_repeated_names)
{
	static const struct {
		const char *raw;
		bool repeats;
	} cases[] = {
		{"/?a=1&b=2", false}, {"/?a=1&a=2", true}, {"/?%61=1&a=2", true}, {"/", false}};
	struct http_target t;
	struct pb_err err = PB_ERR_INIT;

	for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
		ck_assert_int_eq(
			http_target_parse(&arena, cases[i].raw, strlen(cases[i].raw), &t, &err),
			PB_OK);
		ck_assert_int_eq(t.repeats, cases[i].repeats);
	}
}
END_TEST

START_TEST(query__too_many)
{
	struct http_target t;
	struct pb_err err = PB_ERR_INIT;
	pb_auto_buf b = PB_BUF_INIT;

	pb_buf_adds(&b, "/?");
	for (int i = 0; i < HTTP_QUERY_PARAMS; i++)
		pb_buf_addf(&b, "a%d=&", i);
	ck_assert_int_eq(http_target_parse(&arena, b.p, b.len, &t, &err), PB_OK);
	ck_assert_uint_eq(t.n_params, HTTP_QUERY_PARAMS);
	pb_buf_adds(&b, "z");
	ck_assert_int_eq(http_target_parse(&arena, b.p, b.len, &t, &err), PB_E_INVALID);
}
END_TEST

START_TEST(form__reads_and_refuses)
{
	const struct http_param *p = NULL;
	size_t n = 0;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(http_form_parse(&arena, "a=1&a=2&b=x+y", 13, true, &p, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 3);
	ck_assert_str_eq(p[2].value.p, "x y");
	ck_assert_int_eq(http_form_parse(&arena, "a=1&a=2", 7, false, &p, &n, &err), PB_E_INVALID);
	/* a NUL, bare or escaped, hangs other parsers for ever (H20) */
	ck_assert_int_eq(http_form_parse(&arena, "a=\0&b=1", 7, true, &p, &n, &err), PB_E_INVALID);
	ck_assert_int_eq(http_form_parse(&arena, "a=%00", 5, true, &p, &n, &err), PB_E_INVALID);
	ck_assert_str_eq(err.code, "http.form_invalid");
	ck_assert_int_eq(http_form_parse(&arena, "", 0, true, &p, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http_path");
	TCase *tc = tcase_create("path");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, target__paths, 0, PB_ARRAY_LEN(paths));
	tcase_add_test(tc, target__limits);
	tcase_add_test(tc, query__decodes);
	tcase_add_loop_test(tc, query__refuses, 0, PB_ARRAY_LEN(bad_queries));
	tcase_add_test(tc, query__tells_repeated_names);
	tcase_add_test(tc, query__too_many);
	tcase_add_test(tc, form__reads_and_refuses);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
