/* SPDX-License-Identifier: Apache-2.0 */
/* Functions on objects. Order is kept; a key that comes twice keeps its first place and its last value. */
#include "expr/expr_fn.h"

#include "base/base.h"

/* An object built key by key. */
struct builder {
	struct expr_set keys;
	struct expr_list values;
};

static bool builder_init(struct builder *b, struct expr_ev *ev, size_t max_keys)
{
	b->values = (struct expr_list){.ev = ev};
	return expr_set_init(&b->keys, ev, max_keys);
}

static bool builder_set(struct builder *b, const char *key, size_t len, const struct pb_json *v)
{
	struct pb_json k = expr_text_json(key, len);
	uint32_t at;
	bool added;

	if (!expr_set_add(&b->keys, &k, &at, &added))
		return false;
	if (added)
		return expr_list_add(&b->values, v);
	b->values.p[at] = *v;
	return true;
}

static bool builder_done(struct builder *b, struct pb_json *ret)
{
	struct pb_json_member *m = expr_alloc_members(b->keys.ev, b->values.len);

	if (!m)
		return false;
	for (size_t i = 0; i < b->values.len; i++) {
		m[i].key = b->keys.values.p[i].s;
		m[i].key_len = b->keys.values.p[i].len;
		m[i].value = b->values.p[i];
	}
	*ret = expr_object_json(m, b->values.len);
	return true;
}

static bool fn_keys(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *o;
	struct pb_json *items;

	if (!expr_arg_object(c, 0, &o))
		return false;
	items = expr_alloc_items(c->ev, o->len);
	if (!items)
		return false;
	for (uint32_t i = 0; i < o->len; i++)
		items[i] = expr_text_json(o->members[i].key, o->members[i].key_len);
	*ret = expr_array_json(items, o->len);
	return true;
}

static bool fn_values(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *o;
	struct pb_json *items;

	if (!expr_arg_object(c, 0, &o))
		return false;
	items = expr_alloc_items(c->ev, o->len);
	if (!items)
		return false;
	for (uint32_t i = 0; i < o->len; i++)
		items[i] = o->members[i].value;
	*ret = expr_array_json(items, o->len);
	return true;
}

static bool fn_entries(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *o;
	struct pb_json *items;

	if (!expr_arg_object(c, 0, &o))
		return false;
	items = expr_alloc_items(c->ev, o->len);
	if (!items)
		return false;
	for (uint32_t i = 0; i < o->len; i++) {
		struct pb_json_member *m = expr_alloc_members(c->ev, 2);

		if (!m)
			return false;
		m[0] = (struct pb_json_member){
			.key = "key",
			.key_len = 3,
			.value = expr_text_json(o->members[i].key, o->members[i].key_len)};
		m[1] = (struct pb_json_member){
			.key = "value", .key_len = 5, .value = o->members[i].value};
		items[i] = expr_object_json(m, 2);
	}
	*ret = expr_array_json(items, o->len);
	return true;
}

/* Both {key, value} and [key, value] are entries. */
static bool entry(struct expr_call *c, const struct pb_json *e, struct pb_json *key,
		  struct pb_json *value)
{
	const struct pb_json *k = pb_json_get(e, "key"), *v = pb_json_get(e, "value");

	if (e->type == PB_JSON_ARRAY && e->len == 2) {
		k = &e->items[0];
		v = &e->items[1];
	}
	if (!k || (k->type != PB_JSON_STRING && !expr_is_number(k)))
		return expr_fail_call(c, "expr.type", "an entry needs a key that is text");
	*value = v ? *v : expr_null();
	return expr_to_string(c->ev, k, key);
}

static bool fn_from_entries(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *a;
	struct pb_json key, v;
	struct builder b;

	if (!expr_arg_array(c, 0, &a) || !builder_init(&b, c->ev, a->len))
		return false;
	for (uint32_t i = 0; i < a->len; i++) {
		if (!entry(c, &a->items[i], &key, &v) || !builder_set(&b, key.s, key.len, &v))
			return false;
	}
	return builder_done(&b, ret);
}

/* Names are given one by one or as an array. */
static bool is_named(struct expr_call *c, const struct pb_json_member *m, bool *ret)
{
	const struct pb_json key = expr_text_json(m->key, m->key_len);

	*ret = false;
	for (uint32_t i = 1; i < c->argc && !*ret; i++) {
		if (c->arg[i].type != PB_JSON_ARRAY && c->arg[i].type != PB_JSON_STRING)
			return expr_fail_arg(c, i, "text or an array");
		if (!expr_equal(c->ev, &c->arg[i], &key, ret))
			return false;
		for (uint32_t k = 0; c->arg[i].type == PB_JSON_ARRAY && !*ret && k < c->arg[i].len;
		     k++) {
			if (!expr_equal(c->ev, &c->arg[i].items[k], &key, ret))
				return false;
		}
	}
	return true;
}

