/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the workflow reader share; private to the module. */
#ifndef PB_MODEL_WORKFLOW_READER_H
#define PB_MODEL_WORKFLOW_READER_H

#include "model/workflow.h"

struct model_reader {
	struct pb_arena *arena;
	struct pb_problems *problems;
	struct model_workflow *wf;
	bool failed;        /* something was reported */
	bool *type_unknown; /* a step: its ports are not known either */
};

#define model_fault(r, code, at, ...)                                                              \
	do {                                                                                       \
		(r)->failed = true;                                                                \
		pb_problems_add((r)->problems, "workflow." code, at, __VA_ARGS__);                 \
	} while (0)

/* Zeroed; NULL counts as a failure that model_workflow_parse() recognises by the arena's overflow. */
void *model_reader_alloc(struct model_reader *r, size_t n, size_t size);

/*
 * Fields of one object @j at pointer @at. Absent and wrong both leave *ret alone and return false; only wrong
 * (or a missing one that is @required) is reported.
 */
struct model_object {
	struct model_reader *r;
	const struct pb_json *j;
	const char *at;
};

const char *model_field_at(const struct model_object *o, const char *key);
/* Reports every key that is not in @known (ended by NULL). */
void model_fields_known(const struct model_object *o, const char *const *known);
const struct pb_json *model_field(const struct model_object *o, const char *key, bool required);
/* 1..@max_chars characters, no control characters. */
bool model_field_text(const struct model_object *o, const char *key, bool required,
		      size_t max_chars, const char **ret);
bool model_field_bool(const struct model_object *o, const char *key, bool *ret);
bool model_field_uint(const struct model_object *o, const char *key, uint32_t min, uint32_t max,
		      uint32_t *ret);
bool model_field_duration(const struct model_object *o, const char *key, int64_t min_us,
			  int64_t max_us, int64_t *ret);
/* The index in @names (ended by NULL). */
bool model_field_choice(const struct model_object *o, const char *key, const char *const *names,
			unsigned *ret);

/* The parts. */
void model_read_trigger(struct model_reader *r, const struct pb_json *j);
void model_read_steps(struct model_reader *r, const struct pb_json *j);
void model_read_settings(struct model_reader *r, const struct pb_json *j);
/* After the steps; @j may be NULL. */
void model_read_edges(struct model_reader *r, const struct pb_json *j);
/* Order, cycles, reachability. */
void model_check_graph(struct model_reader *r, bool edges_complete);

#endif
