/* SPDX-License-Identifier: ISC */
/*
 * The control socket of a mounted vault, served by threads of its daemon: how
 * `coffer status', `stats', `sync', `gc' and `umount' talk to it
 * (cli/control_text.h).
 *
 * It stands in a directory only its user may enter, is 0600, and answers only
 * that user and root.  Its name is <uuid>.<pid>.sock, so no two mounts share
 * one; what a daemon that was killed leaves is removed by whoever meets it.
 */
#ifndef COFFER_CLI_CONTROL_H
#define COFFER_CLI_CONTROL_H

#include <stdbool.h>

#include "base/err.h"
#include "cli/control_text.h"
#include "crypto/types.h"
#include "fuse/session.h"
#include "vault/vault.h"

struct control;

/* Starts serving.  `mount` is borrowed until control_end, `vault` and `session`
 * until control_quiesce. */
int control_start(struct vault *vault, struct session *session,
		  const struct uuid *uuid, const struct control_mount *mount,
		  struct control **ret) must_check;

/* From now on the vault is not used any more: status tells "closing", sync is
 * refused, who waits goes on waiting.  Returns when no request uses the
 * vault. */
void control_quiesce(struct control *c);

/* Tells those who wait how it ended, and frees.  NULL is ignored. */
void control_end(struct control *c, int code, const char *text);

/*
 * Where sockets stand, for the server and its clients: the i-th directory, to
 * be mem_free'd; NULL: there are no more, or no memory.  A daemon takes the
 * first it can use.  *ret_is_own: the directories above it may be made too.
 */
char *control_directory(unsigned i, bool *ret_is_own);

#endif