static bool select_named(struct expr_call *c, bool wanted, struct pb_json *ret)
{
	struct pb_json_member *m;
	const struct pb_json *o;
	uint32_t n = 0;
	bool named;

	if (!expr_arg_object(c, 0, &o))
		return false;
	m = expr_alloc_members(c->ev, o->len);
	if (!m)
		return false;
	for (uint32_t i = 0; i < o->len; i++) {
		if (!is_named(c, &o->members[i], &named))
			return false;
		if (named == wanted)
			m[n++] = o->members[i];
	}
	*ret = expr_object_json(m, n);
	return true;
}

static bool fn_pick(struct expr_call *c, struct pb_json *ret)
{
	return select_named(c, true, ret);
}

static bool fn_omit(struct expr_call *c, struct pb_json *ret)
{
	return select_named(c, false, ret);
}

static bool fn_merge(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *o;
	struct builder b;
	size_t n = 0;

	for (uint32_t i = 0; i < c->argc; i++)
		n += c->arg[i].type == PB_JSON_OBJECT ? c->arg[i].len : 0;
	if (!builder_init(&b, c->ev, n))
		return false;
	for (uint32_t i = 0; i < c->argc; i++) {
		if (c->arg[i].type == PB_JSON_NULL)
			continue;
		if (!expr_arg_object(c, i, &o))
			return false;
		for (uint32_t k = 0; k < o->len; k++) {
			const struct pb_json_member *m = &o->members[k];

			if (!builder_set(&b, m->key, m->key_len, &m->value))
				return false;
		}
	}
	return builder_done(&b, ret);
}

static bool fn_set(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *o;
	struct pb_slice text;
	struct builder b;
	struct pb_json key;

	if (!expr_arg_object(c, 0, &o) || !expr_arg_text(c, 1, &text) ||
	    !expr_to_string(c->ev, &c->arg[1], &key) || !builder_init(&b, c->ev, o->len + 1))
		return false;
	for (uint32_t k = 0; k < o->len; k++) {
		const struct pb_json_member *m = &o->members[k];

		if (!builder_set(&b, m->key, m->key_len, &m->value))
			return false;
	}
	return builder_set(&b, key.s, key.len, &c->arg[2]) && builder_done(&b, ret);
}

/* One part of "a.b.0": a key of an object, an index of an array. */
static const struct pb_json *part_of(const struct pb_json *v, const char *p, size_t n)
{
	int64_t i = 0;
	bool minus = n && *p == '-';

	if (!v || v->type != PB_JSON_ARRAY)
		return pb_json_getn(v, p, n);
	if (!n || n > 10)
		return NULL;
	for (size_t k = minus; k < n; k++) {
		if (p[k] < '0' || p[k] > '9')
			return NULL;
		i = i * 10 + (p[k] - '0');
	}
	i = minus ? (int64_t)v->len - i : i;
	return i >= 0 && i < v->len ? &v->items[i] : NULL;
}

static bool fn_get(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *v = &c->arg[0];
	struct pb_slice path;

	if (!expr_arg_text(c, 1, &path))
		return false;
	while (v && path.len) {
		const char *dot = memchr(path.p, '.', path.len);
		size_t n = dot ? (size_t)(dot - path.p) : path.len;

		if (!expr_charge(c->ev, 1 + (v->type == PB_JSON_OBJECT ? v->len / 16 : 0)))
			return false;
		v = part_of(v, path.p, n);
		n += dot != NULL;
		path = pb_slice(path.p + n, path.len - n);
	}
	if (v && v->type != PB_JSON_NULL)
		*ret = *v;
	else
		*ret = c->argc > 2 ? c->arg[2] : expr_null();
	return true;
}

static bool fn_has(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *o;
	struct pb_slice key;

	if (!expr_arg_object(c, 0, &o) || !expr_arg_text(c, 1, &key))
		return false;
	*ret = expr_bool(pb_json_getn(o, key.p, key.len) != NULL);
	return true;
}

static const struct expr_fn_def defs[] = {
	EXPR_FN("keys", 1, 1, fn_keys, "keys(object)", "The names of the fields."),
	EXPR_FN("values", 1, 1, fn_values, "values(object)", "The values of the fields."),
	EXPR_FN("entries", 1, 1, fn_entries, "entries(object)",
		"An array of {key, value}, one a field."),
	EXPR_FN("from_entries", 1, 1, fn_from_entries, "from_entries(array)",
		"An object from {key, value} or [key, value] items."),
	EXPR_FN("pick", 2, 16, fn_pick, "pick(object, name, ...)",
		"Only these fields; names one by one or as an array."),
	EXPR_FN("omit", 2, 16, fn_omit, "omit(object, name, ...)", "All fields but these."),
	EXPR_FN("merge", 1, 16, fn_merge, "merge(object, ...)",
		"All fields of all objects; later ones win; null is skipped."),
	EXPR_FN("set", 3, 3, fn_set, "set(object, name, value)",
		"A new object with that field set."),
	EXPR_FN("get", 2, 3, fn_get, "get(value, path, fallback?)",
		"What stands at \"a.b.0\"; the fallback when it is missing or null."),
	EXPR_FN("has", 2, 2, fn_has, "has(object, name)", "True when the field exists."),
};

const struct expr_fn_group expr_fn_object = {"object", defs, PB_ARRAY_LEN(defs)};
