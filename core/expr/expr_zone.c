/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads TZif files (RFC 8536) for date functions. setenv("TZ") would change every thread, and the C library can hold
 * only one zone at a time. Behind the last transition of a file the rule in its footer goes on for ever.
 */
#include "expr/expr_zone.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "expr/expr.h"
#include "base/lock.h"
#include "base/base.h"

#define FILE_BYTES 65536
#define NAME_BYTES 64
#define SLOTS      2048 /* at most half is used; tzdata has about 600 names */
#define HEADER     44
#define DAY        86400

/* "M3.2.0/2": when daylight saving begins or ends in a year. */
struct rule {
	char kind; /* 'M', 'J' (without February 29) or 'D' (0..365) */
	int32_t month, week, day;
	int32_t time_s;
};

struct expr_zone {
	char name[NAME_BYTES];
	uint32_t n;
	int64_t *at;     /* n transitions, rising */
	int32_t *offset; /* n + 1: before the first, then after each */
	bool has_footer;
	bool has_dst;
	int32_t std_s, dst_s;
	struct rule start, end;
};

void expr_zone_free(struct expr_zone *z)
{
	if (!z)
		return;
	free(z->at);
	free(z->offset);
	free(z);
}

PB_DEFINE_AUTOPTR(expr_zone, expr_zone_free);

/* --- calendar --- */

