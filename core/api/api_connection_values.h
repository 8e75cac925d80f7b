/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of a connection: what is stored, what a request changes, what of it is secret. Private to the files of
 * connections.
 */
#ifndef PB_API_CONNECTION_VALUES_H
#define PB_API_CONNECTION_VALUES_H

#include "api/api_body.h"
#include "connector/connector_manifest.h"

#define API_CONNECTION_VALUES_MAX 64

struct api_connection_values {
	struct pb_json_member m[API_CONNECTION_VALUES_MAX]; /* keys and values borrowed */
	size_t n;
	bool too_many;
};

/* Puts the members of @from (NULL: none) over what is there; null removes. */
void api_connection_values_merge(struct api_connection_values *v, const struct pb_json *from);

/* True when the credential's schema marks the field, or anything inside it, as x-secret. */
bool api_connection_value_is_secret(const struct connector_credential *cred, const char *key,
				    size_t n);
/* True when @change (the "values" of a request) names a secret. */
bool api_connection_values_touch_secrets(const struct connector_credential *cred,
					 const struct pb_json *change);

/*
 * Checks all values against the credential's schema on a deep thread. False when it has answered: 422
 * connection.value_invalid items with pointers under /values, 400 request.field_unknown.
 */
bool api_connection_values_check(struct api *api, struct http_req *req,
				 const struct connector_credential *cred,
				 const struct api_connection_values *v);

/* The members that are secret (or are not) as one JSON object. False: the buffer's limit. */
bool api_connection_values_write(const struct api_connection_values *v,
				 const struct connector_credential *cred, bool secret,
				 struct pb_buf *out);

#endif
