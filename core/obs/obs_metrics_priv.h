/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes shared by obs_metrics.c and obs_metrics_text.c; nobody else includes this. */
#ifndef PB_OBS_METRICS_PRIV_H
#define PB_OBS_METRICS_PRIV_H

#include <stdatomic.h>

#include "base/lock.h"
#include "obs/obs_metrics.h"

#define OBS_SHARDS 4
/* 4 exact ones, then four for each of the powers 2^2 .. 2^29: up to 2^30 - 1 µs (17.9 min). */
#define OBS_BUCKETS (4 + 28 * 4)

enum obs_type { OBS_COUNTER, OBS_GAUGE, OBS_HISTOGRAM, OBS_HISTOGRAM_PLAIN };

struct obs_owned_label {
	char *name, *value;
};

struct obs_series {
	struct obs_series *next;
	size_t n_labels;
	struct obs_owned_label labels[OBS_LABELS_MAX];
};

struct obs_counter {
	struct obs_series series;
	struct {
		_Alignas(64) _Atomic uint64_t n;
	} shard[OBS_SHARDS];
};

struct obs_gauge {
	struct obs_series series;
	_Atomic int64_t value;
};

struct obs_histogram {
	struct obs_series series;
	_Atomic uint64_t sum;
	_Atomic uint64_t bucket[OBS_BUCKETS];
};

struct obs_family {
	struct obs_family *next;
	char *name, *help;
	enum obs_type type;
	struct obs_series *first, *last;
	size_t n_series;
};

struct obs_collector {
	struct obs_collector *next;
	obs_collect_fn *fn;
	void *arg;
};

/* @lock guards the lists; @collect_lock is held while collectors run, so it ranks before all
 * others. */
struct obs_registry {
	struct pb_mutex lock;
	struct pb_mutex collect_lock;
	struct obs_family *families; /* by name */
	struct obs_collector *collectors;
};

struct obs_registry *obs_registry_get(void);
size_t obs_bucket_of(uint64_t v);
uint64_t obs_bucket_top(size_t i);

#endif
