/* SPDX-License-Identifier: Apache-2.0 */
/* core/model/workflow*.c: every fault with its code and place, and what a valid definition becomes. */
#include "model/workflow.h"

#include <check.h>

#include "support/check_main.h"
#include "support/workflow_samples.h"
#include "base/base.h"

static struct pb_arena arena;
static struct pb_problems problems;

static void setup(void)
{
	pb_arena_init(&arena, 64 << 20);
	pb_problems_init(&problems, &arena, 50);
}

static void teardown(void)
{
	pb_arena_done(&arena);
}

/* ' stands for " */
static const struct pb_json *must_read(const char *text)
{
	char *s = pb_arena_strdup(&arena, text);
	const struct pb_json *j = NULL;

	for (char *p = s; *p; p++)
		if (*p == '\'')
			*p = '"';
	ck_assert_msg(pb_json_parse(&arena, s, strlen(s), NULL, &j, NULL) == PB_OK, "%s", text);
	return j;
}

static void assert_sane_workflow(const struct model_workflow *wf)
{
	bool seen[MODEL_WORKFLOW_MAX_STEPS] = {false};
	int place[MODEL_WORKFLOW_MAX_STEPS];

	ck_assert_ptr_nonnull(wf->name);
	ck_assert_ptr_nonnull(wf->settings.timezone);
	ck_assert_uint_ge(wf->n_steps, 1);
	for (size_t i = 0; i < wf->n_steps; i++) {
		const struct model_step *s = &wf->steps[i];

		ck_assert_int_eq(model_workflow_find_step(wf, s->id, strlen(s->id)), (int)i);
		ck_assert(!seen[wf->order[i]]);
		seen[wf->order[i]] = true;
		place[wf->order[i]] = (int)i;
		ck_assert((s->type == MODEL_STEP_TYPE_ACTION) == (s->action != NULL));
		ck_assert_int_ge(s->retry.max_us, s->retry.initial_us);
	}
	for (size_t i = 0; i < wf->n_edges; i++) {
		const struct model_edge *e = &wf->edges[i];

		if (e->from == MODEL_TRIGGER_STEP)
			ck_assert_int_eq(e->port, MODEL_PORT_DONE);
		else
			ck_assert_int_lt(place[e->from], place[e->to]);
	}
}

static const struct model_workflow *must_parse(const char *text)
{
	const struct model_workflow *wf = NULL;
	struct pb_err err = PB_ERR_INIT;
	enum pb_status st = model_workflow_parse(must_read(text), &arena, &problems, &wf, &err);

	ck_assert_msg(st == PB_OK, "%s: %s at %s", text,
		      problems.first ? problems.first->message : err.msg,
		      problems.first ? problems.first->pointer : "");
	ck_assert_uint_eq(problems.n, 0);
	assert_sane_workflow(wf);
	return wf;
}

START_TEST(parse__says_the_fault_and_the_place)
{
	const struct workflow_sample *c = &workflow_samples[_i];
	const struct model_workflow *wf = NULL;
	struct pb_err err = PB_ERR_INIT;

	if (!c->code) {
		(void)must_parse(c->json);
		return;
	}
	ck_assert_int_eq(model_workflow_parse(must_read(c->json), &arena, &problems, &wf, &err),
			 PB_E_UNPROCESSABLE);
	ck_assert_str_eq(err.code, "workflow.invalid");
	ck_assert_ptr_null(wf);
	ck_assert_msg(problems.n == 1, "%zu faults in %s, the second: %s at %s", problems.n,
		      c->json, problems.last ? problems.last->message : "",
		      problems.last ? problems.last->pointer : "");
	ck_assert_str_eq(problems.first->code + strlen("workflow."), c->code);
	ck_assert_str_eq(problems.first->pointer, c->pointer);
}
END_TEST

