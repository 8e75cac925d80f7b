/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact decimal arithmetic for money. Arguments are numbers or text, results are JSON numbers that keep their text:
 * decimal_add("0.10", 0.2) is 0.30, and it is written as 0.30. Ordinary + - * / on them computes with doubles.
 */
#include "expr/expr_fn.h"

#include "expr/expr_decimal.h"
#include "base/base.h"

static bool arg_decimal(struct expr_call *c, uint32_t i, struct expr_decimal *ret)
{
	const struct pb_json *v = &c->arg[i];

	if (!expr_is_number(v) && v->type != PB_JSON_STRING)
		return expr_fail_arg(c, i, "a number or text");
	if (!expr_charge_digits(c->ev, v))
		return false;
	if (!expr_decimal_from_json(v, ret))
		return expr_fail_call(c, "expr.argument",
				      "argument %u is not a decimal number of at most %d digits",
				      i + 1, EXPR_DECIMAL_DIGITS);
	return expr_charge(c->ev, 8);
}

static bool ret_decimal(struct expr_call *c, bool ok, const struct expr_decimal *d,
			struct pb_json *ret)
{
	char buf[EXPR_DECIMAL_TEXT_BYTES];

	if (!ok)
		return expr_fail_call(c, "expr.range", "the result has more than %d digits",
				      EXPR_DECIMAL_DIGITS);
	if (!expr_ret_text(c->ev, buf, expr_decimal_format(d, buf), ret))
		return false;
	ret->type = PB_JSON_NUMBER;
	return true;
}

static bool arg_rounding(struct expr_call *c, uint32_t i, enum expr_rounding *ret)
{
	static const char *const names[] = {"half_up", "half_even", "up",
					    "down",    "ceiling",   "floor"};
	struct pb_slice s;

	if (!expr_arg_text_or(c, i, "half_up", &s))
		return false;
	for (size_t k = 0; k < PB_ARRAY_LEN(names); k++) {
		if (pb_slice_eq_str(s, names[k])) {
			*ret = (enum expr_rounding)k;
			return true;
		}
	}
	return expr_fail_call(c, "expr.argument",
			      "rounding is half_up, half_even, up, down, ceiling or floor");
}

static bool fn_decimal(struct expr_call *c, struct pb_json *ret)
{
	struct expr_decimal d;

	return arg_decimal(c, 0, &d) && ret_decimal(c, true, &d, ret);
}

static bool add(struct expr_call *c, bool subtract, struct pb_json *ret)
{
	struct expr_decimal sum, d;
	bool ok = true;

	if (!arg_decimal(c, 0, &sum))
		return false;
	for (uint32_t i = 1; ok && i < c->argc; i++) {
		if (!arg_decimal(c, i, &d))
			return false;
		ok = expr_decimal_add(&sum, &d, subtract, &sum);
	}
	return ret_decimal(c, ok, &sum, ret);
}

static bool fn_decimal_add(struct expr_call *c, struct pb_json *ret)
{
	return add(c, false, ret);
}

static bool fn_decimal_sub(struct expr_call *c, struct pb_json *ret)
{
	return add(c, true, ret);
}

static bool fn_decimal_mul(struct expr_call *c, struct pb_json *ret)
{
	struct expr_decimal product, d;
	bool ok = true;

	if (!arg_decimal(c, 0, &product))
		return false;
	for (uint32_t i = 1; ok && i < c->argc; i++) {
		if (!arg_decimal(c, i, &d) || !expr_charge(c->ev, 40))
			return false;
		ok = expr_decimal_mul(&product, &d, &product);
	}
	return ret_decimal(c, ok, &product, ret);
}

static bool fn_decimal_div(struct expr_call *c, struct pb_json *ret)
{
	enum expr_rounding rounding;
	struct expr_decimal a, b;
	int64_t places;

	if (!arg_decimal(c, 0, &a) || !arg_decimal(c, 1, &b) ||
	    !expr_arg_int(c, 2, 0, EXPR_DECIMAL_SCALE, &places) || !arg_rounding(c, 3, &rounding) ||
	    !expr_charge(c->ev, 200))
		return false;
	if (!b.n)
		return expr_fail_call(c, "expr.division_by_zero", "division by zero");
	return ret_decimal(c, expr_decimal_div(&a, &b, (uint32_t)places, rounding, &a), &a, ret);
}

static bool fn_decimal_round(struct expr_call *c, struct pb_json *ret)
{
	enum expr_rounding rounding;
	struct expr_decimal a;
	int64_t places;

	if (!arg_decimal(c, 0, &a) || !expr_arg_int(c, 1, 0, EXPR_DECIMAL_SCALE, &places) ||
	    !arg_rounding(c, 2, &rounding) || !expr_charge(c->ev, 40))
		return false;
	return ret_decimal(c, expr_decimal_round(&a, (uint32_t)places, rounding, &a), &a, ret);
}

static bool fn_decimal_cmp(struct expr_call *c, struct pb_json *ret)
{
	struct expr_decimal a, b;

	if (!arg_decimal(c, 0, &a) || !arg_decimal(c, 1, &b))
		return false;
	*ret = expr_int(expr_decimal_compare(&a, &b));
	return true;
}

static bool fn_decimal_sum(struct expr_call *c, struct pb_json *ret)
{
	struct expr_decimal sum = {.n = 0}, d;
	const struct pb_json *a;
	struct pb_json v;

	if (!expr_arg_array(c, 0, &a))
		return false;
	for (uint32_t i = 0; i < a->len; i++) {
		v = a->items[i];
		if (c->arrow && !expr_eval_arrow(c, &a->items[i], NULL, &v))
			return false;
		if (!expr_charge(c->ev, 8) || !expr_charge_digits(c->ev, &v))
			return false;
		if (!expr_decimal_from_json(&v, &d))
			return expr_fail_call(c, "expr.type", "item %u is not a decimal number", i);
		if (!expr_decimal_add(&sum, &d, false, &sum))
			return ret_decimal(c, false, &sum, ret);
	}
	return ret_decimal(c, true, &sum, ret);
}

static const struct expr_fn_def defs[] = {
	EXPR_FN("decimal", 1, 1, fn_decimal, "decimal(value)",
		"A number or text as an exact decimal number; its places are kept."),
	EXPR_FN("decimal_add", 2, 16, fn_decimal_add, "decimal_add(a, b, ...)", "The exact sum."),
	EXPR_FN("decimal_sub", 2, 16, fn_decimal_sub, "decimal_sub(a, b, ...)",
		"The first less all others, exact."),
	EXPR_FN("decimal_mul", 2, 16, fn_decimal_mul, "decimal_mul(a, b, ...)",
		"The exact product."),
	EXPR_FN("decimal_div", 3, 4, fn_decimal_div, "decimal_div(a, b, places, rounding?)",
		"The quotient with so many places; rounding half_up, half_even, up, down, ceiling "
		"or floor."),
	EXPR_FN("decimal_round", 2, 3, fn_decimal_round, "decimal_round(a, places, rounding?)",
		"Exactly so many places."),
	EXPR_FN("decimal_cmp", 2, 2, fn_decimal_cmp, "decimal_cmp(a, b)", "-1, 0 or 1."),
	{"decimal_sum", 1, 2, 1, 1, false, fn_decimal_sum, "decimal_sum(array, x => ...?)",
	 "The exact sum of the items, or of what the arrow gives."},
};

const struct expr_fn_group expr_fn_decimal = {"decimal", defs, PB_ARRAY_LEN(defs)};
