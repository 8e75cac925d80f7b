/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The I/O thread of all runners, its box of messages, the worker threads for callbacks, and the object
 * that holds it all. The thread sleeps without a timer while nothing is under way.
 */
#include "connector/connector.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include "base/clock.h"
#include "base/log.h"
#include "connector/connector_private.h"
#include "obs/obs_metrics.h"
#include "base/base.h"

PB_LOG_TOPIC("connector.supervisor");

#define EVENTS       256
#define TICK_US      (20 * PB_USEC_PER_MSEC)
#define STACK_BYTES  (1024u * 1024)
#define STOP_WAIT_US (10 * PB_USEC_PER_SEC)

/* ---- the box ---- */

void connector_post(struct connectors *c, struct connector_msg *msg)
{
	const uint64_t one = 1;
	bool wake;

	pb_lock(&c->box_lock);
	wake = pb_list_empty(&c->box);
	pb_list_append(&c->box, &msg->node);
	pb_unlock(&c->box_lock);
	if (wake && write(c->event_fd, &one, sizeof(one)) < 0)
		PB_ASSERT(errno == EAGAIN); /* the counter is full: it is awake */
}

static void take_box(struct connectors *c)
{
	struct pb_list fresh;

	pb_list_init(&fresh);
	pb_lock(&c->box_lock);
	pb_list_splice(&fresh, &c->box);
	pb_unlock(&c->box_lock);
	for (struct pb_list *n = pb_list_pop(&fresh); n; n = pb_list_pop(&fresh)) {
		struct connector_msg *msg = pb_list_entry(n, struct connector_msg, node);

		msg->fn(c, msg);
	}
}

static void on_box(struct connectors *c, struct connector_watch *w, uint32_t events)
{
	uint64_t n;

	(void)w;
	(void)events;
	if (read(c->event_fd, &n, sizeof(n)) < 0)
		PB_ASSERT(errno == EAGAIN || errno == EINTR);
	take_box(c);
}

bool connector_watch_add(struct connectors *c, int fd, uint32_t events, struct connector_watch *w)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

/* ---- workers ---- */

void connector_work(struct connectors *c, struct connector_job *job)
{
	pb_lock(&c->job_lock);
	pb_list_append(&c->jobs, &job->node);
	pb_cond_signal(&c->job_cond);
	pb_unlock(&c->job_lock);
}

static struct connector_job *next_job(struct connectors *c)
{
	struct pb_list *n;

	pb_lock(&c->job_lock);
	while (!(n = pb_list_pop(&c->jobs)) && !c->jobs_stop)
		pb_cond_wait(&c->job_cond, &c->job_lock);
	pb_unlock(&c->job_lock);
	return n ? pb_list_entry(n, struct connector_job, node) : NULL;
}

static void *work_loop(void *arg)
{
	struct connectors *c = arg;
	struct connector_job *job;

	while ((job = next_job(c)))
		job->run(c, job);
	return NULL;
}

/* ---- the loop ---- */

/* -1 when only an event can bring work. */
static int sleep_ms(const struct connectors *c)
{
	int64_t next_us = INT64_MAX, now_us = pb_mono_us();

	if (!pb_list_empty(&c->unread))
		return 0;
	if (c->n_calls)
		return (int)(TICK_US / PB_USEC_PER_MSEC);
	pb_list_foreach (n, &c->pools) {
		struct connector_pool *p = pb_list_entry(n, struct connector_pool, node);

		pb_list_foreach (m, &p->runners) {
			struct connector_runner *r =
				pb_list_entry(m, struct connector_runner, node);

			if (r->state != RUNNER_READY || r->solo)
				return (int)(TICK_US / PB_USEC_PER_MSEC);
			if (c->cfg.runner_idle_us > 0)
				next_us = PB_MIN(next_us, r->due_us);
		}
	}
	if (next_us == INT64_MAX)
		return -1;
	return (int)(PB_MAX(next_us - now_us, INT64_C(0)) / PB_USEC_PER_MSEC) + 1;
}

static void bury(struct connectors *c)
{
	for (struct pb_list *n = pb_list_pop(&c->graves); n; n = pb_list_pop(&c->graves))
		connector_runner_free(pb_list_entry(n, struct connector_runner, node));
}

static bool asked_to_stop(struct connectors *c)
{
	bool stop;

	pb_lock(&c->box_lock);
	stop = c->stop;
	pb_unlock(&c->box_lock);
	return stop;
}

/* A turn for each runner that had more to say than its last one allowed. */
static void read_on(struct connectors *c)
{
	struct pb_list line;

	pb_list_init(&line);
	pb_list_splice(&line, &c->unread);
	for (struct pb_list *n = pb_list_pop(&line); n; n = pb_list_pop(&line)) {
		connector_runner_read(pb_list_entry(n, struct connector_runner, unread));
		connector_dispatch_flush(c);
	}
}

