/* SPDX-License-Identifier: Apache-2.0 */
/* core/model/status.c; and the stored numbers, which must never move. */
#include "model/status.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

#define CHECK_SET(set, count)                                                                      \
	START_TEST(set##__names_there_and_back)                                                    \
	{                                                                                          \
		for (unsigned i = 0; i < (count); i++) {                                           \
			const char *name = model_##set##_name((enum model_##set)i);                \
			enum model_##set back = (enum model_##set)((count) + 7);                   \
                                                                                                   \
			ck_assert_str_ne(name, "unknown");                                         \
			ck_assert(model_##set##_parse(name, &back));                               \
			ck_assert_uint_eq((unsigned)back, i);                                      \
		}                                                                                  \
		ck_assert_str_eq(model_##set##_name((enum model_##set)(count)), "unknown");        \
		ck_assert_str_eq(model_##set##_name((enum model_##set) - 1), "unknown");           \
		enum model_##set v = (enum model_##set)1;                                          \
		ck_assert(!model_##set##_parse("unknown", &v));                                    \
		ck_assert(!model_##set##_parse("", &v));                                           \
		ck_assert(!model_##set##_parse(NULL, &v));                                         \
		ck_assert_uint_eq((unsigned)v, 1);                                                 \
	}                                                                                          \
	END_TEST

CHECK_SET(execution_status, MODEL_EXECUTION_STATUS_COUNT)
CHECK_SET(wait_reason, MODEL_WAIT_REASON_COUNT)
CHECK_SET(step_status, MODEL_STEP_STATUS_COUNT)
CHECK_SET(effect, MODEL_EFFECT_COUNT)
CHECK_SET(error_class, MODEL_ERROR_CLASS_COUNT)

START_TEST(numbers__are_as_stored)
{
	static const char *const executions[] = {"queued",    "running", "waiting",
						 "succeeded", "failed",  "cancelled"};
	static const char *const reasons[] = {"none",         "timer",   "callback",
					      "approval",     "retry",   "connector_disabled",
					      "rate_limited", "decision"};
	static const char *const steps[] = {"pending", "running",   "retrying",
					    "waiting", "succeeded", "failed",
					    "skipped", "cancelled", "outcome_unknown"};
	static const char *const errors[] = {"ok",          "invalid_input", "auth_expired",
					     "auth_denied", "rate_limited",  "transient",
					     "permanent",   "cancelled",     "unsupported",
					     "internal",    "timeout",       "crashed"};

	for (unsigned i = 0; i < PB_ARRAY_LEN(executions); i++)
		ck_assert_str_eq(model_execution_status_name((enum model_execution_status)i),
				 executions[i]);
	for (unsigned i = 0; i < PB_ARRAY_LEN(reasons); i++)
		ck_assert_str_eq(model_wait_reason_name((enum model_wait_reason)i), reasons[i]);
	for (unsigned i = 0; i < PB_ARRAY_LEN(steps); i++)
		ck_assert_str_eq(model_step_status_name((enum model_step_status)i), steps[i]);
	for (unsigned i = 0; i < PB_ARRAY_LEN(errors); i++)
		ck_assert_str_eq(model_error_class_name((enum model_error_class)i), errors[i]);
}
END_TEST

START_TEST(final__is_final)
{
	ck_assert(!model_execution_status_is_final(MODEL_EXECUTION_QUEUED));
	ck_assert(!model_execution_status_is_final(MODEL_EXECUTION_RUNNING));
	ck_assert(!model_execution_status_is_final(MODEL_EXECUTION_WAITING));
	ck_assert(model_execution_status_is_final(MODEL_EXECUTION_SUCCEEDED));
	ck_assert(model_execution_status_is_final(MODEL_EXECUTION_FAILED));
	ck_assert(model_execution_status_is_final(MODEL_EXECUTION_CANCELLED));
	for (unsigned i = MODEL_STEP_PENDING; i <= MODEL_STEP_WAITING; i++)
		ck_assert(!model_step_status_is_final((enum model_step_status)i));
	for (unsigned i = MODEL_STEP_SUCCEEDED; i <= MODEL_STEP_CANCELLED; i++)
		ck_assert(model_step_status_is_final((enum model_step_status)i));
	ck_assert(!model_step_status_is_final(MODEL_STEP_OUTCOME_UNKNOWN));
}
END_TEST

START_TEST(retryable__closed_set)
{
	static const bool want[MODEL_ERROR_CLASS_COUNT] = {
		[MODEL_ERROR_AUTH_EXPIRED] = true, [MODEL_ERROR_RATE_LIMITED] = true,
		[MODEL_ERROR_TRANSIENT] = true,    [MODEL_ERROR_TIMEOUT] = true,
		[MODEL_ERROR_CRASHED] = true,
	};

	for (unsigned i = 0; i < MODEL_ERROR_CLASS_COUNT; i++)
		ck_assert_int_eq(model_error_class_is_retryable((enum model_error_class)i),
				 want[i]);
	ck_assert(!model_error_class_is_retryable((enum model_error_class)99));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("status");
	TCase *tc = tcase_create("status");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, execution_status__names_there_and_back);
	tcase_add_test(tc, wait_reason__names_there_and_back);
	tcase_add_test(tc, step_status__names_there_and_back);
	tcase_add_test(tc, effect__names_there_and_back);
	tcase_add_test(tc, error_class__names_there_and_back);
	tcase_add_test(tc, numbers__are_as_stored);
	tcase_add_test(tc, final__is_final);
	tcase_add_test(tc, retryable__closed_set);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
