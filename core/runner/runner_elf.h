/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at a shared object's bytes before anything of it runs: right machine, no search paths of its own, no
 * text relocations, no executable stack or writable code, no library but the declared ones.
 */
#ifndef PB_RUNNER_ELF_H
#define PB_RUNNER_ELF_H

#include "base/err.h"
#include "base/str.h"

#define RUNNER_PLUGIN_MAX (64u << 20)

/*
 * @libraries: what the manifest lists; libc.so.6, libm.so.6 and the dynamic loader are always allowed.
 * Errors:  PB_E_INVALID loader.elf (not an ELF file, or damaged), loader.class, loader.machine, loader.type,
 *          loader.runpath, loader.textrel, loader.execstack, loader.writable_code, loader.library (names it).
 * Threads: [any-thread]; reads @image only, whatever is in it.
 */
enum pb_status runner_elf_check(struct pb_slice image, const char *const *libraries,
				size_t n_libraries, struct pb_err *err) pb_must_check;

#endif
