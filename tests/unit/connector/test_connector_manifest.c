/* SPDX-License-Identifier: Apache-2.0 */
/* core/connector/connector_manifest.c: what is read, every fault with its place, error map, repeatability. */
#include "connector/connector_manifest.h"

#include <check.h>
#include "connector/connector_call.h"
#include "base/base.h"

#define ACTION(extra)                                                                              \
	"{\"id\":\"go\",\"version\":1,\"title\":\"Go\",\"native\":true,\"idempotency\":{\"mode\":" \
	"\"none\"},"                                                                               \
	"\"params\":{\"type\":\"object\"}" extra "}"
#define TOP(extra)                                                                                 \
	"{\"patchbay\":1,\"id\":\"acme\",\"version\":\"1.0.0\",\"name\":\"Acme\"" extra "}"

static struct pb_arena arena;
static struct pb_problems faults, warnings;

static void setup(void)
{
	pb_arena_init(&arena, 1 << 20);
	pb_problems_init(&faults, &arena, 50);
	pb_problems_init(&warnings, &arena, 50);
}

static void teardown(void)
{
	pb_arena_done(&arena);
}

static struct connector_manifest *parse(const char *text)
{
	struct connector_manifest *m = NULL;
	struct pb_err err = PB_ERR_INIT;
	enum pb_status st =
		connector_manifest_parse(text, strlen(text), &m, &faults, &warnings, &err);

	ck_assert_msg((st == PB_OK) == (m != NULL) && (st == PB_OK) == (faults.n == 0), "%s",
		      err.msg);
	if (st != PB_OK)
		ck_assert_str_eq(err.code, "connector.manifest");
	return m;
}

