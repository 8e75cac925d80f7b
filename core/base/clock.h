/* SPDX-License-Identifier: Apache-2.0 */
/* Time is int64_t microseconds everywhere inside. Wall time for people, monotonic time for waiting.
 */
#ifndef PB_BASE_CLOCK_H
#define PB_BASE_CLOCK_H

#include <time.h>
#include "base/macro.h"

#define PB_USEC_PER_MSEC INT64_C(1000)
#define PB_USEC_PER_SEC  INT64_C(1000000)
#define PB_USEC_PER_MIN  (60 * PB_USEC_PER_SEC)

int64_t pb_now_us(void);  /* since 1970 UTC [any-thread] */
int64_t pb_mono_us(void); /* since an arbitrary start, never goes back [any-thread] */
/* CPU time used by this process so far. */
int64_t pb_cpu_us(void);
struct timespec pb_timespec(int64_t us);

#endif
