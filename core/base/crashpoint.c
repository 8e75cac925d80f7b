/* SPDX-License-Identifier: Apache-2.0 */
/* Crash points: the process ends at the n-th pass of one named place, as if it had been killed
 * there. */
#include "base/crashpoint.h"

#include <stdatomic.h>

#include "base/parse.h"
#include "base/base.h"

#define CRASH_STATUS 137 /* what a shell shows for SIGKILL */
#define MAX_PASS     1000000000

bool pb_crashpoint_armed_;

static char armed_name[128];
static atomic_llong passes_left;

bool pb_crashpoint_arm(const char *spec)
{
	const char *colon = spec ? strrchr(spec, ':') : NULL;
	size_t n = colon ? (size_t)(colon - spec) : 0;
	int64_t pass;

	if (n == 0 || n >= sizeof(armed_name) ||
	    !pb_parse_i64(colon + 1, strlen(colon + 1), 1, MAX_PASS, &pass))
		return false;
	memcpy(armed_name, spec, n);
	armed_name[n] = 0;
	atomic_store(&passes_left, pass);
	pb_crashpoint_armed_ = true;
	return true;
}

void pb_crashpoint_hit_(const char *name)
{
	if (strcmp(name, armed_name) == 0 && atomic_fetch_sub(&passes_left, 1) == 1)
		_exit(CRASH_STATUS);
}
