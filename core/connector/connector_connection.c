/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An opened connection: its fields in one block of memory that is wiped with the last reference,
 * templates over them, and the redaction of what a connector says.
 */
#include "connector/connector_private.h"

#include "base/json.h"
#include "crypto/crypto_encode.h"
#include "crypto/crypto_secret.h"
#include "base/base.h"

#define FIELDS_MAX  64
#define LINES_MAX   8
#define REDACT_MIN  6 /* shorter values would hit innocent text */
#define REDACTED    "[redacted]"
#define ARENA_BYTES ((size_t)2 << 20)

struct field {
	const char *name;
	const char *value;
	size_t n;
	bool secret;
	char *escaped; /* as JSON writes it, when that differs; NULL else */
	size_t n_escaped;
};

struct connector_connection {
	atomic_int refs;
	struct pb_uuid id;
	char connector[104], auth_type[72];
	struct field fields[FIELDS_MAX];
	size_t n_fields;
	char *block; /* names and values */
	size_t block_bytes;
};

/* Strings of a parsed tree that held secrets are wiped before its arena goes. */
static void wipe_tree(const struct pb_json *j, int depth)
{
	if (!j || depth > PB_JSON_DEPTH)
		return;
	if (pb_json_is(j, PB_JSON_STRING))
		explicit_bzero((void *)(uintptr_t)j->s, j->len);
	pb_json_each_item (it, j)
		wipe_tree(it, depth + 1);
	pb_json_each_member (m, j)
		wipe_tree(&m->value, depth + 1);
}

/* Text as it is, everything else as JSON. */
static bool field_text(const struct pb_json *j, struct pb_buf *out)
{
	struct pb_slice s = pb_json_slice(j);

	return s.p ? pb_buf_add(out, s.p, s.len) : pb_json_write(out, j);
}

/* A connector that logs or returns JSON writes a secret like this. */
static void escape_field(struct field *f)
{
	const size_t room = 6 * f->n + 3;
	struct pb_buf b = PB_BUF_INIT;

	pb_buf_init(&b, room + 1);
	if (pb_buf_reserve(&b, room) && pb_json_write_string(&b, f->value, f->n) &&
	    b.len - 2 != f->n) {
		f->n_escaped = b.len - 2; /* without the quotes */
		f->escaped = pb_xmemdup(b.p + 1, f->n_escaped);
	}
	if (b.p)
		explicit_bzero(b.p, b.cap);
	pb_buf_done(&b);
}

/* Copies name and value behind each other into the block; pointers are set when it no longer moves. */
static bool add_fields(struct connector_connection *c, struct pb_buf *block,
		       const struct pb_json *obj, bool secret)
{
	pb_json_each_member (m, obj) {
		struct field *f = &c->fields[c->n_fields];
		size_t at = block->len;

		if (c->n_fields == FIELDS_MAX || m->key_len == 0)
			return false;
		if (pb_json_is(&m->value, PB_JSON_NULL))
			continue;
		if (!pb_buf_add(block, m->key, m->key_len) || !pb_buf_addc(block, 0))
			return false;
		f->n = block->len;
		if (!field_text(&m->value, block))
			return false;
		f->n = block->len - f->n;
		if (!pb_buf_addc(block, 0))
			return false;
		f->name = (const char *)(uintptr_t)at;
		f->value = (const char *)(uintptr_t)(at + m->key_len + 1);
		f->secret = secret;
		c->n_fields++;
	}
	return true;
}

static void set_pointers(struct connector_connection *c)
{
	for (size_t i = 0; i < c->n_fields; i++) {
		c->fields[i].name = c->block + (uintptr_t)c->fields[i].name;
		c->fields[i].value = c->block + (uintptr_t)c->fields[i].value;
		if (c->fields[i].secret)
			escape_field(&c->fields[i]);
	}
}

