/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor under the API: a bare CivetWeb server with one handler that reads the body and answers 202.
 *	floor_http        prints its port, serves until SIGTERM or end of input
 */
#include <civetweb.h>

#include "base/base.h"

static int handle(struct mg_connection *conn, void *arg)
{
	static const char body[] = "{\"success\":true}";
	char buf[4096];

	(void)arg;
	while (mg_read(conn, buf, sizeof(buf)) > 0)
		continue;
	mg_printf(conn,
		  "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: "
		  "%zu\r\n\r\n%s",
		  sizeof(body) - 1, body);
	return 202;
}

int main(void)
{
	const char *options[] = {"listening_ports",
				 "127.0.0.1:0",
				 "num_threads",
				 "256",
				 "enable_keep_alive",
				 "yes",
				 "keep_alive_timeout_ms",
				 "1500",
				 "tcp_nodelay",
				 "1",
				 NULL};
	struct mg_callbacks callbacks = {0};
	struct mg_server_port port;
	struct mg_context *ctx;
	char c;

	mg_init_library(0);
	ctx = mg_start(&callbacks, NULL, options);
	if (!ctx || mg_get_server_ports(ctx, 1, &port) != 1)
		return 1;
	mg_set_request_handler(ctx, "/", handle, NULL);
	printf("%d\n", port.port);
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		continue;
	mg_stop(ctx);
	mg_exit_library();
	return 0;
}
