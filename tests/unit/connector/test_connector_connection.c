/* SPDX-License-Identifier: Apache-2.0 */
/* core/connector/connector_connection.c: fields, templates, redaction. */
#include "connector/connector_private.h"

#include <check.h>
#include "base/json.h"
#include "crypto/crypto_secret.h"
#include "base/base.h"

static struct connector_connection *make(const char *fields, const char *secrets)
{
	struct connector_connection *c = NULL;
	struct pb_err err = PB_ERR_INIT;

	crypto_init();
	ck_assert_int_eq(connector_connection_new(
				 pb_uuid7(), "acme", "key", fields,
				 secrets ? crypto_secret_copy(secrets, strlen(secrets)) : NULL, &c,
				 &err),
			 PB_OK);
	return c;
}

static const struct {
	const char *template_, *text; /* NULL: a field is missing */
} renders[] = {
	{"Bearer ${cred.token}", "Bearer tok-123456"},
	{"${cred.user}:${cred.token}", "ann:tok-123456"},
	{"${cred.gone}", NULL},
	{"a${cred.gone?}b", "ab"},
	{"plain", "plain"},
	{"$5 ${ cred.token}", "$5 ${ cred.token}"},
	{"${cred.number}", "42"},
	{"${cred.list}", "[\"a\",\"b\"]"},
	{"${cred.late}", "from the schema"},
	{"${cred.token", "${cred.token"},
};

START_TEST(render__each_form)
{
	pb_autoptr(connector_connection) c =
		make("{\"user\":\"ann\",\"number\":42,\"list\":[\"a\",\"b\"],\"nothing\":null}",
		     "{\"token\":\"tok-123456\"}");
	static const char schema[] =
		"{\"properties\":{\"late\":{\"default\":\"from the schema\"}}}";
	pb_auto_buf out = PB_BUF_INIT;
	pb_auto_arena arena;
	const struct pb_json *j = NULL;
	bool ok;

	pb_arena_init(&arena, 1 << 16);
	ck_assert_int_eq(pb_json_parse(&arena, schema, strlen(schema), NULL, &j, NULL), PB_OK);
	ok = connector_connection_render(c, j, renders[_i].template_, &out);
	ck_assert_int_eq(ok, renders[_i].text != NULL);
	if (ok)
		ck_assert_str_eq(pb_buf_str(&out), renders[_i].text);
}
END_TEST

START_TEST(new__refuses_what_is_no_object)
{
	struct connector_connection *c = NULL;
	struct pb_err err = PB_ERR_INIT;

	crypto_init();
	ck_assert_int_eq(connector_connection_new(pb_uuid7(), "a", "k", "[1]", NULL, &c, &err),
			 PB_E_INTERNAL);
	ck_assert_int_eq(connector_connection_new(pb_uuid7(), "a", "k", NULL,
						  crypto_secret_copy("x{}", 3), &c, &err),
			 PB_E_INTERNAL);
	ck_assert_str_eq(err.code, "connection.malformed");
	ck_assert_ptr_null(strstr(err.msg, "x{}"));
	ck_assert_ptr_null(c);
}
END_TEST

START_TEST(redact__secrets_only_and_every_time)
{
	pb_autoptr(connector_connection) c = make(
		"{\"user\":\"public-name\"}",
		"{\"token\":\"tok-123456\",\"longer\":\"tok-123456-and-more\",\"tiny\":\"ab\"}");
	static const char text[] = "tok-123456 public-name xtok-123456x ab tok-123456-and-more!";
	size_t n = 0;
	pb_autofree char *clean = connector_connection_redact(c, NULL, 0, text, strlen(text), &n);
	pb_autofree char *same = connector_connection_redact(NULL, NULL, 0, text, strlen(text), &n);

	ck_assert_str_eq(clean, "[redacted] public-name x[redacted]x ab [redacted]!");
	ck_assert_str_eq(same, text);
}
END_TEST

