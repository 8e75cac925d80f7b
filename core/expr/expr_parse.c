/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser: precedence climbing over tokens, straight into the arena of the caller. Every
 * recursion is counted, and so is the height of the tree it makes, because the evaluator recurses
 * over that tree. Operators of one level (a + b - c) become one node with many kids, so long sums
 * cost no depth.
 */
#include "expr/expr_parse.h"

#include "expr/expr_fn.h"
#include "base/parse.h"
#include "base/base.h"

static bool enter(struct expr_parser *p)
{
	if (++p->depth <= EXPR_MAX_DEPTH)
		return true;
	(void)expr_p_fail(p, p->lex.tok.pos, "expr.too_deep", "more than %d levels",
			  EXPR_MAX_DEPTH);
	return false;
}

static struct pb_json number_json(const char *s, size_t n)
{
	int64_t i;

	if (pb_parse_i64(s, n, INT64_MIN, INT64_MAX, &i))
		return expr_int(i);
	return (struct pb_json){.type = PB_JSON_NUMBER, .len = (uint32_t)n, .s = s};
}

static struct expr_node *parse_number(struct expr_parser *p)
{
	struct expr_token t = p->lex.tok;
	struct expr_node *node = expr_p_node(p, EXPR_K_CONST, t.pos);
	char *s = node ? pb_arena_memdup(p->arena, p->lex.src + t.pos, t.end - t.pos) : NULL;

	if (!s)
		return expr_p_no_memory(p);
	node->value = number_json(s, t.end - t.pos);
	expr_lex_next(&p->lex);
	return node;
}

/* -5 is a literal: only so can -9223372036854775808 be written. */
static struct expr_node *negate_literal(struct expr_parser *p, struct expr_node *node, uint32_t pos)
{
	struct pb_json *v = &node->value;
	char *s;

	node->pos = pos;
	if (v->type == PB_JSON_INT) {
		v->i = -v->i;
		return node;
	}
	s = pb_arena_printf(p->arena, "-%.*s", (int)v->len, v->s);
	if (!s)
		return expr_p_no_memory(p);
	*v = number_json(s, v->len + 1);
	return node;
}

/* --- names --- */

/*
 * Nothing of a host language can be reached; refusing the ways into it says so at once. Words that
 * only begin statements there (class, new, for, return, delete) are ordinary fields of a body.
 */
static bool is_reserved(struct pb_slice name)
{
	static const char *const words[] = {"this",    "constructor", "__proto__", "prototype",
					    "Reflect", "Proxy",       "Function",  "globalThis",
					    "eval",    "with"};

	return expr_p_name_in(name, words, PB_ARRAY_LEN(words));
}

static bool seg_add(struct expr_parser *p, struct expr_node *node, struct expr_seg seg)
{
	struct expr_seg *s = pb_arena_alloc(p->arena, sizeof(*s));
	const struct expr_seg **tail = &node->path.seg;
	struct expr_seg *last = NULL;
	uint32_t n = 0;

	if (!s) {
		(void)expr_p_no_memory(p);
		return false;
	}
	*s = seg;
	/* the list is private to the parser until it returns, hence the cast */
	while (*tail) {
		last = (struct expr_seg *)(uintptr_t)*tail;
		tail = &last->next;
		n++;
	}
	if (n >= EXPR_MAX_SEGMENTS) {
		(void)expr_p_fail(p, seg.pos, "expr.too_deep", "more than %d fields in a row",
				  EXPR_MAX_SEGMENTS);
		return false;
	}
	*tail = s;
	return true;
}

static bool seg_add_key(struct expr_parser *p, struct expr_node *node, uint32_t pos,
			const char *key, size_t n)
{
	char *copy = pb_arena_memdup(p->arena, key, n);

	if (!copy) {
		(void)expr_p_no_memory(p);
		return false;
	}
	return seg_add(p, node, (struct expr_seg){.key = copy, .key_len = (uint32_t)n, .pos = pos});
}

static bool ref_add(struct expr_parser *p, enum expr_ref_kind kind, const struct expr_seg *seg)
{
	struct expr_ref_node *r = pb_arena_alloc(p->arena, sizeof(*r));

	if (!r) {
		(void)expr_p_no_memory(p);
		return false;
	}
	r->ref = (struct expr_ref){
		.kind = kind, .id = seg->key, .pointer = p->pointer, .position = seg->pos};
	if (p->refs->last)
		p->refs->last->next = r;
	else
		p->refs->first = r;
	p->refs->last = r;
	return true;
}

