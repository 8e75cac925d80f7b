/* SPDX-License-Identifier: Apache-2.0 */
/* The channel over real sockets: partial frames, full queues, rubbish, many senders. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "ipc/ipc_chan.h"
#include "support/check_main.h"

#define WAIT_US (20 * PB_USEC_PER_SEC)

static struct ipc_chan *host, *runner;

static void setup_pair(void)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	host = ipc_chan_new(pair[0], IPC_SIDE_HOST, IPC_PAYLOAD_MAX, 256u << 10);
	runner = ipc_chan_new(pair[1], IPC_SIDE_RUNNER, IPC_PAYLOAD_MAX, 256u << 10);
}

static void teardown_pair(void)
{
	ipc_chan_free(host);
	ipc_chan_free(runner);
}

START_TEST(send__arrives_whole)
{
	struct ipc_frame f;

	ck_assert_int_eq(ipc_chan_send(host, IPC_CALL, 7, 0, PB_SLICE("hello"), NULL), PB_OK);
	ck_assert_int_eq(ipc_chan_send(host, IPC_VALUE, 8, 9, pb_slice(NULL, 0), NULL), PB_OK);
	ck_assert_int_eq(ipc_chan_read(runner, &f, NULL), IPC_IO_FRAME);
	ck_assert_int_eq(f.head.type, IPC_CALL);
	ck_assert_uint_eq(f.head.call_id, 7);
	ck_assert_uint_eq(f.head.payload_bytes, 5);
	ck_assert_mem_eq(f.payload, "hello", 5);
	ck_assert_int_eq(ipc_chan_read(runner, &f, NULL), IPC_IO_FRAME);
	ck_assert_uint_eq(f.head.request_id, 9);
	ck_assert_int_eq(ipc_chan_read(runner, &f, NULL), IPC_IO_AGAIN);
}
END_TEST

START_TEST(read__puts_single_bytes_together)
{
	uint8_t bytes[IPC_HEAD_BYTES + 3];
	struct ipc_frame f;

	ipc_head_write(&(struct ipc_head){.payload_bytes = 3, .type = IPC_CALL, .call_id = 1},
		       bytes);
	memcpy(bytes + IPC_HEAD_BYTES, "abc", 3);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		ck_assert_int_eq(ipc_chan_read(runner, &f, NULL), IPC_IO_AGAIN);
		ck_assert_int_eq(write(ipc_chan_fd(host), bytes + i, 1), 1);
	}
	ck_assert_int_eq(ipc_chan_read(runner, &f, NULL), IPC_IO_FRAME);
	ck_assert_mem_eq(f.payload, "abc", 3);
}
END_TEST

START_TEST(send__queues_one_large_frame_and_then_says_full)
{
	const size_t n = 4u << 20;
	char *big = calloc(1, n);
	struct pb_err err = PB_ERR_INIT;
	struct ipc_frame f;
	enum ipc_io io;

	memset(big, 'x', n);
	ck_assert_int_eq(ipc_chan_send(host, IPC_CALL, 1, 0, pb_slice(big, n), &err), PB_OK);
	ck_assert_uint_gt(ipc_chan_queued(host), 0);
	ck_assert_int_eq(ipc_chan_send(host, IPC_PING, 0, 0, pb_slice(NULL, 0), &err), PB_E_LIMIT);
	ck_assert_str_eq(err.code, "ipc.queue_full");
	while ((io = ipc_chan_read(runner, &f, NULL)) == IPC_IO_AGAIN)
		ck_assert_int_ne(ipc_chan_flush(host), IPC_IO_CLOSED);
	ck_assert_int_eq(io, IPC_IO_FRAME);
	ck_assert_uint_eq(f.head.payload_bytes, n);
	ck_assert_mem_eq(f.payload, big, n);
	ck_assert_uint_eq(ipc_chan_queued(host), 0);
	free(big);
}
END_TEST

START_TEST(send__refuses_over_the_limit)
{
	ck_assert_int_eq(
		ipc_chan_send(host, IPC_CALL, 1, 0, pb_slice("", IPC_PAYLOAD_MAX + 1), NULL),
		PB_E_TOO_LARGE);
}
END_TEST

START_TEST(send_wait__gives_up_at_the_deadline)
{
	const size_t n = 2u << 20;
	char *big = calloc(1, n);

	ck_assert_int_eq(ipc_chan_send(host, IPC_CALL, 1, 0, pb_slice(big, n), NULL), PB_OK);
	ck_assert_int_eq(ipc_chan_send_wait(host, IPC_CALL, 2, 0, pb_slice(big, n),
					    pb_mono_us() + 20 * PB_USEC_PER_MSEC, NULL),
			 PB_E_TIMEOUT);
	free(big);
}
END_TEST

START_TEST(close__is_seen_on_both_ways)
{
	struct ipc_frame f;

	ck_assert_int_eq(ipc_chan_send(host, IPC_PING, 0, 0, pb_slice(NULL, 0), NULL), PB_OK);
	ipc_chan_free(host);
	host = NULL;
	/* what came before the end is still read */
	ck_assert_int_eq(ipc_chan_read(runner, &f, NULL), IPC_IO_FRAME);
	ck_assert_int_eq(ipc_chan_read(runner, &f, NULL), IPC_IO_CLOSED);
	ck_assert_int_eq(ipc_chan_read(runner, &f, NULL), IPC_IO_CLOSED);
	ck_assert_int_eq(ipc_chan_send(runner, IPC_PONG, 0, 0, pb_slice(NULL, 0), NULL),
			 PB_E_UNAVAILABLE);
}
END_TEST

