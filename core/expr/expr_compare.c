/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers and equality: exact where the language promises it, and charged, because comparing two
 * trees is the one place where a single operator does work that grows with the data.
 */
#include "expr/expr_fn.h"

#include <math.h>

#include "base/base.h"

/* --- numbers --- */

static int sign_of(double d)
{
	return d < 0 ? -1 : d > 0;
}

/* Exact: a double of 2^63 and more has no fraction and is beyond every int64. */
static int int_real_compare(int64_t i, double d)
{
	int64_t whole;

	if (d >= 9223372036854775808.0)
		return -1;
	if (d < -9223372036854775808.0)
		return 1;
	whole = (int64_t)d;
	if (i != whole)
		return i < whole ? -1 : 1;
	return -sign_of(d - (double)whole);
}

/* Numbers with source text: exact by their digits, but as doubles when one of them was computed. */
static int text_compare(const struct pb_json *a, const struct pb_json *b)
{
	double x = 0, y = 0;

	if (a->type != PB_JSON_REAL && b->type != PB_JSON_REAL)
		return pb_json_number_cmp(a, b);
	if (!pb_json_double(a, &x))
		x = a->len && a->s[0] == '-' ? -HUGE_VAL : HUGE_VAL;
	if (!pb_json_double(b, &y))
		y = b->len && b->s[0] == '-' ? -HUGE_VAL : HUGE_VAL;
	return x < y ? -1 : x > y;
}

int expr_number_compare(const struct pb_json *a, const struct pb_json *b)
{
	if (a->type == PB_JSON_INT && b->type == PB_JSON_INT)
		return a->i < b->i ? -1 : a->i > b->i;
	if (a->type == PB_JSON_NUMBER || b->type == PB_JSON_NUMBER)
		return text_compare(a, b);
	if (a->type == PB_JSON_INT)
		return int_real_compare(a->i, b->d);
	if (b->type == PB_JSON_INT)
		return -int_real_compare(b->i, a->d);
	return a->d < b->d ? -1 : a->d > b->d;
}

static bool int_arith(struct expr_ev *ev, uint32_t pos, enum expr_op op, int64_t a, int64_t b,
		      struct pb_json *ret)
{
	int64_t r = 0;
	bool over = false;

	switch (op) {
	case EXPR_OP_ADD:
		over = __builtin_add_overflow(a, b, &r);
		break;
	case EXPR_OP_SUB:
		over = __builtin_sub_overflow(a, b, &r);
		break;
	case EXPR_OP_MUL:
		over = __builtin_mul_overflow(a, b, &r);
		break;
	default: /* / and % */
		if (!b)
			return expr_fail(ev, pos, "expr.division_by_zero", "division by zero");
		over = b == -1 && a == INT64_MIN && op == EXPR_OP_DIV;
		if (b == -1 || over) {
			r = op == EXPR_OP_MOD || over ? 0 : -a;
			break;
		}
		if (op == EXPR_OP_DIV && a % b)
			return expr_ret_double(ev, pos, (double)a / (double)b, ret);
		r = op == EXPR_OP_DIV ? a / b : a % b;
		break;
	}
	if (over)
		return expr_fail(ev, pos, "expr.range",
				 "the result does not fit 64 bits; use the decimal functions");
	*ret = expr_int(r);
	return true;
}

/* 1 integer, 2 double, 0 an error was set. "5.0" counts as an integer, "12345678901234567890" as
 * neither. */
static int operand(struct expr_ev *ev, uint32_t pos, const struct pb_json *v, int64_t *i, double *d)
{
	if (v->type == PB_JSON_INT) {
		*i = v->i;
		*d = (double)v->i;
		return 1;
	}
	if (v->type == PB_JSON_REAL) {
		*d = v->d;
		return 2;
	}
	if (v->type != PB_JSON_NUMBER) {
		(void)expr_fail(ev, pos, "expr.type", "arithmetic needs numbers, not %s",
				pb_json_type_name(v));
		return 0;
	}
	if (!expr_charge_digits(ev, v))
		return 0;
	if (pb_json_i64(v, i)) {
		*d = (double)*i;
		return 1;
	}
	if (!memchr(v->s, '.', v->len) && !memchr(v->s, 'e', v->len) &&
	    !memchr(v->s, 'E', v->len)) {
		(void)expr_fail(ev, pos, "expr.range",
				"an integer of more than 64 bits; use the decimal functions");
		return 0;
	}
	if (!pb_json_double(v, d)) {
		(void)expr_fail(ev, pos, "expr.range", "the number does not fit a double");
		return 0;
	}
	return 2;
}

