/* SPDX-License-Identifier: Apache-2.0 */
/* What an administrator does with connectors while the host runs, and what he sees. */
#ifndef PB_CONNECTOR_CONNECTOR_ADMIN_H
#define PB_CONNECTOR_CONNECTOR_ADMIN_H

#include "connector/connector.h"

/*
 * Reads the connector directory again. New calls use what it finds, running ones end where they are.
 * Errors: those of connector_registry_scan(). [any-thread], reads files
 */
enum pb_status connector_admin_rescan(struct connectors *c, struct pb_problems *faults,
				      struct pb_err *err) pb_must_check;

/*
 * New calls answer CONNECTOR_IS_DISABLED at once, queued ones too; running ones end. Stored by
 * ops.save_state first: when that fails nothing changes.
 * Errors: PB_E_NOT_FOUND connector.unknown, those of the callback. [request]
 */
enum pb_status connector_admin_disable(struct connectors *c, const char *id,
				       struct pb_err *err) pb_must_check;
/* The reverse; starts a runner ahead and then calls ops.on_ready. */
enum pb_status connector_admin_enable(struct connectors *c, const char *id,
				      struct pb_err *err) pb_must_check;
/*
 * Lifts quarantines of @id: of one operation ("" = all), of one tenant (nil = the one for everybody).
 * Errors: PB_E_NOT_FOUND connector.not_quarantined, those of the callback. [request]
 */
enum pb_status connector_admin_lift(struct connectors *c, const char *id, const char *operation,
				    struct pb_uuid tenant, struct pb_err *err) pb_must_check;

/* What another process or the database says: the same without storing. Nothing new does nothing. [any-thread] */
void connectors_apply_state(struct connectors *c, const char *id, enum connector_state state);
/* All quarantines there are: those not among them end, but for the ones of the last minute, which @list may
 * be too old for, and those that could not be stored, which are stored again. */
void connectors_apply_quarantines(struct connectors *c, const struct connector_quarantine *list,
				  size_t n);

struct connector_info {
	const char *id, *version, *name, *summary;
	enum connector_state state;
	bool native;
	size_t n_actions;
	uint64_t calls, failures, crashes, restarts, in_flight;
	int64_t mean_us; /* of calls that ended */
	const char *
		start_error; /* why its last runner did not start, NULL when it did; for the admin */
};

/* Owner: everything lives in @arena. [any-thread] */
enum pb_status connector_admin_list(struct connectors *c, struct pb_arena *arena,
				    struct connector_info **ret, size_t *ret_n,
				    struct pb_err *err) pb_must_check;
enum pb_status connector_admin_quarantines(struct connectors *c, struct pb_arena *arena,
					   struct connector_quarantine **ret, size_t *ret_n,
					   struct pb_err *err) pb_must_check;

/* Processes now. For tests and `status`. [any-thread] */
size_t connector_admin_runner_pids(struct connectors *c, const char *id, int *pids, size_t cap);

#endif