static bool parse_object(struct pb_arena *arena, const char *text, size_t n,
			 const struct pb_json **ret)
{
	struct pb_err err = PB_ERR_INIT;

	return pb_json_parse(arena, text, n, NULL, ret, &err) == PB_OK &&
	       pb_json_is(*ret, PB_JSON_OBJECT);
}

static bool fill(struct connector_connection *c, const char *fields,
		 const struct crypto_secret *secrets)
{
	pb_auto_arena arena;
	const struct pb_json *open = NULL, *hidden = NULL;
	struct pb_buf block = PB_BUF_INIT;
	size_t room;
	bool ok;

	pb_arena_init(&arena, ARENA_BYTES);
	/* all room at once: a buffer that grows would leave copies behind */
	room = 2 * ((fields ? strlen(fields) : 0) + (secrets ? crypto_secret_len(secrets) : 0)) +
	       1024;
	pb_buf_init(&block, room);
	ok = room < ARENA_BYTES && pb_buf_reserve(&block, room - 1);
	if (fields)
		ok = ok && parse_object(&arena, fields, strlen(fields), &open);
	if (secrets)
		ok = ok && parse_object(&arena, (const char *)crypto_secret_bytes(secrets),
					crypto_secret_len(secrets), &hidden);
	ok = ok && add_fields(c, &block, hidden, true) && add_fields(c, &block, open, false);
	wipe_tree(hidden, 0);
	if (ok) {
		c->block = pb_xmemdup(block.p, block.len);
		c->block_bytes = block.len;
		set_pointers(c);
	}
	if (block.p)
		explicit_bzero(block.p, block.cap);
	pb_buf_done(&block);
	return ok;
}

enum pb_status connector_connection_new(struct pb_uuid id, const char *connector,
					const char *auth_type, const char *fields,
					struct crypto_secret *secrets,
					struct connector_connection **ret, struct pb_err *err)
{
	pb_autoptr(crypto_secret) taken = secrets;
	pb_autoptr(connector_connection) c = pb_new(struct connector_connection);

	atomic_init(&c->refs, 1);
	c->id = id;
	if (!pb_str_copy(c->connector, sizeof(c->connector), connector) ||
	    !pb_str_copy(c->auth_type, sizeof(c->auth_type), auth_type) ||
	    !fill(c, fields, taken)) {
		c->n_fields = 0;
		return pb_err_set(err, PB_E_INTERNAL, "connection.malformed",
				  "the stored connection cannot be read");
	}
	*ret = pb_steal(c);
	return PB_OK;
}

struct connector_connection *connector_connection_ref(struct connector_connection *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void connector_connection_unref(struct connector_connection *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < c->n_fields; i++) {
		if (c->fields[i].escaped)
			crypto_wipe(c->fields[i].escaped, c->fields[i].n_escaped);
		free(c->fields[i].escaped);
	}
	if (c->block)
		crypto_wipe(c->block, c->block_bytes);
	free(c->block);
	free(c);
}

struct pb_uuid connector_connection_id(const struct connector_connection *c)
{
	return c->id;
}

const char *connector_connection_connector(const struct connector_connection *c)
{
	return c->connector;
}

const char *connector_connection_auth_type(const struct connector_connection *c)
{
	return c->auth_type;
}

bool connector_connection_field(const struct connector_connection *c, const char *name,
				struct pb_slice *ret)
{
	for (size_t i = 0; c && i < c->n_fields; i++)
		if (strcmp(c->fields[i].name, name) == 0) {
			*ret = pb_slice(c->fields[i].value, c->fields[i].n);
			return true;
		}
	return false;
}

/* A field that was left out means what its schema says. */
static bool default_of(const struct pb_json *schema, const char *name, struct pb_slice *ret)
{
	const struct pb_json *field = pb_json_get(pb_json_get(schema, "properties"), name);

	*ret = pb_json_slice(pb_json_get(field, "default"));
	return ret->p != NULL;
}

