/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry. A snapshot is a sorted array of ids, each with its versions newest first; it is never
 * changed, only replaced, so that readers hold the lock just long enough to take a reference.
 */
#include "connector/connector_registry.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "base/lock.h"
#include "base/parse.h"
#include "connector/connector_private.h"
#include "crypto/crypto_hash.h"
#include "os/os_memfd.h"
#include "base/base.h"

#define CONNECTORS_MAX 1000
#define VERSIONS_MAX   16
#define PLUGIN_MAX     ((size_t)64 << 20)

struct connector_action {
	struct connector_version *version;
	const struct connector_operation *op;
	char name[180];
};

struct connector_version {
	atomic_int refs;
	struct connector_manifest *manifest;
	int plugin;
	char hash[2 * CRYPTO_HASH_BYTES + 1];
	struct connector_action *actions; /* of manifest->actions, then of manifest->tests */
};

struct entry {
	const char *id; /* of the first version */
	struct connector_version *versions[VERSIONS_MAX];
	size_t n_versions;
};

struct snapshot {
	atomic_int refs;
	struct entry *entries;
	size_t n_entries;
};

struct connector_registry {
	struct pb_mutex lock; /* over `now` */
	struct snapshot *now;
	struct pb_mutex change_lock; /* one change at a time */
};

/* ---- versions ---- */

struct connector_version *connector_version_ref(struct connector_version *v)
{
	atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
	return v;
}

void connector_version_unref(struct connector_version *v)
{
	if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) > 1)
		return;
	connector_manifest_free(v->manifest);
	if (v->plugin >= 0)
		close(v->plugin);
	free(v->actions);
	free(v);
}

const struct connector_manifest *connector_version_manifest(const struct connector_version *v)
{
	return v->manifest;
}

int connector_version_plugin(const struct connector_version *v)
{
	return v->plugin;
}

const char *connector_version_hash(const struct connector_version *v)
{
	return v->hash;
}

static bool hash_version(struct connector_version *v)
{
	struct crypto_sha256_state st;
	uint8_t out[CRYPTO_HASH_BYTES];
	struct stat s = {0};
	void *p;

	crypto_sha256_init(&st);
	crypto_sha256_update(&st, v->manifest->text, v->manifest->text_bytes);
	if (v->plugin >= 0) {
		if (fstat(v->plugin, &s) || s.st_size <= 0)
			return false;
		p = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, v->plugin, 0);
		if (p == MAP_FAILED)
			return false;
		crypto_sha256_update(&st, p, (size_t)s.st_size);
		munmap(p, (size_t)s.st_size);
	}
	crypto_sha256_final(&st, out);
	pb_hex(out, sizeof(out), v->hash);
	return true;
}

static void make_actions(struct connector_version *v)
{
	const struct connector_manifest *m = v->manifest;

	v->actions = pb_xcalloc(m->n_actions + m->n_tests + 1, sizeof(*v->actions));
	for (size_t i = 0; i < m->n_actions + m->n_tests; i++) {
		struct connector_action *a = &v->actions[i];

		a->version = v;
		a->op = i < m->n_actions ? &m->actions[i] : &m->tests[i - m->n_actions];
		(void)pb_str_printf(a->name, sizeof(a->name), "%s.%s", m->id, a->op->id);
	}
}

/* @plugin taken. */
static enum pb_status version_new(const char *text, size_t n, int plugin,
				  struct connector_version **ret, struct pb_problems *faults,
				  struct pb_err *err)
{
	pb_autoptr(connector_version) v = pb_new(struct connector_version);
	enum pb_status st;

