/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/json_read.c: what is read, what is refused and why, and that size decides neither stack nor time. */
#include "base/json.h"

#include <check.h>
#include <pthread.h>

#include "support/check_main.h"
#include "base/clock.h"
#include "base/base.h"

static struct pb_arena arena;

static void setup(void)
{
	pb_arena_init(&arena, 256 << 20);
}

static void teardown(void)
{
	pb_arena_done(&arena);
}

static enum pb_status read_n(const char *text, size_t n, const struct pb_json **ret,
			     struct pb_err *err)
{
	return pb_json_parse(&arena, text, n, NULL, ret, err);
}

static const struct pb_json *must_read(const char *text)
{
	const struct pb_json *j = NULL;
	struct pb_err err = PB_ERR_INIT;
	enum pb_status st = read_n(text, strlen(text), &j, &err);

	ck_assert_msg(st == PB_OK, "%s: %s", text, err.msg);
	return j;
}

/* Lengths match, text ends in NUL, empty containers have no children. */
static void assert_sane_json(const struct pb_json *j)
{
	if (pb_json_is(j, PB_JSON_STRING)) {
		ck_assert_int_eq(j->s[j->len], 0);
		ck_assert(pb_utf8_valid(j->s, j->len));
	}
	pb_json_each_item (it, j)
		assert_sane_json(it);
	pb_json_each_member (m, j) {
		ck_assert_int_eq(m->key[m->key_len], 0);
		ck_assert_uint_eq(m->reserved, 0);
		ck_assert_ptr_eq(pb_json_getn(j, m->key, m->key_len), &m->value);
		assert_sane_json(&m->value);
	}
	if ((j->type == PB_JSON_ARRAY || j->type == PB_JSON_OBJECT) && j->len == 0)
		ck_assert_ptr_null(j->items);
}