/* Handles one "${cred.name}" or "${cred.name?}" at @at; returns the bytes read, 0 when it is malformed. */
static size_t render_one(const struct connector_connection *c, const struct pb_json *schema,
			 const char *at, struct pb_buf *out, bool *ok)
{
	const char *end = strchr(at, '}');
	char name[80];
	struct pb_slice value;
	size_t n;
	bool optional;

	if (!pb_str_starts(at, "${cred.") || !end)
		return 0;
	n = (size_t)(end - at) - 7;
	optional = n > 0 && at[7 + n - 1] == '?';
	n -= optional;
	if (n == 0 || n >= sizeof(name))
		return 0;
	memcpy(name, at + 7, n);
	name[n] = 0;
	if (connector_connection_field(c, name, &value) || default_of(schema, name, &value))
		*ok = *ok && pb_buf_add(out, value.p, value.len);
	else if (!optional)
		*ok = false;
	return (size_t)(end - at) + 1;
}

bool connector_connection_render(const struct connector_connection *c, const struct pb_json *schema,
				 const char *template_, struct pb_buf *out)
{
	bool ok = true;

	for (const char *at = template_; *at && ok;) {
		size_t n = strcspn(at, "$");

		ok = pb_buf_add(out, at, n);
		at += n;
		if (!*at)
			break;
		n = render_one(c, schema, at, out, &ok);
		if (n == 0) {
			ok = ok && pb_buf_addc(out, '$');
			n = 1;
		}
		at += n;
	}
	return ok;
}

/* ---- what egress will inject ---- */

static void wipe_buf(struct pb_buf *b)
{
	if (b->p)
		crypto_wipe(b->p, b->cap);
	pb_buf_done(b);
}

static bool encode_basic(struct pb_buf *b)
{
	size_t n = CRYPTO_BASE64_BYTES(b->len);
	pb_autofree char *text = pb_xcalloc(1, n);
	bool ok;

	n = crypto_base64_encode(b->p ? b->p : "", b->len, text);
	pb_buf_clear(b);
	ok = pb_buf_adds(b, "Basic ") && pb_buf_add(b, text, n);
	crypto_wipe(text, n);
	return ok;
}

static char *render_name(const struct connector_connection *c, const struct pb_json *schema,
			 const char *template_)
{
	struct pb_buf b = PB_BUF_INIT;

	pb_buf_init(&b, 256);
	if (connector_connection_render(c, schema, template_, &b))
		return pb_buf_steal(&b, NULL);
	pb_buf_done(&b);
	return NULL;
}

static bool holds_secret(const struct connector_connection *c, const char *text, size_t n);

static bool make_line(const struct connector_connection *c, const struct pb_json *schema,
		      const struct connector_inject *inject, struct connector_credential_line *line)
{
	const size_t room = 4 * c->block_bytes + 2 * strlen(inject->value) + 64;
	struct pb_buf b = PB_BUF_INIT;
	bool ok;

	pb_buf_init(&b, room);
	ok = pb_buf_reserve(&b, room - 1) &&
	     connector_connection_render(c, schema, inject->value, &b);
	line->secret = ok && (inject->basic || holds_secret(c, b.p, b.len));
	ok = ok && (!inject->basic || encode_basic(&b));
	line->name = ok ? render_name(c, schema, inject->name) : NULL;
	ok = line->name != NULL;
	if (ok) {
		line->value = pb_xmemdup(b.p, b.len);
		line->value_bytes = b.len;
		line->in_query = inject->in_query;
	}
	wipe_buf(&b);
	return ok;
}

static void free_lines(struct connector_credential_line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		crypto_wipe(lines[i].value, lines[i].value_bytes);
		free(lines[i].value);
		free(lines[i].name);
	}
	free(lines);
}

/* Neither fields nor templates change while the call lives: what failed once is not tried again. */
enum pb_status connector_connection_lines(struct connector_call *call, struct pb_err *err)
{
	const struct connector_credential *cred;
	struct connector_credential_line *lines;
	size_t n = 0, wanted;

