/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The published core/model/workflow.schema.json and the reader of definitions give every sample the same
 * verdict, except where the sample says that a schema cannot see the fault.
 */
#include "schema/schema.h"

#include <check.h>

#include "model/workflow.h"
#include "support/check_main.h"
#include "support/workflow_samples.h"
#include "base/base.h"

static struct pb_arena arena;
static struct schema *schema;

static void setup(void)
{
	struct pb_problems p;
	const struct pb_json *j;
	static char text[65536];
	FILE *f = fopen(PB_SOURCE_DIR "/core/model/workflow.schema.json", "rbe");
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	pb_arena_init(&arena, 16 << 20);
	pb_problems_init(&p, &arena, 5);
	ck_assert_int_eq(pb_json_parse(&arena, text, n, NULL, &j, NULL), PB_OK);
	ck_assert_msg(schema_compile(j, &schema, &p, NULL) == PB_OK, "%s at %s",
		      p.first ? p.first->message : "", p.first ? p.first->pointer : "");
}

static void teardown(void)
{
	schema_free(schema);
	pb_arena_done(&arena);
}

START_TEST(schema_and_reader__agree)
{
	const struct workflow_sample *c = &workflow_samples[_i];
	char *text = pb_arena_strdup(&arena, c->json);
	const struct model_workflow *wf;
	const struct pb_json *j;
	struct pb_problems p, q;
	bool by_schema, by_reader;

	for (char *s = text; *s; s++)
		if (*s == '\'')
			*s = '"';
	ck_assert_int_eq(pb_json_parse(&arena, text, strlen(text), NULL, &j, NULL), PB_OK);
	pb_problems_init(&p, &arena, 5);
	pb_problems_init(&q, &arena, 5);
	by_schema = schema_validate(schema, j, &p, "workflow.invalid", NULL);
	by_reader = model_workflow_parse(j, &arena, &q, &wf, NULL) == PB_OK;
	ck_assert_int_eq(by_reader, c->code == NULL);
	if (c->schema_blind)
		ck_assert_msg(by_schema, "the schema does see: %s (%s at %s)", c->json,
			      p.first->message, p.first->pointer);
	else
		ck_assert_msg(by_schema == by_reader, "%s: %s at %s", c->json,
			      p.first ? p.first->message : "accepted",
			      p.first ? p.first->pointer : "");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("workflow_definition");
	TCase *tc = tcase_create("workflow_definition");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, schema_and_reader__agree, 0, PB_ARRAY_LEN(workflow_samples));
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
