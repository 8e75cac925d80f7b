/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors of lists: the last id of a page and a keyed hash that binds it to tenant and list. Without the key nobody
 * makes one, so that ids cannot be tried out, and what a cursor holds may change from release to release.
 */
#include "api/api_internal.h"

#include "crypto/crypto_encode.h"
#include "crypto/crypto_hash.h"

#include "base/base.h"

#define LIMIT_MAX     200
#define LIMIT_DEFAULT 50
#define MAC_BYTES     16

/* Invariant: no padding, its bytes are what is encoded. */
struct cursor {
	uint8_t format;
	uint8_t last[16];
	uint8_t mac[MAC_BYTES];
};

#define CURSOR_FORMAT 1

_Static_assert(CRYPTO_BASE64URL_BYTES(sizeof(struct cursor)) <= API_CURSOR_BYTES,
	       "a cursor fits its buffer");

static void sign(struct api *api, struct pb_uuid tenant, const char *list, const struct cursor *c,
		 uint8_t mac[MAC_BYTES])
{
	const struct pb_slice parts[] = {
		{(const char *)&c->format, 1},
		{(const char *)tenant.b, sizeof(tenant.b)},
		pb_slice_str(list),
		{(const char *)c->last, sizeof(c->last)},
	};
	uint8_t hash[CRYPTO_HASH_BYTES];

	crypto_blake2b_parts(api->cfg.cursor_subkey, parts, PB_ARRAY_LEN(parts), hash);
	memcpy(mac, hash, MAC_BYTES);
}

void api_cursor_write(struct api *api, struct pb_uuid tenant, const char *list, struct pb_uuid last,
		      char out[API_CURSOR_BYTES])
{
	struct cursor c = {.format = CURSOR_FORMAT};

	memcpy(c.last, last.b, sizeof(c.last));
	sign(api, tenant, list, &c, c.mac);
	(void)crypto_base64url_encode(&c, sizeof(c), out);
}

static bool cursor_read(struct api *api, struct pb_uuid tenant, const char *list, const char *text,
			struct pb_uuid *ret)
{
	uint8_t mac[MAC_BYTES];
	struct cursor c;
	size_t n;

	if (!crypto_base64url_decode(text, strlen(text), &c, sizeof(c), &n) || n != sizeof(c) ||
	    c.format != CURSOR_FORMAT)
		return false;
	sign(api, tenant, list, &c, mac);
	if (!crypto_equal(mac, c.mac, sizeof(mac)))
		return false;
	memcpy(ret->b, c.last, sizeof(ret->b));
	return true;
}

bool api_page_query(struct api *api, struct http_req *req, const char *list,
		    struct pb_uuid *ret_before, int *ret_limit)
{
	const char *text = http_req_query(req, "cursor");
	struct pb_uuid before = PB_UUID_NIL;
	struct pb_err err = PB_ERR_INIT;
	int64_t limit;

	if (http_req_query_i64(req, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit, &err) != PB_OK) {
		http_reply_error(req, &err);
		return false;
	}
	if (text && !cursor_read(api, api_actor(req)->tenant, list, text, &before)) {
		http_reply_fail(req, PB_E_INVALID, "request.cursor_invalid",
				"the cursor is not one of this list; begin without one");
		return false;
	}
	*ret_before = before;
	*ret_limit = (int)limit;
	return true;
}
