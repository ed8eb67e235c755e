/* SPDX-License-Identifier: ISC */
/* Files with several names, met while copying: where the first copy is. */
#ifndef COFFER_CLI_HARDLINKS_H
#define COFFER_CLI_HARDLINKS_H

#include <stdint.h>

#include "base/err.h"

struct hardlinks;

int hardlinks_new(struct hardlinks **ret) must_check;
void hardlinks_free(struct hardlinks *h);
/* The path is copied; of two for one file the first stays. */
int hardlinks_add(struct hardlinks *h, uint64_t dev, uint64_t ino,
		  const char *path) must_check;
/* NULL: not met. */
const char *hardlinks_find(const struct hardlinks *h, uint64_t dev,
			   uint64_t ino);

#endif
