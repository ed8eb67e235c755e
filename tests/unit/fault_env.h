/* SPDX-License-Identifier: ISC */
/* The real disk, until a call is to fail. */
#ifndef COFFER_TESTS_FAULT_ENV_H
#define COFFER_TESTS_FAULT_ENV_H

#include <stdbool.h>

#include "base/env.h"

struct fault_env {
	struct env env; /* first */
	/* The nth call from now (1: the next) that may fail does, with
	 * `error`; with `sticky` all after it too.  0: none. */
	unsigned long nth;
	int error;
	bool sticky;
	bool has_failed;
	/* Only giving a file its name fails: what publishing ends with. */
	bool only_link;
	/* Only fsync and fdatasync fail. */
	bool only_sync;
	/* Only what needs room fails: reading, removing and syncing do not. */
	bool is_full;
	/* Closing a descriptor fails too; it is closed all the same. */
	bool close_too;
};

/* Syncs are left out: nobody pulls the plug. */
void fault_env_init(struct fault_env *f);

#endif
