/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls in a real runner with the misbehaving connector: answers, cancelling, and every accident and attack
 * of which one process can die or must not.
 */
#include "support/runner_peer.h"
#include "support/check_main.h"

static struct peer peer;

static void setup_peer(void)
{
	peer_start(&peer, "odd");
}

static void teardown_peer(void)
{
	peer_done(&peer);
}

START_TEST(call__echoes_its_parameters)
{
	const struct peer_end end = peer_run(&peer, "action:echo", "{\"a\":[1,2.50,\"\xc3\xa4\"]}");

	ck_assert(end.ok);
	ck_assert_str_eq(end.output, "{\"a\":[1,2.50,\"\xc3\xa4\"]}");
}
END_TEST

START_TEST(call__of_an_unknown_operation_is_unsupported)
{
	const struct peer_end end = peer_run(&peer, "action:nothing", "{}");

	ck_assert(!end.ok);
	ck_assert_uint_eq(end.fail.status, IPC_UNSUPPORTED);
	ck_assert_uint_eq(end.fail.effect, IPC_EFFECT_NONE);
}
END_TEST

START_TEST(call__passes_on_how_it_failed)
{
	const struct peer_end end = peer_run(
		&peer, "action:fail",
		"{\"status\":4,\"effect\":2,\"retry_after_ms\":1500,\"message\":\"later\"}");

	ck_assert(!end.ok);
	ck_assert_uint_eq(end.fail.status, IPC_RATE_LIMITED);
	ck_assert_uint_eq(end.fail.effect, IPC_EFFECT_DONE);
	ck_assert_int_eq(end.fail.retry_after_ms, 1500);
	ck_assert_str_eq(end.fail.code, "odd.asked");
	ck_assert_str_eq(end.fail.message, "later");
	ck_assert_str_eq(end.fail.pointer, "/status");
}
END_TEST

START_TEST(call__unknown_status_is_permanent)
{
	ck_assert_uint_eq(peer_run(&peer, "action:fail", "{\"status\":77}").fail.status,
			  IPC_PERMANENT);
}
END_TEST

START_TEST(key__is_stable_and_depends_on_the_purpose)
{
	const struct peer_end a = peer_run(&peer, "action:key", "{\"purpose\":\"charge\"}");
	const struct peer_end b = peer_run(&peer, "action:key", "{\"purpose\":\"charge\"}");
	const struct peer_end c = peer_run(&peer, "action:key", "{\"purpose\":\"receipt\"}");

	ck_assert(a.ok && b.ok && c.ok);
	ck_assert_str_eq(a.output, b.output);
	ck_assert_str_ne(a.output, c.output);
	/* HMAC-SHA256("base-key", "patchbay-idempotency-1\0charge"), computed with OpenSSL */
	ck_assert_str_eq(a.output, "{\"key\":\"QzGjYnI2xzVmkTI0ANBZsIr4O1n5q5GQ5_NKn8-C5Tk\"}");
}
END_TEST

START_TEST(cancel__reaches_a_running_call)
{
	/* far longer than peer_wait() waits */
	const uint64_t id = peer_call_for(&peer, "action:slow", "{\"ms\":600000}", 600000);

	ck_assert_int_eq(ipc_chan_send(peer.chan, IPC_CANCEL, id, 0, pb_slice(NULL, 0), NULL),
			 PB_OK);
	ck_assert_uint_eq(peer_wait(&peer, id, NULL, NULL).fail.status, IPC_CANCELLED);
}
END_TEST

START_TEST(cancel__ends_a_waiting_question)
{
	const uint64_t id = peer_call_for(&peer, "action:reveal", "{}", 60000);
	struct ipc_frame f;

	ck_assert_int_eq(peer_next(&peer, &f, PEER_WAIT_US), IPC_IO_FRAME);
	ck_assert_int_eq(f.head.type, IPC_SECRET_GET);
	ck_assert_int_eq(ipc_chan_send(peer.chan, IPC_CANCEL, id, 0, pb_slice(NULL, 0), NULL),
			 PB_OK);
	ck_assert_uint_eq(peer_wait(&peer, id, NULL, NULL).fail.status, IPC_CANCELLED);
}
END_TEST

