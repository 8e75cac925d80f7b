/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of the server's own proxies: "10.0.0.0/8", "fd00::/8" or a single address, read once at the start. */
#ifndef PB_HTTP_HTTP_NET_H
#define PB_HTTP_HTTP_NET_H

#include "base/net.h"

#define HTTP_NETS_MAX 64

struct http_nets {
	struct pb_net items[HTTP_NETS_MAX];
	size_t n;
};

/* @texts NULL-ended, NULL = none. False: one is no address or network, or there are too many. [any-thread] */
bool http_nets_parse(const char *const *texts, struct http_nets *ret) pb_must_check;
/* False for what is no address. [any-thread] */
bool http_nets_hold(const struct http_nets *nets, const char *ip);

#endif
