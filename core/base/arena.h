/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request and step scratch: allocate often, free once, never over a byte limit. Nothing that
 * outlives the request goes here. With -DPB_ARENA_DEBUG each allocation is its own malloc for the
 * sanitizers.
 */
#ifndef PB_BASE_ARENA_H
#define PB_BASE_ARENA_H

#include "base/macro.h"

struct pb_arena_block;

/* Invariant: used_bytes <= limit_bytes; after a failed allocation `overflow` stays true until
 * reset. */
struct pb_arena {
	struct pb_arena_block *head;
	char *cur, *end;
	size_t used_bytes;
	size_t limit_bytes;
	bool overflow;
};

/* No allocation happens before the first use. Threads: one arena belongs to one thread at a time.
 */
void pb_arena_init(struct pb_arena *a, size_t limit_bytes);
void pb_arena_done(struct pb_arena *a);
/* Zeroes everything that was handed out; before done, when it held secrets. */
void pb_arena_wipe(struct pb_arena *a);
/* Frees everything but one block, for reuse. */
void pb_arena_reset(struct pb_arena *a);

/* Zeroed, 16-byte aligned; NULL when the limit is passed or memory is out. Borrowed until
 * reset/done. */
void *pb_arena_alloc(struct pb_arena *a, size_t n) pb_must_check;
void *pb_arena_calloc(struct pb_arena *a, size_t n, size_t size) pb_must_check;
/* The same without the zeroing, for memory that is written at once. */
void *pb_arena_alloc_raw(struct pb_arena *a, size_t n) pb_must_check;
/* Copies with a NUL appended; NULL as above. */
char *pb_arena_memdup(struct pb_arena *a, const void *p, size_t n) pb_must_check;
char *pb_arena_strdup(struct pb_arena *a, const char *s) pb_must_check;
char *pb_arena_printf(struct pb_arena *a, const char *fmt, ...) pb_printf(2, 3) pb_must_check;

#define pb_auto_arena pb_cleanup(pb_arena_done) struct pb_arena

#endif
