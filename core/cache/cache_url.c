/* SPDX-License-Identifier: Apache-2.0 */
/* Redis addresses. Strict: a part that is not understood is refused, not ignored. */
#include "base/parse.h"
#include "cache/cache_priv.h"
#include "base/base.h"

static bool copy_part(char *dst, size_t cap, const char *p, size_t n)
{
	if (n >= cap)
		return false;
	memcpy(dst, p, n);
	dst[n] = 0;
	return true;
}

/* %xy in user and password; no NUL. */
static bool copy_decoded(char *dst, size_t cap, const char *p, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '%') {
			if (i + 2 >= n || !pb_unhex(p + i + 1, 2, &c, 1) || c == 0)
				return false;
			i += 2;
		}
		if (len + 1 >= cap)
			return false;
		dst[len++] = (char)c;
	}
	dst[len] = 0;
	return true;
}

static bool parse_db(const char *p, struct cache_url *u)
{
	int64_t db = 0;

	if (*p && !pb_parse_i64(p, strlen(p), 0, 65535, &db))
		return false;
	u->db = (int)db;
	return true;
}

static bool parse_unix(const char *p, struct cache_url *u)
{
	size_t n = strcspn(p, "?");

	if (n == 0 || *p != '/' || !copy_part(u->host, sizeof(u->host), p, n))
		return false;
	if (p[n] == 0)
		return true;
	return pb_str_starts(p + n, "?db=") && p[n + 4] && parse_db(p + n + 4, u);
}

static bool parse_login(const char *p, size_t n, struct cache_url *u)
{
	const char *colon = memchr(p, ':', n);
	size_t user_n = colon ? (size_t)(colon - p) : n;

	if (!copy_decoded(u->user, sizeof(u->user), p, user_n))
		return false;
	return !colon || copy_decoded(u->password, sizeof(u->password), colon + 1, n - user_n - 1);
}

static bool parse_tcp(const char *p, struct cache_url *u)
{
	size_t n = strcspn(p, "/");
	const char *at = n ? memrchr(p, '@', n) : NULL;
	const char *colon = NULL;
	int64_t port = 6379;

	if (p[n] == '/' && !parse_db(p + n + 1, u))
		return false;
	if (at) {
		if (!parse_login(p, (size_t)(at - p), u))
			return false;
		n -= (size_t)(at + 1 - p);
		p = at + 1;
	}
	colon = memchr(p, ':', n);
	if (colon && !pb_parse_i64(colon + 1, n - (size_t)(colon - p) - 1, 1, 65535, &port))
		return false;
	n = colon ? (size_t)(colon - p) : n;
	u->port = (int)port;
	return n > 0 && copy_part(u->host, sizeof(u->host), p, n);
}

bool cache_url_parse(const char *url, struct cache_url *ret)
{
	struct cache_url u = {0};
	bool ok = false;

	if (url && pb_str_starts(url, "redis://"))
		ok = parse_tcp(url + 8, &u);
	else if (url && pb_str_starts(url, "unix:"))
		ok = parse_unix(url + 5, &u);
	if (ok)
		*ret = u;
	return ok;
}
