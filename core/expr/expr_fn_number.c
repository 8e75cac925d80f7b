/* SPDX-License-Identifier: Apache-2.0 */
/* Functions on numbers. Integers stay integers where mathematics allows it; nothing overflows in silence. */
#include "expr/expr_fn.h"

#include <math.h>

#include "expr/expr_decimal.h"
#include "base/parse.h"
#include "base/base.h"

/* The number as an integer if it is one. */
static bool as_int(const struct pb_json *v, int64_t *ret)
{
	return v->type != PB_JSON_REAL && pb_json_i64(v, ret);
}

static bool ret_whole(struct expr_call *c, double d, struct pb_json *ret)
{
	if (d >= -9007199254740992.0 && d <= 9007199254740992.0) {
		*ret = expr_int((int64_t)d);
		return true;
	}
	return expr_ret_double(c->ev, c->node->pos, d, ret);
}

static bool fn_abs(struct expr_call *c, struct pb_json *ret)
{
	double d;
	int64_t i;

	if (!expr_charge_digits(c->ev, &c->arg[0]))
		return false;
	if (as_int(&c->arg[0], &i)) {
		if (i == INT64_MIN)
			return expr_fail_call(c, "expr.range", "the result does not fit 64 bits");
		*ret = expr_int(i < 0 ? -i : i);
		return true;
	}
	if (c->arg[0].type == PB_JSON_NUMBER) { /* its text without the sign: nothing is lost */
		bool minus = c->arg[0].s[0] == '-';

		*ret = c->arg[0];
		ret->s += minus;
		ret->len -= minus;
		return true;
	}
	return expr_arg_double(c, 0, &d) && expr_ret_double(c->ev, c->node->pos, fabs(d), ret);
}

/*
 * A rounded decimal as a number: an integer if it is one of 64 bits. A double would lose digits of
 * what came as text with more than a double holds; that stays text.
 */
static bool ret_rounded(struct expr_call *c, const struct expr_decimal *d, bool whole,
			struct pb_json *ret)
{
	char buf[EXPR_DECIMAL_TEXT_BYTES];
	size_t n = expr_decimal_format(d, buf);
	struct expr_decimal again;
	struct pb_json real = {.type = PB_JSON_REAL};
	int64_t i;

	if (whole && pb_parse_i64(buf, n, INT64_MIN, INT64_MAX, &i)) {
		*ret = expr_int(i);
		return true;
	}
	if (!pb_parse_double(buf, n, &real.d))
		return expr_fail_call(c, "expr.range", "the number is out of range");
	if (c->arg[0].type == PB_JSON_NUMBER &&
	    (!expr_decimal_from_json(&real, &again) || expr_decimal_compare(&again, d) != 0)) {
		if (!expr_ret_text(c->ev, buf, n, ret))
			return false;
		ret->type = PB_JSON_NUMBER;
		return true;
	}
	return whole ? ret_whole(c, real.d, ret)
		     : expr_ret_double(c->ev, c->node->pos, real.d, ret);
}

/* Rounds by decimal digits, so 1.005 rounds to 1.01 as people expect, not to 1.00 as its binary value would. */
static bool round_places(struct expr_call *c, enum expr_rounding how, struct pb_json *ret)
{
	struct expr_decimal d;
	int64_t places, i;
	double x;

	if (!expr_arg_int_or(c, 1, 0, 15, 0, &places) || !expr_charge_digits(c->ev, &c->arg[0]))
		return false;
	if (as_int(&c->arg[0], &i)) {
		*ret = expr_int(i);
		return true;
	}
	if (!expr_arg_double(c, 0, &x) || !expr_charge(c->ev, 4))
		return false;
	if (!expr_decimal_from_json(&c->arg[0], &d) ||
	    !expr_decimal_round(&d, (uint32_t)places, how, &d)) {
		/* beyond the digits of decimals: too small to see, or whole anyway */
		return ret_whole(c, fabs(x) < 1 ? 0 : x, ret);
	}
	return ret_rounded(c, &d, !places, ret);
}

static bool fn_round(struct expr_call *c, struct pb_json *ret)
{
	return round_places(c, EXPR_ROUND_HALF_UP, ret);
}

static bool fn_floor(struct expr_call *c, struct pb_json *ret)
{
	return round_places(c, EXPR_ROUND_FLOOR, ret);
}

static bool fn_ceil(struct expr_call *c, struct pb_json *ret)
{
	return round_places(c, EXPR_ROUND_CEILING, ret);
}

static bool fn_trunc(struct expr_call *c, struct pb_json *ret)
{
	return round_places(c, EXPR_ROUND_DOWN, ret);
}

static bool fn_sign(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json zero = expr_int(0);

	if (!expr_is_number(&c->arg[0]))
		return expr_fail_arg(c, 0, "a number");
	if (!expr_charge_digits(c->ev, &c->arg[0]))
		return false;
	*ret = expr_int(expr_number_compare(&c->arg[0], &zero));
	return true;
}

