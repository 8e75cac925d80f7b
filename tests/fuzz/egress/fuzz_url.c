/* SPDX-License-Identifier: Apache-2.0 */
/* URLs and redirects: whatever is accepted has a host, a port and no user, and survives being read again. */
#include "egress/egress_url.h"

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct egress_url *u)
{
	struct pb_err err = PB_ERR_INIT;
	struct egress_url again = {0};
	pb_autofree char *text = egress_url_text(u);
	enum pb_status st;

	PB_ASSERT(u->host[0] && u->port);
	PB_ASSERT(!strchr(u->host, '@') && !strchr(u->host, '%') && !strchr(u->host, '/'));
	st = egress_url_parse(&again, text, &err);
	PB_ASSERT(st == PB_OK && egress_url_same_origin(u, &again));
	egress_url_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	pb_autofree char *text = pb_xmemdup(data, n);
	struct egress_url base = {0}, direct = {0}, moved = {0};
	struct pb_err err = PB_ERR_INIT;

	if (egress_url_parse(&direct, text, &err) == PB_OK)
		check(&direct);
	if (egress_url_parse(&base, "https://api.example.com:8443/a/b?c", &err) == PB_OK &&
	    egress_url_redirect(&base, text, &moved, &err) == PB_OK)
		check(&moved);
	egress_url_done(&direct);
	egress_url_done(&base);
	egress_url_done(&moved);
	return 0;
}
