/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelope encryption for every column that holds a secret. The database is asked only when a key is not
 * cached; two processes that make a tenant's first key at once both end with the one that was stored.
 */
#include "vault/vault.h"

#include "base/clock.h"
#include "pg/pg_pool.h"
#include "store/store_connection.h"
#include "store/store_data_key.h"
#include "vault/vault_cache.h"
#include "base/base.h"

#define VAULT_MAGIC    0x5641554cu
#define FORMAT         "v1"
#define SCHEMA_VERSION "1"
#define ROOT_KEY_ID    1
#define WRAPPED_BYTES  (CRYPTO_KEY_BYTES + CRYPTO_SEALED_EXTRA)
#define REWRAP_BATCH   32
#define RESEAL_BATCH   50
#define RESEAL_ARENA                                                                               \
	((size_t)RESEAL_BATCH * (STORE_CONNECTION_SECRETS_MAX + STORE_CONNECTION_FIELDS_MAX + 4096))
#define PLACE_PARTS 7

_Static_assert(WRAPPED_BYTES <= STORE_WRAPPED_MAX, "a wrapped key fits its column");

struct vault {
	uint32_t magic;
	struct pg_pool *pool;
	struct vault_keyring *ring;
	struct vault_cache *cache;
	struct crypto_secret *root;
};

/* Keys are bound to whose they are and to the master key that wraps them; key id is in the sealed head. */
static void wrap_aad(const struct store_data_key *k, struct pb_slice aad[PLACE_PARTS])
{
	aad[0] = PB_SLICE(FORMAT);
	aad[1] = PB_SLICE("data_key");
	aad[2] = PB_SLICE("wrapped");
	aad[3] = pb_slice((const char *)k->tenant.b, sizeof k->tenant.b);
	aad[4] = PB_SLICE("");
	aad[5] = pb_slice_str(k->kek_id);
	aad[6] = PB_SLICE(SCHEMA_VERSION);
}

/* The parts of a place; @version gets the row version as 8 bytes that must live as long as @aad. */
static void place_aad(const struct vault_place *p, uint8_t version[8],
		      struct pb_slice aad[PLACE_PARTS])
{
	for (size_t i = 0; i < 8; i++)
		version[i] = (uint8_t)((uint64_t)p->row_version >> (56 - 8 * i));
	aad[0] = PB_SLICE(FORMAT);
	aad[1] = pb_slice_str(p->table);
	aad[2] = pb_slice_str(p->column);
	aad[3] = pb_slice((const char *)p->tenant.b, sizeof p->tenant.b);
	aad[4] = pb_slice((const char *)p->row.b, sizeof p->row.b);
	aad[5] = pb_slice((const char *)version, 8);
	aad[6] = PB_SLICE(SCHEMA_VERSION);
}

/* Wraps @key as @k->id of @k->tenant with the file's first master key. */
static void wrap(const struct vault *v, const struct crypto_secret *key, struct store_data_key *k)
{
	struct pb_slice aad[PLACE_PARTS];
	const char *kek = vault_keyring_current(v->ring);

	(void)pb_str_copy(k->kek_id, sizeof k->kek_id, kek); /* same size on both sides */
	wrap_aad(k, aad);
	crypto_seal(crypto_secret_bytes(vault_keyring_wrap_key(v->ring, kek)), k->id, aad,
		    PLACE_PARTS, crypto_secret_bytes(key), CRYPTO_KEY_BYTES, k->wrapped);
	k->wrapped_n = WRAPPED_BYTES;
}

static enum pb_status wrong_master_key(const char *kek_id, bool in_file, struct pb_err *err)
{
	if (!in_file)
		return pb_err_set(err, PB_E_PRECONDITION, "vault.wrong_master_key",
				  "the database needs master key %s, which is not in "
				  "master_key_file; add its "
				  "line from your safe copy",
				  kek_id);
	return pb_err_set(err, PB_E_PRECONDITION, "vault.wrong_master_key",
			  "master key %s of master_key_file does not open this database's keys: it "
			  "is another "
			  "installation's file, or it was changed; put the original back",
			  kek_id);
}

/* Owner: *ret_key owned. */
static enum pb_status unwrap(const struct vault *v, const struct store_data_key *k,
			     struct crypto_secret **ret_key, struct pb_err *err)
{
	const struct crypto_secret *kek = vault_keyring_wrap_key(v->ring, k->kek_id);
	pb_autoptr(crypto_secret) key = crypto_secret_new(CRYPTO_KEY_BYTES);
	struct pb_slice aad[PLACE_PARTS];
	uint32_t id;
	size_t n;

