/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edges and what they make: an order in which every edge goes forward, or the cycle that prevents it, and the
 * steps that nothing reaches.
 */
#include "model/workflow_reader.h"

#include "base/base.h"

static const char *const port_names[] = {"done", "error", "true", "false"};

const char *model_port_name(enum model_port p)
{
	return (unsigned)p < PB_ARRAY_LEN(port_names) ? port_names[p] : "unknown";
}

int32_t model_workflow_find_step(const struct model_workflow *wf, const char *id, size_t n)
{
	for (size_t i = 0; i < wf->n_steps; i++)
		if (wf->steps[i].id && pb_slice_eq_str(pb_slice(id, n), wf->steps[i].id))
			return (int32_t)i;
	return -1;
}

static bool is_duplicate(const struct model_workflow *wf, const struct model_edge *e)
{
	for (size_t i = 0; i < wf->n_edges; i++)
		if (wf->edges[i].from == e->from && wf->edges[i].to == e->to &&
		    wf->edges[i].port == e->port)
			return true;
	return false;
}

static bool is_if(const struct model_workflow *wf, int32_t step)
{
	return step >= 0 && wf->steps[step].type == MODEL_STEP_TYPE_IF;
}

/* False when it is there already. `done` of an `if` becomes true and false. */
static bool add_edge(struct model_workflow *wf, struct model_edge e)
{
	const struct model_edge no = {e.from, e.to, MODEL_PORT_FALSE};
	bool both = is_if(wf, e.from) && e.port == MODEL_PORT_DONE;

	if (both)
		e.port = MODEL_PORT_TRUE;
	if (is_duplicate(wf, &e) || (both && is_duplicate(wf, &no)))
		return false;
	wf->edges[wf->n_edges++] = e;
	if (both)
		wf->edges[wf->n_edges++] = no;
	return true;
}

/* Without `edges` the steps run in the order written. The trigger is the step before the first. */
static void implicit_edges(struct model_reader *r)
{
	struct model_workflow *wf = r->wf;

	wf->edges = model_reader_alloc(r, 2 * wf->n_steps, sizeof(*wf->edges));
	for (size_t i = 0; wf->edges && i < wf->n_steps; i++)
		(void)add_edge(wf,
			       (struct model_edge){(int32_t)i - 1, (int32_t)i, MODEL_PORT_DONE});
}

static bool find_step(struct model_reader *r, struct pb_slice id, const char *at, int32_t *ret)
{
	*ret = model_workflow_find_step(r->wf, id.p, id.len);
	if (*ret >= 0)
		return true;
	model_fault(r, "edge_unknown_step", at, "there is no step \"%.*s\"",
		    (int)PB_MIN(id.len, (size_t)MODEL_STEP_ID_BYTES), id.p);
	return false;
}

static bool port_exists(const struct model_reader *r, int32_t from, unsigned port)
{
	if (port == MODEL_PORT_DONE)
		return true;
	if (from == MODEL_TRIGGER_STEP)
		return false;
	if (port == MODEL_PORT_ERROR)
		return true;
	return r->wf->steps[from].type == MODEL_STEP_TYPE_IF || r->type_unknown[from];
}

static bool read_port(struct model_reader *r, int32_t from, struct pb_slice name, const char *at,
		      enum model_port *ret)
{
	for (unsigned i = 0; i < PB_ARRAY_LEN(port_names); i++)
		if (pb_slice_eq_str(name, port_names[i]) && port_exists(r, from, i)) {
			*ret = (enum model_port)i;
			return true;
		}
	if (from != MODEL_TRIGGER_STEP && r->type_unknown[from])
		return false; /* the type was reported */
	model_fault(r, "edge_unknown_port", at, "there is no port \"%.*s\" here",
		    (int)PB_MIN(name.len, (size_t)MODEL_STEP_ID_BYTES), name.p);
	return false;
}

/* "step", "step.port", "trigger" */
static bool read_from(struct model_reader *r, struct pb_slice s, const char *at,
		      struct model_edge *e)
{
	const char *dot = s.len ? memchr(s.p, '.', s.len) : NULL;
	struct pb_slice id = pb_slice(s.p, dot ? (size_t)(dot - s.p) : s.len);

	e->port = MODEL_PORT_DONE;
	if (pb_slice_eq_str(id, "trigger"))
		e->from = MODEL_TRIGGER_STEP;
	else if (!find_step(r, id, at, &e->from))
		return false;
	return !dot || read_port(r, e->from, pb_slice(dot + 1, s.len - id.len - 1), at, &e->port);
}

