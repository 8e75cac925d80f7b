/* SPDX-License-Identifier: Apache-2.0 */
/* [schema, instance]: whatever compiles must judge within its budget, loud and silent alike. */
#include "schema/schema.h"

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pb_auto_arena a;
	pb_autoptr(schema) s = NULL;
	const struct pb_json *j = NULL;
	struct pb_problems p;
	bool loud, silent;

	pb_arena_init(&a, 8 << 20);
	pb_problems_init(&p, &a, 20);
	if (pb_json_parse(&a, (const char *)data, size, NULL, &j, NULL) != PB_OK ||
	    !pb_json_item(j, 1))
		return 0;
	if (schema_compile(pb_json_item(j, 0), &s, &p, NULL) != PB_OK)
		return 0;
	PB_ASSERT(p.n == 0 && s);
	loud = schema_validate(s, pb_json_item(j, 1), &p, "fuzz.invalid", NULL);
	silent = schema_validate(s, pb_json_item(j, 1), NULL, "fuzz.invalid", NULL);
	/* loud looks at more, so it alone may run out of budget */
	PB_ASSERT(loud == silent || !loud);
	PB_ASSERT(loud == (p.n + p.more == 0));
	return 0;
}