static const struct {
	const char *text, *code, *pointer;
} bad[] = {
	{"", "manifest.syntax", ""},
	{"{\"patchbay\":1,\"id\":\"a\",\"version\":\"1.0.0\",\"name\":\"A\","
	 "\"triggers\":[{\"id\":\"x\",\"kind\":\"push\",\"native\":true}]}",
	 "manifest.value", "/triggers/0/kind"},
	{"{\"patchbay\":1,\"id\":\"a\",\"version\":\"1.0.0\",\"name\":\"A\","
	 "\"triggers\":[{\"kind\":\"poll\",\"native\":true}]}",
	 "manifest.missing", "/triggers/0/id"},
	{"{\"patchbay\":1,\"id\":\"a\",\"version\":\"1.0.0\",\"name\":\"A\","
	 "\"triggers\":[{\"id\":\"x\",\"kind\":\"poll\"}]}",
	 "manifest.conflict", "/triggers/0"},
	{"{\"patchbay\":1,\"id\":\"a\",\"version\":\"1.0.0\",\"name\":\"A\","
	 "\"triggers\":[{\"id\":\"x\",\"kind\":\"hook\",\"native\":true,\"subscribe\":{}}]}",
	 "manifest.conflict", "/triggers/0"},
	{"{\"patchbay\":1,\"id\":\"a\",\"version\":\"1.0.0\",\"name\":\"A\","
	 "\"triggers\":[{\"id\":\"x\",\"kind\":\"hook\"},{\"id\":\"x\",\"kind\":\"hook\"}]}",
	 "manifest.duplicate", "/triggers/1"},
	{"{\"patchbay\":1,\"id\":\"a\",\"version\":\"1.0.0\",\"name\":\"A\","
	 "\"options\":[{\"id\":\"X\",\"native\":true}]}",
	 "manifest.value", "/options/0/id"},
	{"{\"patchbay\":1,\"id\":\"a\",\"version\":\"1.0.0\",\"name\":\"A\","
	 "\"options\":[{\"id\":\"x\",\"native\":true,\"request\":{}}]}",
	 "manifest.conflict", "/options/0"},
	{"{\"patchbay\":1,\"id\":\"a\",\"version\":\"1.0.0\",\"name\":\"A\","
	 "\"options\":[{\"id\":\"x\",\"native\":true},{\"id\":\"x\",\"native\":true}]}",
	 "manifest.duplicate", "/options/1"},
	{"[]", "manifest.type", ""},
	{"{\"id\":1", "manifest.syntax", ""},
	{"{\"patchbay\":2,\"id\":\"a\",\"version\":\"1.0.0\",\"name\":\"A\"}", "manifest.value",
	 "/patchbay"},
	{"{\"patchbay\":1,\"version\":\"1.0.0\",\"name\":\"A\"}", "manifest.missing", "/id"},
	{"{\"patchbay\":1,\"id\":\"A b\",\"version\":\"1.0.0\",\"name\":\"A\"}", "manifest.value",
	 "/id"},
	{"{\"patchbay\":1,\"id\":\"a..b\",\"version\":\"1.0.0\",\"name\":\"A\"}", "manifest.value",
	 "/id"},
	{"{\"patchbay\":1,\"id\":\"../x\",\"version\":\"1.0.0\",\"name\":\"A\"}", "manifest.value",
	 "/id"},
	{"{\"patchbay\":1,\"id\":\"a\",\"version\":\"1.0\",\"name\":\"A\"}", "manifest.value",
	 "/version"},
	{"{\"patchbay\":1,\"id\":\"a\",\"version\":\"01.0.0\",\"name\":\"A\"}", "manifest.value",
	 "/version"},
	{"{\"patchbay\":1,\"id\":\"a\",\"version\":\"1.0.0\",\"name\":7}", "manifest.type",
	 "/name"},
	{TOP(",\"hosts\":\"x\""), "manifest.type", "/hosts"},
	{TOP(",\"hosts\":[\"ok.example\",\"http://x\"]"), "manifest.value", "/hosts/1"},
	{TOP(",\"hosts\":[\"user@x\"]"), "manifest.value", "/hosts/0"},
	{TOP(",\"libraries\":[\"/lib/x.so\"]"), "manifest.value", "/libraries/0"},
	{TOP(",\"concurrency\":0"), "manifest.value", "/concurrency"},
	{TOP(",\"actions\":{}"), "manifest.type", "/actions"},
	{TOP(",\"actions\":[" ACTION("") "," ACTION("") "]"), "manifest.duplicate", "/actions/1"},
	{TOP(",\"actions\":[" ACTION(",\"credentials\":[\"nope\"]") "]"), "manifest.reference",
	 "/actions/0/credentials"},
	{TOP(",\"actions\":[" ACTION(",\"request\":{}") "]"), "manifest.conflict", "/actions/0"},
	{TOP(",\"actions\":[" ACTION(",\"timeout\":\"soon\"") "]"), "manifest.value",
	 "/actions/0/timeout"},
	{TOP(",\"actions\":[{\"id\":\"go\",\"version\":1,\"title\":\"Go\",\"native\":true}]"),
	 "manifest.missing", "/actions/0/idempotency"},
	{TOP(",\"actions\":[{\"id\":\"go\",\"version\":1,\"title\":\"Go\",\"native\":true,"
	     "\"idempotency\":"
	     "{\"mode\":\"sometimes\"}}]"),
	 "manifest.value", "/actions/0/idempotency/mode"},
	{TOP(",\"actions\":[{\"id\":\"go\",\"version\":1,\"title\":\"Go\",\"native\":true,"
	     "\"idempotency\":"
	     "{\"mode\":\"none\"},\"params\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
	     "\"text\"}}}}]"),
	 "manifest.schema", "/actions/0/params/properties/a/type"},
	{TOP(",\"errors\":[{\"when\":{\"status\":700},\"class\":\"transient\"}]"), "manifest.value",
	 "/errors/0/when"},
	{TOP(",\"errors\":[{\"when\":{\"status\":500},\"class\":\"odd\"}]"), "manifest.value",
	 "/errors/0/class"},
	{TOP(",\"credentials\":[{\"id\":\"k\",\"type\":\"magic\"}]"), "manifest.value",
	 "/credentials/0/type"},
	{TOP(",\"credentials\":[{\"id\":\"k\",\"type\":\"fields\",\"inject\":{\"value\":\"x\"}}]"),
	 "manifest.value", "/credentials/0/inject"},
	{TOP(",\"credentials\":[{\"id\":\"k\",\"type\":\"fields\",\"fields\":{\"type\":\"object\"},"
	     "\"expose\":[\"gone\"]}]"),
	 "manifest.reference", "/credentials/0/expose"},
};

