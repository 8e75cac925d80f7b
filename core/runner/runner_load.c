/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a connector. The host has checked signature and hashes and sealed the bytes; here everything is
 * checked that needs the file or its symbols. Nothing of the connector is called but its one pure entry.
 */
#include "runner/runner_load.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <patchbay/connector.h>

#include "base/arena.h"
#include "base/json.h"
#include "os/os_memfd.h"
#include "runner/runner_elf.h"

#include "base/base.h"

#define MANIFEST_ARENA ((size_t)64 << 20)

static enum pb_status refuse(struct pb_err *err, const char *code, const char *message)
{
	return pb_err_set(err, PB_E_INVALID, code, "%s", message);
}

enum pb_status runner_load_check(int fd, const struct ipc_setup *setup, struct pb_err *err)
{
	enum pb_status status;
	struct stat st;
	void *p;

	if (!os_memfd_is_sealed(fd))
		return refuse(err, "loader.seal", "the connector's file is not sealed");
	if (fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > (off_t)RUNNER_PLUGIN_MAX)
		return refuse(err, "loader.elf", "the connector's file has no sensible size");
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return refuse(err, "loader.elf", "the connector's file cannot be read");
	status = runner_elf_check(pb_slice(p, (size_t)st.st_size), setup->libraries,
				  setup->n_libraries, err);
	(void)munmap(p, (size_t)st.st_size);
	return status;
}

typedef const struct patchbay_module *entry_fn(void);

static enum pb_status find_entry(void *handle, entry_fn **ret, struct pb_err *err)
{
	void *symbol = dlsym(handle, "patchbay_connector_v1");
	struct link_map *own = NULL, *of = NULL;
	Dl_info info;

	if (!symbol)
		return refuse(err, "loader.symbol", "does not export patchbay_connector_v1");
	if (dlinfo(handle, RTLD_DI_LINKMAP, &own) != 0 ||
	    dladdr1(symbol, &info, (void **)&of, RTLD_DL_LINKMAP) == 0 || own != of)
		return refuse(err, "loader.foreign_symbol",
			      "patchbay_connector_v1 comes from another library");
	memcpy(ret, &symbol,
	       sizeof(symbol)); /* ISO C has no cast from object to function pointer */
	return PB_OK;
}

/*
 * Tables may grow at the end; what a 1.0 object carries is the least, whatever ours have grown to. A member
 * that a later minor adds is read only when the object's own size covers it.
 */
#define MODULE_1_0    56u
#define OPERATION_1_0 16u
_Static_assert(offsetof(struct patchbay_module, extension) + sizeof(void *) == MODULE_1_0 &&
		       offsetof(struct patchbay_operation, run) + sizeof(void *) == OPERATION_1_0,
	       "the sizes that sdk/abi/connector-1.0.lock.h calls the least");

static enum pb_status check_numbers(const struct patchbay_module *m, struct pb_err *err)
{
	if (!m || m->magic != PATCHBAY_MODULE_MAGIC)
		return refuse(err, "loader.magic", "is not a Patchbay module");
	if (m->abi_major != PATCHBAY_ABI_MAJOR)
		return pb_err_set(err, PB_E_INVALID, "loader.major",
				  "built against SDK %u, this host speaks %d",
				  (unsigned)m->abi_major, PATCHBAY_ABI_MAJOR);
	if (m->size < MODULE_1_0 || m->size > 4096)
		return refuse(err, "loader.size", "its module table has an impossible size");
	if (m->operation_stride < OPERATION_1_0 || m->operation_stride > 1024 ||
	    m->operation_stride % sizeof(void *) != 0 || m->n_operations == 0 ||
	    m->n_operations > IPC_OPERATIONS_MAX || !m->operations)
		return refuse(err, "loader.stride", "its table of operations is impossible");
	if (m->needs_minor > PATCHBAY_ABI_MINOR)
		return pb_err_set(err, PB_E_INVALID, "loader.needs_minor",
				  "needs SDK 1.%u, this host has 1.%d", (unsigned)m->needs_minor,
				  PATCHBAY_ABI_MINOR);
	return PB_OK;
}

static enum pb_status check_manifest(const struct patchbay_module *m, const struct ipc_setup *setup,
				     struct pb_err *err)
{
	if (!m->manifest || m->manifest_len != setup->manifest.len ||
	    memcmp(m->manifest, setup->manifest.p, m->manifest_len) != 0)
		return refuse(err, "loader.manifest",
			      "its embedded manifest is not the package's manifest.json");
	return PB_OK;
}

