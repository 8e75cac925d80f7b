/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The group-commit writer's front: queues, threads, deadlines, stop. The writing itself is in
 * pg_writer_batch.c.
 * Surprising: a batch skips requests whose key it has already, so later ones may overtake them; never
 * another request of the same key.
 */
#include "pg/pg_writer.h"
#include "pg/pg_writer_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/base.h"

PB_LOG_TOPIC("pg.writer");

#define LOOK_AHEAD     4     /* times the batch's size: how far a batch looks past repeated keys */
#define EXPIRE_SCAN_US 20000 /* not oftener through a whole queue */
#define KEYS_SLOTS     (2 * PG_BATCH_MAX)
#define STACK_BYTES    (512 * 1024)

/* A batch joins arrays with large tables by their keys: an index and a nested loop are right for any size,
 * and a plan cached while a table was empty must not be anything else. */
static const char session_options[] =
	"-c synchronous_commit=on -c plan_cache_mode=force_generic_plan -c enable_seqscan=off "
	"-c enable_hashjoin=off -c enable_mergejoin=off -c jit=off -c work_mem=32MB";

/* ---- taking a batch ----------------------------------------------------------------------------- */

struct key_set {
	struct pb_uuid key[KEYS_SLOTS];
	bool used[KEYS_SLOTS];
};

/* False when it was there already. */
static bool key_set_add(struct key_set *set, struct pb_uuid key)
{
	size_t i = pb_uuid_hash(key) % KEYS_SLOTS;

	while (set->used[i]) {
		if (pb_uuid_eq(set->key[i], key))
			return false;
		i = (i + 1) % KEYS_SLOTS;
	}
	set->used[i] = true;
	set->key[i] = key;
	return true;
}

static int by_kind_and_key(const void *va, const void *vb)
{
	const struct pg_request *a = *(struct pg_request *const *)va;
	const struct pg_request *b = *(struct pg_request *const *)vb;

	if (a->kind->order != b->kind->order)
		return a->kind->order < b->kind->order ? -1 : 1;
	if (a->kind != b->kind)
		return (uintptr_t)a->kind < (uintptr_t)b->kind ? -1 : 1;
	return pb_uuid_cmp(a->key, b->key);
}

/* Moves what fits from the queue into the batch. */
static void batch_fill(struct pg_shard *s, struct key_set *keys) PB_REQUIRES(s->lock)
{
	const struct pg_writer *w = s->writer;
	size_t bytes = 0;
	int looked = 0;

	memset(keys->used, 0, sizeof(keys->used));
	s->n_batch = 0;
	pb_list_foreach_safe (it, &s->queue) {
		struct pg_request *r = pb_list_entry(it, struct pg_request, node);

		if (s->n_batch >= w->batch_requests || looked++ > w->batch_requests * LOOK_AHEAD)
			break;
		if (s->n_batch > 0 && bytes + r->len > w->batch_bytes)
			break;
		if (!key_set_add(keys, r->key))
			continue;
		pb_list_remove(it);
		s->batch[s->n_batch++] = r;
		s->stats.queued--;
		bytes += r->len;
	}
}

/* Waits for work. False: stopped and nothing left. */
static bool batch_take(struct pg_shard *s, struct key_set *keys)
{
	pb_lock(&s->lock);
	while (pb_list_empty(&s->queue) && !s->stopping)
		pb_cond_wait(&s->work, &s->lock);
	batch_fill(s, keys);
	pb_unlock(&s->lock);

	qsort(s->batch, (size_t)s->n_batch, sizeof(*s->batch), by_kind_and_key);
	return s->n_batch > 0;
}

static void *shard_main(void *arg)
{
	struct pg_shard *s = arg;
	pb_autofree struct key_set *keys = pb_new(struct key_set);

	while (batch_take(s, keys))
		pg_batch_write(s);
	pg_link_close(&s->link);
	return NULL;
}

/* ---- requests ----------------------------------------------------------------------------------- */

