/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler: one table says what each keyword wants and where it goes. Works on its own copy of the
 * schema. $ref is resolved at the end, when every subschema has its node: by address in that copy.
 */
#include "schema/schema.h"

#include "schema/schema_node.h"

#include "base/base.h"

#define COMPILE_BYTES ((size_t)32 << 20)

struct compiler {
	struct schema *s;
	const struct pb_json *document;
	struct pb_problems *problems;
	struct schema_node **nodes; /* all, for $ref; grows in the heap */
	size_t n_nodes, cap_nodes;
	struct schema_node **refs; /* those with a $ref, likewise */
	size_t n_refs, cap_refs;
	bool failed;
	bool too_large;
};

typedef void load_fn(struct compiler *c, const struct pb_json *j, const char *at, void *field);

static struct schema_node *compile_node(struct compiler *c, const struct pb_json *j,
					const char *at);

int schema_key_cmp(const char *a, size_t a_len, const char *b, size_t b_len)
{
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return memcmp(a, b, a_len);
}

#define fault(c, code, at, ...)                                                                    \
	do {                                                                                       \
		(c)->failed = true;                                                                \
		if ((c)->problems)                                                                 \
			pb_problems_add((c)->problems, code, at, __VA_ARGS__);                     \
	} while (0)

static void *take(struct compiler *c, size_t n, size_t size)
{
	void *p = pb_arena_calloc(&c->s->arena, n, size);

	if (!p)
		c->failed = c->too_large = true;
	return p;
}

static void wrong_type(struct compiler *c, const char *at, const char *want)
{
	fault(c, "schema.keyword_type", at, "must be %s", want);
}

static void load_node(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	*(struct schema_node **)field = compile_node(c, j, at);
}

static void load_nodes(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	struct schema_nodes *list = field;

	if (!pb_json_is(j, PB_JSON_ARRAY) || j->len == 0) {
		wrong_type(c, at, "a list of schemas, not empty");
		return;
	}
	list->p = take(c, j->len, sizeof(struct schema_node *));
	for (uint32_t i = 0; list->p && i < j->len; i++)
		list->p[list->n++] =
			compile_node(c, &j->items[i], pb_pointer_index(&c->s->arena, at, i));
}

static void load_count(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	int64_t v;

	if (!pb_json_i64(j, &v) || v < 0)
		wrong_type(c, at, "an integer from 0");
	else
		*(int64_t *)field = v;
}

static void load_number(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	if (!pb_json_is_number(j))
		wrong_type(c, at, "a number");
	else
		*(const struct pb_json **)field = j;
}

static void load_multiple(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	double d;

	/* exact for integers when this one fits 64 bits; else computed with doubles */
	if (!pb_json_double(j, &d) || d <= 0)
		wrong_type(c, at, "a number above 0");
	else
		*(const struct pb_json **)field = j;
}

static void load_bool(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	if (!pb_json_is(j, PB_JSON_BOOL))
		wrong_type(c, at, "true or false");
	else
		*(bool *)field = j->b;
}

static void load_any(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	(void)c;
	(void)at;
	*(const struct pb_json **)field = j;
}

static void load_enum(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	if (!pb_json_is(j, PB_JSON_ARRAY))
		wrong_type(c, at, "a list of values");
	else
		*(const struct pb_json **)field = j;
}

static void load_strings(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	bool ok = pb_json_is(j, PB_JSON_ARRAY);

	pb_json_each_item (it, j)
		ok = ok && pb_json_is(it, PB_JSON_STRING);
	if (!ok)
		wrong_type(c, at, "a list of names");
	else
		*(const struct pb_json **)field = j;
}

static uint8_t type_bit(const struct pb_json *j)
{
	static const struct {
		const char *name;
		uint8_t bit;
	} types[] = {
		{"null", SCHEMA_TYPE_NULL},       {"boolean", SCHEMA_TYPE_BOOLEAN},
		{"integer", SCHEMA_TYPE_INTEGER}, {"number", SCHEMA_TYPE_NUMBER},
		{"string", SCHEMA_TYPE_STRING},   {"array", SCHEMA_TYPE_ARRAY},
		{"object", SCHEMA_TYPE_OBJECT},
	};

	for (size_t i = 0; i < PB_ARRAY_LEN(types); i++)
		if (pb_json_is(j, PB_JSON_STRING) &&
		    pb_slice_eq_str(pb_json_slice(j), types[i].name))
			return types[i].bit;
	return 0;
}

