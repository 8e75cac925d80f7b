/* SPDX-License-Identifier: Apache-2.0 */
/* The two doors to the heap: pb_x... aborts when memory is out, pb_try_... returns NULL. */
#include "base/mem.h"

#include <errno.h>

#include "base/base.h"

static pb_noreturn void out_of_memory(void)
{
	static const char text[] = "patchbay: out of memory\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		abort();
	abort();
}

void *pb_xcalloc(size_t n, size_t size)
{
	/* never NULL, so a size of nothing still gets a byte */
	void *p = n && size ? calloc(n, size) : calloc(1, 1);

	if (!p)
		out_of_memory();
	return p;
}

void *pb_xrealloc(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		out_of_memory();
	p = realloc(p, bytes ? bytes : 1);
	if (!p)
		out_of_memory();
	return p;
}

void *pb_xmemdup(const void *p, size_t n)
{
	char *copy;

	if (n == SIZE_MAX)
		out_of_memory();
	copy = malloc(n + 1);
	if (!copy)
		out_of_memory();
	if (n)
		memcpy(copy, p, n);
	copy[n] = 0;
	return copy;
}

char *pb_xstrdup(const char *s)
{
	return pb_xmemdup(s, strlen(s));
}

char *pb_xstrndup(const char *s, size_t n)
{
	return pb_xmemdup(s, strnlen(s, n));
}

void *pb_try_alloc(size_t n, size_t size, size_t limit_bytes)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > limit_bytes)
		return NULL;
	return calloc(1, bytes ? bytes : 1);
}

void pb_free_cleanup(void *pp)
{
	int saved = errno;

	free(*(void **)pp);
	errno = saved;
}

void pb_close_cleanup(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd); /* nothing can be done about a failed close here */
	errno = saved;
}