static void count_outcome(struct pg_shard *s, enum pg_outcome outcome) PB_REQUIRES(s->lock)
{
	switch (outcome) {
	case PG_APPLIED:
		s->stats.applied++;
		break;
	case PG_NOT_APPLIED:
		s->stats.not_applied++;
		break;
	case PG_FAILED:
		s->stats.failed++;
		break;
	case PG_UNKNOWN:
		s->stats.unknown++;
		break;
	}
}

void pg_request_answer(struct pg_shard *s, struct pg_request *r, const struct pg_reply *reply)
{
	PB_CHECK_MAGIC(r, PG_REQUEST_MAGIC);
	if (r->answered)
		return;
	r->answered = true;
	pb_lock(&s->lock);
	count_outcome(s, reply->outcome);
	pb_unlock(&s->lock);
	/* before the answer: who has all answers finds the queue empty */
	atomic_fetch_sub(&s->writer->bytes, r->len + sizeof(*r));
	r->done(r->arg, reply);
}

void pg_request_end(struct pg_shard *s, struct pg_request *r, enum pg_outcome outcome,
		    const struct pb_err *err)
{
	const struct pg_reply reply = {.outcome = outcome, .err = err};

	pg_request_answer(s, r, &reply);
}

void pg_request_free(struct pg_request *r)
{
	PB_ASSERT(r->answered);
	r->magic = 0;
	free(r->data);
	free(r);
}

static void request_late(struct pg_shard *s, struct pg_request *r)
{
	struct pb_err err = PB_ERR_INIT;

	if (r->sent)
		(void)pb_err_set(
			&err, PB_E_TIMEOUT, "database.outcome_unknown",
			"the database went away in the middle: the change may have been made");
	else
		(void)pb_err_set(&err, PB_E_UNAVAILABLE, "database.unavailable",
				 "the database cannot be reached");
	pg_request_end(s, r, r->sent ? PG_UNKNOWN : PG_FAILED, &err);
}

static bool is_late(struct pg_shard *s, const struct pg_request *r, int64_t now, int64_t *next)
{
	if (r->answered)
		return false;
	if (atomic_load(&s->aborting))
		return true;
	if (r->deadline_us == 0)
		return false;
	if (r->deadline_us <= now)
		return true;
	*next = PB_MIN(*next, r->deadline_us);
	return false;
}

int64_t pg_shard_expire(struct pg_shard *s)
{
	int64_t now = pb_mono_us();
	int64_t next = now + 100 * PB_USEC_PER_MSEC;
	struct pb_list late;

	for (int i = 0; i < s->n_batch; i++)
		if (is_late(s, s->batch[i], now, &next))
			request_late(s, s->batch[i]);
	if (now - s->swept_us < EXPIRE_SCAN_US && !atomic_load(&s->aborting))
		return PB_MIN(next, s->swept_us + EXPIRE_SCAN_US);

	pb_list_init(&late);
	s->swept_us = now;
	pb_lock(&s->lock);
	pb_list_foreach_safe (it, &s->queue) {
		struct pg_request *r = pb_list_entry(it, struct pg_request, node);

		if (is_late(s, r, now, &next)) {
			pb_list_remove(it);
			pb_list_append(&late, it);
			s->stats.queued--;
		}
	}
	pb_unlock(&s->lock);
	for (struct pb_list *it = pb_list_pop(&late); it; it = pb_list_pop(&late)) {
		struct pg_request *r = pb_list_entry(it, struct pg_request, node);

		request_late(s, r);
		pg_request_free(r);
	}
	return next;
}

/* A request that does not fit its kind is a bug of the caller. */
static void check_rows(const struct pg_batch_kind *kind, const struct pg_rowset *rows)
{
	const char *p = rows->data.p, *end = p + rows->data.len;
	int n_first = 0;

	PB_ASSERT(p != NULL);
	while (p < end) {
		int group = p[0], n = p[1];

		PB_ASSERT(group < kind->n_groups && n == kind->groups[group].n_cols);
		n_first += group == 0;
		p += PG_ROW_HEAD;
		while (n-- > 0) {
			uint32_t len = pg_take32(p);

			p += 4 + (len == UINT32_MAX ? 0 : len);
		}
	}
	PB_ASSERT(p == end && n_first == 1);
}

