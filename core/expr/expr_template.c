/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON value with {{ }} in its strings, compiled into a shadow tree that holds only the parts
 * that change; the rest of the value is shared by every result. What expressions give is never
 * looked at again, so data cannot become code.
 */
#include "expr/expr.h"

#include "expr/expr_fn.h"
#include "base/base.h"

enum part_kind {
	PART_CONST, /* `value` as it is */
	PART_EXPR,  /* the whole string is one expression */
	PART_TEXT,  /* pieces to join */
	PART_TREE,  /* array or object with changing kids */
};

/* One changing place. Kids are in the order of the source value; @index says where. */
struct part {
	uint8_t kind;
	uint8_t depth;
	uint32_t index;
	const struct pb_json *value;
	const struct expr_node *node; /* EXPR, and TEXT as a node of its own */
	const char *pointer;
	uint64_t place_hash;
	struct part *kid, *next;
};

struct expr_template {
	struct part root;
	struct expr_refs refs;
};

struct expr_program {
	const struct expr_node *node;
};

void expr_budget_init(struct expr_budget *b)
{
	*b = (struct expr_budget){EXPR_BUDGET_STEPS, EXPR_BUDGET_OUTPUT, EXPR_BUDGET_MEMORY};
}

/* --- compiling --- */

/* The way to the current value; only spelled out when a string needs it. */
struct place {
	const struct place *up;
	const char *key; /* NULL: index */
	uint32_t key_len;
	uint32_t index;
	uint32_t depth;
};

struct compiler {
	struct pb_arena *arena;
	struct pb_problems *problems;
	const char *base;
	struct expr_refs *refs;
	bool failed;
	bool no_memory;
};

static const char *spell(struct compiler *c, const struct place *at)
{
	const struct place *way[PB_JSON_DEPTH + 1];
	const char *s = c->base;
	uint32_t n = 0;

	for (; at->up && n < PB_ARRAY_LEN(way); at = at->up)
		way[n++] = at;
	while (n-- > 0) {
		s = way[n]->key ? pb_pointer_key(c->arena, s, way[n]->key, way[n]->key_len)
				: pb_pointer_index(c->arena, s, way[n]->index);
	}
	return s ? s : "";
}

static uint64_t hash_text(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
	return h;
}

/* The next "{{" at or behind @pos; n when there is none. */
static size_t find_open(const char *s, size_t n, size_t pos)
{
	const char *p = pos < n ? memmem(s + pos, n - pos, "{{", 2) : NULL;

	return p ? (size_t)(p - s) : n;
}

static struct expr_node *text_node(struct compiler *c, const char *p, size_t n)
{
	struct expr_node *node = pb_arena_alloc(c->arena, sizeof(*node));
	char *s = node ? pb_arena_memdup(c->arena, p, n) : NULL;

	if (!s)
		return NULL;
	node->kind = EXPR_K_CONST;
	node->height = 1;
	node->value = expr_text_json(s, n);
	return node;
}

/* Pieces of one string while it is read. */
struct pieces {
	struct expr_node *first, *last;
	uint32_t n;
	uint32_t n_exprs;
};

static bool piece_add(struct compiler *c, struct pieces *ps, struct expr_node *node)
{
	if (!node) {
		c->no_memory = true;
		return false;
	}
	if (ps->last)
		ps->last->next = node;
	else
		ps->first = node;
	ps->last = node;
	ps->n++;
	return true;
}

static bool piece_text(struct compiler *c, struct pieces *ps, const char *p, size_t n)
{
	return !n || piece_add(c, ps, text_node(c, p, n));
}

static bool piece_expr(struct compiler *c, struct pieces *ps, const struct pb_json *v, size_t *pos,
		       const char *pointer)
{
	struct expr_node *node = NULL;
	struct expr_fault fault;

	if (expr_parse(c->arena, v->s, v->len, *pos + 2, true, pointer, c->refs, &node, pos,
		       &fault)) {
		ps->n_exprs++;
		return piece_add(c, ps, node);
	}
	c->no_memory |= fault.no_memory;
	c->failed = true;
	pb_problems_add(c->problems, fault.code, pointer, "byte %u: %s", fault.pos, fault.msg);
	return false;
}

/* Splits a string; `\{{` gives a literal "{{". */
static bool split(struct compiler *c, const struct pb_json *v, const char *pointer,
		  struct pieces *ps)
{
	size_t pos = 0, open;

	while (pos < v->len) {
		open = find_open(v->s, v->len, pos);
		if (open > pos && open < v->len && v->s[open - 1] == '\\') {
			if (!piece_text(c, ps, v->s + pos, open - 1 - pos) ||
			    !piece_text(c, ps, "{{", 2))
				return false;
			pos = open + 2;
			continue;
		}
		if (!piece_text(c, ps, v->s + pos, open - pos))
			return false;
		pos = open;
		if (open < v->len && !piece_expr(c, ps, v, &pos, pointer))
			return false;
	}
	return true;
}

