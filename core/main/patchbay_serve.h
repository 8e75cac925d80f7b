/* SPDX-License-Identifier: Apache-2.0 */
/* `patchbay serve`: the object graph of the host, from start to drain. */
#ifndef PB_MAIN_PATCHBAY_SERVE_H
#define PB_MAIN_PATCHBAY_SERVE_H

struct config;

/* Runs until SIGTERM or SIGINT. Returns the process's exit status. [main] */
int patchbay_serve(const struct config *cfg);

#endif