	if (!kek)
		return wrong_master_key(k->kek_id, false, err);
	wrap_aad(k, aad);
	if (k->wrapped_n != WRAPPED_BYTES || !crypto_sealed_key_id(k->wrapped, k->wrapped_n, &id) ||
	    id != k->id ||
	    !crypto_open(crypto_secret_bytes(kek), aad, PLACE_PARTS, k->wrapped, k->wrapped_n,
			 crypto_secret_mutable(key), &n))
		return wrong_master_key(k->kek_id, true, err);
	*ret_key = pb_steal(key);
	return PB_OK;
}

/* Reads the root key, or makes it when the database has none. */
static enum pb_status load_root(struct vault *v, struct pb_err *err)
{
	struct store_data_key k = {.tenant = PB_UUID_NIL, .id = ROOT_KEY_ID};
	struct pb_err ignored = PB_ERR_INIT;
	enum pb_status status = store_platform_key_get(v->pool, &k, &ignored);

	if (status == PB_E_NOT_FOUND) {
		pb_autoptr(crypto_secret) root = crypto_secret_random(CRYPTO_KEY_BYTES);

		k = (struct store_data_key){.tenant = PB_UUID_NIL, .id = ROOT_KEY_ID};
		wrap(v, root, &k);
		status = store_platform_key_insert(v->pool, &k, err);
		/* whoever was faster decides: read what is stored now */
		if (status == PB_OK || status == PB_E_CONFLICT)
			status = store_platform_key_get(v->pool, &k, err);
	} else if (status != PB_OK && err) {
		*err = ignored;
	}
	if (status != PB_OK)
		return status;
	return unwrap(v, &k, &v->root, err);
}

enum pb_status vault_new(struct pg_pool *pool, struct vault_keyring *ring, struct vault **ret,
			 struct pb_err *err)
{
	pb_autoptr(vault) v = pb_new(struct vault);
	enum pb_status status;

	v->magic = VAULT_MAGIC;
	v->pool = pool;
	v->ring = ring;
	v->cache = vault_cache_new(VAULT_CACHE_KEYS);
	status = load_root(v, err);
	if (status != PB_OK)
		return status;
	*ret = pb_steal(v);
	return PB_OK;
}

void vault_free(struct vault *v)
{
	if (!v)
		return;
	PB_CHECK_MAGIC(v, VAULT_MAGIC);
	crypto_secret_free(v->root);
	vault_cache_free(v->cache);
	vault_keyring_free(v->ring);
	v->magic = 0;
	free(v);
}

struct crypto_secret *vault_subkey(const struct vault *v, enum crypto_purpose purpose)
{
	PB_CHECK_MAGIC(v, VAULT_MAGIC);
	return crypto_subkey(v->root, purpose);
}

static enum pb_status make_key(struct vault *v, struct pb_uuid tenant, uint32_t id,
			       struct pb_err *err)
{
	pb_autoptr(crypto_secret) key = crypto_secret_random(CRYPTO_KEY_BYTES);
	struct store_data_key k = {.tenant = tenant, .id = id};

	wrap(v, key, &k);
	return store_data_key_insert(v->pool, &k, err);
}

/* Brings key @id (0: the newest, made when there is none) into the cache. */
static enum pb_status load_key(struct vault *v, struct pb_uuid tenant, uint32_t id,
			       struct pb_err *err)
{
	uint64_t epoch = vault_cache_epoch(v->cache);
	int64_t now_us = pb_mono_us();
	pb_autoptr(crypto_secret) key = NULL;
	struct store_data_key k;
	enum pb_status status = store_data_key_get(v->pool, tenant, id, &k, err);

	if (status == PB_E_NOT_FOUND && id == 0) {
		status = make_key(v, tenant, 1, err);
		if (status != PB_OK && status != PB_E_CONFLICT)
			return status;
		status = store_data_key_get(v->pool, tenant, 0, &k, err);
	}
	if (status == PB_E_NOT_FOUND)
		return pb_err_set(err, PB_E_INTERNAL, "vault.shredded",
				  "the key of this secret was destroyed; enter the secret again");
	if (status != PB_OK)
		return status;
	status = unwrap(v, &k, &key, err);
	if (status != PB_OK)
		return status;
	vault_cache_put(v->cache, tenant, k.id, id == 0, crypto_secret_bytes(key), epoch, now_us);
	return PB_OK;
}

/*
 * Runs @fn with a key, loading it when needed. Another thread may push the key out between load and use, or a
 * forget may refuse it, so it is tried a few times before giving up.
 */
static enum pb_status with_key(struct vault *v, struct pb_uuid tenant, uint32_t id,
			       vault_key_fn *fn, void *arg, bool *ret_ok, struct pb_err *err)
{
	for (int attempt = 0; attempt < 8; attempt++) {
		enum vault_cache_answer a =
			vault_cache_use(v->cache, tenant, id, pb_mono_us(), fn, arg);
		enum pb_status status;

		if (a != VAULT_CACHE_MISS) {
			*ret_ok = a == VAULT_CACHE_TRUE;
			return PB_OK;
		}
		status = load_key(v, tenant, id, err);
		if (status != PB_OK)
			return status;
	}
	return pb_err_set(err, PB_E_UNAVAILABLE, "vault.busy",
			  "the key cache is too busy; try again");
}

