/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this module share. One I/O thread owns all calls, runners and pools; other threads
 * only put messages into its box (connector_post). That is why there are hardly any locks here.
 *
 *	call.c        start, validate, resolve, finish      [any-thread] and worker
 *	dispatch.c    which runner, when; deaths            I/O thread
 *	runner.c      one process: spawn, frames, end       I/O thread
 *	service.c     what a call asks of the host          I/O thread
 *	supervisor.c  the thread itself, timers, the box
 */
#ifndef PB_CONNECTOR_CONNECTOR_PRIVATE_H
#define PB_CONNECTOR_CONNECTOR_PRIVATE_H

#include <stdatomic.h>
#include "base/list.h"
#include "base/lock.h"
#include "connector/connector_admin.h"
#include "connector/connector_call.h"
#include "connector/connector_guard.h"
#include "egress/egress.h"
#include "ipc/ipc_chan.h"
#include "ipc/ipc_proto.h"
#include "os/os_process.h"

#define CONNECTOR_CALL_MAGIC   0x43434c31u
#define CONNECTOR_RUNNER_MAGIC 0x43525531u

#define CONNECTOR_KILL_AFTER_US PB_USEC_PER_SEC       /* behind the deadline */
#define CONNECTOR_CANCEL_US     (2 * PB_USEC_PER_SEC) /* a cancelled call may take that long */
#define CONNECTOR_RUNNERS_MAX   8                     /* of one pool */
#define CONNECTOR_SOLO_MAX      2
#define CONNECTOR_OUTSIDE_KILLS 16 /* of one call, then it is given back */
#define CONNECTOR_HTTP_AT_ONCE  8  /* of one call */
#define CONNECTOR_KV_AT_ONCE    2  /* of one call, whose one thread waits for the answer */
#define CONNECTOR_KV_PER_HTTP   10 /* a contended compare-and-set asks often */
#define CONNECTOR_BUCKETS       1024u
#define CONNECTOR_LOG_PER_S     100   /* lines of one call; its runner allows half of them */
#define CONNECTOR_LOG_BYTES     65536 /* kept for one call */

struct connector_pool;
struct connector_runner;
struct connector_http;

/* ---- the box ---- */

struct connector_msg {
	struct pb_list node;
	void (*fn)(struct connectors *c, struct connector_msg *msg);
};

/* Work for the worker threads. */
struct connector_job {
	struct pb_list node;
	void (*run)(struct connectors *c, struct connector_job *job);
};

/* An epoll entry. */
struct connector_watch {
	void (*fn)(struct connectors *c, struct connector_watch *w, uint32_t events);
};

/* ---- numbers of one connector id, kept until the end ---- */

struct connector_counts {
	struct pb_list node;
	char id[104];
	char start_error[256]; /* the last one, "" since a runner started; under counts_lock */
	atomic_uint_fast64_t calls, failures, crashes, restarts, in_flight, latency_us;
	struct obs_counter *m_calls, *m_failures, *m_crashes, *m_restarts;
	struct obs_gauge *m_in_flight;
	struct obs_histogram *m_latency;
};

/* ---- a call ---- */

enum connector_call_state {
	CALL_NEW,     /* with its starter or a worker */
	CALL_GATED,   /* waits for its turn on the connection */
	CALL_QUEUED,  /* waits for a runner */
	CALL_RUNNING, /* in a runner */
	CALL_LEAVING, /* out of the runner, its last requests are ending */
	CALL_DONE,
};

/* How a call ended, or would end. Strings are owned. */
struct connector_outcome {
	enum connector_status status;
	uint32_t claim; /* effect as the connector says, ipc_effect */
	int http_status;
	int64_t retry_after_us;
	char *code, *message, *pointer;
	char *output;
	size_t output_bytes;
	bool not_charged;
	bool died; /* the runner did: what was sent is the effect */
};

struct connector_credential_line {
	char *name, *value;
	size_t value_bytes;
	bool in_query;
	bool secret; /* a secret field is in it */
};

struct connector_call {
	uint32_t magic;
	atomic_int refs;
	struct connectors *owner;
	struct connector_msg enter_msg, cancel_msg;
	struct connector_job job;
	atomic_bool cancel_asked;

	/* the request */
	struct pb_uuid tenant, execution;
	char *step, *connection_name, *key;
	uint64_t key_hash;
	struct connector_action *action;
	const struct connector_operation *op;
	const struct connector_manifest *manifest;
	char *params;
	size_t params_bytes;
	int64_t start_us, deadline_us;
	bool dry_run, repeatable;
	connector_done_fn *done;
	bool (*may_leave)(void *arg); /* NULL: always */
	void *arg;
	struct connector_counts *counts;
	struct connector_outcome early; /* decided before it reached the I/O thread */
	bool decided;

