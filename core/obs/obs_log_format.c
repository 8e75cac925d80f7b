/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines in the field names of the Elastic Common Schema. The surprising thing: strings are
 * escaped here and not by base/json.h, because a log is also read on terminals: DEL and the C1
 * controls, which JSON lets through, are escaped as well.
 */
#include "obs/obs_log_format.h"

#include "base/clock.h"
#include "base/parse.h"
#include "obs/obs_log.h"
#include "base/base.h"

/* Room kept for the mark that something was left out, and the end of the line. */
#define TAIL_BYTES 64

const char *obs_log_level_name(enum pb_log_level level)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};

	return (unsigned)level < PB_ARRAY_LEN(names) ? names[level] : "error";
}

/* How many bytes of @p need an escape as one character, with the code in *ret_cp; 0 = none. */
static size_t special(const char *p, size_t n, unsigned *ret_cp)
{
	unsigned char c = (unsigned char)p[0];

	if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
		*ret_cp = c;
		return 1;
	}
	if (c == 0xc2 && n > 1 && (unsigned char)p[1] < 0xa0) {
		*ret_cp = (unsigned char)p[1];
		return 2;
	}
	return 0;
}

static void add_escaped(struct pb_buf *out, const char *s, size_t n)
{
	bool valid = pb_utf8_valid(s, n);

	for (size_t i = 0; i < n;) {
		unsigned cp = 0;
		size_t used = special(s + i, valid ? n - i : 1, &cp);

		if (used && (cp == '"' || cp == '\\')) {
			(void)pb_buf_addf(out, "\\%c", cp);
		} else if (used) {
			(void)pb_buf_addf(out, "\\u%04x", cp);
		} else {
			bool foreign = !valid && (unsigned char)s[i] >= 0x80;

			(void)pb_buf_addc(out, foreign ? '?' : s[i]);
			used = 1;
		}
		i += used;
	}
}

static void add_string(struct pb_buf *out, const char *s)
{
	size_t n = s ? strnlen(s, OBS_LOG_VALUE_BYTES + 1) : 0;

	if (!s) {
		(void)pb_buf_adds(out, "null");
		return;
	}
	(void)pb_buf_addc(out, '"');
	if (n > OBS_LOG_VALUE_BYTES) {
		add_escaped(out, s, pb_utf8_cut(s, n, OBS_LOG_VALUE_BYTES));
		(void)pb_buf_adds(out, "\xe2\x80\xa6");
	} else {
		add_escaped(out, s, n);
	}
	(void)pb_buf_addc(out, '"');
}

static void add_field(struct pb_buf *out, const char *key, const char *value)
{
	(void)pb_buf_addc(out, ',');
	add_string(out, key);
	(void)pb_buf_addc(out, ':');
	add_string(out, value);
}

static void add_kv(struct pb_buf *out, const struct pb_kv *kv)
{
	char text[PB_UUID_TEXT_BYTES];

	if (kv->type == PB_KV_T_STR) {
		add_field(out, kv->key, kv->s);
		return;
	}
	if (kv->type == PB_KV_T_UUID) {
		pb_uuid_format(kv->u, text);
		add_field(out, kv->key, text);
		return;
	}
	(void)pb_buf_addc(out, ',');
	add_string(out, kv->key);
	if (kv->type == PB_KV_T_BOOL)
		(void)pb_buf_adds(out, kv->i ? ":true" : ":false");
	else
		(void)pb_buf_addf(out, ":%lld", (long long)kv->i);
}

/* Adds a field only when the line has room for all of it. */
static bool add_kv_bounded(struct pb_buf *out, size_t start, const struct pb_kv *kv)
{
	pb_auto_buf one;

	pb_buf_init(&one, 0);
	add_kv(&one, kv);
	if (out->len - start + one.len > OBS_LOG_LINE_BYTES - TAIL_BYTES)
		return false;
	(void)pb_buf_add(out, one.p, one.len);
	return true;
}

void obs_log_format(struct pb_buf *out, const struct obs_log_common *common, int64_t now_us,
		    const struct pb_log_record *rec)
{
	char when[PB_RFC3339_BYTES];
	size_t start = out->len;
	bool all = true;

	pb_format_rfc3339(now_us, when);
	(void)pb_buf_addf(out, "{\"@timestamp\":\"%s\",\"log.level\":\"%s\"", when,
			  obs_log_level_name(rec->level));
	add_field(out, "log.logger", rec->topic ? rec->topic : "");
	add_field(out, "message", rec->event ? rec->event : "");
	add_field(out, "service.name", common->service_name);
	if (common->instance)
		add_field(out, "service.node.name", common->instance);
	(void)pb_buf_addf(out, ",\"process.pid\":%d,\"ecs.version\":\"8.11.0\"", common->pid);
	for (size_t i = 0; i < rec->n_kv; i++)
		all = add_kv_bounded(out, start, &rec->kv[i]) && all;
	if (!all)
		(void)pb_buf_adds(out, ",\"patchbay.truncated\":true");
	(void)pb_buf_adds(out, "}\n");
}
