/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the two files of the parser: its state, faults, and nodes. Every function that fails sets the fault once
 * (the first one stays) and gives NULL or false.
 */
#ifndef PB_EXPR_PARSE_H
#define PB_EXPR_PARSE_H

#include "expr/expr_ast.h"
#include "expr/expr_lex.h"

struct expr_parser {
	struct pb_arena *arena;
	struct expr_lex lex;
	const char *pointer;
	struct expr_refs *refs;
	struct expr_fault *fault;
	uint32_t depth;
	uint32_t n_locals;
	struct pb_slice locals[EXPR_MAX_LOCALS];
};

/* --- expr_parse_node.c --- */
void *expr_p_fail(struct expr_parser *p, uint32_t pos, const char *code, const char *fmt, ...)
	pb_printf(4, 5);
void *expr_p_no_memory(struct expr_parser *p);
/* "expected @wanted, found ...", or what the lexer said about a bad token. */
void *expr_p_unexpected(struct expr_parser *p, const char *wanted);
bool expr_p_expect(struct expr_parser *p, enum expr_token_type type);
struct expr_node *expr_p_node(struct expr_parser *p, enum expr_kind kind, uint32_t pos);
/* Adds @kid as the last one; *tail is the place where the next one will be linked. */
bool expr_p_add(struct expr_parser *p, struct expr_node *n, struct expr_node ***tail,
		struct expr_node *kid);
/* A constant from the text between quotes. */
struct expr_node *expr_p_text(struct expr_parser *p, uint32_t pos, const char *raw, size_t n);
struct pb_slice expr_p_token(const struct expr_parser *p);
bool expr_p_name_in(struct pb_slice name, const char *const *list, size_t n);
bool expr_p_is_reserved_field(struct pb_slice name);
/* Array, object and template text; the current token is the first one. */
struct expr_node *expr_p_array(struct expr_parser *p);
struct expr_node *expr_p_object(struct expr_parser *p);
struct expr_node *expr_p_backtick(struct expr_parser *p);

/* --- expr_parse.c --- */
struct expr_node *expr_p_expr(struct expr_parser *p);

static inline bool expr_p_at(const struct expr_parser *p, enum expr_token_type type)
{
	return p->lex.tok.type == type;
}

static inline bool expr_p_accept(struct expr_parser *p, enum expr_token_type type)
{
	if (!expr_p_at(p, type))
		return false;
	expr_lex_next(&p->lex);
	return true;
}

#endif