	/* connection */
	struct connector_connection *connection;
	struct connector_credential_line *lines; /* rendered, wiped at the end */
	size_t n_lines;
	bool lines_made, lines_failed; /* at most one of them */

	/* I/O thread */
	enum connector_call_state state;
	struct pb_list all;  /* of connectors->calls */
	struct pb_list node; /* of gate, pool or runner */
	struct connector_gate *gate;
	struct connector_pool *pool;
	struct connector_runner *runner;
	struct connector_call *hash_next;
	uint64_t id;    /* on the present runner */
	uint32_t epoch; /* grows with each dispatch */
	uint32_t restarts, outside_kills;
	bool solo, cancel_sent, culprit, cancelled;
	struct pb_list https;
	uint32_t n_https, http_total;
	uint32_t n_kv, kv_total; /* with the workers, of this epoch; of all epochs */
	enum egress_sent sent;   /* worst of all requests */
	bool unanswered;         /* an unsafe one ended without an answer */
	int last_http_status;
	int64_t last_retry_after_us;
	struct connector_outcome outcome; /* while LEAVING */
	char *dry_output;
	size_t dry_bytes;

	struct pb_arena log_arena;
	struct connector_log_line *log;
	size_t n_log;
	int64_t log_us; /* begin of the present second */
	uint32_t log_lines, log_dropped;
};

/* Serial use of one connection (manifest "concurrency"). */
struct connector_gate {
	struct pb_list node; /* of connectors->gates */
	struct pb_uuid connection;
	struct connector_version *version; /* borrowed from the calls */
	int64_t running;
	struct pb_list waiting;
};

/* ---- runners ---- */

enum connector_runner_state {
	RUNNER_STARTING, /* spawned, SETUP sent */
	RUNNER_READY,
	RUNNER_DRAINING, /* takes no more calls, ends after the last */
	RUNNER_DEAD,
};

enum connector_kill {
	KILL_NONE,
	KILL_DEADLINE, /* a call overran; its culprit is marked */
	KILL_BROKEN,   /* rubbish on the socket, does not read, wrong HELLO */
	KILL_STOP,     /* drained too slowly, host stops */
};

struct connector_runner {
	uint32_t magic;
	enum connector_runner_state state;
	struct connectors *owner;
	struct connector_pool *pool;
	struct pb_list node; /* of pool->runners, then connectors->graves */
	struct pb_list
		unread; /* of connectors->unread, when its turn ended before its frames did */
	struct connector_watch on_socket, on_exit, on_output;
	struct ipc_chan *chan;
	struct os_process process;
	struct os_exit exit; /* once DEAD */
	int output;          /* read end of stdout and stderr */
	enum connector_kill killed;
	bool solo;
	bool ended;  /* its process has; what it still had to say is being read */
	bool closed; /* its end of the socket is gone, its death is on the way */
	uint64_t next_id, n_total;
	struct pb_list calls;
	size_t n_calls;
	struct connector_call *buckets[CONNECTOR_BUCKETS];
	int64_t spawn_us, due_us; /* what is due depends on the state */
	size_t output_left;
	int64_t output_refill_us;
	char notice[256]; /* why it says it ends */
};

/* All runners of one version (and one tenant, for third-party code). */
struct connector_pool {
	struct pb_list node;
	struct connectors *owner;
	struct connector_version *version; /* reference */
	struct pb_uuid tenant;             /* nil: shared */
	struct connector_counts *counts;
	struct pb_list runners;
	size_t n_runners, n_solo;
	struct pb_list pending, pending_solo;
	uint32_t start_failures, start_kills;
	int64_t retry_us;
	char start_error[256];
};

struct connectors {
	struct connectors_cfg cfg;
	char *runner_path, *connector_dir;
	struct connector_override *overrides;
	struct connector_registry *registry;
	struct connector_guard *guard;

	struct pb_mutex box_lock; /* over the next three */
	struct pb_list box;
	bool stop;
	int event_fd;

	struct pb_mutex job_lock; /* over the next two */
	struct pb_cond job_cond;
	struct pb_list jobs;
	bool jobs_stop;
	pthread_t *workers;
	size_t n_workers;

	struct pb_mutex counts_lock;
	struct pb_list counts;

	atomic_size_t in_flight;
	atomic_bool stopping;

	/* I/O thread */
	pthread_t thread;
	int epoll_fd, null_fd;
	struct connector_watch on_box;
	struct pb_list calls, ended, pools, graves, unread;
	struct pb_list gates[CONNECTOR_BUCKETS];
	size_t n_calls;
};

/* supervisor.c */
void connector_post(struct connectors *c, struct connector_msg *msg); /* [any-thread] */
void connector_work(struct connectors *c, struct connector_job *job); /* [any-thread] */
bool connector_watch_add(struct connectors *c, int fd, uint32_t events, struct connector_watch *w);
struct connector_counts *connector_counts_of(struct connectors *c,
					     const char *id); /* [any-thread] */
