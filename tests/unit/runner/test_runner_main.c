/* SPDX-License-Identifier: Apache-2.0 */
/* The runner program as its host sees it: handshake, refusals, drain, death of the host. */
#include "support/runner_peer.h"

#include <sys/wait.h>

static struct peer peer;

START_TEST(start__says_hello_with_a_whole_sandbox)
{
	peer_start(&peer, "odd");
	ck_assert_str_eq(peer.hello.connector, "odd");
	ck_assert_uint_eq(peer.hello.protocol, 1);
	ck_assert_uint_eq(peer.hello.abi_major, 1);
	ck_assert_uint_eq(peer.hello.n_operations, peer.setup.n_operations);
	ck_assert_uint_ge(peer.hello.landlock_abi, 2);
	ck_assert_uint_ge(peer.hello.checks, 35);
	ck_assert(peer.hello.seccomp);
	ck_assert(peer.hello.no_new_privs);
	ck_assert_uint_ne(peer.hello.uid, 0);
	peer_done(&peer);
}
END_TEST

START_TEST(start__refuses_to_stay_root)
{
	if (getuid() != 0)
		return;
	peer_init(&peer, "odd");
	peer.setup.uid = 0;
	peer_spawn(&peer, NULL);
	ck_assert(!peer_hello(&peer));
	ck_assert_str_eq(peer.exit_notice.code, "sandbox.root");
	peer_done(&peer);
}
END_TEST

START_TEST(start__refuses_a_foreign_manifest)
{
	peer_init(&peer, "odd");
	peer.manifest[peer.manifest_bytes - 1] = ' ';
	peer_spawn(&peer, NULL);
	ck_assert(!peer_hello(&peer));
	ck_assert_str_eq(peer.exit_notice.code, "loader.manifest");
	peer_done(&peer);
}
END_TEST

START_TEST(start__refuses_an_operation_without_handler)
{
	peer_init(&peer, "odd");
	peer.operations[peer.setup.n_operations++] = "action:unheard_of";
	peer_spawn(&peer, NULL);
	ck_assert(!peer_hello(&peer));
	ck_assert_str_eq(peer.exit_notice.code, "loader.operation");
	ck_assert_ptr_nonnull(strstr(peer.exit_notice.message, "unheard_of"));
	peer_done(&peer);
}
END_TEST

START_TEST(start__refuses_a_handler_without_operation)
{
	peer_init(&peer, "odd");
	peer.setup.n_operations--;
	peer_spawn(&peer, NULL);
	ck_assert(!peer_hello(&peer));
	ck_assert_str_eq(peer.exit_notice.code, "loader.operation");
	peer_done(&peer);
}
END_TEST

START_TEST(start__refuses_what_is_no_shared_object)
{
	peer_init(&peer, "odd");
	peer_spawn(&peer, PB_BINARY_DIR "/plugins/odd/manifest.json");
	ck_assert(!peer_hello(&peer));
	ck_assert_str_eq(peer.exit_notice.code, "loader.elf");
	peer_done(&peer);
}
END_TEST

START_TEST(start__refuses_an_unknown_protocol)
{
	peer_init(&peer, "odd");
	peer.setup.protocol_min = 900;
	peer.setup.protocol_max = 901;
	peer_spawn(&peer, NULL);
	ck_assert(!peer_hello(&peer));
	ck_assert_str_eq(peer.exit_notice.code, "runner.protocol");
	peer_done(&peer);
}
END_TEST

START_TEST(serve__answers_ping)
{
	struct ipc_frame f;

	peer_start(&peer, "odd");
	ck_assert_int_eq(ipc_chan_send(peer.chan, IPC_PING, 0, 0, pb_slice(NULL, 0), NULL), PB_OK);
	ck_assert_int_eq(peer_next(&peer, &f, PEER_WAIT_US), IPC_IO_FRAME);
	ck_assert_int_eq(f.head.type, IPC_PONG);
	peer_done(&peer);
}
END_TEST

/* The call runs until its question is answered. */
START_TEST(serve__drains_after_the_last_call)
{
	const struct ipc_value value = {.found = true, .body = PB_SLICE("s3cret")};
	pb_auto_buf b = PB_BUF_INIT;
	struct ipc_frame question, f;
	struct os_exit ended;
	uint64_t id, late;

	peer_start(&peer, "odd");
	id = peer_call_for(&peer, "action:reveal", "{}", 60000);
	ck_assert_int_eq(peer_next(&peer, &question, PEER_WAIT_US), IPC_IO_FRAME);
	ck_assert_int_eq(question.head.type, IPC_SECRET_GET);
	ck_assert_int_eq(ipc_chan_send(peer.chan, IPC_DRAIN, 0, 0, pb_slice(NULL, 0), NULL), PB_OK);
	late = peer_call(&peer, "action:echo", "{}");
	ck_assert(!peer_wait(&peer, late, NULL, NULL).ok);
	ck_assert(ipc_encode_value(&b, &value));
	peer_answer(&peer, &question, IPC_VALUE, &b);
	ck_assert(peer_wait(&peer, id, NULL, NULL).ok);
	ck_assert_int_eq(peer_next(&peer, &f, PEER_WAIT_US), IPC_IO_FRAME);
	ck_assert_int_eq(f.head.type, IPC_EXIT_NOTICE);
	ended = peer_death(&peer);
	ck_assert(!ended.signalled);
	ck_assert_int_eq(ended.value, 0);
	peer_done(&peer);
}
END_TEST

START_TEST(serve__ends_when_the_host_is_gone)
{
	struct os_exit ended;

	peer_start(&peer, "odd");
	(void)peer_call(&peer, "action:sleep", "{}");
	ipc_chan_free(peer.chan);
	peer.chan = NULL;
	ck_assert(os_process_wait(&peer.process, pb_mono_us() + PEER_WAIT_US, &ended));
	peer_done(&peer);
}
END_TEST

START_TEST(serve__ends_on_a_frame_from_the_wrong_side)
{
	const uint8_t bad[IPC_HEAD_BYTES] = {0, 0, 0, 0, IPC_HELLO};
	struct os_exit ended;

	peer_start(&peer, "odd");
	ck_assert_int_eq(write(ipc_chan_fd(peer.chan), bad, sizeof(bad)), sizeof(bad));
	ended = peer_death(&peer);
	ck_assert(!ended.signalled);
	ck_assert_int_eq(ended.value, 4);
	peer_done(&peer);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("runner_main");
	TCase *tc = tcase_create("program");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, start__says_hello_with_a_whole_sandbox);
	tcase_add_test(tc, start__refuses_to_stay_root);
	tcase_add_test(tc, start__refuses_a_foreign_manifest);
	tcase_add_test(tc, start__refuses_an_operation_without_handler);
	tcase_add_test(tc, start__refuses_a_handler_without_operation);
	tcase_add_test(tc, start__refuses_what_is_no_shared_object);
	tcase_add_test(tc, start__refuses_an_unknown_protocol);
	tcase_add_test(tc, serve__answers_ping);
	tcase_add_test(tc, serve__drains_after_the_last_call);
	tcase_add_test(tc, serve__ends_when_the_host_is_gone);
	tcase_add_test(tc, serve__ends_on_a_frame_from_the_wrong_side);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
