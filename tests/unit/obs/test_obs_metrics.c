/* SPDX-License-Identifier: Apache-2.0 */
/* Counters add up over threads, buckets hold what they say, the text is what Prometheus reads. */
#include "obs/obs_metrics.h"

#include <check.h>

#include "base/lock.h"
#include "obs/obs_metrics_priv.h"
#include "base/base.h"

static void *adder(void *arg)
{
	for (int i = 0; i < 100000; i++)
		obs_counter_add(arg, 1);
	return NULL;
}

START_TEST(counter__adds_up_over_threads)
{
	struct obs_counter *c = obs_counter_new("patchbay_t_total", "help", NULL);
	pthread_t t[6];

	for (size_t i = 0; i < PB_ARRAY_LEN(t); i++)
		t[i] = pb_thread_start("adder", 128 * 1024, adder, c);
	for (size_t i = 0; i < PB_ARRAY_LEN(t); i++)
		pb_thread_join(t[i]);
	ck_assert_uint_eq(obs_counter_value(c), 600000);
}
END_TEST

START_TEST(register__same_labels_give_the_same_series)
{
	const struct obs_label a[] = {{"k", "a"}, {0}};
	const struct obs_label b[] = {{"k", "b"}, {0}};
	struct obs_counter *one = obs_counter_new("patchbay_s_total", "help", a);

	ck_assert_ptr_eq(one, obs_counter_new("patchbay_s_total", "help", a));
	ck_assert_ptr_ne(one, obs_counter_new("patchbay_s_total", "help", b));
	obs_counter_add(NULL, 1);
	obs_gauge_set(NULL, 1);
	obs_histogram_observe(NULL, 1);
}
END_TEST

START_TEST(register__folds_too_many_series)
{
	char value[16];
	struct obs_label l[] = {{"id", value}, {0}};
	struct obs_counter *last = NULL, *again = NULL;

	for (int i = 0; i < OBS_FAMILY_SERIES_MAX + 2; i++) {
		(void)pb_str_printf(value, sizeof(value), "%d", i);
		again = last;
		last = obs_counter_new("patchbay_many_total", "help", l);
	}
	ck_assert_ptr_eq(last, again);
}
END_TEST

START_TEST(bucket__every_value_is_within_its_bounds)
{
	for (uint64_t v = 0; v < (UINT64_C(1) << 30); v += v / 7 + 1) {
		size_t i = obs_bucket_of(v);

		ck_assert_uint_lt(i, OBS_BUCKETS);
		ck_assert_uint_le(v, obs_bucket_top(i));
		if (i > 0)
			ck_assert_uint_gt(v, obs_bucket_top(i - 1));
	}
	ck_assert_uint_eq(obs_bucket_of(UINT64_MAX), OBS_BUCKETS - 1);
	ck_assert_uint_eq(obs_bucket_top(OBS_BUCKETS - 1), (UINT64_C(1) << 30) - 1);
}
END_TEST

START_TEST(histogram__quantiles_are_close)
{
	struct obs_histogram *h = obs_histogram_new("patchbay_q_seconds", "help", NULL);

	ck_assert_int_eq(obs_histogram_quantile(h, 0.5), 0);
	for (int64_t v = 1; v <= 100000; v++)
		obs_histogram_observe(h, v);
	obs_histogram_observe(h, -5);
	ck_assert_uint_eq(obs_histogram_count(h), 100001);
	ck_assert_int_ge(obs_histogram_quantile(h, 0.5), 50000);
	ck_assert_int_le(obs_histogram_quantile(h, 0.5), 62500);
	ck_assert_int_ge(obs_histogram_quantile(h, 0.99), 99000);
	ck_assert_int_le(obs_histogram_quantile(h, 0.99), 123750);
}
END_TEST

static void refresh(void *arg)
{
	obs_gauge_set(arg, 7);
}

START_TEST(write__is_prometheus_text)
{
	const struct obs_label l[] = {{"route", "a\"b\\c\nd"}, {"class", "2xx"}, {0}};
	struct obs_gauge *g = obs_gauge_new("patchbay_w_gauge", "A gauge.", NULL);
	struct obs_histogram *h = obs_histogram_new("patchbay_w_seconds", "Time.", NULL);
	struct obs_histogram *p = obs_histogram_new_plain("patchbay_w_bytes", "Bytes.", NULL);
	pb_auto_buf out = PB_BUF_INIT;

	obs_counter_add(obs_counter_new("patchbay_w_total", "Requests.", l), 3);
	obs_collector_add(refresh, g);
	obs_histogram_observe(h, 100);
	obs_histogram_observe(h, 1000000);
	obs_histogram_observe(p, 1);
	obs_histogram_observe(p, 1 << 20);
	obs_metrics_register_process();
	ck_assert(obs_metrics_write(&out));
	ck_assert_ptr_nonnull(strstr(out.p,
				     "# HELP patchbay_w_total Requests.\n# TYPE patchbay_w_total "
				     "counter\npatchbay_w_total{route=\"a\\\"b\\\\c\\nd\","
				     "class=\"2xx\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "patchbay_w_gauge 7\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "patchbay_w_seconds_bucket{le=\"6.4e-5\"} 0\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "patchbay_w_seconds_bucket{le=\"0.000128\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "patchbay_w_seconds_bucket{le=\"1.048576\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "patchbay_w_seconds_bucket{le=\"+Inf\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "patchbay_w_seconds_sum 1.0001\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "patchbay_w_seconds_count 2\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "patchbay_w_bytes_bucket{le=\"1\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "patchbay_w_bytes_bucket{le=\"2097151\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "patchbay_build_info{version=\""));
	ck_assert_ptr_null(strstr(out.p, "patchbay_process_threads 0\n"));
	obs_collector_remove(g);
}
END_TEST

START_TEST(write__stops_at_the_limit)
{
	pb_auto_buf out;

	pb_buf_init(&out, 50);
	obs_counter_add(obs_counter_new("patchbay_l_total", "A counter with some help text.", NULL),
			3);
	ck_assert(!obs_metrics_write(&out));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("obs_metrics");
	TCase *tc = tcase_create("metrics");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, counter__adds_up_over_threads);
	tcase_add_test(tc, register__same_labels_give_the_same_series);
	tcase_add_test(tc, register__folds_too_many_series);
	tcase_add_test(tc, bucket__every_value_is_within_its_bounds);
	tcase_add_test(tc, histogram__quantiles_are_close);
	tcase_add_test(tc, write__is_prometheus_text);
	tcase_add_test(tc, write__stops_at_the_limit);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
