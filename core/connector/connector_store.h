/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the connectors remember in PostgreSQL: enabled or not, quarantines, stored values. Made by `main` and given to
 * connectors_new as callbacks; other hosts' changes arrive as notices and are read again.
 */
#ifndef PB_CONNECTOR_STORE_H
#define PB_CONNECTOR_STORE_H

#include "connector/connector.h"

struct connector_store;
struct pg_pool;

/* Pools borrowed. @admin writes states, @engine writes quarantines, @api reads and writes a tenant's values. */
struct connector_store *connector_store_new(struct pg_pool *engine, struct pg_pool *admin,
					    struct pg_pool *api);
void connector_store_free(struct connector_store *s);

/* The callbacks of struct connector_ops, with the store as @arg. Threads: workers of the connectors. */
enum pb_status connector_store_save_state(void *arg, const char *connector,
					  enum connector_state state,
					  struct pb_err *err) pb_must_check;
enum pb_status connector_store_save_quarantine(void *arg, const struct connector_quarantine *q,
					       struct pb_err *err) pb_must_check;
enum pb_status connector_store_drop_quarantine(void *arg, const char *connector,
					       const char *operation, struct pb_uuid tenant,
					       struct pb_err *err) pb_must_check;
enum pb_status connector_store_kv_get(void *arg, const struct connector_kv_key *key,
				      char **ret_value, size_t *ret_n, uint64_t *ret_revision,
				      struct pb_err *err) pb_must_check;
enum pb_status connector_store_kv_put(void *arg, const struct connector_kv_key *key,
				      const char *value, size_t n, uint64_t revision,
				      uint64_t *ret_revision, struct pb_err *err) pb_must_check;

/* A notice: what is stored may have changed. [any-thread] */
void connector_store_stale(struct connector_store *s);
/* Reads states and quarantines into @c at the start, after a notice, and now and then. [one thread] */
void connector_store_refresh(struct connector_store *s, struct connectors *c);

#endif
