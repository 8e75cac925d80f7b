/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types, defaults, JSON text, and the two functions that look like chance: random() and uuid() are computed from the
 * seed of the scope, the place in the template and the number of the call, so that a repeated step sees the same.
 */
#include "expr/expr_fn.h"

#include "base/base.h"

static bool fn_type(struct expr_call *c, struct pb_json *ret)
{
	const char *name = pb_json_type_name(&c->arg[0]);

	*ret = expr_text_json(name, strlen(name));
	return true;
}

static bool is_type(struct expr_call *c, enum pb_json_type type, struct pb_json *ret)
{
	*ret = expr_bool(c->arg[0].type == type);
	return true;
}

static bool fn_is_null(struct expr_call *c, struct pb_json *ret)
{
	return is_type(c, PB_JSON_NULL, ret);
}

static bool fn_is_text(struct expr_call *c, struct pb_json *ret)
{
	return is_type(c, PB_JSON_STRING, ret);
}

static bool fn_is_bool(struct expr_call *c, struct pb_json *ret)
{
	return is_type(c, PB_JSON_BOOL, ret);
}

static bool fn_is_object(struct expr_call *c, struct pb_json *ret)
{
	return is_type(c, PB_JSON_OBJECT, ret);
}

static bool fn_is_number(struct expr_call *c, struct pb_json *ret)
{
	*ret = expr_bool(expr_is_number(&c->arg[0]));
	return true;
}

static bool fn_to_bool(struct expr_call *c, struct pb_json *ret)
{
	static const char *const no[] = {"", "0", "false", "no", "off", "n", "f"};
	const struct pb_json *v = &c->arg[0];
	bool is;

	if (!expr_truth(c->ev, v, &is))
		return false;
	*ret = expr_bool(is);
	for (size_t i = 0; v->type == PB_JSON_STRING && i < PB_ARRAY_LEN(no); i++) {
		if (pb_slice_eq_nocase(pb_slice(v->s, v->len), no[i]))
			*ret = expr_bool(false);
	}
	return true;
}

static bool fn_default(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *v = &c->arg[0];
	bool missing = v->type == PB_JSON_NULL || (v->type == PB_JSON_STRING && !v->len);

	*ret = c->arg[missing ? 1 : 0];
	return true;
}

static bool fn_coalesce(struct expr_call *c, struct pb_json *ret)
{
	*ret = expr_null();
	for (uint32_t i = 0; i < c->argc && ret->type == PB_JSON_NULL; i++)
		*ret = c->arg[i];
	return true;
}

static bool fn_to_json(struct expr_call *c, struct pb_json *ret)
{
	struct pb_slice s;
	bool pretty = false;

	if (c->argc > 1 && !expr_truth(c->ev, &c->arg[1], &pretty))
		return false;
	if (!expr_to_json_text(c->ev, &c->arg[0], pretty, &s))
		return false;
	*ret = expr_text_json(s.p, s.len);
	return true;
}

static bool fn_parse_json(struct expr_call *c, struct pb_json *ret)
{
	struct pb_json_limits limits = {.n_values = c->ev->budget->steps_left + 1};
	struct pb_arena *out = c->ev->out;
	const struct pb_json *v = NULL;
	struct pb_err err = PB_ERR_INIT;
	struct pb_slice s;
	size_t before = out->used_bytes, used;
	enum pb_status st;

	if (!expr_arg_text(c, 0, &s) || !expr_charge(c->ev, s.len / 16))
		return false;
	st = s.len > EXPR_BUDGET_OUTPUT ? PB_E_TOO_LARGE
					: pb_json_parse(out, s.p, s.len, &limits, &v, &err);
	if (st == PB_E_TOO_LARGE)
		return expr_fail_call(c, "expr.budget_memory", "the JSON text is too large");
	if (st != PB_OK && c->argc > 1) {
		*ret = c->arg[1];
		return true;
	}
	if (st != PB_OK)
		return expr_fail_call(c, "expr.argument", "not JSON: %s", err.msg);
	used = out->used_bytes - before;
	if (used > c->ev->budget->memory_left)
		return expr_fail_call(c, "expr.budget_memory", "the JSON text is too large");
	c->ev->budget->memory_left -= (uint32_t)used;
	*ret = *v;
	return true;
}

