/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests core/expr/expr_fn.c: the table itself, and that core/expr/FUNCTIONS.md says what the table says. Run with
 * "--write-docs" to write that file again.
 */
#include "expr_test.h"

#define DOCS PB_SOURCE_DIR "/core/expr/FUNCTIONS.md"

/* Owner: caller frees. */
static char *docs(void)
{
	pb_auto_buf b = PB_BUF_INIT;
	struct expr_function f;
	const char *group = "";

	(void)pb_buf_adds(&b, "# Functions of the expression language\n\n"
			      "Written from the table by `unit_expr_expr_fn --write-docs`; a test "
			      "compares the two.\n"
			      "`value.fn(args)` is `fn(value, args)`. Text arguments also take "
			      "numbers, as their text. "
			      "A `?` marks what may be left out.\n"
			      "Dates are RFC 3339 text; a zone is an IANA name, the workflow's own "
			      "when left out.\n");
	for (size_t i = 0; expr_function_at(i, &f); i++) {
		if (!pb_str_eq(group, f.group))
			(void)pb_buf_addf(&b, "\n## %s\n\n", f.group);
		group = f.group;
		(void)pb_buf_addf(&b, "- `%s` - %s\n", f.signature, f.doc);
	}
	return pb_buf_steal(&b, NULL);
}

START_TEST(docs__are_the_table)
{
	pb_autofree char *want = docs(), *got = pb_xcalloc(1, 65536);
	FILE *f = fopen(DOCS, "re");

	ck_assert_msg(f != NULL, "%s is missing", DOCS);
	ck_assert_uint_gt(fread(got, 1, 65535, f), 0);
	(void)fclose(f);
	ck_assert_msg(!strcmp(want, got), "run unit_expr_expr_fn --write-docs");
}
END_TEST

START_TEST(table__is_sane)
{
	struct expr_function f, g;
	size_t n = 0;

	for (; expr_function_at(n, &f); n++) {
		ck_assert_msg(pb_str_starts(f.signature, f.name), "%s", f.name);
		ck_assert_int_eq(f.signature[strlen(f.name)], '(');
		ck_assert_msg(f.doc[strlen(f.doc) - 1] == '.', "%s", f.name);
		for (size_t k = 0; k < n && expr_function_at(k, &g); k++)
			ck_assert_msg(!pb_str_eq(f.name, g.name), "%s twice", f.name);
	}
	ck_assert_uint_ge(n, 80);
	ck_assert(!expr_function_at(n, &f));
}
END_TEST

/* Each function, with 0 to 4 arguments of every type: an answer or an error with a code, never a crash. */
START_TEST(table__survives_any_arguments)
{
	static const char *const args[] = {
		"null",           "true", "1",      "-1.5", "''",   "'abc'",        "[]",
		"[1, 'a', null]", "{}",   "{a: 1}", "big",  "huge", "'2026-01-01'", "x => x"};
	const struct pb_json *trigger;
	struct expr_function f;
	pb_auto_arena once; /* the trigger is not read again for each of all these calls */

	pb_arena_init(&once, 1u << 20);
	trigger = expr_test_json(&once, expr_test_trigger);
	for (size_t i = 0; expr_function_at(i, &f); i++) {
		for (size_t k = 0; k < PB_ARRAY_LEN(args) * PB_ARRAY_LEN(args) * 4; k++) {
			struct expr_scope scope = {.now_us = INT64_C(1767225600000000),
						   .trigger = trigger};
			struct expr_budget budget;
			const char *a = args[k % PB_ARRAY_LEN(args)];
			const char *b = args[k / PB_ARRAY_LEN(args) % PB_ARRAY_LEN(args)];
			size_t n = k / PB_ARRAY_LEN(args) / PB_ARRAY_LEN(args) + 1;
			pb_auto_buf t = PB_BUF_INIT;
			pb_autofree char *got = NULL;

			if (n == 1 && k >= PB_ARRAY_LEN(args))
				continue; /* only @b differs */
			(void)pb_buf_addf(&t, "%s(%s", f.name, a);
			for (size_t m = 1; m < n; m++)
				(void)pb_buf_addf(&t, ", %s", m % 2 ? b : a);
			(void)pb_buf_adds(&t, ")");
			expr_budget_init(&budget);
			got = expr_test_eval_scope(pb_buf_str(&t), &scope, &budget);
			if (got[0] == '!' && !pb_str_starts(got, "!expr."))
				ck_abort_msg("%s: %s", pb_buf_str(&t), got);
		}
	}
}
END_TEST

static int write_docs(void)
{
	pb_autofree char *text = docs();
	FILE *f = fopen(DOCS, "we");

	if (!f)
		return EXIT_FAILURE;
	(void)fwrite(text, 1, strlen(text), f);
	return fclose(f) ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	TCase *tc = tcase_create("fn");

	if (argc > 1 && pb_str_eq(argv[1], "--write-docs"))
		return write_docs();
	tcase_add_test(tc, docs__are_the_table);
	tcase_add_test(tc, table__is_sane);
	tcase_add_test(tc, table__survives_any_arguments);
	return expr_test_main("expr_fn", tc);
}
