/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two doors to the heap. pb_x...: small sizes that we decide; out of memory aborts (the truth is in
 * PostgreSQL, the service restarts). pb_try_...: any size that outside input decides; returns NULL.
 */
#ifndef PB_BASE_MEM_H
#define PB_BASE_MEM_H

#include <stdlib.h>
#include "base/macro.h"

/* Zeroed memory, never NULL. Owner: caller, free(). [any-thread] */
void *pb_xcalloc(size_t n, size_t size);
void *pb_xrealloc(void *p, size_t n, size_t size);
char *pb_xstrdup(const char *s);
char *pb_xstrndup(const char *s, size_t n);
/* Copy of @n bytes followed by a NUL. Owner: caller, free(). */
void *pb_xmemdup(const void *p, size_t n);

/* NULL when n*size overflows, is over @limit_bytes, or memory is out. Zeroed. Owner: caller,
 * free(). */
void *pb_try_alloc(size_t n, size_t size, size_t limit_bytes) pb_must_check;

#define pb_new(type) ((type *)pb_xcalloc(1, sizeof(type)))

/* Frees and keeps errno. For pb_autofree only. */
void pb_free_cleanup(void *pp);
void pb_close_cleanup(int *fd);

#define pb_autofree  pb_cleanup(pb_free_cleanup)
#define pb_autoclose pb_cleanup(pb_close_cleanup)

/* Defines the cleanup for `pb_autoptr(type) x = ...;` where @free_fn takes NULL. */
#define PB_DEFINE_AUTOPTR(type, free_fn)                                                           \
	static inline void pb_auto_##type##_(struct type **pp)                                     \
	{                                                                                          \
		free_fn(*pp);                                                                      \
	}                                                                                          \
	struct type
#define pb_autoptr(type) pb_cleanup(pb_auto_##type##_) struct type *

/* Hands over: returns the pointer and leaves NULL behind. */
#define pb_steal(p)                                                                                \
	({                                                                                         \
		__typeof__(p) pb_steal_ = (p);                                                     \
		(p) = NULL;                                                                        \
		pb_steal_;                                                                         \
	})
#define pb_steal_fd(fd)                                                                            \
	({                                                                                         \
		int pb_steal_ = (fd);                                                              \
		(fd) = -1;                                                                         \
		pb_steal_;                                                                         \
	})

#endif
