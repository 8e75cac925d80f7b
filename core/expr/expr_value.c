/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every function of the language is made of: errors, memory under the budget, argument checks,
 * text and lists that grow. Memory comes from the arena of the result, so a failed evaluation
 * leaves nothing behind.
 */
#include "expr/expr_fn.h"

#include <math.h>
#include <stdarg.h>

#include "base/parse.h"
#include "base/base.h"

static pb_printf(5, 0) bool vfail(struct expr_ev *ev, uint32_t pos, const char *code,
				  const char *prefix, const char *fmt, va_list ap)
{
	char msg[160], at[24] = "";

	(void)vsnprintf(msg, sizeof(msg), fmt, ap); /* may be cut */
	if (!ev->err)
		return false;
	/* what is behind braces never begins at 0: that is a budget's end, which has no place */
	if (pos || !*ev->pointer)
		(void)pb_str_printf(at, sizeof(at), "byte %u: ", pos);
	(void)pb_err_set(&ev->err->err, PB_E_UNPROCESSABLE, code, "%s%s%s%s", at, prefix,
			 *prefix ? ": " : "", msg);
	ev->err->pointer = ev->pointer;
	ev->err->position = pos;
	return false;
}

bool expr_fail(struct expr_ev *ev, uint32_t pos, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfail(ev, pos, code, "", fmt, ap);
	va_end(ap);
	return false;
}

bool expr_fail_call(const struct expr_call *c, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfail(c->ev, c->node->pos, code, c->def->name, fmt, ap);
	va_end(ap);
	return false;
}

bool expr_fail_arg(const struct expr_call *c, uint32_t i, const char *wanted)
{
	return expr_fail_call(c, "expr.type", "argument %u must be %s, not %s", i + 1, wanted,
			      pb_json_type_name(&c->arg[i]));
}

bool expr_fail_steps(struct expr_ev *ev)
{
	ev->budget->steps_left = 0;
	return expr_fail(ev, 0, "expr.budget_steps", "the expression does too much work");
}

/* --- memory --- */

void *expr_alloc(struct expr_ev *ev, size_t n)
{
	void *p = NULL;

	if (n <= ev->budget->memory_left)
		p = pb_arena_alloc(ev->out, n);
	if (!p) {
		(void)expr_fail(ev, 0, "expr.budget_memory",
				"the expression needs too much memory");
		return NULL;
	}
	ev->budget->memory_left -= (uint32_t)n;
	return p;
}

struct pb_json *expr_alloc_items(struct expr_ev *ev, size_t n)
{
	/* one more than asked, so that an empty array has an address too */
	return n < UINT32_MAX / 64 ? expr_alloc(ev, (n + 1) * sizeof(struct pb_json))
				   : expr_alloc(ev, SIZE_MAX);
}

struct pb_json_member *expr_alloc_members(struct expr_ev *ev, size_t n)
{
	return n < UINT32_MAX / 64 ? expr_alloc(ev, (n + 1) * sizeof(struct pb_json_member))
				   : expr_alloc(ev, SIZE_MAX);
}

/* --- arguments --- */

bool expr_arg_text(struct expr_call *c, uint32_t i, struct pb_slice *ret)
{
	const struct pb_json *v = &c->arg[i];

	if (v->type == PB_JSON_STRING || v->type == PB_JSON_NUMBER) {
		*ret = pb_slice(v->s, v->len);
		return expr_charge_bytes(c->ev, v->len);
	}
	if (expr_is_number(v))
		return expr_to_text(c->ev, v, ret);
	return expr_fail_arg(c, i, "text");
}

bool expr_arg_text_or(struct expr_call *c, uint32_t i, const char * or, struct pb_slice *ret)
{
	if (i < c->argc && c->arg[i].type != PB_JSON_NULL)
		return expr_arg_text(c, i, ret);
	*ret = pb_slice_str(or);
	return true;
}

bool expr_arg_int(struct expr_call *c, uint32_t i, int64_t min, int64_t max, int64_t *ret)
{
	int64_t v;

	if (!expr_is_number(&c->arg[i]))
		return expr_fail_arg(c, i, "an integer");
	if (!expr_charge_digits(c->ev, &c->arg[i]))
		return false;
	if (!pb_json_i64(&c->arg[i], &v) || v < min || v > max)
		return expr_fail_call(c, "expr.range",
				      "argument %u must be an integer from %lld to %lld", i + 1,
				      (long long)min, (long long)max);
	*ret = v;
	return true;
}

bool expr_arg_int_or(struct expr_call *c, uint32_t i, int64_t min, int64_t max, int64_t or,
		     int64_t *ret)
{
	if (i < c->argc && c->arg[i].type != PB_JSON_NULL)
		return expr_arg_int(c, i, min, max, ret);
	*ret = or ;
	return true;
}

