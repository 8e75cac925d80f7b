/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strict JSON reader. The text is copied into the arena once and read in place: strings are
 * decoded where they stand (they only get shorter) and a NUL replaces the closing quote, so a value
 * costs no allocation of its own. Open containers live on an explicit stack of values; when one
 * closes, its children move into the arena as one array.
 */
#include "base/json.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/parse.h"
#include "base/base.h"

#define STACK_FIRST   64 /* values that fit without an allocation: 2 KB */
#define PAD_BYTES     16 /* the scanner reads whole vectors */
#define SMALL_OBJECT  12 /* up to here keys are compared pairwise */
#define NO_PARENT     UINT32_MAX
#define MAX_DUP_TABLE (UINT32_MAX / 4)

/* A frame is the slot of its container: value.type says which, value.len is the parent's slot. */
struct reader {
	struct pb_arena *arena;
	char *text, *end;
	char *p;
	struct pb_json_member *stack;
	uint32_t n, cap;
	uint32_t top; /* slot of the innermost open container, or NO_PARENT */
	uint32_t depth, max_depth;
	uint64_t n_values, max_values;
	enum pb_status status;
	const char *code;
	const char *what;
	const char *at;
	uint32_t *table; /* for duplicate keys of large objects */
	uint32_t table_cap;
	struct pb_json_member first[STACK_FIRST];
};

static bool fail(struct reader *r, const char *code, const char *what, const char *at)
{
	r->status = PB_E_INVALID;
	r->code = code;
	r->what = what;
	r->at = at;
	return false;
}

static bool syntax(struct reader *r, const char *what)
{
	return fail(r, "json.syntax", r->p >= r->end ? "unexpected end" : what, r->p);
}

static bool too_large(struct reader *r, const char *what)
{
	(void)fail(r, "json.too_large", what, r->p);
	r->status = PB_E_TOO_LARGE;
	return false;
}

static bool grow_stack(struct reader *r)
{
	/* every value on the stack will need at least its 16 bytes of the arena */
	size_t room = (r->arena->limit_bytes - r->arena->used_bytes) / sizeof(struct pb_json);
	uint32_t cap = r->cap * 2;
	struct pb_json_member *s;

	if (r->n > room || r->cap > UINT32_MAX / 4)
		return too_large(r, "too many values");
	s = realloc(r->stack == r->first ? NULL : r->stack, (size_t)cap * sizeof(*s));
	if (!s)
		return too_large(r, "out of memory");
	if (r->stack == r->first)
		memcpy(s, r->first, sizeof(r->first));
	r->stack = s;
	r->cap = cap;
	return true;
}

static struct pb_json_member *push(struct reader *r)
{
	if (r->n_values++ >= r->max_values) {
		(void)too_large(r, "too many values");
		return NULL;
	}
	if (r->n == r->cap && !grow_stack(r))
		return NULL;
	return &r->stack[r->n++];
}

static void skip_blank(struct reader *r)
{
	while (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t')
		r->p++;
}

/* The first byte from @p that a string cannot simply contain: quote, backslash, control or
 * non-ASCII. The NUL behind the text stops it. */
static char *scan_plain(char *p)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
	const __m128i space = _mm_set1_epi8(0x20);

	for (;; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		/* signed: bytes from 0x80 are below the space too */
		__m128i hit = _mm_or_si128(
			_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
			_mm_cmplt_epi8(v, space));
		int mask = _mm_movemask_epi8(hit);

		if (mask)
			return p + __builtin_ctz((unsigned)mask);
	}
#else
	while ((signed char)*p >= 0x20 && *p != '"' && *p != '\\')
		p++;
	return p;
#endif
}

static bool hex4(const char *s, uint32_t *ret)
{
	uint8_t b[2];

	if (!pb_unhex(s, 4, b, 2))
		return false;
	*ret = (uint32_t)b[0] << 8 | b[1];
	return true;
}

