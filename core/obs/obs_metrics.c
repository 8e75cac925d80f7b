/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metric registry and its hot path. Families form a sorted list, series a list in their family;
 * both only grow, under one lock, so that readers of a value need none. Prometheus text is in
 * obs_metrics_text.c, which sees the structures through obs_metrics_priv.h.
 */
#include "obs/obs_metrics.h"

#include <ctype.h>
#include <pthread.h>

#include "obs/obs_metrics_priv.h"
#include "base/base.h"

struct obs_registry obs_registry;

static pthread_once_t registry_once = PTHREAD_ONCE_INIT;

static void registry_init(void)
{
	pb_mutex_init(&obs_registry.lock, "obs.metrics", PB_LOCK_RANK(1, 80));
	pb_mutex_init(&obs_registry.collect_lock, "obs.collect", PB_LOCK_RANK(8, 99));
}

struct obs_registry *obs_registry_get(void)
{
	(void)pthread_once(&registry_once, registry_init);
	return &obs_registry;
}

/* Each thread keeps one shard for life. */
static unsigned my_shard(void)
{
	static _Atomic unsigned next;
	static pb_thread_local unsigned mine; /* shard + 1; 0 = none yet */

	if (mine == 0)
		mine = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % OBS_SHARDS + 1;
	return mine - 1;
}