START_TEST(parse__the_published_example)
{
	const struct model_workflow *wf = must_parse(
		"{'patchbay':1,'name':'Big orders to Slack',"
		"'trigger':{'type':'webhook','with':{'methods':['POST'],'respond':'accepted'}},'"
		"steps':["
		"{'id':'order','type':'set','with':{'customer':'{{ trigger.body.user.name }}'}},"
		"{'id':'big','type':'if','with':{'condition':'{{ steps.order.total >= 1000 }}'}},"
		"{'id':'tell','type':'action','action':'slack.post_message','connection':'sales-"
		"slack',"
		"'with':{'channel':'#sales','text':'{{ steps.order.customer }}'},'timeout':'30s',"
		"'retry':{'max_attempts':5,'initial':'1s','max':'5m','jitter':true},'on_error':'"
		"fail'}],"
		"'edges':[['trigger','order'],['order','big'],['big.true','tell']],"
		"'settings':{'mode':'durable','timezone':'UTC','concurrency':null,'error_workflow':"
		"null,"
		"'retention':null},'layout':{}}");
	const struct model_step *tell = &wf->steps[2];

	ck_assert_str_eq(wf->name, "Big orders to Slack");
	ck_assert_uint_eq(wf->n_steps, 3);
	ck_assert_uint_eq(wf->n_edges, 3);
	ck_assert_int_eq(wf->edges[2].from, 1);
	ck_assert_int_eq(wf->edges[2].port, MODEL_PORT_TRUE);
	ck_assert_int_eq(wf->edges[2].to, 2);
	ck_assert_uint_eq(wf->trigger.methods, MODEL_METHOD_POST);
	ck_assert_str_eq(tell->action, "slack.post_message");
	ck_assert_str_eq(tell->connector, "slack");
	ck_assert_str_eq(tell->operation, "post_message");
	ck_assert_str_eq(tell->connection, "sales-slack");
	ck_assert_ptr_null(tell->connector_version);
	ck_assert_int_eq(tell->timeout_us, 30000000);
	ck_assert_uint_eq(tell->retry.max_attempts, 5);
	ck_assert_int_eq(tell->retry.initial_us, 1000000);
	ck_assert_int_eq(tell->retry.max_us, 300000000);
	ck_assert(tell->retry.jitter);
	ck_assert_str_eq(tell->pointer, "/steps/2");
	ck_assert_str_eq(pb_json_str(pb_json_get(tell->with, "channel")), "#sales");
	ck_assert_uint_eq(wf->settings.concurrency, 0);
}
END_TEST

START_TEST(parse__defaults)
{
	const struct model_workflow *wf = must_parse(DOC(ACT("a", ""), ""));
	const struct model_step *a = &wf->steps[0];

	ck_assert_uint_eq(wf->trigger.methods, MODEL_METHOD_POST);
	ck_assert_int_eq(wf->trigger.respond, MODEL_RESPOND_ACCEPTED);
	ck_assert_int_eq(wf->trigger.deadline_us, MODEL_RESPOND_DEADLINE_US);
	ck_assert_int_eq(a->timeout_us, MODEL_STEP_TIMEOUT_DEFAULT_US);
	ck_assert_uint_eq(a->retry.max_attempts, MODEL_RETRY_ATTEMPTS_DEFAULT);
	ck_assert_int_eq(a->join, MODEL_JOIN_ALL);
	ck_assert_int_eq(a->on_error, MODEL_ON_ERROR_FAIL);
	ck_assert(!a->repeatable);
	ck_assert_ptr_null(a->with);
	ck_assert_str_eq(wf->settings.timezone, "UTC");
	ck_assert_int_eq(wf->settings.mode, MODEL_MODE_DURABLE);
	ck_assert_uint_eq(must_parse(TRIGGER("{'type':'manual'}"))->trigger.methods, 0);
}
END_TEST

START_TEST(parse__fields_arrive)
{
	const struct model_workflow *wf = must_parse(
		"{'patchbay':1,'name':'n','trigger':{'type':'webhook','with':{'methods':['GET','"
		"DELETE','GET'],"
		"'respond':'result','deadline':'5m'}},'steps':["
		"{'id':'a','type':'action','action':'com.acme.crm.create','connector_version':'1.4."
		"0','name':'N',"
		"'repeatable':true,'join':'any','on_error':'continue','retry':{'initial':'10m'}},"
		"{'id':'b','type':'action','action':'http.request','with':{'repeatable':true}},"
		"{'id':'c','type':'action','action':'http.request','repeatable':false,'with':{'"
		"repeatable':true}},"
		"{'id':'d','type':'action','action':'crm.book','with':{'repeatable':'{{ x }}'}}],"
		"'settings':{'mode':'durable','timezone':'Europe/Paris'}}");
	const struct model_step *a = &wf->steps[0];

	ck_assert_uint_eq(wf->trigger.methods, MODEL_METHOD_GET | MODEL_METHOD_DELETE);
	ck_assert_int_eq(wf->trigger.respond, MODEL_RESPOND_RESULT);
	ck_assert_int_eq(wf->trigger.deadline_us, 300000000);
	ck_assert_str_eq(a->connector, "com.acme.crm");
	ck_assert_str_eq(a->operation, "create");
	ck_assert_str_eq(a->connector_version, "1.4.0");
	ck_assert_str_eq(a->name, "N");
	ck_assert(a->repeatable);
	ck_assert_int_eq(a->join, MODEL_JOIN_ANY);
	ck_assert_int_eq(a->on_error, MODEL_ON_ERROR_CONTINUE);
	ck_assert_int_eq(a->retry.initial_us, 600000000);
	ck_assert_int_eq(a->retry.max_us, 600000000);
	ck_assert(wf->steps[1].repeatable);
	ck_assert(!wf->steps[2].repeatable);
	ck_assert(!wf->steps[3].repeatable);
	ck_assert_str_eq(wf->settings.timezone, "Europe/Paris");
}
END_TEST

