/* SPDX-License-Identifier: Apache-2.0 */
/* From a definition to a plan: order, edges, templates, and the faults that can be seen in the text. */
#include "engine/engine_plan.h"

#include "support/check_main.h"

#include "base/base.h"

static struct pb_arena arena;
static struct pb_problems problems;

static void set_up(void)
{
	pb_arena_init(&arena, 1024 * 1024);
	pb_problems_init(&problems, &arena, 100);
}

static void tear_down(void)
{
	pb_arena_done(&arena);
}

/* Written with ' for ". */
static enum pb_status compile(const char *text, struct engine_plan **ret, struct pb_err *err)
{
	pb_autofree char *json = pb_xstrdup(text);

	for (char *p = json; *p; p++) {
		if (*p == '\'')
			*p = '"';
	}
	return engine_plan_compile(pb_slice_str(json), &problems, ret, err);
}

#define DOC(steps, more)                                                                           \
	"{'patchbay':1,'name':'n','trigger':{'type':'webhook'},'steps':[" steps "]" more "}"

/* The order of the file is not the order of the work. */
#define DIAMOND                                                                                    \
	DOC("{'id':'last','type':'set','with':{'v':'{{ steps.left.v }}'},'join':'any'},"           \
	    "{'id':'left','type':'set','with':{'v':1}},"                                           \
	    "{'id':'right','type':'action','action':'http.request','on_error':'continue',"         \
	    "'retry':{'max_attempts':4,'initial':'100ms','max':'2s','jitter':false}},"             \
	    "{'id':'first','type':'if','with':{'condition':'{{ true }}'}},"                        \
	    "{'id':'sorry','type':'set','with':{}}",                                               \
	    ",'edges':[['trigger','first'],['first.true','left'],['first.false','right'],"         \
	    "['left','last'],['right','last'],['right.error','sorry']]")

static void assert_sane_plan(const struct engine_plan *p)
{
	const struct engine_core_plan *c = &p->core;

	ck_assert_uint_eq(c->first_edge[0], 0);
	ck_assert_uint_eq(c->first_edge[c->n_steps], c->n_edges);
	for (uint16_t i = 0; i < c->n_steps; i++) {
		ck_assert_int_eq(
			engine_plan_find(p, p->steps[i].model->id, strlen(p->steps[i].model->id)),
			i);
		ck_assert_ptr_nonnull(p->steps[i].with);
		for (uint16_t e = c->first_edge[i]; e < c->first_edge[i + 1]; e++) {
			ck_assert_int_eq(c->edges[e].to, i);
			ck_assert_int_lt(c->edges[e].from,
					 i); /* what comes before has a lower index */
		}
	}
}

static int find(const struct engine_plan *p, const char *id)
{
	return engine_plan_find(p, id, strlen(id));
}

START_TEST(compile__orders_steps_and_edges)
{
	pb_autoptr(engine_plan) p = NULL;
	struct pb_err err = PB_ERR_INIT;
	const struct engine_core_edge *e;
	int last, first, left, right;

	ck_assert_msg(compile(DIAMOND, &p, &err) == PB_OK, "%s", err.msg);
	ck_assert_uint_eq(p->core.n_steps, 5);
	ck_assert_uint_eq(p->core.n_edges, 6);
	assert_sane_plan(p);
	first = find(p, "first");
	left = find(p, "left");
	right = find(p, "right");
	last = find(p, "last");
	ck_assert_int_eq(first, 0);
	ck_assert_int_eq(p->core.edges[p->core.first_edge[first]].from, ENGINE_FROM_TRIGGER);
	e = &p->core.edges[p->core.first_edge[left]];
	ck_assert_int_eq(e->from, first);
	ck_assert_int_eq(e->port, ENGINE_PORT_TRUE);
	e = &p->core.edges[p->core.first_edge[right]];
	ck_assert_int_eq(e->from, first);
	ck_assert_int_eq(e->port, ENGINE_PORT_FALSE);
	ck_assert_int_eq(p->core.first_edge[last + 1] - p->core.first_edge[last], 2);
	e = &p->core.edges[p->core.first_edge[find(p, "sorry")]];
	ck_assert_int_eq(e->from, right);
	ck_assert_int_eq(e->port, ENGINE_PORT_ERROR);
}
END_TEST

START_TEST(compile__tells_the_core_what_each_step_is)
{
	pb_autoptr(engine_plan) p = NULL;
	struct pb_err err = PB_ERR_INIT;
	const struct engine_core_step_plan *right, *last;

	ck_assert_int_eq(compile(DIAMOND, &p, &err), PB_OK);
	right = &p->core.steps[find(p, "right")];
	last = &p->core.steps[find(p, "last")];
	ck_assert(right->is_action && right->continue_on_error && right->has_error_edge);
	ck_assert(!right->join_any && !right->retry.jitter);
	ck_assert_uint_eq(right->retry.max_attempts, 4);
	ck_assert_int_eq(right->retry.initial_us, 100000);
	ck_assert_int_eq(right->retry.max_us, 2000000);
	ck_assert(last->join_any && !last->is_action && !last->has_error_edge);
	ck_assert(!last->continue_on_error);
}
END_TEST