static struct expr_node *join_node(struct compiler *c, const struct pieces *ps)
{
	struct expr_node *node = pb_arena_alloc(c->arena, sizeof(*node));

	if (!node) {
		c->no_memory = true;
		return NULL;
	}
	node->kind = EXPR_K_TEXT;
	node->kid = ps->first;
	node->n_kids = ps->n;
	return node;
}

static bool compile_string(struct compiler *c, const struct pb_json *v, const struct place *at,
			   struct part *part)
{
	struct pieces ps = {.n = 0};

	if (find_open(v->s, v->len, 0) == v->len)
		return true;
	part->pointer = spell(c, at);
	part->place_hash = hash_text(part->pointer);
	if (v->len > EXPR_MAX_SOURCE_BYTES) {
		c->failed = true;
		pb_problems_add(c->problems, "expr.too_long", part->pointer,
				"byte 0: text with expressions is longer than %d bytes",
				EXPR_MAX_SOURCE_BYTES);
		return false;
	}
	if (!split(c, v, part->pointer, &ps))
		return false;
	part->kind = ps.n == 1 && ps.n_exprs == 1 ? PART_EXPR : PART_TEXT;
	part->node = part->kind == PART_EXPR ? ps.first : join_node(c, &ps);
	return part->node != NULL;
}

static bool compile_value(struct compiler *c, const struct pb_json *v, const struct place *at,
			  struct part *part);

static bool compile_kid(struct compiler *c, const struct pb_json *v, const struct place *at,
			struct part ***tail)
{
	struct part part = {.kind = PART_CONST}, *copy;

	if (!compile_value(c, v, at, &part) && c->no_memory)
		return false;
	if (part.kind == PART_CONST)
		return true;
	copy = pb_arena_alloc(c->arena, sizeof(*copy));
	if (!copy) {
		c->no_memory = true;
		return false;
	}
	*copy = part;
	copy->index = at->index;
	**tail = copy;
	*tail = &copy->next;
	return true;
}

/* A fault does not stop it: the author sees all of them at once. */
static bool compile_value(struct compiler *c, const struct pb_json *v, const struct place *at,
			  struct part *part)
{
	bool object = v->type == PB_JSON_OBJECT;
	struct part **tail = &part->kid;

	part->value = v;
	part->depth = (uint8_t)at->depth;
	if (v->type == PB_JSON_STRING)
		return compile_string(c, v, at, part);
	if (!object && v->type != PB_JSON_ARRAY)
		return true;
	if (at->depth >= PB_JSON_DEPTH) {
		c->failed = true;
		pb_problems_add(c->problems, "expr.too_deep", spell(c, at),
				"byte 0: more than %d levels", PB_JSON_DEPTH);
		return false;
	}
	for (uint32_t i = 0; i < v->len; i++) {
		const struct pb_json *kid = object ? &v->members[i].value : &v->items[i];
		struct place down = {.up = at, .index = i, .depth = at->depth + 1};

		if (object) {
			down.key = v->members[i].key;
			down.key_len = v->members[i].key_len;
		}
		if (!compile_kid(c, kid, &down, &tail))
			return false;
	}
	if (part->kid)
		part->kind = PART_TREE;
	return true;
}

enum pb_status expr_template_compile(struct pb_arena *arena, const struct pb_json *value,
				     const char *pointer_base, struct pb_problems *problems,
				     const struct expr_template **ret)
{
	struct expr_template *t = pb_arena_alloc(arena, sizeof(*t));
	struct compiler c = {.arena = arena,
			     .problems = problems,
			     .base = pointer_base ? pointer_base : "",
			     .refs = t ? &t->refs : NULL};
	struct place top = {.depth = 0};

	if (!t)
		return PB_E_TOO_LARGE;
	if (!compile_value(&c, value, &top, &t->root) && c.no_memory)
		return PB_E_TOO_LARGE;
	if (c.failed)
		return c.no_memory ? PB_E_TOO_LARGE : PB_E_INVALID;
	*ret = t;
	return PB_OK;
}

bool expr_template_is_constant(const struct expr_template *tmpl)
{
	return tmpl->root.kind == PART_CONST;
}

bool expr_template_is_expression(const struct expr_template *tmpl, const char *key)
{
	const struct pb_json *v = tmpl->root.value;

	for (const struct part *kid = tmpl->root.kid; kid; kid = kid->next) {
		if (v->type == PB_JSON_OBJECT && pb_str_eq(v->members[kid->index].key, key))
			return kid->kind == PART_EXPR;
	}
	return false;
}

void expr_template_each_ref(const struct expr_template *tmpl, expr_ref_fn *fn, void *arg)
{
	for (const struct expr_ref_node *r = tmpl->refs.first; r; r = r->next) {
		if (!fn(&r->ref, arg))
			return;
	}
}

/* --- evaluating --- */

/* The result counts as a whole: what one expression gives is taken from the budget of all. */
static bool take_output(struct expr_ev *ev, const struct pb_json *v, uint32_t depth)
{
	size_t bytes = 0;

	if (!expr_measure(ev, v, depth, ev->budget->output_left, &bytes))
		return false;
	ev->budget->output_left -= (uint32_t)bytes;
	return expr_charge_bytes(ev, bytes);
}

