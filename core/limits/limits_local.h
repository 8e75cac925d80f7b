/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of this host alone, bounded in number: the fall-back when Redis is away. */
#ifndef PB_LIMITS_LIMITS_LOCAL_H
#define PB_LIMITS_LIMITS_LOCAL_H

#include "limits/limits_window.h"

struct limits_local;

/* Memory is touched as keys appear. */
struct limits_local *limits_local_new(void);
void limits_local_free(struct limits_local *l);
void limits_local_take(struct limits_local *l, struct pb_slice key, int64_t now_us, int64_t max,
		       int64_t window_us, int64_t cost, struct limits_result *ret);
void limits_local_reset(struct limits_local *l, struct pb_slice key, int64_t window_us);

#endif
