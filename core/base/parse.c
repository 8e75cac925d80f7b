/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to numbers, durations, sizes and times, and back. The C library's strtod is used for doubles
 * only, in the "C" locale by name, after the text was checked against the JSON grammar.
 */
#define PB_ALLOW_STRTO /* the one place that may */
#include "base/parse.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/base.h"

#define SEC_PER_DAY INT64_C(86400)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool pb_parse_u64(const char *s, size_t n, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (n == 0 || n > 20 || (n > 1 && s[0] == '0'))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(s[i]) || __builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
			return false;
	}
	if (v > max)
		return false;
	*ret = v;
	return true;
}

bool pb_parse_i64(const char *s, size_t n, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = n > 0 && s[0] == '-';
	uint64_t u;
	int64_t v;

	if (!pb_parse_u64(s + negative, n - negative, UINT64_C(1) << 63, &u))
		return false;
	if (negative) {
		v = u == UINT64_C(1) << 63 ? INT64_MIN : -(int64_t)u;
		if (u == 0)
			return false; /* "-0" is a leading zero by another name */
	} else {
		if (u > INT64_MAX)
			return false;
		v = (int64_t)u;
	}
	if (v < min || v > max)
		return false;
	*ret = v;
	return true;
}

static size_t digits(const char *s, size_t i, size_t n)
{
	while (i < n && is_digit(s[i]))
		i++;
	return i;
}

/* RFC 8259, 6: the whole of @s is one number. */
static bool is_json_number(const char *s, size_t n)
{
	size_t i = n > 0 && s[0] == '-', start = i;

	i = digits(s, i, n);
	if (i == start || (s[start] == '0' && i > start + 1))
		return false;
	if (i < n && s[i] == '.') {
		start = ++i;
		i = digits(s, i, n);
		if (i == start)
			return false;
	}
	if (i < n && (s[i] == 'e' || s[i] == 'E')) {
		i++;
		if (i < n && (s[i] == '+' || s[i] == '-'))
			i++;
		start = i;
		i = digits(s, i, n);
		if (i == start)
			return false;
	}
	return i == n;
}

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void c_locale_init(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	PB_ASSERT(c_locale != (locale_t)0);
}

static double text_to_double(const char *s)
{
	(void)pthread_once(&c_locale_once, c_locale_init); /* fails only for a bad once object */
	return strtod_l(s, NULL, c_locale);
}

bool pb_parse_double(const char *s, size_t n, double *ret)
{
	char small[64];
	pb_autofree char *big = NULL;
	char *text = small;
	double d;

	if (!is_json_number(s, n))
		return false;
	if (n >= sizeof(small)) {
		big = pb_try_alloc(1, n + 1, SIZE_MAX / 2);
		if (!big)
			return false;
		text = big;
	}
	memcpy(text, s, n);
	text[n] = 0;
	d = text_to_double(text);
	if (!isfinite(d))
		return false;
	*ret = d;
	return true;
}

struct unit {
	const char *name;
	int64_t factor;
};

/* One number, then one name of @units (ended by a NULL name). */
static bool parse_with_unit(const char *s, size_t n, const struct unit *units, int64_t *ret)
{
	size_t k = digits(s, 0, n);
	int64_t v;

	if (!pb_parse_i64(s, k, 0, INT64_MAX, &v))
		return false;
	for (; units->name; units++) {
		if (!pb_slice_eq_str(pb_slice(s + k, n - k), units->name))
			continue;
		if (__builtin_mul_overflow(v, units->factor, &v))
			return false;
		*ret = v;
		return true;
	}
	return false;
}

bool pb_parse_duration(const char *s, size_t n, int64_t *ret_us)
{
	static const struct unit units[] = {
		{"ms", PB_USEC_PER_MSEC},         {"s", PB_USEC_PER_SEC},
		{"m", PB_USEC_PER_MIN},           {"h", 60 * PB_USEC_PER_MIN},
		{"d", 24 * 60 * PB_USEC_PER_MIN}, {NULL, 0},
	};

	return parse_with_unit(s, n, units, ret_us);
}