	if (call->lines_made || !call->connection)
		return PB_OK;
	cred = connector_manifest_credential(call->manifest, call->connection->auth_type);
	if (!cred)
		return pb_err_set(err, PB_E_PRECONDITION, "connection.auth_type",
				  "the connector no longer knows this kind of connection");
	if (call->lines_failed)
		return pb_err_set(err, PB_E_PRECONDITION, "connection.incomplete",
				  "the connection lacks a field that %s needs", cred->id);
	wanted = PB_MIN(cred->n_inject, (size_t)LINES_MAX);
	lines = pb_xcalloc(LINES_MAX, sizeof(*lines));
	while (n < wanted &&
	       make_line(call->connection, cred->fields_json, &cred->inject[n], &lines[n]))
		n++;
	if (n < wanted) {
		free_lines(lines, n);
		call->lines_failed = true;
		return connector_connection_lines(call, err);
	}
	call->lines = lines;
	call->n_lines = n;
	call->lines_made = true;
	return PB_OK;
}

void connector_connection_lines_free(struct connector_call *call)
{
	free_lines(call->lines, call->n_lines);
	call->lines = NULL;
	call->n_lines = 0;
}

/* ---- redaction ---- */

struct hit {
	const char *at; /* NULL: none yet */
	size_t n;
};

/* The first one counts, of those at one place the longest. */
static void look_for(const char *text, size_t n, const char *secret, size_t n_secret,
		     struct hit *hit)
{
	const char *at =
		secret && n_secret >= REDACT_MIN ? memmem(text, n, secret, n_secret) : NULL;

	if (at && (!hit->at || at < hit->at || (at == hit->at && n_secret > hit->n)))
		*hit = (struct hit){at, n_secret};
}

static struct hit find_fields(const struct connector_connection *c, const char *text, size_t n)
{
	struct hit hit = {NULL, 0};

	for (size_t i = 0; i < c->n_fields; i++) {
		if (!c->fields[i].secret)
			continue;
		look_for(text, n, c->fields[i].value, c->fields[i].n, &hit);
		look_for(text, n, c->fields[i].escaped, c->fields[i].n_escaped, &hit);
	}
	return hit;
}

static bool holds_secret(const struct connector_connection *c, const char *text, size_t n)
{
	return text && find_fields(c, text, n).at;
}

/* What egress sends is as good as the field it was made of: "Basic dXNlcjpwYXNz" without the word. */
static void look_for_line(const char *text, size_t n, const struct connector_credential_line *line,
			  struct hit *hit)
{
	static const char *const schemes[] = {"Basic ", "Bearer "};
	const char *value = line->value;
	size_t left = line->value_bytes;

	for (size_t i = 0; i < PB_ARRAY_LEN(schemes); i++) {
		const size_t k = strlen(schemes[i]);

		if (left > k && memcmp(value, schemes[i], k) == 0) {
			value += k;
			left -= k;
		}
	}
	if (line->secret)
		look_for(text, n, value, left, hit);
}

char *connector_connection_redact(const struct connector_connection *c,
				  const struct connector_credential_line *lines, size_t n_lines,
				  const char *text, size_t n, size_t *ret_n)
{
	struct pb_buf out = PB_BUF_INIT;

	while (c) {
		struct hit hit = find_fields(c, text, n);

		for (size_t i = 0; i < n_lines; i++)
			look_for_line(text, n, &lines[i], &hit);
		if (!hit.at)
			break;
		(void)pb_buf_add(&out, text, (size_t)(hit.at - text));
		(void)pb_buf_adds(&out, REDACTED);
		n -= (size_t)(hit.at - text) + hit.n;
		text = hit.at + hit.n;
	}
	(void)pb_buf_add(&out, text, n);
	return pb_buf_steal(&out, ret_n);
}

char *connector_call_redact(const struct connector_call *call, const char *text, size_t n,
			    size_t *ret_n)
{
	return connector_connection_redact(call->connection, call->lines, call->n_lines, text, n,
					   ret_n);
}
