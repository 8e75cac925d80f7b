/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The validator: one function per group of keywords, each says whether it holds and, unless the judgement is
 * silent (inside anyOf, not, if ...), reports why not. Everything is paid for from one budget, so a hostile
 * instance or pattern ends as "too much work", never as a long wait.
 */
#include "schema/schema_node.h"

#include <math.h>

#include "base/base.h"

#define FIRST_STEPS    8    /* at each start: enough for most patterns, and long texts stay cheap */
#define STEPS_PER_WORK 64   /* regular-expression steps for one unit of work */
#define REGEX_HEAP_KB  1024 /* of one match */
#define HASH_DEPTH     128
#define SHOWN_BYTES    ((size_t)160)
#define TOLERANCE      1e-12 /* of the quotient of multipleOf with fractions */

/* Where we are: a chain on the stack, made into a pointer only when something is wrong. */
struct path {
	const struct path *up;
	const char *key; /* NULL = an index */
	uint32_t n;      /* key length or index */
};

struct run {
	struct pb_problems *problems; /* NULL = nobody wants them */
	const char *code, *base;
	size_t work;
	unsigned silent, depth;
	bool exhausted;
	pcre2_match_data *match;
	pcre2_match_context *limits;
};

static bool node_valid(struct run *r, const struct schema_node *node, const struct pb_json *j,
		       const struct path *path);

static const char *pointer_of(struct run *r, const struct path *path)
{
	struct pb_arena *a = r->problems->arena;
	const char *up;

	if (!path)
		return r->base ? r->base : "";
	up = pointer_of(r, path->up);
	return path->key ? pb_pointer_key(a, up, path->key, path->n)
			 : pb_pointer_index(a, up, path->n);
}

#define report(r, path, ...)                                                                       \
	do {                                                                                       \
		if ((r)->problems && !(r)->silent)                                                 \
			pb_problems_add((r)->problems, (r)->code, pointer_of(r, path),             \
					__VA_ARGS__);                                              \
	} while (0)

/* False (and the end of everything) when the budget is spent. */
static bool pay(struct run *r, const struct path *path, size_t units)
{
	if (r->exhausted)
		return false;
	r->work += units;
	if (r->work <= SCHEMA_MAX_WORK)
		return true;
	r->exhausted = true;
	r->silent = 0;
	report(r, path, "too much work to check this value");
	return false;
}

/* No use to look further: nobody reads the other reasons. */
static bool done(const struct run *r, bool ok)
{
	return r->exhausted || (!ok && (r->silent || !r->problems));
}

static uint8_t types_of(const struct pb_json *j)
{
	switch ((enum pb_json_type)j->type) {
	case PB_JSON_NULL:
		return SCHEMA_TYPE_NULL;
	case PB_JSON_BOOL:
		return SCHEMA_TYPE_BOOLEAN;
	case PB_JSON_STRING:
		return SCHEMA_TYPE_STRING;
	case PB_JSON_ARRAY:
		return SCHEMA_TYPE_ARRAY;
	case PB_JSON_OBJECT:
		return SCHEMA_TYPE_OBJECT;
	default:
		return pb_json_is_integer(j) ? SCHEMA_TYPE_NUMBER | SCHEMA_TYPE_INTEGER
					     : SCHEMA_TYPE_NUMBER;
	}
}

static void type_names(uint8_t types, char out[80])
{
	static const char *const names[] = {"null",   "boolean", "integer", "number",
					    "string", "array",   "object"};
	size_t at = 0;

	out[0] = 0;
	for (size_t i = 0; i < PB_ARRAY_LEN(names); i++)
		if (types >> i & 1) {
			(void)pb_str_printf(out + at, 80 - at, "%s%s", at ? " or " : "", names[i]);
			at = strlen(out);
		}
}

static bool type_valid(struct run *r, const struct schema_node *node, const struct pb_json *j,
		       const struct path *path)
{
	char names[80];

	if (!node->types || (node->types & types_of(j)))
		return true;
	type_names(node->types, names);
	report(r, path, "must be %s, not %s", names, pb_json_type_name(j));
	return false;
}

