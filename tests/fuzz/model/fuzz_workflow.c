/* SPDX-License-Identifier: Apache-2.0 */
/* The workflow reader: faults are reported, or the graph that comes out is in order. */
#include "model/workflow.h"

#include "base/base.h"

static void check_workflow(const struct model_workflow *wf)
{
	size_t place[MODEL_WORKFLOW_MAX_STEPS];

	PB_ASSERT(wf->name && wf->n_steps > 0 && wf->n_steps <= MODEL_WORKFLOW_MAX_STEPS);
	for (size_t i = 0; i < wf->n_steps; i++)
		place[wf->order[i]] = i;
	for (size_t i = 0; i < wf->n_edges; i++)
		PB_ASSERT(wf->edges[i].from == MODEL_TRIGGER_STEP ||
			  place[wf->edges[i].from] < place[wf->edges[i].to]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pb_auto_arena a;
	const struct model_workflow *wf = NULL;
	const struct pb_json *j = NULL;
	struct pb_problems p;
	struct pb_err err = PB_ERR_INIT;

	pb_arena_init(&a, 4 << 20);
	pb_problems_init(&p, &a, 20);
	if (pb_json_parse(&a, (const char *)data, size, NULL, &j, NULL) != PB_OK)
		return 0;
	if (model_workflow_parse(j, &a, &p, &wf, &err) == PB_OK) {
		PB_ASSERT(p.n == 0);
		check_workflow(wf);
	} else {
		PB_ASSERT(err.status == PB_E_TOO_LARGE || p.n > 0);
	}
	return 0;
}
