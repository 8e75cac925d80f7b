/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Static checks of a connector's .so, for the loader and the installer's scan. Every offset in the file is
 * a claim: nothing is read before it was checked against the file's size. Only program headers count,
 * because only they decide what the loader does; sections may be missing.
 */
#include "runner/runner_elf.h"

#include <elf.h>

#include "base/base.h"

#ifdef PB_SANITIZED
static const char *const always[] = {
	"libc.so.6",    "libm.so.6",     "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1",
	"libasan.so.8", "libubsan.so.1", "libtsan.so.2",         "libgcc_s.so.1"};
#else
static const char *const always[] = {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2",
				     "ld-linux-aarch64.so.1"};
#endif

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#error "the runner does not know this machine"
#endif

struct image {
	struct pb_slice bytes;
	Elf64_Ehdr head;
	uint64_t strtab, strtab_bytes;
};

static enum pb_status bad(struct pb_err *err, const char *code, const char *message)
{
	return pb_err_set(err, PB_E_INVALID, code, "%s", message);
}

static bool read_at(const struct image *im, uint64_t offset, void *out, size_t n)
{
	if (offset > im->bytes.len || n > im->bytes.len - offset)
		return false;
	memcpy(out, im->bytes.p + offset, n);
	return true;
}

static bool segment(const struct image *im, size_t i, Elf64_Phdr *ret)
{
	return read_at(im, im->head.e_phoff + i * sizeof(*ret), ret, sizeof(*ret));
}

static enum pb_status check_head(struct image *im, struct pb_err *err)
{
	if (!read_at(im, 0, &im->head, sizeof(im->head)) ||
	    memcmp(im->head.e_ident, ELFMAG, SELFMAG) != 0)
		return bad(err, "loader.elf", "not an ELF file");
	if (im->head.e_ident[EI_CLASS] != ELFCLASS64 || im->head.e_ident[EI_DATA] != ELFDATA2LSB)
		return bad(err, "loader.class", "not a 64-bit little-endian object");
	if (im->head.e_machine != OWN_MACHINE)
		return bad(err, "loader.machine", "built for another kind of processor");
	if (im->head.e_type != ET_DYN)
		return bad(err, "loader.type", "not a shared object");
	if (im->head.e_phentsize != sizeof(Elf64_Phdr) || im->head.e_phnum == 0 ||
	    im->head.e_phnum > 64)
		return bad(err, "loader.elf", "unusual program headers");
	return PB_OK;
}

/* Where a virtual address lies in the file. */
static bool file_offset(const struct image *im, uint64_t vaddr, uint64_t *ret)
{
	Elf64_Phdr ph;

	for (size_t i = 0; i < im->head.e_phnum; i++) {
		if (!segment(im, i, &ph))
			return false;
		if (ph.p_type == PT_LOAD && vaddr >= ph.p_vaddr &&
		    vaddr - ph.p_vaddr < ph.p_filesz) {
			*ret = ph.p_offset + (vaddr - ph.p_vaddr);
			return true;
		}
	}
	return false;
}

static enum pb_status check_segments(const struct image *im, Elf64_Phdr *ret_dynamic,
				     struct pb_err *err)
{
	bool stack = false, dynamic = false;
	uint64_t offset;
	Elf64_Phdr ph;

	for (size_t i = 0; i < im->head.e_phnum; i++) {
		if (!segment(im, i, &ph))
			return bad(err, "loader.elf", "program headers are cut off");
		if (ph.p_type == PT_LOAD && (ph.p_flags & PF_W) && (ph.p_flags & PF_X))
			return bad(err, "loader.writable_code", "has writable code");
		if (ph.p_type == PT_GNU_STACK) {
			stack = true;
			if (ph.p_flags & PF_X)
				return bad(err, "loader.execstack", "wants an executable stack");
		}
		if (ph.p_type == PT_INTERP)
			return bad(err, "loader.type", "is a program, not a shared object");
		if (ph.p_type == PT_DYNAMIC) {
			/* the loader reads the last one, at its address: that must be this one */
			if (dynamic || !file_offset(im, ph.p_vaddr, &offset) ||
			    offset != ph.p_offset)
				return bad(err, "loader.elf", "an unusual dynamic section");
			dynamic = true;
			*ret_dynamic = ph;
		}
	}
	if (!stack)
		return bad(err, "loader.execstack",
			   "does not say that its stack is not executable");
	return dynamic ? PB_OK : bad(err, "loader.elf", "has no dynamic section");
}