static const struct {
	struct ipc_head head;
	const char *code;
} rubbish[] = {
	{{.type = 0}, "ipc.type"},
	{{.type = 999}, "ipc.type"},
	{{.type = 14}, "ipc.type"},
	{{.type = IPC_RESULT, .call_id = 1}, "ipc.direction"},
	{{.type = IPC_PING, .flags = 1}, "ipc.flags"},
	{{.type = IPC_PING, .call_id = 1}, "ipc.ids"},
	{{.type = IPC_CALL}, "ipc.ids"},
	{{.type = IPC_CALL, .call_id = 1, .request_id = 1}, "ipc.ids"},
	{{.type = IPC_VALUE, .call_id = 1}, "ipc.ids"},
	{{.type = IPC_CALL, .call_id = 1, .payload_bytes = IPC_PAYLOAD_MAX + 1}, "ipc.payload"},
	{{.type = IPC_CALL, .call_id = 1, .payload_bytes = UINT32_MAX}, "ipc.payload"},
};

START_TEST(read__breaks_on_rubbish)
{
	uint8_t bytes[IPC_HEAD_BYTES];
	struct pb_err err = PB_ERR_INIT;
	struct ipc_frame f;

	ipc_head_write(&rubbish[_i].head, bytes);
	ck_assert_int_eq(write(ipc_chan_fd(host), bytes, sizeof(bytes)), sizeof(bytes));
	ck_assert_int_eq(ipc_chan_read(runner, &f, &err), IPC_IO_BROKEN);
	ck_assert_str_eq(err.code, rubbish[_i].code);
}
END_TEST

#define SENDERS 8
#define EACH    400

static void *sender(void *arg)
{
	const uint64_t id = (uint64_t)(uintptr_t)arg;
	char payload[3000];

	for (uint32_t i = 1; i <= EACH; i++) {
		memset(payload, (int)(id + i), sizeof(payload));
		if (ipc_chan_send_wait(runner, IPC_KV_GET, id, i,
				       pb_slice(payload, (i * 37) % sizeof(payload)),
				       pb_mono_us() + WAIT_US, NULL) != PB_OK)
			return arg;
	}
	return NULL;
}

START_TEST(send_wait__many_threads_keep_frames_whole_and_in_order)
{
	uint32_t last[SENDERS + 1] = {0};
	pthread_t threads[SENDERS];
	struct ipc_frame f;
	char want[3000];

	for (uintptr_t i = 0; i < SENDERS; i++)
		threads[i] = pb_thread_start("sender", 0, sender, (void *)(i + 1));
	for (size_t n = 0; n < (size_t)SENDERS * EACH; n++) {
		ck_assert_int_eq(ipc_chan_read_wait(host, pb_mono_us() + WAIT_US, &f, NULL),
				 IPC_IO_FRAME);
		ck_assert_uint_eq(f.head.request_id, ++last[f.head.call_id]);
		ck_assert_uint_eq(f.head.payload_bytes, (f.head.request_id * 37) % sizeof(want));
		memset(want, (int)(f.head.call_id + f.head.request_id), sizeof(want));
		ck_assert_mem_eq(f.payload, want, f.head.payload_bytes);
	}
	for (size_t i = 0; i < SENDERS; i++)
		pb_thread_join(threads[i]);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("ipc_chan");
	TCase *tc = tcase_create("channel");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup_pair, teardown_pair);
	tcase_add_test(tc, send__arrives_whole);
	tcase_add_test(tc, read__puts_single_bytes_together);
	tcase_add_test(tc, send__queues_one_large_frame_and_then_says_full);
	tcase_add_test(tc, send__refuses_over_the_limit);
	tcase_add_test(tc, send_wait__gives_up_at_the_deadline);
	tcase_add_test(tc, close__is_seen_on_both_ways);
	tcase_add_loop_test(tc, read__breaks_on_rubbish, 0, PB_ARRAY_LEN(rubbish));
	tcase_add_test(tc, send_wait__many_threads_keep_frames_whole_and_in_order);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
