/* SPDX-License-Identifier: Apache-2.0 */
/* core/connector/connector_effect.c: every combination that decides whether a step may be repeated. */
#include "connector/connector_private.h"

#include <check.h>
#include "base/base.h"

#define NONE  CONNECTOR_EFFECT_NONE
#define MAYBE CONNECTOR_EFFECT_MAYBE
#define DONE  CONNECTOR_EFFECT_DONE

static const struct {
	enum connector_status status;
	uint32_t claim;
	bool died;
	enum egress_sent sent;
	bool unanswered;
	enum connector_effect effect;
} table[] = {
	/* nothing or safe requests only: none, whatever is claimed */
	{CONNECTOR_OK, 0, false, EGRESS_SENT_NOTHING, false, NONE},
	{CONNECTOR_OK, 0, false, EGRESS_SENT_SAFE, false, NONE},
	{CONNECTOR_PERMANENT, IPC_EFFECT_DONE, false, EGRESS_SENT_NOTHING, false, NONE},
	{CONNECTOR_TRANSIENT, IPC_EFFECT_MAYBE, false, EGRESS_SENT_SAFE, true, NONE},
	{CONNECTOR_CRASHED, 0, true, EGRESS_SENT_SAFE, false, NONE},
	{CONNECTOR_TIMEOUT, 0, true, EGRESS_SENT_NOTHING, false, NONE},
	/* success with an unsafe request */
	{CONNECTOR_OK, 0, false, EGRESS_SENT_MAYBE, false, DONE},
	/* answered: the connector knows */
	{CONNECTOR_RATE_LIMITED, IPC_EFFECT_NONE, false, EGRESS_SENT_MAYBE, false, NONE},
	{CONNECTOR_TRANSIENT, IPC_EFFECT_MAYBE, false, EGRESS_SENT_MAYBE, false, MAYBE},
	{CONNECTOR_PERMANENT, IPC_EFFECT_DONE, false, EGRESS_SENT_MAYBE, false, DONE},
	{CONNECTOR_PERMANENT, 77, false, EGRESS_SENT_MAYBE, false, MAYBE},
	/* unanswered: not believed when it says none */
	{CONNECTOR_TRANSIENT, IPC_EFFECT_NONE, false, EGRESS_SENT_MAYBE, true, MAYBE},
	{CONNECTOR_TRANSIENT, IPC_EFFECT_DONE, false, EGRESS_SENT_MAYBE, true, DONE},
	/* nobody there to say anything */
	{CONNECTOR_CRASHED, IPC_EFFECT_NONE, true, EGRESS_SENT_MAYBE, false, MAYBE},
	{CONNECTOR_TIMEOUT, IPC_EFFECT_NONE, false, EGRESS_SENT_MAYBE, false, MAYBE},
	{CONNECTOR_CANCELLED, IPC_EFFECT_NONE, false, EGRESS_SENT_MAYBE, false, MAYBE},
	{CONNECTOR_UNAVAILABLE, IPC_EFFECT_NONE, false, EGRESS_SENT_MAYBE, false, MAYBE},
};

START_TEST(effect_of__each_combination)
{
	const struct connector_outcome out = {
		.status = table[_i].status, .claim = table[_i].claim, .died = table[_i].died};

	ck_assert_int_eq(connector_effect_of(&out, table[_i].sent, table[_i].unanswered),
			 table[_i].effect);
}
END_TEST

START_TEST(names__are_those_of_the_wire)
{
	for (uint32_t i = IPC_OK; i < IPC_STATUS_COUNT; i++)
		ck_assert_str_eq(connector_status_name((enum connector_status)i),
				 ipc_status_name(i));
	ck_assert_str_eq(connector_status_code(CONNECTOR_QUARANTINED), "connector.quarantined");
	ck_assert_str_eq(connector_effect_name(MAYBE), "maybe");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("connector_effect");
	TCase *tc = tcase_create("effect");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, effect_of__each_combination, 0, (int)PB_ARRAY_LEN(table));
	tcase_add_test(tc, names__are_those_of_the_wire);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
