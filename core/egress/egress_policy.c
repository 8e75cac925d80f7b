/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Destination policy: tables of networks, matched on the binary address. An IPv6 address that carries
 * an IPv4 one (mapped, NAT64, 6to4, Teredo) is judged by both, because a gateway would deliver to the
 * inner one.
 */
#include "egress/egress_policy.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <pthread.h>
#include "base/net.h"
#include "base/parse.h"
#include "base/base.h"

#define PORT_RANGES_MAX 64
#define NETS_MAX        256
#define OWN_MAX         256

struct port_range {
	uint16_t first, last;
};

struct egress_policy {
	struct pb_net *allow;
	size_t n_allow;
	struct pb_net own[OWN_MAX];
	size_t n_own;
	struct port_range ports[PORT_RANGES_MAX];
	size_t n_ports;
};

static const char *const blocked_text[] = {
	"0.0.0.0/8",     "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
	"172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",    "::/96",
	"100::/64",      "2001:db8::/32",   "64:ff9b:1::/48", "fc00::/7",       "fe80::/10",
	"fec0::/10",     "ff00::/8",
};
static struct pb_net blocked[PB_ARRAY_LEN(blocked_text)];

static void blocked_init(void)
{
	for (size_t i = 0; i < PB_ARRAY_LEN(blocked_text); i++) {
		bool ok = pb_net_parse(blocked_text[i], &blocked[i]);

		PB_ASSERT(ok);
	}
}

/* The IPv4 address inside @addr, if a gateway would find one there. */
static bool embedded_v4(const uint8_t addr[16], uint8_t v4[4])
{
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

	if (memcmp(addr, pb_mapped_prefix, 12) == 0 || memcmp(addr, nat64, 12) == 0) {
		memcpy(v4, addr + 12, 4);
		return true;
	}
	if (addr[0] == 0x20 && addr[1] == 0x02) { /* 6to4 */
		memcpy(v4, addr + 2, 4);
		return true;
	}
	if (memcmp(addr, "\x20\x01\x00\x00", 4) == 0) { /* Teredo: the client, inverted */
		for (size_t i = 0; i < 4; i++)
			v4[i] = (uint8_t)~addr[12 + i];
		return true;
	}
	return false;
}

/* Teredo's server address is a second embedded one. */
static bool teredo_server(const uint8_t addr[16], uint8_t v4[4])
{
	memcpy(v4, addr + 4, 4);
	return memcmp(addr, "\x20\x01\x00\x00", 4) == 0;
}

static bool is_blocked(const struct egress_policy *p, const uint8_t addr[16])
{
	uint8_t v4[4], inner[16];

	if (pb_nets_have(blocked, PB_ARRAY_LEN(blocked), addr) ||
	    pb_nets_have(p->own, p->n_own, addr))
		return true;
	if (embedded_v4(addr, v4)) {
		pb_address_from_v4(v4, inner);
		if (pb_nets_have(blocked, PB_ARRAY_LEN(blocked), inner) ||
		    pb_nets_have(p->own, p->n_own, inner))
			return true;
	}
	if (teredo_server(addr, v4)) {
		pb_address_from_v4(v4, inner);
		return pb_nets_have(blocked, PB_ARRAY_LEN(blocked), inner);
	}
	return false;
}

static enum egress_verdict judge(const struct egress_policy *p, const uint8_t addr[16])
{
	if (pb_nets_have(p->allow, p->n_allow, addr))
		return EGRESS_ALLOWED;
	return is_blocked(p, addr) ? EGRESS_BLOCKED : EGRESS_PUBLIC;
}

static bool sockaddr_bytes(const struct sockaddr *sa, size_t sa_bytes, uint8_t out[16])
{
	if (sa->sa_family == AF_INET && sa_bytes >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		pb_address_from_v4((const uint8_t *)&in.sin_addr, out);
		return true;
	}
	if (sa->sa_family == AF_INET6 && sa_bytes >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		memcpy(out, &in6.sin6_addr, 16);
		return true;
	}
	return false;
}

