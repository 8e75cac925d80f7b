/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the writer's files share: requests and shards (pg_writer.c: queue, threads, stop), batches
 * (pg_writer_batch.c: encode, write, repeat, split). Private to pg.
 */
#ifndef PB_PG_WRITER_PRIVATE_H
#define PB_PG_WRITER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include "base/list.h"
#include "base/lock.h"
#include "pg/pg_link.h"
#include "pg/pg_writer.h"

#define PG_ROW_HEAD      2 /* group, cells */
#define PG_BATCH_MAX     4096
#define PG_PARAMS_MAX    (1 + PG_KIND_GROUPS * (PG_KIND_COLS + 1))
#define PG_REQUEST_MAGIC 0x50475251u

/*
 * Life: queued -> in a batch (sent once or more) -> answered -> freed. Answered means: its callback was
 * called; a batch in flight may still carry it.
 */
struct pg_request {
	uint32_t magic;
	struct pb_list node;
	const struct pg_batch_kind *kind;
	struct pb_uuid key;
	char *data;
	size_t len, n_rows;
	pg_done_fn *done;
	void *arg;
	int64_t deadline_us;
	bool sent;     /* the attempt under way, or an earlier one, may have been committed */
	bool repeated; /* an earlier attempt may have been committed */
	bool answered;
};

/* One thread with its connection and queue. Requests of one key always go to the same shard. */
struct pg_shard {
	struct pg_writer *writer;
	pthread_t thread;
	struct pb_mutex lock;
	struct pb_cond work;
	struct pb_list queue; /* under lock */
	bool stopping;        /* under lock: end when the queue is empty */
	atomic_bool aborting; /* end now */
	atomic_bool healthy;
	struct pg_writer_stats stats; /* under lock */
	/* the thread's own */
	struct pg_link link;
	struct pg_request *batch[PG_BATCH_MAX];
	int n_batch;
	int64_t backoff_us, swept_us;
	struct pb_buf params[PG_PARAMS_MAX];
};

struct pg_writer {
	struct pg_link_config link;
	int n_shards, batch_requests;
	size_t batch_bytes, queue_bytes;
	atomic_size_t bytes; /* queued and in flight */
	bool joined;
	struct pg_shard *shards;
};

/* Writes shard->batch until every request in it is answered, then frees them. [the shard's thread] */
void pg_batch_write(struct pg_shard *s);
/* Answers with an outcome of no rows. */
void pg_request_end(struct pg_shard *s, struct pg_request *r, enum pg_outcome outcome,
		    const struct pb_err *err);
/* Calls the callback, once. */
void pg_request_answer(struct pg_shard *s, struct pg_request *r, const struct pg_reply *reply);
void pg_request_free(struct pg_request *r);
/* Answers what is over its deadline, in the queue and in the batch; how long until the next one. */
int64_t pg_shard_expire(struct pg_shard *s);

#endif
