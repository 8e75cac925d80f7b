/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's object: made, started, drained, freed; and the small questions that API and main ask. */
#include "engine/engine.h"

#include "base/clock.h"
#include "connector/connector.h"
#include "engine/engine_check.h"
#include "engine/engine_internal.h"
#include "store/store_execution.h"

#include "base/base.h"

#define SWEEP_STACK_BYTES ((size_t)256 * 1024)

static void set_defaults(struct engine_cfg *cfg)
{
	cfg->worker_threads = cfg->worker_threads ? cfg->worker_threads : 2;
	cfg->executions_max = cfg->executions_max ? cfg->executions_max : 4000;
	cfg->sync_wait_max = cfg->sync_wait_max ? cfg->sync_wait_max : 128;
	cfg->lease_us = cfg->lease_us ? cfg->lease_us : 15 * PB_USEC_PER_SEC;
	cfg->redispatch_after_us =
		cfg->redispatch_after_us ? cfg->redispatch_after_us : 5 * PB_USEC_PER_SEC;
	cfg->sweep_interval_us =
		cfg->sweep_interval_us ? cfg->sweep_interval_us : 500 * PB_USEC_PER_MSEC;
	cfg->keep_days = cfg->keep_days ? cfg->keep_days : 30;
}

enum pb_status engine_new(const struct engine_cfg *cfg, struct engine **ret, struct pb_err *err)
{
	struct engine *e;

	if (!cfg->writer || !cfg->engine_pool || !cfg->api_pool || !cfg->bus || !cfg->connectors ||
	    !cfg->idempotency_key)
		return pb_err_set(err, PB_E_INVALID, "engine.config",
				  "a part of the engine is missing");
	e = pb_new(struct engine);
	e->magic = ENGINE_MAGIC;
	e->cfg = *cfg;
	set_defaults(&e->cfg);
	e->owner = pb_uuid7();
	e->plans = engine_cache_new(cfg->engine_pool);
	engine_waiters_init(&e->waiters, e->cfg.sync_wait_max);
	pb_mutex_init(&e->lock, "engine", PB_LOCK_RANK(6, 70));
	pb_cond_init(&e->work);
	pb_cond_init(&e->idle);
	pb_cond_init(&e->tick);
	pb_cond_init(&e->sweep_tick);
	pb_list_init(&e->active);
	pb_list_init(&e->runnable);
	*ret = e;
	return PB_OK;
}

void engine_start(struct engine *e)
{
	PB_CHECK_MAGIC(e, ENGINE_MAGIC);
	PB_ASSERT(!e->started);
	pb_lock(&e->lock);
	e->started = true;
	pb_unlock(&e->lock);
	engine_workers_start(e);
	if (e->cfg.run_schedule)
		e->sweep_thread =
			pb_thread_start("pb-sweep", SWEEP_STACK_BYTES, engine_sweep_main, e);
	engine_dispatch_start(e);
}

void engine_drain(struct engine *e, int64_t deadline_us)
{
	pb_lock(&e->lock);
	e->draining = true;
	pb_unlock(&e->lock);
	engine_offer_room(e);
	engine_dispatch_stop(e);
	pb_lock(&e->lock);
	while (e->n_active + e->n_claiming > 0 &&
	       pb_cond_wait_until(&e->idle, &e->lock, deadline_us))
		continue;
	pb_unlock(&e->lock);
	engine_waiters_close(&e->waiters);
}

void engine_stop(struct engine *e)
{
	if (!e->started || e->stopping)
		return;
	engine_workers_stop(e);
	if (e->cfg.run_schedule)
		pb_thread_join(e->sweep_thread);
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	engine_stop(e);
	engine_timers_done(&e->timers);
	engine_waiters_done(&e->waiters);
	engine_cache_free(e->plans);
	pb_cond_done(&e->work);
	pb_cond_done(&e->idle);
	pb_cond_done(&e->tick);
	pb_cond_done(&e->sweep_tick);
	pb_mutex_done(&e->lock);
	e->magic = 0;
	free(e);
}

enum pb_status engine_check_workflow(struct engine *e, struct pb_uuid tenant,
				     struct pb_slice definition, struct pb_arena *arena,
				     struct pb_problems *problems, const char **ret_name,
				     const char **ret_trigger_type, struct pb_err *err)
{
	pb_autoptr(engine_plan) plan = NULL;
	struct pb_err transient = PB_ERR_INIT;
	struct engine_check check = {
		.registry = connectors_registry(e->cfg.connectors),
		.tenant = tenant,
		.problems = problems,
		.transient = &transient,
		.check_connection = e->cfg.check_connection,
		.arg = e->cfg.arg,
	};
	enum pb_status st = engine_plan_draft(definition, problems, &plan, err);

	if (st != PB_OK)
		return st;
	engine_check_plan(&check, plan);
	if (transient.status) {
		*err = transient;
		return transient.status;
	}
	if (problems->n > 0)
		return pb_err_set(err, PB_E_UNPROCESSABLE, "workflow.invalid",
				  "the workflow definition has faults");
	*ret_name = pb_arena_strdup(arena, plan->workflow->name);
	*ret_trigger_type = model_trigger_type_name(plan->workflow->trigger.type);
	return *ret_name ? PB_OK
			 : pb_err_set(err, PB_E_TOO_LARGE, "workflow.too_large", "too large");
}

static struct engine_trigger_info trigger_info(const struct engine_plan *plan)
{
	const struct model_trigger *t = &plan->workflow->trigger;

	return (struct engine_trigger_info){
		.is_webhook = t->type == MODEL_TRIGGER_WEBHOOK,
		.methods = t->methods,
		.wants_result = t->respond == MODEL_RESPOND_RESULT,
		.result_deadline_us = t->deadline_us,
	};
}

bool engine_trigger_info_cached(struct engine *e, struct pb_uuid tenant, struct pb_uuid workflow,
				int32_t version, struct engine_trigger_info *ret)
{
	pb_autoptr(engine_plan) plan = engine_cache_peek(e->plans, tenant, workflow, version);

	if (plan)
		*ret = trigger_info(plan);
	return plan != NULL;
}

enum pb_status engine_trigger_info(struct engine *e, struct pb_uuid tenant, struct pb_uuid workflow,
				   int32_t version, struct engine_trigger_info *ret,
				   struct pb_err *err)
{
	pb_autoptr(engine_plan) plan = NULL;
	enum pb_status st = engine_cache_get(e->plans, tenant, workflow, version, &plan, err);

	if (st == PB_OK)
		*ret = trigger_info(plan);
	return st;
}

struct pb_slice engine_result_of_steps(const struct store_step *steps, size_t n)
{
	for (size_t i = n; i > 0; i--) {
		if (steps[i - 1].status == MODEL_STEP_SUCCEEDED)
			return steps[i - 1].output;
	}
	return pb_slice(NULL, 0);
}

void engine_stats(struct engine *e, struct engine_stats *ret)
{
	pb_lock(&e->lock);
	*ret = e->stats;
	ret->active = e->n_active;
	pb_unlock(&e->lock);
	ret->waiting_callers = engine_waiters_count(&e->waiters);
}