/* This machine's own addresses: whoever reaches them reaches our own servers. */
static void own_addresses(struct egress_policy *p)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list))
		return; /* ignoring: the private ranges are blocked anyway */
	for (const struct ifaddrs *i = list; i && p->n_own < OWN_MAX; i = i->ifa_next) {
		struct pb_net *own = &p->own[p->n_own];

		if (!i->ifa_addr)
			continue;
		if (sockaddr_bytes(i->ifa_addr, sizeof(struct sockaddr_storage), own->addr)) {
			own->prefix = 128;
			p->n_own++;
		}
	}
	freeifaddrs(list);
}

static enum pb_status allow_set(struct egress_policy *p, const char *const *allow, size_t n,
				struct pb_err *err)
{
	if (n > NETS_MAX)
		return pb_err_set(err, PB_E_INVALID, "egress.config", "more than %d networks",
				  NETS_MAX);
	p->allow = pb_xcalloc(n + 1, sizeof(*p->allow));
	for (size_t i = 0; i < n; i++)
		if (!pb_net_parse(allow[i], &p->allow[i]))
			return pb_err_set(err, PB_E_INVALID, "egress.config",
					  "\"%.60s\" is not a network like 10.1.0.0/16", allow[i]);
	p->n_allow = n;
	return PB_OK;
}

static bool range_parse(const char *s, struct port_range *ret)
{
	const char *dash = strchr(s, '-');
	size_t n = dash ? (size_t)(dash - s) : strlen(s);
	int64_t first, last;

	if (!pb_parse_i64(s, n, 1, 65535, &first))
		return false;
	last = first;
	if (dash && !pb_parse_i64(dash + 1, strlen(dash + 1), first, 65535, &last))
		return false;
	*ret = (struct port_range){(uint16_t)first, (uint16_t)last};
	return true;
}

static enum pb_status ports_set(struct egress_policy *p, const char *const *ports, size_t n,
				struct pb_err *err)
{
	static const char *const usual[] = {"80", "443"};

	if (n > PORT_RANGES_MAX)
		return pb_err_set(err, PB_E_INVALID, "egress.config", "more than %d port ranges",
				  PORT_RANGES_MAX);
	if (n == 0) {
		ports = usual;
		n = PB_ARRAY_LEN(usual);
	}
	for (size_t i = 0; i < n; i++)
		if (!range_parse(ports[i], &p->ports[i]))
			return pb_err_set(err, PB_E_INVALID, "egress.config",
					  "\"%.60s\" is not a port or a range like 8000-8999",
					  ports[i]);
	p->n_ports = n;
	return PB_OK;
}

enum pb_status egress_policy_new(const char *const *allow, size_t n_allow, const char *const *ports,
				 size_t n_ports, struct egress_policy **ret, struct pb_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pb_autoptr(egress_policy) p = pb_new(struct egress_policy);
	enum pb_status st;

	(void)pthread_once(&once, blocked_init); /* cannot fail with a good control */
	st = allow_set(p, allow, n_allow, err);
	if (st == PB_OK)
		st = ports_set(p, ports, n_ports, err);
	if (st != PB_OK)
		return st;

	own_addresses(p);
	*ret = pb_steal(p);
	return PB_OK;
}

void egress_policy_free(struct egress_policy *p)
{
	if (!p)
		return;
	free(p->allow);
	free(p);
}

enum egress_verdict egress_policy_address(const struct egress_policy *p, const struct sockaddr *sa,
					  size_t sa_bytes)
{
	uint8_t addr[16];

	return sockaddr_bytes(sa, sa_bytes, addr) ? judge(p, addr) : EGRESS_BLOCKED;
}

enum egress_verdict egress_policy_text(const struct egress_policy *p, const char *address)
{
	uint8_t addr[16];
	bool v4;

	return pb_address_parse(address, addr, &v4) ? judge(p, addr) : EGRESS_BLOCKED;
}

bool egress_policy_port(const struct egress_policy *p, uint16_t port)
{
	for (size_t i = 0; i < p->n_ports; i++)
		if (port >= p->ports[i].first && port <= p->ports[i].last)
			return true;
	return false;
}
