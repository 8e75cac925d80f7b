/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A deterministic world for the execution state machine: a database with leases and fencing, a
 * queue that duplicates, loses and delays, hosts that crash and freeze, an upstream that counts
 * effects. One schedule is one seed; the same seed is the same schedule, for ever.
 */
#ifndef PATCHBAY_TESTS_SIM_H
#define PATCHBAY_TESTS_SIM_H

#include "engine/engine_core.h"

#define SIM_STEPS_MAX  8
#define SIM_EDGES_MAX  24
#define SIM_RUNS_MAX   6
#define SIM_EVENTS_MAX 512

/* Deliberate faults of the world, to show that the oracle notices. */
enum sim_mutant {
	SIM_MUTANT_NONE,
	SIM_MUTANT_NO_FENCE,          /* the database takes commits of any epoch */
	SIM_MUTANT_ACK_BEFORE_COMMIT, /* a commit is reported applied before it is, and may be lost
				       */
	SIM_MUTANT_NO_INTENT,         /* intent rows are dropped from commits */
	SIM_MUTANT_NO_SWEEPER,        /* nobody dispatches again */
	SIM_MUTANT_CANCEL_CONSUMED,   /* a cancel leaves the database with the next commit */
	SIM_MUTANT_KEPT_ONCE, /* results of the execution that is repeated are read at the first claim only */
	SIM_MUTANT_COUNT,
};

struct sim_stats {
	uint64_t events, crashes, freezes, calls, commits, fenced, claims, decisions, unknowns;
};

/* Runs one schedule. Returns NULL, or what was violated (borrowed until the next call). */
const char *sim_run(uint64_t seed, enum sim_mutant mutant, bool trace, struct sim_stats *stats);

#endif