/* At "\uXXXX" in r->p; moves behind it (and behind the second half of a pair). */
static bool unicode_escape(struct reader *r, char **out)
{
	uint32_t cp, low;
	char *p = r->p;

	if (r->end - p < 6 || !hex4(p + 2, &cp))
		return fail(r, "json.syntax", "bad \\u escape", p);
	p += 6;
	if (cp >= 0xd800 && cp <= 0xdfff) {
		if (cp >= 0xdc00 || r->end - p < 6 || p[0] != '\\' || p[1] != 'u' ||
		    !hex4(p + 2, &low) || low < 0xdc00 || low > 0xdfff)
			return fail(r, "json.utf8", "half of a surrogate pair", r->p);
		cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
		p += 6;
	}
	*out += pb_utf8_encode(cp, *out);
	r->p = p;
	return true;
}

static bool escape(struct reader *r, char **out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (r->p[1] == 'u')
		return unicode_escape(r, out);
	at = r->p[1] ? strchr(from, r->p[1]) : NULL;
	if (!at)
		return fail(r, "json.syntax", "bad escape", r->p);
	*(*out)++ = to[at - from];
	r->p += 2;
	return true;
}

static bool utf8_run(struct reader *r, char **out)
{
	do {
		uint32_t cp;
		size_t k = pb_utf8_decode(r->p, (size_t)(r->end - r->p), &cp);

		if (k == 0)
			return fail(r, "json.utf8", "not valid UTF-8", r->p);
		if (*out != r->p)
			memmove(*out, r->p, k);
		*out += k;
		r->p += k;
	} while ((signed char)*r->p < 0);
	return true;
}

/* At the opening quote. Leaves the decoded text NUL-terminated in place and r->p behind the closing
 * quote. */
static bool read_string(struct reader *r, const char **ret, uint32_t *ret_len)
{
	char *start = ++r->p, *out = start;

	for (;;) {
		char *stop = scan_plain(r->p);
		size_t n = (size_t)(stop - r->p);

		if (out != r->p && n)
			memmove(out, r->p, n);
		out += n;
		r->p = stop;
		if (*stop == '"')
			break;
		if (*stop == '\\') {
			if (!escape(r, &out))
				return false;
		} else if ((signed char)*stop < 0) {
			if (!utf8_run(r, &out))
				return false;
		} else {
			return syntax(r, "control character in a string");
		}
	}
	r->p++;
	*out = 0;
	*ret = start;
	*ret_len = (uint32_t)(out - start);
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool digits(struct reader *r)
{
	if (!is_digit(*r->p))
		return syntax(r, "digit expected");
	while (is_digit(*r->p))
		r->p++;
	return true;
}

static bool read_number(struct reader *r, struct pb_json *v)
{
	char *start = r->p;
	bool plain = true;
	int64_t i;

	if (*r->p == '-')
		r->p++;
	if (*r->p == '0')
		r->p++;
	else if (!digits(r))
		return false;
	if (*r->p == '.') {
		plain = false;
		r->p++;
		if (!digits(r))
			return false;
	}
	if (*r->p == 'e' || *r->p == 'E') {
		plain = false;
		r->p++;
		if (*r->p == '+' || *r->p == '-')
			r->p++;
		if (!digits(r))
			return false;
	}
	if (plain && pb_parse_i64(start, (size_t)(r->p - start), INT64_MIN, INT64_MAX, &i)) {
		*v = (struct pb_json){.type = PB_JSON_INT, .i = i};
		return true;
	}
	*v = (struct pb_json){.type = PB_JSON_NUMBER, .len = (uint32_t)(r->p - start), .s = start};
	return true;
}

static bool read_word(struct reader *r, const char *word, size_t n, struct pb_json *v,
		      const struct pb_json *value)
{
	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
		return syntax(r, "unexpected character");
	r->p += n;
	*v = *value;
	return true;
}

/* A keyed mix of 8 bytes at a time. Collisions cost time only; too many of them fall back to
 * sorting. */
static uint32_t hash_key(uint64_t seed, const char *key, uint32_t n)
{
	uint64_t h = seed ^ n * UINT64_C(0x9e3779b97f4a7c15);

	while (n) {
		uint64_t w = 0;
		uint32_t k = PB_MIN(n, (uint32_t)8);
		unsigned __int128 m;

		memcpy(&w, key, k);
		m = (unsigned __int128)(h ^ w) * UINT64_C(0xa0761d6478bd642f);
		h = (uint64_t)m ^ (uint64_t)(m >> 64) ^ seed;
		key += k;
		n -= k;
	}
	h ^= h >> 32;
	return (uint32_t)h;
}

static bool same_key(const struct pb_json_member *a, const struct pb_json_member *b)
{
	return a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
}

static bool duplicate(struct reader *r, const struct pb_json_member *m)
{
	/* `reserved` holds where the key began */
	return fail(r, "json.duplicate_key", "duplicate key", r->text + m->reserved);
}

static bool table_for(struct reader *r, uint32_t n)
{
	uint32_t cap = 64;

	while (cap < n * 2)
		cap *= 2;
	if (cap > r->table_cap) {
		free(r->table);
		r->table = malloc((size_t)cap * sizeof(*r->table));
		r->table_cap = r->table ? cap : 0;
	}
	if (!r->table)
		return too_large(r, "out of memory");
	memset(r->table, 0, (size_t)cap * sizeof(*r->table));
	return true;
}

static bool unique_by_table(struct reader *r, const struct pb_json_member *m, uint32_t n)
{
	static _Atomic uint64_t process_seed;
	uint64_t seed = process_seed;
	uint32_t mask = 63;

	if (!seed)
		process_seed = seed = pb_random_u64() | 1;
	if (n > MAX_DUP_TABLE || !table_for(r, n))
		return n > MAX_DUP_TABLE ? too_large(r, "too many keys") : false;
	while (mask + 1 < n * 2)
		mask = mask * 2 + 1;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = hash_key(seed, m[i].key, m[i].key_len) & mask;

		for (; r->table[at]; at = (at + 1) & mask)
			if (same_key(&m[r->table[at] - 1], &m[i]))
				return duplicate(r, &m[i]);
		r->table[at] = i + 1;
	}
	return true;
}

