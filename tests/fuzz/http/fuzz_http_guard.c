/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of requests: lines "name:value" under "METHOD target version". What the guard lets through has
 * one framing and one well-formed Host.
 */
#include "http/http_guard.h"

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Cuts @text at the next @sep. */
static char *cut(char **text, char sep)
{
	char *start = *text;
	char *end = start + strcspn(start, (char[]){sep, 0});

	*text = *end ? end + 1 : end;
	*end = 0;
	return start;
}

static void check(const struct http_head *h, const struct http_framing *f)
{
	size_t hosts = 0, lengths = 0, codings = 0;

	for (size_t i = 0; i < h->n_headers; i++) {
		struct pb_slice name = pb_slice_str(h->headers[i].name);

		hosts += pb_slice_eq_nocase(name, "host");
		lengths += pb_slice_eq_nocase(name, "content-length");
		codings += pb_slice_eq_nocase(name, "transfer-encoding");
	}
	PB_ASSERT(hosts <= 1 && lengths + codings <= 1);
	PB_ASSERT(f->chunked == (codings == 1) && (f->content_length >= 0) == (lengths == 1));
	PB_ASSERT(h->target[0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct http_header headers[64];
	struct http_head head = {.headers = headers, .header_limit_bytes = 16384, .wire_ok = true};
	struct http_framing f;
	pb_autofree char *copy = pb_xmemdup(data, n);
	char *at = copy;

	head.method = cut(&at, ' ');
	head.target = cut(&at, ' ');
	head.version = cut(&at, '\n');
	while (*at && head.n_headers < PB_ARRAY_LEN(headers)) {
		char *line = cut(&at, '\n');

		headers[head.n_headers].name = cut(&line, ':');
		headers[head.n_headers++].value = line;
	}
	if (http_guard_check(&head, &f, NULL) == PB_OK)
		check(&head, &f);
	return 0;
}
