/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front of logging. Before `obs` sets its sink (and in tools that never do) warnings and errors
 * go to stderr, one line each, written with one write() and with control characters made visible,
 * so that a value cannot forge a line.
 */
#include "base/log.h"

#include <stdatomic.h>

#include "base/buf.h"
#include "base/parse.h"
#include "base/clock.h"
#include "base/base.h"

#define PLAIN_LINE_BYTES  ((size_t)4096)
#define PLAIN_VALUE_BYTES ((size_t)512)

static pb_log_sink_fn *sink;
static void *sink_arg;
static atomic_int min_level = PB_LOG_INFO;

void pb_log_set_sink(pb_log_sink_fn *fn, void *arg)
{
	sink = fn;
	sink_arg = arg;
}

void pb_log_set_level(enum pb_log_level min)
{
	atomic_store_explicit(&min_level, (int)min, memory_order_relaxed);
}

bool pb_log_enabled(enum pb_log_level level)
{
	int min = atomic_load_explicit(&min_level, memory_order_relaxed);

	if (!sink && min < PB_LOG_WARN)
		min = PB_LOG_WARN;
	return (int)level >= min;
}

static void add_plain(struct pb_buf *b, const char *s)
{
	size_t n = strnlen(s, PLAIN_VALUE_BYTES);

	n = pb_utf8_cut(s, n + (s[n] != 0), n);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c == 0x7f)
			(void)pb_buf_addf(b, "\\x%02x", c);
		else
			(void)pb_buf_addc(b, s[i]);
	}
}

static void add_kv(struct pb_buf *b, const struct pb_kv *kv)
{
	char id[PB_UUID_TEXT_BYTES];

	(void)pb_buf_addf(b, " %s=", kv->key);
	switch (kv->type) {
	case PB_KV_T_STR:
		add_plain(b, kv->s ? kv->s : "");
		break;
	case PB_KV_T_INT:
		(void)pb_buf_addf(b, "%lld", (long long)kv->i);
		break;
	case PB_KV_T_BOOL:
		(void)pb_buf_adds(b, kv->i ? "true" : "false");
		break;
	case PB_KV_T_UUID:
		pb_uuid_format(kv->u, id);
		(void)pb_buf_adds(b, id);
		break;
	}
}

/* A line that is too long ends early (the buffer refuses): better than none. */
static void plain_sink(const struct pb_log_record *rec)
{
	static const char *const names[] = {"debug", "info", "warning", "error"};
	pb_auto_buf b = PB_BUF_INIT;
	char when[PB_RFC3339_BYTES];

	pb_buf_init(&b, PLAIN_LINE_BYTES);
	pb_format_rfc3339(pb_now_us(), when);
	(void)pb_buf_addf(&b, "%s %s %s: ", when, names[rec->level & 3], rec->topic);
	add_plain(&b, rec->event);
	for (size_t i = 0; i < rec->n_kv; i++)
		add_kv(&b, &rec->kv[i]);
	b.limit = 0;
	b.overflow = false;
	(void)pb_buf_addc(&b, '\n');
	/* where would a failure to log be logged */
	if (write(STDERR_FILENO, b.p, b.len) < 0)
		return;
}

void pb_log_emit(enum pb_log_level level, const char *topic, const char *event,
		 const struct pb_kv *kv, size_t n_kv)
{
	const struct pb_log_record rec = {level, topic, event, kv, n_kv};

	if (sink)
		sink(&rec, sink_arg);
	else
		plain_sink(&rec);
}
