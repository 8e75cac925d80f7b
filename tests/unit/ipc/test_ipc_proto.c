/* SPDX-License-Identifier: Apache-2.0 */
/* Every message there and back, and what decoders refuse. */
#include <check.h>

#include "ipc/ipc_proto.h"
#include "support/check_main.h"

static struct pb_arena arena;
static struct pb_buf buf;

static void setup_all(void)
{
	pb_arena_init(&arena, 16u << 20);
	pb_buf_init(&buf, 0);
}

static void teardown_all(void)
{
	pb_buf_done(&buf);
	pb_arena_done(&arena);
}

static struct pb_slice encoded(void)
{
	return pb_slice(buf.p, buf.len);
}

START_TEST(setup__survives)
{
	static const char *const libs[] = {"libxml2.so.2"};
	static const char *const ops[] = {"action:a", "poll:b"};
	const struct ipc_setup in = {.protocol_min = 1,
				     .protocol_max = 3,
				     .connector = "slack",
				     .version = "1.0.0",
				     .libraries = libs,
				     .n_libraries = 1,
				     .operations = ops,
				     .n_operations = 2,
				     .calls_max = 64,
				     .uid = 65534,
				     .gid = 65534,
				     .dev = true,
				     .manifest = PB_SLICE("{\"\0\xff\"}")};
	struct ipc_setup out;

	ck_assert(ipc_encode_setup(&buf, &in));
	ck_assert_int_eq(ipc_decode_setup(&arena, encoded(), &out, NULL), PB_OK);
	ck_assert_uint_eq(out.protocol_max, 3);
	ck_assert_str_eq(out.libraries[0], "libxml2.so.2");
	ck_assert_uint_eq(out.n_operations, 2);
	ck_assert_str_eq(out.operations[1], "poll:b");
	ck_assert_uint_eq(out.n_extensions, 0);
	ck_assert_uint_eq(out.uid, 65534);
	ck_assert(out.dev);
	ck_assert_uint_eq(out.manifest.len, in.manifest.len);
	ck_assert_mem_eq(out.manifest.p, in.manifest.p, in.manifest.len);
}
END_TEST

START_TEST(call__survives)
{
	const struct ipc_call in = {.operation = "action:x",
				    .idempotency_base = "k",
				    .timeout_ms = 30000,
				    .cursor = "{\"a\":1}",
				    .params = PB_SLICE("{}")};
	struct ipc_call out;

	ck_assert(ipc_encode_call(&buf, &in));
	ck_assert_int_eq(ipc_decode_call(&arena, encoded(), &out, NULL), PB_OK);
	ck_assert_str_eq(out.operation, "action:x");
	ck_assert_int_eq(out.timeout_ms, 30000);
	ck_assert_ptr_null(out.context);
	ck_assert_str_eq(out.cursor, "{\"a\":1}");
	ck_assert(pb_slice_eq_str(out.params, "{}"));
}
END_TEST

START_TEST(http__survives)
{
	const struct ipc_header headers[] = {{"A", "1"}, {"A", ""}};
	const struct ipc_http_request in = {.method = "POST",
					    .url = "/x",
					    .headers = headers,
					    .n_headers = 2,
					    .flags = IPC_HTTP_FOLLOW,
					    .body = PB_SLICE("\0\1\2")};
	struct ipc_http_request out;

	ck_assert(ipc_encode_http_request(&buf, &in));
	ck_assert_int_eq(ipc_decode_http_request(&arena, encoded(), &out, NULL), PB_OK);
	ck_assert_uint_eq(out.n_headers, 2);
	ck_assert_str_eq(out.headers[1].value, "");
	ck_assert_uint_eq(out.body.len, 3);
}
END_TEST

START_TEST(value__survives)
{
	const struct ipc_value in = {.status = IPC_TRANSIENT,
				     .found = true,
				     .revision = 1234567890123,
				     .code = "kv.conflict",
				     .body = PB_SLICE("v")};
	struct ipc_value out;

	ck_assert(ipc_encode_value(&buf, &in));
	ck_assert_int_eq(ipc_decode_value(&arena, encoded(), &out, NULL), PB_OK);
	ck_assert(out.found);
	ck_assert_uint_eq(out.revision, 1234567890123);
	ck_assert_str_eq(out.code, "kv.conflict");
	ck_assert_ptr_null(out.message);
}
END_TEST

/* @meta with its length in front and @body behind. */
static struct pb_slice raw(const char *meta, const char *body)
{
	const uint32_t n = (uint32_t)strlen(meta);

