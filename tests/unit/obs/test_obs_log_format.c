/* SPDX-License-Identifier: Apache-2.0 */
/* One event is one line of valid JSON with ECS names, whatever the values hold (M04). */
#include "obs/obs_log_format.h"

#include <check.h>

#include "base/json.h"
#include "obs/obs_log.h"
#include "base/base.h"

static const struct obs_log_common common = {"patchbay", "node-1", 42};
static struct pb_arena arena;
static struct pb_buf line;

static void setup(void)
{
	pb_arena_init(&arena, 1024 * 1024);
	pb_buf_init(&line, 0);
}

static void teardown(void)
{
	pb_arena_done(&arena);
	pb_buf_done(&line);
}

static const struct pb_json *format(const char *event, const struct pb_kv *kv, size_t n)
{
	const struct pb_log_record rec = {PB_LOG_INFO, "test.topic", event, kv, n};
	const struct pb_json *j = NULL;
	struct pb_err err = PB_ERR_INIT;

	obs_log_format(&line, &common, INT64_C(1700000000000001), &rec);
	ck_assert_uint_gt(line.len, 2);
	ck_assert_ptr_eq(strchr(line.p, '\n'), line.p + line.len - 1);
	ck_assert_uint_le(line.len, OBS_LOG_LINE_BYTES);
	ck_assert_msg(pb_json_parse(&arena, line.p, line.len, NULL, &j, &err) == PB_OK, "%s: %s",
		      err.msg, line.p);
	return j;
}

START_TEST(format__has_ecs_names)
{
	struct pb_uuid id = PB_UUID_NIL;
	const struct pb_kv kv[] = {PB_KV_UUID("patchbay.execution_id", id), PB_KV_INT("n", -7),
				   PB_KV_BOOL("b", true), PB_KV_STR("s", "x"),
				   PB_KV_STR("nul", NULL)};
	const struct pb_json *j = format("started", kv, PB_ARRAY_LEN(kv));
	int64_t n = 0;

	ck_assert_str_eq(pb_json_str(pb_json_get(j, "@timestamp")), "2023-11-14T22:13:20.000001Z");
	ck_assert_str_eq(pb_json_str(pb_json_get(j, "log.level")), "info");
	ck_assert_str_eq(pb_json_str(pb_json_get(j, "log.logger")), "test.topic");
	ck_assert_str_eq(pb_json_str(pb_json_get(j, "message")), "started");
	ck_assert_str_eq(pb_json_str(pb_json_get(j, "service.name")), "patchbay");
	ck_assert_str_eq(pb_json_str(pb_json_get(j, "service.node.name")), "node-1");
	ck_assert_str_eq(pb_json_str(pb_json_get(j, "patchbay.execution_id")),
			 "00000000-0000-0000-0000-000000000000");
	ck_assert(pb_json_i64(pb_json_get(j, "n"), &n) && n == -7);
	ck_assert(pb_json_true(pb_json_get(j, "b")));
	ck_assert(pb_json_is(pb_json_get(j, "nul"), PB_JSON_NULL));
	ck_assert_ptr_null(pb_json_get(j, "patchbay.truncated"));
}
END_TEST

static const char *const nasty[] = {
	"x\n2026-01-01T00:00:00Z INFO admin login ok",
	"\x1b[2J\x1b[1;1H",
	"\",\"log.level\":\"debug\",\"a\":\"",
	"back\\slash\ttab\rcr\x7f",
	"C1 \xc2\x9b"
	"31m",
	"bad utf8 \xff\xfe\xc0\xae",
	"cut \xe2\x82",
	"ok \xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xf0\x9f\x98\x80",
};

START_TEST(format__escapes)
{
	const struct pb_kv kv[] = {PB_KV_STR("user_agent", nasty[_i])};
	const struct pb_json *j = format(nasty[_i], kv, 1);
	const char *back = pb_json_str(pb_json_get(j, "user_agent"));

	ck_assert_str_eq(pb_json_str(pb_json_get(j, "log.level")), "info");
	if (pb_utf8_valid(nasty[_i], strlen(nasty[_i])))
		ck_assert_str_eq(back, nasty[_i]);
	for (size_t i = 0; i + 1 < line.len; i++) {
		ck_assert_int_ge((unsigned char)line.p[i], 0x20);
		ck_assert_int_ne((unsigned char)line.p[i], 0x7f);
		ck_assert(
			!((unsigned char)line.p[i] == 0xc2 && (unsigned char)line.p[i + 1] < 0xa0));
	}
}
END_TEST

START_TEST(format__truncates_a_value)
{
	pb_autofree char *big = pb_xcalloc(1, 1024 * 1024 + 1);
	const struct pb_json *j = NULL;

	for (size_t i = 0; i < 1024 * 1024; i += 2)
		memcpy(big + i, "\xd0\x9f", 2);
	const struct pb_kv kv[] = {PB_KV_STR("v", big), PB_KV_INT("after", 1)};
	j = format("e", kv, 2);
	ck_assert_uint_le(pb_json_get(j, "v")->len, OBS_LOG_VALUE_BYTES + 3);
	ck_assert(pb_str_ends(pb_json_str(pb_json_get(j, "v")), "\xe2\x80\xa6"));
	ck_assert_ptr_nonnull(pb_json_get(j, "after"));
}
END_TEST

START_TEST(format__bounds_the_line)
{
	pb_autofree char *big = pb_xcalloc(1, 3001);
	struct pb_kv kv[20];
	char keys[20][8];
	const struct pb_json *j = NULL;

	memset(big, 1, 3000); /* six bytes each when escaped */
	for (size_t i = 0; i < PB_ARRAY_LEN(kv); i++) {
		(void)pb_str_printf(keys[i], sizeof(keys[i]), "k%zu", i);
		kv[i] = PB_KV_STR(keys[i], big);
	}
	kv[19] = PB_KV_INT("small", 1);
	j = format("e", kv, PB_ARRAY_LEN(kv));
	ck_assert(pb_json_true(pb_json_get(j, "patchbay.truncated")));
	ck_assert_ptr_nonnull(pb_json_get(j, "k0"));
	ck_assert_ptr_null(pb_json_get(j, "k18"));
	ck_assert_ptr_nonnull(pb_json_get(j, "small"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("obs_log_format");
	TCase *tc = tcase_create("format");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, format__has_ecs_names);
	tcase_add_loop_test(tc, format__escapes, 0, PB_ARRAY_LEN(nasty));
	tcase_add_test(tc, format__truncates_a_value);
	tcase_add_test(tc, format__bounds_the_line);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
