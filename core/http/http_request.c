/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers ask about their request. Everything was checked and copied before they run. */
#include "http/http_request.h"

#include "base/parse.h"
#include "http/http_priv.h"
#include "base/base.h"

unsigned http_req_method(const struct http_req *r)
{
	return r->method;
}

const char *http_req_method_name(const struct http_req *r)
{
	return r->method_name;
}

const char *http_req_path(const struct http_req *r)
{
	return r->target.path.p ? r->target.path.p : "";
}

const char *http_req_target(const struct http_req *r)
{
	return r->raw_target;
}

struct pb_slice http_req_query_raw(const struct http_req *r)
{
	return r->target.query;
}

const struct http_route *http_req_route(const struct http_req *r)
{
	return r->match.route;
}

struct pb_slice http_req_param(const struct http_req *r, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < r->match.n_params; i++) {
		const struct http_path_param *p = &r->match.params[i];

		if (p->name_len == n && memcmp(p->name, name, n) == 0)
			return p->value;
	}
	PB_ASSERT(!"path parameter that the route does not have");
	return pb_slice(NULL, 0);
}

enum pb_status http_req_param_uuid(const struct http_req *r, const char *name, struct pb_uuid *ret,
				   struct pb_err *err)
{
	struct pb_slice v = http_req_param(r, name);
	struct pb_uuid id;

	if (!pb_uuid_parse(v.p, v.len, &id))
		return pb_err_set(err, PB_E_NOT_FOUND, "http.not_found", "there is nothing here");
	*ret = id;
	return PB_OK;
}

const char *http_req_query(const struct http_req *r, const char *name)
{
	for (size_t i = 0; i < r->target.n_params; i++)
		if (pb_slice_eq_str(r->target.params[i].name, name))
			return r->target.params[i].value.p;
	return NULL;
}

enum pb_status http_req_query_i64(const struct http_req *r, const char *name, int64_t min,
				  int64_t max, int64_t dflt, int64_t *ret, struct pb_err *err)
{
	const char *v = http_req_query(r, name);
	int64_t n = dflt;

	if (v && !pb_parse_i64(v, strlen(v), min, max, &n))
		return pb_err_set(err, PB_E_INVALID, "http.query_invalid",
				  "query parameter \"%s\" must be an integer from %lld to %lld",
				  name, (long long)min, (long long)max);
	*ret = n;
	return PB_OK;
}

size_t http_req_query_count(const struct http_req *r)
{
	return r->target.n_params;
}

const struct http_param *http_req_query_at(const struct http_req *r, size_t i)
{
	PB_ASSERT(i < r->target.n_params);
	return &r->target.params[i];
}

const char *http_req_header(const struct http_req *r, const char *name)
{
	for (size_t i = 0; i < r->n_headers; i++)
		if (pb_slice_eq_nocase(pb_slice_str(r->headers[i].name), name))
			return r->headers[i].value;
	return NULL;
}

size_t http_req_header_count(const struct http_req *r)
{
	return r->n_headers;
}

void http_req_header_at(const struct http_req *r, size_t i, const char **ret_name,
			const char **ret_value)
{
	PB_ASSERT(i < r->n_headers);
	*ret_name = r->headers[i].name;
	*ret_value = r->headers[i].value;
}

size_t http_req_header_repeats(const struct http_req *r, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_headers; i++)
		n += pb_slice_eq_nocase(pb_slice_str(r->headers[i].name), name);
	return n;
}

/* Adds how often @name stands in one Cookie header; remembers the last value. */
static size_t cookie_scan(const char *line, const char *name, struct pb_slice *ret)
{
	size_t name_n = strlen(name), found = 0;

	while (*line) {
		size_t n = 0;

		line += strspn(line, " \t;");
		n = strcspn(line, ";");
		if (n > name_n && memcmp(line, name, name_n) == 0 && line[name_n] == '=') {
			*ret = pb_slice(line + name_n + 1, n - name_n - 1);
			found++;
		}
		line += n;
	}
	return found;
}

struct pb_slice http_req_cookie(const struct http_req *r, const char *name)
{
	struct pb_slice v = {NULL, 0};
	size_t found = 0;

	for (size_t i = 0; i < r->n_headers; i++)
		if (pb_slice_eq_nocase(pb_slice_str(r->headers[i].name), "Cookie"))
			found += cookie_scan(r->headers[i].value, name, &v);
	while (v.len && (v.p[v.len - 1] == ' ' || v.p[v.len - 1] == '\t'))
		v.len--;
	return found == 1 ? v : pb_slice(NULL, 0);
}

static struct pb_slice trim(const char *p, size_t n)
{
	while (n && (*p == ' ' || *p == '\t')) {
		p++;
		n--;
	}
	while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	return pb_slice(p, n);
}

bool http_req_content_is(const struct http_req *r, const char *type)
{
	const char *v = http_req_header(r, "Content-Type");
	size_t n = v ? strcspn(v, ";") : 0;

	if (!v || !pb_slice_eq_nocase(trim(v, n), type))
		return false;
	for (v += n; *v == ';'; v += n) {
		struct pb_slice p;

		v++;
		n = strcspn(v, ";");
		p = trim(v, n);
		if (p.len < 8 || !pb_slice_eq_nocase(pb_slice(p.p, 8), "charset="))
			continue;
		p = pb_slice(p.p + 8, p.len - 8);
		if (p.len > 1 && p.p[0] == '"' && p.p[p.len - 1] == '"')
			p = pb_slice(p.p + 1, p.len - 2);
		if (!pb_slice_eq_nocase(p, "utf-8") && !pb_slice_eq_nocase(p, "utf8"))
			return false;
	}
	return true;
}

const char *http_req_remote_ip(const struct http_req *r)
{
	return r->ip;
}

bool http_req_is_https(const struct http_req *r)
{
	return r->https;
}

const char *http_req_host(const struct http_req *r)
{
	return r->host ? r->host : "";
}

const char *http_req_id(const struct http_req *r)
{
	return r->id;
}

int64_t http_req_start_us(const struct http_req *r)
{
	return r->start_us;
}

struct pb_arena *http_req_arena(struct http_req *r)
{
	return &r->arena;
}

void http_req_attach(struct http_req *r, void *p, void (*free_fn)(void *))
{
	if (r->attached && r->attached_free)
		r->attached_free(r->attached);
	r->attached = p;
	r->attached_free = free_fn;
}

void *http_req_attached(const struct http_req *r)
{
	return r->attached;
}

static const char *keep(struct http_req *r, const char *s)
{
	return s ? pb_arena_strdup(&r->arena, s) : NULL;
}

void http_req_set_actor(struct http_req *r, const char *user_id, const char *client_id,
			const char *role)
{
	r->user_id = keep(r, user_id);
	r->client_id = keep(r, client_id);
	r->role = keep(r, role);
}

bool http_req_draining(const struct http_req *r)
{
	return atomic_load(&r->server->draining);
}
