/* SPDX-License-Identifier: Apache-2.0 */
/* Networks for those who judge addresses: where calls may go, whose word about a client is believed. */
#include "base/net.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/parse.h"
#include "base/base.h"

const uint8_t pb_mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

void pb_address_from_v4(const uint8_t v4[4], uint8_t ret_addr[PB_ADDRESS_BYTES])
{
	memcpy(ret_addr, pb_mapped_prefix, sizeof(pb_mapped_prefix));
	memcpy(ret_addr + sizeof(pb_mapped_prefix), v4, 4);
}

bool pb_address_parse(const char *s, uint8_t ret_addr[PB_ADDRESS_BYTES], bool *ret_v4)
{
	uint8_t v4[4];

	*ret_v4 = inet_pton(AF_INET, s, v4) == 1;
	if (!*ret_v4)
		return inet_pton(AF_INET6, s, ret_addr) == 1;
	pb_address_from_v4(v4, ret_addr);
	return true;
}

bool pb_net_parse(const char *s, struct pb_net *ret)
{
	const char *slash = strchr(s, '/');
	char host[INET6_ADDRSTRLEN];
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	int64_t prefix;
	bool v4;

	if (n >= sizeof(host))
		return false;
	memcpy(host, s, n);
	host[n] = 0;
	if (!pb_address_parse(host, ret->addr, &v4))
		return false;
	prefix = v4 ? 32 : 128;
	if (slash && !pb_parse_i64(slash + 1, strlen(slash + 1), 0, prefix, &prefix))
		return false;
	ret->prefix = (uint8_t)(prefix + (v4 ? 96 : 0));
	return true;
}

bool pb_net_has(const struct pb_net *net, const uint8_t addr[PB_ADDRESS_BYTES])
{
	size_t whole = net->prefix / 8, rest = net->prefix % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	return memcmp(net->addr, addr, whole) == 0 &&
	       (rest == 0 || ((net->addr[whole] ^ addr[whole]) & mask) == 0);
}

bool pb_nets_have(const struct pb_net *nets, size_t n, const uint8_t addr[PB_ADDRESS_BYTES])
{
	for (size_t i = 0; i < n; i++)
		if (pb_net_has(&nets[i], addr))
			return true;
	return false;
}