START_TEST(parse__reports_the_fault_and_its_place)
{
	struct connector_manifest *m = parse(bad[_i].text);
	bool found = false;

	ck_assert_ptr_null(m);
	for (const struct pb_problem *p = faults.first; p; p = p->next)
		found = found || (strcmp(p->code, bad[_i].code) == 0 &&
				  strcmp(p->pointer, bad[_i].pointer) == 0);
	ck_assert_msg(found, "%s: got %s at %s", bad[_i].text, faults.first->code,
		      faults.first->pointer);
}
END_TEST

START_TEST(parse__reports_all_faults_at_once)
{
	ck_assert_ptr_null(
		parse("{\"patchbay\":3,\"id\":7,\"version\":\"x\",\"hosts\":4,\"actions\":[{}]}"));
	ck_assert_uint_ge(faults.n, 7);
}
END_TEST

START_TEST(parse__unknown_keys_are_warnings)
{
	pb_autoptr(connector_manifest) m = parse(
		TOP(",\"novelty\":1,\"x-own\":2,\"actions\":[" ACTION(",\"shiny\":true") "]"));

	ck_assert_ptr_nonnull(m);
	ck_assert_uint_eq(warnings.n, 2);
	ck_assert_str_eq(warnings.first->pointer, "/novelty");
	ck_assert_str_eq(warnings.last->pointer, "/actions/0/shiny");
}
END_TEST

START_TEST(parse__reads_the_parts)
{
	pb_autoptr(connector_manifest) m =
		parse(TOP(",\"hosts\":[\"api.acme.example\",\"*.acme.example\",\"${cred.host}\"],"
			  "\"base_url\":\"https://api.acme.example\","
			  "\"concurrency\":4,\"libraries\":[\"libxml2.so.2\"],"
			  "\"credentials\":[{\"id\":\"key\",\"type\":\"fields\",\"fields\":{"
			  "\"type\":\"object\",\"properties\":"
			  "{\"k\":{\"type\":\"string\"}}},\"expose\":[\"k\"],\"inject\":[{"
			  "\"header\":\"X-Key\",\"value\":\"${cred.k}\"},"
			  "{\"query\":\"key\",\"value\":\"${cred.k}\"},{\"basic\":true,\"value\":"
			  "\"a:${cred.k}\"}],\"test\":"
			  "{\"native\":true}}],"
			  "\"actions\":[" ACTION(",\"credentials\":[\"key\",\"\"],\"timeout\":"
						 "\"30s\"") "],"
							    "\"options\":[{\"id\":\"lists\","
							    "\"native\":true}],\"triggers\":[{"
							    "\"id\":\"new\",\"kind\":\"poll\","
							    "\"native\":true},"
							    "{\"id\":\"made\",\"kind\":\"hook\","
							    "\"native\":true}]"));
	static const char *const native[] = {"action:go", "options:lists", "test:key",
					     "poll:new",  "hook.add:made", "hook.del:made",
					     "hook:made"};
	const struct connector_operation *op;

	ck_assert_ptr_nonnull(m);
	ck_assert_str_eq(m->id, "acme");
	ck_assert_uint_eq(m->n_hosts, 3);
	ck_assert(m->hosts_from_connection);
	ck_assert_int_eq(m->concurrency, 4);
	ck_assert_uint_eq(m->n_credentials, 1);
	ck_assert_uint_eq(m->credentials[0].n_inject, 3);
	ck_assert(m->credentials[0].inject[1].in_query);
	ck_assert_str_eq(m->credentials[0].inject[2].name, "Authorization");
	ck_assert_uint_eq(m->credentials[0].n_exposed, 1);
	op = connector_manifest_action(m, "go", 2);
	ck_assert_ptr_nonnull(op);
	ck_assert_str_eq(op->name, "action:go");
	ck_assert_uint_eq(op->n_credentials, 1);
	ck_assert(op->credential_optional);
	ck_assert_int_eq(op->timeout_us, 30000000);
	ck_assert_ptr_nonnull(op->params);
	ck_assert_uint_eq(m->n_native, PB_ARRAY_LEN(native));
	for (size_t i = 0; i < PB_ARRAY_LEN(native); i++) {
		bool found = false;

		for (size_t k = 0; k < m->n_native; k++)
			found = found || strcmp(m->native[k], native[i]) == 0;
		ck_assert_msg(found, "%s", native[i]);
	}
	op = connector_manifest_test(m, "key");
	ck_assert_ptr_nonnull(op);
	ck_assert_str_eq(op->name, "test:key");
	ck_assert(op->native && !op->credential_optional);
	ck_assert(connector_operation_repeatable(op, NULL));
	ck_assert_uint_eq(op->n_credentials, 1);
	ck_assert_str_eq(op->credentials[0], "key");
	ck_assert_ptr_nonnull(op->params);
	ck_assert_ptr_null(connector_manifest_test(m, "ke"));
	ck_assert_ptr_null(connector_manifest_action(m, "g", 1));
	ck_assert_ptr_null(connector_manifest_action(m, "gone", 4));
}
END_TEST

