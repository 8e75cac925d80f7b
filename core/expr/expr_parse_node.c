/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lower half of the parser: faults, nodes and literals with parts (arrays, objects, template text). What an
 * operator or a name means is in expr_parse.c.
 */
#include "expr/expr_parse.h"

#include <stdarg.h>

#include "expr/expr_fn.h"
#include "base/base.h"

/* --- faults --- */

void *expr_p_fail(struct expr_parser *p, uint32_t pos, const char *code, const char *fmt, ...)
{
	va_list ap;

	if (p->fault->code)
		return NULL;
	p->fault->code = code;
	p->fault->pos = pos;
	va_start(ap, fmt);
	(void)vsnprintf(p->fault->msg, sizeof(p->fault->msg), fmt, ap); /* may be cut */
	va_end(ap);
	return NULL;
}

void *expr_p_no_memory(struct expr_parser *p)
{
	p->fault->no_memory = true;
	return expr_p_fail(p, p->lex.tok.pos, "expr.too_long",
			   "the expression does not fit into memory");
}

void *expr_p_unexpected(struct expr_parser *p, const char *wanted)
{
	const struct expr_token *t = &p->lex.tok;

	if (t->type == EXPR_T_BAD)
		return expr_p_fail(p, t->pos, "expr.syntax", "%s", t->what);
	return expr_p_fail(p, t->pos, "expr.syntax", "expected %s, found %s", wanted,
			   expr_token_name(t->type));
}

bool expr_p_expect(struct expr_parser *p, enum expr_token_type type)
{
	if (p->lex.tok.type != type) {
		(void)expr_p_unexpected(p, expr_token_name(type));
		return false;
	}
	expr_lex_next(&p->lex);
	return true;
}

/* --- nodes --- */

struct expr_node *expr_p_node(struct expr_parser *p, enum expr_kind kind, uint32_t pos)
{
	struct expr_node *n = pb_arena_alloc(p->arena, sizeof(*n));

	if (!n)
		return expr_p_no_memory(p);
	n->kind = (uint8_t)kind;
	n->pos = pos;
	n->height = 1;
	return n;
}

bool expr_p_add(struct expr_parser *p, struct expr_node *n, struct expr_node ***tail,
		struct expr_node *kid)
{
	if (kid->height + 1 > EXPR_MAX_DEPTH) {
		(void)expr_p_fail(p, kid->pos, "expr.too_deep", "more than %d levels",
				  EXPR_MAX_DEPTH);
		return false;
	}
	n->height = (uint16_t)PB_MAX(n->height, kid->height + 1);
	n->n_kids++;
	**tail = kid;
	*tail = &kid->next;
	return true;
}

struct expr_node *expr_p_text(struct expr_parser *p, uint32_t pos, const char *raw, size_t n)
{
	struct expr_node *node = expr_p_node(p, EXPR_K_CONST, pos);
	char *out = node ? pb_arena_alloc(p->arena, n + 1) : NULL;
	size_t bad = 0;
	int64_t len;

	if (!out)
		return expr_p_no_memory(p);
	len = expr_unescape(raw, n, out, &bad);
	if (len < 0)
		return expr_p_fail(p, pos + (uint32_t)bad, "expr.syntax",
				   "unknown escape after \\");
	out[len] = '\0';
	node->value = expr_text_json(out, (size_t)len);
	return node;
}

/* --- words --- */

struct pb_slice expr_p_token(const struct expr_parser *p)
{
	const struct expr_token *t = &p->lex.tok;

	return pb_slice(p->lex.src + t->pos, t->end - t->pos);
}

bool expr_p_name_in(struct pb_slice name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (pb_slice_eq_str(name, list[i]))
			return true;
	}
	return false;
}

bool expr_p_is_reserved_field(struct pb_slice name)
{
	static const char *const words[] = {"__proto__", "prototype", "constructor"};

	return expr_p_name_in(name, words, PB_ARRAY_LEN(words));
}

/* --- literals --- */

struct expr_node *expr_p_array(struct expr_parser *p)
{
	struct expr_node *node = expr_p_node(p, EXPR_K_ARRAY, p->lex.tok.pos), *kid;
	struct expr_node **tail = node ? &node->kid : NULL;

	if (!node)
		return NULL;
	expr_lex_next(&p->lex);
	while (!expr_p_at(p, EXPR_T_RBRACKET)) {
		kid = expr_p_expr(p);
		if (!kid || !expr_p_add(p, node, &tail, kid))
			return NULL;
		if (!expr_p_accept(p, EXPR_T_COMMA))
			break;
	}
	return expr_p_expect(p, EXPR_T_RBRACKET) ? node : NULL;
}

