/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree of path segments. Literals are tried before the parameter, the parameter before the rest;
 * there is one step back per level, so a path costs at most segments x 2^(depth of ambiguity), and
 * patterns are few and ours. The surprising thing: the tree points at the patterns it was given.
 */
#include "http/http_router.h"

#include "base/base.h"

#define METHOD_SLOTS 7

struct http_node {
	struct http_node *first_child, *next;
	struct http_node *param, *rest;
	struct pb_slice literal;
	const struct http_route *by_method[METHOD_SLOTS];
	unsigned methods;
};

struct http_router {
	struct http_node root;
	struct http_route *routes[1024];
	size_t n;
};

static const struct {
	const char *name;
	unsigned bit;
} methods[METHOD_SLOTS] = {
	{"GET", HTTP_GET},         {"HEAD", HTTP_HEAD},   {"POST", HTTP_POST},
	{"PUT", HTTP_PUT},         {"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE},
	{"OPTIONS", HTTP_OPTIONS},
};

unsigned http_method_parse(const char *s)
{
	for (size_t i = 0; i < METHOD_SLOTS; i++)
		if (strcmp(methods[i].name, s) == 0)
			return methods[i].bit;
	return 0;
}

const char *http_method_name(unsigned one_bit)
{
	for (size_t i = 0; i < METHOD_SLOTS; i++)
		if (methods[i].bit == one_bit)
			return methods[i].name;
	return "?";
}

void http_method_list(unsigned set, char *out, size_t cap)
{
	size_t used = 0;

	PB_ASSERT(cap > 0);
	out[0] = 0;
	for (size_t i = 0; i < METHOD_SLOTS; i++) {
		if (!(set & methods[i].bit))
			continue;
		(void)pb_str_printf(out + used, cap - used, "%s%s", used ? ", " : "",
				    methods[i].name);
		used += strlen(out + used);
	}
}

struct http_router *http_router_new(void)
{
	return pb_new(struct http_router);
}

static void node_free(struct http_node *n)
{
	if (!n)
		return;
	for (struct http_node *c = n->first_child; c;) {
		struct http_node *next = c->next;

		node_free(c);
		c = next;
	}
	node_free(n->param);
	node_free(n->rest);
	free(n);
}

void http_router_free(struct http_router *r)
{
	if (!r)
		return;
	for (struct http_node *c = r->root.first_child; c;) {
		struct http_node *next = c->next;

		node_free(c);
		c = next;
	}
	node_free(r->root.param);
	node_free(r->root.rest);
	for (size_t i = 0; i < r->n; i++)
		free(r->routes[i]);
	free(r);
}

/* Cuts the next segment off *path, which begins with '/'. */
static struct pb_slice next_segment(struct pb_slice *path)
{
	struct pb_slice seg = pb_slice(path->p + 1, 0);
	const char *slash = memchr(seg.p, '/', path->len - 1);

	seg.len = slash ? (size_t)(slash - seg.p) : path->len - 1;
	*path = pb_slice(seg.p + seg.len, path->len - 1 - seg.len);
	return seg;
}

static bool is_param(struct pb_slice seg)
{
	return seg.len > 2 && seg.p[0] == '{' && seg.p[seg.len - 1] == '}';
}

static bool is_rest(struct pb_slice seg)
{
	return is_param(seg) && seg.len > 5 && memcmp(seg.p + seg.len - 4, "...}", 4) == 0;
}

static struct http_node *child_literal(struct http_node *at, struct pb_slice seg, bool make)
{
	struct http_node **link = &at->first_child;

	while (*link && !pb_slice_eq((*link)->literal, seg))
		link = &(*link)->next;
	if (!*link && make) {
		*link = pb_new(struct http_node);
		(*link)->literal = seg;
	}
	return *link;
}

static struct http_node *child_make(struct http_node *at, struct pb_slice seg, bool last)
{
	struct http_node **slot = NULL;

	if (is_rest(seg)) {
		PB_ASSERT(last);
		slot = &at->rest;
	} else if (is_param(seg)) {
		slot = &at->param;
	} else {
		PB_ASSERT(memchr(seg.p, '{', seg.len) == NULL &&
			  memchr(seg.p, '}', seg.len) == NULL);
		return child_literal(at, seg, true);
	}
	if (!*slot)
		*slot = pb_new(struct http_node);
	return *slot;
}

void http_router_add(struct http_router *r, const struct http_route *route)
{
	struct http_node *at = &r->root;
	struct pb_slice left = pb_slice_str(route->pattern);
	struct http_route *own = NULL;
	size_t n_params = 0;

	PB_ASSERT(r->n < PB_ARRAY_LEN(r->routes));
	PB_ASSERT(left.len > 0 && left.p[0] == '/' && route->handler && route->method);
	own = pb_xmemdup(route, sizeof(*route));
	r->routes[r->n++] = own;
	while (left.len > 0) {
		struct pb_slice seg = next_segment(&left);

		n_params += is_param(seg);
		at = child_make(at, seg, left.len == 0);
	}
	PB_ASSERT(n_params <= HTTP_PATH_PARAMS);
	for (size_t i = 0; i < METHOD_SLOTS; i++) {
		if (!(route->method & methods[i].bit))
			continue;
		PB_ASSERT(at->by_method[i] == NULL);
		at->by_method[i] = own;
	}
	at->methods |= route->method;
}

void http_router_add_all(struct http_router *r, const struct http_route *routes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		http_router_add(r, &routes[i]);
}

size_t http_router_count(const struct http_router *r)
{
	return r->n;
}

const struct http_route *http_router_route(const struct http_router *r, size_t i)
{
	PB_ASSERT(i < r->n);
	return r->routes[i];
}

static const struct http_route *node_route(const struct http_node *n, unsigned method)
{
	for (size_t i = 0; i < METHOD_SLOTS; i++)
		if (methods[i].bit == method && n->by_method[i])
			return n->by_method[i];
	if (method == HTTP_HEAD)
		return n->by_method[0];
	return NULL;
}

/* Remembers what @n offers for the 405 answer; true when it has the method itself. */
static bool take_node(const struct http_node *n, unsigned method, struct http_match *m)
{
	m->allow |= n->methods;
	if (n->methods & HTTP_GET)
		m->allow |= HTTP_HEAD;
	m->route = node_route(n, method);
	return m->route != NULL;
}

static bool match_at(const struct http_node *at, unsigned method, struct pb_slice left,
		     size_t depth, struct http_match *m)
{
	struct pb_slice all = left, seg;
	const struct http_node *lit = NULL;

	if (left.len == 0)
		return at->methods && take_node(at, method, m);
	seg = next_segment(&left);
	for (lit = at->first_child; lit && !pb_slice_eq(lit->literal, seg); lit = lit->next)
		;
	if (lit && match_at(lit, method, left, depth, m))
		return true;
	if (at->param && seg.len > 0) {
		m->params[depth].value = seg;
		if (match_at(at->param, method, left, depth + 1, m))
			return true;
	}
	if (at->rest && all.len > 1) {
		m->params[depth].value = pb_slice(all.p + 1, all.len - 1);
		return take_node(at->rest, method, m);
	}
	return false;
}

/* Names of the parameters come from the pattern that won. */
static void name_params(struct http_match *m)
{
	struct pb_slice left = pb_slice_str(m->route->pattern);

	m->n_params = 0;
	while (left.len > 0) {
		struct pb_slice seg = next_segment(&left);

		if (!is_param(seg))
			continue;
		m->params[m->n_params].name = seg.p + 1;
		m->params[m->n_params].name_len = seg.len - (is_rest(seg) ? 5 : 2);
		m->n_params++;
	}
}

bool http_router_match(const struct http_router *r, unsigned method, struct pb_slice path,
		       struct http_match *ret)
{
	*ret = (struct http_match){0};
	if (path.len == 0 || path.p[0] != '/')
		return false;
	if (!match_at(&r->root, method, path, 0, ret))
		return false;
	name_params(ret);
	return true;
}
