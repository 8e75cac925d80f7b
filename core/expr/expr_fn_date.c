/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates are RFC 3339 text. Calendar arithmetic (days, months, start_of) happens on the clock of a zone, so "tomorrow
 * at the same time" survives a change to daylight saving; hours and less are exact spans of time.
 */
#include "expr/expr_fn.h"

#include "expr/expr_date.h"
#include "expr/expr_zone.h"
#include "base/clock.h"
#include "base/parse.h"
#include "base/base.h"

static bool arg_zone(struct expr_call *c, uint32_t i, const struct expr_zone **ret)
{
	const char *dflt = c->ev->scope->timezone ? c->ev->scope->timezone : "UTC";
	struct pb_slice s;

	if (!expr_arg_text_or(c, i, dflt, &s) || !expr_charge(c->ev, 4))
		return false;
	*ret = expr_zone_get(s.p, s.len);
	if (!*ret)
		return expr_fail_call(c, "expr.zone", "there is no such time zone");
	return true;
}

/* RFC 3339; or a date, or a date and time without an offset, on the clock of the zone. */
static bool arg_date(struct expr_call *c, uint32_t i, const struct expr_zone *z, int64_t *ret_us)
{
	const struct pb_json *v = &c->arg[i];

	if (v->type != PB_JSON_STRING)
		return expr_fail_arg(c, i, "a date");
	if (!expr_date_parse(v->s, v->len, z, ret_us))
		return expr_fail_call(c, "expr.argument", "argument %u is not a date like %s",
				      i + 1, "2026-01-31T12:00:00Z");
	return expr_charge(c->ev, 2);
}

static bool ret_date(struct expr_call *c, int64_t us, struct pb_json *ret)
{
	char buf[PB_RFC3339_BYTES];

	if (!expr_date_in_range(us))
		return expr_fail_call(c, "expr.range", "the year is not between 1 and 9999");
	pb_format_rfc3339(us, buf);
	return expr_ret_text(c->ev, buf, strlen(buf), ret);
}

static bool arg_unit(struct expr_call *c, uint32_t i, enum expr_unit *ret)
{
	struct pb_slice s;

	if (!expr_arg_text(c, i, &s))
		return false;
	if (!expr_unit_parse(s, ret))
		return expr_fail_call(c, "expr.argument",
				      "a unit is years, quarters, months, weeks, days, hours, "
				      "minutes, seconds or milliseconds");
	return true;
}

static bool fn_date_parse(struct expr_call *c, struct pb_json *ret)
{
	const struct expr_zone *z;
	struct pb_slice s, pattern;
	int64_t us;

	if (!arg_zone(c, 2, &z))
		return false;
	if (c->argc < 2 || c->arg[1].type == PB_JSON_NULL)
		return arg_date(c, 0, z, &us) && ret_date(c, us, ret);
	if (!expr_arg_text(c, 0, &s) || !expr_arg_text(c, 1, &pattern))
		return false;
	if (!expr_date_parse_pattern(s, pattern, z, &us))
		return expr_fail_call(c, "expr.argument", "the text does not fit the pattern");
	return ret_date(c, us, ret);
}

static bool fn_date_format(struct expr_call *c, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	const struct expr_zone *z;
	struct pb_slice pattern;
	const char *fault;
	int64_t us;

	if (!arg_zone(c, 2, &z) || !arg_date(c, 0, z, &us) || !expr_arg_text(c, 1, &pattern))
		return false;
	while (pattern.len) {
		char buf[EXPR_DATE_FIELD_BYTES];
		size_t used = expr_date_format_field(us, z, pattern, buf, &fault);

		if (!used)
			return expr_fail_call(c, "expr.argument", "%s", fault);
		if (!expr_charge(c->ev, 1) || !expr_text_add(&t, buf, strlen(buf)))
			return false;
		pattern = pb_slice(pattern.p + used, pattern.len - used);
	}
	return expr_text_done(&t, ret);
}

static bool fn_to_zone(struct expr_call *c, struct pb_json *ret)
{
	const struct expr_zone *z;
	char buf[EXPR_DATE_LOCAL_BYTES];
	int64_t us;

	if (!arg_zone(c, 1, &z) || !arg_date(c, 0, z, &us))
		return false;
	expr_date_format_local(us, z, buf);
	return expr_ret_text(c->ev, buf, strlen(buf), ret);
}

static bool fn_date_add(struct expr_call *c, struct pb_json *ret)
{
	const int64_t max = INT64_C(400000000000);
	const struct expr_zone *z;
	enum expr_unit unit;
	int64_t us, n;

	if (!arg_zone(c, 3, &z) || !arg_date(c, 0, z, &us) || !expr_arg_int(c, 1, -max, max, &n) ||
	    !arg_unit(c, 2, &unit))
		return false;
	if (!expr_date_add(us, n, unit, z, &us))
		return expr_fail_call(c, "expr.range", "the year is not between 1 and 9999");
	return ret_date(c, us, ret);
}

static bool fn_date_diff(struct expr_call *c, struct pb_json *ret)
{
	const struct expr_zone *z;
	enum expr_unit unit;
	int64_t a, b;

	if (!arg_zone(c, 3, &z) || !arg_date(c, 0, z, &a) || !arg_date(c, 1, z, &b) ||
	    !arg_unit(c, 2, &unit))
		return false;
	*ret = expr_int(expr_date_diff(a, b, unit, z));
	return true;
}

