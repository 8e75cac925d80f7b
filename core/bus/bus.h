/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JetStream as a dispatcher. PostgreSQL decides what must run; a message only says "look at this
 * row now". So any message may be lost, doubled or late, and every function here may say "unknown":
 * the sweeper dispatches again with a new dispatch number.
 *
 * stream EXEC (work queue), subject exec.<partition 00-63>.<tenant id>, message id
 * "execution:dispatch", payload = 40 bytes: execution id (16), tenant id (16), dispatch (8, big
 * endian). Two connections: one publishes and acknowledges, in batches of about a millisecond
 * (reconnect buffer off: what was refused is never sent later), one consumes. One thread of ours
 * (the bus thread) owns streams, timeouts and the pull requests.
 */
#ifndef PB_BUS_BUS_H
#define PB_BUS_BUS_H

#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"

struct bus;
struct bus_msg;

#define BUS_PARTITIONS 64

struct bus_cfg {
	const char
		*url; /* nats://user:password@host:port[,...]; the password never shows in errors */
	const char *prefix; /* NULL = none; tests give a unique one: names become <prefix>_EXEC,
			       <prefix>.exec.… */
	const char *client_name;    /* shown in the server's list; NULL = "patchbay" */
	int64_t ack_wait_us;        /* redelivery after this silence; 0 = 60 s */
	int64_t publish_timeout_us; /* 0 = 2 s: then the outcome is unknown */
	size_t max_unacked;         /* the consumer's MaxAckPending over all hosts; 0 = 20000 */
	size_t max_inflight; /* publishes without an answer; past it publish says unknown at once; 0
				= 65536 */
	int64_t max_age_us;  /* a message older than this is dropped by the server; 0 = 24 h */
	uint32_t replicas;   /* of the stream; 0 = 1 */
};

/*
 * Starts the bus thread, which connects in the background and for ever: works with NATS down.
 * Owner:  *ret owned, bus_close().
 * Errors: PB_E_INVALID bus.config only.
 */
enum pb_status bus_open(const struct bus_cfg *cfg, struct bus **ret,
			struct pb_err *err) pb_must_check;
/* Ends consuming, completes all publishes as unknown, closes. Messages not yet acknowledged stay
 * valid to bus_ack until then; afterwards none may be touched. NULL is fine. [main] */
void bus_close(struct bus *b);
PB_DEFINE_AUTOPTR(bus, bus_close);

/* ---- publish ---- */

enum bus_outcome {
	BUS_STORED,  /* the server acknowledged it (not durable through a power cut) */
	BUS_UNKNOWN, /* no answer, refused, disconnected: it may or may not be there */
};

/* Once for each publish, on the bus thread or a NATS thread, or before bus_publish_exec returns
 * when disconnected. Must not block and must not call bus_close. */
typedef void bus_done_fn(void *arg, struct pb_uuid execution_id, int64_t dispatch,
			 enum bus_outcome outcome);

/*
 * Sends one dispatch; never waits for the server. @done may be NULL. @dispatch must be new for each
 * call (duplicates of the same id:dispatch within two minutes are swallowed by the server).
 * Threads: [any-thread], thousands a second.
 */
void bus_publish_exec(struct bus *b, struct pb_uuid tenant_id, struct pb_uuid execution_id,
		      int64_t dispatch, bus_done_fn *done, void *arg);
/* Partition of an execution: 0..63, for ever the same. */
unsigned bus_partition(struct pb_uuid execution_id);

/* ---- consume ---- */

/* What the handler gets; copied out of the wire form. */
struct bus_exec {
	struct pb_uuid tenant_id;
	struct pb_uuid execution_id;
	int64_t dispatch;
	uint64_t delivered; /* 1 for the first time */
	struct bus_msg
		*msg; /* owned by the receiver: exactly one of bus_ack/bus_nak/bus_msg_free */
};