static bool read_edge(struct model_reader *r, const struct pb_json *j, size_t index)
{
	const char *at = pb_pointer_index(r->arena, "/edges", index);
	const struct pb_json *from = pb_json_item(j, 0), *to = pb_json_item(j, 1);
	struct model_edge e;
	bool ok;

	if (!pb_json_is(from, PB_JSON_STRING) || !pb_json_is(to, PB_JSON_STRING) || j->len != 2) {
		model_fault(r, "edge_invalid", at, "must be [\"step.port\", \"step\"]");
		return false;
	}
	ok = read_from(r, pb_json_slice(from), pb_pointer_index(r->arena, at, 0), &e);
	ok &= find_step(r, pb_json_slice(to), pb_pointer_index(r->arena, at, 1), &e.to);
	if (!ok)
		return false;
	if (add_edge(r->wf, e))
		return true;
	model_fault(r, "edge_duplicate", at, "the same edge is there already");
	return false;
}

void model_read_edges(struct model_reader *r, const struct pb_json *j)
{
	bool complete = true;

	if (!j) {
		implicit_edges(r);
	} else if (!pb_json_is(j, PB_JSON_ARRAY)) {
		model_fault(r, "field_type", "/edges", "must be an array, not %s",
			    pb_json_type_name(j));
		return;
	} else if (j->len > MODEL_WORKFLOW_MAX_EDGES) {
		model_fault(r, "too_many_edges", "/edges", "at most %d edges, not %u",
			    MODEL_WORKFLOW_MAX_EDGES, j->len);
		return;
	} else {
		r->wf->edges = model_reader_alloc(r, 2 * (size_t)j->len, sizeof(*r->wf->edges));
		for (uint32_t i = 0; r->wf->edges && i < j->len; i++)
			complete &= read_edge(r, &j->items[i], i);
	}
	if (r->wf->edges)
		model_check_graph(r, complete);
}

/* From a step that is left over, going back along edges stays among those left over and must come round. */
static void report_cycle(struct model_reader *r, const uint16_t *n_in)
{
	const struct model_workflow *wf = r->wf;
	bool seen[MODEL_WORKFLOW_MAX_STEPS] = {false};
	char text[300] = "";
	int32_t at = 0, first;

	while (!n_in[at])
		at++;
	while (!seen[at]) {
		seen[at] = true;
		for (size_t i = 0; i < wf->n_edges; i++)
			if (wf->edges[i].to == at && wf->edges[i].from >= 0 &&
			    n_in[wf->edges[i].from]) {
				at = wf->edges[i].from;
				break;
			}
	}
	first = at;
	do {
		char longer[300];

		/* going back, so each name goes in front */
		(void)pb_str_printf(longer, sizeof(longer), " -> %s%s", wf->steps[at].id, text);
		memcpy(text, longer, sizeof(text));
		for (size_t i = 0; i < wf->n_edges; i++)
			if (wf->edges[i].to == at && wf->edges[i].from >= 0 &&
			    n_in[wf->edges[i].from]) {
				at = wf->edges[i].from;
				break;
			}
	} while (at != first);
	model_fault(r, "cycle", "/edges", "the steps form a cycle: %s%s", wf->steps[first].id,
		    text);
}

/* Kahn's algorithm: takes steps whose incoming edges are all gone. */
static void sort_steps(struct model_reader *r)
{
	struct model_workflow *wf = r->wf;
	uint16_t n_in[MODEL_WORKFLOW_MAX_STEPS] = {0};
	size_t head = 0, tail = 0;

	wf->order = model_reader_alloc(r, wf->n_steps, sizeof(*wf->order));
	if (!wf->order)
		return;
	for (size_t i = 0; i < wf->n_edges; i++)
		n_in[wf->edges[i].to] += wf->edges[i].from >= 0;
	for (size_t i = 0; i < wf->n_steps; i++)
		if (n_in[i] == 0)
			wf->order[tail++] = (uint16_t)i;
	while (head < tail) {
		int32_t step = wf->order[head++];

		for (size_t i = 0; i < wf->n_edges; i++)
			if (wf->edges[i].from == step && --n_in[wf->edges[i].to] == 0)
				wf->order[tail++] = (uint16_t)wf->edges[i].to;
	}
	if (tail < wf->n_steps)
		report_cycle(r, n_in);
}

static void report_unreachable(struct model_reader *r)
{
	const struct model_workflow *wf = r->wf;
	bool reached[MODEL_WORKFLOW_MAX_STEPS] = {false};
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < wf->n_edges; i++) {
			const struct model_edge *e = &wf->edges[i];

			if (reached[e->to] || (e->from >= 0 && !reached[e->from]))
				continue;
			reached[e->to] = more = true;
		}
	}
	for (size_t i = 0; i < wf->n_steps; i++)
		if (!reached[i])
			model_fault(r, "step_unreachable", wf->steps[i].pointer,
				    "no way leads here from the trigger");
}

void model_check_graph(struct model_reader *r, bool edges_complete)
{
	bool before = r->failed;

	r->failed = false;
	sort_steps(r);
	if (edges_complete && !r->failed)
		report_unreachable(r);
	r->failed |= before;
}
