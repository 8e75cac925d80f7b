/* SPDX-License-Identifier: Apache-2.0 */
/* What a seed decides before anything happens: the workflow, and what is kept of an execution before. */
#include "sim_priv.h"

#include "base/base.h"

uint64_t sim_random(struct sim_world *w)
{
	uint64_t z = (w->rng += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t sim_below(struct sim_world *w, uint64_t n)
{
	return sim_random(w) % n;
}

bool sim_chance(struct sim_world *w, unsigned percent)
{
	return sim_below(w, 100) < percent;
}

static void make_plan(struct sim_world *w)
{
	uint16_t n = (uint16_t)(1 + sim_below(w, SIM_STEPS_MAX));
	uint16_t e = 0;

	for (uint16_t i = 0; i < n; i++) {
		w->step_plans[i] = (struct engine_core_step_plan){
			.is_action = sim_chance(w, 70),
			.join_any = sim_chance(w, 15),
			.continue_on_error = sim_chance(w, 15),
			.retry = {.max_attempts = (uint16_t)(1 + sim_below(w, 4)),
				  .jitter = sim_chance(w, 50),
				  .initial_us = sim_chance(w, 50) ? 500000 : 8000000,
				  .max_us = 60000000},
		};
		w->repeatable[i] = sim_chance(w, 50);
		w->eval_fails[i] = sim_chance(w, 5);
		w->eval_port[i] = sim_chance(w, 50)   ? ENGINE_PORT_DONE
				  : sim_chance(w, 50) ? ENGINE_PORT_TRUE
						      : ENGINE_PORT_FALSE;
		w->first_edge[i] = e;
		if (i == 0 || sim_chance(w, 20))
			w->edges[e++] =
				(struct engine_core_edge){ENGINE_FROM_TRIGGER, (int16_t)i, 0};
		for (uint16_t from = 0; from < i && e + 2 < SIM_EDGES_MAX; from++) {
			int8_t port = ENGINE_PORT_DONE;

			if (!sim_chance(w, i - from == 1 ? 80 : 25))
				continue;
			if (!w->step_plans[from].is_action && sim_chance(w, 50))
				port = sim_chance(w, 50) ? ENGINE_PORT_TRUE : ENGINE_PORT_FALSE;
			else if (sim_chance(w, 10))
				port = ENGINE_PORT_ERROR;
			if (port == ENGINE_PORT_ERROR)
				w->step_plans[from].has_error_edge = true;
			w->edges[e++] = (struct engine_core_edge){(int16_t)from, (int16_t)i, port};
		}
	}
	w->first_edge[n] = e;
	w->plan = (struct engine_core_plan){.n_steps = n,
					    .n_edges = e,
					    .steps = w->step_plans,
					    .edges = w->edges,
					    .first_edge = w->first_edge};
}

/* A step that had succeeded in the execution before can be kept when all before it is. */
static bool can_keep(const struct sim_world *w, uint16_t i)
{
	bool fired = false;

	for (uint16_t e = w->first_edge[i]; e < w->first_edge[i + 1]; e++) {
		int16_t from = w->edges[e].from;

		if (from == ENGINE_FROM_TRIGGER)
			fired = true;
		else if (!w->kept[from])
			return false;
		else if ((int)w->edges[e].port == (w->step_plans[from].is_action
							   ? (int)ENGINE_PORT_DONE
							   : (int)w->eval_port[from]))
			fired = true;
	}
	return fired && !w->eval_fails[i];
}

static void make_kept(struct sim_world *w)
{
	if (!sim_chance(w, 25))
		return;
	for (uint16_t i = 0; i < w->plan.n_steps; i++)
		w->kept[i] = can_keep(w, i) && sim_chance(w, 70);
}

void sim_make_plan(struct sim_world *w)
{
	make_plan(w);
	make_kept(w);
}
