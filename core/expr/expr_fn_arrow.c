/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that take an arrow: map, filter, reduce, sort_by, ... The arrow gets the item and its index (reduce: what
 * there is so far and the item). Sorting is a stable merge sort that stays safe even when an order is inconsistent.
 */
#include "expr/expr_fn.h"

#include "base/base.h"

/* What the arrow gives for item @i, or the item itself without an arrow. */
static bool item_value(struct expr_call *c, const struct pb_json *a, uint32_t i,
		       struct pb_json *ret)
{
	const struct pb_json index = expr_int(i);

	*ret = a->items[i];
	return !c->arrow || expr_eval_arrow(c, &a->items[i], &index, ret);
}

static bool fn_map(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *a;
	struct pb_json *items;

	if (!expr_arg_array(c, 0, &a))
		return false;
	items = expr_alloc_items(c->ev, a->len);
	for (uint32_t i = 0; items && i < a->len; i++) {
		if (!item_value(c, a, i, &items[i]))
			return false;
	}
	if (!items)
		return false;
	*ret = expr_array_json(items, a->len);
	return true;
}

static bool fn_filter(struct expr_call *c, struct pb_json *ret)
{
	struct expr_list l = {.ev = c->ev};
	const struct pb_json *a;
	struct pb_json v;
	bool is;

	if (!expr_arg_array(c, 0, &a))
		return false;
	for (uint32_t i = 0; i < a->len; i++) {
		if (!item_value(c, a, i, &v) || !expr_truth(c->ev, &v, &is))
			return false;
		if (is && !expr_list_add(&l, &a->items[i]))
			return false;
	}
	*ret = expr_list_json(&l);
	return true;
}

/* The index of the first item whose truth is @wanted; the length when there is none. */
static bool first_such(struct expr_call *c, bool wanted, const struct pb_json **ret_a,
		       uint32_t *ret_i)
{
	struct pb_json v;
	bool is;

	if (!expr_arg_array(c, 0, ret_a))
		return false;
	for (*ret_i = 0; *ret_i < (*ret_a)->len; ++*ret_i) {
		if (!item_value(c, *ret_a, *ret_i, &v) || !expr_truth(c->ev, &v, &is))
			return false;
		if (is == wanted)
			break;
	}
	return true;
}

static bool fn_find(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *a;
	uint32_t i;

	if (!first_such(c, true, &a, &i))
		return false;
	*ret = i < a->len ? a->items[i] : expr_null();
	return true;
}

static bool fn_find_index(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *a;
	uint32_t i;

	if (!first_such(c, true, &a, &i))
		return false;
	*ret = expr_int(i < a->len ? (int64_t)i : -1);
	return true;
}

static bool fn_some(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *a;
	uint32_t i;

	if (!first_such(c, true, &a, &i))
		return false;
	*ret = expr_bool(i < a->len);
	return true;
}

static bool fn_every(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *a;
	uint32_t i;

	if (!first_such(c, false, &a, &i))
		return false;
	*ret = expr_bool(i == a->len);
	return true;
}

static bool fn_count(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *a;
	struct pb_json v;
	int64_t n = 0;
	bool is;

	if (!expr_arg_array(c, 0, &a))
		return false;
	for (uint32_t i = 0; i < a->len; i++) {
		if (!item_value(c, a, i, &v) || !expr_truth(c->ev, &v, &is))
			return false;
		n += is;
	}
	*ret = expr_int(n);
	return true;
}

static bool fn_reduce(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *a;
	uint32_t i = 0;

	if (!expr_arg_array(c, 0, &a))
		return false;
	if (c->argc > 2)
		*ret = c->arg[2];
	else if (a->len)
		*ret = a->items[i++];
	else
		*ret = expr_null();
	for (; i < a->len; i++) {
		const struct pb_json so_far = *ret;

		if (!expr_eval_arrow(c, &so_far, &a->items[i], ret))
			return false;
	}
	return true;
}

/* --- numbers of many items --- */

