/* SPDX-License-Identifier: Apache-2.0 */
/* version, check-config, migrate, bootstrap. What goes wrong is one sentence on stderr. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>

#include "auth/auth_bootstrap.h"
#include "crypto/crypto_secret.h"
#include "pg/pg_migrate.h"
#include "pg/pg_pool.h"
#include "vault/vault.h"

#include "base/base.h"

#define SECRET_BYTES ((size_t)4096)

static int fail(const struct pb_err *err)
{
	fprintf(stderr, "patchbay: %s\n", err->msg);
	return CLI_FAILED;
}

const char cli_remedy_database[] =
	"check that PostgreSQL runs there, and host, port, database, user "
	"and password in the file";

bool cli_explain(struct pb_err *err, const char *setting, const char *remedy)
{
	struct pb_err cause = *err;

	if (!strstr(cause.msg, setting))
		(void)pb_err_set(err, cause.status, cause.code, "%s: %.120s; %s", setting,
				 cause.msg, remedy);
	return false;
}

int cli_version(void)
{
	printf("patchbay %s\n", PB_VERSION);
	return CLI_OK;
}

int cli_check_config(const struct cli_args *args)
{
	pb_autoptr(config) cfg = NULL;
	pb_auto_buf text = PB_BUF_INIT;

	if (args->list) {
		config_document(&text);
		fputs(pb_buf_str(&text), stdout);
		return CLI_OK;
	}
	cfg = cli_config(args, true);
	if (!cfg)
		return CLI_FAILED;
	puts("the configuration is fine");
	return CLI_OK;
}

/* Owner: caller, NULL with @err. */
static struct crypto_secret *read_secret(const struct config *cfg, const char *setting,
					 struct pb_err *err)
{
	pb_autoptr(crypto_secret) s = crypto_secret_new(SECRET_BYTES);
	size_t n;

	if (config_secret_read(cfg, setting, (char *)crypto_secret_mutable(s), SECRET_BYTES, &n,
			       err) != PB_OK)
		return NULL;
	return pb_steal(s);
}

static const char *text_of(const struct crypto_secret *s)
{
	return (const char *)crypto_secret_bytes(s);
}

static void say_applied(void *arg, int number, const char *name, int64_t took_us)
{
	(void)arg;
	printf("applied %04d %s in %lld ms\n", number, name, (long long)(took_us / 1000));
}

void cli_explain_migrate(struct pb_err *err)
{
	if (pb_str_starts(err->code, "database."))
		(void)cli_explain(err, "database_migrate_url_file", cli_remedy_database);
	else
		(void)cli_explain(err, "migrations_dir",
				  "give it the folder of migrations that belongs to this program");
}

int cli_migrate(const struct config *cfg)
{
	struct pb_err err = PB_ERR_INIT;
	struct pg_migrate_report report;
	pb_autoptr(crypto_secret) url = read_secret(cfg, "database_migrate_url_file", &err);

	if (!url)
		return fail(&err);
	if (pg_migrate_run(text_of(url), cfg->migrations_dir, say_applied, NULL, &report, &err) !=
	    PB_OK) {
		cli_explain_migrate(&err);
		return fail(&err);
	}
	printf("the database is at migration %04d %s\n", report.last, report.last_name);
	return CLI_OK;
}

/* ---- bootstrap ---- */

static bool write_key(const char *dir, const char *name, const char *text)
{
	char path[4096];
	pb_autoclose int fd = -1;
	size_t n = strlen(text);

	if (!*text) {
		printf("%s existed already and was kept (make a new one with --renew)\n", name);
		return true;
	}
	if (!pb_str_printf(path, sizeof(path), "%s/%s", dir, name)) {
		fprintf(stderr, "patchbay: the path of --out is too long\n");
		return false;
	}
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, text, n) != (ssize_t)n || write(fd, "\n", 1) != 1) {
		fprintf(stderr, "patchbay: %s cannot be written: is --out a folder of yours?\n",
			path);
		return false;
	}
	printf("wrote %s\n", path);
	return true;
}

void cli_explain_vault(struct pb_err *err)
{
	if (err->status == PB_E_UNAVAILABLE)
		(void)cli_explain(err, "database_api_url_file", cli_remedy_database);
	else if (err->status == PB_E_INTERNAL)
		(void)cli_explain(err, "database_api_url_file",
				  "if its tables are older than this program, run `patchbay "
				  "migrate` first");
	else
		(void)cli_explain(err, "master_key_file",
				  "give it the file of keys that this database was made with");
}

/* The vault's first start makes the root key that API keys are hashed under. */
static struct vault *open_vault(const struct config *cfg, struct pg_pool *pool, struct pb_err *err)
{
	pb_autoptr(crypto_secret) text = read_secret(cfg, "master_key_file", err);
	struct vault_keyring *ring;
	struct vault *vault;

	if (!text ||
	    vault_keyring_parse(text_of(text), strlen(text_of(text)), &ring, err) != PB_OK ||
	    vault_new(pool, ring, &vault, err) != PB_OK) {
		cli_explain_vault(err);
		return NULL;
	}
	return vault;
}

static struct pg_pool *open_pool(const struct config *cfg, const char *setting, struct pb_err *err)
{
	pb_autoptr(crypto_secret) url = read_secret(cfg, setting, err);
	struct pg_pool *pool;

	if (url && pg_pool_new(&(struct pg_pool_config){.url = text_of(url), .max_connections = 1},
			       &pool, err) == PB_OK)
		return pool;
	(void)cli_explain(err, setting,
			  "write it as postgresql://user:password@host:port/database");
	return NULL;
}

static int write_keys(const struct config *cfg, const char *dir, struct auth_bootstrap_result *keys)
{
	bool ok = write_key(dir, "admin_key", keys->platform_key);

	if (ok && cfg->environment == CONFIG_DEVELOPMENT)
		ok = write_key(dir, "owner_key", keys->tenant_key);
	crypto_wipe(keys, sizeof(*keys));
	return ok ? CLI_OK : CLI_FAILED;
}

int cli_bootstrap(const struct config *cfg, const struct cli_args *args)
{
	struct auth_bootstrap_options opt = {.development = cfg->environment == CONFIG_DEVELOPMENT,
					     .renew = args->renew};
	pb_autoptr(crypto_secret) subkey = NULL;
	pb_autoptr(pg_pool) api = NULL;
	pb_autoptr(pg_pool) admin = NULL;
	pb_autoptr(vault) vault = NULL;
	struct auth_bootstrap_result keys;
	struct pb_err err = PB_ERR_INIT;

	if (!args->out_dir) {
		fprintf(stderr,
			"patchbay: bootstrap needs --out DIR, where the keys are written\n");
		return CLI_USAGE;
	}
	if (access(args->out_dir, W_OK | X_OK) != 0) { /* before there are keys to lose */
		fprintf(stderr, "patchbay: --out %s is not a folder that can be written to\n",
			args->out_dir);
		return CLI_FAILED;
	}
	api = open_pool(cfg, "database_api_url_file", &err);
	admin = api ? open_pool(cfg, "database_admin_url_file", &err) : NULL;
	vault = admin ? open_vault(cfg, api, &err) : NULL;
	if (!vault)
		return fail(&err);
	subkey = vault_subkey(vault, CRYPTO_PURPOSE_API_KEY);
	if (auth_bootstrap(admin, subkey, &opt, &keys, &err) != PB_OK) {
		if (err.status == PB_E_UNAVAILABLE)
			(void)cli_explain(&err, "database_admin_url_file", cli_remedy_database);
		return fail(&err);
	}
	return write_keys(cfg, args->out_dir, &keys);
}
