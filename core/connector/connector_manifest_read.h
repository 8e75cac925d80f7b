/* SPDX-License-Identifier: Apache-2.0 */
/* Typed access to a manifest under construction: each function notes its own fault with its place. */
#ifndef PB_CONNECTOR_CONNECTOR_MANIFEST_READ_H
#define PB_CONNECTOR_CONNECTOR_MANIFEST_READ_H

#include "base/json.h"
#include "base/problem.h"

struct schema;

struct connector_read {
	struct pb_arena *arena;
	struct pb_problems *faults, *warnings; /* may be NULL */
	size_t n_faults;
	char first[160]; /* the first fault, for the error */
};

void connector_read_fault(struct connector_read *r, const char *code, const char *at,
			  const char *fmt, ...) pb_printf(4, 5);
/* Unknown keys of @j become warnings. @keys ends with NULL. */
void connector_read_keys(struct connector_read *r, const struct pb_json *j, const char *at,
			 const char *const *keys);
/* Text of 1..@max bytes that @ok (may be NULL) accepts; NULL when absent or faulty. */
const char *connector_read_str(struct connector_read *r, const struct pb_json *j, const char *at,
			       const char *key, bool required, size_t max,
			       bool (*ok)(const char *));
/* One of @choices (NULL-ended), required. */
const char *connector_read_choice(struct connector_read *r, const struct pb_json *j, const char *at,
				  const char *key, const char *const *choices);
const char *const *connector_read_list(struct connector_read *r, const struct pb_json *j,
				       const char *at, const char *key, size_t max,
				       bool (*ok)(const char *), size_t *ret_n);
/* Compiled; NULL after a fault. Owner: schema_free(). @object: its type must be "object". */
const struct schema *connector_read_schema(struct connector_read *r, const struct pb_json *j,
					   const char *at, bool object);
/* Zeroed room for @n (0 too), never NULL. */
void *connector_read_alloc(struct connector_read *r, size_t n, size_t size);

#endif