static bool enqueue(struct pg_shard *s, struct pg_request *r)
{
	bool ok;

	pb_lock(&s->lock);
	ok = !s->stopping;
	if (ok) {
		if (pb_list_empty(&s->queue))
			pb_cond_signal(&s->work);
		pb_list_append(&s->queue, &r->node);
		s->stats.queued++;
		s->stats.submitted++;
	} else {
		s->stats.refused++;
	}
	pb_unlock(&s->lock);
	return ok;
}

enum pb_status pg_writer_submit(struct pg_writer *w, const struct pg_batch_kind *kind,
				struct pb_uuid key, struct pg_rowset *rows, pg_done_fn *done,
				void *arg, int64_t deadline_us, struct pb_err *err)
{
	struct pg_shard *s = &w->shards[pb_uuid_hash(key) % (unsigned)w->n_shards];
	struct pg_request *r = pb_new(struct pg_request);
	size_t bytes;

	check_rows(kind, rows);
	*r = (struct pg_request){.magic = PG_REQUEST_MAGIC,
				 .kind = kind,
				 .key = key,
				 .done = done,
				 .arg = arg,
				 .deadline_us = deadline_us};
	r->n_rows = (size_t)rows->n_rows;
	r->data = pb_buf_steal(&rows->data, &r->len);
	pg_rowset_done(rows);
	bytes = r->len + sizeof(*r);
	if (atomic_fetch_add(&w->bytes, bytes) + bytes <= w->queue_bytes && enqueue(s, r))
		return PB_OK;

	atomic_fetch_sub(&w->bytes, bytes);
	r->answered = true;
	pg_request_free(r);
	return pb_err_set(err, PB_E_UNAVAILABLE, "database.queue_full",
			  "too much is waiting to be written; try again soon");
}

/* ---- start and stop ----------------------------------------------------------------------------- */

static int64_t shard_tick(void *arg, bool *ret_stop)
{
	struct pg_shard *s = arg;

	*ret_stop = atomic_load(&s->aborting);
	return pg_shard_expire(s);
}

static void shard_start(struct pg_writer *w, int i)
{
	struct pg_shard *s = &w->shards[i];
	char name[16];

	s->writer = w;
	pb_mutex_init(&s->lock, "pg.writer", PB_LOCK_RANK(2, 20));
	pb_cond_init(&s->work);
	pb_list_init(&s->queue);
	atomic_init(&s->healthy, true);
	pg_link_init(&s->link, &w->link);
	s->link.tick = shard_tick;
	s->link.tick_arg = s;
	(void)pb_str_printf(name, sizeof(name), "pg-writer-%d", i);
	s->thread = pb_thread_start(name, STACK_BYTES, shard_main, s);
}

enum pb_status pg_writer_new(const struct pg_writer_config *c, struct pg_writer **ret,
			     struct pb_err *err)
{
	struct pg_writer *w = pb_new(struct pg_writer);
	enum pb_status st;

	st = pg_link_config_init(
		&w->link, c->url, c->application_name ? c->application_name : "patchbay-writer",
		session_options,
		c->connect_timeout_us > 0 ? c->connect_timeout_us : 2 * PB_USEC_PER_SEC,
		c->statement_timeout_us > 0 ? c->statement_timeout_us : 10 * PB_USEC_PER_SEC, err);
	if (st) {
		free(w);
		return st;
	}

	w->n_shards = c->n_threads > 0 ? PB_MIN(c->n_threads, 64) : 2;
	w->batch_requests = c->batch_requests > 0 ? PB_MIN(c->batch_requests, PG_BATCH_MAX) : 256;
	w->batch_bytes = c->batch_bytes > 0 ? c->batch_bytes : 4u << 20;
	w->queue_bytes = c->queue_bytes > 0 ? c->queue_bytes : 64u << 20;
	w->shards = pb_xcalloc((size_t)w->n_shards, sizeof(*w->shards));
	for (int i = 0; i < w->n_shards; i++)
		shard_start(w, i);
	*ret = w;
	return PB_OK;
}

