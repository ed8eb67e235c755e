/* SPDX-License-Identifier: ISC */
/* A line on the terminal that tells how far long work has come. */
#ifndef COFFER_CLI_PROGRESS_H
#define COFFER_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Shows nothing from here on where standard error is no terminal, or
 * `quiet`. */
void progress_start(bool quiet);
/* A few times a second at most, whatever it is called with.  total 0: not
 * known. */
void progress_bytes(const char *doing, uint64_t n_files, uint64_t bytes,
		    uint64_t total);
void progress_share(const char *doing, uint64_t done, uint64_t total);
/* Takes the line away; before anything else is printed, and at the end. */
void progress_clear(void);

#endif