	atomic_init(&v->refs, 1);
	v->plugin = plugin;
	st = connector_manifest_parse(text, n, &v->manifest, faults, NULL, err);
	if (st != PB_OK)
		return st;
	if (v->manifest->n_native && plugin < 0)
		return pb_err_set(err, PB_E_INVALID, "connector.plugin_missing",
				  "%s has native operations but no plugin", v->manifest->id);
	if (!hash_version(v))
		return pb_err_set(err, PB_E_INVALID, "connector.plugin",
				  "the plugin cannot be read");
	make_actions(v);
	*ret = pb_steal(v);
	return PB_OK;
}

/* ---- actions ---- */

struct connector_action *connector_action_ref(struct connector_action *a)
{
	(void)connector_version_ref(a->version);
	return a;
}

void connector_action_unref(struct connector_action *a)
{
	if (a)
		connector_version_unref(a->version);
}

const char *connector_action_name(const struct connector_action *a)
{
	return a->name;
}

const struct connector_operation *connector_action_operation(const struct connector_action *a)
{
	return a->op;
}

const struct connector_manifest *connector_action_manifest(const struct connector_action *a)
{
	return a->version->manifest;
}

struct connector_version *connector_action_version(const struct connector_action *a)
{
	return a->version;
}

bool connector_action_accepts(const struct connector_action *a, const char *auth_type)
{
	if (!auth_type || !*auth_type)
		return a->op->credential_optional;
	for (size_t i = 0; i < a->op->n_credentials; i++)
		if (strcmp(a->op->credentials[i], auth_type) == 0)
			return true;
	return false;
}

/* ---- snapshots ---- */

static void snapshot_unref(struct snapshot *s)
{
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < s->n_entries; i++)
		for (size_t k = 0; k < s->entries[i].n_versions; k++)
			connector_version_unref(s->entries[i].versions[k]);
	free(s->entries);
	free(s);
}

static struct snapshot *snapshot_now(struct connector_registry *reg)
{
	struct snapshot *s;

	pb_lock(&reg->lock);
	s = reg->now;
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	pb_unlock(&reg->lock);
	return s;
}

/* @next taken. */
static void snapshot_set(struct connector_registry *reg, struct snapshot *next)
{
	struct snapshot *old;

	pb_lock(&reg->lock);
	old = reg->now;
	reg->now = next;
	pb_unlock(&reg->lock);
	snapshot_unref(old);
}

static struct snapshot *snapshot_new(size_t room)
{
	struct snapshot *s = pb_new(struct snapshot);

	atomic_init(&s->refs, 1);
	s->entries = pb_xcalloc(room + 1, sizeof(*s->entries));
	return s;
}

static struct entry *snapshot_find(const struct snapshot *s, const char *id)
{
	size_t low = 0, high = s->n_entries;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int c = strcmp(s->entries[mid].id, id);

		if (c == 0)
			return &s->entries[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static int entry_compare(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->id, ((const struct entry *)b)->id);
}

static int64_t version_part(const char **s)
{
	size_t n = strspn(*s, "0123456789");
	int64_t v = 0;

	if (n && !pb_parse_i64(*s, n, 0, INT32_MAX, &v))
		v = 0; /* the manifest's reader allows six digits */
	*s += n;
	if (**s == '.')
		(*s)++;
	return v;
}

/* 1.10.0 is newer than 1.9.0; a suffix is older than none. */
static int version_compare(const char *a, const char *b)
{
	for (int i = 0; i < 3; i++) {
		int64_t x = version_part(&a), y = version_part(&b);

		if (x != y)
			return x < y ? -1 : 1;
	}
	if (!*a || !*b)
		return (*b != 0) - (*a != 0);
	return strcmp(a, b);
}

/* Puts @v (taken) at its place; the same version again is replaced. */
static void entry_add(struct entry *e, struct connector_version *v)
{
	const char *version = v->manifest->version;
	size_t at = 0;

	while (at < e->n_versions &&
	       version_compare(e->versions[at]->manifest->version, version) > 0)
		at++;
	if (at < e->n_versions && strcmp(e->versions[at]->manifest->version, version) == 0) {
		connector_version_unref(e->versions[at]);
		e->versions[at] = v;
	} else if (e->n_versions == VERSIONS_MAX) {
		connector_version_unref(v);
	} else {
		memmove(&e->versions[at + 1], &e->versions[at],
			(e->n_versions - at) * sizeof(*e->versions));
		e->versions[at] = v;
		e->n_versions++;
	}
	e->id = e->versions[0]->manifest->id;
}

/* @v taken. */
static void snapshot_add(struct snapshot *s, struct connector_version *v)
{
	struct entry *e = snapshot_find(s, v->manifest->id);

	if (e) {
		entry_add(e, v);
		return;
	}
	e = &s->entries[s->n_entries++];
	*e = (struct entry){0};
	entry_add(e, v);
	qsort(s->entries, s->n_entries, sizeof(*s->entries), entry_compare);
}

static struct snapshot *snapshot_copy(const struct snapshot *from, size_t more)
{
	struct snapshot *s = snapshot_new(from->n_entries + more);