/* text, and what the compact writer makes of it (NULL: the same) */
static const char *const accepted[][2] = {
	{"null", NULL},
	{"true", NULL},
	{"false", NULL},
	{"0", NULL},
	{"-1", NULL},
	{"-0", NULL},
	{"0.1", NULL},
	{"1.50", NULL},
	{"1E+999999999", NULL},
	{"1e400", NULL},
	{"9007199254740993", NULL},
	{"9223372036854775807", NULL},
	{"9223372036854775808", NULL},
	{"-9223372036854775808", NULL},
	{"123123e100000", NULL},
	{"0e+1", NULL},
	{"-0.0000000000000000000000000000000000000000000000000000000000000000000000000001", NULL},
	{"\"\"", NULL},
	{"\"a\"", NULL},
	{" \t\r\n[ 1 , 2 ] \n", "[1,2]"},
	{"[]", NULL},
	{"{}", NULL},
	{"[[],{},[[]],{\"\":[]}]", NULL},
	{"{\"a\":{\"b\":[1,{\"c\":null}]},\"d\":\"e\"}", NULL},
	{"\"\\u0060\\u012a\\u12AB\"", "\"`\xc4\xaa\xe1\x8a\xab\""},
	{"\"\\uD801\\udc37\\uD83d\\ude39\"", "\"\xf0\x90\x90\xb7\xf0\x9f\x98\xb9\""},
	{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
	{"\"\\u0000\"", NULL},
	{"\"a\\u0000b\"", NULL},
	{"\"\x7f\"", NULL},
	{"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", NULL},
	{"\"\xef\xbf\xbf\"", NULL},
	{"\"\\uFFFE\"", "\"\xef\xbf\xbe\""},
	{"{\"a\":1,\"A\":1,\"\":1,\"a\\u0000\":1}", NULL},
	{"{\"\\u0061b\":1}", "{\"ab\":1}"},
	{"\"15 plain bytes!\\n\"", NULL},
	{"\"16 plain bytes..\\n tail after the vector\"", NULL},
	{"{\"__proto__\":{\"admin\":true},\"constructor\":1}", NULL},
};

START_TEST(parse__accepts_and_writes_back)
{
	const char *want = accepted[_i][1] ? accepted[_i][1] : accepted[_i][0];
	const struct pb_json *j = must_read(accepted[_i][0]);
	pb_auto_buf b = PB_BUF_INIT;

	assert_sane_json(j);
	ck_assert(pb_json_write(&b, j));
	ck_assert_str_eq(pb_buf_str(&b), want);
}
END_TEST

#define REFUSED(lit, code_)                                                                        \
	{                                                                                          \
		lit, sizeof(lit) - 1, code_                                                        \
	}

static const struct {
	const char *s;
	size_t n;
	const char *code;
} refused[] = {
	REFUSED("", "json.syntax"),
	REFUSED(" ", "json.syntax"),
	REFUSED("{", "json.syntax"),
	REFUSED("[", "json.syntax"),
	REFUSED("]", "json.syntax"),
	REFUSED("}", "json.syntax"),
	REFUSED("[}", "json.syntax"),
	REFUSED("{]", "json.syntax"),
	REFUSED("[1,]", "json.syntax"),
	REFUSED("[,1]", "json.syntax"),
	REFUSED("[1 2]", "json.syntax"),
	REFUSED("[1,,2]", "json.syntax"),
	REFUSED("[1]]", "json.syntax"),
	REFUSED("[1:2]", "json.syntax"),
	REFUSED("{\"a\"}", "json.syntax"),
	REFUSED("{\"a\":}", "json.syntax"),
	REFUSED("{\"a\":1,}", "json.syntax"),
	REFUSED("{\"a\":1 \"b\":2}", "json.syntax"),
	REFUSED("{\"a\" 1}", "json.syntax"),
	REFUSED("{a:1}", "json.syntax"),
	REFUSED("{'a':1}", "json.syntax"),
	REFUSED("{1:1}", "json.syntax"),
	REFUSED("{\"a\":1:2}", "json.syntax"),
	REFUSED("{,}", "json.syntax"),
	REFUSED("{} {}", "json.syntax"),
	REFUSED("1 1", "json.syntax"),
	REFUSED("nul", "json.syntax"),
	REFUSED("nullx", "json.syntax"),
	REFUSED("True", "json.syntax"),
	REFUSED("NaN", "json.syntax"),
	REFUSED("Infinity", "json.syntax"),
	REFUSED("-Infinity", "json.syntax"),
	REFUSED("01", "json.syntax"),
	REFUSED("-01", "json.syntax"),
	REFUSED("+1", "json.syntax"),
	REFUSED(".5", "json.syntax"),
	REFUSED("1.", "json.syntax"),
	REFUSED("-", "json.syntax"),
	REFUSED("-a", "json.syntax"),
	REFUSED("1e", "json.syntax"),
	REFUSED("1e+", "json.syntax"),
	REFUSED("1.e1", "json.syntax"),
	REFUSED("1.5.5", "json.syntax"),
	REFUSED("0x1", "json.syntax"),
	REFUSED("1_000", "json.syntax"),
	REFUSED("\xef\xbc\x91", "json.syntax"),
	REFUSED("\"", "json.syntax"),
	REFUSED("\"abc", "json.syntax"),
	REFUSED("'a'", "json.syntax"),
	REFUSED("\"a\nb\"", "json.syntax"),
	REFUSED("\"a\tb\"", "json.syntax"),
	REFUSED("\"a\0b\"", "json.syntax"),
	REFUSED("\"\x1f\"", "json.syntax"),
	REFUSED("\"\\x00\"", "json.syntax"),
	REFUSED("\"\\a\"", "json.syntax"),
	REFUSED("\"\\", "json.syntax"),
	REFUSED("\"\\\"", "json.syntax"),
	REFUSED("\"\\u\"", "json.syntax"),
	REFUSED("\"\\u12\"", "json.syntax"),
	REFUSED("\"\\u12G4\"", "json.syntax"),
	REFUSED("\"\\u00A", "json.syntax"),
	REFUSED("\"\\U0041\"", "json.syntax"),
	REFUSED("\"\\uD800\"", "json.utf8"),
	REFUSED("\"\\uD800\\n\"", "json.utf8"),
	REFUSED("\"\\uD800\\u0041\"", "json.utf8"),
	REFUSED("\"\\uD800\\uD800\"", "json.utf8"),
	REFUSED("\"\\uDC00\"", "json.utf8"),
	REFUSED("\"\\uDC00\\uD800\"", "json.utf8"),
	REFUSED("\"\\uD800", "json.utf8"),
	REFUSED("\"\xff\"", "json.utf8"),
	REFUSED("\"\xc0\x80\"", "json.utf8"),
	REFUSED("\"\xed\xa0\x80\"", "json.utf8"),
	REFUSED("\"\xf4\x90\x80\x80\"", "json.utf8"),
	REFUSED("\"\xe2\x82\"", "json.utf8"),
	REFUSED("\"\xe2\x82", "json.utf8"),
	REFUSED("\"123456789012345678\x80\"", "json.utf8"),
	REFUSED("\xef\xbb\xbf{}", "json.syntax"),
	REFUSED("/* c */ 1", "json.syntax"),
	REFUSED("1 // c", "json.syntax"),
	REFUSED("1\0", "json.syntax"),
	REFUSED("\0", "json.syntax"),
	REFUSED("[1\0]", "json.syntax"),
	REFUSED("\xa0", "json.syntax"),
	REFUSED("[1]\x0c", "json.syntax"),
	REFUSED("\x0b[1]", "json.syntax"),
	REFUSED("{\"a\":1,\"a\":1}", "json.duplicate_key"),
	REFUSED("{\"a\":1,\"\\u0061\":2}", "json.duplicate_key"),
	REFUSED("[{\"\":1,\"b\":{},\"\":[]}]", "json.duplicate_key"),
};

START_TEST(parse__refuses)
{
	const struct pb_json *j = (const struct pb_json *)8;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(read_n(refused[_i].s, refused[_i].n, &j, &err), PB_E_INVALID);
	ck_assert_str_eq(err.code, refused[_i].code);
	ck_assert_ptr_nonnull(strstr(err.msg, " at byte "));
	ck_assert_ptr_eq(j, (const struct pb_json *)8);
}
END_TEST

START_TEST(parse__every_prefix_of_a_document_is_refused)
{
	static const char text[] =
		"{\"a\":[1,-2.5e+3,true,null,\"x\\u00e9\\ud83d\\ude00\xc3\xa9\"],\"b\":{}}";
	const struct pb_json *j;

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		/* an exact copy, so that the sanitizer sees a step over the end */
		pb_autofree char *copy = pb_try_alloc(n, 1, 1000);

		memcpy(copy, text, n);
		ck_assert_int_eq(read_n(copy, n, &j, NULL), PB_E_INVALID);
	}
	ck_assert_int_eq(read_n(text, sizeof(text) - 1, &j, NULL), PB_OK);
}
END_TEST

