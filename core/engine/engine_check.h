/* SPDX-License-Identifier: Apache-2.0 */
/* Judging a compiled workflow against the connectors and connections that exist. */
#ifndef PB_ENGINE_CHECK_H
#define PB_ENGINE_CHECK_H

#include "base/err.h"
#include "base/id.h"
#include "base/problem.h"

struct connector_registry;
struct engine_plan;

struct engine_check {
	struct connector_registry *registry;
	struct pb_uuid tenant;
	struct pb_problems *problems;
	struct pb_err *transient; /* set when a look-up could not be made at all */
	enum pb_status (*check_connection)(void *arg, struct pb_uuid tenant, const char *name,
					   const char *connector, struct pb_err *err);
	void *arg;
};

/* @plan may have faults already (engine_plan_draft). Adds all faults to c->problems. [any-thread] */
void engine_check_plan(const struct engine_check *c, const struct engine_plan *plan);

#endif
