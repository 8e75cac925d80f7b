/* SPDX-License-Identifier: Apache-2.0 */
/* core/schema/schema.c: what compiles and what is a fault of the schema. */
#include "schema/schema.h"

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

	ck_assert_msg(pb_json_parse(&arena, text, strlen(text), NULL, &j, NULL) == PB_OK, "%s",
		      text);
	return j;
}

static const char *const good[] = {
	"true",
	"false",
	"{}",
	"{\"type\":\"string\",\"x-secret\":true,\"x-anything\":{\"type\":5}}",
	"{\"type\":[\"null\",\"integer\"]}",
	"{\"$schema\":\"https://json-schema.org/draft/2020-12/"
	"schema\",\"$id\":\"a\",\"$comment\":\"b\"}",
	"{\"title\":\"t\",\"description\":\"d\",\"default\":{\"a\":1},\"examples\":[1]}",
	"{\"deprecated\":true,\"readOnly\":true,\"writeOnly\":false}",
	"{\"properties\":{\"type\":{\"type\":\"string\"},\"properties\":{}}}",
	"{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{}},\"$ref\":\"#/$defs/a\"}",
	"{\"items\":{\"$ref\":\"#\"}}",
	"{\"properties\":{\"a/b\":{}},\"$ref\":\"#/properties/a~1b\"}",
	"{\"required\":[]}",
	"{\"enum\":[]}",
	"{\"minLength\":2.0}",
	"{\"pattern\":\"^\\\\u0041\\\\d{2}$\"}",
	"{\"const\":null}",
};

START_TEST(compile__accepts)
{
	pb_autoptr(schema) s = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_msg(schema_compile(must_read(good[_i]), &s, NULL, &err) == PB_OK, "%s", good[_i]);
	ck_assert_ptr_nonnull(s);
}
END_TEST

static const struct {
	const char *s, *code, *pointer;
} bad[] = {
	{"1", "schema.not_a_schema", ""},
	{"null", "schema.not_a_schema", ""},
	{"{\"tpye\":\"string\"}", "schema.keyword_unknown", "/tpye"},
	{"{\"x\":1}", "schema.keyword_unknown", "/x"},
	{"{\"properties\":{\"a\":{\"oops\":1}}}", "schema.keyword_unknown", "/properties/a/oops"},
	{"{\"dependentRequired\":{}}", "schema.keyword_unknown", "/dependentRequired"},
	{"{\"type\":\"text\"}", "schema.keyword_type", "/type"},
	{"{\"type\":[]}", "schema.keyword_type", "/type"},
	{"{\"type\":[\"string\",\"text\"]}", "schema.keyword_type", "/type"},
	{"{\"type\":{}}", "schema.keyword_type", "/type"},
	{"{\"minLength\":-1}", "schema.keyword_type", "/minLength"},
	{"{\"minLength\":1.5}", "schema.keyword_type", "/minLength"},
	{"{\"minLength\":\"1\"}", "schema.keyword_type", "/minLength"},
	{"{\"minimum\":\"1\"}", "schema.keyword_type", "/minimum"},
	{"{\"multipleOf\":0}", "schema.keyword_type", "/multipleOf"},
	{"{\"multipleOf\":-2}", "schema.keyword_type", "/multipleOf"},
	{"{\"uniqueItems\":1}", "schema.keyword_type", "/uniqueItems"},
	{"{\"enum\":{}}", "schema.keyword_type", "/enum"},
	{"{\"required\":\"a\"}", "schema.keyword_type", "/required"},
	{"{\"required\":[1]}", "schema.keyword_type", "/required"},
	{"{\"properties\":[]}", "schema.keyword_type", "/properties"},
	{"{\"patternProperties\":[]}", "schema.keyword_type", "/patternProperties"},
	{"{\"patternProperties\":{\"(\":{}}}", "schema.pattern_invalid", "/patternProperties/("},
	{"{\"$defs\":1}", "schema.keyword_type", "/$defs"},
	{"{\"$defs\":{\"a\":{\"minimum\":null}}}", "schema.keyword_type", "/$defs/a/minimum"},
	{"{\"allOf\":[]}", "schema.keyword_type", "/allOf"},
	{"{\"anyOf\":{}}", "schema.keyword_type", "/anyOf"},
	{"{\"oneOf\":[{},1]}", "schema.not_a_schema", "/oneOf/1"},
	{"{\"items\":[{}]}", "schema.not_a_schema", "/items"},
	{"{\"format\":\"hostname\"}", "schema.format_unknown", "/format"},
	{"{\"format\":1}", "schema.format_unknown", "/format"},
	{"{\"pattern\":\"(\"}", "schema.pattern_invalid", "/pattern"},
	{"{\"pattern\":\"\\\\C\"}", "schema.pattern_invalid", "/pattern"},
	{"{\"pattern\":1}", "schema.keyword_type", "/pattern"},
	{"{\"title\":1}", "schema.keyword_type", "/title"},
	{"{\"$ref\":1}", "schema.keyword_type", "/$ref"},
	{"{\"$ref\":\"#/$defs/none\"}", "schema.ref_unresolved", ""},
	{"{\"$ref\":\"other.json\"}", "schema.ref_unresolved", ""},
	{"{\"$ref\":\"http://json-schema.org/draft-07/schema#\"}", "schema.ref_unresolved", ""},
	{"{\"$ref\":\"#/default\",\"default\":{}}", "schema.ref_unresolved", ""},
};

