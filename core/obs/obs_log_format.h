/* SPDX-License-Identifier: Apache-2.0 */
/* One log record as one line of JSON. No I/O and no state, so that tests and fuzzers can call it.
 */
#ifndef PB_OBS_LOG_FORMAT_H
#define PB_OBS_LOG_FORMAT_H

#include "base/buf.h"
#include "base/log.h"

struct obs_log_common {
	const char *service_name;
	const char *instance; /* NULL leaves it out */
	int pid;
};

/* "debug", "info", "warn", "error". */
const char *obs_log_level_name(enum pb_log_level level);

/*
 * Appends the line with its '\n'. All text is escaped (control characters, invalid UTF-8), so one
 * event is one line whatever the values hold. Limits: OBS_LOG_VALUE_BYTES a value,
 * OBS_LOG_LINE_BYTES a line.
 */
void obs_log_format(struct pb_buf *out, const struct obs_log_common *common, int64_t now_us,
		    const struct pb_log_record *rec);

#endif