bool expr_arg_double(struct expr_call *c, uint32_t i, double *ret)
{
	if (!expr_is_number(&c->arg[i]))
		return expr_fail_arg(c, i, "a number");
	if (!expr_charge_digits(c->ev, &c->arg[i]))
		return false;
	if (!pb_json_double(&c->arg[i], ret))
		return expr_fail_call(c, "expr.range", "argument %u is out of range", i + 1);
	return true;
}

bool expr_arg_array(struct expr_call *c, uint32_t i, const struct pb_json **ret)
{
	if (c->arg[i].type != PB_JSON_ARRAY)
		return expr_fail_arg(c, i, "an array");
	*ret = &c->arg[i];
	return expr_charge(c->ev, c->arg[i].len);
}

bool expr_arg_object(struct expr_call *c, uint32_t i, const struct pb_json **ret)
{
	if (c->arg[i].type != PB_JSON_OBJECT)
		return expr_fail_arg(c, i, "an object");
	*ret = &c->arg[i];
	return expr_charge(c->ev, c->arg[i].len);
}

/* --- results --- */

bool expr_ret_text(struct expr_ev *ev, const char *p, size_t n, struct pb_json *ret)
{
	struct expr_text t = {.ev = ev};

	return expr_text_reserve(&t, n) && expr_text_add(&t, p, n) && expr_text_done(&t, ret);
}

bool expr_ret_double(struct expr_ev *ev, uint32_t pos, double d, struct pb_json *ret)
{
	if (!isfinite(d))
		return expr_fail(ev, pos, "expr.range", "the result is not a finite number");
	*ret = (struct pb_json){.type = PB_JSON_REAL, .d = d == 0 ? 0 : d}; /* no -0 */
	return true;
}

bool expr_text_reserve(struct expr_text *t, size_t extra)
{
	size_t want;
	char *p;

	if (extra > EXPR_BUDGET_OUTPUT || t->len + extra > EXPR_BUDGET_OUTPUT)
		return expr_fail(t->ev, 0, "expr.budget_output", "text of more than %u bytes",
				 EXPR_BUDGET_OUTPUT);
	want = t->len + extra + 1;
	if (want <= t->cap)
		return true;
	if (t->cap)
		want = PB_MAX(want, PB_MIN(t->cap * 2, (size_t)EXPR_BUDGET_OUTPUT + 1));
	if (!expr_charge_bytes(t->ev, want))
		return false;
	p = expr_alloc(t->ev, want);
	if (!p)
		return false;
	if (t->len)
		memcpy(p, t->p, t->len);
	t->p = p;
	t->cap = want;
	return true;
}

bool expr_text_add(struct expr_text *t, const char *p, size_t n)
{
	if (t->len + n + 1 > t->cap && !expr_text_reserve(t, t->cap ? n : PB_MAX(n, 32)))
		return false;
	if (n)
		memcpy(t->p + t->len, p, n);
	t->len += n;
	return true;
}

bool expr_text_add_value(struct expr_text *t, const struct pb_json *v)
{
	struct pb_slice s;

	return expr_to_text(t->ev, v, &s) && expr_text_add(t, s.p, s.len);
}

bool expr_text_done(struct expr_text *t, struct pb_json *ret)
{
	if (!t->p && !expr_text_reserve(t, 0))
		return false;
	t->p[t->len] = '\0';
	*ret = expr_text_json(t->p, t->len);
	return true;
}

bool expr_list_add(struct expr_list *l, const struct pb_json *v)
{
	struct pb_json *p;
	size_t cap;

	if (l->len == l->cap) {
		cap = l->cap ? l->cap * 2 : 8;
		p = expr_alloc_items(l->ev, cap);
		if (!p)
			return false;
		if (l->len)
			memcpy(p, l->p, l->len * sizeof(*p));
		l->p = p;
		l->cap = cap;
	}
	l->p[l->len++] = *v;
	return true;
}

struct pb_json expr_list_json(const struct expr_list *l)
{
	static const struct pb_json none;

	return expr_array_json(l->p ? l->p : &none, l->len);
}

/* --- text of values --- */

static bool number_text(struct expr_ev *ev, const struct pb_json *v, struct pb_slice *ret)
{
	char buf[PB_DOUBLE_BYTES];
	struct pb_json text;
	size_t n;

	if (v->type == PB_JSON_INT)
		n = (size_t)snprintf(buf, sizeof(buf), "%lld", (long long)v->i);
	else
		n = pb_format_double(v->d, buf);
	if (!expr_ret_text(ev, buf, n, &text))
		return false;
	*ret = pb_slice(text.s, text.len);
	return true;
}

bool expr_to_text(struct expr_ev *ev, const struct pb_json *v, struct pb_slice *ret)
{
	switch ((enum pb_json_type)v->type) {
	case PB_JSON_NULL:
		*ret = PB_SLICE("");
		return true;
	case PB_JSON_BOOL:
		*ret = v->b ? PB_SLICE("true") : PB_SLICE("false");
		return true;
	case PB_JSON_INT:
	case PB_JSON_REAL:
		return number_text(ev, v, ret);
	case PB_JSON_NUMBER:
	case PB_JSON_STRING:
		*ret = pb_slice(v->s, v->len);
		return true;
	case PB_JSON_ARRAY:
	case PB_JSON_OBJECT:
		break;
	}
	return expr_to_json_text(ev, v, false, ret);
}

