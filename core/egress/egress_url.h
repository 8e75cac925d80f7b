/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of outgoing requests. Read with the parser that curl itself will use, so that nobody can
 * make the check and the connection see different hosts; what is merely ambiguous is refused.
 */
#ifndef PB_EGRESS_EGRESS_URL_H
#define PB_EGRESS_EGRESS_URL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct Curl_URL;

/* @host is lower case, IPv6 without brackets, numeric IPv4 in its usual form. */
struct egress_url {
	struct Curl_URL *parts; /* owned */
	bool https;
	char host[256];
	uint16_t port;
};

/*
 * Reads an absolute http or https URL. No fragment reaches the wire.
 * Owner:   fill with zeros first; egress_url_done() in every case.
 * Errors:  PB_E_INVALID egress.scheme (another scheme), egress.url_invalid (control characters,
 *          blanks, bytes over 0x7e, backslash, user information, no host, percent or zone in the
 *          host, length). Threads: [any-thread]
 */
enum pb_status egress_url_parse(struct egress_url *ret, const char *url,
				struct pb_err *err) pb_must_check;
/* A Location seen from @base. Errors as above. */
enum pb_status egress_url_redirect(const struct egress_url *base, const char *location,
				   struct egress_url *ret, struct pb_err *err) pb_must_check;
/* Adds name=value to the query, percent-encoded. @value_bytes over 8 KB or out of memory: false. */
bool egress_url_add_query(struct egress_url *u, const char *name, const char *value,
			  size_t value_bytes) pb_must_check;
/* Without query and fragment, for people. Owner: free(). */
char *egress_url_text(const struct egress_url *u);
bool egress_url_same_origin(const struct egress_url *a, const struct egress_url *b);
void egress_url_done(struct egress_url *u);

/* Is @host one of @patterns ("api.example.com", "*.example.com", "*" when @any_ok)? No case. */
bool egress_host_matches(const char *host, const char *const *patterns, size_t n, bool any_ok);

#endif
