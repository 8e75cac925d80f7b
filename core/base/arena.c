/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arena: blocks that double from 4 KB to 256 KB, a bump pointer in the newest. An allocation larger
 * than a quarter of a block gets one of its own, behind the newest, so that the rest of that is not
 * lost. Memory taken from the system is at most the limit plus one block header for each block.
 */
#include "base/arena.h"

#include <stdarg.h>

#include "base/base.h"

#define ARENA_ALIGN       ((size_t)16)
#define ARENA_FIRST_BLOCK ((size_t)4096)
#define ARENA_MAX_BLOCK   ((size_t)256 * 1024)

struct pb_arena_block {
	struct pb_arena_block *next;
	size_t cap;
	char data[] __attribute__((aligned(16)));
};

void pb_arena_init(struct pb_arena *a, size_t limit_bytes)
{
	*a = (struct pb_arena){.limit_bytes = limit_bytes};
}

static void blocks_free(struct pb_arena_block *b)
{
	while (b) {
		struct pb_arena_block *next = b->next;

		free(b);
		b = next;
	}
}

void pb_arena_wipe(struct pb_arena *a)
{
	for (struct pb_arena_block *b = a->head; b; b = b->next)
		explicit_bzero(b->data, b->cap);
}

void pb_arena_done(struct pb_arena *a)
{
	if (!a)
		return;
	blocks_free(a->head);
	pb_arena_init(a, a->limit_bytes);
}

void pb_arena_reset(struct pb_arena *a)
{
	struct pb_arena_block *keep = a->head;

	pb_arena_init(a, a->limit_bytes);
#ifdef PB_ARENA_DEBUG
	blocks_free(keep);
#else
	if (!keep)
		return;
	blocks_free(keep->next);
	keep->next = NULL;
	a->head = keep;
	a->cur = keep->data;
	a->end = keep->data + keep->cap;
#endif
}

static struct pb_arena_block *block_new(size_t cap)
{
	struct pb_arena_block *b;
	size_t bytes;

	if (__builtin_add_overflow(sizeof(*b), cap, &bytes))
		return NULL;
	b = malloc(bytes);
	if (!b)
		return NULL;
	b->next = NULL;
	b->cap = cap;
	return b;
}

/* A block for this one allocation, behind the head so that the head keeps filling. */
static void *alloc_own_block(struct pb_arena *a, size_t n)
{
	struct pb_arena_block *b = block_new(n);

	if (!b)
		return NULL;
	if (a->head) {
		b->next = a->head->next;
		a->head->next = b;
	} else {
		a->head = b;
		a->cur = a->end = b->data + b->cap;
	}
	return b->data;
}

#ifndef PB_ARENA_DEBUG
static bool add_block(struct pb_arena *a, size_t n)
{
	size_t cap = a->head ? PB_MIN(a->head->cap * 2, ARENA_MAX_BLOCK) : ARENA_FIRST_BLOCK;
	struct pb_arena_block *b;

	cap = PB_MAX(cap, ARENA_FIRST_BLOCK);
	/* what is left of the limit is all that can still be asked for */
	cap = PB_MIN(cap, (a->limit_bytes - a->used_bytes) & ~(ARENA_ALIGN - 1));
	cap = PB_MAX(cap, n);
	b = block_new(cap);
	if (!b)
		return false;
	b->next = a->head;
	a->head = b;
	a->cur = b->data;
	a->end = b->data + cap;
	return true;
}
#endif

static void *take(struct pb_arena *a, size_t n)
{
#ifdef PB_ARENA_DEBUG
	return alloc_own_block(a, n);
#else
	void *p;

	if ((size_t)(a->end - a->cur) < n) {
		if (n > ARENA_MAX_BLOCK / 4)
			return alloc_own_block(a, n);
		if (!add_block(a, n))
			return NULL;
	}
	p = a->cur;
	a->cur += n;
	return p;
#endif
}

void *pb_arena_alloc_raw(struct pb_arena *a, size_t n)
{
	void *p = NULL;
	size_t room = a->limit_bytes - a->used_bytes;

	/* an empty allocation still gets an address of its own */
	if (!n)
		n = 1;
	if (!a->overflow && n <= SIZE_MAX - ARENA_ALIGN) {
		n = (n + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
		if (n <= room)
			p = take(a, n);
	}
	if (!p) {
		a->overflow = true;
		return NULL;
	}
	a->used_bytes += n;
	return p;
}

void *pb_arena_alloc(struct pb_arena *a, size_t n)
{
	void *p = pb_arena_alloc_raw(a, n);

	if (p)
		memset(p, 0, n ? n : 1);
	return p;
}

void *pb_arena_calloc(struct pb_arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		bytes = SIZE_MAX;
	return pb_arena_alloc(a, bytes);
}

char *pb_arena_memdup(struct pb_arena *a, const void *p, size_t n)
{
	char *copy = pb_arena_alloc_raw(a, n < SIZE_MAX ? n + 1 : n);

	if (!copy)
		return NULL;
	if (n)
		memcpy(copy, p, n);
	copy[n] = 0;
	return copy;
}

char *pb_arena_strdup(struct pb_arena *a, const char *s)
{
	return pb_arena_memdup(a, s, strlen(s));
}

char *pb_arena_printf(struct pb_arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *out = NULL;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n >= 0)
		out = pb_arena_alloc_raw(a, (size_t)n + 1);
	if (out)
		(void)vsnprintf(out, (size_t)n + 1, fmt, again); /* measured above */
	va_end(again);
	va_end(ap);
	return out;
}