/* `steps` and `errors` are only names together with an id, which the planner checks. */
static struct expr_node *parse_ref(struct expr_parser *p, struct expr_node *node)
{
	enum expr_ref_kind kind = node->path.root == EXPR_R_STEP ? EXPR_REF_STEP : EXPR_REF_ERROR;
	uint32_t pos;

	if (expr_p_accept(p, EXPR_T_LBRACKET)) {
		struct expr_node *key;

		if (!expr_p_at(p, EXPR_T_STRING))
			return expr_p_unexpected(p, "a step id in quotes");
		pos = p->lex.tok.pos;
		key = expr_p_text(p, pos, p->lex.src + pos + 1, p->lex.tok.end - pos - 2);
		if (!key || !seg_add_key(p, node, pos, key->value.s, key->value.len))
			return NULL;
		expr_lex_next(&p->lex);
		if (!expr_p_expect(p, EXPR_T_RBRACKET))
			return NULL;
	} else {
		if (!expr_p_accept(p, EXPR_T_DOT) && !expr_p_accept(p, EXPR_T_SAFE_DOT))
			return expr_p_unexpected(p, "'.' and a step id");
		if (!expr_p_at(p, EXPR_T_NAME))
			return expr_p_unexpected(p, "a step id");
		if (!seg_add_key(p, node, p->lex.tok.pos, expr_p_token(p).p, expr_p_token(p).len))
			return NULL;
		expr_lex_next(&p->lex);
	}
	return ref_add(p, kind, node->path.seg) ? node : NULL;
}

static const struct {
	const char *name;
	uint8_t root;
} roots[] = {
	{"trigger", EXPR_R_TRIGGER}, {"steps", EXPR_R_STEP},          {"errors", EXPR_R_ERROR},
	{"item", EXPR_R_ITEM},       {"index", EXPR_R_INDEX},         {"loop", EXPR_R_LOOP},
	{"vars", EXPR_R_VARS},       {"execution", EXPR_R_EXECUTION}, {"now", EXPR_R_NOW},
};

static bool resolve_local(const struct expr_parser *p, struct pb_slice name, uint8_t *ret_slot)
{
	for (uint32_t i = p->n_locals; i-- > 0;) {
		if (pb_slice_eq(p->locals[i], name)) {
			*ret_slot = (uint8_t)i;
			return true;
		}
	}
	return false;
}

static struct expr_node *parse_root(struct expr_parser *p)
{
	struct pb_slice name = expr_p_token(p);
	uint32_t pos = p->lex.tok.pos;
	struct expr_node *node = expr_p_node(p, EXPR_K_PATH, pos);
	uint8_t slot = 0;

	if (!node)
		return NULL;
	node->path.root = EXPR_R_BODY;
	if (resolve_local(p, name, &slot)) {
		node->path.root = EXPR_R_LOCAL;
		node->path.slot = slot;
	} else if (is_reserved(name)) {
		return expr_p_fail(p, pos, "expr.syntax", "'%.*s' is not a word of this language",
				   (int)name.len, name.p);
	}
	for (size_t i = 0; i < PB_ARRAY_LEN(roots) && node->path.root == EXPR_R_BODY; i++) {
		if (pb_slice_eq_str(name, roots[i].name))
			node->path.root = roots[i].root;
	}
	expr_lex_next(&p->lex);
	if (node->path.root == EXPR_R_STEP || node->path.root == EXPR_R_ERROR)
		return parse_ref(p, node);
	if (node->path.root == EXPR_R_BODY && !seg_add_key(p, node, pos, name.p, name.len))
		return NULL;
	return node;
}

/* --- calls and arrows --- */

/* Looks for `x =>` or `(a, b) =>` without consuming anything. */
static bool is_arrow_ahead(const struct expr_parser *p)
{
	struct expr_lex l = p->lex;
	bool paren = l.tok.type == EXPR_T_LPAREN;

	if (paren)
		expr_lex_next(&l);
	while (l.tok.type == EXPR_T_NAME) {
		expr_lex_next(&l);
		if (!paren || l.tok.type != EXPR_T_COMMA)
			break;
		expr_lex_next(&l);
	}
	if (paren) {
		if (l.tok.type != EXPR_T_RPAREN)
			return false;
		expr_lex_next(&l);
	}
	return l.tok.type == EXPR_T_ARROW;
}

