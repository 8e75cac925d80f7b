/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One workflow version, compiled: the graph for the core and the templates for the shell, steps in
 * topological order. Made once per version, immutable, counted.
 */
#ifndef PB_ENGINE_PLAN_H
#define PB_ENGINE_PLAN_H

#include "base/arena.h"
#include "base/mem.h"
#include "base/problem.h"
#include "engine/engine_core.h"
#include "expr/expr.h"
#include "model/workflow.h"

struct engine_plan_step {
	const struct model_step *model;
	const struct expr_template *with; /* never NULL: {} when the step has none */
};

struct engine_plan {
	uint32_t magic;
	uint32_t refs; /* atomic */
	struct pb_arena arena;
	const struct model_workflow *workflow;
	const struct engine_plan_step *steps; /* core.n_steps, in the core's order */
	struct engine_core_plan core;
};
#define ENGINE_PLAN_MAGIC 0x504c414eu

/*
 * Compiles what can be judged from the text alone: JSON, shape, graph, expressions, references.
 * Owner:   *ret a reference, engine_plan_unref().
 * Errors:  PB_E_INVALID json.*, PB_E_UNPROCESSABLE workflow.invalid (faults in @problems), PB_E_TOO_LARGE.
 * Threads: [any-thread]; up to 128 KB of stack
 */
enum pb_status engine_plan_compile(struct pb_slice definition, struct pb_problems *problems,
				   struct engine_plan **ret, struct pb_err *err) pb_must_check;
/*
 * The same for engine_check_plan() alone: faults of the text are added to @problems and *ret is there
 * nevertheless, so that the faults in it can be told together with those of the world around it.
 * A plan with faults must not run: it may lack edges, templates and ids.
 * Errors:  PB_E_INVALID json.*, PB_E_TOO_LARGE.
 */
enum pb_status engine_plan_draft(struct pb_slice definition, struct pb_problems *problems,
				 struct engine_plan **ret, struct pb_err *err) pb_must_check;
struct engine_plan *engine_plan_ref(struct engine_plan *p);
void engine_plan_unref(struct engine_plan *p);
PB_DEFINE_AUTOPTR(engine_plan, engine_plan_unref);

/* Index in the core's order, or -1. */
int engine_plan_find(const struct engine_plan *p, const char *id, size_t n);

#endif