bool pb_parse_size(const char *s, size_t n, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{"", 1}, {"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {NULL, 0},
	};
	int64_t v;

	if (!parse_with_unit(s, n, units, &v))
		return false;
	*ret_bytes = (uint64_t)v;
	return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back: years begin in March, so
 * that the leap day is the last one; 146097 days are 400 years, 719468 lie between 0000-03-01 and
 * 1970-01-01. */
static int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
	int64_t era, yoe, doy, doe;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

static void civil_from_days(int64_t z, int64_t *y, int64_t *m, int64_t *d)
{
	int64_t era, doe, yoe, doy, mp;

	z += 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*d = doy - (153 * mp + 2) / 5 + 1;
	*m = mp + (mp < 10 ? 3 : -9);
	*y = yoe + era * 400 + (*m <= 2);
}

static int64_t days_in_month(int64_t y, int64_t m)
{
	static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return m == 2 && leap ? 29 : days[m - 1];
}

struct cursor {
	const char *p, *end;
};

/* Exactly @n digits with a value in [@min, @max]. */
static bool take_digits(struct cursor *c, int n, int64_t min, int64_t max, int64_t *ret)
{
	int64_t v = 0;

	if (c->end - c->p < n)
		return false;
	for (int i = 0; i < n; i++) {
		if (!is_digit(c->p[i]))
			return false;
		v = v * 10 + (c->p[i] - '0');
	}
	c->p += n;
	*ret = v;
	return v >= min && v <= max;
}

static bool take_char(struct cursor *c, char a, char b)
{
	if (c->p == c->end || (*c->p != a && *c->p != b))
		return false;
	c->p++;
	return true;
}

static bool take_fraction(struct cursor *c, int64_t *ret_us)
{
	int64_t scale = 100000;
	const char *start;

	*ret_us = 0;
	if (!take_char(c, '.', '.'))
		return true;
	start = c->p;
	for (; c->p < c->end && is_digit(*c->p); c->p++) {
		*ret_us += (*c->p - '0') * scale;
		scale /= 10;
	}
	return c->p > start;
}

/* Seconds east of UTC. */
static bool take_offset(struct cursor *c, int64_t *ret_sec)
{
	int64_t h, m, sign;

	*ret_sec = 0;
	if (take_char(c, 'Z', 'z'))
		return true;
	if (c->p == c->end)
		return false;
	sign = *c->p == '-' ? -1 : 1;
	if (!take_char(c, '+', '-') || !take_digits(c, 2, 0, 23, &h) || !take_char(c, ':', ':') ||
	    !take_digits(c, 2, 0, 59, &m))
		return false;
	*ret_sec = sign * (h * 3600 + m * 60);
	return true;
}

static bool take_date(struct cursor *c, int64_t *ret_days)
{
	int64_t y, m, d;

	if (!take_digits(c, 4, 0, 9999, &y) || !take_char(c, '-', '-') ||
	    !take_digits(c, 2, 1, 12, &m) || !take_char(c, '-', '-') ||
	    !take_digits(c, 2, 1, days_in_month(y, m), &d))
		return false;
	*ret_days = days_from_civil(y, m, d);
	return true;
}

bool pb_parse_rfc3339(const char *s, size_t n, int64_t *ret_us)
{
	struct cursor c = {s, s + n};
	int64_t days, h, m, sec, frac, offset, t;

	if (!take_date(&c, &days) || !take_char(&c, 'T', 't') || !take_digits(&c, 2, 0, 23, &h) ||
	    !take_char(&c, ':', ':') || !take_digits(&c, 2, 0, 59, &m) ||
	    !take_char(&c, ':', ':') || !take_digits(&c, 2, 0, 60, &sec) ||
	    !take_fraction(&c, &frac) || !take_offset(&c, &offset) || c.p != c.end)
		return false;
	t = days * SEC_PER_DAY + h * 3600 + m * 60 + sec - offset;
	/* a leap second is the 61st of a UTC day's last minute; it counts as the next day's first
	 */
	if (sec == 60 && ((t % SEC_PER_DAY) + SEC_PER_DAY) % SEC_PER_DAY != 0)
		return false;
	*ret_us = t * PB_USEC_PER_SEC + frac;
	return true;
}

void pb_format_rfc3339(int64_t us, char out[PB_RFC3339_BYTES])
{
	/* four digits of year are all the format has */
	const int64_t min = days_from_civil(0, 1, 1) * SEC_PER_DAY * PB_USEC_PER_SEC;
	const int64_t max = days_from_civil(10000, 1, 1) * SEC_PER_DAY * PB_USEC_PER_SEC - 1;
	int64_t day_us = SEC_PER_DAY * PB_USEC_PER_SEC, days, rest, y, m, d, sec;

	us = PB_MIN(PB_MAX(us, min), max);
	days = us / day_us;
	rest = us % day_us;
	if (rest < 0) {
		rest += day_us;
		days--;
	}
	civil_from_days(days, &y, &m, &d);
	sec = rest / PB_USEC_PER_SEC;
	(void)snprintf(out, PB_RFC3339_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ",
		       (unsigned)y % 10000, (unsigned)m % 100, (unsigned)d % 100,
		       (unsigned)(sec / 3600) % 100, (unsigned)(sec / 60 % 60),
		       (unsigned)(sec % 60), (unsigned)(rest % PB_USEC_PER_SEC));
}

/* As %g, but with the point that JSON knows (snprintf writes the locale's) and 1e-7 for its 1e-07. */
static size_t print_double(double d, int precision, char out[PB_DOUBLE_BYTES])
{
	int n = snprintf(out, PB_DOUBLE_BYTES, "%.*g", precision, d);
	char *e;

	PB_ASSERT(n > 0 && n < PB_DOUBLE_BYTES);
	for (int i = 0; i < n; i++)
		if (!is_digit(out[i]) && out[i] != '-' && out[i] != '+' && out[i] != 'e')
			out[i] = '.';
	e = strchr(out, 'e');
	if (e && e[2] == '0') {
		memmove(e + 2, e + 3, strlen(e + 3) + 1);
		n--;
	}
	return (size_t)n;
}

size_t pb_format_double(double d, char out[PB_DOUBLE_BYTES])
{
	/* Any text of 15 digits survives a normal double, so shorter ones need no try: %g drops
	 * zeros. Subnormal numbers hold fewer digits. */
	int precision = fabs(d) < DBL_MIN ? 1 : DBL_DIG;
	size_t n;

	PB_ASSERT(isfinite(d));
	if (fabs(d) < 9007199254740992.0 && d == (double)(int64_t)d && (d != 0 || !signbit(d)))
		return (size_t)snprintf(out, PB_DOUBLE_BYTES, "%lld", (long long)d);
	for (;; precision++) {
		n = print_double(d, precision, out);
		if (precision >= DBL_DECIMAL_DIG || text_to_double(out) == d)
			return n;
	}
}