static bool shard_is_idle(struct pg_shard *s)
{
	bool idle;

	pb_lock(&s->lock);
	idle = s->stats.applied + s->stats.not_applied + s->stats.failed + s->stats.unknown ==
	       s->stats.submitted;
	pb_unlock(&s->lock);
	return idle;
}

/* A watch for threads that do not come to an end by themselves: joining has no deadline. */
static void shards_wait(struct pg_writer *w, int64_t deadline_us)
{
	for (int i = 0; i < w->n_shards; i++) {
		struct pg_shard *s = &w->shards[i];

		while (!shard_is_idle(s) && pb_mono_us() < deadline_us) {
			pb_lock(&s->lock);
			(void)pb_cond_wait_until(&s->work, &s->lock,
						 PB_MIN(deadline_us, pb_mono_us() + 10000));
			pb_unlock(&s->lock);
		}
	}
}

bool pg_writer_stop(struct pg_writer *w, int64_t deadline_us)
{
	bool clean = true;

	if (w->joined)
		return true;
	for (int i = 0; i < w->n_shards; i++) {
		pb_lock(&w->shards[i].lock);
		w->shards[i].stopping = true;
		pb_cond_broadcast(&w->shards[i].work);
		pb_unlock(&w->shards[i].lock);
	}
	shards_wait(w, deadline_us);
	for (int i = 0; i < w->n_shards; i++) {
		struct pg_shard *s = &w->shards[i];

		if (!shard_is_idle(s)) {
			clean = false;
			atomic_store(&s->aborting, true);
			pb_lock(&s->lock);
			pb_cond_broadcast(&s->work);
			pb_unlock(&s->lock);
		}
	}
	for (int i = 0; i < w->n_shards; i++)
		pb_thread_join(w->shards[i].thread);
	w->joined = true;
	return clean;
}

void pg_writer_free(struct pg_writer *w)
{
	if (w == NULL)
		return;
	(void)pg_writer_stop(w, pb_mono_us() + 5 * PB_USEC_PER_SEC);
	for (int i = 0; i < w->n_shards; i++) {
		struct pg_shard *s = &w->shards[i];

		for (int p = 0; p < PG_PARAMS_MAX; p++)
			pb_buf_done(&s->params[p]);
		pb_cond_done(&s->work);
		pb_mutex_done(&s->lock);
	}
	free(w->shards);
	pg_link_config_done(&w->link);
	free(w);
}

void pg_writer_stats(struct pg_writer *w, struct pg_writer_stats *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < w->n_shards; i++) {
		struct pg_shard *s = &w->shards[i];
		const struct pg_writer_stats *t = &s->stats;

		pb_lock(&s->lock);
		ret->submitted += t->submitted;
		ret->refused += t->refused;
		ret->applied += t->applied;
		ret->not_applied += t->not_applied;
		ret->failed += t->failed;
		ret->unknown += t->unknown;
		ret->batches += t->batches;
		ret->rows += t->rows;
		ret->splits += t->splits;
		ret->reconnects += t->reconnects;
		ret->write_us += t->write_us;
		ret->queued += t->queued;
		for (int k = 0; k < PG_WRITER_SIZES; k++)
			ret->sizes[k] += t->sizes[k];
		pb_unlock(&s->lock);
	}
	ret->queued_bytes = atomic_load(&w->bytes);
	ret->healthy = pg_writer_healthy(w);
}

/* A shard without work does not try: what it last knew of the server says nothing about now. */
bool pg_writer_healthy(struct pg_writer *w)
{
	for (int i = 0; i < w->n_shards; i++)
		if (!atomic_load(&w->shards[i].healthy) && !shard_is_idle(&w->shards[i]))
			return false;
	return true;
}