static bool arrow_param(struct expr_parser *p, struct expr_node *arrow, uint32_t max)
{
	struct pb_slice name = expr_p_token(p);

	if (!expr_p_at(p, EXPR_T_NAME)) {
		(void)expr_p_unexpected(p, "a parameter name");
		return false;
	}
	if (is_reserved(name)) {
		(void)expr_p_fail(p, p->lex.tok.pos, "expr.syntax",
				  "this name is not allowed here");
		return false;
	}
	if (arrow->arrow.n_params >= max) {
		(void)expr_p_fail(p, p->lex.tok.pos, "expr.arity",
				  "the arrow takes at most %u parameters", max);
		return false;
	}
	if (p->n_locals >= EXPR_MAX_LOCALS) {
		(void)expr_p_fail(p, p->lex.tok.pos, "expr.too_deep",
				  "too many arrows in each other");
		return false;
	}
	p->locals[p->n_locals++] = name;
	arrow->arrow.n_params++;
	expr_lex_next(&p->lex);
	return true;
}

static bool arrow_params(struct expr_parser *p, struct expr_node *arrow, uint32_t max)
{
	if (!expr_p_accept(p, EXPR_T_LPAREN))
		return arrow_param(p, arrow, max);
	if (expr_p_accept(p, EXPR_T_RPAREN))
		return true;
	do {
		if (!arrow_param(p, arrow, max))
			return false;
	} while (expr_p_accept(p, EXPR_T_COMMA));
	return expr_p_expect(p, EXPR_T_RPAREN);
}

static struct expr_node *parse_arrow(struct expr_parser *p, const struct expr_fn_def *fn)
{
	struct expr_node *arrow = expr_p_node(p, EXPR_K_ARROW, p->lex.tok.pos), *body;
	struct expr_node **tail = arrow ? &arrow->kid : NULL;
	uint32_t n_locals = p->n_locals;

	if (!arrow)
		return NULL;
	arrow->arrow.slot = (uint8_t)n_locals;
	if (!arrow_params(p, arrow, fn->arrow_params) || !expr_p_expect(p, EXPR_T_ARROW))
		return NULL;
	/* the evaluator binds two slots whether they are named or not */
	p->n_locals = n_locals + EXPR_MAX_CALL_PARAMS;
	if (p->n_locals > EXPR_MAX_LOCALS)
		return expr_p_fail(p, arrow->pos, "expr.too_deep", "too many arrows in each other");
	for (uint32_t i = n_locals + arrow->arrow.n_params; i < p->n_locals; i++)
		p->locals[i] = pb_slice("", 0);
	body = expr_p_expr(p);
	p->n_locals = n_locals;
	if (!body || !expr_p_add(p, arrow, &tail, body))
		return NULL;
	return arrow;
}

static struct expr_node *parse_arg(struct expr_parser *p, const struct expr_fn_def *fn, uint32_t i)
{
	bool ahead = is_arrow_ahead(p);

	if (ahead && i == fn->arrow)
		return parse_arrow(p, fn);
	if (ahead)
		return expr_p_fail(p, p->lex.tok.pos, "expr.syntax",
				   "an arrow cannot be argument %u of %s", i + 1, fn->name);
	if (i == fn->arrow && !fn->arrow_or_value)
		return expr_p_fail(p, p->lex.tok.pos, "expr.syntax",
				   "argument %u of %s must be an arrow: x => ...", i + 1, fn->name);
	return expr_p_expr(p);
}

static struct expr_node *check_arity(struct expr_parser *p, struct expr_node *call)
{
	const struct expr_fn_def *fn = call->call.fn;

	if (call->n_kids >= fn->min && call->n_kids <= fn->max)
		return call;
	return expr_p_fail(p, call->pos, "expr.arity", "%s takes %u to %u arguments (%s), not %u",
			   fn->name, fn->min, fn->max, fn->signature, call->n_kids);
}

