/* SPDX-License-Identifier: Apache-2.0 */
/* Three clocks of the system as microseconds. */
#include "base/clock.h"

#include "base/base.h"

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	int failed = clock_gettime(id, &ts);

	PB_ASSERT(!failed);
	return (int64_t)ts.tv_sec * PB_USEC_PER_SEC + ts.tv_nsec / 1000;
}

int64_t pb_now_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t pb_mono_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t pb_cpu_us(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

struct timespec pb_timespec(int64_t us)
{
	int64_t sec = us / PB_USEC_PER_SEC, rest = us % PB_USEC_PER_SEC;

	/* tv_nsec is never negative, also before 1970 */
	if (rest < 0) {
		rest += PB_USEC_PER_SEC;
		sec--;
	}
	return (struct timespec){.tv_sec = (time_t)sec, .tv_nsec = (long)(rest * 1000)};
}
