/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the stream and its one durable consumer in being, whatever happens to the server's store, and
 * removes ghosts: after a kill the server may bring back messages that were acknowledged, which nobody is
 * ever given but which count against the limits.
 */
#include "bus/bus.h"

#include "base/clock.h"
#include "bus/bus_priv.h"
#include "base/base.h"

#define NS_PER_US     INT64_C(1000)
#define DUPLICATES_NS (INT64_C(120) * 1000 * 1000 * 1000)
#define MAX_MSGS      5000000
#define MAX_WAITING   2048
#define CONSUMER      "workers"

static bool make_stream(struct bus *b)
{
	char subject[BUS_SUBJECT_BYTES];
	const char *subjects[] = {subject};
	jsStreamConfig cfg;
	jsStreamInfo *info = NULL;
	jsErrCode code = 0;
	natsStatus st = NATS_OK;

	(void)pb_str_printf(subject, sizeof(subject), "%sexec.>", b->prefix);
	(void)jsStreamConfig_Init(&cfg);
	cfg.Name = b->stream;
	cfg.Subjects = subjects;
	cfg.SubjectsLen = 1;
	cfg.Retention = js_WorkQueuePolicy;
	cfg.Storage = js_FileStorage;
	cfg.Discard = js_DiscardNew;
	cfg.MaxAge = b->cfg.max_age_us * NS_PER_US;
	cfg.MaxMsgs = MAX_MSGS;
	cfg.MaxMsgSize = 1024;
	cfg.Duplicates = PB_MIN(DUPLICATES_NS, cfg.MaxAge);
	cfg.Replicas = b->cfg.replicas;
	st = js_AddStream(&info, b->js, &cfg, NULL, &code);
	jsStreamInfo_Destroy(info);
	if (st != NATS_OK)
		bus_note_error(b, "create stream", st);
	return st == NATS_OK;
}

static bool make_consumer(struct bus *b)
{
	char filter[BUS_SUBJECT_BYTES];
	jsConsumerConfig cfg;
	jsConsumerInfo *info = NULL;
	jsErrCode code = 0;
	natsStatus st = NATS_OK;

	(void)pb_str_printf(filter, sizeof(filter), "%sexec.>", b->prefix);
	(void)jsConsumerConfig_Init(&cfg);
	cfg.Durable = CONSUMER;
	cfg.AckPolicy = js_AckExplicit;
	cfg.AckWait = b->cfg.ack_wait_us * NS_PER_US;
	cfg.MaxDeliver = -1;
	cfg.FilterSubject = filter;
	cfg.MaxAckPending = (int64_t)b->cfg.max_unacked;
	cfg.MaxWaiting = MAX_WAITING;
	cfg.MaxRequestBatch = BUS_BATCH_MAX;
	st = js_AddConsumer(&info, b->js, b->stream, &cfg, NULL, &code);
	jsConsumerInfo_Destroy(info);
	if (st != NATS_OK)
		bus_note_error(b, "create consumer", st);
	return st == NATS_OK;
}

/*
 * A kill can bring back messages that were acknowledged. Those below the floor are wanted by nobody: this consumer is
 * the only one of the queue. The floor reaches them when what stood before them is acknowledged, so it is not enough
 * to look after a reconnect. An acknowledged message leaves the stream a moment after the floor has passed it: what
 * still lies under the floor of the look before stays there.
 */
static void purge_ghosts(struct bus *b, const jsStreamInfo *stream, const jsConsumerInfo *consumer)
{
	jsOptions o;
	jsErrCode code = 0;
	uint64_t floor = PB_MIN(b->floor_seen, consumer->AckFloor.Stream);
	natsStatus st = NATS_OK;

	b->floor_seen = consumer->AckFloor.Stream;
	if (stream->State.Msgs == 0 || stream->State.FirstSeq > floor)
		return;
	(void)jsOptions_Init(&o);
	o.Stream.Purge.Sequence = floor + 1;
	st = js_PurgeStream(b->js, b->stream, &o, &code);
	if (st != NATS_OK) {
		bus_note_error(b, "purge", st);
		return;
	}
	pb_lock(&b->lock);
	b->status.ghosts_purged++;
	pb_unlock(&b->lock);
}

