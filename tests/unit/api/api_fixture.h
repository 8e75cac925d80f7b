/* SPDX-License-Identifier: Apache-2.0 */
/* A real server with routes of the test's own, an actor on every request, and a client that reads JSON. */
#ifndef PB_TESTS_UNIT_API_FIXTURE_H
#define PB_TESTS_UNIT_API_FIXTURE_H

#include <check.h>

#include "api/api_body.h"
#include "crypto/crypto_secret.h"
#include "unit/http/http_client.h"

static struct http_router *fx_router;
static struct http_server *fx_server;
static struct api fx_api pb_unused = {.magic = API_MAGIC};
static struct auth_actor fx_actor = {.kind = AUTH_ACTOR_API_KEY, .role = TENANT_OWNER};
static struct pb_arena fx_arena;

/* Adds the routes of the API itself, when a test wants them. */
static void (*fx_add)(struct http_router *router);

static bool fx_before(struct http_req *req, const struct http_route *route, void *arg)
{
	http_req_attach(req, &fx_actor, NULL);
	return true;
}

static void fx_start(const struct http_route *routes, size_t n)
{
	struct http_cfg cfg = {.listen = "127.0.0.1:0", .threads = 8, .before = fx_before};
	struct pb_err err = PB_ERR_INIT;

	pb_arena_init(&fx_arena, (size_t)16 * 1024 * 1024);
	fx_actor.tenant = pb_uuid7();
	fx_router = http_router_new();
	if (n > 0)
		http_router_add_all(fx_router, routes, n);
	if (fx_add)
		fx_add(fx_router);
	ck_assert_msg(http_server_start(&cfg, fx_router, &fx_server, &err) == PB_OK, "%s", err.msg);
}

static void fx_stop(void)
{
	http_server_stop(fx_server);
	http_router_free(fx_router);
	pb_arena_done(&fx_arena);
}

/* Sends one request; the answer's JSON (NULL when it has none) in *ret. Returns the HTTP status. */
static int fx_ask(const char *method, const char *target, const char *headers, const char *body,
		  const struct pb_json **ret)
{
	pb_auto_buf out = PB_BUF_INIT, in = PB_BUF_INIT;
	struct pb_err err = PB_ERR_INIT;
	int fd = client_connect(http_server_port(fx_server, 0));
	const char *text;
	int status;

	ck_assert_int_ge(fd, 0);
	(void)pb_buf_addf(&out,
			  "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s"
			  "Content-Length: %zu\r\n\r\n%s",
			  method, target, headers, strlen(body), body);
	ck_assert(client_send(fd, out.p, out.len));
	ck_assert_int_eq(client_read(fd, &in, CLIENT_WAIT_US), 1);
	close(fd);
	status = client_status(&in);
	text = strstr(in.p, "\r\n\r\n") + 4;
	*ret = NULL;
	if (*text)
		ck_assert_msg(pb_json_parse(&fx_arena, text, strlen(text), NULL, ret, &err) ==
				      PB_OK,
			      "%s", text);
	return status;
}

#define FX_JSON "Content-Type: application/json\r\n"

static inline const char *fx_code(const struct pb_json *answer)
{
	return pb_json_str(pb_json_pointer(answer, "/errors/0/code", 14));
}

static inline const char *fx_field(const struct pb_json *answer)
{
	return pb_json_str(pb_json_pointer(answer, "/errors/0/field", 15));
}

#endif