bool expr_to_string(struct expr_ev *ev, const struct pb_json *v, struct pb_json *ret)
{
	struct pb_slice s;

	if (v->type == PB_JSON_NUMBER)
		return expr_ret_text(ev, v->s, v->len, ret);
	if (!expr_to_text(ev, v, &s))
		return false;
	*ret = expr_text_json(s.p, s.len);
	return true;
}

static bool pretty_line(struct pb_buf *b, uint32_t depth)
{
	if (!pb_buf_addc(b, '\n'))
		return false;
	for (uint32_t i = 0; i < depth; i++) {
		if (!pb_buf_adds(b, "  "))
			return false;
	}
	return true;
}

/* Depth was checked by expr_measure(). */
static bool write_pretty(struct pb_buf *b, const struct pb_json *v, uint32_t depth)
{
	bool object = v->type == PB_JSON_OBJECT;

	if ((!object && v->type != PB_JSON_ARRAY) || !v->len)
		return pb_json_write(b, v);
	if (!pb_buf_addc(b, object ? '{' : '['))
		return false;
	for (uint32_t i = 0; i < v->len; i++) {
		const struct pb_json *kid = object ? &v->members[i].value : &v->items[i];

		if ((i && !pb_buf_addc(b, ',')) || !pretty_line(b, depth + 1))
			return false;
		if (object && (!pb_json_write_string(b, v->members[i].key, v->members[i].key_len) ||
			       !pb_buf_adds(b, ": ")))
			return false;
		if (!write_pretty(b, kid, depth + 1))
			return false;
	}
	return pretty_line(b, depth) && pb_buf_addc(b, object ? '}' : ']');
}

bool expr_to_json_text(struct expr_ev *ev, const struct pb_json *v, bool pretty,
		       struct pb_slice *ret)
{
	pb_auto_buf b;
	struct pb_json text;
	size_t bytes = 0;

	pb_buf_init(&b, EXPR_BUDGET_OUTPUT);
	if (!expr_measure(ev, v, 0, EXPR_BUDGET_OUTPUT, &bytes))
		return false;
	if (!(pretty ? write_pretty(&b, v, 0) : pb_json_write(&b, v)))
		return expr_fail(ev, 0, "expr.budget_output", "text of more than %u bytes",
				 EXPR_BUDGET_OUTPUT);
	if (!expr_ret_text(ev, pb_buf_str(&b), b.len, &text))
		return false;
	*ret = pb_slice(text.s, text.len);
	return true;
}

/* With quotes and escapes. Not read when it is beyond @limit anyway. */
static size_t string_bytes(const char *s, size_t n, size_t limit)
{
	size_t bytes = n + 2;

	for (size_t i = 0; i < n && bytes <= limit; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\' || (c >= '\b' && c <= '\r' && c != '\v'))
			bytes += 1;
		else if (c < 0x20)
			bytes += 5;
	}
	return bytes;
}

static size_t int_bytes(int64_t i)
{
	size_t n = 1 + (i < 0);

	for (; i > 9 || i < -9; i /= 10)
		n++;
	return n;
}

static size_t scalar_bytes(const struct pb_json *v, size_t limit)
{
	switch ((enum pb_json_type)v->type) {
	case PB_JSON_STRING:
		return string_bytes(v->s, v->len, limit);
	case PB_JSON_NUMBER:
		return v->len;
	case PB_JSON_INT:
		return int_bytes(v->i);
	case PB_JSON_REAL:
		return 24; /* -2.2250738585072014e-308 is the longest */
	default:
		return 5;
	}
}

/* A value may hold the same part many times, so its text can be far larger than its memory. */
bool expr_measure(struct expr_ev *ev, const struct pb_json *v, uint32_t depth, size_t limit_bytes,
		  size_t *bytes)
{
	bool object = v->type == PB_JSON_OBJECT;
	bool tree = object || v->type == PB_JSON_ARRAY;

	*bytes += tree ? 2 : scalar_bytes(v, limit_bytes);
	if (*bytes > limit_bytes)
		return expr_fail(ev, 0, "expr.budget_output", "a result of more than %zu bytes",
				 limit_bytes);
	if (!tree)
		return true;
	if (depth >= PB_JSON_DEPTH)
		return expr_fail(ev, 0, "expr.depth", "a result of more than %d levels",
				 PB_JSON_DEPTH);
	for (uint32_t i = 0; i < v->len; i++) {
		const struct pb_json *kid = object ? &v->members[i].value : &v->items[i];
		const struct pb_json_member *m = object ? &v->members[i] : NULL;

		*bytes += m ? string_bytes(m->key, m->key_len, limit_bytes) + 2 : 1;
		if (!expr_measure(ev, kid, depth + 1, limit_bytes, bytes))
			return false;
	}
	return true;
}