START_TEST(parse__types_of_numbers)
{
	static const struct {
		const char *s;
		enum pb_json_type type;
	} cases[] = {{"0", PB_JSON_INT},
		     {"-9223372036854775808", PB_JSON_INT},
		     {"9223372036854775807", PB_JSON_INT},
		     {"9223372036854775808", PB_JSON_NUMBER},
		     {"-0", PB_JSON_NUMBER},
		     {"1.0", PB_JSON_NUMBER},
		     {"1e0", PB_JSON_NUMBER}};

	for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
		const struct pb_json *j = must_read(cases[i].s);

		ck_assert_int_eq(j->type, cases[i].type);
		if (j->type == PB_JSON_NUMBER)
			ck_assert(pb_slice_eq_str(pb_slice(j->s, j->len), cases[i].s));
	}
}
END_TEST

START_TEST(parse__text_may_go_away)
{
	char text[] = "{\"key\":[\"value\",1.25]}";
	const struct pb_json *j = must_read(text), *n;

	memset(text, 'x', sizeof(text) - 1);
	n = pb_json_item(pb_json_get(j, "key"), 1);
	ck_assert_str_eq(pb_json_str(pb_json_item(pb_json_get(j, "key"), 0)), "value");
	ck_assert_mem_eq(n->s, "1.25", 4);
}
END_TEST

static char *nested(const char *open, const char *close, size_t depth)
{
	pb_auto_buf b = PB_BUF_INIT;

	for (size_t i = 0; i < depth; i++)
		(void)pb_buf_adds(&b, open);
	(void)pb_buf_adds(&b, "1");
	for (size_t i = 0; i < depth; i++)
		(void)pb_buf_adds(&b, close);
	return pb_buf_steal(&b, NULL);
}

