/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that turns text into numbers, durations, sizes and times. Strict: whole input or
 * nothing. */
#ifndef PB_BASE_PARSE_H
#define PB_BASE_PARSE_H

#include "base/macro.h"

/* Decimal, optional '-', no '+', blanks or leading zeros; false outside [min, max]. [any-thread] */
bool pb_parse_i64(const char *s, size_t n, int64_t min, int64_t max, int64_t *ret) pb_must_check;
bool pb_parse_u64(const char *s, size_t n, uint64_t max, uint64_t *ret) pb_must_check;
/* A JSON number (RFC 8259); false when it is not finite as a double. Not dependent on the locale.
 */
bool pb_parse_double(const char *s, size_t n, double *ret) pb_must_check;
/* "250ms" "30s" "5m" "2h" "7d" -> microseconds; one number, one unit. */
bool pb_parse_duration(const char *s, size_t n, int64_t *ret_us) pb_must_check;
/* "512" "64KB" "8MB" "1GB" (powers of 1024) -> bytes. */
bool pb_parse_size(const char *s, size_t n, uint64_t *ret_bytes) pb_must_check;
/* RFC 3339 date-time, any offset, fraction up to microseconds (more is cut) -> microseconds since
 * 1970 UTC. */
bool pb_parse_rfc3339(const char *s, size_t n, int64_t *ret_us) pb_must_check;

/* "2026-01-31T12:00:00.000123Z". @out needs PB_RFC3339_BYTES. */
#define PB_RFC3339_BYTES 28
void pb_format_rfc3339(int64_t us, char out[PB_RFC3339_BYTES]);
/* Shortest text that reads back as the same double; integers without ".0"; @d must be finite.
 * Returns length. */
#define PB_DOUBLE_BYTES 32
size_t pb_format_double(double d, char out[PB_DOUBLE_BYTES]);

#endif
