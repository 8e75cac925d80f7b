/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine's rules one by one; whole schedules are the simulator's (tests/sim). */
#include "engine/engine_core.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 4

static struct engine_core_step_plan step_plans[STEPS];
static struct engine_core_edge edges[8];
static uint16_t first_edge[STEPS + 1];
static struct engine_core_plan plan;
static struct engine_core_step steps[STEPS];
static struct engine_core core;
static struct engine_core_cmds cmds;
static int64_t now_us;

/* trigger -> 0 -> 1 -> ... -> n-1, all actions with @attempts */
static void make_chain(uint16_t n, uint16_t attempts)
{
	for (uint16_t i = 0; i < n; i++) {
		step_plans[i] = (struct engine_core_step_plan){.is_action = true,
							       .retry = {.max_attempts = attempts,
									 .initial_us = 1000000,
									 .max_us = 8000000}};
		edges[i] =
			(struct engine_core_edge){(int16_t)(i - 1), (int16_t)i, ENGINE_PORT_DONE};
		first_edge[i] = i;
	}
	first_edge[n] = n;
	plan = (struct engine_core_plan){.n_steps = n,
					 .n_edges = n,
					 .steps = step_plans,
					 .edges = edges,
					 .first_edge = first_edge};
	engine_core_init(&core, &plan, steps);
	now_us = 1000000000;
}

static void feed(struct engine_core_event ev)
{
	ev.now_us = now_us;
	cmds.n = 0;
	engine_core_event(&core, &ev, &cmds);
	engine_core_assert_sane(&core);
}

static void feed_kind(enum engine_core_event_kind kind, uint16_t step)
{
	feed((struct engine_core_event){.kind = kind, .step = step});
}

static void feed_prepared(uint16_t step, bool repeatable)
{
	feed((struct engine_core_event){
		.kind = ENGINE_EV_PREPARED, .step = step, .repeatable = repeatable});
}

static void feed_failed(uint16_t step, enum model_error_class cls, enum model_effect effect)
{
	feed((struct engine_core_event){
		.kind = ENGINE_EV_STEP_FAILED, .step = step, .error_class = cls, .effect = effect});
}

#define assert_one_cmd(k, s)                                                                       \
	do {                                                                                       \
		ck_assert_uint_eq(cmds.n, 1);                                                      \
		ck_assert_int_eq(cmds.v[0].kind, k);                                               \
		ck_assert_uint_eq(cmds.v[0].step, s);                                              \
	} while (0)

static void start_repeatable_call(void)
{
	feed_kind(ENGINE_EV_START, 0);
	assert_one_cmd(ENGINE_CMD_PREPARE, 0);
	feed_prepared(0, true);
	assert_one_cmd(ENGINE_CMD_CALL, 0);
}

static void start_intended_call(void)
{
	feed_kind(ENGINE_EV_START, 0);
	feed_prepared(0, false);
	assert_one_cmd(ENGINE_CMD_CHECKPOINT, 0);
	ck_assert(steps[0].written);
	ck_assert_int_eq(steps[0].row.status, MODEL_STEP_RUNNING);
	feed_kind(ENGINE_EV_COMMITTED, 0);
	assert_one_cmd(ENGINE_CMD_CALL, 0);
}

START_TEST(start__repeatable_call_leaves_without_a_commit)
{
	make_chain(1, 1);
	start_repeatable_call();
}
END_TEST

START_TEST(start__unrepeatable_call_waits_for_its_intent)
{
	make_chain(1, 1);
	start_intended_call();
}
END_TEST

START_TEST(start__workflow_without_steps_finishes)
{
	make_chain(0, 1);
	feed_kind(ENGINE_EV_START, 0);
	ck_assert_uint_eq(cmds.n, 1);
	ck_assert_int_eq(cmds.v[0].kind, ENGINE_CMD_FINISH);
	ck_assert_int_eq(cmds.v[0].status, MODEL_EXECUTION_SUCCEEDED);
}
END_TEST

