/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without libFuzzer: every file of the corpus as it is, then mutations of them from a
 * fixed seed, so that each build repeats the same work.
 *	fuzz_x [-runs=N] [-seed=N] [FILE or DIRECTORY]...
 * A crash leaves the input's origin on stderr: file, seed and number of the mutation.
 */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/parse.h"
#include "base/base.h"

#define INPUT_LIMIT   ((size_t)1 << 20)
#define MUTATED_LIMIT ((size_t)4096) /* large seeds are replayed, not mutated */
#define DEFAULT_RUNS  100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	char *name;
	uint8_t *p;
	size_t n;
};

static struct input *inputs;
static size_t n_inputs;
static uint64_t state, seed = 1;
static char now_running[512];

static uint64_t next_random(void)
{
	/* SplitMix64 */
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static size_t below(size_t n)
{
	return n ? (size_t)(next_random() % n) : 0;
}

static void say_where(int sig)
{
	if (write(STDERR_FILENO, now_running, strlen(now_running)) < 0)
		_exit(1);
	(void)raise(sig); /* SA_RESETHAND: the second one ends it */
}

static void watch_crashes(void)
{
	/* the sanitizers report the other faults better themselves */
	static const int signals[] = {
		SIGABRT,
#ifndef PB_SANITIZED
		SIGSEGV, SIGBUS, SIGFPE, SIGILL,
#endif
	};
	struct sigaction sa = {.sa_handler = say_where, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};

	for (size_t i = 0; i < PB_ARRAY_LEN(signals); i++)
		(void)sigaction(signals[i], &sa, NULL); /* valid numbers */
}

/* In memory of its own size, so that the sanitizer sees a step over the end. */
static void run_one(const uint8_t *p, size_t n)
{
	uint8_t *copy = pb_try_alloc(n, 1, INPUT_LIMIT * 2);

	PB_ASSERT(copy);
	if (n)
		memcpy(copy, p, n);
	(void)LLVMFuzzerTestOneInput(copy, n); /* the value is reserved */
	free(copy);
}

static void add_file(const char *path)
{
	FILE *f = fopen(path, "rbe");
	uint8_t *p = pb_xcalloc(INPUT_LIMIT, 1);
	size_t n = f ? fread(p, 1, INPUT_LIMIT, f) : 0;

	PB_ASSERT(f);
	(void)fclose(f); /* only read */
	inputs = pb_xrealloc(inputs, n_inputs + 1, sizeof(*inputs));
	inputs[n_inputs++] = (struct input){pb_xstrdup(path), pb_xmemdup(p, n), n};
	free(p);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct input *)a)->name, ((const struct input *)b)->name);
}

/* A folder that is not there has no seeds: mutations start from nothing. */
static void add_path(const char *path)
{
	struct stat st;
	struct dirent *e;
	DIR *dir;

	if (stat(path, &st) != 0)
		return;
	if (!S_ISDIR(st.st_mode)) {
		add_file(path);
		return;
	}
	dir = opendir(path);
	PB_ASSERT(dir);
	while ((e = readdir(dir))) {
		pb_auto_buf file = PB_BUF_INIT;

		if (e->d_name[0] == '.')
			continue;
		(void)pb_buf_addf(&file, "%s/%s", path, e->d_name); /* no limit set */
		add_file(pb_buf_str(&file));
	}
	(void)closedir(dir); /* only read */
}

static size_t insert(uint8_t *p, size_t n, size_t at, const void *from, size_t k)
{
	if (n + k > MUTATED_LIMIT)
		return n;
	memmove(p + at + k, p + at, n - at);
	memcpy(p + at, from, k);
	return n + k;
}

