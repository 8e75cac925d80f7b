/* SPDX-License-Identifier: Apache-2.0 */
/* Notices between two hosts: changes are told to all, ends only to hosts where somebody waits. */
#include "bus/bus.h"

#include <check.h>
#include <stdatomic.h>

#include "base/clock.h"
#define PB_ALLOW_GETENV /* tests take the servers' addresses from the environment */
#include "base/base.h"

#define WAIT_US (30 * PB_USEC_PER_SEC)

struct host {
	struct bus *bus;
	_Atomic unsigned changed, ended;
};

static struct host here, there;
static char prefix[32];
static struct pb_uuid execution;

static void on_config(void *arg, const char *kind, struct pb_uuid id)
{
	struct host *h = arg;

	if (strcmp(kind, "*") == 0) /* connected */
		return;
	ck_assert_str_eq(kind, "workflow");
	ck_assert(pb_uuid_is_nil(id));
	atomic_fetch_add(&h->changed, 1);
}

static void on_ended(void *arg, struct pb_uuid id)
{
	struct host *h = arg;

	ck_assert(pb_uuid_eq(id, execution));
	atomic_fetch_add(&h->ended, 1);
}

static void host_open(struct host *h)
{
	const struct bus_cfg cfg = {.url = getenv("PB_TEST_NATS_URL"), .prefix = prefix};

	ck_assert_msg(cfg.url, "PB_TEST_NATS_URL is not set: run under scripts/with-servers");
	*h = (struct host){0};
	ck_assert_int_eq(bus_open(&cfg, &h->bus, NULL), PB_OK);
	bus_on_config_changed(h->bus, on_config, h);
	bus_on_exec_done(h->bus, on_ended, h);
	ck_assert(bus_wait_ready(h->bus, WAIT_US));
}

static void setup(void)
{
	execution = pb_uuid7();
	(void)pb_str_printf(prefix, sizeof(prefix), "t%llx", (unsigned long long)pb_random_u64());
	host_open(&here);
	host_open(&there);
}

static void teardown(void)
{
	bus_close(pb_steal(here.bus));
	bus_close(pb_steal(there.bus));
}

static bool reached(_Atomic unsigned *count, unsigned n, int64_t wait_us)
{
	const struct timespec step = pb_timespec(PB_USEC_PER_MSEC);

	for (int64_t end = pb_mono_us() + wait_us; atomic_load(count) < n;) {
		if (pb_mono_us() >= end)
			return false;
		(void)nanosleep(&step, NULL);
	}
	return true;
}

static void both_hear_of_a_change(struct host *h)
{
	unsigned n = atomic_load(&here.changed), m = atomic_load(&there.changed);

	bus_notify_config_changed(h->bus, "workflow", PB_UUID_NIL);
	ck_assert(reached(&here.changed, n + 1, WAIT_US));
	ck_assert(reached(&there.changed, m + 1, WAIT_US));
}

START_TEST(notify__changes_reach_both)
{
	both_hear_of_a_change(&here);
	both_hear_of_a_change(&there);
	ck_assert_uint_eq(atomic_load(&here.changed), 2);
	ck_assert_uint_eq(atomic_load(&there.changed), 2);
}
END_TEST

/* Notifies until an end arrives: who waits is heard a moment after it was said. */
static void told(struct host *by, struct host *to)
{
	unsigned n = atomic_load(&to->ended);
	int64_t end = pb_mono_us() + WAIT_US;

	do {
		ck_assert(pb_mono_us() < end);
		bus_notify_done(by->bus, execution);
	} while (!reached(&to->ended, n + 1, 20 * PB_USEC_PER_MSEC));
}

/* Notifies until no end arrives: for some seconds after it was said, or after connecting, somebody may wait. */
static void falls_silent(struct host *by, struct host *to)
{
	int64_t end = pb_mono_us() + WAIT_US;
	unsigned n = 0;

	do {
		ck_assert(pb_mono_us() < end);
		n = atomic_load(&to->ended);
		bus_notify_done(by->bus, execution);
	} while (reached(&to->ended, n + 1, 300 * PB_USEC_PER_MSEC));
}

START_TEST(notify__ends_are_told_where_somebody_waits)
{
	falls_silent(&here, &there);
	falls_silent(&there, &here);
	bus_want_done(here.bus, pb_mono_us() + PB_USEC_PER_MIN);
	told(&there, &here);
	falls_silent(&here, &there); /* a host's own ends are none of the bus's business */
}
END_TEST

START_TEST(notify__said_again_while_somebody_waits)
{
	int64_t end = 0;

	bus_want_done(here.bus, pb_mono_us() + PB_USEC_PER_MIN);
	bus_close(pb_steal(there.bus));
	host_open(&there); /* knows nothing of what was said before */
	/* longer than a host believes what it has heard once */
	for (end = pb_mono_us() + 8 * PB_USEC_PER_SEC; pb_mono_us() < end;)
		told(&there, &here);
}
END_TEST

START_TEST(notify__no_longer_when_nobody_waits)
{
	bus_want_done(here.bus, pb_mono_us() + PB_USEC_PER_SEC);
	told(&there, &here);
	falls_silent(&there, &here);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bus_notify");
	TCase *tc = tcase_create("notify");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, notify__changes_reach_both);
	tcase_add_test(tc, notify__ends_are_told_where_somebody_waits);
	tcase_add_test(tc, notify__said_again_while_somebody_waits);
	tcase_add_test(tc, notify__no_longer_when_nobody_waits);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