START_TEST(result__is_committed_before_the_next_call)
{
	make_chain(2, 1);
	start_repeatable_call();
	feed_kind(ENGINE_EV_STEP_OK, 0);
	ck_assert_uint_eq(cmds.n, 2);
	ck_assert_int_eq(cmds.v[0].kind, ENGINE_CMD_PREPARE);
	ck_assert_int_eq(cmds.v[1].kind, ENGINE_CMD_CHECKPOINT);
	feed_prepared(1, true);
	ck_assert_uint_eq(cmds.n, 0);
	feed_kind(ENGINE_EV_COMMITTED, 0);
	assert_one_cmd(ENGINE_CMD_CALL, 1);
}
END_TEST

START_TEST(finish__carries_the_last_result_and_ends_with_its_commit)
{
	make_chain(1, 1);
	start_repeatable_call();
	feed_kind(ENGINE_EV_STEP_OK, 0);
	assert_one_cmd(ENGINE_CMD_FINISH, 0);
	ck_assert(steps[0].written);
	ck_assert(!engine_core_is_over(&core));
	feed_kind(ENGINE_EV_COMMITTED, 0);
	ck_assert(engine_core_is_over(&core));
}
END_TEST

START_TEST(failed__retries_after_backoff_then_fails)
{
	make_chain(1, 2);
	start_repeatable_call();
	feed_failed(0, MODEL_ERROR_TRANSIENT, MODEL_EFFECT_MAYBE);
	ck_assert_int_eq(steps[0].row.status, MODEL_STEP_RETRYING);
	ck_assert_int_eq(steps[0].row.next_attempt_us, now_us + 1000000);
	ck_assert_uint_eq(cmds.n, 2); /* timer, and the attempt is recorded */
	ck_assert_int_eq(cmds.v[0].kind, ENGINE_CMD_TIMER);
	feed_kind(ENGINE_EV_COMMITTED, 0);
	now_us += 1000000;
	feed_kind(ENGINE_EV_TIMER, 0);
	assert_one_cmd(ENGINE_CMD_CALL, 0);
	ck_assert_uint_eq(cmds.v[0].attempt, 2);
	feed_failed(0, MODEL_ERROR_TRANSIENT, MODEL_EFFECT_NONE);
	assert_one_cmd(ENGINE_CMD_FINISH, 0);
	ck_assert_int_eq(cmds.v[0].status, MODEL_EXECUTION_FAILED);
	ck_assert_int_eq(cmds.v[0].failed_step, 0);
}
END_TEST

START_TEST(failed__long_wait_parks_and_gives_up_the_lease)
{
	make_chain(1, 3);
	step_plans[0].retry.initial_us = 60000000;
	step_plans[0].retry.max_us = 60000000;
	start_repeatable_call();
	feed_failed(0, MODEL_ERROR_RATE_LIMITED, MODEL_EFFECT_NONE);
	assert_one_cmd(ENGINE_CMD_PARK, 0);
	ck_assert_int_eq(cmds.v[0].wait_reason, MODEL_WAIT_RATE_LIMITED);
	ck_assert_int_eq(cmds.v[0].at_us, now_us + 60000000);
	feed_kind(ENGINE_EV_COMMITTED, 0);
	ck_assert(engine_core_is_over(&core));
}
END_TEST

START_TEST(failed__permanent_error_is_not_retried)
{
	make_chain(1, 5);
	start_repeatable_call();
	feed_failed(0, MODEL_ERROR_PERMANENT, MODEL_EFFECT_NONE);
	assert_one_cmd(ENGINE_CMD_FINISH, 0);
}
END_TEST