/* The name is the current token, '(' the next one; @receiver may be NULL. */
static struct expr_node *parse_call(struct expr_parser *p, struct expr_node *receiver, bool safe)
{
	struct pb_slice name = expr_p_token(p);
	struct expr_node *call = expr_p_node(p, EXPR_K_CALL, p->lex.tok.pos), *arg;
	struct expr_node **tail = call ? &call->kid : NULL;

	if (!call)
		return NULL;
	call->call.fn = expr_fn_find(name.p, name.len);
	call->call.safe = safe;
	if (!call->call.fn)
		return expr_p_fail(p, call->pos, "expr.unknown_function",
				   "there is no function '%.*s'", (int)PB_MIN(name.len, 64),
				   name.p);
	if (receiver && !expr_p_add(p, call, &tail, receiver))
		return NULL;
	expr_lex_next(&p->lex);
	expr_lex_next(&p->lex);
	if (expr_p_accept(p, EXPR_T_RPAREN))
		return check_arity(p, call);
	do {
		if (call->n_kids >= EXPR_MAX_ARGS)
			return expr_p_fail(p, p->lex.tok.pos, "expr.arity",
					   "more than %d arguments", EXPR_MAX_ARGS);
		arg = parse_arg(p, call->call.fn, call->n_kids);
		if (!arg || !expr_p_add(p, call, &tail, arg))
			return NULL;
	} while (expr_p_accept(p, EXPR_T_COMMA));
	return expr_p_expect(p, EXPR_T_RPAREN) ? check_arity(p, call) : NULL;
}

static bool is_call_ahead(const struct expr_parser *p)
{
	struct expr_lex l = p->lex;

	expr_lex_next(&l);
	return l.tok.type == EXPR_T_LPAREN;
}

/* --- after a value: .name ?.name .fn() [index] --- */

static struct expr_node *as_path(struct expr_parser *p, struct expr_node *left)
{
	struct expr_node *node, **tail;

	if (left->kind == EXPR_K_PATH)
		return left;
	node = expr_p_node(p, EXPR_K_PATH, left->pos);
	if (!node)
		return NULL;
	node->path.root = EXPR_R_KID;
	tail = &node->kid;
	return expr_p_add(p, node, &tail, left) ? node : NULL;
}

static struct expr_node *parse_field(struct expr_parser *p, struct expr_node *left, bool safe)
{
	struct pb_slice name;
	uint32_t pos = p->lex.tok.pos;

	if (!expr_p_at(p, EXPR_T_NAME))
		return expr_p_unexpected(p, "a field or function name");
	name = expr_p_token(p);
	if (expr_p_is_reserved_field(name))
		return expr_p_fail(p, pos, "expr.syntax",
				   "'.%.*s' is not allowed; a field of that name is [\"%.*s\"]",
				   (int)name.len, name.p, (int)name.len, name.p);
	if (is_call_ahead(p))
		return parse_call(p, left, safe);
	left = as_path(p, left);
	if (!left || !seg_add_key(p, left, pos, name.p, name.len))
		return NULL;
	expr_lex_next(&p->lex);
	return left;
}

static struct expr_node *parse_index(struct expr_parser *p, struct expr_node *left)
{
	struct expr_seg seg = {.pos = p->lex.tok.pos};
	struct expr_node *index;

	left = as_path(p, left);
	index = left ? expr_p_expr(p) : NULL;
	if (!index || !expr_p_expect(p, EXPR_T_RBRACKET))
		return NULL;
	if (index->height + 1 > EXPR_MAX_DEPTH)
		return expr_p_fail(p, index->pos, "expr.too_deep", "more than %d levels",
				   EXPR_MAX_DEPTH);
	left->height = (uint16_t)PB_MAX(left->height, index->height + 1);
	if (index->kind == EXPR_K_CONST && index->value.type == PB_JSON_STRING) {
		seg.key = index->value.s;
		seg.key_len = index->value.len;
	} else if (index->kind == EXPR_K_CONST && index->value.type == PB_JSON_INT) {
		seg.index = index->value.i;
	} else {
		seg.node = index;
	}
	return seg_add(p, left, seg) ? left : NULL;
}