struct seal_job {
	struct pb_slice aad[PLACE_PARTS];
	const void *plain;
	size_t n;
	uint8_t *out;
};

static bool seal_with(const uint8_t *key, uint32_t key_id, void *arg)
{
	struct seal_job *job = arg;

	crypto_seal(key, key_id, job->aad, PLACE_PARTS, job->plain, job->n, job->out);
	return true;
}

enum pb_status vault_seal(struct vault *v, const struct vault_place *place, const void *plain,
			  size_t n, uint8_t **ret_sealed, size_t *ret_n, struct pb_err *err)
{
	pb_autofree uint8_t *out = NULL;
	struct seal_job job = {.plain = plain, .n = n};
	uint8_t version[8];
	enum pb_status status;
	bool ok;

	PB_CHECK_MAGIC(v, VAULT_MAGIC);
	if (n > VAULT_PLAIN_MAX)
		return pb_err_set(err, PB_E_TOO_LARGE, "vault.too_large",
				  "a secret has at most %zu bytes", VAULT_PLAIN_MAX);
	out = pb_xcalloc(1, n + CRYPTO_SEALED_EXTRA);
	job.out = out;
	place_aad(place, version, job.aad);
	status = with_key(v, place->tenant, 0, seal_with, &job, &ok, err);
	if (status != PB_OK)
		return status;
	*ret_sealed = pb_steal(out);
	*ret_n = n + CRYPTO_SEALED_EXTRA;
	return PB_OK;
}

struct open_job {
	struct pb_slice aad[PLACE_PARTS];
	const void *sealed;
	size_t n;
	struct crypto_secret *plain;
};

static bool open_with(const uint8_t *key, uint32_t key_id, void *arg)
{
	struct open_job *job = arg;
	size_t n;

	(void)key_id; /* it was read from the sealed bytes and is authenticated with them */
	return crypto_open(key, job->aad, PLACE_PARTS, job->sealed, job->n,
			   crypto_secret_mutable(job->plain), &n);
}

static enum pb_status corrupt(struct pb_err *err)
{
	return pb_err_set(err, PB_E_INTERNAL, "vault.corrupt",
			  "a stored secret is damaged or not where it belongs; enter it again");
}

enum pb_status vault_open(struct vault *v, const struct vault_place *place, const void *sealed,
			  size_t n, struct crypto_secret **ret_plain, struct pb_err *err)
{
	struct open_job job = {.sealed = sealed, .n = n};
	pb_autoptr(crypto_secret) plain = NULL;
	uint8_t version[8];
	uint32_t key_id;
	enum pb_status status;
	bool ok;

	PB_CHECK_MAGIC(v, VAULT_MAGIC);
	if (!crypto_sealed_key_id(sealed, n, &key_id) || key_id == 0 ||
	    n > VAULT_PLAIN_MAX + CRYPTO_SEALED_EXTRA)
		return corrupt(err);
	/* a secret has at least one byte; the empty plain text is cut below */
	plain = crypto_secret_new(PB_MAX(n - CRYPTO_SEALED_EXTRA, (size_t)1));
	job.plain = plain;
	place_aad(place, version, job.aad);
	status = with_key(v, place->tenant, key_id, open_with, &job, &ok, err);
	if (status != PB_OK)
		return status;
	if (!ok)
		return corrupt(err);
	crypto_secret_truncate(plain, n - CRYPTO_SEALED_EXTRA);
	*ret_plain = pb_steal(plain);
	return PB_OK;
}

enum pb_status vault_rotate(struct vault *v, struct pb_uuid tenant, uint32_t *ret_key_id,
			    struct pb_err *err)
{
	struct store_data_key k = {.id = 0};
	enum pb_status status;

	PB_CHECK_MAGIC(v, VAULT_MAGIC);
	status = store_data_key_get(v->pool, tenant, 0, &k, err);
	if (status == PB_E_NOT_FOUND)
		k.id = 0;
	else if (status != PB_OK)
		return status;
	if (k.id == UINT32_MAX)
		return pb_err_set(err, PB_E_INTERNAL, "vault.spent", "no data key number is left");
	status = make_key(v, tenant, k.id + 1, err);
	/* somebody else rotated at the same moment: that is the new key */
	if (status != PB_OK && status != PB_E_CONFLICT)
		return status;
	vault_cache_forget(v->cache, tenant);
	*ret_key_id = k.id + 1;
	return PB_OK;
}

