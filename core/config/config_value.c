/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value: text into a field of struct config and back. Where a value came from is the caller's
 * knowledge; messages here only say what is wrong with it and what would be right.
 */
#include "config/config_private.h"

#include "base/clock.h"
#include "base/parse.h"
#include "base/base.h"

#define LIST_ITEMS_MAX 256

void *config_field(struct config *cfg, const struct config_setting *s)
{
	return (char *)cfg + s->offset;
}

const void *config_field_const(const struct config *cfg, const struct config_setting *s)
{
	return (const char *)cfg + s->offset;
}

static struct pb_slice trim(struct pb_slice v)
{
	while (v.len && (v.p[0] == ' ' || v.p[0] == '\t'))
		v = pb_slice(v.p + 1, v.len - 1);
	while (v.len && (v.p[v.len - 1] == ' ' || v.p[v.len - 1] == '\t'))
		v.len--;
	return v;
}

static enum pb_status fault(const struct config_setting *s, struct pb_err *err)
{
	pb_auto_buf range = PB_BUF_INIT;

	config_range_write(s, &range);
	return pb_err_set(err, PB_E_INVALID, "config.value", "%s must be %s", s->name,
			  pb_buf_str(&range));
}

/* -1 when @v is none of the choices. */
static int64_t choice_index(const char *const *choices, struct pb_slice v)
{
	for (int64_t i = 0; choices[i]; i++)
		if (pb_slice_eq_str(v, choices[i]))
			return i;
	return -1;
}

static bool read_number(const struct config_setting *s, struct pb_slice v, int64_t *ret)
{
	uint64_t size;
	int64_t n;

	switch (s->type) {
	case CONFIG_INT:
		if (!pb_parse_i64(v.p, v.len, s->min, s->max, &n))
			return false;
		break;
	case CONFIG_DURATION:
		/* "0" needs no unit */
		if (pb_slice_eq_str(v, "0"))
			n = 0;
		else if (!pb_parse_duration(v.p, v.len, &n))
			return false;
		break;
	default:
		if (!pb_parse_size(v.p, v.len, &size) || size > INT64_MAX)
			return false;
		n = (int64_t)size;
	}
	if (n < s->min || n > s->max)
		return false;
	*ret = n;
	return true;
}

static void list_clear(struct config_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i]);
	free(l->items);
	*l = (struct config_list){NULL, 0};
}

static bool list_item_ok(const struct config_setting *s, const struct config_list *l,
			 const char *item)
{
	if (s->choices && choice_index(s->choices, pb_slice_str(item)) < 0)
		return false;
	if (s->item_ok && !s->item_ok(item))
		return false;
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->items[i], item) == 0)
			return false;
	return true;
}

/* Splits at commas; an empty value is the empty list. */
static bool read_list(const struct config_setting *s, struct pb_slice v, struct config_list *ret)
{
	struct config_list l = {pb_xcalloc(LIST_ITEMS_MAX, sizeof(char *)), 0};
	bool ok = true;

	while (ok && v.p && v.len) {
		const char *comma = memchr(v.p, ',', v.len);
		struct pb_slice item = trim(pb_slice(v.p, comma ? (size_t)(comma - v.p) : v.len));
		char *text = pb_xstrndup(item.p, item.len);

		ok = item.len && l.n < LIST_ITEMS_MAX && list_item_ok(s, &l, text);
		if (ok)
			l.items[l.n++] = text;
		else
			free(text);
		if (!comma)
			break;
		v = pb_slice(comma + 1, v.len - (size_t)(comma + 1 - v.p));
		ok = ok && v.len; /* no comma at the end */
	}
	if (!ok || (int64_t)l.n < s->min || (int64_t)l.n > s->max) {
		list_clear(&l);
		return false;
	}
	list_clear(ret);
	*ret = l;
	return true;
}

static bool read_string(const struct config_setting *s, struct pb_slice v, char **ret)
{
	char *text;

	if ((int64_t)v.len > s->max || !pb_utf8_valid(v.p, v.len))
		return false;
	for (size_t i = 0; i < v.len; i++)
		if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
			return false;
	text = pb_xstrndup(v.p ? v.p : "", v.len);
	if (*text && s->item_ok && !s->item_ok(text)) {
		free(text);
		return false;
	}
	/* somebody put the URL itself here; the message will not repeat it */
	if (s->type == CONFIG_SECRET_FILE && strstr(text, "://")) {
		free(text);
		return false;
	}
	free(*ret);
	*ret = text;
	return true;
}

enum pb_status config_value_set(struct config *cfg, const struct config_setting *s,
				struct pb_slice value, struct pb_err *err)
{
	void *field = config_field(cfg, s);
	struct pb_slice v = trim(value);
	int64_t index;
	bool ok;