	memcpy(s->entries, from->entries, from->n_entries * sizeof(*s->entries));
	s->n_entries = from->n_entries;
	for (size_t i = 0; i < s->n_entries; i++)
		for (size_t k = 0; k < s->entries[i].n_versions; k++)
			(void)connector_version_ref(s->entries[i].versions[k]);
	return s;
}

/* ---- reading files ---- */

static int open_in(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static enum pb_status read_file(int fd, size_t max, char **ret, size_t *ret_n, struct pb_err *err)
{
	struct stat s;
	pb_autofree char *text = NULL;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &s) || !S_ISREG(s.st_mode))
		return pb_err_set(err, PB_E_NOT_FOUND, "connector.manifest_missing",
				  "there is no manifest.json");
	if ((size_t)s.st_size > max)
		return pb_err_set(err, PB_E_TOO_LARGE, "connector.manifest_too_large",
				  "the manifest is over %zu bytes", max);
	text = pb_xcalloc(1, (size_t)s.st_size + 1);
	while (n < (size_t)s.st_size) {
		ssize_t got = read(fd, text + n, (size_t)s.st_size - n);

		if (got <= 0)
			return pb_err_set(err, PB_E_UNAVAILABLE, "connector.manifest_missing",
					  "manifest.json cannot be read");
		n += (size_t)got;
	}
	*ret = pb_steal(text);
	*ret_n = n;
	return PB_OK;
}

static enum pb_status seal_plugin(int dir, const char *id, int *ret, struct pb_err *err)
{
	pb_autoclose int file = -1;
	char name[160];

	*ret = -1;
	if (!pb_str_printf(name, sizeof(name), "%s.so", id))
		return PB_OK;
	file = open_in(dir, name);
	if (file < 0)
		return PB_OK; /* whether it is needed is said by the manifest */
	return os_memfd_seal_file(file, PLUGIN_MAX, id, ret, err);
}

static enum pb_status load_dir(int parent, const char *id, struct connector_version **ret,
			       struct pb_problems *faults, struct pb_err *err)
{
	pb_autoclose int dir = openat(parent, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	pb_autoclose int file = -1;
	pb_autofree char *text = NULL;
	pb_autoptr(connector_version) v = NULL;
	size_t n = 0;
	int plugin = -1;
	enum pb_status st;

	if (dir < 0)
		return pb_err_set(err, PB_E_NOT_FOUND, "connector.manifest_missing",
				  "cannot be opened");
	file = open_in(dir, "manifest.json");
	st = read_file(file, CONNECTOR_MANIFEST_BYTES_MAX, &text, &n, err);
	if (st == PB_OK)
		st = seal_plugin(dir, id, &plugin, err);
	if (st == PB_OK)
		st = version_new(text, n, plugin, &v, faults, err);
	if (st != PB_OK)
		return st;
	if (strcmp(v->manifest->id, id) != 0)
		return pb_err_set(err, PB_E_INVALID, "connector.manifest",
				  "the folder is not named like the id \"%s\"", v->manifest->id);
	*ret = pb_steal(v);
	return PB_OK;
}

/* Loads one folder; when it fails, keeps what was loaded before. */
static void scan_one(struct connector_registry *reg, int parent, const char *id,
		     struct snapshot *next, struct pb_problems *faults)
{
	struct connector_version *v = NULL;
	struct pb_err err = PB_ERR_INIT;
	struct snapshot *now;
	const struct entry *old;
	char at[160];