START_TEST(parse__declarative_is_read_but_not_native)
{
	pb_autoptr(connector_manifest) m = parse(
		TOP(",\"actions\":[{\"id\":\"go\",\"version\":1,\"title\":\"Go\",\"request\":{"
		    "\"method\":\"GET\"},"
		    "\"idempotency\":{\"mode\":\"header\",\"header\":\"Idempotency-Key\"}}]"));

	ck_assert_ptr_nonnull(m);
	ck_assert(!m->actions[0].native);
	ck_assert_ptr_nonnull(m->actions[0].request);
	ck_assert_uint_eq(m->n_native, 0);
	ck_assert_str_eq(m->actions[0].idempotency_header, "Idempotency-Key");
}
END_TEST

static const struct connector_error_rule *rule;

static uint32_t classify(const struct connector_manifest *m, int status, const char *body)
{
	const struct pb_json *j = NULL;

	if (body)
		ck_assert_int_eq(pb_json_parse(&arena, body, strlen(body), NULL, &j, NULL), PB_OK);
	return connector_manifest_classify(m, status, j, &rule);
}

START_TEST(classify__rules_first_then_the_usual)
{
	pb_autoptr(connector_manifest) m =
		parse(TOP(",\"errors\":[{\"when\":{\"status\":400,\"body\":\"/error/"
			  "code\",\"equals\":\"bad_field\"},"
			  "\"class\":\"invalid_input\",\"field\":\"/error/"
			  "field\"},{\"when\":{\"status\":\"5xx\",\"body\":\"/fatal\"},"
			  "\"class\":\"permanent\"},{\"when\":{\"body\":\"/"
			  "ok\",\"equals\":false},\"class\":\"auth_denied\"}]"));

	ck_assert_ptr_nonnull(m);
	ck_assert_uint_eq(classify(m, 400, "{\"error\":{\"code\":\"bad_field\"}}"),
			  CONNECTOR_INVALID_INPUT);
	ck_assert_str_eq(rule->field, "/error/field");
	ck_assert_uint_eq(classify(m, 400, "{\"error\":{\"code\":\"other\"}}"),
			  CONNECTOR_PERMANENT);
	ck_assert_ptr_null(rule);
	ck_assert_uint_eq(classify(m, 503, "{\"fatal\":1}"), CONNECTOR_PERMANENT);
	ck_assert_uint_eq(classify(m, 503, "{}"), CONNECTOR_TRANSIENT);
	ck_assert_uint_eq(classify(m, 503, NULL), CONNECTOR_TRANSIENT);
	ck_assert_uint_eq(classify(m, 200, "{\"ok\":false}"), CONNECTOR_AUTH_DENIED);
	ck_assert_uint_eq(classify(m, 200, "{\"ok\":true}"), CONNECTOR_OK);
	ck_assert_uint_eq(classify(m, 401, NULL), CONNECTOR_AUTH_EXPIRED);
	ck_assert_uint_eq(classify(m, 403, NULL), CONNECTOR_AUTH_DENIED);
	ck_assert_uint_eq(classify(m, 429, NULL), CONNECTOR_RATE_LIMITED);
	ck_assert_uint_eq(classify(m, 408, NULL), CONNECTOR_TRANSIENT);
}
END_TEST

