/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates in a zone. A moment is microseconds since 1970; what a clock shows is a struct expr_civil. Calendar units go
 * through the clock and back, so they see the gaps and repetitions of daylight saving; smaller units do not.
 */
#include "expr/expr_date.h"

#include "expr/expr_zone.h"
#include "base/clock.h"
#include "base/parse.h"
#include "base/base.h"

#define US         PB_USEC_PER_SEC
#define YEAR_1     INT64_C(-62135596800)
#define YEAR_10000 INT64_C(253402300800)

static const char *const months[] = {"January",   "February", "March",    "April",
				     "May",       "June",     "July",     "August",
				     "September", "October",  "November", "December"};
static const char *const weekdays[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
				       "Friday", "Saturday", "Sunday"};

bool expr_unit_parse(struct pb_slice s, enum expr_unit *ret)
{
	static const char *const names[] = {"year", "quarter", "month",  "week",       "day",
					    "hour", "minute",  "second", "millisecond"};

	if (s.len > 1 && s.p[s.len - 1] == 's')
		s.len--;
	for (size_t i = 0; i < PB_ARRAY_LEN(names); i++) {
		if (pb_slice_eq_str(s, names[i])) {
			*ret = (enum expr_unit)i;
			return true;
		}
	}
	return false;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

bool expr_date_in_range(int64_t us)
{
	return us >= YEAR_1 * US && us < YEAR_10000 * US;
}

/* What the clock shows; gives the microseconds of the second. */
static int64_t civil_at(int64_t us, const struct expr_zone *z, struct expr_civil *c)
{
	int64_t s = floor_div(us, US);

	expr_civil_from(s + expr_zone_offset(z, s), c);
	return us - s * US;
}

static int64_t moment_of(const struct expr_civil *c, int64_t fraction_us, const struct expr_zone *z)
{
	return expr_zone_to_utc(z, expr_civil_seconds(c)) * US + fraction_us;
}

static bool civil_valid(const struct expr_civil *c)
{
	return c->year >= 1 && c->year <= 9999 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
	       c->day <= expr_civil_month_days(c->year, c->month) && c->hour >= 0 && c->hour < 24 &&
	       c->minute >= 0 && c->minute < 60 && c->second >= 0 && c->second < 60;
}

/* --- reading --- */

/* Exactly @n digits. */
static bool digits(const char **p, const char *end, int n, int64_t *ret)
{
	int64_t v = 0;

	for (; n; n--, (*p)++) {
		if (*p >= end || **p < '0' || **p > '9')
			return false;
		v = v * 10 + (**p - '0');
	}
	*ret = v;
	return true;
}

static bool accept(const char **p, const char *end, char c)
{
	if (*p >= end || **p != c)
		return false;
	(*p)++;
	return true;
}

/* Digits after a point, as microseconds; more than six are cut. */
static bool fraction(const char **p, const char *end, int64_t *ret_us)
{
	int64_t unit = 100000;
	const char *start = *p;

	for (*ret_us = 0; *p < end && **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
		*ret_us += (**p - '0') * unit;
	return *p > start;
}

static bool local_time(const char **p, const char *end, struct expr_civil *c, int64_t *us)
{
	int64_t h, m, s = 0;

	if (!digits(p, end, 2, &h) || !accept(p, end, ':') || !digits(p, end, 2, &m))
		return false;
	if (accept(p, end, ':') && !digits(p, end, 2, &s))
		return false;
	if (accept(p, end, '.') && !fraction(p, end, us))
		return false;
	c->hour = (int32_t)h;
	c->minute = (int32_t)m;
	c->second = (int32_t)s;
	return true;
}

bool expr_date_parse(const char *s, size_t n, const struct expr_zone *z, int64_t *ret_us)
{
	struct expr_civil c = {0};
	const char *p = s, *end = s + n;
	int64_t month, day, us = 0;

	if (n > 64)
		return false;
	if (pb_parse_rfc3339(s, n, ret_us))
		return expr_date_in_range(*ret_us);
	if (!digits(&p, end, 4, &c.year) || !accept(&p, end, '-') || !digits(&p, end, 2, &month) ||
	    !accept(&p, end, '-') || !digits(&p, end, 2, &day))
		return false;
	c.month = (int32_t)month;
	c.day = (int32_t)day;
	if ((accept(&p, end, 'T') || accept(&p, end, ' ')) && !local_time(&p, end, &c, &us))
		return false;
	if (p != end || !civil_valid(&c))
		return false;
	*ret_us = moment_of(&c, us, z);
	return expr_date_in_range(*ret_us);
}

/* --- patterns: a run of one letter is a field, quoted text and everything else stands for itself --- */

static size_t run_length(struct pb_slice p)
{
	size_t n = 1;

	while (n < p.len && p.p[n] == p.p[0])
		n++;
	return n;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* 'text' with '' for a quote; gives the bytes used, 0 when it has no end or is too long. */
static size_t quoted(struct pb_slice p, char out[EXPR_DATE_FIELD_BYTES])
{
	size_t o = 0;

	for (size_t i = 1; i < p.len && o + 1 < EXPR_DATE_FIELD_BYTES; i++) {
		if (p.p[i] == '\'' && (i + 1 >= p.len || p.p[i + 1] != '\'')) {
			if (i == 1)
				out[o++] = '\'';
			out[o] = '\0';
			return i + 1;
		}
		i += p.p[i] == '\'';
		out[o++] = p.p[i];
	}
	return 0;
}

/* At least @width digits; dates have no negative fields. */
static void put(char out[EXPR_DATE_FIELD_BYTES], int width, int64_t v)
{
	char digit[20];
	int n = 0, o = 0;

	do {
		digit[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	while (n < width)
		digit[n++] = '0';
	while (n > 0)
		out[o++] = digit[--n];
	out[o] = '\0';
}

static void put_offset(char out[EXPR_DATE_FIELD_BYTES], int32_t offset_s, bool colon, bool utc_z)
{
	int32_t a = offset_s < 0 ? -offset_s : offset_s;

	if (utc_z && !offset_s)
		(void)pb_str_copy(out, EXPR_DATE_FIELD_BYTES, "Z"); /* fits */
	else
		(void)snprintf(out, EXPR_DATE_FIELD_BYTES, "%c%02d%s%02d", offset_s < 0 ? '-' : '+',
			       a / 3600, colon ? ":" : "", a / 60 % 60);
}

/* ISO 8601: the week of the year's first Thursday is week 1. */
static int64_t iso_week(const struct expr_civil *c)
{
	int32_t week = (c->yearday - c->weekday + 10) / 7;
	int64_t days = expr_civil_days(c->year + 1, 1, 1) - expr_civil_days(c->year, 1, 1);
	struct expr_civil last;

	if (week == 0) {
		expr_civil_from((expr_civil_days(c->year, 1, 1) - 1) * 86400, &last);
		return iso_week(&last);
	}
	if (week == 53 && days - c->yearday < 4 - c->weekday)
		return 1;
	return week;
}

struct field {
	char letter;
	uint8_t n;
	uint8_t what;
};

enum {
	F_YEAR,
	F_YEAR2,
	F_QUARTER,
	F_MONTH,
	F_MONTH_SHORT,
	F_MONTH_NAME,
	F_WEEK,
	F_DAY,
	F_WEEKDAY_SHORT,
	F_WEEKDAY_NAME,
	F_AMPM,
	F_HOUR,
	F_HOUR12,
	F_MINUTE,
	F_SECOND,
	F_FRACTION,
	F_OFFSET,
	F_OFFSET_Z,
	F_OFFSET_SHORT,
};

/* Unicode's letters; YYYY and DD mean the same as yyyy and dd, as most people write them. */
static const struct field fields[] = {
	{'y', 4, F_YEAR},          {'Y', 4, F_YEAR},         {'y', 2, F_YEAR2},
	{'Y', 2, F_YEAR2},         {'Q', 1, F_QUARTER},      {'M', 1, F_MONTH},
	{'M', 2, F_MONTH},         {'M', 3, F_MONTH_SHORT},  {'M', 4, F_MONTH_NAME},
	{'w', 1, F_WEEK},          {'w', 2, F_WEEK},         {'d', 1, F_DAY},
	{'d', 2, F_DAY},           {'D', 1, F_DAY},          {'D', 2, F_DAY},
	{'E', 3, F_WEEKDAY_SHORT}, {'E', 4, F_WEEKDAY_NAME}, {'a', 1, F_AMPM},
	{'A', 1, F_AMPM},          {'H', 1, F_HOUR},         {'H', 2, F_HOUR},
	{'h', 1, F_HOUR12},        {'h', 2, F_HOUR12},       {'m', 1, F_MINUTE},
	{'m', 2, F_MINUTE},        {'s', 1, F_SECOND},       {'s', 2, F_SECOND},
	{'S', 3, F_FRACTION},      {'S', 6, F_FRACTION},     {'x', 3, F_OFFSET},
	{'X', 3, F_OFFSET_Z},      {'x', 2, F_OFFSET_SHORT},
};

static const struct field *find_field(char letter, size_t n)
{
	for (size_t i = 0; i < PB_ARRAY_LEN(fields); i++) {
		if (fields[i].letter == letter && fields[i].n == n)
			return &fields[i];
	}
	return NULL;
}

static void put_field(const struct field *f, const struct expr_civil *c, int64_t us,
		      int32_t offset_s, char out[EXPR_DATE_FIELD_BYTES])
{
	switch (f->what) {
	case F_YEAR:
		return put(out, 4, c->year);
	case F_YEAR2:
		return put(out, 2, c->year % 100);
	case F_QUARTER:
		return put(out, 1, (c->month + 2) / 3);
	case F_MONTH:
		return put(out, f->n, c->month);
	case F_MONTH_SHORT:
		(void)snprintf(out, EXPR_DATE_FIELD_BYTES, "%.3s", months[c->month - 1]);
		return;
	case F_MONTH_NAME:
		(void)pb_str_copy(out, EXPR_DATE_FIELD_BYTES, months[c->month - 1]);
		return;
	case F_WEEK:
		return put(out, f->n, iso_week(c));
	case F_DAY:
		return put(out, f->n, c->day);
	case F_WEEKDAY_SHORT:
		(void)snprintf(out, EXPR_DATE_FIELD_BYTES, "%.3s", weekdays[c->weekday - 1]);
		return;
	case F_WEEKDAY_NAME:
		(void)pb_str_copy(out, EXPR_DATE_FIELD_BYTES, weekdays[c->weekday - 1]);
		return;
	case F_AMPM:
		(void)pb_str_copy(out, EXPR_DATE_FIELD_BYTES, c->hour < 12 ? "AM" : "PM");
		return;
	case F_HOUR:
		return put(out, f->n, c->hour);
	case F_HOUR12:
		return put(out, f->n, (c->hour + 11) % 12 + 1);
	case F_MINUTE:
		return put(out, f->n, c->minute);
	case F_SECOND:
		return put(out, f->n, c->second);
	case F_FRACTION:
		return put(out, f->n, f->n == 3 ? us / 1000 : us);
	default:
		return put_offset(out, offset_s, f->what != F_OFFSET_SHORT, f->what == F_OFFSET_Z);
	}
}

size_t expr_date_format_field(int64_t us, const struct expr_zone *z, struct pb_slice pattern,
			      char out[EXPR_DATE_FIELD_BYTES], const char **ret_fault)
{
	int32_t offset = expr_zone_offset(z, floor_div(us, US));
	const struct field *f;
	struct expr_civil c;
	size_t n;

	if (*pattern.p == '\'') {
		*ret_fault = "quoted text in the pattern has no end or is too long";
		return quoted(pattern, out);
	}
	if (!is_letter(*pattern.p)) {
		out[0] = *pattern.p;
		out[1] = '\0';
		*ret_fault = "the pattern must not hold NUL";
		return *pattern.p != '\0';
	}
	n = run_length(pattern);
	f = find_field(*pattern.p, n);
	*ret_fault = "the pattern has an unknown field; letters that stand for themselves go in ''";
	if (!f)
		return 0;
	us = civil_at(us, z, &c);
	put_field(f, &c, us, offset, out);
	return n;
}

void expr_date_format_local(int64_t us, const struct expr_zone *z, char out[EXPR_DATE_LOCAL_BYTES])
{
	char offset[EXPR_DATE_FIELD_BYTES];
	struct expr_civil c;
	int64_t s = floor_div(us, US);
	int64_t part = civil_at(us, z, &c);

	put_offset(offset, expr_zone_offset(z, s), true, true);
	(void)snprintf(out, EXPR_DATE_LOCAL_BYTES, "%04lld-%02d-%02dT%02d:%02d:%02d.%06lld%.8s",
		       (long long)c.year, c.month, c.day, c.hour, c.minute, c.second,
		       (long long)part, offset);
}

/* --- reading by a pattern --- */

struct reading {
	struct expr_civil c;
	int64_t us;
	int32_t offset_s;
	bool has_offset, pm, has_pm;
};

/* Up to @max digits, at least @min. */
static bool some_digits(const char **p, const char *end, int min, int max, int64_t *ret)
{
	int n = 0;

	for (*ret = 0; n < max && *p < end && **p >= '0' && **p <= '9'; n++, (*p)++)
		*ret = *ret * 10 + (**p - '0');
	return n >= min;
}

/* The first of @names that the text begins with, cut to @len letters when that is not 0. */
static bool one_of(const char **p, const char *end, const char *const *names, size_t n, size_t len,
		   int64_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		size_t k = len ? len : strlen(names[i]);

		if ((size_t)(end - *p) >= k && !strncasecmp(*p, names[i], k)) {
			*ret = (int64_t)i + 1;
			*p += k;
			return true;
		}
	}
	return false;
}

static bool read_offset(struct reading *r, const char **p, const char *end)
{
	bool minus;
	int64_t h, m;

	r->has_offset = true;
	if (accept(p, end, 'Z'))
		return true;
	minus = accept(p, end, '-');
	if (!minus && !accept(p, end, '+'))
		return false;
	if (!digits(p, end, 2, &h))
		return false;
	(void)accept(p, end, ':');
	if (!digits(p, end, 2, &m) || h > 23 || m > 59)
		return false;
	r->offset_s = (int32_t)((minus ? -1 : 1) * (h * 3600 + m * 60));
	return true;
}

static bool read_fraction(struct reading *r, const struct field *f, const char **p, const char *end)
{
	int64_t v;

	if (!some_digits(p, end, f->n, f->n, &v))
		return false;
	r->us = f->n == 3 ? v * 1000 : v;
	return true;
}

static bool read_field(struct reading *r, const struct field *f, const char **p, const char *end)
{
	static const char *const halves[] = {"AM", "PM"};
	int64_t v = 0;
	bool ok;

	switch (f->what) {
	case F_YEAR:
		return digits(p, end, 4, &r->c.year);
	case F_YEAR2:
		ok = digits(p, end, 2, &v);
		r->c.year = v + (v < 70 ? 2000 : 1900);
		return ok;
	case F_MONTH_SHORT:
		ok = one_of(p, end, months, 12, 3, &v);
		r->c.month = (int32_t)v;
		return ok;
	case F_MONTH_NAME:
		ok = one_of(p, end, months, 12, 0, &v);
		r->c.month = (int32_t)v;
		return ok;
	case F_WEEKDAY_SHORT:
		return one_of(p, end, weekdays, 7, 3, &v);
	case F_WEEKDAY_NAME:
		return one_of(p, end, weekdays, 7, 0, &v);
	case F_AMPM:
		ok = one_of(p, end, halves, 2, 0, &v);
		r->pm = v == 2;
		r->has_pm = true;
		return ok;
	case F_FRACTION:
		return read_fraction(r, f, p, end);
	case F_OFFSET:
	case F_OFFSET_Z:
	case F_OFFSET_SHORT:
		return read_offset(r, p, end);
	default:
		break;
	}
	ok = some_digits(p, end, f->n, 2, &v);
	if (f->what == F_MONTH)
		r->c.month = (int32_t)v;
	else if (f->what == F_DAY)
		r->c.day = (int32_t)v;
	else if (f->what == F_HOUR || f->what == F_HOUR12)
		r->c.hour = (int32_t)v;
	else if (f->what == F_MINUTE)
		r->c.minute = (int32_t)v;
	else if (f->what == F_SECOND)
		r->c.second = (int32_t)v;
	else
		return false; /* a week or quarter alone is not a date */
	return ok;
}

static bool read_literal(const char **p, const char *end, const char *s)
{
	for (; *s; s++) {
		if (!accept(p, end, *s))
			return false;
	}
	return true;
}

/* One field or literal of the pattern; gives the bytes of the pattern used, 0 when the text does not fit. */
static size_t read_part(struct reading *r, struct pb_slice pattern, const char **p, const char *end)
{
	char literal[EXPR_DATE_FIELD_BYTES] = {*pattern.p, '\0'};
	const struct field *f;
	size_t n = 1;

	if (is_letter(*pattern.p)) {
		n = run_length(pattern);
		f = find_field(*pattern.p, n);
		return f && read_field(r, f, p, end) ? n : 0;
	}
	if (*pattern.p == '\'')
		n = quoted(pattern, literal);
	return n && literal[0] && read_literal(p, end, literal) ? n : 0;
}

bool expr_date_parse_pattern(struct pb_slice s, struct pb_slice pattern, const struct expr_zone *z,
			     int64_t *ret_us)
{
	struct reading r = {.c = {.month = 1, .day = 1}};
	const char *p = s.p, *end = s.p + s.len;

	while (pattern.len) {
		size_t used = read_part(&r, pattern, &p, end);

		if (!used)
			return false;
		pattern = pb_slice(pattern.p + used, pattern.len - used);
	}
	if (r.has_pm && (r.c.hour < 1 || r.c.hour > 12))
		return false;
	if (r.has_pm)
		r.c.hour = r.c.hour % 12 + (r.pm ? 12 : 0);
	if (p != end || !civil_valid(&r.c))
		return false;
	*ret_us = r.has_offset ? (expr_civil_seconds(&r.c) - r.offset_s) * US + r.us
			       : moment_of(&r.c, r.us, z);
	return expr_date_in_range(*ret_us);
}

/* --- calculating --- */

static int64_t unit_us(enum expr_unit unit)
{
	switch (unit) {
	case EXPR_UNIT_HOUR:
		return 60 * PB_USEC_PER_MIN;
	case EXPR_UNIT_MINUTE:
		return PB_USEC_PER_MIN;
	case EXPR_UNIT_SECOND:
		return PB_USEC_PER_SEC;
	default:
		return PB_USEC_PER_MSEC;
	}
}

/* Months in a unit of whole months, 0 for the others. */
static int64_t unit_months(enum expr_unit unit)
{
	switch (unit) {
	case EXPR_UNIT_YEAR:
		return 12;
	case EXPR_UNIT_QUARTER:
		return 3;
	case EXPR_UNIT_MONTH:
		return 1;
	default:
		return 0;
	}
}

static bool add_months(struct expr_civil *c, int64_t n)
{
	int64_t m;

	if (n > 130000 || n < -130000)
		return false;
	m = c->year * 12 + c->month - 1 + n;
	c->year = floor_div(m, 12);
	c->month = (int32_t)(m - c->year * 12) + 1;
	c->day = PB_MIN(c->day, expr_civil_month_days(c->year, c->month));
	return true;
}

bool expr_date_add(int64_t us, int64_t n, enum expr_unit unit, const struct expr_zone *z,
		   int64_t *ret_us)
{
	struct expr_civil c;
	int64_t part, span;

	if (unit >= EXPR_UNIT_HOUR) {
		if (__builtin_mul_overflow(n, unit_us(unit), &span) ||
		    __builtin_add_overflow(us, span, ret_us))
			return false;
		return expr_date_in_range(*ret_us);
	}
	part = civil_at(us, z, &c);
	if (unit_months(unit)) {
		if (n > 130000 || n < -130000 || !add_months(&c, n * unit_months(unit)))
			return false;
	} else {
		if (n > 4000000 || n < -4000000)
			return false;
		expr_civil_from(
			expr_civil_seconds(&c) + n * 86400 * (unit == EXPR_UNIT_WEEK ? 7 : 1), &c);
	}
	if (c.year < 1 || c.year > 9999)
		return false;
	*ret_us = moment_of(&c, part, z);
	return expr_date_in_range(*ret_us);
}

/* Whole calendar units: guess from the clocks, then step back while adding them goes too far. */
static int64_t diff_calendar(int64_t a, int64_t b, enum expr_unit unit, const struct expr_zone *z)
{
	struct expr_civil ca, cb;
	int64_t n, back = 0;

	(void)civil_at(a, z, &ca);
	(void)civil_at(b, z, &cb);
	if (unit_months(unit))
		n = ((ca.year - cb.year) * 12 + ca.month - cb.month) / unit_months(unit) + 1;
	else
		n = (expr_civil_seconds(&ca) - expr_civil_seconds(&cb)) / 86400 /
			    (unit == EXPR_UNIT_WEEK ? 7 : 1) +
		    1;
	/* three is enough: the guess is one too large at most, one more for a change of the clock */
	for (int i = 0; i < 3 && n > 0; i++) {
		if (expr_date_add(b, n, unit, z, &back) && back <= a)
			break;
		n--;
	}
	return n;
}

int64_t expr_date_diff(int64_t a, int64_t b, enum expr_unit unit, const struct expr_zone *z)
{
	if (unit >= EXPR_UNIT_HOUR)
		return (a - b) / unit_us(unit);
	return a >= b ? diff_calendar(a, b, unit, z) : -diff_calendar(b, a, unit, z);
}

bool expr_date_part(int64_t us, struct pb_slice part, const struct expr_zone *z, int64_t *ret)
{
	struct expr_civil c;
	int64_t fraction_us = civil_at(us, z, &c);
	const struct {
		const char *name;
		int64_t v;
	} parts[] = {
		{"year", c.year},
		{"quarter", (c.month + 2) / 3},
		{"month", c.month},
		{"week", iso_week(&c)},
		{"day", c.day},
		{"hour", c.hour},
		{"minute", c.minute},
		{"second", c.second},
		{"weekday", c.weekday},
		{"yearday", c.yearday},
		{"millisecond", fraction_us / 1000},
		{"offset", expr_zone_offset(z, floor_div(us, US))},
	};

	for (size_t i = 0; i < PB_ARRAY_LEN(parts); i++) {
		if (pb_slice_eq_str(part, parts[i].name)) {
			*ret = parts[i].v;
			return true;
		}
	}
	return false;
}

int64_t expr_date_start_of(int64_t us, enum expr_unit unit, const struct expr_zone *z)
{
	struct expr_civil c;
	int64_t days;

	if (unit > EXPR_UNIT_HOUR)
		return floor_div(us, unit_us(unit)) * unit_us(unit);
	(void)civil_at(us, z, &c);
	if (unit == EXPR_UNIT_HOUR) /* hours of zones with odd minutes begin off the hour of UTC */
		return us - (c.minute * 60 + c.second) * US - (us - floor_div(us, US) * US);
	c.hour = c.minute = c.second = 0;
	if (unit == EXPR_UNIT_WEEK) {
		days = expr_civil_days(c.year, c.month, c.day) - (c.weekday - 1);
		expr_civil_from(days * 86400, &c);
	} else if (unit != EXPR_UNIT_DAY) {
		c.day = 1;
		if (unit == EXPR_UNIT_QUARTER)
			c.month = (c.month - 1) / 3 * 3 + 1;
		else if (unit == EXPR_UNIT_YEAR)
			c.month = 1;
	}
	return moment_of(&c, 0, z);
}
