/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and networks as 128 bits: a text has many spellings, an address has one. */
#ifndef PB_BASE_NET_H
#define PB_BASE_NET_H

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

#define PB_ADDRESS_BYTES 16

/* IPv4 is kept as ::ffff:a.b.c.d with its prefix + 96. */
struct pb_net {
	uint8_t addr[PB_ADDRESS_BYTES];
	uint8_t prefix;
};

/* ::ffff:0:0/96: what an IPv4 address begins with. */
extern const uint8_t pb_mapped_prefix[12];

void pb_address_from_v4(const uint8_t v4[4], uint8_t ret_addr[PB_ADDRESS_BYTES]);
/* An address in the usual text form and nothing else. [any-thread] */
bool pb_address_parse(const char *s, uint8_t ret_addr[PB_ADDRESS_BYTES],
		      bool *ret_v4) pb_must_check;
/* "10.0.0.0/8", "fd00::/8" or a single address. [any-thread] */
bool pb_net_parse(const char *s, struct pb_net *ret) pb_must_check;
bool pb_net_has(const struct pb_net *net, const uint8_t addr[PB_ADDRESS_BYTES]);
/* Any of @n. [any-thread] */
bool pb_nets_have(const struct pb_net *nets, size_t n, const uint8_t addr[PB_ADDRESS_BYTES]);

#endif
