/* SPDX-License-Identifier: Apache-2.0 */
/* Merging the values of a connection and telling what of them is secret. */
#include "api/api_connection_values.h"

#include "support/check_main.h"

static struct pb_arena arena;
static struct connector_credential cred = {.id = "key"};

static const struct pb_json *json(const char *text)
{
	struct pb_err err = PB_ERR_INIT;
	const struct pb_json *j;

	ck_assert_msg(pb_json_parse(&arena, text, strlen(text), NULL, &j, &err) == PB_OK, "%s",
		      err.msg);
	return j;
}

static void setup(void)
{
	pb_arena_init(&arena, (size_t)1024 * 1024);
	cred.fields_json =
		json("{\"type\":\"object\",\"properties\":{"
		     "\"url\":{\"type\":\"string\"},"
		     "\"token\":{\"type\":\"string\",\"x-secret\":true},"
		     "\"not_secret\":{\"type\":\"string\",\"x-secret\":false},"
		     "\"tls\":{\"type\":\"object\",\"properties\":{\"key\":{\"x-secret\":true}}},"
		     "\"list\":{\"anyOf\":[{\"items\":{\"x-secret\":true}}]}}}");
}

static void teardown(void)
{
	pb_arena_done(&arena);
}

static const struct {
	const char *name;
	bool secret;
} names[] = {{"url", false}, {"token", true}, {"not_secret", false},
	     {"tls", true},  {"list", true},  {"unknown", true}};

START_TEST(is_secret__by_the_schema_alone)
{
	ck_assert_int_eq(
		api_connection_value_is_secret(&cred, names[_i].name, strlen(names[_i].name)),
		names[_i].secret);
}
END_TEST

static void assert_written(const struct api_connection_values *v, bool secret, const char *want)
{
	pb_auto_buf out = PB_BUF_INIT;

	ck_assert(api_connection_values_write(v, &cred, secret, &out));
	ck_assert_str_eq(pb_buf_str(&out), want);
}

START_TEST(merge__keeps_absent_replaces_present_removes_null)
{
	struct api_connection_values v = {.n = 0};

	api_connection_values_merge(&v, json("{\"url\":\"a\"}"));
	api_connection_values_merge(&v, json("{\"token\":\"t1\"}"));
	api_connection_values_merge(&v, NULL);
	assert_written(&v, true, "{\"token\":\"t1\"}");
	assert_written(&v, false, "{\"url\":\"a\"}");
	api_connection_values_merge(&v, json("{\"url\":\"b\"}"));
	assert_written(&v, true, "{\"token\":\"t1\"}");
	assert_written(&v, false, "{\"url\":\"b\"}");
	api_connection_values_merge(&v, json("{\"token\":null,\"absent\":null}"));
	assert_written(&v, true, "{}");
	assert_written(&v, false, "{\"url\":\"b\"}");
	ck_assert_uint_eq(v.n, 1);
}
END_TEST

START_TEST(merge__is_bounded)
{
	struct api_connection_values v = {.n = 0};
	pb_auto_buf text = PB_BUF_INIT;

	for (int i = 0; i <= API_CONNECTION_VALUES_MAX; i++)
		(void)pb_buf_addf(&text, "%s\"k%d\":1", i ? "," : "{", i);
	(void)pb_buf_adds(&text, "}");
	api_connection_values_merge(&v, json(text.p));
	ck_assert(v.too_many);
	ck_assert_uint_eq(v.n, API_CONNECTION_VALUES_MAX);
}
END_TEST

START_TEST(touch_secrets__only_when_one_is_named)
{
	ck_assert(!api_connection_values_touch_secrets(&cred, NULL));
	ck_assert(!api_connection_values_touch_secrets(&cred, json("{\"url\":\"x\"}")));
	ck_assert(api_connection_values_touch_secrets(&cred, json("{\"url\":\"x\",\"tls\":{}}")));
	ck_assert(api_connection_values_touch_secrets(&cred, json("{\"token\":null}")));
}
END_TEST

START_TEST(write__refuses_over_the_limit)
{
	struct api_connection_values v = {.n = 0};
	pb_auto_buf out = PB_BUF_INIT;

	pb_buf_init(&out, 10);
	api_connection_values_merge(&v, json("{\"url\":\"longer than that\"}"));
	ck_assert(!api_connection_values_write(&v, &cred, false, &out));
}
END_TEST

static Suite *values_suite(void)
{
	Suite *s = suite_create("api_connection_values");
	TCase *tc = tcase_create("values");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, is_secret__by_the_schema_alone, 0, PB_ARRAY_LEN(names));
	tcase_add_test(tc, merge__keeps_absent_replaces_present_removes_null);
	tcase_add_test(tc, merge__is_bounded);
	tcase_add_test(tc, touch_secrets__only_when_one_is_named);
	tcase_add_test(tc, write__refuses_over_the_limit);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(values_suite)