START_TEST(depth__64_and_no_more)
{
	pb_autofree char *ok = nested("[", "]", 64);
	pb_autofree char *deep = nested("{\"a\":", "}", 65);
	const struct pb_json_limits three = {.depth = 3};
	const struct pb_json *j;
	struct pb_err err = PB_ERR_INIT;

	assert_sane_json(must_read(ok));
	ck_assert_int_eq(read_n(deep, strlen(deep), &j, &err), PB_E_INVALID);
	ck_assert_str_eq(err.code, "json.depth");
	ck_assert_int_eq(pb_json_parse(&arena, "[[[1]]]", 7, &three, &j, &err), PB_OK);
	ck_assert_int_eq(pb_json_parse(&arena, "[[[[]]]]", 8, &three, &j, &err), PB_E_INVALID);
	/* closing gives the level back */
	ck_assert_int_eq(pb_json_parse(&arena, "[[[]],[[]],[{}]]", 16, &three, &j, &err), PB_OK);
}
END_TEST

static void *parse_deep(void *arg)
{
	const struct pb_json *j;
	const struct pb_json_limits limits = {.depth = 200000};
	const char *text = arg;

	ck_assert_int_eq(pb_json_parse(&arena, text, strlen(text), &limits, &j, NULL), PB_OK);
	return NULL;
}

START_TEST(depth__costs_no_stack)
{
	pb_autofree char *deep = nested("[", "]", 100000);
	pb_autofree char *objects = nested("{\"a\":", "}", 100000);
	pthread_attr_t attr;
	pthread_t t;

	/* CivetWeb's stacks have 100 KB; 96 KB leaves the sanitizer its own part */
	ck_assert_int_eq(pthread_attr_init(&attr), 0);
	ck_assert_int_eq(pthread_attr_setstacksize(&attr, 96 * 1024), 0);
	ck_assert_int_eq(pthread_create(&t, &attr, parse_deep, deep), 0);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_int_eq(pthread_create(&t, &attr, parse_deep, objects), 0);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	(void)pthread_attr_destroy(&attr); /* cannot fail */
}
END_TEST

START_TEST(limits__values_and_arena)
{
	const struct pb_json_limits five = {.n_values = 5};
	const struct pb_json *j;
	struct pb_err err = PB_ERR_INIT;
	pb_auto_arena small;
	pb_auto_buf b = PB_BUF_INIT;

	ck_assert_int_eq(pb_json_parse(&arena, "[1,2,3,4]", 9, &five, &j, &err), PB_OK);
	ck_assert_int_eq(pb_json_parse(&arena, "[1,2,3,4,5]", 11, &five, &j, &err), PB_E_TOO_LARGE);
	ck_assert_str_eq(err.code, "json.too_large");

	pb_arena_init(&small, 4096);
	ck_assert_int_eq(pb_json_parse(&small, "[1,2,3]", 7, NULL, &j, &err), PB_OK);
	(void)pb_buf_addc(&b, '[');
	for (int i = 0; i < 1000; i++)
		(void)pb_buf_adds(&b, "1,");
	(void)pb_buf_adds(&b, "1]");
	pb_arena_reset(&small);
	ck_assert_int_eq(pb_json_parse(&small, b.p, b.len, NULL, &j, &err), PB_E_TOO_LARGE);
	ck_assert_str_eq(err.code, "json.too_large");
	pb_arena_done(&small);
	pb_arena_init(&small, 10);
	ck_assert_int_eq(pb_json_parse(&small, b.p, b.len, NULL, &j, &err), PB_E_TOO_LARGE);
}
END_TEST

/* {"<prefix>0":0,...} with @n keys; with @dup the last repeats the first. */
static void many_keys(struct pb_buf *b, const char *prefix, int n, bool dup)
{
	pb_buf_clear(b);
	(void)pb_buf_addc(b, '{');
	for (int i = 0; i < n; i++)
		(void)pb_buf_addf(b, "%s\"%s%d\":%d", i ? "," : "", prefix,
				  dup && i == n - 1 ? 0 : i, i);
	(void)pb_buf_addc(b, '}');
}