static void load_type(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	uint8_t *types = field, bit = type_bit(j);
	bool ok = bit || (pb_json_is(j, PB_JSON_ARRAY) && j->len > 0);

	*types = bit;
	pb_json_each_item (it, j) {
		bit = type_bit(it);
		ok = ok && bit;
		*types |= bit;
	}
	if (!ok)
		wrong_type(c, at, "a type name or a list of them");
}

static void load_format(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	static const struct {
		const char *name;
		enum schema_format format;
	} formats[] = {{"uri", SCHEMA_FORMAT_URI},
		       {"email", SCHEMA_FORMAT_EMAIL},
		       {"date-time", SCHEMA_FORMAT_DATE_TIME},
		       {"uuid", SCHEMA_FORMAT_UUID}};

	for (size_t i = 0; i < PB_ARRAY_LEN(formats); i++)
		if (pb_json_is(j, PB_JSON_STRING) &&
		    pb_slice_eq_str(pb_json_slice(j), formats[i].name)) {
			*(enum schema_format *)field = formats[i].format;
			return;
		}
	fault(c, "schema.format_unknown", at, "must be one of uri, email, date-time, uuid");
}

/* ECMA 262 as near as PCRE2 comes: \u escapes, "$" only at the very end, characters not bytes. */
static const struct schema_regex *compile_regex(struct compiler *c, struct pb_slice text,
						const char *at)
{
	const uint32_t options = PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_DOLLAR_ENDONLY |
				 PCRE2_NEVER_BACKSLASH_C | PCRE2_MATCH_UNSET_BACKREF;
	struct schema_regex *r;
	PCRE2_SIZE where;
	PCRE2_UCHAR reason[128];
	uint32_t all = 0;
	int rc;

	if (text.len > SCHEMA_MAX_PATTERN) {
		fault(c, "schema.pattern_invalid", at, "longer than %d bytes", SCHEMA_MAX_PATTERN);
		return NULL;
	}
	r = take(c, 1, sizeof(*r));
	if (!r)
		return NULL;
	r->source = text.p;
	r->code = pcre2_compile((PCRE2_SPTR)text.p, text.len, options, &rc, &where, NULL);
	if (!r->code) {
		if (pcre2_get_error_message(rc, reason, sizeof(reason)) < 0)
			reason[0] = 0;
		fault(c, "schema.pattern_invalid", at, "%s (at %zu)", (const char *)reason, where);
		return NULL;
	}
	(void)pcre2_pattern_info(r->code, PCRE2_INFO_ALLOPTIONS, &all); /* cannot fail */
	r->anchored = all & PCRE2_ANCHORED;
	r->next = c->s->regexes;
	c->s->regexes = r;
	return r;
}

static void load_pattern(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	if (!pb_json_is(j, PB_JSON_STRING))
		wrong_type(c, at, "a regular expression");
	else
		*(const struct schema_regex **)field = compile_regex(c, pb_json_slice(j), at);
}

static int cmp_properties(const void *a, const void *b)
{
	const struct schema_property *x = a, *y = b;

	return schema_key_cmp(x->key, x->key_len, y->key, y->key_len);
}

/* @node's own fields: properties and their number belong together. */
static void load_properties(struct compiler *c, const struct pb_json *j, const char *at,
			    void *field)
{
	struct schema_node *node = field;

	if (!pb_json_is(j, PB_JSON_OBJECT)) {
		wrong_type(c, at, "an object of schemas");
		return;
	}
	node->properties = take(c, j->len, sizeof(*node->properties));
	pb_json_each_member (m, j) {
		if (!node->properties)
			return;
		node->properties[node->n_properties++] = (struct schema_property){
			m->key, m->key_len,
			compile_node(c, &m->value,
				     pb_pointer_key(&c->s->arena, at, m->key, m->key_len))};
	}
	qsort(node->properties, node->n_properties, sizeof(*node->properties), cmp_properties);
}

