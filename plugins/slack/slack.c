/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slack: posts messages and tests the token. The surprise of this API: nearly every answer is HTTP 200, and
 * only "ok" and "error" in the body tell what happened. A message that was sent twice is seen twice, Slack
 * knows no idempotency key: the action is declared "none".
 */
#include <string.h>

#include <patchbay/connector.h>
#include <patchbay/json.h>

#include "manifest_embed.h"

/* Slack's error codes that mean something to us; all others are permanent. */
struct slack_error {
	const char *code;
	patchbay_status status;
	const char *pointer; /* the parameter at fault, or NULL */
	const char *message;
};

static const struct slack_error errors[] = {
	{"invalid_auth", PATCHBAY_AUTH_EXPIRED, NULL, "Slack does not accept the token"},
	{"not_authed", PATCHBAY_AUTH_EXPIRED, NULL, "no token was sent"},
	{"token_expired", PATCHBAY_AUTH_EXPIRED, NULL, "the token has expired"},
	{"token_revoked", PATCHBAY_AUTH_EXPIRED, NULL, "the token was revoked"},
	{"account_inactive", PATCHBAY_AUTH_EXPIRED, NULL, "the token's account was deactivated"},
	{"missing_scope", PATCHBAY_AUTH_DENIED, NULL, "the token lacks a scope for this"},
	{"no_permission", PATCHBAY_AUTH_DENIED, NULL, "the token may not do this"},
	{"ekm_access_denied", PATCHBAY_AUTH_DENIED, NULL,
	 "the workspace's administrators forbid it"},
	{"org_login_required", PATCHBAY_AUTH_DENIED, NULL,
	 "the workspace moved to an organisation"},
	{"not_in_channel", PATCHBAY_AUTH_DENIED, "/channel", "the app is not in this channel"},
	{"restricted_action", PATCHBAY_AUTH_DENIED, "/channel", "posting here is restricted"},
	{"access_denied", PATCHBAY_AUTH_DENIED, NULL, "access was denied"},
	{"channel_not_found", PATCHBAY_INVALID_INPUT, "/channel", "there is no such channel"},
	{"is_archived", PATCHBAY_INVALID_INPUT, "/channel", "the channel is archived"},
	{"messages_tab_disabled", PATCHBAY_INVALID_INPUT, "/channel", "the app takes no messages"},
	{"msg_too_long", PATCHBAY_INVALID_INPUT, "/text", "the message is too long"},
	{"no_text", PATCHBAY_INVALID_INPUT, "/text", "the message is empty"},
	{"invalid_blocks", PATCHBAY_INVALID_INPUT, "/blocks", "the blocks are not valid"},
	{"invalid_blocks_format", PATCHBAY_INVALID_INPUT, "/blocks", "the blocks are not valid"},
	{"too_many_attachments", PATCHBAY_INVALID_INPUT, "/attachments", "too many attachments"},
	{"invalid_metadata_format", PATCHBAY_INVALID_INPUT, "/metadata",
	 "the metadata is not valid"},
	{"cannot_reply_to_message", PATCHBAY_INVALID_INPUT, "/thread_ts",
	 "no reply is possible here"},
	{"ratelimited", PATCHBAY_RATE_LIMITED, NULL, "Slack asks to slow down"},
	{"rate_limited", PATCHBAY_RATE_LIMITED, NULL, "Slack asks to slow down"},
	{"message_limit_exceeded", PATCHBAY_RATE_LIMITED, NULL, "the workspace posted too much"},
	{"internal_error", PATCHBAY_TRANSIENT, NULL, "Slack had an internal error"},
	{"fatal_error", PATCHBAY_TRANSIENT, NULL, "Slack had an internal error"},
	{"request_timeout", PATCHBAY_TRANSIENT, NULL, "Slack did not get the whole request"},
	{"service_unavailable", PATCHBAY_TRANSIENT, NULL, "Slack is not available"},
	{"team_added_to_org", PATCHBAY_TRANSIENT, NULL, "the workspace is being moved"},
};