/* On a busy machine the deadline may come before the question: then with a later one. */
START_TEST(deadline__ends_a_waiting_question)
{
	struct ipc_frame f = {0};

	for (int64_t ms = 150; f.head.type != IPC_SECRET_GET; ms *= 4) {
		ck_assert_int_lt(ms, 20000);
		(void)peer_call_for(&peer, "action:reveal", "{}", ms);
		ck_assert_int_eq(peer_next(&peer, &f, PEER_WAIT_US), IPC_IO_FRAME);
		if (f.head.type != IPC_SECRET_GET)
			ck_assert_uint_eq(peer_ended(&peer, &f).fail.status, IPC_CANCELLED);
	}
	ck_assert_uint_eq(peer_wait(&peer, peer.last_call, NULL, NULL).fail.status, IPC_CANCELLED);
}
END_TEST

START_TEST(secret__comes_by_question_and_answer)
{
	const uint64_t id = peer_call(&peer, "action:reveal", "{\"field\":\"token\"}");
	struct ipc_value value = {.found = true, .body = PB_SLICE("s3cret")};
	pb_auto_buf b = PB_BUF_INIT;
	struct ipc_secret_get get;
	struct peer_end end;
	struct ipc_frame f;
	size_t logs = 0;

	ck_assert_int_eq(peer_next(&peer, &f, PEER_WAIT_US), IPC_IO_FRAME);
	ck_assert_int_eq(f.head.type, IPC_SECRET_GET);
	ck_assert_int_eq(ipc_decode_secret_get(&peer.arena, peer_payload(&f), &get, NULL), PB_OK);
	ck_assert_str_eq(get.field, "token");
	ck_assert(ipc_encode_value(&b, &value));
	peer_answer(&peer, &f, IPC_VALUE, &b);
	end = peer_wait(&peer, id, &logs, NULL);
	ck_assert_str_eq(end.output, "\"s3cret\"");
	ck_assert_uint_eq(logs, 1);
}
END_TEST

START_TEST(secret__that_is_not_there_is_denied)
{
	const uint64_t id = peer_call(&peer, "action:reveal", "{}");
	const struct ipc_value value = {.found = false};
	pb_auto_buf b = PB_BUF_INIT;
	struct ipc_frame f;

	ck_assert_int_eq(peer_next(&peer, &f, PEER_WAIT_US), IPC_IO_FRAME);
	ck_assert(ipc_encode_value(&b, &value));
	peer_answer(&peer, &f, IPC_VALUE, &b);
	ck_assert_uint_eq(peer_wait(&peer, id, NULL, NULL).fail.status, IPC_AUTH_DENIED);
}
END_TEST

START_TEST(kv__repeats_after_a_lost_race)
{
	const uint64_t id = peer_call(&peer, "action:count", "{}");
	const struct ipc_value answers[] = {
		{.found = true, .revision = 5, .body = PB_SLICE("41")},
		{.status = IPC_TRANSIENT, .revision = 6, .code = "kv.conflict"},
		{.found = true, .revision = 6, .body = PB_SLICE("42")},
		{.revision = 7},
	};
	static const enum ipc_type asked[] = {IPC_KV_GET, IPC_KV_PUT, IPC_KV_GET, IPC_KV_PUT};
	struct ipc_kv_put put;
	struct ipc_frame f;

	for (size_t i = 0; i < 4; i++) {
		pb_auto_buf b = PB_BUF_INIT;

		ck_assert_int_eq(peer_next(&peer, &f, PEER_WAIT_US), IPC_IO_FRAME);
		ck_assert_int_eq(f.head.type, asked[i]);
		ck_assert(ipc_encode_value(&b, &answers[i]));
		peer_answer(&peer, &f, IPC_VALUE, &b);
	}
	ck_assert_int_eq(ipc_decode_kv_put(&peer.arena, peer_payload(&f), &put, NULL), PB_OK);
	ck_assert_uint_eq(put.revision, 6);
	ck_assert_str_eq(peer_wait(&peer, id, NULL, NULL).output, "43");
}
END_TEST

START_TEST(poll__emits_and_stages_its_cursor)
{
	const uint64_t id = peer_call(&peer, "poll:numbers", "{}");
	size_t events = 0;
	const struct peer_end end = peer_wait(&peer, id, NULL, &events);

	ck_assert(end.ok);
	ck_assert_uint_eq(events, 3);
	ck_assert_uint_eq(end.n_events, 3);
	ck_assert_str_eq(end.cursor, "3");
}
END_TEST

