/* SPDX-License-Identifier: Apache-2.0 */
/* The command `patchbay`: reads the command line and hands over. */
#include "main/patchbay_serve.h"

#include "cli/cli.h"
#include "crypto/crypto_secret.h"

#include "base/base.h"

static int with_config(const struct cli_args *args, bool for_serving,
		       int (*run)(const struct config *, const struct cli_args *))
{
	pb_autoptr(config) cfg = cli_config(args, for_serving);

	return cfg ? run(cfg, args) : CLI_FAILED;
}

static int run_serve(const struct config *cfg, const struct cli_args *args)
{
	(void)args;
	return patchbay_serve(cfg);
}

static int run_migrate(const struct config *cfg, const struct cli_args *args)
{
	(void)args;
	return cli_migrate(cfg);
}

static int run(const struct cli_args *args)
{
	if (!args->command || args->help || pb_str_eq(args->command, "help")) {
		cli_usage(args->command || args->help ? stdout : stderr);
		return args->command || args->help ? CLI_OK : CLI_USAGE;
	}
	if (pb_str_eq(args->command, "version"))
		return cli_version();
	if (pb_str_eq(args->command, "check-config"))
		return cli_check_config(args);
	if (pb_str_eq(args->command, "serve"))
		return with_config(args, true, run_serve);
	if (pb_str_eq(args->command, "migrate"))
		return with_config(args, false, run_migrate);
	if (pb_str_eq(args->command, "bootstrap"))
		return with_config(args, false, cli_bootstrap);
	fprintf(stderr, "patchbay: unknown command: %s\n", args->command);
	cli_usage(stderr);
	return CLI_USAGE;
}

int main(int argc, char **argv)
{
	struct cli_args args;
	int status;

	if (!cli_args_parse(argc, argv, &args))
		return CLI_USAGE;
	crypto_init();
	status = run(&args);
	cli_args_done(&args);
	return status;
}
