/* SPDX-License-Identifier: ISC */
/*
 * Chance, time and the passphrase's cost, for targets that use a whole vault:
 * the same input does the same each time, and a vault opens at once.
 */
#ifndef COFFER_TESTS_STAND_IN_H
#define COFFER_TESTS_STAND_IN_H

#include <stdint.h>

/* From here on the same numbers and times follow. */
void stand_in_reset(uint64_t seed);

#endif
