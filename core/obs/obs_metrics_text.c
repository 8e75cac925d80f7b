/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus text of the registry. The surprising thing: inside there are four buckets a power of
 * two, but only powers of two are written: a scrape of thousands of lines costs more than it tells.
 */
#include "obs/obs_metrics.h"

#include "base/clock.h"
#include "base/parse.h"
#include "obs/obs_metrics_priv.h"
#include "base/base.h"

/* First and last power of two with a line of its own: 64 µs to 268 s, or 1 to 2^29. */
#define SECONDS_FIRST 6
#define PLAIN_FIRST   0
#define SECONDS_LAST  28
#define PLAIN_LAST    29

static void add_label_value(struct pb_buf *out, const char *v)
{
	for (; *v; v++) {
		if (*v == '\\' || *v == '"')
			(void)pb_buf_addf(out, "\\%c", *v);
		else if (*v == '\n')
			(void)pb_buf_adds(out, "\\n");
		else
			(void)pb_buf_addc(out, *v);
	}
}

static void add_labels(struct pb_buf *out, const struct obs_series *s, const char *le)
{
	const char *sep = "{";

	for (size_t i = 0; i < s->n_labels; i++) {
		(void)pb_buf_addf(out, "%s%s=\"", sep, s->labels[i].name);
		add_label_value(out, s->labels[i].value);
		(void)pb_buf_addc(out, '"');
		sep = ",";
	}
	if (le) {
		(void)pb_buf_addf(out, "%sle=\"%s\"", sep, le);
		sep = ",";
	}
	if (*sep == ',')
		(void)pb_buf_addc(out, '}');
}

static void format_bound(uint64_t v, bool seconds, char out[PB_DOUBLE_BYTES])
{
	pb_format_double(seconds ? (double)v / (double)PB_USEC_PER_SEC : (double)v, out);
}

static void add_bucket_line(struct pb_buf *out, const struct obs_family *f,
			    const struct obs_series *s, const char *le, uint64_t n)
{
	(void)pb_buf_addf(out, "%s_bucket", f->name);
	add_labels(out, s, le);
	(void)pb_buf_addf(out, " %llu\n", (unsigned long long)n);
}

/* A bucket of integers up to 2^k - 1 is exactly "le 2^k - 1"; written as 2^k for seconds, where 1
 * µs is nothing. */
static void add_histogram(struct pb_buf *out, const struct obs_family *f, struct obs_series *s)
{
	const struct obs_histogram *h = pb_container_of(s, struct obs_histogram, series);
	bool seconds = f->type == OBS_HISTOGRAM;
	unsigned power = seconds ? SECONDS_FIRST : PLAIN_FIRST;
	unsigned last = seconds ? SECONDS_LAST : PLAIN_LAST;
	uint64_t seen = 0;
	char num[PB_DOUBLE_BYTES];

	for (size_t i = 0; i < OBS_BUCKETS; i++) {
		seen += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
		if (power > last || obs_bucket_top(i) != (UINT64_C(1) << power) - 1)
			continue;
		format_bound(seconds ? UINT64_C(1) << power : (UINT64_C(1) << power) - 1, seconds,
			     num);
		add_bucket_line(out, f, s, num, seen);
		power++;
	}
	add_bucket_line(out, f, s, "+Inf", seen);
	format_bound(atomic_load_explicit(&h->sum, memory_order_relaxed), seconds, num);
	(void)pb_buf_addf(out, "%s_sum", f->name);
	add_labels(out, s, NULL);
	(void)pb_buf_addf(out, " %s\n%s_count", num, f->name);
	add_labels(out, s, NULL);
	(void)pb_buf_addf(out, " %llu\n", (unsigned long long)seen);
}

static void add_series(struct pb_buf *out, const struct obs_family *f, struct obs_series *s)
{
	if (f->type == OBS_HISTOGRAM || f->type == OBS_HISTOGRAM_PLAIN) {
		add_histogram(out, f, s);
		return;
	}
	(void)pb_buf_adds(out, f->name);
	add_labels(out, s, NULL);
	if (f->type == OBS_COUNTER)
		(void)pb_buf_addf(out, " %llu\n",
				  (unsigned long long)obs_counter_value(
					  pb_container_of(s, struct obs_counter, series)));
	else
		(void)pb_buf_addf(
			out, " %lld\n",
			(long long)obs_gauge_value(pb_container_of(s, struct obs_gauge, series)));
}

static void add_family(struct pb_buf *out, const struct obs_family *f)
{
	static const char *const types[] = {"counter", "gauge", "histogram", "histogram"};

	(void)pb_buf_addf(out, "# HELP %s ", f->name);
	add_label_value(out, f->help);
	(void)pb_buf_addf(out, "\n# TYPE %s %s\n", f->name, types[f->type]);
	for (struct obs_series *s = f->first; s; s = s->next)
		add_series(out, f, s);
}

static void collect(struct obs_registry *r)
{
	pb_lock(&r->collect_lock);
	for (struct obs_collector *c = r->collectors; c; c = c->next)
		c->fn(c->arg);
	pb_unlock(&r->collect_lock);
}

bool obs_metrics_write(struct pb_buf *out)
{
	struct obs_registry *r = obs_registry_get();

	collect(r);
	pb_lock(&r->lock);
	for (const struct obs_family *f = r->families; f; f = f->next)
		add_family(out, f);
	pb_unlock(&r->lock);
	return !out->overflow;
}
