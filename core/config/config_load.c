/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From sources to struct config, for `main` and the command line. Goes on after each fault, so that
 * one run shows all of them; a faulty value leaves the one of the source before.
 */
#include "config/config.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "config/config_private.h"
#include "base/base.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)
#define LINE_MAX_BYTES ((size_t)8 << 10)
#define NAME_MAX_BYTES 64

static void problem(struct pb_problems *faults, const char *setting, const char *where,
		    const struct pb_err *err)
{
	pb_problems_add(faults, err->code,
			pb_pointer_key(faults->arena, "", setting, strlen(setting)), "%s: %s",
			where, err->msg);
}

static struct config *config_with_defaults(void)
{
	struct config *cfg = pb_new(struct config);
	struct pb_err err = PB_ERR_INIT;
	size_t n;
	const struct config_setting *table = config_settings(&n);

	for (size_t i = 0; i < n; i++) {
		enum pb_status st =
			config_value_set(cfg, &table[i], pb_slice_str(table[i].fallback), &err);

		PB_ASSERT(st == PB_OK); /* the table contradicts itself */
	}
	return cfg;
}

/* "name = value" or "name=value" from @where ("--set", "file /etc/x line 3"). */
static void apply_pair(struct config *cfg, const char *where, struct pb_slice text, bool *seen,
		       struct pb_problems *faults)
{
	const char *eq = memchr(text.p, '=', text.len);
	struct pb_err err = PB_ERR_INIT;
	const struct config_setting *s, *table;
	char name[NAME_MAX_BYTES];
	size_t n, count;

	if (!eq) {
		pb_problems_add(faults, "config.syntax", "", "%s: expected name = value", where);
		return;
	}
	n = (size_t)(eq - text.p);
	while (n && (text.p[n - 1] == ' ' || text.p[n - 1] == '\t'))
		n--;
	(void)pb_str_printf(name, sizeof name, "%.*s", (int)PB_MIN(n, sizeof name),
			    text.p); /* cut is fine */
	s = config_setting_find(name);
	if (!s) {
		pb_problems_add(faults, "config.unknown", "",
				"%s: there is no setting \"%s\"; see patchbay check-config --list",
				where, name);
		return;
	}
	table = config_settings(&count);
	if (seen && seen[s - table]) {
		pb_problems_add(faults, "config.duplicate", "", "%s: %s is set twice in this file",
				where, s->name);
		return;
	}
	if (seen)
		seen[s - table] = true;
	if (config_value_set(cfg, s, pb_slice(eq + 1, text.len - (size_t)(eq + 1 - text.p)),
			     &err) != PB_OK)
		problem(faults, s->name, where, &err);
}

static void apply_text(struct config *cfg, const char *file, struct pb_slice text,
		       struct pb_problems *faults)
{
	size_t count, line_no = 0;

	(void)config_settings(&count);
	pb_autofree bool *seen = pb_xcalloc(count, sizeof(bool));

	while (text.len) {
		const char *nl = memchr(text.p, '\n', text.len);
		struct pb_slice line = pb_slice(text.p, nl ? (size_t)(nl - text.p) : text.len);
		char where[512];

		text = pb_slice(text.p + line.len + (nl != NULL),
				text.len - line.len - (nl != NULL));
		line_no++;
		(void)pb_str_printf(where, sizeof where, "%s line %zu", file,
				    line_no); /* cut is fine */
		while (line.len && strchr(" \t", line.p[0]))
			line = pb_slice(line.p + 1, line.len - 1);
		if (line.len && line.p[line.len - 1] == '\r')
			line.len--;
		if (!line.len || line.p[0] == '#')
			continue;
		if (line.len > LINE_MAX_BYTES || memchr(line.p, '\0', line.len))
			pb_problems_add(faults, "config.syntax", "",
					"%s: longer than %zu bytes, or not text", where,
					LINE_MAX_BYTES);
		else
			apply_pair(cfg, where, line, seen, faults);
	}
}

static void apply_file(struct config *cfg, const char *path, struct pb_problems *faults)
{
	pb_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	pb_autofree char *text = NULL;
	struct stat st;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		pb_problems_add(faults, "config.file", "",
				"the file given with --config cannot be read: %s (%m); check path "
				"and rights",
				path);
		return;
	}
	text = pb_xcalloc(1, FILE_MAX_BYTES + 1);
	while (n <= FILE_MAX_BYTES) {
		ssize_t got = read(fd, text + n, FILE_MAX_BYTES + 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	if (n > FILE_MAX_BYTES)
		pb_problems_add(faults, "config.file", "",
				"%s is larger than 1 MB: not a settings file", path);
	else
		apply_text(cfg, path, pb_slice(text, n), faults);
}

/* Variable of a setting: PATCHBAY_ and the name in capitals. */
static void env_name(const char *setting, char out[NAME_MAX_BYTES])
{
	size_t n = strlen("PATCHBAY_");

	PB_ASSERT(n + strlen(setting) < NAME_MAX_BYTES);
	memcpy(out, "PATCHBAY_", n);
	for (; *setting; setting++)
		out[n++] = *setting >= 'a' && *setting <= 'z' ? (char)(*setting - 'a' + 'A')
							      : *setting;
	out[n] = '\0';
}

static const char *env_value(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

static void apply_env(struct config *cfg, char *const *env, struct pb_problems *faults)
{
	size_t n;
	const struct config_setting *table = config_settings(&n);

	for (size_t i = 0; i < n; i++) {
		struct pb_err err = PB_ERR_INIT;
		char name[NAME_MAX_BYTES];
		const char *value;

		env_name(table[i].name, name);
		value = env_value(env, name);
		if (value && config_value_set(cfg, &table[i], pb_slice_str(value), &err) != PB_OK)
			problem(faults, table[i].name, name, &err);
	}
}

enum pb_status config_load(const struct config_source *src, struct config **ret,
			   struct pb_problems *faults)
{
	struct config *cfg = config_with_defaults();

	if (src->file)
		apply_file(cfg, src->file, faults);
	apply_env(cfg, src->env, faults);
	for (size_t i = 0; i < src->n_sets; i++)
		apply_pair(cfg, "--set", pb_slice_str(src->sets[i]), NULL, faults);
	*ret = cfg;
	return faults->n ? PB_E_INVALID : PB_OK;
}

void config_free(struct config *cfg)
{
	size_t n;
	const struct config_setting *table = config_settings(&n);

	if (!cfg)
		return;
	for (size_t i = 0; i < n; i++) {
		void *field = config_field(cfg, &table[i]);
		struct config_list *l = field;

		switch (table[i].type) {
		case CONFIG_LIST:
			for (size_t k = 0; k < l->n; k++)
				free(l->items[k]);
			free(l->items);
			break;
		case CONFIG_STRING:
		case CONFIG_PATH:
		case CONFIG_SECRET_FILE:
			free(*(char **)field);
			break;
		default:
			break;
		}
	}
	free(cfg);
}
