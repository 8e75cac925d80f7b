/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's asynchronous writes made synchronous, for tests: each call submits and waits for its answer.
 * Include after support/pg_db.h.
 */
#ifndef PB_TESTS_SUPPORT_STORE_SYNC_H
#define PB_TESTS_SUPPORT_STORE_SYNC_H

#include "base/clock.h"
#include "base/lock.h"
#include "store/store_execution.h"
#include "base/base.h"

struct sync_wait {
	pthread_mutex_t m;
	pthread_cond_t c;
	bool done;
	enum pg_outcome outcome;
	struct pb_err err;
	/* what the calls bring */
	enum store_accept_result accept_result;
	struct pb_uuid id;
	struct store_claimed claimed;
	struct pb_arena *arena;
	struct store_checkpointed checkpointed;
	int64_t finished_at;
	bool has_signal;
};

static inline void sync_init(struct sync_wait *w, struct pb_arena *arena)
{
	memset(w, 0, sizeof(*w));
	(void)pthread_mutex_init(&w->m, NULL);
	(void)pthread_cond_init(&w->c, NULL);
	w->arena = arena;
}

static inline void sync_done(struct sync_wait *w, enum pg_outcome outcome, const struct pb_err *err)
{
	(void)pthread_mutex_lock(&w->m);
	w->outcome = outcome;
	if (err)
		w->err = *err;
	w->done = true;
	(void)pthread_cond_signal(&w->c);
	(void)pthread_mutex_unlock(&w->m);
}

static inline enum pg_outcome sync_wait(struct sync_wait *w)
{
	(void)pthread_mutex_lock(&w->m);
	while (!w->done)
		(void)pthread_cond_wait(&w->c, &w->m);
	(void)pthread_mutex_unlock(&w->m);
	return w->outcome;
}

static inline void sync_accept_done(void *arg, enum pg_outcome o, enum store_accept_result r,
				    struct pb_uuid id, const struct pb_err *err)
{
	struct sync_wait *w = arg;

	w->accept_result = r;
	w->id = id;
	sync_done(w, o, err);
}

static inline enum pg_outcome sync_accept(struct pg_writer *pw, const struct store_accept *a,
					  struct sync_wait *w)
{
	sync_init(w, NULL);
	ck_assert_int_eq(store_accept_submit(pw, a, 0, sync_accept_done, w, &w->err), PB_OK);
	return sync_wait(w);
}

static inline void sync_claim_done(void *arg, enum pg_outcome o, const struct store_claimed *c,
				   const struct pb_err *err)
{
	struct sync_wait *w = arg;

	if (c) {
		w->claimed = *c;
		w->claimed.trigger.p = pb_arena_memdup(w->arena, c->trigger.p, c->trigger.len);
		w->claimed.retry_from.p =
			c->retry_from.p
				? pb_arena_memdup(w->arena, c->retry_from.p, c->retry_from.len)
				: NULL;
	}
	sync_done(w, o, err);
}

static inline enum pg_outcome sync_claim(struct pg_writer *pw, struct pb_uuid tenant,
					 struct pb_uuid id, struct pb_uuid owner,
					 struct pb_uuid token, int64_t lease_us,
					 struct pb_arena *arena, struct sync_wait *w)
{
	sync_init(w, arena);
	ck_assert_int_eq(store_claim_submit(pw, tenant, id, owner, token, lease_us, 0,
					    sync_claim_done, w, &w->err),
			 PB_OK);
	return sync_wait(w);
}

static inline void sync_checkpoint_done(void *arg, enum pg_outcome o,
					const struct store_checkpointed *c,
					const struct pb_err *err)
{
	struct sync_wait *w = arg;

	if (c)
		w->checkpointed = *c;
	sync_done(w, o, err);
}

static inline enum pg_outcome sync_checkpoint(struct pg_writer *pw,
					      const struct store_checkpoint *c, struct sync_wait *w)
{
	sync_init(w, NULL);
	ck_assert_int_eq(store_checkpoint_submit(pw, c, 0, sync_checkpoint_done, w, &w->err),
			 PB_OK);
	return sync_wait(w);
}

static inline void sync_finish_done(void *arg, enum pg_outcome o, int64_t at,
				    const struct pb_err *err)
{
	struct sync_wait *w = arg;

	w->finished_at = at;
	sync_done(w, o, err);
}

static inline enum pg_outcome sync_finish(struct pg_writer *pw, const struct store_finish *f,
					  struct sync_wait *w)
{
	sync_init(w, NULL);
	ck_assert_int_eq(store_finish_submit(pw, f, 0, sync_finish_done, w, &w->err), PB_OK);
	return sync_wait(w);
}

static inline void sync_renew_done(void *arg, enum pg_outcome o, bool has_signal,
				   const struct pb_err *err)
{
	struct sync_wait *w = arg;

	w->has_signal = has_signal;
	sync_done(w, o, err);
}

static inline enum pg_outcome sync_renew(struct pg_writer *pw, const struct store_lease *l,
					 int64_t lease_us, struct sync_wait *w)
{
	sync_init(w, NULL);
	ck_assert_int_eq(store_renew_submit(pw, l, lease_us, 0, sync_renew_done, w, &w->err),
			 PB_OK);
	return sync_wait(w);
}

#endif