START_TEST(failed__unknown_effect_of_unrepeatable_call_waits_for_a_decision)
{
	make_chain(1, 5);
	start_intended_call();
	feed_failed(0, MODEL_ERROR_TRANSIENT, MODEL_EFFECT_MAYBE);
	assert_one_cmd(ENGINE_CMD_PARK, 0);
	ck_assert_int_eq(cmds.v[0].wait_reason, MODEL_WAIT_DECISION);
	ck_assert_int_eq(cmds.v[0].at_us, 0);
	ck_assert_int_eq(steps[0].row.status, MODEL_STEP_OUTCOME_UNKNOWN);
}
END_TEST

START_TEST(failed__without_effect_unrepeatable_call_is_retried_with_a_new_intent)
{
	make_chain(1, 2);
	start_intended_call();
	feed_failed(0, MODEL_ERROR_TRANSIENT, MODEL_EFFECT_NONE);
	feed_kind(ENGINE_EV_COMMITTED, 0);
	now_us += 1000000;
	feed_kind(ENGINE_EV_TIMER, 0);
	assert_one_cmd(ENGINE_CMD_CHECKPOINT, 0);
	feed_kind(ENGINE_EV_COMMITTED, 0);
	assert_one_cmd(ENGINE_CMD_CALL, 0);
}
END_TEST

START_TEST(failed__lost_runner_repeats_at_once_and_charges_nothing)
{
	make_chain(1, 1);
	start_intended_call();
	feed((struct engine_core_event){.kind = ENGINE_EV_STEP_FAILED,
					.error_class = MODEL_ERROR_CRASHED,
					.uncharged = true});
	assert_one_cmd(ENGINE_CMD_CALL, 0);
	ck_assert_uint_eq(cmds.v[0].attempt, 1);
	ck_assert_uint_eq(steps[0].row.lost, 1);
}
END_TEST

START_TEST(failed__disabled_connector_parks_and_looks_again)
{
	make_chain(1, 1);
	start_repeatable_call();
	feed((struct engine_core_event){.kind = ENGINE_EV_STEP_FAILED,
					.wait = MODEL_WAIT_CONNECTOR_DISABLED});
	assert_one_cmd(ENGINE_CMD_PARK, 0);
	ck_assert_int_eq(cmds.v[0].wait_reason, MODEL_WAIT_CONNECTOR_DISABLED);
	ck_assert_uint_eq(steps[0].row.attempts, 0);
}
END_TEST

START_TEST(failed__error_edge_and_continue_handle_it)
{
	make_chain(2, 1);
	step_plans[0].has_error_edge = true;
	edges[1].port = ENGINE_PORT_ERROR;
	start_repeatable_call();
	feed_failed(0, MODEL_ERROR_PERMANENT, MODEL_EFFECT_NONE);
	ck_assert_int_eq(cmds.v[0].kind, ENGINE_CMD_PREPARE);
	ck_assert_uint_eq(cmds.v[0].step, 1);
}
END_TEST

START_TEST(edges__unfired_port_skips_what_follows)
{
	make_chain(3, 1);
	edges[1].port = ENGINE_PORT_ERROR;
	step_plans[0].has_error_edge = true;
	start_repeatable_call();
	feed_kind(ENGINE_EV_STEP_OK, 0);
	assert_one_cmd(ENGINE_CMD_FINISH, 0);
	ck_assert_int_eq(cmds.v[0].status, MODEL_EXECUTION_SUCCEEDED);
	ck_assert_int_eq(steps[1].row.status, MODEL_STEP_SKIPPED);
	ck_assert_int_eq(steps[2].row.status, MODEL_STEP_SKIPPED);
}
END_TEST

START_TEST(restore__intent_without_result_becomes_outcome_unknown)
{
	make_chain(1, 1);
	engine_core_restore_step(&core, 0,
				 &(struct engine_core_row){.status = MODEL_STEP_RUNNING,
							   .port = ENGINE_PORT_NONE,
							   .attempts = 1});
	feed_kind(ENGINE_EV_START, 0);
	assert_one_cmd(ENGINE_CMD_PARK, 0);
	ck_assert_int_eq(cmds.v[0].wait_reason, MODEL_WAIT_DECISION);
}
END_TEST

