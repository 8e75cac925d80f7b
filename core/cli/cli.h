/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of `patchbay` that need no running host, and the reading of the command line. Each command prints
 * for people and returns the process's exit status.
 */
#ifndef PB_CLI_CLI_H
#define PB_CLI_CLI_H

#include <stdio.h>
#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli_args {
	const char *command;
	const char *config_file;
	const char *out_dir; /* bootstrap --out */
	bool list;           /* check-config --list */
	bool renew;          /* bootstrap --renew */
	bool help;           /* --help, -h */
	const char **sets;   /* --set name=value and --roles; owned */
	char **made;         /* the texts among them that are not argv's; owned */
	size_t n_sets, n_made;
};

/* False after it said on stderr what is wrong. Owner: cli_args_done(). [main, before start] */
bool cli_args_parse(int argc, char **argv, struct cli_args *ret);
void cli_args_done(struct cli_args *args);
void cli_usage(FILE *to);

/* Loads and checks the configuration; NULL after every fault was printed, one line each. */
struct config *cli_config(const struct cli_args *args, bool check_for_serving);

/*
 * Makes one sentence for an operator: "<setting>: <what went wrong>; <remedy>". A sentence that names the setting
 * already stays as it is. False, for `return`.
 */
bool cli_explain(struct pb_err *err, const char *setting, const char *remedy);
extern const char cli_remedy_database[];
/* The same for what pg_migrate and vault_new say. */
void cli_explain_migrate(struct pb_err *err);
void cli_explain_vault(struct pb_err *err);

int cli_version(void);
int cli_check_config(const struct cli_args *args);
int cli_migrate(const struct config *cfg);
/* The first keys: DIR/admin_key and, in development, DIR/owner_key (mode 0600). */
int cli_bootstrap(const struct config *cfg, const struct cli_args *args);

#endif