	if (load_dir(parent, id, &v, NULL, &err) == PB_OK) {
		snapshot_add(next, v);
		return;
	}
	(void)pb_str_printf(at, sizeof(at), "/%.150s", id);
	if (faults)
		pb_problems_add(faults, err.code, at, "%s", err.msg);
	now = snapshot_now(reg);
	old = snapshot_find(now, id);
	for (size_t k = 0; old && k < old->n_versions; k++)
		snapshot_add(next, connector_version_ref(old->versions[k]));
	snapshot_unref(now);
}

enum pb_status connector_registry_scan(struct connector_registry *reg, const char *dir,
				       struct pb_problems *faults, struct pb_err *err)
{
	DIR *d = opendir(dir);
	struct snapshot *next;
	struct dirent *e;

	if (!d)
		return pb_err_set(err, PB_E_NOT_FOUND, "connector.dir",
				  "the connector directory cannot be read");
	next = snapshot_new(CONNECTORS_MAX);
	pb_lock(&reg->change_lock);
	while ((e = readdir(d)) && next->n_entries < CONNECTORS_MAX)
		/* ids begin with a small letter; other folders (a build's own, hidden ones) are not ours */
		if (e->d_name[0] >= 'a' && e->d_name[0] <= 'z' &&
		    (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN))
			scan_one(reg, dirfd(d), e->d_name, next, faults);
	snapshot_set(reg, next);
	pb_unlock(&reg->change_lock);
	closedir(d);
	return PB_OK;
}

enum pb_status connector_registry_add(struct connector_registry *reg, const char *manifest,
				      size_t n, int so, struct pb_problems *faults,
				      struct pb_err *err)
{
	struct connector_version *v = NULL;
	struct snapshot *now, *next;
	int sealed = -1;
	enum pb_status st = PB_OK;

	if (so >= 0) {
		st = os_memfd_seal_file(so, PLUGIN_MAX, "connector", &sealed, err);
		close(so);
	}
	if (st == PB_OK)
		st = version_new(manifest, n, sealed, &v, faults, err);
	if (st != PB_OK)
		return st;
	pb_lock(&reg->change_lock);
	now = snapshot_now(reg);
	next = snapshot_copy(now, 1);
	snapshot_unref(now);
	snapshot_add(next, v);
	snapshot_set(reg, next);
	pb_unlock(&reg->change_lock);
	return PB_OK;
}

/* ---- public ---- */

struct connector_registry *connector_registry_new(void)
{
	struct connector_registry *reg = pb_new(struct connector_registry);

