/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bus against a real nats-server: first the shared one of the fixture, then a private one that is
 * killed, restarted, stopped and robbed of its store. What must hold: no publish is reported stored that
 * is not there, none that was refused is sent later, every stored message is delivered at least once as
 * long as the store lives, and the bus comes back by itself whatever happens.
 */
#include "bus/bus.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/lock.h"
#include "support/port.h"
#define PB_ALLOW_GETENV /* tests take the servers' addresses from the environment */
#include "base/base.h"

extern char **environ;

#define MAX_IDS 20000
#define WAIT_US (30 * PB_USEC_PER_SEC)

/* ---- a server of our own ---- */

static struct {
	char dir[64], url[64];
	unsigned port;
	pid_t pid;
} srv;

static void srv_start(void)
{
	char port[16], store[96], log[96];
	char *argv[] = {(char *)(uintptr_t) "nats-server",
			(char *)(uintptr_t) "-a",
			(char *)(uintptr_t) "127.0.0.1",
			(char *)(uintptr_t) "-p",
			port,
			(char *)(uintptr_t) "-js",
			(char *)(uintptr_t) "-sd",
			store,
			(char *)(uintptr_t) "-l",
			log,
			NULL};

	pb_str_printf(port, sizeof(port), "%u", srv.port);
	pb_str_printf(store, sizeof(store), "%s/store", srv.dir);
	pb_str_printf(log, sizeof(log), "%s/log", srv.dir);
	ck_assert_int_eq(posix_spawnp(&srv.pid, "nats-server", NULL, NULL, argv, environ), 0);
}

static void srv_kill(int sig)
{
	int status = 0;

	if (srv.pid <= 0)
		return;
	kill(srv.pid, sig);
	ck_assert_int_eq(waitpid(srv.pid, &status, 0), srv.pid);
	srv.pid = 0;
}

/* Returns when it stands still: the signal alone leaves it time to answer. */
static void srv_pause(void)
{
	int status = 0;

	kill(srv.pid, SIGSTOP);
	ck_assert_int_eq(waitpid(srv.pid, &status, WUNTRACED), srv.pid);
	ck_assert(WIFSTOPPED(status));
}

