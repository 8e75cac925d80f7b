/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies and parameters: what is refused, with which code and pointer. */
#include "api_fixture.h"

#include "support/check_main.h"

static const char *const known[] = {"name", "on", "when", "more", NULL};

static void read_all(struct http_req *req, void *arg)
{
	const struct pb_json *body, *more;
	const char *name;
	int64_t when;
	bool on;

	if (!api_body_object(req, &body) || !api_only_fields(req, body, known) ||
	    !api_field_text(req, body, "name", true, 5, &name) ||
	    !api_field_bool(req, body, "on", true, &on) ||
	    !api_field_time(req, body, "when", &when) ||
	    !api_field_object(req, body, "more", false, &more))
		return;
	http_reply_data(req, 200, name, on ? "true" : "false", on ? 4 : 5);
}

static void read_optional(struct http_req *req, void *arg)
{
	const struct pb_json *body;

	if (api_body_object_or_empty(req, &body))
		http_reply_data(req, 200, NULL, body->len ? "1" : "0", 1);
}

static void read_query(struct http_req *req, void *arg)
{
	static const char *const params[] = {"b", "u", "t", NULL};
	struct pb_uuid u;
	int64_t t;
	int b;

	if (api_only_query(req, params) && api_query_bool(req, "b", &b) &&
	    api_query_uuid(req, "u", &u) && api_query_time(req, "t", &t))
		http_reply_data(req, 200, NULL, b < 0 ? "-1" : b ? "1" : "0", b < 0 ? 2 : 1);
}

static const struct http_route routes[] = {
	{.method = HTTP_POST, .pattern = "/all", .handler = read_all, .max_body_bytes = 4096},
	{.method = HTTP_POST, .pattern = "/opt", .handler = read_optional, .max_body_bytes = 4096},
	{.method = HTTP_GET, .pattern = "/query", .handler = read_query},
};

static void setup(void)
{
	fx_start(routes, PB_ARRAY_LEN(routes));
}

static const struct {
	const char *headers, *body;
	int status;
	const char *code, *field;
} bodies[] = {
	{FX_JSON, "{\"name\":\"a\"}", 200, NULL, NULL},
	{FX_JSON, "{\"name\":\"a\",\"on\":false,\"when\":\"2026-01-01T00:00:00Z\",\"more\":{}}",
	 200, NULL, NULL},
	{FX_JSON, "{\"name\":\"a\",\"on\":null}", 200, NULL, NULL},
	{"", "{\"name\":\"a\"}", 415, "http.content_type", NULL},
	{"Content-Type: text/plain\r\n", "{\"name\":\"a\"}", 415, "http.content_type", NULL},
	{FX_JSON, "", 400, "json.syntax", ""},
	{FX_JSON, "{\"name\":\"a\"} x", 400, "json.syntax", ""},
	{FX_JSON, "{\"name\":\"a\",\"name\":\"b\"}", 400, "json.duplicate_key", ""},
	{FX_JSON, "[]", 400, "request.not_an_object", ""},
	{FX_JSON, "null", 400, "request.not_an_object", ""},
	{FX_JSON, "{}", 400, "request.field_missing", "/name"},
	{FX_JSON, "{\"name\":null}", 400, "request.field_missing", "/name"},
	{FX_JSON, "{\"name\":1}", 400, "request.field_type", "/name"},
	{FX_JSON, "{\"name\":\"a\\u0000b\"}", 400, "request.field_type", "/name"},
	{FX_JSON, "{\"name\":\"\"}", 400, "request.field_value", "/name"},
	{FX_JSON, "{\"name\":\"abcdef\"}", 400, "request.field_value", "/name"},
	{FX_JSON, "{\"name\":\"a\",\"on\":1}", 400, "request.field_type", "/on"},
	{FX_JSON, "{\"name\":\"a\",\"when\":5}", 400, "request.field_type", "/when"},
	{FX_JSON, "{\"name\":\"a\",\"when\":\"today\"}", 400, "request.field_value", "/when"},
	{FX_JSON, "{\"name\":\"a\",\"more\":[]}", 400, "request.field_type", "/more"},
	{FX_JSON, "{\"name\":\"a\",\"a/b~\":1}", 400, "request.field_unknown", "/a~1b~0"},
	{FX_JSON, "{\"name\":\"a\",\"tenant_id\":\"x\"}", 400, "request.field_unknown",
	 "/tenant_id"},
	{FX_JSON, "{\"name\":\"a\",\"__proto__\":{}}", 400, "request.field_unknown", "/__proto__"},
};

START_TEST(body__is_read_strictly)
{
	const struct pb_json *answer;

	ck_assert_int_eq(fx_ask("POST", "/all", bodies[_i].headers, bodies[_i].body, &answer),
			 bodies[_i].status);
	if (!bodies[_i].code)
		return;
	ck_assert_str_eq(fx_code(answer), bodies[_i].code);
	if (bodies[_i].field)
		ck_assert_str_eq(fx_field(answer), bodies[_i].field);
	else
		ck_assert_ptr_null(fx_field(answer));
}
END_TEST

START_TEST(body__may_be_absent_where_it_may)
{
	const struct pb_json *answer;

	ck_assert_int_eq(fx_ask("POST", "/opt", "", "", &answer), 200);
	ck_assert_int_eq(fx_ask("POST", "/opt", FX_JSON, "{\"a\":1}", &answer), 200);
	ck_assert_int_eq(fx_ask("POST", "/opt", "", "{\"a\":1}", &answer), 415);
	ck_assert_int_eq(fx_ask("POST", "/opt", FX_JSON, "1", &answer), 400);
}
END_TEST

static const struct {
	const char *target;
	int status;
	const char *code;
} queries[] = {
	{"/query", 200, NULL},
	{"/query?b=true&u=01890a5d-ac96-774b-bcce-b302099a8057&t=2026-01-01T00:00:00Z", 200, NULL},
	{"/query?b=1", 400, "http.query_invalid"},
	{"/query?b=", 400, "http.query_invalid"},
	{"/query?u=x", 400, "http.query_invalid"},
	{"/query?t=yesterday", 400, "http.query_invalid"},
	{"/query?activ=true", 400, "http.query_unknown"},
};

START_TEST(query__is_read_strictly)
{
	const struct pb_json *answer;

	ck_assert_int_eq(fx_ask("GET", queries[_i].target, "", "", &answer), queries[_i].status);
	if (queries[_i].code)
		ck_assert_str_eq(fx_code(answer), queries[_i].code);
}
END_TEST

static Suite *body_suite(void)
{
	Suite *s = suite_create("api_body");
	TCase *tc = tcase_create("body");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, fx_stop);
	tcase_add_loop_test(tc, body__is_read_strictly, 0, PB_ARRAY_LEN(bodies));
	tcase_add_test(tc, body__may_be_absent_where_it_may);
	tcase_add_loop_test(tc, query__is_read_strictly, 0, PB_ARRAY_LEN(queries));
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(body_suite)
