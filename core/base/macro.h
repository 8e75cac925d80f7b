/* SPDX-License-Identifier: Apache-2.0 */
/* Compiler helpers, assertions and small macros used by every module. Includes nothing of ours. */
#ifndef PB_BASE_MACRO_H
#define PB_BASE_MACRO_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#define pb_must_check   __attribute__((warn_unused_result))
#define pb_printf(f, a) __attribute__((format(printf, f, a)))
#define pb_noreturn     __attribute__((noreturn))
#define pb_unused       __attribute__((unused))
#define pb_cleanup(fn)  __attribute__((cleanup(fn)))
#define pb_nonstring    __attribute__((nonstring))
#define pb_thread_local _Thread_local

#define PB_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PB_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define PB_MAX(a, b)    ((a) > (b) ? (a) : (b))

/* The struct that holds @member at address @ptr. */
#define pb_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Says where, then aborts. On in release builds: an assertion guards against bugs, never against
 * input. */
pb_noreturn void pb_assert_failed(const char *expr, const char *file, int line, const char *func);

#define PB_ASSERT(expr)                                                                            \
	do {                                                                                       \
		if (__builtin_expect(!(expr), 0))                                                  \
			pb_assert_failed(#expr, __FILE__, __LINE__, __func__);                     \
	} while (0)

/*
 * Objects that travel through a void pointer begin with a magic.
 *	struct run { uint32_t magic; ... };  #define RUN_MAGIC 0x52554e31u
 */
#define PB_CHECK_MAGIC(obj, m) PB_ASSERT((obj) != NULL && (obj)->magic == (m))

#endif
