/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions on text. Positions and lengths count characters (code points), never bytes. Everything that can grow
 * computes its size first, so repeat("a", 1e9) costs nothing but an error.
 */
#include "expr/expr_fn.h"

#include "expr/expr_case.h"
#include "base/base.h"

size_t expr_utf8_count(const char *p, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += ((uint8_t)p[i] & 0xc0) != 0x80;
	return count;
}

size_t expr_utf8_offset(const char *p, size_t n, size_t index)
{
	size_t i = 0;

	for (; i < n; i++) {
		if (((uint8_t)p[i] & 0xc0) != 0x80 && index-- == 0)
			break;
	}
	return i;
}

static bool map_case(struct expr_call *c, uint32_t (*fn)(uint32_t), struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct pb_slice s;
	uint32_t cp;
	char buf[4];

	if (!expr_arg_text(c, 0, &s) || !expr_text_reserve(&t, s.len))
		return false;
	for (size_t i = 0; i < s.len;) {
		i += pb_utf8_decode(s.p + i, s.len - i, &cp);
		if (!expr_text_add(&t, buf, pb_utf8_encode(fn(cp), buf)))
			return false;
	}
	return expr_text_done(&t, ret);
}

static bool fn_upper(struct expr_call *c, struct pb_json *ret)
{
	return map_case(c, expr_case_upper, ret);
}

static bool fn_lower(struct expr_call *c, struct pb_json *ret)
{
	return map_case(c, expr_case_lower, ret);
}

static bool is_letter(uint32_t cp)
{
	return expr_case_lower(cp) != cp || expr_case_upper(cp) != cp || (cp >= '0' && cp <= '9') ||
	       cp == '\'' || cp >= 0x2e80;
}

/* The first letter of each word (or of the text) upper case, the rest lower case or as it is. */
static bool capitalise(struct expr_call *c, bool words, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct pb_slice s;
	bool inside = false;
	uint32_t cp;
	char buf[4];

	if (!expr_arg_text(c, 0, &s) || !expr_text_reserve(&t, s.len))
		return false;
	for (size_t i = 0; i < s.len;) {
		i += pb_utf8_decode(s.p + i, s.len - i, &cp);
		if (!inside)
			cp = expr_case_upper(cp);
		else if (words)
			cp = expr_case_lower(cp);
		inside = !words || is_letter(cp);
		if (!expr_text_add(&t, buf, pb_utf8_encode(cp, buf)))
			return false;
	}
	return expr_text_done(&t, ret);
}

static bool fn_capitalize(struct expr_call *c, struct pb_json *ret)
{
	return capitalise(c, false, ret);
}

static bool fn_title(struct expr_call *c, struct pb_json *ret)
{
	return capitalise(c, true, ret);
}

