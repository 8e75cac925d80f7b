/* SPDX-License-Identifier: Apache-2.0 */
/* From a sealed file to a checked table of operations. Its own message for each reason to refuse. */
#ifndef PB_RUNNER_LOAD_H
#define PB_RUNNER_LOAD_H

#include "base/err.h"
#include "ipc/ipc_proto.h"

struct patchbay_operation;

/* Borrowed from the loaded object, which stays for ever: there is no dlclose. */
struct runner_module {
	const char *operations; /* first of n, stride bytes apart */
	size_t n_operations;
	size_t stride;
	uint32_t minor, needs_minor;
};

/* Static checks of the file behind @fd (which must be sealed). Errors: loader.seal, loader.* of runner_elf. */
enum pb_status runner_load_check(int fd, const struct ipc_setup *setup,
				 struct pb_err *err) pb_must_check;
/*
 * dlopen and everything after it. Constructors run here.
 * Errors: PB_E_INVALID loader.open (dlerror's text) / loader.symbol / loader.foreign_symbol / loader.magic /
 *         loader.major / loader.size / loader.stride / loader.needs_minor / loader.manifest /
 *         loader.operation (names it).
 */
enum pb_status runner_load_open(int fd, const struct ipc_setup *setup,
				struct runner_module *ret_module, struct pb_err *err) pb_must_check;
const struct patchbay_operation *runner_module_operation(const struct runner_module *m, size_t i);
const struct patchbay_operation *runner_module_find(const struct runner_module *m, const char *id);

#endif
