/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool. Connections are opened when needed, the last returned is lent first, and one that the server has
 * hung up on meanwhile is replaced without the borrower noticing.
 * Surprising: while the server is away nobody waits: between two tries (100 ms to 2 s apart) borrowing
 * fails at once.
 */
#include "pg/pg_pool.h"
#include "pg/pg_pool_private.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/base.h"

#define BACKOFF_MIN_US (100 * PB_USEC_PER_MSEC)
#define BACKOFF_MAX_US (2 * PB_USEC_PER_SEC)

/* Invariant: n_all counts lent, idle and opening connections; n_all <= max. */
struct pg_pool {
	struct pb_mutex lock;
	struct pb_cond freed;
	struct pg_link_config link;
	int64_t borrow_timeout_us;
	struct pg_session *idle; /* a stack */
	int n_all, n_idle, max;
	int64_t down_until_us, backoff_us, opened_at_us;
	struct pg_pool_stats stats;
};

enum pb_status pg_pool_new(const struct pg_pool_config *config, struct pg_pool **ret_pool,
			   struct pb_err *err)
{
	pb_autoptr(pg_pool) p = pb_new(struct pg_pool);
	const char *name = config->application_name ? config->application_name : "patchbay";
	enum pb_status st;

	pb_mutex_init(&p->lock, "pg.pool", PB_LOCK_RANK(2, 10));
	pb_cond_init(&p->freed);
	p->max = config->max_connections > 0 ? config->max_connections : 8;
	p->borrow_timeout_us =
		config->borrow_timeout_us > 0 ? config->borrow_timeout_us : 2 * PB_USEC_PER_SEC;
	st = pg_link_config_init(&p->link, config->url, name, NULL,
				 config->connect_timeout_us > 0 ? config->connect_timeout_us
								: 2 * PB_USEC_PER_SEC,
				 config->statement_timeout_us > 0 ? config->statement_timeout_us
								  : 5 * PB_USEC_PER_SEC,
				 err);
	if (st)
		return st;

	*ret_pool = pb_steal(p);
	return PB_OK;
}

static void session_free(struct pg_session *s)
{
	pg_link_close(&s->link);
	free(s);
}

void pg_pool_free(struct pg_pool *p)
{
	if (p == NULL)
		return;
	PB_ASSERT(p->n_all == p->n_idle);
	while (p->idle) {
		struct pg_session *s = p->idle;

		p->idle = s->next;
		session_free(s);
	}
	pg_link_config_done(&p->link);
	pb_cond_done(&p->freed);
	pb_mutex_done(&p->lock);
	free(p);
}

void pg_pool_stats(struct pg_pool *p, struct pg_pool_stats *ret)
{
	pb_lock(&p->lock);
	*ret = p->stats;
	ret->in_use = p->n_all - p->n_idle;
	ret->idle = p->n_idle;
	ret->max = p->max;
	pb_unlock(&p->lock);
}

static enum pb_status away(struct pb_err *err)
{
	return pb_err_set(err, PB_E_UNAVAILABLE, "database.unavailable",
			  "the database cannot be reached");
}

/* Between two tries. While a session lives the server may well be there: then wait for the next one. */
static bool is_away(struct pg_pool *p, int64_t deadline_us) PB_REQUIRES(p->lock)
{
	if (p->n_all == 0)
		return true;
	(void)pb_cond_wait_until(&p->freed, &p->lock, PB_MIN(deadline_us, p->down_until_us));
	return pb_mono_us() >= deadline_us;
}

/* Under the lock: takes an idle session, or a place for a new one (*ret NULL), or says why not. */
static enum pb_status reserve(struct pg_pool *p, int64_t deadline_us, struct pg_session **ret,
			      struct pb_err *err) PB_REQUIRES(p->lock)
{
	bool waited = false;

	for (;;) {
		if (p->idle) {
			*ret = p->idle;
			p->idle = (*ret)->next;
			p->n_idle--;
			return PB_OK;
		}
		if (p->n_all < p->max && pb_mono_us() < p->down_until_us) {
			if (is_away(p, deadline_us))
				return away(err);
			continue;
		}
		if (p->n_all < p->max) {
			*ret = NULL;
			p->n_all++;
			return PB_OK;
		}
		p->stats.waited += !waited;
		waited = true;
		if (!pb_cond_wait_until(&p->freed, &p->lock, deadline_us))
			return pb_err_set(err, PB_E_UNAVAILABLE, "database.unavailable",
					  "no database connection became free in time");
	}
}

/* @begun_us: a failure says nothing when another try that began later has succeeded meanwhile. */
static void opened(struct pg_pool *p, bool ok, int64_t begun_us)
{
	pb_lock(&p->lock);
	if (ok) {
		p->stats.opened++;
		p->opened_at_us = pb_mono_us();
		p->backoff_us = 0;
		p->down_until_us = 0;
	} else {
		p->stats.open_failed++;
		p->n_all--;
		if (begun_us > p->opened_at_us) {
			p->backoff_us = p->backoff_us ? PB_MIN(p->backoff_us * 2, BACKOFF_MAX_US)
						      : BACKOFF_MIN_US;
			p->down_until_us = pb_mono_us() + p->backoff_us;
		}
		pb_cond_broadcast(&p->freed); /* they would fail, too: let them say so now */
	}
	pb_unlock(&p->lock);
}

static void discard(struct pg_pool *p, struct pg_session *s)
{
	session_free(s);
	pb_lock(&p->lock);
	p->n_all--;
	p->stats.lost++;
	pb_cond_signal(&p->freed);
	pb_unlock(&p->lock);
}

enum pb_status pg_session_borrow(struct pg_pool *p, struct pg_session **ret, struct pb_err *err)
{
	int64_t deadline = pb_mono_us() + p->borrow_timeout_us;

	for (;;) {
		struct pg_session *s = NULL;
		enum pb_status st;

		pb_lock(&p->lock);
		st = reserve(p, deadline, &s, err);
		p->stats.borrowed += st == PB_OK;
		p->stats.refused += st != PB_OK;
		pb_unlock(&p->lock);
		if (st)
			return st;

		if (s == NULL) {
			int64_t begun_us = pb_mono_us();

			s = pb_new(struct pg_session);
			pg_link_init(&s->link, &p->link);
			st = pg_link_open(&s->link, err);
			opened(p, st == PB_OK, begun_us);
			if (st) {
				session_free(s);
				return st;
			}
		} else if (!pg_link_alive(&s->link)) {
			discard(p, s);
			continue;
		}
		s->next = NULL;
		*ret = s;
		return PB_OK;
	}
}

void pg_session_release(struct pg_pool *p, struct pg_session *s)
{
	if (!pg_link_rollback(&s->link)) {
		discard(p, s);
		return;
	}
	pb_lock(&p->lock);
	s->next = p->idle;
	p->idle = s;
	p->n_idle++;
	pb_cond_signal(&p->freed);
	pb_unlock(&p->lock);
}

enum pb_status pg_pool_health(struct pg_pool *pool, struct pb_err *err)
{
	static const struct pg_stmt stmt = {.name = "pg_health", .sql = "SELECT 1"};

	return pg_query(pool, NULL, &stmt, NULL, NULL, err);
}