	pb_mutex_init(&reg->lock, "connector registry", PB_LOCK_RANK(5, 41));
	pb_mutex_init(&reg->change_lock, "connector registry change", PB_LOCK_RANK(5, 40));
	reg->now = snapshot_new(0);
	return reg;
}

void connector_registry_free(struct connector_registry *reg)
{
	if (!reg)
		return;
	snapshot_unref(reg->now);
	pb_mutex_done(&reg->lock);
	pb_mutex_done(&reg->change_lock);
	free(reg);
}

static struct connector_version *find_version(const struct snapshot *s, const char *id,
					      const char *version)
{
	const struct entry *e = snapshot_find(s, id);

	if (!e)
		return NULL;
	if (!version)
		return e->versions[0];
	for (size_t k = 0; k < e->n_versions; k++)
		if (strcmp(e->versions[k]->manifest->version, version) == 0)
			return e->versions[k];
	return NULL;
}

static enum pb_status need_version(const struct snapshot *s, const char *id, const char *version,
				   struct connector_version **ret, struct pb_err *err)
{
	if (!snapshot_find(s, id))
		return pb_err_set(err, PB_E_NOT_FOUND, "connector.unknown",
				  "there is no connector \"%.100s\"", id);
	*ret = find_version(s, id, version);
	if (!*ret)
		return pb_err_set(err, PB_E_NOT_FOUND, "connector.version_unknown",
				  "connector \"%.100s\" has no version %.40s", id, version);
	return PB_OK;
}

static enum pb_status find_action(const struct snapshot *s, const char *name, const char *version,
				  struct connector_action **ret, struct pb_err *err)
{
	const char *dot = strrchr(name, '.');
	char id[128];
	struct connector_version *v = NULL;
	const struct connector_operation *op;
	enum pb_status st;

	if (!dot || (size_t)(dot - name) >= sizeof(id))
		return pb_err_set(err, PB_E_NOT_FOUND, "connector.unknown",
				  "\"%.100s\" is not of the form connector.operation", name);
	memcpy(id, name, (size_t)(dot - name));
	id[dot - name] = 0;
	st = need_version(s, id, version, &v, err);
	if (st != PB_OK)
		return st;
	op = connector_manifest_action(v->manifest, dot + 1, strlen(dot + 1));
	if (!op)
		return pb_err_set(err, PB_E_NOT_FOUND, "connector.action_unknown",
				  "connector \"%s\" has no action \"%.64s\"", id, dot + 1);
	*ret = connector_action_ref(&v->actions[op - v->manifest->actions]);
	return PB_OK;
}

enum pb_status connector_registry_action(struct connector_registry *reg, const char *name,
					 const char *version, struct connector_action **ret,
					 struct pb_err *err)
{
	struct snapshot *s = snapshot_now(reg);
	enum pb_status st = find_action(s, name, version, ret, err);

	snapshot_unref(s);
	return st;
}

static enum pb_status find_test(const struct snapshot *s, const char *connector,
				const char *version, const char *credential,
				struct connector_action **ret, struct pb_err *err)
{
	struct connector_version *v = NULL;
	const struct connector_operation *op;
	enum pb_status st = need_version(s, connector, version, &v, err);

	if (st != PB_OK)
		return st;
	op = connector_manifest_test(v->manifest, credential);
	if (!op)
		return pb_err_set(err, PB_E_UNPROCESSABLE, "connection.no_test",
				  "this kind of connection cannot be tested by itself; run a step "
				  "with it");
	*ret = connector_action_ref(
		&v->actions[v->manifest->n_actions + (size_t)(op - v->manifest->tests)]);
	return PB_OK;
}

enum pb_status connector_registry_test(struct connector_registry *reg, const char *connector,
				       const char *version, const char *credential,
				       struct connector_action **ret, struct pb_err *err)
{
	struct snapshot *s = snapshot_now(reg);
	enum pb_status st = find_test(s, connector, version, credential, ret, err);

	snapshot_unref(s);
	return st;
}

size_t connector_registry_list(struct connector_registry *reg, struct connector_version ***ret)
{
	struct snapshot *s = snapshot_now(reg);
	size_t n = s->n_entries;

	*ret = pb_xcalloc(n + 1, sizeof(**ret));
	for (size_t i = 0; i < n; i++)
		(*ret)[i] = connector_version_ref(s->entries[i].versions[0]);
	snapshot_unref(s);
	return n;
}

struct connector_version *connector_registry_version(struct connector_registry *reg, const char *id,
						     const char *version)
{
	struct snapshot *s = snapshot_now(reg);
	struct connector_version *v = find_version(s, id, version);

	if (v)
		(void)connector_version_ref(v);
	snapshot_unref(s);
	return v;
}