static void lost_something(struct bus *b)
{
	pb_lock(&b->lock);
	b->loss_hint = true;
	b->status.recreated++;
	pb_unlock(&b->lock);
	b->floor_seen = 0;
}

/* NULL with *ret_gone when the server says that it is not there; NULL alone when it did not say. */
static jsStreamInfo *look_at_stream(struct bus *b, bool *ret_gone)
{
	jsStreamInfo *info = NULL;
	jsErrCode code = 0;
	natsStatus st = js_GetStreamInfo(&info, b->js, b->stream, NULL, &code);

	*ret_gone = st == NATS_NOT_FOUND;
	if (st != NATS_OK && st != NATS_NOT_FOUND)
		bus_note_error(b, "stream info", st);
	return st == NATS_OK ? info : NULL;
}

static jsConsumerInfo *look_at_consumer(struct bus *b, bool *ret_gone)
{
	jsConsumerInfo *info = NULL;
	jsErrCode code = 0;
	natsStatus st = js_GetConsumerInfo(&info, b->js, b->stream, CONSUMER, NULL, &code);

	*ret_gone = st == NATS_NOT_FOUND;
	if (st != NATS_OK && st != NATS_NOT_FOUND)
		bus_note_error(b, "consumer info", st);
	return st == NATS_OK ? info : NULL;
}

/* A consumer that is ahead of its stream belonged to a stream that was lost: it would skip messages. */
static bool consumer_is_stale(const jsStreamInfo *stream, const jsConsumerInfo *consumer)
{
	return consumer->Delivered.Stream > stream->State.LastSeq;
}

static void note_pending(struct bus *b, const jsStreamInfo *stream, const jsConsumerInfo *c)
{
	pb_lock(&b->lock);
	b->pending.messages = stream->State.Msgs;
	b->pending.pending = c->NumPending;
	b->pending.unacked = (uint64_t)PB_MAX(c->NumAckPending, (int64_t)0);
	b->pending_at_us = pb_mono_us();
	pb_unlock(&b->lock);
}

/* False when it must be made anew. */
static bool consumer_serves(struct bus *b, const jsStreamInfo *stream, const jsConsumerInfo *c)
{
	jsErrCode code = 0;

	if (consumer_is_stale(stream, c)) {
		(void)js_DeleteConsumer(b->js, b->stream, CONSUMER, NULL, &code);
		return false;
	}
	note_pending(b, stream, c);
	purge_ghosts(b, stream, c);
	return true;
}

/* The consumer is looked at before the stream: both move on meanwhile, and it must not seem to be ahead. */
static bool ensure_both(struct bus *b)
{
	bool consumer_gone = false, stream_gone = false, ok = false, anew = false;
	jsConsumerInfo *c = look_at_consumer(b, &consumer_gone);
	jsStreamInfo *s = look_at_stream(b, &stream_gone);

	if (s && c)
		ok = consumer_serves(b, s, c);
	if (stream_gone)
		anew = make_stream(b);
	else if (s && !ok)
		anew = c || consumer_gone;
	if (anew) {
		ok = make_consumer(b);
		lost_something(b);
	}
	jsConsumerInfo_Destroy(c);
	jsStreamInfo_Destroy(s);
	return ok;
}

void bus_stream_check(struct bus *b, bool fresh)
{
	bool ok = ensure_both(b);

	pb_lock(&b->lock);
	b->stream_ok = ok;
	if (ok)
		b->status.last_error[0] = 0;
	if (fresh && ok)
		b->loss_hint = true;
	pb_cond_signal(&b->wake_rx);
	pb_cond_broadcast(&b->changed);
	pb_unlock(&b->lock);
}