/* One round: events, then what they decided. */
static int64_t round_of(struct connectors *c, int64_t tick_us)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(c->epoll_fd, ev, EVENTS, sleep_ms(c));
	int64_t now_us;

	for (int i = 0; i < n; i++) {
		struct connector_watch *w = ev[i].data.ptr;

		w->fn(c, w, ev[i].events);
		connector_dispatch_flush(c);
	}
	read_on(c);
	now_us = pb_mono_us();
	if (now_us - tick_us >= TICK_US) {
		connector_dispatch_tick(c, now_us);
		tick_us = now_us;
	}
	connector_dispatch_flush(c);
	bury(c);
	return tick_us;
}

static void kill_runners(struct connectors *c)
{
	pb_list_foreach (n, &c->pools) {
		struct connector_pool *p = pb_list_entry(n, struct connector_pool, node);

		pb_list_foreach (m, &p->runners)
			connector_runner_kill(pb_list_entry(m, struct connector_runner, node),
					      KILL_STOP);
	}
}

static bool has_runners(const struct connectors *c)
{
	pb_list_foreach (n, &c->pools) {
		if (pb_list_entry(n, struct connector_pool, node)->n_runners)
			return true;
	}
	return false;
}

/* Queued calls go back to the engine, running ones end with their runner. */
static void end_all(struct connectors *c)
{
	pb_list_foreach_safe (n, &c->calls) {
		struct connector_call *call = pb_list_entry(n, struct connector_call, all);

		if (call->state == CALL_QUEUED || call->state == CALL_GATED)
			connector_dispatch_stop(call);
	}
	kill_runners(c);
	connector_dispatch_flush(c);
}

static void *io_loop(void *arg)
{
	struct connectors *c = arg;
	int64_t tick_us = pb_mono_us();

	while (!asked_to_stop(c))
		tick_us = round_of(c, tick_us);
	/* until the last call is answered and the last process is reaped */
	while (atomic_load(&c->in_flight) || has_runners(c)) {
		end_all(c);
		tick_us = round_of(c, tick_us);
	}
	return NULL;
}

/* ---- numbers ---- */

static void register_metrics(struct connector_counts *n)
{
	const struct obs_label labels[] = {{"connector", n->id}, {NULL, NULL}};

	n->m_calls = obs_counter_new("patchbay_connector_calls_total", "Calls that ended.", labels);
	n->m_failures = obs_counter_new("patchbay_connector_failures_total",
					"Calls that ended without success.", labels);
	n->m_crashes = obs_counter_new("patchbay_connector_crashes_total",
				       "Calls that ended with the death of their runner.", labels);
	n->m_restarts = obs_counter_new("patchbay_connector_restarts_total",
					"Calls repeated after the death of a runner.", labels);
	n->m_in_flight =
		obs_gauge_new("patchbay_connector_calls_in_flight", "Calls under way.", labels);
	n->m_latency =
		obs_histogram_new("patchbay_connector_call_seconds", "Duration of calls.", labels);
}

struct connector_counts *connector_counts_of(struct connectors *c, const char *id)
{
	struct connector_counts *found = NULL;

	pb_lock(&c->counts_lock);
	pb_list_foreach (n, &c->counts) {
		if (strcmp(pb_list_entry(n, struct connector_counts, node)->id, id) == 0)
			found = pb_list_entry(n, struct connector_counts, node);
	}
	if (!found) {
		found = pb_new(struct connector_counts);
		(void)pb_str_copy(found->id, sizeof(found->id), id);
		register_metrics(found);
		pb_list_append(&c->counts, &found->node);
	}
	pb_unlock(&c->counts_lock);
	return found;
}

void connector_counts_set_error(struct connectors *c, struct connector_counts *n, const char *text)
{
	pb_lock(&c->counts_lock);
	(void)pb_str_copy(n->start_error, sizeof(n->start_error), text);
	pb_unlock(&c->counts_lock);
}

/* ---- start and end ---- */

static void fill_cfg(struct connectors *c, const struct connectors_cfg *cfg)
{
	struct connectors_cfg *to = &c->cfg;

	*to = *cfg;
	to->runner_memory_bytes =
		cfg->runner_memory_bytes ? cfg->runner_memory_bytes : (size_t)256 << 20;
	to->runner_calls_max = cfg->runner_calls_max ? PB_MIN(cfg->runner_calls_max, 1750u) : 512;
	to->runner_calls_total = cfg->runner_calls_total ? cfg->runner_calls_total : 100000;
	to->runner_idle_us = cfg->runner_idle_us ? cfg->runner_idle_us : 5 * PB_USEC_PER_MIN;
	to->call_timeout_us = cfg->call_timeout_us ? cfg->call_timeout_us : 5 * PB_USEC_PER_MIN;
	to->calls_max = cfg->calls_max ? cfg->calls_max : 10000;
	to->http_per_call = cfg->http_per_call ? cfg->http_per_call : 100;
	to->result_bytes = cfg->result_bytes ? PB_MIN(cfg->result_bytes, (size_t)IPC_RESULT_MAX)
					     : (size_t)1 << 20;
	to->workers = cfg->workers ? PB_MIN(cfg->workers, 64u) : 4;
	c->runner_path = cfg->runner_path ? pb_xstrdup(cfg->runner_path) : NULL;
	c->connector_dir = cfg->connector_dir ? pb_xstrdup(cfg->connector_dir) : NULL;
	c->overrides = pb_xcalloc(cfg->n_overrides + 1, sizeof(*c->overrides));
	for (size_t i = 0; i < cfg->n_overrides; i++)
		c->overrides[i] =
			(struct connector_override){pb_xstrdup(cfg->overrides[i].connector),
						    pb_xstrdup(cfg->overrides[i].base_url)};
}

