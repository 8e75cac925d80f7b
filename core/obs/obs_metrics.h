/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, gauges and histograms, and their Prometheus text. Series are registered once and live
 * as long as the process; an update is one relaxed atomic add, for counters on one of a few shards
 * so that threads do not fight for a cache line.
 *
 *	static struct obs_counter *accepted;
 *	accepted = obs_counter_new("patchbay_executions_accepted_total", "Executions accepted.",
 *				   (struct obs_label[]){{"source", "webhook"}, {0}});
 *	obs_counter_add(accepted, 1);
 *
 * Registering the same name and labels again returns the same series. All update functions take
 * NULL (and do nothing), so that tests need not register.
 */
#ifndef PB_OBS_METRICS_H
#define PB_OBS_METRICS_H

#include "base/buf.h"

/* A list of these ends with a NULL name; a NULL list is no labels. Copied. Label values are
 * escaped. */
struct obs_label {
	const char *name;
	const char *value;
};

#define OBS_LABELS_MAX 6
/* Series of one family; the ones past it are folded into one with every label value "other". */
#define OBS_FAMILY_SERIES_MAX 2048

struct obs_counter;
struct obs_gauge;
struct obs_histogram;

/* @name is [a-z_][a-z0-9_]* and begins with "patchbay_"; @help is one line. Bugs in them abort.
 * Registering the same name as another type aborts. Never NULL. [any-thread] */
struct obs_counter *obs_counter_new(const char *name, const char *help,
				    const struct obs_label *labels);
struct obs_gauge *obs_gauge_new(const char *name, const char *help, const struct obs_label *labels);

/*
 * A histogram of durations, in microseconds inside and seconds in the text ("…_seconds").
 * Buckets are fixed and log-linear, 1 µs to 17 min: four a power of two inside (quantiles within 12
 * %), written as one `le` a power of two.
 */
struct obs_histogram *obs_histogram_new(const char *name, const char *help,
					const struct obs_label *labels);
/* The same for byte sizes and counts (no unit conversion). */
struct obs_histogram *obs_histogram_new_plain(const char *name, const char *help,
					      const struct obs_label *labels);

/* [any-thread] */
void obs_counter_add(struct obs_counter *c, uint64_t n);
uint64_t obs_counter_value(const struct obs_counter *c);
void obs_gauge_set(struct obs_gauge *g, int64_t v);
void obs_gauge_add(struct obs_gauge *g, int64_t delta);
int64_t obs_gauge_value(const struct obs_gauge *g);
void obs_histogram_observe(struct obs_histogram *h, int64_t v); /* negative counts as 0 */
uint64_t obs_histogram_count(const struct obs_histogram *h);
/* Upper bound of the bucket that holds quantile @q (0..1); 0 when empty. */
int64_t obs_histogram_quantile(const struct obs_histogram *h, double q);

/*
 * Called before each obs_metrics_write to refresh gauges (pool sizes, queue depth, memory).
 * Must not block. Threads: [main, before start] to add.
 */
typedef void obs_collect_fn(void *arg);
void obs_collector_add(obs_collect_fn *fn, void *arg);
/* Removes all collectors with this @arg, waiting for one that runs. [any-thread] */
void obs_collector_remove(void *arg);

/* Prometheus text format 0.0.4, families by name. False when @out reached its limit. [any-thread]
 */
bool obs_metrics_write(struct pb_buf *out);

/* Registers patchbay_process_* (resident bytes, open fds, threads, CPU seconds, start time) and
 * build info. */
void obs_metrics_register_process(void);

#endif