static void load_pattern_properties(struct compiler *c, const struct pb_json *j, const char *at,
				    void *field)
{
	struct schema_node *node = field;

	if (!pb_json_is(j, PB_JSON_OBJECT)) {
		wrong_type(c, at, "an object of schemas");
		return;
	}
	node->pattern_properties = take(c, j->len, sizeof(*node->pattern_properties));
	pb_json_each_member (m, j) {
		const char *here = pb_pointer_key(&c->s->arena, at, m->key, m->key_len);

		if (!node->pattern_properties)
			return;
		node->pattern_properties[node->n_pattern_properties++] =
			(struct schema_pattern_property){
				compile_regex(c, pb_slice(m->key, m->key_len), here),
				compile_node(c, &m->value, here)};
	}
}

/* Compiled for the sake of $ref; checked even when nobody refers to them. */
static void load_defs(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	(void)field;
	if (!pb_json_is(j, PB_JSON_OBJECT)) {
		wrong_type(c, at, "an object of schemas");
		return;
	}
	pb_json_each_member (m, j)
		(void)compile_node(c, &m->value,
				   pb_pointer_key(&c->s->arena, at, m->key, m->key_len));
}

static void list_add(struct schema_node ***p, size_t *n, size_t *cap, struct schema_node *node)
{
	if (*n == *cap) {
		*cap = *cap ? *cap * 2 : 64;
		*p = pb_xrealloc(*p, *cap, sizeof(**p));
	}
	(*p)[(*n)++] = node;
}

static void load_ref(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	if (!pb_json_is(j, PB_JSON_STRING))
		wrong_type(c, at, "a reference such as \"#/$defs/name\"");
	else
		list_add(&c->refs, &c->n_refs, &c->cap_refs, field);
}

static void load_text(struct compiler *c, const struct pb_json *j, const char *at, void *field)
{
	(void)field;
	if (!pb_json_is(j, PB_JSON_STRING))
		wrong_type(c, at, "text");
}

#define FIELD(f) offsetof(struct schema_node, f)

static const struct {
	const char *name;
	load_fn *load;
	size_t offset;
} keywords[] = {
	{"type", load_type, FIELD(types)},
	{"enum", load_enum, FIELD(enumeration)},
	{"const", load_any, FIELD(constant)},
	{"properties", load_properties, 0},
	{"required", load_strings, FIELD(required)},
	{"additionalProperties", load_node, FIELD(additional)},
	{"patternProperties", load_pattern_properties, 0},
	{"propertyNames", load_node, FIELD(property_names)},
	{"minProperties", load_count, FIELD(min_properties)},
	{"maxProperties", load_count, FIELD(max_properties)},
	{"items", load_node, FIELD(items)},
	{"prefixItems", load_nodes, FIELD(prefix)},
	{"contains", load_node, FIELD(contains)},
	{"minItems", load_count, FIELD(min_items)},
	{"maxItems", load_count, FIELD(max_items)},
	{"uniqueItems", load_bool, FIELD(unique_items)},
	{"minLength", load_count, FIELD(min_length)},
	{"maxLength", load_count, FIELD(max_length)},
	{"pattern", load_pattern, FIELD(pattern)},
	{"format", load_format, FIELD(format)},
	{"minimum", load_number, FIELD(minimum)},
	{"maximum", load_number, FIELD(maximum)},
	{"exclusiveMinimum", load_number, FIELD(above)},
	{"exclusiveMaximum", load_number, FIELD(below)},
	{"multipleOf", load_multiple, FIELD(multiple_of)},
	{"allOf", load_nodes, FIELD(all)},
	{"anyOf", load_nodes, FIELD(any)},
	{"oneOf", load_nodes, FIELD(one)},
	{"not", load_node, FIELD(negated)},
	{"if", load_node, FIELD(condition)},
	{"then", load_node, FIELD(then)},
	{"else", load_node, FIELD(otherwise)},
	{"$ref", load_ref, 0},
	{"$defs", load_defs, 0},
	{"$schema", load_text, 0},
	{"$id", load_text, 0},
	{"$comment", load_text, 0},
	{"title", load_text, 0},
	{"description", load_text, 0},
	{"default", NULL, 0},
	{"examples", NULL, 0},
	{"deprecated", NULL, 0},
	{"readOnly", NULL, 0},
	{"writeOnly", NULL, 0},
};

static void compile_keyword(struct compiler *c, struct schema_node *node,
			    const struct pb_json_member *m, const char *at)
{
	struct pb_slice name = pb_slice(m->key, m->key_len);
	const char *here;

	if (name.len >= 2 && memcmp(name.p, "x-", 2) == 0)
		return;
	here = pb_pointer_key(&c->s->arena, at, m->key, m->key_len);
	for (size_t i = 0; i < PB_ARRAY_LEN(keywords); i++) {
		if (!pb_slice_eq_str(name, keywords[i].name))
			continue;
		if (keywords[i].load)
			keywords[i].load(c, &m->value, here, (char *)node + keywords[i].offset);
		return;
	}
	fault(c, "schema.keyword_unknown", here, "unknown or unsupported keyword");
}

