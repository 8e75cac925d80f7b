/* SPDX-License-Identifier: Apache-2.0 */
/* Private to expr: reading, writing and calculating with dates in a zone, without the evaluator around it. */
#ifndef PB_EXPR_DATE_H
#define PB_EXPR_DATE_H

#include "base/str.h"

struct expr_zone;

enum expr_unit {
	EXPR_UNIT_YEAR,
	EXPR_UNIT_QUARTER,
	EXPR_UNIT_MONTH,
	EXPR_UNIT_WEEK,
	EXPR_UNIT_DAY,
	EXPR_UNIT_HOUR,
	EXPR_UNIT_MINUTE,
	EXPR_UNIT_SECOND,
	EXPR_UNIT_MILLISECOND,
};

/* "day" and "days", lower case. */
bool expr_unit_parse(struct pb_slice s, enum expr_unit *ret);

/* Years 1 to 9999. */
bool expr_date_in_range(int64_t us);
/* RFC 3339, "2026-01-31" or "2026-01-31T12:00[:00]" on the clock of @z. */
bool expr_date_parse(const char *s, size_t n, const struct expr_zone *z, int64_t *ret_us);
bool expr_date_parse_pattern(struct pb_slice s, struct pb_slice pattern, const struct expr_zone *z,
			     int64_t *ret_us);

/* Writes what the first field of @pattern stands for; gives the bytes of the pattern used, 0 with *ret_fault. */
#define EXPR_DATE_FIELD_BYTES 64
size_t expr_date_format_field(int64_t us, const struct expr_zone *z, struct pb_slice pattern,
			      char out[EXPR_DATE_FIELD_BYTES], const char **ret_fault);
/* "2026-01-31T17:00:00.000000+05:00" */
#define EXPR_DATE_LOCAL_BYTES 48
void expr_date_format_local(int64_t us, const struct expr_zone *z, char out[EXPR_DATE_LOCAL_BYTES]);

/* False when the result is out of range. */
bool expr_date_add(int64_t us, int64_t n, enum expr_unit unit, const struct expr_zone *z,
		   int64_t *ret_us);
/* Whole units from @b to @a, towards zero. */
int64_t expr_date_diff(int64_t a, int64_t b, enum expr_unit unit, const struct expr_zone *z);
bool expr_date_part(int64_t us, struct pb_slice part, const struct expr_zone *z, int64_t *ret);
int64_t expr_date_start_of(int64_t us, enum expr_unit unit, const struct expr_zone *z);

#endif