const struct patchbay_operation *runner_module_operation(const struct runner_module *m, size_t i)
{
	const void *p = m->operations + i * m->stride;

	return i < m->n_operations ? p : NULL;
}

const struct patchbay_operation *runner_module_find(const struct runner_module *m, const char *id)
{
	const struct patchbay_operation *op;

	for (size_t i = 0; i < m->n_operations; i++) {
		op = runner_module_operation(m, i);
		if (pb_str_eq(op->id, id))
			return op;
	}
	return NULL;
}

static bool is_declared(const struct pb_json *manifest, const char *id)
{
	static const char *const lists[] = {"actions", "triggers", "options"};

	for (size_t i = 0; i < PB_ARRAY_LEN(lists); i++)
		pb_json_each_item (j, pb_json_get(manifest, lists[i]))
			if (pb_str_eq(pb_json_str(pb_json_get(j, "id")), id))
				return true;
	return false;
}

/* What the header lists beside native operations: may be there, need not, and nothing declares it. */
static bool is_optional(const struct ipc_setup *setup, const char *id)
{
	static const char *const prefixes[] = {"sample:", "migrate:"};
	const struct pb_json *manifest;
	pb_auto_arena arena;

	pb_arena_init(&arena, MANIFEST_ARENA);
	if (pb_str_eq(id, "conn.open") || pb_str_eq(id, "conn.close"))
		return true;
	for (size_t i = 0; i < PB_ARRAY_LEN(prefixes); i++)
		if (pb_str_starts(id, prefixes[i]))
			return pb_json_parse(&arena, setup->manifest.p, setup->manifest.len, NULL,
					     &manifest, NULL) == PB_OK &&
			       is_declared(manifest, id + strlen(prefixes[i]));
	return false;
}

/* Each declared operation has one handler, each handler is declared or optional. */
static enum pb_status check_operations(const struct runner_module *m, const struct ipc_setup *setup,
				       struct pb_err *err)
{
	const struct patchbay_operation *op;
	bool declared;

	for (size_t i = 0; i < m->n_operations; i++) {
		op = runner_module_operation(m, i);
		if (!op->id || !op->run || strnlen(op->id, IPC_ID_MAX + 1) > IPC_ID_MAX)
			return refuse(err, "loader.operation", "an operation has no id or handler");
		if (runner_module_find(m, op->id) != op)
			return pb_err_set(err, PB_E_INVALID, "loader.operation",
					  "%s has two handlers", op->id);
		declared = is_optional(setup, op->id);
		for (size_t j = 0; j < setup->n_operations && !declared; j++)
			declared = pb_str_eq(op->id, setup->operations[j]);
		if (!declared)
			return pb_err_set(err, PB_E_INVALID, "loader.operation",
					  "the manifest has no native %s", op->id);
	}
	for (size_t j = 0; j < setup->n_operations; j++)
		if (!runner_module_find(m, setup->operations[j]))
			return pb_err_set(err, PB_E_INVALID, "loader.operation",
					  "there is no handler for %s", setup->operations[j]);
	return PB_OK;
}

enum pb_status runner_load_open(int fd, const struct ipc_setup *setup,
				struct runner_module *ret_module, struct pb_err *err)
{
	const struct patchbay_module *table;
	struct runner_module m;
	enum pb_status status;
	entry_fn *entry = NULL;
	char path[32];
	void *handle;

	(void)pb_str_printf(path, sizeof(path), "/proc/self/fd/%d", fd);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return refuse(err, "loader.open", dlerror());
	status = find_entry(handle, &entry, err);
	if (status != PB_OK)
		return status;
	table = entry();
	status = check_numbers(table, err);
	if (status == PB_OK)
		status = check_manifest(table, setup, err);
	if (status != PB_OK)
		return status;
	m = (struct runner_module){
		.operations = (const char *)table->operations,
		.n_operations = table->n_operations,
		.stride = table->operation_stride,
		.minor = table->abi_minor,
		.needs_minor = table->needs_minor,
	};
	status = check_operations(&m, setup, err);
	if (status != PB_OK)
		return status;
	*ret_module = m;
	return PB_OK;
}
