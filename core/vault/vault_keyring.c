/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's master key file. Only sub-keys stay in memory: the master keys themselves are wiped once the
 * wrapping keys are derived.
 */
#include "vault/vault_keyring.h"

#include "crypto/crypto_aead.h"
#include "crypto/crypto_encode.h"
#include "crypto/crypto_hash.h"
#include "base/base.h"

#define KEYRING_MAGIC 0x4b52494eu

struct vault_keyring {
	uint32_t magic;
	size_t n;
	struct {
		char id[VAULT_KEK_ID_BYTES];
		struct crypto_secret *wrap;
	} keys[VAULT_KEYRING_MAX];
};

static enum pb_status bad_line(size_t line, const char *what, struct pb_err *err)
{
	return pb_err_set(
		err, PB_E_INVALID, "vault.keyfile",
		"master_key_file line %zu: %s; a line is kek_<id>:<base64 of 32 bytes>, made by "
		"patchbay keygen",
		line, what);
}

static bool id_ok(struct pb_slice id)
{
	if (id.len < 5 || id.len >= VAULT_KEK_ID_BYTES || memcmp(id.p, "kek_", 4) != 0)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_", id.p[i]) || !id.p[i])
			return false;
	return true;
}

static enum pb_status add_line(struct vault_keyring *ring, struct pb_slice line, size_t line_no,
			       struct pb_err *err)
{
	const char *colon = memchr(line.p, ':', line.len);
	struct pb_slice id = pb_slice(line.p, colon ? (size_t)(colon - line.p) : 0);
	size_t text_n = line.len - id.len - 1, n = 0;
	pb_autoptr(crypto_secret) master = crypto_secret_new(CRYPTO_KEY_BYTES);
	char name[VAULT_KEK_ID_BYTES];

	if (!colon || !id_ok(id))
		return bad_line(line_no, "no key id like kek_1 at its start", err);
	memcpy(name, id.p, id.len);
	name[id.len] = '\0';
	if (vault_keyring_wrap_key(ring, name))
		return bad_line(line_no, "its key id was used before", err);
	if (ring->n == VAULT_KEYRING_MAX)
		return bad_line(line_no, "too many keys, keep at most 8", err);
	if (!crypto_base64_decode(colon + 1, text_n, crypto_secret_mutable(master),
				  CRYPTO_KEY_BYTES, &n) ||
	    n != CRYPTO_KEY_BYTES)
		return bad_line(line_no, "its key is not base64 of exactly 32 bytes", err);
	(void)pb_str_copy(ring->keys[ring->n].id, VAULT_KEK_ID_BYTES,
			  name); /* id_ok checked the length */
	ring->keys[ring->n].wrap = crypto_subkey(master, CRYPTO_PURPOSE_WRAP);
	ring->n++;
	return PB_OK;
}

static struct pb_slice trim(struct pb_slice v)
{
	while (v.len && strchr(" \t\r", v.p[v.len - 1]) && v.p[v.len - 1])
		v.len--;
	while (v.len && (v.p[0] == ' ' || v.p[0] == '\t'))
		v = pb_slice(v.p + 1, v.len - 1);
	return v;
}

enum pb_status vault_keyring_parse(const char *text, size_t n, struct vault_keyring **ret,
				   struct pb_err *err)
{
	pb_autoptr(vault_keyring) ring = pb_new(struct vault_keyring);
	struct pb_slice rest = pb_slice(text, n);
	size_t line_no = 0;

	ring->magic = KEYRING_MAGIC;
	if (n > VAULT_KEYFILE_BYTES)
		return pb_err_set(err, PB_E_INVALID, "vault.keyfile",
				  "master_key_file is too long");
	while (rest.len) {
		const char *nl = memchr(rest.p, '\n', rest.len);
		size_t len = nl ? (size_t)(nl - rest.p) : rest.len;
		struct pb_slice line = trim(pb_slice(rest.p, len));
		enum pb_status status;

		rest = pb_slice(rest.p + len + (nl != NULL), rest.len - len - (nl != NULL));
		line_no++;
		if (!line.len || line.p[0] == '#')
			continue;
		status = add_line(ring, line, line_no, err);
		if (status != PB_OK)
			return status;
	}
	if (ring->n == 0)
		return pb_err_set(err, PB_E_INVALID, "vault.keyfile",
				  "master_key_file holds no key; make one with patchbay keygen");
	*ret = pb_steal(ring);
	return PB_OK;
}

void vault_keyring_free(struct vault_keyring *ring)
{
	if (!ring)
		return;
	PB_CHECK_MAGIC(ring, KEYRING_MAGIC);
	for (size_t i = 0; i < ring->n; i++)
		crypto_secret_free(ring->keys[i].wrap);
	ring->magic = 0;
	free(ring);
}

struct crypto_secret *vault_keyring_generate(const char *kek_id)
{
	pb_autoptr(crypto_secret) key = crypto_secret_random(CRYPTO_KEY_BYTES);
	size_t id_n = strlen(kek_id), n;
	struct crypto_secret *line =
		crypto_secret_new(id_n + 1 + CRYPTO_BASE64_BYTES(CRYPTO_KEY_BYTES) + 1);
	char *out = (char *)crypto_secret_mutable(line);

	PB_ASSERT(id_ok(pb_slice(kek_id, id_n)));
	memcpy(out, kek_id, id_n);
	out[id_n] = ':';
	n = crypto_base64_encode(crypto_secret_bytes(key), CRYPTO_KEY_BYTES, out + id_n + 1);
	out[id_n + 1 + n] = '\n';
	crypto_secret_truncate(line, id_n + 1 + n + 1);
	return line;
}

const char *vault_keyring_current(const struct vault_keyring *ring)
{
	PB_CHECK_MAGIC(ring, KEYRING_MAGIC);
	return ring->keys[0].id;
}

const struct crypto_secret *vault_keyring_wrap_key(const struct vault_keyring *ring,
						   const char *kek_id)
{
	PB_CHECK_MAGIC(ring, KEYRING_MAGIC);
	for (size_t i = 0; i < ring->n; i++)
		if (strcmp(ring->keys[i].id, kek_id) == 0)
			return ring->keys[i].wrap;
	return NULL;
}