START_TEST(answer__for_nobody_is_dropped)
{
	const struct ipc_frame f = {.head = {.call_id = 999, .request_id = 7}};
	const struct ipc_value value = {.found = true, .body = PB_SLICE("late")};
	pb_auto_buf b = PB_BUF_INIT;

	ck_assert(ipc_encode_value(&b, &value));
	peer_answer(&peer, &f, IPC_VALUE, &b);
	ck_assert(peer_run(&peer, "action:echo", "{}").ok);
}
END_TEST

static const struct {
	const char *operation;
	int signal; /* 0: exits with 0; -1: any signal */
} deaths[] = {
	{"action:null_write", SIGSEGV},     {"action:abort", SIGABRT},
	{"action:stack_overflow", SIGSEGV}, {"action:exit", 0},
	{"action:exit_mid_frame", 0},       {"action:double_free", SIGABRT},
	{"action:unknown_syscall", SIGSYS},
};

START_TEST(crash__ends_the_runner_and_nothing_else)
{
	const bool exact = !CHECK_SANITIZED; /* sanitizers catch the fault and exit with a report */
	int64_t best_us = INT64_MAX;

	/* a busy machine is late now and then, a wait for some time-out would be there each time */
	for (int i = 0; i < 10 && best_us >= PB_USEC_PER_SEC; i++) {
		const int64_t start = pb_mono_us();
		struct os_exit ended;

		(void)peer_call(&peer, deaths[_i].operation, "{}");
		ended = peer_death(&peer);
		if (exact) {
			ck_assert_int_eq(ended.signalled, deaths[_i].signal != 0);
			ck_assert_int_eq(ended.value, deaths[_i].signal);
		}
		/* the next call has a new runner */
		peer_done(&peer);
		peer_start(&peer, "odd");
		ck_assert(peer_run(&peer, "action:echo", "{}").ok);
		best_us = PB_MIN(best_us, pb_mono_us() - start);
	}
	if (exact)
		ck_assert_int_lt(best_us, PB_USEC_PER_SEC);
}
END_TEST

static const char *const endless[] = {"action:loop", "action:sleep"};

START_TEST(endless__dies_by_sigkill)
{
	const uint64_t id = peer_call_for(&peer, endless[_i], "{}", 50);
	struct os_exit ended;
	struct ipc_frame f;

	(void)id;
	ck_assert_int_eq(peer_next(&peer, &f, 300 * PB_USEC_PER_MSEC), IPC_IO_AGAIN);
	ck_assert(os_process_signal(&peer.process, SIGKILL));
	ended = peer_death(&peer);
	ck_assert(ended.signalled);
	ck_assert_int_eq(ended.value, SIGKILL);
}
END_TEST

static const char *const floods[] = {"action:malloc_flood", "action:fd_leak", "action:thread_bomb"};

START_TEST(flood__is_stopped_by_limits)
{
	struct peer_end end;

	end = peer_wait(&peer, peer_call_for(&peer, floods[_i], "{}", 60000), NULL, NULL);
	ck_assert(end.ok);
	ck_assert_str_eq(end.output, "{\"stopped\":\"yes\"}");
}
END_TEST

static const char *const attacks[] = {
	"passwd",      "environ",  "parent_memory",    "tmp_file",    "socket",   "unix_socket",
	"fork",        "exec",     "ptrace",           "kill_parent", "kill_all", "shared_memory",
	"exec_memory", "dumpable", "no_new_privs",     "priority",    "memfd",    "io_uring",
	"bpf",         "unshare",  "stray_descriptor",
};

START_TEST(attack__is_refused)
{
	char params[64];
	struct peer_end end;

	(void)snprintf(params, sizeof(params), "{\"what\":\"%s\"}", attacks[_i]);
	end = peer_run(&peer, "action:attack", params);
	ck_assert_msg(end.ok, "%s", end.fail.message);
	ck_assert_str_eq(end.output, "{\"answer\":\"refused\"}");
}
END_TEST

START_TEST(environment__has_three_harmless_names)
{
	const struct peer_end end = peer_run(&peer, "action:environment", "{}");

	ck_assert_str_eq(end.output, "[\"PATH=/usr/bin:/bin\",\"LANG=C.UTF-8\",\"TZ=UTC\"]");
}
END_TEST

static const struct {
	const char *operation;
	uint32_t status;
} bad_results[] = {
	{"action:huge_result", IPC_PERMANENT},
	{"action:deep_result", IPC_INVALID_INPUT},
	{"action:bad_utf8", IPC_INVALID_INPUT},
	{"action:nan", IPC_INVALID_INPUT},
};

