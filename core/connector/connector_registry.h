/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which connectors exist: id -> versions -> actions. Readers take one immutable snapshot; a scan or
 * a change of state builds the next one and swaps it. An action handle keeps its version alive,
 * whatever is installed, upgraded or removed meanwhile.
 */
#ifndef PB_CONNECTOR_CONNECTOR_REGISTRY_H
#define PB_CONNECTOR_CONNECTOR_REGISTRY_H

#include "connector/connector_manifest.h"

struct connector_registry;
struct connector_version; /* one id, one version: manifest and plugin; immutable, counted */
struct connector_action;  /* one action of one version; counted */

struct connector_registry *connector_registry_new(void);
void connector_registry_free(struct connector_registry *reg);
PB_DEFINE_AUTOPTR(connector_registry, connector_registry_free);

/*
 * Reads @dir/<id>/manifest.json (and <id>.so beside it when an operation is native) and makes the
 * result the current snapshot. A connector that cannot be read keeps the version that was loaded
 * before, if any, and is reported; the others load. Versions that vanished leave the snapshot.
 * Errors:  PB_E_NOT_FOUND connector.dir. Faults of single connectors go to @faults (may be NULL)
 *          with pointer "/<id>...".
 * Limits:  1,000 connectors, manifest 1 MB, plugin 64 MB.
 * Threads: [any-thread], reads files
 */
enum pb_status connector_registry_scan(struct connector_registry *reg, const char *dir,
				       struct pb_problems *faults,
				       struct pb_err *err) pb_must_check;
/* The same for one version given by hand (tests, later install). @so taken (-1: no plugin). */
enum pb_status connector_registry_add(struct connector_registry *reg, const char *manifest,
				      size_t n, int so, struct pb_problems *faults,
				      struct pb_err *err) pb_must_check;

/*
 * Finds "slack.post_message": the operation follows the last dot. @version NULL = the newest.
 * Disabled and quarantined connectors are found too: only a call is refused.
 * Owner:   *ret is a reference, connector_action_unref().
 * Errors:  PB_E_NOT_FOUND connector.unknown / connector.version_unknown / connector.action_unknown.
 * Threads: [any-thread], never blocks
 */
enum pb_status connector_registry_action(struct connector_registry *reg, const char *name,
					 const char *version, struct connector_action **ret,
					 struct pb_err *err) pb_must_check;

/*
 * The test of a credential, called like any action: "{}" as parameters, the connection, no effect.
 * Owner:   *ret is a reference, connector_action_unref().
 * Errors:  PB_E_NOT_FOUND connector.unknown / connector.version_unknown, PB_E_UNPROCESSABLE
 *          connection.no_test (the credential is unknown or declares none).
 * Threads: [any-thread], never blocks
 */
enum pb_status connector_registry_test(struct connector_registry *reg, const char *connector,
				       const char *version, const char *credential,
				       struct connector_action **ret,
				       struct pb_err *err) pb_must_check;

struct connector_action *connector_action_ref(struct connector_action *a);
void connector_action_unref(struct connector_action *a);
PB_DEFINE_AUTOPTR(connector_action, connector_action_unref);
/* All borrowed from the handle. [any-thread] */
const char *connector_action_name(
	const struct connector_action *a); /* "slack.post_message", "slack.test:bot" */
const struct connector_operation *connector_action_operation(const struct connector_action *a);
const struct connector_manifest *connector_action_manifest(const struct connector_action *a);
struct connector_version *connector_action_version(const struct connector_action *a);
/* True when @auth_type (a credential id; NULL = no connection) suits the action. */
bool connector_action_accepts(const struct connector_action *a, const char *auth_type);

struct connector_version *connector_version_ref(struct connector_version *v);
void connector_version_unref(struct connector_version *v);
PB_DEFINE_AUTOPTR(connector_version, connector_version_unref);
const struct connector_manifest *connector_version_manifest(const struct connector_version *v);
/* Sealed memfd of the plugin; -1 when nothing is native. Borrowed. */
int connector_version_plugin(const struct connector_version *v);
/* SHA-256 of manifest and plugin, hex: two loads of the same files are the same version. */
const char *connector_version_hash(const struct connector_version *v);

/* The newest version of each connector, by id. Owner: unref each, then free() the array. */
size_t connector_registry_list(struct connector_registry *reg, struct connector_version ***ret);
/* NULL when absent; else a reference. @version NULL = the newest. */
struct connector_version *connector_registry_version(struct connector_registry *reg, const char *id,
						     const char *version);

#endif