	ck_assert(pb_buf_add(&buf, &n, 4) && pb_buf_adds(&buf, meta) && pb_buf_adds(&buf, body));
	return encoded();
}

static const char *const bad_http[] = {
	"",
	"[]",
	"{}",
	"{\"method\":\"GET\"}",
	"{\"method\":\"get\",\"url\":\"/\"}",
	"{\"method\":\"\",\"url\":\"/\"}",
	"{\"method\":\"GET\",\"url\":5}",
	"{\"method\":\"GET\",\"url\":\"/\\u0000\"}",
	"{\"method\":\"GET\",\"url\":\"/\",\"flags\":8}",
	"{\"method\":\"GET\",\"url\":\"/\",\"flags\":-1}",
	"{\"method\":\"GET\",\"url\":\"/\",\"timeout_ms\":1e99}",
	"{\"method\":\"GET\",\"url\":\"/\",\"headers\":[\"A\"]}",
	"{\"method\":\"GET\",\"url\":\"/\",\"headers\":[\"A B\",\"x\"]}",
	"{\"method\":\"GET\",\"url\":\"/\",\"headers\":[\"A\",\"x\\r\\nB: y\"]}",
	"{\"method\":\"GET\",\"url\":\"/\",\"headers\":[[\"A\",\"x\"]]}",
	"{\"method\":\"GET\",\"url\":\"/\",\"headers\":[[[[[[1]]]]],\"x\"]}",
	"{\"method\":\"GET\",\"url\":\"/\"} x",
};

START_TEST(decode__refuses_a_bad_request)
{
	struct ipc_http_request out = {.method = "untouched"};
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_ne(ipc_decode_http_request(&arena, raw(bad_http[_i], ""), &out, &err), PB_OK);
	ck_assert_ptr_nonnull(err.code);
	ck_assert_str_eq(out.method, "untouched");
}
END_TEST

START_TEST(decode__refuses_what_is_cut_off)
{
	const struct ipc_fail in = {.status = 1, .message = "m"};
	struct ipc_fail out;

	ck_assert(ipc_encode_fail(&buf, &in));
	for (size_t n = 0; n < buf.len; n++)
		ck_assert_int_ne(ipc_decode_fail(&arena, pb_slice(buf.p, n), &out, NULL), PB_OK);
	ck_assert_int_eq(ipc_decode_fail(&arena, encoded(), &out, NULL), PB_OK);
}
END_TEST

START_TEST(decode__refuses_a_body_where_none_belongs)
{
	struct ipc_fail out;

	ck_assert_int_eq(
		ipc_decode_fail(&arena, raw("{\"status\":1,\"message\":\"m\"}", "x"), &out, NULL),
		PB_E_INVALID);
}
END_TEST

START_TEST(decode__checks_json_in_text)
{
	struct ipc_log out;

	ck_assert_int_eq(ipc_decode_log(&arena, raw("{\"message\":\"m\",\"fields\":\"[1]\"}", ""),
					&out, NULL),
			 PB_E_INVALID);
	pb_buf_clear(&buf);
	ck_assert_int_eq(
		ipc_decode_log(&arena, raw("{\"message\":\"m\",\"fields\":\"{\"}", ""), &out, NULL),
		PB_E_INVALID);
	pb_buf_clear(&buf);
	ck_assert_int_eq(ipc_decode_log(&arena, raw("{\"message\":\"m\",\"fields\":\"{}\"}", ""),
					&out, NULL),
			 PB_OK);
}
END_TEST

START_TEST(decode__ignores_unknown_keys)
{
	struct ipc_exit out;

	ck_assert_int_eq(
		ipc_decode_exit(&arena, raw("{\"code\":\"c\",\"message\":\"m\",\"later\":[1]}", ""),
				&out, NULL),
		PB_OK);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("ipc_proto");
	TCase *tc = tcase_create("codec");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup_all, teardown_all);
	tcase_add_test(tc, setup__survives);
	tcase_add_test(tc, call__survives);
	tcase_add_test(tc, http__survives);
	tcase_add_test(tc, value__survives);
	tcase_add_loop_test(tc, decode__refuses_a_bad_request, 0, PB_ARRAY_LEN(bad_http));
	tcase_add_test(tc, decode__refuses_what_is_cut_off);
	tcase_add_test(tc, decode__refuses_a_body_where_none_belongs);
	tcase_add_test(tc, decode__checks_json_in_text);
	tcase_add_test(tc, decode__ignores_unknown_keys);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
