/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to expr: the calendar and time zones, read from TZif files without touching the process's TZ. Loaded zones
 * are immutable and stay until expr_zone_clear(); there are never more than there are zone files.
 */
#ifndef PB_EXPR_ZONE_H
#define PB_EXPR_ZONE_H

#include "base/macro.h"

struct expr_zone;

/* NULL when there is no such zone. @name need not be terminated. [any-thread] */
const struct expr_zone *expr_zone_get(const char *name, size_t len);
/* Seconds east of UTC at that moment. */
int32_t expr_zone_offset(const struct expr_zone *z, int64_t unix_s);
/*
 * The moment at which clocks there show @local_s (seconds since 1970 as if it were UTC). A time that exists twice is
 * the first one; one that is skipped moves on by the length of the gap.
 */
int64_t expr_zone_to_utc(const struct expr_zone *z, int64_t local_s);
/* For tests and fuzzing: a zone from the bytes of a file, NULL when they are not one. Free with expr_zone_free(). */
struct expr_zone *expr_zone_parse(const void *p, size_t n);
void expr_zone_free(struct expr_zone *z);

/* Proleptic Gregorian calendar. Months 1..12, days 1..31, weekday 1 = Monday. */
struct expr_civil {
	int64_t year;
	int32_t month, day;
	int32_t hour, minute, second;
	int32_t weekday;
	int32_t yearday; /* 1..366 */
};

int64_t expr_civil_days(int64_t year, int32_t month, int32_t day); /* since 1970-01-01 */
int64_t expr_civil_seconds(const struct expr_civil *c);            /* as if UTC */
void expr_civil_from(int64_t seconds, struct expr_civil *ret);
int32_t expr_civil_month_days(int64_t year, int32_t month);

#endif
