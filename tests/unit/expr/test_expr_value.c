/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_value.c: growing text and lists under the budgets, measuring, errors. */
#include "expr/expr_fn.h"
#include "expr_test.h"

struct world {
	struct pb_arena out;
	struct expr_budget budget;
	struct expr_error err;
	struct expr_ev ev;
};

static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	pb_arena_init(&w->out, 32u << 20);
	expr_budget_init(&w->budget);
	w->ev.out = &w->out;
	w->ev.budget = &w->budget;
	w->ev.err = &w->err;
	w->ev.pointer = "/p";
}

static void world_done(struct world *w)
{
	pb_arena_done(&w->out);
}

#define auto_world pb_cleanup(world_done) struct world

START_TEST(text__grows_to_the_limit_and_no_further)
{
	auto_world w;
	struct expr_text t = {.ev = &w.ev};
	struct pb_json v;

	world_init(&w);
	for (size_t i = 0; i < EXPR_BUDGET_OUTPUT / 16; i++)
		ck_assert(expr_text_add(&t, "0123456789abcdef", 16));
	ck_assert(!expr_text_addc(&t, 'x'));
	ck_assert_str_eq(w.err.err.code, "expr.budget_output");
	ck_assert_str_eq(w.err.pointer, "/p");
	ck_assert(expr_text_done(&t, &v));
	ck_assert_uint_eq(v.len, EXPR_BUDGET_OUTPUT);
	ck_assert_int_eq(v.s[v.len], 0);
}
END_TEST

START_TEST(text__empty_has_an_address)
{
	auto_world w;
	struct expr_text t = {.ev = &w.ev};
	struct pb_json v;

	world_init(&w);
	ck_assert(expr_text_done(&t, &v));
	ck_assert_uint_eq(v.len, 0);
	ck_assert_str_eq(v.s, "");
}
END_TEST

START_TEST(list__ends_with_the_memory)
{
	auto_world w;
	struct expr_list l = {.ev = &w.ev};
	struct pb_json one = expr_int(1);
	size_t n = 0;

	world_init(&w);
	w.budget.memory_left = 100000;
	while (expr_list_add(&l, &one))
		n++;
	ck_assert_str_eq(w.err.err.code, "expr.budget_memory");
	ck_assert_uint_ge(n, 1000);
	ck_assert_uint_le(w.out.used_bytes, 110000);
}
END_TEST

START_TEST(alloc__refuses_absurd_sizes)
{
	auto_world w;

	world_init(&w);
	ck_assert_ptr_null(expr_alloc_items(&w.ev, SIZE_MAX / 8));
	ck_assert_ptr_null(expr_alloc_members(&w.ev, SIZE_MAX));
	ck_assert_ptr_null(expr_alloc(&w.ev, SIZE_MAX));
	ck_assert_uint_eq(w.budget.memory_left, EXPR_BUDGET_MEMORY);
}
END_TEST

/* 2^60 copies of one number in a few hundred bytes. */
START_TEST(measure__sees_through_sharing)
{
	auto_world w;
	struct pb_json pair[61][2], v = expr_int(1);
	size_t bytes = 0;

	world_init(&w);
	for (size_t i = 0; i < 60; i++) {
		pair[i][0] = pair[i][1] = v;
		v = expr_array_json(pair[i], 2);
	}
	ck_assert(!expr_measure(&w.ev, &v, 0, 1000000, &bytes));
	ck_assert_str_eq(w.err.err.code, "expr.budget_output");
	ck_assert_uint_lt(bytes, 1000100);
}
END_TEST

/* What a number was read from goes on behind it; as a string it must end. */
START_TEST(string__of_a_number_is_terminated)
{
	const struct pb_json number = {.type = PB_JSON_NUMBER, .len = 4, .s = "12.50,\"b\":1"};
	auto_world w;
	struct pb_json v;

	world_init(&w);
	ck_assert(expr_to_string(&w.ev, &number, &v));
	ck_assert_int_eq(v.type, PB_JSON_STRING);
	ck_assert_uint_eq(v.len, 4);
	ck_assert_str_eq(v.s, "12.5");
}
END_TEST