START_TEST(find__knows_only_whole_ids)
{
	pb_autoptr(engine_plan) p = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(compile(DIAMOND, &p, &err), PB_OK);
	ck_assert_int_eq(find(p, "lef"), -1);
	ck_assert_int_eq(find(p, "left2"), -1);
	ck_assert_int_eq(find(p, ""), -1);
	ck_assert_int_ge(engine_plan_find(p, "left2", 4), 0);
}
END_TEST

START_TEST(ref__keeps_it_alive)
{
	struct engine_plan *p = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(compile(DIAMOND, &p, &err), PB_OK);
	ck_assert_ptr_eq(engine_plan_ref(p), p);
	engine_plan_unref(p);
	assert_sane_plan(p);
	engine_plan_unref(p);
	engine_plan_unref(NULL);
}
END_TEST

static const struct {
	const char *text;
	enum pb_status status;
	const char *code;    /* the error's own, or the first problem's */
	const char *pointer; /* of the first problem */
} wrong[] = {
	{"{", PB_E_INVALID, "json.syntax", NULL},
	{"", PB_E_INVALID, "json.syntax", NULL},
	{DOC("{'id':'a','type':'set','with':{'v':'{{ 1 + }}'}}", ""), PB_E_UNPROCESSABLE, NULL,
	 "/steps/0/with/v"},
	{DOC("{'id':'a','type':'set','with':{'v':'{{ steps.nobody.x }}'}}", ""), PB_E_UNPROCESSABLE,
	 "workflow.step_unknown", "/steps/0/with/v"},
	{DOC("{'id':'a','type':'set','with':{}},{'id':'b','type':'set','with':{}}",
	     ",'edges':[['a','b'],['b','a']]"),
	 PB_E_UNPROCESSABLE, NULL, NULL},
	{DOC("{'id':'a','type':'set','with':{}}", ",'edges':[['trigger','z']]"), PB_E_UNPROCESSABLE,
	 NULL, NULL},
	{DOC("", ""), PB_E_UNPROCESSABLE, NULL, NULL},
	{DOC("{'id':'a','type':'if','with':{'condition':'{{ true }} and {{ false }}'}}", ""),
	 PB_E_UNPROCESSABLE, "workflow.field_value", "/steps/0/with/condition"},
	{DOC("{'id':'a','type':'if','with':{'condition':'{{ 1 }}}}'}}", ""), PB_E_UNPROCESSABLE,
	 "workflow.field_value", "/steps/0/with/condition"},
};

START_TEST(compile__refuses)
{
	struct engine_plan *p = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_int_eq(compile(wrong[_i].text, &p, &err), wrong[_i].status);
	ck_assert_ptr_null(p);
	if (wrong[_i].status == PB_E_UNPROCESSABLE) {
		ck_assert_str_eq(err.code, "workflow.invalid");
		ck_assert_ptr_nonnull(problems.first);
		if (wrong[_i].code)
			ck_assert_str_eq(problems.first->code, wrong[_i].code);
		if (wrong[_i].pointer)
			ck_assert_str_eq(problems.first->pointer, wrong[_i].pointer);
	} else {
		ck_assert_str_eq(err.code, wrong[_i].code);
		ck_assert_uint_eq(problems.n, 0);
	}
}
END_TEST

static void add_chain(struct pb_buf *b, unsigned n)
{
	pb_buf_adds(b,
		    "{\"patchbay\":1,\"name\":\"n\",\"trigger\":{\"type\":\"manual\"},\"steps\":[");
	for (unsigned i = 0; i < n; i++)
		pb_buf_addf(b, "%s{\"id\":\"s%u\",\"type\":\"set\",\"with\":{\"v\":%u}}",
			    i ? "," : "", i, i);
	pb_buf_adds(b, "]}");
}

START_TEST(compile__the_largest_and_one_more)
{
	pb_auto_buf most = PB_BUF_INIT, more = PB_BUF_INIT;
	pb_autoptr(engine_plan) p = NULL;
	struct engine_plan *none = NULL;
	struct pb_err err = PB_ERR_INIT;

	add_chain(&most, ENGINE_CORE_STEPS_MAX);
	ck_assert_msg(engine_plan_compile(pb_slice(most.p, most.len), &problems, &p, &err) == PB_OK,
		      "%s", err.msg);
	ck_assert_uint_eq(p->core.n_steps, ENGINE_CORE_STEPS_MAX);
	assert_sane_plan(p);
	/* one more is refused, or the core's tables would not hold it */
	add_chain(&more, ENGINE_CORE_STEPS_MAX + 1);
	ck_assert_int_ne(engine_plan_compile(pb_slice(more.p, more.len), &problems, &none, &err),
			 PB_OK);
	ck_assert_ptr_null(none);
}
END_TEST

static Suite *engine_plan_suite(void)
{
	Suite *s = suite_create("engine_plan");
	TCase *tc = tcase_create("plan");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, compile__orders_steps_and_edges);
	tcase_add_test(tc, compile__tells_the_core_what_each_step_is);
	tcase_add_test(tc, find__knows_only_whole_ids);
	tcase_add_test(tc, ref__keeps_it_alive);
	tcase_add_loop_test(tc, compile__refuses, 0, (int)PB_ARRAY_LEN(wrong));
	tcase_add_test(tc, compile__the_largest_and_one_more);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(engine_plan_suite)
