/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions (PCRE2). A hostile pattern costs steps like anything else: PCRE2 calls us before every item of
 * the pattern, and we count the call and the distance it moved in the text. PCRE2's own match limit is no such bound:
 * it begins anew at each start in the text. An item looks through a class, so the count grows with the pattern. It
 * is the same on every machine and no clock is needed.
 */
#include "expr/expr_fn.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/base.h"

#define PATTERN_BYTES 2048
#define SUBJECT_BYTES 262144
#define REPEAT_MAX    1000
#define WORK_A_STEP   25 /* calls from PCRE2, about 20 ns each */
#define BYTES_A_WORK  16 /* moved over in the text */
#define HEAP_KB       4096
/* A range of a caseless class is compiled character by character, about 5 ns each. */
#define CHARS_A_STEP 200
#define CHARS_MAX    0x110000u

/* The pattern used last: map(x => matches(x, "...")) compiles it once. */
struct expr_regex {
	char *pattern;
	size_t len;
	uint32_t options;
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *context;
	pcre2_compile_context *compile;
	uint32_t
		repeat_max; /* the largest n of {n}: an item may look at so many characters and fail */
	uint32_t scale; /* what an item may cost: a class is looked through for every character */
	uint64_t work, work_left;
	size_t at; /* where the match stood at the last call */
};

void expr_regex_free(struct expr_regex *re)
{
	if (!re)
		return;
	pcre2_match_data_free(re->match);
	pcre2_match_context_free(re->context);
	pcre2_compile_context_free(re->compile);
	pcre2_code_free(re->code);
	free(re->pattern);
	free(re);
}

static bool parse_flags(struct expr_call *c, uint32_t i, uint32_t *ret)
{
	struct pb_slice s;

	*ret = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_UCP | PCRE2_AUTO_CALLOUT;
	if (!expr_arg_text_or(c, i, "", &s))
		return false;
	for (size_t k = 0; k < s.len; k++) {
		if (s.p[k] == 'i')
			*ret |= PCRE2_CASELESS;
		else if (s.p[k] == 'm')
			*ret |= PCRE2_MULTILINE;
		else if (s.p[k] == 's')
			*ret |= PCRE2_DOTALL;
		else
			return expr_fail_call(c, "expr.argument",
					      "flags may be i, m and s, nothing else");
	}
	return true;
}

/* One call before each item. Negative ends the match. */
static int count_work(pcre2_callout_block *b, void *arg)
{
	struct expr_regex *re = arg;
	size_t now = b->current_position, moved = now > re->at ? now - re->at : re->at - now;

	re->at = now;
	re->work += (1 + moved / BYTES_A_WORK + re->repeat_max / BYTES_A_WORK) * re->scale;
	return re->work > re->work_left ? PCRE2_ERROR_CALLOUT : 0;
}

/* The largest number behind a '{'. Text in classes is counted too; that is only dearer than needed. */
static uint32_t largest_repeat(const char *p, size_t n)
{
	uint32_t max = 0, v = 0;
	bool inside = false;

	for (size_t i = 0; i < n; i++) {
		bool digit = p[i] >= '0' && p[i] <= '9';

		inside = p[i] == '{' || (inside && (digit || p[i] == ','));
		v = inside && digit && v < 100000 ? v * 10 + (uint32_t)(p[i] - '0') : 0;
		max = PB_MAX(max, v);
	}
	return max;
}

/* 'i' somewhere in (?...: or (?...) ; what only looks so makes the pattern dearer, nothing else. */
static bool is_caseless(const struct expr_regex *re)
{
	const char *end = re->pattern + re->len;

	if (re->options & PCRE2_CASELESS)
		return true;
	for (const char *p = re->pattern; end - p > 2; p++) {
		if (p[0] != '(' || p[1] != '?')
			continue;
		for (const char *q = p + 2; q < end && *q != ')' && *q != ':'; q++) {
			if (*q == 'i')
				return true;
		}
	}
	return false;
}

/* No less than the code point with which a range ends; @p is behind its '-'. */
static uint32_t range_end(const char *p, const char *end)
{
	uint32_t v = 0;

	if (p < end && (uint8_t)*p >= 0x80) {
		v = (uint8_t)*p & ((uint8_t)*p < 0xe0 ? 0x1f : (uint8_t)*p < 0xf0 ? 0x0f : 0x07);
		while (++p < end && ((uint8_t)*p & 0xc0) == 0x80)
			v = v << 6 | (*p & 0x3f);
		return PB_MIN(v, CHARS_MAX);
	}
	/* blanks are skipped under (?xx) */
	if (p >= end || (*p != '\\' && *p != ' ' && *p != '\t'))
		return 0;
	if (end - p < 4 || memcmp(p, "\\x{", 3) != 0)
		return CHARS_MAX;
	for (p += 3; p < end && *p != '}' && v < CHARS_MAX; p++)
		v = v * 16 + (*p <= '9' ? (uint32_t)(*p & 15) : (uint32_t)(*p & 7) + 9);
	return PB_MIN(v, CHARS_MAX);
}

