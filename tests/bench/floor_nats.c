/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor under dispatch: async JetStream publishes of 40 bytes and their consumption with an acknowledgement each,
 * by a work queue, in one process, with nothing around it.
 *	floor_nats URL SECONDS    prints messages a second, published, delivered and acknowledged
 */
#include <nats/nats.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/parse.h"

#include "base/base.h"

#define STREAM "FLOOR"

static atomic_uint_fast64_t taken;

static void on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
	(void)nc;
	(void)sub;
	(void)arg;
	natsMsg_Ack(msg, NULL);
	natsMsg_Destroy(msg);
	atomic_fetch_add(&taken, 1);
}

static bool make_stream(jsCtx *js)
{
	static const char *subjects[] = {"floor.>"};
	jsStreamConfig cfg;
	jsErrCode code = 0;

	jsStreamConfig_Init(&cfg);
	cfg.Name = STREAM;
	cfg.Subjects = subjects;
	cfg.SubjectsLen = 1;
	cfg.Retention = js_WorkQueuePolicy;
	(void)js_DeleteStream(js, STREAM, NULL, &code);
	return js_AddStream(NULL, js, &cfg, NULL, &code) == NATS_OK;
}

int main(int argc, char **argv)
{
	char payload[40] = {0};
	natsConnection *pub = NULL, *con = NULL;
	jsCtx *js_pub = NULL, *js_con = NULL;
	natsSubscription *sub = NULL;
	jsSubOptions so;
	jsErrCode code = 0;
	int64_t seconds, started, n = 0;

	if (argc != 3 || !pb_parse_i64(argv[2], strlen(argv[2]), 1, 600, &seconds))
		return 2;
	jsSubOptions_Init(&so);
	so.ManualAck = true;
	so.Config.MaxAckPending = 20000;
	if (natsConnection_ConnectTo(&pub, argv[1]) != NATS_OK ||
	    natsConnection_ConnectTo(&con, argv[1]) != NATS_OK ||
	    natsConnection_JetStream(&js_pub, pub, NULL) != NATS_OK ||
	    natsConnection_JetStream(&js_con, con, NULL) != NATS_OK || !make_stream(js_pub) ||
	    js_Subscribe(&sub, js_con, "floor.>", on_message, NULL, NULL, &so, &code) != NATS_OK)
		return 1;
	started = pb_mono_us();
	while (pb_mono_us() - started < seconds * PB_USEC_PER_SEC) {
		if (js_PublishAsync(js_pub, "floor.x", payload, sizeof(payload), NULL) != NATS_OK)
			return 1;
		if (++n % 1000 == 0 && js_PublishAsyncComplete(js_pub, NULL) != NATS_OK)
			return 1;
	}
	(void)js_PublishAsyncComplete(js_pub, NULL);
	printf("%.0f\n", (double)atomic_load(&taken) * 1e6 / (double)(pb_mono_us() - started));
	natsSubscription_Destroy(sub);
	(void)js_DeleteStream(js_pub, STREAM, NULL, &code);
	jsCtx_Destroy(js_pub);
	jsCtx_Destroy(js_con);
	natsConnection_Destroy(pub);
	natsConnection_Destroy(con);
	nats_Close();
	return 0;
}
