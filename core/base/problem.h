/* SPDX-License-Identifier: Apache-2.0 */
/* A list of faults found in a document, each with a stable code, a message and a JSON Pointer. */
#ifndef PB_BASE_PROBLEM_H
#define PB_BASE_PROBLEM_H

#include "base/arena.h"

struct pb_problem {
	const char *code;    /* "workflow.step_unknown" */
	const char *message; /* for people */
	const char *pointer; /* RFC 6901, "" is the whole document */
	struct pb_problem *next;
};

/* All text is copied into @arena. Past @max problems only `more` counts on. */
struct pb_problems {
	struct pb_arena *arena;
	struct pb_problem *first, *last;
	size_t n;
	size_t max;
	size_t more;
};

void pb_problems_init(struct pb_problems *p, struct pb_arena *arena, size_t max);
void pb_problems_add(struct pb_problems *p, const char *code, const char *pointer, const char *fmt,
		     ...) pb_printf(4, 5);
/* Appends "/token" to @base with RFC 6901 escaping; NULL-safe; returns arena text ("" when out of
 * room). */
const char *pb_pointer_key(struct pb_arena *a, const char *base, const char *key, size_t key_len);
const char *pb_pointer_index(struct pb_arena *a, const char *base, size_t index);

#endif
