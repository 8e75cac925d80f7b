/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a definition to a plan. The surprising thing: the core wants the steps in topological order with the
 * edges sorted by target, so indexes here differ from the positions in the file (plan step -> model step).
 */
#include "engine/engine_plan.h"

#include "base/json.h"

#include "base/base.h"

#define PLAN_ARENA_BYTES ((size_t)16 * 1024 * 1024)

static const struct pb_json empty_object = {.type = PB_JSON_OBJECT};

struct plan_builder {
	struct engine_plan *plan;
	struct pb_problems *problems;
	bool ids_known;                          /* every step has one */
	const uint16_t *order;                   /* plan index -> model index */
	int16_t position[ENGINE_CORE_STEPS_MAX]; /* model index -> plan index */
};

static int16_t plan_index(const struct plan_builder *b, int32_t model_index)
{
	return model_index == MODEL_TRIGGER_STEP ? ENGINE_FROM_TRIGGER : b->position[model_index];
}

static bool has_error_edge(const struct model_workflow *wf, int32_t step)
{
	for (size_t i = 0; i < wf->n_edges; i++) {
		if (wf->edges[i].from == step && wf->edges[i].port == MODEL_PORT_ERROR)
			return true;
	}
	return false;
}

static struct engine_core_step_plan core_step(const struct model_workflow *wf, uint16_t model_index)
{
	const struct model_step *s = &wf->steps[model_index];

	return (struct engine_core_step_plan){
		.is_action = s->type == MODEL_STEP_TYPE_ACTION,
		.join_any = s->join == MODEL_JOIN_ANY,
		.continue_on_error = s->on_error == MODEL_ON_ERROR_CONTINUE,
		.has_error_edge = has_error_edge(wf, model_index),
		.retry = {.max_attempts = (uint16_t)s->retry.max_attempts,
			  .jitter = s->retry.jitter,
			  .initial_us = s->retry.initial_us,
			  .max_us = s->retry.max_us},
	};
}

/* Counting sort of the edges by target. */
static enum pb_status build_edges(struct plan_builder *b, struct pb_err *err)
{
	const struct model_workflow *wf = b->plan->workflow;
	uint16_t *first = pb_arena_calloc(&b->plan->arena, wf->n_steps + 1, sizeof(*first));
	uint16_t *fill = pb_arena_calloc(&b->plan->arena, wf->n_steps + 1, sizeof(*fill));
	struct engine_core_edge *edges =
		pb_arena_calloc(&b->plan->arena, wf->n_edges + 1, sizeof(*edges));

	if (!first || !fill || !edges)
		return pb_err_set(err, PB_E_TOO_LARGE, "workflow.too_large",
				  "the workflow is too large");
	for (size_t i = 0; i < wf->n_edges; i++)
		first[plan_index(b, wf->edges[i].to) + 1]++;
	for (size_t i = 0; i < wf->n_steps; i++)
		first[i + 1] = (uint16_t)(first[i + 1] + first[i]);
	for (size_t i = 0; i < wf->n_edges; i++) {
		const struct model_edge *e = &wf->edges[i];
		int16_t to = plan_index(b, e->to);

		edges[first[to] + fill[to]++] = (struct engine_core_edge){
			.from = plan_index(b, e->from), .to = to, .port = (int8_t)e->port};
	}
	b->plan->core.edges = edges;
	b->plan->core.first_edge = first;
	b->plan->core.n_edges = (uint16_t)wf->n_edges;
	return PB_OK;
}

static bool check_ref(const struct expr_ref *ref, void *arg)
{
	struct plan_builder *b = arg;

	/* a step whose id could not be read may be the one that is meant */
	if (b->ids_known &&
	    model_workflow_find_step(b->plan->workflow, ref->id, strlen(ref->id)) < 0)
		pb_problems_add(b->problems, "workflow.step_unknown", ref->pointer,
				"byte %u: there is no step \"%s\"", (unsigned)ref->position,
				ref->id);
	return true;
}

/* "{{ a }} and {{ b }}" is text, which is always true. Text without braces was reported before. */
static void check_condition(struct plan_builder *b, const struct engine_plan_step *s,
			    const char *pointer)
{
	struct pb_slice text = pb_json_slice(pb_json_get(s->model->with, "condition"));

	if (s->model->type == MODEL_STEP_TYPE_IF && text.len >= 4 && !memcmp(text.p, "{{", 2) &&
	    !memcmp(text.p + text.len - 2, "}}", 2) &&
	    !expr_template_is_expression(s->with, "condition"))
		pb_problems_add(b->problems, "workflow.field_value",
				pb_pointer_key(&b->plan->arena, pointer, "condition", 9),
				"must be one expression in {{ }} and nothing else");
}

static enum pb_status build_step(struct plan_builder *b, uint16_t i, struct engine_plan_step *ret,
				 struct pb_err *err)
{
	const struct model_step *m = &b->plan->workflow->steps[b->order[i]];
	struct pb_arena *arena = &b->plan->arena;
	const char *pointer = pb_pointer_key(arena, m->pointer, "with", 4);
	enum pb_status st;

