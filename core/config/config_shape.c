/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes of single values, for the settings table. Each is a whole-string check without side
 * effects. */
#include "config/config_private.h"

#include <arpa/inet.h>

#include "base/net.h"
#include "base/parse.h"
#include "base/base.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool is_port(const char *s, size_t n, int64_t min)
{
	int64_t port;

	return pb_parse_i64(s, n, min, 65535, &port);
}

bool config_shape_listen(const char *s)
{
	char host[INET_ADDRSTRLEN];
	const char *colon = strrchr(s, ':');
	struct in_addr a;

	if (!colon || (size_t)(colon - s) >= sizeof host)
		return false;
	memcpy(host, s, (size_t)(colon - s));
	host[colon - s] = '\0';
	return inet_pton(AF_INET, host, &a) == 1 && is_port(colon + 1, strlen(colon + 1), 0);
}

bool config_shape_cidr(const char *s)
{
	struct pb_net net;

	return pb_net_parse(s, &net);
}

bool config_shape_ports(const char *s)
{
	const char *dash = strchr(s, '-');
	int64_t first, last;

	if (!dash)
		return is_port(s, strlen(s), 1);
	return pb_parse_i64(s, (size_t)(dash - s), 1, 65535, &first) &&
	       pb_parse_i64(dash + 1, strlen(dash + 1), first, 65535, &last);
}

/* Length of "scheme://host[:port]" at the start of @s, 0 when it is something else. */
static size_t origin_len(const char *s)
{
	size_t scheme = pb_str_starts(s, "https://") ? 8 : pb_str_starts(s, "http://") ? 7 : 0;
	size_t host, port = 0;

	if (!scheme)
		return 0;
	host = strspn(s + scheme, LOWER DIGITS "-.");
	if (!host || s[scheme] == '.' || s[scheme] == '-')
		return 0;
	if (s[scheme + host] == ':') {
		port = 1 + strspn(s + scheme + host + 1, DIGITS);
		if (!is_port(s + scheme + host + 1, port - 1, 1))
			return 0;
	}
	return scheme + host + port;
}

bool config_shape_origin(const char *s)
{
	size_t n = origin_len(s);

	return n > 0 && s[n] == '\0';
}

bool config_shape_host(const char *s)
{
	size_t n;

	if (pb_str_starts(s, "*."))
		s += 2;
	n = strlen(s);
	return n > 0 && n <= 253 && strspn(s, LOWER DIGITS "-.") == n && *s != '.' && *s != '-' &&
	       s[n - 1] != '.' && !strstr(s, "..");
}

bool config_shape_base_url(const char *s)
{
	size_t n = origin_len(s);

	if (!n)
		return false;
	if (s[n] == '\0')
		return true;
	return s[n] == '/' && strspn(s + n, LOWER UPPER DIGITS "-._~/") == strlen(s + n) &&
	       !pb_str_ends(s, "/") && !strstr(s + n, "//") && !strstr(s + n, "/.");
}

bool config_shape_name(const char *s)
{
	return *s && strchr(LOWER "_", *s) && strspn(s, LOWER DIGITS "_-") == strlen(s) &&
	       strlen(s) <= 32;
}

bool config_shape_connector_url(const char *s)
{
	size_t n = strspn(s, LOWER DIGITS "_-.");

	return n > 0 && n <= 100 && s[n] == '=' && config_shape_base_url(s + n + 1);
}

bool config_shape_crash_at(const char *s)
{
	const char *colon = strrchr(s, ':');
	int64_t n;

	return colon && colon > s && strspn(s, LOWER DIGITS "_.") == (size_t)(colon - s) &&
	       pb_parse_i64(colon + 1, strlen(colon + 1), 1, INT64_MAX, &n);
}