static bool eval_part(struct expr_ev *ev, const struct part *part, struct pb_json *ret);

static bool eval_tree(struct expr_ev *ev, const struct part *part, struct pb_json *ret)
{
	const struct pb_json *v = part->value;
	struct pb_json_member *members = NULL;
	struct pb_json *items = NULL;

	if (v->type == PB_JSON_OBJECT) {
		members = expr_alloc_members(ev, v->len);
		if (!members)
			return false;
		memcpy(members, v->members, v->len * sizeof(*members));
		*ret = expr_object_json(members, v->len);
	} else {
		items = expr_alloc_items(ev, v->len);
		if (!items)
			return false;
		memcpy(items, v->items, v->len * sizeof(*items));
		*ret = expr_array_json(items, v->len);
	}
	for (const struct part *kid = part->kid; kid; kid = kid->next) {
		if (!eval_part(ev, kid, members ? &members[kid->index].value : &items[kid->index]))
			return false;
	}
	return true;
}

static bool eval_part(struct expr_ev *ev, const struct part *part, struct pb_json *ret)
{
	if (part->kind == PART_TREE)
		return eval_tree(ev, part, ret);
	ev->pointer = part->pointer;
	ev->place_hash = part->place_hash;
	return expr_eval_node(ev, part->node, ret) && take_output(ev, ret, part->depth);
}

static void ev_init(struct expr_ev *ev, const struct expr_scope *scope, struct pb_arena *out,
		    struct expr_budget *budget, struct expr_error *err)
{
	ev->scope = scope;
	ev->out = out;
	ev->budget = budget;
	ev->err = err;
	ev->pointer = "";
	ev->place_hash = 0;
	ev->n_random = 0;
	ev->sp = 0;
	ev->regex = NULL;
}

static enum pb_status finish(struct expr_ev *ev, bool ok, const struct pb_json *v,
			     const struct pb_json **ret)
{
	struct pb_json *copy = ok ? expr_alloc(ev, sizeof(*copy)) : NULL;

	expr_regex_free(ev->regex);
	if (!copy)
		return PB_E_UNPROCESSABLE;
	*copy = *v;
	*ret = copy;
	return PB_OK;
}

enum pb_status expr_template_eval(const struct expr_template *tmpl, const struct expr_scope *scope,
				  struct pb_arena *out, struct expr_budget *budget,
				  const struct pb_json **ret, struct expr_error *err)
{
	struct expr_ev ev;
	struct pb_json v;
	bool ok;

	if (tmpl->root.kind == PART_CONST) {
		*ret = tmpl->root.value;
		return PB_OK;
	}
	ev_init(&ev, scope, out, budget, err);
	ok = eval_part(&ev, &tmpl->root, &v);
	return finish(&ev, ok, &v, ret);
}

enum pb_status expr_program_compile(struct pb_arena *arena, const char *text, size_t n,
				    const struct expr_program **ret, struct expr_error *err)
{
	struct expr_program *prog = pb_arena_alloc(arena, sizeof(*prog));
	char *copy = n <= EXPR_MAX_SOURCE_BYTES ? pb_arena_memdup(arena, text, n) : NULL;
	struct expr_refs refs = {NULL, NULL};
	struct expr_node *node = NULL;
	struct expr_fault fault = {0};
	size_t end;

	err->pointer = "";
	err->position = 0;
	if (n > EXPR_MAX_SOURCE_BYTES)
		return pb_err_set(&err->err, PB_E_INVALID, "expr.too_long",
				  "an expression is longer than %d bytes", EXPR_MAX_SOURCE_BYTES);
	if (!prog || !copy)
		return pb_err_set(&err->err, PB_E_TOO_LARGE, "expr.too_long",
				  "the expression does not fit into memory");
	if (!pb_utf8_valid(copy, n))
		return pb_err_set(&err->err, PB_E_INVALID, "expr.syntax", "not valid UTF-8");
	if (!expr_parse(arena, copy, n, 0, false, "", &refs, &node, &end, &fault)) {
		err->position = fault.pos;
		return pb_err_set(&err->err, fault.no_memory ? PB_E_TOO_LARGE : PB_E_INVALID,
				  fault.code, "byte %u: %s", fault.pos, fault.msg);
	}
	prog->node = node;
	*ret = prog;
	return PB_OK;
}

enum pb_status expr_program_eval(const struct expr_program *prog, const struct expr_scope *scope,
				 struct pb_arena *out, struct expr_budget *budget,
				 const struct pb_json **ret, struct expr_error *err)
{
	struct expr_ev ev;
	struct pb_json v;
	bool ok;

	ev_init(&ev, scope, out, budget, err);
	ok = expr_eval_node(&ev, prog->node, &v) && take_output(&ev, &v, 0);
	return finish(&ev, ok, &v, ret);
}
