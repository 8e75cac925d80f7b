/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is accepted is normal: read again from its own canonical spelling it is the same path. */
#include "http/http_path.h"

#include "base/buf.h"
#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_path(struct pb_slice path)
{
	PB_ASSERT(path.len > 0 && path.p[0] == '/' && path.p[path.len] == 0);
	PB_ASSERT(pb_utf8_valid(path.p, path.len));
	PB_ASSERT(memchr(path.p, 0, path.len) == NULL && memchr(path.p, '\\', path.len) == NULL);
	PB_ASSERT(strstr(path.p, "//") == NULL && strstr(path.p, "/../") == NULL &&
		  strstr(path.p, "/./") == NULL);
	PB_ASSERT(!pb_str_ends(path.p, "/..") && !pb_str_ends(path.p, "/."));
}

static void check_again(struct pb_arena *a, struct pb_slice path)
{
	pb_auto_buf b = PB_BUF_INIT;
	struct http_target t;

	for (size_t i = 0; i < path.len; i++) {
		if (path.p[i] == '/')
			(void)pb_buf_addc(&b, '/');
		else
			(void)pb_buf_addf(&b, "%%%02X", (unsigned char)path.p[i]);
	}
	if (b.len > HTTP_TARGET_BYTES)
		return;
	PB_ASSERT(http_target_parse(a, b.p, b.len, &t, NULL) == PB_OK);
	PB_ASSERT(pb_slice_eq(t.path, path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	pb_auto_arena a;
	struct http_target t;
	const struct http_param *form = NULL;
	size_t form_n = 0;

	pb_arena_init(&a, 1024 * 1024);
	if (http_target_parse(&a, (const char *)data, n, &t, NULL) == PB_OK) {
		check_path(t.path);
		check_again(&a, t.path);
		PB_ASSERT(t.n_params <= HTTP_QUERY_PARAMS);
		for (size_t i = 0; i < t.n_params; i++)
			PB_ASSERT(strlen(t.params[i].value.p) == t.params[i].value.len);
	}
	if (http_form_parse(&a, (const char *)data, n, true, &form, &form_n, NULL) == PB_OK)
		for (size_t i = 0; i < form_n; i++)
			PB_ASSERT(pb_utf8_valid(form[i].name.p, form[i].name.len));
	return 0;
}