/* --- chance --- */

static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Two independent words for this call. */
static void chance(struct expr_call *c, uint64_t out[2])
{
	uint64_t seed[2], place = mix(c->ev->place_hash ^ c->node->pos) + c->ev->n_random++;

	memcpy(seed, c->ev->scope->seed, sizeof(seed));
	out[0] = mix(seed[0] ^ mix(seed[1] ^ mix(place)));
	out[1] = mix(seed[1] ^ mix(out[0] ^ place));
}

static bool fn_random(struct expr_call *c, struct pb_json *ret)
{
	const int64_t max = INT64_C(1) << 53;
	int64_t lo, hi;
	uint64_t w[2];

	chance(c, w);
	if (!c->argc)
		return expr_ret_double(c->ev, c->node->pos, (double)(w[0] >> 11) * 0x1p-53, ret);
	if (c->argc != 2)
		return expr_fail_call(c, "expr.argument", "takes no arguments or two");
	if (!expr_arg_int(c, 0, -max, max, &lo) || !expr_arg_int(c, 1, lo, max, &hi))
		return false;
	/* the range is far below 2^64: the bias of the remainder does not matter here */
	*ret = expr_int(lo + (int64_t)(w[0] % (uint64_t)(hi - lo + 1)));
	return true;
}

static bool fn_uuid(struct expr_call *c, struct pb_json *ret)
{
	char hex[33], text[37];
	uint8_t b[16];
	uint64_t w[2];

	chance(c, w);
	memcpy(b, w, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	pb_hex(b, sizeof(b), hex);
	(void)pb_str_printf(text, sizeof(text), "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
			    hex + 16, hex + 20);
	return expr_ret_text(c->ev, text, 36, ret);
}

static const struct expr_fn_def defs[] = {
	EXPR_FN("type", 1, 1, fn_type, "type(value)",
		"\"null\", \"boolean\", \"number\", \"string\", \"array\" or \"object\"."),
	EXPR_FN("is_null", 1, 1, fn_is_null, "is_null(value)", "True for null."),
	EXPR_FN("is_text", 1, 1, fn_is_text, "is_text(value)", "True for text."),
	EXPR_FN("is_number", 1, 1, fn_is_number, "is_number(value)", "True for a number."),
	EXPR_FN("is_bool", 1, 1, fn_is_bool, "is_bool(value)", "True for true and false."),
	EXPR_FN("is_object", 1, 1, fn_is_object, "is_object(value)", "True for an object."),
	EXPR_FN("to_bool", 1, 1, fn_to_bool, "to_bool(value)",
		"False for null, 0, \"\", \"0\", \"false\", \"no\", \"off\", \"n\", \"f\"; else "
		"true."),
	EXPR_FN("default", 2, 2, fn_default, "default(value, fallback)",
		"The fallback when the value is null or \"\"."),
	EXPR_FN("coalesce", 1, 16, fn_coalesce, "coalesce(a, ...)", "The first that is not null."),
	EXPR_FN("to_json", 1, 2, fn_to_json, "to_json(value, pretty?)", "JSON text."),
	EXPR_FN("parse_json", 1, 2, fn_parse_json, "parse_json(text, fallback?)",
		"The value that the JSON text describes; else the fallback, or an error."),
	EXPR_FN("random", 0, 2, fn_random, "random(min?, max?)",
		"A number from 0 up to 1, or an integer from min to max; the same in every "
		"attempt."),
	EXPR_FN("uuid", 0, 0, fn_uuid, "uuid()",
		"A UUID, the same in every attempt of the step; not a secret."),
};

const struct expr_fn_group expr_fn_json = {"type and JSON", defs, PB_ARRAY_LEN(defs)};
