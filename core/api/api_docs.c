/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /api/docs: the description of the API for people. Written once from the very document that is served, so the
 * two cannot differ. One page without scripts; its style is allowed by its hash and nothing else is.
 */
#include "api/api_internal.h"

#include "api/api_openapi.h"
#include "crypto/crypto_encode.h"
#include "crypto/crypto_hash.h"

#include "base/base.h"

#define DOC_ARENA_BYTES ((size_t)32 * 1024 * 1024)

static const char style[] =
	"body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;"
	"color:#1a1a1a;background:#fff}"
	"h2{margin-top:2.5rem;border-bottom:1px solid #bbb}"
	"details{margin:.4rem 0;border:1px solid #ccc;border-radius:4px;padding:.4rem .7rem}"
	"summary{cursor:pointer}code{font:14px/1.4 ui-monospace,monospace}"
	"summary code:first-child{display:inline-block;min-width:4.5rem;font-weight:bold}"
	"table{border-collapse:collapse}td{padding:.1rem .8rem .1rem 0;vertical-align:top}"
	"@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}a{color:#8ab4f8}"
	"details{border-color:#444}}";

static void put_text(struct pb_buf *out, struct pb_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		switch (s.p[i]) {
		case '<':
			pb_buf_adds(out, "&lt;");
			break;
		case '>':
			pb_buf_adds(out, "&gt;");
			break;
		case '&':
			pb_buf_adds(out, "&amp;");
			break;
		case '"':
			pb_buf_adds(out, "&quot;");
			break;
		default:
			pb_buf_addc(out, s.p[i]);
		}
}

static void put_member(struct pb_buf *out, const char *before, const struct pb_json *j,
		       const char *name, const char *after)
{
	struct pb_slice s = pb_json_slice(pb_json_get(j, name));

	if (!s.p)
		return;
	pb_buf_adds(out, before);
	put_text(out, s);
	pb_buf_adds(out, after);
}

/* What "$ref" points at, or @j itself. */
static const struct pb_json *resolve(const struct pb_json *doc, const struct pb_json *j)
{
	struct pb_slice ref = pb_json_slice(pb_json_get(j, "$ref"));

	return ref.len > 1 ? pb_json_pointer(doc, ref.p + 1, ref.len - 1) : j;
}

static void put_parameters(struct pb_buf *out, const struct pb_json *doc, const struct pb_json *op)
{
	const struct pb_json *list = pb_json_get(op, "parameters");

	if (!list || list->len == 0)
		return;
	pb_buf_adds(out, "<p>Parameters</p><table>");
	pb_json_each_item (it, list) {
		const struct pb_json *p = resolve(doc, it);

		put_member(out, "<tr><td><code>", p, "name", "</code>");
		put_member(out, "<td>", p, "in", "");
		put_member(out, "<td>", p, "description", "");
	}
	pb_buf_adds(out, "</table>");
}

static void put_responses(struct pb_buf *out, const struct pb_json *doc, const struct pb_json *op)
{
	const struct pb_json *codes = pb_json_get(op, "x-error-codes");

	pb_buf_adds(out, "<p>Answers</p><table>");
	pb_json_each_member (m, pb_json_get(op, "responses")) {
		pb_buf_adds(out, "<tr><td><code>");
		put_text(out, pb_slice(m->key, m->key_len));
		pb_buf_adds(out, "</code>");
		put_member(out, "<td>", resolve(doc, &m->value), "description", "");
	}
	pb_buf_adds(out, "</table>");
	if (!codes || codes->len == 0)
		return;
	pb_buf_adds(out, "<p>Error codes:");
	pb_json_each_item (it, codes) {
		pb_buf_adds(out, " <code>");
		put_text(out, pb_json_slice(it));
		pb_buf_adds(out, "</code>");
	}
	pb_buf_adds(out, "</p>");
}

static void put_operation(struct pb_buf *out, const struct pb_json *doc,
			  const struct pb_json_member *path, const struct pb_json_member *method)
{
	const struct pb_json *op = &method->value;

	pb_buf_adds(out, "<details><summary><code>");
	for (size_t i = 0; i < method->key_len; i++)
		pb_buf_addc(out, (char)(method->key[i] & ~0x20));
	pb_buf_adds(out, "</code> <code>");
	put_text(out, pb_slice(path->key, path->key_len));
	pb_buf_adds(out, "</code>");
	put_member(out, " ", op, "summary", "");
	pb_buf_adds(out, "</summary>");
	put_member(out, "<p>", op, "description", "</p>");
	put_member(out, "<p>Needs the permission <code>", op, "x-permission", "</code>.</p>");
	put_parameters(out, doc, op);
	put_responses(out, doc, op);
	pb_buf_adds(out, "</details>\n");
}

static bool has_tag(const struct pb_json *op, struct pb_slice tag)
{
	return pb_slice_eq(pb_json_slice(pb_json_item(pb_json_get(op, "tags"), 0)), tag);
}

static void put_tag(struct pb_buf *out, const struct pb_json *doc, struct pb_slice tag)
{
	pb_buf_adds(out, "<h2>");
	put_text(out, tag);
	pb_buf_adds(out, "</h2>\n");
	pb_json_each_member (path, pb_json_get(doc, "paths"))
		pb_json_each_member (method, &path->value)
			if (has_tag(&method->value, tag))
				put_operation(out, doc, path, method);
}

void api_docs_write(struct pb_buf *out)
{
	const struct pb_json *doc = NULL, *info;
	struct pb_err err = PB_ERR_INIT;
	pb_auto_arena arena;

	pb_arena_init(&arena, DOC_ARENA_BYTES);
	if (pb_json_parse(&arena, (const char *)api_openapi_bytes, api_openapi_n, NULL, &doc,
			  &err) != PB_OK)
		return;
	info = pb_json_get(doc, "info");
	pb_buf_adds(out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
			 "<meta name=\"viewport\" content=\"width=device-width\">"
			 "<title>Patchbay API</title><style>");
	pb_buf_adds(out, style);
	pb_buf_adds(out, "</style></head><body>\n<h1>Patchbay API</h1>");
	put_member(out, "<p>", info, "summary", "</p>");
	put_member(out, "<p>", info, "description", "</p>");
	pb_buf_adds(out,
		    "<p>For programs: <a href=\"/api/v1/openapi.json\">openapi.json</a></p>\n");
	pb_json_each_item (tag, pb_json_get(doc, "tags"))
		put_tag(out, doc, pb_json_slice(pb_json_get(tag, "name")));
	pb_buf_adds(out, "</body></html>\n");
}

void api_docs_reply(struct http_req *req, const struct pb_buf *page)
{
	uint8_t hash[CRYPTO_HASH_BYTES];
	char text[CRYPTO_BASE64_BYTES(CRYPTO_HASH_BYTES)];

	crypto_sha256(style, sizeof(style) - 1, hash);
	(void)crypto_base64_encode(hash, sizeof(hash), text);
	http_reply_headerf(req, "Content-Security-Policy",
			   "default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; "
			   "form-action 'none'; frame-ancestors 'none'",
			   text);
	http_reply_header(req, "Cache-Control", "public, max-age=300");
	http_reply_raw(req, 200, "text/html; charset=utf-8", page->p, page->len);
}