START_TEST(restore__finished_step_is_never_started_again)
{
	make_chain(2, 1);
	engine_core_restore_step(&core, 0,
				 &(struct engine_core_row){.status = MODEL_STEP_SUCCEEDED,
							   .port = ENGINE_PORT_DONE,
							   .attempts = 1});
	feed_kind(ENGINE_EV_START, 0);
	assert_one_cmd(ENGINE_CMD_PREPARE, 1);
}
END_TEST

static void decide(enum engine_decision decision)
{
	make_chain(1, 1);
	engine_core_restore_step(&core, 0,
				 &(struct engine_core_row){.status = MODEL_STEP_RUNNING,
							   .port = ENGINE_PORT_NONE,
							   .attempts = 1});
	feed((struct engine_core_event){.kind = ENGINE_EV_DECISION, .decision = decision});
	feed_kind(ENGINE_EV_START, 0);
}

START_TEST(decision__before_the_start_is_obeyed)
{
	decide(ENGINE_DECISION_MARK_SUCCEEDED);
	ck_assert_int_eq(cmds.v[0].status, MODEL_EXECUTION_SUCCEEDED);
	decide(ENGINE_DECISION_FAIL);
	ck_assert_int_eq(cmds.v[0].status, MODEL_EXECUTION_FAILED);
	decide(ENGINE_DECISION_RETRY);
	ck_assert_int_eq(cmds.v[0].kind, ENGINE_CMD_PREPARE);
	ck_assert_uint_eq(steps[0].row.attempts, 2);
}
END_TEST

START_TEST(cancel__running_call_is_asked_once_and_awaited)
{
	make_chain(2, 1);
	start_repeatable_call();
	feed_kind(ENGINE_EV_CANCEL, 0);
	ck_assert_int_eq(cmds.v[0].kind, ENGINE_CMD_CANCEL_CALL);
	feed_kind(ENGINE_EV_CANCEL, 0);
	for (uint16_t i = 0; i < cmds.n; i++)
		ck_assert_int_ne(cmds.v[i].kind, ENGINE_CMD_CANCEL_CALL);
	feed_failed(0, MODEL_ERROR_CANCELLED, MODEL_EFFECT_NONE);
	ck_assert_int_eq(steps[0].row.status, MODEL_STEP_CANCELLED);
	ck_assert_int_eq(steps[1].row.status, MODEL_STEP_CANCELLED);
}
END_TEST

START_TEST(cancel__that_comes_after_the_last_result_changes_nothing)
{
	make_chain(1, 1);
	start_repeatable_call();
	feed_kind(ENGINE_EV_STEP_OK, 0);
	ck_assert_int_eq(cmds.v[0].status, MODEL_EXECUTION_SUCCEEDED);
	feed_kind(ENGINE_EV_CANCEL, 0);
	ck_assert_uint_eq(cmds.n, 0);
}
END_TEST

START_TEST(fenced__ends_without_a_command)
{
	make_chain(1, 1);
	start_repeatable_call();
	feed_kind(ENGINE_EV_FENCED, 0);
	ck_assert_uint_eq(cmds.n, 0);
	ck_assert(engine_core_is_over(&core));
	feed_kind(ENGINE_EV_STEP_OK, 0);
	ck_assert_uint_eq(cmds.n, 0);
}
END_TEST

START_TEST(lease_lost__holds_the_call_until_a_renewal)
{
	make_chain(1, 1);
	feed_kind(ENGINE_EV_START, 0);
	feed((struct engine_core_event){
		.kind = ENGINE_EV_PREPARED, .repeatable = true, .lease_lost = true});
	ck_assert_uint_eq(cmds.n, 0);
	ck_assert(!engine_core_is_over(&core));
	feed_kind(ENGINE_EV_RENEWED, 0);
	ck_assert_uint_eq(cmds.n, 1);
	ck_assert_int_eq(cmds.v[0].kind, ENGINE_CMD_CALL);
}
END_TEST