static size_t compile_steps(const struct expr_regex *re)
{
	const char *end = re->pattern + re->len;
	size_t steps = 10 + re->len;

	if (!is_caseless(re))
		return steps;
	for (const char *p = re->pattern; p < end; p++) {
		if (*p == '-')
			steps += range_end(p + 1, end) / CHARS_A_STEP;
	}
	return steps;
}

static bool compile(struct expr_call *c, struct expr_regex *re)
{
	int code = 0;
	PCRE2_SIZE at = 0;
	size_t bytes = 0;

	re->compile = pcre2_compile_context_create(NULL);
	re->context = pcre2_match_context_create(NULL);
	if (!re->compile || !re->context)
		return expr_fail_call(c, "expr.budget_memory", "out of memory");
	(void)pcre2_set_parens_nest_limit(re->compile, 32);
	(void)pcre2_set_heap_limit(re->context, HEAP_KB);
	(void)pcre2_set_callout(re->context, count_work, re);
	re->repeat_max = largest_repeat(re->pattern, re->len);
	if (re->repeat_max > REPEAT_MAX)
		return expr_fail_call(c, "expr.regex", "a repeat of more than %d", REPEAT_MAX);
	re->code = pcre2_compile((PCRE2_SPTR)re->pattern, re->len, re->options, &code, &at,
				 re->compile);
	if (!re->code)
		return expr_fail_call(c, "expr.regex", "the pattern has a fault at byte %zu (%d)",
				      (size_t)at, code);
	(void)pcre2_pattern_info(re->code, PCRE2_INFO_SIZE, &bytes); /* fails for bad arguments */
	re->scale = (uint32_t)(1 + PB_MAX(re->len, bytes / 16) / 16);
	re->match = pcre2_match_data_create_from_pattern(re->code, NULL);
	if (!re->match)
		return expr_fail_call(c, "expr.budget_memory", "out of memory");
	return true;
}

static bool get_regex(struct expr_call *c, uint32_t i, uint32_t options, struct expr_regex **ret)
{
	struct expr_regex *re = c->ev->regex;
	struct pb_slice s;

	if (!expr_arg_text(c, i, &s))
		return false;
	if (s.len > PATTERN_BYTES)
		return expr_fail_call(c, "expr.regex", "a pattern of more than %d bytes",
				      PATTERN_BYTES);
	/* (*LIMIT_MATCH=...) and its like would speak to PCRE2 itself */
	if (s.len > 1 && s.p[0] == '(' && s.p[1] == '*')
		return expr_fail_call(c, "expr.regex", "a pattern that begins with (*");
	if (re && re->options == options && re->len == s.len && !memcmp(re->pattern, s.p, s.len)) {
		*ret = re;
		return true;
	}
	expr_regex_free(re);
	re = c->ev->regex = pb_new(struct expr_regex);
	re->pattern = pb_xmemdup(s.p, s.len);
	re->len = s.len;
	re->options = options;
	if (!expr_charge(c->ev, compile_steps(re)) || !compile(c, re)) {
		expr_regex_free(re);
		c->ev->regex = NULL;
		return false;
	}
	*ret = re;
	return true;
}

/* *ret_n is the number of groups that were set, 0 for no match. */
static bool run(struct expr_call *c, struct expr_regex *re, struct pb_slice s, size_t from,
		int *ret_n)
{
	/* a second match in the same text costs what it moves, which the callout counts */
	uint32_t options = from ? PCRE2_NO_UTF_CHECK : 0;
	int n;

	if (!expr_charge(c->ev, 1 + (from ? 0 : s.len / 64)))
		return false;
	re->work = 0;
	re->work_left = (uint64_t)c->ev->budget->steps_left * WORK_A_STEP;
	re->at = from;
	n = pcre2_match(re->code, (PCRE2_SPTR)s.p, s.len, from, options, re->match, re->context);
	if (n == PCRE2_ERROR_CALLOUT)
		return expr_fail_steps(c->ev);
	if (!expr_charge(c->ev, (size_t)(re->work / WORK_A_STEP)))
		return false;
	if (n == PCRE2_ERROR_MATCHLIMIT || n == PCRE2_ERROR_DEPTHLIMIT ||
	    n == PCRE2_ERROR_HEAPLIMIT)
		return expr_fail_call(c, "expr.regex", "the pattern needs too much work");
	if (n < 0 && n != PCRE2_ERROR_NOMATCH)
		return expr_fail_call(c, "expr.regex", "the match failed (%d)", n);
	*ret_n = n < 0 ? 0 : n;
	return true;
}

static bool prepare(struct expr_call *c, uint32_t flags_arg, struct pb_slice *s,
		    struct expr_regex **re)
{
	uint32_t options;

	if (!expr_arg_text(c, 0, s) || !parse_flags(c, flags_arg, &options))
		return false;
	if (s->len > SUBJECT_BYTES)
		return expr_fail_call(c, "expr.regex", "a text of more than %d bytes",
				      SUBJECT_BYTES);
	return get_regex(c, 1, options, re);
}

