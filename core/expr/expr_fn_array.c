/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions on arrays without arrows, and those that take text as well (length, contains, slice, ...). Nothing changes
 * its argument: every function gives a new array that shares the items.
 */
#include "expr/expr_fn.h"

#include "base/base.h"

#define RANGE_MAX 100000
#define SLICE_MAX (INT64_C(1) << 40)

static bool ret_items(struct expr_call *c, const struct pb_json *items, size_t n,
		      struct pb_json *ret)
{
	*ret = expr_array_json(items, n);
	return expr_charge(c->ev, n / 16);
}

static bool fn_length(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *v = &c->arg[0];

	if (v->type == PB_JSON_STRING) {
		*ret = expr_int((int64_t)expr_utf8_count(v->s, v->len));
		return expr_charge_bytes(c->ev, v->len);
	}
	if (v->type != PB_JSON_ARRAY && v->type != PB_JSON_OBJECT)
		return expr_fail_arg(c, 0, "text, an array or an object");
	*ret = expr_int(v->len);
	return true;
}

static bool fn_is_empty(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *v = &c->arg[0];
	bool sized =
		v->type == PB_JSON_STRING || v->type == PB_JSON_ARRAY || v->type == PB_JSON_OBJECT;

	*ret = expr_bool(v->type == PB_JSON_NULL || (sized && !v->len));
	return true;
}

static bool end_items(struct expr_call *c, bool last, struct pb_json *ret)
{
	const struct pb_json *a = &c->arg[0];
	int64_t n;

	if (a->type != PB_JSON_ARRAY)
		return expr_fail_arg(c, 0, "an array");
	if (c->argc < 2) {
		*ret = a->len ? a->items[last ? a->len - 1 : 0] : expr_null();
		return true;
	}
	if (!expr_arg_int(c, 1, 0, UINT32_MAX, &n))
		return false;
	n = PB_MIN(n, (int64_t)a->len);
	*ret = expr_array_json(last ? a->items + a->len - n : a->items, (size_t)n);
	return true;
}

static bool fn_first(struct expr_call *c, struct pb_json *ret)
{
	return end_items(c, false, ret);
}

static bool fn_last(struct expr_call *c, struct pb_json *ret)
{
	return end_items(c, true, ret);
}

/* The place of the second argument in the first, -1 when it is not there. */
static bool place_of(struct expr_call *c, int64_t *ret)
{
	const struct pb_json *v = &c->arg[0], *a;
	struct pb_slice s, what;
	const char *hit;
	bool same = false;

	*ret = -1;
	if (v->type == PB_JSON_STRING) {
		if (!expr_arg_text(c, 0, &s) || !expr_arg_text(c, 1, &what))
			return false;
		hit = memmem(s.p, s.len, what.p, what.len);
		if (hit)
			*ret = (int64_t)expr_utf8_count(s.p, (size_t)(hit - s.p));
		return true;
	}
	if (v->type != PB_JSON_ARRAY)
		return expr_fail_arg(c, 0, "text or an array");
	a = v;
	for (uint32_t i = 0; i < a->len && !same; i++) {
		if (!expr_equal(c->ev, &a->items[i], &c->arg[1], &same))
			return false;
		if (same)
			*ret = i;
	}
	return true;
}

static bool fn_contains(struct expr_call *c, struct pb_json *ret)
{
	int64_t at;

	if (!place_of(c, &at))
		return false;
	*ret = expr_bool(at >= 0);
	return true;
}

static bool fn_index_of(struct expr_call *c, struct pb_json *ret)
{
	int64_t at;

	if (!place_of(c, &at))
		return false;
	*ret = expr_int(at);
	return true;
}

static int64_t from_end(int64_t i, int64_t len)
{
	if (i < 0)
		i += len;
	return i < 0 ? 0 : PB_MIN(i, len);
}

static bool fn_slice(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *v = &c->arg[0];
	int64_t len, start, end;
	size_t a, b;

	if (v->type != PB_JSON_STRING && v->type != PB_JSON_ARRAY)
		return expr_fail_arg(c, 0, "text or an array");
	if (!expr_charge_bytes(c->ev, v->type == PB_JSON_STRING ? v->len : 0))
		return false;
	len = v->type == PB_JSON_ARRAY ? v->len : (int64_t)expr_utf8_count(v->s, v->len);
	if (!expr_arg_int(c, 1, -SLICE_MAX, SLICE_MAX, &start) ||
	    !expr_arg_int_or(c, 2, -SLICE_MAX, SLICE_MAX, len, &end))
		return false;
	start = from_end(start, len);
	end = PB_MAX(from_end(end, len), start);
	if (v->type == PB_JSON_ARRAY)
		return ret_items(c, v->items + start, (size_t)(end - start), ret);
	a = expr_utf8_offset(v->s, v->len, (size_t)start);
	b = a + expr_utf8_offset(v->s + a, v->len - a, (size_t)(end - start));
	return expr_ret_text(c->ev, v->s + a, b - a, ret);
}