static bool keys_unique(struct reader *r, const struct pb_json_member *m, uint32_t n)
{
	if (n > SMALL_OBJECT)
		return unique_by_table(r, m, n);
	for (uint32_t i = 1; i < n; i++)
		for (uint32_t k = 0; k < i; k++)
			if (same_key(&m[k], &m[i]))
				return duplicate(r, &m[i]);
	return true;
}

static bool open_container(struct reader *r, struct pb_json_member *slot, enum pb_json_type type)
{
	if (++r->depth > r->max_depth)
		return fail(r, "json.depth", "nested too deeply", r->p);
	slot->value = (struct pb_json){.type = (uint8_t)type, .len = r->top};
	r->top = (uint32_t)(slot - r->stack);
	r->p++;
	return true;
}

static bool close_array(struct reader *r, struct pb_json *v, const struct pb_json_member *from,
			uint32_t n)
{
	struct pb_json *items = NULL;

	if (n) {
		items = pb_arena_alloc_raw(r->arena, n * sizeof(*items));
		if (!items)
			return too_large(r, "document too large");
	}
	for (uint32_t i = 0; i < n; i++)
		items[i] = from[i].value;
	*v = (struct pb_json){.type = PB_JSON_ARRAY, .len = n, .items = items};
	return true;
}

static bool close_object(struct reader *r, struct pb_json *v, struct pb_json_member *from,
			 uint32_t n)
{
	struct pb_json_member *members = NULL;

	if (!keys_unique(r, from, n))
		return false;
	if (n) {
		members = pb_arena_alloc_raw(r->arena, n * sizeof(*members));
		if (!members)
			return too_large(r, "document too large");
		memcpy(members, from, n * sizeof(*members));
	}
	for (uint32_t i = 0; i < n; i++)
		members[i].reserved = 0;
	*v = (struct pb_json){.type = PB_JSON_OBJECT, .len = n, .members = members};
	return true;
}

static bool close_container(struct reader *r)
{
	struct pb_json_member *slot = &r->stack[r->top];
	uint32_t parent = slot->value.len, n = r->n - r->top - 1;
	bool ok;

	r->p++;
	r->n = r->top + 1;
	ok = slot->value.type == PB_JSON_ARRAY ? close_array(r, &slot->value, slot + 1, n)
					       : close_object(r, &slot->value, slot + 1, n);
	r->top = parent;
	r->depth--;
	return ok;
}

/* Key and colon of a member into its slot. */
static bool read_key(struct reader *r, struct pb_json_member *slot)
{
	skip_blank(r);
	if (*r->p != '"')
		return syntax(r, "key expected");
	slot->reserved = (uint32_t)(r->p - r->text);
	if (!read_string(r, &slot->key, &slot->key_len))
		return false;
	skip_blank(r);
	if (*r->p != ':')
		return syntax(r, "colon expected");
	r->p++;
	return true;
}