static size_t mutate_once(uint8_t *p, size_t n)
{
	static const char *const pieces[] = {"\"",   "\\",
					     "{",    "}",
					     "[",    "]",
					     ":",    ",",
					     "0",    "-1",
					     "1e99", "\xff",
					     "\xc3", "null",
					     "true", "\\u0000",
					     "\n",   "/",
					     "..",   "%s",
					     "'",    ";",
					     "<",    ">",
					     "=",    "9223372036854775808",
					     " "};
	const struct input *other = n_inputs ? &inputs[below(n_inputs)] : NULL;
	size_t at = below(n + 1), k, from;
	uint8_t byte = (uint8_t)next_random();

	switch (below(7)) {
	case 0: /* a bit */
		if (at < n)
			p[at] ^= (uint8_t)(1u << below(8));
		return n;
	case 1: /* a byte */
		if (at < n)
			p[at] = byte;
		return n;
	case 2: /* a cut */
		k = below(n - at + 1);
		memmove(p + at, p + at + k, n - at - k);
		return n - k;
	case 3:
		return insert(p, n, at, &byte, 1);
	case 4: { /* a telling piece */
		const char *s = pieces[below(PB_ARRAY_LEN(pieces))];

		return insert(p, n, at, s, strlen(s));
	}
	case 5: { /* a copy of a part of itself */
		uint8_t part[64];

		k = below(n - at + 1);
		k = PB_MIN(k, sizeof(part));
		memcpy(part, p + at, k);
		return insert(p, n, below(n + 1), part, k);
	}
	default: /* a part of another seed */
		if (!other || other->n == 0)
			return n;
		from = below(other->n);
		k = below(other->n - from + 1);
		return insert(p, n, at, other->p + from, PB_MIN(k, (size_t)200));
	}
}

static void run_mutations(int64_t runs)
{
	static uint8_t p[MUTATED_LIMIT + 64];

	for (int64_t i = 0; i < runs; i++) {
		const struct input *from = n_inputs ? &inputs[(uint64_t)i % n_inputs] : NULL;
		size_t n = from ? PB_MIN(from->n, MUTATED_LIMIT) : 0;
		size_t rounds;

		/* each input follows from seed and number alone */
		state = seed * UINT64_C(0x2545f4914f6cdd1d) + (uint64_t)i;
		rounds = 1 + below(4);
		if (n)
			memcpy(p, from->p, n);
		for (size_t k = 0; k < rounds; k++)
			n = mutate_once(p, n);
		(void)pb_str_printf(now_running, sizeof(now_running),
				    "fuzz: crashed: %s, -seed=%llu, mutation %lld\n",
				    from ? from->name : "(empty)", (unsigned long long)seed,
				    (long long)i);
		run_one(p, n);
	}
}

static void run_corpus(void)
{
	run_one((const uint8_t *)"", 0);
	for (size_t i = 0; i < n_inputs; i++) {
		(void)pb_str_printf(now_running, sizeof(now_running), "fuzz: crashed: %s\n",
				    inputs[i].name);
		run_one(inputs[i].p, inputs[i].n);
	}
}

int main(int argc, char **argv)
{
	int64_t runs = DEFAULT_RUNS, v;

	watch_crashes();
	for (int i = 1; i < argc; i++) {
		size_t n = strlen(argv[i]);

		if (pb_str_starts(argv[i], "-runs=") &&
		    pb_parse_i64(argv[i] + 6, n - 6, 0, INT64_MAX, &v))
			runs = v;
		else if (pb_str_starts(argv[i], "-seed=") &&
			 pb_parse_i64(argv[i] + 6, n - 6, 0, INT64_MAX, &v))
			seed = (uint64_t)v;
		else
			add_path(argv[i]);
	}
	if (n_inputs)
		qsort(inputs, n_inputs, sizeof(*inputs), by_name);
	run_corpus();
	run_mutations(runs);
	printf("%zu inputs, %lld mutations\n", n_inputs, (long long)runs);
	for (size_t i = 0; i < n_inputs; i++) {
		free(inputs[i].name);
		free(inputs[i].p);
	}
	free(inputs);
	return 0;
}