static bool reverse_text(struct expr_call *c, struct pb_json *ret)
{
	struct pb_slice s;
	char *p;
	size_t o, n;
	uint32_t cp;

	if (!expr_arg_text(c, 0, &s))
		return false;
	p = expr_alloc(c->ev, s.len + 1);
	if (!p)
		return false;
	o = s.len;
	for (size_t i = 0; i < s.len; i += n) {
		n = pb_utf8_decode(s.p + i, s.len - i, &cp);
		o -= n;
		memcpy(p + o, s.p + i, n);
	}
	*ret = expr_text_json(p, s.len);
	return true;
}

static bool fn_reverse(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *a;
	struct pb_json *items;

	if (c->arg[0].type == PB_JSON_STRING)
		return reverse_text(c, ret);
	if (!expr_arg_array(c, 0, &a))
		return false;
	items = expr_alloc_items(c->ev, a->len);
	if (!items)
		return false;
	for (uint32_t i = 0; i < a->len; i++)
		items[i] = a->items[a->len - 1 - i];
	*ret = expr_array_json(items, a->len);
	return true;
}

/* Arrays are put behind each other when the first is one; anything else becomes text. */
static bool fn_concat(struct expr_call *c, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct expr_list l = {.ev = c->ev};
	const struct pb_json *a;

	if (c->arg[0].type != PB_JSON_ARRAY) {
		for (uint32_t i = 0; i < c->argc; i++) {
			if (!expr_text_add_value(&t, &c->arg[i]))
				return false;
		}
		return expr_text_done(&t, ret);
	}
	for (uint32_t i = 0; i < c->argc; i++) {
		if (!expr_arg_array(c, i, &a))
			return false;
		for (uint32_t k = 0; k < a->len; k++) {
			if (!expr_list_add(&l, &a->items[k]))
				return false;
		}
	}
	*ret = expr_list_json(&l);
	return true;
}

static bool fn_unique(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *a;
	struct expr_set set;
	uint32_t at;
	bool added;

	if (!expr_arg_array(c, 0, &a) || !expr_set_init(&set, c->ev, a->len))
		return false;
	for (uint32_t i = 0; i < a->len; i++) {
		if (!expr_set_add(&set, &a->items[i], &at, &added))
			return false;
	}
	*ret = expr_list_json(&set.values);
	return true;
}

static bool flatten(struct expr_list *l, const struct pb_json *a, int64_t depth)
{
	for (uint32_t i = 0; i < a->len; i++) {
		const struct pb_json *v = &a->items[i];

		if (!expr_charge(l->ev, 1))
			return false;
		if (v->type == PB_JSON_ARRAY && depth > 0) {
			if (!flatten(l, v, depth - 1))
				return false;
		} else if (!expr_list_add(l, v)) {
			return false;
		}
	}
	return true;
}

static bool fn_flatten(struct expr_call *c, struct pb_json *ret)
{
	struct expr_list l = {.ev = c->ev};
	const struct pb_json *a;
	int64_t depth;

	if (!expr_arg_array(c, 0, &a) || !expr_arg_int_or(c, 1, 1, 16, 1, &depth) ||
	    !flatten(&l, a, depth))
		return false;
	*ret = expr_list_json(&l);
	return true;
}

static bool fn_compact(struct expr_call *c, struct pb_json *ret)
{
	struct expr_list l = {.ev = c->ev};
	const struct pb_json *a;

	if (!expr_arg_array(c, 0, &a))
		return false;
	for (uint32_t i = 0; i < a->len; i++) {
		if (a->items[i].type != PB_JSON_NULL && !expr_list_add(&l, &a->items[i]))
			return false;
	}
	*ret = expr_list_json(&l);
	return true;
}