START_TEST(redact__as_json_and_as_it_is_sent)
{
	pb_autoptr(connector_connection) c =
		make("{}", "{\"token\":\"to\\\"k\\n-123456\",\"short\":\"pw\"}");
	char basic[] = "Basic YW5uOnB3LXB3", plain[] = "2024-01-01";
	const struct connector_credential_line lines[] = {
		{.value = basic, .value_bytes = strlen(basic), .secret = true},
		{.value = plain, .value_bytes = strlen(plain)},
	};
	static const char text[] =
		"{\"a\":\"to\\\"k\\n-123456\",\"b\":\"YW5uOnB3LXB3\",\"c\":\"2024-01-01\"}";
	size_t n = 0;
	pb_autofree char *clean = connector_connection_redact(c, lines, 2, text, strlen(text), &n);

	ck_assert_str_eq(clean, "{\"a\":\"[redacted]\",\"b\":\"[redacted]\",\"c\":\"2024-01-01\"}");
	ck_assert_uint_eq(n, strlen(clean));
}
END_TEST

START_TEST(field__secret_shadows_public)
{
	pb_autoptr(connector_connection) c =
		make("{\"token\":\"public\"}", "{\"token\":\"hidden-one\"}");
	struct pb_slice v;

	ck_assert(connector_connection_field(c, "token", &v));
	ck_assert(pb_slice_eq_str(v, "hidden-one"));
	ck_assert(!connector_connection_field(c, "other", &v));
	ck_assert(!connector_connection_field(NULL, "token", &v));
}
END_TEST

static const char two_injects[] =
	"{\"patchbay\":1,\"id\":\"acme\",\"version\":\"1.0.0\",\"name\":\"A\",\"summary\":\"A\","
	"\"categories\":[\"test\"],\"hosts\":[\"a.example\"],\"credentials\":[{\"id\":\"key\","
	"\"type\":\"fields\",\"fields\":{\"type\":\"object\",\"properties\":{"
	"\"token\":{\"type\":\"string\",\"x-secret\":true},\"gone\":{\"type\":\"string\"}}},"
	"\"inject\":[{\"header\":\"X-One\",\"value\":\"${cred.token}\"},"
	"{\"header\":\"X-Two\",\"value\":\"${cred.gone}\"}]}],"
	"\"actions\":[{\"id\":\"go\",\"version\":1,\"title\":\"Go\",\"native\":true,"
	"\"credentials\":[\"key\"],\"idempotency\":{\"mode\":\"none\"},"
	"\"params\":{\"type\":\"object\"}}]}";

/* Every request of a call asks for its lines; one that cannot be made leaves none behind. */
START_TEST(lines__that_fail_leave_nothing)
{
	pb_autoptr(connector_connection) c = make("{}", "{\"token\":\"tok-123456\"}");
	pb_autoptr(connector_manifest) m = NULL;
	struct pb_err err = PB_ERR_INIT;
	struct connector_call call = {.connection = c};

	ck_assert_msg(connector_manifest_parse(two_injects, strlen(two_injects), &m, NULL, NULL,
					       &err) == PB_OK,
		      "%s", err.msg);
	call.manifest = m;
	for (int i = 0; i < 10; i++) {
		struct pb_err again = PB_ERR_INIT;

		ck_assert_int_eq(connector_connection_lines(&call, &again), PB_E_PRECONDITION);
		ck_assert_str_eq(again.code, "connection.incomplete");
		ck_assert_uint_eq(call.n_lines, 0);
		ck_assert_ptr_null(call.lines);
	}
	connector_connection_lines_free(&call);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("connector_connection");
	TCase *tc = tcase_create("connection");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, render__each_form, 0, (int)PB_ARRAY_LEN(renders));
	tcase_add_test(tc, new__refuses_what_is_no_object);
	tcase_add_test(tc, redact__secrets_only_and_every_time);
	tcase_add_test(tc, redact__as_json_and_as_it_is_sent);
	tcase_add_test(tc, field__secret_shadows_public);
	tcase_add_test(tc, lines__that_fail_leave_nothing);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