static bool fn_matches(struct expr_call *c, struct pb_json *ret)
{
	struct expr_regex *re;
	struct pb_slice s;
	int n;

	if (!prepare(c, 2, &s, &re) || !run(c, re, s, 0, &n))
		return false;
	*ret = expr_bool(n > 0);
	return true;
}

static bool group_value(struct expr_call *c, const struct expr_regex *re, struct pb_slice s,
			uint32_t group, struct pb_json *ret)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(re->match);

	if (group >= pcre2_get_ovector_count(re->match) || at[2 * group] == PCRE2_UNSET ||
	    at[2 * group] > at[2 * group + 1]) {
		*ret = expr_null();
		return true;
	}
	return expr_ret_text(c->ev, s.p + at[2 * group], at[2 * group + 1] - at[2 * group], ret);
}

/* The first group when the pattern has one, else the whole match. */
static uint32_t default_group(const struct expr_regex *re)
{
	return pcre2_get_ovector_count(re->match) > 1 ? 1 : 0;
}

static bool fn_extract(struct expr_call *c, struct pb_json *ret)
{
	struct expr_regex *re;
	struct pb_slice s;
	int64_t group;
	int n;

	if (!prepare(c, 3, &s, &re) || !expr_arg_int_or(c, 2, 0, 99, default_group(re), &group) ||
	    !run(c, re, s, 0, &n))
		return false;
	*ret = expr_null();
	return !n || group_value(c, re, s, (uint32_t)group, ret);
}

/* Where to look on; an empty match moves one character so that the loop ends. */
static size_t next_from(const struct expr_regex *re, struct pb_slice s)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(re->match);
	size_t end = PB_MAX(at[1], at[0]);

	if (at[1] > at[0] || end >= s.len)
		return at[1] > at[0] ? end : s.len + 1;
	return end + expr_utf8_offset(s.p + end, s.len - end, 1);
}

static bool fn_extract_all(struct expr_call *c, struct pb_json *ret)
{
	struct expr_list l = {.ev = c->ev};
	struct expr_regex *re;
	struct pb_json v;
	struct pb_slice s;
	int n;

	if (!prepare(c, 2, &s, &re))
		return false;
	for (size_t from = 0; from <= s.len; from = next_from(re, s)) {
		if (!run(c, re, s, from, &n))
			return false;
		if (!n)
			break;
		if (!group_value(c, re, s, default_group(re), &v) || !expr_list_add(&l, &v))
			return false;
	}
	*ret = expr_list_json(&l);
	return true;
}

/* $0..$9 stand for groups, $$ for a dollar. */
static bool add_replacement(struct expr_call *c, struct expr_text *t, const struct expr_regex *re,
			    struct pb_slice s, struct pb_slice with)
{
	struct pb_json v;

	for (size_t i = 0; i < with.len; i++) {
		char next = i + 1 < with.len ? with.p[i + 1] : '\0';

		if (with.p[i] != '$' || (next != '$' && (next < '0' || next > '9'))) {
			if (!expr_text_addc(t, with.p[i]))
				return false;
			continue;
		}
		i++;
		if (next == '$') {
			if (!expr_text_addc(t, '$'))
				return false;
		} else if (!group_value(c, re, s, (uint32_t)(next - '0'), &v) ||
			   !expr_text_add_value(t, &v)) {
			return false;
		}
	}
	return expr_charge_bytes(c->ev, with.len);
}

static bool fn_replace_regex(struct expr_call *c, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct pb_slice s, with;
	struct expr_regex *re;
	size_t copied = 0;
	int n;

	if (!prepare(c, 3, &s, &re) || !expr_arg_text(c, 2, &with))
		return false;
	for (size_t from = 0; from <= s.len; from = next_from(re, s)) {
		const PCRE2_SIZE *at;

		if (!run(c, re, s, from, &n))
			return false;
		if (!n)
			break;
		at = pcre2_get_ovector_pointer(re->match);
		if (at[0] < copied || at[1] < at[0]) /* \K in a lookaround can turn it round */
			return expr_fail_call(c, "expr.regex", "the pattern moves backwards");
		if (!expr_text_add(&t, s.p + copied, at[0] - copied) ||
		    !add_replacement(c, &t, re, s, with))
			return false;
		copied = at[1];
	}
	return expr_text_add(&t, s.p + copied, s.len - copied) && expr_text_done(&t, ret);
}

static const struct expr_fn_def defs[] = {
	EXPR_FN("matches", 2, 3, fn_matches, "matches(text, pattern, flags?)",
		"True when the regular expression is found; flags i, m, s."),
	EXPR_FN("extract", 2, 4, fn_extract, "extract(text, pattern, group?, flags?)",
		"The first match (its first group if it has one), or null."),
	EXPR_FN("extract_all", 2, 3, fn_extract_all, "extract_all(text, pattern, flags?)",
		"All matches (their first groups) as an array."),
	EXPR_FN("replace_regex", 3, 4, fn_replace_regex,
		"replace_regex(text, pattern, with, flags?)",
		"Every match replaced; $1 in `with` is a group, $$ a dollar."),
};

const struct expr_fn_group expr_fn_regex = {"regular expressions", defs, PB_ARRAY_LEN(defs)};
