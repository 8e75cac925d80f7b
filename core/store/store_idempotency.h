/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency-Key on POSTs that make no execution: the first request's answer is kept and given
 * again. (Requests that make an execution use store_accept instead: the key is stored in the same
 * transaction.)
 */
#ifndef PB_STORE_IDEMPOTENCY_H
#define PB_STORE_IDEMPOTENCY_H

#include "store/store_execution.h"

enum store_idempotency {
	STORE_IDEM_NEW,      /* go on, then store_idempotency_finish or _abandon */
	STORE_IDEM_BUSY,     /* the first request is still under way: 409 */
	STORE_IDEM_DONE,     /* answer what is stored */
	STORE_IDEM_CONFLICT, /* the key was used for another request: 422 */
};

struct store_idempotency_answer {
	int32_t http_status;
	struct pb_slice body;
	struct pb_uuid execution_id; /* not nil: the key belongs to an execution */
};

#define STORE_IDEM_BODY_BYTES (256 * 1024)

/* A key that is busy for more than @busy_us (its host died) is given to the new request. Owner:
 * @arena. */
enum pb_status store_idempotency_begin(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				       const char *scope, const uint8_t key_hash[STORE_HASH_BYTES],
				       const uint8_t request_hash[STORE_HASH_BYTES],
				       int64_t keep_us, int64_t busy_us, struct pb_arena *arena,
				       enum store_idempotency *ret,
				       struct store_idempotency_answer *ret_answer,
				       struct pb_err *err) pb_must_check;
/* Bodies over STORE_IDEM_BODY_BYTES are PB_E_TOO_LARGE store.value_too_large. */
enum pb_status store_idempotency_finish(struct pg_pool *api_pool, struct pb_uuid tenant_id,
					const char *scope, const uint8_t key_hash[STORE_HASH_BYTES],
					int32_t http_status, struct pb_slice body,
					struct pb_err *err) pb_must_check;
enum pb_status store_idempotency_abandon(struct pg_pool *api_pool, struct pb_uuid tenant_id,
					 const char *scope,
					 const uint8_t key_hash[STORE_HASH_BYTES],
					 struct pb_err *err) pb_must_check;
/* Removes at most @limit expired keys and kv values; *ret_n how many. @pool is the engine's. */
enum pb_status store_expired_purge(struct pg_pool *engine_pool, int limit, int *ret_n,
				   struct pb_err *err) pb_must_check;

#endif
