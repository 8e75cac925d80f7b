/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named places where the process may die in a test. CRASHPOINT("engine.finish.before_commit") costs
 * one predictable branch; with crash points armed as "name:n" the n-th pass ends the process with
 * status 137. Compiled in always (the binary under test is the binary that ships); armed only by
 * `main` from PATCHBAY_CRASH_AT, and only when the setting allow_crash_points is on.
 */
#ifndef PB_BASE_CRASHPOINT_H
#define PB_BASE_CRASHPOINT_H

#include "base/macro.h"

extern bool pb_crashpoint_armed_;
void pb_crashpoint_hit_(const char *name);

#define CRASHPOINT(name)                                                                           \
	do {                                                                                       \
		if (__builtin_expect(pb_crashpoint_armed_, 0))                                     \
			pb_crashpoint_hit_(name);                                                  \
	} while (0)

/* @spec is "name:n" (n from 1). False when it cannot be read. [main, before start] */
bool pb_crashpoint_arm(const char *spec);

#endif
