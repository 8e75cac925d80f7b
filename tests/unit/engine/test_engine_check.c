/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/engine/engine_check.c: faults that need the connectors, each with its place. */
#include "engine/engine_check.h"

#include "connector/connector_registry.h"
#include "engine/engine_plan.h"
#include "support/check_main.h"

#include "base/base.h"

static struct pb_arena arena;
static struct pb_problems problems;
static struct connector_registry *registry;

static void add_connector(const char *id)
{
	char text[512];

	(void)pb_str_printf(
		text, sizeof(text),
		"{\"patchbay\":1,\"id\":\"%s\",\"version\":\"1.0.0\",\"name\":\"N\",\"actions\":["
		"{\"id\":\"go\",\"version\":1,\"title\":\"Go\",\"request\":{},\"idempotency\":{"
		"\"mode\":\"none\"},\"params\":{\"type\":\"object\",\"properties\":{\"n\":{"
		"\"type\":\"integer\"}}}}]}",
		id);
	ck_assert_int_eq(connector_registry_add(registry, text, strlen(text), -1, NULL, NULL),
			 PB_OK);
}

static void set_up(void)
{
	pb_arena_init(&arena, 1024 * 1024);
	pb_problems_init(&problems, &arena, 100);
	registry = connector_registry_new();
	add_connector("http");
	add_connector("crm");
}

static void tear_down(void)
{
	connector_registry_free(registry);
	pb_arena_done(&arena);
}

#define DOC(steps, more)                                                                           \
	"{'patchbay':1,'name':'n','trigger':{'type':'manual'},'steps':[" steps "]" more "}"
#define STEP(action, with) "{'id':'a','type':'action','action':'" action "','with':" with "}"

static const struct {
	const char *text;
	const char *want; /* "code pointer" of each fault, in order */
} cases[] = {
	{DOC(STEP("crm.go", "{'n':1}"), ""), ""},
	{DOC(STEP("crm.stop", "{'n':1}"), ""), "workflow.action_unknown /steps/0/action "},
	{DOC(STEP("crm.go", "{'n':'x'}"), ""), "workflow.param_invalid /steps/0/with/n "},
	{DOC(STEP("crm.go", "{'n':'{{ 1 }}','m':1}"), ""),
	 "workflow.param_unknown /steps/0/with/m "},
	/* a word to the engine there, an unknown parameter here */
	{DOC(STEP("http.go", "{'n':1,'repeatable':true}"), ""), ""},
	{DOC(STEP("crm.go", "{'n':1,'repeatable':true}"), ""),
	 "workflow.param_unknown /steps/0/with/repeatable "},
	/* one kind of fault does not hide the others */
	{DOC(STEP("crm.go", "{'m':'{{ 1 + }}'}"), ",'extra':1,'settings':{'timezone':'X'}"),
	 "workflow.field_unknown /extra expr.syntax /steps/0/with/m "
	 "workflow.param_unknown /steps/0/with/m workflow.field_value /settings/timezone "},
	{DOC("{'id':'B','type':'set','with':{'v':'{{ steps.B.v }}'}},"
	     "{'id':'c','type':'action','action':'none','with':{'v':'{{ ( }}'}},"
	     "{'id':'d','type':'loop','with':7},7," STEP("crm.stop", "{}"),
	     ""),
	 "workflow.step_id_invalid /steps/0/id workflow.action_invalid /steps/1/action "
	 "workflow.step_type_unsupported /steps/2/type workflow.field_type /steps/3 "
	 "expr.syntax /steps/1/with/v workflow.action_unknown /steps/4/action "},
	{DOC("{'id':'b','type':'if','with':{'condition':'true','x':1}}", ""),
	 "workflow.field_unknown /steps/0/with/x "
	 "workflow.field_value /steps/0/with/condition "},
	{DOC("{'id':'b','type':'if'}", ""), "workflow.field_missing /steps/0/with "},
	{DOC("", ",'edges':[]"), "workflow.field_value /steps "},
	{"[]", "workflow.field_type  "},
	{"7", "workflow.field_type  "},
	{DOC(STEP("crm.go", "{}"), ",'settings':{'timezone':'Europe/Paris'}"), ""},
	{DOC(STEP("crm.go", "{}"), ",'settings':{'timezone':'Mars/Phobos'}"),
	 "workflow.field_value /settings/timezone "},
	{DOC(STEP("crm.go", "{}"), ",'settings':{'timezone':'../passwd'}"),
	 "workflow.field_value /settings/timezone "},
};

START_TEST(check__says_all_faults)
{
	pb_auto_buf got = PB_BUF_INIT;
	pb_autofree char *json = pb_xstrdup(cases[_i].text);
	pb_autoptr(engine_plan) plan = NULL;
	struct pb_err transient = PB_ERR_INIT, err = PB_ERR_INIT;
	struct engine_check check = {
		.registry = registry, .problems = &problems, .transient = &transient};

	for (char *p = json; *p; p++)
		*p = (char)(*p == '\'' ? '"' : *p);
	ck_assert_int_eq(engine_plan_draft(pb_slice_str(json), &problems, &plan, &err), PB_OK);
	engine_check_plan(&check, plan);
	for (const struct pb_problem *p = problems.first; p; p = p->next)
		ck_assert(pb_buf_addf(&got, "%s %s ", p->code, p->pointer));
	ck_assert_str_eq(got.len ? pb_buf_str(&got) : "", cases[_i].want);
	ck_assert_int_eq(transient.status, PB_OK);
}
END_TEST

static Suite *engine_check_suite(void)
{
	Suite *s = suite_create("engine_check");
	TCase *tc = tcase_create("check");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, check__says_all_faults, 0, (int)PB_ARRAY_LEN(cases));
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(engine_check_suite)
