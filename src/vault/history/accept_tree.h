/* SPDX-License-Identifier: ISC */
/*
 * What one view of a vault shows and another lacks, written into the other.
 * Nothing is removed or overwritten there but what the first has seen and gone
 * beyond: the contents of a file it changed, the place of what it moved.
 * Internal to vault.
 */
#ifndef COFFER_VAULT_HISTORY_ACCEPT_TREE_H
#define COFFER_VAULT_HISTORY_ACCEPT_TREE_H

#include "vault/device.h"

/* `old` is only read.  Again after a failure it goes on.  Counts in `res`; what
 * cannot be read is counted and told, and is no failure. */
int accept_tree(struct vault *old, struct vault *new,
		const struct vault_accept_options *how,
		struct vault_accept_result *res) must_check;

#endif
