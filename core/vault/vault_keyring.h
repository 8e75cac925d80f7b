/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master keys as the operator keeps them: a text file with one `kek_<id>:<base64 of 32 bytes>`
 * line a key. The first wraps, the others only open, so that a master key is changed by putting a
 * new line on top.
 */
#ifndef PB_VAULT_VAULT_KEYRING_H
#define PB_VAULT_VAULT_KEYRING_H

#include "crypto/crypto_secret.h"

#define VAULT_KEK_ID_BYTES  32 /* "kek_" and 1..27 of [a-z0-9_] and the NUL */
#define VAULT_KEYRING_MAX   8
#define VAULT_KEYFILE_BYTES 1024 /* enough for the largest file */

struct vault_keyring;

/*
 * Owner:   *ret owned, free with vault_keyring_free(). @text stays the caller's, to be wiped.
 * Errors:  PB_E_INVALID vault.keyfile (the sentence names line and remedy, never the content).
 */
enum pb_status vault_keyring_parse(const char *text, size_t n, struct vault_keyring **ret,
				   struct pb_err *err) pb_must_check;
void vault_keyring_free(struct vault_keyring *ring);
PB_DEFINE_AUTOPTR(vault_keyring, vault_keyring_free);

/* One line for a new key file, for `patchbay keygen`: id by date, fresh random key. The secret
 * holds text. */
struct crypto_secret *vault_keyring_generate(const char *kek_id);

/* Id of the wrapping key; borrowed. */
const char *vault_keyring_current(const struct vault_keyring *ring);
/* The wrapping sub-key of @kek_id, NULL when the file has no such line; borrowed. */
const struct crypto_secret *vault_keyring_wrap_key(const struct vault_keyring *ring,
						   const char *kek_id);

#endif
