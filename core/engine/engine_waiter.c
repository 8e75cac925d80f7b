/* SPDX-License-Identifier: Apache-2.0 */
/* The table of waiting callers (see the header). A waiter is on its caller's stack and leaves before it. */
#include "engine/engine_waiter.h"

#include "base/clock.h"

#include "base/base.h"

void engine_waiters_init(struct engine_waiters *w, uint32_t max)
{
	pb_mutex_init(&w->lock, "engine.waiters", PB_LOCK_RANK(6, 50));
	for (size_t i = 0; i < ENGINE_WAITER_BUCKETS; i++)
		pb_list_init(&w->buckets[i]);
	w->max = max;
	w->n = 0;
	w->closed = false;
}

void engine_waiters_done(struct engine_waiters *w)
{
	PB_ASSERT(w->n == 0);
	pb_mutex_done(&w->lock);
}

static struct pb_list *bucket(struct engine_waiters *w, struct pb_uuid id)
{
	return &w->buckets[pb_uuid_hash(id) % ENGINE_WAITER_BUCKETS];
}

/* Few wait at once (w->max), so counting a tenant's is cheap beside the waiting itself. */
static uint32_t count_of_tenant(struct engine_waiters *w, struct pb_uuid tenant)
{
	uint32_t n = 0;

	for (size_t i = 0; i < ENGINE_WAITER_BUCKETS; i++) {
		pb_list_foreach (node, &w->buckets[i]) {
			n += pb_uuid_eq(pb_list_entry(node, struct engine_waiter, node)->tenant,
					tenant);
		}
	}
	return n;
}

bool engine_waiters_add(struct engine_waiters *w, struct engine_waiter *waiter,
			struct pb_uuid tenant, struct pb_uuid id)
{
	bool room;

	*waiter = (struct engine_waiter){.tenant = tenant, .id = id};
	pb_cond_init(&waiter->cond);
	pb_lock(&w->lock);
	room = !w->closed && w->n < w->max && count_of_tenant(w, tenant) < PB_MAX(w->max / 8, 1);
	if (room) {
		pb_list_append(bucket(w, id), &waiter->node);
		w->n++;
	}
	pb_unlock(&w->lock);
	if (!room)
		pb_cond_done(&waiter->cond);
	return room;
}

static void leave(struct engine_waiters *w, struct engine_waiter *waiter) PB_REQUIRES(w->lock)
{
	pb_list_remove(&waiter->node);
	w->n--;
}

/* True when it ended or the host stops. */
static bool wait_until(struct engine_waiters *w, struct engine_waiter *waiter, int64_t until_us)
	PB_REQUIRES(w->lock)
{
	while (!waiter->ended && !w->closed &&
	       pb_cond_wait_until(&waiter->cond, &w->lock, until_us))
		continue;
	return waiter->ended || w->closed;
}

bool engine_waiters_stay(struct engine_waiters *w, struct engine_waiter *waiter, int64_t until_us)
{
	bool over;

	pb_lock(&w->lock);
	over = wait_until(w, waiter, until_us);
	pb_unlock(&w->lock);
	return over;
}

bool engine_waiters_wait(struct engine_waiters *w, struct engine_waiter *waiter,
			 int64_t deadline_us)
{
	bool ended;

	pb_lock(&w->lock);
	(void)wait_until(w, waiter, deadline_us);
	leave(w, waiter);
	ended = waiter->ended;
	pb_unlock(&w->lock);
	pb_cond_done(&waiter->cond);
	return ended;
}

void engine_waiters_remove(struct engine_waiters *w, struct engine_waiter *waiter)
{
	pb_lock(&w->lock);
	leave(w, waiter);
	pb_unlock(&w->lock);
	pb_cond_done(&waiter->cond);
	free(waiter->result);
	free(waiter->error);
}

static void give(struct engine_waiter *waiter, enum model_execution_status status,
		 struct pb_slice result, struct pb_slice error)
{
	waiter->status = status;
	waiter->has_result = true;
	if (result.p) {
		waiter->result = pb_xmemdup(result.p, result.len);
		waiter->result_len = result.len;
	}
	if (error.p) {
		waiter->error = pb_xmemdup(error.p, error.len);
		waiter->error_len = error.len;
	}
}

static void end_all(struct engine_waiters *w, struct pb_uuid id, bool with_result,
		    enum model_execution_status status, struct pb_slice result,
		    struct pb_slice error)
{
	pb_lock(&w->lock);
	pb_list_foreach (node, bucket(w, id)) {
		struct engine_waiter *waiter = pb_list_entry(node, struct engine_waiter, node);

		if (waiter->ended || !pb_uuid_eq(waiter->id, id))
			continue;
		if (with_result)
			give(waiter, status, result, error);
		waiter->ended = true;
		pb_cond_signal(&waiter->cond);
	}
	pb_unlock(&w->lock);
}

void engine_waiters_end(struct engine_waiters *w, struct pb_uuid id,
			enum model_execution_status status, struct pb_slice result,
			struct pb_slice error)
{
	end_all(w, id, true, status, result, error);
}

void engine_waiters_hear(struct engine_waiters *w, struct pb_uuid id)
{
	end_all(w, id, false, MODEL_EXECUTION_QUEUED, pb_slice(NULL, 0), pb_slice(NULL, 0));
}

void engine_waiters_close(struct engine_waiters *w)
{
	pb_lock(&w->lock);
	w->closed = true;
	for (size_t i = 0; i < ENGINE_WAITER_BUCKETS; i++) {
		pb_list_foreach (node, &w->buckets[i]) {
			pb_cond_signal(&pb_list_entry(node, struct engine_waiter, node)->cond);
		}
	}
	pb_unlock(&w->lock);
}

uint32_t engine_waiters_count(struct engine_waiters *w)
{
	uint32_t n;

	pb_lock(&w->lock);
	n = w->n;
	pb_unlock(&w->lock);
	return n;
}
