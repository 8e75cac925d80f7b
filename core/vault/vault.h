/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelope encryption: the master key (a file) wraps one data key per tenant and a platform root
 * key (both in PostgreSQL); data keys seal columns. What is sealed opens only in its own table,
 * column, tenant, row and row version. Other processes' keys are cached for at most
 * VAULT_CACHE_TTL_US.
 */
#ifndef PB_VAULT_VAULT_H
#define PB_VAULT_VAULT_H

#include "base/id.h"
#include "crypto/crypto_aead.h"
#include "crypto/crypto_hash.h"
#include "vault/vault_keyring.h"

#define VAULT_CACHE_TTL_US INT64_C(60000000)
#define VAULT_CACHE_KEYS   1024
#define VAULT_PLAIN_MAX    ((size_t)1 << 20)

struct vault;
struct pg_pool;

/* Where a sealed value lives. Strings are literals; @row_version grows with each change of the
 * value. */
struct vault_place {
	const char *table;
	const char *column;
	struct pb_uuid tenant;
	struct pb_uuid row;
	int64_t row_version;
};

/*
 * Opens the vault on the database of @pool (role patchbay_api). The first start ever makes the
 * platform root key; each later start must be able to open it, which proves that the master key is
 * the right one. Owner:   @ring taken, even on failure; @pool borrowed until vault_free(). *ret
 * owned. Errors:  PB_E_PRECONDITION vault.wrong_master_key (refuse to start), else those of the
 * database. Threads: [main, before start]
 */
enum pb_status vault_new(struct pg_pool *pool, struct vault_keyring *ring, struct vault **ret,
			 struct pb_err *err) pb_must_check;
void vault_free(struct vault *v);
PB_DEFINE_AUTOPTR(vault, vault_free);

/* A sub-key of the platform root key; survives changes of the master key. Owner:
 * crypto_secret_free(). */
struct crypto_secret *vault_subkey(const struct vault *v, enum crypto_purpose purpose);

/*
 * Seals @plain for @place with the tenant's newest data key, made on first use.
 * Owner:   *ret_sealed owned, free(); CRYPTO_SEALED_EXTRA bytes longer than the plain text.
 * Errors:  PB_E_TOO_LARGE vault.too_large, PB_E_NOT_FOUND tenant.not_found, database errors.
 * Threads: [request] [worker]: may ask the database.
 */
enum pb_status vault_seal(struct vault *v, const struct vault_place *place, const void *plain,
			  size_t n, uint8_t **ret_sealed, size_t *ret_n,
			  struct pb_err *err) pb_must_check;

/*
 * Opens what vault_seal() made.
 * Owner:   *ret_plain owned, crypto_secret_free().
 * Errors:  PB_E_INTERNAL vault.corrupt (moved, changed or replayed), vault.shredded (its key is
 * destroyed), vault.wrong_master_key (wrapped by a key that is not in the file), database errors.
 * Threads: [request] [worker]
 */
enum pb_status vault_open(struct vault *v, const struct vault_place *place, const void *sealed,
			  size_t n, struct crypto_secret **ret_plain,
			  struct pb_err *err) pb_must_check;

/* Makes a new data key for @tenant; what older keys sealed stays readable. Old keys stay until the
 * shred. */
enum pb_status vault_rotate(struct vault *v, struct pb_uuid tenant, uint32_t *ret_key_id,
			    struct pb_err *err) pb_must_check;
/* Seals the tenant's connections that an older key sealed again with the newest. Resumable; counts
 * changed rows. */
enum pb_status vault_reseal_connections(struct vault *v, struct pb_uuid tenant, size_t *ret_n,
					struct pb_err *err) pb_must_check;
/* Wraps every data key (and the root) again by the file's first master key. @admin: pool of role
 * patchbay_admin. */
enum pb_status vault_rewrap(struct vault *v, struct pg_pool *admin, size_t *ret_n,
			    struct pb_err *err) pb_must_check;
/* Destroys all data keys of @tenant: nothing it sealed can be read again, in back-ups of other
 * tables neither. */
enum pb_status vault_shred(struct vault *v, struct pb_uuid tenant,
			   struct pb_err *err) pb_must_check;
/* Drops cached keys of @tenant (a notice from another process). Cheap. [any-thread] */
void vault_forget(struct vault *v, struct pb_uuid tenant);

#endif