static bool sum_items(struct expr_call *c, const struct pb_json *a, struct pb_json *ret)
{
	struct pb_json v;

	*ret = expr_int(0);
	for (uint32_t i = 0; i < a->len; i++) {
		if (!item_value(c, a, i, &v) ||
		    !expr_arith(c->ev, c->node->pos, EXPR_OP_ADD, ret, &v, ret))
			return false;
	}
	return true;
}

static bool fn_sum(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *a;

	return expr_arg_array(c, 0, &a) && sum_items(c, a, ret);
}

static bool fn_average(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *a;
	struct pb_json n;

	if (!expr_arg_array(c, 0, &a) || !sum_items(c, a, ret))
		return false;
	n = expr_int(a->len);
	if (!a->len) {
		*ret = expr_null();
		return true;
	}
	return expr_arith(c->ev, c->node->pos, EXPR_OP_DIV, ret, &n, ret);
}

/* Takes an array (with an arrow the value of each item counts), or the arguments themselves. */
static bool extreme(struct expr_call *c, int wanted, struct pb_json *ret)
{
	struct pb_json args = expr_array_json(c->arg, c->argc), v;
	const struct pb_json *a = &args;
	int order = 0;

	if (c->argc == 1 || c->arrow) {
		if (!expr_arg_array(c, 0, &a))
			return false;
	}
	*ret = expr_null();
	for (uint32_t i = 0; i < a->len; i++) {
		if (!item_value(c, a, i, &v))
			return false;
		if (!expr_is_number(&v) && v.type != PB_JSON_STRING)
			return expr_fail_call(c, "expr.type", "%s has no order",
					      pb_json_type_name(&v));
		if (i && !expr_compare(c->ev, c->node->pos, &v, ret, &order))
			return false;
		if (!i || order == wanted)
			*ret = v;
	}
	return true;
}

static bool fn_min(struct expr_call *c, struct pb_json *ret)
{
	return extreme(c, -1, ret);
}

static bool fn_max(struct expr_call *c, struct pb_json *ret)
{
	return extreme(c, 1, ret);
}

/* --- sorting --- */

struct pair {
	struct pb_json key;
	struct pb_json item;
};

/* null is the largest, as in most databases. */
static bool key_order(struct expr_call *c, const struct pb_json *a, const struct pb_json *b,
		      int *ret)
{
	if (a->type == PB_JSON_NULL || b->type == PB_JSON_NULL) {
		*ret = (a->type == PB_JSON_NULL) - (b->type == PB_JSON_NULL);
		return true;
	}
	if (a->type == PB_JSON_BOOL && b->type == PB_JSON_BOOL) {
		*ret = a->b - b->b;
		return true;
	}
	return expr_compare(c->ev, c->node->pos, a, b, ret);
}

static bool merge(struct expr_call *c, const struct pair *from, struct pair *to, size_t lo,
		  size_t mid, size_t hi)
{
	size_t l = lo, r = mid;
	int order = 0;

	for (size_t o = lo; o < hi; o++) {
		if (l < mid && r < hi) {
			if (!expr_charge(c->ev, 1) ||
			    !key_order(c, &from[l].key, &from[r].key, &order))
				return false;
		} else {
			order = l < mid ? -1 : 1;
		}
		to[o] = order <= 0 ? from[l++] : from[r++];
	}
	return true;
}

static bool merge_sort(struct expr_call *c, struct pair **p, struct pair *tmp, size_t n)
{
	for (size_t width = 1; width < n; width *= 2) {
		struct pair *from = *p;

		for (size_t lo = 0; lo < n; lo += 2 * width) {
			if (!merge(c, from, tmp, lo, PB_MIN(lo + width, n),
				   PB_MIN(lo + 2 * width, n)))
				return false;
		}
		*p = tmp;
		tmp = from;
	}
	return true;
}

static bool arg_descending(struct expr_call *c, uint32_t i, bool *ret)
{
	struct pb_slice s;

	if (!expr_arg_text_or(c, i, "asc", &s))
		return false;
	*ret = pb_slice_eq_str(s, "desc");
	if (!*ret && !pb_slice_eq_str(s, "asc"))
		return expr_fail_call(c, "expr.argument", "the order is \"asc\" or \"desc\"");
	return true;
}

