/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into a JSON tree, comparing trees, and building them by hand. */
#include "base/json.h"

#include "base/parse.h"
#include "base/base.h"

/* Objects up to here are compared by searching; above, both sides are sorted first. */
#define SORT_ABOVE 16
/* Trees of the reader have the reader's depth; this only stops what was built wrong. */
#define EQUAL_DEPTH 512

const struct pb_json pb_json_null = {.type = PB_JSON_NULL};
const struct pb_json pb_json_bool_true = {.type = PB_JSON_BOOL, .b = true};
const struct pb_json pb_json_bool_false = {.type = PB_JSON_BOOL, .b = false};

bool pb_json_is(const struct pb_json *j, enum pb_json_type type)
{
	return j && j->type == type;
}

const struct pb_json *pb_json_getn(const struct pb_json *j, const char *key, size_t key_len)
{
	if (!pb_json_is(j, PB_JSON_OBJECT))
		return NULL;
	for (uint32_t i = 0; i < j->len; i++) {
		const struct pb_json_member *m = &j->members[i];

		if (m->key_len == key_len && memcmp(m->key, key, key_len) == 0)
			return &m->value;
	}
	return NULL;
}

const struct pb_json *pb_json_get(const struct pb_json *j, const char *key)
{
	return pb_json_getn(j, key, strlen(key));
}

const struct pb_json *pb_json_item(const struct pb_json *j, size_t index)
{
	return pb_json_is(j, PB_JSON_ARRAY) && index < j->len ? &j->items[index] : NULL;
}

/* Undoes "~1" and "~0" while comparing; false also for a bad escape. */
static bool token_is(const char *t, size_t n, const struct pb_json_member *m)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++, k++) {
		char c = t[i];

		if (c == '~') {
			if (++i == n || (t[i] != '0' && t[i] != '1'))
				return false;
			c = t[i] == '0' ? '~' : '/';
		}
		if (k >= m->key_len || m->key[k] != c)
			return false;
	}
	return k == m->key_len;
}

static const struct pb_json *step(const struct pb_json *j, const char *t, size_t n)
{
	int64_t index;

	if (pb_json_is(j, PB_JSON_ARRAY))
		return pb_parse_i64(t, n, 0, UINT32_MAX, &index) ? pb_json_item(j, (size_t)index)
								 : NULL;
	if (!pb_json_is(j, PB_JSON_OBJECT))
		return NULL;
	for (uint32_t i = 0; i < j->len; i++)
		if (token_is(t, n, &j->members[i]))
			return &j->members[i].value;
	return NULL;
}

const struct pb_json *pb_json_pointer(const struct pb_json *j, const char *pointer, size_t n)
{
	const char *p = pointer, *end = pointer + n;

	while (j && p < end) {
		const char *slash;

		if (*p++ != '/')
			return NULL;
		slash = memchr(p, '/', (size_t)(end - p));
		if (!slash)
			slash = end;
		j = step(j, p, (size_t)(slash - p));
		p = slash;
	}
	return j;
}

const char *pb_json_str(const struct pb_json *j)
{
	if (!pb_json_is(j, PB_JSON_STRING) || strlen(j->s) != j->len)
		return NULL;
	return j->s;
}

struct pb_slice pb_json_slice(const struct pb_json *j)
{
	return pb_json_is(j, PB_JSON_STRING) ? pb_slice(j->s, j->len) : pb_slice(NULL, 0);
}

bool pb_json_true(const struct pb_json *j)
{
	return pb_json_is(j, PB_JSON_BOOL) && j->b;
}

const char *pb_json_type_name(const struct pb_json *j)
{
	static const char *const names[] = {
		[PB_JSON_NULL] = "null",   [PB_JSON_BOOL] = "boolean",  [PB_JSON_INT] = "number",
		[PB_JSON_REAL] = "number", [PB_JSON_NUMBER] = "number", [PB_JSON_STRING] = "string",
		[PB_JSON_ARRAY] = "array", [PB_JSON_OBJECT] = "object",
	};

	return j && j->type < PB_ARRAY_LEN(names) ? names[j->type] : "missing";
}

static bool equal(const struct pb_json *a, const struct pb_json *b, unsigned depth);

static int cmp_member(const void *pa, const void *pb)
{
	const struct pb_json_member *a = *(const struct pb_json_member *const *)pa;
	const struct pb_json_member *b = *(const struct pb_json_member *const *)pb;

	if (a->key_len != b->key_len)
		return a->key_len < b->key_len ? -1 : 1;
	return memcmp(a->key, b->key, a->key_len);
}

