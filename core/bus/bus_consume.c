/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking messages with pull requests of our own (the library's Fetch overruns its buffer in this
 * version). Invariant: asked = sum of left over all pulls, and the bus asks for more only while asked <
 * room. Messages are handed over by a thread of ours in whatever batch came meanwhile.
 */
#include "bus/bus.h"

#include "base/clock.h"
#include "bus/bus_priv.h"
#include "base/base.h"

/* The server ends a request after this; a little later we stop believing in it. */
#define PULL_EXPIRES_US (5 * PB_USEC_PER_SEC)
#define PULL_GRACE_US   (3 * PB_USEC_PER_SEC)
#define TICK_US         (100 * PB_USEC_PER_MSEC)
/* Silent requests in a row after which the subscription itself is doubted. */
#define SILENT_MAX       2
#define NAK_DELAY_MAX_US (30 * PB_USEC_PER_SEC)

void bus_pulls_forget(struct bus *b)
{
	pb_lock(&b->lock);
	for (size_t i = 0; i < BUS_PULLS_MAX; i++) {
		b->pulls[i].left = 0;
		b->pulls[i].generation++;
	}
	b->asked = 0;
	b->silent = 0;
	pb_unlock(&b->lock);
}

/* Books a request for what is missing. Small wants wait while enough is asked already: fewer,
 * larger pulls. */
static size_t book_pull(struct bus *b, uint32_t *ret_slot, uint32_t *ret_gen)
{
	size_t want = 0;

	if (!b->consuming || b->stopping || !b->stream_ok || b->room <= b->asked)
		return 0;
	want = PB_MIN(b->room - b->asked, (size_t)BUS_BATCH_MAX);
	if (b->asked > 0 && want < b->asked / 4)
		return 0;
	for (uint32_t i = 0; i < BUS_PULLS_MAX; i++) {
		struct bus_pull *p = &b->pulls[i];

		if (p->left)
			continue;
		p->left = want;
		p->generation++;
		p->deadline_us = pb_mono_us() + PULL_EXPIRES_US + PULL_GRACE_US;
		b->asked += want;
		*ret_slot = i;
		*ret_gen = p->generation;
		return want;
	}
	return 0;
}

static void end_pull(struct bus *b, uint32_t slot, uint32_t generation)
{
	struct bus_pull *p = &b->pulls[slot];

	if (p->generation != generation)
		return;
	b->asked -= p->left;
	p->left = 0;
}

static void pull_inbox(const struct bus *b, uint32_t epoch, char *out, size_t cap)
{
	(void)pb_str_printf(out, cap, "%s.%08x", b->pull_inbox, epoch);
}

natsStatus bus_pull_subscribe(struct bus *b, uint32_t epoch, natsSubscription **ret)
{
	char inbox[80], subject[96];

	pull_inbox(b, epoch, inbox, sizeof(inbox));
	(void)pb_str_printf(subject, sizeof(subject), "%s.>", inbox);
	return bus_subscribe(b, ret, b->sub, subject, bus_on_delivery);
}

void bus_pulls_ask(struct bus *b)
{
	char subject[BUS_SUBJECT_BYTES], inbox[80], reply[112], body[96];

	for (;;) {
		uint32_t slot = 0, generation = 0;
		size_t want = 0;
		natsStatus st = NATS_CONNECTION_DISCONNECTED;

		if (!atomic_load(&b->sub_up))
			return;
		pb_lock(&b->lock);
		want = book_pull(b, &slot, &generation);
		pb_unlock(&b->lock);
		if (!want)
			return;
		(void)pb_str_printf(subject, sizeof(subject),
				    "$JS.API.CONSUMER.MSG.NEXT.%s.workers", b->stream);
		pull_inbox(b, b->pull_epoch, inbox, sizeof(inbox));
		(void)bus_token_write(reply, sizeof(reply), inbox, slot, generation);
		(void)pb_str_printf(body, sizeof(body), "{\"batch\":%zu,\"expires\":%lld}", want,
				    (long long)(PULL_EXPIRES_US * 1000));
		st = natsConnection_PublishRequestString(b->sub, subject, reply, body);
		if (st == NATS_OK)
			continue;
		bus_note_error(b, "pull", st);
		pb_lock(&b->lock);
		end_pull(b, slot, generation);
		pb_unlock(&b->lock);
		return;
	}
}

/* A message without data and with a status header ends its request: 404, 408, 409, 503. */
static bool is_status(natsMsg *msg)
{
	const char *status = NULL;

	return natsMsg_GetDataLength(msg) == 0 &&
	       natsMsgHeader_Get(msg, "Status", &status) == NATS_OK;
}