/* Opens and seals one connection again; nothing happens when it changed meanwhile. */
static enum pb_status reseal_one(struct vault *v, struct store_connection *c, bool *ret_changed,
				 struct pb_err *err)
{
	struct vault_place place = {"connection", "secrets", c->tenant, c->id, c->secret_revision};
	pb_autoptr(crypto_secret) plain = NULL;
	pb_autofree uint8_t *sealed = NULL;
	enum pb_status status = vault_open(v, &place, c->secrets, c->secrets_n, &plain, err);
	int64_t revision;

	if (status != PB_OK)
		return status;
	place.row_version = c->revision + 1;
	status = vault_seal(v, &place, crypto_secret_bytes(plain), crypto_secret_len(plain),
			    &sealed, &c->secrets_n, err);
	if (status != PB_OK)
		return status;
	c->secrets = sealed;
	status = store_connection_update(v->pool, c, &revision, err);
	*ret_changed = status == PB_OK;
	/* a newer revision was sealed by its writer, a deleted one needs nothing */
	return status == PB_E_PRECONDITION || status == PB_E_NOT_FOUND ? PB_OK : status;
}

enum pb_status vault_reseal_connections(struct vault *v, struct pb_uuid tenant, size_t *ret_n,
					struct pb_err *err)
{
	struct pb_uuid after = PB_UUID_NIL;
	struct store_data_key newest;
	size_t done = 0, n;
	enum pb_status status;

	PB_CHECK_MAGIC(v, VAULT_MAGIC);
	status = store_data_key_get(v->pool, tenant, 0, &newest, err);
	if (status == PB_E_NOT_FOUND) {
		*ret_n = 0;
		return PB_OK;
	}
	if (status != PB_OK)
		return status;
	vault_cache_forget(v->cache, tenant);
	do {
		struct store_connection *rows;
		pb_auto_arena arena;

		pb_arena_init(&arena, RESEAL_ARENA);
		status = store_connection_list_other_key(v->pool, tenant, newest.id, after,
							 RESEAL_BATCH, &arena, &rows, &n, err);
		for (size_t i = 0; status == PB_OK && i < n; i++) {
			bool changed = false;

			after = rows[i].id;
			status = reseal_one(v, &rows[i], &changed, err);
			done += changed;
		}
		if (status != PB_OK)
			return status;
	} while (n == RESEAL_BATCH);
	*ret_n = done;
	return PB_OK;
}

/* @rewrap stores the new wrapping if nobody changed the old. */
typedef enum pb_status rewrap_fn(struct pg_pool *admin, const struct store_data_key *key,
				 const char *old_kek_id, struct pb_err *err);

static enum pb_status rewrap_one(struct vault *v, struct pg_pool *admin, struct store_data_key *k,
				 rewrap_fn *store, size_t *count, struct pb_err *err)
{
	pb_autoptr(crypto_secret) key = NULL;
	char old[STORE_KEK_ID_BYTES];
	enum pb_status status = unwrap(v, k, &key, err);

	if (status != PB_OK)
		return status;
	(void)pb_str_copy(old, sizeof old, k->kek_id); /* same size */
	wrap(v, key, k);
	status = store(admin, k, old, err);
	*count += status == PB_OK;
	return status == PB_E_CONFLICT ? PB_OK
				       : status; /* another process did it, or it was shredded */
}

enum pb_status vault_rewrap(struct vault *v, struct pg_pool *admin, size_t *ret_n,
			    struct pb_err *err)
{
	const char *current = vault_keyring_current(v->ring);
	struct store_data_key batch[REWRAP_BATCH];
	size_t done = 0, n = 0;
	enum pb_status status;

	PB_CHECK_MAGIC(v, VAULT_MAGIC);
	do {
		status =
			store_data_key_list_other_kek(admin, current, batch, REWRAP_BATCH, &n, err);
		for (size_t i = 0; status == PB_OK && i < n; i++)
			status = rewrap_one(v, admin, &batch[i], store_data_key_rewrap, &done, err);
		if (status != PB_OK)
			return status;
	} while (n > 0);
	status = store_platform_key_get(admin, &batch[0], err);
	if (status == PB_OK && strcmp(batch[0].kek_id, current) != 0)
		status = rewrap_one(v, admin, &batch[0], store_platform_key_rewrap, &done, err);
	if (status == PB_OK)
		*ret_n = done;
	return status;
}

enum pb_status vault_shred(struct vault *v, struct pb_uuid tenant, struct pb_err *err)
{
	enum pb_status status;

	PB_CHECK_MAGIC(v, VAULT_MAGIC);
	status = store_data_key_shred(v->pool, tenant, err);
	vault_cache_forget(v->cache, tenant);
	return status;
}

void vault_forget(struct vault *v, struct pb_uuid tenant)
{
	PB_CHECK_MAGIC(v, VAULT_MAGIC);
	vault_cache_forget(v->cache, tenant);
}
