/* SPDX-License-Identifier: Apache-2.0 */
/* Private to expr: tokens. The parser pulls them one by one and may go back by copying the struct.
 */
#ifndef PB_EXPR_LEX_H
#define PB_EXPR_LEX_H

#include "base/macro.h"

enum expr_token_type {
	EXPR_T_END,
	EXPR_T_BAD, /* `what` says why */
	EXPR_T_NAME,
	EXPR_T_NUMBER,
	EXPR_T_STRING,   /* text between quotes, escapes still inside */
	EXPR_T_BACKTICK, /* begins template text; the parser reads on by itself */
	EXPR_T_LPAREN,
	EXPR_T_RPAREN,
	EXPR_T_LBRACKET,
	EXPR_T_RBRACKET,
	EXPR_T_LBRACE,
	EXPR_T_RBRACE,
	EXPR_T_COMMA,
	EXPR_T_COLON,
	EXPR_T_DOT,
	EXPR_T_SAFE_DOT, /* ?. */
	EXPR_T_QUESTION,
	EXPR_T_ELSE, /* ?? */
	EXPR_T_NOT,
	EXPR_T_AND,
	EXPR_T_OR,
	EXPR_T_EQ,
	EXPR_T_NE,
	EXPR_T_LT,
	EXPR_T_LE,
	EXPR_T_GT,
	EXPR_T_GE,
	EXPR_T_ADD,
	EXPR_T_SUB,
	EXPR_T_MUL,
	EXPR_T_DIV,
	EXPR_T_MOD,
	EXPR_T_ARROW,
};

struct expr_token {
	enum expr_token_type type;
	uint32_t pos, end; /* bytes of the source */
	const char *what;
};

struct expr_lex {
	const char *src;
	uint32_t len;
	uint32_t pos; /* behind `tok` */
	struct expr_token tok;
};

void expr_lex_init(struct expr_lex *lex, const char *src, uint32_t len, uint32_t pos);
void expr_lex_next(struct expr_lex *lex);
/* Name for messages: "')'", "a name", "the end". */
const char *expr_token_name(enum expr_token_type type);

/*
 * Resolves the escapes of [@p, @p + @n) into @out, which needs n bytes. Gives the length, or -1
 * with *ret_bad the offset of the bad escape.
 */
int64_t expr_unescape(const char *p, size_t n, char *out, size_t *ret_bad);

#endif
