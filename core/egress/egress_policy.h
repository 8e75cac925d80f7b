/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses and ports may be reached. Pure: no I/O but the list of this machine's own addresses,
 * asked once. Private and special networks are refused unless the administrator allows them by CIDR.
 */
#ifndef PB_EGRESS_EGRESS_POLICY_H
#define PB_EGRESS_EGRESS_POLICY_H

#include <sys/socket.h>
#include "base/err.h"
#include "base/mem.h"

struct egress_policy;

enum egress_verdict {
	EGRESS_BLOCKED, /* private, special, or our own */
	EGRESS_PUBLIC,  /* reachable; secrets only over TLS */
	EGRESS_ALLOWED, /* named by the administrator; secrets over plain http too */
};

/*
 * @allow: "10.1.0.0/16", "::1/128", a bare address is one host. @ports: "443" or "8000-8999"; none
 * means 80 and 443. Owner: *ret owned, free with egress_policy_free().
 * Errors: PB_E_INVALID egress.config. Threads: [main, before start]; the checks are [any-thread].
 */
enum pb_status egress_policy_new(const char *const *allow, size_t n_allow, const char *const *ports,
				 size_t n_ports, struct egress_policy **ret,
				 struct pb_err *err) pb_must_check;
void egress_policy_free(struct egress_policy *p);
PB_DEFINE_AUTOPTR(egress_policy, egress_policy_free);

/* Families other than IPv4 and IPv6 are blocked. */
enum egress_verdict egress_policy_address(const struct egress_policy *p, const struct sockaddr *sa,
					  size_t sa_bytes);
/* The same for an address as text; text that is none is blocked. */
enum egress_verdict egress_policy_text(const struct egress_policy *p, const char *address);
bool egress_policy_port(const struct egress_policy *p, uint16_t port);

#endif