START_TEST(duplicates__found_at_every_size)
{
	pb_auto_buf b = PB_BUF_INIT;
	const struct pb_json *j;
	struct pb_err err = PB_ERR_INIT;

	for (int n = 2; n < 300; n++) {
		many_keys(&b, "k", n, false);
		ck_assert_int_eq(read_n(b.p, b.len, &j, &err), PB_OK);
		ck_assert_uint_eq(j->len, (unsigned)n);
		many_keys(&b, "k", n, true);
		ck_assert_int_eq(read_n(b.p, b.len, &j, &err), PB_E_INVALID);
		ck_assert_str_eq(err.code, "json.duplicate_key");
	}
}
END_TEST

START_TEST(duplicates__message_names_the_second)
{
	const struct pb_json *j;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(read_n("{\"a\":1,\"b\":2,\"a\":3}", 19, &j, &err), PB_E_INVALID);
	ck_assert_str_eq(err.msg, "duplicate key at byte 13");
}
END_TEST

START_TEST(duplicates__cost_does_not_grow_with_the_square)
{
	pb_auto_buf b = PB_BUF_INIT;
	const struct pb_json *j;
	int64_t small, large, start;

	many_keys(&b, "a long common prefix of every key ", 10000, false);
	start = pb_cpu_us();
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(read_n(b.p, b.len, &j, NULL), PB_OK);
	small = pb_cpu_us() - start;
	many_keys(&b, "a long common prefix of every key ", 200000, false);
	start = pb_cpu_us();
	ck_assert_int_eq(read_n(b.p, b.len, &j, NULL), PB_OK);
	large = pb_cpu_us() - start;
	/* the same number of keys in all: squares would be 20 times, caches and page faults less than 8 */
	ck_assert_int_lt(large, 8 * small + 20000);
}
END_TEST

START_TEST(objects__small_inside_large_inside_small)
{
	pb_auto_buf b = PB_BUF_INIT;
	const struct pb_json *j;

	(void)pb_buf_adds(&b, "{\"x\":{");
	for (int i = 0; i < 100; i++)
		(void)pb_buf_addf(&b, "%s\"k%d\":{\"a\":[{\"b\":%d}],\"k%d\":{}}", i ? "," : "", i,
				  i, i);
	(void)pb_buf_adds(&b, "},\"k1\":[]}");
	ck_assert_int_eq(read_n(b.p, b.len, &j, NULL), PB_OK);
	assert_sane_json(j);
	j = pb_json_get(pb_json_get(j, "x"), "k99");
	j = pb_json_get(pb_json_item(pb_json_get(j, "a"), 0), "b");
	ck_assert_int_eq(j->i, 99);
}
END_TEST

START_TEST(strings__escapes_at_every_place_of_a_vector)
{
	for (int lead = 0; lead < 40; lead++)
		for (int tail = 0; tail < 20; tail++) {
			char text[128], want[128];
			const struct pb_json *j;

			ck_assert(pb_str_printf(text, sizeof(text), "[\"%.*s\\u00e9%.*s\",1]", lead,
						"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", tail,
						"bbbbbbbbbbbbbbbbbbbb"));
			ck_assert(pb_str_printf(want, sizeof(want), "%.*s\xc3\xa9%.*s", lead,
						"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", tail,
						"bbbbbbbbbbbbbbbbbbbb"));
			j = must_read(text);
			ck_assert_str_eq(pb_json_str(pb_json_item(j, 0)), want);
			ck_assert_int_eq(pb_json_item(j, 1)->i, 1);
		}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("json_read");
	TCase *tc = tcase_create("json_read");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, parse__accepts_and_writes_back, 0, PB_ARRAY_LEN(accepted));
	tcase_add_loop_test(tc, parse__refuses, 0, PB_ARRAY_LEN(refused));
	tcase_add_test(tc, parse__every_prefix_of_a_document_is_refused);
	tcase_add_test(tc, parse__types_of_numbers);
	tcase_add_test(tc, parse__text_may_go_away);
	tcase_add_test(tc, depth__64_and_no_more);
	tcase_add_test(tc, depth__costs_no_stack);
	tcase_add_test(tc, limits__values_and_arena);
	tcase_add_test(tc, duplicates__found_at_every_size);
	tcase_add_test(tc, duplicates__message_names_the_second);
	tcase_add_test(tc, duplicates__cost_does_not_grow_with_the_square);
	tcase_add_test(tc, objects__small_inside_large_inside_small);
	tcase_add_test(tc, strings__escapes_at_every_place_of_a_vector);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