static const struct slack_error *known_error(struct patchbay_text code)
{
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (patchbay_json_equals(code, errors[i].code))
			return &errors[i];
	return NULL;
}

/* Slack may have acted before these two. All other refusals come before anything is done. */
static uint32_t effect_of(const struct slack_error *e)
{
	return e != NULL && e->status == PATCHBAY_TRANSIENT ? PATCHBAY_EFFECT_MAYBE
							    : PATCHBAY_EFFECT_NONE;
}

static patchbay_status fail_by_code(const struct patchbay_host *host, struct patchbay_call *call,
				    const struct patchbay_http_response *rs,
				    struct patchbay_text code)
{
	struct patchbay_failure f = PATCHBAY_FAILURE_INIT;
	const struct slack_error *e = known_error(code);

	f.status = e != NULL ? e->status : PATCHBAY_PERMANENT;
	f.effect = effect_of(e);
	f.http_status = rs->http_status;
	f.retry_after_ms = rs->retry_after_ms;
	f.code = patchbay_json_string(host, call, code, NULL);
	f.message = e != NULL ? e->message : "Slack refused the request";
	f.pointer = e != NULL ? e->pointer : NULL;
	return patchbay_fail(host, call, &f);
}

/* No JSON with "ok" came: only the status can say something. */
static patchbay_status fail_by_status(const struct patchbay_host *host, struct patchbay_call *call,
				      const struct patchbay_http_response *rs)
{
	struct patchbay_failure f = PATCHBAY_FAILURE_INIT;

	f.http_status = rs->http_status;
	f.retry_after_ms = rs->retry_after_ms;
	if (rs->http_status == 429) {
		f.status = PATCHBAY_RATE_LIMITED;
		f.message = "Slack asks to slow down";
	} else if (rs->http_status >= 500) {
		f.status = PATCHBAY_TRANSIENT;
		f.effect = PATCHBAY_EFFECT_MAYBE;
		f.message = "Slack is not available";
	} else if (rs->http_status >= 200 && rs->http_status < 300) {
		f.status = PATCHBAY_TRANSIENT;
		f.effect = PATCHBAY_EFFECT_MAYBE;
		f.message = "Slack's answer cannot be read";
	} else {
		f.status = PATCHBAY_PERMANENT;
		f.message = "Slack refused the request";
	}
	return patchbay_fail(host, call, &f);
}

/*
 * POSTs JSON to a method; PATCHBAY_OK only for "ok": true. Any 429 is a refusal, whatever its body.
 */
static patchbay_status slack_call(const struct patchbay_host *host, struct patchbay_call *call,
				  const char *path, uint32_t flags,
				  const struct patchbay_writer *body,
				  struct patchbay_text *ret_answer)
{
	static const struct patchbay_header headers[] = {
		{"Content-Type", "application/json; charset=utf-8"},
		{"Accept", "application/json"}};
	struct patchbay_http_request rq = PATCHBAY_HTTP_REQUEST_INIT;
	struct patchbay_http_response rs = PATCHBAY_HTTP_RESPONSE_INIT;
	patchbay_status status;

	if (body->failed)
		return patchbay_fail_with(host, call, PATCHBAY_INTERNAL, "out of memory");
	rq.method = "POST";
	rq.url = path;
	rq.flags = flags;
	rq.headers = headers;
	rq.n_headers = 2;
	rq.body = body->text;
	rq.body_len = body->len;
	status = patchbay_http(host, call, &rq, &rs);
	if (status != PATCHBAY_OK)
		return patchbay_fail_http(host, call, status, &rs);
	ret_answer->ptr = rs.body;
	ret_answer->len = rs.body_len;
	if (rs.http_status == 429 || !patchbay_json_valid(rs.body, rs.body_len) ||
	    patchbay_json_find(*ret_answer, "/ok").ptr == NULL)
		return fail_by_status(host, call, &rs);
	if (!patchbay_json_true(patchbay_json_find(*ret_answer, "/ok")))
		return fail_by_code(host, call, &rs, patchbay_json_find(*ret_answer, "/error"));
	return PATCHBAY_OK;
}

