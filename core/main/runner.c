/* SPDX-License-Identifier: Apache-2.0 */
/* The program patchbay-runner: see runner_main.c. It links base, os, ipc and libseccomp, nothing else. */
#include "runner/runner_call.h"

#include "base/base.h"

int main(int argc, char **argv)
{
	return runner_main(argc, argv);
}