static struct expr_node *parse_postfix(struct expr_parser *p, struct expr_node *left)
{
	while (left) {
		if (expr_p_accept(p, EXPR_T_DOT)) {
			left = parse_field(p, left, false);
		} else if (expr_p_accept(p, EXPR_T_SAFE_DOT)) {
			left = expr_p_accept(p, EXPR_T_LBRACKET) ? parse_index(p, left)
								 : parse_field(p, left, true);
		} else if (expr_p_accept(p, EXPR_T_LBRACKET)) {
			left = parse_index(p, left);
		} else if (expr_p_at(p, EXPR_T_LPAREN)) {
			return expr_p_fail(p, p->lex.tok.pos, "expr.syntax",
					   "only named functions can be called");
		} else if (expr_p_at(p, EXPR_T_BACKTICK) || expr_p_at(p, EXPR_T_STRING)) {
			return expr_p_unexpected(p, "an operator");
		} else {
			break;
		}
	}
	return left;
}

static struct expr_node *parse_word(struct expr_parser *p)
{
	struct pb_slice name = expr_p_token(p);
	struct expr_node *node;

	if (is_call_ahead(p))
		return parse_call(p, NULL, false);
	if (!pb_slice_eq_str(name, "null") && !pb_slice_eq_str(name, "true") &&
	    !pb_slice_eq_str(name, "false"))
		return parse_root(p);
	node = expr_p_node(p, EXPR_K_CONST, p->lex.tok.pos);
	if (!node)
		return NULL;
	node->value = name.p[0] == 'n' ? expr_null() : expr_bool(name.p[0] == 't');
	expr_lex_next(&p->lex);
	return node;
}

static struct expr_node *parse_primary(struct expr_parser *p)
{
	const struct expr_token t = p->lex.tok;
	struct expr_node *node;

	switch (t.type) {
	case EXPR_T_NAME:
		return parse_word(p);
	case EXPR_T_NUMBER:
		return parse_number(p);
	case EXPR_T_STRING:
		node = expr_p_text(p, t.pos + 1, p->lex.src + t.pos + 1, t.end - t.pos - 2);
		expr_lex_next(&p->lex);
		return node;
	case EXPR_T_BACKTICK:
		return expr_p_backtick(p);
	case EXPR_T_LBRACKET:
		return expr_p_array(p);
	case EXPR_T_LBRACE:
		return expr_p_object(p);
	case EXPR_T_LPAREN:
		expr_lex_next(&p->lex);
		node = expr_p_expr(p);
		return node && expr_p_expect(p, EXPR_T_RPAREN) ? node : NULL;
	default:
		return expr_p_unexpected(p, "a value");
	}
}

/* --- operators --- */

static struct expr_node *parse_unary(struct expr_parser *p)
{
	const struct expr_token t = p->lex.tok;
	struct expr_node *node, *kid, **tail;

	if (t.type != EXPR_T_NOT && t.type != EXPR_T_SUB)
		return parse_postfix(p, parse_primary(p));
	if (!enter(p))
		return NULL;
	expr_lex_next(&p->lex);
	if (t.type == EXPR_T_SUB && expr_p_at(p, EXPR_T_NUMBER) && p->lex.tok.pos == t.end) {
		kid = parse_number(p);
		p->depth--;
		return kid ? parse_postfix(p, negate_literal(p, kid, t.pos)) : NULL;
	}
	kid = parse_unary(p);
	p->depth--;
	if (!kid)
		return NULL;
	node = expr_p_node(p, t.type == EXPR_T_NOT ? EXPR_K_NOT : EXPR_K_NEG, t.pos);
	tail = node ? &node->kid : NULL;
	return node && expr_p_add(p, node, &tail, kid) ? node : NULL;
}

struct binary {
	uint8_t level; /* 0: not an operator; higher binds closer */
	uint8_t kind;
	uint8_t op;
};