	switch (s->type) {
	case CONFIG_BOOL:
		ok = pb_slice_eq_str(v, "true") || pb_slice_eq_str(v, "false");
		if (ok)
			*(bool *)field = pb_slice_eq_str(v, "true");
		break;
	case CONFIG_ENUM:
		index = choice_index(s->choices, v);
		ok = index >= 0;
		if (ok)
			*(int64_t *)field = index;
		break;
	case CONFIG_LIST:
		ok = read_list(s, v, field);
		break;
	case CONFIG_STRING:
	case CONFIG_PATH:
	case CONFIG_SECRET_FILE:
		ok = read_string(s, v, field);
		break;
	default:
		ok = read_number(s, v, field);
	}
	return ok ? PB_OK : fault(s, err);
}

static void write_duration(int64_t us, struct pb_buf *out)
{
	static const struct {
		int64_t us;
		const char *unit;
	} units[] = {{24 * 60 * PB_USEC_PER_MIN, "d"},
		     {60 * PB_USEC_PER_MIN, "h"},
		     {PB_USEC_PER_MIN, "m"},
		     {PB_USEC_PER_SEC, "s"}};

	for (size_t i = 0; i < PB_ARRAY_LEN(units); i++)
		if (us >= units[i].us && us % units[i].us == 0) {
			pb_buf_addf(out, "%lld%s", (long long)(us / units[i].us), units[i].unit);
			return;
		}
	pb_buf_addf(out, "%lldms", (long long)(us / PB_USEC_PER_MSEC));
}

static void write_size(int64_t bytes, struct pb_buf *out)
{
	static const char *const units[] = {"", "KB", "MB", "GB"};
	size_t u = 0;

	while (u + 1 < PB_ARRAY_LEN(units) && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		u++;
	}
	pb_buf_addf(out, "%lld%s", (long long)bytes, units[u]);
}

static void write_number(enum config_type type, int64_t v, struct pb_buf *out)
{
	if (type == CONFIG_DURATION)
		write_duration(v, out);
	else if (type == CONFIG_SIZE)
		write_size(v, out);
	else
		pb_buf_addf(out, "%lld", (long long)v);
}

void config_value_write(const struct config *cfg, const struct config_setting *s,
			struct pb_buf *out)
{
	const void *field = config_field_const(cfg, s);
	const struct config_list *l;

	switch (s->type) {
	case CONFIG_BOOL:
		pb_buf_adds(out, *(const bool *)field ? "true" : "false");
		break;
	case CONFIG_ENUM:
		pb_buf_adds(out, s->choices[*(const int64_t *)field]);
		break;
	case CONFIG_LIST:
		l = field;
		for (size_t i = 0; i < l->n; i++)
			pb_buf_addf(out, "%s%s", i ? ", " : "", l->items[i]);
		break;
	case CONFIG_STRING:
	case CONFIG_PATH:
	case CONFIG_SECRET_FILE:
		pb_buf_adds(out, *(char *const *)field);
		break;
	default:
		write_number(s->type, *(const int64_t *)field, out);
	}
}

static void write_choices(const char *const *choices, struct pb_buf *out)
{
	for (size_t i = 0; choices[i]; i++)
		pb_buf_addf(out, "%s%s", !i ? "" : choices[i + 1] ? ", " : " or ", choices[i]);
}

void config_range_write(const struct config_setting *s, struct pb_buf *out)
{
	switch (s->type) {
	case CONFIG_BOOL:
		pb_buf_adds(out, "true or false");
		break;
	case CONFIG_ENUM:
		write_choices(s->choices, out);
		break;
	case CONFIG_LIST:
		pb_buf_addf(out, "%lld to %lld different items, with commas, each ",
			    (long long)s->min, (long long)s->max);
		if (s->choices)
			write_choices(s->choices, out);
		else
			pb_buf_adds(out, s->shape);
		break;
	case CONFIG_STRING:
		pb_buf_adds(out, s->shape ? s->shape : "text without control characters");
		break;
	case CONFIG_PATH:
		pb_buf_adds(out, "a path");
		break;
	case CONFIG_SECRET_FILE:
		pb_buf_adds(out, "the path of a file (the secret itself is never a setting)");
		break;
	default:
		write_number(s->type, s->min, out);
		pb_buf_adds(out, "..");
		write_number(s->type, s->max, out);
		if (s->type == CONFIG_DURATION)
			pb_buf_adds(out, " (like 250ms, 30s, 5m, 2h, 7d)");
		else if (s->type == CONFIG_SIZE)
			pb_buf_adds(out, " (like 512, 64KB, 8MB, 1GB)");
	}
}
