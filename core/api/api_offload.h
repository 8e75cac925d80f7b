/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads with deep stacks for work that a web server's 100 KB stack cannot hold (compiling workflows, schemas).
 * The request's thread waits, so request and arena stay valid meanwhile.
 */
#ifndef PB_API_OFFLOAD_H
#define PB_API_OFFLOAD_H

#include "base/err.h"

struct api_offload;

#define API_OFFLOAD_STACK_BYTES ((size_t)1024 * 1024)
/* Callers that may wait for a thread; the next one is refused. */
#define API_OFFLOAD_QUEUE 64

struct api_offload *api_offload_new(unsigned n_threads);
void api_offload_free(struct api_offload *o);

/* Runs fn(arg) on a deep thread and returns when it is done. PB_E_UNAVAILABLE api.busy when too many wait. */
enum pb_status api_offload_run(struct api_offload *o, void (*fn)(void *), void *arg,
			       struct pb_err *err) pb_must_check;

#endif