bool expr_arith(struct expr_ev *ev, uint32_t pos, enum expr_op op, const struct pb_json *a,
		const struct pb_json *b, struct pb_json *ret)
{
	int64_t ia = 0, ib = 0;
	double x = 0, y = 0;
	int ka = operand(ev, pos, a, &ia, &x), kb = ka ? operand(ev, pos, b, &ib, &y) : 0;

	if (!ka || !kb)
		return false;
	if (ka == 1 && kb == 1)
		return int_arith(ev, pos, op, ia, ib, ret);
	switch (op) {
	case EXPR_OP_ADD:
		return expr_ret_double(ev, pos, x + y, ret);
	case EXPR_OP_SUB:
		return expr_ret_double(ev, pos, x - y, ret);
	case EXPR_OP_MUL:
		return expr_ret_double(ev, pos, x * y, ret);
	default:
		break;
	}
	if (y == 0)
		return expr_fail(ev, pos, "expr.division_by_zero", "division by zero");
	return expr_ret_double(ev, pos, op == EXPR_OP_DIV ? x / y : fmod(x, y), ret);
}

/* --- order --- */

static int text_order(const struct pb_json *a, const struct pb_json *b)
{
	/* bytes of UTF-8 sort like code points */
	int r = memcmp(a->s, b->s, PB_MIN(a->len, b->len));

	if (r)
		return r < 0 ? -1 : 1;
	return a->len < b->len ? -1 : a->len > b->len;
}

bool expr_compare(struct expr_ev *ev, uint32_t pos, const struct pb_json *a,
		  const struct pb_json *b, int *ret)
{
	if (expr_is_number(a) && expr_is_number(b)) {
		if (!expr_charge_digits(ev, a) || !expr_charge_digits(ev, b))
			return false;
		*ret = expr_number_compare(a, b);
		return true;
	}
	if (a->type == PB_JSON_STRING && b->type == PB_JSON_STRING) {
		*ret = text_order(a, b);
		return expr_charge_bytes(ev, PB_MIN(a->len, b->len));
	}
	return expr_fail(ev, pos, "expr.type", "%s and %s have no order", pb_json_type_name(a),
			 pb_json_type_name(b));
}

/* --- equality --- */

static bool equal(struct expr_ev *ev, const struct pb_json *a, const struct pb_json *b,
		  uint32_t depth, bool *ret);

static bool equal_arrays(struct expr_ev *ev, const struct pb_json *a, const struct pb_json *b,
			 uint32_t depth, bool *ret)
{
	*ret = a->len == b->len;
	for (uint32_t i = 0; *ret && i < a->len; i++) {
		if (!equal(ev, &a->items[i], &b->items[i], depth + 1, ret))
			return false;
	}
	return true;
}

/* Members mostly stand in the same order, so the search begins at the same place. */
static bool find_member(struct expr_ev *ev, const struct pb_json *o, uint32_t from,
			const struct pb_json_member *m, const struct pb_json **ret)
{
	*ret = NULL;
	for (uint32_t k = 0; k < o->len; k++) {
		const struct pb_json_member *x = &o->members[(from + k) % o->len];

		if (!expr_charge(ev, 1))
			return false;
		if (x->key_len == m->key_len && !memcmp(x->key, m->key, m->key_len)) {
			*ret = &x->value;
			break;
		}
	}
	return true;
}

static bool equal_objects(struct expr_ev *ev, const struct pb_json *a, const struct pb_json *b,
			  uint32_t depth, bool *ret)
{
	*ret = a->len == b->len;
	for (uint32_t i = 0; *ret && i < a->len; i++) {
		const struct pb_json *other;

		if (!find_member(ev, b, i, &a->members[i], &other))
			return false;
		*ret = other != NULL;
		if (other && !equal(ev, &a->members[i].value, other, depth + 1, ret))
			return false;
	}
	return true;
}

