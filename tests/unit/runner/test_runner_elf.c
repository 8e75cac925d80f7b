/* SPDX-License-Identifier: Apache-2.0 */
/* The static checks of a connector's file: a real one is changed byte by byte. */
#include "support/runner_peer.h"
#include "support/check_main.h"

#include <elf.h>

#include "runner/runner_elf.h"

static char *image;
static size_t image_bytes;

static void setup_image(void)
{
	image = peer_read_file(PB_BINARY_DIR "/plugins/slack/slack.so", &image_bytes);
}

static void teardown_image(void)
{
	free(image);
}

static const char *check(void)
{
	static struct pb_err err;

	err = (struct pb_err)PB_ERR_INIT;
	return runner_elf_check(pb_slice(image, image_bytes), NULL, 0, &err) == PB_OK ? "ok"
										      : err.code;
}

static Elf64_Phdr *segment(uint32_t type)
{
	const Elf64_Ehdr *head = (void *)image;
	Elf64_Phdr *ph = (void *)(image + head->e_phoff);

	for (size_t i = 0; i < head->e_phnum; i++)
		if (ph[i].p_type == type)
			return &ph[i];
	ck_abort_msg("no such segment");
	return NULL;
}

static Elf64_Dyn *dynamic(int64_t tag)
{
	const Elf64_Phdr *ph = segment(PT_DYNAMIC);
	Elf64_Dyn *d = (void *)(image + ph->p_offset);

	while (d->d_tag != tag && d->d_tag != DT_NULL)
		d++;
	ck_assert_int_eq(d->d_tag, tag);
	return d;
}

START_TEST(check__takes_a_connector)
{
	ck_assert_str_eq(check(), "ok");
}
END_TEST

/* The loader would read another dynamic section than the one that was checked. */
START_TEST(check__refuses_a_second_dynamic_section)
{
	Elf64_Phdr *dyn = segment(PT_DYNAMIC);
	Elf64_Phdr *other = segment(PT_NOTE);
	const Elf64_Phdr good = *dyn, note = *other;

	*other = *dyn;
	ck_assert_str_eq(check(), "loader.elf");
	*other = note;
	dyn->p_offset += sizeof(Elf64_Dyn);
	ck_assert_str_eq(check(), "loader.elf");
	*dyn = good;
	dyn->p_vaddr = UINT64_MAX - 100;
	ck_assert_str_eq(check(), "loader.elf");
	*dyn = good;
	dyn->p_filesz = sizeof(Elf64_Dyn); /* the end is behind it */
	ck_assert_str_eq(check(), "loader.elf");
	*dyn = good;
	ck_assert_str_eq(check(), "ok");
}
END_TEST

START_TEST(check__refuses_by_header)
{
	Elf64_Ehdr *head = (void *)image;
	const Elf64_Ehdr good = *head;

	head->e_ident[0] = 0;
	ck_assert_str_eq(check(), "loader.elf");
	*head = good;
	head->e_ident[EI_CLASS] = ELFCLASS32;
	ck_assert_str_eq(check(), "loader.class");
	*head = good;
	head->e_machine = EM_386;
	ck_assert_str_eq(check(), "loader.machine");
	*head = good;
	head->e_type = ET_EXEC;
	ck_assert_str_eq(check(), "loader.type");
	*head = good;
	head->e_phoff = UINT64_MAX - 10;
	ck_assert_str_eq(check(), "loader.elf");
}
END_TEST

START_TEST(check__refuses_by_segment)
{
	segment(PT_GNU_STACK)->p_flags |= PF_X;
	ck_assert_str_eq(check(), "loader.execstack");
	segment(PT_GNU_STACK)->p_flags &= ~(uint32_t)PF_X;
	segment(PT_LOAD)->p_flags |= PF_W | PF_X;
	ck_assert_str_eq(check(), "loader.writable_code");
}
END_TEST

START_TEST(check__refuses_by_dynamic_entry)
{
	Elf64_Dyn *d = dynamic(DT_NEEDED);
	const Elf64_Dyn good = *d;

	d->d_tag = DT_RUNPATH;
	ck_assert_str_eq(check(), "loader.runpath");
	d->d_tag = DT_RPATH;
	ck_assert_str_eq(check(), "loader.runpath");
	d->d_tag = DT_TEXTREL;
	ck_assert_str_eq(check(), "loader.textrel");
	d->d_tag = DT_AUXILIARY;
	ck_assert_str_eq(check(), "loader.library");
	*d = good;
	d->d_un.d_val = UINT64_MAX;
	ck_assert_str_eq(check(), "loader.elf");
	d->d_un.d_val = good.d_un.d_val + 1; /* "ibc.so.6" */
	ck_assert_str_eq(check(), "loader.library");
}
END_TEST

/* Whatever is cut off, nothing is read behind the end (the sanitizers see to that). */
START_TEST(check__survives_any_length)
{
	char *copy;

	for (size_t n = 0; n < image_bytes; n += n < 4096 ? 7 : 509) {
		struct pb_err err = PB_ERR_INIT;

		copy = malloc(n + 1);
		memcpy(copy, image, n);
		(void)(runner_elf_check(pb_slice(copy, n), NULL, 0, &err) == PB_OK);
		free(copy);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("runner_elf");
	TCase *tc = tcase_create("elf");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup_image, teardown_image);
	tcase_add_test(tc, check__takes_a_connector);
	tcase_add_test(tc, check__refuses_a_second_dynamic_section);
	tcase_add_test(tc, check__refuses_by_header);
	tcase_add_test(tc, check__refuses_by_segment);
	tcase_add_test(tc, check__refuses_by_dynamic_entry);
	tcase_add_test(tc, check__survives_any_length);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