static bool fn_clamp(struct expr_call *c, struct pb_json *ret)
{
	for (uint32_t i = 0; i < 3; i++) {
		if (!expr_is_number(&c->arg[i]))
			return expr_fail_arg(c, i, "a number");
		if (!expr_charge_digits(c->ev, &c->arg[i]))
			return false;
	}
	if (expr_number_compare(&c->arg[1], &c->arg[2]) > 0)
		return expr_fail_call(c, "expr.argument", "the minimum is above the maximum");
	*ret = c->arg[0];
	if (expr_number_compare(ret, &c->arg[1]) < 0)
		*ret = c->arg[1];
	if (expr_number_compare(ret, &c->arg[2]) > 0)
		*ret = c->arg[2];
	return true;
}

/* An overflow is an error, not a double, as with + - *. */
static bool int_pow(struct expr_call *c, int64_t base, int64_t exponent, struct pb_json *ret)
{
	int64_t r = 1;

	if (base >= -1 && base <= 1) /* the others are out of 64 bits before the loop gets long */
		exponent = exponent ? 2 - exponent % 2 : 0;
	for (; exponent; exponent--) {
		if (__builtin_mul_overflow(r, base, &r))
			return expr_fail_call(c, "expr.range", "the result does not fit 64 bits");
	}
	*ret = expr_int(r);
	return true;
}

static bool fn_pow(struct expr_call *c, struct pb_json *ret)
{
	int64_t base, exponent;
	double x, y;

	if (!expr_arg_double(c, 0, &x) || !expr_arg_double(c, 1, &y))
		return false;
	if (as_int(&c->arg[0], &base) && as_int(&c->arg[1], &exponent) && exponent >= 0)
		return int_pow(c, base, exponent, ret);
	return expr_ret_double(c->ev, c->node->pos, pow(x, y), ret);
}

static bool fn_sqrt(struct expr_call *c, struct pb_json *ret)
{
	double x;

	if (!expr_arg_double(c, 0, &x))
		return false;
	if (x < 0)
		return expr_fail_call(c, "expr.range", "a negative number has no square root");
	return expr_ret_double(c->ev, c->node->pos, sqrt(x), ret);
}

/* --- from text --- */

static struct pb_slice strip(struct pb_slice s)
{
	while (s.len && (*s.p == ' ' || *s.p == '\t' || *s.p == '\n' || *s.p == '\r')) {
		s.p++;
		s.len--;
	}
	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t' ||
			 s.p[s.len - 1] == '\n' || s.p[s.len - 1] == '\r'))
		s.len--;
	return s;
}

/* "12" is an integer, "12.50" keeps its text, anything that is not a JSON number is refused. */
static bool number_of_text(struct expr_ev *ev, struct pb_slice s, struct pb_json *ret, bool *ok)
{
	int64_t i;
	double d;

	if (!expr_charge_bytes(ev, s.len)) /* a megabyte of blanks is read too */
		return false;
	s = strip(s);
	*ok = true;
	if (pb_parse_i64(s.p, s.len, INT64_MIN, INT64_MAX, &i)) {
		*ret = expr_int(i);
		return true;
	}
	*ok = s.len <= 200 && pb_parse_double(s.p, s.len, &d);
	if (!*ok)
		return true;
	if (!expr_ret_text(ev, s.p, s.len, ret))
		return false;
	ret->type = PB_JSON_NUMBER;
	return true;
}

static bool to_number(struct expr_call *c, struct pb_json *ret, bool *ok)
{
	const struct pb_json *v = &c->arg[0];

	*ok = true;
	if (expr_is_number(v)) {
		*ret = *v;
		return true;
	}
	if (v->type == PB_JSON_STRING)
		return number_of_text(c->ev, pb_slice(v->s, v->len), ret, ok);
	*ok = v->type == PB_JSON_BOOL;
	if (*ok)
		*ret = expr_int(v->b);
	return true;
}

static bool no_number(struct expr_call *c, struct pb_json *ret)
{
	if (c->argc < 2)
		return expr_fail_call(c, "expr.argument", "this %s is not a number",
				      pb_json_type_name(&c->arg[0]));
	*ret = c->arg[1];
	return true;
}

static bool fn_to_number(struct expr_call *c, struct pb_json *ret)
{
	bool ok;

	if (!to_number(c, ret, &ok))
		return false;
	return ok || no_number(c, ret);
}

