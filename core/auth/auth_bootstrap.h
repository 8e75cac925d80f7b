/* SPDX-License-Identifier: Apache-2.0 */
/* First keys of an installation, for `patchbay bootstrap`. Needs the pool of role patchbay_admin.
 */
#ifndef PB_AUTH_AUTH_BOOTSTRAP_H
#define PB_AUTH_AUTH_BOOTSTRAP_H

#include "auth/auth_key.h"
#include "base/id.h"

struct pg_pool;

struct auth_bootstrap_options {
	bool development;        /* also a tenant with an owner key */
	const char *tenant_slug; /* of that tenant; NULL = "dev" */
	bool renew;              /* replace existing bootstrap keys (they are revoked) */
};

/* A key text is "" when the key existed already and was kept. The caller wipes it. */
struct auth_bootstrap_result {
	struct pb_uuid platform_tenant, platform_key_id;
	char platform_key[AUTH_KEY_TEXT_BYTES];
	struct pb_uuid tenant, tenant_key_id;
	char tenant_key[AUTH_KEY_TEXT_BYTES];
};

/*
 * Creates what is missing: the platform tenant with a super_admin key and, for development, a
 * tenant with an owner key. Running it again (also at the same time elsewhere) changes nothing
 * unless @opt->renew. Owner:   @key_subkey (CRYPTO_PURPOSE_API_KEY) borrowed. Errors:
 * PB_E_UNPROCESSABLE tenant.slug; database errors.
 */
enum pb_status auth_bootstrap(struct pg_pool *admin, const struct crypto_secret *key_subkey,
			      const struct auth_bootstrap_options *opt,
			      struct auth_bootstrap_result *ret, struct pb_err *err) pb_must_check;

#endif
