/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of this module only. */
#ifndef PB_CONFIG_CONFIG_PRIVATE_H
#define PB_CONFIG_CONFIG_PRIVATE_H

#include "base/str.h"
#include "config/config.h"

/* Shapes of single values, for config_setting.item_ok. */
bool config_shape_listen(const char *s); /* "127.0.0.1:8080", port 0..65535 */
bool config_shape_cidr(const char *s);   /* "10.0.0.0/8", "fd00::/8", "192.0.2.1" */
bool config_shape_ports(const char *s);  /* "443", "8000-8999" */
bool config_shape_origin(const char *s); /* "https://app.example.com", "http://localhost:3000" */
bool config_shape_host(const char *s);   /* "patchbay.internal", "10.0.0.5", "*.example.com" */
bool config_shape_base_url(
	const char *s);                /* an origin, perhaps with a path and no trailing slash */
bool config_shape_name(const char *s); /* user name: [a-z_][a-z0-9_-]* */
bool config_shape_connector_url(const char *s); /* "slack=http://127.0.0.1:4300/slack/api" */
bool config_shape_crash_at(const char *s);      /* "engine.finish.before_commit:1" */

/* Address of the setting's field. */
void *config_field(struct config *cfg, const struct config_setting *s);
const void *config_field_const(const struct config *cfg, const struct config_setting *s);

/*
 * Parses @value into the field of @s; on failure the field keeps what it had and @err says why,
 * with the range and the remedy but without naming the source.
 */
enum pb_status config_value_set(struct config *cfg, const struct config_setting *s,
				struct pb_slice value, struct pb_err *err) pb_must_check;
/* The value as text that config_value_set() reads back. */
void config_value_write(const struct config *cfg, const struct config_setting *s,
			struct pb_buf *out);
/* "1..1024", "1s..10m", "production or development", ... */
void config_range_write(const struct config_setting *s, struct pb_buf *out);
const char *config_type_name(enum config_type type);

/*
 * Opens a secret file and checks who may read it. The descriptor is the caller's.
 * Errors: PB_E_INVALID config.file.
 */
enum pb_status config_secret_open(const char *setting, const char *path, int *ret_fd,
				  struct pb_err *err) pb_must_check;

#endif