static void init_locks(struct connectors *c)
{
	pb_mutex_init(&c->box_lock, "connector box", PB_LOCK_RANK(5, 70));
	pb_mutex_init(&c->job_lock, "connector jobs", PB_LOCK_RANK(5, 71));
	/* registers metrics under it, and obs is lower */
	pb_mutex_init(&c->counts_lock, "connector counts", PB_LOCK_RANK(5, 50));
	pb_cond_init(&c->job_cond);
	pb_list_init(&c->box);
	pb_list_init(&c->jobs);
	pb_list_init(&c->counts);
	pb_list_init(&c->calls);
	pb_list_init(&c->ended);
	pb_list_init(&c->pools);
	pb_list_init(&c->graves);
	pb_list_init(&c->unread);
	for (size_t i = 0; i < CONNECTOR_BUCKETS; i++)
		pb_list_init(&c->gates[i]);
}

static void start_threads(struct connectors *c)
{
	c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	PB_ASSERT(c->event_fd >= 0 && c->epoll_fd >= 0 && c->null_fd >= 0);
	c->on_box.fn = on_box;
	if (!connector_watch_add(c, c->event_fd, EPOLLIN, &c->on_box))
		PB_ASSERT(!"epoll");
	c->n_workers = c->cfg.workers;
	c->workers = pb_xcalloc(c->n_workers, sizeof(*c->workers));
	for (size_t i = 0; i < c->n_workers; i++)
		c->workers[i] = pb_thread_start("connector-work", STACK_BYTES, work_loop, c);
	c->thread = pb_thread_start("connector-io", STACK_BYTES, io_loop, c);
}

enum pb_status connectors_new(const struct connectors_cfg *cfg, struct connectors **ret,
			      struct pb_problems *faults, struct pb_err *err)
{
	struct connectors *c;
	enum pb_status st = PB_OK;

	if (cfg->runner_path && access(cfg->runner_path, X_OK))
		return pb_err_set(err, PB_E_NOT_FOUND, "connector.runner",
				  "the runner program cannot be executed");
	c = pb_new(struct connectors);
	fill_cfg(c, cfg);
	init_locks(c);
	c->guard = connector_guard_new();
	c->registry = connector_registry_new();
	start_threads(c);
	if (c->connector_dir)
		st = connector_registry_scan(c->registry, c->connector_dir, faults, err);
	if (st != PB_OK) {
		connectors_free(c);
		return st;
	}
	*ret = c;
	return PB_OK;
}

static void stop_threads(struct connectors *c)
{
	const uint64_t one = 1;

	atomic_store(&c->stopping, true);
	pb_lock(&c->box_lock);
	c->stop = true;
	pb_unlock(&c->box_lock);
	if (write(c->event_fd, &one, sizeof(one)) < 0)
		PB_ASSERT(errno == EAGAIN);
	pb_thread_join(c->thread);
	pb_lock(&c->job_lock);
	c->jobs_stop = true;
	pb_cond_broadcast(&c->job_cond);
	pb_unlock(&c->job_lock);
	for (size_t i = 0; i < c->n_workers; i++)
		pb_thread_join(c->workers[i]);
	take_box(c); /* what workers posted last: nothing but ends of their own */
}

static void free_lists(struct connectors *c)
{
	for (struct pb_list *n = pb_list_pop(&c->pools); n; n = pb_list_pop(&c->pools)) {
		struct connector_pool *p = pb_list_entry(n, struct connector_pool, node);

		connector_version_unref(p->version);
		free(p);
	}
	for (struct pb_list *n = pb_list_pop(&c->counts); n; n = pb_list_pop(&c->counts))
		free(pb_list_entry(n, struct connector_counts, node));
	for (size_t i = 0; i < c->cfg.n_overrides; i++) {
		free((void *)(uintptr_t)c->overrides[i].connector);
		free((void *)(uintptr_t)c->overrides[i].base_url);
	}
}

void connectors_free(struct connectors *c)
{
	if (!c)
		return;
	stop_threads(c);
	free_lists(c);
	connector_registry_free(c->registry);
	connector_guard_free(c->guard);
	close(c->event_fd);
	close(c->epoll_fd);
	close(c->null_fd);
	pb_cond_done(&c->job_cond);
	pb_mutex_done(&c->box_lock);
	pb_mutex_done(&c->job_lock);
	pb_mutex_done(&c->counts_lock);
	free(c->workers);
	free(c->overrides);
	free(c->runner_path);
	free(c->connector_dir);
	free(c);
}

struct connector_registry *connectors_registry(struct connectors *c)
{
	return c->registry;
}
