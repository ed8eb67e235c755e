/* SPDX-License-Identifier: ISC */
/* Key slots as `info' and `key list' show them, and as `key remove' takes
 * their names. */
#ifndef COFFER_CLI_SLOT_TEXT_H
#define COFFER_CLI_SLOT_TEXT_H

#include <stdbool.h>

#include "cli/json.h"
#include "vault/slots.h"

/* Abbreviations of a slot's name have at least so many digits. */
#define SLOT_PREFIX_MIN 4

const char *slot_type_name(enum slot_type type);
void slot_print(const struct vault_slot *s);
/* As an object; what only an unlocked vault knows with `unlocked`. */
void slot_put_json(struct json *j, const struct vault_slot *s, bool unlocked);
/* Is `text` the hexadecimal name, or a beginning of it? */
bool slot_matches(const struct vault_slot *s, const char *text);

#endif