/* Why a runner did not start, for the admin; "" when one did. [any-thread] */
void connector_counts_set_error(struct connectors *c, struct connector_counts *n, const char *text);

/* call.c */
/* The call's last word. @out taken. Out of every list already. */
void connector_call_finish(struct connector_call *call, struct connector_outcome *out);
void connector_outcome_done(struct connector_outcome *out);
/* Other words for the same end: what happened (died, the claim, who is charged, HTTP) stays. */
void connector_outcome_set(struct connector_outcome *out, enum connector_status status,
			   const char *code, const char *fmt, ...) pb_printf(4, 5);
struct connector_call *connector_call_ref(struct connector_call *call);

/* effect.c: pure */
enum connector_effect connector_effect_of(const struct connector_outcome *out,
					  enum egress_sent sent, bool unanswered);

/* dispatch.c: I/O thread */
void connector_dispatch_enter(struct connector_call *call);
/* The call left its runner (answer, or none): ends when its requests have. @out taken. */
void connector_dispatch_leave(struct connector_call *call, struct connector_outcome *out);
/* A LEAVING call's last request has ended. */
void connector_dispatch_left(struct connector_call *call);
void connector_dispatch_cancel(struct connector_call *call);
/* Carries out the ends that were decided. After each event. */
void connector_dispatch_flush(struct connectors *c);
void connector_dispatch_pump(struct connector_pool *pool);
/* The runner is gone; its calls are dealt with. @by_outside: SIGKILL that was not ours. */
void connector_dispatch_death(struct connector_runner *r, bool by_outside);
void connector_dispatch_tick(struct connectors *c, int64_t now_us);
struct connector_pool *connector_dispatch_pool(struct connectors *c, struct connector_version *v,
					       struct pb_uuid tenant);
/* Takes a queued or gated call out because the host stops. */
void connector_dispatch_stop(struct connector_call *call);
/* A worker tells the database. [any-thread] */
void connector_dispatch_save(struct connectors *c, const struct connector_quarantine *q);
void connector_dispatch_disable(struct connectors *c, const char *id);

/* runner.c: I/O thread */
/* NULL when it cannot be started; pool->start_error says why. */
struct connector_runner *connector_runner_spawn(struct connector_pool *pool, bool solo);
/* False: the runner does not read (it is killed). */
bool connector_runner_send(struct connector_runner *r, enum ipc_type type, uint64_t call_id,
			   uint32_t request_id, struct pb_slice payload);
bool connector_runner_start_call(struct connector_runner *r, struct connector_call *call);
void connector_runner_remove_call(struct connector_runner *r, struct connector_call *call);
void connector_runner_drain(struct connector_runner *r);
void connector_runner_kill(struct connector_runner *r, enum connector_kill why);
/* It does what no runner of ours does: killed, and @why is told. */
void connector_runner_broken(struct connector_runner *r, const char *why);
/* Deals with some of its frames. */
void connector_runner_read(struct connector_runner *r);
void connector_runner_tick(struct connector_runner *r, int64_t now_us);
void connector_runner_free(struct connector_runner *r);

/* service.c: I/O thread */
void connector_service_http(struct connector_call *call, uint32_t request_id,
			    struct pb_slice payload);
void connector_service_secret(struct connector_call *call, uint32_t request_id,
			      struct pb_slice payload);
void connector_service_kv(struct connector_call *call, uint32_t request_id, struct pb_slice payload,
			  bool put);
void connector_service_log(struct connector_call *call, struct pb_slice payload);
void connector_service_cancel_http(struct connector_call *call);

/* connection.c */
/* The value of a field, secret or not; false when absent. */
bool connector_connection_field(const struct connector_connection *c, const char *name,
				struct pb_slice *ret);
/* Renders "Bearer ${cred.token}"; "${cred.x?}" may be absent. @schema (NULL: none) has the defaults of
 * fields that were left out. False when a field is missing. */
bool connector_connection_render(const struct connector_connection *c, const struct pb_json *schema,
				 const char *template_, struct pb_buf *out);
/* Fills call->lines from the manifest. */
enum pb_status connector_connection_lines(struct connector_call *call,
					  struct pb_err *err) pb_must_check;
void connector_connection_lines_free(struct connector_call *call);
/*
 * A copy of @text with every secret of @c (NULL: none) replaced: its fields, plain and as JSON writes them,
 * and what @lines make of them. Owner: free().
 */
char *connector_connection_redact(const struct connector_connection *c,
				  const struct connector_credential_line *lines, size_t n_lines,
				  const char *text, size_t n, size_t *ret_n);
/* The same for what @call has. */
char *connector_call_redact(const struct connector_call *call, const char *text, size_t n,
			    size_t *ret_n);

#endif