/* A value short enough for a message. */
static const char *shown(const struct pb_json *j, struct pb_buf *b)
{
	pb_buf_init(b, SHOWN_BYTES);
	return pb_json_write(b, j) ? pb_buf_str(b) : "a longer value";
}

static bool values_valid(struct run *r, const struct schema_node *node, const struct pb_json *j,
			 const struct path *path)
{
	pb_auto_buf text = PB_BUF_INIT;

	if (node->constant && !pb_json_equal(node->constant, j)) {
		report(r, path, "must be %s", shown(node->constant, &text));
		return false;
	}
	if (!node->enumeration)
		return true;
	if (!pay(r, path, node->enumeration->len))
		return false;
	pb_json_each_item (it, node->enumeration)
		if (pb_json_equal(it, j))
			return true;
	report(r, path, "must be one of %s", shown(node->enumeration, &text));
	return false;
}

static bool is_multiple(const struct pb_json *j, const struct pb_json *of)
{
	int64_t a, b;
	double x, y, q;

	/* by digits what is over 64 bits: a double would not know the last ones */
	if (pb_json_i64(of, &b))
		return pb_json_i64(j, &a) ? b == -1 || a % b == 0 : pb_json_is_multiple(j, b);
	if (!pb_json_double(j, &x) || !pb_json_double(of, &y))
		return false;
	q = x / y;
	/* 0.0075 is 75 times 0.0001, though not in binary: near enough counts while digits are left */
	if (fabs(q) < 1e15)
		return fabs(q - round(q)) <= TOLERANCE * fmax(1, fabs(q));
	return fmod(x, y) == 0;
}

static bool bound_valid(struct run *r, const struct pb_json *j, const struct pb_json *bound,
			int wrong, bool equal_ok, const char *what, const struct path *path)
{
	pb_auto_buf text = PB_BUF_INIT;
	int c;

	if (!bound)
		return true;
	c = pb_json_number_cmp(j, bound);
	if (c != wrong && (c != 0 || equal_ok))
		return true;
	report(r, path, "must be %s %s", what, shown(bound, &text));
	return false;
}

static bool number_valid(struct run *r, const struct schema_node *node, const struct pb_json *j,
			 const struct path *path)
{
	pb_auto_buf text = PB_BUF_INIT;
	bool ok = true;

	ok &= bound_valid(r, j, node->minimum, -1, true, "at least", path);
	ok &= bound_valid(r, j, node->maximum, 1, true, "at most", path);
	ok &= bound_valid(r, j, node->above, -1, false, "greater than", path);
	ok &= bound_valid(r, j, node->below, 1, false, "less than", path);
	if (node->multiple_of && !is_multiple(j, node->multiple_of)) {
		report(r, path, "must be a multiple of %s", shown(node->multiple_of, &text));
		ok = false;
	}
	return ok;
}

static int64_t n_chars(const char *s, size_t n)
{
	int64_t k = 0;

	for (size_t i = 0; i < n; i++)
		k += ((unsigned char)s[i] & 0xc0) != 0x80;
	return k;
}

static bool regex_ready(struct run *r)
{
	if (r->match)
		return true;
	r->match = pcre2_match_data_create(1, NULL);
	r->limits = pcre2_match_context_create(NULL);
	if (!r->match || !r->limits)
		return false;
	(void)pcre2_set_heap_limit(r->limits, REGEX_HEAP_KB); /* always 0 */
	return true;
}

/*
 * PCRE2 counts its limit anew at each place where a match may begin, so that number of places times the limit
 * is what a try can cost. First a small limit, and larger ones only while the budget pays for them.
 */
static bool regex_matches(struct run *r, const struct schema_regex *x, const char *s, size_t n,
			  const struct path *path)
{
	size_t starts = x->anchored ? 1 : n + 1;

	for (uint32_t limit = FIRST_STEPS; limit <= SCHEMA_MAX_MATCH_STEPS; limit *= 8) {
		int rc;

		if (!pay(r, path, 1 + n / STEPS_PER_WORK + starts * limit / STEPS_PER_WORK) ||
		    !regex_ready(r))
			return false;
		(void)pcre2_set_match_limit(r->limits, limit); /* always 0 */
		rc = pcre2_match(x->code, (PCRE2_SPTR)s, n, 0, PCRE2_NO_UTF_CHECK, r->match,
				 r->limits);
		if (rc >= 0)
			return true;
		if (rc == PCRE2_ERROR_NOMATCH)
			return false;
		if (rc != PCRE2_ERROR_MATCHLIMIT)
			break;
	}
	(void)pay(r, path, SCHEMA_MAX_WORK); /* out of steps or heap: not judged at all */
	return false;
}