static bool is_blank(uint32_t cp)
{
	return cp == ' ' || (cp >= '\t' && cp <= '\r') || cp == 0xa0 || cp == 0x3000 ||
	       (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0xfeff;
}

static struct pb_slice trimmed(struct pb_slice s, bool start, bool end)
{
	uint32_t cp;
	size_t n;

	while (start && s.len) {
		n = pb_utf8_decode(s.p, s.len, &cp);
		if (!is_blank(cp))
			break;
		s.p += n;
		s.len -= n;
	}
	while (end && s.len) {
		n = s.len - 1;
		while (n && ((uint8_t)s.p[n] & 0xc0) == 0x80)
			n--;
		(void)pb_utf8_decode(s.p + n, s.len - n, &cp);
		if (!is_blank(cp))
			break;
		s.len = n;
	}
	return s;
}

static bool trim_side(struct expr_call *c, bool start, bool end, struct pb_json *ret)
{
	struct pb_slice s;

	if (!expr_arg_text(c, 0, &s))
		return false;
	s = trimmed(s, start, end);
	return expr_ret_text(c->ev, s.p, s.len, ret);
}

static bool fn_trim(struct expr_call *c, struct pb_json *ret)
{
	return trim_side(c, true, true, ret);
}

static bool fn_trim_start(struct expr_call *c, struct pb_json *ret)
{
	return trim_side(c, true, false, ret);
}

static bool fn_trim_end(struct expr_call *c, struct pb_json *ret)
{
	return trim_side(c, false, true, ret);
}

/* --- searching --- */

static const char *find(struct pb_slice s, size_t from, struct pb_slice what)
{
	return from <= s.len ? memmem(s.p + from, s.len - from, what.p, what.len) : NULL;
}

static bool two_texts(struct expr_call *c, struct pb_slice *a, struct pb_slice *b)
{
	return expr_arg_text(c, 0, a) && expr_arg_text(c, 1, b);
}

static bool fn_starts_with(struct expr_call *c, struct pb_json *ret)
{
	struct pb_slice s, what;

	if (!two_texts(c, &s, &what))
		return false;
	*ret = expr_bool(what.len <= s.len && !memcmp(s.p, what.p, what.len));
	return true;
}

static bool fn_ends_with(struct expr_call *c, struct pb_json *ret)
{
	struct pb_slice s, what;

	if (!two_texts(c, &s, &what))
		return false;
	*ret = expr_bool(what.len <= s.len && !memcmp(s.p + s.len - what.len, what.p, what.len));
	return true;
}

static bool fn_replace_n(struct expr_call *c, bool all, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct pb_slice s, what, with;
	const char *hit;
	size_t from = 0;

	if (!two_texts(c, &s, &what) || !expr_arg_text(c, 2, &with))
		return false;
	if (!what.len)
		return expr_fail_call(c, "expr.argument", "argument 2 must not be empty");
	while ((hit = find(s, from, what))) {
		if (!expr_charge(c->ev, 1) ||
		    !expr_text_add(&t, s.p + from, (size_t)(hit - s.p) - from) ||
		    !expr_text_add(&t, with.p, with.len))
			return false;
		from = (size_t)(hit - s.p) + what.len;
		if (!all)
			break;
	}
	return expr_text_add(&t, s.p + from, s.len - from) && expr_text_done(&t, ret);
}

static bool fn_replace(struct expr_call *c, struct pb_json *ret)
{
	return fn_replace_n(c, false, ret);
}

static bool fn_replace_all(struct expr_call *c, struct pb_json *ret)
{
	return fn_replace_n(c, true, ret);
}

/* "a, b, c".before(",") and friends: null when the mark is not there. */
static bool fn_before(struct expr_call *c, struct pb_json *ret)
{
	struct pb_slice s, what;
	const char *hit;

	if (!two_texts(c, &s, &what))
		return false;
	hit = find(s, 0, what);
	*ret = expr_null();
	return !hit || expr_ret_text(c->ev, s.p, (size_t)(hit - s.p), ret);
}

static bool fn_after(struct expr_call *c, struct pb_json *ret)
{
	struct pb_slice s, what;
	const char *hit;

	if (!two_texts(c, &s, &what))
		return false;
	hit = find(s, 0, what);
	*ret = expr_null();
	if (!hit)
		return true;
	hit += what.len;
	return expr_ret_text(c->ev, hit, s.len - (size_t)(hit - s.p), ret);
}

/* --- splitting and joining --- */

static bool add_piece(struct expr_list *l, const char *p, size_t n)
{
	struct pb_json v;

	return expr_charge(l->ev, 1) && expr_ret_text(l->ev, p, n, &v) && expr_list_add(l, &v);
}

static bool split_chars(struct expr_list *l, struct pb_slice s)
{
	uint32_t cp;
	size_t n;

	for (size_t i = 0; i < s.len; i += n) {
		n = pb_utf8_decode(s.p + i, s.len - i, &cp);
		if (!add_piece(l, s.p + i, n))
			return false;
	}
	return true;
}

static bool fn_split(struct expr_call *c, struct pb_json *ret)
{
	struct expr_list l = {.ev = c->ev};
	struct pb_slice s, by;
	const char *hit;
	size_t from = 0;

	if (!two_texts(c, &s, &by))
		return false;
	if (!by.len) {
		if (!split_chars(&l, s))
			return false;
		*ret = expr_list_json(&l);
		return true;
	}
	while ((hit = find(s, from, by))) {
		if (!add_piece(&l, s.p + from, (size_t)(hit - s.p) - from))
			return false;
		from = (size_t)(hit - s.p) + by.len;
	}
	if (!add_piece(&l, s.p + from, s.len - from))
		return false;
	*ret = expr_list_json(&l);
	return true;
}

/* Lines without their ends; the last one only when it is not empty. */
static bool fn_lines(struct expr_call *c, struct pb_json *ret)
{
	struct expr_list l = {.ev = c->ev};
	struct pb_slice s;

	if (!expr_arg_text(c, 0, &s))
		return false;
	while (s.len) {
		const char *end = memchr(s.p, '\n', s.len);
		size_t n = end ? (size_t)(end - s.p) : s.len, keep = n;

		if (keep && s.p[keep - 1] == '\r')
			keep--;
		if (!add_piece(&l, s.p, keep))
			return false;
		n += end != NULL;
		s = pb_slice(s.p + n, s.len - n);
	}
	*ret = expr_list_json(&l);
	return true;
}

static bool fn_words(struct expr_call *c, struct pb_json *ret)
{
	struct expr_list l = {.ev = c->ev};
	size_t start = 0, i = 0, n;
	struct pb_slice s;
	uint32_t cp;

	if (!expr_arg_text(c, 0, &s))
		return false;
	for (; i < s.len; i += n) {
		n = pb_utf8_decode(s.p + i, s.len - i, &cp);
		if (!is_blank(cp))
			continue;
		if (i > start && !add_piece(&l, s.p + start, i - start))
			return false;
		start = i + n;
	}
	if (s.len > start && !add_piece(&l, s.p + start, s.len - start))
		return false;
	*ret = expr_list_json(&l);
	return true;
}

static bool fn_join(struct expr_call *c, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	const struct pb_json *a;
	struct pb_slice by;

	if (!expr_arg_array(c, 0, &a) || !expr_arg_text_or(c, 1, ", ", &by))
		return false;
	for (uint32_t i = 0; i < a->len; i++) {
		if (i && !expr_text_add(&t, by.p, by.len))
			return false;
		if (!expr_text_add_value(&t, &a->items[i]))
			return false;
	}
	return expr_text_done(&t, ret);
}

/* --- shape --- */

static bool fn_repeat(struct expr_call *c, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct pb_slice s;
	int64_t n;

	if (!expr_arg_text(c, 0, &s) || !expr_arg_int(c, 1, 0, INT64_C(1) << 32, &n) ||
	    !expr_text_reserve(&t, s.len ? (size_t)n * s.len : 0))
		return false;
	for (int64_t i = 0; s.len && i < n; i++) {
		if (!expr_text_add(&t, s.p, s.len))
			return false;
	}
	return expr_text_done(&t, ret);
}

static bool pad(struct expr_call *c, bool start, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct pb_slice s, fill;
	size_t have, step, missing;
	int64_t want;

	if (!expr_arg_text(c, 0, &s) || !expr_arg_int(c, 1, 0, EXPR_BUDGET_OUTPUT, &want) ||
	    !expr_arg_text_or(c, 2, " ", &fill))
		return false;
	have = expr_utf8_count(s.p, s.len);
	step = expr_utf8_count(fill.p, fill.len);
	missing = (size_t)want > have && step ? (size_t)want - have : 0;
	if (!expr_text_reserve(&t, s.len + missing * (fill.len / PB_MAX(step, 1) + 1)))
		return false;
	if (!start && !expr_text_add(&t, s.p, s.len))
		return false;
	for (; missing; missing -= PB_MIN(missing, step)) {
		size_t bytes =
			missing >= step ? fill.len : expr_utf8_offset(fill.p, fill.len, missing);

		if (!expr_text_add(&t, fill.p, bytes))
			return false;
	}
	return (!start || expr_text_add(&t, s.p, s.len)) && expr_text_done(&t, ret);
}

static bool fn_pad_start(struct expr_call *c, struct pb_json *ret)
{
	return pad(c, true, ret);
}

static bool fn_pad_end(struct expr_call *c, struct pb_json *ret)
{
	return pad(c, false, ret);
}

/* At most @n characters, the suffix included. */
static bool fn_truncate(struct expr_call *c, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct pb_slice s, suffix;
	size_t room, tail;
	int64_t n;

	if (!expr_arg_text(c, 0, &s) || !expr_arg_int(c, 1, 0, EXPR_BUDGET_OUTPUT, &n) ||
	    !expr_arg_text_or(c, 2, "\xe2\x80\xa6", &suffix))
		return false;
	if (expr_utf8_count(s.p, s.len) <= (size_t)n)
		return expr_ret_text(c->ev, s.p, s.len, ret);
	tail = expr_utf8_count(suffix.p, suffix.len);
	room = (size_t)n > tail ? (size_t)n - tail : 0;
	return expr_text_add(&t, s.p, expr_utf8_offset(s.p, s.len, room)) &&
	       expr_text_add(&t, suffix.p,
			     expr_utf8_offset(suffix.p, suffix.len, (size_t)n - room)) &&
	       expr_text_done(&t, ret);
}

static bool slug_char(struct expr_text *t, uint32_t cp, bool *gap)
{
	char ascii[2] = {(char)cp, '\0'};
	const char *s;

	cp = expr_case_lower(cp);
	ascii[0] = (char)cp;
	s = (cp >= 'a' && cp <= 'z') || (cp >= '0' && cp <= '9') ? ascii : expr_case_ascii(cp);
	if (cp < 0x80 && (cp == '\'' || s != ascii))
		s = cp == '\'' ? "" : NULL;
	if (!s) {
		*gap = t->len > 0;
		return true;
	}
	if (*s && *gap && !expr_text_addc(t, '-'))
		return false;
	if (*s)
		*gap = false;
	return expr_text_add(t, s, strlen(s));
}

static bool fn_slug(struct expr_call *c, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct pb_slice s;
	bool gap = false;
	uint32_t cp;

	if (!expr_arg_text(c, 0, &s))
		return false;
	for (size_t i = 0; i < s.len;) {
		i += pb_utf8_decode(s.p + i, s.len - i, &cp);
		if (!slug_char(&t, cp, &gap))
			return false;
	}
	return expr_text_done(&t, ret);
}

static bool fn_to_text(struct expr_call *c, struct pb_json *ret)
{
	return expr_to_string(c->ev, &c->arg[0], ret);
}

static const struct expr_fn_def defs[] = {
	EXPR_FN("upper", 1, 1, fn_upper, "upper(text)", "Text in upper case."),
	EXPR_FN("lower", 1, 1, fn_lower, "lower(text)", "Text in lower case."),
	EXPR_FN("capitalize", 1, 1, fn_capitalize, "capitalize(text)",
		"The first letter in upper case, the rest as it is."),
	EXPR_FN("title", 1, 1, fn_title, "title(text)", "Each word with a capital letter."),
	EXPR_FN("trim", 1, 1, fn_trim, "trim(text)", "Without blanks at both ends."),
	EXPR_FN("trim_start", 1, 1, fn_trim_start, "trim_start(text)",
		"Without blanks at the start."),
	EXPR_FN("trim_end", 1, 1, fn_trim_end, "trim_end(text)", "Without blanks at the end."),
	EXPR_FN("starts_with", 2, 2, fn_starts_with, "starts_with(text, start)",
		"True when the text begins with `start`."),
	EXPR_FN("ends_with", 2, 2, fn_ends_with, "ends_with(text, end)",
		"True when the text ends with `end`."),
	EXPR_FN("replace", 3, 3, fn_replace, "replace(text, from, to)",
		"The first `from` replaced by `to`."),
	EXPR_FN("replace_all", 3, 3, fn_replace_all, "replace_all(text, from, to)",
		"Every `from` replaced by `to`."),
	EXPR_FN("before", 2, 2, fn_before, "before(text, mark)",
		"What stands before the first `mark`; null when it is not there."),
	EXPR_FN("after", 2, 2, fn_after, "after(text, mark)",
		"What stands behind the first `mark`; null when it is not there."),
	EXPR_FN("split", 2, 2, fn_split, "split(text, by)",
		"An array of the parts between each `by`; by \"\" gives the characters."),
	EXPR_FN("lines", 1, 1, fn_lines, "lines(text)", "An array of the lines."),
	EXPR_FN("words", 1, 1, fn_words, "words(text)", "An array of the words between blanks."),
	EXPR_FN("join", 1, 2, fn_join, "join(array, by?)",
		"The items as one text, with `by` (\", \") between them."),
	EXPR_FN("repeat", 2, 2, fn_repeat, "repeat(text, n)", "The text n times."),
	EXPR_FN("pad_start", 2, 3, fn_pad_start, "pad_start(text, length, fill?)",
		"At least `length` characters, filled at the start."),
	EXPR_FN("pad_end", 2, 3, fn_pad_end, "pad_end(text, length, fill?)",
		"At least `length` characters, filled at the end."),
	EXPR_FN("truncate", 2, 3, fn_truncate, "truncate(text, length, suffix?)",
		"At most `length` characters; what is cut ends with `suffix` (an ellipsis)."),
	EXPR_FN("slug", 1, 1, fn_slug, "slug(text)",
		"Small letters, digits and hyphens, fit for an address."),
	EXPR_FN("to_text", 1, 1, fn_to_text, "to_text(value)",
		"Any value as text: null is empty, objects are compact JSON."),
};

const struct expr_fn_group expr_fn_text = {"text", defs, PB_ARRAY_LEN(defs)};