static bool parse_key(struct expr_parser *p, struct expr_key *ret)
{
	const struct expr_token t = p->lex.tok;
	struct expr_node *text;

	if (t.type == EXPR_T_NAME && !expr_p_is_reserved_field(expr_p_token(p))) {
		ret->len = t.end - t.pos;
		ret->p = pb_arena_memdup(p->arena, p->lex.src + t.pos, ret->len);
		if (!ret->p)
			(void)expr_p_no_memory(p);
	} else if (t.type == EXPR_T_STRING) {
		text = expr_p_text(p, t.pos, p->lex.src + t.pos + 1, t.end - t.pos - 2);
		if (!text)
			return false;
		*ret = (struct expr_key){text->value.s, text->value.len};
	} else {
		(void)expr_p_unexpected(p, "a key");
	}
	if (p->fault->code)
		return false;
	expr_lex_next(&p->lex);
	return true;
}

/* Doubles when n is a power of two: growing in an arena wastes at most as much again. */
static struct expr_key *keys_grow(struct expr_parser *p, struct expr_key *keys, uint32_t n)
{
	struct expr_key *more;

	if (n & (n - 1))
		return keys;
	more = pb_arena_calloc(p->arena, n ? (size_t)n * 2 : 1, sizeof(*more));
	if (!more)
		return expr_p_no_memory(p);
	if (n)
		memcpy(more, keys, n * sizeof(*more));
	return more;
}

static bool key_is_new(struct expr_parser *p, const struct expr_key *keys, uint32_t n, uint32_t pos)
{
	for (uint32_t i = 0; i < n; i++) {
		if (keys[i].len == keys[n].len && !memcmp(keys[i].p, keys[n].p, keys[n].len)) {
			(void)expr_p_fail(p, pos, "expr.syntax",
					  "the key stands twice in the object");
			return false;
		}
	}
	return true;
}

struct expr_node *expr_p_object(struct expr_parser *p)
{
	struct expr_node *node = expr_p_node(p, EXPR_K_OBJECT, p->lex.tok.pos), *kid;
	struct expr_node **tail = node ? &node->kid : NULL;
	struct expr_key *keys = NULL;

	if (!node)
		return NULL;
	expr_lex_next(&p->lex);
	while (!expr_p_at(p, EXPR_T_RBRACE)) {
		uint32_t n = node->n_kids, pos = p->lex.tok.pos;

		if (n >= 256)
			return expr_p_fail(p, pos, "expr.too_long", "more than 256 keys");
		keys = keys_grow(p, keys, n);
		if (!keys || !parse_key(p, &keys[n]) || !key_is_new(p, keys, n, pos) ||
		    !expr_p_expect(p, EXPR_T_COLON))
			return NULL;
		kid = expr_p_expr(p);
		if (!kid || !expr_p_add(p, node, &tail, kid))
			return NULL;
		if (!expr_p_accept(p, EXPR_T_COMMA))
			break;
	}
	node->keys = keys;
	return expr_p_expect(p, EXPR_T_RBRACE) ? node : NULL;
}

/* Up to '`' or "${"; false when the text has no end. */
static bool scan_text(const struct expr_lex *lex, uint32_t *pos)
{
	for (; *pos < lex->len; ++*pos) {
		if (lex->src[*pos] == '`')
			return true;
		if (lex->src[*pos] == '$' && *pos + 1 < lex->len && lex->src[*pos + 1] == '{')
			return true;
		if (lex->src[*pos] == '\\')
			++*pos;
	}
	return false;
}

static struct expr_node *parse_text_hole(struct expr_parser *p, uint32_t *pos)
{
	struct expr_node *kid;

	p->lex.pos = *pos + 2;
	expr_lex_next(&p->lex);
	kid = expr_p_expr(p);
	if (!kid)
		return NULL;
	if (!expr_p_at(p, EXPR_T_RBRACE))
		return expr_p_unexpected(p, "'}'");
	*pos = p->lex.tok.end;
	return kid;
}

struct expr_node *expr_p_backtick(struct expr_parser *p)
{
	struct expr_node *node = expr_p_node(p, EXPR_K_TEXT, p->lex.tok.pos), *kid;
	struct expr_node **tail = node ? &node->kid : NULL;
	uint32_t pos = p->lex.tok.end, start;

	for (; node;) {
		start = pos;
		if (!scan_text(&p->lex, &pos) || pos >= p->lex.len)
			return expr_p_fail(p, node->pos, "expr.syntax",
					   "text in backticks has no end");
		if (pos > start) {
			kid = expr_p_text(p, start, p->lex.src + start, pos - start);
			if (!kid || !expr_p_add(p, node, &tail, kid))
				return NULL;
		}
		if (p->lex.src[pos] == '`')
			break;
		kid = parse_text_hole(p, &pos);
		if (!kid || !expr_p_add(p, node, &tail, kid))
			return NULL;
	}
	p->lex.pos = pos + 1;
	expr_lex_next(&p->lex);
	return node;
}
