/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: `patchbay COMMAND [--config FILE] [--set name=value]...`, and the configuration it names. */
#include "cli/cli.h"

#include "base/base.h"

extern char **environ;

static const char usage[] =
	"usage: patchbay COMMAND [OPTIONS]\n"
	"\n"
	"  serve [--roles api,worker,schedule]   run the host until SIGTERM\n"
	"  migrate                               bring the database's tables up to date\n"
	"  bootstrap --out DIR [--renew]         make the first keys: DIR/admin_key, in "
	"development DIR/owner_key\n"
	"  check-config [--list]                 judge the configuration; with --list explain "
	"every setting\n"
	"  version                               print the version\n"
	"\n"
	"options of every command:\n"
	"  --config FILE         settings as `name = value` lines\n"
	"  --set name=value      one setting, stronger than the file and the environment\n";

void cli_usage(FILE *to)
{
	fputs(usage, to);
}

static bool complain(const char *what, const char *arg)
{
	fprintf(stderr, "patchbay: %s: %s (see patchbay --help)\n", what, arg);
	return false;
}

static void add_set(struct cli_args *args, const char *text)
{
	args->sets = pb_xrealloc(args->sets, args->n_sets + 1, sizeof(*args->sets));
	args->sets[args->n_sets++] = text;
}

static bool add_roles(struct cli_args *args, const char *roles)
{
	size_t n = strlen(roles) + sizeof("roles=");
	char *text = pb_xcalloc(1, n);

	(void)pb_str_printf(text, n, "roles=%s", roles);
	args->made = pb_xrealloc(args->made, args->n_made + 1, sizeof(*args->made));
	args->made[args->n_made++] = text;
	add_set(args, text);
	return true;
}

static bool take_value(struct cli_args *args, const char *option, const char *value)
{
	if (!value)
		return complain("this option needs a value", option);
	if (pb_str_eq(option, "--config"))
		args->config_file = value;
	else if (pb_str_eq(option, "--out"))
		args->out_dir = value;
	else if (pb_str_eq(option, "--set"))
		add_set(args, value);
	else
		return add_roles(args, value);
	return true;
}

static bool wants_value(const char *option)
{
	static const char *const names[] = {"--config", "--out", "--set", "--roles"};

	for (size_t i = 0; i < PB_ARRAY_LEN(names); i++) {
		if (pb_str_eq(option, names[i]))
			return true;
	}
	return false;
}

static bool take_flag(struct cli_args *args, const char *arg)
{
	if (pb_str_eq(arg, "--list"))
		args->list = true;
	else if (pb_str_eq(arg, "--renew"))
		args->renew = true;
	else if (pb_str_eq(arg, "--help") || pb_str_eq(arg, "-h"))
		args->help = true;
	else
		return complain("unknown option", arg);
	return true;
}

static bool take_command(struct cli_args *args, const char *arg)
{
	if (args->command)
		return complain("one command at a time, please", arg);
	args->command = arg;
	return true;
}

bool cli_args_parse(int argc, char **argv, struct cli_args *ret)
{
	bool ok = true;

	*ret = (struct cli_args){0};
	for (int i = 1; ok && i < argc; i++) {
		if (wants_value(argv[i])) {
			ok = take_value(ret, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
			i++;
		} else if (argv[i][0] == '-') {
			ok = take_flag(ret, argv[i]);
		} else {
			ok = take_command(ret, argv[i]);
		}
	}
	if (!ok)
		cli_args_done(ret);
	return ok;
}

void cli_args_done(struct cli_args *args)
{
	for (size_t i = 0; i < args->n_made; i++)
		free(args->made[i]);
	free(args->made);
	free(args->sets);
	*args = (struct cli_args){0};
}

static void print_faults(const struct pb_problems *faults)
{
	/* a fault's pointer is "/setting"; most sentences name it themselves */
	for (const struct pb_problem *p = faults->first; p; p = p->next) {
		bool named = !*p->pointer || strstr(p->message, p->pointer + 1);

		fprintf(stderr, "patchbay: %s%s%s\n", named ? "" : p->pointer + 1,
			named ? "" : ": ", p->message);
	}
	if (faults->more)
		fprintf(stderr, "patchbay: and %zu more\n", faults->more);
}

struct config *cli_config(const struct cli_args *args, bool check_for_serving)
{
	struct config_source src = {.file = args->config_file,
				    .sets = args->sets,
				    .n_sets = args->n_sets,
				    .env = environ};
	pb_autoptr(config) cfg = NULL;
	struct pb_problems faults;
	pb_auto_arena arena;
	enum pb_status st;

	pb_arena_init(&arena, 1024 * 1024);
	pb_problems_init(&faults, &arena, 100);
	st = config_load(&src, &cfg, &faults);
	if (st == PB_OK && check_for_serving)
		st = config_check(cfg, &faults);
	print_faults(&faults);
	return st == PB_OK ? pb_steal(cfg) : NULL;
}
