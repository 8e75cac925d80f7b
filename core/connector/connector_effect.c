/* SPDX-License-Identifier: Apache-2.0 */
/* Did the far side change? What egress saw is believed before what the connector says. */
#include "connector/connector_private.h"

#include "base/base.h"

/*
 * Nothing but safe requests: no. Died with an unsafe one out, or one without an answer: maybe. All
 * answered: the connector has read the answers and knows best.
 */
enum connector_effect connector_effect_of(const struct connector_outcome *out,
					  enum egress_sent sent, bool unanswered)
{
	if (sent != EGRESS_SENT_MAYBE)
		return CONNECTOR_EFFECT_NONE;
	if (out->status == CONNECTOR_OK)
		return CONNECTOR_EFFECT_DONE;
	if (out->died || out->status >= CONNECTOR_CRASHED || out->status == CONNECTOR_CANCELLED)
		return CONNECTOR_EFFECT_MAYBE;
	if (unanswered && out->claim == IPC_EFFECT_NONE)
		return CONNECTOR_EFFECT_MAYBE;
	switch (out->claim) {
	case IPC_EFFECT_NONE:
		return CONNECTOR_EFFECT_NONE;
	case IPC_EFFECT_DONE:
		return CONNECTOR_EFFECT_DONE;
	default:
		return CONNECTOR_EFFECT_MAYBE;
	}
}

static const char *const names[] = {
	"ok",        "invalid_input", "auth_expired", "auth_denied", "rate_limited",
	"transient", "permanent",     "cancelled",    "unsupported", "internal",
	"crashed",   "timeout",       "disabled",     "quarantined", "unavailable",
};
_Static_assert(PB_ARRAY_LEN(names) == CONNECTOR_STATUS_COUNT, "a name for each status");

static const char *const codes[] = {
	"connector.ok",          "connector.invalid_input", "connector.auth_expired",
	"connector.auth_denied", "connector.rate_limited",  "connector.transient",
	"connector.permanent",   "connector.cancelled",     "connector.unsupported",
	"connector.internal",    "connector.crashed",       "connector.timeout",
	"connector.disabled",    "connector.quarantined",   "connector.unavailable",
};
_Static_assert(PB_ARRAY_LEN(codes) == CONNECTOR_STATUS_COUNT, "a code for each status");

const char *connector_status_name(enum connector_status status)
{
	return status < CONNECTOR_STATUS_COUNT ? names[status] : names[CONNECTOR_PERMANENT];
}

const char *connector_status_code(enum connector_status status)
{
	return status < CONNECTOR_STATUS_COUNT ? codes[status] : codes[CONNECTOR_PERMANENT];
}

const char *connector_effect_name(enum connector_effect effect)
{
	switch (effect) {
	case CONNECTOR_EFFECT_NONE:
		return "none";
	case CONNECTOR_EFFECT_DONE:
		return "done";
	default:
		return "maybe";
	}
}