static void check_name(const char *name)
{
	PB_ASSERT(pb_str_starts(name, "patchbay_"));
	for (const char *p = name; *p; p++)
		PB_ASSERT((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_');
}

static size_t label_count(const struct obs_label *labels)
{
	size_t n = 0;

	while (labels && labels[n].name)
		n++;
	PB_ASSERT(n <= OBS_LABELS_MAX);
	return n;
}

static struct obs_family *family_get(struct obs_registry *r, const char *name, const char *help,
				     enum obs_type type)
{
	struct obs_family **at = &r->families;
	struct obs_family *f = NULL;

	while (*at && strcmp((*at)->name, name) < 0)
		at = &(*at)->next;
	if (*at && strcmp((*at)->name, name) == 0) {
		PB_ASSERT((*at)->type == type);
		return *at;
	}
	check_name(name);
	f = pb_new(struct obs_family);
	f->name = pb_xstrdup(name);
	f->help = pb_xstrdup(help);
	f->type = type;
	f->next = *at;
	*at = f;
	return f;
}

static bool same_labels(const struct obs_series *s, const struct obs_label *labels, size_t n)
{
	if (s->n_labels != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(s->labels[i].name, labels[i].name) != 0 ||
		    strcmp(s->labels[i].value, labels[i].value) != 0)
			return false;
	return true;
}

static struct obs_series *series_find(struct obs_family *f, const struct obs_label *labels,
				      size_t n)
{
	for (struct obs_series *s = f->first; s; s = s->next)
		if (same_labels(s, labels, n))
			return s;
	return NULL;
}

static struct obs_series *series_alloc(enum obs_type type)
{
	switch (type) {
	case OBS_COUNTER:
		return &pb_new(struct obs_counter)->series;
	case OBS_GAUGE:
		return &pb_new(struct obs_gauge)->series;
	case OBS_HISTOGRAM:
	case OBS_HISTOGRAM_PLAIN:
		return &pb_new(struct obs_histogram)->series;
	}
	PB_ASSERT(!"metric type");
	return NULL;
}

static struct obs_series *series_add(struct obs_family *f, const struct obs_label *labels, size_t n)
{
	struct obs_series *s = series_alloc(f->type);

	s->n_labels = n;
	for (size_t i = 0; i < n; i++) {
		s->labels[i].name = pb_xstrdup(labels[i].name);
		s->labels[i].value = pb_xstrdup(labels[i].value);
	}
	if (f->last)
		f->last->next = s;
	else
		f->first = s;
	f->last = s;
	f->n_series++;
	return s;
}

/* What takes the place of the series that are too many. */
static void fold_labels(const struct obs_label *labels, size_t n, struct obs_label *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (struct obs_label){labels[i].name, "other"};
}

static struct obs_series *series_get(const char *name, const char *help, enum obs_type type,
				     const struct obs_label *labels)
{
	struct obs_registry *r = obs_registry_get();
	struct obs_label folded[OBS_LABELS_MAX];
	size_t n = label_count(labels);
	struct obs_family *f = NULL;
	struct obs_series *s = NULL;

	pb_lock(&r->lock);
	f = family_get(r, name, help, type);
	s = series_find(f, labels, n);
	if (!s && f->n_series >= OBS_FAMILY_SERIES_MAX) {
		fold_labels(labels, n, folded);
		labels = folded;
		s = series_find(f, labels, n);
	}
	if (!s)
		s = series_add(f, labels, n);
	pb_unlock(&r->lock);
	return s;
}

struct obs_counter *obs_counter_new(const char *name, const char *help,
				    const struct obs_label *labels)
{
	return pb_container_of(series_get(name, help, OBS_COUNTER, labels), struct obs_counter,
			       series);
}

struct obs_gauge *obs_gauge_new(const char *name, const char *help, const struct obs_label *labels)
{
	return pb_container_of(series_get(name, help, OBS_GAUGE, labels), struct obs_gauge, series);
}

struct obs_histogram *obs_histogram_new(const char *name, const char *help,
					const struct obs_label *labels)
{
	return pb_container_of(series_get(name, help, OBS_HISTOGRAM, labels), struct obs_histogram,
			       series);
}

struct obs_histogram *obs_histogram_new_plain(const char *name, const char *help,
					      const struct obs_label *labels)
{
	return pb_container_of(series_get(name, help, OBS_HISTOGRAM_PLAIN, labels),
			       struct obs_histogram, series);
}

void obs_counter_add(struct obs_counter *c, uint64_t n)
{
	if (c)
		atomic_fetch_add_explicit(&c->shard[my_shard()].n, n, memory_order_relaxed);
}

uint64_t obs_counter_value(const struct obs_counter *c)
{
	uint64_t sum = 0;

	for (size_t i = 0; c && i < OBS_SHARDS; i++)
		sum += atomic_load_explicit(&c->shard[i].n, memory_order_relaxed);
	return sum;
}

void obs_gauge_set(struct obs_gauge *g, int64_t v)
{
	if (g)
		atomic_store_explicit(&g->value, v, memory_order_relaxed);
}

void obs_gauge_add(struct obs_gauge *g, int64_t delta)
{
	if (g)
		atomic_fetch_add_explicit(&g->value, delta, memory_order_relaxed);
}

int64_t obs_gauge_value(const struct obs_gauge *g)
{
	return g ? atomic_load_explicit(&g->value, memory_order_relaxed) : 0;
}

/*
 * Bucket of @v: 0..3 hold exactly 0..3, then four a power of two: 4,5,6,7 | 8-9,10-11,12-13,14-15 |
 * … The top bit gives the group, the two bits below it the place in the group.
 */
size_t obs_bucket_of(uint64_t v)
{
	unsigned top = 0;
	size_t i = 0;

	if (v < 4)
		return (size_t)v;
	top = 63 - (unsigned)__builtin_clzll(v);
	i = (size_t)(top - 1) * 4 + ((v >> (top - 2)) & 3);
	return PB_MIN(i, (size_t)OBS_BUCKETS - 1);
}

/* The largest value that falls into bucket @i (the last one also takes everything larger). */
uint64_t obs_bucket_top(size_t i)
{
	unsigned shift = 0;

	if (i < 4)
		return i;
	shift = (unsigned)(i / 4) - 1;
	return ((uint64_t)(4 + i % 4 + 1) << shift) - 1;
}

void obs_histogram_observe(struct obs_histogram *h, int64_t v)
{
	uint64_t value = v > 0 ? (uint64_t)v : 0;

	if (!h)
		return;
	atomic_fetch_add_explicit(&h->bucket[obs_bucket_of(value)], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum, value, memory_order_relaxed);
}

uint64_t obs_histogram_count(const struct obs_histogram *h)
{
	uint64_t n = 0;

	for (size_t i = 0; h && i < OBS_BUCKETS; i++)
		n += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
	return n;
}

int64_t obs_histogram_quantile(const struct obs_histogram *h, double q)
{
	uint64_t total = obs_histogram_count(h);
	uint64_t seen = 0;
	uint64_t rank = (uint64_t)((double)total * q + 0.999999);

	if (total == 0)
		return 0;
	rank = PB_MAX(PB_MIN(rank, total), (uint64_t)1);
	for (size_t i = 0; i < OBS_BUCKETS; i++) {
		seen += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
		if (seen >= rank)
			return (int64_t)obs_bucket_top(i);
	}
	return (int64_t)obs_bucket_top(OBS_BUCKETS - 1);
}

void obs_collector_add(obs_collect_fn *fn, void *arg)
{
	struct obs_registry *r = obs_registry_get();
	struct obs_collector *c = pb_new(struct obs_collector);

	c->fn = fn;
	c->arg = arg;
	pb_lock(&r->collect_lock);
	c->next = r->collectors;
	r->collectors = c;
	pb_unlock(&r->collect_lock);
}

void obs_collector_remove(void *arg)
{
	struct obs_registry *r = obs_registry_get();
	struct obs_collector **at = &r->collectors;

	pb_lock(&r->collect_lock);
	while (*at) {
		struct obs_collector *c = *at;

		if (c->arg == arg) {
			*at = c->next;
			free(c);
		} else {
			at = &c->next;
		}
	}
	pb_unlock(&r->collect_lock);
}
