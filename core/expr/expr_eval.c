/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks the tree of an expression. Recursion is bounded by the height that the parser allowed,
 * every node costs one step, and the frames are kept small: arguments live on a stack inside struct
 * expr_ev, not on the C stack.
 */
#include "expr/expr_fn.h"

#include "base/parse.h"
#include "base/base.h"

bool expr_truthy(const struct pb_json *j)
{
	if (!j)
		return false;
	switch ((enum pb_json_type)j->type) {
	case PB_JSON_NULL:
		return false;
	case PB_JSON_BOOL:
		return j->b;
	case PB_JSON_INT:
		return j->i != 0;
	case PB_JSON_REAL:
		return j->d != 0;
	case PB_JSON_NUMBER: /* 0.00 is zero, 1e-999 is not */
		for (uint32_t i = 0; i < j->len && j->s[i] != 'e' && j->s[i] != 'E'; i++) {
			if (j->s[i] >= '1' && j->s[i] <= '9')
				return true;
		}
		return false;
	case PB_JSON_STRING:
		return j->len > 0;
	default:
		return true;
	}
}

bool expr_truth(struct expr_ev *ev, const struct pb_json *v, bool *ret)
{
	if (v->type == PB_JSON_NUMBER && !expr_charge_digits(ev, v))
		return false;
	*ret = expr_truthy(v);
	return true;
}

/* --- paths --- */

static const struct pb_json *find_key(const struct pb_json *v, const char *key, uint32_t len)
{
	if (!v || v->type != PB_JSON_OBJECT)
		return NULL;
	for (uint32_t i = 0; i < v->len; i++) {
		const struct pb_json_member *m = &v->members[i];

		if (m->key_len == len && !memcmp(m->key, key, len))
			return &m->value;
	}
	return NULL;
}

static const struct pb_json *find_index(const struct pb_json *v, int64_t index)
{
	if (!v || v->type != PB_JSON_ARRAY)
		return NULL;
	if (index < 0)
		index += v->len;
	return index >= 0 && index < v->len ? &v->items[index] : NULL;
}

static bool charge_members(struct expr_ev *ev, const struct pb_json *v)
{
	return expr_charge(ev, v && v->type == PB_JSON_OBJECT ? v->len / 16 : 0);
}

/* `.length` of text and arrays; anything else has no such field. */
static bool length_of(struct expr_ev *ev, const struct pb_json *v, struct pb_json *ret)
{
	if (v->type == PB_JSON_ARRAY) {
		*ret = expr_int(v->len);
	} else if (v->type == PB_JSON_STRING) {
		*ret = expr_int((int64_t)expr_utf8_count(v->s, v->len));
		return expr_charge_bytes(ev, v->len);
	} else {
		*ret = expr_null();
	}
	return true;
}

/* A computed index: text is a key, an integer an index, null finds nothing. */
static bool computed(struct expr_ev *ev, const struct expr_seg *seg, const struct pb_json *v,
		     const struct pb_json **ret)
{
	struct pb_json index;
	int64_t i;

	if (!expr_eval_node(ev, seg->node, &index) ||
	    (index.type == PB_JSON_NUMBER && !expr_charge_digits(ev, &index)))
		return false;
	*ret = NULL;
	if (index.type == PB_JSON_STRING)
		*ret = find_key(v, index.s, index.len);
	else if (expr_is_number(&index))
		*ret = pb_json_i64(&index, &i) ? find_index(v, i) : NULL;
	else if (index.type != PB_JSON_NULL)
		return expr_fail(ev, seg->pos, "expr.type",
				 "an index must be an integer or text, not %s",
				 pb_json_type_name(&index));
	return true;
}

static bool walk(struct expr_ev *ev, const struct expr_seg *seg, const struct pb_json *v,
		 struct pb_json *ret)
{
	for (; seg; seg = seg->next) {
		if (!charge_members(ev, v))
			return false;
		if (seg->node) {
			if (!computed(ev, seg, v, &v))
				return false;
		} else if (!seg->key) {
			v = find_index(v, seg->index);
		} else if (v && v->type != PB_JSON_OBJECT && !seg->next && seg->key_len == 6 &&
			   !memcmp(seg->key, "length", 6)) {
			return length_of(ev, v, ret);
		} else {
			v = find_key(v, seg->key, seg->key_len);
		}
	}
	*ret = v ? *v : expr_null();
	return true;
}

static const struct pb_json *body_of(const struct expr_scope *s, const struct expr_seg *seg)
{
	const struct pb_json *v = find_key(find_key(s->trigger, "body", 4), seg->key, seg->key_len);

	return v ? v : find_key(find_key(s->trigger, "event", 5), seg->key, seg->key_len);
}

static bool eval_now(struct expr_ev *ev, struct pb_json *ret)
{
	char buf[PB_RFC3339_BYTES];

	pb_format_rfc3339(ev->scope->now_us, buf);
	return expr_ret_text(ev, buf, strlen(buf), ret);
}