static bool equal(struct expr_ev *ev, const struct pb_json *a, const struct pb_json *b,
		  uint32_t depth, bool *ret)
{
	*ret = false;
	if (!expr_charge(ev, 1))
		return false;
	if (expr_is_number(a) && expr_is_number(b)) {
		if (!expr_charge_digits(ev, a) || !expr_charge_digits(ev, b))
			return false;
		*ret = expr_number_compare(a, b) == 0;
		return true;
	}
	if (a->type != b->type)
		return true;
	if (depth > PB_JSON_DEPTH)
		return expr_fail(ev, 0, "expr.depth", "values of more than %d levels",
				 PB_JSON_DEPTH);
	switch ((enum pb_json_type)a->type) {
	case PB_JSON_NULL:
		*ret = true;
		return true;
	case PB_JSON_BOOL:
		*ret = a->b == b->b;
		return true;
	case PB_JSON_STRING:
		*ret = a->len == b->len && !memcmp(a->s, b->s, a->len);
		return expr_charge_bytes(ev, a->len == b->len ? a->len : 0);
	case PB_JSON_ARRAY:
		return equal_arrays(ev, a, b, depth, ret);
	default:
		return equal_objects(ev, a, b, depth, ret);
	}
}

bool expr_equal(struct expr_ev *ev, const struct pb_json *a, const struct pb_json *b, bool *ret)
{
	return equal(ev, a, b, 0, ret);
}

/* --- sets --- */

static uint64_t hash_bytes(const char *p, size_t n, uint64_t h)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)p[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 29;
}

/* Equal values have equal hashes: numbers hash as doubles, objects without regard to order. */
static bool hash_value(struct expr_ev *ev, const struct pb_json *v, uint32_t depth, uint64_t *ret)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325), sub;
	double d = 0;

	if (!expr_charge(ev, 1))
		return false;
	if (depth > PB_JSON_DEPTH)
		return expr_fail(ev, 0, "expr.depth", "values of more than %d levels",
				 PB_JSON_DEPTH);
	if (expr_is_number(v)) {
		if (!expr_charge_digits(ev, v))
			return false;
		if (!pb_json_double(v, &d) || d == 0)
			d = 0;
		*ret = hash_bytes((const char *)&d, sizeof(d), h);
		return true;
	}
	h += v->type;
	switch ((enum pb_json_type)v->type) {
	case PB_JSON_BOOL:
		h += v->b;
		break;
	case PB_JSON_STRING:
		if (!expr_charge_bytes(ev, v->len))
			return false;
		h = hash_bytes(v->s, v->len, h);
		break;
	case PB_JSON_ARRAY:
		for (uint32_t i = 0; i < v->len; i++) {
			if (!hash_value(ev, &v->items[i], depth + 1, &sub))
				return false;
			h = (h ^ sub) * UINT64_C(0x9e3779b97f4a7c15);
		}
		break;
	case PB_JSON_OBJECT:
		for (uint32_t i = 0; i < v->len; i++) {
			if (!hash_value(ev, &v->members[i].value, depth + 1, &sub))
				return false;
			h += hash_bytes(v->members[i].key, v->members[i].key_len, sub);
		}
		break;
	default:
		break;
	}
	*ret = h;
	return true;
}

bool expr_set_init(struct expr_set *s, struct expr_ev *ev, size_t max_values)
{
	uint32_t n = 16;

	while (n / 2 < max_values && n < 1u << 24)
		n *= 2;
	*s = (struct expr_set){.ev = ev, .n_slots = n, .values = {.ev = ev}};
	s->slots = expr_alloc(ev, n * sizeof(*s->slots));
	return s->slots != NULL;
}

bool expr_set_add(struct expr_set *s, const struct pb_json *v, uint32_t *ret_index, bool *ret_new)
{
	uint64_t h;
	uint32_t at;
	bool same = false;

	if (!hash_value(s->ev, v, 0, &h))
		return false;
	for (at = (uint32_t)(h ^ h >> 32) & (s->n_slots - 1); s->slots[at];
	     at = (at + 1) & (s->n_slots - 1)) {
		*ret_index = s->slots[at] - 1;
		if (!expr_equal(s->ev, &s->values.p[*ret_index], v, &same))
			return false;
		if (same)
			break;
	}
	*ret_new = !same;
	if (same)
		return true;
	if (!expr_list_add(&s->values, v))
		return false;
	s->slots[at] = (uint32_t)s->values.len;
	*ret_index = (uint32_t)s->values.len - 1;
	return true;
}
