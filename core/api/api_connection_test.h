/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trying a credential: the connector's own test, called like an action, waited for on the request's thread. Private
 * to the files of connections.
 */
#ifndef PB_API_CONNECTION_TEST_H
#define PB_API_CONNECTION_TEST_H

#include "api/api_internal.h"
#include "store/store_connection.h"

#define API_CONNECTION_TEST_US  (15 * PB_USEC_PER_SEC)
#define API_CONNECTION_TEST_MAX 16 /* at once: each holds a thread of the server */

/* "untested", "ok", "failed", "needs_reconnect". */
const char *api_connection_status_name(enum store_connection_status status);

/*
 * Runs the test of @c (with its secrets, as stored), stores the outcome unless @c was changed meanwhile, and fills
 * @answer: 200 also when the test failed.
 * Errors:  422 connection.no_test, 503 connector.* when it could not run, database.*.
 * Threads: [request], up to API_CONNECTION_TEST_US and a few seconds
 */
enum pb_status api_connection_test(struct api *api, struct http_req *req,
				   const struct store_connection *c, struct api_answer *answer,
				   struct pb_err *err) pb_must_check;

#endif