static struct bus_msg *msg_read(natsMsg *msg)
{
	const char *reply = natsMsg_GetReply(msg);
	size_t n = reply ? strlen(reply) : 0;
	struct bus_msg *m = pb_xcalloc(1, sizeof(*m) + n + 1);

	m->exec.msg = m;
	m->exec.delivered = bus_reply_delivered(reply);
	if (m->exec.delivered &&
	    bus_payload_read(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg),
			     &m->exec.execution_id, &m->exec.tenant_id, &m->exec.dispatch)) {
		memcpy(m->reply, reply, n);
		return m;
	}
	free(m);
	return NULL;
}

/* Not ours and never will be: tell the server to forget it. */
static void refuse(struct bus *b, natsMsg *msg)
{
	const char *reply = natsMsg_GetReply(msg);

	if (reply && bus_reply_delivered(reply))
		(void)natsConnection_PublishString(b->sub, reply, "+TERM");
}

/* The server serves requests in their order, so what arrives belongs to the oldest one. */
static void count_down(struct bus *b)
{
	struct bus_pull *oldest = NULL;

	for (size_t i = 0; i < BUS_PULLS_MAX; i++)
		if (b->pulls[i].left && (!oldest || b->pulls[i].deadline_us < oldest->deadline_us))
			oldest = &b->pulls[i];
	if (!oldest)
		return;
	oldest->left--;
	b->asked--;
}

static void arrive(struct bus *b, struct bus_msg *m)
{
	pb_lock(&b->lock);
	b->silent = 0;
	count_down(b);
	if (m) {
		b->room -= b->room > 0;
		b->status.delivered++;
		pb_list_append(&b->arrived, &m->link);
	}
	pb_cond_signal(&b->wake_rx);
	pb_unlock(&b->lock);
}

static void on_status(struct bus *b, natsMsg *msg)
{
	uint32_t slot = 0, generation = 0;
	const char *status = NULL;
	char inbox[80];

	(void)natsMsgHeader_Get(msg, "Status", &status);
	pb_lock(&b->lock);
	pull_inbox(b, b->pull_epoch, inbox, sizeof(inbox));
	if (!bus_token_read(natsMsg_GetSubject(msg), inbox, &slot, &generation) ||
	    slot >= BUS_PULLS_MAX) { /* of an older subscription: its requests are forgotten */
		pb_unlock(&b->lock);
		return;
	}
	end_pull(b, slot, generation);
	b->silent = 0;
	if (!pb_str_eq(status, "408") && !pb_str_eq(status, "100")) {
		b->check_now = true; /* the consumer may be gone */
		b->stream_ok = false;
		pb_cond_signal(&b->wake_control);
	}
	pb_cond_signal(&b->wake_rx);
	pb_unlock(&b->lock);
}

void bus_on_delivery(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
	struct bus *b = arg;

	(void)nc;
	(void)sub;
	PB_CHECK_MAGIC(b, BUS_MAGIC);
	if (is_status(msg)) {
		on_status(b, msg);
	} else {
		struct bus_msg *m = msg_read(msg);

		if (!m)
			refuse(b, msg);
		arrive(b, m);
	}
	natsMsg_Destroy(msg);
}

/* A host that stood still itself (paused, overloaded) has no reason to call the server silent. */
static void forgive_own_pause(struct bus *b, int64_t now_us)
{
	int64_t gap = now_us - b->tick_us;

	for (size_t i = 0; b->tick_us && gap > PB_USEC_PER_SEC && i < BUS_PULLS_MAX; i++)
		b->pulls[i].deadline_us += gap;
	b->tick_us = now_us;
}

/* Requests the server never ended. True when the subscription itself must be doubted. */
static bool drop_silent(struct bus *b, int64_t now_us)
{
	bool doubt = false;

	forgive_own_pause(b, now_us);
	for (size_t i = 0; i < BUS_PULLS_MAX; i++) {
		if (!b->pulls[i].left || b->pulls[i].deadline_us > now_us)
			continue;
		end_pull(b, (uint32_t)i, b->pulls[i].generation);
		b->silent++;
	}
	if (b->silent >= SILENT_MAX && atomic_load(&b->sub_up)) {
		b->silent = 0;
		doubt = true;
	}
	return doubt;
}

/*
 * A new subscription under a new name, so that nothing is delivered to both; the old one stays until
 * the next time, for what may still be on its way to it.
 */