/* One value; of a container only its opening. */
static bool read_value(struct reader *r)
{
	struct pb_json_member *slot = push(r);
	const char *s;
	uint32_t len;

	if (!slot)
		return false;
	if (r->top != NO_PARENT && r->stack[r->top].value.type == PB_JSON_OBJECT &&
	    !read_key(r, slot))
		return false;
	skip_blank(r);
	switch (*r->p) {
	case '"':
		if (!read_string(r, &s, &len))
			return false;
		slot->value = (struct pb_json){.type = PB_JSON_STRING, .len = len, .s = s};
		return true;
	case '{':
		return open_container(r, slot, PB_JSON_OBJECT);
	case '[':
		return open_container(r, slot, PB_JSON_ARRAY);
	case 't':
		return read_word(r, "true", 4, &slot->value, &pb_json_bool_true);
	case 'f':
		return read_word(r, "false", 5, &slot->value, &pb_json_bool_false);
	case 'n':
		return read_word(r, "null", 4, &slot->value, &pb_json_null);
	default:
		if (*r->p != '-' && !is_digit(*r->p))
			return syntax(r, "unexpected character");
		return read_number(r, &slot->value);
	}
}

/* Behind a whole value: closes what closes here, then wants a comma. */
static bool after_value(struct reader *r)
{
	for (;;) {
		char close;

		skip_blank(r);
		if (r->top == NO_PARENT)
			return true;
		close = r->stack[r->top].value.type == PB_JSON_ARRAY ? ']' : '}';
		if (*r->p == ',') {
			r->p++;
			return true;
		}
		if (*r->p != close)
			return syntax(r, "comma or end expected");
		if (!close_container(r))
			return false;
	}
}

static bool read_document(struct reader *r)
{
	do {
		uint32_t before = r->top;
		char next, close;

		if (!read_value(r))
			return false;
		if (r->top != before) { /* opened: it may be empty, else its first value follows */
			skip_blank(r);
			next = *r->p;
			close = r->stack[r->top].value.type == PB_JSON_ARRAY ? ']' : '}';
			if (next != close)
				continue;
			if (!close_container(r))
				return false;
		}
		if (!after_value(r))
			return false;
	} while (r->top != NO_PARENT);
	skip_blank(r);
	return r->p == r->end || fail(r, "json.syntax", "text behind the value", r->p);
}

static bool prepare(struct reader *r, const char *text, size_t n,
		    const struct pb_json_limits *limits)
{
	r->top = NO_PARENT;
	r->stack = r->first;
	r->cap = STACK_FIRST;
	r->max_depth = limits && limits->depth ? limits->depth : PB_JSON_DEPTH;
	r->max_values = limits && limits->n_values ? limits->n_values : UINT64_MAX;
	if (n > UINT32_MAX - PAD_BYTES - 1)
		return too_large(r, "document too large");
	r->text = pb_arena_alloc_raw(r->arena, n + PAD_BYTES);
	if (!r->text)
		return too_large(r, "document too large");
	if (n)
		memcpy(r->text, text, n);
	memset(r->text + n, 0, PAD_BYTES);
	r->p = r->text;
	r->end = r->text + n;
	return true;
}

static void reader_done(struct reader *r)
{
	if (r->stack != r->first)
		free(r->stack);
	free(r->table);
}

enum pb_status pb_json_parse(struct pb_arena *arena, const char *text, size_t n,
			     const struct pb_json_limits *limits, const struct pb_json **ret,
			     struct pb_err *err)
{
	pb_cleanup(reader_done) struct reader r;
	struct pb_json *root;

	/* everything but the first stack, which needs no zeroes */
	memset(&r, 0, offsetof(struct reader, first));
	r.arena = arena;
	if (prepare(&r, text, n, limits) && read_document(&r)) {
		root = pb_arena_alloc_raw(arena, sizeof(*root));
		if (root) {
			*root = r.stack[0].value;
			*ret = root;
			return PB_OK;
		}
		(void)too_large(&r, "document too large");
	}
	return pb_err_set(err, r.status, r.code, "%s at byte %zu", r.what, (size_t)(r.at - r.text));
}