/* Descending keeps equal items in their order too: sort the reversed items, then reverse. */
static bool sort_items(struct expr_call *c, uint32_t order_arg, struct pb_json *ret)
{
	const struct pb_json *a;
	struct pair *p, *tmp;
	struct pb_json *items;
	bool desc;

	if (!expr_arg_array(c, 0, &a) || !arg_descending(c, order_arg, &desc))
		return false;
	p = expr_alloc(c->ev, (a->len + 1) * sizeof(*p));
	tmp = p ? expr_alloc(c->ev, (a->len + 1) * sizeof(*p)) : NULL;
	items = tmp ? expr_alloc_items(c->ev, a->len) : NULL;
	if (!items)
		return false;
	for (uint32_t i = 0; i < a->len; i++) {
		struct pair *slot = &p[desc ? a->len - 1 - i : i];

		slot->item = a->items[i];
		if (!item_value(c, a, i, &slot->key))
			return false;
	}
	if (!merge_sort(c, &p, tmp, a->len))
		return false;
	for (uint32_t i = 0; i < a->len; i++)
		items[i] = p[desc ? a->len - 1 - i : i].item;
	*ret = expr_array_json(items, a->len);
	return true;
}

static bool fn_sort(struct expr_call *c, struct pb_json *ret)
{
	return sort_items(c, 1, ret);
}

static bool fn_sort_by(struct expr_call *c, struct pb_json *ret)
{
	return sort_items(c, 2, ret);
}

/* --- grouping --- */

/* Keys of a result object are text; other keys are turned into it. */
static bool group_key(struct expr_call *c, const struct pb_json *a, uint32_t i, struct pb_json *ret)
{
	struct pb_json key;

	if (!item_value(c, a, i, &key))
		return false;
	if (key.type == PB_JSON_ARRAY || key.type == PB_JSON_OBJECT)
		return expr_fail_call(c, "expr.type", "a key must not be an %s",
				      pb_json_type_name(&key));
	if (key.type != PB_JSON_NULL)
		return expr_to_string(c->ev, &key, ret);
	*ret = expr_text_json("null", 4);
	return true;
}

static bool grow_lists(struct expr_call *c, struct expr_list **lists, uint32_t n)
{
	struct expr_list *more;

	if (n & (n - 1))
		return true;
	more = expr_alloc(c->ev, (n ? 2 * (size_t)n : 1) * sizeof(*more));
	if (!more)
		return false;
	if (n)
		memcpy(more, *lists, n * sizeof(*more));
	*lists = more;
	return true;
}

static bool fn_group_by(struct expr_call *c, struct pb_json *ret)
{
	struct expr_list *lists = NULL;
	struct pb_json_member *m;
	const struct pb_json *a;
	struct expr_set set;
	struct pb_json key;
	uint32_t at;
	bool added;

	if (!expr_arg_array(c, 0, &a) || !expr_set_init(&set, c->ev, a->len))
		return false;
	for (uint32_t i = 0; i < a->len; i++) {
		if (!group_key(c, a, i, &key) || !expr_set_add(&set, &key, &at, &added))
			return false;
		if (added && !grow_lists(c, &lists, at))
			return false;
		if (added)
			lists[at] = (struct expr_list){.ev = c->ev};
		if (!expr_list_add(&lists[at], &a->items[i]))
			return false;
	}
	m = expr_alloc_members(c->ev, set.values.len);
	if (!m)
		return false;
	for (size_t i = 0; i < set.values.len; i++) {
		m[i].key = set.values.p[i].s;
		m[i].key_len = set.values.p[i].len;
		m[i].value = expr_list_json(&lists[i]);
	}
	*ret = expr_object_json(m, set.values.len);
	return true;
}

