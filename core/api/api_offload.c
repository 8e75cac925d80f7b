/* SPDX-License-Identifier: Apache-2.0 */
/* A small queue of jobs that live on their callers' stacks (see the header). */
#include "api/api_offload.h"

#include "base/list.h"
#include "base/lock.h"

#include "base/base.h"

#define OFFLOAD_THREADS_MAX 8

struct job {
	struct pb_list node;
	void (*fn)(void *);
	void *arg;
	bool done;
	struct pb_cond cond;
};

struct api_offload {
	struct pb_mutex lock;
	struct pb_cond work;
	struct pb_list queue;
	unsigned n_queued, n_threads;
	bool stopping;
	pthread_t threads[OFFLOAD_THREADS_MAX];
};

static void *offload_main(void *arg)
{
	struct api_offload *o = arg;

	pb_lock(&o->lock);
	for (;;) {
		struct pb_list *node = pb_list_pop(&o->queue);
		struct job *job;

		if (!node) {
			if (o->stopping)
				break;
			pb_cond_wait(&o->work, &o->lock);
			continue;
		}
		job = pb_list_entry(node, struct job, node);
		o->n_queued--;
		pb_unlock(&o->lock);
		job->fn(job->arg);
		pb_lock(&o->lock);
		job->done = true;
		pb_cond_signal(&job->cond);
	}
	pb_unlock(&o->lock);
	return NULL;
}

struct api_offload *api_offload_new(unsigned n_threads)
{
	struct api_offload *o = pb_new(struct api_offload);

	pb_mutex_init(&o->lock, "api.offload", PB_LOCK_RANK(7, 10));
	pb_cond_init(&o->work);
	pb_list_init(&o->queue);
	o->n_threads = PB_MIN(n_threads, OFFLOAD_THREADS_MAX);
	for (unsigned i = 0; i < o->n_threads; i++)
		o->threads[i] =
			pb_thread_start("pb-deep", API_OFFLOAD_STACK_BYTES, offload_main, o);
	return o;
}

void api_offload_free(struct api_offload *o)
{
	if (!o)
		return;
	pb_lock(&o->lock);
	o->stopping = true;
	pb_cond_broadcast(&o->work);
	pb_unlock(&o->lock);
	for (unsigned i = 0; i < o->n_threads; i++)
		pb_thread_join(o->threads[i]);
	pb_cond_done(&o->work);
	pb_mutex_done(&o->lock);
	free(o);
}

enum pb_status api_offload_run(struct api_offload *o, void (*fn)(void *), void *arg,
			       struct pb_err *err)
{
	struct job job = {.fn = fn, .arg = arg};

	pb_lock(&o->lock);
	if (o->n_queued >= API_OFFLOAD_QUEUE || o->stopping) {
		pb_unlock(&o->lock);
		return pb_err_set(err, PB_E_UNAVAILABLE, "api.busy",
				  "too many requests of this kind at once, try again");
	}
	pb_cond_init(&job.cond);
	pb_list_append(&o->queue, &job.node);
	o->n_queued++;
	pb_cond_signal(&o->work);
	while (!job.done)
		pb_cond_wait(&job.cond, &o->lock);
	pb_unlock(&o->lock);
	pb_cond_done(&job.cond);
	return PB_OK;
}