static const struct pb_json *named_root(const struct expr_scope *s, const struct expr_node *node)
{
	const struct expr_seg *seg = node->path.seg;

	switch ((enum expr_root)node->path.root) {
	case EXPR_R_TRIGGER:
		return s->trigger;
	case EXPR_R_STEP:
		return s->step ? s->step(s->arg, seg->key, seg->key_len) : NULL;
	case EXPR_R_ERROR:
		return s->error ? s->error(s->arg, seg->key, seg->key_len) : NULL;
	case EXPR_R_ITEM:
		return s->item;
	case EXPR_R_INDEX:
		return s->index;
	case EXPR_R_LOOP:
		return s->loop;
	case EXPR_R_VARS:
		return s->vars;
	case EXPR_R_EXECUTION:
		return s->execution;
	case EXPR_R_BODY:
		return body_of(s, seg);
	default:
		return NULL;
	}
}

static bool eval_path(struct expr_ev *ev, const struct expr_node *node, struct pb_json *ret)
{
	const struct expr_seg *seg = node->path.seg;
	struct pb_json kid;
	const struct pb_json *v = &kid;

	switch ((enum expr_root)node->path.root) {
	case EXPR_R_KID:
		if (!expr_eval_node(ev, node->kid, &kid))
			return false;
		break;
	case EXPR_R_LOCAL:
		v = &ev->locals[node->path.slot];
		break;
	case EXPR_R_NOW:
		if (!eval_now(ev, &kid))
			return false;
		break;
	case EXPR_R_STEP:
	case EXPR_R_ERROR:
	case EXPR_R_BODY:
		v = named_root(ev->scope, node);
		seg = seg->next;
		break;
	default:
		v = named_root(ev->scope, node);
		break;
	}
	return walk(ev, seg, v, ret);
}

/* --- operators --- */

static bool eval_arith(struct expr_ev *ev, const struct expr_node *node, struct pb_json *ret)
{
	const struct expr_node *kid = node->kid;
	struct pb_json acc, right;

	if (!expr_eval_node(ev, kid, &acc))
		return false;
	while ((kid = kid->next)) {
		if (!expr_eval_node(ev, kid, &right) ||
		    !expr_arith(ev, kid->op_pos, kid->op, &acc, &right, &acc))
			return false;
	}
	*ret = acc;
	return true;
}

static bool compare(struct expr_ev *ev, uint32_t pos, enum expr_op op, const struct pb_json *a,
		    const struct pb_json *b, bool *ret)
{
	int order = 0;

	if (op == EXPR_OP_EQ || op == EXPR_OP_NE) {
		if (!expr_equal(ev, a, b, ret))
			return false;
		*ret = *ret == (op == EXPR_OP_EQ);
		return true;
	}
	if (!expr_compare(ev, pos, a, b, &order))
		return false;
	switch (op) {
	case EXPR_OP_LT:
		*ret = order < 0;
		break;
	case EXPR_OP_LE:
		*ret = order <= 0;
		break;
	case EXPR_OP_GT:
		*ret = order > 0;
		break;
	default:
		*ret = order >= 0;
		break;
	}
	return true;
}

static bool eval_compare(struct expr_ev *ev, const struct expr_node *node, struct pb_json *ret)
{
	const struct expr_node *kid = node->kid;
	struct pb_json acc, right;
	bool yes = false;

	if (!expr_eval_node(ev, kid, &acc))
		return false;
	while ((kid = kid->next)) {
		if (!expr_eval_node(ev, kid, &right) ||
		    !compare(ev, kid->op_pos, kid->op, &acc, &right, &yes))
			return false;
		acc = expr_bool(yes);
	}
	*ret = acc;
	return true;
}

/* && || ??: the first operand that decides. */
static bool eval_choice(struct expr_ev *ev, const struct expr_node *node, struct pb_json *ret)
{
	for (const struct expr_node *kid = node->kid; kid; kid = kid->next) {
		bool decided;

		if (!expr_eval_node(ev, kid, ret))
			return false;
		decided = ret->type != PB_JSON_NULL;
		if (node->kind != EXPR_K_ELSE) {
			if (!expr_truth(ev, ret, &decided))
				return false;
			decided = decided == (node->kind == EXPR_K_OR);
		}
		if (decided)
			break;
	}
	return true;
}

static bool eval_neg(struct expr_ev *ev, const struct expr_node *node, struct pb_json *ret)
{
	const struct pb_json zero = expr_int(0);
	struct pb_json v;

	return expr_eval_node(ev, node->kid, &v) &&
	       expr_arith(ev, node->pos, EXPR_OP_SUB, &zero, &v, ret);
}

static bool eval_not(struct expr_ev *ev, const struct expr_node *node, struct pb_json *ret)
{
	bool is;

	if (!expr_eval_node(ev, node->kid, ret) || !expr_truth(ev, ret, &is))
		return false;
	*ret = expr_bool(!is);
	return true;
}

