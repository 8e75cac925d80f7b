/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may run: disabled connectors, quarantines, and the book of deaths behind them. Pure but for its
 * lock: time is given, so that five minutes pass in a test at once.
 *
 * The rules: a call caught in two deaths of a runner runs next alone; only a death there is the call's
 * own. Three of those in five minutes put the operation into quarantine for the tenant; three tenants
 * in quarantine put it there for everybody.
 */
#ifndef PB_CONNECTOR_CONNECTOR_GUARD_H
#define PB_CONNECTOR_CONNECTOR_GUARD_H

#include "base/arena.h"
#include "connector/connector.h"

struct connector_guard;

#define CONNECTOR_GUARD_STRIKES   3
#define CONNECTOR_GUARD_WINDOW_US INT64_C(300000000)
#define CONNECTOR_GUARD_TENANTS   3
#define CONNECTOR_GUARD_ALONE     2 /* deaths after which a call runs alone */

struct connector_guard *connector_guard_new(void);
void connector_guard_free(struct connector_guard *g);
PB_DEFINE_AUTOPTR(connector_guard, connector_guard_free);

enum connector_verdict { CONNECTOR_MAY_RUN, CONNECTOR_MUST_WAIT, CONNECTOR_MUST_NOT };

/* True when that was a change. [any-thread] */
bool connector_guard_set_state(struct connector_guard *g, const char *connector,
			       enum connector_state state);
enum connector_state connector_guard_state(struct connector_guard *g, const char *connector);
/* MUST_WAIT: disabled. MUST_NOT: quarantined, @reason filled. */
enum connector_verdict connector_guard_check(struct connector_guard *g, const char *connector,
					     const char *operation, struct pb_uuid tenant,
					     char *reason, size_t cap);
/* One that is there already stays as it is, but for `unstored`, which one that is stored ends. */
void connector_guard_quarantine(struct connector_guard *g, const struct connector_quarantine *q);
/* The database has it. */
void connector_guard_stored(struct connector_guard *g, const struct connector_quarantine *q);
/* Nil @tenant: the one for everybody. Empty @operation: every one of the connector. True when any went. */
bool connector_guard_lift(struct connector_guard *g, const char *connector, const char *operation,
			  struct pb_uuid tenant);
/* Copies into @arena. */
size_t connector_guard_list(struct connector_guard *g, struct pb_arena *arena,
			    struct connector_quarantine **ret);

/* One more death with call @key in it; returns how many there have been. Forgotten after 10 minutes. */
uint32_t connector_guard_death(struct connector_guard *g, uint64_t key, int64_t now_us);
uint32_t connector_guard_deaths(struct connector_guard *g, uint64_t key, int64_t now_us);
void connector_guard_forget(struct connector_guard *g, uint64_t key);

/*
 * A call died alone. Returns how many new quarantines that made (0, 1 for the tenant, 2 with the one for
 * everybody), filled in @ret with strings that live in @arena.
 */
size_t connector_guard_strike(struct connector_guard *g, const char *connector,
			      const char *operation, struct pb_uuid tenant, const char *reason,
			      int64_t now_us, struct pb_arena *arena,
			      struct connector_quarantine ret[2]);

#endif
