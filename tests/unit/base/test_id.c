/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/id.c */
#define PB_ALLOW_FORK /* the pool must differ in a child */
#include "base/id.h"

#include <check.h>
#include <pthread.h>
#include <sys/wait.h>

#include "support/check_main.h"
#include "base/clock.h"
#include "base/base.h"

#define THREADS    4
#define PER_THREAD 50000

START_TEST(uuid7__carries_the_time_and_its_version)
{
	uint64_t before = (uint64_t)(pb_now_us() / 1000);
	struct pb_uuid id = pb_uuid7();
	uint64_t after = (uint64_t)(pb_now_us() / 1000);

	ck_assert_uint_ge(pb_uuid7_unix_ms(id), before);
	ck_assert_uint_le(pb_uuid7_unix_ms(id), after + 1);
	ck_assert_uint_eq(id.b[6] >> 4, 7);
	ck_assert_uint_eq(id.b[8] >> 6, 2);
}
END_TEST

START_TEST(uuid7__strictly_rises_in_one_thread)
{
	struct pb_uuid last = pb_uuid7();

	for (int i = 0; i < 200000; i++) {
		struct pb_uuid id = pb_uuid7();

		ck_assert_int_lt(pb_uuid_cmp(last, id), 0);
		last = id;
	}
}
END_TEST

static void *make_ids(void *arg)
{
	struct pb_uuid *ids = arg;

	for (int i = 0; i < PER_THREAD; i++)
		ids[i] = pb_uuid7();
	return NULL;
}

static int cmp_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pb_uuid));
}

START_TEST(uuid7__rises_in_each_thread_and_never_repeats)
{
	pb_autofree struct pb_uuid *ids = pb_xcalloc((size_t)THREADS * PER_THREAD, sizeof(*ids));
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, make_ids, ids + i * PER_THREAD), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	for (int i = 0; i < THREADS; i++)
		for (int k = 1; k < PER_THREAD; k++)
			ck_assert_int_lt(
				pb_uuid_cmp(ids[i * PER_THREAD + k - 1], ids[i * PER_THREAD + k]),
				0);
	qsort(ids, (size_t)THREADS * PER_THREAD, sizeof(*ids), cmp_ids);
	/* not even the 60 bits of the clock repeat */
	for (int i = 1; i < THREADS * PER_THREAD; i++)
		ck_assert_int_ne(memcmp(&ids[i - 1], &ids[i], 8), 0);
}
END_TEST

START_TEST(uuid7_from__is_rfc_9562s_example)
{
	/* RFC 9562, appendix A.6 */
	static const uint8_t rnd[10] = {0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
	char out[PB_UUID_TEXT_BYTES];
	struct pb_uuid id = pb_uuid7_from(UINT64_C(0x017f22e279b0), rnd);

	pb_uuid_format(id, out);
	ck_assert_str_eq(out, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
	ck_assert_uint_eq(pb_uuid7_unix_ms(id), UINT64_C(0x017f22e279b0));
}
END_TEST

START_TEST(parse__exact_form_only)
{
	static const struct {
		const char *s;
		bool ok;
	} cases[] = {{"017f22e2-79b0-7cc3-98c4-dc0c0c07398f", true},
		     {"017F22E2-79B0-7CC3-98C4-DC0C0C07398F", true},
		     {"00000000-0000-0000-0000-000000000000", true},
		     {"017f22e279b07cc398c4dc0c0c07398f", false},
		     {"{17f22e2-79b0-7cc3-98c4-dc0c0c07398}", false},
		     {"017f22e2-79b0-7cc3-98c4-dc0c0c07398", false},
		     {"017f22e2-79b0-7cc3-98c4-dc0c0c07398ff", false},
		     {"017f22e2-79b0-7cc3-98c4-dc0c0c07398g", false},
		     {"017f22e27-9b0-7cc3-98c4-dc0c0c07398f", false},
		     {"-17f22e2-79b0-7cc3-98c4-dc0c0c07398f", false},
		     {"", false}};

	for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
		char out[PB_UUID_TEXT_BYTES];
		struct pb_uuid id;

		ck_assert_int_eq(pb_uuid_parse(cases[i].s, strlen(cases[i].s), &id), cases[i].ok);
		if (!cases[i].ok)
			continue;
		pb_uuid_format(id, out);
		ck_assert(pb_slice_eq_nocase(pb_slice_str(out), cases[i].s));
	}
}
END_TEST

START_TEST(nil_eq_hash__behave)
{
	struct pb_uuid a = pb_uuid7(), b = a;

	ck_assert(pb_uuid_is_nil(PB_UUID_NIL));
	ck_assert(!pb_uuid_is_nil(a));
	ck_assert(pb_uuid_eq(a, b));
	ck_assert(pb_uuid_hash(a) == pb_uuid_hash(b));
	b.b[15] ^= 1;
	ck_assert(!pb_uuid_eq(a, b));
	ck_assert(pb_uuid_hash(a) != pb_uuid_hash(b));
	ck_assert(pb_uuid_cmp(a, b) != 0);
}
END_TEST

START_TEST(hash__spreads_ids_of_one_burst)
{
	static unsigned count[1024];

	for (int i = 0; i < 102400; i++)
		count[pb_uuid_hash(pb_uuid7()) & 1023]++;
	for (int i = 0; i < 1024; i++) {
		/* mean 100, standard deviation 10: six of them */
		ck_assert_uint_gt(count[i], 40);
		ck_assert_uint_lt(count[i], 160);
	}
}
END_TEST

START_TEST(random__is_not_constant_at_any_size)
{
	uint8_t a[600], b[600];

	for (size_t n = 8; n <= sizeof(a); n += 37) {
		memset(a, 0, sizeof(a));
		memset(b, 0, sizeof(b));
		pb_random_bytes(a, n);
		pb_random_bytes(b, n);
		ck_assert_int_ne(memcmp(a, b, n), 0);
		for (size_t i = n; i < sizeof(a); i++)
			ck_assert_uint_eq(a[i], 0);
	}
	pb_random_bytes(a, 0);
}
END_TEST

START_TEST(random__differs_after_a_fork)
{
	uint64_t mine, theirs;
	int fd[2], status;
	pid_t pid;

	(void)pb_random_u64(); /* fills the pool */
	ck_assert_int_eq(pipe(fd), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		theirs = pb_random_u64();
		_exit(write(fd[1], &theirs, sizeof(theirs)) == sizeof(theirs) ? 0 : 1);
	}
	mine = pb_random_u64();
	ck_assert_int_eq(read(fd[0], &theirs, sizeof(theirs)), sizeof(theirs));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert(mine != theirs);
	close(fd[0]);
	close(fd[1]);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("id");
	TCase *tc = tcase_create("id");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, uuid7__carries_the_time_and_its_version);
	tcase_add_test(tc, uuid7__strictly_rises_in_one_thread);
	tcase_add_test(tc, uuid7__rises_in_each_thread_and_never_repeats);
	tcase_add_test(tc, uuid7_from__is_rfc_9562s_example);
	tcase_add_test(tc, parse__exact_form_only);
	tcase_add_test(tc, nil_eq_hash__behave);
	tcase_add_test(tc, hash__spreads_ids_of_one_burst);
	tcase_add_test(tc, random__is_not_constant_at_any_size);
	tcase_add_test(tc, random__differs_after_a_fork);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
