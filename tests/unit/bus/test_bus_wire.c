/* SPDX-License-Identifier: Apache-2.0 */
/* What comes off the wire is believed only when it is exactly ours. */
#include "bus/bus_wire.h"

#include <check.h>

#include "base/base.h"

START_TEST(payload__round_trip_and_refusals)
{
	uint8_t p[BUS_PAYLOAD_BYTES + 1] = {0};
	struct pb_uuid e = pb_uuid7(), t = pb_uuid7(), e2, t2;
	int64_t d = 0;

	bus_payload_write(p, e, t, INT64_C(0x0102030405060708));
	ck_assert(bus_payload_read(p, BUS_PAYLOAD_BYTES, &e2, &t2, &d));
	ck_assert(pb_uuid_eq(e, e2) && pb_uuid_eq(t, t2) && d == INT64_C(0x0102030405060708));
	ck_assert(!bus_payload_read(p, BUS_PAYLOAD_BYTES - 1, &e2, &t2, &d));
	ck_assert(!bus_payload_read(p, BUS_PAYLOAD_BYTES + 1, &e2, &t2, &d));
	ck_assert(!bus_payload_read(p, 0, &e2, &t2, &d));
	p[32] = 0x80;
	ck_assert(!bus_payload_read(p, BUS_PAYLOAD_BYTES, &e2, &t2, &d));
	bus_payload_write(p, PB_UUID_NIL, t, 1);
	ck_assert(!bus_payload_read(p, BUS_PAYLOAD_BYTES, &e2, &t2, &d));
}
END_TEST

static const struct {
	const char *reply;
	uint64_t delivered;
} replies[] = {
	{"$JS.ACK.EXEC.workers.1.10.5.1700000000000000000.0", 1},
	{"$JS.ACK.EXEC.workers.37.10.5.1700000000000000000.9", 37},
	{"$JS.ACK.dom.acchash.EXEC.workers.2.10.5.1700000000000000000.0.tok", 2},
	{"$JS.ACK.EXEC.workers.x.10.5.1.0", 0},
	{"$JS.ACK.EXEC.workers.1", 0},
	{"$JS.ACK.........", 0},
	{"_INBOX.a.b", 0},
	{"", 0},
	{NULL, 0},
};

START_TEST(reply__delivered)
{
	ck_assert_uint_eq(bus_reply_delivered(replies[_i].reply), replies[_i].delivered);
}
END_TEST

static const struct {
	const char *json;
	bool ok;
} acks[] = {
	{"{\"stream\":\"EXEC\",\"seq\":1}", true},
	{"{\"stream\":\"EXEC\",\"seq\":7,\"duplicate\":true,\"domain\":\"x\"}", true},
	{"{\"error\":{\"code\":503,\"description\":\"x\"},\"stream\":\"EXEC\",\"seq\":0}", false},
	{"{\"error\":{\"code\":503},\"seq\":5}", false},
	{"{\"stream\":\"EXEC\",\"seq\":0}", false},
	{"{\"stream\":\"EXEC\"}", false},
	{"", false},
	{"+OK", false},
	{"[1]", false},
	{"{\"seq\":1", false},
};

START_TEST(puback__ok)
{
	ck_assert_int_eq(bus_puback_ok(acks[_i].json, strlen(acks[_i].json)), acks[_i].ok);
}
END_TEST

START_TEST(token__round_trip_and_refusals)
{
	char s[64];
	uint32_t a = 0, b = 0;

	ck_assert(bus_token_write(s, sizeof(s), "_INBOX.x", 0xdeadbeef, 7));
	ck_assert_str_eq(s, "_INBOX.x.deadbeef.00000007");
	ck_assert(bus_token_read(s, "_INBOX.x", &a, &b));
	ck_assert(a == 0xdeadbeef && b == 7);
	ck_assert(!bus_token_read(s, "_INBOX.y", &a, &b));
	ck_assert(!bus_token_read("_INBOX.x.deadbeef.0000000", "_INBOX.x", &a, &b));
	ck_assert(!bus_token_read("_INBOX.x.deadbeef.0000000g", "_INBOX.x", &a, &b));
	ck_assert(!bus_token_read("_INBOX.x", "_INBOX.x", &a, &b));
}
END_TEST

START_TEST(partition__is_spread_and_stable)
{
	unsigned seen[BUS_PARTITIONS] = {0};

	for (int i = 0; i < 6400; i++) {
		struct pb_uuid id = pb_uuid7();
		unsigned p = bus_partition(id);

		ck_assert_uint_lt(p, BUS_PARTITIONS);
		ck_assert_uint_eq(p, bus_partition(id));
		seen[p]++;
	}
	for (size_t i = 0; i < BUS_PARTITIONS; i++)
		ck_assert_uint_gt(seen[i], 40);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bus_wire");
	TCase *tc = tcase_create("wire");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, payload__round_trip_and_refusals);
	tcase_add_loop_test(tc, reply__delivered, 0, PB_ARRAY_LEN(replies));
	tcase_add_loop_test(tc, puback__ok, 0, PB_ARRAY_LEN(acks));
	tcase_add_test(tc, token__round_trip_and_refusals);
	tcase_add_test(tc, partition__is_spread_and_stable);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