START_TEST(edges__implicit_order_and_both_ways_of_an_if)
{
	static const struct model_edge want[] = {
		{-1, 0, MODEL_PORT_DONE},
		{0, 1, MODEL_PORT_DONE},
		{1, 2, MODEL_PORT_TRUE},
		{1, 2, MODEL_PORT_FALSE},
	};
	const struct model_workflow *wf = must_parse(DOC(SET("a") "," IF("b") "," SET("c"), ""));

	ck_assert_uint_eq(wf->n_edges, PB_ARRAY_LEN(want));
	ck_assert_mem_eq(wf->edges, want, sizeof(want));
	wf = must_parse(DOC(IF("a") "," SET("b"), ",'edges':[['a','b'],['trigger','a']]"));
	ck_assert_uint_eq(wf->n_edges, 3);
	ck_assert_int_eq(wf->edges[0].port, MODEL_PORT_TRUE);
	ck_assert_int_eq(wf->edges[1].port, MODEL_PORT_FALSE);
}
END_TEST

START_TEST(order__follows_the_edges_not_the_text)
{
	const struct model_workflow *wf = must_parse(
		DOC(SET("d") "," SET("c") "," SET("b") "," SET("a"),
		    ",'edges':[['c','d'],['b','d'],['a','c'],['a','b'],['trigger','a']]"));

	ck_assert_uint_eq(wf->order[0], 3);
	ck_assert_uint_eq(wf->order[3], 0);
}
END_TEST

START_TEST(cycle__names_its_steps)
{
	const struct model_workflow *wf;

	ck_assert_int_eq(model_workflow_parse(
				 must_read(DOC(SET("a") "," SET("b") "," SET("c") "," SET("after"),
					       ",'edges':[['trigger','a'],['a','b'],['b','c'],['c',"
					       "'b'],['c','after']]")),
				 &arena, &problems, &wf, NULL),
			 PB_E_UNPROCESSABLE);
	ck_assert_ptr_null(strstr(problems.first->message, "after"));
	ck_assert(strstr(problems.first->message, "b -> c -> b") ||
		  strstr(problems.first->message, "c -> b -> c"));
}
END_TEST

START_TEST(parse__reports_everything_at_once)
{
	static const char *const want[][2] = {
		{"workflow.field_unknown", "/extra"},
		{"workflow.format_unsupported", "/patchbay"},
		{"workflow.field_missing", "/name"},
		{"workflow.trigger_type_unsupported", "/trigger/type"},
		{"workflow.step_id_invalid", "/steps/0/id"},
		{"workflow.step_type_unsupported", "/steps/1/type"},
		{"workflow.duration_invalid", "/steps/2/timeout"},
		{"workflow.edge_unknown_step", "/edges/1/1"},
		{"workflow.field_value", "/settings/mode"},
	};
	const struct model_workflow *wf;
	const struct pb_problem *p;

	ck_assert_int_eq(
		model_workflow_parse(
			must_read("{'patchbay':9,'extra':1,'trigger':{'type':'form'},'steps'"
				  ":[" SET("X") ",{'id':'w','type':'wait','with':{'for':'1h'"
						"}}," ACT("a", ",'timeout':'x'") "],'edges':[['w."
										 "timeout','a'],["
										 "'a','gone']],'"
										 "settings':{'"
										 "mode':'x'}}"),
			&arena, &problems, &wf, NULL),
		PB_E_UNPROCESSABLE);
	p = problems.first;
	for (size_t i = 0; i < PB_ARRAY_LEN(want); i++, p = p->next) {
		ck_assert_ptr_nonnull(p);
		ck_assert_str_eq(p->code, want[i][0]);
		ck_assert_str_eq(p->pointer, want[i][1]);
	}
	ck_assert_ptr_null(p);
}
END_TEST

