/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sink of base/log.h: one JSON line an event with ECS names, written by a thread of its own.
 * The surprising thing: a logging thread never waits for the disk. Lines go into a bounded ring;
 * when it is full they are counted and dropped, and the count is itself logged as soon as there is
 * room.
 */
#ifndef PB_OBS_LOG_H
#define PB_OBS_LOG_H

#include "base/err.h"
#include "base/log.h"

/* Bytes of one string value; longer ones are cut at a character and end with U+2026. */
#define OBS_LOG_VALUE_BYTES 2048
/* Bytes of one line; key/values that no longer fit are left out and "patchbay.truncated":true is
 * set. */
#define OBS_LOG_LINE_BYTES 16384

struct obs_log_cfg {
	const char *path;         /* NULL or "" = stderr */
	const char *service_name; /* "service.name" of each line; NULL = "patchbay" */
	const char *instance;     /* "service.node.name"; NULL leaves it out */
	enum pb_log_level level;
	size_t ring_bytes; /* 0 = 1 MB */
};

/*
 * Opens the file and becomes the sink of base/log.h.
 * Errors:  PB_E_UNAVAILABLE log.open (the file cannot be opened for appending).
 * Threads: [main, before start]
 */
enum pb_status obs_log_start(const struct obs_log_cfg *cfg, struct pb_err *err) pb_must_check;

/* Asks the writer to reopen the file (after rotation). Async-signal-safe. */
void obs_log_reopen(void);

/* Waits until every line accepted so far is written, at most @timeout_us. False when it took
 * longer. [any-thread] */
bool obs_log_flush(int64_t timeout_us);

/* Lines lost because the ring was full or the disk refused them. [any-thread] */
uint64_t obs_log_dropped(void);

/* Writes the rest, gives the sink back and ends the thread. Safe when never started. [main] */
void obs_log_stop(void);

#endif
