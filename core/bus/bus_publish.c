/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing without waiting. Each publish has a slot in a table of ours and a reply subject that names
 * it, because the client library's own list of asynchronous publishes has no timeouts. A late answer
 * meets another generation in its slot and is dropped.
 */
#include "bus/bus.h"

#include "base/clock.h"
#include "bus/bus_priv.h"
#include "base/base.h"

void bus_flights_init(struct bus *b)
{
	b->n_flights = b->cfg.max_inflight;
	b->flights = pb_xcalloc(b->n_flights, sizeof(*b->flights));
	pb_list_init(&b->flights_free);
	pb_list_init(&b->flights_waiting);
}

static struct bus_flight *flight_take(struct bus *b)
{
	struct pb_list *n = pb_list_pop(&b->flights_free);

	if (n)
		return pb_list_entry(n, struct bus_flight, link);
	return b->flights_used < b->n_flights ? &b->flights[b->flights_used++] : NULL;
}

/* Frees the slot and hands out what the caller must tell, outside the lock. */
static struct bus_flight flight_end(struct bus *b, struct bus_flight *f, enum bus_outcome outcome)
{
	struct bus_flight copy = *f;

	pb_list_remove(&f->link);
	f->waiting = false;
	f->generation++;
	pb_list_append(&b->flights_free, &f->link);
	b->inflight--;
	if (outcome == BUS_STORED)
		b->status.published++;
	else
		b->status.unknown++;
	return copy;
}

static void tell(const struct bus_flight *f, enum bus_outcome outcome)
{
	if (f->done)
		f->done(f->arg, f->execution_id, f->dispatch, outcome);
}

/* Ends the flight in @slot if it is still the one of @generation. */
static void settle(struct bus *b, uint32_t slot, uint32_t generation, enum bus_outcome outcome)
{
	struct bus_flight ended = {0};
	bool mine = false;

	pb_lock(&b->lock);
	if (slot < b->flights_used && b->flights[slot].waiting &&
	    b->flights[slot].generation == generation) {
		ended = flight_end(b, &b->flights[slot], outcome);
		mine = true;
	}
	pb_unlock(&b->lock);
	if (mine)
		tell(&ended, outcome);
}

void bus_on_puback(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
	struct bus *b = arg;
	uint32_t slot = 0, generation = 0;

	(void)nc;
	(void)sub;
	PB_CHECK_MAGIC(b, BUS_MAGIC);
	if (bus_token_read(natsMsg_GetSubject(msg), b->ack_inbox, &slot, &generation)) {
		bool ok = bus_puback_ok(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));

		settle(b, slot, generation, ok ? BUS_STORED : BUS_UNKNOWN);
		if (!ok) { /* no stream there, or it refuses: look at it at once */
			pb_lock(&b->lock);
			b->check_now = true;
			pb_cond_signal(&b->wake_control);
			pb_unlock(&b->lock);
		}
	}
	natsMsg_Destroy(msg);
}

void bus_flights_expire(struct bus *b, int64_t now_us)
{
	for (;;) {
		struct bus_flight ended = {0};
		bool any = false;

		pb_lock(&b->lock);
		if (!pb_list_empty(&b->flights_waiting)) {
			struct bus_flight *f =
				pb_list_entry(b->flights_waiting.next, struct bus_flight, link);

			any = f->deadline_us <= now_us;
			if (any)
				ended = flight_end(b, f, BUS_UNKNOWN);
		}
		pb_unlock(&b->lock);
		if (!any)
			return;
		tell(&ended, BUS_UNKNOWN);
	}
}

static natsStatus send_exec(struct bus *b, struct pb_uuid tenant_id, struct pb_uuid execution_id,
			    int64_t dispatch, const char *reply)
{
	char subject[BUS_SUBJECT_BYTES], id[96], execution[PB_UUID_TEXT_BYTES],
		tenant[PB_UUID_TEXT_BYTES];
	uint8_t payload[BUS_PAYLOAD_BYTES];
	natsMsg *msg = NULL;
	natsStatus st = NATS_OK;

	pb_uuid_format(execution_id, execution);
	pb_uuid_format(tenant_id, tenant);
	(void)pb_str_printf(subject, sizeof(subject), "%sexec.%02u.%s", b->prefix,
			    bus_partition(execution_id), tenant);
	(void)pb_str_printf(id, sizeof(id), "%s:%lld", execution, (long long)dispatch);
	bus_payload_write(payload, execution_id, tenant_id, dispatch);
	st = natsMsg_Create(&msg, subject, reply, (const char *)payload, sizeof(payload));
	if (st == NATS_OK)
		st = natsMsgHeader_Set(msg, "Nats-Msg-Id", id);
	if (st == NATS_OK)
		st = natsConnection_PublishMsg(b->pub, msg);
	natsMsg_Destroy(msg);
	return st;
}

/* A slot for one publish; false when the bus is down or the table is full. */
static bool board(struct bus *b, const struct bus_flight *wanted, uint32_t *ret_slot,
		  uint32_t *ret_gen)
{
	struct bus_flight *f = NULL;

	pb_lock(&b->lock);
	if (atomic_load(&b->pub_up) && !b->stopping)
		f = flight_take(b);
	if (f) {
		uint32_t generation = f->generation;

		*f = *wanted;
		f->generation = generation;
		f->waiting = true;
		f->deadline_us = pb_mono_us() + b->cfg.publish_timeout_us;
		pb_list_append(&b->flights_waiting, &f->link);
		b->inflight++;
		*ret_slot = (uint32_t)(f - b->flights);
		*ret_gen = generation;
	} else {
		b->status.unknown++;
	}
	pb_unlock(&b->lock);
	return f != NULL;
}

void bus_publish_exec(struct bus *b, struct pb_uuid tenant_id, struct pb_uuid execution_id,
		      int64_t dispatch, bus_done_fn *done, void *arg)
{
	const struct bus_flight wanted = {
		.execution_id = execution_id, .dispatch = dispatch, .done = done, .arg = arg};
	char reply[96];
	uint32_t slot = 0, generation = 0;
	natsStatus st = NATS_OK;

	PB_CHECK_MAGIC(b, BUS_MAGIC);
	PB_ASSERT(dispatch >= 0);
	if (!board(b, &wanted, &slot, &generation)) {
		tell(&wanted, BUS_UNKNOWN);
		return;
	}
	(void)bus_token_write(reply, sizeof(reply), b->ack_inbox, slot, generation);
	st = send_exec(b, tenant_id, execution_id, dispatch, reply);
	if (st != NATS_OK) {
		bus_note_error(b, "publish", st);
		settle(b, slot, generation, BUS_UNKNOWN);
	}
}