static bool string_valid(struct run *r, const struct schema_node *node, const struct pb_json *j,
			 const struct path *path)
{
	static const char *const formats[] = {"", "a URI", "an e-mail address",
					      "a date and time (RFC 3339)", "a UUID"};
	bool ok = true;
	int64_t n;

	if (node->min_length > 0 || node->max_length < INT64_MAX) {
		n = n_chars(j->s, j->len);
		if (n < node->min_length || n > node->max_length) {
			ok = false;
			if (n < node->min_length)
				report(r, path, "must have at least %lld characters",
				       (long long)node->min_length);
			else
				report(r, path, "must have at most %lld characters",
				       (long long)node->max_length);
		}
	}
	if (node->format && !schema_format_ok(node->format, j->s, j->len)) {
		report(r, path, "must be %s", formats[node->format]);
		ok = false;
	}
	if (node->pattern && !done(r, ok) && !regex_matches(r, node->pattern, j->s, j->len, path)) {
		if (!r->exhausted)
			report(r, path, "must match %s", node->pattern->source);
		ok = false;
	}
	return ok;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	unsigned __int128 m = (unsigned __int128)(h ^ v) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint64_t)m ^ (uint64_t)(m >> 64) ^ v;
}

static uint64_t hash_bytes(uint64_t h, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t w = 0;

		memcpy(&w, s + i, PB_MIN(n - i, (size_t)8));
		h = mix(h, w);
	}
	return mix(h, n);
}

/* Equal values (as pb_json_equal sees them) have equal hashes. */
static uint64_t hash_value(const struct pb_json *j, unsigned depth)
{
	uint64_t h = j->type, v;
	double d = 0;

	if (pb_json_is_number(j)) {
		/* equal numbers are equal doubles; 0 and -0 too */
		if (!pb_json_double(j, &d) || d == 0)
			d = 0;
		memcpy(&v, &d, sizeof(v));
		return mix(PB_JSON_INT, v);
	}
	if (pb_json_is(j, PB_JSON_STRING))
		return hash_bytes(h, j->s, j->len);
	if (pb_json_is(j, PB_JSON_BOOL))
		return mix(h, j->b);
	if (depth == 0)
		return h;
	pb_json_each_item (it, j)
		h = mix(h, hash_value(it, depth - 1));
	/* a sum: the order of members does not count */
	pb_json_each_member (m, j)
		h += mix(hash_bytes(1, m->key, m->key_len), hash_value(&m->value, depth - 1));
	return h;
}

struct hashed {
	uint64_t hash;
	uint32_t index;
};

