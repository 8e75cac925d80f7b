/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `serve` and `check-config` want beyond single values: files that exist, settings that fit
 * each other. Opens nothing but files; servers are the doctor's business.
 */
#include "config/config.h"

#include <sys/stat.h>

#include "config/config_private.h"
#include "base/base.h"

static void add(struct pb_problems *faults, const char *setting, const char *code, const char *msg)
{
	pb_problems_add(faults, code, pb_pointer_key(faults->arena, "", setting, strlen(setting)),
			"%s", msg);
}

/* A secret file that must (or, when set, may) be there. */
static void check_secret(const struct config *cfg, const char *setting, bool required,
			 struct pb_problems *faults)
{
	const char *path = *(char *const *)config_field_const(cfg, config_setting_find(setting));
	struct pb_err err = PB_ERR_INIT;
	pb_autoclose int fd = -1;

	if (!*path && required) {
		pb_problems_add(
			faults, "config.required",
			pb_pointer_key(faults->arena, "", setting, strlen(setting)),
			"%s must be set for every role; give it the path of a file with mode 0600",
			setting);
		return;
	}
	if (*path && config_secret_open(setting, path, &fd, &err) != PB_OK)
		add(faults, setting, err.code, err.msg);
}

static void check_secrets(const struct config *cfg, struct pb_problems *faults)
{
	/* as `serve` opens them: all three pools and the vault, whatever its roles are */
	check_secret(cfg, "database_api_url_file", true, faults);
	check_secret(cfg, "database_engine_url_file", true, faults);
	check_secret(cfg, "database_admin_url_file", true, faults);
	check_secret(cfg, "database_migrate_url_file", false, faults);
	check_secret(cfg, "nats_url_file", true, faults);
	check_secret(cfg, "redis_url_file", false, faults);
	check_secret(cfg, "master_key_file", true, faults);
}

static void check_production(const struct config *cfg, struct pb_problems *faults)
{
	if (cfg->environment != CONFIG_PRODUCTION)
		return;
	if (cfg->allow_crash_points)
		add(faults, "allow_crash_points", "config.conflict",
		    "allow_crash_points needs environment = development; remove it in production");
	if (cfg->connector_base_urls.n)
		add(faults, "connector_base_urls", "config.conflict",
		    "connector_base_urls needs environment = development: it sends credentials "
		    "elsewhere");
	if (config_has_role(cfg, "api") && !*cfg->public_url)
		add(faults, "public_url", "config.required",
		    "public_url must be set in production: links and hook addresses are made from "
		    "it");
	if (pb_str_starts(cfg->public_url, "http://"))
		add(faults, "public_url", "config.conflict",
		    "public_url must begin with https:// in production; put a TLS proxy in front");
}

static void check_engine(const struct config *cfg, struct pb_problems *faults)
{
	if (cfg->lease_duration_us < 3 * cfg->sweep_interval_us)
		add(faults, "lease_duration", "config.conflict",
		    "lease_duration must be at least three times sweep_interval, or healthy leases "
		    "expire");
	if (*cfg->crash_at && !cfg->allow_crash_points)
		add(faults, "crash_at", "config.conflict",
		    "crash_at needs allow_crash_points = true (and environment = development)");
}

static void check_paths(const struct config *cfg, struct pb_problems *faults)
{
	struct stat st;

	if (!config_has_role(cfg, "worker"))
		return;
	if (stat(cfg->connector_dir, &st) < 0 || !S_ISDIR(st.st_mode))
		add(faults, "connector_dir", "config.file",
		    "connector_dir is not a folder that can be read; create it or correct the "
		    "path");
	if (access(cfg->runner_path, X_OK) < 0 || stat(cfg->runner_path, &st) < 0 ||
	    !S_ISREG(st.st_mode))
		add(faults, "runner_path", "config.file",
		    "runner_path is not a program that can be run; correct the path");
}

enum pb_status config_check(const struct config *cfg, struct pb_problems *faults)
{
	size_t before = faults->n;

	check_secrets(cfg, faults);
	check_production(cfg, faults);
	check_engine(cfg, faults);
	check_paths(cfg, faults);
	return faults->n > before ? PB_E_INVALID : PB_OK;
}

bool config_has_role(const struct config *cfg, const char *role)
{
	for (size_t i = 0; i < cfg->roles.n; i++)
		if (strcmp(cfg->roles.items[i], role) == 0)
			return true;
	return false;
}
