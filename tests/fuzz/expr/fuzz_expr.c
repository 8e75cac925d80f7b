/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles the input as a template string and as a bare expression and runs both on a small order. The budget is a
 * tenth of the real one, so that slow inputs show as slow. A zone file parser runs on inputs that begin with "TZif".
 */
#include "base/arena.h"
#include "base/json.h"
#include "base/problem.h"
#include "expr/expr.h"
#include "expr/expr_zone.h"
#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char trigger[] = "{\"body\":{\"n\":5,\"f\":2.5,\"t\":\"text\",\"big\":"
			      "12345678901234567890,\"user\":{\"name\":\"A\"},"
			      "\"items\":[{\"price\":10,\"qty\":2},{\"price\":1.5,\"qty\":4}]}}";

static void check(enum pb_status st, const struct pb_json *v, const struct expr_error *err)
{
	pb_auto_buf b = PB_BUF_INIT;

	if (st == PB_OK)
		PB_ASSERT(pb_json_write(&b, v));
	else
		PB_ASSERT(err->err.code && !strncmp(err->err.code, "expr.", 5));
}

static void run(struct pb_arena *a, const char *text, size_t n, const struct expr_scope *scope)
{
	const struct pb_json value = {.type = PB_JSON_STRING, .len = (uint32_t)n, .s = text};
	struct expr_budget budget = {EXPR_BUDGET_STEPS / 10, EXPR_BUDGET_OUTPUT,
				     EXPR_BUDGET_MEMORY};
	struct expr_error err = {.err = PB_ERR_INIT};
	const struct expr_template *t;
	const struct expr_program *p;
	const struct pb_json *v = NULL;
	struct pb_problems problems;

	pb_problems_init(&problems, a, 5);
	if (expr_template_compile(a, &value, "", &problems, &t) == PB_OK)
		check(expr_template_eval(t, scope, a, &budget, &v, &err), v, &err);
	if (expr_program_compile(a, text, n, &p, &err) == PB_OK)
		check(expr_program_eval(p, scope, a, &budget, &v, &err), v, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct expr_scope scope = {.now_us = INT64_C(1767225600000000)};
	struct expr_zone *z = expr_zone_parse(data, size);
	struct pb_err err = PB_ERR_INIT;
	pb_auto_arena a;
	char *text;

	if (z)
		(void)expr_zone_to_utc(z, 1774746000);
	expr_zone_free(z);
	pb_arena_init(&a, 64u << 20);
	text = pb_arena_memdup(&a, data, size);
	if (!text || !pb_utf8_valid(text, size))
		return 0;
	PB_ASSERT(pb_json_parse(&a, trigger, sizeof(trigger) - 1, NULL, &scope.trigger, &err) ==
		  PB_OK);
	run(&a, text, size, &scope);
	return 0;
}