static int cmp_hashed(const void *a, const void *b)
{
	const struct hashed *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

static bool unique_valid(struct run *r, const struct pb_json *j, const struct path *path)
{
	pb_autofree struct hashed *h = pb_try_alloc(j->len, sizeof(*h), SIZE_MAX);

	if (!h || !pay(r, path, j->len))
		return false;
	for (uint32_t i = 0; i < j->len; i++)
		h[i] = (struct hashed){hash_value(&j->items[i], HASH_DEPTH), i};
	qsort(h, j->len, sizeof(*h), cmp_hashed);
	for (uint32_t i = 1; i < j->len; i++)
		for (uint32_t k = i; k-- > 0 && h[k].hash == h[i].hash;) {
			if (!pay(r, path, 1))
				return false;
			if (!pb_json_equal(&j->items[h[k].index], &j->items[h[i].index]))
				continue;
			report(r, path, "items %u and %u are the same", h[k].index, h[i].index);
			return false;
		}
	return true;
}

static bool contains_valid(struct run *r, const struct schema_node *node, const struct pb_json *j,
			   const struct path *path)
{
	bool found = false;

	r->silent++;
	for (uint32_t i = 0; !found && !r->exhausted && i < j->len; i++)
		found = node_valid(r, node->contains, &j->items[i], path);
	if (r->silent)
		r->silent--;
	if (!found && !r->exhausted)
		report(r, path, "contains no item of the wanted form");
	return found;
}

/* @n is what there is; the limits are of items or properties. */
static bool count_valid(struct run *r, int64_t n, int64_t min, int64_t max, const char *what,
			const struct path *path)
{
	if (n < min)
		report(r, path, "must have at least %lld %s", (long long)min, what);
	else if (n > max)
		report(r, path, "must have at most %lld %s", (long long)max, what);
	return n >= min && n <= max;
}

static bool array_valid(struct run *r, const struct schema_node *node, const struct pb_json *j,
			const struct path *path)
{
	bool ok = count_valid(r, j->len, node->min_items, node->max_items, "items", path);

	for (uint32_t i = 0; i < j->len && !done(r, ok); i++) {
		const struct schema_node *sub =
			i < node->prefix.n ? node->prefix.p[i] : node->items;
		const struct path here = {path, NULL, i};

		if (!sub)
			break;
		ok &= node_valid(r, sub, &j->items[i], &here);
	}
	if (node->contains && !done(r, ok))
		ok &= contains_valid(r, node, j, path);
	if (node->unique_items && !done(r, ok))
		ok &= unique_valid(r, j, path);
	return ok;
}

static const struct schema_node *find_property(const struct schema_node *node,
					       const struct pb_json_member *m)
{
	size_t lo = 0, hi = node->n_properties;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct schema_property *p = &node->properties[mid];
		int c = schema_key_cmp(m->key, m->key_len, p->key, p->key_len);

		if (c == 0)
			return p->node;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static bool name_valid(struct run *r, const struct schema_node *node,
		       const struct pb_json_member *m, const struct path *path)
{
	const struct pb_json name = {.type = PB_JSON_STRING, .len = m->key_len, .s = m->key};
	bool ok;

	r->silent++;
	ok = node_valid(r, node, &name, path);
	if (r->silent)
		r->silent--;
	if (!ok && !r->exhausted)
		report(r, path, "this name is not allowed");
	return ok;
}

static bool member_valid(struct run *r, const struct schema_node *node,
			 const struct pb_json_member *m, const struct path *path)
{
	const struct schema_node *sub = find_property(node, m);
	bool ok = true, known = sub != NULL;

	if (node->property_names)
		ok &= name_valid(r, node->property_names, m, path);
	if (sub && !done(r, ok))
		ok &= node_valid(r, sub, &m->value, path);
	for (size_t i = 0; i < node->n_pattern_properties && !done(r, ok); i++) {
		const struct schema_pattern_property *p = &node->pattern_properties[i];

		if (!regex_matches(r, p->regex, m->key, m->key_len, path))
			continue;
		known = true;
		ok &= node_valid(r, p->node, &m->value, path);
	}
	if (known || !node->additional || done(r, ok))
		return ok;
	if (!node->additional->is_false)
		return node_valid(r, node->additional, &m->value, path) && ok;
	report(r, path, "unknown field");
	return false;
}

static bool required_valid(struct run *r, const struct schema_node *node, const struct pb_json *j,
			   const struct path *path)
{
	bool ok = true;

	pb_json_each_item (it, node->required) {
		const struct path here = {path, it->s, it->len};

		if (!pay(r, path, 1 + j->len / 16))
			return false;
		if (pb_json_getn(j, it->s, it->len))
			continue;
		ok = false;
		report(r, &here, "is required");
	}
	return ok;
}

static bool object_valid(struct run *r, const struct schema_node *node, const struct pb_json *j,
			 const struct path *path)
{
	bool ok =
		count_valid(r, j->len, node->min_properties, node->max_properties, "fields", path);

	if (node->required && !done(r, ok))
		ok &= required_valid(r, node, j, path);
	if (!node->n_properties && !node->n_pattern_properties && !node->additional &&
	    !node->property_names)
		return ok;
	for (uint32_t i = 0; i < j->len && !done(r, ok); i++) {
		const struct pb_json_member *m = &j->members[i];
		const struct path here = {path, m->key, m->key_len};

		ok &= pay(r, path, 1) && member_valid(r, node, m, &here);
	}
	return ok;
}

static bool silently(struct run *r, const struct schema_node *node, const struct pb_json *j,
		     const struct path *path)
{
	bool ok;

	r->silent++;
	ok = node_valid(r, node, j, path);
	if (r->silent) /* running out of budget ends the silence */
		r->silent--;
	return ok;
}

static bool any_valid(struct run *r, const struct schema_node *node, const struct pb_json *j,
		      const struct path *path)
{
	size_t n = 0;

	for (size_t i = 0; i < node->any.n && !n && !r->exhausted; i++)
		n += silently(r, node->any.p[i], j, path);
	if (node->any.n && !n && !r->exhausted)
		report(r, path, "has none of the %zu allowed forms", node->any.n);
	return n || !node->any.n;
}

static bool one_valid(struct run *r, const struct schema_node *node, const struct pb_json *j,
		      const struct path *path)
{
	size_t n = 0;

	for (size_t i = 0; i < node->one.n && n < 2 && !r->exhausted; i++)
		n += silently(r, node->one.p[i], j, path);
	if (!node->one.n || n == 1)
		return true;
	if (!r->exhausted && n)
		report(r, path, "has more than one of the %zu forms, of which it may have one",
		       node->one.n);
	else if (!r->exhausted)
		report(r, path, "has none of the %zu allowed forms", node->one.n);
	return false;
}

static bool combined_valid(struct run *r, const struct schema_node *node, const struct pb_json *j,
			   const struct path *path)
{
	bool ok = true;

	if (node->ref)
		ok &= node_valid(r, node->ref, j, path);
	for (size_t i = 0; i < node->all.n && !done(r, ok); i++)
		ok &= node_valid(r, node->all.p[i], j, path);
	if (!done(r, ok))
		ok &= any_valid(r, node, j, path);
	if (!done(r, ok))
		ok &= one_valid(r, node, j, path);
	if (node->negated && !done(r, ok) && silently(r, node->negated, j, path)) {
		report(r, path, "has a form that is not allowed");
		ok = false;
	}
	if (node->condition && !done(r, ok)) {
		const struct schema_node *next =
			silently(r, node->condition, j, path) ? node->then : node->otherwise;

		if (next && !r->exhausted)
			ok &= node_valid(r, next, j, path);
	}
	return ok;
}

static bool own_valid(struct run *r, const struct schema_node *node, const struct pb_json *j,
		      const struct path *path)
{
	bool ok = type_valid(r, node, j, path);

	if (ok)
		ok = values_valid(r, node, j, path);
	if (done(r, ok))
		return false;
	if (pb_json_is_number(j))
		ok &= number_valid(r, node, j, path);
	else if (pb_json_is(j, PB_JSON_STRING))
		ok &= string_valid(r, node, j, path);
	else if (pb_json_is(j, PB_JSON_ARRAY))
		ok &= array_valid(r, node, j, path);
	else if (pb_json_is(j, PB_JSON_OBJECT))
		ok &= object_valid(r, node, j, path);
	return ok;
}

static bool node_valid(struct run *r, const struct schema_node *node, const struct pb_json *j,
		       const struct path *path)
{
	bool ok;

	if (!pay(r, path, 1))
		return false;
	if (node->is_false) {
		report(r, path, "nothing is allowed here");
		return false;
	}
	if (r->depth >= SCHEMA_MAX_DEPTH)
		return pay(r, path, SCHEMA_MAX_WORK);
	r->depth++;
	ok = own_valid(r, node, j, path);
	if (!done(r, ok))
		ok &= combined_valid(r, node, j, path);
	r->depth--;
	return ok && !r->exhausted; /* what `not` made of a judgement that never came is void */
}

bool schema_validate(const struct schema *s, const struct pb_json *instance,
		     struct pb_problems *problems, const char *code, const char *base)
{
	struct run r = {.problems = problems, .code = code, .base = base};
	bool ok = instance && node_valid(&r, s->root, instance, NULL);

	if (!instance)
		report(&r, NULL, "is missing");
	pcre2_match_data_free(r.match);
	pcre2_match_context_free(r.limits);
	return ok && !r.exhausted;
}