/* Recursion is bounded by the depth of the copy, at most PB_JSON_DEPTH. */
static struct schema_node *compile_node(struct compiler *c, const struct pb_json *j, const char *at)
{
	struct schema_node *node;

	if (c->n_nodes >= SCHEMA_MAX_NODES) {
		c->failed = c->too_large = true;
		return NULL;
	}
	node = take(c, 1, sizeof(*node));
	if (!node)
		return NULL;
	list_add(&c->nodes, &c->n_nodes, &c->cap_nodes, node);
	node->json = j;
	node->max_length = node->max_items = node->max_properties = INT64_MAX;
	if (pb_json_is(j, PB_JSON_BOOL))
		node->is_false = !j->b;
	else if (!pb_json_is(j, PB_JSON_OBJECT))
		fault(c, "schema.not_a_schema", at, "a schema is an object, true or false");
	pb_json_each_member (m, j) {
		if (c->too_large)
			break;
		compile_keyword(c, node, m, at);
	}
	return node;
}

static int cmp_nodes(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)(*(struct schema_node *const *)a)->json;
	uintptr_t y = (uintptr_t)(*(struct schema_node *const *)b)->json;

	return (x > y) - (x < y);
}

static struct schema_node *node_of(struct compiler *c, const struct pb_json *j)
{
	struct schema_node key = {.json = j}, *want = &key, **found;

	found = j ? bsearch(&want, c->nodes, c->n_nodes, sizeof(want), cmp_nodes) : NULL;
	return found ? *found : NULL;
}

static void resolve_refs(struct compiler *c)
{
	qsort(c->nodes, c->n_nodes, sizeof(struct schema_node *), cmp_nodes);
	for (size_t i = 0; i < c->n_refs; i++) {
		struct schema_node *node = c->refs[i];
		struct pb_slice ref = pb_json_slice(pb_json_get(node->json, "$ref"));

		if (ref.len > 0 && ref.p[0] == '#')
			node->ref =
				node_of(c, pb_json_pointer(c->document, ref.p + 1, ref.len - 1));
		if (!node->ref)
			fault(c, "schema.ref_unresolved", "",
			      "$ref \"%.*s\" leads to no schema here",
			      (int)PB_MIN(ref.len, (size_t)100), ref.p);
	}
}

/* The copy that nodes borrow from. */
static const struct pb_json *copy_document(struct pb_arena *arena, const struct pb_json *schema)
{
	pb_auto_buf text;
	const struct pb_json *copy;

	pb_buf_init(&text, COMPILE_BYTES / 2);
	if (!pb_json_write(&text, schema) ||
	    pb_json_parse(arena, text.p, text.len, NULL, &copy, NULL) != PB_OK)
		return NULL;
	return copy;
}

static void compiler_done(struct compiler *c)
{
	free(c->nodes);
	free(c->refs);
}

enum pb_status schema_compile(const struct pb_json *schema, struct schema **ret,
			      struct pb_problems *problems, struct pb_err *err)
{
	pb_autoptr(schema) s = pb_new(struct schema);
	pb_cleanup(compiler_done) struct compiler c = {.s = s, .problems = problems};

	pb_arena_init(&s->arena, COMPILE_BYTES);
	c.document = copy_document(&s->arena, schema);
	if (c.document) {
		s->root = compile_node(&c, c.document, "");
		if (!c.too_large)
			resolve_refs(&c);
	}
	if (!c.document || c.too_large || s->arena.overflow)
		return pb_err_set(err, PB_E_TOO_LARGE, "schema.too_large", "schema too large");
	if (c.failed)
		return pb_err_set(err, PB_E_UNPROCESSABLE, "schema.invalid", "not a valid schema");
	*ret = pb_steal(s);
	return PB_OK;
}

void schema_free(struct schema *s)
{
	if (!s)
		return;
	for (struct schema_regex *r = s->regexes; r; r = r->next)
		pcre2_code_free(r->code);
	pb_arena_done(&s->arena);
	free(s);
}
