/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices over core NATS: nobody keeps them, so whoever listens also refreshes from time to time, and is
 * told to after each reconnect.
 */
#include "bus/bus.h"

#include "bus/bus_priv.h"
#include "base/base.h"

#define KIND_BYTES 33

static bool kind_ok(const char *kind)
{
	size_t n = strspn(kind, "abcdefghijklmnopqrstuvwxyz_");

	return n > 0 && n < KIND_BYTES && kind[n] == 0;
}

void bus_notify_config_changed(struct bus *b, const char *kind, struct pb_uuid id)
{
	char subject[BUS_SUBJECT_BYTES], text[96], hex[PB_UUID_TEXT_BYTES];

	PB_ASSERT(kind_ok(kind));
	if (!atomic_load(&b->pub_up))
		return;
	pb_uuid_format(id, hex);
	(void)pb_str_printf(subject, sizeof(subject), "%spatchbay.config.changed", b->prefix);
	(void)pb_str_printf(text, sizeof(text), "%s %s", kind, hex);
	(void)natsConnection_PublishString(b->pub, subject, text);
}

void bus_notify_done(struct bus *b, struct pb_uuid execution_id)
{
	char subject[BUS_SUBJECT_BYTES], hex[PB_UUID_TEXT_BYTES];

	if (!atomic_load(&b->pub_up))
		return;
	pb_uuid_format(execution_id, hex);
	(void)pb_str_printf(subject, sizeof(subject), "%spatchbay.execution.%s.done", b->prefix,
			    hex);
	(void)natsConnection_Publish(b->pub, subject, NULL, 0);
}

static void on_config(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
	struct bus *b = arg;
	const char *text = natsMsg_GetData(msg);
	size_t n = (size_t)natsMsg_GetDataLength(msg);
	const char *blank = n ? memchr(text, ' ', n) : NULL;
	size_t kind_n = blank ? (size_t)(blank - text) : KIND_BYTES;
	char kind[KIND_BYTES];
	struct pb_uuid id;

	(void)nc;
	(void)sub;
	PB_CHECK_MAGIC(b, BUS_MAGIC);
	if (kind_n < KIND_BYTES && pb_uuid_parse(blank + 1, n - kind_n - 1, &id)) {
		memcpy(kind, text, kind_n);
		kind[kind_n] = 0;
		if (kind_ok(kind))
			b->config_fn(b->config_arg, kind, id);
	}
	natsMsg_Destroy(msg);
}

static void on_done(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
	struct bus *b = arg;
	const char *subject = natsMsg_GetSubject(msg) + strlen(b->prefix);
	static const char head[] = "patchbay.execution.";
	struct pb_uuid id;

	(void)nc;
	(void)sub;
	PB_CHECK_MAGIC(b, BUS_MAGIC);
	if (pb_str_starts(subject, head) && strlen(subject) == sizeof(head) - 1 + 36 + 5 &&
	    pb_uuid_parse(subject + sizeof(head) - 1, 36, &id))
		b->done_fn(b->done_arg, id);
	natsMsg_Destroy(msg);
}

void bus_on_config_changed(struct bus *b, bus_config_changed_fn *fn, void *arg)
{
	char subject[BUS_SUBJECT_BYTES];
	natsStatus st = NATS_OK;

	PB_ASSERT(!b->config_sub);
	b->config_arg = arg;
	b->config_fn = fn;
	(void)pb_str_printf(subject, sizeof(subject), "%spatchbay.config.changed", b->prefix);
	st = bus_subscribe(b, &b->config_sub, b->sub, subject, on_config);
	PB_ASSERT(st == NATS_OK);
}

void bus_on_exec_done(struct bus *b, bus_exec_done_fn *fn, void *arg)
{
	char subject[BUS_SUBJECT_BYTES];
	natsStatus st = NATS_OK;

	PB_ASSERT(!b->done_sub);
	b->done_arg = arg;
	b->done_fn = fn;
	(void)pb_str_printf(subject, sizeof(subject), "%spatchbay.execution.*.done", b->prefix);
	st = bus_subscribe(b, &b->done_sub, b->sub, subject, on_done);
	PB_ASSERT(st == NATS_OK);
}

void bus_notify_refresh(struct bus *b)
{
	if (b->config_sub)
		b->config_fn(b->config_arg, "*", PB_UUID_NIL);
}
