/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of expr: one expression in, one JSON text or "!code" out. The trigger's body is the same small order
 * in all tables, so a case is one line.
 */
#ifndef PB_TESTS_EXPR_TEST_H
#define PB_TESTS_EXPR_TEST_H

#include <check.h>

#include "base/arena.h"
#include "base/buf.h"
#include "expr/expr.h"
#include "base/base.h"

struct expr_case {
	const char *text;
	const char *want; /* JSON, "!code", or "!code@byte" */
};

static const char expr_test_trigger[] =
	"{\"method\":\"POST\",\"headers\":{\"x-id\":\"7\"},"
	"\"body\":{\"user\":{\"name\":\"Ann\",\"age\":41},\"n\":5,\"f\":2.5,\"t\":\"text\","
	"\"empty\":\"\","
	"\"yes\":true,\"no\":false,\"nil\":null,\"price\":19.90,\"big\":12345678901234567890,"
	"\"max\":9223372036854775807,\"min\":-9223372036854775808,\"huge\":1e400,"
	"\"items\":[{\"price\":10,\"qty\":2,\"sku\":\"a\"},{\"price\":5.5,\"qty\":4,\"sku\":\"b\"},"
	"{\"price\":1,\"qty\":1,\"sku\":\"a\"}],"
	"\"nums\":[3,1,2],\"words\":[\"pear\",\"fig\",\"apple\"],\"nested\":[[1,[2]],[3]],"
	"\"length\":\"odd\",\"evil\":\"{{ 1 + 1 "
	"}}\",\"\xd0\xb8\xd0\xbc\xd1\x8f\":\"\xd0\x90\xd0\xbd\xd0\xbd\xd0\xb0\","
	"\"constructor\":\"field\"}}";

static const struct pb_json *expr_test_json(struct pb_arena *a, const char *text)
{
	const struct pb_json *j = NULL;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_msg(pb_json_parse(a, text, strlen(text), NULL, &j, &err) == PB_OK, "%s: %s", text,
		      err.msg);
	return j;
}

static pb_unused const struct pb_json *expr_test_step(void *arg, const char *id, size_t len)
{
	return pb_json_getn(arg, id, len);
}

static pb_unused void expr_test_describe(struct pb_buf *b, enum pb_status st,
					 const struct expr_error *err, const struct pb_json *v)
{
	if (st == PB_OK)
		ck_assert(pb_json_write(b, v));
	else
		ck_assert(pb_buf_addf(b, "!%s@%u", err->err.code, err->position));
}

/* Owner: caller frees. */
static pb_unused char *expr_test_eval_scope(const char *text, struct expr_scope *scope,
					    struct expr_budget *budget)
{
	pb_auto_arena code, out;
	pb_auto_buf b = PB_BUF_INIT;
	const struct expr_program *prog = NULL;
	struct expr_error err = {.err = PB_ERR_INIT};
	const struct pb_json *v = NULL;
	enum pb_status st;

	pb_arena_init(&code, 8u << 20);
	pb_arena_init(&out, 32u << 20);
	if (!scope->trigger)
		scope->trigger = expr_test_json(&code, expr_test_trigger);
	st = expr_program_compile(&code, text, strlen(text), &prog, &err);
	if (st == PB_OK) {
		ck_assert_int_eq(err.err.status, PB_OK);
		st = expr_program_eval(prog, scope, &out, budget, &v, &err);
	}
	if (st != PB_OK)
		ck_assert_int_eq(err.err.status, st);
	expr_test_describe(&b, st, &err, v);
	scope->trigger = NULL;
	return pb_buf_steal(&b, NULL);
}

static pb_unused char *expr_test_eval(const char *text)
{
	struct expr_scope scope = {.now_us = INT64_C(1767225600000000)}; /* 2026-01-01 */
	struct expr_budget budget;

	expr_budget_init(&budget);
	return expr_test_eval_scope(text, &scope, &budget);
}

/* "!code" fits any position. */
static pb_unused void expr_test_check(const struct expr_case *c, const char *got)
{
	size_t n = strlen(c->want);

	if (c->want[0] == '!' && !strpbrk(c->want, "@ "))
		ck_assert_msg(!strncmp(got, c->want, n) && got[n] == '@',
			      "%s\n  gave %s\n  not  %s", c->text, got, c->want);
	else
		ck_assert_msg(!strcmp(got, c->want), "%s\n  gave %s\n  not  %s", c->text, got,
			      c->want);
}

static pb_unused void expr_test_run(const struct expr_case *c)
{
	pb_autofree char *got = expr_test_eval(c->text);

	expr_test_check(c, got);
}

static pb_unused int expr_test_main(const char *name, TCase *tc)
{
	Suite *s = suite_create(name);
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	expr_zone_clear();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A table file is this and its cases. */
#define EXPR_TABLE_TEST(name, cases)                                                               \
	START_TEST(name)                                                                           \
	{                                                                                          \
		expr_test_run(&cases[_i]);                                                         \
	}                                                                                          \
	END_TEST

#endif