static void resubscribe(struct bus *b)
{
	natsSubscription *fresh = NULL;
	natsStatus st = bus_pull_subscribe(b, b->pull_epoch + 1, &fresh);

	if (st != NATS_OK) {
		bus_note_error(b, "subscribe", st);
		return;
	}
	if (b->old_pull_sub)
		(void)natsSubscription_Unsubscribe(b->old_pull_sub);
	natsSubscription_Destroy(b->old_pull_sub);
	b->old_pull_sub = b->pull_sub;
	b->pull_sub = fresh;
	bus_pulls_forget(b);
	pb_lock(&b->lock);
	b->pull_epoch++;
	b->status.recreated++;
	b->check_now = true;
	pb_unlock(&b->lock);
}

static size_t take_batch(struct bus *b, struct bus_exec *batch, size_t cap)
{
	size_t n = 0;

	while (n < cap) {
		struct pb_list *it = pb_list_pop(&b->arrived);

		if (!it)
			break;
		batch[n++] = pb_list_entry(it, struct bus_msg, link)->exec;
	}
	return n;
}

static void hand_over(struct bus *b, const struct bus_exec *batch, size_t n, bool consuming)
{
	if (consuming && n) {
		b->exec_fn(b->exec_arg, batch, n);
		return;
	}
	for (size_t i = 0; i < n; i++) /* nobody wants it any more: give it back at once */
		bus_nak(b, batch[i].msg, 0);
}

void *bus_rx_main(void *arg)
{
	struct bus *b = arg;
	struct bus_exec *batch = pb_xcalloc(BUS_BATCH_MAX, sizeof(*batch));

	pb_lock(&b->lock);
	while (!b->stopping) {
		int64_t now = pb_mono_us();
		bool doubt = drop_silent(b, now);
		size_t n = take_batch(b, batch, BUS_BATCH_MAX);
		bool consuming = b->consuming;

		b->in_handler = n > 0;
		pb_unlock(&b->lock);
		hand_over(b, batch, n, consuming);
		bus_flights_expire(b, now);
		bus_notify_want(b);
		if (doubt)
			resubscribe(b);
		bus_pulls_ask(b);
		pb_lock(&b->lock);
		b->in_handler = false;
		pb_cond_broadcast(&b->changed);
		if (pb_list_empty(&b->arrived) && !b->stopping)
			(void)pb_cond_wait_until(&b->wake_rx, &b->lock, now + TICK_US);
	}
	pb_unlock(&b->lock);
	free(batch);
	return NULL;
}

void bus_consume_exec(struct bus *b, bus_exec_fn *fn, void *arg)
{
	pb_lock(&b->lock);
	PB_ASSERT(!b->consuming);
	b->exec_fn = fn;
	b->exec_arg = arg;
	b->consuming = true;
	pb_unlock(&b->lock);
}

void bus_consumer_set_room(struct bus *b, size_t n)
{
	pb_lock(&b->lock);
	b->room = n;
	if (n > b->asked)
		pb_cond_signal(&b->wake_rx);
	pb_unlock(&b->lock);
}

void bus_consume_stop(struct bus *b)
{
	pb_lock(&b->lock);
	b->consuming = false;
	b->room = 0;
	while (b->in_handler)
		pb_cond_wait(&b->changed, &b->lock);
	pb_unlock(&b->lock);
}

void bus_msg_free(struct bus_msg *msg)
{
	free(msg);
}

static bool answer(struct bus *b, const struct bus_msg *msg, const char *text)
{
	PB_CHECK_MAGIC(b, BUS_MAGIC);
	return atomic_load(&b->pub_up) &&
	       natsConnection_PublishString(b->pub, msg->reply, text) == NATS_OK;
}

void bus_ack(struct bus *b, struct bus_msg *msg)
{
	bool sent = answer(b, msg, "+ACK");

	pb_lock(&b->lock);
	b->status.acked += sent;
	pb_unlock(&b->lock);
	free(msg);
}

void bus_nak(struct bus *b, struct bus_msg *msg, int64_t delay_us)
{
	char text[64];

	delay_us = PB_MIN(PB_MAX(delay_us, (int64_t)0), NAK_DELAY_MAX_US);
	if (delay_us)
		(void)pb_str_printf(text, sizeof(text), "-NAK {\"delay\": %lld}",
				    (long long)(delay_us * 1000));
	(void)answer(b, msg, delay_us ? text : "-NAK");
	free(msg);
}

void bus_in_progress(struct bus *b, struct bus_msg *msg)
{
	(void)answer(b, msg, "+WPI");
}