	ret->model = m;
	st = expr_template_compile(arena, m->with ? m->with : &empty_object, pointer, b->problems,
				   &ret->with);
	if (st == PB_E_TOO_LARGE)
		return pb_err_set(err, st, "workflow.too_large", "the workflow is too large");
	if (st == PB_OK) {
		expr_template_each_ref(ret->with, check_ref, b);
		check_condition(b, ret, pointer);
	}
	return PB_OK;
}

static enum pb_status build_steps(struct plan_builder *b, struct pb_err *err)
{
	const struct model_workflow *wf = b->plan->workflow;
	struct engine_plan_step *steps =
		pb_arena_calloc(&b->plan->arena, wf->n_steps + 1, sizeof(*steps));
	struct engine_core_step_plan *core =
		pb_arena_calloc(&b->plan->arena, wf->n_steps + 1, sizeof(*core));
	enum pb_status st = PB_OK;

	if (!steps || !core)
		return pb_err_set(err, PB_E_TOO_LARGE, "workflow.too_large",
				  "the workflow is too large");
	for (uint16_t i = 0; i < wf->n_steps && st == PB_OK; i++) {
		core[i] = core_step(wf, b->order[i]);
		st = build_step(b, i, &steps[i], err);
	}
	b->plan->steps = steps;
	b->plan->core.steps = core;
	b->plan->core.n_steps = (uint16_t)wf->n_steps;
	return st;
}

/* The reader's order; the file's where a faulty definition has none. */
static enum pb_status put_in_order(struct plan_builder *b, bool sound, struct pb_err *err)
{
	const struct model_workflow *wf = b->plan->workflow;
	uint16_t *order = wf->order;

	if (!sound) {
		order = pb_arena_calloc(&b->plan->arena, wf->n_steps + 1, sizeof(*order));
		for (size_t i = 0; order && i < wf->n_steps; i++)
			order[i] = (uint16_t)i;
	}
	if (!order)
		return pb_err_set(err, PB_E_TOO_LARGE, "workflow.too_large",
				  "the workflow is too large");
	b->order = order;
	b->ids_known = true;
	for (size_t i = 0; i < wf->n_steps; i++) {
		b->position[order[i]] = (int16_t)i;
		b->ids_known = b->ids_known && wf->steps[i].id;
	}
	return PB_OK;
}

static enum pb_status build(struct plan_builder *b, struct pb_slice definition, struct pb_err *err)
{
	struct engine_plan *plan = b->plan;
	const struct pb_json *json;
	enum pb_status st;
	bool sound = false;

	st = pb_json_parse(&plan->arena, definition.p, definition.len, NULL, &json, err);
	if (st != PB_OK)
		return st;
	st = model_workflow_read(json, &plan->arena, b->problems, &plan->workflow, &sound, err);
	if (st != PB_OK)
		return st;
	PB_ASSERT(plan->workflow->n_steps <= ENGINE_CORE_STEPS_MAX);
	st = put_in_order(b, sound, err);
	if (st == PB_OK)
		st = build_steps(b, err);
	if (st == PB_OK && sound)
		st = build_edges(b, err);
	return st;
}

enum pb_status engine_plan_draft(struct pb_slice definition, struct pb_problems *problems,
				 struct engine_plan **ret, struct pb_err *err)
{
	pb_autoptr(engine_plan) plan = pb_new(struct engine_plan);
	enum pb_status st;

	plan->magic = ENGINE_PLAN_MAGIC;
	plan->refs = 1;
	pb_arena_init(&plan->arena, PLAN_ARENA_BYTES);
	st = build(&(struct plan_builder){.plan = plan, .problems = problems}, definition, err);
	if (st != PB_OK)
		return st;
	*ret = pb_steal(plan);
	return PB_OK;
}

enum pb_status engine_plan_compile(struct pb_slice definition, struct pb_problems *problems,
				   struct engine_plan **ret, struct pb_err *err)
{
	pb_autoptr(engine_plan) plan = NULL;
	enum pb_status st = engine_plan_draft(definition, problems, &plan, err);

	if (st != PB_OK)
		return st;
	if (problems->n > 0)
		return pb_err_set(err, PB_E_UNPROCESSABLE, "workflow.invalid",
				  "the workflow definition has faults");
	*ret = pb_steal(plan);
	return PB_OK;
}

struct engine_plan *engine_plan_ref(struct engine_plan *p)
{
	PB_CHECK_MAGIC(p, ENGINE_PLAN_MAGIC);
	__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
	return p;
}

void engine_plan_unref(struct engine_plan *p)
{
	if (!p || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	pb_arena_done(&p->arena);
	p->magic = 0;
	free(p);
}

int engine_plan_find(const struct engine_plan *p, const char *id, size_t n)
{
	for (int i = 0; i < p->core.n_steps; i++) {
		if (pb_slice_eq_str(pb_slice(id, n), p->steps[i].model->id))
			return i;
	}
	return -1;
}
