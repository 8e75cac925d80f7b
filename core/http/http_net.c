/* SPDX-License-Identifier: Apache-2.0 */
/* Whose word about a client is believed: the server's own proxies. */
#include "http/http_net.h"

#include "base/base.h"

bool http_nets_parse(const char *const *texts, struct http_nets *ret)
{
	ret->n = 0;
	for (const char *const *t = texts; t && *t; t++)
		if (ret->n >= HTTP_NETS_MAX || !pb_net_parse(*t, &ret->items[ret->n++]))
			return false;
	return true;
}

bool http_nets_hold(const struct http_nets *nets, const char *ip)
{
	uint8_t addr[PB_ADDRESS_BYTES];
	bool v4;

	return nets->n > 0 && pb_address_parse(ip, addr, &v4) &&
	       pb_nets_have(nets->items, nets->n, addr);
}