/* range(n) counts from 0 below n, range(a, b) from a below b. */
static bool fn_range(struct expr_call *c, struct pb_json *ret)
{
	int64_t from = 0, to, step, n;
	struct pb_json *items;
	const int64_t max = INT64_C(1) << 53;

	if (c->argc > 1 && !expr_arg_int(c, 0, -max, max, &from))
		return false;
	if (!expr_arg_int(c, c->argc > 1, -max, max, &to) ||
	    !expr_arg_int_or(c, 2, -max, max, 1, &step))
		return false;
	if (!step)
		return expr_fail_call(c, "expr.argument", "the step must not be 0");
	n = step > 0 ? (to - from + step - 1) / step : (from - to - step - 1) / -step;
	n = PB_MAX(n, 0);
	if (n > RANGE_MAX || !expr_charge(c->ev, (size_t)n))
		return expr_fail_steps(c->ev);
	items = expr_alloc_items(c->ev, (size_t)n);
	if (!items)
		return false;
	for (int64_t i = 0; i < n; i++)
		items[i] = expr_int(from + i * step);
	*ret = expr_array_json(items, (size_t)n);
	return true;
}

/* As long as the longest; null where one is shorter. */
static bool fn_zip(struct expr_call *c, struct pb_json *ret)
{
	struct pb_json *rows, *row;
	const struct pb_json *a;
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->argc; i++) {
		if (!expr_arg_array(c, i, &a))
			return false;
		n = PB_MAX(n, a->len);
	}
	rows = expr_alloc_items(c->ev, n);
	if (!rows)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		row = expr_alloc_items(c->ev, c->argc);
		if (!row || !expr_charge(c->ev, c->argc))
			return false;
		for (uint32_t k = 0; k < c->argc; k++)
			row[k] = i < c->arg[k].len ? c->arg[k].items[i] : expr_null();
		rows[i] = expr_array_json(row, c->argc);
	}
	*ret = expr_array_json(rows, n);
	return true;
}

static bool fn_chunk(struct expr_call *c, struct pb_json *ret)
{
	struct expr_list l = {.ev = c->ev};
	const struct pb_json *a;
	struct pb_json part;
	int64_t size;

	if (!expr_arg_array(c, 0, &a) || !expr_arg_int(c, 1, 1, UINT32_MAX, &size))
		return false;
	for (uint64_t i = 0; i < a->len; i += (uint64_t)size) {
		part = expr_array_json(a->items + i, PB_MIN(a->len - i, (uint64_t)size));
		if (!expr_list_add(&l, &part))
			return false;
	}
	*ret = expr_list_json(&l);
	return true;
}

static bool fn_is_array(struct expr_call *c, struct pb_json *ret)
{
	*ret = expr_bool(c->arg[0].type == PB_JSON_ARRAY);
	return true;
}

static const struct expr_fn_def defs[] = {
	EXPR_FN("length", 1, 1, fn_length, "length(value)",
		"Characters of a text, items of an array, fields of an object."),
	EXPR_FN("is_empty", 1, 1, fn_is_empty, "is_empty(value)",
		"True for null, \"\", [] and {}."),
	EXPR_FN("first", 1, 2, fn_first, "first(array, n?)", "The first item, or the first n."),
	EXPR_FN("last", 1, 2, fn_last, "last(array, n?)", "The last item, or the last n."),
	EXPR_FN("contains", 2, 2, fn_contains, "contains(value, part)",
		"True when the text holds the part, or the array an equal item."),
	EXPR_FN("includes", 2, 2, fn_contains, "includes(value, part)",
		"Another name of contains."),
	EXPR_FN("index_of", 2, 2, fn_index_of, "index_of(value, part)",
		"Where the part or item stands, from 0; -1 when it does not."),
	EXPR_FN("slice", 2, 3, fn_slice, "slice(value, start, end?)",
		"Characters or items from start up to before end; negative counts from the end."),
	EXPR_FN("reverse", 1, 1, fn_reverse, "reverse(value)", "Text or array backwards."),
	EXPR_FN("concat", 1, 16, fn_concat, "concat(a, ...)",
		"Arrays behind each other, or all values as one text."),
	EXPR_FN("unique", 1, 1, fn_unique, "unique(array)",
		"Without equal items; the first stays."),
	EXPR_FN("flatten", 1, 2, fn_flatten, "flatten(array, depth?)",
		"Arrays inside are replaced by their items, 1 level deep unless told."),
	EXPR_FN("compact", 1, 1, fn_compact, "compact(array)", "Without null."),
	EXPR_FN("range", 1, 3, fn_range, "range(from?, to, step?)",
		"Integers from `from` (0) up to before `to`."),
	EXPR_FN("zip", 1, 16, fn_zip, "zip(array, ...)",
		"An array of rows: the first items, the second items, ..."),
	EXPR_FN("chunk", 2, 2, fn_chunk, "chunk(array, size)", "Arrays of at most size items."),
	EXPR_FN("is_array", 1, 1, fn_is_array, "is_array(value)", "True for an array."),
};

const struct expr_fn_group expr_fn_array = {"array", defs, PB_ARRAY_LEN(defs)};
