/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared limiter: one Lua script does what limits_window.c does, with Redis's own clock, so hosts
 * with wrong clocks count alike. Whatever Redis fails at becomes a local count, at once and silently but
 * for a metric.
 */
#include "limits/limits.h"

#include "base/clock.h"
#include "cache/cache.h"
#include "limits/limits_local.h"
#include "obs/obs_metrics.h"
#include "base/base.h"

#define KEY_PREFIX "pb:rl:"

/* What a host counts in advance: this part of the allowance, at most so many. */
#define PORTION_PART 128
#define PORTION_MAX  INT64_C(256)
/* At most so many portions a window are asked for and not answered. */
#define FETCHES_LOST 8

static const char take_lua[] =
	"local t = redis.call('TIME')\n"
	"local now = tonumber(t[1]) * 1000000 + tonumber(t[2])\n"
	"local win, max, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])\n"
	"local ahead = tonumber(ARGV[4])\n"
	"local idx = math.floor(now / win)\n"
	"local h = redis.call('HMGET', KEYS[1], 'w', 'c', 'p')\n"
	"local w, c, p = tonumber(h[1]), tonumber(h[2]) or 0, tonumber(h[3]) or 0\n"
	"if not w then c, p = 0, 0\n"
	"elseif w > idx then idx = w\n"
	"elseif w == idx - 1 then p, c = c, 0\n"
	"elseif w < idx then p, c = 0, 0 end\n"
	"local pos = math.max(now - idx * win, 0)\n"
	"local used = c + p * (win - pos) / win\n"
	"local ok, retry, got = 0, 0, 0\n"
	"if used + cost <= max then\n"
	"  got = math.min(ahead, math.floor(max - used - cost))\n"
	"  ok, c, used = 1, c + cost + got, used + cost + got\n"
	"  redis.call('HSET', KEYS[1], 'w', string.format('%.0f', idx), 'c', c, 'p', p)\n"
	"  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(win * 2 / 1000) + "
	"1000))\n"
	"elseif cost > max then retry = win\n"
	"elseif c + cost <= max and p > 0 then\n"
	"  retry = math.floor(win * (1 - (max - cost - c) / p)) + 1 - pos\n"
	"else\n"
	"  retry = win - pos + math.floor(win * (1 - (max - cost) / math.max(c, 1))) + 1\n"
	"end\n"
	"local reset = 0\n"
	"if c > 0 then reset = 2 * win - pos elseif p > 0 then reset = win - pos end\n"
	"return {ok, math.max(math.floor(max - used), 0), math.floor(retry), math.floor(reset),\n"
	"  got, math.floor(win - pos)}\n";

struct limits {
	struct cache *cache;
	struct cache_script take;
	struct limits_local *local;
	struct obs_counter *taken_shared, *taken_local, *refused;
};

struct limits *limits_open(struct cache *cache)
{
	const struct obs_label shared[] = {{"source", "shared"}, {NULL, NULL}};
	const struct obs_label local[] = {{"source", "local"}, {NULL, NULL}};
	struct limits *l = pb_new(struct limits);

	l->cache = cache;
	l->local = limits_local_new();
	cache_script_init(&l->take, take_lua);
	l->taken_shared =
		obs_counter_new("patchbay_limits_checks_total", "Rate limit checks.", shared);
	l->taken_local =
		obs_counter_new("patchbay_limits_checks_total", "Rate limit checks.", local);
	l->refused = obs_counter_new("patchbay_limits_refused_total", "Rate limit refusals.", NULL);
	return l;
}

void limits_close(struct limits *l)
{
	if (!l)
		return;
	limits_local_free(l->local);
	free(l);
}

/* Two FNV-1a sums with different starts: names for long keys, the same on each host. */
static void fingerprint(struct pb_slice key, char out[33])
{
	uint64_t a = UINT64_C(0xcbf29ce484222325), b = UINT64_C(0x84222325cbf29ce4);

	for (size_t i = 0; i < key.len; i++) {
		a = (a ^ (unsigned char)key.p[i]) * UINT64_C(0x100000001b3);
		b = (b ^ (unsigned char)key.p[i]) * UINT64_C(0x100000001b3) + i;
	}
	(void)pb_str_printf(out, 33, "%016llx%016llx", (unsigned long long)a,
			    (unsigned long long)b);
}

/* "pb:rl:<window>:<key>"; @out is large enough for both forms. */
static struct pb_slice redis_key(struct pb_slice key, int64_t window_us, char *out, size_t cap)
{
	char hex[33];
	size_t n = 0;

	(void)pb_str_printf(out, cap, KEY_PREFIX "%lld:", (long long)window_us);
	n = strlen(out);
	if (key.len > LIMITS_KEY_BYTES) {
		fingerprint(key, hex);
		key = pb_slice(hex, 32);
	}
	memcpy(out + n, key.p, key.len);
	return pb_slice(out, n + key.len);
}

