/* SPDX-License-Identifier: ISC */
/* What an opened vault tells of itself, as a daemon's answer would have it. */
#ifndef COFFER_CLI_GATHER_H
#define COFFER_CLI_GATHER_H

#include "cli/control_text.h"

/* `ret` is empty; what it holds after a failure is to be released, too. */
int gather_status(struct vault *v, struct control_status *ret) must_check;

#endif
