/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The REST API: one thin file a resource, all of them tables of routes. Made once by `main`; the parts it stands
 * on are lent to it.
 */
#ifndef PB_API_API_H
#define PB_API_API_H

#include "base/err.h"
#include "base/mem.h"
#include "http/http_router.h"
#include "http/http_server.h"

struct api;
struct api_resolve;
struct auth;
struct bus;
struct cache;
struct config;
struct connectors;
struct crypto_secret;
struct engine;
struct limits;
struct pg_pool;
struct pg_writer;
struct vault;

/* All borrowed until api_free(). */
struct api_cfg {
	const struct config *config;
	struct pg_pool *api_pool, *engine_pool, *admin_pool;
	struct pg_writer *writer;
	struct auth *auth;
	struct vault *vault;
	struct limits *limits;
	struct cache *cache; /* NULL: there is no Redis */
	struct bus *bus;
	struct connectors *connectors;
	struct engine *engine;
	struct api_resolve
		*resolve; /* what it keeps of a connection goes when that changes; may be NULL */
	const struct crypto_secret *hook_subkey;   /* CRYPTO_PURPOSE_HOOK_TOKEN */
	const struct crypto_secret *cursor_subkey; /* CRYPTO_PURPOSE_CURSOR */
};

/*
 * Loads the table of hooks when the database is there (else later) and starts the threads for deep work.
 * Owner: *ret owned, api_free(). [main, before start]
 */
enum pb_status api_new(const struct api_cfg *cfg, struct api **ret,
		       struct pb_err *err) pb_must_check;
void api_free(struct api *api);
PB_DEFINE_AUTOPTR(api, api_free);

/* Adds every route. [main, before start] */
void api_add_routes(struct api *api, struct http_router *router);
/* Only what tells how the host is: for one without the role api. [main, before start] */
void api_add_probe_routes(struct api *api, struct http_router *router);
/* The hooks of http_cfg: authentication, permission and rate; access log. @arg is the struct api. */
http_before_fn api_before;
http_after_fn api_after;

/* Where the server listens, for the addresses in answers when no public_url is set. [main] */
void api_set_base_url(struct api *api, const char *url);
/* "config changed" notices from the bus: kind and id as published. [any-thread] */
void api_config_changed(struct api *api, const char *kind, struct pb_uuid id);
/* Called every second or so by main's upkeep thread: hooks that changed, last-used times. */
void api_upkeep(struct api *api);

#endif