static const struct {
	const char *params;
	bool repeatable;
} natural[] = {
	{"{\"method\":\"GET\"}", true},   {"{\"method\":\"PUT\"}", true},
	{"{\"method\":\"POST\"}", false}, {"{}", true} /* the default is GET */,
	{"{\"method\":1}", false},
};

START_TEST(repeatable__natural_when)
{
	pb_autoptr(connector_manifest) m =
		parse(TOP(",\"actions\":[{\"id\":\"go\",\"version\":1,\"title\":\"Go\",\"native\":"
			  "true,\"idempotency\":"
			  "{\"mode\":\"none\",\"natural_when\":{\"method\":[\"GET\",\"PUT\"]}},"
			  "\"params\":{\"type\":"
			  "\"object\",\"properties\":{\"method\":{\"type\":\"string\",\"default\":"
			  "\"GET\"}}}}]"));
	const struct pb_json *params = NULL;

	ck_assert_ptr_nonnull(m);
	ck_assert_int_eq(pb_json_parse(&arena, natural[_i].params, strlen(natural[_i].params), NULL,
				       &params, NULL),
			 PB_OK);
	ck_assert_int_eq(connector_operation_repeatable(&m->actions[0], params),
			 natural[_i].repeatable);
}
END_TEST

START_TEST(parse__hostile_documents)
{
	pb_auto_buf b = PB_BUF_INIT;
	struct connector_manifest *m = NULL;
	struct pb_err err = PB_ERR_INIT;

	/* a million small values are refused by count, 2 MB by size */
	pb_buf_adds(&b, "{\"patchbay\":1,\"x\":[0");
	while (b.len < (1 << 20) - 16)
		pb_buf_adds(&b, ",0");
	pb_buf_adds(&b, "]}");
	ck_assert_int_eq(connector_manifest_parse(b.p, b.len, &m, NULL, NULL, &err), PB_E_INVALID);
	while (b.len < (2 << 20))
		pb_buf_addc(&b, ' ');
	ck_assert_int_eq(connector_manifest_parse(b.p, b.len, &m, NULL, NULL, &err),
			 PB_E_TOO_LARGE);
	ck_assert_ptr_null(m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("connector_manifest");
	TCase *tc = tcase_create("manifest");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, parse__reports_the_fault_and_its_place, 0, (int)PB_ARRAY_LEN(bad));
	tcase_add_test(tc, parse__reports_all_faults_at_once);
	tcase_add_test(tc, parse__unknown_keys_are_warnings);
	tcase_add_test(tc, parse__reads_the_parts);
	tcase_add_test(tc, parse__declarative_is_read_but_not_native);
	tcase_add_test(tc, classify__rules_first_then_the_usual);
	tcase_add_loop_test(tc, repeatable__natural_when, 0, (int)PB_ARRAY_LEN(natural));
	tcase_add_test(tc, parse__hostile_documents);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