START_TEST(result__that_is_bad_is_refused)
{
	const struct peer_end end = peer_run(&peer, bad_results[_i].operation, "{}");

	ck_assert(!end.ok);
	ck_assert_uint_eq(end.fail.status, bad_results[_i].status);
}
END_TEST

START_TEST(log__is_limited)
{
	const uint64_t id = peer_call_for(&peer, "action:log_flood", "{}", 60000);
	size_t logs = 0;
	const struct peer_end end = peer_wait(&peer, id, &logs, NULL);

	ck_assert_str_eq(end.output, "{\"limited\":\"yes\"}");
	ck_assert_uint_ge(logs, 50);
	ck_assert_uint_le(logs, 2000);
}
END_TEST

START_TEST(garbage__breaks_the_channel_not_the_host)
{
	enum ipc_io io;
	struct ipc_frame f;

	(void)peer_call(&peer, "action:garbage_frame", "{}");
	while ((io = peer_next(&peer, &f, PEER_WAIT_US)) == IPC_IO_FRAME)
		;
	ck_assert_int_eq(io, IPC_IO_BROKEN);
}
END_TEST

/* They end only when told to, so that all are there at once however slow the machine is. */
START_TEST(calls__two_thousand_at_once)
{
	const size_t n = PEER_CALLS_MAX;
	struct ipc_frame f;
	uint64_t extra;

	for (size_t i = 0; i < n; i++)
		(void)peer_call_for(&peer, "action:slow", "{\"ms\":600000}", 600000);
	/* one more than allowed is told so at once */
	extra = peer_call(&peer, "action:echo", "{}");
	ck_assert_uint_eq(peer_wait(&peer, extra, NULL, NULL).fail.status, IPC_TRANSIENT);
	for (uint64_t id = 1; id <= n; id++)
		ck_assert_int_eq(ipc_chan_send_wait(peer.chan, IPC_CANCEL, id, 0, pb_slice(NULL, 0),
						    pb_mono_us() + PEER_WAIT_US, NULL),
				 PB_OK);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(peer_next(&peer, &f, PEER_WAIT_US), IPC_IO_FRAME);
		ck_assert_uint_eq(peer_ended(&peer, &f).fail.status, IPC_CANCELLED);
	}
	ck_assert(peer_run(&peer, "action:echo", "{}").ok);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("runner_call");
	TCase *tc = tcase_create("calls");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup_peer, teardown_peer);
	tcase_add_test(tc, call__echoes_its_parameters);
	tcase_add_test(tc, call__of_an_unknown_operation_is_unsupported);
	tcase_add_test(tc, call__passes_on_how_it_failed);
	tcase_add_test(tc, call__unknown_status_is_permanent);
	tcase_add_test(tc, key__is_stable_and_depends_on_the_purpose);
	tcase_add_test(tc, cancel__reaches_a_running_call);
	tcase_add_test(tc, cancel__ends_a_waiting_question);
	tcase_add_test(tc, deadline__ends_a_waiting_question);
	tcase_add_test(tc, secret__comes_by_question_and_answer);
	tcase_add_test(tc, secret__that_is_not_there_is_denied);
	tcase_add_test(tc, kv__repeats_after_a_lost_race);
	tcase_add_test(tc, poll__emits_and_stages_its_cursor);
	tcase_add_test(tc, answer__for_nobody_is_dropped);
	tcase_add_loop_test(tc, crash__ends_the_runner_and_nothing_else, 0, PB_ARRAY_LEN(deaths));
	tcase_add_loop_test(tc, endless__dies_by_sigkill, 0, PB_ARRAY_LEN(endless));
	if (!CHECK_SANITIZED) /* shadow memory has no RLIMIT_DATA, see os_sandbox.h */
		tcase_add_loop_test(tc, flood__is_stopped_by_limits, 0, PB_ARRAY_LEN(floods));
	tcase_add_loop_test(tc, attack__is_refused, 0, PB_ARRAY_LEN(attacks));
	tcase_add_test(tc, environment__has_three_harmless_names);
	tcase_add_loop_test(tc, result__that_is_bad_is_refused, 0, PB_ARRAY_LEN(bad_results));
	tcase_add_test(tc, log__is_limited);
	tcase_add_test(tc, garbage__breaks_the_channel_not_the_host);
	tcase_add_test(tc, calls__two_thousand_at_once);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