static patchbay_status post_message(const struct patchbay_host *host, struct patchbay_call *call)
{
	static const char *const content[] = {"/text", "/blocks", "/attachments", "/markdown_text"};
	struct patchbay_text params, answer;
	struct patchbay_writer w;
	patchbay_status status;
	size_t i, n = 0;

	status = patchbay_params(host, call, &params);
	if (status != PATCHBAY_OK)
		return status;
	for (i = 0; i < sizeof(content) / sizeof(content[0]); i++)
		n += patchbay_json_find(params, content[i]).ptr != NULL;
	if (n == 0)
		return patchbay_fail_input(host, call, "/text",
					   "a message needs text, blocks or attachments");

	/* the parameters are named as Slack's own, so they are the body */
	patchbay_writer_init(&w, host, call);
	patchbay_write_json(&w, params);
	status = slack_call(host, call, "/chat.postMessage", 0, &w, &answer);
	if (status != PATCHBAY_OK)
		return status;

	patchbay_writer_init(&w, host, call);
	patchbay_write_open(&w, '{');
	patchbay_write_key(&w, "channel");
	patchbay_write_json(&w, patchbay_json_find(answer, "/channel"));
	patchbay_write_key(&w, "ts");
	patchbay_write_json(&w, patchbay_json_find(answer, "/ts"));
	patchbay_write_key(&w, "message");
	patchbay_write_json(&w, patchbay_json_find(answer, "/message"));
	patchbay_write_close(&w, '}');
	return w.failed ? PATCHBAY_INTERNAL : patchbay_result(host, call, w.text, w.len);
}

/* Who the token is, for the "test" of a connection: {"label": "team / user", "team": …, "user": …}. */
static patchbay_status test_credential(const struct patchbay_host *host, struct patchbay_call *call)
{
	const char *team, *user;
	struct patchbay_text answer;
	struct patchbay_writer w, label;
	patchbay_status status;

	patchbay_writer_init(&w, host, call);
	patchbay_write_open(&w, '{');
	patchbay_write_close(&w, '}');
	status = slack_call(host, call, "/auth.test", PATCHBAY_HTTP_REPEATABLE, &w, &answer);
	if (status != PATCHBAY_OK)
		return status;
	team = patchbay_json_string(host, call, patchbay_json_find(answer, "/team"), NULL);
	user = patchbay_json_string(host, call, patchbay_json_find(answer, "/user"), NULL);
	patchbay_writer_init(&label, host, call);
	patchbay_write_bytes(&label, team != NULL ? team : "?", team != NULL ? strlen(team) : 1);
	patchbay_write_bytes(&label, " / ", 3);
	patchbay_write_bytes(&label, user != NULL ? user : "?", user != NULL ? strlen(user) : 1);

	patchbay_writer_init(&w, host, call);
	patchbay_write_open(&w, '{');
	patchbay_write_key(&w, "label");
	patchbay_write_string(&w, label.text, label.len);
	patchbay_write_key(&w, "team");
	patchbay_write_text(&w, team);
	patchbay_write_key(&w, "user");
	patchbay_write_text(&w, user);
	patchbay_write_close(&w, '}');
	return w.failed || label.failed ? PATCHBAY_INTERNAL
					: patchbay_result(host, call, w.text, w.len);
}

static const struct patchbay_operation operations[] = {
	{"action:post_message", post_message},
	{"test:bot", test_credential},
};

PATCHBAY_MODULE(operations, patchbay_manifest_bytes, PATCHBAY_MANIFEST_BYTES)