START_TEST(compile__says_what_is_wrong_and_where)
{
	struct schema *s = NULL;
	struct pb_problems p;
	struct pb_err err = PB_ERR_INIT;

	pb_problems_init(&p, &arena, 10);
	ck_assert_int_eq(schema_compile(must_read(bad[_i].s), &s, &p, &err), PB_E_UNPROCESSABLE);
	ck_assert_ptr_null(s);
	ck_assert_str_eq(err.code, "schema.invalid");
	ck_assert_uint_eq(p.n, 1);
	ck_assert_str_eq(p.first->code, bad[_i].code);
	ck_assert_str_eq(p.first->pointer, bad[_i].pointer);
}
END_TEST

START_TEST(compile__reports_all_faults)
{
	struct schema *s = NULL;
	struct pb_problems p;

	pb_problems_init(&p, &arena, 10);
	ck_assert_int_eq(
		schema_compile(must_read("{\"a\":1,\"b\":1,\"properties\":{\"p\":{\"c\":1}}}"), &s,
			       &p, NULL),
		PB_E_UNPROCESSABLE);
	ck_assert_uint_eq(p.n, 3);
}
END_TEST

START_TEST(compile__does_not_borrow)
{
	pb_autoptr(schema) s = NULL;
	pb_auto_arena other;
	const struct pb_json *j;
	static const char text[] =
		"{\"properties\":{\"a\":{\"enum\":[\"x\",1.50]}},\"required\":[\"a\"]}";

	pb_arena_init(&other, 1 << 20);
	ck_assert_int_eq(pb_json_parse(&other, text, sizeof(text) - 1, NULL, &j, NULL), PB_OK);
	ck_assert_int_eq(schema_compile(j, &s, NULL, NULL), PB_OK);
	pb_arena_done(&other);
	ck_assert(schema_validate(s, must_read("{\"a\":1.5}"), NULL, "x.y", NULL));
	ck_assert(!schema_validate(s, must_read("{\"a\":1.6}"), NULL, "x.y", NULL));
}
END_TEST

START_TEST(compile__refuses_too_much)
{
	pb_auto_buf b = PB_BUF_INIT;
	struct schema *s = NULL;
	struct pb_err err = PB_ERR_INIT;

	(void)pb_buf_adds(&b, "{\"allOf\":[{}");
	for (int i = 0; i < 20000; i++)
		(void)pb_buf_adds(&b, ",{}");
	(void)pb_buf_adds(&b, "]}");
	ck_assert_int_eq(schema_compile(must_read(pb_buf_str(&b)), &s, NULL, &err), PB_E_TOO_LARGE);
	ck_assert_str_eq(err.code, "schema.too_large");
	pb_buf_clear(&b);
	(void)pb_buf_adds(&b, "{\"pattern\":\"");
	for (int i = 0; i < SCHEMA_MAX_PATTERN + 1; i++)
		(void)pb_buf_addc(&b, 'a');
	(void)pb_buf_adds(&b, "\"}");
	ck_assert_int_eq(schema_compile(must_read(pb_buf_str(&b)), &s, NULL, &err),
			 PB_E_UNPROCESSABLE);
	schema_free(NULL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("schema");
	TCase *tc = tcase_create("schema");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, compile__accepts, 0, PB_ARRAY_LEN(good));
	tcase_add_loop_test(tc, compile__says_what_is_wrong_and_where, 0, PB_ARRAY_LEN(bad));
	tcase_add_test(tc, compile__reports_all_faults);
	tcase_add_test(tc, compile__does_not_borrow);
	tcase_add_test(tc, compile__refuses_too_much);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