static struct binary binary_of(enum expr_token_type type)
{
	static const struct binary table[] = {
		[EXPR_T_ELSE] = {1, EXPR_K_ELSE, EXPR_OP_NONE},
		[EXPR_T_OR] = {2, EXPR_K_OR, EXPR_OP_NONE},
		[EXPR_T_AND] = {3, EXPR_K_AND, EXPR_OP_NONE},
		[EXPR_T_EQ] = {4, EXPR_K_COMPARE, EXPR_OP_EQ},
		[EXPR_T_NE] = {4, EXPR_K_COMPARE, EXPR_OP_NE},
		[EXPR_T_LT] = {5, EXPR_K_COMPARE, EXPR_OP_LT},
		[EXPR_T_LE] = {5, EXPR_K_COMPARE, EXPR_OP_LE},
		[EXPR_T_GT] = {5, EXPR_K_COMPARE, EXPR_OP_GT},
		[EXPR_T_GE] = {5, EXPR_K_COMPARE, EXPR_OP_GE},
		[EXPR_T_ADD] = {6, EXPR_K_ARITH, EXPR_OP_ADD},
		[EXPR_T_SUB] = {6, EXPR_K_ARITH, EXPR_OP_SUB},
		[EXPR_T_MUL] = {7, EXPR_K_ARITH, EXPR_OP_MUL},
		[EXPR_T_DIV] = {7, EXPR_K_ARITH, EXPR_OP_DIV},
		[EXPR_T_MOD] = {7, EXPR_K_ARITH, EXPR_OP_MOD},
		[EXPR_T_ARROW] = {0, 0, 0}, /* makes the table as long as the enum */
	};

	return table[type];
}

static struct expr_node *parse_binary(struct expr_parser *p, uint8_t min_level)
{
	struct expr_node *left, *right, *chain = NULL, **tail = NULL;
	uint8_t chain_level = 0;
	struct binary b;

	if (!enter(p))
		return NULL;
	left = parse_unary(p);
	while (left && (b = binary_of(p->lex.tok.type)).level >= min_level && b.level) {
		uint32_t pos = p->lex.tok.pos;

		expr_lex_next(&p->lex);
		right = parse_binary(p, (uint8_t)(b.level + 1));
		if (!right)
			return NULL;
		if (!chain || chain_level != b.level) {
			chain = expr_p_node(p, b.kind, pos);
			tail = chain ? &chain->kid : NULL;
			if (!chain || !expr_p_add(p, chain, &tail, left))
				return NULL;
			chain_level = b.level;
		}
		right->op = b.op;
		right->op_pos = pos;
		if (!expr_p_add(p, chain, &tail, right))
			return NULL;
		left = chain;
	}
	p->depth--;
	return left;
}

static struct expr_node *parse_cond(struct expr_parser *p, struct expr_node *test)
{
	struct expr_node *node = expr_p_node(p, EXPR_K_COND, p->lex.tok.pos), *yes, *no;
	struct expr_node **tail = node ? &node->kid : NULL;

	if (!node || !enter(p))
		return NULL;
	expr_lex_next(&p->lex);
	yes = expr_p_expr(p);
	if (!yes || !expr_p_expect(p, EXPR_T_COLON))
		return NULL;
	no = expr_p_expr(p);
	p->depth--;
	if (!no || !expr_p_add(p, node, &tail, test) || !expr_p_add(p, node, &tail, yes) ||
	    !expr_p_add(p, node, &tail, no))
		return NULL;
	return node;
}

struct expr_node *expr_p_expr(struct expr_parser *p)
{
	struct expr_node *node = parse_binary(p, 1);

	return node && expr_p_at(p, EXPR_T_QUESTION) ? parse_cond(p, node) : node;
}

/* True when the current token is the first of "}}". */
static bool at_close(const struct expr_parser *p)
{
	const struct expr_lex *l = &p->lex;

	return expr_p_at(p, EXPR_T_RBRACE) && l->tok.end < l->len && l->src[l->tok.end] == '}';
}

bool expr_parse(struct pb_arena *arena, const char *src, size_t n, size_t pos, bool braces,
		const char *pointer, struct expr_refs *refs, struct expr_node **ret,
		size_t *ret_end, struct expr_fault *fault)
{
	struct expr_parser p = {.arena = arena, .pointer = pointer, .refs = refs, .fault = fault};
	struct expr_node *node;

	*fault = (struct expr_fault){0};
	expr_lex_init(&p.lex, src, (uint32_t)n, (uint32_t)pos);
	node = expr_p_expr(&p);
	if (!node)
		return false;
	if (braces ? !at_close(&p) : !expr_p_at(&p, EXPR_T_END)) {
		(void)expr_p_unexpected(&p,
					braces ? "an operator or '}}'" : "an operator or the end");
		return false;
	}
	*ret = node;
	*ret_end = braces ? p.lex.tok.end + 1 : n;
	return true;
}
