/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and networks of trusted proxies, compared bit by bit: a text has many spellings, an address has one. */
#include "http/http_net.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/parse.h"
#include "base/base.h"

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool read_addr(const char *s, size_t n, uint8_t out[16], bool *ret_v4)
{
	char text[INET6_ADDRSTRLEN];

	if (n >= sizeof(text))
		return false;
	memcpy(text, s, n);
	text[n] = 0;
	*ret_v4 = memchr(text, ':', n) == NULL;
	if (!*ret_v4)
		return inet_pton(AF_INET6, text, out) == 1;
	memcpy(out, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, out + sizeof(mapped)) == 1;
}

static bool read_net(const char *s, struct http_net *ret)
{
	const char *slash = strchr(s, '/');
	int64_t prefix;
	bool v4;

	if (!read_addr(s, slash ? (size_t)(slash - s) : strlen(s), ret->addr, &v4))
		return false;
	prefix = v4 ? 32 : 128;
	if (slash && !pb_parse_i64(slash + 1, strlen(slash + 1), 0, prefix, &prefix))
		return false;
	ret->prefix = (uint8_t)(prefix + (v4 ? 96 : 0));
	return true;
}

bool http_nets_parse(const char *const *texts, struct http_nets *ret)
{
	ret->n = 0;
	for (const char *const *t = texts; t && *t; t++)
		if (ret->n >= HTTP_NETS_MAX || !read_net(*t, &ret->items[ret->n++]))
			return false;
	return true;
}

static bool holds(const struct http_net *net, const uint8_t addr[16])
{
	size_t whole = net->prefix / 8, rest = net->prefix % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	return memcmp(net->addr, addr, whole) == 0 &&
	       (rest == 0 || ((net->addr[whole] ^ addr[whole]) & mask) == 0);
}

bool http_nets_hold(const struct http_nets *nets, const char *ip)
{
	uint8_t addr[16];
	bool v4;

	if (nets->n == 0 || !read_addr(ip, strlen(ip), addr, &v4))
		return false;
	for (size_t i = 0; i < nets->n; i++)
		if (holds(&nets->items[i], addr))
			return true;
	return false;
}
