/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals: what the world tells a live execution (cancel, a decision, a callback). Added by the API
 * under the tenant's role, read by the lease's holder, removed by the checkpoint that has taken
 * them in. Surprising: adding one to a waiting execution queues it at once; the caller publishes
 * the dispatch.
 */
#ifndef PB_STORE_SIGNAL_H
#define PB_STORE_SIGNAL_H

#include "store/store_execution.h"

#define STORE_SIGNALS_MAX      256
#define STORE_SIGNAL_BYTES_MAX (1024 * 1024)

enum store_signal_kind {
	STORE_SIGNAL_CANCEL = 1,
	STORE_SIGNAL_DECISION = 2, /* body: which step, which decision */
	STORE_SIGNAL_WAKE = 3,     /* callback came, connector is back, approval given, ... */
};

struct store_signal {
	struct pb_uuid id;
	enum store_signal_kind kind;
	struct pb_slice body; /* JSON, the engine's shape; may be empty */
	int64_t created_at;
};

enum store_signal_result {
	STORE_SIGNAL_NOT_FOUND, /* no such execution of this tenant: nothing stored */
	STORE_SIGNAL_FINAL,     /* it has ended: nothing stored */
	STORE_SIGNAL_QUEUED,    /* stored; it will see it when claimed */
	STORE_SIGNAL_RUNNING,   /* stored; its holder sees it with its next write (a notice makes it
				   sooner) */
	STORE_SIGNAL_WOKEN,     /* stored, and it was waiting: publish ret_dispatch */
};

/*
 * Owner:  *ret_dispatch is set for WOKEN, else 0.
 * Errors: database.*, PB_E_TOO_LARGE store.value_too_large, PB_E_LIMIT store.signals
 * (STORE_SIGNALS_MAX unread)
 */
enum pb_status store_signal_add(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				struct pb_uuid execution_id, enum store_signal_kind kind,
				struct pb_slice body, enum store_signal_result *ret,
				int32_t *ret_dispatch, struct pb_err *err) pb_must_check;

/* All stored signals, oldest first. They stay until a checkpoint names them in `consumed`. Owner:
 * @arena. */
enum pb_status store_signals_load(struct pg_pool *pool, struct pb_uuid tenant_id,
				  struct pb_uuid execution_id, struct pb_arena *arena,
				  struct store_signal **ret, size_t *ret_n,
				  struct pb_err *err) pb_must_check;

#endif