START_TEST(keep__result_of_another_execution_is_written_and_not_repeated)
{
	make_chain(2, 1);
	engine_core_keep_step(&core, 0,
			      &(struct engine_core_row){.status = MODEL_STEP_SUCCEEDED,
							.port = ENGINE_PORT_DONE,
							.attempts = 1});
	feed_kind(ENGINE_EV_START, 0);
	ck_assert_int_eq(cmds.v[0].kind, ENGINE_CMD_PREPARE);
	ck_assert_uint_eq(cmds.v[0].step, 1);
	ck_assert_int_eq(cmds.v[1].kind, ENGINE_CMD_CHECKPOINT);
	ck_assert(steps[0].written);
}
END_TEST

static const struct {
	uint16_t attempt;
	int64_t retry_after_us, want_us;
} backoffs[] = {
	{2, 0, 1000000}, {3, 0, 2000000},  {4, 0, 4000000},       {5, 0, 8000000},
	{6, 0, 8000000}, {60, 0, 8000000}, {2, 3000000, 3000000}, {5, 3000000, 8000000},
};

START_TEST(backoff__doubles_to_the_ceiling_and_respects_retry_after)
{
	struct engine_core_retry r = {.initial_us = 1000000, .max_us = 8000000};

	ck_assert_int_eq(
		engine_core_backoff_us(&r, backoffs[_i].attempt, backoffs[_i].retry_after_us, 7),
		backoffs[_i].want_us);
	r.jitter = true;
	for (uint64_t rnd = 0; rnd < 1000; rnd++) {
		int64_t w = engine_core_backoff_us(&r, backoffs[_i].attempt, 0, rnd * 7919);

		ck_assert_int_ge(w, 500000);
		ck_assert_int_le(w, 8000000);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_core");
	TCase *tc = tcase_create("rules");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, start__repeatable_call_leaves_without_a_commit);
	tcase_add_test(tc, start__unrepeatable_call_waits_for_its_intent);
	tcase_add_test(tc, start__workflow_without_steps_finishes);
	tcase_add_test(tc, result__is_committed_before_the_next_call);
	tcase_add_test(tc, finish__carries_the_last_result_and_ends_with_its_commit);
	tcase_add_test(tc, failed__retries_after_backoff_then_fails);
	tcase_add_test(tc, failed__long_wait_parks_and_gives_up_the_lease);
	tcase_add_test(tc, failed__permanent_error_is_not_retried);
	tcase_add_test(tc, failed__unknown_effect_of_unrepeatable_call_waits_for_a_decision);
	tcase_add_test(tc, failed__without_effect_unrepeatable_call_is_retried_with_a_new_intent);
	tcase_add_test(tc, failed__lost_runner_repeats_at_once_and_charges_nothing);
	tcase_add_test(tc, failed__disabled_connector_parks_and_looks_again);
	tcase_add_test(tc, failed__error_edge_and_continue_handle_it);
	tcase_add_test(tc, edges__unfired_port_skips_what_follows);
	tcase_add_test(tc, restore__intent_without_result_becomes_outcome_unknown);
	tcase_add_test(tc, restore__finished_step_is_never_started_again);
	tcase_add_test(tc, decision__before_the_start_is_obeyed);
	tcase_add_test(tc, cancel__running_call_is_asked_once_and_awaited);
	tcase_add_test(tc, cancel__that_comes_after_the_last_result_changes_nothing);
	tcase_add_test(tc, fenced__ends_without_a_command);
	tcase_add_test(tc, lease_lost__holds_the_call_until_a_renewal);
	tcase_add_test(tc, keep__result_of_another_execution_is_written_and_not_repeated);
	tcase_add_loop_test(tc, backoff__doubles_to_the_ceiling_and_respects_retry_after, 0,
			    (int)(sizeof(backoffs) / sizeof(backoffs[0])));
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