/* Cut by its digits, not by its double: 9007199254740993.5 is 9007199254740993. */
static bool cut(const struct pb_json *v, int64_t *ret)
{
	char buf[EXPR_DECIMAL_TEXT_BYTES];
	struct expr_decimal d;
	double x;

	if (pb_json_i64(v, ret))
		return true;
	if (expr_decimal_from_json(v, &d) && expr_decimal_round(&d, 0, EXPR_ROUND_DOWN, &d))
		return pb_parse_i64(buf, expr_decimal_format(&d, buf), INT64_MIN, INT64_MAX, ret);
	if (!pb_json_double(v, &x) || fabs(x) >= 9223372036854775808.0)
		return false;
	*ret = (int64_t)x;
	return true;
}

static bool fn_to_int(struct expr_call *c, struct pb_json *ret)
{
	struct pb_json v = expr_null();
	int64_t i;
	bool ok;

	if (!to_number(c, &v, &ok) || (ok && !expr_charge_digits(c->ev, &v)))
		return false;
	if (ok && cut(&v, &i)) {
		*ret = expr_int(i);
		return true;
	}
	return no_number(c, ret);
}

/* "1,234,567.50": digits grouped by three. */
static bool add_grouped(struct expr_text *t, const char *s, size_t n, struct pb_slice group)
{
	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0 && !expr_text_add(t, group.p, group.len))
			return false;
		if (!expr_text_addc(t, s[i]))
			return false;
	}
	return true;
}

static bool fn_format_number(struct expr_call *c, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	char buf[EXPR_DECIMAL_TEXT_BYTES];
	struct pb_slice group, point;
	struct expr_decimal d;
	size_t n, whole, skip;
	int64_t places;

	if (!expr_is_number(&c->arg[0]))
		return expr_fail_arg(c, 0, "a number");
	if (!expr_arg_int_or(c, 1, 0, 15, 2, &places) || !expr_arg_text_or(c, 2, ",", &group) ||
	    !expr_arg_text_or(c, 3, ".", &point) || !expr_charge(c->ev, 4) ||
	    !expr_charge_digits(c->ev, &c->arg[0]))
		return false;
	if (!expr_decimal_from_json(&c->arg[0], &d) ||
	    !expr_decimal_round(&d, (uint32_t)places, EXPR_ROUND_HALF_UP, &d))
		return expr_fail_call(c, "expr.range", "the number has too many digits");
	n = expr_decimal_format(&d, buf);
	skip = buf[0] == '-';
	whole = places ? n - (size_t)places - 1 : n;
	return expr_text_add(&t, buf, skip) && add_grouped(&t, buf + skip, whole - skip, group) &&
	       (!places || (expr_text_add(&t, point.p, point.len) &&
			    expr_text_add(&t, buf + whole + 1, (size_t)places))) &&
	       expr_text_done(&t, ret);
}

static bool fn_is_integer(struct expr_call *c, struct pb_json *ret)
{
	int64_t i;

	if (c->arg[0].type == PB_JSON_NUMBER && !expr_charge_digits(c->ev, &c->arg[0]))
		return false;
	*ret = expr_bool(expr_is_number(&c->arg[0]) && pb_json_i64(&c->arg[0], &i));
	return true;
}

static const struct expr_fn_def defs[] = {
	EXPR_FN("abs", 1, 1, fn_abs, "abs(number)", "The number without its sign."),
	EXPR_FN("round", 1, 2, fn_round, "round(number, places?)",
		"Rounded to 0 to 15 places, half away from zero."),
	EXPR_FN("floor", 1, 2, fn_floor, "floor(number, places?)", "Rounded down."),
	EXPR_FN("ceil", 1, 2, fn_ceil, "ceil(number, places?)", "Rounded up."),
	EXPR_FN("trunc", 1, 2, fn_trunc, "trunc(number, places?)", "Rounded towards zero."),
	EXPR_FN("sign", 1, 1, fn_sign, "sign(number)", "-1, 0 or 1."),
	EXPR_FN("clamp", 3, 3, fn_clamp, "clamp(number, min, max)",
		"The number, but not below min and not above max."),
	EXPR_FN("pow", 2, 2, fn_pow, "pow(number, exponent)", "The power; exact for integers."),
	EXPR_FN("sqrt", 1, 1, fn_sqrt, "sqrt(number)", "The square root."),
	EXPR_FN("to_number", 1, 2, fn_to_number, "to_number(value, fallback?)",
		"Text or a boolean as a number; else the fallback, or an error."),
	EXPR_FN("to_int", 1, 2, fn_to_int, "to_int(value, fallback?)",
		"As to_number, cut to an integer."),
	EXPR_FN("format_number", 1, 4, fn_format_number,
		"format_number(number, places?, group?, point?)",
		"Text like 1,234.50: 2 places, \",\" and \".\" unless told otherwise."),
	EXPR_FN("is_integer", 1, 1, fn_is_integer, "is_integer(value)",
		"True for a number without a fraction that fits 64 bits."),
};

const struct expr_fn_group expr_fn_number = {"number", defs, PB_ARRAY_LEN(defs)};