/* @steps in a row, and @edges more between the first two. */
static const struct pb_json *large(int steps, int edges)
{
	pb_auto_buf b = PB_BUF_INIT;

	(void)pb_buf_adds(&b, "{'patchbay':1,'name':'n','trigger':{'type':'manual'},'steps':[");
	for (int i = 0; i < steps; i++)
		(void)pb_buf_addf(&b, "%s{'id':'s%d','type':'set','with':{}}", i ? "," : "", i);
	(void)pb_buf_adds(&b, "]");
	if (edges > 0) {
		(void)pb_buf_adds(&b, ",'edges':[['trigger','s0']");
		for (int i = 1; i < edges; i++)
			(void)pb_buf_addf(&b, ",['s%d%s','s%d']", (i - 1) % (steps - 1),
					  i < steps ? "" : ".error", (i - 1) % (steps - 1) + 1);
		(void)pb_buf_adds(&b, "]");
	}
	(void)pb_buf_adds(&b, "}");
	return must_read(pb_buf_str(&b));
}

START_TEST(limits__steps_and_edges)
{
	const struct model_workflow *wf;

	ck_assert_int_eq(model_workflow_parse(large(256, 0), &arena, &problems, &wf, NULL), PB_OK);
	assert_sane_workflow(wf);
	ck_assert_int_eq(model_workflow_parse(large(256, 500), &arena, &problems, &wf, NULL),
			 PB_OK);
	ck_assert_int_eq(model_workflow_parse(large(257, 0), &arena, &problems, &wf, NULL),
			 PB_E_UNPROCESSABLE);
	ck_assert_str_eq(problems.last->code, "workflow.too_many_steps");
	ck_assert_int_eq(model_workflow_parse(large(256, 1025), &arena, &problems, &wf, NULL),
			 PB_E_UNPROCESSABLE);
	ck_assert_str_eq(problems.last->code, "workflow.too_many_edges");
}
END_TEST

START_TEST(limits__arena)
{
	const struct pb_json *j = large(200, 0);
	const struct model_workflow *wf;
	struct pb_err err = PB_ERR_INIT;

	for (size_t bytes = 0; bytes < 20000; bytes += 512) {
		pb_auto_arena small;
		struct pb_problems p;

		pb_arena_init(&small, bytes);
		pb_problems_init(&p, &small, 10);
		ck_assert_int_eq(model_workflow_parse(j, &small, &p, &wf, &err), PB_E_TOO_LARGE);
		ck_assert_str_eq(err.code, "workflow.too_large");
	}
}
END_TEST

START_TEST(names__there_and_back)
{
	ck_assert_str_eq(model_step_type_name(MODEL_STEP_TYPE_IF), "if");
	ck_assert_str_eq(model_step_type_name((enum model_step_type)9), "unknown");
	ck_assert_str_eq(model_port_name(MODEL_PORT_FALSE), "false");
	ck_assert_str_eq(model_port_name((enum model_port)9), "unknown");
	ck_assert_str_eq(model_trigger_type_name(MODEL_TRIGGER_MANUAL), "manual");
	ck_assert_str_eq(model_trigger_type_name((enum model_trigger_type)9), "unknown");
	for (unsigned m = MODEL_METHOD_GET; m <= MODEL_METHOD_DELETE; m <<= 1) {
		const char *name = model_method_name((enum model_method)m);

		ck_assert_uint_eq(model_method_parse(name, strlen(name)), m);
	}
	ck_assert_uint_eq(model_method_parse("get", 3), 0);
	ck_assert_uint_eq(model_method_parse("TRACE", 5), 0);
	ck_assert_str_eq(model_method_name((enum model_method)0), "unknown");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("workflow");
	TCase *tc = tcase_create("workflow");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, parse__says_the_fault_and_the_place, 0,
			    PB_ARRAY_LEN(workflow_samples));
	tcase_add_test(tc, parse__the_published_example);
	tcase_add_test(tc, parse__defaults);
	tcase_add_test(tc, parse__fields_arrive);
	tcase_add_test(tc, edges__implicit_order_and_both_ways_of_an_if);
	tcase_add_test(tc, order__follows_the_edges_not_the_text);
	tcase_add_test(tc, cycle__names_its_steps);
	tcase_add_test(tc, parse__reports_everything_at_once);
	tcase_add_test(tc, limits__steps_and_edges);
	tcase_add_test(tc, limits__arena);
	tcase_add_test(tc, names__there_and_back);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
