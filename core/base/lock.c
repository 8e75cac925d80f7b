/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutexes with ranks. In checked builds each thread keeps a chain of the mutexes it holds, newest
 * first; they may be released in any order, but a new one must have a higher rank than all of them.
 */
#include "base/lock.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>

#include "base/clock.h"
#include "base/base.h"

/* pthread calls on our own initialised objects fail only through a bug. */
static void must(int rc)
{
	PB_ASSERT(rc == 0);
}

#ifdef PB_LOCK_DEBUG
static pb_thread_local struct pb_mutex *held_chain;

static pb_noreturn void rank_failed(const char *what, const struct pb_mutex *m,
				    const struct pb_mutex *other)
{
	char text[256];

	(void)pb_str_printf(text, sizeof(text),
			    "patchbay: lock %s: \"%s\" (rank %d), held \"%s\" (rank %d)\n", what,
			    m->name, m->rank, other ? other->name : "-", other ? other->rank : 0);
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		abort();
	abort();
}

static bool held_by_me(const struct pb_mutex *m)
{
	return m->held && pthread_equal(m->owner, pthread_self());
}

static void before_lock(const struct pb_mutex *m)
{
	for (const struct pb_mutex *h = held_chain; h; h = h->below) {
		if (h == m)
			rank_failed("taken twice", m, h);
		if (h->rank >= m->rank)
			rank_failed("out of order", m, h);
	}
}

static void after_lock(struct pb_mutex *m)
{
	m->owner = pthread_self();
	m->held = true;
	m->below = held_chain;
	held_chain = m;
}

static void before_unlock(struct pb_mutex *m)
{
	struct pb_mutex **at = &held_chain;

	while (*at && *at != m)
		at = &(*at)->below;
	if (!*at)
		rank_failed("not held by this thread", m, held_chain);
	*at = m->below;
	m->below = NULL;
	m->held = false;
}
#else
static void before_lock(const struct pb_mutex *m)
{
	(void)m;
}
static void after_lock(struct pb_mutex *m)
{
	(void)m;
}
static void before_unlock(struct pb_mutex *m)
{
	(void)m;
}
#endif

void pb_mutex_init(struct pb_mutex *m, const char *name, int rank)
{
	*m = (struct pb_mutex){.name = name, .rank = rank};
	must(pthread_mutex_init(&m->m, NULL));
}

void pb_mutex_done(struct pb_mutex *m)
{
	PB_ASSERT(!m->held);
	must(pthread_mutex_destroy(&m->m));
}

void pb_lock(struct pb_mutex *m) PB_NO_ANALYSIS
{
	before_lock(m);
	must(pthread_mutex_lock(&m->m));
	after_lock(m);
}

void pb_unlock(struct pb_mutex *m) PB_NO_ANALYSIS
{
	before_unlock(m);
	must(pthread_mutex_unlock(&m->m));
}

void pb_assert_held(struct pb_mutex *m)
{
#ifdef PB_LOCK_DEBUG
	if (!held_by_me(m))
		rank_failed("not held by this thread", m, held_chain);
#else
	(void)m;
#endif
}

void pb_cond_init(struct pb_cond *c)
{
	pthread_condattr_t attr;

	must(pthread_condattr_init(&attr));
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	must(pthread_cond_init(&c->c, &attr));
	must(pthread_condattr_destroy(&attr));
}

void pb_cond_done(struct pb_cond *c)
{
	must(pthread_cond_destroy(&c->c));
}

void pb_cond_wait(struct pb_cond *c, struct pb_mutex *m)
{
	(void)pb_cond_wait_until(c, m, INT64_MAX); /* never times out */
}

bool pb_cond_wait_until(struct pb_cond *c, struct pb_mutex *m, int64_t deadline_us)
{
	struct timespec ts;
	int rc;

	before_unlock(m);
	if (deadline_us == INT64_MAX) {
		rc = pthread_cond_wait(&c->c, &m->m);
	} else {
		ts = pb_timespec(PB_MAX(deadline_us, INT64_C(0)));
		rc = pthread_cond_timedwait(&c->c, &m->m, &ts);
	}
	after_lock(m);
	PB_ASSERT(rc == 0 || rc == ETIMEDOUT);
	return rc == 0;
}

void pb_cond_signal(struct pb_cond *c)
{
	must(pthread_cond_signal(&c->c));
}

void pb_cond_broadcast(struct pb_cond *c)
{
	must(pthread_cond_broadcast(&c->c));
}

pthread_t pb_thread_start(const char *name, size_t stack_bytes, pb_thread_fn *fn, void *arg)
{
	/* faults of the thread itself stay deliverable: blocked, they kill without a report */
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t t;
	char short_name[16];

	must(pthread_attr_init(&attr));
	if (stack_bytes) {
		size_t page = (size_t)sysconf(_SC_PAGESIZE);
		size_t want = PB_MAX(stack_bytes, (size_t)PTHREAD_STACK_MIN);

		must(pthread_attr_setstacksize(&attr, (want + page - 1) / page * page));
	}
	(void)sigfillset(&all); /* cannot fail */
	for (size_t i = 0; i < PB_ARRAY_LEN(faults); i++)
		(void)sigdelset(&all, faults[i]); /* valid numbers */
	must(pthread_sigmask(SIG_BLOCK, &all, &before));
	must(pthread_create(&t, &attr, fn, arg));
	must(pthread_sigmask(SIG_SETMASK, &before, NULL));
	must(pthread_attr_destroy(&attr));
	(void)pb_str_copy(short_name, sizeof(short_name),
			  name);                 /* the kernel keeps 15 characters */
	(void)pthread_setname_np(t, short_name); /* the thread may be gone already */
	return t;
}

void pb_thread_join(pthread_t t)
{
	must(pthread_join(t, NULL));
}