/* A whole batch at a time, as it arrived, on a bus thread; must not block for long. */
typedef void bus_exec_fn(void *arg, const struct bus_exec *batch, size_t n);

/*
 * Takes from the shared durable consumer `workers` with pull requests; starts with room 0.
 * One per bus. Threads: [main, before start]
 */
void bus_consume_exec(struct bus *b, bus_exec_fn *fn, void *arg);
/* How many more messages the caller is ready to take now. The bus asks the server for at most that
 * many and counts down as they arrive; call again as slots become free (the new value replaces the
 * old). [any-thread] */
void bus_consumer_set_room(struct bus *b, size_t n);
/* Ends taking; messages in hand stay valid. After it returned the handler is not called again. */
void bus_consume_stop(struct bus *b);

/* All three: [any-thread], never block, harmless when the connection is gone (the message comes
 * again). */
void bus_ack(struct bus *b, struct bus_msg *msg);                   /* frees @msg */
void bus_nak(struct bus *b, struct bus_msg *msg, int64_t delay_us); /* frees @msg; delay <= 30 s */
void bus_in_progress(struct bus *b, struct bus_msg *msg); /* restarts the ack wait; keeps @msg */
void bus_msg_free(
	struct bus_msg *msg); /* forgets it: redelivered after the ack wait; NULL is fine */

/* ---- what the sweeper asks ---- */

struct bus_pending {
	uint64_t messages; /* in the stream, whatever became of them */
	uint64_t pending;  /* of those: not yet delivered */
	uint64_t unacked;  /* of those: delivered, not yet acknowledged */
	int64_t age_us;    /* since the server said so; refreshed about once a second */
};
/* False when never known or the server is away for more than 5 s. Does not ask the server. */
bool bus_exec_pending(struct bus *b, struct bus_pending *ret);
/* True once each time the queue may have lost messages since the last call: stream re-created,
 * store gone, reconnected. The sweeper then looks at every queued row, not only at old ones. */
bool bus_take_loss_hint(struct bus *b);

/* ---- notices: core NATS, at most once ---- */

/* "workflow", "connector", "token", ...: [a-z_]{1,32}. @id may be nil. Best effort, never blocks.
 */
void bus_notify_config_changed(struct bus *b, const char *kind, struct pb_uuid id);
/* Tells the other hosts, if one of them said within the last seconds that somebody waits there: a host
 * alone, or work that nobody waits for, sends nothing. */
void bus_notify_done(struct bus *b, struct pb_uuid execution_id);
/* Somebody waits here for an end, until @until_us (pb_mono_us): the other hosts are to tell theirs. Says
 * so at once and then about once a second. A host's own ends are none of the bus's business. [any-thread] */
void bus_want_done(struct bus *b, int64_t until_us);

/* On a NATS thread; must not block. Called on each host, the sender's own included. After a
 * reconnect
 * @kind is "*" with a nil id: notices may have been missed, refresh everything. */
typedef void bus_config_changed_fn(void *arg, const char *kind, struct pb_uuid id);
/* On a NATS thread; must not block. Also of executions that nobody here waits for. */
typedef void bus_exec_done_fn(void *arg, struct pb_uuid execution_id);
/* One each, [main, before start]. Work again by themselves after reconnects. */
void bus_on_config_changed(struct bus *b, bus_config_changed_fn *fn, void *arg);
void bus_on_exec_done(struct bus *b, bus_exec_done_fn *fn, void *arg);

/* ---- state ---- */

struct bus_status {
	bool connected;  /* both connections */
	bool stream_ok;  /* stream and consumer seen within the last seconds */
	size_t inflight; /* publishes without an answer */
	uint64_t published, unknown, delivered, acked, reconnects, recreated, ghosts_purged;
	char last_error[160]; /* copied; "" when none; no credentials */
};
void bus_status(struct bus *b, struct bus_status *ret);
/* For tests and `doctor`: waits until connected and the stream is ok. */
bool bus_wait_ready(struct bus *b, int64_t timeout_us);

#endif