static bool fn_flat_map(struct expr_call *c, struct pb_json *ret)
{
	struct expr_list l = {.ev = c->ev};
	const struct pb_json *a;
	struct pb_json v;

	if (!expr_arg_array(c, 0, &a))
		return false;
	for (uint32_t i = 0; i < a->len; i++) {
		if (!item_value(c, a, i, &v))
			return false;
		if (v.type != PB_JSON_ARRAY) {
			if (!expr_list_add(&l, &v))
				return false;
			continue;
		}
		for (uint32_t k = 0; k < v.len; k++) {
			if (!expr_charge(c->ev, 1) || !expr_list_add(&l, &v.items[k]))
				return false;
		}
	}
	*ret = expr_list_json(&l);
	return true;
}

static bool fn_unique_by(struct expr_call *c, struct pb_json *ret)
{
	struct expr_list l = {.ev = c->ev};
	const struct pb_json *a;
	struct expr_set set;
	struct pb_json key;
	uint32_t at;
	bool added;

	if (!expr_arg_array(c, 0, &a) || !expr_set_init(&set, c->ev, a->len))
		return false;
	for (uint32_t i = 0; i < a->len; i++) {
		if (!item_value(c, a, i, &key) || !expr_set_add(&set, &key, &at, &added))
			return false;
		if (added && !expr_list_add(&l, &a->items[i]))
			return false;
	}
	*ret = expr_list_json(&l);
	return true;
}

#define ARROW(name, min, max, params, or_value, fn, sig, doc)                                      \
	{                                                                                          \
		name, min, max, 1, params, or_value, fn, sig, doc                                  \
	}

static const struct expr_fn_def defs[] = {
	ARROW("map", 2, 2, 2, false, fn_map, "map(array, x => ...)",
	      "What the arrow gives for each item."),
	ARROW("filter", 2, 2, 2, false, fn_filter, "filter(array, x => ...)",
	      "The items for which the arrow is true."),
	ARROW("find", 2, 2, 2, false, fn_find, "find(array, x => ...)",
	      "The first item for which the arrow is true, or null."),
	ARROW("find_index", 2, 2, 2, false, fn_find_index, "find_index(array, x => ...)",
	      "The index of that item, or -1."),
	ARROW("some", 2, 2, 2, false, fn_some, "some(array, x => ...)",
	      "True when the arrow is true for an item."),
	ARROW("every", 2, 2, 2, false, fn_every, "every(array, x => ...)",
	      "True when the arrow is true for every item."),
	ARROW("count", 1, 2, 2, false, fn_count, "count(array, x => ...?)",
	      "How many items are true, or make the arrow true."),
	ARROW("reduce", 2, 3, 2, false, fn_reduce, "reduce(array, (so_far, x) => ..., start?)",
	      "Folds the items into one value."),
	ARROW("sum", 1, 2, 2, false, fn_sum, "sum(array, x => ...?)",
	      "The sum of the items, or of what the arrow gives; 0 for none."),
	ARROW("average", 1, 2, 2, false, fn_average, "average(array, x => ...?)",
	      "The sum divided by the number of items; null for none."),
	ARROW("min", 1, 16, 2, true, fn_min, "min(array, x => ...?) or min(a, b, ...)",
	      "The smallest of the items, of what the arrow gives, or of the arguments."),
	ARROW("max", 1, 16, 2, true, fn_max, "max(array, x => ...?) or max(a, b, ...)",
	      "The largest of them."),
	EXPR_FN("sort", 1, 2, fn_sort, "sort(array, order?)",
		"Numbers or text in order; \"desc\" turns it round; null counts as largest."),
	ARROW("sort_by", 2, 3, 2, false, fn_sort_by, "sort_by(array, x => ..., order?)",
	      "The items in the order of what the arrow gives."),
	ARROW("group_by", 2, 2, 2, false, fn_group_by, "group_by(array, x => ...)",
	      "An object: for each value of the arrow the array of its items."),
	ARROW("flat_map", 2, 2, 2, false, fn_flat_map, "flat_map(array, x => ...)",
	      "As map, with arrays replaced by their items."),
	ARROW("unique_by", 2, 2, 2, false, fn_unique_by, "unique_by(array, x => ...)",
	      "The first item for each value of the arrow."),
};

const struct expr_fn_group expr_fn_arrow = {"array with an arrow", defs, PB_ARRAY_LEN(defs)};