static bool fn_date_part(struct expr_call *c, struct pb_json *ret)
{
	const struct expr_zone *z;
	struct pb_slice part;
	int64_t us, v;

	if (!arg_zone(c, 2, &z) || !arg_date(c, 0, z, &us) || !expr_arg_text(c, 1, &part))
		return false;
	if (!expr_date_part(us, part, z, &v))
		return expr_fail_call(c, "expr.argument",
				      "a part is year, quarter, month, week, day, hour, minute, "
				      "second, millisecond, weekday, yearday or offset");
	*ret = expr_int(v);
	return true;
}

static bool fn_start_of(struct expr_call *c, struct pb_json *ret)
{
	const struct expr_zone *z;
	enum expr_unit unit;
	int64_t us;

	if (!arg_zone(c, 2, &z) || !arg_date(c, 0, z, &us) || !arg_unit(c, 1, &unit))
		return false;
	return ret_date(c, expr_date_start_of(us, unit, z), ret);
}

/* The last millisecond before the next one begins. */
static bool fn_end_of(struct expr_call *c, struct pb_json *ret)
{
	const struct expr_zone *z;
	enum expr_unit unit;
	int64_t us;

	if (!arg_zone(c, 2, &z) || !arg_date(c, 0, z, &us) || !arg_unit(c, 1, &unit))
		return false;
	if (!expr_date_add(expr_date_start_of(us, unit, z), 1, unit, z, &us))
		return expr_fail_call(c, "expr.range", "the year is not between 1 and 9999");
	return ret_date(c, us - 1000, ret);
}

static bool arg_unix_unit(struct expr_call *c, uint32_t i, int64_t *ret_us)
{
	struct pb_slice s;

	if (!expr_arg_text_or(c, i, "seconds", &s))
		return false;
	if (pb_slice_eq_str(s, "seconds"))
		*ret_us = PB_USEC_PER_SEC;
	else if (pb_slice_eq_str(s, "milliseconds"))
		*ret_us = PB_USEC_PER_MSEC;
	else
		return expr_fail_call(c, "expr.argument", "the unit is seconds or milliseconds");
	return true;
}

static bool fn_to_unix(struct expr_call *c, struct pb_json *ret)
{
	const struct expr_zone *z;
	int64_t us, unit;

	if (!arg_zone(c, 9, &z) || !arg_date(c, 0, z, &us) || !arg_unix_unit(c, 1, &unit))
		return false;
	*ret = expr_int(us / unit - (us % unit < 0));
	return true;
}

static bool fn_from_unix(struct expr_call *c, struct pb_json *ret)
{
	const int64_t max = INT64_C(400000000000000);
	int64_t n, unit;

	if (!arg_unix_unit(c, 1, &unit) ||
	    !expr_arg_int(c, 0, -max * PB_USEC_PER_MSEC / unit, max * PB_USEC_PER_MSEC / unit, &n))
		return false;
	return ret_date(c, n * unit, ret);
}

static bool fn_is_date(struct expr_call *c, struct pb_json *ret)
{
	const struct pb_json *v = &c->arg[0];
	const struct expr_zone *z;
	int64_t us;

	if (!arg_zone(c, 9, &z))
		return false;
	*ret = expr_bool(v->type == PB_JSON_STRING && expr_date_parse(v->s, v->len, z, &us));
	return true;
}

static const struct expr_fn_def defs[] = {
	EXPR_FN("date_parse", 1, 3, fn_date_parse, "date_parse(text, pattern?, zone?)",
		"A date from text: RFC 3339, a bare date, or by a pattern like \"dd.MM.yyyy "
		"HH:mm\"."),
	EXPR_FN("date_format", 2, 3, fn_date_format, "date_format(date, pattern, zone?)",
		"Text by a pattern: yyyy MM MMM MMMM dd EEE EEEE HH hh mm ss SSS a xxx 'text'."),
	EXPR_FN("to_zone", 1, 2, fn_to_zone, "to_zone(date, zone?)",
		"RFC 3339 with the offset of the zone."),
	EXPR_FN("date_add", 3, 4, fn_date_add, "date_add(date, n, unit, zone?)",
		"n units later; a day that the month does not have becomes its last."),
	EXPR_FN("date_diff", 3, 4, fn_date_diff, "date_diff(later, earlier, unit, zone?)",
		"Whole units from earlier to later."),
	EXPR_FN("date_part", 2, 3, fn_date_part, "date_part(date, part, zone?)",
		"year, quarter, month, week, day, hour, minute, second, millisecond, weekday "
		"(1 = Monday), yearday, offset (seconds)."),
	EXPR_FN("start_of", 2, 3, fn_start_of, "start_of(date, unit, zone?)",
		"The first moment of the year, month, week, day, hour, ..."),
	EXPR_FN("end_of", 2, 3, fn_end_of, "end_of(date, unit, zone?)",
		"The last millisecond of it."),
	EXPR_FN("to_unix", 1, 2, fn_to_unix, "to_unix(date, unit?)",
		"Seconds (or milliseconds) since 1970."),
	EXPR_FN("from_unix", 1, 2, fn_from_unix, "from_unix(n, unit?)",
		"The date so many seconds (or milliseconds) after 1970."),
	EXPR_FN("is_date", 1, 1, fn_is_date, "is_date(value)",
		"True for text that date functions take."),
};

const struct expr_fn_group expr_fn_date = {"date", defs, PB_ARRAY_LEN(defs)};