static int rm_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void srv_rob(void)
{
	char store[96];

	pb_str_printf(store, sizeof(store), "%s/store", srv.dir);
	(void)nftw(store, rm_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- what was published and what came ---- */

static struct pb_uuid ids[MAX_IDS];
static _Atomic unsigned char outcome[MAX_IDS]; /* 0 none, 1 stored, 2 unknown */
static _Atomic unsigned came[MAX_IDS];
static _Atomic unsigned n_done, n_stored, n_came, n_refresh, n_config;
static _Atomic bool auto_ack,
	hold_first; /* hold_first: the first message, when it comes the first time */
static struct bus *bus;
static int64_t publish_timeout_us; /* long, where giving up is not the subject */
static struct pb_uuid tenant;
static _Atomic(struct bus_msg *) held;

static void on_done(void *arg, struct pb_uuid id, int64_t dispatch, enum bus_outcome o)
{
	size_t i = (size_t)(uintptr_t)arg;

	ck_assert(pb_uuid_eq(id, ids[i]));
	ck_assert_uint_eq(atomic_load(&outcome[i]), 0); /* exactly once */
	atomic_store(&outcome[i], o == BUS_STORED ? 1 : 2);
	if (o == BUS_STORED)
		atomic_fetch_add(&n_stored, 1);
	atomic_fetch_add(&n_done, 1);
}

static size_t index_of(struct pb_uuid id)
{
	size_t i = 0;

	memcpy(&i, id.b + 8, 4);
	return i;
}

static void on_batch(void *arg, const struct bus_exec *batch, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		size_t i = index_of(batch[k].execution_id);

		ck_assert(i < MAX_IDS && pb_uuid_eq(batch[k].execution_id, ids[i]));
		ck_assert(pb_uuid_eq(batch[k].tenant_id, tenant));
		ck_assert_uint_ge(batch[k].delivered, 1);
		atomic_fetch_add(&came[i], 1);
		if (!atomic_load(&auto_ack) ||
		    (atomic_load(&hold_first) && i == 0 && batch[k].delivered == 1))
			bus_msg_free(atomic_exchange(&held, batch[k].msg));
		else
			bus_ack(bus, batch[k].msg);
		atomic_fetch_add(&n_came, 1);
	}
	bus_consumer_set_room(bus, 1000);
}

static void on_config(void *arg, const char *kind, struct pb_uuid id)
{
	if (strcmp(kind, "*") == 0) {
		atomic_fetch_add(&n_refresh, 1);
		return;
	}
	ck_assert_str_eq(kind, "workflow");
	ck_assert(pb_uuid_eq(id, ids[1]));
	atomic_fetch_add(&n_config, 1);
}

static void publish(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		bus_publish_exec(bus, tenant, ids[i], 1, on_done, (void *)(uintptr_t)i);
}

#define WAIT_FOR(cond)                                                                             \
	do {                                                                                       \
		int64_t end_ = pb_mono_us() + WAIT_US;                                             \
		struct timespec step_ = pb_timespec(5000);                                         \
		while (!(cond)) {                                                                  \
			ck_assert_msg(pb_mono_us() < end_, "never: %s (came %u stored %u)", #cond, \
				      atomic_load(&n_came), atomic_load(&n_stored));               \
			(void)nanosleep(&step_, NULL);                                             \
		}                                                                                  \
	} while (0)

static void open_bus(const char *url, const char *prefix, int64_t ack_wait_us)
{
	const struct bus_cfg cfg = {.url = url,
				    .prefix = prefix,
				    .ack_wait_us = ack_wait_us,
				    .publish_timeout_us = publish_timeout_us};
	struct pb_err err = PB_ERR_INIT;

	ck_assert_msg(bus_open(&cfg, &bus, &err) == PB_OK, "%s", err.msg);
}

static void setup(void)
{
	tenant = pb_uuid7();
	for (uint32_t i = 0; i < MAX_IDS; i++) {
		ids[i] = pb_uuid7();
		memset(ids[i].b + 8, 0, 8);
		memcpy(ids[i].b + 8, &i, 4);
	}
	for (size_t i = 0; i < MAX_IDS; i++) {
		atomic_store(&outcome[i], 0);
		atomic_store(&came[i], 0);
	}
	publish_timeout_us = 20 * PB_USEC_PER_SEC;
	n_done = n_stored = n_came = n_refresh = n_config = 0;
	atomic_store(&auto_ack, true);
	atomic_store(&hold_first, false);
	srv.port = port_reserve();
	pb_str_copy(srv.dir, sizeof(srv.dir), "/tmp/pb_bus_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(srv.dir));
	pb_str_printf(srv.url, sizeof(srv.url), "nats://127.0.0.1:%u", srv.port);
}

static void teardown(void)
{
	bus_close(bus); /* a batch may come until it returns */
	bus = NULL;
	bus_msg_free(atomic_exchange(&held, NULL));
	if (srv.pid)
		srv_kill(SIGKILL);
	(void)nftw(srv.dir, rm_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool ready(void)
{
	return bus_wait_ready(bus, WAIT_US);
}

static struct bus_status status(void)
{
	struct bus_status st;

	bus_status(bus, &st);
	return st;
}

/* Killed or ended, started again, and both connections have noticed it. */
static void srv_restart(int sig)
{
	const uint64_t before = status().reconnects;

	srv_kill(sig);
	srv_start();
	WAIT_FOR(status().reconnects >= before + 2);
	ck_assert(ready());
}

/* An answer may come too late: then the next one is tried. Returns the one that is stored. */
static size_t publish_until_stored(size_t i)
{
	const struct timespec step = pb_timespec(10000);

	for (int64_t end = pb_mono_us() + WAIT_US;; i++) {
		ck_assert(pb_mono_us() < end && i < MAX_IDS);
		publish(i, i + 1);
		WAIT_FOR(atomic_load(&outcome[i]) != 0);
		if (atomic_load(&outcome[i]) == 1)
			return i;
		nanosleep(&step, NULL);
	}
}

static void assert_no_stored_lost(size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (atomic_load(&outcome[i]) == 1)
			ck_assert_msg(atomic_load(&came[i]) >= 1, "stored message %zu never came",
				      i);
}

/* ---- the ordinary way, on the fixture's server ---- */

START_TEST(bus__carries_messages_notices_and_counts)
{
	const char *url = getenv("PB_TEST_NATS_URL");
	char prefix[32];
	struct bus_pending p;

	ck_assert_msg(url != NULL, "PB_TEST_NATS_URL is not set: run under scripts/with-servers");
	pb_str_printf(prefix, sizeof(prefix), "t%llx", (unsigned long long)pb_random_u64());
	open_bus(url, prefix, 0);
	bus_on_config_changed(bus, on_config, NULL);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	publish(0, 100);
	WAIT_FOR(atomic_load(&n_stored) == 100);
	ck_assert_uint_eq(atomic_load(&n_came), 0); /* no room was offered */
	WAIT_FOR(bus_exec_pending(bus, &p) && p.pending == 100);
	/* the same execution and dispatch again is swallowed, another dispatch is not */
	atomic_store(&outcome[0], 0);
	bus_publish_exec(bus, tenant, ids[0], 1, on_done, (void *)0);
	WAIT_FOR(atomic_load(&n_stored) == 101);
	atomic_store(&outcome[0], 0);
	bus_publish_exec(bus, tenant, ids[0], 2, on_done, (void *)0);
	WAIT_FOR(atomic_load(&n_stored) == 102);
	bus_consumer_set_room(bus, 1000);
	WAIT_FOR(atomic_load(&n_came) == 101);
	ck_assert_uint_eq(atomic_load(&came[0]), 2);
	WAIT_FOR(bus_exec_pending(bus, &p) && p.pending == 0 && p.unacked == 0);
	bus_notify_config_changed(bus, "workflow", ids[1]);
	WAIT_FOR(atomic_load(&n_config) == 1);
	ck_assert_uint_eq(status().inflight, 0);
	ck_assert_uint_eq(status().unknown, 0);
	WAIT_FOR(!*status().last_error); /* until the server has been asked again */
}
END_TEST

/* The ack wait is a minute: only the refusal brings it again. */
START_TEST(bus__nak_brings_it_again)
{
	srv_start();
	open_bus(srv.url, NULL, 0);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	atomic_store(&auto_ack, false);
	bus_consumer_set_room(bus, 1);
	publish(0, 1);
	WAIT_FOR(atomic_load(&n_came) == 1);
	bus_nak(bus, atomic_exchange(&held, NULL), 0);
	WAIT_FOR(atomic_load(&n_came) == 2);
	bus_ack(bus, atomic_exchange(&held, NULL));
}
END_TEST

/* Says for twice the ack wait that the held message is worked on; false when it came again all the same. */
static bool stays_away(int64_t ack_wait_us)
{
	const struct timespec step = pb_timespec(50000);
	const unsigned before = atomic_load(&n_came);

	for (int64_t end = pb_mono_us() + 2 * ack_wait_us; pb_mono_us() < end;) {
		struct bus_msg *m = atomic_exchange(&held, NULL), *none = NULL;

		if (m)
			bus_in_progress(bus, m);
		if (m && !atomic_compare_exchange_strong(&held, &none, m))
			bus_msg_free(m); /* it has just come again */
		if (atomic_load(&n_came) != before)
			return false;
		nanosleep(&step, NULL);
	}
	return true;
}

START_TEST(bus__silence_brings_it_again_and_a_sign_of_life_does_not)
{
	const int64_t ack_wait_us = 2 * PB_USEC_PER_SEC;
	int64_t end;

	srv_start();
	open_bus(srv.url, NULL, ack_wait_us);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	atomic_store(&auto_ack, false);
	bus_consumer_set_room(bus, 1);
	publish(0, 1);
	WAIT_FOR(atomic_load(&n_came) >= 2); /* nobody answered within the ack wait */
	/* a pause of the machine is silence, too: it is enough that it stays away once */
	for (end = pb_mono_us() + WAIT_US; !stays_away(ack_wait_us);)
		ck_assert(pb_mono_us() < end);
	bus_ack(bus, atomic_exchange(&held, NULL));
}
END_TEST

/* The server ends a request of ours after 5 s and says so: the next one goes out at once. Taken for still open, it
 * would be waited for until 8 s had passed. */
static int64_t delivery_after_idling_us(size_t i)
{
	const struct timespec idle = pb_timespec(5200000);
	int64_t published_us;

	open_bus(srv.url, NULL, 0);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	bus_consumer_set_room(bus, 100);
	publish(i, i + 1);
	WAIT_FOR(atomic_load(&came[i]) >= 1);
	nanosleep(&idle, NULL); /* that time passes is the subject here */
	published_us = pb_mono_us();
	publish(i + 1, i + 2);
	WAIT_FOR(atomic_load(&came[i + 1]) >= 1);
	published_us = pb_mono_us() - published_us;
	bus_close(bus);
	bus = NULL;
	return published_us;
}

START_TEST(bus__idle_longer_than_a_request)
{
	int64_t best_us = INT64_MAX;

	srv_start();
	/* a busy machine may be late, but not each time */
	for (size_t i = 0; i < 8 && best_us >= 2 * PB_USEC_PER_SEC; i += 2) {
		const int64_t us = delivery_after_idling_us(i);

		best_us = PB_MIN(best_us, us);
	}
	ck_assert_int_lt(best_us, 2 * PB_USEC_PER_SEC);
}
END_TEST

START_TEST(bus__throughput)
{
	int64_t begin = 0;

	srv_start();
	open_bus(srv.url, NULL, 0);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	begin = pb_mono_us();
	publish(0, MAX_IDS);
	WAIT_FOR(atomic_load(&n_done) == MAX_IDS);
	ck_assert_uint_eq(atomic_load(&n_stored), MAX_IDS);
	printf("publish: %.0f/s\n", MAX_IDS * 1e6 / (double)(pb_mono_us() - begin));
	begin = pb_mono_us();
	bus_consumer_set_room(bus, 1000);
	WAIT_FOR(atomic_load(&n_came) == MAX_IDS);
	printf("consume and ack: %.0f/s\n", MAX_IDS * 1e6 / (double)(pb_mono_us() - begin));
	assert_no_stored_lost(MAX_IDS);
}
END_TEST

START_TEST(bus__room_is_respected)
{
	srv_start();
	open_bus(srv.url, NULL, 0);
	atomic_store(&auto_ack, false);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	publish(0, 50);
	WAIT_FOR(atomic_load(&n_stored) == 50);
	bus_consume_stop(bus);
	bus_consumer_set_room(bus, 10);
	for (int i = 0; i < 5; i++) {
		struct timespec t = pb_timespec(50000);

		nanosleep(&t, NULL);
	}
	ck_assert_uint_eq(atomic_load(&n_came), 0);
}
END_TEST

/* ---- the server goes away ---- */

START_TEST(down__opens_and_recovers)
{
	open_bus(srv.url, NULL, 0);
	bus_on_config_changed(bus, on_config, NULL);
	bus_consume_exec(bus, on_batch, NULL);
	bus_consumer_set_room(bus, 1000);
	ck_assert(!bus_wait_ready(bus, 300000));
	publish(0, 10); /* all unknown, at once */
	ck_assert_uint_eq(atomic_load(&n_done), 10);
	ck_assert_uint_eq(atomic_load(&n_stored), 0);
	srv_start();
	ck_assert(ready());
	ck_assert(bus_take_loss_hint(bus));
	ck_assert(!bus_take_loss_hint(bus));
	publish(10, 20);
	WAIT_FOR(atomic_load(&n_came) == 10);
	for (size_t i = 0; i < 10; i++) /* what was refused never comes later */
		ck_assert_uint_eq(atomic_load(&came[i]), 0);
}
END_TEST

START_TEST(kill__loses_nothing_that_was_stored)
{
	size_t at = 0;

	publish_timeout_us = 0;
	srv_start();
	open_bus(srv.url, NULL, 2 * PB_USEC_PER_SEC);
	bus_on_config_changed(bus, on_config, NULL);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	bus_consumer_set_room(bus, 1000);
	for (int round = 0; round < 4; round++) {
		unsigned refreshed = atomic_load(&n_refresh);
		uint64_t reconnects = status().reconnects;

		publish(at, at + 1000);
		WAIT_FOR(atomic_load(&n_stored) > (unsigned)round * 100);
		srv_kill(SIGKILL);
		publish(at + 1000, at + 1100);
		at += 1100;
		WAIT_FOR(atomic_load(&n_done) == at); /* every one is told, in time */
		srv_start();
		WAIT_FOR(status().reconnects >= reconnects + 2);
		ck_assert(ready());
		ck_assert(bus_take_loss_hint(bus));
		WAIT_FOR(atomic_load(&n_refresh) > refreshed);
		at = publish_until_stored(at) + 1;
	}
	for (size_t i = 0; i < at; i++)
		if (atomic_load(&outcome[i]) == 1)
			WAIT_FOR(atomic_load(&came[i]) >= 1);
	ck_assert_uint_ge(status().reconnects, 4);
}
END_TEST

START_TEST(down__publish_is_never_sent_later)
{
	srv_start();
	open_bus(srv.url, NULL, 0);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	bus_consumer_set_room(bus, 1000);
	srv_kill(SIGKILL);
	WAIT_FOR(!status().connected);
	publish(0, 500);
	WAIT_FOR(atomic_load(&n_done) == 500);
	ck_assert_uint_eq(atomic_load(&n_stored), 0);
	srv_start();
	ck_assert(ready());
	publish(500, 600);
	WAIT_FOR(atomic_load(&n_came) >= 100);
	for (size_t i = 0; i < 500; i++)
		ck_assert_uint_eq(atomic_load(&came[i]), 0);
}
END_TEST

/* A server that does not answer (stopped): publishes end as unknown within their time. */
START_TEST(stopped__publishes_time_out)
{
	int64_t begin = 0;
	size_t stored = 0;

	publish_timeout_us = 0;
	srv_start();
	open_bus(srv.url, NULL, 0);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	srv_pause();
	begin = pb_mono_us();
	publish(0, 100);
	/* waiting for each answer would take 200 s; pings find out after 10 s and more */
	ck_assert_int_lt(pb_mono_us() - begin, 5 * PB_USEC_PER_SEC);
	WAIT_FOR(atomic_load(&n_done) == 100);
	ck_assert_int_lt(pb_mono_us() - begin, 8 * PB_USEC_PER_SEC);
	ck_assert_uint_eq(atomic_load(&n_stored), 0);
	kill(srv.pid, SIGCONT);
	ck_assert(ready());
	stored = publish_until_stored(100);
	bus_consumer_set_room(bus, 1000);
	WAIT_FOR(atomic_load(&came[stored]) >= 1);
}
END_TEST

START_TEST(store__deleted_and_restarted)
{
	srv_start();
	open_bus(srv.url, NULL, 0);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	publish(0, 100);
	WAIT_FOR(atomic_load(&n_stored) == 100);
	(void)bus_take_loss_hint(bus);
	srv_rob(); /* while it runs */
	srv_restart(SIGKILL);
	ck_assert(bus_take_loss_hint(bus)); /* the sweeper must look */
	ck_assert_uint_ge(status().recreated, 1);
	bus_consumer_set_room(bus, 1000);
	publish(100, 200);
	WAIT_FOR(atomic_load(&n_stored) == 200);
	for (size_t i = 100; i < 200; i++)
		WAIT_FOR(atomic_load(&came[i]) >= 1);
}
END_TEST

/* The same without a restart: the server goes on with a store that is not there. */
START_TEST(store__deleted_under_a_running_server)
{
	publish_timeout_us = 0;
	srv_start();
	open_bus(srv.url, NULL, 0);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	bus_consumer_set_room(bus, 1000);
	publish(0, 100);
	WAIT_FOR(atomic_load(&n_came) >= 100);
	srv_rob();
	publish(100, 200);
	WAIT_FOR(atomic_load(&n_done) == 200); /* stored or unknown, but told */
	srv_restart(SIGTERM);
	for (size_t i = 200, stored; i < 300; i = stored + 1) {
		stored = publish_until_stored(i);
		WAIT_FOR(atomic_load(&came[stored]) >= 1);
	}
}
END_TEST

START_TEST(ghosts__are_purged_after_a_kill)
{
	struct bus_pending p;

	srv_start();
	open_bus(srv.url, NULL, 2 * PB_USEC_PER_SEC);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	bus_consumer_set_room(bus, 1000);
	publish(0, 5000);
	WAIT_FOR(atomic_load(&n_came) >= 5000);
	srv_restart(SIGKILL); /* right behind the acknowledgements */
	bus_consumer_set_room(bus, 1000);
	WAIT_FOR(bus_exec_pending(bus, &p) && p.messages == 0);
}
END_TEST

/* The floor stands still while one message is open; what was acknowledged above it comes back as a ghost. */
START_TEST(ghosts__above_the_floor_go_when_it_has_passed)
{
	struct bus_pending p;

	srv_start();
	open_bus(srv.url, NULL, 3 * PB_USEC_PER_SEC);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	atomic_store(&hold_first, true);
	bus_consumer_set_room(bus, 1000);
	publish(0, 5000);
	WAIT_FOR(atomic_load(&n_came) >= 5000);
	srv_restart(SIGKILL);
	WAIT_FOR(atomic_load(&came[0]) >= 2);
	WAIT_FOR(bus_exec_pending(bus, &p) && p.messages == 0);
	ck_assert_uint_eq(p.pending, 0);
	ck_assert_uint_eq(p.unacked, 0);
}
END_TEST

/* Both sides of the comparison move on under load: a consumer that works is never taken for a stale one. */
START_TEST(load__consumer_is_not_made_anew)
{
	int64_t end;
	uint64_t made;
	size_t at = 0;

	srv_start();
	open_bus(srv.url, NULL, 0);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	made = status().recreated;
	end = pb_mono_us() + 4 * PB_USEC_PER_SEC;
	bus_consumer_set_room(bus, 1000);
	while (pb_mono_us() < end && at < MAX_IDS) {
		publish(at, at + 10);
		at += 10;
		WAIT_FOR(atomic_load(&n_came) >= at);
	}
	ck_assert_uint_eq(status().recreated, made);
	ck_assert_uint_eq(atomic_load(&n_came), at);
}
END_TEST

START_TEST(close__completes_what_is_in_flight)
{
	srv_start();
	open_bus(srv.url, NULL, 0);
	bus_consume_exec(bus, on_batch, NULL);
	ck_assert(ready());
	srv_pause();
	publish(0, 50);
	bus_close(bus);
	bus = NULL;
	ck_assert_uint_eq(atomic_load(&n_done), 50);
	kill(srv.pid, SIGCONT);
}
END_TEST

START_TEST(open__refuses_bad_config)
{
	const struct bus_cfg none = {.url = ""}, prefix = {.url = "nats://x", .prefix = "a.b"};
	struct pb_err err = PB_ERR_INIT;
	struct bus *b = NULL;

	ck_assert_int_eq(bus_open(&none, &b, &err), PB_E_INVALID);
	ck_assert_int_eq(bus_open(&prefix, &b, &err), PB_E_INVALID);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bus");
	TCase *tc = tcase_create("bus");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bus__carries_messages_notices_and_counts);
	tcase_add_test(tc, bus__nak_brings_it_again);
	tcase_add_test(tc, bus__silence_brings_it_again_and_a_sign_of_life_does_not);
	tcase_add_test(tc, bus__idle_longer_than_a_request);
	tcase_add_test(tc, bus__throughput);
	tcase_add_test(tc, bus__room_is_respected);
	tcase_add_test(tc, down__opens_and_recovers);
	tcase_add_test(tc, kill__loses_nothing_that_was_stored);
	tcase_add_test(tc, down__publish_is_never_sent_later);
	tcase_add_test(tc, stopped__publishes_time_out);
	tcase_add_test(tc, store__deleted_and_restarted);
	tcase_add_test(tc, store__deleted_under_a_running_server);
	tcase_add_test(tc, ghosts__are_purged_after_a_kill);
	tcase_add_test(tc, ghosts__above_the_floor_go_when_it_has_passed);
	tcase_add_test(tc, load__consumer_is_not_made_anew);
	tcase_add_test(tc, close__completes_what_is_in_flight);
	tcase_add_test(tc, open__refuses_bad_config);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