static const struct pb_json_member **sorted_members(const struct pb_json *j)
{
	const struct pb_json_member **m = pb_xcalloc(j->len, sizeof(*m));

	for (uint32_t i = 0; i < j->len; i++)
		m[i] = &j->members[i];
	qsort(m, j->len, sizeof(*m), cmp_member);
	return m;
}

static bool equal_large(const struct pb_json *a, const struct pb_json *b, unsigned depth)
{
	pb_autofree const struct pb_json_member **x = sorted_members(a);
	pb_autofree const struct pb_json_member **y = sorted_members(b);

	for (uint32_t i = 0; i < a->len; i++)
		if (cmp_member(&x[i], &y[i]) != 0 || !equal(&x[i]->value, &y[i]->value, depth))
			return false;
	return true;
}

/* Usually both have the same order: the same place is looked at first. */
static bool equal_objects(const struct pb_json *a, const struct pb_json *b, unsigned depth)
{
	uint32_t i = 0;

	if (a->len != b->len)
		return false;
	for (; i < a->len; i++) {
		const struct pb_json_member *x = &a->members[i], *y = &b->members[i];
		const struct pb_json *other = &y->value;

		if (x->key_len != y->key_len || memcmp(x->key, y->key, x->key_len) != 0) {
			if (a->len > SORT_ABOVE)
				return equal_large(a, b, depth);
			other = pb_json_getn(b, x->key, x->key_len);
		}
		if (!other || !equal(&x->value, other, depth))
			return false;
	}
	return true;
}

static bool equal(const struct pb_json *a, const struct pb_json *b, unsigned depth)
{
	if (pb_json_is_number(a) && pb_json_is_number(b))
		return pb_json_number_cmp(a, b) == 0;
	if (a->type != b->type || depth == 0)
		return false;
	switch ((enum pb_json_type)a->type) {
	case PB_JSON_BOOL:
		return a->b == b->b;
	case PB_JSON_STRING:
		return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
	case PB_JSON_ARRAY:
		if (a->len != b->len)
			return false;
		for (uint32_t i = 0; i < a->len; i++)
			if (!equal(&a->items[i], &b->items[i], depth - 1))
				return false;
		return true;
	case PB_JSON_OBJECT:
		return equal_objects(a, b, depth - 1);
	default:
		return true;
	}
}

bool pb_json_equal(const struct pb_json *a, const struct pb_json *b)
{
	if (!a || !b)
		return a == b;
	return equal(a, b, EQUAL_DEPTH);
}

const struct pb_json *pb_json_new_string(struct pb_arena *a, const char *s, size_t n)
{
	struct pb_json *j = n <= UINT32_MAX ? pb_arena_alloc(a, sizeof(*j)) : NULL;
	const char *text = j ? pb_arena_memdup(a, s, n) : NULL;

	if (!text)
		return NULL;
	*j = (struct pb_json){.type = PB_JSON_STRING, .len = (uint32_t)n, .s = text};
	return j;
}

/* The container's node and its children in one piece: the children follow the node. */
static struct pb_json *new_container(struct pb_arena *a, enum pb_json_type type, const void *from,
				     size_t n, size_t size)
{
	struct pb_json *j;
	size_t bytes;

	if (n > UINT32_MAX || __builtin_mul_overflow(n, size, &bytes) ||
	    __builtin_add_overflow(bytes, sizeof(*j), &bytes))
		return NULL;
	j = pb_arena_alloc(a, bytes);
	if (!j)
		return NULL;
	*j = (struct pb_json){.type = (uint8_t)type, .len = (uint32_t)n};
	if (n)
		memcpy(j + 1, from, n * size);
	return j;
}

const struct pb_json *pb_json_new_array(struct pb_arena *a, const struct pb_json *items, size_t n)
{
	struct pb_json *j = new_container(a, PB_JSON_ARRAY, items, n, sizeof(*items));

	if (j)
		j->items = n ? j + 1 : NULL;
	return j;
}

const struct pb_json *pb_json_new_object(struct pb_arena *a, const struct pb_json_member *m,
					 size_t n)
{
	struct pb_json *j = new_container(a, PB_JSON_OBJECT, m, n, sizeof(*m));

	if (j)
		j->members = n ? (const struct pb_json_member *)(const void *)(j + 1) : NULL;
	return j;
}
