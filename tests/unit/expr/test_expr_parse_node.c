/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_parse_node.c: the first fault stays, heights are counted, literals keep their shape. */
#include "expr/expr_parse.h"
#include "expr_test.h"

struct world {
	struct pb_arena a;
	struct expr_fault fault;
	struct expr_refs refs;
	struct expr_parser p;
};

static void world_init(struct world *w, const char *src)
{
	memset(w, 0, sizeof(*w));
	pb_arena_init(&w->a, 1u << 20);
	w->p.arena = &w->a;
	w->p.fault = &w->fault;
	w->p.refs = &w->refs;
	w->p.pointer = "";
	expr_lex_init(&w->p.lex, src, (uint32_t)strlen(src), 0);
}

static void world_done(struct world *w)
{
	pb_arena_done(&w->a);
}

#define auto_world pb_cleanup(world_done) struct world

START_TEST(fault__the_first_stays)
{
	auto_world w;

	world_init(&w, "]");
	ck_assert_ptr_null(expr_p_unexpected(&w.p, "a value"));
	ck_assert_ptr_null(expr_p_fail(&w.p, 7, "expr.arity", "later"));
	ck_assert_str_eq(w.fault.code, "expr.syntax");
	ck_assert_uint_eq(w.fault.pos, 0);
	ck_assert_str_eq(w.fault.msg, "expected a value, found ']'");
}
END_TEST

START_TEST(node__counts_kids_and_height)
{
	auto_world w;
	struct expr_node *top, *kid, **tail;

	world_init(&w, "");
	kid = expr_p_node(&w.p, EXPR_K_CONST, 0);
	for (uint32_t height = 2; height <= EXPR_MAX_DEPTH; height++) {
		top = expr_p_node(&w.p, EXPR_K_NOT, 0);
		tail = &top->kid;
		ck_assert(expr_p_add(&w.p, top, &tail, kid));
		ck_assert_uint_eq(top->height, height);
		ck_assert_uint_eq(top->n_kids, 1);
		kid = top;
	}
	top = expr_p_node(&w.p, EXPR_K_NOT, 0);
	tail = &top->kid;
	ck_assert(!expr_p_add(&w.p, top, &tail, kid));
	ck_assert_str_eq(w.fault.code, "expr.too_deep");
}
END_TEST

START_TEST(literal__shapes)
{
	static const struct {
		const char *src;
		enum expr_kind kind;
		uint32_t n_kids;
	} cases[] = {
		{"[]", EXPR_K_ARRAY, 0},        {"[1, 2,]", EXPR_K_ARRAY, 2},
		{"{}", EXPR_K_OBJECT, 0},       {"{a: 1, 'b': 2, c: 3}", EXPR_K_OBJECT, 3},
		{"``", EXPR_K_TEXT, 0},         {"`a${1}b`", EXPR_K_TEXT, 3},
		{"`${1}${2}`", EXPR_K_TEXT, 2},
	};
	auto_world w;
	struct expr_node *n;

	world_init(&w, cases[_i].src);
	if (cases[_i].kind == EXPR_K_ARRAY)
		n = expr_p_array(&w.p);
	else
		n = cases[_i].kind == EXPR_K_OBJECT ? expr_p_object(&w.p) : expr_p_backtick(&w.p);
	ck_assert_msg(n != NULL, "%s: %s", cases[_i].src, w.fault.msg);
	ck_assert_int_eq(n->kind, cases[_i].kind);
	ck_assert_uint_eq(n->n_kids, cases[_i].n_kids);
	ck_assert(expr_p_at(&w.p, EXPR_T_END));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("parse_node");

	tcase_add_test(tc, fault__the_first_stays);
	tcase_add_test(tc, node__counts_kids_and_height);
	tcase_add_loop_test(tc, literal__shapes, 0, 7);
	return expr_test_main("expr_parse_node", tc);
}
