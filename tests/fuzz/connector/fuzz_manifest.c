/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests: refused with at least one fault, or whole. */
#include "connector/connector_manifest.h"

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	pb_autoptr(connector_manifest) m = NULL;
	struct pb_err err = PB_ERR_INIT;
	struct pb_problems faults;
	const struct connector_error_rule *rule;
	pb_auto_arena arena;

	pb_arena_init(&arena, 1 << 20);
	pb_problems_init(&faults, &arena, 20);
	if (connector_manifest_parse((const char *)data, n, &m, &faults, NULL, &err) != PB_OK) {
		PB_ASSERT(!m && (faults.n || err.status == PB_E_TOO_LARGE || arena.overflow));
		return 0;
	}
	PB_ASSERT(m->id && m->version && m->name && faults.n == 0);
	for (size_t i = 0; i < m->n_actions; i++) {
		PB_ASSERT(m->actions[i].id && m->actions[i].params);
		(void)connector_operation_repeatable(&m->actions[i], m->actions[i].params_json);
	}
	(void)connector_manifest_classify(m, 429, m->json, &rule);
	return 0;
}