/* @ahead: how many more to count in advance, if there are as many; *ret_held (may be NULL) gets them. */
static enum pb_status take_shared(struct limits *l, struct pb_slice key, int64_t max,
				  int64_t window_us, int64_t cost, int64_t ahead,
				  struct limits_result *ret, struct limits_held *ret_held)
{
	char name[LIMITS_KEY_BYTES + 64], text[4][24];
	const struct pb_slice k = redis_key(key, window_us, name, sizeof(name));
	const int64_t numbers[4] = {window_us, max, cost, ahead}, begun_us = pb_mono_us();
	struct pb_slice args[4];
	int64_t got[6];
	enum pb_status st = PB_OK;

	for (size_t i = 0; i < PB_ARRAY_LEN(args); i++) {
		(void)pb_str_printf(text[i], sizeof(text[i]), "%lld", (long long)numbers[i]);
		args[i] = pb_slice_str(text[i]);
	}
	st = cache_eval(l->cache, &l->take, &k, 1, args, PB_ARRAY_LEN(args), got, PB_ARRAY_LEN(got),
			NULL);
	if (st != PB_OK)
		return st;
	if (ret_held) {
		*ret_held = (struct limits_held){.n = got[4],
						 .until_us = begun_us + got[5],
						 .remaining = got[1],
						 .reset_at_us = begun_us + got[3]};
	}
	*ret = (struct limits_result){.allowed = got[0] == 1,
				      .remaining = got[1] + got[4],
				      .reset_us = got[3],
				      .source = LIMITS_SHARED};
	if (!ret->allowed)
		ret->retry_after_us = PB_MAX(got[2], PB_USEC_PER_MSEC);
	return PB_OK;
}

static void take_local(struct limits *l, struct pb_slice key, int64_t max, int64_t window_us,
		       int64_t cost, struct limits_result *ret)
{
	*ret = (struct limits_result){.source = LIMITS_LOCAL};
	limits_local_take(l->local, key, pb_mono_us(), max, window_us, cost, ret);
}

static void count(struct limits *l, const struct limits_result *r)
{
	obs_counter_add(r->source == LIMITS_SHARED ? l->taken_shared : l->taken_local, 1);
	if (!r->allowed)
		obs_counter_add(l->refused, 1);
}

void limits_take_n(struct limits *l, struct pb_slice key, int64_t max, int64_t window_us,
		   int64_t cost, struct limits_result *ret)
{
	PB_ASSERT(window_us >= PB_USEC_PER_MSEC && max >= 0 && cost >= 0 && key.len > 0);
	if (!l->cache || take_shared(l, key, max, window_us, cost, 0, ret, NULL) != PB_OK)
		take_local(l, key, max, window_us, cost, ret);
	count(l, ret);
}

bool limits_take(struct limits *l, struct pb_slice key, int64_t max, int64_t window_us,
		 struct limits_result *ret)
{
	const int64_t portion = PB_MIN(max / PORTION_PART, PORTION_MAX);
	struct limits_held held = {0};
	bool fetch = false;

	PB_ASSERT(window_us >= PB_USEC_PER_MSEC && max >= 0 && key.len > 0);
	if (!l->cache || portion < 2) {
		limits_take_n(l, key, max, window_us, 1, ret);
		return ret->allowed;
	}
	if (!limits_local_spend(l->local, key, pb_mono_us(), window_us, ret, &fetch)) {
		if (take_shared(l, key, max, window_us, 1, fetch ? portion - 1 : 0, ret, &held) !=
		    PB_OK) {
			held.fetch_at_us = pb_mono_us() + window_us / FETCHES_LOST;
			take_local(l, key, max, window_us, 1, ret);
		}
		if (fetch)
			limits_local_hold(l->local, key, window_us, &held);
	}
	count(l, ret);
	return ret->allowed;
}

enum pb_status limits_take_strict(struct limits *l, struct pb_slice key, int64_t max,
				  int64_t window_us, struct limits_result *ret, struct pb_err *err)
{
	PB_ASSERT(window_us >= PB_USEC_PER_MSEC && max >= 0 && key.len > 0);
	if (!l->cache)
		take_local(l, key, max, window_us, 1, ret);
	else if (take_shared(l, key, max, window_us, 1, 0, ret, NULL) != PB_OK)
		return pb_err_set(err, PB_E_UNAVAILABLE, "limits.unavailable",
				  "attempts cannot be counted at the moment, try again");
	count(l, ret);
	if (!ret->allowed)
		return pb_err_set(err, PB_E_LIMIT, "limits.exceeded",
				  "too many attempts, try again later");
	return PB_OK;
}

void limits_reset(struct limits *l, struct pb_slice key, int64_t window_us)
{
	char name[LIMITS_KEY_BYTES + 64];

	limits_local_reset(l->local, key, window_us);
	if (l->cache) /* best effort: the count also ends by itself */
		(void)(cache_del(l->cache, redis_key(key, window_us, name, sizeof(name)), NULL) ==
		       PB_OK);
}
