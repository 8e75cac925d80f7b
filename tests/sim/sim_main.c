/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs many schedules of the simulated world, or replays one.
 *	sim_engine [--schedules N] [--seed S] [--mutant M] [--replay SEED]
 * Status 0 when no schedule violated anything (with --mutant: when one did, as it must).
 */
#include "sim.h"

#include "base/base.h"
#include "base/clock.h"
#include "base/parse.h"

struct options {
	uint64_t schedules, seed, mutant, replay;
	bool has_replay;
};

static bool parse_options(int argc, char **argv, struct options *o)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		uint64_t v;

		if (!pb_parse_u64(argv[i + 1], strlen(argv[i + 1]), UINT64_MAX, &v))
			return false;
		if (pb_str_eq(argv[i], "--schedules"))
			o->schedules = v;
		else if (pb_str_eq(argv[i], "--seed"))
			o->seed = v;
		else if (pb_str_eq(argv[i], "--mutant") && v < SIM_MUTANT_COUNT)
			o->mutant = v;
		else if (pb_str_eq(argv[i], "--replay"))
			o->replay = v, o->has_replay = true;
		else
			return false;
	}
	return argc % 2 == 1;
}

static void print_stats(uint64_t n, const struct sim_stats *s, int64_t took_us)
{
	printf("%llu schedules in %.1f s: %llu events, %llu claims, %llu calls, %llu commits, %llu "
	       "fenced, "
	       "%llu crashes, %llu freezes, %llu parked for a decision\n",
	       (unsigned long long)n, (double)took_us / 1e6, (unsigned long long)s->events,
	       (unsigned long long)s->claims, (unsigned long long)s->calls,
	       (unsigned long long)s->commits, (unsigned long long)s->fenced,
	       (unsigned long long)s->crashes, (unsigned long long)s->freezes,
	       (unsigned long long)s->unknowns);
}

int main(int argc, char **argv)
{
	struct options o = {.schedules = 100000, .seed = 1};
	struct sim_stats stats = {0};
	int64_t started = pb_mono_us();
	const char *violation = NULL;
	uint64_t n = 0;

	if (!parse_options(argc, argv, &o)) {
		fprintf(stderr,
			"usage: sim_engine [--schedules N] [--seed S] [--mutant 0..%d] "
			"[--replay SEED]\n",
			SIM_MUTANT_COUNT - 1);
		return 2;
	}
	if (o.has_replay) {
		violation = sim_run(o.replay, (enum sim_mutant)o.mutant, true, &stats);
		printf("seed %llu: %s\n", (unsigned long long)o.replay,
		       violation ? violation : "ok");
		return violation ? 1 : 0;
	}
	for (; n < o.schedules && !violation; n++)
		violation = sim_run(o.seed + n, (enum sim_mutant)o.mutant, false, &stats);
	print_stats(n, &stats, pb_mono_us() - started);
	if (violation)
		printf("seed %llu: %s (see it with --replay %llu --mutant %llu)\n",
		       (unsigned long long)(o.seed + n - 1), violation,
		       (unsigned long long)(o.seed + n - 1), (unsigned long long)o.mutant);
	return (violation != NULL) == (o.mutant != SIM_MUTANT_NONE) ? 0 : 1;
}