static bool allowed_library(const char *name, const char *const *libraries, size_t n)
{
	for (size_t i = 0; i < PB_ARRAY_LEN(always); i++)
		if (pb_str_eq(name, always[i]))
			return true;
	for (size_t i = 0; i < n; i++)
		if (pb_str_eq(name, libraries[i]))
			return true;
	return false;
}

static enum pb_status check_needed(const struct image *im, uint64_t at,
				   const char *const *libraries, size_t n, struct pb_err *err)
{
	uint64_t offset;
	const char *name;

	if (at >= im->strtab_bytes || !file_offset(im, im->strtab + at, &offset) ||
	    offset >= im->bytes.len ||
	    !memchr(im->bytes.p + offset, 0, PB_MIN(im->bytes.len - offset, (uint64_t)256)))
		return bad(err, "loader.elf", "a library name is out of bounds");
	name = im->bytes.p + offset;
	if (strchr(name, '/') || !allowed_library(name, libraries, n))
		return pb_err_set(err, PB_E_INVALID, "loader.library",
				  "needs %.64s, which the manifest does not list", name);
	return PB_OK;
}

/* First round: where the strings are. Second round: what is asked for. */
static enum pb_status check_dynamic(struct image *im, const Elf64_Phdr *dynamic,
				    const char *const *libraries, size_t n, struct pb_err *err)
{
	const size_t count = (size_t)(dynamic->p_filesz / sizeof(Elf64_Dyn));
	enum pb_status status = PB_OK;
	bool ended = false;
	Elf64_Dyn d;

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < count && status == PB_OK; i++) {
			if (!read_at(im, dynamic->p_offset + i * sizeof(d), &d, sizeof(d)))
				return bad(err, "loader.elf", "the dynamic section is cut off");
			ended = d.d_tag == DT_NULL;
			if (ended)
				break;
			if (round == 0 && d.d_tag == DT_STRTAB)
				im->strtab = d.d_un.d_ptr;
			if (round == 0 && d.d_tag == DT_STRSZ)
				im->strtab_bytes = d.d_un.d_val;
			if (d.d_tag == DT_RPATH || d.d_tag == DT_RUNPATH)
				return bad(err, "loader.runpath", "has a library search path");
			if (d.d_tag == DT_TEXTREL ||
			    (d.d_tag == DT_FLAGS && (d.d_un.d_val & DF_TEXTREL)))
				return bad(err, "loader.textrel", "has text relocations");
			if (d.d_tag == DT_AUXILIARY || d.d_tag == DT_FILTER ||
			    d.d_tag == DT_AUDIT || d.d_tag == DT_DEPAUDIT)
				return bad(err, "loader.library",
					   "loads libraries in an unusual way");
			if (round == 1 && d.d_tag == DT_NEEDED)
				status = check_needed(im, d.d_un.d_val, libraries, n, err);
		}
		/* the loader goes on to the end, which must be where we looked */
		if (status == PB_OK && !ended)
			return bad(err, "loader.elf", "the dynamic section has no end");
	}
	return status;
}

enum pb_status runner_elf_check(struct pb_slice bytes, const char *const *libraries,
				size_t n_libraries, struct pb_err *err)
{
	struct image im = {.bytes = bytes};
	Elf64_Phdr dynamic = {.p_type = 0};
	enum pb_status status;

	status = check_head(&im, err);
	if (status == PB_OK)
		status = check_segments(&im, &dynamic, err);
	if (status == PB_OK)
		status = check_dynamic(&im, &dynamic, libraries, n_libraries, err);
	return status;
}
