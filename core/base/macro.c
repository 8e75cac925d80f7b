/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a failed assertion. Uses the heap and stdio no more: both may be what is broken. */
#include "base/macro.h"

#include "base/base.h"

void pb_assert_failed(const char *expr, const char *file, int line, const char *func)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "patchbay: assertion failed: %s (%s:%d, %s)\n", expr,
			 file, line, func);
	size_t len = n < 0 ? 0 : PB_MIN((size_t)n, sizeof(text) - 1);

	/* nobody is left to tell if this fails */
	if (write(STDERR_FILENO, text, len) < 0)
		abort();
	abort();
}
