/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the simulated world: shared by its two files. */
#ifndef PB_SIM_PRIV_H
#define PB_SIM_PRIV_H

#include "sim.h"

#define LEASE_US       INT64_C(15000000)
#define FAULTS_END_US  INT64_C(120000000)
#define GIVE_UP_US     INT64_C(4000000000)
#define STEP_EVENT_MAX 20000

enum ev_kind {
	EV_DELIVER,       /* a queue message arrives at some host */
	EV_ANSWER,        /* evaluation or preparation is done */
	EV_CALL_EFFECT,   /* the request reaches the far side */
	EV_CALL_RESULT,   /* the answer reaches the run */
	EV_COMMIT_APPLY,  /* the transaction reaches the database */
	EV_COMMIT_RESULT, /* its answer reaches the run */
	EV_TIMER,
	EV_RENEW,
	EV_SWEEP,
	EV_CRASH,
	EV_FREEZE,
	EV_SIGNAL, /* a person cancels or decides */
};

struct sim_commit {
	enum engine_core_cmd_kind kind;
	struct engine_core_cmd cmd;
	int epoch;
	bool written[SIM_STEPS_MAX];
	struct engine_core_row rows[SIM_STEPS_MAX];
	bool takes_signals, takes_cancel;
};

struct sim_event {
	int64_t at;
	uint64_t order; /* ties are broken by age, so that a schedule is a pure function of its seed
			 */
	enum ev_kind kind;
	int run;         /* slot */
	uint64_t run_id; /* an event for a run that is gone is dropped */
	uint16_t step, attempt;
	bool ok;
	struct engine_core_event answer;
	struct sim_commit commit;
};

struct sim_run {
	bool alive;
	uint64_t id;
	int epoch;
	int64_t lease_until;
	int64_t frozen_until;
	bool took_signals; /* they leave the database with the next commit */
	struct engine_core core;
	struct engine_core_step steps[SIM_STEPS_MAX];
};

enum upstream_answer {
	UP_OK,
	UP_TRANSIENT,
	UP_RATE_LIMITED,
	UP_PERMANENT,
	UP_LOST_ANSWER,
	UP_DIED,
	UP_DISABLED
};

struct sim_world {
	uint64_t rng;
	enum sim_mutant mutant;
	bool trace;
	struct sim_stats *stats;
	int64_t now;

	struct engine_core_step_plan step_plans[SIM_STEPS_MAX];
	bool repeatable[SIM_STEPS_MAX], eval_fails[SIM_STEPS_MAX];
	bool kept[SIM_STEPS_MAX]; /* results of another execution that this one repeats */
	enum engine_port eval_port[SIM_STEPS_MAX];
	enum engine_decision decision[SIM_STEPS_MAX];
	struct engine_core_edge edges[SIM_EDGES_MAX];
	uint16_t first_edge[SIM_STEPS_MAX + 1];
	struct engine_core_plan plan;

	/* the database */
	enum model_execution_status status;
	bool final;
	int epoch;
	int64_t lease_until, due_at;
	bool has_row[SIM_STEPS_MAX];
	struct engine_core_row rows[SIM_STEPS_MAX];
	bool cancel_signal, decision_signal;

	/* the far side */
	unsigned effects[SIM_STEPS_MAX], allowed_effects[SIM_STEPS_MAX];
	bool called[SIM_STEPS_MAX];
	bool cancelled_ever;

	struct sim_run runs[SIM_RUNS_MAX];
	uint64_t next_run_id;
	struct sim_event events[SIM_EVENTS_MAX];
	int n_events;
	struct engine_core_cmds cmds;
	uint64_t next_order;
	char violation[200];
};

/* sim_plan.c: what a seed decides before anything happens. */
uint64_t sim_below(struct sim_world *w, uint64_t n);
bool sim_chance(struct sim_world *w, unsigned percent);
uint64_t sim_random(struct sim_world *w);
void sim_make_plan(struct sim_world *w);

#endif