/* The same through the functions: keys and texts made of the body's numbers. */
START_TEST(string__of_functions_is_terminated)
{
	static const char *const texts[] = {
		"to_text(n)",
		"[1].group_by(x => n).keys()[0]",
		"from_entries([[n, 1]]).keys()[0]",
		"set({}, n, 1).keys()[0]",
	};
	const struct pb_json_member body = {
		.key = "n",
		.key_len = 1,
		.value = {.type = PB_JSON_NUMBER, .len = 4, .s = "12.50,\"b\":1"}};
	const struct pb_json_member trigger = {
		.key = "body", .key_len = 4, .value = expr_object_json(&body, 1)};
	const struct pb_json t = expr_object_json(&trigger, 1), *v;
	const struct expr_scope scope = {.trigger = &t};
	const struct expr_program *prog;
	auto_world w;

	world_init(&w);
	ck_assert_int_eq(expr_program_compile(&w.out, texts[_i], strlen(texts[_i]), &prog, &w.err),
			 PB_OK);
	ck_assert_int_eq(expr_program_eval(prog, &scope, &w.out, &w.budget, &v, &w.err), PB_OK);
	ck_assert_str_eq(v->s, "12.5");
}
END_TEST

/* The budget is of written bytes: never less than what is written. */
static const struct {
	const char *text;
	size_t more; /* at most so many too many */
} written[] = {
	{"{\"a\\u0001\\n\":\"\\u0000\\u001f\\u007f\\\"\\\\\\/\\b\\t\\n\\u000b\\f\\r\"}", 1},
	{"[0,9,-9,10,-10,9223372036854775807,-9223372036854775808]", 1},
	{"[1.50,-1e400,12345678901234567890]", 1},
	{"[null,true,false,{},[]]", 4},
	{"\"\xd1\x8f\"", 0},
};

START_TEST(measure__counts_what_is_written)
{
	auto_world w;
	pb_auto_buf b = PB_BUF_INIT;
	const struct pb_json *v;
	size_t bytes = 0;

	world_init(&w);
	v = expr_test_json(&w.out, written[_i].text);
	ck_assert(pb_json_write(&b, v));
	ck_assert(expr_measure(&w.ev, v, 0, 100000, &bytes));
	ck_assert_uint_ge(bytes, b.len);
	ck_assert_uint_le(bytes, b.len + written[_i].more);
	bytes = 0;
	ck_assert(!expr_measure(&w.ev, v, 0, b.len - 1, &bytes));
}
END_TEST

START_TEST(measure__knows_the_longest_double)
{
	const struct pb_json v = {.type = PB_JSON_REAL, .d = -2.2250738585072014e-308};
	auto_world w;
	pb_auto_buf b = PB_BUF_INIT;
	size_t bytes = 0;

	world_init(&w);
	ck_assert(pb_json_write(&b, &v));
	ck_assert(expr_measure(&w.ev, &v, 0, 100, &bytes));
	ck_assert_uint_ge(bytes, b.len);
}
END_TEST

START_TEST(charge__never_wraps)
{
	auto_world w;

	world_init(&w);
	ck_assert(expr_charge(&w.ev, EXPR_BUDGET_STEPS));
	ck_assert(!expr_charge(&w.ev, 1));
	ck_assert(!expr_charge(&w.ev, SIZE_MAX));
	ck_assert_str_eq(w.err.err.code, "expr.budget_steps");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("value");

	tcase_add_test(tc, text__grows_to_the_limit_and_no_further);
	tcase_add_test(tc, text__empty_has_an_address);
	tcase_add_test(tc, list__ends_with_the_memory);
	tcase_add_test(tc, alloc__refuses_absurd_sizes);
	tcase_add_test(tc, measure__sees_through_sharing);
	tcase_add_test(tc, string__of_a_number_is_terminated);
	tcase_add_loop_test(tc, string__of_functions_is_terminated, 0, 4);
	tcase_add_loop_test(tc, measure__counts_what_is_written, 0, PB_ARRAY_LEN(written));
	tcase_add_test(tc, measure__knows_the_longest_double);
	tcase_add_test(tc, charge__never_wraps);
	return expr_test_main("expr_value", tc);
}
