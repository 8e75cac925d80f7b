/* SPDX-License-Identifier: Apache-2.0 */
/* The table of all functions: the only place where groups are listed. Looked up once, while compiling. */
#include "expr/expr_fn.h"

#include "base/base.h"

static const struct expr_fn_group *const groups[] = {
	&expr_fn_text,    &expr_fn_regex, &expr_fn_encode, &expr_fn_number,
	&expr_fn_decimal, &expr_fn_array, &expr_fn_arrow,  &expr_fn_object,
	&expr_fn_date,    &expr_fn_json,  &expr_fn_hash,
};

const struct expr_fn_def *expr_fn_find(const char *name, size_t len)
{
	for (size_t g = 0; g < PB_ARRAY_LEN(groups); g++) {
		for (size_t i = 0; i < groups[g]->n; i++) {
			if (pb_slice_eq_str(pb_slice(name, len), groups[g]->defs[i].name))
				return &groups[g]->defs[i];
		}
	}
	return NULL;
}

bool expr_function_at(size_t index, struct expr_function *ret)
{
	for (size_t g = 0; g < PB_ARRAY_LEN(groups); g++) {
		if (index < groups[g]->n) {
			const struct expr_fn_def *d = &groups[g]->defs[index];

			*ret = (struct expr_function){d->name, d->signature, groups[g]->name,
						      d->doc};
			return true;
		}
		index -= groups[g]->n;
	}
	return false;
}