int64_t expr_civil_days(int64_t year, int32_t month, int32_t day)
{
	int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400, doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int32_t expr_civil_month_days(int64_t year, int32_t month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

int64_t expr_civil_seconds(const struct expr_civil *c)
{
	return expr_civil_days(c->year, c->month, c->day) * DAY + c->hour * 3600 + c->minute * 60 +
	       c->second;
}

void expr_civil_from(int64_t seconds, struct expr_civil *ret)
{
	int64_t days = floor_div(seconds, DAY), rest = seconds - days * DAY;
	int64_t z = days + 719468, era = floor_div(z, 146097), doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	ret->day = (int32_t)(doy - (153 * mp + 2) / 5 + 1);
	ret->month = (int32_t)(mp < 10 ? mp + 3 : mp - 9);
	ret->year = yoe + era * 400 + (ret->month <= 2);
	ret->hour = (int32_t)(rest / 3600);
	ret->minute = (int32_t)(rest / 60 % 60);
	ret->second = (int32_t)(rest % 60);
	ret->weekday = (int32_t)((days % 7 + 10) % 7 + 1); /* 1970-01-01 was a Thursday */
	ret->yearday = (int32_t)(days - expr_civil_days(ret->year, 1, 1) + 1);
}

/* --- the footer: a POSIX TZ string --- */

struct text {
	const char *p, *end;
};

static char peek(const struct text *t)
{
	return t->p < t->end ? *t->p : '\0';
}

static bool accept(struct text *t, char c)
{
	if (peek(t) != c)
		return false;
	t->p++;
	return true;
}

static bool number(struct text *t, int32_t max, int32_t *ret)
{
	int32_t v = 0;
	const char *start = t->p;

	while (peek(t) >= '0' && peek(t) <= '9' && t->p - start < 4)
		v = v * 10 + (*t->p++ - '0');
	*ret = v;
	return t->p > start && v <= max;
}

static bool zone_name(struct text *t)
{
	const char *start = t->p;
	bool quoted = accept(t, '<');

	while (t->p < t->end) {
		char c = *t->p;

		if (quoted && c == '>') {
			t->p++;
			return true;
		}
		if (!quoted && !((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
			break;
		t->p++;
	}
	return !quoted && t->p > start;
}

/* [+-]h[h[h]][:mm[:ss]] */
static bool clock_time(struct text *t, int32_t *ret)
{
	bool minus = accept(t, '-');
	int32_t h, m = 0, s = 0;

	if (!minus)
		(void)accept(t, '+');
	if (!number(t, 167, &h) || (accept(t, ':') && !number(t, 59, &m)) ||
	    (accept(t, ':') && !number(t, 59, &s)))
		return false;
	*ret = (minus ? -1 : 1) * (h * 3600 + m * 60 + s);
	return true;
}

static bool parse_rule(struct text *t, struct rule *r)
{
	r->time_s = 7200;
	if (accept(t, 'M')) {
		r->kind = 'M';
		if (!number(t, 12, &r->month) || !accept(t, '.') || !number(t, 5, &r->week) ||
		    !accept(t, '.') || !number(t, 6, &r->day) || !r->month || !r->week)
			return false;
	} else {
		r->kind = accept(t, 'J') ? 'J' : 'D';
		if (!number(t, 365, &r->day) || (r->kind == 'J' && !r->day))
			return false;
	}
	return !accept(t, '/') || clock_time(t, &r->time_s);
}

static bool parse_footer(struct expr_zone *z, const char *p, size_t n)
{
	struct text t = {p, p + n};

	if (!n)
		return true;
	if (!zone_name(&t) || !clock_time(&t, &z->std_s))
		return false;
	z->std_s = -z->std_s; /* POSIX counts west of Greenwich */
	z->has_footer = true;
	if (t.p == t.end)
		return true;
	if (!zone_name(&t))
		return false;
	z->dst_s = z->std_s + 3600;
	if (peek(&t) != ',') {
		if (!clock_time(&t, &z->dst_s))
			return false;
		z->dst_s = -z->dst_s;
	}
	z->has_dst = true;
	return accept(&t, ',') && parse_rule(&t, &z->start) && accept(&t, ',') &&
	       parse_rule(&t, &z->end) && t.p == t.end;
}

/* Local seconds at which the rule applies in that year. */
static int64_t rule_at(const struct rule *r, int64_t year)
{
	int64_t day = expr_civil_days(year, 1, 1);

	if (r->kind == 'J') {
		day += r->day - 1 + (is_leap(year) && r->day >= 60);
	} else if (r->kind == 'D') {
		day += r->day;
	} else {
		int64_t first = expr_civil_days(year, r->month, 1);
		int64_t weekday = ((first % 7) + 11) % 7; /* 0 = Sunday */
		int32_t in_month = (int32_t)((r->day - weekday + 7) % 7) + (r->week - 1) * 7;

		while (in_month >= expr_civil_month_days(year, r->month))
			in_month -= 7;
		day = first + in_month;
	}
	return day * DAY + r->time_s;
}

static int32_t footer_offset(const struct expr_zone *z, int64_t unix_s)
{
	struct expr_civil c;
	int64_t start, end;
	bool dst;

	if (!z->has_dst)
		return z->std_s;
	expr_civil_from(unix_s + z->std_s, &c);
	start = rule_at(&z->start, c.year) - z->std_s;
	end = rule_at(&z->end, c.year) - z->dst_s;
	dst = start < end ? unix_s >= start && unix_s < end : !(unix_s >= end && unix_s < start);
	return dst ? z->dst_s : z->std_s;
}

/* --- the file --- */

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const uint8_t *p)
{
	return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

struct counts {
	uint32_t isut, isstd, leap, time, type, chars;
};

static bool read_header(const uint8_t *p, size_t n, struct counts *c)
{
	if (n < HEADER || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
		return false;
	*c = (struct counts){be32(p + 20), be32(p + 24), be32(p + 28),
			     be32(p + 32), be32(p + 36), be32(p + 40)};
	return c->isut <= 256 && c->isstd <= 256 && c->leap <= 1000 && c->time <= 4000 &&
	       c->type >= 1 && c->type <= 256 && c->chars <= 4096;
}

static size_t data_bytes(const struct counts *c, size_t time_bytes)
{
	return c->time * (time_bytes + 1) + c->type * 6 + c->chars + c->leap * (time_bytes + 4) +
	       c->isstd + c->isut;
}

/* @p is the 64-bit data block of a size that was checked. */
static bool read_transitions(struct expr_zone *z, const uint8_t *p, const struct counts *c)
{
	const uint8_t *kinds = p + c->time * 8, *types = kinds + c->time;

	z->n = c->time;
	z->at = pb_xcalloc(c->time + 1, sizeof(*z->at));
	z->offset = pb_xcalloc(c->time + 1, sizeof(*z->offset));
	z->offset[0] = (int32_t)be32(types);
	for (uint32_t i = 0; i < c->time; i++) {
		z->at[i] = be64(p + i * 8);
		if (kinds[i] >= c->type || (i && z->at[i] <= z->at[i - 1]))
			return false;
		z->offset[i + 1] = (int32_t)be32(types + kinds[i] * 6);
	}
	for (uint32_t i = 0; i <= c->time; i++) {
		if (z->offset[i] < -93600 || z->offset[i] > 93600)
			return false;
	}
	return true;
}

struct expr_zone *expr_zone_parse(const void *data, size_t n)
{
	const uint8_t *p = data;
	pb_autoptr(expr_zone) z = pb_new(struct expr_zone);
	struct counts c;
	const uint8_t *end;
	size_t skip;

	if (!read_header(p, n, &c))
		return NULL;
	skip = HEADER + data_bytes(&c, 4);
	if (skip > n)
		return NULL;
	p += skip;
	n -= skip;
	if (!read_header(p, n, &c) || HEADER + data_bytes(&c, 8) > n)
		return NULL;
	if (!read_transitions(z, p + HEADER, &c))
		return NULL;
	p += HEADER + data_bytes(&c, 8);
	n -= HEADER + data_bytes(&c, 8);
	if (n < 2 || *p != '\n')
		return NULL;
	end = memchr(p + 1, '\n', n - 1);
	if (!end || !parse_footer(z, (const char *)p + 1, (size_t)(end - p) - 1))
		return NULL;
	return pb_steal(z);
}

/* --- lookups --- */

int32_t expr_zone_offset(const struct expr_zone *z, int64_t unix_s)
{
	uint32_t lo = 0, hi = z->n;

	if (z->has_footer && (!z->n || unix_s >= z->at[z->n - 1]))
		return footer_offset(z, unix_s);
	while (lo < hi) { /* the number of transitions at or before that moment */
		uint32_t mid = (lo + hi) / 2;

		if (z->at[mid] <= unix_s)
			lo = mid + 1;
		else
			hi = mid;
	}
	return z->offset[lo];
}

int64_t expr_zone_to_utc(const struct expr_zone *z, int64_t local_s)
{
	int32_t before = expr_zone_offset(z, local_s - DAY);
	int32_t after = expr_zone_offset(z, local_s + DAY);
	int64_t a = local_s - before, b = local_s - after;
	bool a_ok = expr_zone_offset(z, a) == before, b_ok = expr_zone_offset(z, b) == after;

	if (a_ok && b_ok)
		return PB_MIN(a, b);
	return b_ok ? b : a;
}

/* --- files and the cache --- */

static const char *zone_dir = "/usr/share/zoneinfo";
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct pb_mutex lock;
static struct expr_zone *slots[SLOTS];
static uint32_t n_zones;

static void init_lock(void)
{
	pb_mutex_init(&lock, "expr.zone", PB_LOCK_RANK(1, 50));
}

void expr_zone_set_dir(const char *dir)
{
	zone_dir = dir;
}

/* "Area/City": no way out of the directory. */
static bool name_ok(const char *name, size_t len)
{
	if (!len || len >= NAME_BYTES || name[0] == '/' || name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];
		bool word = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			    (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+';

		if (!word && !(c == '/' && i + 1 < len && name[i + 1] != '/'))
			return false;
	}
	return true;
}

static struct expr_zone *load(const char *name)
{
	pb_autoclose int fd = -1;
	pb_autofree uint8_t *buf = NULL;
	struct expr_zone *z;
	char path[256];
	struct stat st;
	ssize_t n;

	if (!pb_str_printf(path, sizeof(path), "%s/%s", zone_dir, name))
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_BYTES)
		return NULL;
	buf = pb_xcalloc(1, FILE_BYTES);
	n = read(fd, buf, FILE_BYTES);
	z = n > 0 ? expr_zone_parse(buf, (size_t)n) : NULL;
	if (z)
		(void)pb_str_copy(z->name, sizeof(z->name), name); /* its length was checked */
	return z;
}

/* The slot of @name: a zone, or the empty one where it belongs. */
static struct expr_zone **slot_of(const char *name) PB_REQUIRES(lock)
{
	uint32_t h = 2166136261u;

	for (const char *s = name; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	for (h %= SLOTS; slots[h] && strcmp(slots[h]->name, name) != 0; h = (h + 1) % SLOTS)
		;
	return &slots[h];
}

static const struct expr_zone *keep(struct expr_zone *z)
{
	struct expr_zone **slot;
	const struct expr_zone *kept;

	pb_lock(&lock);
	slot = slot_of(z->name);
	if (*slot || n_zones >= SLOTS / 2) {
		expr_zone_free(
			z); /* another thread was faster, or somebody made a thousand files */
	} else {
		*slot = z;
		n_zones++;
	}
	kept = *slot;
	pb_unlock(&lock);
	return kept;
}

const struct expr_zone *expr_zone_get(const char *name, size_t len)
{
	char copy[NAME_BYTES];
	struct expr_zone *z;

	if (!name_ok(name, len))
		return NULL;
	memcpy(copy, name, len);
	copy[len] = '\0';
	(void)pthread_once(&once, init_lock);
	pb_lock(&lock);
	z = *slot_of(copy);
	pb_unlock(&lock);
	if (z)
		return z;
	z = load(copy);
	return z ? keep(z) : NULL;
}

bool expr_zone_exists(const char *name)
{
	return expr_zone_get(name, strlen(name)) != NULL;
}

void expr_zone_clear(void)
{
	(void)pthread_once(&once, init_lock);
	pb_lock(&lock);
	for (size_t i = 0; i < SLOTS; i++) {
		expr_zone_free(slots[i]);
		slots[i] = NULL;
	}
	n_zones = 0;
	pb_unlock(&lock);
}
