/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to expr: the tree that the parser makes and the evaluator walks. Everything lives in the
 * arena of the caller and never changes after parsing, so many threads may walk it at once.
 */
#ifndef PB_EXPR_AST_H
#define PB_EXPR_AST_H

#include "expr/expr.h"

#define EXPR_MAX_LOCALS      32
#define EXPR_MAX_CALL_PARAMS 2
#define EXPR_MAX_SEGMENTS    128

struct expr_node;
struct expr_fn_def;

enum expr_kind {
	EXPR_K_CONST,
	EXPR_K_PATH,    /* a root, a local or a kid, then segments */
	EXPR_K_CALL,    /* kids are the arguments */
	EXPR_K_NOT,     /* kid */
	EXPR_K_NEG,     /* kid */
	EXPR_K_ARITH,   /* kids joined by + - or * / %, evaluated from the left without recursion */
	EXPR_K_COMPARE, /* kids joined by == != < <= > >=, from the left */
	EXPR_K_AND,     /* kids */
	EXPR_K_OR,      /* kids */
	EXPR_K_ELSE,    /* kids joined by ?? */
	EXPR_K_COND,    /* three kids */
	EXPR_K_TEXT,    /* kids are joined as text */
	EXPR_K_ARRAY,   /* kids */
	EXPR_K_OBJECT,  /* kids, with their keys in `keys` */
	EXPR_K_ARROW,   /* one kid, parameters in locals[slot...] */
};

enum expr_op {
	EXPR_OP_NONE,
	EXPR_OP_ADD,
	EXPR_OP_SUB,
	EXPR_OP_MUL,
	EXPR_OP_DIV,
	EXPR_OP_MOD,
	EXPR_OP_EQ,
	EXPR_OP_NE,
	EXPR_OP_LT,
	EXPR_OP_LE,
	EXPR_OP_GT,
	EXPR_OP_GE,
};

enum expr_root {
	EXPR_R_KID, /* the node's kid */
	EXPR_R_LOCAL,
	EXPR_R_TRIGGER,
	EXPR_R_STEP,  /* first segment is the id */
	EXPR_R_ERROR, /* first segment is the id */
	EXPR_R_ITEM,
	EXPR_R_INDEX,
	EXPR_R_LOOP,
	EXPR_R_VARS,
	EXPR_R_EXECUTION,
	EXPR_R_NOW,
	EXPR_R_BODY, /* first segment is looked up in the trigger's body, then event */
};

/* One step of a path: a key known at compile time, an index, or a computed one. */
struct expr_seg {
	const struct expr_seg *next;
	const struct expr_node *node; /* computed; else NULL */
	const char *key;              /* NULL: the index counts */
	uint32_t key_len;
	uint32_t pos;
	int64_t index;
};

struct expr_key {
	const char *p;
	uint32_t len;
};

struct expr_node {
	uint8_t kind;
	uint8_t op;      /* joins this node to its left brother in ARITH and COMPARE */
	uint16_t height; /* <= EXPR_MAX_DEPTH: bounds the evaluator's C stack */
	uint32_t pos;    /* byte in the source */
	uint32_t op_pos; /* of `op` */
	uint32_t n_kids;
	struct expr_node *kid;
	struct expr_node *next; /* right brother */
	union {
		struct pb_json value;
		struct {
			const struct expr_seg *seg;
			uint8_t root;
			uint8_t slot;
		} path;
		struct {
			const struct expr_fn_def *fn;
			bool safe; /* ?. before the name */
		} call;
		struct {
			uint8_t slot;
			uint8_t n_params;
		} arrow;
		const struct expr_key *keys;
	};
};

struct expr_ref_node {
	struct expr_ref ref;
	struct expr_ref_node *next;
};

struct expr_refs {
	struct expr_ref_node *first, *last;
};

/* A fault found by the parser: the first one of its string. */
struct expr_fault {
	const char *code; /* NULL: none */
	uint32_t pos;
	bool no_memory;
	char msg[160];
};

/*
 * Parses one expression of @src beginning at @pos. With @braces it must end before }} and *ret_end
 * is the byte behind them; else it must end with the text. False with @fault filled.
 */
bool expr_parse(struct pb_arena *arena, const char *src, size_t n, size_t pos, bool braces,
		const char *pointer, struct expr_refs *refs, struct expr_node **ret,
		size_t *ret_end, struct expr_fault *fault);

#endif