static bool eval_cond(struct expr_ev *ev, const struct expr_node *node, struct pb_json *ret)
{
	struct pb_json test;
	const struct expr_node *yes = node->kid->next;
	bool is;

	return expr_eval_node(ev, node->kid, &test) && expr_truth(ev, &test, &is) &&
	       expr_eval_node(ev, is ? yes : yes->next, ret);
}

/* --- literals --- */

static bool eval_text(struct expr_ev *ev, const struct expr_node *node, struct pb_json *ret)
{
	struct expr_text t = {.ev = ev};
	struct pb_json v;

	for (const struct expr_node *kid = node->kid; kid; kid = kid->next) {
		if (!expr_eval_node(ev, kid, &v) || !expr_text_add_value(&t, &v))
			return false;
	}
	return expr_text_done(&t, ret);
}

static bool eval_array(struct expr_ev *ev, const struct expr_node *node, struct pb_json *ret)
{
	struct pb_json *items = expr_alloc_items(ev, node->n_kids);
	uint32_t i = 0;

	if (!items)
		return false;
	for (const struct expr_node *kid = node->kid; kid; kid = kid->next) {
		if (!expr_eval_node(ev, kid, &items[i++]))
			return false;
	}
	*ret = expr_array_json(items, i);
	return true;
}

static bool eval_object(struct expr_ev *ev, const struct expr_node *node, struct pb_json *ret)
{
	struct pb_json_member *m = expr_alloc_members(ev, node->n_kids);
	uint32_t i = 0;

	if (!m)
		return false;
	for (const struct expr_node *kid = node->kid; kid; kid = kid->next, i++) {
		m[i].key = node->keys[i].p;
		m[i].key_len = node->keys[i].len;
		if (!expr_eval_node(ev, kid, &m[i].value))
			return false;
	}
	*ret = expr_object_json(m, i);
	return true;
}

/* --- calls --- */

static bool eval_args(struct expr_call *c)
{
	uint32_t i = 0;

	for (const struct expr_node *kid = c->node->kid; kid; kid = kid->next, i++) {
		if (kid->kind == EXPR_K_ARROW) {
			c->arrow = kid;
			c->arg[i] = expr_null();
		} else if (!expr_eval_node(c->ev, kid, &c->arg[i])) {
			return false;
		}
		/* value?.fn(): nothing else is evaluated */
		if (!i && c->node->call.safe && c->arg[0].type == PB_JSON_NULL)
			return true;
	}
	return true;
}

static bool eval_call(struct expr_ev *ev, const struct expr_node *node, struct pb_json *ret)
{
	struct expr_call c = {.ev = ev, .node = node, .def = node->call.fn, .argc = node->n_kids};
	bool ok;

	if (ev->sp + c.argc > EXPR_STACK)
		return expr_fail(ev, node->pos, "expr.depth", "too many calls in each other");
	c.arg = &ev->stack[ev->sp];
	ev->sp += c.argc;
	ok = eval_args(&c);
	if (ok && node->call.safe && c.arg[0].type == PB_JSON_NULL)
		*ret = expr_null();
	else if (ok)
		ok = c.def->fn(&c, ret);
	ev->sp -= c.argc;
	return ok;
}

bool expr_eval_arrow(struct expr_call *c, const struct pb_json *a, const struct pb_json *b,
		     struct pb_json *ret)
{
	struct pb_json *slot = &c->ev->locals[c->arrow->arrow.slot];

	slot[0] = *a;
	slot[1] = b ? *b : expr_null();
	return expr_eval_node(c->ev, c->arrow->kid, ret);
}

bool expr_eval_node(struct expr_ev *ev, const struct expr_node *node, struct pb_json *ret)
{
	if (!expr_charge(ev, 1))
		return false;
	switch ((enum expr_kind)node->kind) {
	case EXPR_K_CONST:
		*ret = node->value;
		return true;
	case EXPR_K_PATH:
		return eval_path(ev, node, ret);
	case EXPR_K_CALL:
		return eval_call(ev, node, ret);
	case EXPR_K_NOT:
		return eval_not(ev, node, ret);
	case EXPR_K_NEG:
		return eval_neg(ev, node, ret);
	case EXPR_K_ARITH:
		return eval_arith(ev, node, ret);
	case EXPR_K_COMPARE:
		return eval_compare(ev, node, ret);
	case EXPR_K_AND:
	case EXPR_K_OR:
	case EXPR_K_ELSE:
		return eval_choice(ev, node, ret);
	case EXPR_K_COND:
		return eval_cond(ev, node, ret);
	case EXPR_K_TEXT:
		return eval_text(ev, node, ret);
	case EXPR_K_ARRAY:
		return eval_array(ev, node, ret);
	case EXPR_K_OBJECT:
		return eval_object(ev, node, ret);
	case EXPR_K_ARROW:
		break; /* only ever run by expr_eval_arrow() */
	}
	PB_ASSERT(!"an arrow is not a value");
	return false;
}
