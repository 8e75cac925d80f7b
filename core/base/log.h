/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front of logging: an event and key/values, no prose to parse. Where lines go is decided by
 *`obs` (upward callback); until a sink is set, warnings and errors go to stderr as plain text.
 *	PB_LOG_TOPIC("engine.sweep");
 *	pb_log(PB_LOG_INFO, "execution recovered", PB_KV_UUID("patchbay.execution_id", id),
 *PB_KV_INT("epoch", e));
 */
#ifndef PB_BASE_LOG_H
#define PB_BASE_LOG_H

#include "base/macro.h"
#include "base/id.h"

enum pb_log_level { PB_LOG_DEBUG, PB_LOG_INFO, PB_LOG_WARN, PB_LOG_ERROR };

struct pb_kv {
	const char *key;
	enum { PB_KV_T_STR, PB_KV_T_INT, PB_KV_T_BOOL, PB_KV_T_UUID } type;
	union {
		const char *s;
		int64_t i;
		struct pb_uuid u;
	};
};

#define PB_KV_STR(k, v)  ((struct pb_kv){.key = (k), .type = PB_KV_T_STR, .s = (v)})
#define PB_KV_INT(k, v)  ((struct pb_kv){.key = (k), .type = PB_KV_T_INT, .i = (v)})
#define PB_KV_BOOL(k, v) ((struct pb_kv){.key = (k), .type = PB_KV_T_BOOL, .i = (v)})
#define PB_KV_UUID(k, v) ((struct pb_kv){.key = (k), .type = PB_KV_T_UUID, .u = (v)})

struct pb_log_record {
	enum pb_log_level level;
	const char *topic;
	const char *event;
	const struct pb_kv *kv;
	size_t n_kv;
};

/* Must not block for long and must not log. [any-thread] */
typedef void pb_log_sink_fn(const struct pb_log_record *rec, void *arg);
void pb_log_set_sink(pb_log_sink_fn *fn, void *arg); /* [main, before start] */
void pb_log_set_level(enum pb_log_level min);
bool pb_log_enabled(enum pb_log_level level);
void pb_log_emit(enum pb_log_level level, const char *topic, const char *event,
		 const struct pb_kv *kv, size_t n_kv);

#define PB_LOG_TOPIC(t) static const char *const pb_log_topic_ pb_unused = t
#define pb_log(level, event, ...)                                                                  \
	do {                                                                                       \
		if (pb_log_enabled(level)) {                                                       \
			const struct pb_kv kv_[] = {__VA_ARGS__};                                  \
			pb_log_emit(level, pb_log_topic_, event, kv_,                              \
				    sizeof(kv_) / sizeof(struct pb_kv));                           \
		}                                                                                  \
	} while (0)

#endif
