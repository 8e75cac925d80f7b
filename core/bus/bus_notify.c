/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices over core NATS: nobody keeps them, so whoever listens also refreshes from time to time, and is
 * told to after each reconnect.
 */
#include "bus/bus.h"

#include "base/clock.h"
#include "bus/bus_priv.h"
#include "base/base.h"

#define KIND_BYTES 33

#define WANTED_SUBJECT  "%spatchbay.execution.wanted"
#define WANTED_EVERY_US PB_USEC_PER_SEC
#define WANTED_FOR_US   (5 * PB_USEC_PER_SEC) /* a few may be missed or late */

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

/* ---- ends of executions: only while somebody waits for one ---- */

/* The inbox is told along as the sender's name: no other bus has it. */
static void say_wanted(struct bus *b, int64_t now_us)
{
	char subject[BUS_SUBJECT_BYTES];
	int64_t due_us = atomic_load(&b->say_again_us);

	if (now_us < due_us || !atomic_load(&b->pub_up) ||
	    !atomic_compare_exchange_strong(&b->say_again_us, &due_us, now_us + WANTED_EVERY_US))
		return;
	(void)pb_str_printf(subject, sizeof(subject), WANTED_SUBJECT, b->prefix);
	(void)natsConnection_PublishString(b->pub, subject, b->ack_inbox);
}

void bus_want_done(struct bus *b, int64_t until_us)
{
	int64_t known_us = atomic_load(&b->want_until_us);

	while (known_us < until_us &&
	       !atomic_compare_exchange_weak(&b->want_until_us, &known_us, until_us))
		continue;
	say_wanted(b, pb_mono_us());
}

void bus_notify_want(struct bus *b)
{
	int64_t now_us = pb_mono_us();

	if (now_us < atomic_load(&b->want_until_us))
		say_wanted(b, now_us);
}

static void on_wanted(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
	struct bus *b = arg;
	const struct pb_slice sender =
		pb_slice(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));

	(void)nc;
	(void)sub;
	PB_CHECK_MAGIC(b, BUS_MAGIC);
	if (!pb_slice_eq(sender, pb_slice_str(b->ack_inbox)))
		atomic_store(&b->elsewhere_until_us, pb_mono_us() + WANTED_FOR_US);
	natsMsg_Destroy(msg);
}

natsStatus bus_notify_subscribe(struct bus *b)
{
	char subject[BUS_SUBJECT_BYTES];

	(void)pb_str_printf(subject, sizeof(subject), WANTED_SUBJECT, b->prefix);
	return bus_subscribe(b, &b->wanted_sub, b->sub, subject, on_wanted);
}

void bus_notify_done(struct bus *b, struct pb_uuid execution_id)
{
	char subject[BUS_SUBJECT_BYTES], hex[PB_UUID_TEXT_BYTES];

	if (pb_mono_us() >= atomic_load(&b->elsewhere_until_us) || !atomic_load(&b->pub_up))
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

void bus_notify_fresh(struct bus *b)
{
	atomic_store(&b->elsewhere_until_us,
		     pb_mono_us() + WANTED_FOR_US); /* nobody has said yet */
	if (b->config_sub)
		b->config_fn(b->config_arg, "*", PB_UUID_NIL);
}
