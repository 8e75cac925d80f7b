/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDs (RFC 9562). Version 7 for everything we make: they sort by time. */
#ifndef PB_BASE_ID_H
#define PB_BASE_ID_H

#include "base/macro.h"

struct pb_uuid {
	uint8_t b[16];
};

#define PB_UUID_TEXT_BYTES 37 /* 36 characters and the NUL */
#define PB_UUID_NIL        ((struct pb_uuid){{0}})

/* Monotonic within the process: two calls never return ids in the wrong order. [any-thread] */
struct pb_uuid pb_uuid7(void);
/* The same from given parts, for tests and replays. @unix_ms under 2^48; @rnd supplies 10 bytes. */
struct pb_uuid pb_uuid7_from(uint64_t unix_ms, const uint8_t rnd[10]);
/* Milliseconds since 1970 that a version 7 id carries. */
uint64_t pb_uuid7_unix_ms(struct pb_uuid id);

void pb_uuid_format(struct pb_uuid id, char out[PB_UUID_TEXT_BYTES]);
/* Accepts exactly the 36-character form, either case. */
bool pb_uuid_parse(const char *s, size_t n, struct pb_uuid *ret) pb_must_check;
bool pb_uuid_eq(struct pb_uuid a, struct pb_uuid b);
int pb_uuid_cmp(struct pb_uuid a, struct pb_uuid b);
bool pb_uuid_is_nil(struct pb_uuid id);
/* A good 64-bit hash for tables. */
uint64_t pb_uuid_hash(struct pb_uuid id);

/* Bytes from the kernel's generator; aborts if there are none. [any-thread] */
void pb_random_bytes(void *p, size_t n);
uint64_t pb_random_u64(void);

#endif
